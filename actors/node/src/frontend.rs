//! `starkeep fe`: a frontend as a process. Its supervision tree:
//!
//! ```text
//!   fe
//!   ├── nodes        compute_node_monitor
//!   ├── frontend     settings_keeper, transaction_lease, role_keeper
//!   ├── observer
//!   ├── metadata     metadata_follower, or metadata_observer, or, on the leader:
//!   │                owner_watch, metadata_leader, checkpointer, frontend_monitor
//!   └── background   snapshot_job_supervisor, gc_coordinator            (on the leader)
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `gate` | who is let in at `edit_log_port` |
//! | `join` | waiting to be added to a cluster |
//! | `roles` | the actors of the role that Raft gives this frontend |

mod gate;
mod join;
mod roles;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actors_front::{Desk, Front, FrontFacts};
use actors_messages::frontends::FrontendReport;
use actors_messages::{CatalogView, ReadLease, ReadPoints};
use actors_meta::{ComputeNodeMonitor, NodeDirectory, Proposer, Routes, SelfReport, TransactionLease};
use anyhow::Context;
use runtime_actor::{Address, Budget, SharedClock, Strategy, SystemClock, Tree, random};
use runtime_raft::{Meta, MetaDir, Node, Options, Role};
use runtime_rpc::options::RpcOptions;
use runtime_rpc::{Peers, Registry, RpcServer, Tls};
use storage_catalog::{Catalog, ClusterIdentity};
use storage_model::{ClusterId, Epoch, Frontend, FrontendRole, Incarnation, NodeId, Revision, ServiceId, UnixMillis};
use storage_snapshot::owner::OwnerFacts;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::{COMMIT, FrontendArguments, VERSION, full_version};
use crate::config::{FrontendConfig, advertised_host, bind_host, builtin_volume, load_tls};
use crate::observer::{Observer, Observers};
use crate::pages::{self, FrontendPages, Opened, Progress};
use crate::restore::{Restore, Restored};
use crate::settings::{LiveConfig, SettingsKeeper};
use crate::spec::{BRIEF_EFFECTS, spec, with_effects};
use crate::{admin, listen, logging, offline, otlp, restore_plan};

use self::gate::FrontendGate;
use self::roles::{Drawn, LeaderRoutes, RoleKeeper, Stage};

/// How long a clean stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// How long a start waits until this frontend leads, or hears from who does, before it serves clients all the same.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);
/// The first frontend of a cluster. Those to come are given their ids by the catalog, far above.
const FIRST_NODE: NodeId = NodeId(1);

/// How a life of this process ended.
enum Ended {
    With(ExitCode),
    /// The cluster was restored without this frontend, which can join it again: its metadata are of the time before.
    Superseded(String),
    /// An administrator has dropped this frontend from the cluster.
    Dropped,
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
    let me = myself(&config, &clock)?;
    if dry_run {
        return dry(&config, &arguments, &me).await;
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

fn myself(config: &FrontendConfig, clock: &SharedClock) -> anyhow::Result<Frontend> {
    let host = advertised_host(&config.priority_networks)?.to_string();
    Ok(Frontend {
        id: FIRST_NODE,
        name: format!("{host}_{}_{}", config.edit_log_port, clock.now_unix_ms()),
        role: FrontendRole::Follower,
        host,
        edit_log_port: config.edit_log_port,
        http_port: config.http_port,
        query_port: config.query_port,
        rpc_port: config.rpc_port,
    })
}

/// `--list` and `--verify-only`: nothing is bound, nothing is changed.
async fn dry(config: &FrontendConfig, arguments: &FrontendArguments, me: &Frontend) -> anyhow::Result<ExitCode> {
    let plan = restore_plan::load(&config.snapshot_plan(), &config.home)?;
    let meta_dir = MetaDir::new(&config.meta_dir);
    let say = |text: &str| println!("{text}");
    let restore = Restore {
        plan: &plan,
        builtin: builtin_volume(config),
        meta_dir: &meta_dir,
        me: me.clone(),
        force: arguments.force,
        verify_only: true,
        product_version: VERSION,
        say: &say,
    };
    if arguments.list {
        offline::print_list(&restore.list().await?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Restored::Verified(name) = restore.run().await? {
        println!("{name} can be restored");
    }
    Ok(ExitCode::SUCCESS)
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
            restore(&config, &arguments, &dir, &me).await?;
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
                None => found(&dir, &me, &clock)?,
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
        // The log and the images hold the secrets of storage volumes.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("meta_dir {}", dir.path().display()))?;
        let me = join::remembered(&dir, me)?;
        let options = Options { image_every: config.edit_log_roll_num, ..Options::default() };
        let node = dir.identity()?.node;
        let meta = Meta::open(&dir, &node, raft_clock(&clock), options, directory.peers()).await?;
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
        let front = self.draw_tree(live, lease.clone());
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
        self.stop(server).await?;
        Ok(ended)
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

    fn draw_tree(&self, live: LiveConfig, lease: ReadLease) -> Front {
        let view = {
            let meta = self.meta.clone();
            CatalogView::new(move || meta.view(), self.meta.watch())
        };
        let (statuses, frontends) = watch::channel(Arc::default());
        let routes = Routes::new(self.meta.standing_watch(), self.directory.peers(), self.registry.clone());
        let routes = LeaderRoutes::new(&routes);
        let monitor = self.draw_nodes(&view);
        let stage = Stage {
            tree: self.tree.clone(),
            meta: self.meta.clone(),
            dir: self.dir.clone(),
            gate: self.gate.clone(),
            view: view.clone(),
            me: self.me.clone(),
            builtin: builtin_volume(&self.config),
            directory: self.directory.clone(),
            registry: self.registry.clone(),
            routes: routes.clone(),
            reads: ReadPoints::default(),
            lease: lease.clone(),
            statuses: Arc::new(statuses),
            report: self.self_report(),
            settings: live.meta_settings(),
            owner_facts: OwnerFacts::new(&self.me.host, UnixMillis(self.clock.now_unix_ms()), VERSION),
        };
        let reads = stage.reads.clone();
        let proposer = Proposer::new(routes.forward.recipient(), self.meta.clone());
        let transactions = self.draw_frontend(stage, &view, &live, &proposer);
        Front {
            recorder: self.tree.recorder(),
            view,
            reads,
            lease,
            propose: runtime_actor::Recipient::new(proposer),
            draw_txn: transactions.recipient(),
            read_index: routes.read_index.recipient(),
            create_image: routes.create_image.recipient(),
            preflight: routes.preflight.recipient(),
            create_snapshot: routes.create_snapshot.recipient(),
            verify_snapshot: routes.verify_snapshot.recipient(),
            reconcile: routes.reconcile.recipient(),
            running_detail: routes.running_detail.recipient(),
            collect: routes.collect.recipient(),
            beat: monitor.recipient(),
            suspect: monitor.recipient(),
            nodes: self.directory.statuses(),
            frontends,
            leader: {
                let meta = self.meta.clone();
                Arc::new(move || meta.standing().leader.map(|node| node.id))
            },
            tls: self.tls.clone(),
            settings: Arc::new(live),
            me: FrontFacts {
                id: self.me.id,
                name: self.me.name.clone(),
                host: self.me.host.clone(),
                query_port: self.me.query_port,
                started_at_ms: self.started_at_ms,
                product_version: VERSION.to_owned(),
                commit: COMMIT.to_owned(),
            },
            clock: self.clock.clone(),
        }
    }

    fn self_report(&self) -> SelfReport {
        let report = report_of(&self.me, self.started_at_ms);
        Arc::new(move || report.clone())
    }

    fn draw_observer(&self) -> Observers {
        let tree = self.tree.clone();
        let observer = self.tree.root().start(spec("observer"), move || Observer::new(tree.clone()));
        Observer::expose(&self.registry, &observer);
        let view = {
            let meta = self.meta.clone();
            CatalogView::new(move || meta.view(), self.meta.watch())
        };
        Observers::new(format!("fe:{}", self.me.address()), observer, Some((self.directory.clone(), view)))
    }

    fn draw_frontend(
        &self,
        stage: Stage,
        view: &CatalogView,
        live: &LiveConfig,
        proposer: &Proposer,
    ) -> Address<TransactionLease> {
        let group = self.tree.supervisor("frontend", Strategy::OneForOne, Budget::default());
        let (view, live) = (view.clone(), live.clone());
        group.start(spec("settings_keeper"), move || SettingsKeeper::new(view.clone(), live.clone()));
        let proposer = proposer.clone();
        let transactions = group.start(spec("transaction_lease").mailbox(16_384), move || {
            TransactionLease::new(runtime_actor::Recipient::new(proposer.clone()))
        });
        let drawn = Arc::new(tokio::sync::Mutex::new(Drawn::default()));
        group.start(spec("role_keeper"), move || RoleKeeper::new(stage.clone(), drawn.clone()));
        transactions
    }

    fn draw_nodes(&self, view: &CatalogView) -> Address<ComputeNodeMonitor> {
        let group = self.tree.supervisor("nodes", Strategy::OneForOne, Budget::default());
        let (view, directory) = (view.clone(), self.directory.clone());
        let (meta, here) = (self.meta.clone(), self.me.address());
        let leader: actors_meta::nodes::LeaderAddress =
            Arc::new(move || meta.standing().leader.map_or_else(|| here.clone(), |node| node.address));
        group.start(with_effects("compute_node_monitor", BRIEF_EFFECTS), move || {
            ComputeNodeMonitor::new(view.clone(), directory.clone(), leader.clone())
        })
    }
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

/// What a frontend says of itself; how far it is is filled in by who answers.
fn report_of(me: &Frontend, started_at_ms: u64) -> FrontendReport {
    FrontendReport {
        id: me.id,
        applied: Revision(0),
        oldest_read: Revision(0),
        started_at_ms,
        version: full_version(),
        http_port: me.http_port,
        query_port: me.query_port,
        rpc_port: me.rpc_port,
    }
}

/// Returns when the metadata takes no more proposals for ever.
async fn log_lost(meta: &Meta) {
    let mut standing = meta.standing_watch();
    // The sender goes with the metadata itself.
    let _ = standing.wait_for(|now| now.role == Role::Stopped).await;
}

fn raft_clock(clock: &SharedClock) -> runtime_raft::Clock {
    let clock = clock.clone();
    Arc::new(move || (UnixMillis(clock.now_unix_ms()), clock.monotonic()))
}

/// The first start of a cluster.
fn found(dir: &MetaDir, me: &Frontend, clock: &SharedClock) -> anyhow::Result<()> {
    let identity = ClusterIdentity {
        // StarRocks draws it from a positive 31-bit range.
        cluster_id: ClusterId((random::id() as u64 >> 33).max(1)),
        token: random::hex_id(),
        service_id: ServiceId(uuid::Builder::from_random_bytes(random::bytes()).into_uuid().to_string()),
        incarnation: Incarnation(random::hex_id()),
        epoch: Epoch(1),
    };
    tracing::info!(cluster = %identity.cluster_id, service = %identity.service_id, "founding a new cluster");
    let catalog = Catalog::genesis(identity, UnixMillis(clock.now_unix_ms()));
    dir.create(&catalog, &Node { id: me.id, address: me.address() }, &me.name)?;
    Ok(())
}

async fn restore(
    config: &FrontendConfig,
    arguments: &FrontendArguments,
    dir: &MetaDir,
    me: &Frontend,
) -> anyhow::Result<()> {
    let plan = restore_plan::load(&config.snapshot_plan(), &config.home)?;
    let say = |text: &str| tracing::info!("restore: {text}");
    let restore = Restore {
        plan: &plan,
        builtin: builtin_volume(config),
        meta_dir: dir,
        me: me.clone(),
        force: arguments.force,
        verify_only: false,
        product_version: VERSION,
        say: &say,
    };
    match restore.run().await.context("the cluster was not restored, nothing has changed")? {
        Restored::Already => {
            tracing::info!("restore: this meta directory was restored by this plan before; starting it")
        }
        Restored::Verified(_) => {}
        Restored::Done { snapshot, revision, aside } => {
            let aside = aside.map(|path| path.display().to_string());
            tracing::info!(snapshot, revision, ?aside, "restore: the cluster is restored");
        }
    }
    Ok(())
}
