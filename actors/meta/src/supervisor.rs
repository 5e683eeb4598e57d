//! The snapshot job supervisor: a reconciler. State first, one idempotent effect, one event; two lanes, one for the job
//! that runs or comes next, one for those that are over, so that a store that will not delete does not stop new
//! snapshots.

mod attest;
mod create;
pub mod decide;
mod effects;
mod limits;
mod restore_table;
mod steps;
mod verify;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actors_messages::leader::ProposeFailure;
use actors_messages::supervisor::{
    CreateSnapshot, JobDetails, Preflight, Reconcile, RestoreTable, RunningDetail, SnapshotProblem, VerifySnapshot,
};
use runtime_actor::{Actor, Answer, Context, Handle, Message, Pulse};
use runtime_raft::Meta;
use serde::Serialize;
use storage_model::{JobId, Revision, SnapshotJob};
use storage_snapshot::owner::LEASE_MILLIS;
use tokio::sync::{Semaphore, watch};

use self::decide::{Deletion, job_step, next_begin, sweep_step};
use self::effects::Effects;
use crate::nodes::NodeDirectory;
use crate::owner::{Ownership, describe_lease};
use crate::settings::SettingsReader;

/// Between two looks when nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After an effect that changed nothing.
const PAUSE: Duration = Duration::from_secs(2);
/// After a deletion that failed.
const DELETE_RETRY: Duration = Duration::from_secs(30);
/// A volume whose claims this leader could not read for so long does not answer.
const CLAIMS_PATIENCE: Duration = Duration::from_secs(60);
/// As long as a hold or a lease is good.
const NEEDS_PATIENCE: Duration = Duration::from_millis(LEASE_MILLIS);
/// Catalogs of snapshots that are in memory at the same time, for RESTORE TABLE.
const RESTORES_AT_ONCE: usize = 1;

/// DETAIL_INFO of the running job: written by its effect, read by SHOW.
pub(crate) type Detail = Arc<Mutex<Option<(JobId, String)>>>;

/// The role.
pub struct SnapshotJobSupervisor {
    meta: Meta,
    directory: NodeDirectory,
    ownership: watch::Receiver<Ownership>,
    settings: SettingsReader,
    product_version: String,
    detail: Detail,
    job_lane: Lane,
    sweep_lane: Lane,
    put_off: HashMap<JobId, Instant>,
    began: Option<Instant>,
    restores: Arc<Semaphore>,
    last_error: String,
}

#[derive(Default)]
struct Lane {
    working: bool,
    not_before: Option<Instant>,
}

impl Lane {
    fn is_free(&self, now: Instant) -> bool {
        !self.working && self.not_before.is_none_or(|at| at <= now)
    }
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct SupervisorState {
    automated: bool,
    running: Option<String>,
    detail: String,
    jobs: Vec<(String, String)>,
    next_begin_ms: Option<u64>,
    last_error: String,
}

/// The effect of the job lane is over.
#[derive(Debug)]
struct JobStepDone(Result<(), String>);

impl Message for JobStepDone {
    type Reply = ();
    const NAME: &'static str = "JobStepDone";
}

/// The effect of the sweep lane is over.
#[derive(Debug)]
struct SweepStepDone(JobId, Result<(), String>);

impl Message for SweepStepDone {
    type Reply = ();
    const NAME: &'static str = "SweepStepDone";
}

impl SnapshotJobSupervisor {
    /// A supervisor of this leader's snapshot jobs.
    pub fn new(
        meta: Meta,
        directory: NodeDirectory,
        ownership: watch::Receiver<Ownership>,
        settings: SettingsReader,
        product_version: String,
    ) -> SnapshotJobSupervisor {
        SnapshotJobSupervisor {
            meta,
            directory,
            ownership,
            settings,
            product_version,
            detail: Detail::default(),
            job_lane: Lane::default(),
            sweep_lane: Lane::default(),
            put_off: HashMap::new(),
            began: None,
            restores: Arc::new(Semaphore::new(RESTORES_AT_ONCE)),
            last_error: String::new(),
        }
    }

    /// Err: what is asked for has to wait until it is known whose data it is, or is refused.
    fn owns(&self) -> Result<(), ProposeFailure> {
        let ownership = self.ownership.borrow();
        if let Some(refused) = ownership.refusal() {
            return Err(refused);
        }
        match *ownership {
            Ownership::Unknown { .. } => {
                let why = "the owner claims of the storage volumes have not been read yet; try again".to_owned();
                Err(ProposeFailure::Unavailable(why))
            }
            _ => Ok(()),
        }
    }

    fn effects(&self, pulse: Pulse) -> Effects {
        let settings = (self.settings)();
        Effects {
            meta: self.meta.clone(),
            directory: self.directory.clone(),
            detail: self.detail.clone(),
            ownership: self.ownership.clone(),
            product_version: self.product_version.clone(),
            history: settings.snapshot_history,
            limit: settings.snapshot_timeout,
            pulse,
        }
    }

    fn reconcile(&mut self, cx: &mut Context<Self>) {
        let now = cx.clock().monotonic();
        let catalog = self.meta.view();
        let ownership = self.ownership.borrow().clone();
        // Without a first reading of the claims nothing begins. An effect reads them again before it writes a manifest.
        if !matches!(ownership, Ownership::Ours { .. }) {
            return;
        }
        let is_leased = |job: &SnapshotJob| ownership.lease_on(job).is_some();
        if self.job_lane.is_free(now)
            && let Some(step) = job_step(&catalog, &(self.settings)(), self.meta.now(), is_leased)
        {
            self.job_lane.working = true;
            let effects = self.effects(cx.pulse());
            // Boxed: an upload is a very large future, and this thread's stack is small.
            cx.effect(async move { JobStepDone(Box::pin(effects.run(step)).await) });
        }
        let failed_at = |job| self.put_off.get(&job).filter(|until| **until > now).map(|until| *until - DELETE_RETRY);
        let waited = self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        // Who needs a snapshot says so in its volume. While this leader has not read that, it waits for as long as it is good.
        let patience = |volume| if ownership.knows_needs(volume) { CLAIMS_PATIENCE } else { NEEDS_PATIENCE };
        let deletion = |job: &SnapshotJob| match (ownership.allows_deletes(job.volume, now), failed_at(job.id)) {
            _ if is_leased(job) => Deletion::Leased,
            (true, None) => Deletion::Allowed,
            // It may have failed because somebody needs it since.
            (true, Some(at)) if ownership.has_read_since(job.volume, at) => Deletion::Failed,
            (true, Some(_)) => Deletion::Unknown,
            (false, _) if waited >= patience(job.volume) => Deletion::Failed,
            (false, _) => Deletion::Unknown,
        };
        if self.sweep_lane.is_free(now)
            && let Some(step) = sweep_step(&catalog, self.meta.now().uptime, deletion)
        {
            self.sweep_lane.working = true;
            let effects = self.effects(cx.pulse());
            cx.effect(async move {
                let (job, done) = Box::pin(effects.sweep(step)).await;
                SweepStepDone(job, done)
            });
        }
    }

    fn note(&mut self, done: &Result<(), String>) {
        if let Err(error) = done {
            if *error != self.last_error {
                tracing::warn!(error, "a step of a snapshot job failed");
            }
            self.last_error.clone_from(error);
        }
    }
}

impl Actor for SnapshotJobSupervisor {
    const ROLE: &'static str = "snapshot_job_supervisor";
    type State = SupervisorState;

    fn observe(&self) -> SupervisorState {
        let catalog = self.meta.view();
        let detail = self.detail.lock().unwrap_or_else(PoisonError::into_inner).clone();
        SupervisorState {
            automated: catalog.header.snapshot_policy.is_some(),
            running: catalog.unfinished_job().map(|j| j.name.clone()),
            detail: detail.map_or_else(String::new, |(_, text)| text),
            jobs: catalog.jobs().rev().take(10).map(|j| (j.name.clone(), j.state.to_string())).collect(),
            next_begin_ms: next_begin(&catalog, &(self.settings)()).map(|at| at.0),
            last_error: self.last_error.clone(),
        }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        self.began = Some(cx.clock().monotonic());
        cx.notify(Reconcile);
        cx.every(LOOK_EVERY, || Reconcile);
    }
}

impl Handle<Reconcile> for SnapshotJobSupervisor {
    fn handle(&mut self, _: Reconcile, cx: &mut Context<Self>) -> Answer<()> {
        fail::fail_point!("handler.snapshot_job_supervisor");
        self.reconcile(cx);
        Answer::done()
    }
}

impl Handle<JobStepDone> for SnapshotJobSupervisor {
    fn handle(&mut self, JobStepDone(done): JobStepDone, cx: &mut Context<Self>) -> Answer<()> {
        self.note(&done);
        self.job_lane.working = false;
        self.job_lane.not_before = done.is_err().then(|| cx.clock().monotonic() + PAUSE);
        self.reconcile(cx);
        Answer::done()
    }
}

impl Handle<SweepStepDone> for SnapshotJobSupervisor {
    fn handle(&mut self, SweepStepDone(job, done): SweepStepDone, cx: &mut Context<Self>) -> Answer<()> {
        self.note(&done);
        self.sweep_lane.working = false;
        if done.is_err() {
            self.put_off.insert(job, cx.clock().monotonic() + DELETE_RETRY);
        } else {
            self.put_off.remove(&job);
        }
        self.reconcile(cx);
        Answer::done()
    }
}

impl Handle<Preflight> for SnapshotJobSupervisor {
    fn handle(&mut self, message: Preflight, _: &mut Context<Self>) -> Answer<Result<(), String>> {
        Answer::later(async move { effects::preflight(&message.volume).await })
    }
}

impl Handle<CreateSnapshot> for SnapshotJobSupervisor {
    fn handle(&mut self, message: CreateSnapshot, _: &mut Context<Self>) -> Answer<Result<JobId, ProposeFailure>> {
        if let Err(refused) = self.owns() {
            return Answer::now(Err(refused));
        }
        let history = (self.settings)().snapshot_history;
        Answer::while_wanted(create::create(self.meta.clone(), message, history, self.ownership.clone()))
    }
}

impl Handle<RestoreTable> for SnapshotJobSupervisor {
    fn handle(&mut self, message: RestoreTable, cx: &mut Context<Self>) -> Answer<Result<Revision, ProposeFailure>> {
        if let Err(refused) = self.owns() {
            return Answer::now(Err(refused));
        }
        let (effects, restores) = (self.effects(cx.pulse()), Arc::clone(&self.restores));
        // Boxed: see above.
        Answer::while_wanted(Box::pin(restore_table::restore(effects, restores, message)))
    }
}

impl Handle<VerifySnapshot> for SnapshotJobSupervisor {
    fn handle(
        &mut self,
        message: VerifySnapshot,
        _: &mut Context<Self>,
    ) -> Answer<Result<Vec<SnapshotProblem>, String>> {
        Answer::while_wanted(verify::verify(self.meta.clone(), self.directory.clone(), message))
    }
}

impl Handle<RunningDetail> for SnapshotJobSupervisor {
    fn handle(&mut self, _: RunningDetail, _: &mut Context<Self>) -> Answer<JobDetails> {
        let running = self.detail.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (catalog, ownership) = (self.meta.view(), self.ownership.borrow());
        let leased = |job: &Arc<SnapshotJob>| Some((job.id, describe_lease(ownership.lease_on(job)?)));
        Answer::now(JobDetails { running, leased: catalog.jobs().filter_map(leased).collect() })
    }
}
