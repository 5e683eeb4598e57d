//! Data files and rowsets: what compute nodes write and the catalog names.

use serde::{Deserialize, Serialize};

use crate::ids::{FileId, PartitionId, Revision, VolumeId};
use crate::time::Uptime;

/// The name of an object below the service root of its volume:
/// `db{db}/{table}/{partition}/data/{incarnation}_{txn}_{attempt}_{n}.parquet`. Never used twice.
pub type ObjectName = String;

/// A data file as the catalog knows it. It lives for the revisions `[created_at, removed_at)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its id.
    pub id: FileId,
    /// Where it is.
    pub volume: VolumeId,
    /// Below the service root.
    pub object: ObjectName,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the whole object, hex.
    pub sha256: String,
    /// Rows in it.
    pub rows: u64,
    /// The revision that first named it.
    pub created_at: Revision,
    /// How many rowsets of partitions (live or in the recycle bin) name it.
    pub references: u32,
    /// The revision that dropped the last reference, and when.
    pub removed_at: Option<(Revision, Uptime)>,
    /// The revision at which GC condemned it; from then on nobody may name it.
    pub condemned_at: Option<Revision>,
}

/// A sorted run of rows of one tablet: some consecutive row groups of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rowset {
    /// The file; several rowsets may share one.
    pub file: FileId,
    /// The tablet, as the bucket number in its partition.
    pub bucket: u32,
    /// First row group.
    pub first_row_group: u32,
    /// How many row groups.
    pub row_groups: u32,
    /// First byte of the first row group in the file.
    pub start: u64,
    /// First byte behind the last row group.
    pub end: u64,
    /// Rows.
    pub rows: u64,
    /// The partition version that brought it.
    pub version: u64,
}

/// A file that a compute node has written and uploaded, not yet committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// The partition its rows belong to.
    pub partition: PartitionId,
    /// Where it is.
    pub volume: VolumeId,
    /// Below the service root.
    pub object: ObjectName,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the whole object, hex.
    pub sha256: String,
    /// The runs in it; `file` and `version` are given by the commit.
    pub runs: Vec<WrittenRun>,
}

/// A run of a [`WrittenFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenRun {
    /// The tablet.
    pub bucket: u32,
    /// First row group.
    pub first_row_group: u32,
    /// How many row groups.
    pub row_groups: u32,
    /// First byte of the first row group in the file.
    pub start: u64,
    /// First byte behind the last row group.
    pub end: u64,
    /// Rows.
    pub rows: u64,
}

impl WrittenFile {
    /// Rows in all runs.
    pub fn rows(&self) -> u64 {
        self.runs.iter().map(|r| r.rows).sum()
    }
}
