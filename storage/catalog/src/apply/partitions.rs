//! Partitions of a table: added, dropped, kept in order and disjoint.

use std::sync::Arc;

use storage_model::{Partition, PartitionId, Partitioning, Table};

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
        let old = self.find_table(database, table)?;
        if matches!(old.partitioning, Partitioning::Unpartitioned) {
            let text = format!("table {table} is not partitioned: a partition cannot be added");
            return Err(Rejection::BadPartition(text));
        }
        if if_not_exists && self.find_partition(&old, &draft.name).is_ok() {
            return Ok(Outcome::Nothing);
        }
        let mut table = old.as_ref().clone();
        self.insert_partitions(&mut table, std::slice::from_ref(draft))?;
        self.tables.insert(table.id, Arc::new(table));
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
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
        self.discard(None, Vec::new(), vec![gone], force);
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    /// Gives the drafts ids and puts them among the table's partitions, in order of their ranges.
    pub(super) fn insert_partitions(&mut self, table: &mut Table, drafts: &[PartitionDraft]) -> Result<(), Rejection> {
        for draft in drafts {
            for other in self.partitions_of(table) {
                if other.name.eq_ignore_ascii_case(&draft.name) {
                    return Err(Rejection::PartitionExists(draft.name.clone()));
                }
                if other.range.overlaps(&draft.range) {
                    let text = format!("Range of partition {} is intersected with that of {}", draft.name, other.name);
                    return Err(Rejection::BadPartition(text));
                }
            }
            if draft.range.is_empty() {
                let (name, low, high) = (&draft.name, &draft.range.lower, &draft.range.upper);
                let text = format!("partition {name} would hold no row: its range is [{low}, {high})");
                return Err(Rejection::BadPartition(text));
            }
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
            let at = self.partitions_of(table).filter(|p| p.range.lower < draft.range.lower).count();
            self.partitions.insert(id, Arc::new(partition));
            table.partitions.insert(at, id);
        }
        Ok(())
    }

    pub(super) fn find_partition(&self, table: &Table, name: &str) -> Result<Arc<Partition>, Rejection> {
        let found = self.partitions_of(table).find(|p| p.name.eq_ignore_ascii_case(name)).cloned();
        found.ok_or_else(|| Rejection::UnknownPartition { table: table.name.clone(), partition: name.to_owned() })
    }
}
