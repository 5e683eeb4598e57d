//! What the cache has done.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// A counter.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of a cache.
#[derive(Default)]
pub(crate) struct Counters {
    pub memory_hits: Counter,
    pub disk_hits: Counter,
    pub misses: Counter,
    pub shared: Counter,
    pub read_ahead: Counter,
    pub memory_bytes: Counter,
    pub disk_bytes: Counter,
    pub store_bytes: Counter,
    pub store_requests: Counter,
    pub passed: Counter,
}

/// What a cache has done and holds. Hits and misses are of blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Found in memory.
    pub memory_hits: u64,
    /// Found on disk.
    pub disk_hits: u64,
    /// Fetched from the store.
    pub misses: u64,
    /// On their way for somebody else.
    pub shared: u64,
    /// Fetched before they were asked for.
    pub read_ahead: u64,
    /// Bytes of blocks found in memory.
    pub memory_hit_bytes: u64,
    /// Bytes of blocks found on disk.
    pub disk_hit_bytes: u64,
    /// Bytes that came from stores.
    pub store_bytes: u64,
    /// Requests to stores.
    pub store_requests: u64,
    /// Reads that went by the cache: those of compaction, and of tables that are not kept.
    pub passed_reads: u64,
    /// Blocks on disk that were not what they should be.
    pub bad_blocks: u64,
    /// Blocks that the disk was too slow for.
    pub unwritten_blocks: u64,
    /// Bytes in memory.
    pub memory_used_bytes: u64,
    /// Bytes that there may be.
    pub memory_capacity_bytes: u64,
    /// Bytes on disk.
    pub disk_used_bytes: u64,
    /// Bytes that there may be.
    pub disk_capacity_bytes: u64,
}
