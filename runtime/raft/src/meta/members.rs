//! Who belongs to the group: changed one member at a time, by whoever reconciles it with the catalog.
//!
//! A change of the voters is two entries of the log: in between a majority of the old voters and one of the new is needed. A
//! leader that ends in between, or whose patience does, leaves it to be finished.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::ChangeMembers;
use tokio::time::timeout;

use super::{Meta, proposer};
use crate::error::ProposeError;
use crate::types::Node;

/// How long a change may take: a majority must acknowledge it, of the old group and of the new.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub node: Node,
    /// Whether it votes, and did before a change that is under way.
    pub votes: bool,
    /// On the leader: the last log entry that it is known to have.
    pub has: Option<u64>,
}

impl Meta {
    /// The members, as this node knows them.
    pub fn members(&self) -> Vec<Member> {
        let metrics = self.0.raft.metrics();
        let metrics = metrics.borrow();
        let group = metrics.membership_config.membership();
        let votes = |id: &u64| group.get_joint_config().iter().all(|voters| voters.contains(id));
        let has = |id: &u64| metrics.replication.as_ref()?.get(id)?.map(|log| log.index);
        group.nodes().map(|(id, node)| Member { node: node.clone(), votes: votes(id), has: has(id) }).collect()
    }

    /// Whether a change of the voters has begun and is not over.
    pub fn is_changing(&self) -> bool {
        let metrics = self.0.raft.metrics();
        let metrics = metrics.borrow();
        metrics.membership_config.membership().get_joint_config().len() > 1
    }

    /// Brings a change of the voters to its end that somebody has begun.
    pub async fn finish_change(&self) -> Result<(), ProposeError> {
        self.change(ChangeMembers::AddVoterIds(BTreeSet::new())).await
    }

    /// Makes it a member that does not vote. Returns when the group knows it; it catches up by itself.
    pub async fn add_learner(&self, node: &Node) -> Result<(), ProposeError> {
        let added = self.0.raft.add_learner(node.id.0, node.clone(), false);
        changed(timeout(CHANGE_LIMIT, added).await)
    }

    /// Lets a member vote that has caught up.
    pub async fn let_vote(&self, node: &Node) -> Result<(), ProposeError> {
        self.change(ChangeMembers::AddVoterIds([node.id.0].into())).await
    }

    /// Makes a voter a member that does not vote: from then on nobody waits for it. Never this node: it would go on
    /// leading, and must hand over before.
    pub async fn stop_voting(&self, node: &Node) -> Result<(), ProposeError> {
        self.change(ChangeMembers::RemoveVoters([node.id.0].into())).await
    }

    /// Takes a member out of the group that does not vote.
    pub async fn remove(&self, node: &Node) -> Result<(), ProposeError> {
        self.change(ChangeMembers::RemoveNodes([node.id.0].into())).await
    }

    async fn change(&self, change: ChangeMembers<u64, Node>) -> Result<(), ProposeError> {
        changed(timeout(CHANGE_LIMIT, self.0.raft.change_membership(change, true)).await)
    }
}

fn changed<T>(
    result: Result<Result<T, proposer::WriteError>, tokio::time::error::Elapsed>,
) -> Result<(), ProposeError> {
    match result {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(proposer::explain(error)),
        Err(_) => {
            let limit = CHANGE_LIMIT.as_secs();
            Err(ProposeError::Unavailable(format!("a majority has not acknowledged the change within {limit} s")))
        }
    }
}
