//! Loads: written at one time, committed at another, or never. Some of them take the place of what is there.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::seq::IteratorRandom;
use storage_catalog::{Command, Outcome, Rejection, ReplacedPartition, TransactionLoad};
use storage_model::file::WrittenRun;
use storage_model::{PartitionId, Superseded, TableId, TxnId, WrittenFile};

use super::model::{File, Table};
use super::world::World;

/// A load whose files are in the store.
pub struct Load {
    txn: TxnId,
    table: (u64, TableId),
    files: Vec<(u64, WrittenFile)>,
    label: Option<String>,
    /// Partitions by their births whose rows give way; None: rows are added.
    replaces: Option<BTreeMap<u64, ReplacedPartition>>,
    /// Whether those rows stay below the new ones: an UPDATE.
    updates: bool,
}

impl Load {
    fn command(&self) -> Command {
        let (txn, table, label) = (self.txn, self.table.1, self.label.clone());
        let files = self.files.iter().map(|(_, file)| file.clone()).collect();
        match &self.replaces {
            Some(replaced) => {
                let partitions = replaced.values().cloned().collect();
                if self.updates {
                    return Command::UpdateRows { txn, table, partitions, files, superseded: Superseded::default() };
                }
                Command::ReplaceRows { txn, table, label, partitions, files, superseded: Superseded::default() }
            }
            None => Command::CommitLoad { txn, table, label, files, superseded: Superseded::default() },
        }
    }

    /// The same as one of several.
    fn in_transaction(&self) -> TransactionLoad {
        TransactionLoad {
            txn: self.txn,
            table: self.table.1,
            files: self.files.iter().map(|(_, file)| file.clone()).collect(),
            partitions: self.replaces.iter().flat_map(BTreeMap::values).cloned().collect(),
            replaces: self.replaces.is_some() && !self.updates,
        }
    }

    /// Whether all that it names is as it was, as far as it minds.
    fn is_fresh(&self, target: &Table, txn_floor: u64) -> bool {
        let version = |birth: u64| target.partitions.values().find(|p| p.birth == birth).map(|p| p.version);
        let replaced = self.replaces.iter().flatten();
        self.txn.0 >= txn_floor
            && self.files.iter().all(|(birth, _)| version(*birth).is_some())
            && replaced.into_iter().all(|(birth, replaced)| {
                version(*birth).is_some_and(|found| replaced.base.is_none_or(|base| base == found))
            })
    }
}

impl World {
    pub fn lease_txn(&mut self) -> Option<TxnId> {
        match self.apply(Command::LeaseTxns { count: 1 }) {
            Ok(Outcome::Txns { first, .. }) => {
                self.model.next_txn = first.0 + 1;
                Some(first)
            }
            _ => {
                self.problem = Some("a lease was refused".to_owned());
                None
            }
        }
    }

    /// Loads that take long are given up, and their objects are swept: what was committed is known by then.
    pub fn sweep_orphans(&mut self) -> &'static str {
        let next = self.model.next_txn;
        let below = self.rng.random_range(next.saturating_sub(12)..next + 5);
        let reply = self.apply(Command::GiveUpTxns { below });
        self.expect(&reply, true);
        self.model.txn_floor = self.model.txn_floor.max(below.min(next));
        let floor = self.model.txn_floor;
        let late = self.loads.iter().filter(|load| load.txn.0 < floor).flat_map(|load| &load.files);
        let late = late.map(|(_, file)| file.object.clone());
        let late: Vec<String> = late.chain(self.compactions.iter().filter_map(|c| c.orphan_below(floor))).collect();
        for object in late {
            if !self.catalog.has_object(&object) {
                self.store.objects.remove(&object);
                self.tally.count("orphan");
            }
        }
        "sweep orphans"
    }

    pub fn write_load(&mut self) -> &'static str {
        let Some(txn) = self.lease_txn() else { return "lease" };
        let Some((database, name)) = self.any_table() else { return "no table to load" };
        let target = self.model.databases[&database].tables[&name].clone();
        let id = self.table_ids[&target.birth];
        let ids: Vec<PartitionId> = self.catalog.table(id).unwrap().partitions.clone();
        let (replaces, minds) = (self.chance(1, 3), self.chance(1, 2));
        let (mut files, mut replaced) = (Vec::new(), BTreeMap::new());
        for (partition, id) in target.partitions.values().zip(ids) {
            if replaces && self.chance(1, 3) {
                continue;
            }
            let base = minds.then_some(partition.version);
            replaced.insert(partition.birth, ReplacedPartition { partition: id, base });
            for _ in 0..self.rng.random_range(0..3) {
                files.push((partition.birth, self.write_file(id)));
            }
        }
        let updates = replaces && self.chance(1, 3);
        let has_label = !updates && self.chance(1, 3);
        let label = has_label.then(|| format!("l{}", self.rng.random_range(0..4)));
        let replaces = replaces.then_some(replaced);
        self.loads.push(Load { txn, table: (target.birth, id), files, label, replaces, updates });
        "write load"
    }

    pub fn write_file(&mut self, partition: PartitionId) -> WrittenFile {
        let name = self.name("o");
        let object = format!("{}_{name}", self.catalog.identity().incarnation.short());
        self.store.objects.insert(object.clone());
        let runs = (0..self.rng.random_range(1..4))
            .map(|bucket| {
                let rows = self.rng.random_range(1..100);
                WrittenRun { bucket, first_row_group: bucket, row_groups: 1, start: 4, end: 9, rows, index: None }
            })
            .collect();
        WrittenFile {
            partition,
            volume: self.volume,
            object,
            size: 9,
            sha256: "aa".repeat(32),
            runs,
            statistics: Vec::new(),
        }
    }

    pub fn commit_load(&mut self) -> &'static str {
        let Some(at) = (0..self.loads.len()).choose(&mut self.rng) else { return "nothing to commit" };
        let load = self.loads.swap_remove(at);
        let reply = self.apply(load.command());
        let found = self.model.table(load.table.0).map(|(d, t)| (d.birth, t.clone()));
        let Some((database, target)) = found else {
            self.tally.count("stale load");
            self.expect(&reply, false);
            return "commit into a dropped table";
        };
        // Refused loads do not take their label.
        let mut trial = self.model.clone();
        let is_free = load.label.as_ref().is_none_or(|label| trial.take_label(database, label));
        if !is_free || !load.is_fresh(&target, self.model.txn_floor) {
            self.tally.count(match (is_free, load.replaces.is_some()) {
                (false, _) => "label refused",
                (true, false) => "stale load",
                (true, true) => "stale replacement",
            });
            self.expect(&reply, false);
            return "refused commit";
        }
        self.model = trial;
        self.expect(&reply, true);
        self.committed(vec![load], &reply);
        "commit"
    }

    /// COMMIT of a transaction: all of some loads, or none.
    pub fn commit_together(&mut self) -> &'static str {
        let count = self.rng.random_range(2..4);
        if self.loads.len() < count {
            return "too few loads for a transaction";
        }
        let mut loads = Vec::new();
        for _ in 0..count {
            let at = self.rng.random_range(0..self.loads.len());
            loads.push(Load { label: None, ..self.loads.swap_remove(at) });
        }
        let command = Command::CommitTransaction {
            label: None,
            loads: loads.iter().map(Load::in_transaction).collect(),
            superseded: Superseded::default(),
        };
        let reply = self.apply(command);
        let is_fresh = self.are_fresh_together(&loads);
        self.expect(&reply, is_fresh);
        if !is_fresh {
            self.tally.count("transaction refused");
            return "refused transaction";
        }
        self.tally.count("transaction");
        self.committed(loads, &reply);
        "commit together"
    }

    /// What was made from rows of a table must be the first that changes it.
    fn are_fresh_together(&self, loads: &[Load]) -> bool {
        let mut changed = BTreeSet::new();
        loads.iter().all(|load| {
            let is_first = changed.insert(load.table.0);
            let minds = load.replaces.as_ref().is_some_and(|replaced| !replaced.is_empty());
            let target = self.model.table(load.table.0);
            (is_first || !minds) && target.is_some_and(|(_, target)| load.is_fresh(target, self.model.txn_floor))
        })
    }

    /// The loads are true now.
    fn committed(&mut self, loads: Vec<Load>, reply: &Result<Outcome, Rejection>) {
        let rows: u64 = loads.iter().flat_map(|load| &load.files).map(|(_, file)| file.rows()).sum();
        if reply.as_ref().is_ok_and(|outcome| *outcome != Outcome::Committed { rows }) {
            self.problem = Some(format!("a commit of {rows} rows says something else"));
        }
        let mut touched: BTreeSet<u64> = BTreeSet::new();
        for load in loads {
            touched.extend(load.files.iter().map(|(birth, _)| *birth));
            self.tally.count(match &load.replaces {
                Some(_) if load.updates => "update",
                Some(_) if load.files.is_empty() => "replaced with nothing",
                Some(_) => "replacement",
                None => "commit",
            });
            for birth in load.replaces.iter().filter(|_| !load.updates).flat_map(BTreeMap::keys) {
                let gone = std::mem::take(&mut self.model.partition_mut(*birth).unwrap().objects);
                self.model.end_lives(gone);
                touched.insert(*birth);
            }
            let created = self.model.revision;
            for (birth, file) in load.files {
                let rows = file.rows();
                self.model.files.insert(file.object.clone(), File { rows, created, removed: None, condemned: false });
                self.model.partition_mut(birth).unwrap().objects.insert(file.object);
            }
        }
        for birth in touched {
            self.model.partition_mut(birth).unwrap().version += 1;
        }
    }
}
