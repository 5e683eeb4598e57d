//! Databases, tables and partitions come and go.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::seq::IteratorRandom;
use storage_catalog::{Command, Outcome, PartitionDraft, TableDraft};
use storage_model::{
    Bound, Column, ColumnId, DataType, DefaultValue, Distribution, KeyModel, PartitionRange, Partitioning, Value,
};

use super::model::{Database, Dropped, Partition, Table};
use super::world::World;

pub(super) const DATABASES: u32 = 3;
pub(super) const TABLES: u32 = 5;
/// Partitions are of this width, and begin at multiples of it.
pub(super) const WIDTH: i64 = 10;

pub(super) fn partition_draft(name: &str, lower: i64) -> PartitionDraft {
    let at = |n: i64| Bound::At(vec![Value::Integer(n.into())]);
    let range = PartitionRange::between(at(lower), at(lower + WIDTH));
    PartitionDraft { name: name.to_owned(), range, buckets: 2 }
}

fn table_draft(name: &str, lowers: &BTreeSet<i64>) -> TableDraft {
    let (column, comment) = ("k".to_owned(), String::new());
    let data_type = DataType::BigInt;
    let column = Column {
        id: ColumnId(0),
        name: column,
        data_type,
        nullable: true,
        key: true,
        default: None,
        comment,
        initial: None,
        aggregation: None,
    };
    let default = Some(DefaultValue::AutoIncrement { next: 1 });
    let numbered = Column { name: "id".to_owned(), nullable: false, key: false, default, ..column.clone() };
    TableDraft {
        name: name.to_owned(),
        columns: vec![column, numbered],
        model: KeyModel::Duplicate,
        partitioning: Partitioning::Range { columns: vec![ColumnId(1)] },
        distribution: Distribution::Random,
        buckets_given: None,
        volume: None,
        comment: String::new(),
        properties: BTreeMap::new(),
        partitions: lowers.iter().map(|lower| partition_draft(&format!("p{lower}"), *lower)).collect(),
        sort_key: Vec::new(),
        indexes: Vec::new(),
    }
}

impl World {
    pub fn create_database(&mut self, name: &str) {
        let if_not_exists = self.chance(1, 2);
        let reply = self.apply(Command::CreateDatabase { name: name.to_owned(), volume: None, if_not_exists });
        let known = self.model.databases.contains_key(name);
        self.expect(&reply, !known || if_not_exists);
        if !known {
            let birth = self.model.birth();
            self.model.databases.insert(name.to_owned(), Database { birth, tables: BTreeMap::new() });
        }
    }

    pub fn change_databases(&mut self) -> &'static str {
        let name = format!("d{}", self.rng.random_range(0..DATABASES));
        if self.chance(2, 3) {
            self.create_database(&name);
            return "create database";
        }
        let (if_exists, force) = (self.chance(1, 2), self.chance(1, 2));
        let reply = self.apply(Command::DropDatabase { name: name.clone(), if_exists, force });
        let dropped = self.model.databases.remove(&name);
        self.expect(&reply, dropped.is_some() || if_exists);
        if let Some(database) = dropped {
            self.model.discard(Dropped::Database { name, database }, force);
        }
        "drop database"
    }

    pub fn make_table(&mut self) -> &'static str {
        let (database, name) =
            (format!("d{}", self.rng.random_range(0..DATABASES)), format!("t{}", self.rng.random_range(0..TABLES)));
        let mut lowers = BTreeSet::new();
        for _ in 0..self.rng.random_range(1..4) {
            lowers.insert(self.rng.random_range(0..6) * WIDTH);
        }
        let if_not_exists = self.chance(1, 2);
        let draft = table_draft(&name, &lowers);
        let reply = self.apply(Command::CreateTable { database: database.clone(), draft, if_not_exists });
        let Some(known) = self.model.databases.get(&database).map(|d| d.tables.contains_key(&name)) else {
            self.expect(&reply, false);
            return "create table";
        };
        self.expect(&reply, !known || if_not_exists);
        if let (false, Ok(Outcome::Table(id))) = (known, reply) {
            let birth = self.model.birth();
            let mut table = Table { birth, next_id: 1, partitions: BTreeMap::new() };
            for lower in lowers {
                table.partitions.insert(lower, self.new_partition(&format!("p{lower}"), lower));
            }
            self.table_ids.insert(birth, id);
            self.model.databases.get_mut(&database).unwrap().tables.insert(name, table);
        }
        "create table"
    }

    pub(super) fn new_partition(&mut self, name: &str, lower: i64) -> Partition {
        let (birth, name) = (self.model.birth(), name.to_owned());
        Partition { birth, name, upper: lower + WIDTH, version: 1, objects: BTreeSet::new() }
    }

    /// A frontend leases numbers, and uses them or not.
    pub fn lease_ids(&mut self) -> &'static str {
        let Some((database, name)) = self.any_table() else { return "no table to number" };
        let table = &self.model.databases[&database].tables[&name];
        let (birth, next) = (table.birth, table.next_id);
        let count = self.rng.random_range(1..1000);
        let reply = self.apply(Command::LeaseIds { table: self.table_ids[&birth], count });
        self.expect(&reply, true);
        if self.problem.is_none() && reply != Ok(Outcome::Ids { first: next, count }) {
            self.problem = Some(format!("{database}.{name} leases from {next}, the catalog says {reply:?}"));
        }
        let database = self.model.databases.get_mut(&database).unwrap();
        database.tables.get_mut(&name).unwrap().next_id += count;
        self.tally.count("numbers leased");
        "lease numbers"
    }

    pub fn drop_table(&mut self) -> &'static str {
        let (database, table) = match self.any_table() {
            Some(found) if self.chance(9, 10) => found,
            _ => ("d0".to_owned(), "nothing".to_owned()),
        };
        let (if_exists, force) = (self.chance(1, 2), self.chance(1, 2));
        let reply =
            self.apply(Command::DropTable { database: database.clone(), table: table.clone(), if_exists, force });
        let found = self.model.databases.get_mut(&database);
        let dropped = found.and_then(|d| Some((d.birth, d.tables.remove(&table)?)));
        self.expect(&reply, dropped.is_some() || if_exists);
        if let Some((database, dropped)) = dropped {
            self.tally.count("table dropped");
            self.model.discard(Dropped::Table { database, name: table, table: dropped }, force);
        }
        "drop table"
    }

    pub fn truncate(&mut self) -> &'static str {
        let Some((database, table)) = self.any_table() else { return "truncate nothing" };
        let target = self.model.databases[&database].tables[&table].clone();
        let mut chosen: BTreeSet<i64> = BTreeSet::new();
        if self.chance(1, 2) {
            chosen.extend(target.partitions.keys().copied().choose(&mut self.rng));
        }
        let partitions = chosen.iter().map(|lower| target.partitions[lower].name.to_uppercase()).collect();
        let reply = self.apply(Command::TruncateTable { database: database.clone(), table: table.clone(), partitions });
        self.expect(&reply, true);
        for (lower, old) in target.partitions {
            if !chosen.is_empty() && !chosen.contains(&lower) {
                continue;
            }
            let fresh = self.new_partition(&old.name, lower);
            self.model
                .databases
                .get_mut(&database)
                .unwrap()
                .tables
                .get_mut(&table)
                .unwrap()
                .partitions
                .insert(lower, fresh);
            self.model.end_lives(old.objects);
        }
        self.tally.count("truncate");
        "truncate"
    }

    pub fn change_partitions(&mut self) -> &'static str {
        let Some((database, table)) = self.any_table() else { return "no table to partition" };
        let partitions = self.model.databases[&database].tables[&table].partitions.clone();
        let lower = match partitions.keys().choose(&mut self.rng) {
            Some(lower) if self.chance(1, 2) => *lower,
            _ => self.rng.random_range(0..12) * (WIDTH / 2),
        };
        let name = format!("p{lower}");
        let named = partitions.iter().find(|(_, p)| p.name.eq_ignore_ascii_case(&name)).map(|(at, p)| (*at, p.clone()));
        if self.chance(1, 2) {
            let if_not_exists = self.chance(1, 2);
            let draft = partition_draft(&name, lower);
            let command =
                Command::AddPartition { database: database.clone(), table: table.clone(), draft, if_not_exists };
            let reply = self.apply(command);
            let overlaps = partitions.iter().any(|(at, p)| *at < lower + WIDTH && lower < p.upper);
            self.expect(&reply, if named.is_some() { if_not_exists } else { !overlaps });
            if named.is_none() && !overlaps {
                let fresh = self.new_partition(&name, lower);
                let tables = &mut self.model.databases.get_mut(&database).unwrap().tables;
                tables.get_mut(&table).unwrap().partitions.insert(lower, fresh);
            }
            return "add partition";
        }
        let (if_exists, force) = (self.chance(1, 2), self.chance(1, 2));
        let reply = self.apply(Command::DropPartition {
            database: database.clone(),
            table: table.clone(),
            partition: name,
            if_exists,
            force,
        });
        self.expect(&reply, named.is_some() || if_exists);
        if let Some((at, partition)) = named {
            let table = self.model.databases.get_mut(&database).unwrap().tables.get_mut(&table).unwrap();
            table.partitions.remove(&at);
            let (table, lower) = (table.birth, at);
            self.model.discard(Dropped::Partition { table, lower, partition }, force);
        }
        "drop partition"
    }
}
