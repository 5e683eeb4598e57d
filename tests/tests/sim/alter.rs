//! Jobs that write tables anew: begun, overtaken by loads, finished or given up. What was planned for the old partitions is lost.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use storage_catalog::{Command, Outcome};
use storage_model::{
    AlterEvent, AlterKind, Distribution, JobId, PartitionId, RewrittenPart, RewrittenPartition, TableId, TxnId,
};

use super::model::{Dropped, File, Partition};
use super::world::World;

/// What was written, by the objects that it was made from.
type Made = BTreeMap<BTreeSet<String>, (String, u64)>;

impl World {
    pub fn alter(&mut self) -> &'static str {
        let Some((database, name)) = self.any_table() else { return "no table to alter" };
        let birth = self.model.databases[&database].tables[&name].birth;
        let id = self.table_ids[&birth];
        let buckets = self.rng.random_range(1..6);
        let reply = self.apply(Command::AlterDistribution {
            database: database.clone(),
            table: name.clone(),
            partitions: Vec::new(),
            distribution: Distribution::Random,
            buckets_given: None,
            buckets,
        });
        self.expect(&reply, true);
        let Ok(Outcome::Job(job)) = reply else { return "alter" };
        for event in [AlterEvent::Begin, AlterEvent::Start] {
            let reply = self.apply(Command::AlterJobEvent { job, event });
            self.expect(&reply, true);
        }
        // The job has a transaction of its own.
        self.model.next_txn += 1;
        let truncate =
            Command::TruncateTable { database: database.clone(), table: name.clone(), partitions: Vec::new() };
        let reply = self.apply(truncate);
        self.expect(&reply, false);
        let Some((partitions, made)) = self.write_anew(id, job) else { return "lease" };
        if self.chance(1, 5) {
            return self.give_up(database, name);
        }
        let before = self.versions(&database, &name);
        self.commit_load();
        let (mut partitions, mut made) = (partitions, made);
        if self.versions(&database, &name) != before {
            let reply = self.apply(Command::FinishAlter { job, partitions });
            self.expect(&reply, false);
            self.tally.count("job overtaken");
            let Some(again) = self.write_anew(id, job) else { return "lease" };
            (partitions, made) = again;
        }
        let reply = self.apply(Command::AlterJobEvent { job, event: AlterEvent::Hold });
        self.expect(&reply, true);
        let reply = self.apply(Command::FinishAlter { job, partitions });
        self.expect(&reply, true);
        if reply.is_ok() {
            self.become_another(&database, &name, &made);
            self.tally.count("job finished");
        }
        "alter"
    }

    fn give_up(&mut self, database: String, table: String) -> &'static str {
        let kind = AlterKind::Distribution;
        let reply = self.apply(Command::CancelAlter { database, table, kind, jobs: Vec::new() });
        self.expect(&reply, true);
        self.tally.count("job cancelled");
        "job cancelled"
    }

    /// Of a partition without rows every version is the same.
    fn versions(&self, database: &str, name: &str) -> Vec<(u64, u64)> {
        let table = &self.model.databases[database].tables[name];
        let version = |p: &Partition| if p.objects.is_empty() { 0 } else { p.version };
        table.partitions.values().map(|partition| (partition.birth, version(partition))).collect()
    }

    /// One file for each partition that has rows, those of the recycle bin too.
    fn write_anew(&mut self, table: TableId, job: JobId) -> Option<(Vec<RewrittenPartition>, Made)> {
        let found = self.catalog.table(table).unwrap().clone();
        let target = self.catalog.alter_job(job).unwrap().target.clone().unwrap();
        let all: Vec<_> = self.catalog.partitions_to_alter(&found, &target).cloned().collect();
        let (mut rewritten, mut made) = (Vec::new(), Made::new());
        for partition in all.into_iter().filter(|partition| !partition.rowsets.is_empty()) {
            let txn = self.lease_txn()?;
            let object = |id| self.catalog.file(id).unwrap().object.to_string();
            let old: BTreeSet<String> = partition.rowsets.iter().map(|rowset| object(rowset.file)).collect();
            let part = self.part(partition.id, partition.rows(), txn);
            made.insert(old, (part.files[0].object.clone(), partition.rows()));
            let (id, base) = (partition.id, partition.visible_version);
            rewritten.push(RewrittenPartition { partition: id, base, parts: vec![part] });
        }
        Some((rewritten, made))
    }

    fn part(&mut self, partition: PartitionId, rows: u64, txn: TxnId) -> RewrittenPart {
        let mut file = self.write_file(partition);
        file.runs.truncate(1);
        file.runs[0].rows = rows;
        RewrittenPart { txn, files: vec![file] }
    }

    /// Every partition is another one, with the same rows in other files.
    fn become_another(&mut self, database: &str, name: &str, made: &Made) {
        let created = self.model.revision;
        let birth = self.model.databases[database].tables[name].birth;
        let mut births = self.model.births;
        let mut ended = BTreeSet::new();
        let mut renew = |partition: &mut Partition| {
            births += 1;
            partition.birth = births;
            partition.version += 1;
            if let Some((object, _)) = made.get(&partition.objects) {
                ended.extend(std::mem::replace(&mut partition.objects, BTreeSet::from([object.clone()])));
            }
        };
        let table = self.model.databases.get_mut(database).unwrap().tables.get_mut(name).unwrap();
        table.partitions.values_mut().for_each(&mut renew);
        for trash in &mut self.model.trash {
            match &mut trash.what {
                Dropped::Partition { table, partition, .. } if *table == birth => renew(partition),
                _ => {}
            }
        }
        self.model.births = births;
        for (object, rows) in made.values() {
            let file = File { rows: *rows, created, removed: None, condemned: false };
            self.model.files.insert(object.clone(), file);
        }
        self.model.end_lives(ended);
    }
}
