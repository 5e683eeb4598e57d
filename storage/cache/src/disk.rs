//! The part of the cache that lies below a local directory: a file for each block, written by a thread of its own. It may be lost,
//! full, stale or unwritable at any time; then the node goes on without it, says so once, and tries again later.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::statvfs::statvfs;
use tokio::sync::oneshot;

use crate::block::{Block, HEAD};
use crate::counts::Counter;
use crate::index::Index;
use crate::key::BlockKey;

/// Below a directory that was given to the node: nothing else lies there, and what else is found there is removed.
const DIRECTORY: &str = "starkeep_cache";
/// What waits to be written, in bytes, at most; what comes then is not written.
const WAITING_BYTES: u64 = 64 << 20;
/// A disk that failed is left alone for so long.
const REST: Duration = Duration::from_secs(300);
/// So many blocks are written between two looks at how much of the disk is free.
const WRITES_BETWEEN_LOOKS: u64 = 64;
/// Files take whole pages of the disk.
const PAGE: u64 = 4096;

/// A directory and how much of it the cache may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskPart {
    /// The cache lies in a directory of its own below it.
    pub directory: PathBuf,
    /// Bytes; less when less is free.
    pub bytes: u64,
}

/// Bytes of the whole disk that a directory is on; the directory need not be there yet.
pub fn disk_bytes(directory: &Path) -> io::Result<u64> {
    let there = directory.ancestors().find(|directory| directory.exists()).unwrap_or(directory);
    let found = statvfs(there).map_err(io::Error::from)?;
    Ok(found.blocks() * found.fragment_size())
}

/// One directory.
pub(crate) struct Disk {
    shared: Arc<Shared>,
    writer: SyncSender<Work>,
}

enum Work {
    Write(BlockKey, Block),
    Settle(oneshot::Sender<()>),
}

struct Shared {
    directory: PathBuf,
    /// As configured.
    limit: u64,
    /// As the disk has it.
    room: AtomicU64,
    index: Mutex<Index>,
    /// Since when it is not used.
    failed: Mutex<Option<Instant>>,
    bad: Counter,
    unwritten: Counter,
}

impl Disk {
    /// Takes up what an earlier process has left there, in the background.
    pub fn open(part: &DiskPart, block_bytes: u64) -> Disk {
        let shared = Arc::new(Shared {
            directory: part.directory.join(DIRECTORY),
            limit: part.bytes,
            room: AtomicU64::new(part.bytes),
            index: Mutex::default(),
            failed: Mutex::default(),
            bad: Counter::default(),
            unwritten: Counter::default(),
        });
        let waiting = usize::try_from(WAITING_BYTES / block_bytes).unwrap_or(1).max(1);
        let (writer, work) = sync_channel(waiting);
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("cache".to_owned());
        if let Err(error) = thread.spawn(move || of_thread.work(&work)) {
            shared.fail("write to", &error);
        }
        Disk { shared, writer }
    }

    pub fn holds(&self, key: BlockKey) -> bool {
        self.shared.index().holds(key)
    }

    /// It is written when the disk gets round to it.
    pub fn offer(&self, key: BlockKey, block: &Block) {
        if self.shared.rests() || self.holds(key) {
            return;
        }
        match self.writer.try_send(Work::Write(key, block.clone())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.shared.unwritten.add(1),
        }
    }

    /// None: it is not there, or no longer what it was.
    pub fn read(&self, key: BlockKey) -> Option<Block> {
        self.shared.read(key)
    }

    /// Returns when everything that was offered before is written.
    pub async fn settled(&self) {
        let (settle, settled) = oneshot::channel();
        let writer = self.writer.clone();
        let sent = tokio::task::spawn_blocking(move || writer.send(Work::Settle(settle)).is_ok()).await;
        if sent.unwrap_or_default() {
            let _ = settled.await;
        }
    }

    pub fn used(&self) -> u64 {
        self.shared.index().bytes()
    }

    /// None at all while it is not used.
    pub fn capacity(&self) -> u64 {
        if self.shared.rests() { 0 } else { self.shared.allowed() }
    }

    pub fn bad(&self) -> u64 {
        self.shared.bad.get()
    }

    pub fn unwritten(&self) -> u64 {
        self.shared.unwritten.get()
    }
}

/// Whether an error says nothing about the disk.
fn is_passing(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let of_process = [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::EINTR, Errno::EAGAIN];
    error.kind() == ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| of_process.contains(&Errno::from_raw(code)))
}

fn file_bytes(block_bytes: usize) -> u64 {
    ((block_bytes + HEAD) as u64).next_multiple_of(PAGE)
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Option<Instant>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rests(&self) -> bool {
        self.failed().is_some_and(|since| since.elapsed() < REST)
    }

    fn allowed(&self) -> u64 {
        self.limit.min(self.room.load(Ordering::Relaxed))
    }

    fn path(&self, key: BlockKey) -> PathBuf {
        let (directory, name) = key.file();
        self.directory.join(directory).join(name)
    }

    fn work(&self, work: &Receiver<Work>) {
        if let Err(error) = self.recover() {
            self.fail("use", &error);
        }
        let mut written = 0_u64;
        for work in work {
            match work {
                Work::Write(key, block) => {
                    if written.is_multiple_of(WRITES_BETWEEN_LOOKS) {
                        self.look_for_room();
                    }
                    written += 1;
                    self.write(key, &block);
                }
                Work::Settle(done) => {
                    let _ = done.send(());
                }
            }
        }
    }

    /// Finds the blocks that are there; whether each is what it should be is seen when it is read.
    fn recover(&self) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let probe = self.directory.join("probe");
        File::create(&probe)?.write_all(b"probe")?;
        fs::remove_file(&probe)?;
        let mut found: Vec<(SystemTime, BlockKey, u64)> = Vec::new();
        for directory in fs::read_dir(&self.directory)? {
            let directory = directory?.path();
            let Ok(files) = fs::read_dir(&directory) else {
                fs::remove_file(&directory)?;
                continue;
            };
            for file in files {
                let file = file?;
                let key = file.file_name().to_str().and_then(BlockKey::of_file);
                match (key.filter(|key| self.path(*key) == file.path()), file.metadata()) {
                    (Some(key), Ok(meta)) if meta.is_file() => {
                        found.push((meta.modified()?, key, meta.len().next_multiple_of(PAGE)));
                    }
                    _ => drop(fs::remove_file(file.path())),
                }
            }
        }
        found.sort_by_key(|(when, ..)| *when);
        found.into_iter().for_each(|(_, key, bytes)| self.index().add(key, bytes));
        self.look_for_room();
        self.make_room(0);
        Ok(())
    }

    /// The cache leaves a twentieth of the disk free.
    fn look_for_room(&self) {
        let Ok(found) = statvfs(&self.directory) else { return };
        let page = found.fragment_size();
        let (all, free) = (found.blocks() * page, found.blocks_available() * page);
        let room = (self.index().bytes() + free).saturating_sub(all / 20);
        self.room.store(room, Ordering::Relaxed);
    }

    fn make_room(&self, bytes: u64) {
        loop {
            let mut index = self.index();
            if index.bytes() + bytes <= self.allowed() {
                return;
            }
            let Some(key) = index.pop() else { return };
            drop(index);
            let _ = fs::remove_file(self.path(key));
        }
    }

    fn write(&self, key: BlockKey, block: &Block) {
        let bytes = file_bytes(block.bytes.len());
        if self.rests() || self.index().holds(key) {
            return;
        }
        self.make_room(bytes);
        if bytes > self.allowed() {
            self.unwritten.add(1);
            return;
        }
        match self.try_write(key, block) {
            Ok(()) => {
                self.index().add(key, bytes);
                if self.failed().take().is_some() {
                    tracing::info!(directory = %self.directory.display(), "the disk part of the data cache is used again");
                }
            }
            Err(error) => self.fail("write to", &error),
        }
    }

    fn try_write(&self, key: BlockKey, block: &Block) -> io::Result<()> {
        let path = self.path(key);
        let mut file = match File::create(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                File::create(&path)?
            }
            created => created?,
        };
        let written = file.write_all(&block.head(key)).and_then(|()| file.write_all(&block.bytes));
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written
    }

    fn read(&self, key: BlockKey) -> Option<Block> {
        if self.rests() || !self.index().touch(key) {
            return None;
        }
        let path = self.path(key);
        match fs::read(&path) {
            Ok(file) => {
                let block = Block::of_file(key, file);
                if block.is_none() {
                    self.bad.add(1);
                    tracing::warn!(file = %path.display(), "a block of the data cache is damaged; it is fetched again");
                    self.index().remove(key);
                    let _ = fs::remove_file(&path);
                }
                block
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.index().remove(key);
                None
            }
            // Without a file handle or memory for a moment it is as if it were not there.
            Err(error) if is_passing(&error) => None,
            Err(error) => {
                self.fail("read from", &error);
                None
            }
        }
    }

    /// What it holds is given up, which makes room for others on a disk that is full.
    fn fail(&self, doing: &str, error: &io::Error) {
        let before = self.failed().replace(Instant::now());
        *self.index() = Index::default();
        let _ = fs::remove_dir_all(&self.directory);
        if before.is_none() {
            let directory = self.directory.display();
            tracing::warn!(%directory, %error, "cannot {doing} the disk part of the data cache: goes on without it");
        }
    }
}
