//! New names and comments. What has the name keeps its id, and with it its rows, its labels and the loads that run.

use std::sync::Arc;

use storage_model::{Partitioning, Table};

use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply};

impl Catalog {
    pub(super) fn rename_database(&mut self, name: &str, new_name: &str) -> Reply {
        let id = self.find_database(name)?;
        if name == new_name {
            return rule("Same database name".to_owned());
        }
        if self.database_names.contains_key(new_name) {
            return rule(format!("Database name[{new_name}] is already used"));
        }
        if let Some(database) = self.databases.get_mut(&id) {
            new_name.clone_into(&mut Arc::make_mut(database).name);
        }
        self.database_names.remove(name);
        self.database_names.insert(new_name.to_owned(), id);
        Ok(Outcome::Done)
    }

    pub(super) fn rename_table(&mut self, database: &str, name: &str, new_name: &str) -> Reply {
        let table = self.find_table(database, name)?;
        if name == new_name {
            return rule("Same table name".to_owned());
        }
        if self.table_names.contains_key(&(table.database, new_name.to_owned())) {
            return rule(format!("Table name[{new_name}] is already used"));
        }
        self.table_names.remove(&(table.database, name.to_owned()));
        self.name_table(&table, new_name);
        Ok(Outcome::Done)
    }

    /// Each table gets the name of the other, and nothing else changes.
    pub(super) fn swap_tables(&mut self, database: &str, name: &str, other: &str) -> Reply {
        let table = self.find_table(database, name)?;
        if name == other {
            return rule("Same table name".to_owned());
        }
        let Some(other) = self.table_by_name(table.database, other).cloned() else {
            return rule(format!("Table {other} does not exist or is not OLAP/LAKE table"));
        };
        self.name_table(&table, &other.name);
        self.name_table(&other, &table.name);
        Ok(Outcome::Done)
    }

    pub(super) fn rename_partition(&mut self, database: &str, table: &str, name: &str, new_name: &str) -> Reply {
        let table = self.find_table(database, table)?;
        if matches!(table.partitioning, Partitioning::Unpartitioned) {
            let table = &table.name;
            return rule(format!("Table[{table}] is single partitioned. no need to rename partition name."));
        }
        let id = self.find_partition(&table, name)?.id;
        if name.eq_ignore_ascii_case(new_name) {
            return rule("Same partition name".to_owned());
        }
        if self.find_partition(&table, new_name).is_ok() {
            return rule(format!("Partition name[{new_name}] is already used"));
        }
        if let Some(partition) = self.partitions.get_mut(&id) {
            new_name.clone_into(&mut Arc::make_mut(partition).name);
        }
        Ok(Outcome::Done)
    }

    pub(super) fn comment_table(&mut self, database: &str, table: &str, comment: &str) -> Reply {
        let table = self.find_table(database, table)?;
        let commented = Table { comment: comment.to_owned(), ..table.as_ref().clone() };
        self.tables.insert(table.id, Arc::new(commented));
        Ok(Outcome::Done)
    }

    /// The table is found by this name, whoever had it before; the one partition of an unpartitioned table is named like it.
    fn name_table(&mut self, table: &Table, name: &str) {
        if matches!(table.partitioning, Partitioning::Unpartitioned) {
            for id in &table.partitions {
                if let Some(partition) = self.partitions.get_mut(id) {
                    name.clone_into(&mut Arc::make_mut(partition).name);
                }
            }
        }
        self.table_names.insert((table.database, name.to_owned()), table.id);
        self.tables.insert(table.id, Arc::new(Table { name: name.to_owned(), ..table.clone() }));
    }
}

fn rule(text: String) -> Reply {
    Err(Rejection::NameRule(text))
}
