//! The cache of a node.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foyer_memory::{Cache, CacheBuilder, S3FifoConfig};
use object_store::ObjectStore;

use crate::block::Block;
use crate::counts::{Counters, Counts};
use crate::disk::{Disk, DiskPart};
use crate::fetch::Flight;
use crate::key::{BlockKey, Object, Place};
use crate::store::CachedStore;

/// What a block costs beside its bytes, about.
const BESIDES: usize = 256;
/// A shard of the memory part has at least so many blocks.
const BLOCKS_OF_SHARD: u64 = 64;
const MOST_SHARDS: u64 = 16;

/// How large a cache may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// On disk; empty: nowhere.
    pub disks: Vec<DiskPart>,
    /// Bytes of a block.
    pub block_bytes: u64,
}

/// The data cache of a node. Cloning shares it.
#[derive(Clone)]
pub struct DataCache {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub block_bytes: u64,
    /// Keeps what is asked for again against what is read once.
    pub memory: Cache<BlockKey, Block>,
    disks: Vec<Disk>,
    flights: Mutex<HashMap<BlockKey, Flight>>,
    pub counters: Counters,
}

impl fmt::Debug for DataCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataCache").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl DataCache {
    /// A cache that is empty in memory and has on disk what an earlier process left there.
    pub fn new(options: &CacheOptions) -> DataCache {
        let block_bytes = options.block_bytes.max(1);
        let shards = (options.memory_bytes / block_bytes / BLOCKS_OF_SHARD).clamp(1, MOST_SHARDS) as usize;
        let memory_bytes = usize::try_from(options.memory_bytes).unwrap_or(usize::MAX).max(1);
        let weight = |block: &Block| block.bytes.len() + BESIDES;
        let memory = CacheBuilder::new(memory_bytes)
            .with_shards(shards)
            .with_eviction_config(S3FifoConfig::default())
            .with_weighter(move |_: &BlockKey, block: &Block| weight(block))
            // It would stay for a while even where there is no room for it.
            .with_filter(move |_: &BlockKey, block: &Block| weight(block) <= memory_bytes / shards)
            .build();
        let disks = options.disks.iter().filter(|part| part.bytes > 0).map(|part| Disk::open(part, block_bytes));
        let disks = disks.collect();
        let (flights, counters) = (Mutex::default(), Counters::default());
        DataCache { inner: Arc::new(Inner { block_bytes, memory, disks, flights, counters }) }
    }

    /// The store of a place, read through the cache.
    pub fn over(&self, place: Place, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(CachedStore::new(self.clone(), place, store, false))
    }

    /// The store of a place, read from the cache where all that is wanted is there, and past it otherwise.
    pub fn beside(&self, place: Place, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(CachedStore::new(self.clone(), place, store, true))
    }

    /// Returns when everything that came before is on disk, if it will ever be.
    pub async fn settled(&self) {
        for disk in &self.inner.disks {
            disk.settled().await;
        }
    }

    /// What it has done and holds.
    pub fn counts(&self) -> Counts {
        let Inner { memory, disks, counters, .. } = &*self.inner;
        let sum = |of: fn(&Disk) -> u64| disks.iter().map(of).sum();
        Counts {
            memory_hits: counters.memory_hits.get(),
            disk_hits: counters.disk_hits.get(),
            misses: counters.misses.get(),
            shared: counters.shared.get(),
            read_ahead: counters.read_ahead.get(),
            memory_hit_bytes: counters.memory_bytes.get(),
            disk_hit_bytes: counters.disk_bytes.get(),
            store_bytes: counters.store_bytes.get(),
            store_requests: counters.store_requests.get(),
            passed_reads: counters.passed.get(),
            bad_blocks: sum(Disk::bad),
            unwritten_blocks: sum(Disk::unwritten),
            memory_used_bytes: memory.usage() as u64,
            memory_capacity_bytes: memory.capacity() as u64,
            disk_used_bytes: sum(Disk::used),
            disk_capacity_bytes: sum(Disk::capacity),
        }
    }

    pub(crate) fn flights(&self) -> MutexGuard<'_, HashMap<BlockKey, Flight>> {
        self.inner.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk that a block is on if it is on any: neighbours may be on different ones.
    pub(crate) fn disk(&self, key: BlockKey) -> Option<&Disk> {
        let disks = &self.inner.disks;
        let turn = (key.object as u64).wrapping_add(key.number).checked_rem(disks.len() as u64)?;
        disks.get(turn as usize)
    }

    pub(crate) fn is_on_disk(&self, key: BlockKey) -> bool {
        self.disk(key).is_some_and(|disk| disk.holds(key))
    }

    /// Whether all these blocks are near.
    pub(crate) fn has_all(&self, object: &Object, numbers: &[u64]) -> bool {
        let is_near = |number: &u64| {
            let key = object.block(*number);
            self.inner.memory.contains(&key) || self.is_on_disk(key)
        };
        numbers.iter().all(is_near)
    }

    /// A block that came from the store.
    pub(crate) fn keep(&self, key: BlockKey, block: &Block) {
        self.inner.memory.insert(key, block.clone());
        if let Some(disk) = self.disk(key) {
            disk.offer(key, block);
        }
    }

    /// Those of these blocks that are on disk; they are in memory then.
    pub(crate) async fn read_disk(&self, object: &Object, run: Range<u64>) -> Vec<Option<Block>> {
        if !run.clone().any(|number| self.is_on_disk(object.block(number))) {
            return run.map(|_| None).collect();
        }
        let (cache, object, keys) = (self.clone(), object.clone(), run.clone());
        let read = move || {
            let read = |number| {
                let key = object.block(number);
                let block = cache.disk(key)?.read(key)?;
                cache.inner.counters.disk_bytes.add(block.bytes.len() as u64);
                cache.inner.memory.insert(key, block.clone());
                Some(block)
            };
            keys.map(read).collect::<Vec<Option<Block>>>()
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|_| run.map(|_| None).collect())
    }
}
