//! The way to the other voters. There is none yet: a group of one voter never calls, and a member that somebody adds
//! by other means is simply unreachable.

use std::io;

use openraft::error::{InstallSnapshotError, RPCError, RaftError, Unreachable};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
    VoteResponse,
};

use crate::types::{Node, Types};

type Failure<E = openraft::error::Infallible> = RPCError<u64, Node, RaftError<u64, E>>;

/// Makes a [`Nowhere`] for every node.
pub(crate) struct Nowhere;

/// A node that cannot be reached.
pub(crate) struct NoRoute {
    node: Node,
}

impl NoRoute {
    fn unreachable(&self) -> Unreachable {
        let cause = format!("there is no route to frontend {}", self.node);
        Unreachable::new(&io::Error::new(io::ErrorKind::NotConnected, cause))
    }
}

impl RaftNetworkFactory<Types> for Nowhere {
    type Network = NoRoute;

    async fn new_client(&mut self, _target: u64, node: &Node) -> NoRoute {
        NoRoute { node: node.clone() }
    }
}

impl RaftNetwork<Types> for NoRoute {
    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failure> {
        Err(self.unreachable().into())
    }

    async fn install_snapshot(
        &mut self,
        _rpc: InstallSnapshotRequest<Types>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failure<InstallSnapshotError>> {
        Err(self.unreachable().into())
    }

    async fn vote(&mut self, _rpc: VoteRequest<u64>, _option: RPCOption) -> Result<VoteResponse<u64>, Failure> {
        Err(self.unreachable().into())
    }
}
