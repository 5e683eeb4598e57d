//! The durable log under openraft: raft-log, with an fsync before anything is acknowledged. What its files may look like
//! after a crash, and what is refused: [`scan`].

pub(crate) mod scan;

use std::collections::Bound;
use std::fmt::{Debug, Display};
use std::fs;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openraft::storage::{LogFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{AnyError, OptionalSend, StorageIOError};
use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::{Config, RaftLog};
use tokio::sync::oneshot;
use tracing::warn;

use crate::error::RaftError;
use crate::image_store::ImageStore;
use crate::meta_dir::DirLock;
use crate::stored::{Ballot, Frame, Owner, Point};
use crate::types::{Entry, LogId, StorageError, Types, Vote};

/// A file of the log is closed at this size; only closed files can be removed behind an image.
const CHUNK_BYTES: usize = 16 << 20;
const CHUNK_RECORDS: usize = 1 << 18;
const READ_BUFFER_BYTES: usize = 1 << 20;
/// Entries of closed files are kept in memory up to this.
const CACHE_BYTES: usize = 32 << 20;
/// At most this many entries are read at once for a follower, and at most so many bytes of them, unless the first is larger.
const READ_ENTRIES: u64 = 256;
pub(crate) const READ_BYTES: u64 = 4 << 20;

/// The types of raft-log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogTypes;

impl raft_log::Types for LogTypes {
    type LogId = Point;
    type LogPayload = Frame;
    type Vote = Ballot;
    type Callback = Synced;
    type UserData = Owner;

    fn log_index(id: &Point) -> u64 {
        id.0.index
    }

    fn payload_size(payload: &Frame) -> u64 {
        payload.bytes()
    }
}

/// Who hears that a write is on disk.
pub(crate) enum Synced {
    Raft(LogFlushed<Types>),
    Waiter(oneshot::Sender<io::Result<()>>),
}

impl raft_log::Callback for Synced {
    fn send(self, result: io::Result<()>) {
        match self {
            Synced::Raft(flushed) => flushed.log_io_completed(result),
            // A waiter that has gone away needs no answer.
            Synced::Waiter(waiter) => drop(waiter.send(result)),
        }
    }
}

/// The log as it is on disk, and what Raft takes it for.
struct Log {
    raft: RaftLog<LogTypes>,
    /// Raft has given up everything to here for an image that it received. What is on disk stays until that image is durable:
    /// a process that ends before that starts from what it had.
    owed: Option<LogId>,
}

struct Inner {
    log: Mutex<Log>,
    images: Arc<ImageStore>,
    // Dropped last: the directory is free only when the log is closed.
    _lock: Arc<DirLock>,
}

/// The log of one node.
#[derive(Clone)]
pub(crate) struct LogStore(Arc<Inner>);

/// Opens the log files of a directory. A torn tail is cut off with a warning; damage in the middle is an error that says
/// what can be done. Blocking.
pub(crate) fn open_log(dir: &Path) -> Result<RaftLog<LogTypes>, RaftError> {
    // Before raft-log opens anything: it does not notice a file that is gone, and cuts off what is torn.
    for torn in scan::scan(dir)?.torn {
        warn!(
            file = %torn.file.display(), kept_bytes = torn.whole, lost_bytes = torn.bytes,
            "the log ends inside a record: a write that was under way when the process or the machine stopped, and that \
             nobody was told of; it is cut off"
        );
    }
    let mut config = Config::new(dir.display());
    config.wal.chunk_max_size = Some(CHUNK_BYTES);
    config.wal.chunk_max_records = Some(CHUNK_RECORDS);
    config.wal.read_buffer_size = Some(READ_BUFFER_BYTES);
    // openraft waits for each append, so there is nothing to gather by waiting here.
    config.wal.flush_batch_wait = Some(Duration::ZERO);
    config.wal.truncate_incomplete_record = Some(true);
    config.log_cache_capacity = Some(CACHE_BYTES);
    RaftLog::open(Arc::new(config)).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::Other => {
            RaftError::Damaged { path: dir.to_owned(), cause: format!("{source}; {}", scan::ADVICE) }
        }
        _ => RaftError::Io { what: "open log", path: dir.to_owned(), source },
    })
}

/// Makes the empty log of a cluster that begins at `purged`, or (None) of a member that has nothing yet. Blocking.
pub(crate) fn create_log(dir: &Path, owner: &str, purged: Option<LogId>) -> Result<(), RaftError> {
    fs::create_dir(dir).map_err(RaftError::io("create", dir))?;
    let mut log = open_log(dir)?;
    let write = |log: &mut RaftLog<LogTypes>| -> io::Result<()> {
        log.save_user_data(Some(Owner(owner.to_owned())))?;
        if let Some(purged) = purged {
            log.purge(Point(purged))?;
        }
        log.flush(true, None)?;
        log.wait_worker_idle()
    };
    write(&mut log).map_err(RaftError::io("write log", dir))
}

/// Makes the log begin behind an image that is durable, where it ends before that image does: none of its entries is needed
/// any more. They may even be of a leader whose entries were replaced.
pub(crate) fn begin_behind(log: &mut RaftLog<LogTypes>, image: LogId) -> io::Result<()> {
    let state = log.log_state();
    let index = |point: Option<&Point>| point.map(|point| point.0.index);
    if index(state.last()) >= Some(image.index) {
        return Ok(());
    }
    if state.last() > Some(&Point(image)) {
        let settled = index(state.committed()).max(index(state.purged()));
        log.truncate(settled.map_or(0, |index| index + 1))?;
    }
    log.purge(Point(image)).map(drop)
}

fn write_failed(cause: impl Display) -> StorageError {
    StorageIOError::write_logs(AnyError::error(cause)).into()
}

fn read_failed(cause: impl Display) -> StorageError {
    StorageIOError::read_logs(AnyError::error(cause)).into()
}

fn vote_failed(cause: impl Display) -> StorageError {
    StorageIOError::write_vote(AnyError::error(cause)).into()
}

impl LogStore {
    pub(crate) fn new(log: RaftLog<LogTypes>, images: Arc<ImageStore>, lock: Arc<DirLock>) -> LogStore {
        LogStore(Arc::new(Inner { log: Mutex::new(Log { raft: log, owed: None }), images, _lock: lock }))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes under the lock, then waits for the disk without it.
    async fn durably(&self, write: impl FnOnce(&mut Log) -> io::Result<()>) -> io::Result<()> {
        let (waiter, answer) = oneshot::channel();
        {
            let mut log = self.log();
            write(&mut log)?;
            log.raft.flush(true, Some(Synced::Waiter(waiter)))?;
        }
        answer.await.unwrap_or_else(|_| Err(io::Error::other("the log writer has stopped")))
    }

    /// Makes everything written so far durable.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        self.durably(|_| Ok(())).await
    }

    /// Entries `from .. to`, or as many of them, but one at least, as fit into `bytes`.
    #[allow(clippy::result_large_err, reason = "the error is openraft's")]
    fn read(&self, from: u64, to: u64, bytes: u64) -> Result<Vec<Entry>, StorageError> {
        let mut frames = Vec::new();
        let mut taken = 0;
        for read in self.log().raft.read(from, to) {
            let (point, frame) = read.map_err(read_failed)?;
            taken += frame.bytes();
            if taken > bytes && !frames.is_empty() {
                break;
            }
            frames.push((point, frame));
        }
        let mut entries = Vec::with_capacity(frames.len());
        for (Point(log_id), frame) in frames {
            let payload = frame.payload().map_err(|e| StorageIOError::read_log_entry(log_id, AnyError::error(e)))?;
            entries.push(Entry { log_id, payload });
        }
        Ok(entries)
    }

    /// Gives up what Raft needs no more. An image on disk may still need what comes after it; where the log ends before
    /// `upto`, an image was received that is perhaps not durable yet.
    fn give_up(&self, log: &mut Log, upto: LogId) -> io::Result<()> {
        let last = log.raft.log_state().last().map(|point| point.0.index);
        if last < Some(upto.index) {
            log.owed = Some(upto);
            return self.settle(log).map(drop);
        }
        let target = self.0.images.floor().map_or(upto, |floor| floor.min(upto));
        log.raft.purge(Point(target)).map(drop)
    }

    /// Lets the log begin behind the image that was received; false while that is not durable.
    fn settle(&self, log: &mut Log) -> io::Result<bool> {
        let Some(owed) = log.owed else { return Ok(true) };
        let is_kept = self.0.images.latest().is_none_or(|image| image.index() >= Some(owed.index));
        if is_kept {
            begin_behind(&mut log.raft, owed)?;
            log.owed = None;
        }
        Ok(is_kept)
    }

    /// Waits until the image that was received is durable, if there is one: what follows it is written behind it.
    async fn settled(&self) -> io::Result<()> {
        let mut attempts = self.0.images.attempts();
        loop {
            attempts.mark_unchanged();
            if self.settle(&mut self.log())? {
                return Ok(());
            }
            if let Some(cause) = self.0.images.refusal() {
                return Err(io::Error::other(cause));
            }
            attempts.changed().await.map_err(io::Error::other)?;
        }
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let from = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        if from >= to {
            return Ok(Vec::new());
        }
        self.read(from, to, u64::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        self.read(start, end.min(start.saturating_add(READ_ENTRIES)), READ_BYTES)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let log = self.log();
        let state = log.raft.log_state();
        let id = |point: Option<&Point>| log.owed.or(point.map(|point| point.0));
        Ok(LogState { last_purged_log_id: id(state.purged()), last_log_id: id(state.last()) })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let vote = Ballot(*vote);
        self.durably(|log| log.raft.save_vote(vote).map(drop)).await.map_err(vote_failed)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.log().raft.log_state().vote().map(|ballot| ballot.0))
    }

    /// Rides along with the next append: it only saves work at the next start.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let Some(committed) = committed.map(Point) else { return Ok(()) };
        let mut log = self.log();
        let state = log.raft.log_state();
        let is_news = Some(&committed) > state.committed() && Some(&committed) <= state.last();
        if is_news {
            log.raft.commit(committed).map_err(write_failed)?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.log().raft.log_state().committed().map(|point| point.0))
    }

    #[cfg_attr(feature = "failpoints", allow(clippy::result_large_err, reason = "the error is openraft's"))]
    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let stored = entries.into_iter().map(|e| Frame::new(&e.payload).map(|frame| (Point(e.log_id), frame)));
        let stored = stored.collect::<Result<Vec<_>, _>>().map_err(write_failed)?;
        self.settled().await.map_err(write_failed)?;
        let mut log = self.log();
        // What lies behind the purge point is committed and in an image: it is not written again.
        let purged = log.raft.log_state().purged().map(|point| point.0.index);
        let stored = stored.into_iter().filter(|(point, _)| Some(point.0.index) > purged);
        fail::fail_point!("raft.append.before");
        fail::fail_point!("raft.append.error", |what: Option<String>| Err(write_failed(what.unwrap_or_default())));
        log.raft.append(stored).map_err(write_failed)?;
        fail::fail_point!("raft.append.unsynced");
        log.raft.flush(true, Some(Synced::Raft(callback))).map_err(write_failed)
    }

    async fn truncate(&mut self, from: LogId) -> Result<(), StorageError> {
        self.durably(|log| log.raft.truncate(from.index).map(drop)).await.map_err(write_failed)
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        self.durably(|log| self.give_up(log, upto)).await.map_err(write_failed)
    }
}

#[cfg(test)]
mod tests;
