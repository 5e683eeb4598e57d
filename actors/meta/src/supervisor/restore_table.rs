//! RESTORE TABLE … FROM SNAPSHOT: the catalog of the snapshot is read and verified, the table is taken out of it, its files are
//! looked at, and one command brings it back. The snapshot's own pin keeps the files meanwhile; should it be dropped, the
//! command is refused, and nothing has happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors_messages::compute::AttestFiles;
use actors_messages::leader::ProposeFailure;
use actors_messages::supervisor::RestoreTable;
use storage_catalog::restore_table::{command, source};
use storage_catalog::{Catalog, Command, Outcome, Rejection, RestoredFile};
use storage_model::{ObjectName, Revision, SnapshotJob, VolumeId};
use storage_snapshot::load;
use storage_snapshot::report::Snapshot;
use storage_volume::Volume;
use storage_volume::layout::Layout;
use tokio::sync::Semaphore;

use super::effects::{ATTEST_BATCH, Effects};
use super::steps;
use crate::leader::failure;

/// The revision at which the new table is there. `turns`: how many catalogs may be in memory at the same time.
pub(super) async fn restore(
    effects: Effects,
    turns: Arc<Semaphore>,
    asked: RestoreTable,
) -> Result<Revision, ProposeFailure> {
    let now = effects.meta.view();
    let job = source(&now, &asked.snapshot)?.clone();
    check_target(&now, &asked)?;
    let work = async {
        let turn = turns.acquire().await.map_err(|_| cannot("the metadata is closed".to_owned()))?;
        let past = steps::part("load", load_catalog(&now, &job)).await?;
        // What has changed meanwhile is seen; what changes from here on, by the catalog itself.
        let command = command(&effects.meta.view(), &job, &past, &asked.from, &asked.to)?;
        drop((past, turn));
        steps::part("attest", attest(&effects, &command)).await?;
        let done = effects.meta.propose(command).await.map_err(failure)?;
        match done {
            Outcome::Table(id) => Ok((id, effects.meta.view().revision())),
            other => Err(ProposeFailure::Unavailable(format!("RestoreTable was answered with {other:?}"))),
        }
    };
    let (id, revision) = steps::of_job(&now, job.id, "restore_table", work).await?;
    tracing::info!(snapshot = job.name, from = %asked.from, to = %asked.to, table = %id, "a table was restored from a snapshot");
    Ok(revision)
}

fn cannot(why: String) -> Rejection {
    Rejection::CannotRestore(why)
}

/// What is plain to see is said before the snapshot is read.
fn check_target(now: &Catalog, asked: &RestoreTable) -> Result<(), Rejection> {
    let to = &asked.to;
    let database = now.database_by_name(&to.database).ok_or_else(|| Rejection::UnknownDatabase(to.database.clone()))?;
    match now.table_by_name(database.id, &to.table) {
        Some(_) => Err(Rejection::TableExists(to.table.clone())),
        None => Ok(()),
    }
}

/// The catalog of the snapshot, from the manifest that the job has written and no other.
async fn load_catalog(now: &Catalog, job: &SnapshotJob) -> Result<Catalog, Rejection> {
    let unreadable = |why: String| cannot(format!("cluster snapshot {} cannot be read: {why}", job.name));
    let spec = now.volume(job.volume).ok_or_else(|| unreadable(format!("volume {} is gone", job.volume)))?;
    let volume = Volume::open(spec).map_err(|e| unreadable(storage_volume::error_chain(&e)))?;
    let layout = Layout(now.identity().service_id.clone());
    let at = Snapshot { volume: &volume, layout: &layout, name: Some(&job.name), cut: job.cut, moved: false };
    let manifest = at.find().await.map_err(|e| unreadable(e.chain()))?.manifest;
    if (Some(manifest.revision), &manifest.sha256) != (job.cut, &job.sha256) {
        return Err(unreadable("the manifest in the store is another".to_owned()));
    }
    load(&volume, &layout, &manifest).await.map_err(|e| unreadable(e.chain()))
}

/// The agents look whether every file is in the store with its size.
async fn attest(effects: &Effects, command: &Command) -> Result<(), Rejection> {
    let Command::RestoreTable { files, .. } = command else { return Ok(()) };
    let now = effects.meta.view();
    let mut by_volume: BTreeMap<VolumeId, Vec<(ObjectName, u64)>> = BTreeMap::new();
    for RestoredFile { id, volume, object } in files {
        let known = now.file(*id).ok_or_else(|| cannot(format!("the file {object} is not known any more")))?;
        by_volume.entry(*volume).or_default().push((object.clone(), known.size));
    }
    for (volume, files) in by_volume {
        let spec = now.volume(volume).ok_or_else(|| cannot(format!("volume {volume} is gone")))?;
        for batch in files.chunks(ATTEST_BATCH) {
            let service = now.identity().service_id.clone();
            let message = AttestFiles { volume: spec.as_ref().clone(), service, files: batch.to_vec() };
            let found = effects.ask_agent(message).await.map_err(cannot)?;
            if let Some(problem) = found.problems.first() {
                return Err(cannot(format!("a data file is not in the store as the catalog knows it: {problem}")));
            }
        }
    }
    Ok(())
}
