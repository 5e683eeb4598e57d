//! Keys of PRIMARY KEY tables are looked up here, where the files are near: what a load or an UPDATE supersedes, what a DELETE
//! takes away, what a compaction has missed.

use std::collections::HashMap;

use actors_messages::compute::{CatchUp, DeleteFragment, SupersedeFragment};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::UInt64Type;
use arrow::record_batch::RecordBatch;
use futures::{Stream, TryStreamExt};
use runtime_query::QueryError;
use storage_model::{PartitionId, StorageVolume, Superseded};
use storage_tablet::{Deletion, Lookup, TabletError, WriteError};

use crate::volumes::Volumes;

fn near(volumes: &Volumes, named: &[StorageVolume]) -> Result<storage_tablet::Volumes, WriteError> {
    named.iter().map(|volume| Ok((volume.id, volumes.near(volume)?))).collect()
}

/// Whole indexes are read there, of files that are about to go.
fn passing(volumes: &Volumes, named: &[StorageVolume]) -> Result<storage_tablet::Volumes, WriteError> {
    named.iter().map(|volume| Ok((volume.id, volumes.passing(volume)?))).collect()
}

/// What new runs supersede.
pub(crate) async fn superseded(volumes: &Volumes, fragment: &SupersedeFragment) -> Result<Superseded, WriteError> {
    let opened = near(volumes, &fragment.volumes)?;
    fail::fail_point!("cn.supersede.before");
    let found = Lookup::new(&fragment.spec, &opened).superseded(&fragment.tablets).await;
    fail::fail_point!("cn.supersede.after");
    found
}

/// What compacted runs have lost.
pub(crate) async fn caught_up(volumes: &Volumes, message: &CatchUp) -> Result<Superseded, WriteError> {
    let opened = passing(volumes, &message.volumes)?;
    Lookup::new(&message.spec, &opened).caught_up(&message.tablets).await
}

/// What a query found is taken away. Its rows are their partition and the columns of the key.
pub(crate) async fn deleted(
    volumes: &Volumes,
    fragment: &DeleteFragment,
    mut found: impl Stream<Item = Result<RecordBatch, QueryError>> + Unpin,
) -> Result<Superseded, WriteError> {
    let DeleteFragment { read, spec, tablets, buckets, distribution } = fragment;
    let opened = near(volumes, &read.volumes)?;
    let buckets: HashMap<PartitionId, u32> = buckets.iter().copied().collect();
    let mut deletion = Deletion::new(Lookup::new(spec, &opened), tablets, buckets);
    while let Some(batch) = found.try_next().await.map_err(|e| WriteError::Source(e.into()))? {
        let (partitions, keys) = parts(&batch)?;
        let column = |at: &u32| keys.get(*at as usize).cloned().ok_or_else(odd);
        let spread: Vec<ArrayRef> = distribution.iter().map(column).collect::<Result<_, _>>()?;
        deletion.push(&partitions, keys, &spread).await?;
    }
    deletion.finish().await
}

fn parts(batch: &RecordBatch) -> Result<(Vec<PartitionId>, &[ArrayRef]), TabletError> {
    let (partitions, keys) = batch.columns().split_first().ok_or_else(odd)?;
    let partitions = partitions.as_primitive_opt::<UInt64Type>().filter(|p| p.null_count() == 0).ok_or_else(odd)?;
    Ok((partitions.values().iter().copied().map(PartitionId).collect(), keys))
}

fn odd() -> TabletError {
    TabletError::Invalid { message: "the search of a DELETE did not give partitions and keys".to_owned() }
}
