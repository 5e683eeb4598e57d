//! `starkeep cn`: a compute node as a process. Its supervision tree:
//!
//! ```text
//!   cn
//!   └── compute
//!       ├── compute_node      mailbox compute_node
//!       ├── snapshot_agent    mailbox snapshot_agent
//!       ├── compaction_agent  mailbox compaction_agent
//!       └── observer          mailbox observer
//! ```

use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actors_compute::{CompactionAgent, ComputeNode, Fragments, Membership, Plane, Ports, SnapshotAgent, Volumes};
use actors_messages::compute::{
    AttestFiles, COMPACTION_AGENT, COMPUTE_NODE, CatchUp, CompactRows, DeleteObjects, Heartbeat, ListDirectory,
    RewriteRows, SNAPSHOT_AGENT, VerifyFiles,
};
use anyhow::Context;
use arrow_flight::flight_service_server::FlightServiceServer;
use runtime_actor::{Address, Budget, Strategy, SystemClock, Tree};
use runtime_query::{Engine, EngineOptions, QueryError, Reading};
use runtime_rpc::options::RpcOptions;
use runtime_rpc::plane::{self, Channels, CheckProof, Services, ShowProof, TokenSource};
use runtime_rpc::{Registry, RpcServer};
use storage_model::StorageVolume;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::cli::{ComputeArguments, VERSION, full_version};
use crate::config::{ComputeConfig, advertised_host, bind_host, load_tls};
use crate::data_cache::{self, Shares};
use crate::observer::{Observer, Observers};
use crate::pages::ComputePages;
use crate::spec::spec;
use crate::{admin, listen, logging, otlp};

/// How long a clean stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The node's actors.
struct Actors {
    tree: Tree,
    node: Address<ComputeNode>,
    agent: Address<SnapshotAgent>,
    compaction: Address<CompactionAgent>,
    observer: Address<Observer>,
}

/// Runs until SIGTERM, SIGINT, or the supervision tree gives up.
pub async fn run(arguments: ComputeArguments) -> anyhow::Result<ExitCode> {
    let (config, warnings) = ComputeConfig::load(arguments.conf.as_deref())?;
    let level = config.sys_log_level.as_filter();
    let _log = logging::start(level, arguments.logconsole, &config.sys_log_dir, "cn.log")?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let host = advertised_host(&config.priority_networks)?;
    let bind = bind_host(host);
    let heartbeat = listen::on(bind, config.heartbeat_service_port, "heartbeat_service_port")?;
    let brpc = listen::on(bind, config.brpc_port, "brpc_port")?;
    let http = listen::on(bind, config.be_http_port, "be_http_port")?;
    serve(config, host, heartbeat, brpc, http).await
}

async fn serve(
    config: ComputeConfig,
    host: IpAddr,
    heartbeat: TcpListener,
    brpc: TcpListener,
    http: TcpListener,
) -> anyhow::Result<ExitCode> {
    let root = config.storage_root_path.0.first().context("storage_root_path names no directory")?.path.clone();
    let name = format!("{host}:{}", config.heartbeat_service_port);
    let member = Membership::open(&root, name.clone(), VERSION.to_owned());
    let member = Arc::new(member.with_context(|| format!("storage_root_path {}", root.display()))?);
    let memory = config.mem_limit.bytes(available_memory_bytes());
    let shares = data_cache::shares(&config, memory);
    let volumes = Volumes::cached(shares.cache.clone());
    let threads = PlanThreads::start()?;
    let engine = engine(&root, memory, &shares, &volumes, threads.handle.clone())?;
    let tls = load_tls(config.tls_files().as_ref())?;
    let actors = draw_tree(&config, volumes.clone(), &engine, memory);

    let of_pages = member.clone();
    let shutdown = CancellationToken::new();
    let registry = Registry::new();
    registry.expose::<ComputeNode, Heartbeat>(COMPUTE_NODE, actors.node.clone());
    registry.expose::<ComputeNode, DeleteObjects>(COMPUTE_NODE, actors.node.clone());
    registry.expose::<ComputeNode, ListDirectory>(COMPUTE_NODE, actors.node.clone());
    registry.expose::<SnapshotAgent, AttestFiles>(SNAPSHOT_AGENT, actors.agent.clone());
    registry.expose::<SnapshotAgent, VerifyFiles>(SNAPSHOT_AGENT, actors.agent.clone());
    registry.expose::<CompactionAgent, CompactRows>(COMPACTION_AGENT, actors.compaction.clone());
    registry.expose::<CompactionAgent, CatchUp>(COMPACTION_AGENT, actors.compaction.clone());
    registry.expose::<CompactionAgent, RewriteRows>(COMPACTION_AGENT, actors.compaction.clone());
    Observer::expose(&registry, &actors.observer);
    let recorder = actors.tree.recorder();
    let rpc = RpcServer::bind_with(
        listen::tokio(heartbeat)?,
        member.clone(),
        registry,
        RpcOptions { tls: tls.clone(), recorder: Some(recorder.clone()), ..RpcOptions::default() },
        shutdown.clone(),
    )?;

    recorder.set_node(format!("cn:{name}"));
    recorder.set_rate(config.message_trace_rate);
    otlp::start(config.otlp_endpoint.as_deref(), &recorder, "starkeep-cn", shutdown.clone())?;
    let token: TokenSource = Arc::new(move || member.cluster_token());
    let channels = Channels::new(ShowProof::new(Arc::clone(&token))).over(tls.clone());
    let connect = Arc::new(move |address: &str| channels.proven(address).map_err(|error| error.to_string()));
    let fragments = Fragments::new(actors.node.recipient(), actors.node.recipient(), recorder);
    let plane = Plane::new(Arc::clone(&engine), connect, volumes, fragments);
    // Served here and not on the threads of plans: a connection must hear that its rows are no longer wanted.
    let brpc = listen::tokio(brpc)?;
    let services = Services::new(CheckProof::new(token)).and(plane.stages().service());
    let services = services.flight(FlightServiceServer::new(plane));
    let data = tokio::spawn(plane::serve(tls, services, brpc, shutdown.clone()));
    let shown = ComputePages {
        tree: actors.tree.clone(),
        member: of_pages,
        observers: Observers::new(
            format!("cn:{host}:{}", config.heartbeat_service_port),
            actors.observer.clone(),
            None,
        ),
        host: host.to_string(),
        heartbeat_port: config.heartbeat_service_port,
        http_port: config.be_http_port,
        memory_limit_bytes: memory,
        cache: shares.cache,
        engine,
    };
    let pages = crate::pages::of_compute(http, shown, shutdown.clone())?;

    tracing::info!(version = VERSION, %host, heartbeat = config.heartbeat_service_port, "compute node is ready");
    let failed = actors.tree.failed();
    let code = tokio::select! {
        stopped = admin::until_interrupted() => stopped.map(|()| ExitCode::SUCCESS)?,
        failure = failed => {
            tracing::error!(reason = failure.reason, "the supervision tree has given up");
            ExitCode::FAILURE
        }
    };
    tracing::info!("stopping");
    shutdown.cancel();
    let ended = async {
        rpc.ended().await;
        let _ = data.await;
        pages.ended().await;
    };
    if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
        tracing::warn!("connections were still open at the end of the stop");
    }
    drop(threads);
    actors.tree.stop(STOP_LIMIT).await;
    Ok(code)
}

/// Plans have threads of their own: one that does not yield must not keep heartbeats from being answered.
struct PlanThreads {
    runtime: Option<tokio::runtime::Runtime>,
    handle: Handle,
}

impl PlanThreads {
    fn start() -> anyhow::Result<PlanThreads> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.enable_all().thread_name("plan").thread_stack_size(8 << 20);
        let runtime = builder.build().context("threads for plans")?;
        Ok(PlanThreads { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for PlanThreads {
    fn drop(&mut self) {
        // A plan that will not end is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn engine(
    root: &Path,
    memory: u64,
    shares: &Shares,
    volumes: &Volumes,
    threads: Handle,
) -> anyhow::Result<Arc<Engine>> {
    let spill = root.join("spill");
    // What a killed process has spilled is of no use to anybody.
    let _ = std::fs::remove_dir_all(&spill);
    std::fs::create_dir_all(&spill).with_context(|| format!("create {}", spill.display()))?;
    let parallelism = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = EngineOptions {
        memory_bytes: shares.operators as usize,
        process_bytes: memory,
        spill_directory: Some(spill),
        parallelism,
        threads: Some(threads),
    };
    let volumes = volumes.clone();
    let opener = Arc::new(move |spec: &StorageVolume, reading: Reading| {
        let opened = match reading {
            Reading::Again => volumes.near(spec),
            Reading::Once => volumes.passing(spec),
        };
        match opened {
            Ok(volume) => Ok(volume.store()),
            Err(error) => Err(QueryError::new(1064, error.kind(), storage_volume::error_chain(&error))),
        }
    });
    Ok(Arc::new(Engine::new(options, opener)?.with_footer_bytes(shares.footers as usize)))
}

fn draw_tree(config: &ComputeConfig, volumes: Volumes, engine: &Arc<Engine>, memory: u64) -> Actors {
    let clock = SystemClock::shared();
    let started_at_ms = clock.now_unix_ms();
    let tree = Tree::new("cn", clock);
    let group = tree.supervisor("compute", Strategy::OneForOne, Budget::default());
    let ports = Ports {
        be_port: config.be_port,
        http_port: config.be_http_port,
        brpc_port: config.brpc_port,
        starlet_port: config.starlet_port,
    };
    let for_node = volumes.clone();
    let node = group.start(spec("compute_node").mailbox(4096), move || {
        ComputeNode::new(ports, for_node.clone(), full_version(), started_at_ms, memory)
    });
    let for_agent = volumes.clone();
    let agent = group.start(spec("snapshot_agent"), move || SnapshotAgent::new(for_agent.clone()));
    let engine = Arc::clone(engine);
    let compaction =
        group.start(spec("compaction_agent"), move || CompactionAgent::new(Arc::clone(&engine), volumes.clone()));
    let of_tree = tree.clone();
    let observer = group.start(spec("observer"), move || Observer::new(of_tree.clone()));
    Actors { tree, node, agent, compaction, observer }
}

/// Memory that this process can have: of the host or, when that is less, of its control group.
fn available_memory_bytes() -> u64 {
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = |path| std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    limits.into_iter().filter_map(limit).fold(host_memory_bytes(), u64::min)
}

/// Memory of this host, from /proc; 4 GiB when it cannot be read.
fn host_memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|t| t.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(4 << 20) * 1024
}
