//! A local image: all sections in one frame, written and read section by section. What is in memory beside the catalog
//! is one section of about 8 MiB.

use std::io::{self, Read, Write};

use super::{Assembly, ImageError, Secrets, each_section};
use crate::catalog::Catalog;
use crate::codec::IMAGE;
use crate::codec::stream::{FrameReader, FrameWriter, StreamError};

/// A section of more bytes than this was not written by us: a damaged length must not make us read a whole file into
/// memory before its checksum is known.
const MOST_SECTION_BYTES: u64 = (super::MAX_RAW_BYTES as u64) + (1 << 20);

impl From<io::Error> for ImageError {
    fn from(error: io::Error) -> ImageError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ImageError::Incomplete("it is cut off".to_owned()),
            kind => ImageError::Io { kind, cause: error.to_string() },
        }
    }
}

impl From<StreamError> for ImageError {
    fn from(error: StreamError) -> ImageError {
        match error {
            StreamError::Io(error) => error.into(),
            StreamError::Codec(error) => error.into(),
        }
    }
}

/// Writes a local image, secrets too. Returns its length. The same catalog gives the same bytes.
pub fn write(catalog: &Catalog, out: impl Write) -> Result<u64, ImageError> {
    let mut frame = FrameWriter::begin(IMAGE, out)?;
    each_section(catalog, Secrets::Keep, &mut |_kind, section| {
        frame.put(&(section.len() as u64).to_le_bytes())?;
        Ok(frame.put(&section)?)
    })?;
    Ok(frame.finish()?)
}

/// Reads a local image of so many bytes. Every section is checked before it is decoded, and the frame around all of them
/// before anything is returned.
pub fn read(input: impl Read, length: u64) -> Result<Catalog, ImageError> {
    let mut frame = FrameReader::begin(IMAGE, input, length)?;
    let read = sections(&mut frame);
    // What a section says counts only when the frame is whole: a damaged version must not look like a newer one.
    frame.finish()?;
    read
}

fn sections<R: Read>(frame: &mut FrameReader<R>) -> Result<Catalog, ImageError> {
    let mut assembly = Assembly::default();
    while frame.left() > 0 {
        let length = frame.take(8)?;
        let length = length.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        if length > frame.left().min(MOST_SECTION_BYTES) {
            return Err(ImageError::Incomplete(format!("a section of {length} bytes is cut off")));
        }
        assembly.add(&frame.take(length)?)?;
    }
    assembly.finish()
}

/// A local image in memory: for small catalogs.
pub fn to_bytes(catalog: &Catalog) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    write(catalog, &mut bytes)?;
    Ok(bytes)
}

/// The reverse of [`to_bytes`].
pub fn from_bytes(bytes: &[u8]) -> Result<Catalog, ImageError> {
    read(bytes, bytes.len() as u64)
}
