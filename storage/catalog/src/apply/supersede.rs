//! What a commit takes away of the rows of PRIMARY KEY tables. Whoever proposes has looked the keys up in the tablets as they
//! were then; here it is checked that they are still so, and that no new row came in without having been looked up: then
//! every key has one row.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use storage_model::{Deletes, FileId, KeyModel, Partition, PartitionId, Rowset, Superseded, TabletChange, Vector};

use crate::catalog::Catalog;
use crate::command::Rejection;

/// The new rowsets of each partition, still without a version.
pub(super) type Fresh = BTreeMap<PartitionId, Vec<Rowset>>;

impl Catalog {
    /// Whether the tablets are as they were when keys were looked up in them, and all of those that get rows were looked at.
    /// To be asked before anything is added.
    pub(super) fn check_superseded(&self, fresh: &Fresh, superseded: &Superseded) -> Result<(), Rejection> {
        let mut unseen: BTreeSet<(PartitionId, u32)> = BTreeSet::new();
        for (id, rowsets) in fresh {
            let is_primary = self.is_primary(*id);
            if let Some(odd) = rowsets.iter().find(|rowset| rowset.index.is_some() != is_primary) {
                let text = format!("file {} of partition {id} is of a table of another key model", odd.file);
                return Err(Rejection::Stale(text));
            }
            if is_primary {
                unseen.extend(rowsets.iter().map(|rowset| (*id, rowset.bucket)));
            }
        }
        let mut newest: HashMap<PartitionId, HashMap<u32, u64>> = HashMap::new();
        for TabletChange { partition: id, bucket, base, .. } in &superseded.tablets {
            unseen.remove(&(*id, *bucket));
            if !newest.contains_key(id) {
                let partition = self.partitions.get(id).filter(|_| self.is_primary(*id));
                let partition = partition.ok_or_else(|| overtaken(*id, "is not there any more"))?;
                newest.insert(*id, newest_of_tablets(partition));
            }
            let now = newest.get(id).and_then(|tablets| tablets.get(bucket)).copied().unwrap_or(0);
            if now != *base {
                return Err(overtaken(*id, "got rows after keys were looked up in it"));
            }
        }
        match unseen.first() {
            Some((id, bucket)) => {
                Err(Rejection::Stale(format!("keys for tablet {bucket} of partition {id} were not looked up in it")))
            }
            None => Ok(()),
        }
    }

    fn is_primary(&self, partition: PartitionId) -> bool {
        let table = self.partitions.get(&partition).and_then(|partition| self.tables.get(&partition.table));
        table.is_some_and(|table| table.model == KeyModel::Primary)
    }

    /// Takes the rows away, once those that take their place are there. A rowset that has none left is there no more.
    pub(super) fn supersede(&mut self, superseded: &Superseded) -> Result<(), Rejection> {
        let vectors = self.name_vectors(superseded)?;
        let mut by_partition: BTreeMap<PartitionId, Vec<&TabletChange>> = BTreeMap::new();
        for tablet in superseded.tablets.iter().filter(|tablet| !tablet.rowsets.is_empty()) {
            by_partition.entry(tablet.partition).or_default().push(tablet);
        }
        for (id, tablets) in by_partition {
            let partition = self.partitions.get(&id).cloned().ok_or_else(|| overtaken(id, "is not there any more"))?;
            let mut partition = partition.as_ref().clone();
            let dropped = self.take_rows(&mut partition, &tablets, &vectors)?;
            for file in dropped {
                self.drop_reference(file);
            }
            let (live, empty): (Vec<Rowset>, Vec<Rowset>) =
                partition.rowsets.into_iter().partition(|rowset| rowset.live_rows() > 0);
            partition.rowsets = live;
            self.partitions.insert(id, Arc::new(partition));
            self.drop_references(&empty);
        }
        Ok(())
    }

    /// Takes rows of one partition away, and says which vectors are not named any more.
    fn take_rows(
        &self,
        partition: &mut Partition,
        tablets: &[&TabletChange],
        vectors: &[FileId],
    ) -> Result<Vec<FileId>, Rejection> {
        let id = partition.id;
        let places = partition.rowsets.iter().enumerate().map(|(at, rowset)| ((rowset.file, rowset.bucket), at));
        let places: HashMap<(FileId, u32), usize> = places.collect();
        let mut dropped = Vec::new();
        for (tablet, change) in tablets.iter().flat_map(|tablet| tablet.rowsets.iter().map(move |c| (tablet, c))) {
            let file = self.file_of_object(change.volume, &change.object);
            let at = file.and_then(|file| places.get(&(file.id, tablet.bucket)));
            let rowset = at.and_then(|at| partition.rowsets.get_mut(*at));
            let rowset = rowset.ok_or_else(|| overtaken(id, "has other files than keys were looked up in"))?;
            if rowset.deleted_rows() != change.before {
                return Err(overtaken(id, "lost rows after keys were looked up in it"));
            }
            if change.rows <= change.before || change.rows > rowset.rows {
                let text = format!("{} of {} rows of {} cannot be gone", change.rows, rowset.rows, change.object);
                return Err(Rejection::Stale(text));
            }
            let vector = match &change.vector {
                Vector::Inline(bytes) => Vector::Inline(bytes.clone()),
                Vector::Stored { file, bytes } => {
                    let file = vectors.get(*file as usize).copied();
                    let file = file.ok_or_else(|| Rejection::Stale("a delete vector is in no file".to_owned()))?;
                    Vector::Stored { file, bytes: *bytes }
                }
            };
            let before = rowset.deletes.replace(Arc::new(Deletes { rows: change.rows, vector }));
            dropped.extend(before.and_then(|before| before.vector.file()));
        }
        Ok(dropped)
    }

    /// Takes objects with delete vectors into the catalog.
    fn name_vectors(&mut self, superseded: &Superseded) -> Result<Vec<FileId>, Rejection> {
        let mut counts = vec![0_u32; superseded.vectors.len()];
        for change in superseded.tablets.iter().flat_map(|tablet| &tablet.rowsets) {
            if let Some(count) = change.vector.file().and_then(|n| counts.get_mut(n as usize)) {
                *count += 1;
            }
        }
        let mut ids = Vec::with_capacity(counts.len());
        for (written, references) in superseded.vectors.iter().zip(counts) {
            if references == 0 {
                return Err(Rejection::Stale(format!("the file {} holds no vectors", written.object)));
            }
            self.check_place(written)?;
            ids.push(self.insert_file(written, references));
        }
        Ok(ids)
    }
}

fn newest_of_tablets(partition: &Partition) -> HashMap<u32, u64> {
    let mut newest = HashMap::new();
    for rowset in &partition.rowsets {
        let version = newest.entry(rowset.bucket).or_insert(0);
        *version = rowset.version.max(*version);
    }
    newest
}

pub(super) fn overtaken(partition: PartitionId, what: &str) -> Rejection {
    Rejection::Overtaken(format!("partition {partition} {what}"))
}
