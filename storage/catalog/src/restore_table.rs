//! RESTORE TABLE … FROM SNAPSHOT: a table as a snapshot has it becomes a table of this catalog, with new ids, over the very
//! files that it had. No data is copied.
//!
//! # Why that is safe
//!
//! The snapshot is FINISHED when the command is applied, so it has pinned its cut since it was made: each of its files is
//! known and not condemned, and what no table names any more has the cut in its life. It gets a reference again, and its life
//! `[created_at, removed_at)` goes on to whatever end it will have then. It is one interval still, and longer: who needed the
//! file finds it, and snapshots that were cut while nobody named it keep it for nothing. A query that began before does not
//! see it; a `Condemn` on its way finds a reference and leaves it out; `Forget` takes only what is condemned.
//!
//! What a longer life does change is what another timeline can know: see [`crate::rebase`] and the note on files that came
//! back in its `foreign`. For that, the catalog tells when a file last came back.
//!
//! # Snapshots of other timelines
//!
//! A FOREIGN snapshot keeps those of its files that this catalog knows, and of them a table can be restored in the same way.
//! Ids mean nothing there: files are found by the names of their objects. A table that has a file of which only the other
//! timeline knows is refused. Taken over, it would begin its life here and now, where no FOREIGN pin can lie: when the
//! restored table is dropped, the file would be deleted, and the other timeline's manifests still need it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use storage_model::{FileEntry, FileId, JobState, Partition, SnapshotJob, Table, VolumeId};

use crate::catalog::Catalog;
use crate::command::{Command, Rejection, RestoredFile};

/// A table by the names of its database and its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableName {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// What a snapshot that is not FINISHED says.
pub(crate) fn not_available(snapshot: &str, state: JobState) -> Rejection {
    cannot(format!("Cluster snapshot '{snapshot}' is not available for restore: it is {state}"))
}

fn cannot(why: String) -> Rejection {
    Rejection::CannotRestore(why)
}

/// The snapshot of this name, if tables of it can be restored now.
pub fn source<'a>(now: &'a Catalog, snapshot: &str) -> Result<&'a SnapshotJob, Rejection> {
    let named = || now.jobs().rev().filter(|job| job.name == snapshot && !job.state.is_final());
    let found = named().find(|job| job.state == JobState::Finished).or_else(|| named().next());
    match found {
        Some(job) if job.state == JobState::Finished => Ok(job),
        Some(job) => Err(not_available(&job.name, job.state)),
        None => Err(Rejection::UnknownSnapshot(snapshot.to_owned())),
    }
}

/// The command that brings back the table `from` of the snapshot of `job`, whose catalog is `past`, as `to`.
pub fn command(
    now: &Catalog,
    job: &SnapshotJob,
    past: &Catalog,
    from: &TableName,
    to: &TableName,
) -> Result<Command, Rejection> {
    let cut = job.cut.ok_or_else(|| not_available(&job.name, job.state))?;
    let table = named(past, job, from)?;
    check_volume(now, past, table.volume, &from.table)?;
    let mut files: BTreeMap<FileId, RestoredFile> = BTreeMap::new();
    let mut partitions: Vec<Partition> = Vec::with_capacity(table.partitions.len());
    for partition in past.partitions_of(table) {
        let mut partition = partition.as_ref().clone();
        let mut here = |there: FileId| {
            if let Some(known) = files.get(&there) {
                return Ok(known.id);
            }
            let found = file_here(now, job, past, there, &from.table)?;
            let (id, volume, object) = (found.id, found.volume, found.object.to_string());
            files.insert(there, RestoredFile { id, volume, object });
            Ok(id)
        };
        let rowsets: Vec<_> = partition.rowsets.iter().map(|rowset| rowset.with_files(&mut here)).collect();
        partition.rowsets = rowsets.into_iter().collect::<Result<_, Rejection>>()?;
        partitions.push(partition);
    }
    // Temporary partitions are on their way to something that the snapshot has not seen: they do not come back.
    let (name, partitions_now, temporary) = (to.table.clone(), Vec::new(), Vec::new());
    let table = Table { name, partitions: partitions_now, temporary, ..table.clone() };
    let (job, database, files) = (job.id, to.database.clone(), files.into_values().collect());
    Ok(Command::RestoreTable { job, cut, database, table, partitions, files })
}

fn named<'a>(past: &'a Catalog, job: &SnapshotJob, name: &TableName) -> Result<&'a Table, Rejection> {
    let TableName { database, table } = name;
    let unknown = |what: String| cannot(format!("Unknown {what} in cluster snapshot {}", job.name));
    let found = past.database_by_name(database).ok_or_else(|| unknown(format!("database '{database}'")))?;
    let table = past.table_by_name(found.id, table).ok_or_else(|| unknown(format!("table '{database}.{table}'")))?;
    Ok(table.as_ref())
}

/// A volume has the same id in the snapshot and here, and then the same name: of timelines that have parted, one id may be
/// two volumes.
fn check_volume(now: &Catalog, past: &Catalog, volume: VolumeId, table: &str) -> Result<(), Rejection> {
    let there = past.volume(volume).map_or("", |there| there.name.as_str());
    match now.volume(volume) {
        Some(here) if here.name == there => Ok(()),
        _ => Err(cannot(format!("the storage volume '{there}' of table {table} does not exist any more"))),
    }
}

/// A file of the snapshot as this catalog knows it.
fn file_here<'a>(
    now: &'a Catalog,
    job: &SnapshotJob,
    past: &Catalog,
    id: FileId,
    table: &str,
) -> Result<&'a FileEntry, Rejection> {
    let there = past.file(id).ok_or_else(|| cannot(format!("table {table} names the unknown file {id}")))?;
    check_volume(now, past, there.volume, table)?;
    let object = &there.object.to_string();
    let Some(here) = now.file_of_object(there.volume, object) else {
        let why = match job.is_foreign() {
            true => "is known only to the timeline that took the snapshot, which can be restored as a whole",
            false => "is not known any more",
        };
        return Err(cannot(format!(
            "table {table} of cluster snapshot {} cannot be restored by itself: its file {object} {why}",
            job.name
        )));
    };
    if (here.size, &here.sha256) != (there.size, &there.sha256) {
        return Err(cannot(format!("the file {object} is not the one that cluster snapshot {} names", job.name)));
    }
    match here.condemned_at() {
        Some(_) => Err(cannot(format!("the file {object} is being deleted"))),
        None => Ok(here),
    }
}
