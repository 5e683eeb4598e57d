//! The jobs that write the rows of tables anew, as those look at them who run, show or mind them.

use std::sync::Arc;

use storage_model::{AlterJob, AlterState, AlterTarget, JobId, Partition, PartitionId, Table, TableId};

use crate::catalog::Catalog;

impl Catalog {
    /// All jobs, the oldest first; those that are over for as long as they are remembered.
    pub fn alter_jobs(&self) -> impl Iterator<Item = &Arc<AlterJob>> {
        self.alters.values()
    }

    /// A job by id.
    pub fn alter_job(&self, id: JobId) -> Option<&Arc<AlterJob>> {
        self.alters.get(&id)
    }

    /// The job that runs on a table: there is one at most.
    pub fn alter_job_of(&self, table: TableId) -> Option<&Arc<AlterJob>> {
        self.alters.values().find(|job| job.table == table && job.state.is_unfinished())
    }

    /// Whether loads of a table wait for its job.
    pub fn is_held(&self, table: TableId) -> bool {
        self.alter_job_of(table).is_some_and(|job| job.state == AlterState::FinishedRewriting)
    }

    /// Everything that a job on a table writes anew: its partitions, its temporary ones, and those in the recycle bin, which may
    /// come back; or only those that the job is for.
    pub fn partitions_to_alter<'a>(
        &'a self,
        table: &'a Table,
        target: &'a AlterTarget,
    ) -> impl Iterator<Item = &'a Arc<Partition>> {
        let dropped = self.trash.values().flat_map(|trash| trash.partitions.iter().copied());
        let all = table.partitions.iter().chain(&table.temporary).copied().chain(dropped);
        let is_meant = |id: &PartitionId| target.only.is_empty() || target.only.contains(id);
        all.filter(is_meant).filter_map(|id| self.partitions.get(&id)).filter(|partition| partition.table == table.id)
    }
}
