//! The names of data objects in memory: a catalog has very many, and most of each says where it lies in numbers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a name that is kept without an allocation.
const INLINE: usize = 22;

/// The name of a data object, as the catalog keeps it. It is shown, compared and persisted as its text.
#[derive(Clone, PartialEq, Eq)]
pub struct FileName(Kept);

#[derive(Clone, PartialEq, Eq)]
enum Kept {
    /// The numbers of `db{}/{}/{}/data/{8 hex digits}_{}_{}_{}.parquet`, each in as few groups of seven bits as it needs.
    Numbers { length: u8, bytes: [u8; INLINE] },
    /// Any other name, and one whose numbers are too large.
    Text(Box<str>),
}

impl FileName {
    /// Of a text. The same text is always kept alike.
    pub fn new(text: &str) -> FileName {
        let packed = read(text).and_then(|numbers| pack(&numbers));
        let kept = packed.filter(|kept| kept.to_string() == text).unwrap_or_else(|| Kept::Text(text.into()));
        FileName(kept)
    }
}

impl PartialEq<str> for FileName {
    fn eq(&self, text: &str) -> bool {
        *self == FileName::new(text)
    }
}

impl PartialEq<&str> for FileName {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

/// What a name is made of: database, table, partition, incarnation, transaction, attempt, number.
type Numbers = [u64; 7];

fn read(text: &str) -> Option<Numbers> {
    let mut parts = text.strip_prefix("db")?.strip_suffix(".parquet")?.split('/');
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (database, table, partition) = (number()?, number()?, number()?);
    let ("data", name, None) = (parts.next()?, parts.next()?, parts.next()) else { return None };
    let mut parts = name.split('_');
    let incarnation = u64::from(u32::from_str_radix(parts.next()?, 16).ok()?);
    let mut number = || parts.next()?.parse::<u64>().ok();
    Some([database, table, partition, incarnation, number()?, number()?, number()?])
}

fn pack(numbers: &Numbers) -> Option<Kept> {
    let (mut bytes, mut length) = ([0; INLINE], 0);
    for number in numbers {
        let mut rest = *number;
        loop {
            let more = rest >> 7;
            *bytes.get_mut(length)? = (rest & 0x7f) as u8 | if more == 0 { 0 } else { 0x80 };
            length += 1;
            if more == 0 {
                break;
            }
            rest = more;
        }
    }
    Some(Kept::Numbers { length: length as u8, bytes })
}

fn unpack(bytes: &[u8]) -> Numbers {
    let (mut numbers, mut at, mut shift) = (Numbers::default(), 0, 0);
    for byte in bytes {
        numbers[at] |= u64::from(byte & 0x7f) << shift;
        (at, shift) = if byte & 0x80 == 0 { (at + 1, 0) } else { (at, shift + 7) };
    }
    numbers
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept::Numbers { length, bytes } => {
                let [database, table, partition, incarnation, txn, attempt, n] = unpack(&bytes[..usize::from(*length)]);
                write!(f, "db{database}/{table}/{partition}/data/{incarnation:08x}_{txn}_{attempt}_{n}.parquet")
            }
            Kept::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl Serialize for FileName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FileName, D::Error> {
        String::deserialize(deserializer).map(|text| FileName::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_inline(name: &FileName) -> bool {
        matches!(name.0, Kept::Numbers { .. })
    }

    #[test]
    fn a_name_takes_no_more_than_a_text_and_most_take_no_allocation() {
        assert_eq!(size_of::<FileName>(), 24);
        let usual = "db10001/1000002/1000003/data/a9dcd3f3_90000001_1_17.parquet";
        let name = FileName::new(usual);
        assert!(is_inline(&name));
        assert_eq!(name.to_string(), usual);
        let huge = format!("db{0}/{0}/{0}/data/ffffffff_{0}_{0}_{0}.parquet", u64::MAX);
        let name = FileName::new(&huge);
        assert!(!is_inline(&name));
        assert_eq!(name.to_string(), huge);
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in [
            "db0/0/0/data/00000000_0_0_0.parquet",
            "db1/2/3/data/0000000a_4_5_6.parquet",
            "db1/2/3/data/0000000A_4_5_6.parquet",
            "db1/2/3/data/a_4_5_6.parquet",
            "db01/2/3/data/0000000a_4_5_6.parquet",
            "db+1/2/3/data/0000000a_4_5_6.parquet",
            "db1/2/3/data/0000000a_4_5_6_7.parquet",
            "db1/2/3/data/0000000a_4_5_06.parquet",
            "db1/2/3/data/0000000a_4_5.parquet",
            "db1/2/3/data/0000000a_4_5_6.delvec",
            "db1/2/3/data/x/0000000a_4_5_6.parquet",
            "db18446744073709551616/2/3/data/0000000a_4_5_6.parquet",
            "o1",
            "",
        ] {
            let name = FileName::new(text);
            assert_eq!(name.to_string(), text);
            let bytes = bincode::serde::encode_to_vec(&name, bincode::config::standard()).unwrap();
            assert_eq!(bytes, bincode::serde::encode_to_vec(text, bincode::config::standard()).unwrap());
            let back: (FileName, usize) =
                bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
            assert_eq!(back, (name, bytes.len()));
        }
    }
}
