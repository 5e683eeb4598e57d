//! Frontends and compute nodes.

use std::sync::Arc;

use storage_model::{ComputeNode, Frontend, NodeId};

use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply};

impl Catalog {
    pub(super) fn register_frontend(&mut self, frontend: &Frontend) -> Reply {
        if self.frontends.get(&frontend.id).is_some_and(|known| known.as_ref() == frontend) {
            return Ok(Outcome::Nothing);
        }
        self.frontends.insert(frontend.id, Arc::new(frontend.clone()));
        Ok(Outcome::Done)
    }

    pub(super) fn add_compute_node(&mut self, host: &str, heartbeat_port: u16) -> Reply {
        if self.compute_node_at(host, heartbeat_port).is_some() {
            return Err(Rejection::ComputeNodeExists(format!("{host}:{heartbeat_port}")));
        }
        let id = NodeId(self.draw_id());
        let added_at = self.header.clock;
        let node = ComputeNode { id, host: host.to_owned(), heartbeat_port, added_at };
        self.compute_nodes.insert(id, Arc::new(node));
        self.header.starmgr_id += 1;
        Ok(Outcome::Node(id))
    }

    pub(super) fn drop_compute_node(&mut self, host: &str, heartbeat_port: u16) -> Reply {
        let Some(id) = self.compute_node_at(host, heartbeat_port) else {
            return Err(Rejection::UnknownComputeNode(format!("{host}:{heartbeat_port}")));
        };
        self.compute_nodes.remove(&id);
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    fn compute_node_at(&self, host: &str, heartbeat_port: u16) -> Option<NodeId> {
        let here = |node: &&Arc<ComputeNode>| node.host == host && node.heartbeat_port == heartbeat_port;
        self.compute_nodes.values().find(here).map(|node| node.id)
    }
}
