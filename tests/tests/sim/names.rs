//! Names change, and what was dropped comes back under the name that it had.

use rand::Rng;
use rand::seq::IteratorRandom;
use storage_catalog::Command;

use super::model::{Dropped, Table};
use super::schema::{DATABASES, TABLES, WIDTH, partition_draft};
use super::world::World;

impl World {
    fn any_database_name(&mut self) -> String {
        format!("d{}", self.rng.random_range(0..DATABASES))
    }

    fn any_table_name(&mut self) -> String {
        format!("t{}", self.rng.random_range(0..TABLES))
    }

    fn table_mut(&mut self, database: &str, table: &str) -> &mut Table {
        self.model.databases.get_mut(database).unwrap().tables.get_mut(table).unwrap()
    }

    pub fn rename(&mut self) -> &'static str {
        match self.rng.random_range(0..4) {
            0 => self.rename_database(),
            1 => self.rename_table(),
            2 => self.swap_tables(),
            _ => self.rename_partition(),
        }
    }

    fn rename_database(&mut self) -> &'static str {
        let (name, new_name) = (self.any_database_name(), self.any_database_name());
        let reply = self.apply(Command::RenameDatabase { name: name.clone(), new_name: new_name.clone() });
        let databases = &mut self.model.databases;
        let taken = databases.contains_key(&name) && !databases.contains_key(&new_name);
        if taken && let Some(database) = databases.remove(&name) {
            databases.insert(new_name, database);
            self.tally.count("database renamed");
        }
        self.expect(&reply, taken);
        "rename database"
    }

    fn rename_table(&mut self) -> &'static str {
        let Some((database, table)) = self.any_table() else { return "no table to rename" };
        let new_name = self.any_table_name();
        let command =
            Command::RenameTable { database: database.clone(), table: table.clone(), new_name: new_name.clone() };
        let reply = self.apply(command);
        let tables = &mut self.model.databases.get_mut(&database).unwrap().tables;
        let taken = !tables.contains_key(&new_name);
        if taken && let Some(renamed) = tables.remove(&table) {
            tables.insert(new_name, renamed);
            self.tally.count("table renamed");
        }
        self.expect(&reply, taken);
        "rename table"
    }

    fn swap_tables(&mut self) -> &'static str {
        let Some((database, table)) = self.any_table() else { return "no table to swap" };
        let beside = self.model.databases[&database].tables.keys().filter(|name| **name != table).cloned();
        let other = beside.choose(&mut self.rng).unwrap_or_else(|| self.any_table_name());
        let command = Command::SwapTables { database: database.clone(), table: table.clone(), other: other.clone() };
        let reply = self.apply(command);
        let tables = &mut self.model.databases.get_mut(&database).unwrap().tables;
        let taken = other != table && tables.contains_key(&other);
        if taken && let (Some(one), Some(two)) = (tables.remove(&table), tables.remove(&other)) {
            tables.extend([(table, two), (other, one)]);
            self.tally.count("tables swapped");
        }
        self.expect(&reply, taken);
        "swap tables"
    }

    fn rename_partition(&mut self) -> &'static str {
        let Some((database, table)) = self.any_table() else { return "no partition to rename" };
        let mut name = || format!("p{}", self.rng.random_range(0..12) * (WIDTH / 2));
        let (partition, new_name) = (name(), name().to_uppercase());
        let (name, to) = (partition.clone(), new_name.clone());
        let command =
            Command::RenamePartition { database: database.clone(), table: table.clone(), partition, new_name };
        let reply = self.apply(command);
        let target = self.table_mut(&database, &table);
        // Its own name in capital letters is no other name.
        let found = target.partition_named(&name).filter(|_| target.partition_named(&to).is_none());
        if let Some(partition) = found.and_then(|at| target.partitions.get_mut(&at)) {
            partition.name = to;
        }
        self.expect(&reply, found.is_some());
        "rename partition"
    }

    pub fn recover(&mut self) -> &'static str {
        match self.rng.random_range(0..5) {
            0 | 1 => self.recover_database(),
            2 => self.recover_table(),
            _ => self.recover_partition(),
        }
    }

    fn recover_database(&mut self) -> &'static str {
        let in_bin = self.model.trash.iter().filter_map(|trash| match &trash.what {
            Dropped::Database { name, .. } => Some(name.clone()),
            _ => None,
        });
        let wanted = in_bin.choose(&mut self.rng).unwrap_or_else(|| "d1".to_owned());
        let reply = self.apply(Command::RecoverDatabase { name: wanted.clone() });
        let is_free = !self.model.databases.contains_key(&wanted);
        let is_it = |what: &Dropped| matches!(what, Dropped::Database { name, .. } if *name == wanted);
        let back = if is_free { self.model.take_back(is_it) } else { None };
        self.expect(&reply, back.is_some());
        if let Some(Dropped::Database { name, database }) = back {
            self.model.databases.insert(name, database);
            self.tally.count("database recovered");
        }
        "recover database"
    }

    fn recover_table(&mut self) -> &'static str {
        let in_bin = self.model.trash.iter().filter_map(|trash| match &trash.what {
            Dropped::Table { database, name, .. } => Some((*database, name.clone())),
            _ => None,
        });
        let chosen = in_bin.choose(&mut self.rng);
        let owner = |birth: u64| self.model.databases.iter().find(|(_, d)| d.birth == birth);
        let found = chosen.and_then(|(birth, name)| owner(birth).map(|(database, _)| (database.clone(), name)));
        let (database, wanted) = found.unwrap_or_else(|| (self.any_database_name(), self.any_table_name()));
        let reply = self.apply(Command::RecoverTable { database: database.clone(), table: wanted.clone() });
        let found = self.model.databases.get(&database).filter(|d| !d.tables.contains_key(&wanted)).map(|d| d.birth);
        let is_it = |birth: u64, what: &Dropped| matches!(what, Dropped::Table { database, name, .. } if *database == birth && *name == wanted);
        let back = found.and_then(|birth| self.model.take_back(|what| is_it(birth, what)));
        self.expect(&reply, back.is_some());
        if let Some(Dropped::Table { name, table, .. }) = back {
            self.model.databases.get_mut(&database).unwrap().tables.insert(name, table);
            self.tally.count("table recovered");
        }
        "recover table"
    }

    fn recover_partition(&mut self) -> &'static str {
        let in_bin = self.model.trash.iter().filter_map(|trash| match &trash.what {
            Dropped::Partition { table, partition, .. } => Some((*table, partition.name.clone())),
            _ => None,
        });
        let chosen = in_bin.choose(&mut self.rng);
        let owner = |birth: u64| self.model.tables().find(|(_, _, t)| t.birth == birth);
        let found = chosen.and_then(|(birth, name)| owner(birth).map(|(d, t, _)| (d.clone(), t.clone(), name)));
        let Some((database, table, wanted)) = found else { return "no partition to recover" };
        let (partition, target) = (wanted.to_uppercase(), self.model.databases[&database].tables[&table].clone());
        let command = Command::RecoverPartition { database: database.clone(), table: table.clone(), partition };
        let reply = self.apply(command);
        let is_it = |what: &Dropped| {
            matches!(what, Dropped::Partition { table, partition, .. }
                if *table == target.birth && partition.name.eq_ignore_ascii_case(&wanted))
        };
        // The newest of that name comes back or none: an older one may have had room.
        let newest = self.model.trash.iter().rev().find(|trash| is_it(&trash.what)).map(|trash| trash.what.clone());
        let has_room = match &newest {
            Some(Dropped::Partition { lower, partition, .. }) => target.has_room(*lower, partition.upper),
            _ => false,
        };
        let taken = has_room && target.partition_named(&wanted).is_none();
        self.expect(&reply, taken);
        if taken && let Some(Dropped::Partition { lower, partition, .. }) = self.model.take_back(is_it) {
            self.table_mut(&database, &table).partitions.insert(lower, partition);
            self.tally.count("partition recovered");
        }
        "recover partition"
    }

    pub fn add_partitions(&mut self) -> &'static str {
        let Some((database, table)) = self.any_table() else { return "no table to partition" };
        let first = self.rng.random_range(0..12) * (WIDTH / 2);
        let lowers: Vec<i64> = (0..self.rng.random_range(1..4)).map(|n| first + n * WIDTH).collect();
        let drafts = lowers.iter().map(|lower| partition_draft(&format!("p{lower}"), *lower)).collect();
        let reply = self.apply(Command::AddPartitions { database: database.clone(), table: table.clone(), drafts });
        let target = &self.model.databases[&database].tables[&table];
        let is_free = |lower: &i64| {
            target.partition_named(&format!("p{lower}")).is_none() && target.has_room(*lower, lower + WIDTH)
        };
        let taken = lowers.iter().all(is_free);
        self.expect(&reply, taken);
        for lower in lowers.into_iter().filter(|_| taken) {
            let fresh = self.new_partition(&format!("p{lower}"), lower);
            self.table_mut(&database, &table).partitions.insert(lower, fresh);
        }
        "add partitions"
    }
}
