//! A frame that is never in memory as a whole: its bytes are those of [`super::frame`], its checksum runs along.

use std::io::{self, Read, Write};

use super::{CodecError, Format};

/// Magic, version and checksum.
pub(crate) const OVERHEAD: u64 = 10;

/// Writes a frame piece by piece.
pub(crate) struct FrameWriter<W> {
    out: W,
    crc: u32,
    written: u64,
}

impl<W: Write> FrameWriter<W> {
    /// Begins a frame.
    pub(crate) fn begin(format: Format, out: W) -> io::Result<FrameWriter<W>> {
        let mut writer = FrameWriter { out, crc: 0, written: 0 };
        writer.put(&format.magic)?;
        writer.put(&format.version.to_le_bytes())?;
        Ok(writer)
    }

    /// A piece of the payload.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Ends the frame. Returns its length.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.out.write_all(&self.crc.to_le_bytes())?;
        Ok(self.written + 4)
    }
}

/// Why a frame cannot be read.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// The reader failed.
    Io(io::Error),
    /// The bytes are not what was written.
    Codec(CodecError),
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> StreamError {
        StreamError::Io(error)
    }
}

impl From<CodecError> for StreamError {
    fn from(error: CodecError) -> StreamError {
        StreamError::Codec(error)
    }
}

/// Reads a frame piece by piece. Nothing of it is proven before [`FrameReader::finish`].
pub(crate) struct FrameReader<R> {
    input: R,
    format: Format,
    crc: u32,
    /// Bytes of the payload that are still to come.
    left: u64,
}

impl<R: Read> FrameReader<R> {
    /// Begins to read a frame of so many bytes.
    pub(crate) fn begin(format: Format, mut input: R, length: u64) -> Result<FrameReader<R>, StreamError> {
        let what = format.what;
        let short = || CodecError::Short { what, length: usize::try_from(length).unwrap_or(usize::MAX) };
        let left = length.checked_sub(OVERHEAD).ok_or_else(short)?;
        let (mut magic, mut version) = ([0; 4], [0; 2]);
        input.read_exact(&mut magic)?;
        input.read_exact(&mut version)?;
        if magic != format.magic {
            return Err(CodecError::Magic { what, found: magic }.into());
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&magic), &version);
        let version = u16::from_le_bytes(version);
        if version > format.version {
            return Err(CodecError::Newer { what, found: version, known: format.version }.into());
        }
        Ok(FrameReader { input, format, crc, left })
    }

    /// How much of the payload is still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next piece of the payload. What the reader is short of is an error; a length never makes us allocate more
    /// than there is.
    pub(crate) fn take(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if length <= self.left {
            self.input.by_ref().take(length).read_to_end(&mut bytes)?;
        }
        if bytes.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        self.left -= length;
        Ok(bytes)
    }

    /// Reads what is left and proves the whole frame.
    pub(crate) fn finish(mut self) -> Result<(), StreamError> {
        const PIECE: u64 = 1 << 16;
        while self.left > 0 {
            let piece = self.left.min(PIECE);
            self.take(piece)?;
        }
        let mut stored = [0; 4];
        self.input.read_exact(&mut stored)?;
        let (found, expected) = (self.crc, u32::from_le_bytes(stored));
        if found == expected {
            return Ok(());
        }
        Err(CodecError::Checksum { what: self.format.what, found, expected }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{IMAGE, frame};
    use super::*;

    #[test]
    fn the_bytes_are_those_of_a_frame_in_one_piece() {
        let mut streamed = Vec::new();
        let mut writer = FrameWriter::begin(IMAGE, &mut streamed).unwrap();
        writer.put(b"hello, ").unwrap();
        writer.put(b"world").unwrap();
        let length = writer.finish().unwrap();
        assert_eq!(streamed, frame(IMAGE, b"hello, world"));
        assert_eq!(length, streamed.len() as u64);

        let mut reader = FrameReader::begin(IMAGE, streamed.as_slice(), length).unwrap();
        assert_eq!(reader.take(5).unwrap(), b"hello");
        assert_eq!(reader.left(), 7);
        assert!(reader.take(8).is_err(), "more than there is");
        reader.finish().unwrap();
    }

    #[test]
    fn what_was_not_read_is_proven_too() {
        let whole = frame(IMAGE, b"hello, world");
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let read = FrameReader::begin(IMAGE, damaged.as_slice(), damaged.len() as u64);
            assert!(read.and_then(FrameReader::finish).is_err(), "bit {bit}");
        }
    }
}
