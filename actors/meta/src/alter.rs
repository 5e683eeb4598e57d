//! The alter coordinator: tables whose rows have to be written anew for other columns or buckets. Compute nodes write them beside
//! the old, while the table is read and loaded; one log entry puts them in their place. A job is state in the catalog: whoever leads
//! goes on with it, and writes again what only the last leader knew of.

mod round;
mod shadow;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actors_messages::ReadPoints;
use runtime_actor::{Actor, Answer, Context, Handle, Message};
use runtime_raft::Meta;
use serde::Serialize;
use storage_model::{AlterState, JobId};
use tokio::sync::watch;

use crate::look::Look;
use crate::nodes::NodeDirectory;
use crate::owner::Ownership;
use round::{Came, Progress, Round};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After a failure; twice as long after each further one,
const RETRY: Duration = Duration::from_secs(1);
/// so many times.
const MOST_DOUBLED: u32 = 5;
/// Loads wait for so long at most before they go on and the job begins to catch up again,
const LONGEST_HOLD: Duration = Duration::from_secs(60);
/// and after each such time for twice as long, so many times. Then it is given up.
const MOST_HELD: u32 = 3;

/// The role.
pub struct AlterCoordinator {
    meta: Meta,
    reads: ReadPoints,
    directory: NodeDirectory,
    ownership: watch::Receiver<Ownership>,
    jobs: BTreeMap<JobId, Known>,
    counts: Counts,
    last_error: String,
}

/// A job as this leader knows it.
#[derive(Debug, Default)]
struct Known {
    /// None while a round has it.
    progress: Option<Box<Progress>>,
    /// Not before this.
    until: Option<Instant>,
    /// In a row.
    failures: u32,
    held_since: Option<Instant>,
    /// How often loads have waited in vain.
    held: u32,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    finished: u64,
    cancelled: u64,
    failed_rounds: u64,
    rows: u64,
    bytes_written: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct AlterCoordinatorState {
    running: Vec<String>,
    #[serde(flatten)]
    counts: Counts,
    last_error: String,
}

/// A round is over.
#[derive(Debug)]
struct Rounded {
    job: JobId,
    progress: Box<Progress>,
    came: Result<Came, String>,
}

impl Message for Rounded {
    type Reply = ();
    const NAME: &'static str = "Rounded";
}

impl AlterCoordinator {
    /// A coordinator of this leader's jobs.
    pub fn new(
        meta: Meta,
        reads: ReadPoints,
        directory: NodeDirectory,
        ownership: watch::Receiver<Ownership>,
    ) -> AlterCoordinator {
        let (jobs, counts, last_error) = (BTreeMap::new(), Counts::default(), String::new());
        AlterCoordinator { meta, reads, directory, ownership, jobs, counts, last_error }
    }

    fn look(&mut self, cx: &Context<Self>) {
        let now = cx.clock().monotonic();
        let catalog = self.meta.view();
        let unfinished: Vec<_> = catalog.alter_jobs().filter(|job| job.state.is_unfinished()).cloned().collect();
        self.jobs.retain(|id, _| unfinished.iter().any(|job| job.id == *id));
        let nodes = self.directory.alive();
        if nodes.is_empty() {
            return;
        }
        for job in unfinished {
            let known =
                self.jobs.entry(job.id).or_insert_with(|| Known { progress: Some(Box::default()), ..Known::default() });
            match job.state {
                AlterState::FinishedRewriting => known.held_since = known.held_since.or(Some(now)),
                _ => known.held_since = None,
            }
            if known.until.is_some_and(|until| until > now) {
                continue;
            }
            let Some(mut progress) = known.progress.take() else { continue };
            let limit = LONGEST_HOLD * 2_u32.pow(known.held.min(MOST_HELD));
            let is_late = known.held_since.is_some_and(|since| now.saturating_duration_since(since) > limit);
            known.held += u32::from(is_late);
            let is_hopeless = known.held > MOST_HELD;
            let (meta, reads, mut nodes) = (self.meta.clone(), self.reads.clone(), nodes.clone());
            // After a failure another node is asked.
            let by = known.failures as usize % nodes.len();
            nodes.rotate_left(by);
            let (ownership, clock) = (self.ownership.clone(), cx.clock().clone());
            cx.effect(async move {
                let is_ours = move |volume| ownership.borrow().allows_deletes(volume, clock.monotonic());
                let round = Round { meta: &meta, reads: &reads, nodes: &nodes, is_late, is_hopeless };
                let came = round.run(job.id, &mut progress, is_ours).await;
                Rounded { job: job.id, progress, came }
            });
        }
    }
}

impl Actor for AlterCoordinator {
    const ROLE: &'static str = "alter_coordinator";
    type State = AlterCoordinatorState;

    fn observe(&self) -> AlterCoordinatorState {
        let catalog = self.meta.view();
        let running = catalog.alter_jobs().filter(|job| job.state.is_unfinished());
        let running = running.map(|job| format!("{} of table {}: {}%", job.state.name(), job.name, job.progress));
        AlterCoordinatorState { running: running.collect(), counts: self.counts, last_error: self.last_error.clone() }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.every(LOOK_EVERY, || Look);
    }
}

impl Handle<Look> for AlterCoordinator {
    fn handle(&mut self, _: Look, cx: &mut Context<Self>) -> Answer<()> {
        fail::fail_point!("handler.alter_coordinator");
        self.look(cx);
        Answer::done()
    }
}

impl Handle<Rounded> for AlterCoordinator {
    fn handle(&mut self, message: Rounded, cx: &mut Context<Self>) -> Answer<()> {
        let Rounded { job, progress, came } = message;
        let now = cx.clock().monotonic();
        let Some(known) = self.jobs.get_mut(&job) else { return Answer::done() };
        known.progress = Some(progress);
        match came {
            Ok(came) => {
                known.failures = 0;
                known.until = None;
                self.counts.rows += came.rows;
                self.counts.bytes_written += came.bytes;
                self.counts.finished += u64::from(came.finished);
                self.counts.cancelled += u64::from(came.failed);
                self.last_error.clear();
                if came.finished {
                    tracing::info!(%job, "a table has become another");
                }
                if came.goes_on {
                    self.look(cx);
                }
            }
            Err(error) => {
                tracing::warn!(%job, error, "a round of a job failed; it is tried again");
                known.until = Some(now + RETRY * 2_u32.pow(known.failures.min(MOST_DOUBLED)));
                known.failures += 1;
                self.counts.failed_rounds += 1;
                self.last_error = error;
            }
        }
        Answer::done()
    }
}
