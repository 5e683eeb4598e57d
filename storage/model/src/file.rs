//! Data files and rowsets: what compute nodes write and the catalog names.
//!
//! A PRIMARY KEY table never merges when it is read. Beside the rows of a run its file has an index of their keys; a commit
//! looks its keys up in those of the runs before it, and says which of their rows are there no more.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::file_name::FileName;
use crate::ids::{FileId, PartitionId, Revision, VolumeId};
use crate::statistics::ColumnStatistics;
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
    pub object: FileName,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the whole object.
    pub sha256: Digest,
    /// Rows in it.
    pub rows: u64,
    /// The revision that first named it.
    pub created_at: Revision,
    /// How many rowsets of partitions (live or in the recycle bin) name it.
    pub references: u32,
    /// Its end, once nobody names it. Few files have one, of very many.
    pub end: Option<Box<FileEnd>>,
}

/// The end of a file's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEnd {
    /// The revision that dropped the last reference, and when.
    pub removed_at: (Revision, Uptime),
    /// The revision at which GC condemned it; from then on nobody may name it.
    pub condemned_at: Option<Revision>,
}

impl FileEntry {
    /// The revision that dropped the last reference, and when.
    pub fn removed_at(&self) -> Option<(Revision, Uptime)> {
        self.end.as_ref().map(|end| end.removed_at)
    }

    /// The revision at which GC condemned it; from then on nobody may name it.
    pub fn condemned_at(&self) -> Option<Revision> {
        self.end.as_ref()?.condemned_at
    }
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
    /// Where in the file the keys of its rows are found; only in PRIMARY KEY tables.
    pub index: Option<Box<ByteRange>>,
    /// Which of its rows are there no more; only in PRIMARY KEY tables.
    pub deletes: Option<Arc<Deletes>>,
}

impl Rowset {
    /// Rows that are still there.
    pub fn live_rows(&self) -> u64 {
        self.rows.saturating_sub(self.deleted_rows())
    }

    /// Rows that are there no more.
    pub fn deleted_rows(&self) -> u64 {
        self.deletes.as_ref().map_or(0, |deletes| deletes.rows)
    }

    /// The files that it names, each of which it holds one reference to.
    pub fn files(&self) -> impl Iterator<Item = FileId> + use<> {
        [Some(self.file), self.deletes.as_ref().and_then(|deletes| deletes.vector.file())].into_iter().flatten()
    }

    /// The same rowset over the same files under other ids.
    pub fn with_files<E>(&self, mut id: impl FnMut(FileId) -> Result<FileId, E>) -> Result<Rowset, E> {
        let mut rowset = Rowset { file: id(self.file)?, ..self.clone() };
        if let Some(Deletes { rows, vector: Vector::Stored { file, bytes } }) = self.deletes.as_deref() {
            let vector = Vector::Stored { file: id(*file)?, bytes: *bytes };
            rowset.deletes = Some(Arc::new(Deletes { rows: *rows, vector }));
        }
        Ok(rowset)
    }
}

/// Some bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ByteRange {
    /// The first.
    pub start: u64,
    /// The first behind them.
    pub end: u64,
}

impl ByteRange {
    /// As a range.
    pub fn range(self) -> Range<u64> {
        self.start..self.end
    }
}

/// Rows of a rowset that are there no more. They only become more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletes {
    /// How many.
    pub rows: u64,
    /// Which.
    pub vector: Vector<FileId>,
}

/// A delete vector, by the numbers of rows in their file: where its bytes are. `F` names a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Vector<F> {
    /// A small one, here.
    Inline(Vec<u8>),
    /// A part of an object with such vectors.
    Stored {
        /// The object.
        file: F,
        /// Its bytes there.
        bytes: ByteRange,
    },
}

impl<F: Copy> Vector<F> {
    /// The file that it lies in.
    pub fn file(&self) -> Option<F> {
        match self {
            Vector::Inline(_) => None,
            Vector::Stored { file, .. } => Some(*file),
        }
    }
}

/// What a commit takes away of the rows of a PRIMARY KEY table, whose keys it brings again or deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// Every tablet to which rows are added or of which rows are taken, once.
    pub tablets: Vec<TabletChange>,
    /// Objects with delete vectors, which no tablet names before.
    pub vectors: Vec<WrittenFile>,
}

impl Superseded {
    /// What another commit at the same moment takes away of other tablets, too.
    pub fn add(&mut self, other: Superseded) {
        let before = self.vectors.len() as u32;
        self.vectors.extend(other.vectors);
        for mut tablet in other.tablets {
            for change in &mut tablet.rowsets {
                if let Vector::Stored { file, .. } = &mut change.vector {
                    *file += before;
                }
            }
            self.tablets.push(tablet);
        }
    }

    /// What is taken away together with rows that were found in the tablets as they are after this.
    #[must_use]
    pub fn then(mut self, later: Superseded) -> Superseded {
        self.add(later);
        let mut tablets: BTreeMap<(PartitionId, u32), TabletChange> = BTreeMap::new();
        for tablet in self.tablets {
            match tablets.entry((tablet.partition, tablet.bucket)) {
                Entry::Vacant(free) => drop(free.insert(tablet)),
                Entry::Occupied(mut before) => before.get_mut().follow(tablet.rowsets),
            }
        }
        let mut both = Superseded { tablets: tablets.into_values().collect(), vectors: self.vectors };
        both.leave_out_unnamed();
        both
    }

    /// A later vector of a rowset holds all of the one before, and an object whose vectors are all such is not needed.
    fn leave_out_unnamed(&mut self) {
        let changes = || self.tablets.iter().flat_map(|tablet| &tablet.rowsets);
        let named: BTreeSet<u32> = changes().filter_map(|change| change.vector.file()).collect();
        let numbers: BTreeMap<u32, u32> = named.iter().copied().zip(0..).collect();
        for change in self.tablets.iter_mut().flat_map(|tablet| &mut tablet.rowsets) {
            if let Vector::Stored { file, .. } = &mut change.vector {
                *file = numbers.get(file).copied().unwrap_or(*file);
            }
        }
        let vectors = std::mem::take(&mut self.vectors);
        self.vectors = (0..).zip(vectors).filter(|(n, _)| named.contains(n)).map(|(_, file)| file).collect();
    }

    /// How many rows are taken away.
    pub fn rows(&self) -> u64 {
        let changes = self.tablets.iter().flat_map(|tablet| &tablet.rowsets);
        changes.map(|change| change.rows.saturating_sub(change.before)).sum()
    }
}

/// What happens to the rows of a tablet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabletChange {
    /// The partition.
    pub partition: PartitionId,
    /// The tablet.
    pub bucket: u32,
    /// The version of the newest rowset whose keys were looked at; 0: there was none.
    pub base: u64,
    /// The rowsets that lose rows, those of the same commit too.
    pub rowsets: Vec<RowsetChange>,
}

impl TabletChange {
    /// More rows go, as was found when those before were gone.
    fn follow(&mut self, later: Vec<RowsetChange>) {
        for change in later {
            let is_same = |known: &&mut RowsetChange| known.volume == change.volume && known.object == change.object;
            match self.rowsets.iter_mut().find(is_same) {
                Some(known) => (known.rows, known.vector) = (change.rows, change.vector),
                None => self.rowsets.push(change),
            }
        }
    }
}

/// Rows that a rowset loses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsetChange {
    /// Where its file is.
    pub volume: VolumeId,
    /// Its file.
    pub object: ObjectName,
    /// How many of its rows were gone before.
    pub before: u64,
    /// How many are gone then, these among them.
    pub rows: u64,
    /// Which; stored ones are in the n-th of [`Superseded::vectors`].
    pub vector: Vector<u32>,
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
    /// What is known of its rows, and of those of other files of the same write, which say nothing themselves: a load of many
    /// partitions is one log entry.
    pub statistics: Vec<ColumnStatistics>,
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
    /// Where the keys of its rows are found.
    pub index: Option<ByteRange>,
}

impl WrittenFile {
    /// Rows in all runs.
    pub fn rows(&self) -> u64 {
        self.runs.iter().map(|r| r.rows).sum()
    }
}
