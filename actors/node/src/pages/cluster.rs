//! `GET /api/v2/cluster`: who belongs to the cluster, and how each is.

use actors_messages::nodes::NodeStatus;
use serde_json::{Value, json};
use storage_model::{ComputeNode, Frontend};

use super::Opened;

/// As a frontend sees it. Waits for nobody.
pub(super) fn of(opened: &Opened) -> Value {
    let (catalog, status) = (opened.meta.view(), opened.meta.status());
    let identity = catalog.identity();
    let front = opened.desk.front();
    let leader = catalog.frontends().find(|known| Some(known.id) == status.leader).map(|known| known.name.clone());
    let statuses = front.nodes.borrow().clone();
    let compute_nodes = catalog.compute_nodes().map(|node| {
        let status = statuses.iter().find(|status| status.node.id == node.id);
        compute_node(node, status, identity.epoch.0, &identity.incarnation.0)
    });
    json!({
        "cluster_id": identity.cluster_id.to_string(),
        "service_id": identity.service_id.to_string(),
        "incarnation": identity.incarnation.to_string(),
        "epoch": identity.epoch.0,
        "revision": catalog.revision().0,
        "careful": catalog.is_careful(),
        "leader": leader,
        "now_unix_ms": front.clock.now_unix_ms(),
        "frontends": catalog.frontends().map(|known| frontend(opened, known)).collect::<Vec<_>>(),
        "compute_nodes": compute_nodes.collect::<Vec<_>>(),
    })
}

fn frontend(opened: &Opened, known: &Frontend) -> Value {
    let statuses = opened.frontends.borrow().clone();
    let status = statuses.iter().find(|status| status.id == known.id);
    let front = opened.desk.front();
    let is_leader = (front.leader)() == Some(known.id);
    let revision = opened.meta.view().revision().0;
    let is_here = known.id == front.me.id;
    let report = status.and_then(|status| status.report.as_ref());
    let applied = if is_here { Some(revision) } else { report.map(|report| report.applied.0) };
    // The leader is what others lag behind; this one knows how far it was when it last told.
    let newest = statuses.iter().filter_map(|s| s.report.as_ref()).map(|r| r.applied.0).max().unwrap_or(revision);
    json!({
        "name": known.name,
        "host": known.host,
        "role": if is_leader { "LEADER".to_owned() } else { known.role.to_string() },
        "alive": is_here || status.is_some_and(|status| status.alive),
        "joined": status.map(|status| status.joined),
        "http_port": known.http_port,
        "query_port": known.query_port,
        "applied_revision": applied,
        "lag": applied.map(|applied| newest.saturating_sub(applied)),
        "version": if is_here { Some(front.me.full_version()) } else { report.map(|report| report.version.clone()) },
        "start_time_ms": if is_here { Some(front.me.started_at_ms) } else { report.map(|report| report.started_at_ms) },
        "error": status.map(|status| status.error.as_str()).filter(|error| !error.is_empty()),
    })
}

/// A node that answers heartbeats serves this incarnation: the handshake has seen to it.
fn compute_node(node: &ComputeNode, status: Option<&NodeStatus>, epoch: u64, incarnation: &str) -> Value {
    let alive = status.is_some_and(|status| status.alive);
    let report = status.and_then(|status| status.report.as_ref());
    let error = match status {
        Some(status) => Some(status.error.as_str()).filter(|error| !error.is_empty()),
        None => Some("no heartbeat yet"),
    };
    json!({
        "id": node.id.0,
        "host": node.host,
        "heartbeat_port": node.heartbeat_port,
        "http_port": report.map(|report| report.http_port),
        "alive": alive,
        "epoch": alive.then_some(epoch),
        "incarnation": alive.then_some(incarnation),
        "last_heartbeat_ms": status.and_then(|status| status.last_heartbeat_ms),
        "cpu_cores": report.map(|report| report.cpu_cores),
        "memory_limit_bytes": report.map(|report| report.memory_limit_bytes),
        "memory_used_bytes": report.map(|report| report.memory_bytes),
        "data_cache": report.and_then(|report| report.data_cache).map(|cache| json!({
            "memory_used_bytes": cache.memory_used,
            "memory_capacity_bytes": cache.memory_quota,
            "disk_used_bytes": cache.disk_used,
            "disk_capacity_bytes": cache.disk_quota,
        })),
        "running_queries": report.filter(|_| alive).map(|report| report.running_fragments),
        "version": report.map(|report| report.version.clone()),
        "error": error,
        "start_time_ms": report.map(|report| report.started_at_ms),
    })
}
