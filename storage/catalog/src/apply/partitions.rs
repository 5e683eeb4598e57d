//! Partitions of a table: added, dropped, kept in order and disjoint.

use std::collections::HashSet;
use std::sync::Arc;

use storage_model::{Partition, PartitionId, PartitionRange, Partitioning, Table};

use crate::catalog::Catalog;
use crate::command::{Outcome, PartitionDraft, Rejection, Reply};

impl Catalog {
    pub(super) fn add_partition(
        &mut self,
        database: &str,
        table: &str,
        draft: &PartitionDraft,
        if_not_exists: bool,
    ) -> Reply {
        let mut table = self.partitioned_table(database, table)?;
        if if_not_exists && self.find_partition(&table, &draft.name).is_ok() {
            return Ok(Outcome::Nothing);
        }
        self.insert_partitions(&mut table, std::slice::from_ref(draft))?;
        self.tables.insert(table.id, Arc::new(table));
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    pub(super) fn add_partitions(&mut self, database: &str, table: &str, drafts: &[PartitionDraft]) -> Reply {
        let mut table = self.partitioned_table(database, table)?;
        self.insert_partitions(&mut table, drafts)?;
        self.tables.insert(table.id, Arc::new(table));
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    /// A table that partitions can be added to.
    fn partitioned_table(&self, database: &str, table: &str) -> Result<Table, Rejection> {
        let found = self.find_table(database, table)?;
        if matches!(found.partitioning, Partitioning::Unpartitioned) {
            let text = format!("table {table} is not partitioned: a partition cannot be added");
            return Err(Rejection::BadPartition(text));
        }
        Ok(found.as_ref().clone())
    }

    pub(super) fn drop_partition(
        &mut self,
        database: &str,
        table: &str,
        partition: &str,
        if_exists: bool,
        force: bool,
    ) -> Reply {
        let old = self.find_table(database, table)?;
        if matches!(old.partitioning, Partitioning::Unpartitioned) {
            let text = format!("table {table} is not partitioned: its partition cannot be dropped");
            return Err(Rejection::BadPartition(text));
        }
        let gone = match self.find_partition(&old, partition) {
            Ok(found) => found.id,
            Err(_) if if_exists => return Ok(Outcome::Nothing),
            Err(unknown) => return Err(unknown),
        };
        let mut table = old.as_ref().clone();
        table.partitions.retain(|id| *id != gone);
        self.tables.insert(table.id, Arc::new(table));
        self.discard(None, Vec::new(), vec![gone], Vec::new(), force);
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    /// Gives the drafts ids and puts them among the table's partitions, in order of their ranges.
    pub(super) fn insert_partitions(&mut self, table: &mut Table, drafts: &[PartitionDraft]) -> Result<(), Rejection> {
        let mut names: HashSet<String> = self.partitions_of(table).map(|p| p.name.to_ascii_lowercase()).collect();
        for draft in drafts {
            if !names.insert(draft.name.to_ascii_lowercase()) {
                return Err(Rejection::PartitionExists(draft.name.clone()));
            }
            if draft.range.is_empty() {
                let (name, low, high) = (&draft.name, &draft.range.lower, &draft.range.upper);
                let text = format!("partition {name} would hold no row: its range is [{low}, {high})");
                return Err(Rejection::BadPartition(text));
            }
            let at = self.place_among(table, &draft.range).map_err(|other| {
                let (name, other) = (&draft.name, &other.name);
                Rejection::BadPartition(format!("Range of partition {name} is intersected with that of {other}"))
            })?;
            let id = PartitionId(self.draw_id());
            let partition = Partition {
                id,
                table: table.id,
                name: draft.name.clone(),
                range: draft.range.clone(),
                buckets: draft.buckets.max(1),
                visible_version: 1,
                visible_at: self.header.clock,
                rowsets: Vec::new(),
            };
            self.partitions.insert(id, Arc::new(partition));
            table.partitions.insert(at, id);
        }
        Ok(())
    }

    /// Where a range that is not empty goes among the partitions of a table, which are disjoint and in order; Err: the one
    /// that has rows in common with it.
    pub(super) fn place_among(&self, table: &Table, range: &PartitionRange) -> Result<usize, Arc<Partition>> {
        let known = |id: &PartitionId| self.partitions.get(id);
        let at = table.partitions.partition_point(|id| known(id).is_some_and(|p| p.range.lower < range.lower));
        let beside = [at.checked_sub(1), Some(at)].into_iter().flatten().filter_map(|n| table.partitions.get(n));
        match beside.filter_map(known).find(|other| other.range.overlaps(range)) {
            Some(other) => Err(Arc::clone(other)),
            None => Ok(at),
        }
    }

    pub(super) fn find_partition(&self, table: &Table, name: &str) -> Result<Arc<Partition>, Rejection> {
        let found = self.partitions_of(table).find(|p| p.name.eq_ignore_ascii_case(name)).cloned();
        found.ok_or_else(|| Rejection::UnknownPartition { table: table.name.clone(), partition: name.to_owned() })
    }
}
