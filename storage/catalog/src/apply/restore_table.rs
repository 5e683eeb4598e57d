//! RESTORE TABLE … FROM SNAPSHOT, the moment at which it is true. Whoever proposes has read the snapshot; here, where nothing
//! can come in between, all that it relies on is looked at again: see [`crate::restore_table`].

use std::collections::BTreeSet;
use std::sync::Arc;

use storage_model::{
    FileEnd, FileId, JobId, JobState, Partition, Partitioning, Revision, Rowset, SnapshotJob, Table, TableId,
};

use crate::catalog::Catalog;
use crate::command::{Outcome, PartitionDraft, Rejection, Reply, RestoredFile};

impl Catalog {
    pub(super) fn restore_table(
        &mut self,
        source: (JobId, Revision),
        database: &str,
        restored: &Table,
        partitions: &[Partition],
        files: &[RestoredFile],
    ) -> Reply {
        let job = self.restorable(source.0, source.1)?;
        let database = self.find_database(database)?;
        if self.table_names.contains_key(&(database, restored.name.clone())) {
            return Err(Rejection::TableExists(restored.name.clone()));
        }
        self.check_home(restored)?;
        let known = self.check_restored_files(&job, files)?;
        let mut named = partitions.iter().flat_map(|p| &p.rowsets).flat_map(Rowset::files);
        if let Some(stray) = named.find(|file| !known.contains(file)) {
            return Err(cannot(format!("the file {stray} of table {} was not looked at", restored.name)));
        }
        let id = TableId(self.draw_id());
        let created_at = self.header.clock;
        let (partitions_now, temporary) = (Vec::new(), Vec::new());
        let mut table = Table { id, database, partitions: partitions_now, temporary, created_at, ..restored.clone() };
        self.insert_restored(&mut table, partitions)?;
        self.table_names.insert((database, table.name.clone()), id);
        self.tables.insert(id, Arc::new(table));
        self.header.starmgr_id += 1;
        Ok(Outcome::Table(id))
    }

    /// The snapshot, if it is still restorable: then its pin has kept its files all the time.
    fn restorable(&self, job: JobId, cut: Revision) -> Result<Arc<SnapshotJob>, Rejection> {
        let job = self.jobs.get(&job).ok_or(Rejection::UnknownJob(job))?;
        match job.state {
            JobState::Finished if job.cut == Some(cut) => Ok(Arc::clone(job)),
            state => Err(crate::restore_table::not_available(&job.name, state)),
        }
    }

    /// The volume that new files of the table will go to.
    fn check_home(&self, table: &Table) -> Result<(), Rejection> {
        match self.volumes.get(&table.volume) {
            Some(volume) if volume.enabled => Ok(()),
            Some(volume) => Err(Rejection::VolumeDisabled(volume.name.clone())),
            None => Err(cannot(format!("the storage volume of table {} was dropped", table.name))),
        }
    }

    /// Each file is the object that was meant, nobody has condemned it, and what no table names is kept by this snapshot.
    fn check_restored_files(&self, job: &SnapshotJob, files: &[RestoredFile]) -> Result<BTreeSet<FileId>, Rejection> {
        for RestoredFile { id, volume, object } in files {
            let found = self.files.get(id).filter(|known| known.volume == *volume && known.object == **object);
            let found = found.ok_or_else(|| cannot(format!("the file {object} is not known any more")))?;
            if found.condemned_at().is_some() {
                return Err(cannot(format!("the file {object} is being deleted")));
            }
            let Some((removed, _)) = found.removed_at() else { continue };
            if !job.pins().iter().any(|pin| found.created_at <= *pin && *pin < removed) {
                return Err(cannot(format!("the file {object} is not kept by cluster snapshot {}", job.name)));
            }
        }
        Ok(files.iter().map(|file| file.id).collect())
    }

    fn insert_restored(&mut self, table: &mut Table, partitions: &[Partition]) -> Result<(), Rejection> {
        let is_whole = matches!(table.partitioning, Partitioning::Unpartitioned);
        // The one partition of an unpartitioned table is named like it.
        let name_of = |partition: &Partition| if is_whole { table.name.clone() } else { partition.name.clone() };
        let drafts: Vec<PartitionDraft> = partitions
            .iter()
            .map(|p| PartitionDraft { name: name_of(p), range: p.range.clone(), buckets: p.buckets })
            .collect();
        self.insert_partitions(table, &drafts)?;
        for (draft, restored) in drafts.iter().zip(partitions) {
            let mut fresh = self.find_partition(table, &draft.name)?.as_ref().clone();
            fresh.visible_version = restored.visible_version;
            fresh.rowsets.clone_from(&restored.rowsets);
            restored.rowsets.iter().flat_map(Rowset::files).for_each(|file| self.add_reference(file));
            self.partitions.insert(fresh.id, Arc::new(fresh));
        }
        Ok(())
    }

    /// A life that had ended goes on: it is one interval still, and longer.
    fn add_reference(&mut self, id: FileId) {
        let Some(file) = self.files.get_mut(&id) else { return };
        let file = Arc::make_mut(file);
        file.references += 1;
        if let Some(FileEnd { removed_at: (removed, _), .. }) = file.end.take().as_deref() {
            self.removed.remove(&(*removed, id));
            self.header.revived_at = Some(self.header.revision);
        }
    }
}

fn cannot(why: String) -> Rejection {
    Rejection::CannotRestore(why)
}
