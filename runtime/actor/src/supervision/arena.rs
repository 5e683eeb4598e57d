//! The nodes of the tree and every decision about them. Pure bookkeeping under one lock: what must be done outside of it
//! is handed back as [`Act`]s.

mod broken;
mod launch;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use self::launch::Lines;
use super::kept::Hosted;
use crate::host::Exit;
use crate::hosts::HostId;
use crate::tree::{Budget, Strategy};
use crate::view::{RestartView, Status};

/// Names a node; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(u64);

impl NodeId {
    /// No node.
    pub(crate) const NONE: Self = Self(0);
}

/// What is to be done outside of the lock.
pub(crate) enum Act {
    Launch { node: NodeId, incarnation: u64, actor: Arc<dyn Hosted> },
    Supersede { incarnation: u64, actor: Arc<dyn Hosted> },
    Close { actor: Arc<dyn Hosted> },
    Remind { nodes: Vec<(NodeId, u64)>, after: Duration },
    Told { told: oneshot::Sender<()> },
    Fail { reason: String },
}

struct Node {
    name: String,
    parent: NodeId,
    status: Status,
    /// Breaks in a row.
    failures: u32,
    /// The last of its stalls in a row, and how many they are.
    stalls: Option<(Instant, u32)>,
    /// Of the back-off that counts; older ones are void.
    ticket: u64,
    launched: Instant,
    restarts: u64,
    restart_log: VecDeque<RestartView>,
    body: Body,
}

enum Body {
    Supervisor { strategy: Strategy, budget: Budget, recent: VecDeque<Instant>, children: Vec<NodeId> },
    Actor(Living),
}

struct Living {
    actor: Arc<dyn Hosted>,
    incarnation: u64,
    host: HostId,
    /// The incarnation has not said yet that it ended.
    alive: bool,
    /// The incarnation has said that it started.
    started: bool,
    /// The next incarnation starts as soon as this one has ended: two never overlap, unless one is stuck.
    wanted: bool,
    /// Who wants to hear of the end.
    waiting: Vec<oneshot::Sender<()>>,
}

/// How many rebuilds are remembered per node.
const REMEMBERED: usize = 16;

pub(crate) struct Arena {
    nodes: BTreeMap<NodeId, Node>,
    next: u64,
    lines: Lines,
}

impl Arena {
    pub(crate) const ROOT: NodeId = NodeId(1);

    pub(crate) fn new(name: String, budget: Budget) -> Self {
        let mut arena = Self { nodes: BTreeMap::new(), next: Self::ROOT.0, lines: Lines::default() };
        let body =
            Body::Supervisor { strategy: Strategy::OneForOne, budget, recent: VecDeque::new(), children: Vec::new() };
        arena.insert(NodeId::NONE, name, Status::Running, body);
        arena
    }

    fn insert(&mut self, parent: NodeId, name: String, status: Status, body: Body) -> NodeId {
        let id = NodeId(self.next);
        self.next += 1;
        let node = Node {
            name,
            parent,
            status,
            failures: 0,
            stalls: None,
            ticket: 0,
            launched: Instant::now(),
            restarts: 0,
            restart_log: VecDeque::new(),
            body,
        };
        self.nodes.insert(id, node);
        if let Some(Node { body: Body::Supervisor { children, .. }, .. }) = self.nodes.get_mut(&parent) {
            children.push(id);
        }
        id
    }

    /// The supervisor takes children.
    fn takes_children(&self, id: NodeId) -> bool {
        self.nodes.get(&id).is_some_and(|node| {
            matches!(node.body, Body::Supervisor { .. })
                && matches!(node.status, Status::Running | Status::Restarting | Status::Starting)
        })
    }

    pub(crate) fn add_supervisor(
        &mut self,
        parent: NodeId,
        name: String,
        strategy: Strategy,
        budget: Budget,
    ) -> Option<NodeId> {
        if !self.takes_children(parent) {
            return None;
        }
        let body = Body::Supervisor { strategy, budget, recent: VecDeque::new(), children: Vec::new() };
        Some(self.insert(parent, name, Status::Running, body))
    }

    pub(crate) fn add_actor(&mut self, parent: NodeId, actor: Arc<dyn Hosted>) -> Option<NodeId> {
        if !self.takes_children(parent) {
            return None;
        }
        let name = actor.spec().name.clone();
        let living =
            Living { actor, incarnation: 0, host: 0, alive: false, started: false, wanted: false, waiting: Vec::new() };
        Some(self.insert(parent, name, Status::Starting, Body::Actor(living)))
    }

    /// Everything at and below the node, parents before children, in the order of start.
    fn subtree(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(node) = self.nodes.get(&id) else { continue };
            found.push(id);
            if let Body::Supervisor { children, .. } = &node.body {
                open.extend(children.iter().rev());
            }
        }
        found
    }

    /// The thread on which an incarnation lives.
    pub(crate) fn placed(&mut self, id: NodeId, incarnation: u64, host: HostId) {
        if let Some(living) = self.living(id)
            && living.incarnation == incarnation
        {
            living.host = host;
        }
    }

    fn living(&mut self, id: NodeId) -> Option<&mut Living> {
        match self.nodes.get_mut(&id) {
            Some(Node { body: Body::Actor(living), .. }) => Some(living),
            _ => None,
        }
    }

    /// An incarnation ended.
    pub(crate) fn exited(&mut self, id: NodeId, incarnation: u64, exit: Exit, at_unix_ms: u64) -> Vec<Act> {
        let Some(node) = self.nodes.get_mut(&id) else { return Vec::new() };
        let Body::Actor(living) = &mut node.body else { return Vec::new() };
        if living.incarnation != incarnation || !living.alive {
            // A stuck one that was given up long ago.
            return Vec::new();
        }
        living.alive = false;
        let mut acts: Vec<Act> = living.waiting.drain(..).map(|told| Act::Told { told }).collect();
        let wanted = std::mem::take(&mut living.wanted);
        match node.status {
            Status::Stopping | Status::Stopped | Status::Failed => {
                acts.push(Act::Close { actor: living.actor.clone() });
                if node.status == Status::Stopping {
                    node.status = Status::Stopped;
                }
            }
            _ => match exit {
                Exit::Stopped => {
                    acts.push(Act::Close { actor: living.actor.clone() });
                    self.remove(id);
                }
                // It was to stop, and broke on the way: it is not called back to life.
                Exit::Broken(reason) if living.actor.is_leaving() => {
                    tracing::error!(actor = self.path(id), reason, "broke while it stopped");
                    self.remove(id);
                }
                Exit::Broken(reason) if node.status == Status::Running => {
                    acts.extend(self.broken(id, &reason, at_unix_ms));
                }
                // It was told to end, and its rebuild is on the way.
                Exit::Superseded | Exit::Broken(_) if wanted => acts.extend(self.launch_one(id)),
                Exit::Superseded | Exit::Broken(_) => {}
            },
        }
        acts
    }

    /// Takes the node and everything below it out of the tree.
    pub(crate) fn remove(&mut self, id: NodeId) {
        let subtree = self.subtree(id);
        let parent = self.nodes.get(&id).map_or(NodeId::NONE, |node| node.parent);
        for id in subtree {
            self.nodes.remove(&id);
        }
        if let Some(Node { body: Body::Supervisor { children, .. }, .. }) = self.nodes.get_mut(&parent) {
            children.retain(|child| *child != id);
        }
    }

    /// Marks everything at and below the node as stopping. Gives the actors in the order in which they are to stop.
    pub(crate) fn stopping(&mut self, id: NodeId) -> (Vec<NodeId>, Vec<Act>) {
        let mut order = Vec::new();
        let mut acts = Vec::new();
        for id in self.subtree(id).into_iter().rev() {
            let Some(node) = self.nodes.get_mut(&id) else { continue };
            node.ticket += 1;
            if matches!(node.status, Status::Stopped | Status::Failed) {
                continue;
            }
            match &mut node.body {
                Body::Supervisor { .. } => node.status = Status::Stopping,
                Body::Actor(living) if living.alive => {
                    node.status = Status::Stopping;
                    order.push(id);
                }
                Body::Actor(living) => {
                    node.status = Status::Stopped;
                    acts.push(Act::Close { actor: living.actor.clone() });
                }
            }
        }
        (order, acts)
    }

    /// The actor, its incarnation and a way to hear of its end; nothing if it has ended.
    pub(crate) fn wait_for(&mut self, id: NodeId) -> Option<(Arc<dyn Hosted>, u64, oneshot::Receiver<()>)> {
        let living = self.living(id)?;
        if !living.alive {
            return None;
        }
        let (told, hear) = oneshot::channel();
        living.waiting.push(told);
        Some((living.actor.clone(), living.incarnation, hear))
    }

    /// The end of an orderly stop.
    pub(crate) fn stopped(&mut self, id: NodeId) {
        for id in self.subtree(id) {
            if let Some(node) = self.nodes.get_mut(&id)
                && node.status == Status::Stopping
            {
                node.status = Status::Stopped;
            }
        }
        if id != Self::ROOT {
            self.remove(id);
        }
    }

    /// Everything ends at once: the tree is dropped.
    pub(crate) fn cut_off(&mut self) -> Vec<Act> {
        self.halt(Self::ROOT, Status::Stopped, true)
    }

    /// Ends all incarnations at and below the node.
    fn halt(&mut self, id: NodeId, status: Status, close: bool) -> Vec<Act> {
        let mut acts = Vec::new();
        for id in self.subtree(id) {
            let Some(node) = self.nodes.get_mut(&id) else { continue };
            node.status = status;
            node.ticket += 1;
            if let Body::Actor(living) = &mut node.body {
                living.wanted = false;
                let actor = living.actor.clone();
                if living.alive {
                    acts.push(Act::Supersede { incarnation: living.incarnation, actor: actor.clone() });
                }
                if close {
                    acts.push(Act::Close { actor });
                }
            }
        }
        acts
    }

    pub(crate) fn live_actors(&self) -> Vec<Arc<dyn Hosted>> {
        self.nodes
            .values()
            .filter_map(|node| match &node.body {
                Body::Actor(living) if living.alive => Some(living.actor.clone()),
                _ => None,
            })
            .collect()
    }
}
