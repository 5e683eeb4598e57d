//! The key index: keys that are in it are found, others are not, and no byte of it changes unseen.

use std::collections::BTreeMap;

use storage_model::{Place, ServiceId, StorageVolume, VolumeId, VolumeType};

use super::*;

struct Store {
    _directory: tempfile::TempDir,
    volume: Volume,
    layout: Layout,
}

impl Store {
    fn new() -> Store {
        let directory = tempfile::tempdir().unwrap();
        let volume = StorageVolume {
            id: VolumeId(1),
            name: "v".into(),
            volume_type: VolumeType::Local,
            location: format!("file://{}", directory.path().display()),
            comment: String::new(),
            enabled: true,
            borrowed: None,
            properties: BTreeMap::new(),
        };
        let volume = Volume::open(&volume).unwrap();
        Store { _directory: directory, volume, layout: Layout(ServiceId("s".into())) }
    }

    /// Stores the index behind some other bytes.
    async fn put(&self, object: &str, bytes: &[u8], rows: u64) -> KeyedRun {
        let mut file = vec![7; 100];
        file.extend_from_slice(bytes);
        let index = ByteRange { start: 100, end: file.len() as u64 };
        self.volume.put(&self.layout.in_root(object), file.into()).await.unwrap();
        let place = Place { volume: VolumeId(1), object: object.to_owned() };
        KeyedRun { place, rows, index, deleted: 0, vector: None }
    }
}

/// Spread evenly, as hashes are.
fn key(n: u64) -> KeyHash {
    KeyHash::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).rotate_left(64)
}

#[tokio::test]
async fn what_is_in_it_is_found_and_nothing_else() {
    let store = Store::new();
    for count in [0_u64, 1, 255, 256, 257, 3000, 300_000] {
        let entries: Vec<Entry> = (0..count).map(|n| (key(n * 2), (n * 3) as u32)).collect();
        let run = store.put(&format!("o{count}"), &encode(entries.clone()).unwrap(), count).await;
        let index = KeyIndex::of(&run, &store.layout, &store.volume).unwrap();
        for step in [1, 7, 1000] {
            let mut wanted: Vec<KeyHash> = (0..count * 2 + 10).step_by(step).map(key).collect();
            wanted.sort_unstable();
            let found = index.find(&wanted).await.unwrap();
            let expected = (0..count * 2).step_by(step).filter(|n| n % 2 == 0).map(|n| (n / 2 * 3) as u32);
            assert_eq!(found, expected.collect::<RoaringBitmap>(), "{count} by {step}");
        }
        let mut all: Vec<Entry> = index.scan().try_collect::<Vec<_>>().await.unwrap().concat();
        all.sort_unstable_by_key(|(_, row)| *row);
        assert_eq!(all, entries, "{count}");
        assert!(index.find(&[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn no_byte_of_it_can_change_unseen() {
    let store = Store::new();
    let bytes = encode((0..1000).map(|n| (key(n), n as u32)).collect()).unwrap();
    let mut wanted: Vec<KeyHash> = (0..1000).map(key).collect();
    wanted.sort_unstable();
    // The head is read by nobody who knows how many keys there are.
    for at in (HEAD as usize..bytes.len()).step_by(13) {
        let mut other = bytes.clone();
        other[at] ^= 0x10;
        let run = store.put("other", &other, 1000).await;
        let index = KeyIndex::of(&run, &store.layout, &store.volume).unwrap();
        let behind_the_last = (HEAD + 4 * BLOCK + 4..HEAD + 5 * BLOCK).contains(&(at as u64));
        assert!(index.find(&wanted).await.is_err() || behind_the_last, "byte {at}");
    }
    let run = store.put("other", &bytes[..bytes.len() - 1], 1000).await;
    assert!(KeyIndex::of(&run, &store.layout, &store.volume).is_err());
}

#[test]
fn a_key_is_in_a_run_once() {
    assert!(encode(vec![(key(1), 0), (key(2), 1), (key(1), 2)]).is_err());
}
