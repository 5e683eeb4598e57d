//! To the snapshot job supervisor.

use runtime_actor::Message;
use storage_model::StorageVolume;

/// The one trace of all that is done for a snapshot job, whichever leader does it.
pub fn job_trace(incarnation: &storage_model::Incarnation, job: storage_model::JobId) -> runtime_actor::TraceId {
    runtime_actor::TraceId::of(format!("snapshot job {job} of {}", incarnation.0).as_bytes())
}

/// Look at the state now: a policy changed, a job was asked for.
#[derive(Clone, Debug)]
pub struct Reconcile;

impl Message for Reconcile {
    type Reply = ();
    const NAME: &'static str = "Reconcile";
}

/// Before ON or a new volume: write, read, list and delete a probe with the real client.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// The volume.
    pub volume: StorageVolume,
}

impl Message for Preflight {
    type Reply = Result<(), String>;
    const NAME: &'static str = "Preflight";
}

/// DETAIL_INFO of the running job: `uploading 3/12 sections, 14 of 40 MiB`. Empty when none runs.
#[derive(Clone, Debug)]
pub struct RunningDetail;

impl Message for RunningDetail {
    type Reply = Option<(storage_model::JobId, String)>;
    const NAME: &'static str = "RunningDetail";
}
