//! Loads: transaction ids and the commit, the one moment at which written files become rows, beside the old, over them or
//! in their place.

use std::collections::BTreeSet;
use std::sync::Arc;

use storage_model::{
    Digest, FileEntry, FileId, FileName, PartitionId, Rowset, Superseded, Table, TableId, TxnId, WrittenFile,
};

use super::supersede::Fresh;
use crate::catalog::{Catalog, UsedLabel, object_hash};
use crate::command::{Outcome, Rejection, ReplacedPartition, Reply, TransactionLoad};

impl Catalog {
    pub(super) fn lease_txns(&mut self, count: u64) -> Reply {
        let first = TxnId(self.header.next_txn);
        self.header.next_txn += count;
        Ok(Outcome::Txns { first, count })
    }

    /// Never beyond what was leased, and never back.
    pub(super) fn give_up_txns(&mut self, below: u64) -> Reply {
        let floor = below.min(self.header.next_txn);
        if floor <= self.header.txn_floor {
            return Ok(Outcome::Nothing);
        }
        self.header.txn_floor = floor;
        let late = self.header.unfilled.iter().filter(|(_, txn)| txn.0 < floor).map(|(table, _)| *table);
        for table in late.collect::<Vec<_>>() {
            self.drop_unfilled(table)?;
        }
        Ok(Outcome::Done)
    }

    /// Whether a transaction may still be committed.
    pub(super) fn check_txn(&self, txn: TxnId) -> Result<(), Rejection> {
        if txn.0 < self.header.txn_floor {
            return Err(Rejection::Stale(format!("transaction {txn} took too long and was given up")));
        }
        Ok(())
    }

    pub(super) fn commit_load(
        &mut self,
        txn: TxnId,
        table: TableId,
        label: Option<&str>,
        files: &[WrittenFile],
        superseded: &Superseded,
    ) -> Reply {
        let table = self.begin_commit(txn, table, label)?;
        let (rows, fresh) = self.name_files(&table, files)?;
        self.add_rows(fresh, superseded)?;
        Ok(Outcome::Committed { rows })
    }

    pub(super) fn commit_transaction(
        &mut self,
        label: Option<&str>,
        loads: &[TransactionLoad],
        superseded: &Superseded,
    ) -> Reply {
        let (mut rows, mut fresh) = (0, Fresh::new());
        let (mut changed, mut read) = (BTreeSet::new(), BTreeSet::new());
        // The label belongs to the transaction: its first load takes it.
        let mut label = label;
        for TransactionLoad { txn, table, files, partitions, replaces } in loads {
            let table = self.begin_commit(*txn, *table, label.take())?;
            let is_first = changed.insert(table.id);
            if !partitions.is_empty() {
                if !is_first {
                    let text = format!("rows of table {} were made from what the transaction changes", table.name);
                    return Err(Rejection::Stale(text));
                }
                let chosen = self.check_bases(&table, partitions, files)?;
                if *replaces {
                    self.forget_replaced(&table, &chosen);
                    self.give_way(&chosen, &mut fresh);
                }
                read.extend(chosen);
            }
            let (of_load, rowsets) = self.name_files(&table, files)?;
            rows += of_load;
            for (partition, rowsets) in rowsets {
                fresh.entry(partition).or_default().extend(rowsets);
            }
        }
        check_known(superseded, |partition| fresh.contains_key(partition) || read.contains(partition))?;
        self.add_rows(fresh, superseded)?;
        Ok(Outcome::Committed { rows })
    }

    /// Rows beside those that are there, and without those that they supersede: one more version of each partition.
    fn add_rows(&mut self, mut fresh: Fresh, superseded: &Superseded) -> Result<(), Rejection> {
        self.check_superseded(&fresh, superseded)?;
        let changed: BTreeSet<PartitionId> =
            fresh.keys().copied().chain(superseded.tablets.iter().map(|tablet| tablet.partition)).collect();
        for id in changed {
            self.next_version(id, fresh.remove(&id).unwrap_or_default());
        }
        self.supersede(superseded)?;
        self.header.starmgr_id += 1;
        Ok(())
    }

    pub(super) fn replace_rows(
        &mut self,
        txn: TxnId,
        table: TableId,
        label: Option<&str>,
        replaced: &[ReplacedPartition],
        (files, superseded): (&[WrittenFile], &Superseded),
    ) -> Reply {
        let table = self.begin_commit(txn, table, label)?;
        let chosen = self.check_bases(&table, replaced, files)?;
        self.forget_replaced(&table, &chosen);
        let (rows, mut fresh) = self.name_files(&table, files)?;
        self.give_way(&chosen, &mut fresh);
        self.add_rows(fresh, superseded)?;
        Ok(Outcome::Committed { rows })
    }

    /// The rows of partitions are there no more.
    fn give_way(&mut self, chosen: &BTreeSet<PartitionId>, fresh: &mut Fresh) {
        for id in chosen {
            let Some(partition) = self.partitions.get_mut(id) else { continue };
            let old = std::mem::take(&mut Arc::make_mut(partition).rowsets);
            self.drop_references(&old);
            // One without new rows has another version too.
            fresh.entry(*id).or_default();
        }
    }

    pub(super) fn update_rows(
        &mut self,
        txn: TxnId,
        table: TableId,
        label: Option<&str>,
        partitions: &[ReplacedPartition],
        (files, superseded): (&[WrittenFile], &Superseded),
    ) -> Reply {
        let table = self.begin_commit(txn, table, label)?;
        let chosen = self.check_bases(&table, partitions, files)?;
        check_known(superseded, |partition| chosen.contains(partition))?;
        let (rows, fresh) = self.name_files(&table, files)?;
        self.add_rows(fresh, superseded)?;
        Ok(Outcome::Committed { rows })
    }

    /// The partitions, when they are as they were read and the files are theirs.
    fn check_bases(
        &self,
        table: &Table,
        replaced: &[ReplacedPartition],
        files: &[WrittenFile],
    ) -> Result<BTreeSet<PartitionId>, Rejection> {
        let mut chosen = BTreeSet::new();
        for ReplacedPartition { partition, base } in replaced {
            let found = self.partitions.get(partition).filter(|_| table.has_partition(*partition));
            let found = found.ok_or_else(|| lost_partition(table))?;
            if base.is_some_and(|base| base != found.visible_version) {
                let text = format!("partition {} of table {} changed while the statement ran", found.name, table.name);
                return Err(Rejection::Stale(text));
            }
            chosen.insert(*partition);
        }
        if let Some(stray) = files.iter().find(|file| !chosen.contains(&file.partition)) {
            let text = format!("the file {} is of a partition that is not replaced", stray.object);
            return Err(Rejection::Stale(text));
        }
        Ok(chosen)
    }

    /// The table of a commit, which takes its label.
    fn begin_commit(&mut self, txn: TxnId, table: TableId, label: Option<&str>) -> Result<Arc<Table>, Rejection> {
        self.check_txn(txn)?;
        let found = self.tables.get(&table).cloned();
        let table = found.ok_or_else(|| Rejection::Stale("the table was dropped while the load ran".to_owned()))?;
        self.check_not_held(&table)?;
        self.header.unfilled.remove(&table.id);
        if let Some(label) = label {
            self.use_label(&table, label, txn)?;
        }
        Ok(table)
    }

    /// Takes files into the catalog: how many rows there are, and the rowsets of each partition, still without a version.
    pub(super) fn name_files(&mut self, table: &Table, files: &[WrittenFile]) -> Result<(u64, Fresh), Rejection> {
        let (mut rows, mut fresh) = (0, Fresh::new());
        for written in files {
            if !table.has_partition(written.partition) {
                return Err(lost_partition(table));
            }
            rows += written.rows();
            let runs = self.name_file(written)?;
            fresh.entry(written.partition).or_default().extend(runs);
        }
        self.learn(table, files);
        Ok((rows, fresh))
    }

    /// Takes a file into the catalog: its rowsets, still without a version.
    pub(super) fn name_file(&mut self, written: &WrittenFile) -> Result<Vec<Rowset>, Rejection> {
        if written.runs.is_empty() {
            return Err(Rejection::Stale(format!("the file {} holds no rows", written.object)));
        }
        self.check_place(written)?;
        let file = self.insert_file(written, written.runs.len() as u32);
        let runs = written.runs.iter().map(|run| Rowset {
            file,
            bucket: run.bucket,
            first_row_group: run.first_row_group,
            row_groups: run.row_groups,
            start: run.start,
            end: run.end,
            rows: run.rows,
            version: 0,
            index: run.index.map(Box::new),
            deletes: None,
        });
        Ok(runs.collect())
    }

    /// The next version of a partition: what it holds, and these.
    fn next_version(&mut self, id: PartitionId, rowsets: Vec<Rowset>) {
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        let partition = Arc::make_mut(partition);
        partition.visible_version += 1;
        partition.visible_at = self.header.clock;
        let version = partition.visible_version;
        // Views of before have the old ones, so that they were copied just now: room for more would stay empty.
        partition.rowsets.reserve_exact(rowsets.len());
        partition.rowsets.extend(rowsets.into_iter().map(|rowset| Rowset { version, ..rowset }));
    }

    /// Objects are written once and named once: a load that is proposed again is refused, not doubled.
    pub(super) fn check_place(&self, written: &WrittenFile) -> Result<(), Rejection> {
        let refuse = |why: &str| Err(Rejection::Stale(format!("the file {} {why}", written.object)));
        if self.file_of_object(written.volume, &written.object).is_some() {
            return refuse("was committed before");
        }
        if Digest::of_hex(&written.sha256).is_none() {
            return refuse("has no SHA-256");
        }
        if !self.volumes.contains_key(&written.volume) {
            return refuse("lies in a storage volume that was dropped while the load ran");
        }
        Ok(())
    }

    pub(super) fn insert_file(&mut self, written: &WrittenFile, references: u32) -> FileId {
        let id = FileId(self.draw_id());
        let entry = FileEntry {
            id,
            volume: written.volume,
            object: FileName::new(&written.object),
            size: written.size,
            // That it has one was checked with its place.
            sha256: Digest::of_hex(&written.sha256).unwrap_or_default(),
            rows: written.rows(),
            created_at: self.header.revision,
            references,
            end: None,
        };
        self.objects.insert((object_hash(entry.volume, &written.object), id));
        self.files.insert(id, Arc::new(entry));
        id
    }

    fn use_label(&mut self, table: &Table, label: &str, txn: TxnId) -> Result<(), Rejection> {
        let now = self.header.uptime;
        self.trim_labels(now);
        let key = (table.database, label.to_owned());
        if let Some(used) = self.labels.get(&key) {
            return Err(Rejection::LabelUsed { label: label.to_owned(), txn: used.txn });
        }
        self.label_times.insert((now, table.database, label.to_owned()));
        self.labels.insert(key, UsedLabel { txn, at: now });
        Ok(())
    }
}

/// Rows go of partitions that were read, and of no others.
fn check_known(superseded: &Superseded, known: impl Fn(&PartitionId) -> bool) -> Result<(), Rejection> {
    match superseded.tablets.iter().find(|tablet| !known(&tablet.partition)) {
        Some(stray) => Err(Rejection::Stale(format!("rows of partition {} go that were not read", stray.partition))),
        None => Ok(()),
    }
}

pub(super) fn lost_partition(table: &Table) -> Rejection {
    Rejection::Stale(format!("a partition of table {} was dropped or truncated while the load ran", table.name))
}
