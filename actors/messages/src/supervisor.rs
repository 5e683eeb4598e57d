//! To the snapshot job supervisor.

use runtime_actor::Message;
use serde::{Deserialize, Serialize};
use storage_catalog::restore_table::TableName;
use storage_model::{JobId, Revision, SnapshotJob, StorageVolume, VolumeId};

use crate::leader::ProposeFailure;

/// The mailbox of the snapshot job supervisor.
pub const SNAPSHOT_JOB_SUPERVISOR: &str = "snapshot_job_supervisor";

/// The one trace of all that is done for a snapshot job, whichever leader does it.
pub fn job_trace(incarnation: &storage_model::Incarnation, job: storage_model::JobId) -> runtime_actor::TraceId {
    runtime_actor::TraceId::of(format!("snapshot job {job} of {}", incarnation.0).as_bytes())
}

/// Look at the state now: a policy changed, a job was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reconcile;

impl Message for Reconcile {
    type Reply = ();
    const NAME: &'static str = "Reconcile";
}

/// Before ON or a new volume: write, read, list and delete a probe with the real client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Preflight {
    /// The volume.
    pub volume: StorageVolume,
}

impl Message for Preflight {
    type Reply = Result<(), String>;
    const NAME: &'static str = "Preflight";
}

/// What DETAIL_INFO says that is not in the catalog.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct JobDetails {
    /// Of the running job: `uploading 3/12 sections, 14 of 40 MiB`. None when none runs.
    pub running: Option<(JobId, String)>,
    /// Of the snapshots that other clusters live on: for whom they are kept.
    pub leased: Vec<(JobId, String)>,
}

impl JobDetails {
    /// What is said of a job.
    pub fn of(&self, job: &SnapshotJob) -> Option<&str> {
        let running = self.running.iter().filter(|_| job.state.is_unfinished());
        let leased = self.leased.iter().filter(|_| !job.state.is_unfinished());
        let said = running.chain(leased).find(|(id, text)| *id == job.id && !text.is_empty());
        said.map(|(_, text)| text.as_str())
    }
}

/// Ask for [`JobDetails`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunningDetail;

impl Message for RunningDetail {
    type Reply = JobDetails;
    const NAME: &'static str = "RunningDetail";
}

/// CREATE CLUSTER SNAPSHOT: begin a job for a snapshot that stays until it is dropped. Answered when the job has begun: a job
/// that runs is waited for, as long as the sender waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreateSnapshot {
    /// Its name.
    pub name: String,
    /// Where it goes.
    pub volume: VolumeId,
    /// COMMENT.
    pub comment: String,
}

impl Message for CreateSnapshot {
    type Reply = Result<JobId, ProposeFailure>;
    const NAME: &'static str = "CreateSnapshot";
}

/// RESTORE TABLE … FROM SNAPSHOT … TO TABLE …: a table as a snapshot has it, beside all others, over the files that it had.
/// A view that is at least as new as the answer shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoreTable {
    /// The snapshot.
    pub snapshot: String,
    /// The table as the snapshot knows it.
    pub from: TableName,
    /// What it becomes.
    pub to: TableName,
}

impl Message for RestoreTable {
    type Reply = Result<Revision, ProposeFailure>;
    const NAME: &'static str = "RestoreTable";
}

/// ADMIN VERIFY CLUSTER SNAPSHOT name [WITH DATA]: is everything that a restore would need in the store?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifySnapshot {
    /// The snapshot.
    pub name: String,
    /// Read every byte of every data file, on the compute nodes.
    pub with_data: bool,
}

impl Message for VerifySnapshot {
    type Reply = Result<Vec<SnapshotProblem>, String>;
    const NAME: &'static str = "VerifySnapshot";
}

/// Something that a restore would stumble over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SnapshotProblem {
    /// The storage volume's name.
    pub volume: String,
    /// Below the volume's location; empty when it is the volume itself.
    pub object: String,
    /// What is wrong.
    pub what: String,
}
