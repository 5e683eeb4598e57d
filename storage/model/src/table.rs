//! Tables: schema, key model, partitioning, distribution.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ColumnId, DatabaseId, PartitionId, TableId, VolumeId};
use crate::schema::{Aggregation, Column, Schema};
use crate::step::Step;
use crate::time::UnixMillis;

/// What rows with equal keys mean. Variants are positional in stored bytes: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyModel {
    /// DUPLICATE KEY: all of them are kept.
    Duplicate,
    /// UNIQUE KEY: the last one is kept.
    Unique,
    /// AGGREGATE KEY: they become one, each value column in its own way.
    Aggregate,
    /// PRIMARY KEY: the last one is kept; rows can be updated.
    Primary,
}

impl KeyModel {
    /// As CREATE TABLE says it: `UNIQUE KEY`.
    pub fn clause(self) -> &'static str {
        match self {
            KeyModel::Duplicate => "DUPLICATE KEY",
            KeyModel::Unique => "UNIQUE KEY",
            KeyModel::Aggregate => "AGGREGATE KEY",
            KeyModel::Primary => "PRIMARY KEY",
        }
    }

    /// As messages and DESC ... ALL say it: `UNIQUE_KEYS`.
    pub fn keys_type(self) -> &'static str {
        match self {
            KeyModel::Duplicate => "DUP_KEYS",
            KeyModel::Unique => "UNIQUE_KEYS",
            KeyModel::Aggregate => "AGG_KEYS",
            KeyModel::Primary => "PRIMARY_KEYS",
        }
    }

    /// Whether rows with equal keys become one.
    pub fn merges(self) -> bool {
        self != KeyModel::Duplicate
    }

    /// Whether several rowsets may have a row of one key, so that whoever reads them makes one of these.
    pub fn merges_when_read(self) -> bool {
        matches!(self, KeyModel::Aggregate | KeyModel::Unique)
    }
}

/// What the partitions of a list are told by: a column, or where its slice of time begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionKey {
    /// The column.
    pub column: ColumnId,
    /// `date_trunc` or `time_slice` of it.
    pub step: Option<Step>,
}

/// How rows go to partitions. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partitioning {
    /// One partition, named like the table.
    Unpartitioned,
    /// PARTITION BY RANGE(columns).
    Range {
        /// The partition columns.
        columns: Vec<ColumnId>,
    },
    /// PARTITION BY date_trunc(…) or time_slice(…): ranges of one column, each made by the first load that needs it.
    Expression {
        /// The partition column.
        column: ColumnId,
        /// How long a new partition is.
        step: Step,
    },
    /// PARTITION BY LIST(…), and PARTITION BY of several columns or expressions.
    List {
        /// What is listed.
        keys: Vec<PartitionKey>,
        /// Whether loads make the partitions that they need.
        automatic: bool,
    },
}

impl Partitioning {
    /// The partition columns, none when unpartitioned.
    pub fn columns(&self) -> Vec<ColumnId> {
        match self {
            Partitioning::Unpartitioned => Vec::new(),
            Partitioning::Range { columns } => columns.clone(),
            Partitioning::Expression { column, .. } => vec![*column],
            Partitioning::List { keys, .. } => keys.iter().map(|key| key.column).collect(),
        }
    }

    /// Whether loads make the partitions that they need.
    pub fn is_automatic(&self) -> bool {
        match self {
            Partitioning::Unpartitioned | Partitioning::Range { .. } => false,
            Partitioning::Expression { .. } => true,
            Partitioning::List { automatic, .. } => *automatic,
        }
    }

    /// Whether partitions are lists of values, and not ranges.
    pub fn is_list(&self) -> bool {
        matches!(self, Partitioning::List { .. })
    }

    /// The steps by which the values of each partition column are told apart; None: each value by itself.
    pub fn steps(&self) -> Vec<Option<Step>> {
        match self {
            Partitioning::Expression { step, .. } => vec![Some(*step)],
            Partitioning::List { keys, .. } => keys.iter().map(|key| key.step).collect(),
            other => vec![None; other.columns().len()],
        }
    }
}

/// How the rows of a partition go to buckets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distribution {
    /// DISTRIBUTED BY HASH(columns).
    Hash {
        /// The distribution columns.
        columns: Vec<ColumnId>,
    },
    /// DISTRIBUTED BY RANDOM.
    Random,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its id.
    pub id: TableId,
    /// The database it is in.
    pub database: DatabaseId,
    /// Unique in the database; StarRocks' table names mind case.
    pub name: String,
    /// Its columns.
    pub schema: Schema,
    /// What equal keys mean.
    pub model: KeyModel,
    /// How rows go to partitions.
    pub partitioning: Partitioning,
    /// How rows go to buckets.
    pub distribution: Distribution,
    /// Whether the statement named a bucket number (SHOW CREATE TABLE prints it then).
    pub buckets_given: Option<u32>,
    /// Where its files are written.
    pub volume: VolumeId,
    /// COMMENT 'text', empty when none.
    pub comment: String,
    /// PROPERTIES as the user gave them, after their check.
    pub properties: BTreeMap<String, String>,
    /// Its partitions in order of their ranges; those of a list in the order in which they came.
    pub partitions: Vec<PartitionId>,
    /// When it was created.
    pub created_at: UnixMillis,
    /// How its columns have changed, the oldest first; no more than the last few.
    pub schema_changes: Vec<SchemaChange>,
    /// What the rows of a file are sorted by: ORDER BY (columns); empty: by the key.
    pub sort_key: Vec<ColumnId>,
    /// Its temporary partitions in order of their ranges: no query and no load sees them unless it names them.
    pub temporary: Vec<PartitionId>,
}

/// A change of a table's columns, which is done at once. SHOW ALTER TABLE COLUMN lists it as a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// Its id, one of those that all things share.
    pub id: u64,
    /// When it was done.
    pub at: UnixMillis,
    /// How often the columns had changed then, this change included.
    pub version: u64,
}

impl Table {
    /// How the values of a column become one where keys are equal; None for key columns, and where all rows are kept.
    pub fn aggregation_of(&self, column: &Column) -> Option<Aggregation> {
        match self.model {
            KeyModel::Duplicate => None,
            _ if column.key => None,
            KeyModel::Unique | KeyModel::Primary => Some(Aggregation::Replace),
            KeyModel::Aggregate => Some(column.aggregation.unwrap_or(Aggregation::Replace)),
        }
    }

    /// The positions of the partition columns in the schema, empty when unpartitioned.
    pub fn partition_positions(&self) -> Vec<usize> {
        self.partitioning.columns().into_iter().filter_map(|c| self.schema.position_of(c)).collect()
    }

    /// Whether a partition, temporary or not, is one of its own.
    pub fn has_partition(&self, partition: PartitionId) -> bool {
        self.partitions.contains(&partition) || self.temporary.contains(&partition)
    }

    /// The positions of the columns that the rows of a file are sorted by.
    pub fn sort_positions(&self) -> Vec<usize> {
        match self.sort_key.as_slice() {
            [] => self.schema.key_positions(),
            columns => columns.iter().filter_map(|c| self.schema.position_of(*c)).collect(),
        }
    }

    /// The positions of the distribution columns in the schema, empty when random.
    pub fn distribution_positions(&self) -> Vec<usize> {
        match &self.distribution {
            Distribution::Random => Vec::new(),
            Distribution::Hash { columns } => columns.iter().filter_map(|c| self.schema.position_of(*c)).collect(),
        }
    }
}
