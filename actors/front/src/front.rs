//! What a frontend hands to its sessions, and the server that makes one session per connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actors_messages::checkpointer::CreateImage;
use actors_messages::collector::Collect;
use actors_messages::compactor::CompactNow;
use actors_messages::frontends::FrontendStatuses;
use actors_messages::leader::{DrawTxn, Propose, ProposeFailure, ReadIndex};
use actors_messages::nodes::{BeatNow, NodeStatus, NodeStatuses, SuspectNode};
use actors_messages::supervisor::{CreateSnapshot, Preflight, Reconcile, RestoreTable, RunningDetail, VerifySnapshot};
use actors_messages::{CatalogView, ReadLease, ReadPoints};
use runtime_actor::{Recipient, Recorder, SharedClock};
use runtime_mysql::{MySqlError, ServerTls};
use runtime_rpc::Tls;
use runtime_rpc::plane::{Channels, ShowProof, TokenSource};
use storage_catalog::{Command, Outcome, Rejection};
use storage_model::{NodeId, Revision};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::audit::AuditLog;
use crate::desk::Desk;
use crate::errors;
use crate::ids::Ids;
use crate::insert::Groups;
use crate::logins::Logins;
use crate::processlist::Sessions;
use crate::profiles::Profiles;
use crate::settings::FrontSettings;
use crate::turns::Turns;
use crate::variables::Globals;

/// How long a statement waits until this frontend may read, or shows what it must.
const FRESH_LIMIT: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long the commit of a load waits for a job that makes its table another,
const HELD_LIMIT: Duration = Duration::from_secs(900);
/// and after how long it asks again when nothing has been heard: each time is an entry of the log.
const HELD_PAUSE: Duration = Duration::from_secs(2);

/// The version of StarRocks whose behaviour clients may expect: the first word of `current_version()`.
pub const COMPATIBLE_VERSION: &str = "3.5.0";

/// Who this frontend is, for SHOW FRONTENDS and the like.
#[derive(Clone, Debug)]
pub struct FrontFacts {
    /// Its Raft node id.
    pub id: NodeId,
    /// `host_port_ts`.
    pub name: String,
    /// As clients reach it.
    pub host: String,
    /// MySQL protocol.
    pub query_port: u16,
    /// When the process started, Unix milliseconds.
    pub started_at_ms: u64,
    /// Of Starkeep: `0.1.0`.
    pub product_version: String,
    /// Short commit.
    pub commit: String,
}

impl FrontFacts {
    /// What `current_version()` answers: `x.y.z commit`, of the StarRocks that we are compatible with.
    pub fn current_version(&self) -> String {
        format!("{COMPATIBLE_VERSION} {}", self.commit)
    }

    /// What SHOW FRONTENDS and the dashboards print: `version-commit`.
    pub fn full_version(&self) -> String {
        format!("{}-{}", self.product_version, self.commit)
    }
}

/// How clients may come.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// What the server shows to those who ask for TLS; None: nobody can.
    pub server: Option<ServerTls>,
    /// Whether those who do not ask for it are sent away.
    pub is_forced: bool,
}

/// Tells who leads, if that is known. Never waits.
pub type LeaderReader = Arc<dyn Fn() -> Option<NodeId> + Send + Sync>;

/// What sessions work with. All of it is drawn by the node.
pub struct Front {
    /// Where the span of each statement goes.
    pub recorder: Recorder,
    /// The catalog.
    pub view: CatalogView,
    /// Which revisions running queries read.
    pub reads: ReadPoints,
    /// Under which the catalog may be read here.
    pub lease: ReadLease,
    /// The metadata leader, wherever it is.
    pub propose: Recipient<Propose>,
    /// The transaction ids of this frontend.
    pub draw_txn: Recipient<DrawTxn>,
    /// The metadata leader, for linearizable reads.
    pub read_index: Recipient<ReadIndex>,
    /// The checkpointer.
    pub create_image: Recipient<CreateImage>,
    /// The snapshot job supervisor.
    pub preflight: Recipient<Preflight>,
    /// The snapshot job supervisor, for CREATE CLUSTER SNAPSHOT.
    pub create_snapshot: Recipient<CreateSnapshot>,
    /// The snapshot job supervisor, for ADMIN VERIFY CLUSTER SNAPSHOT.
    pub verify_snapshot: Recipient<VerifySnapshot>,
    /// The snapshot job supervisor, for RESTORE TABLE … FROM SNAPSHOT.
    pub restore_table: Recipient<RestoreTable>,
    /// The snapshot job supervisor.
    pub reconcile: Recipient<Reconcile>,
    /// The snapshot job supervisor.
    pub running_detail: Recipient<RunningDetail>,
    /// The GC coordinator.
    pub collect: Recipient<Collect>,
    /// The compaction coordinator, for ALTER TABLE … COMPACT.
    pub compact: Recipient<CompactNow>,
    /// The compute node monitor.
    pub beat: Recipient<BeatNow>,
    /// The compute node monitor.
    pub suspect: Recipient<SuspectNode>,
    /// Which compute nodes are alive.
    pub nodes: NodeStatuses,
    /// Which frontends are alive, and how far each is.
    pub frontends: FrontendStatuses,
    /// TLS to compute nodes, if nodes speak it.
    pub tls: Option<Tls>,
    /// TLS for clients.
    pub client_tls: ClientTls,
    /// The configuration.
    pub settings: Arc<dyn FrontSettings>,
    /// Who this is.
    pub me: FrontFacts,
    /// Who leads.
    pub leader: LeaderReader,
    /// Time.
    pub clock: SharedClock,
    /// A line for each statement.
    pub audit: AuditLog,
}

impl Front {
    /// Puts a command through the log; its effects are in the view when this returns.
    pub(crate) async fn propose(&self, command: Command) -> Result<Outcome, MySqlError> {
        self.propose_unless_stale(command).await?.map_err(|stale| errors::rejection(&stale))
    }

    /// The same for a command that was made from what the catalog said, and that can be made again: the inner error is
    /// [`Rejection::Stale`] or [`Rejection::Overtaken`], nothing has changed then, and the view shows what has overtaken it.
    pub(crate) async fn propose_unless_stale(
        &self,
        command: Command,
    ) -> Result<Result<Outcome, Rejection>, MySqlError> {
        let asked = Instant::now();
        loop {
            match self.propose.ask(Propose { command: command.clone() }).await {
                // A job is about to make another table of it: then the command is taken, or is stale.
                Ok(Err(ProposeFailure::Rejected(Rejection::Held(_)))) if asked.elapsed() < HELD_LIMIT => {
                    self.jobs_go_on().await;
                }
                Ok(Ok(outcome)) => return Ok(Ok(outcome)),
                Ok(Err(ProposeFailure::Rejected(stale @ (Rejection::Stale(_) | Rejection::Overtaken(_))))) => {
                    return Ok(Err(stale));
                }
                Ok(Err(failure)) => return Err(errors::propose(&failure)),
                Err(lost) => return Err(errors::ask(&lost, "metadata leader", true)),
            }
        }
    }

    /// Waits until a job that loads wait for gets on, for a while.
    async fn jobs_go_on(&self) {
        let held = || {
            let catalog = self.view.now();
            let jobs = catalog.alter_jobs().filter(|job| catalog.is_held(job.table));
            jobs.map(|job| job.id).collect::<Vec<_>>()
        };
        let (before, mut revisions) = (held(), self.view.revisions());
        let changed = async { while held() == before && revisions.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(HELD_PAUSE, changed).await;
    }

    /// Waits until this frontend may read the catalog, and, if that is asked for, until it shows everything that was
    /// acknowledged anywhere before now.
    pub(crate) async fn may_read(&self, linearizable: bool) -> Result<(), MySqlError> {
        if self.lease.check().is_err() {
            self.lease.wait(FRESH_LIMIT).await.map_err(|cause| errors::stale(&cause))?;
        }
        if !linearizable {
            return Ok(());
        }
        let revision = self.newest_revision().await?;
        self.has_seen(revision).await
    }

    /// Waits until the view here is at least so new.
    pub(crate) async fn has_seen(&self, revision: Revision) -> Result<(), MySqlError> {
        let mut revisions = self.view.revisions();
        let reached = tokio::time::timeout(FRESH_LIMIT, revisions.wait_for(|seen| *seen >= revision)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            _ => Err(errors::stale(&format!("it has not seen revision {revision} within {} s", FRESH_LIMIT.as_secs()))),
        }
    }

    /// What was acknowledged anywhere before now. While nobody leads, or the leader does not reach a majority, it is asked
    /// again until somebody can say it, or for too long.
    async fn newest_revision(&self) -> Result<Revision, MySqlError> {
        let mut why = String::new();
        let asked = async {
            loop {
                why = match self.read_index.ask(ReadIndex).await {
                    Ok(Ok(revision)) => return revision,
                    Ok(Err(failure)) => failure.to_string(),
                    Err(lost) => lost.to_string(),
                };
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let answered = tokio::time::timeout(FRESH_LIMIT, asked).await;
        answered.map_err(|_| errors::stale(&format!("{why}, for {} s", FRESH_LIMIT.as_secs())))
    }

    /// The compute nodes that answer heartbeats.
    pub(crate) fn alive_nodes(&self) -> Vec<NodeStatus> {
        self.nodes.borrow().iter().filter(|status| status.alive).cloned().collect()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_unix_ms()
    }
}

/// What all sessions of one server share beside the [`Front`].
pub(crate) struct Shared {
    pub(crate) front: Arc<Front>,
    pub(crate) sessions: Sessions,
    pub(crate) globals: Globals,
    pub(crate) channels: Channels,
    pub(crate) turns: Turns,
    pub(crate) ids: Ids,
    pub(crate) groups: Groups,
    pub(crate) logins: Logins,
    pub(crate) profiles: Profiles,
}

impl Shared {
    pub(crate) fn new(front: Arc<Front>) -> Arc<Shared> {
        let view = front.view.clone();
        let token: TokenSource = Arc::new(move || Some(view.now().identity().token.clone()));
        let channels = Channels::new(ShowProof::new(token)).over(front.tls.clone());
        let globals = Globals::of_server(front.client_tls.server.is_some());
        Arc::new(Shared {
            front,
            sessions: Sessions::default(),
            globals,
            channels,
            turns: Turns::default(),
            ids: Ids::default(),
            groups: Groups::default(),
            logins: Logins::default(),
            profiles: Profiles::default(),
        })
    }
}

/// Serves MySQL clients until `shutdown` is cancelled; returns when the last connection is closed.
pub async fn serve(front: Arc<Front>, listener: TcpListener, shutdown: CancellationToken) {
    Desk::new(front).serve(listener, shutdown).await;
}
