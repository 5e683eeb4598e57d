//! To the compute node monitor, and what it publishes: which nodes are alive.

use std::sync::Arc;

use runtime_actor::Message;
use storage_model::{ComputeNode, NodeId};
use tokio::sync::watch;

use crate::compute::NodeReport;

/// A compute node as the monitor sees it.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// As the catalog lists it.
    pub node: Arc<ComputeNode>,
    /// Whether its last heartbeat was answered in time.
    pub alive: bool,
    /// Its last report.
    pub report: Option<NodeReport>,
    /// When that came, Unix milliseconds.
    pub last_heartbeat_ms: Option<u64>,
    /// Why it is not alive.
    pub error: String,
}

impl NodeStatus {
    /// `host:port` of its data plane, while it is alive.
    pub fn plane_address(&self) -> Option<String> {
        let report = self.report.as_ref().filter(|_| self.alive)?;
        Some(format!("{}:{}", self.node.host, report.brpc_port))
    }
}

/// The statuses of all compute nodes, in order of id; changes as heartbeats come and go.
pub type NodeStatuses = watch::Receiver<Arc<Vec<NodeStatus>>>;

/// A query found a node dead: look at it now, not at the next beat.
#[derive(Clone, Debug)]
pub struct SuspectNode {
    /// The node.
    pub node: NodeId,
    /// What happened.
    pub cause: String,
}

impl Message for SuspectNode {
    type Reply = ();
    const NAME: &'static str = "SuspectNode";
}

/// Beat all nodes now; answered when every answer or time-out is in. Sent after ADD COMPUTE NODE.
#[derive(Clone, Debug)]
pub struct BeatNow;

impl Message for BeatNow {
    type Reply = ();
    const NAME: &'static str = "BeatNow";
}
