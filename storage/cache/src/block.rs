//! A block, and the bytes of its file:
//!
//! ```text
//! "SKDB"  version u32  object u128  number u64  bytes of the object u64  length u32  CRC-32C of all that and of the bytes u32
//! the bytes
//! ```
//!
//! Numbers are little endian. What does not say all of this of itself is no block: it is read from the store.

use bytes::Bytes;

use crate::key::BlockKey;

const MAGIC: &[u8; 4] = b"SKDB";
const VERSION: u32 = 1;
/// Bytes before those of the block.
pub(crate) const HEAD: usize = 48;
const SUMMED: usize = HEAD - 4;

/// Bytes of an object. Cloning shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Of the whole object.
    pub object_bytes: u64,
    /// Fewer than a block has when the object ends before.
    pub bytes: Bytes,
}

impl Block {
    /// What stands before the bytes in the file.
    pub fn head(&self, key: BlockKey) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(MAGIC);
        head[4..8].copy_from_slice(&VERSION.to_le_bytes());
        head[8..24].copy_from_slice(&key.object.to_le_bytes());
        head[24..32].copy_from_slice(&key.number.to_le_bytes());
        head[32..40].copy_from_slice(&self.object_bytes.to_le_bytes());
        head[40..44].copy_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        let sum = crc32c::crc32c_append(crc32c::crc32c(&head[..SUMMED]), &self.bytes);
        head[SUMMED..].copy_from_slice(&sum.to_le_bytes());
        head
    }

    /// None: this file is not that block.
    pub fn of_file(key: BlockKey, file: Vec<u8>) -> Option<Block> {
        let size: [u8; 8] = file.get(32..40)?.try_into().ok()?;
        let file = Bytes::from(file);
        if file.len() < HEAD {
            return None;
        }
        let block = Block { object_bytes: u64::from_le_bytes(size), bytes: file.slice(HEAD..) };
        (block.head(key) == file[..HEAD]).then_some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_file_counts() {
        let key = BlockKey { object: 7 << 100, number: 3 };
        let block = Block { object_bytes: 1 << 40, bytes: Bytes::from(vec![5; 100]) };
        let file = [block.head(key).as_slice(), &block.bytes].concat();
        assert_eq!(Block::of_file(key, file.clone()), Some(block));
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 1 << (at % 8);
            assert_eq!(Block::of_file(key, bad), None, "{at}");
            assert_eq!(Block::of_file(key, file[..at].to_vec()), None, "{at}");
        }
        assert_eq!(Block::of_file(BlockKey { number: 4, ..key }, file.clone()), None);
        assert_eq!(Block::of_file(key, [file, vec![0]].concat()), None);
    }
}
