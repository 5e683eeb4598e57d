//! The running metadata of a frontend: one handle, cheap to clone, for everybody who reads or changes the catalog.

#[cfg(test)]
mod group_tests;
mod hand_over;
#[cfg(test)]
mod image_tests;
mod members;
mod opening;
mod proposer;
mod standing;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use openraft::error::Fatal;
use runtime_rpc::{Peers, Registry};
use storage_catalog::{Catalog, Command, Envelope, Outcome, Rejection, codec};
use storage_model::{NodeId, Now, Revision, UnixMillis, Uptime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{error, info};

use crate::error::{ProposeError, RaftError};
use crate::image_store::ImageStore;
use crate::log_store::LogStore;
use crate::meta_dir::{DirLock, MetaDir};
use crate::network;
use crate::room::Room;
use crate::shared::Shared;
use crate::types::{Node, Types};

use proposer::{COMMAND_BYTES, Proposal};

pub use members::Member;
pub use standing::{Role, Standing};

/// Where the time of a proposal comes from: the wall clock and one that never goes back.
pub type Clock = Arc<dyn Fn() -> (UnixMillis, Instant) + Send + Sync>;

/// An image that is being built is asked for again after this: a request that comes while Raft tidies up is dropped.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// After a failed automatic image.
const IMAGE_BACK_OFF: Duration = Duration::from_secs(60);
/// How long a shutdown waits for the disk.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);
/// How long a shutdown waits for the proposals that are under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// How the metadata is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// `edit_log_roll_num`: an image is built every so many commands.
    pub image_every: u64,
    /// How long `open` may take from the end of the replay until this node leads.
    pub lead_within: Duration,
    /// Between a leader's signs of life; also the time limit of one append to a follower.
    pub heartbeat: Duration,
    /// A follower that hears nothing for a random time in this range wants to lead. A single voter does not wait.
    pub election: std::ops::Range<Duration>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            image_every: 50_000,
            lead_within: Duration::from_secs(30),
            heartbeat: Duration::from_millis(250),
            election: Duration::from_millis(800)..Duration::from_millis(1400),
        }
    }
}

/// Where the metadata stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What this node is.
    pub role: Role,
    /// Who leads, when known.
    pub leader: Option<NodeId>,
    /// Raft's term.
    pub term: u64,
    /// Index of the last log entry. Raft's index: a restored cluster begins again.
    pub last_log: Option<u64>,
    /// Index of the last applied entry.
    pub applied: Option<u64>,
    /// The log is purged up to here.
    pub purged: Option<u64>,
    /// Of the catalog that `view` returns.
    pub revision: Revision,
    /// Of the newest image.
    pub image_revision: Option<Revision>,
    /// Commands applied since then.
    pub commands_since_image: u64,
    /// Why the last image was not written.
    pub image_failure: Option<String>,
    /// Why Raft has stopped.
    pub failure: Option<String>,
}

struct Inner {
    me: Node,
    raft: openraft::Raft<Types>,
    peers: Peers,
    shared: Arc<Shared>,
    images: Arc<ImageStore>,
    /// Whether anything may be written: for whoever receives entries of another leader.
    room: Arc<Room>,
    clock: Clock,
    /// The catalog's uptime when this node last saw it ahead of its own counting, and that moment: what has passed since then
    /// counts.
    counted: Mutex<(Uptime, Instant)>,
    proposals: mpsc::Sender<Proposal>,
    stop: watch::Sender<bool>,
    standing: watch::Receiver<Standing>,
    /// One image is asked for at a time.
    imaging: tokio::sync::Mutex<()>,
    open: Mutex<Option<Open>>,
}

/// What a shutdown closes.
struct Open {
    log: LogStore,
    lock: Arc<DirLock>,
    proposer: JoinHandle<()>,
    roller: JoinHandle<()>,
    standing: JoinHandle<()>,
}

/// The metadata of this node.
#[derive(Clone)]
pub struct Meta(Arc<Inner>);

impl std::fmt::Debug for Meta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Meta").field(&self.status()).finish()
    }
}

impl Meta {
    /// Opens a directory: reads the newest whole image and replays the log. The only voter of its group elects itself: then
    /// this returns when every command ever acknowledged is applied and this node takes proposals. One of several waits for
    /// nobody. Raft runs on the tokio runtime that this is called on: one that lives as long as the handle.
    pub async fn open(
        dir: &MetaDir,
        me: &Node,
        clock: Clock,
        options: Options,
        peers: Peers,
    ) -> Result<Meta, RaftError> {
        opening::open(dir, me, clock, options, peers).await
    }

    /// Serves the mailbox [`RAFT`](crate::RAFT): the other members reach this one there.
    pub fn expose(&self, registry: &Registry) {
        let room = self.0.room.clone();
        network::expose(registry, self.0.me.id.0, &self.0.raft, move || room.check());
    }

    /// Who this node is.
    pub fn me(&self) -> &Node {
        &self.0.me
    }

    /// Puts a command into the log and applies it. Durable before it returns; concurrent proposals share the fsync.
    /// Dropping the future does not take the proposal back.
    pub async fn propose(&self, command: Command) -> Result<Outcome, ProposeError> {
        let (answer, reply) = oneshot::channel();
        let envelope = Envelope { proposed_at: self.now(), command };
        let bytes =
            codec::size(codec::ENVELOPE.what, &envelope).map_err(|e| ProposeError::Unavailable(e.to_string()))?;
        if bytes > COMMAND_BYTES {
            let (bytes, limit) = (bytes as u64, COMMAND_BYTES as u64);
            return Err(ProposeError::Rejected(Rejection::TooLarge { bytes, limit }));
        }
        self.0.proposals.send(Proposal { envelope, bytes, answer }).await.map_err(|_| self.no_proposer())?;
        match reply.await {
            // Nobody leads a log that cannot be written, and that is why.
            Ok(Err(ProposeError::NotLeader { .. })) if let Some(failure) = self.failure() => {
                Err(ProposeError::Unavailable(failure))
            }
            Ok(reply) => reply,
            Err(_) => Err(self.no_proposer()),
        }
    }

    /// What the cluster's clocks show. The uptime goes on from that of the catalog by the time that this node has really
    /// lived through, so that it never jumps, and it never runs ahead of real time on any node.
    pub fn now(&self) -> Now {
        let (wall, monotonic) = (self.0.clock)();
        let seen = self.view().header.uptime;
        let mut counted = self.0.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (uptime, at) = *counted;
        let lived = u64::try_from(monotonic.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
        let here = uptime.plus(lived);
        if seen > here {
            // Another has led and counted on, or this node was away: from here on it counts from what it has seen.
            *counted = (seen, monotonic);
        }
        Now { wall, uptime: here.max(seen) }
    }

    fn no_proposer(&self) -> ProposeError {
        self.failure().map_or(ProposeError::Stopped, ProposeError::Unavailable)
    }

    /// The catalog as last applied. Lock-free.
    pub fn view(&self) -> Arc<Catalog> {
        self.0.shared.view()
    }

    /// Changes with every applied command. `view` is at least as new as what the receiver shows.
    pub fn watch(&self) -> watch::Receiver<Revision> {
        self.0.shared.watch()
    }

    /// The catalog as it was right after the entry that made this cut; None when this node did not apply it since its
    /// last start (then the job cuts again), or when the job is over.
    pub fn frozen(&self, cut: Revision) -> Option<Arc<Catalog>> {
        self.0.shared.frozen(cut)
    }

    /// Where things stand.
    pub fn status(&self) -> Status {
        let metrics = self.0.raft.metrics();
        let metrics = metrics.borrow();
        let failure = failure_of(&metrics.running_state);
        let image_revision = self.0.images.latest_revision();
        let revision = self.0.shared.view().revision();
        let since = revision.0.saturating_sub(image_revision.unwrap_or_default().0);
        Status {
            role: if metrics.running_state.is_ok() { self.standing().role } else { Role::Stopped },
            leader: metrics.current_leader.map(NodeId),
            term: metrics.current_term,
            last_log: metrics.last_log_index,
            applied: metrics.last_applied.map(|id| id.index),
            purged: metrics.purged.map(|id| id.index),
            revision,
            image_revision,
            commands_since_image: since,
            image_failure: self.0.images.failure(),
            failure,
        }
    }

    fn failure(&self) -> Option<String> {
        failure_of(&self.0.raft.metrics().borrow().running_state)
    }

    /// What this node is in its group, and who leads.
    pub fn standing(&self) -> Standing {
        self.0.standing.borrow().clone()
    }

    /// Changes when this node becomes something else, or another leads.
    pub fn standing_watch(&self) -> watch::Receiver<Standing> {
        self.0.standing.clone()
    }

    /// The revision that a read must see to see everything that was acknowledged before now, anywhere. Asks a majority; only
    /// the leader can.
    pub async fn linearizable(&self) -> Result<Revision, ProposeError> {
        match self.0.raft.ensure_linearizable().await {
            Ok(_) => Ok(self.view().revision()),
            Err(error) => Err(proposer::explain_read(error)),
        }
    }

    /// Waits until the view is at least this new; false when it is not within the limit.
    pub async fn reaches(&self, revision: Revision, limit: Duration) -> bool {
        let mut revisions = self.watch();
        let reached = timeout(limit, revisions.wait_for(|seen| *seen >= revision)).await;
        matches!(reached, Ok(Ok(_)))
    }

    /// ALTER SYSTEM CREATE IMAGE: an image of at least what is applied now. Returns its revision when it is durable and
    /// the log behind it is given up (the log goes back to the older of two images). Does not delay proposals.
    pub async fn create_image(&self) -> Result<Revision, RaftError> {
        let _one_at_a_time = self.0.imaging.lock().await;
        let target = self.0.shared.applied();
        let mut attempts = self.0.images.attempts();
        loop {
            if let Some(image) = self.0.images.latest()
                && image.meta.last_log_id >= target
            {
                let noticed = self.0.raft.wait(Some(ASK_AGAIN));
                // Raft learns a moment later that the image exists. Nothing depends on its knowing.
                let _ = noticed.metrics(|m| m.snapshot >= target, "image noticed").await;
                return Ok(image.revision);
            }
            attempts.mark_unchanged();
            self.0.raft.trigger().snapshot().await.map_err(stopped)?;
            if let Ok(Ok(())) = timeout(ASK_AGAIN, attempts.changed()).await
                && let Some(cause) = self.0.images.failure()
            {
                return Err(RaftError::Image(cause));
            }
        }
    }

    /// Stops taking proposals, answers those that are under way, writes everything down and lets go of the directory.
    /// Calling it again does nothing.
    pub async fn shutdown(&self) -> Result<(), RaftError> {
        let Some(open) = self.0.open.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        let Open { log, lock, mut proposer, roller, standing } = open;
        self.0.stop.send_replace(true);
        // It may take longer than anybody waits on a busy machine, and the log has all that would be in it.
        self.0.images.stop();
        roller.abort();
        let drained = timeout(DRAIN_LIMIT, &mut proposer).await.is_ok();
        let _ = self.hand_over().await;
        let synced = log.sync().await;
        // None of these can fail but by a panic, which was reported where it happened.
        let _ = self.0.raft.shutdown().await;
        let _ = standing.await;
        if !drained {
            let _ = proposer.await;
        }
        drop(log);
        let closed = timeout(CLOSE_LIMIT, async {
            // Raft's own tasks and an image that is being written let go of the log and the lock when they are done.
            while Arc::strong_count(&lock) > 1 {
                sleep(Duration::from_millis(2)).await;
            }
        });
        closed.await.map_err(|_| RaftError::Timeout { what: "closing the metadata", limit: CLOSE_LIMIT })?;
        synced.map_err(|e| RaftError::Failed(format!("the log could not be synced at shutdown: {e}")))?;
        info!(revision = %self.view().revision(), "metadata closed");
        Ok(())
    }
}

fn failure_of(state: &Result<(), Fatal<u64>>) -> Option<String> {
    match state {
        Ok(()) | Err(Fatal::Stopped) => None,
        Err(fatal) => Some(fatal.to_string()),
    }
}

fn stopped(fatal: Fatal<u64>) -> RaftError {
    match fatal {
        Fatal::Stopped => RaftError::Stopped,
        other => RaftError::Failed(other.to_string()),
    }
}

/// Builds an image whenever `every` commands have come since the last one. Ends with the last handle.
async fn roll(meta: Weak<Inner>, mut revisions: watch::Receiver<Revision>, every: u64) {
    while revisions.changed().await.is_ok() {
        let Some(meta) = meta.upgrade().map(Meta) else { return };
        let imaged = meta.0.images.latest_revision().unwrap_or_default();
        if revisions.borrow_and_update().0.saturating_sub(imaged.0) < every {
            continue;
        }
        let built = meta.create_image().await;
        drop(meta);
        match built {
            Ok(revision) => info!(%revision, "automatic image"),
            Err(RaftError::Stopped) => return,
            Err(error) => {
                error!(%error, "the automatic image failed; trying again in a minute");
                sleep(IMAGE_BACK_OFF).await;
            }
        }
    }
}
