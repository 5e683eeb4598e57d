//! Temporary partitions, which wait beside a table's own to take their place, and drops of several partitions at once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use storage_model::{Bound, Partition, PartitionId, PartitionValues, Partitioning, Table};

use super::partitions::{Taken, check_kind};
use crate::catalog::Catalog;
use crate::command::{Outcome, PartitionDraft, Rejection, Reply};

/// What DROP PARTITIONS is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Which {
    pub temporary: bool,
    pub if_exists: bool,
    pub force: bool,
}

impl Catalog {
    pub(super) fn add_temporary_partitions(
        &mut self,
        database: &str,
        name: &str,
        drafts: &[PartitionDraft],
        if_not_exists: bool,
    ) -> Reply {
        let mut table = self.partitioned_table(database, name)?;
        let mut taken = Taken::of(self, &table, &table.temporary);
        let mut done = Outcome::Nothing;
        for draft in drafts {
            let is_there = self.find_temporary(&table, &draft.name).is_ok();
            if is_there && if_not_exists {
                continue;
            }
            if is_there || self.find_partition(&table, &draft.name).is_ok() {
                return Err(Rejection::PartitionExists(draft.name.clone()));
            }
            check_kind(&table, draft)?;
            let at =
                taken.place(self, &table.temporary, &draft.range).map_err(|why| why.into_rejection(&draft.name))?;
            let id = self.new_partition(&table, draft);
            taken.take(&draft.range);
            table.temporary.insert(at, id);
            done = Outcome::Done;
        }
        self.tables.insert(table.id, Arc::new(table));
        self.header.starmgr_id += 1;
        Ok(done)
    }

    pub(super) fn drop_partitions(&mut self, database: &str, name: &str, names: &[String], which: Which) -> Reply {
        let old = self.find_table(database, name)?;
        if matches!(old.partitioning, Partitioning::Unpartitioned) {
            let text = format!("table {name} is not partitioned: its partition cannot be dropped");
            return Err(Rejection::BadPartition(text));
        }
        let mut gone: Vec<PartitionId> = Vec::new();
        for name in names {
            let found = if which.temporary { self.find_temporary(&old, name) } else { self.find_partition(&old, name) };
            match found {
                Ok(partition) if gone.contains(&partition.id) => {}
                Ok(partition) => gone.push(partition.id),
                Err(_) if which.if_exists => {}
                Err(_) => return Err(Rejection::NoPartitionToDrop(name.clone())),
            }
        }
        if gone.is_empty() {
            return Ok(Outcome::Nothing);
        }
        let mut table = old.as_ref().clone();
        let list = if which.temporary { &mut table.temporary } else { &mut table.partitions };
        list.retain(|id| !gone.contains(id));
        self.tables.insert(table.id, Arc::new(table));
        match which.temporary {
            true => self.erase_partitions(gone),
            // One by one, so that each can be recovered and erased by itself.
            false => gone.into_iter().for_each(|id| self.discard(None, Vec::new(), vec![id], Vec::new(), which.force)),
        }
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    pub(super) fn replace_partitions(
        &mut self,
        database: &str,
        name: &str,
        (partitions, temporary): (&[String], &[String]),
        strict_range: bool,
        keep_new_names: bool,
    ) -> Reply {
        let mut table = self.partitioned_table(database, name)?;
        let find = |names: &[String], is_temporary: bool| -> Result<Vec<Arc<Partition>>, Rejection> {
            let mut seen = HashSet::new();
            let of = |name: &String| match is_temporary {
                true => self.find_temporary(&table, name),
                false => self.find_partition(&table, name),
            };
            let found = names.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            match found.iter().find(|partition| !seen.insert(partition.id)) {
                Some(twice) => Err(Rejection::PartitionExists(twice.name.clone())),
                None => Ok(found),
            }
        };
        let (old, new) = (find(partitions, false)?, find(temporary, true)?);
        if strict_range {
            check_same_rows(&table, &old, &new)?;
        }
        let gone: HashSet<PartitionId> = old.iter().map(|partition| partition.id).collect();
        let coming: HashSet<PartitionId> = new.iter().map(|partition| partition.id).collect();
        table.partitions.retain(|id| !gone.contains(id));
        table.temporary.retain(|id| !coming.contains(id));
        let mut names: HashSet<String> = self.partitions_of(&table).map(|p| p.name.to_ascii_lowercase()).collect();
        let mut taken = Taken::of(self, &table, &table.partitions);
        let keeps_names = !keep_new_names && old.len() == new.len();
        for (at, partition) in new.iter().enumerate() {
            let name = if keeps_names { &old[at].name } else { &partition.name };
            if !names.insert(name.to_ascii_lowercase()) {
                return Err(Rejection::PartitionExists(name.clone()));
            }
            let place = taken.place(self, &table.partitions, &partition.range);
            let place = place.map_err(|why| why.into_rejection(&partition.name))?;
            taken.take(&partition.range);
            table.partitions.insert(place, partition.id);
            self.partitions
                .insert(partition.id, Arc::new(Partition { name: name.clone(), ..partition.as_ref().clone() }));
        }
        self.tables.insert(table.id, Arc::new(table));
        self.erase_partitions(gone);
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    pub(super) fn set_table_properties(
        &mut self,
        database: &str,
        name: &str,
        properties: &BTreeMap<String, String>,
    ) -> Reply {
        let mut table = self.find_table(database, name)?.as_ref().clone();
        table.properties.extend(properties.iter().map(|(key, value)| (key.clone(), value.clone())));
        self.tables.insert(table.id, Arc::new(table));
        Ok(Outcome::Done)
    }

    fn find_temporary(&self, table: &Table, name: &str) -> Result<Arc<Partition>, Rejection> {
        let found = self.temporary_partitions_of(table).find(|p| p.name.eq_ignore_ascii_case(name)).cloned();
        found.ok_or_else(|| Rejection::UnknownPartition { table: table.name.clone(), partition: name.to_owned() })
    }
}

/// The same rows, in however many partitions.
fn check_same_rows(table: &Table, old: &[Arc<Partition>], new: &[Arc<Partition>]) -> Result<(), Rejection> {
    let is_same = match table.partitioning.is_list() {
        true => values_of(old) == values_of(new),
        false => spans_of(old) == spans_of(new),
    };
    match (is_same, table.partitioning.is_list()) {
        (true, _) => Ok(()),
        (false, true) => Err(Rejection::BadPartition("2 list partitions are not equal".to_owned())),
        (false, false) => Err(Rejection::BadPartition("2 range lists are not strictly matched".to_owned())),
    }
}

fn values_of(partitions: &[Arc<Partition>]) -> HashSet<&PartitionValues> {
    partitions.iter().flat_map(|partition| &partition.range.values).collect()
}

/// The ranges of disjoint partitions in order, those that meet as one.
fn spans_of(partitions: &[Arc<Partition>]) -> Vec<(Bound, Bound)> {
    let mut spans: Vec<_> = partitions.iter().map(|p| (p.range.lower.clone(), p.range.upper.clone())).collect();
    spans.sort();
    let mut merged: Vec<(Bound, Bound)> = Vec::with_capacity(spans.len());
    for (lower, upper) in spans {
        match merged.last_mut() {
            Some(last) if last.1 == lower => last.1 = upper,
            _ => merged.push((lower, upper)),
        }
    }
    merged
}
