//! SHOW FRONTENDS, COMPUTE NODES and their kin.

use actors_messages::nodes::NodeStatus;
use storage_model::{FrontendRole, UnixMillis};

use crate::session::Session;
use crate::sheet::{Item, Sheet, row};

/// SHOW FRONTENDS. Never waits, and answers without a leader too.
pub(super) fn frontends(session: &Session) -> Sheet {
    let mut sheet = Sheet::text(&[
        "Name",
        "IP",
        "EditLogPort",
        "HttpPort",
        "QueryPort",
        "RpcPort",
        "Role",
        "ClusterId",
        "Join",
        "Alive",
        "ReplayedJournalId",
        "LastHeartbeat",
        "IsHelper",
        "ErrMsg",
        "StartTime",
        "Version",
    ]);
    let (front, catalog) = (session.front(), session.catalog());
    let (leader, me) = ((front.leader)(), &front.me);
    let statuses = front.frontends.borrow().clone();
    for known in catalog.frontends() {
        let here = known.id == me.id;
        let status = statuses.iter().find(|status| status.id == known.id);
        let report = status.and_then(|status| status.report.as_ref());
        let role = if leader == Some(known.id) { "LEADER".to_owned() } else { known.role.to_string() };
        let applied = if here { Some(catalog.revision()) } else { report.map(|report| report.applied) };
        let started = if here { Some(me.started_at_ms) } else { report.map(|report| report.started_at_ms) };
        let heard = if here { Some(front.now_ms()) } else { status.and_then(|status| status.last_heartbeat_ms) };
        let version = if here { me.full_version() } else { report.map(|r| r.version.clone()).unwrap_or_default() };
        sheet.push(row![
            &known.name,
            &known.host,
            known.edit_log_port.to_string(),
            known.http_port.to_string(),
            known.query_port.to_string(),
            known.rpc_port.to_string(),
            role,
            catalog.identity().cluster_id.to_string(),
            status.map_or(here, |status| status.joined),
            here || status.is_some_and(|status| status.alive),
            applied.unwrap_or_default().to_string(),
            time(heard),
            known.role == FrontendRole::Follower,
            status.map(|status| status.error.as_str()).unwrap_or_default(),
            time(started),
            version,
        ]);
    }
    sheet
}

/// `yyyy-MM-dd HH:mm:ss`, or the text NULL that StarRocks prints when there is no time.
fn time(millis: Option<u64>) -> Item {
    millis.map_or_else(|| "NULL".into(), |at| Item::at(UnixMillis(at)))
}

const COMPUTE_NODES: [&str; 24] = [
    "ComputeNodeId",
    "IP",
    "HeartbeatPort",
    "BePort",
    "HttpPort",
    "BrpcPort",
    "LastStartTime",
    "LastHeartbeat",
    "Alive",
    "SystemDecommissioned",
    "ClusterDecommissioned",
    "ErrMsg",
    "Version",
    "CpuCores",
    "NumRunningQueries",
    "MemUsedPct",
    "CpuUsedPct",
    "HasStoragePath",
    "StarletPort",
    "WorkerId",
    "WarehouseName",
    "CNGroup",
    "TabletNum",
    "StatusCode",
];

/// SHOW COMPUTE NODES.
pub(super) fn compute_nodes(session: &Session) -> Sheet {
    let (catalog, statuses) = (session.catalog(), session.front().nodes.borrow().clone());
    let mut sheet = Sheet::text(&COMPUTE_NODES);
    let tablets: u64 = catalog.tables().flat_map(|t| catalog.partitions_of(t)).map(|p| u64::from(p.buckets)).sum();
    let alive = statuses.iter().filter(|s| s.alive).count().max(1) as u64;
    for node in catalog.compute_nodes() {
        let seen = statuses.iter().find(|status| status.node.id == node.id).cloned();
        let status = seen.unwrap_or_else(|| NodeStatus {
            node: std::sync::Arc::clone(node),
            alive: false,
            report: None,
            last_heartbeat_ms: None,
            error: "no heartbeat yet".to_owned(),
        });
        let share = if status.alive { tablets.div_ceil(alive) } else { 0 };
        sheet.push(compute_node(&status, share));
    }
    sheet
}

fn compute_node(status: &NodeStatus, tablets: u64) -> Vec<Item> {
    let report = status.report.clone().unwrap_or_default();
    let started = (report.started_at_ms > 0).then_some(report.started_at_ms);
    let memory = match report.memory_limit_bytes {
        0 => 0.0,
        limit => report.memory_bytes as f64 * 100.0 / limit as f64,
    };
    row![
        status.node.id.to_string(),
        &status.node.host,
        status.node.heartbeat_port.to_string(),
        report.be_port.to_string(),
        report.http_port.to_string(),
        report.brpc_port.to_string(),
        time(started),
        time(status.last_heartbeat_ms),
        status.alive,
        false,
        false,
        &status.error,
        report.version,
        report.cpu_cores.to_string(),
        report.running_fragments.to_string(),
        format!("{memory:.2} %"),
        format!("{:.1} %", report.cpu_percent),
        report.has_storage_path,
        report.starlet_port.to_string(),
        status.node.id.to_string(),
        "default_warehouse",
        "",
        tablets.to_string(),
        if status.alive { "OK" } else { "DISCONNECTED" },
    ]
}

/// SHOW BACKENDS: a shared-data cluster has none.
pub(super) fn backends() -> Sheet {
    Sheet::text(&[
        "BackendId",
        "IP",
        "HeartbeatPort",
        "BePort",
        "HttpPort",
        "BrpcPort",
        "LastStartTime",
        "LastHeartbeat",
        "Alive",
        "SystemDecommissioned",
        "ClusterDecommissioned",
        "TabletNum",
        "DataUsedCapacity",
        "AvailCapacity",
        "TotalCapacity",
        "UsedPct",
        "MaxDiskUsedPct",
        "ErrMsg",
        "Version",
        "Status",
        "DataTotalCapacity",
        "DataUsedPct",
        "CpuCores",
        "NumRunningQueries",
        "MemUsedPct",
        "CpuUsedPct",
    ])
}

/// SHOW BROKER: compute nodes read object storage themselves.
pub(super) fn brokers() -> Sheet {
    Sheet::text(&["Name", "IP", "Port", "Alive", "LastStartTime", "LastUpdateTime", "ErrMsg"])
}

/// SHOW WAREHOUSES: one, of all compute nodes.
pub(super) fn warehouses(session: &Session) -> Sheet {
    let front = session.front();
    let statuses = front.nodes.borrow().clone();
    let running: u32 = statuses.iter().filter_map(|s| s.report.as_ref()).map(|r| r.running_fragments).sum();
    let nodes = session.catalog().compute_nodes().count();
    Sheet::text(&[
        "Id",
        "Name",
        "State",
        "NodeCount",
        "CurrentClusterCount",
        "MaxClusterCount",
        "StartedClusters",
        "RunningSql",
    ])
    .with(row!["0", "default_warehouse", "AVAILABLE", nodes.to_string(), "1", "1", "1", running.to_string()])
}
