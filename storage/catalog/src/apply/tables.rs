//! CREATE, DROP and TRUNCATE TABLE.

use std::collections::HashSet;
use std::sync::Arc;

use storage_model::{ColumnId, DatabaseId, PartitionId, Schema, Table, TableId, TxnId};

use crate::catalog::Catalog;
use crate::command::{Outcome, PartitionDraft, Rejection, Reply, TableDraft};

impl Catalog {
    pub(super) fn create_table(&mut self, database: &str, draft: &TableDraft, if_not_exists: bool) -> Reply {
        let db = self.find_database(database)?;
        if self.table_names.contains_key(&(db, draft.name.clone())) {
            let exists = Err(Rejection::TableExists(draft.name.clone()));
            return if if_not_exists { Ok(Outcome::Nothing) } else { exists };
        }
        let database_volume = self.databases.get(&db).and_then(|d| d.volume);
        let volume = match &draft.volume {
            Some(name) => self.usable_volume(name)?,
            None => database_volume.or(self.header.default_volume).ok_or(Rejection::NoDefaultVolume)?,
        };
        let id = TableId(self.draw_id());
        let mut columns = draft.columns.clone();
        for (at, column) in columns.iter_mut().enumerate() {
            column.id = ColumnId(at as u64 + 1);
        }
        let mut schema = Schema::new(columns);
        for index in &draft.indexes {
            index.check(&schema, draft.model).map_err(Rejection::ColumnRule)?;
            schema.indexes.push(index.clone());
        }
        let mut table = Table {
            id,
            database: db,
            name: draft.name.clone(),
            schema,
            model: draft.model,
            partitioning: draft.partitioning.clone(),
            distribution: draft.distribution.clone(),
            buckets_given: draft.buckets_given,
            volume,
            comment: draft.comment.clone(),
            properties: draft.properties.clone(),
            partitions: Vec::new(),
            created_at: self.header.clock,
            schema_changes: Vec::new(),
            sort_key: draft.sort_key.clone(),
            temporary: Vec::new(),
        };
        self.insert_partitions(&mut table, &draft.partitions)?;
        self.table_names.insert((db, table.name.clone()), id);
        self.tables.insert(id, Arc::new(table));
        self.header.starmgr_id += 1;
        Ok(Outcome::Table(id))
    }

    pub(super) fn drop_table(&mut self, database: &str, name: &str, if_exists: bool, force: bool) -> Reply {
        let found = self.find_table(database, name);
        if if_exists && matches!(found, Err(Rejection::UnknownTable(_) | Rejection::UnknownDatabase(_))) {
            return Ok(Outcome::Nothing);
        }
        self.take_away(found?, force);
        Ok(Outcome::Done)
    }

    fn take_away(&mut self, table: Arc<Table>, force: bool) {
        self.header.unfilled.remove(&table.id);
        self.table_names.remove(&(table.database, table.name.clone()));
        self.tables.remove(&table.id);
        self.discard(None, vec![table], Vec::new(), Vec::new(), force);
        self.header.starmgr_id += 1;
    }

    /// A table whose rows are still to come.
    pub(super) fn create_table_as(
        &mut self,
        database: &str,
        draft: &TableDraft,
        if_not_exists: bool,
        txn: TxnId,
    ) -> Reply {
        self.check_txn(txn)?;
        let made = self.create_table(database, draft, if_not_exists)?;
        if let Outcome::Table(id) = made {
            self.header.unfilled.insert(id, txn);
        }
        Ok(made)
    }

    /// Drops a table if it is one whose rows are still to come.
    pub(super) fn drop_unfilled(&mut self, id: TableId) -> Reply {
        if self.header.unfilled.remove(&id).is_none() {
            return Ok(Outcome::Nothing);
        }
        if let Some(table) = self.tables.get(&id).cloned() {
            self.take_away(table, true);
        }
        Ok(Outcome::Done)
    }

    pub(super) fn truncate_table(&mut self, database: &str, name: &str, partitions: &[String]) -> Reply {
        let old = self.find_table(database, name)?;
        let mut chosen = HashSet::new();
        for partition in partitions {
            chosen.insert(self.find_partition(&old, partition)?.id);
        }
        let mut table = old.as_ref().clone();
        let is_chosen = |id: &PartitionId| partitions.is_empty() || chosen.contains(id);
        let (gone, kept): (Vec<_>, Vec<_>) = old.partitions.iter().copied().partition(is_chosen);
        let drafts: Vec<PartitionDraft> = gone
            .iter()
            .filter_map(|id| self.partitions.get(id))
            .map(|p| PartitionDraft { name: p.name.clone(), range: p.range.clone(), buckets: p.buckets })
            .collect();
        self.erase_partitions(gone);
        if partitions.is_empty() {
            self.erase_partitions(std::mem::take(&mut table.temporary));
            self.forget_statistics(table.id);
        }
        table.partitions = kept;
        self.insert_partitions(&mut table, &drafts)?;
        self.tables.insert(table.id, Arc::new(table));
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    pub(super) fn find_database(&self, name: &str) -> Result<DatabaseId, Rejection> {
        self.database_names.get(name).copied().ok_or_else(|| Rejection::UnknownDatabase(name.to_owned()))
    }

    pub(super) fn find_table(&self, database: &str, name: &str) -> Result<Arc<Table>, Rejection> {
        let db = self.find_database(database)?;
        match self.table_by_name(db, name) {
            Some(table) => Ok(Arc::clone(table)),
            None if self.view_by_name(db, name).is_some() => {
                Err(Rejection::WrongObject(format!("'{database}.{name}' is not BASE TABLE")))
            }
            None => Err(Rejection::UnknownTable(format!("{database}.{name}"))),
        }
    }
}
