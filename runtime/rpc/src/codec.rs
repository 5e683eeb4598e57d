//! The bytes of messages and replies: bincode 2 over serde. Not self-describing: no `flatten`, no untagged enums, and enum
//! variants are only ever appended.

use bincode::config::{Configuration, Limit};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No message is larger; a length read from the wire never makes us allocate more.
pub const MOST_BYTES: usize = 256 << 20;

type Config = Configuration<bincode::config::LittleEndian, bincode::config::Varint, Limit<MOST_BYTES>>;

const CONFIG: Config = bincode::config::standard().with_limit::<MOST_BYTES>();

/// The bytes are not those of the type, or the value cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

/// The bytes of a value.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, CONFIG).map_err(|error| CodecError(error.to_string()))
}

/// The value of bytes, all of which must belong to it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) =
        bincode::serde::decode_from_slice(bytes, CONFIG).map_err(|error| CodecError(error.to_string()))?;
    if used != bytes.len() {
        return Err(CodecError(format!("{} bytes too many", bytes.len() - used)));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_other_bytes_do_not() {
        let value = (7_u64, "seven".to_owned(), vec![Some(1_i32), None], u128::MAX);
        let mut bytes = encode(&value).unwrap();
        assert_eq!(decode::<(u64, String, Vec<Option<i32>>, u128)>(&bytes).unwrap(), value);
        bytes.push(0);
        assert!(decode::<(u64, String, Vec<Option<i32>>, u128)>(&bytes).is_err());
        // A string that says it has 2^60 bytes.
        let liar = [253, 0, 0, 0, 0, 0, 0, 0, 16, b'x'];
        assert!(decode::<String>(&liar).is_err());
        assert!(decode::<Vec<u64>>(&liar).is_err());
    }
}
