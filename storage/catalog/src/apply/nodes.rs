//! Frontends and compute nodes.

use std::sync::Arc;

use storage_model::{ComputeNode, Frontend, FrontendRole, NodeId};

use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply};

impl Catalog {
    pub(super) fn register_frontend(&mut self, frontend: &Frontend) -> Reply {
        match self.frontends.get(&frontend.id) {
            Some(known) if known.as_ref() == frontend => return Ok(Outcome::Nothing),
            Some(_) => {}
            // The first frontend of a cluster registers itself; one that was dropped does not come back like this.
            None if self.frontends.is_empty() => {}
            None => return Err(Rejection::UnknownFrontend(frontend.address())),
        }
        self.frontends.insert(frontend.id, Arc::new(frontend.clone()));
        Ok(Outcome::Done)
    }

    pub(super) fn add_frontend(&mut self, host: &str, edit_log_port: u16, role: FrontendRole) -> Reply {
        if let Some(known) = self.frontend_at(host, edit_log_port) {
            return Err(Rejection::FrontendExists(known.name.clone()));
        }
        let id = NodeId(self.draw_id());
        let name = format!("{host}_{edit_log_port}_{}", self.header.clock.0);
        let host = host.to_owned();
        // Its other ports are told by itself, once it has joined.
        let frontend = Frontend { id, name, role, host, edit_log_port, http_port: 0, query_port: 0, rpc_port: 0 };
        self.frontends.insert(id, Arc::new(frontend));
        Ok(Outcome::Node(id))
    }

    pub(super) fn drop_frontend(
        &mut self,
        host: &str,
        edit_log_port: u16,
        role: FrontendRole,
        leader: NodeId,
    ) -> Reply {
        let address = format!("{host}:{edit_log_port}");
        let Some(known) = self.frontend_at(host, edit_log_port).cloned() else {
            return Err(Rejection::UnknownFrontend(address));
        };
        if known.role != role {
            return Err(Rejection::OtherRole { role, address });
        }
        if known.id == leader {
            return Err(Rejection::DropsLeader);
        }
        self.frontends.remove(&known.id);
        Ok(Outcome::Done)
    }

    fn frontend_at(&self, host: &str, edit_log_port: u16) -> Option<&Arc<Frontend>> {
        self.frontends.values().find(|known| known.host == host && known.edit_log_port == edit_log_port)
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
