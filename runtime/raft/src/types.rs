//! What openraft is told about us: the command batch, its reply, the node, and the names derived from them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use storage_catalog::{Envelope, Reply};
use storage_model::NodeId;

/// A frontend as the Raft group knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id in the group.
    pub id: NodeId,
    /// `host:edit_log_port`, where the others reach it.
    pub address: String,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.id, self.address)
    }
}

/// The commands of one Raft entry. openraft 0.9 syncs the log once per entry, so concurrent proposals share an entry:
/// that is the group commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch(pub(crate) Arc<Vec<Envelope>>);

impl Batch {
    pub(crate) fn new(envelopes: Vec<Envelope>) -> Batch {
        Batch(Arc::new(envelopes))
    }
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Batch, D::Error> {
        Vec::deserialize(deserializer).map(Batch::new)
    }
}

/// One reply for each command of the batch; none for entries of Raft's own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Applied(pub(crate) Vec<Reply>);

openraft::declare_raft_types!(
    /// The types of our Raft group.
    pub(crate) Types:
        D = Batch,
        R = Applied,
        NodeId = u64,
        Node = Node,
        Entry = openraft::Entry<Types>,
        SnapshotData = tokio::fs::File,
        AsyncRuntime = openraft::TokioRuntime,
);

pub(crate) type Entry = openraft::Entry<Types>;
pub(crate) type EntryPayload = openraft::EntryPayload<Types>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Membership = openraft::Membership<u64, Node>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, Node>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, Node>;
pub(crate) type Snapshot = openraft::Snapshot<Types>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
