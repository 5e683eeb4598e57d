//! `starkeep fe`: a frontend as a process. Its supervision tree:
//!
//! ```text
//!   fe
//!   ├── nodes        compute_node_monitor
//!   ├── frontend     settings_keeper, transaction_lease, role_keeper
//!   ├── observer
//!   ├── metadata     metadata_follower, or metadata_observer, or, on the leader:
//!   │                owner_watch, metadata_leader, checkpointer, frontend_monitor
//!   └── background   snapshot_job_supervisor, gc_coordinator, compaction_coordinator, alter_coordinator, orphan_sweeper, partition_roller
//!                    (on the leader)
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `draw` | the supervision tree |
//! | `found` | a new cluster, or one from a snapshot |
//! | `gate` | who is let in at `edit_log_port` |
//! | `join` | waiting to be added to a cluster |
//! | `roles` | the actors of the role that Raft gives this frontend |

mod draw;
mod found;
mod gate;
mod join;
mod roles;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actors_front::{ClientTls, Desk, Front};
use actors_messages::ReadLease;
use actors_meta::NodeDirectory;
use anyhow::Context;
use runtime_actor::{SharedClock, SystemClock, Tree};
use runtime_raft::{Meta, MetaDir, Options, Role};
use runtime_rpc::options::RpcOptions;
use runtime_rpc::{Peers, Registry, RpcServer, Tls};
use storage_model::{Frontend, UnixMillis};
use tokio_util::sync::CancellationToken;

use crate::cli::{FrontendArguments, VERSION};
use crate::config::{FrontendConfig, advertised_host, bind_host, load_client_tls, load_tls};
use crate::pages::{self, FrontendPages, Opened, Progress};
use crate::settings::LiveConfig;
use crate::{admin, listen, logging, otlp};

use self::draw::report_of;
use self::gate::FrontendGate;

/// How long a clean stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// How long a start waits until this frontend leads, or hears from who does, before it serves clients all the same.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// How a life of this process ended.
enum Ended {
    With(ExitCode),
    /// The cluster was restored without this frontend, which can join it again: its metadata are of the time before.
    Superseded(String),
    /// An administrator has dropped this frontend from the cluster.
    Dropped,
}

impl Ended {
    /// What has ended a life decides what comes next, also where the stop that followed did not go well.
    fn after(self, stopped: anyhow::Result<()>) -> Ended {
        let Err(error) = stopped else { return self };
        tracing::error!(error = format!("{error:#}"), "the stop was not clean");
        match self {
            Ended::With(_) => Ended::With(ExitCode::FAILURE),
            Ended::Superseded(_) | Ended::Dropped => self,
        }
    }
}

/// Runs until SIGTERM, SIGINT, or the supervision tree gives up.
pub async fn run(arguments: FrontendArguments) -> anyhow::Result<ExitCode> {
    let (config, warnings) = FrontendConfig::load(arguments.conf.as_deref())?;
    let dry_run = arguments.list || arguments.verify_only;
    let level = config.sys_log_level.as_filter();
    let _log = logging::start(level, arguments.logconsole || dry_run, &config.sys_log_dir, "fe.log")?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let clock = SystemClock::shared();
    let me = found::myself(&config, &clock)?;
    if dry_run {
        found::dry(&config, &arguments, &me).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let dir = MetaDir::new(&config.meta_dir);
    loop {
        let reason = if dir.is_dropped() {
            "this frontend was dropped from the cluster".to_owned()
        } else {
            let ports = Ports::open(&config)?;
            match Process::live(config.clone(), arguments.clone(), clock.clone(), me.clone(), ports).await? {
                Ended::With(code) => return Ok(code),
                Ended::Dropped => {
                    let meta_dir = dir.path().display();
                    tracing::error!(%meta_dir, "this frontend was dropped from the cluster, and ends");
                    return Ok(ExitCode::FAILURE);
                }
                Ended::Superseded(by) => format!("the cluster was restored without this frontend: {by}"),
            }
        };
        let meta_dir = dir.path().display();
        if arguments.helper.is_none() {
            tracing::error!(
                %meta_dir,
                "{reason}; its metadata must not be used any more: start it with --helper and the host:edit_log_port of a \
                 frontend of the cluster, then they are set aside and it joins again"
            );
            return Ok(ExitCode::FAILURE);
        }
        let suffix = if dir.is_dropped() { "before_drop" } else { "before_restore" };
        let aside = dir.set_aside(&format!("{suffix}.{}", clock.now_unix_ms()))?;
        tracing::warn!(%meta_dir, aside = %aside.display(), "{reason}: its metadata are set aside, joining again");
    }
}

/// What a frontend listens on.
struct Ports {
    http: TcpListener,
    query: TcpListener,
    edit_log: TcpListener,
}

impl Ports {
    fn open(config: &FrontendConfig) -> anyhow::Result<Ports> {
        let host = bind_host(advertised_host(&config.priority_networks)?);
        Ok(Ports {
            http: listen::on(host, config.http_port, "http_port")?,
            query: listen::on(host, config.query_port, "query_port")?,
            edit_log: listen::on(listen::edit_log_host(host), config.edit_log_port, "edit_log_port")?,
        })
    }
}

/// Everything that a running frontend holds.
struct Process {
    config: FrontendConfig,
    clock: SharedClock,
    tree: Tree,
    dir: MetaDir,
    meta: Meta,
    me: Frontend,
    gate: FrontendGate,
    registry: Registry,
    directory: NodeDirectory,
    tls: Option<Tls>,
    client_tls: ClientTls,
    started_at_ms: u64,
    /// Ends the service of clients; then `shutdown` ends all else.
    closing: CancellationToken,
    shutdown: CancellationToken,
}

impl Process {
    /// From the first port to the last log line.
    async fn live(
        config: FrontendConfig,
        arguments: FrontendArguments,
        clock: SharedClock,
        me: Frontend,
        ports: Ports,
    ) -> anyhow::Result<Ended> {
        let tls = load_tls(config.tls_files().as_ref())?;
        let client_tls = load_client_tls(&config)?;
        let (closing, shutdown) = (CancellationToken::new(), CancellationToken::new());
        let tree = Tree::new("fe", clock.clone());
        let recorder = tree.recorder();
        recorder.set_node(format!("fe:{}", me.address()));
        otlp::start(config.otlp_endpoint.as_deref(), &recorder, "starkeep-fe", shutdown.clone())?;
        let progress = Progress::default();
        let dir = MetaDir::new(&config.meta_dir);
        let gate = FrontendGate::new(me.address(), arguments.helper.is_some());
        let options = RpcOptions { tls: tls.clone(), recorder: Some(recorder.clone()), ..RpcOptions::default() };
        let directory = NodeDirectory::new(Peers::new(gate.identity(), options.clone()));
        let started_at_ms = clock.now_unix_ms();
        let shown = FrontendPages {
            tree: tree.clone(),
            progress: progress.clone(),
            nodes: directory.statuses(),
            me: me.clone(),
            started_at_ms,
        };
        let serving = pages::of_frontend(ports.http, shown, shutdown.clone())?;
        if arguments.cluster_snapshot {
            progress.restoring();
            let began = clock.monotonic();
            found::restore(&config, &arguments, &dir, &me).await?;
            progress.restored(clock.monotonic().saturating_duration_since(began).as_millis() as u64);
        }
        let registry = Registry::new();
        let edit_log = listen::tokio(ports.edit_log)?;
        let serve = |listener| {
            RpcServer::bind_with(listener, Arc::new(gate.clone()), registry.clone(), options.clone(), shutdown.clone())
        };
        // Before its metadata are open a frontend cannot prove who it is: it speaks to nobody then, unless it joins.
        let (mut edit_log, mut server) = (Some(edit_log), None);
        if !dir.exists() {
            match &arguments.helper {
                None => found::found(&dir, &me, &clock)?,
                Some(helper) => {
                    server = edit_log.take().map(&serve).transpose()?;
                    let waiting = join::wait(&dir, &me, helper, &registry, report_of(&me, started_at_ms));
                    tokio::select! {
                        joined = waiting => joined?,
                        stopped = admin::until_interrupted() => return stopped.map(|()| Ended::With(ExitCode::SUCCESS)),
                    }
                }
            }
        }
        let me = join::remembered(&dir, me)?;
        let meta = open(&dir, &config, &clock, directory.peers()).await?;
        if let Some(why) = copied_back(&meta).await {
            tracing::error!(meta_dir = %dir.path().display(), "{why}");
            meta.shutdown().await?;
            return Ok(Ended::With(ExitCode::FAILURE));
        }
        gate.open(meta.clone());
        meta.expose(&registry);
        let server = match edit_log {
            Some(listener) => Some(serve(listener)?),
            None => server,
        };
        look_for_a_later_owner(meta.clone(), gate.clone());
        let process = Process {
            config,
            clock,
            tree,
            dir,
            meta,
            me,
            gate,
            registry,
            directory,
            tls,
            client_tls,
            started_at_ms,
            closing,
            shutdown,
        };
        let ended = process.serve(ports.query, &progress).await;
        if let Some(server) = server {
            server.ended().await;
        }
        serving.ended().await;
        ended
    }

    async fn serve(self, query: TcpListener, progress: &Progress) -> anyhow::Result<Ended> {
        let live = LiveConfig::new(self.config.clone(), self.tree.recorder());
        let settings = live.meta_settings();
        let lease = ReadLease::default();
        let (audit, _written) = logging::audit(&self.config.audit_log_dir)?;
        let front = Front { audit, ..self.draw_tree(live, lease.clone()) };
        let frontends = front.frontends.clone();
        let desk = Desk::new(Arc::new(front));
        let observers = self.draw_observer();
        self.settle(&lease).await;
        let (listener, closing, serving) = (listen::tokio(query)?, self.closing.clone(), desk.clone());
        let server = tokio::spawn(async move { serving.serve(listener, closing).await });
        progress.ready(Opened { meta: self.meta.clone(), desk, observers, settings, frontends });
        self.say_ready();
        let failed = self.tree.failed();
        let ended = tokio::select! {
            stopped = admin::until_interrupted() => stopped.map(|()| Ended::With(ExitCode::SUCCESS))?,
            failure = failed => {
                tracing::error!(reason = failure.reason, "the supervision tree has given up");
                Ended::With(ExitCode::FAILURE)
            }
            // What could not be written is not known to be absent either: only a new start reads what is durable.
            () = log_lost(&self.meta) => {
                let cause = self.meta.status().failure;
                tracing::error!(?cause, "the log of the metadata cannot be written: this frontend ends, and must be started again");
                Ended::With(ExitCode::FAILURE)
            }
            by = self.gate.superseded() => Ended::Superseded(by),
            () = self.gate.dropped() => Ended::Dropped,
        };
        tracing::info!("stopping");
        Ok(ended.after(self.stop(server).await))
    }

    async fn stop(self, server: tokio::task::JoinHandle<()>) -> anyhow::Result<()> {
        self.closing.cancel();
        if tokio::time::timeout(STOP_LIMIT, server).await.is_err() {
            tracing::warn!("statements were still running at the end of the stop");
        }
        self.tree.stop(STOP_LIMIT).await;
        // The leadership is handed over here, by messages: the mailboxes are closed last.
        let closed = self.meta.shutdown().await;
        self.shutdown.cancel();
        Ok(closed?)
    }

    /// Waits a little until this frontend leads or hears from who does; one that does not is served all the same, and says so.
    async fn settle(&self, lease: &ReadLease) {
        if let Err(cause) = lease.wait(SETTLE_LIMIT).await {
            tracing::warn!(cause, "this frontend serves no reads of the catalog yet");
        }
    }

    fn say_ready(&self) {
        let catalog = self.meta.view();
        let identity = catalog.identity();
        let standing = self.meta.standing();
        tracing::info!(
            version = VERSION, name = self.me.name, cluster = %identity.cluster_id, service = %identity.service_id,
            incarnation = %identity.incarnation, epoch = %identity.epoch, revision = %catalog.revision(),
            role = ?standing.role, leader = ?standing.leader.map(|node| node.address),
            query_port = self.me.query_port, "frontend is ready"
        );
        if catalog.is_careful() {
            tracing::warn!(
                "the cluster was restored: for a day no snapshot retires and no file is deleted; ADMIN FINISH RESTORE ends that"
            );
        }
    }
}

/// Opens the metadata, which only this user may read: the log and the images hold the secrets of storage volumes.
async fn open(dir: &MetaDir, config: &FrontendConfig, clock: &SharedClock, peers: Peers) -> anyhow::Result<Meta> {
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("meta_dir {}", dir.path().display()))?;
    let options = Options { image_every: config.edit_log_roll_num, ..Options::default() };
    let clock = clock.clone();
    let now = Arc::new(move || (UnixMillis(clock.now_unix_ms()), clock.monotonic()));
    Ok(Meta::open(dir, &dir.identity()?.node, now, options, peers).await?)
}

/// Frontends that were left behind by a restore are often a majority of the old group, and would elect one of themselves. Each
/// looks once whether the data have another owner by now; one that cannot see that is told by the store later, when it leads.
fn look_for_a_later_owner(meta: Meta, gate: FrontendGate) {
    // One that is alone goes on, read-only, and says why.
    if meta.view().frontends().count() < 2 {
        return;
    }
    tokio::spawn(async move {
        if let Some(by) = actors_meta::owner::later_owner(&meta.view()).await {
            gate.supersede(by);
        }
    });
}

/// Whether a frontend that is alone starts from metadata that were copied back. In a group one that is behind is as it should
/// be, and the leader looks.
async fn copied_back(meta: &Meta) -> Option<String> {
    let catalog = meta.view();
    // All that was ever acknowledged is applied to the view of one that leads.
    let is_alone = catalog.frontends().count() < 2 && meta.standing().leads();
    if is_alone { actors_meta::owner::copied_back(&catalog).await } else { None }
}

/// Returns when the metadata takes no more proposals for ever.
async fn log_lost(meta: &Meta) {
    let mut standing = meta.standing_watch();
    // The sender goes with the metadata itself.
    let _ = standing.wait_for(|now| now.role == Role::Stopped).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_that_went_wrong_does_not_hide_what_ended_a_frontend() {
        let wrong = || Err(anyhow::anyhow!("closing the metadata took longer than 30s"));
        assert!(matches!(Ended::Superseded("b".to_owned()).after(wrong()), Ended::Superseded(by) if by == "b"));
        assert!(matches!(Ended::Dropped.after(wrong()), Ended::Dropped));
        let is =
            |ended, code: ExitCode| matches!(ended, Ended::With(found) if format!("{found:?}") == format!("{code:?}"));
        assert!(is(Ended::With(ExitCode::SUCCESS).after(Ok(())), ExitCode::SUCCESS));
        assert!(is(Ended::With(ExitCode::SUCCESS).after(wrong()), ExitCode::FAILURE));
    }
}
