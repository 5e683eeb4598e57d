//! What the log does with torn and damaged files.

use std::fs;
use std::path::{Path, PathBuf};

use openraft::storage::RaftLogStorageExt;
use raft_log::api::raft_log_writer::RaftLogWriter;
use storage_catalog::Envelope;
use storage_model::Now;
use tempfile::TempDir;

use super::*;
use crate::image_store;
use crate::meta_dir::MetaDir;
use crate::testing;
use crate::types::{Batch, EntryPayload};

const ENTRIES: u64 = 6;

/// A closed log with a few entries, and its only file.
fn written() -> (TempDir, PathBuf) {
    let (dir, files) = written_in(CHUNK_RECORDS);
    let [file] = files.as_slice() else { panic!("{files:?}") };
    (dir, file.clone())
}

/// The same in files of so many records.
fn written_in(records: usize) -> (TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let log_dir = dir.path().join("log");
    create_log(&log_dir, "owner", Some(testing::log_id(0, 0))).unwrap();
    let mut config = Config::new(log_dir.display());
    config.wal.chunk_max_records = Some(records);
    let mut log = RaftLog::<LogTypes>::open(Arc::new(config)).unwrap();
    log.save_vote(Ballot(Vote::new_committed(1, 1))).unwrap();
    for index in 1..=ENTRIES {
        let envelope = Envelope { proposed_at: Now::at(index), command: testing::set("key", index) };
        let frame = Frame::new(&EntryPayload::Normal(Batch::new(vec![envelope]))).unwrap();
        log.append([(Point(testing::log_id(1, index)), frame)]).unwrap();
        log.commit(Point(testing::log_id(1, index))).unwrap();
    }
    log.flush(true, None).unwrap();
    log.wait_worker_idle().unwrap();
    drop(log);
    let file = |entry: fs::DirEntry| entry.path().extension().is_some_and(|e| e == "wal").then(|| entry.path());
    let mut files: Vec<_> = fs::read_dir(&log_dir).unwrap().filter_map(|e| file(e.unwrap())).collect();
    files.sort();
    (dir, files)
}

/// The entries that are found, or None where the log is refused. Nothing is changed by asking.
fn scanned(dir: &Path) -> Option<Vec<u64>> {
    let scan = scan::scan(dir).ok()?;
    let mut found = Vec::new();
    scan::entries(dir, &scan, |id, frame| {
        frame.payload().unwrap();
        found.push(id.index);
        Ok(())
    })
    .unwrap();
    Some(found)
}

fn last(file: &Path) -> Option<u64> {
    open_log(file.parent().unwrap()).ok().map(|log| log.log_state().last().map_or(0, |point| point.0.index))
}

/// Opening a torn log goes on in a new file: removes them all.
fn remove_files(file: &Path) {
    for other in fs::read_dir(file.parent().unwrap()).unwrap() {
        let other = other.unwrap().path();
        if other.extension().is_some_and(|e| e == "wal") {
            fs::remove_file(other).unwrap();
        }
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_everything_before_it_stays() {
    let (_dir, file) = written();
    let whole = fs::read(&file).unwrap();
    let mut before = ENTRIES;
    for length in (0..whole.len()).rev() {
        fs::write(&file, &whole[..length]).unwrap();
        let found = last(&file).expect("a torn write never stops a start");
        assert!(found <= before && before - found <= 1, "length {length}: {found} after {before}");
        before = found;
        remove_files(&file);
    }
    assert_eq!(before, 0);
}

#[test]
fn a_tail_of_zeros_is_a_torn_tail() {
    let (_dir, file) = written();
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend_from_slice(&[0; 5000]);
    fs::write(&file, &bytes).unwrap();
    assert_eq!(last(&file), Some(ENTRIES));
}

#[test]
fn no_flipped_bit_loses_an_entry_in_silence() {
    let (_dir, file) = written();
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        for bit in [0, 2, 7] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            fs::write(&file, &damaged).unwrap();
            if let Some(found) = last(&file) {
                assert_eq!(found, ENTRIES, "byte {at}, bit {bit}");
            }
            remove_files(&file);
        }
    }
}

#[test]
fn damage_in_the_middle_names_the_log() {
    let (_dir, file) = written();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let refused = open_log(file.parent().unwrap()).err().unwrap();
    assert!(matches!(refused, RaftError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains(file.parent().unwrap().to_str().unwrap()), "{refused}");
}

/// The same entries, or a refusal: also where there are many files, and whatever is flipped in the last record.
#[test]
fn every_flipped_bit_of_many_files_is_noticed() {
    let (dir, files) = written_in(4);
    assert!(files.len() > 2, "{files:?}");
    let log_dir = dir.path().join("log");
    let all: Vec<u64> = (1..=ENTRIES).collect();
    assert_eq!(scanned(&log_dir).unwrap(), all);
    let mut refused = 0;
    for file in &files {
        let whole = fs::read(file).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(file, &damaged).unwrap();
            match scanned(&log_dir) {
                None => refused += 1,
                Some(found) => assert_eq!(found, all, "{}, byte {at}", file.display()),
            }
        }
        fs::write(file, &whole).unwrap();
    }
    assert!(refused > 0);
    assert_eq!(last(&files[0]), Some(ENTRIES));
}

#[test]
fn a_cut_costs_no_more_than_the_tail_of_the_last_file() {
    let (dir, files) = written_in(4);
    let log_dir = dir.path().join("log");
    for (n, file) in files.iter().enumerate() {
        let whole = fs::read(file).unwrap();
        for length in 0..whole.len() {
            fs::write(file, &whole[..length]).unwrap();
            match scanned(&log_dir) {
                None => assert!(n + 1 < files.len(), "a torn write never stops a start: length {length}"),
                Some(found) => {
                    assert!(n + 1 == files.len(), "{}, length {length}: {found:?}", file.display());
                    assert!(found.iter().copied().eq(1..=found.len() as u64), "no gap: {found:?}");
                }
            }
        }
        fs::write(file, &whole).unwrap();
    }
}

#[test]
fn a_file_that_is_gone_is_missed() {
    let (dir, files) = written_in(4);
    let log_dir = dir.path().join("log");
    // The last one cannot be: nothing behind it tells of it. The image does, when it is newer.
    for file in &files[..files.len() - 1] {
        let whole = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        let refused = open_log(&log_dir).err().unwrap().to_string();
        assert!(refused.contains("--helper host:port") && refused.contains("cluster snapshot"), "{refused}");
        fs::write(file, whole).unwrap();
    }
    assert_eq!(last(&files[0]), Some(ENTRIES));
}

#[test]
fn a_torn_tail_is_measured() {
    let (_dir, file) = written();
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 3]).unwrap();
    let torn = scan::scan(file.parent().unwrap()).unwrap().torn;
    let [torn] = torn.as_slice() else { panic!("{torn:?}") };
    assert_eq!((&torn.file, torn.whole + torn.bytes), (&file, whole.len() as u64 - 3));
    assert!(torn.bytes > 0);
    assert_eq!(fs::read(&file).unwrap().len(), whole.len() - 3, "looking changes nothing");
}

/// The log of a frontend with an image of entry 3, and the directory with both.
fn store() -> (TempDir, LogStore, Arc<ImageStore>) {
    let (dir, _) = written();
    let images = ImageStore::new(dir.path());
    images.write(&testing::catalog_at(3), &testing::meta_at(3)).unwrap();
    let (images, lock) = (Arc::new(images), Arc::new(MetaDir::new(dir.path()).lock().unwrap()));
    let log = LogStore::new(open_log(&dir.path().join("log")).unwrap(), images.clone(), lock);
    (dir, log, images)
}

/// Another frontend sends an image that ends at this entry.
fn receive(images: &ImageStore, index: u64) {
    let theirs = tempfile::tempdir().unwrap();
    let sent = ImageStore::new(theirs.path()).write(&testing::catalog_at(index), &testing::meta_at(index)).unwrap();
    let mut received = fs::File::open(&sent.path).unwrap();
    let loaded = image_store::receive(&mut received).unwrap();
    images.keep(&mut received, loaded).unwrap();
}

fn entry(index: u64) -> Entry {
    Entry { log_id: testing::log_id(1, index), payload: EntryPayload::Blank }
}

fn bounds(log: &RaftLog<LogTypes>) -> (Option<u64>, Option<u64>) {
    let index = |point: Option<&Point>| point.map(|point| point.0.index);
    (index(log.log_state().purged()), index(log.log_state().last()))
}

#[tokio::test]
async fn the_log_stays_until_the_image_that_was_received_is_durable() {
    let (dir, mut log, images) = store();
    log.purge(testing::log_id(1, 100)).await.unwrap();
    let state = log.get_log_state().await.unwrap();
    let given_up = Some(testing::log_id(1, 100));
    assert_eq!((state.last_purged_log_id, state.last_log_id), (given_up, given_up), "as far as Raft is concerned");
    log.save_vote(&Vote::new_committed(7, 2)).await.unwrap();

    // If the process were killed now.
    let killed = tempfile::tempdir().unwrap();
    testing::copy(dir.path(), killed.path());
    let found = open_log(&killed.path().join("log")).unwrap();
    assert_eq!(bounds(&found), (Some(0), Some(ENTRIES)));
    let (_, image, _) = ImageStore::open(killed.path(), Some(0)).unwrap();
    assert_eq!(image.index(), Some(3));

    let (mut behind, mut next) = (log.clone(), Box::pin(log.blocking_append([entry(101)])));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut next).await;
    assert!(early.is_err(), "what comes behind the image is written behind it: {early:?}");
    receive(&images, 100);
    next.await.unwrap();
    let indexes = behind.try_get_log_entries(0..200).await.unwrap().into_iter().map(|entry| entry.log_id.index);
    assert_eq!(indexes.collect::<Vec<_>>(), [101]);
    drop(log);
    drop(behind);
    assert_eq!(bounds(&open_log(&dir.path().join("log")).unwrap()), (Some(100), Some(101)));
}

#[tokio::test]
async fn nothing_is_written_behind_an_image_that_was_not_kept() {
    let (dir, mut log, images) = store();
    log.purge(testing::log_id(1, 100)).await.unwrap();
    images.refuse("no room".to_owned());
    let refused = log.blocking_append([entry(101)]).await.unwrap_err();
    assert!(refused.to_string().contains("no room"), "{refused}");
    drop(log);
    assert_eq!(bounds(&open_log(&dir.path().join("log")).unwrap()), (Some(0), Some(ENTRIES)));
}

#[test]
fn a_log_that_ends_before_the_image_begins_behind_it() {
    for term in [1, 9] {
        let (dir, _) = written();
        let log_dir = dir.path().join("log");
        let mut log = open_log(&log_dir).unwrap();
        // Of a leader that only this node has followed.
        let frame = Frame::new(&EntryPayload::Blank).unwrap();
        log.append([(Point(testing::log_id(term, ENTRIES + 1)), frame)]).unwrap();
        begin_behind(&mut log, testing::log_id(1, ENTRIES)).unwrap();
        assert_eq!(bounds(&log), (Some(0), Some(ENTRIES + 1)), "what is behind the image stays");
        begin_behind(&mut log, testing::log_id(2, 20)).unwrap();
        log.flush(true, None).unwrap();
        log.wait_worker_idle().unwrap();
        drop(log);
        assert_eq!(scanned(&log_dir), Some(vec![]));
        let log = open_log(&log_dir).unwrap();
        assert_eq!(
            (bounds(&log), log.log_state().last()),
            ((Some(20), Some(20)), Some(&Point(testing::log_id(2, 20))))
        );
    }
}
