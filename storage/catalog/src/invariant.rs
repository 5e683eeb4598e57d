//! What must be true of every catalog, each rule by its name. Checked by the simulation after every command, and by a
//! restore before the catalog lives.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use storage_model::{Distribution, FileId, KeyModel, Partition, RoleId, Rowset, Table, UserId};
use thiserror::Error;

use crate::catalog::{Catalog, object_hash};

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invariant {name} is broken: {detail}")]
pub struct Violation {
    /// The rule.
    pub name: &'static str,
    /// What was found.
    pub detail: String,
}

/// A rule.
pub type Rule = fn(&Catalog) -> Result<(), String>;

/// Every rule, by name.
pub const RULES: &[(&str, Rule)] = &[
    ("references_are_counted", references_are_counted),
    ("removed_means_unreferenced", removed_means_unreferenced),
    ("named_files_are_not_condemned", named_files_are_not_condemned),
    ("pinned_files_are_not_condemned", pinned_files_are_not_condemned),
    ("partitions_have_one_owner", partitions_have_one_owner),
    ("partitions_are_disjoint_and_in_order", partitions_are_disjoint_and_in_order),
    ("names_find_what_they_name", names_find_what_they_name),
    ("one_snapshot_job_at_a_time", one_snapshot_job_at_a_time),
    ("volumes_of_files_exist", volumes_of_files_exist),
    ("objects_have_one_file", objects_have_one_file),
    ("columns_have_ids_of_their_own", columns_have_ids_of_their_own),
    ("grants_name_what_is_there", grants_name_what_is_there),
    ("users_and_roles_are_whole", users_and_roles_are_whole),
    ("only_primary_keys_are_looked_up", only_primary_keys_are_looked_up),
    ("jobs_have_tables_and_targets", jobs_have_tables_and_targets),
    ("statistics_are_of_tables_and_columns", statistics_are_of_tables_and_columns),
    ("unfilled_tables_are_empty", unfilled_tables_are_empty),
    ("nothing_is_written_to_borrowed_volumes", nothing_is_written_to_borrowed_volumes),
];

/// The first rule that does not hold.
pub fn check(catalog: &Catalog) -> Result<(), Violation> {
    for (name, rule) in RULES {
        rule(catalog).map_err(|detail| Violation { name, detail })?;
    }
    Ok(())
}

/// A table has one job at a time, which knows what it is to become; one that is over knows nothing any more.
fn jobs_have_tables_and_targets(catalog: &Catalog) -> Result<(), String> {
    let mut altered = HashSet::new();
    for job in catalog.alters.values() {
        let is_unfinished = job.state.is_unfinished();
        if job.target.is_some() != is_unfinished || job.ended.is_some() == is_unfinished {
            return Err(format!("job {} is {} and has not what that needs", job.id, job.state.name()));
        }
        if is_unfinished && !(catalog.tables.contains_key(&job.table) && altered.insert(job.table)) {
            return Err(format!("job {} shares its table {} or has none", job.id, job.table));
        }
    }
    Ok(())
}

/// Statistics are of a table that is there or can come back, and of each of its columns once at most.
fn statistics_are_of_tables_and_columns(catalog: &Catalog) -> Result<(), String> {
    if let Some(dead) = catalog.statistics_of_the_dead().next() {
        return Err(format!("there are statistics of table {dead}, which is not there"));
    }
    for (id, known) in &catalog.statistics {
        let mut seen = HashSet::new();
        let table = catalog.tables.get(id);
        for column in known.columns.iter().map(|known| known.column) {
            let is_there = table.is_none_or(|table| table.schema.position_of(column).is_some());
            if !is_there || !seen.insert(column) {
                return Err(format!("there are statistics of column {column} of table {id} twice, or of none"));
            }
        }
    }
    Ok(())
}

fn grants_name_what_is_there(catalog: &Catalog) -> Result<(), String> {
    let named = catalog.named_objects();
    let of_users = catalog.users.values().map(|user| (user.name.to_string(), &user.grants));
    let of_roles = catalog.roles.values().map(|role| (role.name.clone(), &role.grants));
    for (name, grants) in of_users.chain(of_roles) {
        if let Some(dead) = grants.iter().find(|grant| !named.has(catalog, grant.object)) {
            return Err(format!("{name} holds {} on {:?}, which is not there", dead.privilege, dead.object));
        }
        let in_order =
            grants.windows(2).all(|pair| (pair[0].object, pair[0].privilege) < (pair[1].object, pair[1].privilege));
        if !in_order {
            return Err(format!("{name} holds a privilege twice"));
        }
    }
    Ok(())
}

fn users_and_roles_are_whole(catalog: &Catalog) -> Result<(), String> {
    let of_users = catalog.users.values().flat_map(|user| &user.roles);
    let of_roles = catalog.roles.values().flat_map(|role| &role.roles);
    if let Some(unknown) = of_users.chain(of_roles).find(|id| !catalog.roles.contains_key(*id)) {
        return Err(format!("somebody has the unknown role {unknown}"));
    }
    if let Some(role) = catalog.roles.values().find(|r| catalog.with_inherited(r.roles.iter().copied()).contains(&r.id))
    {
        return Err(format!("the role {} has itself", role.name));
    }
    let names: HashSet<_> = catalog.users.values().map(|user| &user.name).collect();
    let role_names: HashSet<_> = catalog.roles.values().map(|role| &role.name).collect();
    if names.len() != catalog.users.len() || role_names.len() != catalog.roles.len() {
        return Err("two users or two roles have one name".to_owned());
    }
    match catalog.users.get(&UserId::ROOT) {
        Some(root) if root.roles.contains(&RoleId::ROOT) => Ok(()),
        _ => Err("root may not do everything".to_owned()),
    }
}

fn counted(catalog: &Catalog) -> HashMap<FileId, u32> {
    let mut counts = HashMap::new();
    for file in catalog.partitions.values().flat_map(|p| &p.rowsets).flat_map(Rowset::files) {
        *counts.entry(file).or_default() += 1;
    }
    counts
}

fn references_are_counted(catalog: &Catalog) -> Result<(), String> {
    let mut counts = counted(catalog);
    for file in catalog.files.values() {
        let found = counts.remove(&file.id).unwrap_or(0);
        if found != file.references {
            return Err(format!("file {} counts {} references and has {found}", file.id, file.references));
        }
    }
    match counts.keys().next() {
        Some(unknown) => Err(format!("a rowset names the unknown file {unknown}")),
        None => Ok(()),
    }
}

/// In PRIMARY KEY tables every rowset tells where its keys are, and rows of it may be gone, but not all; elsewhere none does.
/// They are dropped at once, for ever.
fn unfilled_tables_are_empty(catalog: &Catalog) -> Result<(), String> {
    let tables = catalog.header.unfilled.keys().filter_map(|id| catalog.tables.get(id));
    let has_rows = |table: &&Arc<Table>| {
        let partitions = catalog.partitions_of(table).chain(catalog.temporary_partitions_of(table));
        partitions.into_iter().any(|partition| !partition.rowsets.is_empty())
    };
    match tables.into_iter().find(has_rows) {
        Some(table) => Err(format!("table {} has rows and is still to be filled", table.name)),
        None => Ok(()),
    }
}

fn only_primary_keys_are_looked_up(catalog: &Catalog) -> Result<(), String> {
    let trash = catalog.trash.values().flat_map(|t| &t.tables);
    let models: HashMap<_, _> = catalog.tables.values().chain(trash).map(|table| (table.id, table.model)).collect();
    for partition in catalog.partitions.values() {
        let is_primary = models.get(&partition.table) == Some(&KeyModel::Primary);
        for rowset in &partition.rowsets {
            let is_whole = match &rowset.deletes {
                _ if rowset.index.is_some() != is_primary => false,
                Some(deletes) => is_primary && (1..rowset.rows).contains(&deletes.rows),
                None => true,
            };
            if !is_whole {
                return Err(format!("partition {} of a table of another key model has {rowset:?}", partition.id));
            }
        }
    }
    Ok(())
}

fn removed_means_unreferenced(catalog: &Catalog) -> Result<(), String> {
    for file in catalog.files.values() {
        if file.removed_at().is_some() != (file.references == 0) {
            return Err(format!(
                "file {} has {} references, removed {:?}",
                file.id,
                file.references,
                file.removed_at()
            ));
        }
        let indexed = file.removed_at().is_some_and(|(at, _)| catalog.removed.contains(&(at, file.id)));
        if indexed != file.removed_at().is_some() {
            return Err(format!("file {} is missing among the removed", file.id));
        }
    }
    let removed = catalog.files.values().filter(|f| f.removed_at().is_some()).count();
    if removed == catalog.removed.len() { Ok(()) } else { Err("the removed index holds unknown files".to_owned()) }
}

fn named_files_are_not_condemned(catalog: &Catalog) -> Result<(), String> {
    match catalog.files.values().find(|f| f.condemned_at().is_some() && f.references > 0) {
        Some(file) => Err(format!("file {} is condemned and has {} references", file.id, file.references)),
        None => Ok(()),
    }
}

fn pinned_files_are_not_condemned(catalog: &Catalog) -> Result<(), String> {
    let pins = catalog.pins();
    for file in catalog.files.values().filter(|f| f.condemned_at().is_some()) {
        let Some((removed, _)) = file.removed_at() else { continue };
        if let Some(pin) = pins.range(file.created_at..removed).next() {
            return Err(format!("file {} is condemned and pinned at revision {pin}", file.id));
        }
    }
    Ok(())
}

fn partitions_have_one_owner(catalog: &Catalog) -> Result<(), String> {
    let mut owners: HashMap<_, u32> = HashMap::new();
    let live = catalog.tables.values().flat_map(|t| t.partitions.iter().chain(&t.temporary).copied());
    let trash = catalog.trash.values().flat_map(|t| t.all_partitions().collect::<Vec<_>>());
    for id in live.chain(trash) {
        *owners.entry(id).or_default() += 1;
    }
    for id in catalog.partitions.keys() {
        match owners.remove(id) {
            Some(1) => {}
            found => return Err(format!("partition {id} has {} owners", found.unwrap_or(0))),
        }
    }
    match owners.keys().next() {
        Some(id) => Err(format!("a table names the unknown partition {id}")),
        None => Ok(()),
    }
}

fn partitions_are_disjoint_and_in_order(catalog: &Catalog) -> Result<(), String> {
    for table in catalog.tables.values() {
        let is_list = table.partitioning.is_list();
        disjoint(is_list, catalog.partitions_of(table)).map_err(|why| format!("table {}: {why}", table.name))?;
        disjoint(is_list, catalog.temporary_partitions_of(table))
            .map_err(|why| format!("table {}: temporary partitions {why}", table.name))?;
    }
    Ok(())
}

fn disjoint<'a>(is_list: bool, partitions: impl Iterator<Item = &'a Arc<Partition>>) -> Result<(), String> {
    let partitions: Vec<_> = partitions.collect();
    if let Some(odd) = partitions.iter().find(|p| p.range.values.is_empty() == is_list) {
        return Err(format!("{} is not of the table's kind", odd.name));
    }
    if is_list {
        let mut seen = HashSet::new();
        let mut values = partitions.iter().flat_map(|p| p.range.values.iter().map(move |values| (p, values)));
        return match values.find(|(_, values)| !seen.insert(*values)) {
            Some((twice, _)) => Err(format!("{} lists what another does", twice.name)),
            None => Ok(()),
        };
    }
    match partitions.windows(2).find(|pair| pair[0].range.upper > pair[1].range.lower) {
        Some(pair) => Err(format!("{} and {} overlap", pair[0].name, pair[1].name)),
        None => Ok(()),
    }
}

fn names_find_what_they_name(catalog: &Catalog) -> Result<(), String> {
    let databases = catalog.databases.values().all(|d| catalog.database_names.get(&d.name) == Some(&d.id));
    let tables = catalog.tables.values().all(|t| catalog.table_names.get(&(t.database, t.name.clone())) == Some(&t.id));
    let views = catalog.views.values().all(|v| catalog.table_names.get(&(v.database, v.name.clone())) == Some(&v.id));
    let orphans = catalog.tables.values().find(|t| !catalog.databases.contains_key(&t.database));
    match orphans {
        Some(table) => Err(format!("table {} is in no database", table.name)),
        None if !databases || catalog.database_names.len() != catalog.databases.len() => {
            Err("the index of database names is wrong".to_owned())
        }
        None if !tables || !views || catalog.table_names.len() != catalog.tables.len() + catalog.views.len() => {
            Err("the index of table names is wrong".to_owned())
        }
        None => Ok(()),
    }
}

fn one_snapshot_job_at_a_time(catalog: &Catalog) -> Result<(), String> {
    match catalog.jobs.values().filter(|j| j.state.is_unfinished()).count() {
        0 | 1 => Ok(()),
        n => Err(format!("{n} snapshot jobs run")),
    }
}

fn volumes_of_files_exist(catalog: &Catalog) -> Result<(), String> {
    match catalog.files.values().find(|f| !catalog.volumes.contains_key(&f.volume)) {
        Some(file) => Err(format!("file {} is in the unknown volume {}", file.id, file.volume)),
        None => Ok(()),
    }
}

/// They hold files, and nothing that could write more of them.
fn nothing_is_written_to_borrowed_volumes(catalog: &Catalog) -> Result<(), String> {
    let header = &catalog.header;
    let trash = || catalog.trash.values().flat_map(|t| &t.tables);
    for volume in catalog.volumes.values().filter(|volume| volume.borrowed.is_some()) {
        let is_default = header.default_volume == Some(volume.id);
        let by_policy = header.snapshot_policy.as_ref().is_some_and(|policy| policy.volume == volume.id);
        let by_job = catalog.jobs.values().any(|job| job.volume == volume.id);
        let by_database = catalog.databases.values().any(|database| database.volume == Some(volume.id));
        let by_table = catalog.tables.values().chain(trash()).any(|table| table.volume == volume.id);
        if volume.enabled || is_default || by_policy || by_job || by_database || by_table {
            return Err(format!("volume {} is borrowed, and something would write to it", volume.name));
        }
    }
    Ok(())
}

fn objects_have_one_file(catalog: &Catalog) -> Result<(), String> {
    let mut seen = HashMap::new();
    for file in catalog.files.values() {
        let object = file.object.to_string();
        let hash = object_hash(file.volume, &object);
        if let Some(other) = seen.insert((file.volume, object), file.id) {
            return Err(format!("files {other} and {} share the object {}", file.id, file.object));
        }
        if !catalog.objects.contains(&(hash, file.id)) {
            return Err(format!("the index of objects does not know file {}", file.id));
        }
    }
    match catalog.objects.len() == catalog.files.len() {
        true => Ok(()),
        false => Err("the index of objects knows unknown files".to_owned()),
    }
}

fn columns_have_ids_of_their_own(catalog: &Catalog) -> Result<(), String> {
    let trash = catalog.trash.values().flat_map(|t| &t.tables);
    for table in catalog.tables.values().chain(trash) {
        let schema = &table.schema;
        for (at, column) in schema.columns.iter().enumerate() {
            let of = |what: &str| format!("table {}: the column {} {what}", table.name, column.name);
            if column.id >= schema.next_id {
                return Err(of("has an id that another will get"));
            }
            if schema.position_of(column.id) != Some(at) || schema.position(&column.name) != Some(at) {
                return Err(of("shares its id or its name with another"));
            }
        }
        let mut columns = table.partitioning.columns();
        if let Distribution::Hash { columns: more } = &table.distribution {
            columns.extend(more);
        }
        if let Some(missing) = columns.into_iter().find(|id| schema.position_of(*id).is_none()) {
            return Err(format!("table {}: rows are placed by column {missing}, which is not there", table.name));
        }
    }
    Ok(())
}
