//! `/metrics` of a frontend, and what both roles tell of their process. StarRocks' names where it has them.

use std::sync::{Mutex, PoisonError};

use actors_front::StatementCounts;
use runtime_actor::TreeView;
use runtime_http::RestoreState;
use runtime_http::prometheus::{Family, Kind};
use runtime_rpc::PeerCounts;
use storage_catalog::Catalog;

use super::numbers_of_snapshots::Tally;
use super::{Opened, Progress};
use crate::cli::VERSION;

/// A frontend's numbers.
pub(super) struct FrontendNumbers {
    progress: Progress,
    tally: Mutex<Tally>,
}

impl FrontendNumbers {
    pub(super) fn new(progress: Progress, started_at_ms: u64) -> FrontendNumbers {
        FrontendNumbers { progress, tally: Mutex::new(Tally::new(started_at_ms)) }
    }

    /// All families. Those of the metadata are there once it is open.
    pub(super) fn families(&self, tree: &TreeView) -> Vec<Family> {
        let mut all = process("starkeep_fe", tree);
        all.extend(self.restore());
        let Ok(opened) = self.progress.opened() else { return all };
        let (catalog, now) = (opened.meta.view(), opened.desk.front().clock.now_unix_ms());
        all.extend(metadata(opened, &catalog));
        all.extend(nodes(opened, &catalog));
        all.extend(peers(opened));
        all.extend(statements(opened));
        all.extend(garbage(&catalog, tree));
        all.extend(compaction(tree));
        all.extend(alters(tree));
        all.extend(orphans(tree));
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.look(&catalog);
        all.extend(tally.families(&catalog, now));
        all
    }

    fn restore(&self) -> Vec<Family> {
        let restoring = self.progress.restore_state() == RestoreState::Restoring;
        let took = self.progress.restored_in_ms.load(std::sync::atomic::Ordering::Acquire);
        let name = "starkeep_fe_cluster_snapshot_restore_duration_seconds";
        let mut duration = Family::gauge(name, "How long the restore took that this process began with.");
        if took > 0 {
            duration.add(&[], took as f64 / 1000.0);
        }
        vec![
            Family::gauge("starkeep_fe_cluster_snapshot_restore_state", "1 while the cluster is being restored.")
                .of(f64::from(u8::from(restoring))),
            duration,
        ]
    }
}

fn yes(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn metadata(opened: &Opened, catalog: &Catalog) -> Vec<Family> {
    let status = opened.meta.status();
    let leads = status.leader == Some(opened.desk.front().me.id);
    vec![
        Family::gauge("starrocks_fe_meta_log_count", "Commands since the newest image.")
            .of(status.commands_since_image as f64),
        Family::gauge("starrocks_fe_max_journal_id", "The revision of the catalog.").of(catalog.revision().0 as f64),
        Family::gauge("starkeep_fe_is_leader", "1 on the frontend that leads.").of(yes(leads)),
        Family::gauge("starkeep_fe_has_leader", "1 while this frontend knows who leads.")
            .of(yes(status.leader.is_some())),
        Family::gauge("starkeep_fe_raft_term", "Raft's term.").of(status.term as f64),
        Family::gauge("starkeep_fe_epoch", "Orders the incarnations of the cluster.")
            .of(catalog.identity().epoch.0 as f64),
        Family::gauge("starkeep_fe_image_revision", "The revision of the newest metadata image.").of(status
            .image_revision
            .unwrap_or_default()
            .0
            as f64),
        Family::gauge("starkeep_fe_image_failing", "1 while the last metadata image could not be written.")
            .of(yes(status.image_failure.is_some())),
        Family::gauge("starkeep_fe_metadata_failed", "1 when the metadata cannot be written any more.")
            .of(yes(status.failure.is_some())),
        Family::gauge("starkeep_fe_careful", "1 while a restored cluster deletes nothing.")
            .of(yes(catalog.is_careful())),
        Family::gauge("starkeep_fe_databases", "Databases.").of(catalog.databases().count() as f64),
        Family::gauge("starkeep_fe_tables", "Tables.").of(catalog.tables().count() as f64),
        Family::gauge("starkeep_fe_files", "Files that the catalog names, removed ones too.")
            .of(catalog.file_count() as f64),
    ]
}

fn nodes(opened: &Opened, catalog: &Catalog) -> Vec<Family> {
    let statuses = opened.desk.front().nodes.borrow().clone();
    let alive = statuses.iter().filter(|status| status.alive).count();
    let (frontends, compute_nodes) = (catalog.frontends().count(), catalog.compute_nodes().count());
    let info = Family::gauge("starrocks_fe_node_info", "Nodes by kind and state.")
        .with(&[("type", "fe_node_num"), ("state", "total")], frontends as f64)
        .with(&[("type", "cn_node_num"), ("state", "total")], compute_nodes as f64)
        .with(&[("type", "cn_node_num"), ("state", "alive")], alive as f64);
    let mut up = Family::gauge("starkeep_fe_compute_node_up", "1 for every compute node that answers heartbeats.");
    let mut running = Family::gauge("starkeep_fe_compute_node_fragments", "Fragments that run on a compute node.");
    for status in statuses.iter() {
        let address = status.node.address();
        up.add(&[("node", &address)], yes(status.alive));
        let fragments = status.report.as_ref().filter(|_| status.alive).map_or(0, |report| report.running_fragments);
        running.add(&[("node", &address)], f64::from(fragments));
    }
    let tablets: u64 = catalog.partitions().map(|partition| u64::from(partition.buckets)).sum();
    vec![info, up, running, Family::gauge("starrocks_fe_tablet_num", "Tablets of all tables.").of(tablets as f64)]
}

/// Messages to other nodes.
fn peers(opened: &Opened) -> Vec<Family> {
    let counts = opened.observers.peers();
    let family = |kind, name: &str, help: &str, value: fn(&PeerCounts) -> u64| {
        let mut family = Family::new(kind, format!("starkeep_rpc_{name}"), help);
        for peer in &counts {
            family.add(&[("peer", &peer.address)], value(peer) as f64);
        }
        family
    };
    let mut asks = Family::counter("starkeep_rpc_asks_total", "Messages to another node by what became of them.");
    for peer in &counts {
        asks.add(&[("peer", &peer.address), ("outcome", "answered")], peer.answered as f64);
        asks.add(&[("peer", &peer.address), ("outcome", "failed")], peer.failed as f64);
    }
    vec![
        asks,
        family(Kind::Gauge, "connected", "1 while there is a connection.", |peer| peer.connected.into()),
        family(Kind::Gauge, "asks_running", "Messages that wait for their answer.", |peer| {
            peer.asked.saturating_sub(peer.answered + peer.failed)
        }),
        family(Kind::Counter, "sent_bytes_total", "Bytes of messages sent.", |peer| peer.sent_bytes),
        family(Kind::Counter, "received_bytes_total", "Bytes of answers.", |peer| peer.received_bytes),
        family(Kind::Counter, "connections_total", "Connections made.", |peer| peer.connections),
        family(Kind::Counter, "connection_failures_total", "Connections that could not be made.", |peer| {
            peer.failed_connections
        }),
    ]
}

fn statements(opened: &Opened) -> Vec<Family> {
    let StatementCounts { total, failed, loads, failed_loads, sum_ms, latency_ms } = opened.desk.statements();
    let mut latency = Family::new(Kind::Summary, "starrocks_fe_query_latency_ms", "How long statements took.");
    latency.add_summary(&[], &latency_ms, sum_ms, total);
    let counter = |name: &str, help: &str, value: u64| Family::counter(name, help).of(value as f64);
    vec![
        Family::gauge("starrocks_fe_connection_total", "Connections of MySQL clients.")
            .of(opened.desk.connections() as f64),
        counter("starrocks_fe_query_total", "Statements that ended.", total),
        counter("starrocks_fe_query_err", "Statements that ended with an error.", failed),
        counter("starrocks_fe_query_success", "Statements that ended well.", total.saturating_sub(failed)),
        latency,
        counter("starrocks_fe_txn_begin", "Loads that ended, well or not.", loads),
        counter("starrocks_fe_txn_success", "Loads that were committed.", loads.saturating_sub(failed_loads)),
        counter("starrocks_fe_txn_failed", "Loads that failed.", failed_loads),
    ]
}

fn compaction(tree: &TreeView) -> Vec<Family> {
    let state = tree.root.find("compaction_coordinator").map(|node| node.state.clone()).unwrap_or_default();
    let count = |name: &str| state[name].as_u64().unwrap_or_default() as f64;
    let running = state["running"].as_array().map_or(0, Vec::len);
    vec![
        Family::gauge("starkeep_fe_compaction_running", "Compactions that run now.").of(running as f64),
        Family::counter("starkeep_fe_compaction_total", "Compactions that are done.").of(count("compactions")),
        Family::counter("starkeep_fe_compaction_failed", "Compactions that failed and are tried again.")
            .of(count("failed")),
        Family::counter("starkeep_fe_compaction_files_total", "Files that gave way to others.")
            .of(count("files_before")),
        Family::counter("starkeep_fe_compaction_rows_total", "Rows that were written anew.").of(count("rows")),
    ]
}

fn alters(tree: &TreeView) -> Vec<Family> {
    let state = tree.root.find("alter_coordinator").map(|node| node.state.clone()).unwrap_or_default();
    let count = |name: &str| state[name].as_u64().unwrap_or_default() as f64;
    let running = state["running"].as_array().map_or(0, Vec::len);
    vec![
        Family::gauge("starkeep_fe_alter_jobs_running", "Jobs that write tables anew.").of(running as f64),
        Family::counter("starkeep_fe_alter_jobs_finished", "Tables that have become others.").of(count("finished")),
        Family::counter("starkeep_fe_alter_jobs_cancelled", "Jobs that could not be done.").of(count("cancelled")),
        Family::counter("starkeep_fe_alter_rounds_failed", "Rounds that failed and are tried again.")
            .of(count("failed_rounds")),
        Family::counter("starkeep_fe_alter_rows_total", "Rows that were written for jobs.").of(count("rows")),
    ]
}

fn orphans(tree: &TreeView) -> Vec<Family> {
    let state = tree.root.find("orphan_sweeper").map(|node| node.state.clone()).unwrap_or_default();
    let count = |name: &str| state[name].as_u64().unwrap_or_default() as f64;
    vec![
        Family::counter("starkeep_fe_orphan_sweeps_total", "Sweeps for orphans that came to their end.")
            .of(count("sweeps")),
        Family::counter("starkeep_fe_orphan_objects_seen_total", "Objects that sweeps have looked at.")
            .of(count("objects")),
        Family::counter("starkeep_fe_orphan_deleted_total", "Objects deleted that nobody had committed.")
            .of(count("deleted")),
    ]
}

fn garbage(catalog: &Catalog, tree: &TreeView) -> Vec<Family> {
    let state = tree.root.find("gc_coordinator").map(|node| node.state.clone()).unwrap_or_default();
    let count = |name: &str| state[name].as_u64().unwrap_or_default() as f64;
    let (files, bytes) = catalog.gc_backlog();
    let blocked = state["last_error"].as_str().is_some_and(|error| !error.is_empty());
    vec![
        Family::gauge("starkeep_fe_gc_backlog_files", "Files that nothing names and that are not deleted yet.")
            .of(files as f64),
        Family::gauge("starkeep_fe_gc_backlog_bytes", "Bytes in them.").of(bytes as f64),
        Family::gauge("starkeep_fe_gc_condemned_files", "Those of them that are decided to be deleted.")
            .of(super::snapshots::condemned(catalog) as f64),
        Family::gauge("starkeep_fe_gc_blocked", "1 while the last step of garbage collection failed.").of(yes(blocked)),
        Family::counter("starkeep_fe_gc_condemned_total", "Files condemned.").of(count("condemned")),
        Family::counter("starkeep_fe_gc_deleted_total", "Objects deleted.").of(count("deleted")),
        Family::counter("starkeep_fe_gc_forgotten_total", "Files forgotten after their deletion.")
            .of(count("forgotten")),
        Family::counter("starkeep_fe_gc_erased_total", "Things erased from the recycle bin.").of(count("erased")),
    ]
}

/// What the operating system says of this process, under names that begin with `prefix`.
pub(super) fn process(prefix: &str, tree: &TreeView) -> Vec<Family> {
    let name = |name: &str| format!("{prefix}_{name}");
    let role = tree.name.as_str();
    vec![
        Family::gauge("starkeep_build_info", "1, with the version.").with(&[("version", VERSION), ("role", role)], 1.0),
        Family::gauge("starkeep_start_time_seconds", "When the process started.")
            .of(tree.started_at_unix_ms as f64 / 1000.0),
        Family::gauge(name("process_mem_bytes"), "Resident memory.").of(resident_bytes() as f64),
        Family::gauge(name("process_fd_num_used"), "Open file descriptors.").of(entries("/proc/self/fd") as f64),
        Family::gauge(name("process_thread_num"), "Threads.").of(entries("/proc/self/task") as f64),
        Family::counter(name("process_cpu_seconds_total"), "CPU time used.").of(cpu_seconds()),
    ]
}

fn entries(directory: &str) -> usize {
    std::fs::read_dir(directory).map_or(0, Iterator::count)
}

/// Of this process.
pub(super) fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * PAGE_BYTES
}

fn cpu_seconds() -> f64 {
    /// On every Linux that Rust runs on.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field may hold blanks: count behind its closing parenthesis. utime and stime are fields 14 and 15.
    let behind = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// Of the host's memory, for `heapUsedPercent`.
pub(super) fn memory_used_percent() -> f64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|text| text.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map_or(0.0, |kib| resident_bytes() as f64 / (kib * 1024.0) * 100.0)
}
