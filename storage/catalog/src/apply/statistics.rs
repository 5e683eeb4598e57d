//! What is known of the values of tables: counted in by every commit, made anew by ANALYZE, kept for as long as a table can
//! come back.

use std::collections::BTreeSet;
use std::sync::Arc;

use storage_model::statistics::merge;
use storage_model::{ColumnStatistics, PartitionId, Table, TableId, TableStatistics, WrittenFile};

use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply};

impl Catalog {
    /// Counts in what is known of the rows of files that a table gets. What a table has not, which is so with columns that were
    /// dropped while their rows were written, is left out.
    pub(super) fn learn(&mut self, table: &Table, files: &[WrittenFile]) {
        if files.iter().all(|file| file.statistics.is_empty()) {
            return;
        }
        let mut known = self.statistics.get(&table.id).map_or_else(TableStatistics::default, |k| k.as_ref().clone());
        files.iter().for_each(|file| merge(&mut known.columns, &file.statistics));
        known.updated_at = self.header.clock;
        self.know(table, known);
    }

    fn know(&mut self, table: &Table, mut known: TableStatistics) {
        known.columns.retain(|column| table.schema.position_of(column.column).is_some());
        self.statistics.insert(table.id, Arc::new(known));
    }

    /// Nothing is known of a table all of whose rows give way: what is there then is counted in anew.
    pub(super) fn forget_replaced(&mut self, table: &Table, replaced: &BTreeSet<PartitionId>) {
        let stays = |id: &PartitionId| {
            !replaced.contains(id) && self.partitions.get(id).is_some_and(|partition| !partition.rowsets.is_empty())
        };
        if !table.partitions.iter().chain(&table.temporary).any(stays) {
            self.statistics.remove(&table.id);
        }
    }

    /// A table has other columns: of those that are gone nothing is known.
    pub(super) fn forget_columns(&mut self, table: &Table) {
        if let Some(known) = self.statistics.get(&table.id).cloned() {
            self.know(table, known.as_ref().clone());
        }
    }

    pub(super) fn forget_statistics(&mut self, table: TableId) {
        self.statistics.remove(&table);
    }

    /// ANALYZE and DROP STATS.
    pub(super) fn set_statistics(&mut self, table: TableId, columns: &[ColumnStatistics], all: bool) -> Reply {
        let found = self.tables.get(&table).cloned();
        let table = found.ok_or_else(|| Rejection::Stale("the table was dropped while it was analyzed".to_owned()))?;
        if all && columns.is_empty() {
            self.forget_statistics(table.id);
            return Ok(Outcome::Done);
        }
        let mut known = match self.statistics.get(&table.id) {
            Some(known) if !all => known.as_ref().clone(),
            _ => TableStatistics::default(),
        };
        known.columns.retain(|own| columns.iter().all(|other| other.column != own.column));
        known.columns.extend_from_slice(columns);
        known.columns.sort_by_key(|column| column.column);
        known.columns.dedup_by_key(|column| column.column);
        (known.updated_at, known.analyzed_at) = (self.header.clock, Some(self.header.clock));
        self.know(&table, known);
        Ok(Outcome::Done)
    }

    /// Forgets what is known of tables that cannot come back.
    pub(super) fn drop_dead_statistics(&mut self) {
        let dead: Vec<TableId> = self.statistics_of_the_dead().collect();
        dead.iter().for_each(|id| drop(self.statistics.remove(id)));
    }

    /// The tables with statistics that neither live nor are in the recycle bin.
    pub(crate) fn statistics_of_the_dead(&self) -> impl Iterator<Item = TableId> + '_ {
        let dropped: BTreeSet<TableId> =
            self.trash.values().flat_map(|trash| trash.tables.iter().map(|table| table.id)).collect();
        self.statistics.keys().copied().filter(move |id| !self.tables.contains_key(id) && !dropped.contains(id))
    }
}
