//! CREATE and DROP DATABASE.

use std::sync::Arc;

use storage_model::{DatabaseId, PartitionId, Table, View, VolumeId};

use crate::catalog::{Catalog, Database, Trash};
use crate::command::{Outcome, Rejection, Reply};

impl Catalog {
    pub(super) fn create_database(&mut self, name: &str, volume: Option<&str>, if_not_exists: bool) -> Reply {
        if self.database_names.contains_key(name) {
            let exists = Err(Rejection::DatabaseExists(name.to_owned()));
            return if if_not_exists { Ok(Outcome::Nothing) } else { exists };
        }
        let volume = volume.map(|v| self.usable_volume(v)).transpose()?;
        let id = DatabaseId(self.draw_id());
        let created_at = self.header.clock;
        self.databases.insert(id, Arc::new(Database { id, name: name.to_owned(), volume, created_at }));
        self.database_names.insert(name.to_owned(), id);
        Ok(Outcome::Database(id))
    }

    pub(super) fn drop_database(&mut self, name: &str, if_exists: bool, force: bool) -> Reply {
        let Some(id) = self.database_names.remove(name) else {
            let missing = Err(Rejection::NoDatabaseToDrop(name.to_owned()));
            return if if_exists { Ok(Outcome::Nothing) } else { missing };
        };
        let tables: Vec<_> = self.tables_of(id).cloned().collect();
        for table in &tables {
            self.table_names.remove(&(id, table.name.clone()));
            self.tables.remove(&table.id);
        }
        let views: Vec<_> = self.views_of(id).cloned().collect();
        for view in &views {
            self.table_names.remove(&(id, view.name.clone()));
            self.views.remove(&view.id);
        }
        let database = self.databases.remove(&id).map(|d| d.as_ref().clone());
        self.discard(database, tables, Vec::new(), views, force);
        Ok(Outcome::Done)
    }

    /// Into the recycle bin, or with `force` away for good.
    pub(super) fn discard(
        &mut self,
        database: Option<Database>,
        tables: Vec<Arc<Table>>,
        partitions: Vec<PartitionId>,
        views: Vec<Arc<View>>,
        force: bool,
    ) {
        let (dropped_at, dropped_uptime) = (self.header.clock, self.header.uptime);
        let mut trash = Trash { id: 0, dropped_at, dropped_uptime, database, tables, partitions, views };
        if force {
            self.erase_partitions(trash.all_partitions().collect::<Vec<_>>());
        } else {
            trash.id = self.draw_id();
            self.trash.insert(trash.id, Arc::new(trash));
        }
    }

    /// A volume that new data may go to.
    pub(super) fn usable_volume(&self, name: &str) -> Result<VolumeId, Rejection> {
        let volume = self.volume_by_name(name).ok_or_else(|| Rejection::UnknownVolume(name.to_owned()))?;
        if volume.enabled { Ok(volume.id) } else { Err(Rejection::VolumeDisabled(name.to_owned())) }
    }
}
