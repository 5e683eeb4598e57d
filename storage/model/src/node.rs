//! Nodes of the cluster as the catalog lists them. Whether one is alive is not here: that is seen, not replicated.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;
use crate::time::UnixMillis;

/// What a frontend is in the Raft group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FrontendRole {
    /// Votes.
    Follower,
    /// Replicates and serves reads, does not vote.
    Observer,
}

impl fmt::Display for FrontendRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrontendRole::Follower => "FOLLOWER",
            FrontendRole::Observer => "OBSERVER",
        })
    }
}

/// A frontend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontend {
    /// Its Raft node id.
    pub id: NodeId,
    /// `host_port_ts`.
    pub name: String,
    /// Voter or learner.
    pub role: FrontendRole,
    /// Host name or address.
    pub host: String,
    /// Where other frontends reach it.
    pub edit_log_port: u16,
    /// HTTP.
    pub http_port: u16,
    /// MySQL protocol.
    pub query_port: u16,
    /// Node-to-node messages.
    pub rpc_port: u16,
}

impl Frontend {
    /// `host:port` at which other frontends reach it.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.edit_log_port)
    }
}

/// A compute node. Its other ports are learned from its heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputeNode {
    /// Its id.
    pub id: NodeId,
    /// Host name or address.
    pub host: String,
    /// Where frontends reach its mailboxes.
    pub heartbeat_port: u16,
    /// When it was added.
    pub added_at: UnixMillis,
}

impl ComputeNode {
    /// `host:port` of its mailboxes.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.heartbeat_port)
    }
}
