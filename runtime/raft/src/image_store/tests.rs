//! Images on disk: kept by number, checked, replaced.

use storage_catalog::codec::{self, Format};

use super::file::IMAGE_HEAD;
use super::*;
use crate::testing;

fn meta(index: u64) -> SnapshotMeta {
    SnapshotMeta { last_log_id: Some(testing::log_id(1, index)), ..SnapshotMeta::default() }
}

#[test]
fn the_last_two_images_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = ImageStore::new(dir.path());
    for index in 1..=4 {
        store.write(&testing::catalog_at(index), &meta(index)).unwrap();
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    assert_eq!(store.floor(), Some(testing::log_id(1, 3)));
    fs::write(dir.path().join("image.9.tmp"), b"unfinished").unwrap();
    let (store, image, catalog) = ImageStore::open(dir.path(), Some(3)).unwrap();
    assert_eq!((image.revision, catalog.revision()), (Revision(4), Revision(4)));
    assert_eq!(store.floor(), Some(testing::log_id(1, 3)));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
}

#[test]
fn every_flipped_bit_of_an_image_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = ImageStore::new(dir.path());
    let path = store.write(&testing::catalog_at(3), &meta(3)).unwrap().path;
    let bytes = fs::read(&path).unwrap();
    let read = |bytes: &[u8]| file::read(bytes, bytes.len() as u64);
    assert_eq!(read(&bytes).unwrap().catalog.revision(), Revision(3));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(read(&damaged).is_err(), "byte {at}");
    }
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "length {length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(read(&longer).is_err());
}

#[test]
fn a_damaged_image_is_replaced_by_the_older_only_while_the_log_covers_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = ImageStore::new(dir.path());
    store.write(&testing::catalog_at(3), &meta(3)).unwrap();
    let newest = store.write(&testing::catalog_at(5), &meta(5)).unwrap().path;
    fs::write(&newest, b"nothing that was written").unwrap();

    let refused = ImageStore::open(dir.path(), Some(4)).err().unwrap();
    assert!(refused.to_string().contains(newest.to_str().unwrap()), "{refused}");
    assert!(newest.exists(), "a refused open changes nothing");

    let (_, image, _) = ImageStore::open(dir.path(), Some(3)).unwrap();
    assert_eq!(image.revision, Revision(3));
    assert!(!newest.exists() && dir.path().join("image.5.damaged").exists());
}

#[test]
fn an_image_of_a_newer_version_is_never_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = ImageStore::new(dir.path());
    store.write(&testing::catalog_at(3), &meta(3)).unwrap();
    let newest = store.write(&testing::catalog_at(5), &meta(5)).unwrap().path;
    let newer = codec::frame(Format { version: 2, ..IMAGE_HEAD }, &0_u64.to_le_bytes());
    fs::write(&newest, newer).unwrap();
    assert!(matches!(ImageStore::open(dir.path(), None), Err(RaftError::Newer { .. })));
}

/// Whatever length was guessed for the head, the bytes are the same.
#[test]
fn the_bytes_do_not_depend_on_the_image_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.40");
    let catalog = testing::catalog_at(40);
    let mut all = Vec::new();
    for like in [0, 1000, 100_000, 1 << 33] {
        let (catalog_bytes, sha256) = file::write(&path, &catalog, &meta(40), like, &AtomicBool::new(false)).unwrap();
        let bytes = fs::read(&path).unwrap();
        let loaded = file::read(bytes.as_slice(), bytes.len() as u64).unwrap();
        assert_eq!((loaded.catalog_bytes, &loaded.sha256), (catalog_bytes, &sha256));
        assert_eq!(loaded.catalog.config().count(), 40);
        all.push(bytes);
    }
    assert!(all.iter().all(|bytes| *bytes == all[0]));
    assert!(bytes_of_old(&catalog, &meta(40)) == all[0]);
}

/// As images were written before they were streamed.
fn bytes_of_old(catalog: &Catalog, meta: &SnapshotMeta) -> Vec<u8> {
    use crate::stored::{IMAGE_META, ImageMeta};
    let bytes = storage_catalog::image::to_bytes(catalog).unwrap();
    let head = codec::encode(IMAGE_META, &ImageMeta::new(catalog.revision(), meta, bytes.len() as u64)).unwrap();
    let start = codec::frame(IMAGE_HEAD, &(head.len() as u64).to_le_bytes());
    [start, head, bytes].concat()
}

#[test]
fn an_image_of_many_sections_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = ImageStore::new(dir.path());
    let mut catalog = testing::catalog_at(0);
    // Three sections of configuration, hardly compressible.
    let mut noise = 1_u64;
    for n in 0..20 {
        let value: String = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:016x}", noise ^ (noise >> 29))
        })
        .take(1 << 16)
        .collect();
        let envelope = storage_catalog::Envelope {
            proposed_at: storage_model::Now::at(2),
            command: testing::set(format!("key{n}"), value),
        };
        catalog.apply(&envelope).unwrap();
    }
    for index in [1, 2] {
        store.write(&catalog, &meta(index)).unwrap();
    }
    let (store, image, read) = ImageStore::open(dir.path(), Some(2)).unwrap();
    assert!(image.catalog_bytes > 8 << 20, "{}", image.catalog_bytes);
    assert!(read.config().eq(catalog.config()));
    assert_eq!(store.floor(), Some(testing::log_id(1, 2)), "one revision is one file");
}

#[test]
fn the_checksum_beside_an_image_is_what_sha256sum_reads() {
    let dir = tempfile::tempdir().unwrap();
    let store = ImageStore::new(dir.path());
    store.write(&testing::catalog_at(3), &meta(3)).unwrap();
    let text = fs::read_to_string(dir.path().join("checksum.3")).unwrap();
    assert!(text.len() == 64 + "  image.3\n".len() && text.ends_with("  image.3\n"), "{text:?}");
    // Where there is such a command, it is content.
    let checked = std::process::Command::new("sha256sum").args(["-c", "checksum.3"]).current_dir(dir.path()).output();
    assert!(checked.is_err() || checked.as_ref().is_ok_and(|o| o.status.success()), "{checked:?}");
}

#[test]
fn a_checksum_that_is_missing_is_noted_and_one_that_differs_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let store = ImageStore::new(dir.path());
    store.write(&testing::catalog_at(3), &meta(3)).unwrap();
    store.write(&testing::catalog_at(5), &meta(5)).unwrap();
    let path = dir.path().join("checksum.5");
    let right = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(dir.path().join("checksum.4"), "of no image").unwrap();
    let (_, image, _) = ImageStore::open(dir.path(), Some(3)).unwrap();
    assert_eq!(image.revision, Revision(5));
    assert_eq!(fs::read_to_string(&path).unwrap(), right);
    assert!(!dir.path().join("checksum.4").exists());

    fs::write(&path, fs::read(dir.path().join("checksum.3")).unwrap()).unwrap();
    let refused = ImageStore::open(dir.path(), Some(5)).err().unwrap().to_string();
    assert!(refused.contains("image.5") && refused.contains("checksum.5 says"), "{refused}");
    let (_, image, _) = ImageStore::open(dir.path(), Some(3)).unwrap();
    assert_eq!(image.revision, Revision(3));
    assert!(!path.exists() && dir.path().join("image.5.damaged").exists());
}

#[test]
fn a_received_image_is_kept_as_it_came() {
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent = ImageStore::new(theirs.path()).write(&testing::catalog_at(7), &meta(9)).unwrap();
    let store = ImageStore::new(ours.path());
    let mut received = File::open(&sent.path).unwrap();
    let loaded = receive(&mut received).unwrap();
    assert_eq!(loaded.meta, meta(9));
    assert_eq!(store.keep(&mut received, loaded).unwrap().revision(), Revision(7));
    for name in ["image.7", "checksum.7"] {
        assert_eq!(fs::read(ours.path().join(name)).unwrap(), fs::read(theirs.path().join(name)).unwrap());
    }
    assert_eq!(store.latest().unwrap().meta, meta(9));
    let mut cut = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut cut, &fs::read(&sent.path).unwrap()[..200]).unwrap();
    assert!(receive(&mut cut).is_err());
}
