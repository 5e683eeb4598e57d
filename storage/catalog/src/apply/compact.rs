//! Compaction: rows move to other files, and nothing else changes. The version of the partition stays, so that a statement
//! which replaces what it has read is not disturbed; the order of files too, which says what is newer.
//!
//! Of a PRIMARY KEY table rows may go, and whole rowsets with them, while it is compacted: the new file loses what the old ones
//! have lost since they were read, as far as `seen`. If they have lost more, there is more to look at.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use storage_model::{FileId, KeyModel, Partition, PartitionId, Rowset, Superseded, TableId, TxnId, WrittenFile};

use super::loads::lost_partition;
use super::supersede::overtaken;
use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply, SeenDeletes};

impl Catalog {
    pub(super) fn compact_partition(
        &mut self,
        txn: TxnId,
        table: TableId,
        id: PartitionId,
        (inputs, files): (&[FileId], &[WrittenFile]),
        (superseded, seen): (&Superseded, &[SeenDeletes]),
    ) -> Reply {
        self.check_txn(txn)?;
        let found = self.tables.get(&table).cloned();
        let table = found.ok_or_else(|| Rejection::Stale("the table was dropped while it was compacted".to_owned()))?;
        let partition = self.partitions.get(&id).filter(|_| table.partitions.contains(&id));
        let partition = partition.cloned().ok_or_else(|| lost_partition(&table))?;
        let stale = |why: &str| Rejection::Stale(format!("partition {} of table {} {why}", partition.name, table.name));
        let inputs: BTreeSet<FileId> = inputs.iter().copied().collect();
        let is_input = |rowset: &Rowset| inputs.contains(&rowset.file);
        let rowsets = &partition.rowsets;
        let start = rowsets.iter().position(is_input).ok_or_else(|| stale("changed while it was compacted"))?;
        let end = start + rowsets[start..].iter().take_while(|rowset| is_input(rowset)).count();
        let old = &rowsets[start..end];
        let is_primary = table.model == KeyModel::Primary;
        let there: BTreeSet<FileId> = old.iter().map(|rowset| rowset.file).collect();
        if (there != inputs && !is_primary) || rowsets[end..].iter().any(is_input) {
            return Err(stale("changed while it was compacted"));
        }
        check_seen(&partition, old, seen)?;
        if let Some(stray) = files.iter().find(|file| file.partition != id) {
            return Err(stale(&format!("was compacted into the file {} of another", stray.object)));
        }
        if let Some(stray) = superseded.tablets.iter().find(|tablet| tablet.partition != id) {
            return Err(stale(&format!("is not partition {} of which rows go", stray.partition)));
        }
        let (written, mut fresh) = self.name_files(&table, files)?;
        let gone = superseded.tablets.iter().flat_map(|tablet| &tablet.rowsets).map(|change| change.rows).sum();
        let rows = written.saturating_sub(gone);
        let before: u64 = old.iter().map(Rowset::live_rows).sum();
        // Rows with equal keys become one where the model says so; some row is always left.
        let is_all = if table.model.merges_when_read() { (1..=before).contains(&rows) } else { rows == before };
        if !is_all {
            return Err(stale(&format!("has {before} rows where its compaction has {rows}")));
        }
        let version = old.iter().map(|rowset| rowset.version).max().unwrap_or_default();
        let fresh = fresh.remove(&id).unwrap_or_default().into_iter().map(|rowset| Rowset { version, ..rowset });
        let mut partition = partition.as_ref().clone();
        let old: Vec<Rowset> = partition.rowsets.splice(start..end, fresh).collect();
        self.partitions.insert(id, Arc::new(partition));
        self.drop_references(&old);
        self.supersede(superseded)?;
        self.header.starmgr_id += 1;
        Ok(Outcome::Committed { rows })
    }
}

/// Whether the rowsets have lost no more rows than was seen.
fn check_seen(partition: &Partition, old: &[Rowset], seen: &[SeenDeletes]) -> Result<(), Rejection> {
    let seen: HashMap<(FileId, u32), u64> = seen.iter().map(|seen| ((seen.file, seen.bucket), seen.rows)).collect();
    let seen_of = |rowset: &Rowset| seen.get(&(rowset.file, rowset.bucket)).copied().unwrap_or(0);
    let there = old.iter().filter(|rowset| seen.contains_key(&(rowset.file, rowset.bucket))).count();
    // One that was seen and is there no more has lost its last row.
    match there == seen.len() && old.iter().all(|rowset| seen_of(rowset) == rowset.deleted_rows()) {
        true => Ok(()),
        false => Err(overtaken(partition.id, "lost rows while it was compacted")),
    }
}
