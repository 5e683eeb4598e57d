//! What the tests of this room share.

use std::path::Path;
use std::sync::Arc;

use openraft::CommittedLeaderId;
use storage_catalog::{Catalog, ClusterIdentity, Command, Envelope};
use storage_model::{ClusterId, Epoch, Incarnation, NodeId, Now, ServiceId, UnixMillis};

use crate::meta::Clock;
use crate::types::{LogId, Node, SnapshotMeta};

pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, 1), index)
}

pub(crate) fn me() -> Node {
    Node { id: NodeId(1), address: "127.0.0.1:9010".to_owned() }
}

/// Of an image that ends at this entry.
pub(crate) fn meta_at(index: u64) -> SnapshotMeta {
    SnapshotMeta { last_log_id: Some(log_id(1, index)), ..SnapshotMeta::default() }
}

pub(crate) fn clock() -> Clock {
    Arc::new(|| (UnixMillis(1_700_000_000_000), std::time::Instant::now()))
}

pub(crate) fn set(key: impl ToString, value: impl ToString) -> Command {
    Command::SetConfig { key: key.to_string(), value: value.to_string() }
}

/// A catalog that has seen `revision` commands.
pub(crate) fn catalog_at(revision: u64) -> Catalog {
    catalog_of("11112222333344445555666677778888", revision)
}

pub(crate) fn catalog_of(incarnation: &str, revision: u64) -> Catalog {
    let identity = ClusterIdentity {
        cluster_id: ClusterId(42),
        token: "the-token".to_owned(),
        service_id: ServiceId("service".to_owned()),
        incarnation: Incarnation(incarnation.to_owned()),
        epoch: Epoch(1),
    };
    let mut catalog = Catalog::genesis(identity, UnixMillis(1));
    for n in 0..revision {
        catalog.apply(&Envelope { proposed_at: Now::at(2), command: set(format!("key{n}"), n) }).unwrap();
    }
    catalog
}

/// Nobody: for groups of one.
pub(crate) fn peers() -> runtime_rpc::Peers {
    runtime_rpc::Peers::new(Arc::new(Default::default), runtime_rpc::RpcOptions::default())
}

/// The directory as it would be found if the process were killed now.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
