//! What is not the same in two snapshots: databases, tables, partitions by name, as people know them; data by the hashes of
//! the files that it is in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use storage_catalog::Catalog;
use storage_model::{Deletes, Digest, Epoch, FileEntry, Partition, Revision, Rowset, Schema, ServiceId, Table, Vector};

use crate::check::FileCheck;
use crate::error::SnapshotError;
use crate::find::newest;
use crate::load::load;
use crate::manifest::{Counts, Manifest, Stamp};
use crate::place::{Place, Source};
use crate::report::directory;

/// `snapshot diff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The first snapshot.
    pub a: Side,
    /// The second one.
    pub b: Side,
    /// Whether the two hold the same.
    pub same: bool,
    /// Databases that are only in one, and those with tables that are not the same.
    pub databases: Vec<DatabaseDiff>,
    /// Data files by object and hash: what a copy of one beside the other would save.
    pub files: FilesDiff,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Its directory.
    pub path: String,
    /// Its service root.
    pub service_id: ServiceId,
    /// Orders incarnations.
    pub epoch: Epoch,
    /// The cut.
    pub revision: Revision,
    /// When its job began.
    pub created: Stamp,
    /// How much it holds.
    pub counts: Counts,
}

/// What became of something on the way from the first to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only in the second.
    Added,
    /// Only in the first.
    Removed,
    /// In both, and not the same.
    Changed,
}

/// Rows and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Rows.
    pub rows: u64,
    /// Bytes in the store.
    pub bytes: u64,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseDiff {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub change: Change,
    /// Its tables that are not the same; all, when the database is only in one.
    pub tables: Vec<TableDiff>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDiff {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub change: Change,
    /// In the first.
    pub a: Size,
    /// In the second.
    pub b: Size,
    /// What is not the same beside the data, in words.
    pub what: Vec<String>,
    /// Its partitions that are not the same; none, when the table is only in one.
    pub partitions: Vec<PartitionDiff>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionDiff {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub change: Change,
    /// In the first.
    pub a: Size,
    /// In the second.
    pub b: Size,
}

/// Data files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesDiff {
    /// Only of the first.
    pub only_a: FileCheck,
    /// Only of the second.
    pub only_b: FileCheck,
    /// Of both.
    pub both: FileCheck,
}

/// Compares the snapshots that restores of the two places would take, or the ones named.
pub async fn diff(a: &Source, b: &Source) -> Result<Diff, SnapshotError> {
    let ((a, first), (b, second)) = futures::future::try_join(look(a), look(b)).await?;
    let databases = databases(&first, &second);
    let files = files(&first, &second);
    let same = databases.is_empty() && files.only_a.files == 0 && files.only_b.files == 0;
    Ok(Diff { a, b, same, databases, files })
}

async fn look(source: &Source) -> Result<(Side, Catalog), SnapshotError> {
    let Place { volume, layout, snapshot } = source.place().await?;
    let manifest = newest(&volume, &layout, snapshot.as_deref()).await?.manifest;
    let catalog = load(&volume, &layout, &manifest).await?;
    let path = directory(&volume, &layout, &manifest.name);
    let Manifest { service_id, epoch, revision, created, counts, .. } = manifest;
    Ok((Side { path, service_id, epoch, revision, created, counts }, catalog))
}

/// What is only in one or in both, by name.
fn pairs<'a, T>(a: BTreeMap<&'a str, T>, mut b: BTreeMap<&'a str, T>) -> Vec<(&'a str, Option<T>, Option<T>)> {
    let mut all: Vec<_> = a.into_iter().map(|(name, item)| (name, Some(item), b.remove(name))).collect();
    all.extend(b.into_iter().map(|(name, item)| (name, None, Some(item))));
    all.sort_by_key(|(name, ..)| *name);
    all
}

fn databases(a: &Catalog, b: &Catalog) -> Vec<DatabaseDiff> {
    let mut found = Vec::new();
    for (name, first, second) in pairs(all_tables(a), all_tables(b)) {
        let change = change_of(&first, &second);
        let tables: Vec<TableDiff> = pairs(first.unwrap_or_default(), second.unwrap_or_default())
            .into_iter()
            .filter_map(|(name, first, second)| table(name, first.map(|t| (a, t)), second.map(|t| (b, t))))
            .collect();
        if change != Change::Changed || !tables.is_empty() {
            found.push(DatabaseDiff { name: name.to_owned(), change, tables });
        }
    }
    found
}

type Tables<'a> = BTreeMap<&'a str, &'a Table>;

fn all_tables(catalog: &Catalog) -> BTreeMap<&str, Tables<'_>> {
    let tables = |id| catalog.tables_of(id).map(|table| (table.name.as_str(), &**table)).collect();
    catalog.databases().map(|database| (database.name.as_str(), tables(database.id))).collect()
}

fn change_of<T>(a: &Option<T>, b: &Option<T>) -> Change {
    match (a, b) {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        (Some(_), Some(_)) => Change::Changed,
    }
}

type In<'a, T> = Option<(&'a Catalog, &'a T)>;

/// None: the two are the same.
fn table(name: &str, a: In<'_, Table>, b: In<'_, Table>) -> Option<TableDiff> {
    let size = |side: In<'_, Table>| {
        let partitions = side.into_iter().flat_map(|(catalog, table)| catalog.partitions_of(table));
        partitions.fold(Size::default(), |sum, p| Size { rows: sum.rows + p.rows(), bytes: sum.bytes + p.bytes() })
    };
    let (change, mut what, mut partitions) = (change_of(&a, &b), Vec::new(), Vec::new());
    if let (Some(a), Some(b)) = (a, b) {
        what = differences(a, b);
        partitions = changed_partitions(a, b);
        if what.is_empty() && partitions.is_empty() {
            return None;
        }
    }
    Some(TableDiff { name: name.to_owned(), change, a: size(a), b: size(b), what, partitions })
}

/// What is not the same of the tables themselves.
fn differences((in_a, a): (&Catalog, &Table), (in_b, b): (&Catalog, &Table)) -> Vec<String> {
    let mut found = Vec::new();
    if in_a.identity().service_id == in_b.identity().service_id && a.id != b.id {
        found.push("it was dropped, and created anew or restored".to_owned());
    }
    found.extend(columns(&a.schema, &b.schema));
    let volume = |catalog: &Catalog, table: &Table| catalog.volume(table.volume).map(|v| v.name.clone());
    let mut note = |is_same: bool, what: &str| {
        if !is_same {
            found.push(what.to_owned());
        }
    };
    note(a.model == b.model, "another key model");
    note(a.partitioning == b.partitioning, "partitioned by other columns");
    note(a.distribution == b.distribution, "distributed in another way");
    note(volume(in_a, a) == volume(in_b, b), "in another storage volume");
    note(a.comment == b.comment, "another comment");
    note(a.properties == b.properties, "other properties");
    found
}

fn columns(a: &Schema, b: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    let by_name =
        |schema: &'_ Schema| -> BTreeSet<String> { schema.columns.iter().map(|c| c.name.to_lowercase()).collect() };
    let (first, second) = (by_name(a), by_name(b));
    found.extend(second.difference(&first).map(|name| format!("column {name} added")));
    found.extend(first.difference(&second).map(|name| format!("column {name} removed")));
    for name in first.intersection(&second) {
        let (Some(a), Some(b)) = (a.column(name), b.column(name)) else { continue };
        if a.data_type != b.data_type {
            found.push(format!("column {name}: {} became {}", a.data_type, b.data_type));
        } else if (a.nullable, a.key, &a.default, &a.comment, a.aggregation)
            != (b.nullable, b.key, &b.default, &b.comment, b.aggregation)
        {
            found.push(format!("column {name} changed"));
        }
    }
    if found.is_empty() && !a.columns.iter().map(|c| &c.name).eq(b.columns.iter().map(|c| &c.name)) {
        found.push("its columns are in another order, or spelt in another way".to_owned());
    }
    found
}

fn changed_partitions((in_a, a): (&Catalog, &Table), (in_b, b): (&Catalog, &Table)) -> Vec<PartitionDiff> {
    let mut found = Vec::new();
    for (name, first, second) in pairs(all_partitions(in_a, a), all_partitions(in_b, b)) {
        if let (Some(a), Some(b)) = (first, second)
            && (&a.range, a.buckets) == (&b.range, b.buckets)
            && data(in_a, a) == data(in_b, b)
        {
            continue;
        }
        let size = |p: Option<&Partition>| p.map_or(Size::default(), |p| Size { rows: p.rows(), bytes: p.bytes() });
        let change = change_of(&first, &second);
        found.push(PartitionDiff { name: name.to_owned(), change, a: size(first), b: size(second) });
    }
    found
}

fn all_partitions<'a>(catalog: &'a Catalog, table: &'a Table) -> BTreeMap<&'a str, &'a Partition> {
    catalog.partitions_of(table).map(|partition| (partition.name.as_str(), &**partition)).collect()
}

/// A sorted run: the hash of its file, the tablet, row groups, and which of its rows are gone.
type Run<'a> = (Option<Digest>, u32, u32, u32, Option<(u64, Option<Digest>, &'a [u8])>);

/// The rows of a partition: which row groups of which files, wherever these lie.
fn data<'a>(catalog: &'a Catalog, partition: &'a Partition) -> Vec<Run<'a>> {
    let hash = |file| catalog.file(file).map(|file| file.sha256);
    let gone = |deletes: &'a Deletes| match &deletes.vector {
        Vector::Inline(bytes) => (deletes.rows, None, bytes.as_slice()),
        Vector::Stored { file, .. } => (deletes.rows, hash(*file), [].as_slice()),
    };
    let run = |r: &'a Rowset| (hash(r.file), r.bucket, r.first_row_group, r.row_groups, r.deletes.as_deref().map(gone));
    let mut runs: Vec<_> = partition.rowsets.iter().map(run).collect();
    runs.sort_unstable();
    runs
}

fn files(a: &Catalog, b: &Catalog) -> FilesDiff {
    let all = |catalog: &'_ Catalog| -> BTreeMap<(String, Digest), u64> {
        let needed = catalog.files().filter(|file| file.removed_at().is_none());
        needed.map(|file: &std::sync::Arc<FileEntry>| ((file.object.to_string(), file.sha256), file.size)).collect()
    };
    let (first, second) = (all(a), all(b));
    let mut found = FilesDiff::default();
    for (key, size) in &first {
        add(if second.contains_key(key) { &mut found.both } else { &mut found.only_a }, *size);
    }
    for (_, size) in second.iter().filter(|(key, _)| !first.contains_key(*key)) {
        add(&mut found.only_b, *size);
    }
    found
}

fn add(to: &mut FileCheck, size: u64) {
    to.files += 1;
    to.bytes += size;
}
