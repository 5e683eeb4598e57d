//! What this node is in its group. Raft alone does not say enough: a leader that nobody hears any more still takes itself for
//! one, and a leader that has just been elected has not yet applied what its predecessors acknowledged.

use std::sync::Arc;
use std::time::Duration;

use openraft::ServerState;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, timeout};
use tracing::{info, warn};

use crate::network::Acknowledged;
use crate::types::{Node, Types};

/// How often a leader looks whether it is still heard.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a new leader may take to hear of a majority before it asks again.
const CONFIRM_LIMIT: Duration = Duration::from_secs(2);

/// What this node is in the group right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes proposals: a majority follows it, and all that was ever acknowledged is applied here.
    Leader,
    /// Votes. A candidate is one too, and so is a leader that a majority has not confirmed.
    Follower,
    /// Replicates and does not vote (an observer, or a frontend that has not caught up yet).
    Learner,
    /// Shut down, or stopped on an error.
    Stopped,
}

/// What this node is, and who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What this node is.
    pub role: Role,
    /// Who leads, as far as this node knows.
    pub leader: Option<Node>,
    /// Raft's term.
    pub term: u64,
}

impl Standing {
    pub(super) const UNKNOWN: Standing = Standing { role: Role::Learner, leader: None, term: 0 };

    /// This node leads.
    pub fn leads(&self) -> bool {
        self.role == Role::Leader
    }
}

/// Looks after the standing of this node.
pub(super) struct Watcher {
    pub(super) me: Node,
    pub(super) raft: openraft::Raft<Types>,
    pub(super) acknowledged: Acknowledged,
    /// A leader that a majority has not acknowledged for so long is none.
    pub(super) isolated_after: Duration,
    /// The term for which this node was confirmed, and when.
    pub(super) confirmed: Option<(u64, Instant)>,
}

impl Watcher {
    /// Runs until Raft stops. The receiver knows the standing of now.
    pub(super) async fn start(mut self) -> (watch::Receiver<Standing>, JoinHandle<()>) {
        let (told, watcher) = watch::channel(Standing::UNKNOWN);
        self.look(&told).await;
        let running = tokio::spawn(async move {
            let mut servers = self.raft.server_metrics();
            let mut ticks = interval(LOOK_EVERY);
            loop {
                tokio::select! {
                    changed = servers.changed() => if changed.is_err() { break },
                    // The last handle is gone: this must not be what keeps Raft running.
                    () = told.closed() => return,
                    _ = ticks.tick() => {}
                }
                if self.raft.metrics().borrow().running_state.is_err() {
                    break;
                }
                self.look(&told).await;
            }
            told.send_modify(|standing| (standing.role, standing.leader) = (Role::Stopped, None));
        });
        (watcher, running)
    }

    async fn look(&mut self, told: &watch::Sender<Standing>) {
        let (state, leader, term, voters, leader_node) = {
            let servers = self.raft.server_metrics();
            let servers = servers.borrow();
            let members = Arc::clone(&servers.membership_config);
            let voters: Vec<u64> = members.membership().voter_ids().collect();
            let node = servers.current_leader.and_then(|id| members.membership().get_node(&id).cloned());
            (servers.state, servers.current_leader, servers.vote.leader_id().term, voters, node)
        };
        let role = match state {
            ServerState::Leader if self.is_confirmed(term, &voters).await => Role::Leader,
            ServerState::Leader | ServerState::Follower | ServerState::Candidate => Role::Follower,
            ServerState::Learner => Role::Learner,
            ServerState::Shutdown => Role::Stopped,
        };
        let leader = match leader {
            // It does not know any better than this node whether it still leads.
            Some(id) if id == self.me.id.0 => (role == Role::Leader).then(|| self.me.clone()),
            _ => leader_node,
        };
        let now = Standing { role, leader, term };
        told.send_if_modified(|before| {
            if *before == now {
                return false;
            }
            if before.role != now.role || before.leader != now.leader {
                info!(from = ?before.role, to = ?now.role, leader = ?now.leader.as_ref().map(|n| &n.address), term, "standing");
            }
            *before = now;
            true
        });
    }

    async fn is_confirmed(&mut self, term: u64, voters: &[u64]) -> bool {
        if let Some((confirmed, at)) = self.confirmed
            && confirmed == term
        {
            let heard = self.acknowledged.by_majority(voters, self.me.id.0);
            if heard.is_some_and(|heard| heard.max(at).elapsed() < self.isolated_after) {
                return true;
            }
            warn!(term, "no majority has followed for too long: this frontend leads no more");
            self.confirmed = None;
        }
        // An entry of this very term is behind all that was ever acknowledged.
        match timeout(CONFIRM_LIMIT, self.raft.ensure_linearizable()).await {
            Ok(Ok(_)) => {
                self.confirmed = Some((term, Instant::now()));
                true
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }
}
