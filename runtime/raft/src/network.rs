//! The way to the other members: Raft's messages between remote mailboxes.
//!
//! Each member serves the mailbox [`RAFT`] on its `edit_log_port`; who may speak there is decided by the handshake (cluster,
//! token, incarnation). A message names the member that it is for: a node that was dropped and joined again has another id at
//! the same address, and must not take the messages of its former self.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Timeout, Unreachable};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
    VoteResponse,
};
use runtime_actor::{AskError, Message, TraceId, trace};
use runtime_rpc::{Peer, Peers, Registry, RpcError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::types::{Node, Types};

/// The mailbox of a member.
pub const RAFT: &str = "raft";

/// After a member could not be reached it is tried again so soon; doubling up to `MOST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MOST_PAUSE: Duration = Duration::from_secs(1);

type Failure<E = openraft::error::Infallible> = RPCError<u64, Node, RaftError<u64, E>>;
type Told<T, E = openraft::error::Infallible> = Result<T, Refusal<E>>;

/// Why a member did not answer as Raft would.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: DeserializeOwned"))]
pub(crate) enum Refusal<E: std::error::Error + 'static> {
    /// Raft itself has an error for the caller.
    #[error("{0}")]
    Raft(RaftError<u64, E>),
    /// The message is for another member, or cannot be taken now.
    #[error("{0}")]
    Not(String),
}

/// A message to member `to`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct To<R> {
    pub(crate) to: u64,
    pub(crate) request: R,
}

/// Log entries, or a sign of life.
impl Message for To<AppendEntriesRequest<Types>> {
    type Reply = Told<AppendEntriesResponse<u64>>;
    const NAME: &'static str = "AppendEntries";
}

/// A request for a vote.
impl Message for To<VoteRequest<u64>> {
    type Reply = Told<VoteResponse<u64>>;
    const NAME: &'static str = "RequestVote";
}

/// A piece of an image.
impl Message for To<InstallSnapshotRequest<Types>> {
    type Reply = Told<InstallSnapshotResponse<u64>, InstallSnapshotError>;
    const NAME: &'static str = "InstallImage";
}

/// The leader goes: elect yourself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Elect;

impl Message for To<Elect> {
    type Reply = Told<()>;
    const NAME: &'static str = "Elect";
}

/// When each member last acknowledged what this node sent as its leader: the time of the sending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged(Arc<Mutex<HashMap<u64, Instant>>>);

impl Acknowledged {
    fn note(&self, member: u64, sent: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(member, sent);
    }

    /// The time up to which a majority of `voters` has followed `me`; now, if that is a majority alone.
    pub(crate) fn by_majority(&self, voters: &[u64], me: u64) -> Option<Instant> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times: Vec<Instant> = voters
            .iter()
            .filter_map(|voter| if *voter == me { Some(Instant::now()) } else { known.get(voter).copied() })
            .collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.get(voters.len() / 2).copied()
    }
}

/// Makes a [`Line`] to each member.
pub(crate) struct Lines {
    pub(crate) me: u64,
    pub(crate) peers: Peers,
    pub(crate) acknowledged: Acknowledged,
}

impl RaftNetworkFactory<Types> for Lines {
    type Network = Line;

    async fn new_client(&mut self, target: u64, node: &Node) -> Line {
        let (me, acknowledged) = (self.me, self.acknowledged.clone());
        Line { me, target, peer: self.peers.to(&node.address), acknowledged }
    }
}

/// The line to one member.
pub(crate) struct Line {
    me: u64,
    target: u64,
    peer: Peer,
    acknowledged: Acknowledged,
}

fn unreachable(cause: impl Display) -> Unreachable {
    Unreachable::new(&io::Error::new(io::ErrorKind::NotConnected, cause.to_string()))
}

impl Line {
    async fn ask<R, T, E>(&self, request: R, option: &RPCOption, what: RPCTypes) -> Result<T, Failure<E>>
    where
        To<R>: Message<Reply = Told<T, E>> + Serialize,
        Told<T, E>: DeserializeOwned,
        E: std::error::Error + Clone + 'static,
    {
        let limit = option.hard_ttl();
        let asked = self.peer.ask(RAFT, To { to: self.target, request }, limit);
        // Raft's own traffic is no part of what somebody looks for in a trace.
        match trace::scope(TraceId::routine(), asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Refusal::Raft(error))) => Err(RemoteError::new(self.target, error).into()),
            Ok(Err(Refusal::Not(cause))) => Err(unreachable(cause).into()),
            Err(RpcError::Deadline { .. }) => {
                Err(Timeout { action: what, id: self.me, target: self.target, timeout: limit }.into())
            }
            Err(error @ (RpcError::Lost { .. } | RpcError::Full { .. })) => {
                Err(NetworkError::new(&io::Error::other(error.to_string())).into())
            }
            Err(error) => Err(unreachable(error).into()),
        }
    }
}

impl RaftNetwork<Types> for Line {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failure> {
        let sent = Instant::now();
        let answer = self.ask(request, &option, RPCTypes::AppendEntries).await?;
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.acknowledged.note(self.target, sent);
        }
        Ok(answer)
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failure<InstallSnapshotError>> {
        let sent = Instant::now();
        let answer = self.ask(request, &option, RPCTypes::InstallSnapshot).await?;
        self.acknowledged.note(self.target, sent);
        Ok(answer)
    }

    async fn vote(&mut self, request: VoteRequest<u64>, option: RPCOption) -> Result<VoteResponse<u64>, Failure> {
        self.ask(request, &option, RPCTypes::Vote).await
    }

    fn backoff(&self) -> Backoff {
        let doubling = (0_u32..).map(|n| FIRST_PAUSE.saturating_mul(1 << n.min(10)).min(MOST_PAUSE));
        Backoff::new(doubling)
    }
}

/// Serves the mailbox [`RAFT`] of member `me`. `has_room` says why log entries and images cannot be taken now, if so.
pub(crate) fn expose(
    registry: &Registry,
    me: u64,
    raft: &openraft::Raft<Types>,
    has_room: impl Fn() -> Result<(), String> + Clone + Send + Sync + 'static,
) {
    let (of_append, has_room_for_entries) = (raft.clone(), has_room.clone());
    registry.expose_with(RAFT, move |_, message: To<AppendEntriesRequest<Types>>, _| {
        let (raft, has_room) = (of_append.clone(), has_room_for_entries.clone());
        async move {
            if !message.request.entries.is_empty()
                && let Err(cause) = has_room()
            {
                return Ok(Err(Refusal::Not(cause)));
            }
            told(me, message.to, raft.append_entries(message.request)).await
        }
    });
    let of_vote = raft.clone();
    registry.expose_with(RAFT, move |_, message: To<VoteRequest<u64>>, _| {
        let raft = of_vote.clone();
        async move { told(me, message.to, raft.vote(message.request)).await }
    });
    let of_image = raft.clone();
    registry.expose_with(RAFT, move |_, message: To<InstallSnapshotRequest<Types>>, _| {
        let (raft, has_room) = (of_image.clone(), has_room.clone());
        async move {
            // Before the first piece: an image that cannot be kept would end Raft.
            if message.request.offset == 0
                && let Err(cause) = has_room()
            {
                return Ok(Err(Refusal::Not(cause)));
            }
            told(me, message.to, raft.install_snapshot(message.request)).await
        }
    });
    let of_elect = raft.clone();
    registry.expose_with(RAFT, move |_, message: To<Elect>, _| {
        let raft = of_elect.clone();
        async move {
            let elect = async { raft.trigger().elect().await.map_err(RaftError::Fatal) };
            told(me, message.to, elect).await
        }
    });
}

async fn told<T, E>(
    me: u64,
    to: u64,
    answer: impl Future<Output = Result<T, RaftError<u64, E>>>,
) -> Result<Told<T, E>, AskError>
where
    E: std::error::Error + 'static,
{
    if to != me {
        return Ok(Err(Refusal::Not(format!("frontend {to} is gone from here, this is frontend {me}"))));
    }
    Ok(answer.await.map_err(Refusal::Raft))
}
