//! What the log does with torn and damaged files.

use std::fs;
use std::path::{Path, PathBuf};

use raft_log::api::raft_log_writer::RaftLogWriter;
use storage_catalog::Envelope;
use storage_model::Now;
use tempfile::TempDir;

use super::*;
use crate::testing;
use crate::types::{Batch, EntryPayload};

const ENTRIES: u64 = 6;

/// A closed log with a few entries, and its only file.
fn written() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let log_dir = dir.path().join("log");
    create_log(&log_dir, "owner", Some(testing::log_id(0, 0))).unwrap();
    let mut log = open_log(&log_dir).unwrap();
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
    let files: Vec<_> = fs::read_dir(&log_dir).unwrap().filter_map(|e| file(e.unwrap())).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    (dir, file.clone())
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
