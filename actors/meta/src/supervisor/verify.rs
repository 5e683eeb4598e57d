//! ADMIN VERIFY CLUSTER SNAPSHOT: sections and names here, the bytes of the data files on the compute nodes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use actors_messages::compute::{SNAPSHOT_AGENT, VerifyFiles};
use actors_messages::supervisor::{SnapshotProblem, VerifySnapshot};
use futures::StreamExt;
use runtime_raft::Meta;
use storage_catalog::{Catalog, Rejection};
use storage_model::{StorageVolume, VolumeId};
use storage_snapshot::report::{Snapshot, verify_snapshot};
use storage_snapshot::{Problem, load};
use storage_volume::Volume;
use storage_volume::layout::Layout;

use crate::nodes::NodeDirectory;

/// One message to an agent: so many files at most, and no further file once there are so many bytes.
const BATCH_FILES: usize = 256;
const BATCH_BYTES: u64 = 1 << 30;
/// An agent may take this long for a batch.
const DEADLINE: Duration = Duration::from_secs(600);
/// Batches under way at one agent.
const BATCHES_AT_ONCE: usize = 2;

/// What is wrong with a snapshot; empty: it can be restored. Err: it could not be found out.
pub(super) async fn verify(
    meta: Meta,
    directory: NodeDirectory,
    message: VerifySnapshot,
) -> Result<Vec<SnapshotProblem>, String> {
    let now = meta.view();
    let job = now.jobs().rev().find(|job| job.name == message.name && !job.state.is_final());
    let job = job.ok_or_else(|| Rejection::UnknownSnapshot(message.name.clone()).to_string())?;
    if job.state.is_unfinished() {
        return Err(format!("cluster snapshot {} is not finished yet: {}", job.name, job.state));
    }
    let spec = now.volume(job.volume).ok_or_else(|| format!("volume {} is gone", job.volume))?;
    let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
    let layout = Layout(now.identity().service_id.clone());
    // Volumes as they are reached now: the snapshot's own image has older credentials, or none.
    let volumes: BTreeMap<String, StorageVolume> =
        now.volumes().map(|v| (v.name.clone(), v.as_ref().clone())).collect();
    let at = Snapshot { volume: &volume, layout: &layout, name: Some(&job.name), cut: job.cut, moved: false };
    let checked = verify_snapshot(at, &volumes, Volume::open, false, |_| {}).await.map_err(|e| e.chain())?;
    if !checked.problems.is_empty() || !message.with_data {
        return Ok(checked.problems.into_iter().map(told).collect());
    }
    let found = at.find().await.map_err(|e| e.chain())?;
    let catalog = load(&volume, &layout, &found.manifest).await.map_err(|e| e.chain())?;
    read_all(&directory, batches(&catalog, &volumes)?).await
}

fn told(problem: Problem) -> SnapshotProblem {
    SnapshotProblem { volume: problem.volume, object: problem.object, what: problem.what }
}

/// Every data file of the snapshot, in portions for agents.
fn batches(catalog: &Catalog, volumes: &BTreeMap<String, StorageVolume>) -> Result<Vec<VerifyFiles>, String> {
    let mut open: BTreeMap<VolumeId, (VerifyFiles, u64)> = BTreeMap::new();
    let mut full = Vec::new();
    for file in catalog.files().filter(|f| f.removed_at().is_none()) {
        let (batch, bytes) = match open.entry(file.volume) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(first) => {
                let known =
                    catalog.volume(file.volume).ok_or_else(|| format!("volume {} is not known", file.volume))?;
                let volume = volumes.get(&known.name).unwrap_or(known).clone();
                let service = catalog.identity().service_id.clone();
                first.insert((VerifyFiles { volume, service, files: Vec::new() }, 0))
            }
        };
        batch.files.push((file.object.to_string(), file.size, file.sha256.to_string()));
        *bytes += file.size;
        if batch.files.len() >= BATCH_FILES || *bytes >= BATCH_BYTES {
            full.extend(open.remove(&file.volume).map(|(batch, _)| batch));
        }
    }
    full.extend(open.into_values().map(|(batch, _)| batch));
    Ok(full)
}

async fn read_all(directory: &NodeDirectory, batches: Vec<VerifyFiles>) -> Result<Vec<SnapshotProblem>, String> {
    let at_once = directory.alive().len().max(1) * BATCHES_AT_ONCE;
    let reads: Vec<_> = batches.into_iter().enumerate().map(|(n, batch)| read(directory, n, batch)).collect();
    let mut results = futures::stream::iter(reads).buffer_unordered(at_once);
    let mut problems = Vec::new();
    while let Some(found) = results.next().await {
        problems.extend(found?);
    }
    problems.sort();
    Ok(problems)
}

/// One batch, at the agent whose turn it is; at the others if that one fails.
async fn read(directory: &NodeDirectory, turn: usize, batch: VerifyFiles) -> Result<Vec<SnapshotProblem>, String> {
    let mut last = "no compute node is alive to read the data files".to_owned();
    let mut nodes = directory.alive();
    let count = nodes.len().max(1);
    nodes.rotate_left(turn % count);
    for (node, peer) in nodes {
        match peer.ask(SNAPSHOT_AGENT, batch.clone(), DEADLINE).await {
            Ok(Ok(found)) => {
                let volume = &batch.volume.name;
                let problem = |f: actors_messages::compute::FoundWrong| SnapshotProblem {
                    volume: volume.clone(),
                    object: f.object,
                    what: f.what,
                };
                return Ok(found.into_iter().map(problem).collect());
            }
            Ok(Err(cause)) => last = format!("compute node {node}: {cause}"),
            Err(error) => last = format!("compute node {node}: {error}"),
        }
    }
    Err(last)
}
