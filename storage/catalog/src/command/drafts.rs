//! What a command is about before it has an id.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use storage_model::{
    Column, ColumnId, Distribution, FileId, Index, KeyModel, ObjectName, PartitionId, PartitionRange, Partitioning,
    TableId, TxnId, ViewColumn, VolumeId, VolumeType, WrittenFile,
};

/// A table before it has ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableDraft {
    /// Its name.
    pub name: String,
    /// Its columns; their ids are 1, 2, … in this order.
    pub columns: Vec<Column>,
    /// What equal keys mean.
    pub model: KeyModel,
    /// By column ids of `columns`.
    pub partitioning: Partitioning,
    /// By column ids of `columns`.
    pub distribution: Distribution,
    /// Whether the statement named a bucket number.
    pub buckets_given: Option<u32>,
    /// The volume's name; None: the database's, or the default.
    pub volume: Option<String>,
    /// COMMENT 'text'.
    pub comment: String,
    /// Checked PROPERTIES.
    pub properties: BTreeMap<String, String>,
    /// Its first partitions.
    pub partitions: Vec<PartitionDraft>,
    /// By column ids of `columns`; empty: by the key.
    pub sort_key: Vec<ColumnId>,
    /// By column ids of `columns`.
    pub indexes: Vec<Index>,
}

/// What one statement of a transaction has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionLoad {
    /// The load.
    pub txn: TxnId,
    /// The table.
    pub table: TableId,
    /// The files.
    pub files: Vec<WrittenFile>,
    /// Where it was made from what the table had: the partitions of the files, each with the version that was read. Only the first of
    /// a table may be: what comes after has not seen it.
    pub partitions: Vec<ReplacedPartition>,
    /// Whether the rows of those partitions give way, as in a DELETE from a table without a PRIMARY KEY.
    pub replaces: bool,
}

/// A view before it has an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewDraft {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<ViewColumn>,
    /// Its query, as it was written.
    pub query: String,
    /// The database of tables that the query names without one.
    pub home: Option<String>,
    /// SECURITY INVOKER.
    pub invoker: bool,
    /// COMMENT 'text'.
    pub comment: String,
}

/// How a view is put where it belongs. Variants are positional in stored bytes: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViewPut {
    /// CREATE VIEW.
    Create,
    /// CREATE VIEW IF NOT EXISTS.
    CreateIfNotExists,
    /// CREATE OR REPLACE VIEW.
    Replace,
    /// ALTER VIEW.
    Alter,
}

/// A partition before it has an id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionDraft {
    /// Its name.
    pub name: String,
    /// Which rows.
    pub range: PartitionRange,
    /// Buckets.
    pub buckets: u32,
}

/// A partition whose rows give way to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedPartition {
    /// The partition. It keeps its id, its name and its range.
    pub partition: PartitionId,
    /// The version that the new rows were made from, which must still be the newest; None: they were made from others.
    pub base: Option<u64>,
}

/// How many rows of a rowset were gone when somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenDeletes {
    /// Its file.
    pub file: FileId,
    /// Its tablet.
    pub bucket: u32,
    /// So many.
    pub rows: u64,
}

/// A data file that a snapshot names, as this catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredFile {
    /// Its id here.
    pub id: FileId,
    /// Where it is.
    pub volume: VolumeId,
    /// Below the service root: an object of this name is always the same.
    pub object: ObjectName,
}

/// A storage volume before it has an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeDraft {
    /// Its name.
    pub name: String,
    /// What kind of store.
    pub volume_type: VolumeType,
    /// Where.
    pub location: String,
    /// COMMENT 'text'.
    pub comment: String,
    /// Whether new data may go there.
    pub enabled: bool,
    /// Checked PROPERTIES, secrets among them.
    pub properties: BTreeMap<String, String>,
}
