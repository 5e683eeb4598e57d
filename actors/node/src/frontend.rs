//! `starkeep fe`: a frontend as a process. Its supervision tree:
//!
//! ```text
//!   fe
//!   ├── metadata     owner_watch, metadata_leader, checkpointer
//!   ├── nodes        compute_node_monitor
//!   ├── background   snapshot_job_supervisor, gc_coordinator
//!   └── observer
//! ```

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actors_front::{Desk, Front, FrontFacts, FrontSettings, RaftStatus};
use actors_messages::{CatalogView, ReadPoints};
use actors_meta::{
    Checkpointer, ComputeNodeMonitor, GcCoordinator, MetadataLeader, NodeDirectory, OwnerWatch, Ownership,
    SnapshotJobSupervisor,
};
use anyhow::{Context, bail};
use runtime_actor::{Address, Budget, SharedClock, Strategy, SystemClock, Tree, random};
use runtime_raft::{Meta, MetaDir, Node, Options, ProposeError, Role};
use runtime_rpc::options::RpcOptions;
use runtime_rpc::{Identity, Peers, Tls};
use storage_catalog::{Catalog, ClusterIdentity, Command};
use storage_model::{ClusterId, Epoch, Frontend, FrontendRole, Incarnation, NodeId, ServiceId, UnixMillis};
use storage_snapshot::owner::OwnerFacts;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::{COMMIT, FrontendArguments, VERSION};
use crate::config::{FrontendConfig, advertised_host, bind_host, builtin_volume, load_tls};
use crate::observer::{Observer, Observers};
use crate::pages::{self, FrontendPages, Opened, Progress};
use crate::restore::{Restore, Restored};
use crate::settings::LiveConfig;
use crate::spec::{BRIEF_EFFECTS, LONG_EFFECTS, spec, with_effects};
use crate::{admin, listen, logging, offline, otlp, restore_plan};

/// How long a clean stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// The only frontend so far, and the first of those to come.
const FIRST_NODE: NodeId = NodeId(1);

/// Runs until SIGTERM, SIGINT, or the supervision tree gives up.
pub async fn run(arguments: FrontendArguments) -> anyhow::Result<ExitCode> {
    let (config, warnings) = FrontendConfig::load(arguments.conf.as_deref())?;
    if let Some(helper) = &arguments.helper {
        bail!("--helper {helper}: joining another frontend is not supported yet");
    }
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
    let host = bind_host(advertised_host(&config.priority_networks)?);
    let http = listen::on(host, config.http_port, "http_port")?;
    let query = listen::on(host, config.query_port, "query_port")?;
    Process::start(config, arguments, clock, me, http, query).await
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
    meta: Meta,
    me: Frontend,
    tls: Option<Tls>,
    shutdown: CancellationToken,
}

impl Process {
    async fn start(
        config: FrontendConfig,
        arguments: FrontendArguments,
        clock: SharedClock,
        me: Frontend,
        http: TcpListener,
        query: TcpListener,
    ) -> anyhow::Result<ExitCode> {
        let tls = load_tls(config.tls_files().as_ref())?;
        let shutdown = CancellationToken::new();
        let tree = Tree::new("fe", clock.clone());
        let recorder = tree.recorder();
        recorder.set_node(format!("fe:{}:{}", me.host, me.edit_log_port));
        otlp::start(config.otlp_endpoint.as_deref(), &recorder, "starkeep-fe", shutdown.clone())?;
        let progress = Progress::default();
        let opened: Arc<OnceLock<Meta>> = Arc::default();
        let identity = identity_source(opened.clone(), format!("{}:{}", me.host, me.edit_log_port));
        let directory =
            NodeDirectory::new(Peers::new(identity, RpcOptions { tls: tls.clone(), ..RpcOptions::default() }));
        let nodes = directory.statuses();
        let (me_now, started_at_ms) = (me.clone(), clock.now_unix_ms());
        let shown = FrontendPages { tree: tree.clone(), progress: progress.clone(), nodes, me: me_now, started_at_ms };
        let serving = pages::of_frontend(http, shown, shutdown.clone())?;

        let dir = MetaDir::new(&config.meta_dir);
        if arguments.cluster_snapshot {
            progress.restoring();
            let began = clock.monotonic();
            restore(&config, &arguments, &dir, &me).await?;
            progress.restored(clock.monotonic().saturating_duration_since(began).as_millis() as u64);
        }
        if !dir.exists() {
            found(&dir, &me, &clock)?;
        }
        // The log and the images hold the secrets of storage volumes.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("meta_dir {}", dir.path().display()))?;
        let known = dir.identity().context("who this frontend is")?;
        let me = Frontend { id: known.node.id, name: known.name, ..me };
        let meta = Meta::open(
            &dir,
            &known.node,
            raft_clock(&clock),
            Options { image_every: config.edit_log_roll_num, ..Options::default() },
        )
        .await?;
        let _ = opened.set(meta.clone());
        let process = Process { config, clock, tree, meta, me, tls, shutdown };
        process.introduce().await?;
        let code = process.serve(directory, query, &progress).await;
        serving.ended().await;
        code
    }

    /// What fe.conf says that the catalog must know.
    async fn introduce(&self) -> anyhow::Result<()> {
        self.meta.propose(Command::RegisterFrontend { frontend: self.me.clone() }).await?;
        let Some(draft) = builtin_volume(&self.config) else { return Ok(()) };
        match self.meta.propose(Command::EnsureBuiltinVolume { draft }).await {
            Ok(_) => Ok(()),
            // After a restore that moved the volume fe.conf may still name the old place: the catalog is the truth.
            Err(ProposeError::Rejected(rejection)) => {
                tracing::warn!("{rejection}; the catalog's location is used, set fe.conf right");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn serve(
        self,
        directory: NodeDirectory,
        query: TcpListener,
        progress: &Progress,
    ) -> anyhow::Result<ExitCode> {
        let live = LiveConfig::new(self.config.clone(), self.tree.recorder());
        for (key, value) in self.meta.view().config() {
            if let Err(error) = live.set(key, value) {
                tracing::warn!(key, %error, "a persistent setting does not fit any more");
            }
        }
        let settings = live.meta_settings();
        let desk = Desk::new(Arc::new(self.draw_tree(directory.clone(), live)));
        let observers = self.draw_observer(directory);
        let (listener, shutdown, serving) = (listen::tokio(query)?, self.shutdown.clone(), desk.clone());
        let server = tokio::spawn(async move { serving.serve(listener, shutdown).await });
        progress.ready(Opened { meta: self.meta.clone(), desk, observers, settings });
        let catalog = self.meta.view();
        let identity = catalog.identity();
        tracing::info!(
            version = VERSION, name = self.me.name, cluster = %identity.cluster_id, service = %identity.service_id,
            incarnation = %identity.incarnation, epoch = %identity.epoch, revision = %catalog.revision(),
            query_port = self.me.query_port, "frontend is ready"
        );
        if catalog.is_careful() {
            tracing::warn!(
                "the cluster was restored: for a day no snapshot retires and no file is deleted; ADMIN FINISH RESTORE ends that"
            );
        }
        let failed = self.tree.failed();
        let code = tokio::select! {
            stopped = admin::until_interrupted() => stopped.map(|()| ExitCode::SUCCESS)?,
            failure = failed => {
                tracing::error!(reason = failure.reason, "the supervision tree has given up");
                ExitCode::FAILURE
            }
            // What could not be written is not known to be absent either: only a new start reads what is durable.
            () = log_lost(&self.meta) => {
                let cause = self.meta.status().failure;
                tracing::error!(?cause, "the log of the metadata cannot be written: this frontend ends, and must be started again");
                ExitCode::FAILURE
            }
        };
        tracing::info!("stopping");
        self.shutdown.cancel();
        if tokio::time::timeout(STOP_LIMIT, server).await.is_err() {
            tracing::warn!("statements were still running at the end of the stop");
        }
        self.tree.stop(STOP_LIMIT).await;
        self.meta.shutdown().await?;
        Ok(code)
    }

    fn draw_tree(&self, directory: NodeDirectory, live: LiveConfig) -> Front {
        let view = {
            let meta = self.meta.clone();
            CatalogView::new(move || meta.view(), self.meta.watch())
        };
        let reads = ReadPoints::default();
        let (owns, ownership) = watch::channel(Ownership::Unknown);
        let leader = self.draw_metadata(&view, Arc::new(owns), ownership.clone());
        let monitor = self.draw_nodes(&view, &directory);
        let (supervisor, collector) = self.draw_background(&directory, &reads, ownership, &live);
        let status = {
            let meta = self.meta.clone();
            Arc::new(move || RaftStatus { leader: meta.status().leader, last_heartbeat_ms: Vec::new() })
        };
        Front {
            recorder: self.tree.recorder(),
            view,
            reads,
            propose: leader.0.recipient(),
            draw_txn: leader.0.recipient(),
            create_image: leader.1.recipient(),
            preflight: supervisor.recipient(),
            create_snapshot: supervisor.recipient(),
            verify_snapshot: supervisor.recipient(),
            reconcile: supervisor.recipient(),
            running_detail: supervisor.recipient(),
            collect: collector.recipient(),
            beat: monitor.recipient(),
            suspect: monitor.recipient(),
            nodes: directory.statuses(),
            tls: self.tls.clone(),
            settings: Arc::new(live),
            me: FrontFacts {
                id: self.me.id,
                name: self.me.name.clone(),
                host: self.me.host.clone(),
                query_port: self.me.query_port,
                started_at_ms: self.clock.now_unix_ms(),
                product_version: VERSION.to_owned(),
                commit: COMMIT.to_owned(),
            },
            raft: status,
            clock: self.clock.clone(),
        }
    }

    fn draw_observer(&self, directory: NodeDirectory) -> Observers {
        let tree = self.tree.clone();
        let observer = self.tree.root().start(spec("observer"), move || Observer::new(tree.clone()));
        let node = format!("fe:{}:{}", self.me.host, self.me.edit_log_port);
        Observers::new(node, observer, Some(directory))
    }

    fn draw_metadata(
        &self,
        view: &CatalogView,
        owns: Arc<watch::Sender<Ownership>>,
        ownership: watch::Receiver<Ownership>,
    ) -> (Address<MetadataLeader>, Address<Checkpointer>) {
        let group = self.tree.supervisor("metadata", Strategy::OneForOne, Budget::default());
        let facts = OwnerFacts::new(&self.me.host, UnixMillis(self.clock.now_unix_ms()), VERSION);
        let of_watch = view.clone();
        group.start(with_effects("owner_watch", BRIEF_EFFECTS), move || {
            OwnerWatch::new(of_watch.clone(), owns.clone(), facts.clone())
        });
        let meta = self.meta.clone();
        let leader = group.start(spec("metadata_leader").mailbox(16_384), move || {
            MetadataLeader::new(meta.clone(), ownership.clone())
        });
        let meta = self.meta.clone();
        let checkpointer = group.start(spec("checkpointer"), move || Checkpointer::new(meta.clone()));
        (leader, checkpointer)
    }

    fn draw_nodes(&self, view: &CatalogView, directory: &NodeDirectory) -> Address<ComputeNodeMonitor> {
        let group = self.tree.supervisor("nodes", Strategy::OneForOne, Budget::default());
        let (view, directory) = (view.clone(), directory.clone());
        let name = format!("{}:{}", self.me.host, self.me.edit_log_port);
        group.start(with_effects("compute_node_monitor", BRIEF_EFFECTS), move || {
            ComputeNodeMonitor::new(view.clone(), directory.clone(), name.clone())
        })
    }

    fn draw_background(
        &self,
        directory: &NodeDirectory,
        reads: &ReadPoints,
        ownership: watch::Receiver<Ownership>,
        live: &LiveConfig,
    ) -> (Address<SnapshotJobSupervisor>, Address<GcCoordinator>) {
        let group = self.tree.supervisor("background", Strategy::OneForOne, Budget::default());
        let settings = live.meta_settings();
        let (meta, nodes, owner, config) = (self.meta.clone(), directory.clone(), ownership.clone(), settings.clone());
        let supervisor = group.start(with_effects("snapshot_job_supervisor", LONG_EFFECTS), move || {
            SnapshotJobSupervisor::new(meta.clone(), nodes.clone(), owner.clone(), config.clone(), VERSION.to_owned())
        });
        let (meta, nodes, reads) = (self.meta.clone(), directory.clone(), reads.clone());
        let collector = group.start(with_effects("gc_coordinator", LONG_EFFECTS), move || {
            GcCoordinator::new(meta.clone(), reads.clone(), nodes.clone(), ownership.clone(), settings.clone())
        });
        (supervisor, collector)
    }
}

/// Returns when the metadata takes no more proposals for ever.
async fn log_lost(meta: &Meta) {
    let mut role = meta.role_watch();
    // The sender goes with the metadata itself.
    let _ = role.wait_for(|role| *role == Role::Stopped).await;
}

fn raft_clock(clock: &SharedClock) -> runtime_raft::Clock {
    let clock = clock.clone();
    Arc::new(move || (UnixMillis(clock.now_unix_ms()), clock.monotonic()))
}

/// How this frontend introduces itself to compute nodes; nobody before the metadata is open.
fn identity_source(meta: Arc<OnceLock<Meta>>, node: String) -> runtime_rpc::identity::IdentitySource {
    Arc::new(move || {
        let Some(meta) = meta.get() else { return Identity::default() };
        let catalog = meta.view();
        let known = catalog.identity();
        Identity {
            cluster_id: known.cluster_id.0,
            token: known.token.clone(),
            incarnation: known.incarnation.0.clone(),
            epoch: known.epoch.0,
            node: node.clone(),
            product_version: VERSION.to_owned(),
        }
    })
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
    dir.create(&catalog, &Node { id: me.id, address: format!("{}:{}", me.host, me.edit_log_port) }, &me.name)?;
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
