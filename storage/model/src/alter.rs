//! Changes of a table for which all of its rows are written anew: jobs, which run in the background while the table is read and
//! loaded as before, until one log entry puts the new rows and the new schema in the place of the old.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::file::WrittenFile;
use crate::ids::{ColumnId, DatabaseId, JobId, PartitionId, TableId, TxnId};
use crate::partition::Partition;
use crate::schema::{DefaultValue, Schema};
use crate::table::{Distribution, Table};
use crate::time::{UnixMillis, Uptime};

/// What a job changes. Variants are positional in stored bytes: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlterKind {
    /// Columns: SHOW ALTER TABLE COLUMN lists it.
    Columns,
    /// How rows go to buckets: SHOW ALTER TABLE OPTIMIZE lists it.
    Distribution,
}

/// How far a job is. Variants are positional in stored bytes: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlterState {
    /// Nobody has begun with it.
    Pending,
    /// It has a transaction of its own: loads before it see the table as it was.
    WaitingTxn,
    /// Rows are written anew, and those that loads bring meanwhile too.
    Running,
    /// What is left is little: no load of the table is committed until it is done.
    FinishedRewriting,
    /// The table is what it was to become.
    Finished,
    /// The table is as it was.
    Cancelled,
}

impl AlterState {
    /// As SHOW ALTER TABLE says it.
    pub fn name(self) -> &'static str {
        match self {
            AlterState::Pending => "PENDING",
            AlterState::WaitingTxn => "WAITING_TXN",
            AlterState::Running => "RUNNING",
            AlterState::FinishedRewriting => "FINISHED_REWRITING",
            AlterState::Finished => "FINISHED",
            AlterState::Cancelled => "CANCELLED",
        }
    }

    /// Whether there is something left to do.
    pub fn is_unfinished(self) -> bool {
        !matches!(self, AlterState::Finished | AlterState::Cancelled)
    }
}

/// What happens to a job. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlterEvent {
    /// PENDING: somebody takes it up.
    Begin,
    /// WAITING_TXN: rows are written from now on.
    Start,
    /// RUNNING: so many percent of the rows are written.
    Progress(u8),
    /// RUNNING: little is left, loads of the table wait.
    Hold,
    /// FINISHED_REWRITING: that took too long, loads go on.
    Resume,
    /// It cannot be: the table stays as it is.
    Fail(String),
}

/// What a table is to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterTarget {
    /// Its columns. Those whose values change have ids of their own.
    pub schema: Schema,
    /// What the rows of a file are sorted by; empty: by the key.
    pub sort_key: Vec<ColumnId>,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// How rows go to buckets.
    pub distribution: Distribution,
    /// The number of buckets that was said.
    pub buckets_given: Option<u32>,
    /// How many buckets partitions get; None: as many as they have.
    pub buckets: Option<u32>,
    /// Which partitions get as many; empty: all.
    pub only: Vec<PartitionId>,
    /// Columns whose values are made from those of another that they take the place of, by the new id.
    pub converted: Vec<(ColumnId, ColumnId)>,
}

impl AlterTarget {
    /// What makes a table what it is already.
    pub fn of(table: &Table) -> AlterTarget {
        AlterTarget {
            schema: table.schema.clone(),
            sort_key: table.sort_key.clone(),
            properties: table.properties.clone(),
            distribution: table.distribution.clone(),
            buckets_given: table.buckets_given,
            buckets: None,
            only: Vec::new(),
            converted: Vec::new(),
        }
    }

    /// The table that `now` is to become. Numbers that were leased meanwhile are not leased again.
    pub fn table(&self, now: &Table) -> Table {
        let mut schema = self.schema.clone();
        for column in &mut schema.columns {
            let leased = now.schema.columns.iter().find(|known| known.id == column.id).and_then(|c| c.default.as_ref());
            if let (Some(DefaultValue::AutoIncrement { next }), Some(DefaultValue::AutoIncrement { next: leased })) =
                (&mut column.default, leased)
            {
                *next = *leased;
            }
        }
        Table {
            schema,
            sort_key: self.sort_key.clone(),
            properties: self.properties.clone(),
            distribution: self.distribution.clone(),
            buckets_given: self.buckets_given,
            ..now.clone()
        }
    }

    /// How many buckets a partition of the table is to have.
    pub fn buckets_of(&self, partition: &Partition) -> u32 {
        let is_meant = self.only.is_empty() || self.only.contains(&partition.id);
        self.buckets.filter(|_| is_meant).unwrap_or(partition.buckets)
    }
}

/// A job, or what is remembered of one that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterJob {
    /// Its id.
    pub id: JobId,
    /// What it changes.
    pub kind: AlterKind,
    /// How far it is.
    pub state: AlterState,
    /// The database of the table.
    pub database: DatabaseId,
    /// The table.
    pub table: TableId,
    /// What the table was called.
    pub name: String,
    /// How often the columns of the table will have changed.
    pub version: u64,
    /// Its transaction.
    pub txn: Option<TxnId>,
    /// When it was asked for.
    pub created_at: UnixMillis,
    /// When it was over.
    pub finished_at: Option<UnixMillis>,
    /// The same moment on the clock that never jumps.
    pub ended: Option<Uptime>,
    /// How much is done, in percent.
    pub progress: u8,
    /// Why it was cancelled.
    pub message: String,
    /// What the table is to become; None once the job is over.
    pub target: Option<AlterTarget>,
}

/// The rows of a partition as they are to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewrittenPartition {
    /// The partition.
    pub partition: PartitionId,
    /// Its version that was read, which must still be the newest.
    pub base: u64,
    /// What was written, the oldest first.
    pub parts: Vec<RewrittenPart>,
}

/// Some neighbouring runs of a partition that were written anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewrittenPart {
    /// Whose name the files carry.
    pub txn: TxnId,
    /// The files.
    pub files: Vec<WrittenFile>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_is_finished() {
        let all = [
            AlterState::Pending,
            AlterState::WaitingTxn,
            AlterState::Running,
            AlterState::FinishedRewriting,
            AlterState::Finished,
            AlterState::Cancelled,
        ];
        let unfinished: Vec<&str> = all.into_iter().filter(|s| s.is_unfinished()).map(AlterState::name).collect();
        assert_eq!(unfinished, ["PENDING", "WAITING_TXN", "RUNNING", "FINISHED_REWRITING"]);
    }
}
