//! Compaction: the rows of some files of a partition, bucket after bucket and sorted already, as one new file. What it holds
//! in memory is that file, encoded.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};
use storage_model::{PartitionId, WrittenFile};
use storage_volume::{Layout, Volume};

use crate::check::conform;
use crate::encode::{Encoding, FileWriter};
use crate::error::{TabletError, WriteError};
use crate::spec::WriteSpec;
use crate::write::blocking;

/// One file of one partition on its way.
pub struct Compacted<'a> {
    spec: &'a WriteSpec,
    volume: &'a Volume,
    encoding: Encoding,
    partition: PartitionId,
    /// Encoded by threads for such work; None only meanwhile, or when one of them is gone.
    file: Arc<Mutex<Option<FileWriter>>>,
}

impl<'a> Compacted<'a> {
    /// A file of the one partition that `spec` names.
    ///
    /// # Errors
    /// When the specification is none of one partition in this volume.
    pub fn new(spec: &'a WriteSpec, volume: &'a Volume) -> Result<Compacted<'a>, WriteError> {
        let [partition] = spec.partitions.as_slice() else {
            return Err(TabletError::invalid("a compaction is of one partition").into());
        };
        if volume.id() != spec.volume {
            let text = format!("volume {} was opened for a write to volume {}", volume.id(), spec.volume);
            return Err(TabletError::invalid(text).into());
        }
        let encoding = Encoding::of(&spec.table)?;
        let file = Arc::new(Mutex::new(Some(FileWriter::new(&encoding)?)));
        Ok(Compacted { spec, volume, encoding, partition: partition.id, file })
    }

    /// All rows of a bucket, in the order of the sort key. Buckets rise.
    ///
    /// # Errors
    /// When rows cannot be read or stored.
    pub async fn write_bucket<S, E>(&mut self, bucket: u32, batches: S) -> Result<(), WriteError>
    where
        S: Stream<Item = Result<RecordBatch, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut batches = std::pin::pin!(batches);
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|e| WriteError::Source(e.into()))?;
            let batch = conform(&batch, &self.spec.table.schema, &self.encoding.schema)?;
            self.with_file(move |file| file.write(&batch)).await?;
        }
        self.with_file(move |file| file.end_run(bucket)).await
    }

    /// Uploads the file; None: there were no rows.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn finish(self) -> Result<Option<WrittenFile>, WriteError> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        let file = file.ok_or_else(|| WriteError::Lost("the file was given up".to_owned()))?;
        let encoded = blocking(move || file.finish()).await??;
        if encoded.runs.is_empty() {
            return Ok(None);
        }
        let object = self.spec.object(self.partition, 0);
        let size = encoded.bytes.len() as u64;
        let path = Layout(self.spec.service_id.clone()).in_root(&object);
        self.volume.put(&path, encoded.bytes).await?;
        let (partition, volume) = (self.partition, self.spec.volume);
        let (sha256, runs, statistics) = (encoded.sha256, encoded.runs, encoded.statistics);
        Ok(Some(WrittenFile { partition, volume, object, size, sha256, runs, statistics }))
    }

    async fn with_file(
        &self,
        work: impl FnOnce(&mut FileWriter) -> Result<(), TabletError> + Send + 'static,
    ) -> Result<(), WriteError> {
        let file = Arc::clone(&self.file);
        let worked = blocking(move || match file.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(file) => work(file),
            None => Err(TabletError::invalid("the file was finished before")),
        });
        Ok(worked.await??)
    }
}
