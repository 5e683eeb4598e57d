//! In which order incarnations are launched: one after the other, in the order in which the tree was drawn. The next is built
//! when the one before it has run its `started`, or has broken in the attempt: a child that cannot start is its supervisor's
//! business and does not hold up the others.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::{Act, Arena, Body, Node, NodeId};
use crate::view::Status;

/// Actors that start one after the other.
#[derive(Default)]
struct Line {
    waiting: VecDeque<NodeId>,
    current: Option<NodeId>,
}

/// The line of new actors, and one line per group that is being rebuilt.
#[derive(Default)]
pub(super) struct Lines {
    new: Line,
    rebuilt: Vec<Line>,
}

impl Arena {
    /// An actor was added; it starts after those that were added before it.
    pub(crate) fn added(&mut self, id: NodeId) {
        self.lines.new.waiting.push_back(id);
    }

    /// The incarnation has run its `started`.
    pub(crate) fn started(&mut self, id: NodeId, incarnation: u64) {
        if let Some(living) = self.living(id)
            && living.incarnation == incarnation
        {
            living.started = true;
        }
    }

    /// A back-off is over.
    pub(crate) fn due(&mut self, nodes: &[(NodeId, u64)]) {
        let still = |(id, ticket): &&(NodeId, u64)| self.nodes.get(id).is_some_and(|node| node.ticket == *ticket);
        let tops: Vec<NodeId> = nodes.iter().filter(still).map(|(id, _)| *id).collect();
        self.enlist(&tops);
    }

    /// The next incarnations of these actors, and of all actors below these supervisors, are to start.
    pub(super) fn enlist(&mut self, tops: &[NodeId]) {
        let mut waiting = VecDeque::new();
        for top in tops {
            for id in self.subtree(*top) {
                let Some(node) = self.nodes.get_mut(&id) else { continue };
                if !matches!(node.status, Status::Starting | Status::Restarting) {
                    continue;
                }
                if id != *top {
                    // Rebuilt with its group: the group's back-off counts on, its own begins anew.
                    node.failures = 0;
                }
                match &mut node.body {
                    Body::Supervisor { recent, .. } => {
                        recent.clear();
                        node.status = Status::Running;
                    }
                    Body::Actor(_) => waiting.push_back(id),
                }
            }
        }
        if !waiting.is_empty() {
            self.lines.rebuilt.push(Line { waiting, current: None });
        }
    }

    /// Launches whatever is next. To be called after every event.
    pub(crate) fn advance(&mut self) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut lines = std::mem::take(&mut self.lines);
        for line in std::iter::once(&mut lines.new).chain(&mut lines.rebuilt) {
            while line.current.is_none_or(|id| !self.is_starting(id)) {
                line.current = line.waiting.pop_front();
                let Some(id) = line.current else { break };
                acts.extend(self.launch_one(id));
            }
        }
        lines.rebuilt.retain(|line| line.current.is_some());
        self.lines = lines;
        acts
    }

    fn is_starting(&self, id: NodeId) -> bool {
        let Some(Node { status, body: Body::Actor(living), .. }) = self.nodes.get(&id) else { return false };
        match status {
            // The incarnation before it has not ended yet.
            Status::Starting | Status::Restarting => living.wanted,
            Status::Running => living.alive && !living.started,
            _ => false,
        }
    }

    /// Starts the next incarnation of an actor, as soon as the one before it has ended.
    pub(super) fn launch_one(&mut self, id: NodeId) -> Option<Act> {
        let node = self.nodes.get_mut(&id)?;
        let Body::Actor(living) = &mut node.body else { return None };
        if !matches!(node.status, Status::Starting | Status::Restarting) {
            return None;
        }
        if living.alive {
            living.wanted = true;
            return None;
        }
        living.incarnation += 1;
        (living.alive, living.started, living.wanted) = (true, false, false);
        node.status = Status::Running;
        node.launched = Instant::now();
        Some(Act::Launch { node: id, incarnation: living.incarnation, actor: living.actor.clone() })
    }
}
