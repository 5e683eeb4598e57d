//! The compute node's own actor: it answers heartbeats, knows what runs here, and deletes what GC condemned.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actors_messages::compute::{
    CacheReport, DeleteObjects, DeletedObjects, FragmentEnded, FragmentStarted, Heartbeat, ListDirectory, Listing,
    NodeReport,
};
use runtime_actor::{Actor, Answer, Context, Handle};
use serde::Serialize;
use storage_model::NodeId;
use storage_volume::error_chain;
use storage_volume::layout::Layout;

use crate::process::ProcessGauge;
use crate::volumes::Volumes;

/// The ports of a node, as configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// Shown only.
    pub be_port: u16,
    /// HTTP.
    pub http_port: u16,
    /// The data plane.
    pub brpc_port: u16,
    /// Shown only.
    pub starlet_port: u16,
}

/// The role.
pub struct ComputeNode {
    ports: Ports,
    volumes: Volumes,
    version: String,
    started_at_ms: u64,
    memory_limit_bytes: u64,
    gauge: ProcessGauge,
    known_as: Option<(NodeId, String)>,
    leader_sql: Option<String>,
    last_heartbeat: Option<Instant>,
    next_fragment: u64,
    running: BTreeMap<u64, (String, &'static str)>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    heartbeats: u64,
    fragments: u64,
    failed_fragments: u64,
    rows: u64,
    deleted_objects: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct ComputeNodeState {
    node: Option<u64>,
    leader: Option<String>,
    leader_sql: Option<String>,
    seconds_since_heartbeat: Option<u64>,
    running: Vec<String>,
    counts: CountsView,
}

/// Counters since this actor was built.
#[derive(Debug, Serialize)]
pub struct CountsView {
    heartbeats: u64,
    fragments: u64,
    failed_fragments: u64,
    rows: u64,
    deleted_objects: u64,
}

impl ComputeNode {
    /// A node that was started at `started_at_ms`.
    pub fn new(
        ports: Ports,
        volumes: Volumes,
        version: String,
        started_at_ms: u64,
        memory_limit_bytes: u64,
    ) -> ComputeNode {
        ComputeNode {
            ports,
            volumes,
            version,
            started_at_ms,
            memory_limit_bytes,
            gauge: ProcessGauge::new(),
            known_as: None,
            leader_sql: None,
            last_heartbeat: None,
            next_fragment: 1,
            running: BTreeMap::new(),
            counts: Counts::default(),
        }
    }
}

impl Actor for ComputeNode {
    const ROLE: &'static str = "compute_node";
    type State = ComputeNodeState;

    fn observe(&self) -> ComputeNodeState {
        let Counts { heartbeats, fragments, failed_fragments, rows, deleted_objects } = self.counts;
        ComputeNodeState {
            node: self.known_as.as_ref().map(|(id, _)| id.0),
            leader: self.known_as.as_ref().map(|(_, leader)| leader.clone()),
            leader_sql: self.leader_sql.clone(),
            seconds_since_heartbeat: self.last_heartbeat.map(|at| at.elapsed().as_secs()),
            running: self.running.values().map(|(query, what)| format!("{what} {query}")).collect(),
            counts: CountsView { heartbeats, fragments, failed_fragments, rows, deleted_objects },
        }
    }
}

impl Handle<Heartbeat> for ComputeNode {
    fn handle(&mut self, message: Heartbeat, cx: &mut Context<Self>) -> Answer<NodeReport> {
        fail::fail_point!("handler.compute_node");
        let now = cx.clock().monotonic();
        self.counts.heartbeats += 1;
        self.last_heartbeat = Some(now);
        self.leader_sql = Some(message.leader_sql).filter(|address| !address.is_empty());
        // Every frontend sends them: while the leadership changes, they name different leaders.
        if self.known_as.as_ref().is_none_or(|(node, _)| *node != message.node) {
            tracing::info!(node = %message.node, leader = message.leader, "heartbeats come");
        }
        self.known_as = Some((message.node, message.leader));
        Answer::now(NodeReport {
            be_port: self.ports.be_port,
            http_port: self.ports.http_port,
            brpc_port: self.ports.brpc_port,
            starlet_port: self.ports.starlet_port,
            started_at_ms: self.started_at_ms,
            version: self.version.clone(),
            cpu_cores: self.gauge.cores(),
            running_fragments: self.running.len() as u32,
            memory_bytes: self.gauge.memory_bytes(),
            memory_limit_bytes: self.memory_limit_bytes,
            cpu_percent: self.gauge.cpu_percent(now),
            has_storage_path: true,
            data_cache: self.volumes.cache_counts().map(|counts| CacheReport {
                memory_quota: counts.memory_capacity_bytes,
                memory_used: counts.memory_used_bytes,
                disk_quota: counts.disk_capacity_bytes,
                disk_used: counts.disk_used_bytes,
            }),
        })
    }
}

impl Handle<FragmentStarted> for ComputeNode {
    fn handle(&mut self, message: FragmentStarted, _: &mut Context<Self>) -> Answer<u64> {
        let fragment = self.next_fragment;
        self.next_fragment += 1;
        self.counts.fragments += 1;
        self.running.insert(fragment, (message.query, message.what));
        Answer::now(fragment)
    }
}

impl Handle<FragmentEnded> for ComputeNode {
    fn handle(&mut self, message: FragmentEnded, _: &mut Context<Self>) -> Answer<()> {
        self.running.remove(&message.fragment);
        self.counts.rows += message.rows;
        self.counts.failed_fragments += u64::from(message.error.is_some());
        Answer::done()
    }
}

impl Handle<DeleteObjects> for ComputeNode {
    fn handle(&mut self, message: DeleteObjects, _: &mut Context<Self>) -> Answer<DeletedObjects> {
        let volumes = self.volumes.clone();
        self.counts.deleted_objects += message.objects.len() as u64;
        Answer::later(async move {
            let mut done = DeletedObjects::default();
            let volume = match volumes.open(&message.volume) {
                Ok(volume) => volume,
                Err(error) => {
                    let cause = error_chain(&error);
                    done.failed = message.objects.into_iter().map(|object| (object, cause.clone())).collect();
                    return done;
                }
            };
            let layout = Layout(message.service);
            let paths: Vec<String> = message.objects.iter().map(|object| layout.in_root(object)).collect();
            fail::fail_point!("cn.delete.before");
            let outcomes = volume.delete_many(&paths).await;
            fail::fail_point!("cn.delete.after");
            for (object, outcome) in message.objects.into_iter().zip(outcomes) {
                match outcome {
                    Ok(()) => done.deleted.push(object),
                    Err(error) => done.failed.push((object, error_chain(&error))),
                }
            }
            done
        })
    }
}

impl Handle<ListDirectory> for ComputeNode {
    fn handle(&mut self, message: ListDirectory, _: &mut Context<Self>) -> Answer<Result<Listing, String>> {
        let volumes = self.volumes.clone();
        Answer::while_wanted(async move {
            let ListDirectory { volume, service, path } = message;
            let volume = volumes.open(&volume).map_err(|e| error_chain(&e))?;
            let layout = Layout(service);
            let path = if path.is_empty() { layout.root().to_owned() } else { layout.in_root(&path) };
            let level = volume.list_level(&path).await.map_err(|e| error_chain(&e))?;
            let in_root = |path: &String| layout.strip_root(path).map(str::to_owned);
            let objects = level.objects.iter().zip(level.sizes).filter_map(|(path, size)| Some((in_root(path)?, size)));
            let (objects, sizes) = objects.unzip();
            let directories = level.directories.iter().filter_map(in_root).collect();
            Ok(Listing { directories, objects, sizes })
        })
    }
}

/// A node that has heard of no leader for this long serves nobody: another incarnation may take it.
pub const LEASE: Duration = Duration::from_secs(10);
