//! What happens when something broke: rebuild with back-off, within a budget, or escalate.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Act, Arena, Body, Node, NodeId, REMEMBERED};
use crate::hosts::HostId;
use crate::supervision::Hosted;
use crate::tree::{Backoff, Strategy};
use crate::view::{RestartView, Status};

/// How the reason of a stall begins.
const STALLED: &str = "stalled: ";

/// So many stalls in a row are too many. A stall is seen only after its limit, so that it never comes often enough for a
/// budget of restarts.
const STALLS: u32 = 3;

/// Stalls that are no further apart than so many limits are in a row.
const LIMITS_BETWEEN: u32 = 4;

/// What the supervisor of a broken child may do.
enum Verdict {
    /// Rebuild it, and these siblings with it.
    Rebuild(Vec<NodeId>),
    /// Nothing now: the supervisor itself is on its way down or up again, and will decide for all its children.
    Wait,
    /// Give up; why.
    OverBudget(String),
}

impl Arena {
    /// A child broke. Its supervisor rebuilds it, or gives up.
    pub(crate) fn broken(&mut self, id: NodeId, reason: &str, at_unix_ms: u64) -> Vec<Act> {
        let stall = if reason.starts_with(STALLED) { self.stall_limit(id) } else { None };
        self.broken_after(id, reason, stall, at_unix_ms)
    }

    /// The longest after which a stall of this actor is seen.
    fn stall_limit(&self, id: NodeId) -> Option<Duration> {
        let Some(Node { body: Body::Actor(living), .. }) = self.nodes.get(&id) else { return None };
        let spec = living.actor.spec();
        Some(spec.stall.max(spec.stall_after.unwrap_or_default()))
    }

    /// `stall`: it was a stall, which is seen after so long.
    fn broken_after(&mut self, id: NodeId, reason: &str, stall: Option<Duration>, at_unix_ms: u64) -> Vec<Act> {
        let Some(node) = self.nodes.get(&id) else { return Vec::new() };
        let (parent, path) = (node.parent, self.path(id));
        if parent == NodeId::NONE {
            // The root itself.
            let mut acts = self.halt(Self::ROOT, Status::Failed, true);
            acts.push(Act::Fail { reason: reason.to_owned() });
            return acts;
        }
        let verdict = match (self.charge(parent, id), stall) {
            (Verdict::Rebuild(siblings), Some(limit)) => match self.too_many_stalls(id, limit) {
                Some(over) => Verdict::OverBudget(over),
                None => Verdict::Rebuild(siblings),
            },
            (verdict, _) => verdict,
        };
        let siblings = match verdict {
            Verdict::Rebuild(siblings) => siblings,
            Verdict::Wait => {
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.status = Status::Restarting;
                }
                return Vec::new();
            }
            Verdict::OverBudget(over) => {
                let reason = format!("{over}; last: {path}: {reason}");
                tracing::error!(supervisor = self.path(parent), reason, "escalates");
                let mut acts = self.halt(id, Status::Restarting, false);
                // A group that comes back and stalls again has stalled too.
                let stall = stall.map(|limit| limit.saturating_mul(STALLS));
                acts.extend(self.broken_after(parent, &reason, stall, at_unix_ms));
                return acts;
            }
        };
        let now = Instant::now();
        let within = self.budget_time(parent);
        let mut acts = self.halt(id, Status::Restarting, false);
        for sibling in &siblings {
            acts.extend(self.halt(*sibling, Status::Restarting, false));
        }
        let members = self.in_order(parent, id, &siblings);
        let Some(node) = self.nodes.get_mut(&id) else { return acts };
        // A life that ended in a stall was not quiet.
        if stall.is_none() && now.duration_since(node.launched) > within {
            node.failures = 0;
        }
        node.failures += 1;
        let backoff = match &node.body {
            Body::Actor(living) => living.actor.spec().backoff,
            Body::Supervisor { .. } => Backoff::default(),
        };
        let after = backoff.delay(node.failures);
        node.launched = now;
        note(node, reason, u64::try_from(after.as_millis()).unwrap_or(u64::MAX), at_unix_ms);
        tracing::warn!(node = path, reason, backoff_ms = after.as_millis(), failures = node.failures, "rebuilds");
        let mut nodes = Vec::new();
        for member in members {
            let Some(node) = self.nodes.get_mut(&member) else { continue };
            if member != id {
                note(node, &format!("rebuilt together with {path}"), 0, at_unix_ms);
            }
            nodes.push((member, node.ticket));
        }
        acts.push(Act::Remind { nodes, after });
        acts
    }

    /// The child and these siblings of it, in the order of their start.
    fn in_order(&self, parent: NodeId, child: NodeId, siblings: &[NodeId]) -> Vec<NodeId> {
        match self.nodes.get(&parent) {
            Some(Node { body: Body::Supervisor { children, .. }, .. }) => {
                children.iter().copied().filter(|id| *id == child || siblings.contains(id)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Counts a stall of a node. Why it is one too many, if it is: then its count begins anew.
    fn too_many_stalls(&mut self, id: NodeId, limit: Duration) -> Option<String> {
        let path = self.path(id);
        let (node, now) = (self.nodes.get_mut(&id)?, Instant::now());
        let (before, count) = node.stalls.unwrap_or((now, 0));
        let in_a_row = now.duration_since(before) <= limit.saturating_mul(LIMITS_BETWEEN);
        let count = if in_a_row { count + 1 } else { 1 };
        node.stalls = (count < STALLS).then_some((now, count));
        (count >= STALLS).then(|| format!("{path} stalled {count} times in a row"))
    }

    /// Charges the supervisor's budget for one more rebuild of the child.
    fn charge(&mut self, supervisor: NodeId, child: NodeId) -> Verdict {
        let path = self.path(supervisor);
        let Some(Node { status, body: Body::Supervisor { strategy, budget, recent, children }, .. }) =
            self.nodes.get_mut(&supervisor)
        else {
            return Verdict::Wait;
        };
        if *status != Status::Running {
            return Verdict::Wait;
        }
        let now = Instant::now();
        recent.retain(|at| now.duration_since(*at) < budget.within);
        if recent.len() >= usize::try_from(budget.restarts).unwrap_or(usize::MAX) {
            let (restarts, seconds) = (budget.restarts, budget.within.as_secs_f64());
            return Verdict::OverBudget(format!("{path} is over its budget of {restarts} restarts in {seconds} s"));
        }
        recent.push_back(now);
        Verdict::Rebuild(match strategy {
            Strategy::OneForOne => Vec::new(),
            Strategy::OneForAll => children.iter().copied().filter(|id| *id != child).collect(),
            Strategy::RestForOne => children.iter().copied().skip_while(|id| *id != child).skip(1).collect(),
        })
    }

    fn budget_time(&self, supervisor: NodeId) -> Duration {
        match self.nodes.get(&supervisor) {
            Some(Node { body: Body::Supervisor { budget, .. }, .. }) => budget.within,
            _ => Duration::ZERO,
        }
    }

    /// Live incarnations whose handler runs over its limit: node, incarnation, thread, reason.
    pub(crate) fn stalled(&self) -> Vec<(NodeId, u64, HostId, String)> {
        let mut found = Vec::new();
        for (id, node) in &self.nodes {
            let Body::Actor(living) = &node.body else { continue };
            let busy = living.actor.busy_for();
            if living.alive && busy > living.actor.spec().stall {
                let reason = format!("{STALLED}a handler runs for {} ms", busy.as_millis());
                found.push((*id, living.incarnation, living.host, reason));
            }
        }
        found
    }

    /// Live incarnations with an effect that runs over the actor's limit without a sign of life.
    pub(crate) fn stuck_effects(&self) -> Vec<(Arc<dyn Hosted>, u64, String)> {
        let mut found = Vec::new();
        for node in self.nodes.values() {
            let Body::Actor(living) = &node.body else { continue };
            if living.alive
                && node.status == Status::Running
                && let Some(limit) = living.actor.spec().stall_after
                && let Some((name, silent)) = living.actor.oldest_effect().filter(|(_, silent)| *silent > limit)
            {
                let reason = format!("{STALLED}effect {name} gives no sign of life for {} ms", silent.as_millis());
                found.push((living.actor.clone(), living.incarnation, reason));
            }
        }
        found
    }

    /// Gives up an incarnation that is stuck on its thread, and moves the others that live on that thread: they are
    /// rebuilt at once, and no budget is charged for what was not their fault.
    pub(crate) fn abandon(
        &mut self,
        stuck: NodeId,
        incarnation: u64,
        host: HostId,
        reason: &str,
        at_unix_ms: u64,
    ) -> Vec<Act> {
        let mut acts = Vec::new();
        match self.living(stuck) {
            Some(living) if living.alive && living.incarnation == incarnation && living.host == host => {}
            _ => return acts,
        }
        let stuck_path = self.path(stuck);
        let (mut moved, mut left) = (Vec::new(), Vec::new());
        for (id, node) in &mut self.nodes {
            let Body::Actor(living) = &mut node.body else { continue };
            if !living.alive || living.host != host {
                continue;
            }
            living.alive = false;
            let wanted = std::mem::take(&mut living.wanted);
            living.actor.gauge().free();
            acts.push(Act::Supersede { incarnation: living.incarnation, actor: living.actor.clone() });
            acts.extend(living.waiting.drain(..).map(|told| Act::Told { told }));
            match node.status {
                _ if living.actor.is_leaving() && node.status != Status::Stopping => {
                    acts.push(Act::Close { actor: living.actor.clone() });
                    left.push(*id);
                }
                Status::Stopping => {
                    node.status = Status::Stopped;
                    acts.push(Act::Close { actor: living.actor.clone() });
                }
                Status::Running if *id != stuck => {
                    node.status = Status::Restarting;
                    note(node, &format!("its thread was blocked by {stuck_path}"), 0, at_unix_ms);
                    moved.push(*id);
                }
                // Between two lives: the one that was to follow needs not wait any more.
                Status::Restarting if wanted => moved.push(*id),
                _ => {}
            }
        }
        self.enlist(&moved);
        for id in left {
            // It was to stop; nobody calls it back to life.
            tracing::error!(actor = self.path(id), reason, "was stopping, and is cut off");
            self.remove(id);
        }
        if self.nodes.get(&stuck).is_some_and(|node| node.status == Status::Running) {
            acts.extend(self.broken(stuck, reason, at_unix_ms));
        }
        acts
    }
}

fn note(node: &mut Node, reason: &str, backoff_ms: u64, at_unix_ms: u64) {
    node.restarts += 1;
    if node.restart_log.len() == REMEMBERED {
        node.restart_log.pop_front();
    }
    node.restart_log.push_back(RestartView { at_unix_ms, reason: reason.to_owned(), backoff_ms });
}
