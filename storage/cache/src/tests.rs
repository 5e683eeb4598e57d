//! What is read through the cache is what the store has, and how often the store is asked.
// Lists of ranges that were asked for: some of them have one.
#![allow(clippy::single_range_in_vec_init)]

mod counting;
mod disks;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt};
use storage_model::{StorageVolume, VolumeId, VolumeType};

use self::counting::{Counting, pattern};
use crate::{CacheOptions, Counts, DataCache, DiskPart, Place};

/// Bytes of a block.
const B: u64 = 64 << 10;

fn place(location: &str) -> Place {
    Place::of(&StorageVolume {
        id: VolumeId(1),
        name: "v".into(),
        volume_type: VolumeType::S3,
        location: location.into(),
        comment: String::new(),
        enabled: true,
        borrowed: None,
        properties: Default::default(),
    })
}

fn file(n: u32) -> Path {
    Path::from(format!("svc/db1/2/3/data/0123abcd_{n}_0_0.parquet"))
}

fn in_memory(bytes: u64) -> DataCache {
    DataCache::new(&CacheOptions { memory_bytes: bytes, disks: Vec::new(), block_bytes: B })
}

/// With a disk, and so little memory that it hardly counts.
fn on_disk(directory: &std::path::Path, bytes: u64) -> DataCache {
    let disks = vec![DiskPart { directory: directory.to_owned(), bytes }];
    DataCache::new(&CacheOptions { memory_bytes: 1, disks, block_bytes: B })
}

/// A store with one object of so many bytes, and the same through a cache.
fn over(cache: &DataCache, size: u64) -> (Arc<Counting>, Arc<dyn ObjectStore>) {
    let store = Arc::new(Counting::new(size, 0));
    let cached = cache.over(place("s3://b"), Arc::<Counting>::clone(&store));
    (store, cached)
}

async fn check(store: &dyn ObjectStore, size: u64, ranges: &[Range<u64>]) {
    let read = store.get_ranges(&file(1), ranges).await.unwrap();
    for (range, bytes) in ranges.iter().zip(read) {
        assert!(bytes == pattern(range.start..range.end.min(size), 0), "{range:?}");
    }
}

#[tokio::test]
async fn what_was_read_is_not_asked_for_again() {
    let size = 5 * B + 77;
    let (store, cached) = over(&in_memory(100 * B), size);
    let ranges = [3..9, B - 1..B + 1, 10..3 * B, size - 5..size, size - 1..size + 1000];
    check(cached.as_ref(), size, &ranges).await;
    let asked = store.requests().len();
    check(cached.as_ref(), size, &ranges).await;
    for range in ranges {
        let read = cached.get_range(&file(1), range.clone()).await.unwrap();
        assert!(read == pattern(range.start..range.end.min(size), 0), "{range:?}");
    }
    assert_eq!(store.requests().len(), asked, "{:?}", store.requests());
    let options = GetOptions::new().with_range(Some(7..20));
    let answer = cached.get_opts(&file(1), options).await.unwrap();
    assert_eq!(
        (answer.meta.size, answer.range.clone(), answer.bytes().await.unwrap()),
        (size, 7..20, pattern(7..20, 0))
    );
}

#[tokio::test]
async fn neighbours_are_one_request() {
    let size = 400 * B;
    let (store, cached) = over(&in_memory(400 * B), size);
    check(cached.as_ref(), size, &[0..10, B..B + 1, 5 * B..5 * B + 1]).await;
    assert_eq!(store.requests(), [0..6 * B], "what lies between is no more than a request is worth");
    check(cached.as_ref(), size, &[100 * B..100 * B + 1, 200 * B..200 * B + 1]).await;
    assert_eq!(store.requests()[1..], [100 * B..101 * B, 200 * B..201 * B], "far from each other");
    check(cached.as_ref(), size, &[99 * B..102 * B]).await;
    assert_eq!(store.requests()[3..], [99 * B..100 * B, 101 * B..102 * B], "and not what is there");
}

#[tokio::test]
async fn who_waits_for_the_same_block_waits_for_one_request() {
    let cache = in_memory(100 * B);
    let (store, cached) = over(&cache, 10 * B);
    let shut = store.shut();
    let reads = (0..8).map(|n| {
        let cached = Arc::clone(&cached);
        tokio::spawn(async move { cached.get_range(&file(1), n..2 * B).await.unwrap() })
    });
    let reads: Vec<_> = reads.collect();
    while cache.counts().shared < 7 * 2 {
        tokio::task::yield_now().await;
    }
    // Whoever began gives up: the others have it all the same.
    reads[0].abort();
    drop(shut);
    for (n, read) in join_all(reads).await.into_iter().enumerate().skip(1) {
        assert!(read.unwrap() == pattern(n as u64..2 * B, 0));
    }
    assert_eq!(store.requests(), [0..2 * B]);
}

#[tokio::test]
async fn who_reads_on_is_read_ahead_for() {
    let size = 100 * B;
    let cache = in_memory(200 * B);
    let (store, cached) = over(&cache, size);
    check(cached.as_ref(), size, &[0..2 * B]).await;
    check(cached.as_ref(), size, &[2 * B..4 * B]).await;
    let ahead = cache.counts().read_ahead;
    assert!(ahead > 0 && ahead * B <= 2 << 20, "{ahead}");
    check(cached.as_ref(), size, &[4 * B..(4 + ahead) * B]).await;
    assert_eq!(store.requests()[..3], [0..2 * B, 2 * B..4 * B, 4 * B..(4 + ahead) * B]);
    check(cached.as_ref(), size, &[size - 2 * B..size - B]).await;
    check(cached.as_ref(), size, &[size - B..size]).await;
    assert!(store.requests().iter().all(|range| range.start < size), "nothing is behind the end");
}

#[tokio::test]
async fn memory_is_bounded() {
    let (cache, size) = (in_memory(20 * B), 3000 * B);
    let (store, cached) = over(&cache, size);
    for n in 0..30 {
        check(cached.as_ref(), size, &[n * 100 * B..(n * 100 + 90) * B]).await;
        assert!(cache.counts().memory_used_bytes <= 20 * B, "{:?}", cache.counts());
    }
    check(cached.as_ref(), size, &[0..size]).await;
    assert!(store.most_in_flight() <= 64 << 20, "{}", store.most_in_flight());
    assert!(store.most_in_flight() > 8 << 20, "some at once");
    assert!(cache.flights().is_empty());
}

#[tokio::test]
async fn what_is_read_once_is_not_kept() {
    let cache = in_memory(100 * B);
    let (store, cached) = over(&cache, 10 * B);
    let passing = cache.beside(place("s3://b"), Arc::<Counting>::clone(&store));
    check(passing.as_ref(), 10 * B, &[5..10, 20..30]).await;
    assert_eq!(store.requests(), [5..30], "as it was asked for");
    assert_eq!((cache.counts().memory_used_bytes, cache.counts().passed_reads), (0, 1));
    check(cached.as_ref(), 10 * B, &[0..B]).await;
    check(passing.as_ref(), 10 * B, &[5..10, 20..30]).await;
    assert_eq!(store.requests().len(), 2, "what is there is used");
}

#[tokio::test]
async fn errors_are_told_to_all_and_nothing_is_kept() {
    let cache = in_memory(100 * B);
    let (store, cached) = over(&cache, 10 * B);
    store.fail(Some(Error::NotFound { path: "x".into(), source: "gone".into() }));
    let error = cached.get_range(&file(1), 0..10).await.unwrap_err();
    assert!(
        matches!(&error, Error::NotFound { path, .. } if path == "x") && error.to_string().contains("gone"),
        "{error}"
    );
    store.cut_short(true);
    assert!(cached.get_range(&file(1), 0..10).await.unwrap_err().to_string().contains("were due"));
    store.cut_short(false);
    check(cached.as_ref(), 10 * B, &[0..10]).await;
    // Behind the end the store has its say.
    let behind = cached.get_range(&file(1), 10 * B..10 * B + 1).await.unwrap_err();
    assert!(behind.to_string().contains("only"), "{behind}");
    assert!(cached.get_range(&file(1), 11 * B..12 * B).await.is_err());
    assert!(cache.flights().is_empty());
}

#[tokio::test]
async fn places_do_not_mix_and_only_data_are_kept() {
    let cache = in_memory(100 * B);
    let (here, there) = (Arc::new(Counting::new(B, 0)), Arc::new(Counting::new(B, 1)));
    let (a, b) = (cache.over(place("s3://a"), here), cache.over(place("s3://b"), Arc::<Counting>::clone(&there)));
    for _ in 0..2 {
        assert!(a.get_range(&file(1), 0..B).await.unwrap() == pattern(0..B, 0));
        assert!(b.get_range(&file(1), 0..B).await.unwrap() == pattern(0..B, 1));
    }
    assert_eq!(there.requests().len(), 1);
    for _ in 0..2 {
        b.get_range(&Path::from("svc/meta/image/s/7.manifest.json"), 0..9).await.unwrap();
        b.get(&file(1)).await.unwrap();
        b.head(&file(1)).await.unwrap();
    }
    assert_eq!(there.requests().len(), 5, "{:?}", there.requests());
}

fn hits(counts: Counts) -> (u64, u64, u64) {
    (counts.memory_hits, counts.disk_hits, counts.misses)
}

#[tokio::test]
async fn hits_and_misses_are_counted() {
    let cache = in_memory(100 * B);
    let (_, cached) = over(&cache, 10 * B);
    check(cached.as_ref(), 10 * B, &[0..3 * B]).await;
    assert_eq!(hits(cache.counts()), (0, 0, 3));
    check(cached.as_ref(), 10 * B, &[0..B, 9 * B..10 * B]).await;
    assert_eq!(hits(cache.counts()), (1, 0, 4));
    let Counts { memory_hit_bytes, store_bytes, store_requests, .. } = cache.counts();
    assert_eq!((memory_hit_bytes, store_bytes, store_requests), (B, 4 * B, 2));
    let _: Bytes = cached.get_range(&file(2), 0..1).await.unwrap();
    assert_eq!(hits(cache.counts()), (1, 0, 5), "another file");
}
