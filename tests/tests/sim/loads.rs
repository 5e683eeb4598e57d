//! Loads: written at one time, committed at another, or never.

use rand::Rng;
use rand::seq::IteratorRandom;
use storage_catalog::{Command, Outcome};
use storage_model::file::WrittenRun;
use storage_model::{PartitionId, TableId, TxnId, WrittenFile};

use super::model::File;
use super::world::World;

/// A load whose files are in the store.
pub struct Load {
    txn: TxnId,
    table: (u64, TableId),
    files: Vec<(u64, WrittenFile)>,
    label: Option<String>,
}

impl World {
    pub fn write_load(&mut self) -> &'static str {
        let Ok(Outcome::Txns { first: txn, .. }) = self.apply(Command::LeaseTxns { count: 1 }) else {
            self.problem = Some("a lease was refused".to_owned());
            return "lease";
        };
        let Some((database, name)) = self.any_table() else { return "no table to load" };
        let target = self.model.databases[&database].tables[&name].clone();
        let id = self.table_ids[&target.birth];
        let ids: Vec<PartitionId> = self.catalog.table(id).unwrap().partitions.clone();
        let mut files = Vec::new();
        for (partition, id) in target.partitions.values().zip(ids) {
            for _ in 0..self.rng.random_range(0..3) {
                let name = self.name("o");
                let object = format!("{}_{name}", self.catalog.identity().incarnation.short());
                self.store.objects.insert(object.clone());
                let runs = (0..self.rng.random_range(1..4))
                    .map(|bucket| {
                        let rows = self.rng.random_range(1..100);
                        WrittenRun { bucket, first_row_group: bucket, row_groups: 1, start: 4, end: 9, rows }
                    })
                    .collect();
                let (volume, sha256) = (self.volume, "aa".repeat(32));
                files.push((partition.birth, WrittenFile { partition: id, volume, object, size: 9, sha256, runs }));
            }
        }
        let label = self.chance(1, 3).then(|| format!("l{}", self.rng.random_range(0..4)));
        self.loads.push(Load { txn, table: (target.birth, id), files, label });
        "write load"
    }

    pub fn commit_load(&mut self) -> &'static str {
        let Some(at) = (0..self.loads.len()).choose(&mut self.rng) else { return "nothing to commit" };
        let Load { txn, table, files, label } = self.loads.swap_remove(at);
        let written: Vec<WrittenFile> = files.iter().map(|(_, file)| file.clone()).collect();
        let rows: u64 = written.iter().map(WrittenFile::rows).sum();
        let reply = self.apply(Command::CommitLoad { txn, table: table.1, label: label.clone(), files: written });
        let found = self.model.table(table.0).map(|(d, t)| (d.birth, t.clone()));
        let Some((database, target)) = found else {
            self.tally.count("stale load");
            self.expect(&reply, false);
            return "commit into a dropped table";
        };
        // Refused loads do not take their label.
        let mut trial = self.model.clone();
        let is_free = label.is_none_or(|label| trial.take_label(database, &label));
        let has_all = files.iter().all(|(birth, _)| target.partitions.values().any(|p| p.birth == *birth));
        if !is_free || !has_all {
            self.tally.count(if is_free { "stale load" } else { "label refused" });
            self.expect(&reply, false);
            return "refused commit";
        }
        self.model = trial;
        self.expect(&reply, true);
        if reply.is_ok_and(|outcome| outcome != Outcome::Committed { rows }) {
            self.problem = Some(format!("a commit of {rows} rows says something else"));
        }
        let created = self.model.revision;
        for (birth, file) in files {
            let rows = file.rows();
            self.model.files.insert(file.object.clone(), File { rows, created, removed: None, condemned: false });
            let tables = self.model.databases.values_mut().flat_map(|d| d.tables.values_mut());
            let partition = tables.flat_map(|t| t.partitions.values_mut()).find(|p| p.birth == birth).unwrap();
            partition.objects.insert(file.object);
        }
        self.tally.count("commit");
        "commit"
    }
}
