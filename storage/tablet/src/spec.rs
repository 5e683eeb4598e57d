//! What is to be written where, and what came of it. Plain values that travel in messages.

use serde::{Deserialize, Serialize};
use storage_model::{
    Distribution, Incarnation, Partition, PartitionId, PartitionRange, PartitionValues, Schema, ServiceId, Table,
    TxnId, VolumeId, WrittenFile,
};
use storage_volume::layout::{self, DataName};

use crate::error::TabletError;

/// A partition that rows may go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPartition {
    /// Its id.
    pub id: PartitionId,
    /// Its name.
    pub name: String,
    /// Which rows it takes.
    pub range: PartitionRange,
    /// Its buckets.
    pub buckets: u32,
}

impl From<&Partition> for TargetPartition {
    fn from(partition: &Partition) -> TargetPartition {
        let Partition { id, name, range, buckets, .. } = partition;
        TargetPartition { id: *id, name: name.clone(), range: range.clone(), buckets: *buckets }
    }
}

/// One write of one load on one compute node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteSpec {
    /// The table.
    pub table: Table,
    /// Where rows may go; a row that fits none of them fails the write.
    pub partitions: Vec<TargetPartition>,
    /// The volume the files go to.
    pub volume: VolumeId,
    /// The service root in it.
    pub service_id: ServiceId,
    /// Of the cluster, as it stands in file names.
    pub incarnation: Incarnation,
    /// The load.
    pub txn: TxnId,
    /// Of this write in its load. Two writes of one load, retried or side by side on several nodes, never share it:
    /// it keeps their file names apart.
    pub attempt: u32,
    /// Where DISTRIBUTED BY RANDOM begins.
    pub seed: u64,
    /// Whether rows that fit no partition are told of, for partitions to be made, and do not fail the write.
    pub makes_partitions: bool,
}

impl WriteSpec {
    pub(crate) fn schema(&self) -> &Schema {
        &self.table.schema
    }

    /// The `n`th object of this write, below the service root.
    pub(crate) fn object(&self, partition: PartitionId, n: u32) -> String {
        let name = DataName::new(&self.incarnation, self.txn, self.attempt, n);
        layout::data_object(self.table.database, self.table.id, partition, &name)
    }

    pub(crate) fn check(&self) -> Result<(), TabletError> {
        let found = self.table.distribution_positions().len();
        match &self.table.distribution {
            Distribution::Hash { columns } if columns.len() != found || found == 0 => {
                Err(TabletError::invalid(format!(
                    "table '{}' is distributed by {} columns of which {found} exist",
                    self.table.name,
                    columns.len()
                )))
            }
            _ => match self.partitions.iter().find(|p| p.buckets == 0) {
                Some(p) => Err(TabletError::invalid(format!("partition '{}' has no buckets", p.name))),
                None => Ok(()),
            },
        }
    }
}

/// What a write left in the store: not visible until it is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The files, in the order they were written.
    pub files: Vec<WrittenFile>,
    /// Rows that came. Where the key model merges rows with equal keys, the files may hold fewer.
    pub rows: u64,
    /// What the partition columns of rows hold that no partition takes, as far as it was looked for. Nothing was written then.
    pub missing: Vec<PartitionValues>,
}
