//! The part of the cache that lies on disk: kept over a restart, bounded, and never believed when it is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// The files of blocks below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found
}

/// Bytes on disk of whole blocks: each has a head, and takes whole pages.
fn pages(blocks: u64) -> u64 {
    blocks * (B + 4096)
}

#[tokio::test]
async fn a_restart_finds_what_was_there() {
    let (dir, size) = (tempfile::tempdir().unwrap(), 20 * B - 5);
    let cache = on_disk(dir.path(), pages(100));
    let (store, cached) = over(&cache, size);
    check(cached.as_ref(), size, &[0..size]).await;
    cache.settled().await;
    check(cached.as_ref(), size, &[0..size]).await;
    assert_eq!((store.requests().len(), hits(cache.counts())), (1, (0, 20, 20)));
    let used = cache.counts().disk_used_bytes;
    assert!(used > 19 * B && used <= pages(20), "{used}");
    drop((cache, cached));
    let cache = on_disk(dir.path(), pages(100));
    cache.settled().await;
    let (store, cached) = over(&cache, size);
    check(cached.as_ref(), size, &[0..size, 7..8, size - 1..size + 5]).await;
    assert_eq!((store.requests().len(), hits(cache.counts()), cache.counts().disk_used_bytes), (0, (0, 20, 0), used));
    // Blocks of another size are others.
    let disks = vec![DiskPart { directory: dir.path().to_owned(), bytes: pages(100) }];
    let other = DataCache::new(&CacheOptions { memory_bytes: 1, disks, block_bytes: 2 * B });
    other.settled().await;
    let (store, cached) = over(&other, size);
    check(cached.as_ref(), size, &[0..size]).await;
    assert_eq!(store.requests(), [0..size]);
}

#[tokio::test]
async fn damaged_blocks_are_fetched_again() {
    let (dir, size) = (tempfile::tempdir().unwrap(), 12 * B);
    let cache = on_disk(dir.path(), pages(100));
    check(over(&cache, size).1.as_ref(), size, &[0..size]).await;
    cache.settled().await;
    let files = files(dir.path());
    assert_eq!(files.len(), 12);
    for (n, file) in files.iter().enumerate().take(8) {
        let mut bytes = fs::read(file).unwrap();
        let last = bytes.len() - 1;
        match n {
            0 => bytes.clear(),
            1 => bytes.truncate(30),
            2 => bytes.truncate(last),
            3 => bytes.push(0),
            4 => bytes[3] ^= 1,
            5 => bytes[50] ^= 0x80,
            6 => bytes[last] ^= 1,
            _ => bytes = fs::read(&files[8]).unwrap(),
        }
        fs::write(file, bytes).unwrap();
    }
    for (at, expected) in [(0, 8), (1, 0)] {
        let cache = on_disk(dir.path(), pages(100));
        cache.settled().await;
        check(over(&cache, size).1.as_ref(), size, &[0..size]).await;
        cache.settled().await;
        assert_eq!((cache.counts().bad_blocks, cache.counts().disk_hits), (expected, 12), "{at}");
    }
}

#[tokio::test]
async fn the_disk_is_bounded_and_what_is_used_stays() {
    let (dir, size) = (tempfile::tempdir().unwrap(), 300 * B);
    fs::create_dir_all(dir.path().join("starkeep_cache/zz")).unwrap();
    fs::write(dir.path().join("starkeep_cache/zz/stranger"), vec![1; 1 << 20]).unwrap();
    let cache = on_disk(dir.path(), pages(20));
    let (store, cached) = over(&cache, size);
    for n in 0..30 {
        check(cached.as_ref(), size, &[0..B, (10 + n * 5) * B..(14 + n * 5) * B]).await;
        cache.settled().await;
        let lying: u64 = files(dir.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(cache.counts().disk_used_bytes <= pages(20) && lying <= pages(20), "{lying} {:?}", cache.counts());
    }
    assert_eq!(store.requests().iter().filter(|range| range.start == 0).count(), 1);
    assert_eq!(cache.counts().disk_capacity_bytes, pages(20));
    drop(cache);
    let smaller = on_disk(dir.path(), pages(5));
    smaller.settled().await;
    assert!(smaller.counts().disk_used_bytes <= pages(5) && files(dir.path()).len() == 5);
}

#[tokio::test]
async fn without_its_disk_the_cache_goes_on() {
    let (dir, size) = (tempfile::tempdir().unwrap(), 10 * B);
    let file = dir.path().join("file");
    fs::write(&file, "no directory").unwrap();
    let cache = on_disk(&file, pages(20));
    cache.settled().await;
    let (store, cached) = over(&cache, size);
    for _ in 0..3 {
        check(cached.as_ref(), size, &[0..size]).await;
        cache.settled().await;
    }
    assert_eq!(store.requests().len(), 3);
    assert_eq!((cache.counts().disk_used_bytes, cache.counts().disk_capacity_bytes), (0, 0));
    assert_eq!(fs::read(&file).unwrap(), b"no directory");
}

#[tokio::test]
async fn a_directory_that_is_deleted_is_made_again() {
    let (dir, size) = (tempfile::tempdir().unwrap(), 10 * B);
    let root = dir.path().join("storage");
    let cache = on_disk(&root, pages(20));
    let (store, cached) = over(&cache, size);
    check(cached.as_ref(), size, &[0..size]).await;
    cache.settled().await;
    fs::remove_dir_all(&root).unwrap();
    check(cached.as_ref(), size, &[0..size]).await;
    cache.settled().await;
    check(cached.as_ref(), size, &[0..size]).await;
    assert_eq!((store.requests().len(), files(&root).len()), (2, 10));
}

#[tokio::test]
async fn blocks_are_spread_over_all_disks() {
    let (dirs, size) = ([tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()], 10 * B);
    let part = |dir: &tempfile::TempDir| DiskPart { directory: dir.path().to_owned(), bytes: pages(100) };
    let disks = dirs.iter().map(part).collect();
    let cache = DataCache::new(&CacheOptions { memory_bytes: 1, disks, block_bytes: B });
    let (store, cached) = over(&cache, size);
    check(cached.as_ref(), size, &[0..size]).await;
    cache.settled().await;
    assert_eq!(dirs.each_ref().map(|dir| files(dir.path()).len()), [5, 5]);
    check(cached.as_ref(), size, &[0..size]).await;
    assert_eq!(store.requests().len(), 1);
}
