//! What a compute node has to know of PRIMARY KEY tablets to look keys up in them. Plain values that travel in messages.

use serde::{Deserialize, Serialize};

use crate::file::{ByteRange, ObjectName, Vector};
use crate::ids::{DatabaseId, Incarnation, PartitionId, ServiceId, TableId, TxnId, VolumeId};

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The volume.
    pub volume: VolumeId,
    /// Below the service root.
    pub object: ObjectName,
}

/// A run, and which of its rows are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedRun {
    /// Its file.
    pub place: Place,
    /// Rows in it.
    pub rows: u64,
    /// Where in the file their keys are found.
    pub index: ByteRange,
    /// Rows of it that are gone.
    pub deleted: u64,
    /// Which; None: there are none.
    pub vector: Option<Vector<Place>>,
}

impl KeyedRun {
    /// Where its rows are and, if that is elsewhere, which of them are gone.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        let vector = match &self.vector {
            Some(Vector::Stored { file, .. }) => Some(file),
            _ => None,
        };
        [Some(&self.place), vector].into_iter().flatten()
    }
}

/// The runs of a tablet in which keys are looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedTablet {
    /// The partition.
    pub partition: PartitionId,
    /// The tablet.
    pub bucket: u32,
    /// The version of the newest of the old runs; 0: there is none.
    pub base: u64,
    /// What is there.
    pub old: Vec<KeyedRun>,
    /// What comes: of two rows with one key that of the later run stays.
    pub new: Vec<KeyedRun>,
}

impl KeyedTablet {
    /// Where its runs are.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.old.iter().chain(&self.new).flat_map(KeyedRun::places)
    }
}

/// Runs of a tablet that were written anew as one, and have lost rows since they were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactedTablet {
    /// The partition.
    pub partition: PartitionId,
    /// The tablet.
    pub bucket: u32,
    /// The version of the newest run of the tablet.
    pub base: u64,
    /// The old runs as they were read, each with the rows of it that are gone by now.
    pub inputs: Vec<(KeyedRun, GoneRows)>,
    /// The new one.
    pub output: KeyedRun,
}

impl CompactedTablet {
    /// Where its runs are.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        let now = self.inputs.iter().filter_map(|(_, gone)| match gone {
            GoneRows::These(Vector::Stored { file, .. }) => Some(file),
            _ => None,
        });
        self.inputs.iter().flat_map(|(run, _)| run.places()).chain(now).chain(self.output.places())
    }
}

/// Rows of a run that are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GoneRows {
    /// The whole run is there no more.
    All,
    /// These.
    These(Vector<Place>),
}

/// Where delete vectors go that are too large for the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorSpec {
    /// The database of the table.
    pub database: DatabaseId,
    /// The table.
    pub table: TableId,
    /// The volume.
    pub volume: VolumeId,
    /// The service root in it.
    pub service_id: ServiceId,
    /// Of the cluster, as it stands in file names.
    pub incarnation: Incarnation,
    /// The load.
    pub txn: TxnId,
    /// Of this look in its load: keeps the names of objects apart.
    pub attempt: u32,
}
