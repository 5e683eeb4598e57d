//! Partitions of a table: added, dropped, rolled on, kept in order and disjoint.

use std::collections::HashSet;
use std::sync::Arc;

use storage_model::{Partition, PartitionId, PartitionRange, PartitionValues, Partitioning, Table, TableId};

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
    pub(super) fn partitioned_table(&self, database: &str, table: &str) -> Result<Table, Rejection> {
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
            Err(_) => return Err(Rejection::NoPartitionToDrop(partition.to_owned())),
        };
        let mut table = old.as_ref().clone();
        table.partitions.retain(|id| *id != gone);
        self.tables.insert(table.id, Arc::new(table));
        self.discard(None, Vec::new(), vec![gone], Vec::new(), force);
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    /// What is there after it is disjoint and named apart, whatever is there already: see the command.
    pub(super) fn roll_partitions(
        &mut self,
        table: TableId,
        drafts: &[PartitionDraft],
        dropped: &[PartitionId],
    ) -> Reply {
        let found = self.tables.get(&table).cloned();
        let old = found.ok_or_else(|| Rejection::Stale("the table was dropped meanwhile".to_owned()))?;
        let mut table = old.as_ref().clone();
        let gone: Vec<PartitionId> = dropped.iter().copied().filter(|id| table.partitions.contains(id)).collect();
        table.partitions.retain(|id| !gone.contains(id));
        let mut names: HashSet<String> = self.partitions_of(&table).map(|p| p.name.to_ascii_lowercase()).collect();
        let mut taken = Taken::of(self, &table, &table.partitions);
        let mut is_new = false;
        for draft in drafts.iter().filter(|draft| !draft.range.is_empty()) {
            if taken.place(self, &table.partitions, &draft.range).is_err() {
                continue;
            }
            let name = free_name(&names, &draft.name);
            names.insert(name.to_ascii_lowercase());
            self.insert_partition(&mut table, &mut taken, &PartitionDraft { name, ..draft.clone() })?;
            is_new = true;
        }
        if !is_new && gone.is_empty() {
            return Ok(Outcome::Nothing);
        }
        self.tables.insert(table.id, Arc::new(table));
        // One by one, so that each can be recovered and erased by itself.
        gone.into_iter().for_each(|id| self.discard(None, Vec::new(), vec![id], Vec::new(), false));
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    /// Gives the drafts ids and puts them among the table's partitions, in order of their ranges.
    pub(super) fn insert_partitions(&mut self, table: &mut Table, drafts: &[PartitionDraft]) -> Result<(), Rejection> {
        let mut names: HashSet<String> = self.partitions_of(table).map(|p| p.name.to_ascii_lowercase()).collect();
        let mut taken = Taken::of(self, table, &table.partitions);
        for draft in drafts {
            if !names.insert(draft.name.to_ascii_lowercase()) {
                return Err(Rejection::PartitionExists(draft.name.clone()));
            }
            self.insert_partition(table, &mut taken, draft)?;
        }
        Ok(())
    }

    fn insert_partition(
        &mut self,
        table: &mut Table,
        taken: &mut Taken,
        draft: &PartitionDraft,
    ) -> Result<(), Rejection> {
        check_kind(table, draft)?;
        let at = taken.place(self, &table.partitions, &draft.range).map_err(|why| why.into_rejection(&draft.name))?;
        let id = self.new_partition(table, draft);
        taken.take(&draft.range);
        table.partitions.insert(at, id);
        Ok(())
    }

    /// A new, empty partition that is in no list yet.
    pub(super) fn new_partition(&mut self, table: &Table, draft: &PartitionDraft) -> PartitionId {
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
        id
    }

    /// Where rows go among the partitions of a table, which are disjoint and in order; None: others take some of them.
    pub(super) fn place_among(&self, table: &Table, range: &PartitionRange) -> Option<usize> {
        Taken::of(self, table, &table.partitions).place(self, &table.partitions, range).ok()
    }

    pub(super) fn find_partition(&self, table: &Table, name: &str) -> Result<Arc<Partition>, Rejection> {
        let found = self.partitions_of(table).find(|p| p.name.eq_ignore_ascii_case(name)).cloned();
        found.ok_or_else(|| Rejection::UnknownPartition { table: table.name.clone(), partition: name.to_owned() })
    }
}

/// A range for tables of ranges, values for tables of lists, and some rows in any case.
pub(super) fn check_kind(table: &Table, draft: &PartitionDraft) -> Result<(), Rejection> {
    let (name, range) = (&draft.name, &draft.range);
    if range.is_empty() {
        let (low, high) = (&range.lower, &range.upper);
        let text = format!("partition {name} would hold no row: its range is [{low}, {high})");
        return Err(Rejection::BadPartition(text));
    }
    let columns = table.partitioning.columns().len();
    let fits = match table.partitioning.is_list() {
        true => !range.values.is_empty() && range.values.iter().all(|values| values.len() == columns),
        false => range.values.is_empty(),
    };
    match fits {
        true => Ok(()),
        false => {
            Err(Rejection::BadPartition(format!("partition {name} is not of the kind that table {} has", table.name)))
        }
    }
}

/// The rows that some partitions of a table take.
pub(super) struct Taken {
    /// Of lists.
    values: Option<HashSet<PartitionValues>>,
}

/// Why rows have no place of their own.
pub(super) enum Overlap {
    /// This partition takes some of them.
    With(String),
    /// A partition lists these values.
    Values(PartitionValues),
}

impl Overlap {
    pub(super) fn into_rejection(self, name: &str) -> Rejection {
        Rejection::BadPartition(match self {
            Overlap::With(other) => format!("Range of partition {name} is intersected with that of {other}"),
            Overlap::Values(values) => format!("Duplicate partition value {}", values_text(&values)),
        })
    }
}

/// `beijing`, or `(1, NULL)`.
fn values_text(values: &PartitionValues) -> String {
    let text = |value: &Option<storage_model::Value>| match value {
        Some(value) => value.to_string(),
        None => "NULL".to_owned(),
    };
    match values.as_slice() {
        [only] => text(only),
        several => format!("({})", several.iter().map(text).collect::<Vec<_>>().join(", ")),
    }
}

impl Taken {
    pub(super) fn of(catalog: &Catalog, table: &Table, partitions: &[PartitionId]) -> Taken {
        let known = || partitions.iter().filter_map(|id| catalog.partitions.get(id));
        let values = || known().flat_map(|partition| partition.range.values.iter().cloned()).collect();
        Taken { values: table.partitioning.is_list().then(values) }
    }

    /// Where a range that is not empty goes among these partitions, which are disjoint and in order; lists go behind all others.
    pub(super) fn place(
        &self,
        catalog: &Catalog,
        partitions: &[PartitionId],
        range: &PartitionRange,
    ) -> Result<usize, Overlap> {
        if let Some(taken) = &self.values {
            let mut own = HashSet::new();
            let twice = range.values.iter().find(|values| taken.contains(*values) || !own.insert(*values));
            return twice.map_or(Ok(partitions.len()), |values| Err(Overlap::Values(values.clone())));
        }
        let known = |id: &PartitionId| catalog.partitions.get(id);
        let at = partitions.partition_point(|id| known(id).is_some_and(|p| p.range.lower < range.lower));
        let beside = [at.checked_sub(1), Some(at)].into_iter().flatten().filter_map(|n| partitions.get(n));
        match beside.filter_map(known).find(|other| other.range.overlaps(range)) {
            Some(other) => Err(Overlap::With(other.name.clone())),
            None => Ok(at),
        }
    }

    pub(super) fn take(&mut self, range: &PartitionRange) {
        if let Some(taken) = &mut self.values {
            taken.extend(range.values.iter().cloned());
        }
    }
}

/// The name, or the first of `name_2`, `name_3`, … that is free.
fn free_name(taken: &HashSet<String>, name: &str) -> String {
    let numbered = (2_u64..).map(|n| format!("{name}_{n}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !taken.contains(&name.to_ascii_lowercase())).unwrap_or_else(|| name.to_owned())
}
