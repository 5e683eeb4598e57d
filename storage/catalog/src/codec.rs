//! The one door to bincode, and the frame around everything persisted:
//! `magic (4) · format version (u16 LE) · payload · CRC32C of all before it (u32 LE)`.

pub(crate) mod stream;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why bytes are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// Shorter than a frame.
    #[error("{what}: {length} bytes are too few")]
    Short {
        /// What was read.
        what: &'static str,
        /// How many bytes there were.
        length: usize,
    },
    /// Another kind of thing.
    #[error("{what}: the magic is {found:02x?}")]
    Magic {
        /// What was read.
        what: &'static str,
        /// The bytes found.
        found: [u8; 4],
    },
    /// Written by a newer version of the product.
    #[error(
        "{what}: format version {found} is newer than {known}, the newest this version knows; use a newer starkeep"
    )]
    Newer {
        /// What was read.
        what: &'static str,
        /// The version found.
        found: u16,
        /// The newest known.
        known: u16,
    },
    /// Damaged.
    #[error("{what}: checksum {found:08x}, expected {expected:08x}")]
    Checksum {
        /// What was read.
        what: &'static str,
        /// Of the bytes.
        found: u32,
        /// As stored.
        expected: u32,
    },
    /// The payload does not decode.
    #[error("{what}: {cause}")]
    Payload {
        /// What was read.
        what: &'static str,
        /// What bincode says.
        cause: String,
    },
}

/// A kind of persisted thing.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name in errors.
    pub what: &'static str,
    /// Its first four bytes.
    pub magic: [u8; 4],
    /// The version written now. Older ones are read for ever.
    pub version: u16,
}

/// A raft entry's command.
pub const ENVELOPE: Format = Format { what: "log entry", magic: *b"SKen", version: 1 };
/// A section of a catalog image.
pub const SECTION: Format = Format { what: "image section", magic: *b"SKse", version: 1 };
/// The table of contents of a local image file.
pub const IMAGE: Format = Format { what: "image", magic: *b"SKim", version: 1 };

/// No value is larger; a length in damaged bytes never makes us allocate more, nor panic.
const MOST_BYTES: usize = 1 << 30;

pub(crate) type Bounded = bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<MOST_BYTES>,
>;

/// How values are read.
pub(crate) const BOUNDED: Bounded = bincode::config::standard().with_limit::<MOST_BYTES>();

/// bincode without a frame, for what is framed elsewhere.
pub fn to_bytes<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .map_err(|e| CodecError::Payload { what, cause: e.to_string() })
}

/// How many bytes a value has when it is encoded.
pub fn size<T: Serialize>(what: &'static str, value: &T) -> Result<usize, CodecError> {
    let mut size = bincode::enc::write::SizeWriter::default();
    bincode::serde::encode_into_writer(value, &mut size, bincode::config::standard())
        .map_err(|e| CodecError::Payload { what, cause: e.to_string() })?;
    Ok(size.bytes_written)
}

/// Like [`to_bytes`], behind what is there.
pub fn append<T: Serialize>(what: &'static str, bytes: &mut Vec<u8>, value: &T) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(value, bytes, bincode::config::standard())
        .map(drop)
        .map_err(|e| CodecError::Payload { what, cause: e.to_string() })
}

/// The reverse of [`to_bytes`]; every byte must be used.
pub fn from_bytes<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, BOUNDED)
        .map_err(|e| CodecError::Payload { what, cause: e.to_string() })?;
    if used != bytes.len() {
        let cause = format!("{} bytes are left over", bytes.len() - used);
        return Err(CodecError::Payload { what, cause });
    }
    Ok(value)
}

/// Frames a payload.
pub fn frame(format: Format, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 10);
    bytes.extend_from_slice(&format.magic);
    bytes.extend_from_slice(&format.version.to_le_bytes());
    bytes.extend_from_slice(payload);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// The version and payload of a frame, its checksum checked.
pub fn unframe(format: Format, bytes: &[u8]) -> Result<(u16, &[u8]), CodecError> {
    let what = format.what;
    let short = CodecError::Short { what, length: bytes.len() };
    if bytes.len() < 10 {
        return Err(short);
    }
    let (body, stored) = bytes.split_last_chunk::<4>().ok_or(short.clone())?;
    let (magic, rest) = body.split_first_chunk::<4>().ok_or(short.clone())?;
    let (version, payload) = rest.split_first_chunk::<2>().ok_or(short)?;
    if *magic != format.magic {
        return Err(CodecError::Magic { what, found: *magic });
    }
    let version = u16::from_le_bytes(*version);
    if version > format.version {
        return Err(CodecError::Newer { what, found: version, known: format.version });
    }
    let (found, expected) = (crc32c::crc32c(body), u32::from_le_bytes(*stored));
    if found != expected {
        return Err(CodecError::Checksum { what, found, expected });
    }
    Ok((version, payload))
}

/// Encodes and frames a value.
pub fn encode<T: Serialize>(format: Format, value: &T) -> Result<Vec<u8>, CodecError> {
    Ok(frame(format, &to_bytes(format.what, value)?))
}

/// Checks a frame and decodes its value. Version 1 is the only one so far; the next adds its branch here.
pub fn decode<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Result<T, CodecError> {
    let (_version, payload) = unframe(format, bytes)?;
    from_bytes(format.what, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = encode(ENVELOPE, &("hello", 42_u64)).unwrap();
        assert_eq!(decode::<(String, u64)>(ENVELOPE, &bytes).unwrap(), ("hello".to_owned(), 42));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<(String, u64)>(ENVELOPE, &damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(decode::<(String, u64)>(ENVELOPE, &bytes[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn newer_bytes_are_refused_with_a_clear_message() {
        let newer = Format { version: 7, ..ENVELOPE };
        let error = decode::<u64>(ENVELOPE, &encode(newer, &1_u64).unwrap()).unwrap_err();
        assert_eq!(error, CodecError::Newer { what: "log entry", found: 7, known: 1 });
    }
}
