//! To a frontend from the leader, and what the leader publishes: which frontends are alive and how far each is.

use std::fmt;
use std::sync::Arc;

use runtime_actor::Message;
use serde::{Deserialize, Serialize};
use storage_catalog::ClusterIdentity;
use storage_model::{FrontendRole, NodeId, Revision};
use tokio::sync::watch;

/// The mailbox of a frontend.
pub const FRONTEND: &str = "frontend";

/// You were added to the cluster: take this identity and wait for an image. Answered when it is durable; may be repeated.
#[derive(Clone, Serialize, Deserialize)]
pub struct Join {
    /// The cluster.
    pub cluster: ClusterIdentity,
    /// The frontend's id in the group.
    pub id: NodeId,
    /// `host_port_ts`.
    pub name: String,
    /// Follower or observer.
    pub role: FrontendRole,
    /// `host:port` at which the others reach it.
    pub address: String,
}

impl fmt::Debug for Join {
    // Without the cluster's token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Join({} {} as {})", self.id, self.address, self.role)
    }
}

impl Message for Join {
    /// Err: why it does not join.
    type Reply = Result<(), String>;
    const NAME: &'static str = "Join";
}

/// You were dropped from the cluster. Answered when the frontend knows it for good.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leave {
    /// Whom it is for: another life at the same address is not meant.
    pub id: NodeId,
}

impl Message for Leave {
    type Reply = Result<(), String>;
    const NAME: &'static str = "Leave";
}

/// The leader looks whether a frontend is there, lets it read for a while longer, and tells it of all the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FrontendHeartbeat {
    /// Who leads.
    pub leader: NodeId,
    /// What the leader had applied when it sent this: a frontend that has not yet may not be read as if it were fresh.
    pub applied: Revision,
    /// All frontends, as the leader sees them.
    pub frontends: Arc<Vec<FrontendStatus>>,
}

impl Message for FrontendHeartbeat {
    type Reply = FrontendReport;
    const NAME: &'static str = "FrontendHeartbeat";
}

/// What a frontend says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontendReport {
    /// Who answers.
    pub id: NodeId,
    /// The last command that it has applied.
    pub applied: Revision,
    /// The oldest revision that a query on it reads.
    pub oldest_read: Revision,
    /// When its process started, Unix milliseconds.
    pub started_at_ms: u64,
    /// `version-commit`.
    pub version: String,
    /// HTTP.
    pub http_port: u16,
    /// MySQL protocol.
    pub query_port: u16,
    /// As configured; Starkeep speaks between nodes on `edit_log_port`.
    pub rpc_port: u16,
}

/// A frontend as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontendStatus {
    /// Who.
    pub id: NodeId,
    /// Whether it is a member of the Raft group; a follower, whether it votes.
    pub joined: bool,
    /// Whether its last heartbeat was answered in time.
    pub alive: bool,
    /// Its last report.
    pub report: Option<FrontendReport>,
    /// When that came, Unix milliseconds.
    pub last_heartbeat_ms: Option<u64>,
    /// Why it is not alive, or has not joined.
    pub error: String,
}

/// The statuses of all frontends, in order of id: as the leader sees them or, elsewhere, as it last told.
pub type FrontendStatuses = watch::Receiver<Arc<Vec<FrontendStatus>>>;
