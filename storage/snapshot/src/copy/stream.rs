//! One data file from store to store, a piece at a time: hashed as it passes, and in the target only if the hash is right.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use sha2::{Digest, Sha256};
use storage_model::{FileEntry, Kind};
use storage_volume::{Volume, VolumeError, piece_size};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::CopyProgress;
use crate::check::{Problem, read_and_compare};
use crate::error::SnapshotError;

/// Bytes of data in memory, of all files together.
const MEMORY: u64 = 64 << 20;
/// What memory is counted in.
const GRAIN: u64 = 64 << 10;
/// Less than this is hashed where it stands.
const SMALL: usize = 256 << 10;
/// The volume itself retries what a store answers; this is for a store that was away for a moment.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 500 });

/// Why a file was not copied.
pub(super) enum Failure {
    /// The source is not as it was written.
    Damaged(Problem),
    /// A store did not do what it was asked.
    Store(SnapshotError),
    /// The copy was cancelled.
    Stopped,
}

impl From<VolumeError> for Failure {
    fn from(error: VolumeError) -> Failure {
        let object = match &error {
            VolumeError::Operation { path, .. } => path.clone(),
            VolumeError::Definition { .. } => String::new(),
        };
        Failure::Store(SnapshotError::because(error.kind(), "copy", object, error))
    }
}

type Report<'a> = dyn Fn(&dyn Fn(&mut CopyProgress)) + Send + Sync + 'a;

/// What all files share.
pub(super) struct Streams<'a> {
    stopped: &'a AtomicBool,
    report: &'a Report<'a>,
    memory: Arc<Semaphore>,
}

/// A piece, and the memory that it is counted for until its last byte is gone.
struct Counted {
    bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a> Streams<'a> {
    pub fn new(stopped: &'a AtomicBool, report: &'a Report<'a>) -> Streams<'a> {
        let memory = Arc::new(Semaphore::new(grains(MEMORY) as usize));
        Streams { stopped, report, memory }
    }

    pub fn may_go_on(&self) -> Result<(), Failure> {
        if self.stopped.load(Ordering::SeqCst) { Err(Failure::Stopped) } else { Ok(()) }
    }

    /// One more file is to be copied.
    pub fn add(&self, file: &FileEntry) {
        (self.report)(&|now| {
            now.files += 1;
            now.bytes += file.size;
        });
    }

    /// Reads a file in the target; what is wrong with it, if anything is.
    pub async fn look(&self, target: &Volume, path: &str, file: &FileEntry) -> Result<Option<Problem>, Failure> {
        self.may_go_on()?;
        match read_and_compare(target, path, file.size, &file.sha256.to_string()).await {
            Some(Problem { unreachable: true, object, what, .. }) => {
                Err(Failure::Store(SnapshotError::new(Kind::Unavailable, "read back", object, what)))
            }
            found => Ok(found),
        }
    }

    /// Copies a file, however often a store has to be asked.
    pub async fn copy(&self, source: &Volume, target: &Volume, path: &str, file: &FileEntry) -> Result<(), Failure> {
        let mut attempt = 1;
        loop {
            self.may_go_on()?;
            let passed = AtomicU64::new(0);
            let pieces = self.pieces(source, path, file, &passed);
            match target.put_stream(path, file.size, pieces).await {
                Ok(()) => {
                    (self.report)(&|now| now.files_done += 1);
                    return Ok(());
                }
                Err(Failure::Store(error)) if error.kind() == Kind::Unavailable && attempt < ATTEMPTS => {
                    let passed = passed.load(Ordering::SeqCst);
                    (self.report)(&|now| now.bytes_done -= passed);
                    tracing::warn!(path, attempt, error = error.chain(), "a file was not copied, trying again");
                    tokio::time::sleep(FIRST_PAUSE * 4_u32.pow(attempt - 1)).await;
                    attempt += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    fn pieces(
        &self,
        source: &Volume,
        path: &str,
        file: &FileEntry,
        passed: &AtomicU64,
    ) -> impl Stream<Item = Result<Bytes, Failure>> {
        futures::stream::try_unfold((0, Sha256::new()), move |(begin, hash)| async move {
            if begin >= file.size {
                return Ok(None);
            }
            self.may_go_on()?;
            let end = file.size.min(begin + piece_size(file.size));
            let bytes = self.read(source, path, begin, end).await?;
            let hash = hashed(hash, bytes.clone()).await?;
            if end == file.size {
                let found = hex::encode(hash.clone().finalize());
                if found != file.sha256.to_string() {
                    let what = format!("its sha256 is {found}, {} was written", file.sha256);
                    return Err(Failure::Damaged(Problem::new(source.name(), path, what)));
                }
            }
            passed.fetch_add(end - begin, Ordering::SeqCst);
            (self.report)(&|now| now.bytes_done += end - begin);
            Ok(Some((bytes, (end, hash))))
        })
    }

    async fn read(&self, source: &Volume, path: &str, begin: u64, end: u64) -> Result<Bytes, Failure> {
        let wanted = grains(end - begin).min(grains(MEMORY));
        let memory = Arc::clone(&self.memory).acquire_many_owned(wanted).await.map_err(|_| Failure::Stopped)?;
        let damaged = |what: String| Failure::Damaged(Problem::new(source.name(), path, what));
        match source.get_range(path, begin..end).await {
            Ok(bytes) if bytes.len() as u64 == end - begin => Ok(Bytes::from_owner(Counted { bytes, _memory: memory })),
            Ok(bytes) => Err(damaged(format!("it ends at byte {}", begin + bytes.len() as u64))),
            Err(e) if e.is_not_found() => Err(damaged("it is missing".to_owned())),
            // A range behind the end of an object is an error of its own in every store.
            Err(e) => match source.head(path).await {
                Ok(Some(there)) if there.size < end => Err(damaged(format!("it ends at byte {}", there.size))),
                _ => Err(e.into()),
            },
        }
    }
}

fn grains(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(GRAIN)).unwrap_or(u32::MAX)
}

/// Hashing takes a while: not on a thread that others wait for.
async fn hashed(mut hash: Sha256, bytes: Bytes) -> Result<Sha256, Failure> {
    if bytes.len() <= SMALL {
        hash.update(&bytes);
        return Ok(hash);
    }
    let hashing = tokio::task::spawn_blocking(move || {
        hash.update(&bytes);
        hash
    });
    hashing.await.map_err(|e| Failure::Store(SnapshotError::internal("hash", "a piece", e.to_string())))
}
