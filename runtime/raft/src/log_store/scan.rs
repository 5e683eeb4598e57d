//! The files of the log, read from end to end without changing them: what a start and the offline tool know before
//! anything is opened for writing.
//!
//! A write that was under way when the power went leaves a file that ends inside a record, or in zeros. That tail was
//! never acknowledged; it is cut off at the next start, which says so. Everything else that is not as it was written is
//! damage, and a log with damage is not opened: not even when it is in the last record. There it could be a torn write
//! too - the two cannot be told apart - but a record that is whole in length may have been acknowledged.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use raft_log::chunked_wal::Config;
use raft_log::codeq::Decode;
use raft_log::{RaftLogAction, RaftLogRecord, WALRecord};

use super::LogTypes;
use crate::error::RaftError;
use crate::stored::{Frame, Point};
use crate::types::LogId;

const BUFFER_BYTES: usize = 1 << 20;
/// What an operator can do about a damaged log.
pub(super) const ADVICE: &str = "to rejoin from the other frontends start with --helper host:port of one of them and an \
                                 empty meta_dir; where there are none, restore a cluster snapshot";

/// The unfinished end of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Torn {
    pub(crate) file: PathBuf,
    /// How much of it stays.
    pub(crate) whole: u64,
    /// How much goes.
    pub(crate) bytes: u64,
}

/// What the records of all files come to.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) owner: Option<String>,
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
    /// A majority is known to have the entries up to here; it may have more.
    pub(crate) committed: Option<LogId>,
    pub(crate) torn: Vec<Torn>,
    /// The entries that count, by index: their ids, and the number of the record.
    entries: BTreeMap<u64, (LogId, u64)>,
    records: u64,
}

type Record = RaftLogRecord<LogTypes>;

/// Reads everything. An error names the file and what can be done.
pub(crate) fn scan(dir: &Path) -> Result<Scan, RaftError> {
    let mut scan = Scan::default();
    read_records(dir, &mut scan, |scan, file, record| {
        let number = scan.records;
        scan.records += 1;
        scan.apply(number, record).map_err(|cause| damaged(file, cause))
    })?;
    scan.check(dir)?;
    Ok(scan)
}

/// Reads the entries that a scan has found, in their order.
pub(crate) fn entries(
    dir: &Path,
    scan: &Scan,
    mut each: impl FnMut(LogId, Frame) -> Result<(), RaftError>,
) -> Result<(), RaftError> {
    let mut number = 0;
    // Entries that were replaced have other numbers than those that count, so the order is that of the index.
    read_records(dir, &mut Scan::default(), |_, _, record| {
        let current = number;
        number += 1;
        match record {
            WALRecord::Action(RaftLogAction::Append(Point(id), frame))
                if scan.entries.get(&id.index) == Some(&(id, current)) =>
            {
                each(id, frame)
            }
            _ => Ok(()),
        }
    })
}

fn damaged(path: &Path, cause: impl std::fmt::Display) -> RaftError {
    RaftError::Damaged { path: path.to_owned(), cause: format!("{cause}; {ADVICE}") }
}

/// The files in order, by the offset that their name tells.
fn files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, RaftError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(RaftError::io("read directory", dir))? {
        let path = entry.map_err(RaftError::io("read directory", dir))?.path();
        let offset = path.file_name().and_then(|n| n.to_str()).and_then(|n| Config::parse_chunk_file_name(n).ok());
        found.extend(offset.map(|offset| (offset, path)));
    }
    found.sort();
    Ok(found)
}

fn read_records(
    dir: &Path,
    scan: &mut Scan,
    mut each: impl FnMut(&mut Scan, &Path, Record) -> Result<(), RaftError>,
) -> Result<(), RaftError> {
    let mut end = None;
    for (offset, path) in files(dir)? {
        // Behind a torn file there may only be one that was not begun: a file is begun before the one before it is synced.
        let is_behind_torn = !scan.torn.is_empty();
        if !is_behind_torn && end.is_some_and(|end| end != offset) {
            let cause = format!("it begins at {offset}, but the file before it ends at {}", end.unwrap_or_default());
            return Err(damaged(&path, cause));
        }
        let length = read_file(&path, scan, |scan, record| {
            if is_behind_torn {
                return Err(damaged(&path, "the file before it ends inside a record"));
            }
            each(scan, &path, record)
        })?;
        end = Some(offset + length);
        scan.files += 1;
        scan.bytes += length;
    }
    Ok(())
}

/// Returns how much of the file is whole.
fn read_file(
    path: &Path,
    scan: &mut Scan,
    mut each: impl FnMut(&mut Scan, Record) -> Result<(), RaftError>,
) -> Result<u64, RaftError> {
    let file = File::open(path).map_err(RaftError::io("open", path))?;
    let length = file.metadata().map_err(RaftError::io("look at", path))?.len();
    let mut reader = Counting { input: BufReader::with_capacity(BUFFER_BYTES, file), passed: 0 };
    loop {
        let whole = reader.passed;
        if whole >= length {
            if length == 0 {
                scan.torn.push(Torn { file: path.to_owned(), whole: 0, bytes: 0 });
            }
            return Ok(whole);
        }
        let error = match Record::decode(&mut reader) {
            Ok(record) => {
                each(scan, record)?;
                continue;
            }
            Err(error) => error,
        };
        let is_torn = error.kind() == io::ErrorKind::UnexpectedEof
            || is_zero_from(path, whole).map_err(RaftError::io("read", path))?;
        if !is_torn {
            return Err(damaged(path, format!("the record at byte {whole} of {length}: {error}")));
        }
        scan.torn.push(Torn { file: path.to_owned(), whole, bytes: length - whole });
        return Ok(whole);
    }
}

fn is_zero_from(path: &Path, start: u64) -> io::Result<bool> {
    use std::io::Seek;
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    file.seek(io::SeekFrom::Start(start))?;
    for byte in file.bytes() {
        if byte? != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Scan {
    /// How many entries there are.
    pub(crate) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    fn apply(&mut self, number: u64, record: Record) -> Result<(), String> {
        match record {
            WALRecord::Action(RaftLogAction::SaveVote(_)) => {}
            WALRecord::Action(RaftLogAction::Commit(Point(upto))) => self.committed = self.committed.max(Some(upto)),
            WALRecord::Action(RaftLogAction::Append(Point(id), _)) => {
                let expected = self.last.map_or(0, |last| last.index + 1);
                if id.index != expected {
                    return Err(format!("entry {} stands where entry {expected} should", id.index));
                }
                self.entries.insert(id.index, (id, number));
                self.last = Some(id);
            }
            WALRecord::Action(RaftLogAction::TruncateAfter(after)) => {
                self.last = after.map(|Point(id)| id);
                self.entries.split_off(&self.last.map_or(0, |last| last.index + 1));
            }
            WALRecord::Action(RaftLogAction::PurgeUpto(Point(upto))) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.purged = self.purged.max(Some(upto));
                self.last = self.last.max(Some(upto));
            }
            WALRecord::Checkpoint(state) => {
                self.purged = state.purged().map(|Point(id)| *id);
                self.last = state.last().map(|Point(id)| *id);
                self.committed = state.committed().map(|Point(id)| *id);
                self.owner = state.user_data.map(|owner| owner.0);
            }
        }
        Ok(())
    }

    /// A checkpoint at the head of a file counts entries that stand in files before it: those must be there, or purged.
    fn check(&self, dir: &Path) -> Result<(), RaftError> {
        let from = self.purged.map_or(0, |purged| purged.index + 1);
        let to = self.last.map_or(0, |last| last.index + 1);
        let expected = to.saturating_sub(from);
        if self.entries.len() as u64 == expected && self.entries.keys().next().is_none_or(|first| *first == from) {
            return Ok(());
        }
        let missing = (from..to).find(|index| !self.entries.contains_key(index)).unwrap_or(from);
        Err(damaged(dir, format!("entry {missing} is missing, and entries behind it are there")))
    }
}

/// Counts what passes.
struct Counting<R> {
    input: R,
    passed: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.passed += read as u64;
        Ok(read)
    }
}
