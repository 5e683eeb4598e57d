//! Compactions: written at one time, committed at another, or never. They change files and nothing that anybody reads.

use std::collections::BTreeSet;

use rand::Rng;
use rand::seq::IteratorRandom;
use storage_catalog::{Command, Outcome};
use storage_model::{FileId, PartitionId, Superseded, TableId, TxnId, WrittenFile};

use super::model::File;
use super::world::World;

/// A compaction whose file is in the store.
pub struct Compaction {
    /// By their births.
    table: u64,
    partition: u64,
    ids: (TableId, PartitionId),
    txn: TxnId,
    inputs: Vec<(FileId, String)>,
    file: WrittenFile,
}

impl Compaction {
    /// What it wrote, when it was given up.
    pub fn orphan_below(&self, txn_floor: u64) -> Option<String> {
        (self.txn.0 < txn_floor).then(|| self.file.object.clone())
    }
}

impl World {
    pub fn compact(&mut self) -> &'static str {
        if self.compactions.len() < 4 && self.chance(1, 2) { self.write_compaction() } else { self.commit_compaction() }
    }

    fn write_compaction(&mut self) -> &'static str {
        let Some((database, name)) = self.any_table() else { return "no table to compact" };
        let table = self.model.databases[&database].tables[&name].clone();
        let id = self.table_ids[&table.birth];
        let found = self.catalog.table(id).unwrap().clone();
        let partitions = table.partitions.values().zip(&found.partitions);
        let Some((partition, partition_id)) = partitions.choose(&mut self.rng) else { return "nothing to compact" };
        let mut files: Vec<FileId> =
            self.catalog.partition(*partition_id).unwrap().rowsets.iter().map(|rowset| rowset.file).collect();
        files.dedup();
        if files.is_empty() {
            return "nothing to compact";
        }
        let start = self.rng.random_range(0..files.len());
        let end = self.rng.random_range(start + 1..=files.len());
        let object = |file: &FileId| (*file, self.catalog.file(*file).unwrap().object.to_string());
        let inputs: Vec<(FileId, String)> = files[start..end].iter().map(object).collect();
        let rows: u64 = inputs.iter().map(|(_, object)| self.model.files[object].rows).sum();
        let mut file = self.write_file(*partition_id);
        file.runs.truncate(1);
        file.runs[0].rows = rows;
        let (table, partition, ids) = (table.birth, partition.birth, (id, *partition_id));
        let Some(txn) = self.lease_txn() else { return "lease" };
        self.compactions.push(Compaction { table, partition, ids, txn, inputs, file });
        "write compaction"
    }

    fn commit_compaction(&mut self) -> &'static str {
        let Some(at) = (0..self.compactions.len()).choose(&mut self.rng) else { return "no compaction to commit" };
        let Compaction { table, partition, ids, txn, inputs, file } = self.compactions.swap_remove(at);
        let old: BTreeSet<String> = inputs.iter().map(|(_, object)| object.clone()).collect();
        let command = Command::CompactPartition {
            txn,
            table: ids.0,
            partition: ids.1,
            inputs: inputs.iter().map(|(file, _)| *file).collect(),
            files: vec![file.clone()],
            superseded: Superseded::default(),
            seen: Vec::new(),
        };
        let reply = self.apply(command);
        let target = self.model.table(table).and_then(|(_, t)| t.partitions.values().find(|p| p.birth == partition));
        if txn.0 < self.model.txn_floor || !target.is_some_and(|p| old.is_subset(&p.objects)) {
            self.tally.count("stale compaction");
            self.expect(&reply, false);
            return "stale compaction";
        }
        self.expect(&reply, true);
        let rows = file.rows();
        if reply.as_ref().is_ok_and(|outcome| *outcome != Outcome::Committed { rows }) {
            self.problem = Some(format!("a compaction of {rows} rows says something else"));
        }
        let created = self.model.revision;
        let target = self.model.partition_mut(partition).unwrap();
        target.objects.retain(|object| !old.contains(object));
        target.objects.insert(file.object.clone());
        self.model.end_lives(old);
        self.model.files.insert(file.object, File { rows, created, removed: None, condemned: false });
        self.tally.count("compaction");
        "compaction"
    }
}
