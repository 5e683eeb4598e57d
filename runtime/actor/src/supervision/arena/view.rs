//! The picture of the nodes.

use serde_json::Value;

use super::{Arena, Body, NodeId};
use crate::view::{NodeKind, NodeView, Status};

impl Arena {
    /// Names from the root down.
    pub(crate) fn path(&self, id: NodeId) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while let Some(node) = self.nodes.get(&at) {
            names.push(node.name.as_str());
            at = node.parent;
        }
        names.reverse();
        names.join("/")
    }

    pub(crate) fn view(&self) -> NodeView {
        self.view_of(Self::ROOT, "").unwrap_or_else(|| NodeView {
            name: String::new(),
            path: String::new(),
            kind: NodeKind::Supervisor,
            role: None,
            status: Status::Stopped,
            incarnation: 0,
            state: Value::Null,
            state_at_unix_ms: 0,
            mailbox: None,
            restarts: 0,
            restart_log: Vec::new(),
            messages: Vec::new(),
            children: Vec::new(),
        })
    }

    fn view_of(&self, id: NodeId, above: &str) -> Option<NodeView> {
        let node = self.nodes.get(&id)?;
        let path = if above.is_empty() { node.name.clone() } else { format!("{above}/{}", node.name) };
        let mut view = NodeView {
            name: node.name.clone(),
            path,
            kind: NodeKind::Supervisor,
            role: None,
            status: node.status,
            incarnation: 0,
            state: Value::Null,
            state_at_unix_ms: 0,
            mailbox: None,
            restarts: node.restarts,
            restart_log: node.restart_log.iter().cloned().collect(),
            messages: Vec::new(),
            children: Vec::new(),
        };
        match &node.body {
            Body::Supervisor { children, .. } => {
                view.children = children.iter().filter_map(|child| self.view_of(*child, &view.path)).collect();
            }
            Body::Actor(living) => {
                let gauge = living.actor.gauge();
                view.kind = NodeKind::Actor;
                view.role = Some(living.actor.role().to_owned());
                view.incarnation = living.incarnation;
                (view.state, view.state_at_unix_ms) = gauge.state();
                view.mailbox = Some(gauge.mailbox(living.actor.spec().mailbox));
                view.messages = gauge.messages();
            }
        }
        Some(view)
    }
}
