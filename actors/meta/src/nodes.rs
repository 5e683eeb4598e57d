//! The compute node monitor: who is alive, seen by heartbeats; and the directory through which other roles reach them.

use std::sync::Arc;
use std::time::Duration;

use actors_messages::CatalogView;
use actors_messages::compute::{COMPUTE_NODE, Heartbeat, NodeReport};
use actors_messages::nodes::{BeatNow, NodeStatus, NodeStatuses, SuspectNode};
use runtime_actor::{Actor, Answer, Context, Handle, Message};
use runtime_rpc::{Peer, PeerCounts, Peers};
use serde::Serialize;
use storage_model::{ComputeNode, NodeId};
use tokio::sync::watch;

/// Between two heartbeats.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A node that does not answer within this is not alive.
const BEAT_DEADLINE: Duration = Duration::from_secs(3);

/// Compute nodes as everybody on this frontend sees them, and connections to them. Cloning shares it.
#[derive(Clone)]
pub struct NodeDirectory {
    statuses: Arc<watch::Sender<Arc<Vec<NodeStatus>>>>,
    peers: Peers,
}

impl NodeDirectory {
    /// A directory that reaches nodes through `peers`.
    pub fn new(peers: Peers) -> NodeDirectory {
        let (statuses, _) = watch::channel(Arc::default());
        NodeDirectory { statuses: Arc::new(statuses), peers }
    }

    /// What heartbeats say, as it changes.
    pub fn statuses(&self) -> NodeStatuses {
        self.statuses.subscribe()
    }

    /// The connection to a node's mailboxes.
    pub fn peer(&self, address: &str) -> Peer {
        self.peers.to(address)
    }

    /// All connections: other frontends are reached by the same.
    pub fn peers(&self) -> Peers {
        self.peers.clone()
    }

    /// Forgets the connection to a node that has left.
    pub fn forget(&self, address: &str) {
        self.peers.forget(address);
    }

    /// What other nodes were asked so far.
    pub fn counts(&self) -> Vec<PeerCounts> {
        self.peers.counts()
    }

    /// Connections to the nodes that are alive.
    pub fn alive(&self) -> Vec<(NodeId, Peer)> {
        let statuses = self.statuses.borrow().clone();
        statuses.iter().filter(|s| s.alive).map(|s| (s.node.id, self.peer(&s.node.address()))).collect()
    }

    fn forget_others(&self, nodes: &[Arc<ComputeNode>]) {
        let known: Vec<String> = nodes.iter().map(|n| n.address()).collect();
        for gone in self.statuses.borrow().iter().map(|s| s.node.address()).filter(|a| !known.contains(a)) {
            self.peers.forget(&gone);
        }
    }
}

/// `host:edit_log_port` of whoever leads; of this frontend, while nobody does.
pub type LeaderAddress = Arc<dyn Fn() -> String + Send + Sync>;

/// The role.
pub struct ComputeNodeMonitor {
    view: CatalogView,
    directory: NodeDirectory,
    /// host:port of the leader, as nodes are told.
    leader: LeaderAddress,
    beats: u64,
    beating: bool,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct MonitorState {
    beats: u64,
    nodes: Vec<(String, bool, String)>,
}

#[derive(Debug)]
struct Tick;

impl Message for Tick {
    type Reply = ();
    const NAME: &'static str = "Tick";
}

/// All answers of one round are in.
#[derive(Debug)]
struct RoundOver;

impl Message for RoundOver {
    type Reply = ();
    const NAME: &'static str = "RoundOver";
}

impl ComputeNodeMonitor {
    /// A monitor of the catalog's compute nodes that fills `directory`.
    pub fn new(view: CatalogView, directory: NodeDirectory, leader: LeaderAddress) -> ComputeNodeMonitor {
        ComputeNodeMonitor { view, directory, leader, beats: 0, beating: false }
    }

    fn round(&self) -> impl Future<Output = ()> + Send + 'static {
        let (view, directory, leader) = (self.view.clone(), self.directory.clone(), (self.leader)());
        async move {
            let nodes: Vec<_> = view.now().compute_nodes().cloned().collect();
            directory.forget_others(&nodes);
            let leader_sql = sql_address(&view, &leader);
            let beats = nodes.into_iter().map(|node| {
                let heartbeat = Heartbeat { node: node.id, leader: leader.clone(), leader_sql: leader_sql.clone() };
                beat(directory.clone(), node, heartbeat)
            });
            let fresh: Vec<NodeStatus> = futures::future::join_all(beats).await;
            publish(&directory, fresh);
        }
    }
}

/// Where a frontend takes MySQL clients; empty when the catalog does not know it.
fn sql_address(view: &CatalogView, frontend: &str) -> String {
    let catalog = view.now();
    let known = catalog.frontends().find(|known| format!("{}:{}", known.host, known.edit_log_port) == frontend);
    known.map_or_else(String::new, |known| format!("{}:{}", known.host, known.query_port))
}

async fn beat(directory: NodeDirectory, node: Arc<ComputeNode>, heartbeat: Heartbeat) -> NodeStatus {
    let peer = directory.peer(&node.address());
    match peer.ask(COMPUTE_NODE, heartbeat, BEAT_DEADLINE).await {
        Ok(report) => alive(node, report),
        Err(error) => {
            let known = directory.statuses.borrow().iter().find(|s| s.node.id == node.id).cloned();
            let (report, last_heartbeat_ms) = known.map_or((None, None), |s| (s.report, s.last_heartbeat_ms));
            NodeStatus { node, alive: false, report, last_heartbeat_ms, error: error.to_string() }
        }
    }
}

fn alive(node: Arc<ComputeNode>, report: NodeReport) -> NodeStatus {
    use runtime_actor::Clock;
    let now = runtime_actor::SystemClock.now_unix_ms();
    NodeStatus { node, alive: true, report: Some(report), last_heartbeat_ms: Some(now), error: String::new() }
}

fn publish(directory: &NodeDirectory, fresh: Vec<NodeStatus>) {
    directory.statuses.send_modify(|statuses| {
        for status in &fresh {
            let before = statuses.iter().find(|s| s.node.id == status.node.id).map(|s| s.alive);
            let address = status.node.address();
            match (before, status.alive) {
                (Some(false) | None, true) => tracing::info!(node = %status.node.id, address, "compute node is alive"),
                (Some(true), false) => {
                    tracing::warn!(node = %status.node.id, address, error = status.error, "compute node is lost");
                }
                _ => {}
            }
        }
        *statuses = Arc::new(fresh);
    });
}

impl Actor for ComputeNodeMonitor {
    const ROLE: &'static str = "compute_node_monitor";
    type State = MonitorState;

    fn observe(&self) -> MonitorState {
        let statuses = self.directory.statuses.borrow().clone();
        let nodes = statuses.iter().map(|s| (s.node.address(), s.alive, s.error.clone())).collect();
        MonitorState { beats: self.beats, nodes }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.notify(Tick);
        cx.every(BEAT_EVERY, || Tick);
    }
}

impl Handle<Tick> for ComputeNodeMonitor {
    fn handle(&mut self, _: Tick, cx: &mut Context<Self>) -> Answer<()> {
        fail::fail_point!("handler.compute_node_monitor");
        if !self.beating {
            self.beating = true;
            self.beats += 1;
            let round = self.round();
            cx.effect(async move {
                round.await;
                RoundOver
            });
        }
        Answer::done()
    }
}

impl Handle<RoundOver> for ComputeNodeMonitor {
    fn handle(&mut self, _: RoundOver, _: &mut Context<Self>) -> Answer<()> {
        self.beating = false;
        Answer::done()
    }
}

impl Handle<BeatNow> for ComputeNodeMonitor {
    fn handle(&mut self, _: BeatNow, _: &mut Context<Self>) -> Answer<()> {
        Answer::later(self.round())
    }
}

impl Handle<SuspectNode> for ComputeNodeMonitor {
    fn handle(&mut self, message: SuspectNode, cx: &mut Context<Self>) -> Answer<()> {
        self.directory.statuses.send_if_modified(|statuses| {
            let mut changed = statuses.as_ref().clone();
            let Some(status) = changed.iter_mut().find(|s| s.node.id == message.node && s.alive) else { return false };
            status.alive = false;
            status.error = message.cause;
            *statuses = Arc::new(changed);
            true
        });
        cx.notify(Tick);
        Answer::done()
    }
}
