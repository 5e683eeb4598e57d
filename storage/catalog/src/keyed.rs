//! The tablets of PRIMARY KEY tables as keys are looked up in them.

use std::collections::{BTreeMap, BTreeSet};

use storage_model::{
    CompactedTablet, FileEntry, GoneRows, KeyedRun, KeyedTablet, Partition, PartitionId, Place, Rowset, StorageVolume,
    Superseded, TabletChange, Vector, VolumeId, WrittenFile,
};

use crate::catalog::Catalog;
use crate::command::SeenDeletes;

/// A tablet, by its partition and its number there.
pub type TabletKey = (PartitionId, u32);

impl Catalog {
    /// The tablets that the runs of these files come to, with the runs that are there; without those where all of them give way.
    pub fn keyed_tablets(&self, files: &[WrittenFile], replaces: bool) -> Vec<KeyedTablet> {
        let mut new: BTreeMap<TabletKey, Vec<KeyedRun>> = BTreeMap::new();
        for file in files {
            for (bucket, run) in keyed_runs(file) {
                new.entry((file.partition, bucket)).or_default().push(run);
            }
        }
        let old = if replaces { BTreeMap::new() } else { self.runs_of(new.keys().copied()) };
        let mut old = old;
        let tablet = |((partition, bucket), new)| {
            let (base, old) = old.remove(&(partition, bucket)).unwrap_or_default();
            KeyedTablet { partition, bucket, base, old, new }
        };
        new.into_iter().map(tablet).collect()
    }

    /// The same as they are once `before` is true, of which no run is new; None: it takes rows from what is not there any more.
    pub fn keyed_tablets_after(&self, files: &[WrittenFile], before: &Superseded) -> Option<Vec<KeyedTablet>> {
        let mut tablets = self.keyed_tablets(files, false);
        let mut places: BTreeMap<TabletKey, usize> = BTreeMap::new();
        places.extend((0..).zip(&tablets).map(|(at, tablet)| ((tablet.partition, tablet.bucket), at)));
        let mut now = self.runs_of(before.tablets.iter().map(|change| (change.partition, change.bucket)));
        for change in &before.tablets {
            let key = (change.partition, change.bucket);
            let (base, mut runs) = now.remove(&key)?;
            if base != change.base {
                return None;
            }
            for lost in &change.rowsets {
                let is_its = |run: &&mut KeyedRun| run.place.volume == lost.volume && run.place.object == lost.object;
                let run = runs.iter_mut().find(is_its).filter(|run| run.deleted == lost.before)?;
                (run.deleted, run.vector) = (lost.rows, Some(placed(&lost.vector, &before.vectors)?));
            }
            if let Some(tablet) = places.get(&key).and_then(|at| tablets.get_mut(*at)) {
                tablet.old = runs;
            }
        }
        Some(tablets)
    }

    /// All tablets of these partitions that have rows.
    pub fn keyed_tablets_of(&self, partitions: &[PartitionId]) -> Vec<KeyedTablet> {
        let found = partitions.iter().filter_map(|id| self.partition(*id));
        let all = found.flat_map(|partition| (0..partition.buckets).map(|bucket| (partition.id, bucket)));
        let tablet = |((partition, bucket), (base, old))| KeyedTablet { partition, bucket, base, old, new: Vec::new() };
        self.runs_of(all).into_iter().map(tablet).collect()
    }

    /// The runs of tablets, and the version of the newest.
    fn runs_of(&self, tablets: impl Iterator<Item = TabletKey>) -> BTreeMap<TabletKey, (u64, Vec<KeyedRun>)> {
        let wanted: BTreeSet<TabletKey> = tablets.collect();
        let partitions: BTreeSet<PartitionId> = wanted.iter().map(|(partition, _)| *partition).collect();
        let mut runs: BTreeMap<TabletKey, (u64, Vec<KeyedRun>)> = BTreeMap::new();
        for partition in partitions.into_iter().filter_map(|id| self.partition(id)) {
            for rowset in &partition.rowsets {
                let tablet = (partition.id, rowset.bucket);
                if let Some(run) = wanted.contains(&tablet).then(|| self.keyed_run(rowset)).flatten() {
                    let (base, of_tablet) = runs.entry(tablet).or_default();
                    *base = rowset.version.max(*base);
                    of_tablet.push(run);
                }
            }
        }
        runs
    }

    fn place_of(&self, file: &FileEntry) -> Place {
        Place { volume: file.volume, object: file.object.to_string() }
    }

    fn keyed_run(&self, rowset: &Rowset) -> Option<KeyedRun> {
        Some(KeyedRun {
            place: self.place_of(self.file(rowset.file)?),
            rows: rowset.rows,
            index: *rowset.index.as_deref()?,
            deleted: rowset.deleted_rows(),
            vector: self.placed_vector(rowset)?,
        })
    }

    /// The delete vector of a rowset, by where it is; None: its file is not known.
    fn placed_vector(&self, rowset: &Rowset) -> Option<Option<Vector<Place>>> {
        Some(match rowset.deletes.as_ref().map(|deletes| &deletes.vector) {
            None => None,
            Some(Vector::Inline(bytes)) => Some(Vector::Inline(bytes.clone())),
            Some(Vector::Stored { file, bytes }) => {
                Some(Vector::Stored { file: self.place_of(self.file(*file)?), bytes: *bytes })
            }
        })
    }

    /// What rowsets of a partition have lost since `read` was read of it, and were written anew as `files`; the last is what
    /// was seen of each. Without losses there are no tablets.
    pub fn lost_since(&self, read: &Partition, then: &Catalog, files: &[WrittenFile]) -> Lost {
        let now: BTreeMap<_, &Rowset> = match self.partition(read.id) {
            Some(partition) => partition.rowsets.iter().map(|rowset| ((rowset.file, rowset.bucket), rowset)).collect(),
            None => BTreeMap::new(),
        };
        let mut outputs: BTreeMap<u32, KeyedRun> = files.iter().flat_map(keyed_runs).collect();
        let mut lost: BTreeMap<u32, Vec<(KeyedRun, GoneRows)>> = BTreeMap::new();
        let mut seen = Vec::new();
        for rowset in &read.rowsets {
            let found = now.get(&(rowset.file, rowset.bucket)).copied();
            if let Some(found) = found {
                seen.push(SeenDeletes { file: rowset.file, bucket: rowset.bucket, rows: found.deleted_rows() });
            }
            if found.is_some_and(|found| found.deleted_rows() == rowset.deleted_rows()) {
                continue;
            }
            let gone = match found {
                None => GoneRows::All,
                Some(found) => match self.placed_vector(found).flatten() {
                    Some(vector) => GoneRows::These(vector),
                    None => continue,
                },
            };
            if let Some(run) = then.keyed_run(rowset) {
                lost.entry(rowset.bucket).or_default().push((run, gone));
            }
        }
        let tablets = lost.into_iter().filter_map(|(bucket, inputs)| {
            let output = outputs.remove(&bucket)?;
            Some(CompactedTablet { partition: read.id, bucket, base: 0, inputs, output })
        });
        Lost { tablets: tablets.collect(), seen }
    }

    /// The volumes that these lie in, and one more.
    pub fn volumes_of_places<'a>(
        &self,
        places: impl Iterator<Item = &'a Place>,
        target: VolumeId,
    ) -> Vec<StorageVolume> {
        let ids: BTreeSet<VolumeId> = places.map(|place| place.volume).chain([target]).collect();
        ids.into_iter().filter_map(|id| self.volume(id)).map(|volume| volume.as_ref().clone()).collect()
    }
}

/// See [`Catalog::lost_since`].
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// Where rows went.
    pub tablets: Vec<CompactedTablet>,
    /// What was looked at.
    pub seen: Vec<SeenDeletes>,
}

fn keyed_runs(file: &WrittenFile) -> impl Iterator<Item = (u32, KeyedRun)> + '_ {
    file.runs.iter().filter_map(|run| {
        let place = Place { volume: file.volume, object: file.object.clone() };
        Some((run.bucket, KeyedRun { place, rows: run.rows, index: run.index?, deleted: 0, vector: None }))
    })
}

/// A vector of a commit, by where it is.
fn placed(vector: &Vector<u32>, vectors: &[WrittenFile]) -> Option<Vector<Place>> {
    Some(match vector {
        Vector::Inline(bytes) => Vector::Inline(bytes.clone()),
        Vector::Stored { file, bytes } => {
            let file = vectors.get(*file as usize)?;
            Vector::Stored { file: Place { volume: file.volume, object: file.object.clone() }, bytes: *bytes }
        }
    })
}

/// Where nothing needs to be looked up: every tablet gets its first run, and one only.
pub fn nothing_to_look_up(tablets: &[KeyedTablet]) -> Option<Superseded> {
    let is_first = |tablet: &KeyedTablet| tablet.old.is_empty() && tablet.new.len() <= 1;
    let untouched = |tablet: &KeyedTablet| TabletChange {
        partition: tablet.partition,
        bucket: tablet.bucket,
        base: tablet.base,
        rowsets: Vec::new(),
    };
    let tablets = tablets.iter().all(is_first).then(|| tablets.iter().map(untouched).collect())?;
    Some(Superseded { tablets, vectors: Vec::new() })
}
