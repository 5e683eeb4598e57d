//! A catalog of the past (of a snapshot, or of a meta directory that was copied back) becomes the catalog of a new cluster:
//! another incarnation of the same service.

mod borrow;
mod foreign;

use std::collections::BTreeMap;
use std::sync::Arc;

use storage_model::{
    ComputeNode, Epoch, Frontend, FrontendRole, Incarnation, JobState, NodeId, Revision, SnapshotJob, StorageVolume,
    UnixMillis, VolumeId,
};
use thiserror::Error;

use crate::catalog::{Catalog, RestoreFacts};

pub use self::foreign::PresentManifest;

/// What StarRocks says of the job that a restored cluster comes from.
const RESET: &str = "Finished time was reset after cluster restored";
/// What StarRocks says of a job that a restart interrupted.
const INTERRUPTED: &str = "Snapshot job has been failed because of FE restart or leader change";
/// The careful time after a restore: 24 hours.
const CAREFUL_MILLIS: u64 = 86_400_000;

/// What a restore decides before the catalog can live again.
#[derive(Clone, Debug)]
pub struct Rebase {
    /// Drawn anew.
    pub incarnation: Incarnation,
    /// Greater than that of the image and of every claim seen.
    pub epoch: Epoch,
    /// The time of the restore.
    pub now: UnixMillis,
    /// The one frontend that starts, and leads alone.
    pub frontend: Frontend,
    /// The others that are expected, `(host, edit_log_port, role)`: members once they have joined.
    pub expected: Vec<(String, u16, FrontendRole)>,
    /// The cut whose manifest was restored.
    pub cut: Revision,
    /// The manifest's own name of the snapshot.
    pub snapshot_name: String,
    /// SHA-256 of the manifest, hex, and bytes of manifest and sections.
    pub manifest: (String, u64),
    /// The manifests that can be restored, for each volume that was looked at.
    pub present: BTreeMap<VolumeId, Vec<PresentManifest>>,
    /// Compute nodes of the new cluster, `(host, heartbeat port)`; None: those of the image.
    pub compute_nodes: Option<Vec<(String, u16)>>,
    /// Volumes replaced by name; those not named stay as they are. New names are added.
    pub volumes: BTreeMap<String, StorageVolume>,
    /// Volumes whose roots are borrowed from now on, by name, each with the volume that takes what is written instead.
    pub successors: BTreeMap<String, StorageVolume>,
}

/// What an adoption decides before a catalog that was copied back can live again.
#[derive(Clone, Debug)]
pub struct Adopt {
    /// Drawn anew.
    pub incarnation: Incarnation,
    /// Greater than that of the catalog and of every claim seen.
    pub epoch: Epoch,
    /// The time of the adoption.
    pub now: UnixMillis,
    /// The frontend whose directory it is: it leads alone.
    pub frontend: NodeId,
    /// The manifests that can be restored, for each volume that was looked at.
    pub present: BTreeMap<VolumeId, Vec<PresentManifest>>,
}

/// Why a catalog cannot be rebased.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RebaseError {
    /// The image is not of this snapshot.
    #[error("the image at revision {0} holds no job for the snapshot {1}")]
    NoJob(Revision, String),
    /// An epoch that would not win.
    #[error("the epoch {found} does not exceed the epoch {image} of the image")]
    OldEpoch {
        /// As asked.
        found: Epoch,
        /// As in the image.
        image: Epoch,
    },
    /// Nobody would lead.
    #[error("frontend {0} is not one of the frontends of the catalog at revision {1}")]
    NoFrontend(NodeId, Revision),
}

/// The catalog of the new cluster. Its revision is that of the image plus one: the restore itself.
pub fn rebase(image: &Catalog, plan: &Rebase) -> Result<Catalog, RebaseError> {
    let facts = RestoreFacts {
        snapshot_name: plan.snapshot_name.clone(),
        cut: plan.cut,
        restored_at: plan.now,
        careful_until: None,
    };
    let mut next = reborn(image, &plan.incarnation, plan.epoch, facts)?;
    replace_frontends(&mut next, plan);
    // Whoever waited for these answers is gone.
    next.proposers.clear();
    replace_volumes(&mut next, plan);
    replace_compute_nodes(&mut next, plan);
    settle_jobs(&mut next, plan)?;
    borrow::succeed(&mut next, plan);
    list_foreign(&mut next, image, &plan.present, plan.now);
    Ok(next)
}

/// The catalog of a cluster whose metadata were copied back: what it was then, in a new incarnation. What the cluster did
/// since then is of another timeline, whose objects it does not name, and whose snapshots become FOREIGN. Its revision is one
/// more: the adoption itself.
pub fn adopt(catalog: &Catalog, plan: &Adopt) -> Result<Catalog, RebaseError> {
    let revision = catalog.revision();
    let facts =
        RestoreFacts { snapshot_name: String::new(), cut: revision, restored_at: plan.now, careful_until: None };
    let mut next = reborn(catalog, &plan.incarnation, plan.epoch, facts)?;
    let me = catalog.frontend(plan.frontend).ok_or(RebaseError::NoFrontend(plan.frontend, revision))?;
    // Whoever leads votes.
    let me = Frontend { role: FrontendRole::Follower, ..me.as_ref().clone() };
    next.frontends = std::iter::once((me.id, Arc::new(me))).collect();
    next.proposers.clear();
    let jobs: Vec<Arc<SnapshotJob>> = next.jobs.values().cloned().collect();
    for job in jobs {
        let mut job = job.as_ref().clone();
        settle_job(&mut job, &plan.present, plan.now, next.header.revision);
        next.jobs.insert(job.id, Arc::new(job));
    }
    list_foreign(&mut next, catalog, &plan.present, plan.now);
    Ok(next)
}

/// Another incarnation, one revision on, careful from now on.
fn reborn(
    catalog: &Catalog,
    incarnation: &Incarnation,
    epoch: Epoch,
    facts: RestoreFacts,
) -> Result<Catalog, RebaseError> {
    let mut next = catalog.clone();
    let header = &mut next.header;
    if epoch <= header.identity.epoch {
        return Err(RebaseError::OldEpoch { found: epoch, image: header.identity.epoch });
    }
    header.identity.incarnation = incarnation.clone();
    header.identity.epoch = epoch;
    header.revision = header.revision.next();
    header.clock = facts.restored_at;
    header.restored = Some(RestoreFacts { careful_until: Some(header.uptime.plus(CAREFUL_MILLIS)), ..facts });
    next.cancel_all_alters();
    Ok(next)
}

fn replace_frontends(catalog: &mut Catalog, plan: &Rebase) {
    let me = &plan.frontend;
    catalog.frontends = std::iter::once((me.id, Arc::new(me.clone()))).collect();
    for (host, edit_log_port, role) in &plan.expected {
        if (host, *edit_log_port) == (&me.host, me.edit_log_port) {
            continue;
        }
        let id = NodeId(catalog.header.next_id);
        catalog.header.next_id += 1;
        let frontend = Frontend {
            id,
            name: format!("{host}_{edit_log_port}_{}", plan.now.0),
            role: *role,
            host: host.clone(),
            edit_log_port: *edit_log_port,
            http_port: 0,
            query_port: 0,
            rpc_port: 0,
        };
        catalog.frontends.insert(id, Arc::new(frontend));
    }
}

fn replace_volumes(catalog: &mut Catalog, plan: &Rebase) {
    for (name, new) in &plan.volumes {
        put_volume(catalog, name, new);
    }
}

/// A volume that has the name already gives it its id: files name that.
fn put_volume(catalog: &mut Catalog, name: &str, new: &StorageVolume) -> VolumeId {
    let known = catalog.volume_by_name(name).map(|v| v.id);
    let id = known.unwrap_or_else(|| {
        let id = VolumeId(catalog.header.next_id);
        catalog.header.next_id += 1;
        id
    });
    let volume = StorageVolume { id, name: name.to_owned(), ..new.clone() };
    catalog.volumes.insert(id, Arc::new(volume));
    id
}

fn replace_compute_nodes(catalog: &mut Catalog, plan: &Rebase) {
    let Some(nodes) = &plan.compute_nodes else { return };
    catalog.compute_nodes.clear();
    for (host, heartbeat_port) in nodes {
        let id = NodeId(catalog.header.next_id);
        catalog.header.next_id += 1;
        let (host, added_at) = (host.clone(), plan.now);
        let node = ComputeNode { id, host, heartbeat_port: *heartbeat_port, added_at };
        catalog.compute_nodes.insert(id, Arc::new(node));
    }
}

fn settle_jobs(catalog: &mut Catalog, plan: &Rebase) -> Result<(), RebaseError> {
    let jobs: Vec<Arc<SnapshotJob>> = catalog.jobs.values().cloned().collect();
    let mut found = false;
    let revision = catalog.header.revision;
    for job in jobs {
        let mut job = job.as_ref().clone();
        if job.name == plan.snapshot_name && job.state == JobState::Snapshoting {
            found = true;
            job.enter(JobState::Finished, plan.now, revision);
            job.cut = Some(plan.cut);
            job.finished_at = Some(plan.now);
            job.detail = RESET.to_owned();
            (job.sha256, job.bytes) = plan.manifest.clone();
            if let Some(volume) = catalog.volumes.get(&job.volume) {
                let root = volume.location.trim_end_matches('/');
                let service = &catalog.header.identity.service_id;
                job.path = format!("{root}/{service}/meta/image/{}", job.name);
            }
        } else {
            settle_job(&mut job, &plan.present, plan.now, revision);
        }
        catalog.jobs.insert(job.id, Arc::new(job));
    }
    if found { Ok(()) } else { Err(RebaseError::NoJob(catalog.header.revision, plan.snapshot_name.clone())) }
}

/// A job that was interrupted has failed; one whose manifest is gone from a volume that was looked at is deleted.
fn settle_job(
    job: &mut SnapshotJob,
    present: &BTreeMap<VolumeId, Vec<PresentManifest>>,
    now: UnixMillis,
    revision: Revision,
) {
    if job.state.is_unfinished() {
        job.enter(JobState::Error, now, revision);
        job.error = INTERRUPTED.to_owned();
        job.finished_at = Some(now);
    } else if matches!(job.state, JobState::Finished | JobState::Expired)
        && present.get(&job.volume).is_some_and(|there| !there.iter().any(|manifest| manifest.is_of(job)))
    {
        job.enter(JobState::Deleted, now, revision);
    }
}

/// A row for every manifest that no job has, but for those that are another cluster's.
fn list_foreign(
    next: &mut Catalog,
    past: &Catalog,
    present: &BTreeMap<VolumeId, Vec<PresentManifest>>,
    now: UnixMillis,
) {
    for (volume, manifests) in present {
        if next.volumes.get(volume).is_some_and(|known| known.borrowed.is_some()) {
            continue;
        }
        for manifest in manifests {
            foreign::list(next, past, *volume, manifest, now);
        }
    }
}
