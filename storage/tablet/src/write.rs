//! A stream of batches into the store: buffered up to a budget, then a round of files, one for each partition that has
//! rows. What a failed write uploaded is deleted as far as the store lets us; it was never visible.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};
use storage_model::WrittenFile;
use storage_model::statistics::merge;
use storage_volume::{Layout, Volume};

use crate::buffer::{Buffer, Place, Round};
use crate::encode::{Encoding, Sortable};
use crate::error::{TabletError, WriteError};
use crate::spec::{WriteSpec, Written};

/// Rows are flushed when so many bytes of them wait. Sorting and encoding need about as much again.
pub const DEFAULT_BUFFER_BYTES: usize = 256 << 20;
/// Files of one round that are encoded and uploaded at once.
const FILES_AT_ONCE: usize = 3;

/// Writes all rows of `batches`. Columns are matched by position and cast to the table's types where Arrow can do it
/// without loss. The first row that cannot be stored fails the whole write. Where loads make partitions, rows that fit none
/// do not: then nothing is written, and the answer says what was missing.
pub async fn write<S, E>(batches: S, spec: &WriteSpec, volume: &Volume) -> Result<Written, WriteError>
where
    S: Stream<Item = Result<RecordBatch, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    write_within(batches, spec, volume, DEFAULT_BUFFER_BYTES).await
}

/// The same with a budget of its own, bytes.
pub async fn write_within<S, E>(
    batches: S,
    spec: &WriteSpec,
    volume: &Volume,
    buffer_bytes: usize,
) -> Result<Written, WriteError>
where
    S: Stream<Item = Result<RecordBatch, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let writer = Writer::new(spec, volume)?;
    let mut written = Written::default();
    match writer.write_all(batches, buffer_bytes, &mut written).await {
        Ok(()) => {
            if !written.missing.is_empty() {
                writer.clean_up().await;
                written.files.clear();
                written.rows = 0;
            }
            gather_statistics(&mut written.files);
            Ok(written)
        }
        Err(error) => {
            writer.clean_up().await;
            Err(error)
        }
    }
}

/// One of the files says what is known of the rows of all.
fn gather_statistics(files: &mut [WrittenFile]) {
    let Some((first, others)) = files.split_first_mut() else { return };
    for other in others {
        merge(&mut first.statistics, &std::mem::take(&mut other.statistics));
    }
}

struct Writer {
    spec: Arc<WriteSpec>,
    volume: Volume,
    layout: Layout,
    encoding: Encoding,
    /// Objects begun, so that a failed write knows what to delete.
    begun: std::sync::Mutex<Vec<String>>,
    next: AtomicU32,
    failed: AtomicBool,
}

impl Writer {
    fn new(spec: &WriteSpec, volume: &Volume) -> Result<Writer, WriteError> {
        if volume.id() != spec.volume {
            let message = format!("volume {} was opened for a write to volume {}", volume.id(), spec.volume);
            return Err(TabletError::Invalid { message }.into());
        }
        Ok(Writer {
            encoding: Encoding::of(&spec.table)?,
            layout: Layout(spec.service_id.clone()),
            spec: Arc::new(spec.clone()),
            volume: volume.clone(),
            begun: std::sync::Mutex::default(),
            next: AtomicU32::new(0),
            failed: AtomicBool::new(false),
        })
    }

    async fn write_all<S, E>(&self, batches: S, budget: usize, written: &mut Written) -> Result<(), WriteError>
    where
        S: Stream<Item = Result<RecordBatch, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut buffer = Buffer::new(Arc::clone(&self.spec))?;
        let mut batches = std::pin::pin!(batches);
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|e| WriteError::Source(e.into()))?;
            let pushed;
            (buffer, pushed) = blocking(move || {
                let pushed = buffer.push(&batch);
                (buffer, pushed)
            })
            .await?;
            pushed?;
            if buffer.is_lost() {
                break;
            }
            if buffer.bytes() >= budget {
                self.flush(&mut buffer, written).await?;
            }
        }
        self.flush(&mut buffer, written).await?;
        written.missing = buffer.into_missing();
        Ok(())
    }

    async fn flush(&self, buffer: &mut Buffer, written: &mut Written) -> Result<(), WriteError> {
        let Round { batches, partitions } = buffer.take();
        if partitions.is_empty() {
            return Ok(());
        }
        let came: usize = partitions.iter().map(|(_, places)| places.len()).sum();
        let encoding = self.encoding.clone();
        let rows =
            Arc::new(blocking(move || Sortable::new(batches, &encoding.keys, encoding.order.as_deref())).await??);
        let files = futures::stream::iter(partitions)
            .map(|(partition, places)| self.write_file(partition, places, Arc::clone(&rows)))
            .buffered(FILES_AT_ONCE);
        // All of them are awaited, failed or not: an upload that is dropped half could land after the clean-up.
        for file in files.collect::<Vec<_>>().await {
            if let Some(file) = file? {
                written.files.push(file);
            }
        }
        written.rows += came as u64;
        Ok(())
    }

    /// None when another file of the round has failed already.
    async fn write_file(
        &self,
        partition: usize,
        places: Vec<Place>,
        rows: Arc<Sortable>,
    ) -> Result<Option<WrittenFile>, WriteError> {
        if self.failed.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let file = self.encode_and_upload(partition, places, rows).await;
        if file.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        file.map(Some)
    }

    async fn encode_and_upload(
        &self,
        partition: usize,
        places: Vec<Place>,
        rows: Arc<Sortable>,
    ) -> Result<WrittenFile, WriteError> {
        let encoding = self.encoding.clone();
        let encoded = blocking(move || encoding.encode(&rows, places)).await??;
        let partition = self.spec.partitions[partition].id;
        let object = self.spec.object(partition, self.next.fetch_add(1, Ordering::Relaxed));
        let path = self.layout.in_root(&object);
        self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(path.clone());
        let size = encoded.bytes.len() as u64;
        self.volume.put(&path, encoded.bytes).await?;
        let (volume, sha256, runs, statistics) = (self.spec.volume, encoded.sha256, encoded.runs, encoded.statistics);
        Ok(WrittenFile { partition, volume, object, size, sha256, runs, statistics })
    }

    async fn clean_up(&self) {
        let begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if begun.is_empty() {
            return;
        }
        let failed = self.volume.delete_many(&begun).await.into_iter().filter_map(Result::err);
        for error in failed {
            // Nobody names it: the orphan sweep takes it.
            tracing::warn!(txn = %self.spec.txn, %error, "a file of a failed write stays for now");
        }
    }
}

/// CPU work, away from the threads that answer messages.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WriteError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| WriteError::Lost(e.to_string()))
}

#[cfg(test)]
mod tests;
