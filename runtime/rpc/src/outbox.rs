//! Frames on their way out of a connection: few of them, and few bytes. Who sends more waits; a connection that takes
//! nothing for too long is over.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::stream::Writing;

/// How many frames may wait to be written.
const WAITING_FRAMES: usize = 64;

/// A frame, and the room it takes until it is written.
struct Queued {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Where frames are put. Clones share the room.
#[derive(Clone)]
pub(crate) struct Outbox {
    frames: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    most: u32,
}

/// The connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Over;

impl Outbox {
    /// An outbox of so many bytes, and what writes them until the last clone is gone; to be run in a task.
    pub(crate) fn open(writing: Writing, most: usize, stall: Duration) -> (Self, impl Future<Output = ()> + Send) {
        let (frames, waiting) = mpsc::channel(WAITING_FRAMES);
        // A frame larger than all the room goes alone.
        let most = u32::try_from(most.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX >> 4);
        let room = Arc::new(Semaphore::new(most as usize));
        (Self { frames, room: room.clone(), most }, write(writing, waiting, stall, Closes(room)))
    }

    /// Waits for room.
    pub(crate) async fn send(&self, bytes: Bytes) -> Result<(), Over> {
        let room = self.room.clone().acquire_many_owned(self.size(&bytes)).await.map_err(|_| Over)?;
        self.frames.send(Queued { bytes, _room: room }).await.map_err(|_| Over)
    }

    /// Sends if there is room now.
    pub(crate) fn try_send(&self, bytes: Bytes) -> bool {
        let Ok(room) = self.room.clone().try_acquire_many_owned(self.size(&bytes)) else { return false };
        self.frames.try_send(Queued { bytes, _room: room }).is_ok()
    }

    /// Waits until there is some room: nobody takes up work whose fruits nobody fetches.
    pub(crate) async fn has_room(&self) -> Result<(), Over> {
        self.room.acquire().await.map(drop).map_err(|_| Over)
    }

    fn size(&self, bytes: &Bytes) -> u32 {
        u32::try_from(bytes.len()).unwrap_or(u32::MAX).clamp(1, self.most)
    }
}

/// Whoever waits for room learns that there will be none, however the writing ends.
struct Closes(Arc<Semaphore>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Writes frames as they come; flushes when none waits.
async fn write(writing: Writing, mut frames: mpsc::Receiver<Queued>, stall: Duration, _closes: Closes) {
    let mut writing = BufWriter::with_capacity(64 << 10, writing);
    while let Some(Queued { mut bytes, _room }) = frames.recv().await {
        let mut written = Ok(());
        while written.is_ok() && bytes.has_remaining() {
            written = within(stall, writing.write_buf(&mut bytes)).await;
        }
        if written.is_ok() && frames.is_empty() {
            written = within(stall, writing.flush()).await;
        }
        if let Err(error) = written {
            tracing::debug!(%error, "a connection broke while it was written to");
            return;
        }
    }
    // The other end may be gone already.
    let _ = within(stall, writing.shutdown()).await;
}

async fn within<T>(stall: Duration, step: impl Future<Output = std::io::Result<T>>) -> std::io::Result<()> {
    match tokio::time::timeout(stall, step).await {
        Ok(done) => done.map(drop),
        Err(_) => Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "the other node takes nothing")),
    }
}
