//! The roles of a frontend that does not lead: a follower votes, an observer does not. Both answer the leader's heartbeats,
//! which say how long they may read and what the leader knows of the others.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;

use actors_messages::frontends::{FrontendHeartbeat, FrontendReport, FrontendStatus};
use actors_messages::{ReadLease, ReadPoints};
use runtime_actor::{Actor, Answer, Context, Handle};
use runtime_raft::Meta;
use serde::Serialize;
use storage_model::Revision;
use tokio::sync::watch;
use tokio::time::Instant;

/// More moments than a lease has heartbeats are not remembered.
const MOST_OWED: usize = 64;

/// What a frontend says of itself beside how far it is.
pub type SelfReport = Arc<dyn Fn() -> FrontendReport + Send + Sync>;

/// What a frontend that does not lead is.
pub trait Replication: Send + 'static {
    /// The role's name.
    const ROLE: &'static str;
}

/// Votes.
pub struct Following;
impl Replication for Following {
    const ROLE: &'static str = "metadata_follower";
}

/// Does not vote.
pub struct Observing;
impl Replication for Observing {
    const ROLE: &'static str = "metadata_observer";
}

/// The role of a follower.
pub type MetadataFollower = Replica<Following>;
/// The role of an observer, and of a follower that has not caught up yet.
pub type MetadataObserver = Replica<Observing>;

/// What both roles share.
#[derive(Clone)]
pub struct ReplicaFacts {
    /// The metadata.
    pub meta: Meta,
    /// Under which this frontend reads.
    pub lease: ReadLease,
    /// What its queries read.
    pub reads: ReadPoints,
    /// Its ports and version.
    pub report: SelfReport,
    /// Where the leader's news go.
    pub statuses: Arc<watch::Sender<Arc<Vec<FrontendStatus>>>>,
}

/// The role.
pub struct Replica<R> {
    facts: ReplicaFacts,
    /// What the leader had applied at which moment, as far as this frontend had not: the oldest first.
    owed: VecDeque<(Instant, Revision)>,
    beats: u64,
    refused: u64,
    role: PhantomData<fn() -> R>,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct ReplicaState {
    leader: Option<String>,
    term: u64,
    revision: u64,
    beats: u64,
    refused: u64,
    may_read: bool,
}

impl<R> Replica<R> {
    /// A replica of the leader's metadata.
    pub fn new(facts: ReplicaFacts) -> Replica<R> {
        Replica { facts, owed: VecDeque::new(), beats: 0, refused: 0, role: PhantomData }
    }
}

impl<R: Replication> Actor for Replica<R> {
    const ROLE: &'static str = R::ROLE;
    type State = ReplicaState;

    fn observe(&self) -> ReplicaState {
        let standing = self.facts.meta.standing();
        ReplicaState {
            leader: standing.leader.map(|node| node.address),
            term: standing.term,
            revision: self.facts.meta.view().revision().0,
            beats: self.beats,
            refused: self.refused,
            may_read: self.facts.lease.check().is_ok(),
        }
    }
}

impl<R: Replication> Handle<FrontendHeartbeat> for Replica<R> {
    fn handle(&mut self, message: FrontendHeartbeat, _: &mut Context<Self>) -> Answer<FrontendReport> {
        fail::fail_point!("handler.replica");
        let facts = &self.facts;
        // One that was deposed must not keep this frontend reading what the next leader takes away.
        if facts.meta.standing().leader.is_some_and(|leader| leader.id == message.leader) {
            self.beats += 1;
            self.owed.push_back((Instant::now(), message.applied));
            let applied = facts.meta.view().revision();
            while let Some((at, _)) = self.owed.front().copied().filter(|(_, revision)| *revision <= applied) {
                facts.lease.renew(at);
                self.owed.pop_front();
            }
            // One that lags for so long may not read in any case.
            while self.owed.len() > MOST_OWED {
                self.owed.pop_back();
            }
            facts.statuses.send_replace(message.frontends);
        } else {
            self.refused += 1;
        }
        let meta = &facts.meta;
        let applied = meta.view().revision();
        let oldest_read = facts.reads.oldest(|| meta.view());
        Answer::now(FrontendReport { applied, oldest_read, ..(facts.report)() })
    }
}
