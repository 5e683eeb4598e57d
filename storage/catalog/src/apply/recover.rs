//! RECOVER: out of the recycle bin and back to where it was dropped, with its id and its rows. Of several that had the name,
//! the one that was dropped last.

use std::sync::Arc;

use storage_model::{DatabaseId, Partition, Table};

use crate::catalog::{Catalog, Trash};
use crate::command::{Outcome, Rejection, Reply};

impl Catalog {
    pub(super) fn recover_database(&mut self, name: &str) -> Reply {
        if self.database_names.contains_key(name) {
            return Err(Rejection::NameRule(format!("Database[{name}] already exist.")));
        }
        let dropped = |trash: &Arc<Trash>| {
            let database = trash.database.as_ref().filter(|database| database.name == name)?;
            Some((Arc::clone(trash), database.clone()))
        };
        let found = self.trash.values().rev().find_map(dropped);
        let (trash, mut database) = found.ok_or_else(|| Rejection::UnknownDatabase(name.to_owned()))?;
        self.trash.remove(&trash.id);
        // The recycle bin keeps volumes that tables name, but not one that only the database does.
        database.volume = database.volume.filter(|volume| self.volumes.contains_key(volume));
        self.database_names.insert(database.name.clone(), database.id);
        self.databases.insert(database.id, Arc::new(database));
        trash.tables.iter().for_each(|table| self.bring_back(table));
        for view in &trash.views {
            self.table_names.insert((view.database, view.name.clone()), view.id);
            self.views.insert(view.id, Arc::clone(view));
        }
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    pub(super) fn recover_table(&mut self, database: &str, name: &str) -> Reply {
        let db = self.find_database(database)?;
        if self.table_names.contains_key(&(db, name.to_owned())) {
            return Err(Rejection::TableExists(name.to_owned()));
        }
        let (trash, table) =
            self.dropped_table(db, name).ok_or_else(|| Rejection::UnknownTable(format!("{database}.{name}")))?;
        self.take_out(trash, |trash| trash.tables.retain(|other| other.id != table.id));
        self.bring_back(&table);
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    pub(super) fn recover_partition(&mut self, database: &str, table: &str, name: &str) -> Reply {
        let old = self.find_table(database, table)?;
        let rule = |text: String| Err(Rejection::NameRule(text));
        if self.find_partition(&old, name).is_ok() {
            return rule(format!("partition[{name}] already exist in table[{table}]"));
        }
        let Some((trash, partition)) = self.dropped_partition(&old, name) else {
            return rule(format!("No partition named '{name}' in recycle bin that belongs to table '{table}'"));
        };
        if old.partitioning.is_list() {
            return rule("Does not support recover list partition".to_owned());
        }
        let Some(at) = self.place_among(&old, &partition.range) else {
            return rule(format!("Can not recover partition[{name}]. Range conflict."));
        };
        let id = partition.id;
        let mut recovered = old.as_ref().clone();
        recovered.partitions.insert(at, id);
        self.take_out(trash, |trash| trash.partitions.retain(|other| *other != id));
        self.tables.insert(recovered.id, Arc::new(recovered));
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    /// The table of this name that was dropped last, and where in the recycle bin it is.
    fn dropped_table(&self, database: DatabaseId, name: &str) -> Option<(u64, Arc<Table>)> {
        let is_it = |table: &&Arc<Table>| table.database == database && table.name == name;
        self.trash.values().rev().find_map(|trash| Some((trash.id, Arc::clone(trash.tables.iter().find(is_it)?))))
    }

    /// The partition of this name that was dropped last from the table, and where in the recycle bin it is.
    fn dropped_partition(&self, table: &Table, name: &str) -> Option<(u64, Arc<Partition>)> {
        let is_it = |p: &&Arc<Partition>| p.table == table.id && p.name.eq_ignore_ascii_case(name);
        self.trash.values().rev().find_map(|trash| {
            let mut partitions = trash.partitions.iter().filter_map(|id| self.partitions.get(id));
            Some((trash.id, Arc::clone(partitions.find(is_it)?)))
        })
    }

    /// Takes something out of what was dropped together; of what is empty then, nothing stays.
    fn take_out(&mut self, id: u64, take: impl FnOnce(&mut Trash)) {
        let Some(trash) = self.trash.get_mut(&id) else { return };
        let trash = Arc::make_mut(trash);
        take(trash);
        if trash.database.is_none() && trash.tables.is_empty() && trash.partitions.is_empty() {
            self.trash.remove(&id);
        }
    }

    fn bring_back(&mut self, table: &Arc<Table>) {
        self.table_names.insert((table.database, table.name.clone()), table.id);
        self.tables.insert(table.id, Arc::clone(table));
    }
}
