//! The key index of a run: which key is in which row of the file. It stands in the file itself, between the last row group and the
//! footer, where readers of Parquet do not look; so it is pinned, copied, verified and deleted with its rows.
//!
//! ```text
//! "SKKI"  version u32  keys u64  CRC-32C of these u32  0 u32
//! directory: for each block, and one behind the last:  number of its first entry u32  CRC-32C u32 (of this number, the next
//!            block's, and the block; behind the last 0)
//! entries, by key:  key, 16 bytes, big endian  row in the file u32
//! ```
//!
//! Numbers are little endian but for the key. Keys are spread evenly, so a key's first bits name its block: to look one up, two
//! entries of the directory are read and then one block, however large the run is.

use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use roaring::RoaringBitmap;
use storage_model::{ByteRange, KeyedRun};
use storage_volume::{Layout, Volume};

use crate::error::{TabletError, WriteError};
use crate::keys::KeyHash;

const MAGIC: &[u8; 4] = b"SKKI";
const VERSION: u32 = 1;
const HEAD: u64 = 24;
/// Bytes of an entry of the directory.
const BLOCK: u64 = 8;
/// Bytes of an entry.
const ENTRY: u64 = 20;
/// Entries of a block, about, at most.
const KEYS_IN_BLOCK: u64 = 256;
/// So many neighbouring blocks, about 5 MB, are looked at at once.
const WINDOW: u64 = 1024;
/// So many windows are read at once.
const WINDOWS_AT_ONCE: usize = 3;

/// A key and the row of the file that has it.
pub(crate) type Entry = (KeyHash, u32);

/// How many of a key's bits name its block.
fn bits_of(keys: u64) -> u32 {
    keys.div_ceil(KEYS_IN_BLOCK).max(1).next_power_of_two().trailing_zeros()
}

fn block_of(key: KeyHash, bits: u32) -> u64 {
    // The topmost bits; a shift by all of them would be an overflow.
    if bits == 0 { 0 } else { (key >> (KeyHash::BITS - bits)) as u64 }
}

/// The index of these entries, each key once.
pub(crate) fn encode(mut entries: Vec<Entry>) -> Result<Vec<u8>, TabletError> {
    entries.sort_unstable();
    if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(TabletError::invalid("a run of a PRIMARY KEY table has a key twice"));
    }
    let keys = entries.len() as u64;
    let bits = bits_of(keys);
    let mut head = Vec::from(MAGIC.as_slice());
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&keys.to_le_bytes());
    head.extend_from_slice(&crc32c::crc32c(&head).to_le_bytes());
    head.extend_from_slice(&[0; 4]);
    let (mut directory, mut body) = (Vec::new(), Vec::with_capacity(entries.len() * ENTRY as usize));
    let mut rest = entries.as_slice();
    let mut first = 0_u32;
    for block in 0..1_u64 << bits {
        let count = rest.partition_point(|(key, _)| block_of(*key, bits) <= block);
        let (of_block, others) = rest.split_at(count);
        let start = body.len();
        for (key, row) in of_block {
            body.extend_from_slice(&key.to_be_bytes());
            body.extend_from_slice(&row.to_le_bytes());
        }
        let end = first + u32::try_from(count).map_err(|_| TabletError::invalid("a run has too many rows"))?;
        directory.extend_from_slice(&first.to_le_bytes());
        directory.extend_from_slice(&sum_of(first, end, &body[start..]).to_le_bytes());
        first = end;
        rest = others;
    }
    directory.extend_from_slice(&first.to_le_bytes());
    directory.extend_from_slice(&[0; 4]);
    head.append(&mut directory);
    head.append(&mut body);
    Ok(head)
}

/// Sums up a block, and where it is: so that one does not seem to be empty.
fn sum_of(first: u32, end: u32, body: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(&first.to_le_bytes()), &end.to_le_bytes());
    crc32c::crc32c_append(place, body)
}

/// The index of a run in the store.
pub(crate) struct KeyIndex<'a> {
    volume: &'a Volume,
    path: String,
    object: &'a str,
    bytes: ByteRange,
    keys: u64,
    bits: u32,
}

/// A block of the directory: where it is, and what its bytes sum up to.
struct Block {
    number: u64,
    first: u32,
    end: u32,
    sum: u32,
}

impl Block {
    fn entries(&self) -> u64 {
        u64::from(self.end - self.first)
    }
}

impl<'a> KeyIndex<'a> {
    pub fn of(run: &'a KeyedRun, layout: &Layout, volume: &'a Volume) -> Result<KeyIndex<'a>, TabletError> {
        let (object, keys, bits) = (run.place.object.as_str(), run.rows, bits_of(run.rows));
        let length = HEAD + ((1_u64 << bits) + 1) * BLOCK + keys * ENTRY;
        if run.index.end.checked_sub(run.index.start) != Some(length) {
            return Err(TabletError::corrupt(format!("the key index of {object} has not {length} bytes")));
        }
        Ok(KeyIndex { volume, path: layout.in_root(object), object, bytes: run.index, keys, bits })
    }

    fn corrupt(&self, what: &str) -> TabletError {
        TabletError::corrupt(format!("the key index of {} {what}", self.object))
    }

    /// The rows that have one of these keys, which are in order.
    pub async fn find(&self, keys: &[KeyHash]) -> Result<RoaringBitmap, WriteError> {
        let windows = keys.chunk_by(|a, b| block_of(*a, self.bits) / WINDOW == block_of(*b, self.bits) / WINDOW);
        let looks: Vec<_> = windows.map(|keys| self.find_in_window(keys).boxed()).collect();
        let found = stream::iter(looks).buffered(WINDOWS_AT_ONCE);
        found.try_fold(RoaringBitmap::new(), async |all, some| Ok(all | some)).await
    }

    async fn find_in_window(&self, keys: &[KeyHash]) -> Result<RoaringBitmap, WriteError> {
        let mut numbers: Vec<u64> = keys.iter().map(|key| block_of(*key, self.bits)).collect();
        numbers.dedup();
        let mut blocks = self.blocks(&numbers).await?;
        // A store refuses to read nothing.
        for empty in blocks.extract_if(.., |block| block.first == block.end) {
            self.entries(&empty, &[])?;
        }
        let ranges: Vec<_> = blocks.iter().map(|block| self.place_of(block).range()).collect();
        let bodies = self.volume.get_ranges(&self.path, &ranges).await?;
        let (mut found, mut keys) = (RoaringBitmap::new(), keys);
        for (block, body) in blocks.iter().zip(bodies) {
            let entries = self.entries(block, &body)?;
            let (here, others) = keys.split_at(keys.partition_point(|key| block_of(*key, self.bits) <= block.number));
            keys = others;
            for key in here {
                if let Ok(at) = entries.binary_search_by_key(key, |(key, _)| *key) {
                    found.insert(entries[at].1);
                }
            }
        }
        Ok(found)
    }

    /// All entries, in the order of their keys.
    pub fn scan(&self) -> BoxStream<'_, Result<Vec<Entry>, WriteError>> {
        let windows = (0..1_u64 << self.bits).step_by(WINDOW as usize);
        let looks: Vec<_> = windows.map(|first| self.window(first).boxed()).collect();
        stream::iter(looks).buffered(WINDOWS_AT_ONCE).boxed()
    }

    async fn window(&self, first: u64) -> Result<Vec<Entry>, WriteError> {
        let last = (first + WINDOW).min(1 << self.bits);
        let blocks = self.blocks(&(first..last).collect::<Vec<_>>()).await?;
        let (Some(start), Some(end)) = (blocks.first(), blocks.last()) else { return Ok(Vec::new()) };
        let whole = Block { number: first, first: start.first, end: end.end, sum: 0 };
        let body = match whole.entries() {
            // A store refuses to read nothing.
            0 => Bytes::new(),
            _ => self.volume.get_range(&self.path, self.place_of(&whole).range()).await?,
        };
        let mut entries = Vec::with_capacity(whole.entries() as usize);
        for block in &blocks {
            let at = |entry: u32| (u64::from(entry - whole.first) * ENTRY) as usize;
            let part = body.get(at(block.first)..at(block.end)).ok_or_else(|| self.corrupt("is cut off"))?;
            entries.append(&mut self.entries(block, part)?);
        }
        Ok(entries)
    }

    /// What the directory says of these blocks, which are in order and of one window.
    async fn blocks(&self, numbers: &[u64]) -> Result<Vec<Block>, WriteError> {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(Vec::new()) };
        let start = self.bytes.start + HEAD;
        let range = start + first * BLOCK..start + (last + 2) * BLOCK;
        let directory: Bytes = self.volume.get_range(&self.path, range).await?;
        let number_at = |at: u64| -> Result<u32, TabletError> {
            let bytes = directory.get(at as usize..at as usize + 4);
            let bytes: [u8; 4] = bytes.and_then(|b| b.try_into().ok()).ok_or_else(|| self.corrupt("is cut off"))?;
            Ok(u32::from_le_bytes(bytes))
        };
        let block = |number: &u64| {
            let at = (number - first) * BLOCK;
            let (first, end) = (number_at(at)?, number_at(at + BLOCK)?);
            if first > end || u64::from(end) > self.keys {
                return Err(self.corrupt("has a directory that makes no sense"));
            }
            Ok(Block { number: *number, first, end, sum: number_at(at + 4)? })
        };
        Ok(numbers.iter().map(block).collect::<Result<_, TabletError>>()?)
    }

    fn place_of(&self, block: &Block) -> ByteRange {
        let start = self.bytes.start + HEAD + ((1_u64 << self.bits) + 1) * BLOCK;
        ByteRange { start: start + u64::from(block.first) * ENTRY, end: start + u64::from(block.end) * ENTRY }
    }

    fn entries(&self, block: &Block, body: &[u8]) -> Result<Vec<Entry>, TabletError> {
        if sum_of(block.first, block.end, body) != block.sum || body.len() as u64 != block.entries() * ENTRY {
            return Err(self.corrupt(&format!("has another CRC-32C in block {}", block.number)));
        }
        let entry = |bytes: &[u8]| {
            let (key, row) = bytes.split_at(16);
            let key = key.iter().fold(0_u128, |key, byte| key << 8 | u128::from(*byte));
            (key, row.iter().rev().fold(0_u32, |row, byte| row << 8 | u32::from(*byte)))
        };
        Ok(body.chunks_exact(ENTRY as usize).map(entry).collect())
    }
}

#[cfg(test)]
mod tests;
