//! The data cache of a compute node, as cn.conf wants it.

use std::path::Path;

use actors_compute::{CacheOptions, DataCache, DiskPart, disk_bytes};

use crate::config::ComputeConfig;

/// How the memory of a node is given out.
pub struct Shares {
    /// Blocks of data files. None: they are not kept.
    pub cache: Option<DataCache>,
    /// Bytes for footers of data files.
    pub footers: u64,
    /// Bytes that operators of running plans may ask for together.
    pub operators: u64,
}

/// Gives out the memory of a process that may have so much, and takes up what an earlier process left on disk.
pub fn shares(config: &ComputeConfig, memory: u64) -> Shares {
    let footers = config.lake_metadata_cache_limit.bytes(memory).min(memory / 20);
    let options = options(config, memory);
    let kept = options.as_ref().map_or(0, |options| options.memory_bytes);
    // Half of the rest: a join holds its smaller side twice for a moment, and reading and writing files takes memory that
    // nobody asks for.
    let operators = memory.saturating_sub(kept + footers) / 2;
    Shares { cache: options.as_ref().map(DataCache::new), footers, operators }
}

/// None: nothing is to be kept.
fn options(config: &ComputeConfig, memory: u64) -> Option<CacheOptions> {
    if !config.datacache_enable {
        return None;
    }
    let part = |directory: &Path| match disk_bytes(directory) {
        Ok(total) => Some(DiskPart { directory: directory.to_owned(), bytes: config.datacache_disk_size.bytes(total) }),
        Err(error) => {
            tracing::warn!(directory = %directory.display(), %error, "the data cache goes on without its disk part");
            None
        }
    };
    let disks = config.storage_root_path.0.iter().filter_map(|root| part(&root.path)).filter(|part| part.bytes > 0);
    // Queries need some too.
    let memory_bytes = config.datacache_mem_size.bytes(memory).min(memory / 5 * 4);
    let disks: Vec<_> = disks.collect();
    let block_bytes = config.datacache_block_size;
    (memory_bytes > 0 || !disks.is_empty()).then_some(CacheOptions { memory_bytes, disks, block_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CacheSize, MemLimit, StorageRoot, StorageRoots};

    #[test]
    fn memory_is_given_out_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = |name: &str| StorageRoot { path: dir.path().join(name), medium: crate::config::Medium::Ssd };
        let config = ComputeConfig {
            storage_root_path: StorageRoots(vec![root("a"), root("b")]),
            datacache_disk_size: CacheSize::UpTo(MemLimit::Bytes(1 << 20)),
            ..ComputeConfig::default()
        };
        let options = options(&config, 1000 << 20).unwrap();
        let directories: Vec<_> = options.disks.iter().map(|part| part.directory.clone()).collect();
        assert_eq!(directories, [dir.path().join("a"), dir.path().join("b")], "a disk of its own each");
        assert_eq!((options.memory_bytes, options.disks[1].bytes), (100 << 20, 1 << 20));
        let shares = shares(&config, 1000 << 20);
        assert_eq!((shares.footers, shares.operators), (50 << 20, 425 << 20));
        let off = ComputeConfig { datacache_enable: false, ..config.clone() };
        assert!(super::options(&off, 1 << 30).is_none());
        let nothing = CacheSize::Nothing;
        let none = ComputeConfig { datacache_mem_size: nothing, datacache_disk_size: nothing, ..config };
        assert!(super::options(&none, 1 << 30).is_none());
    }
}
