//! What each role serves over HTTP.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use actors_messages::nodes::NodeStatuses;
use runtime_actor::Tree;
use runtime_http::{Health, HttpServing, NotReady, RestoreState, Routes};
use runtime_raft::Meta;
use tokio_util::sync::CancellationToken;

/// How far the start of a frontend has come; shared with its pages.
#[derive(Clone, Default)]
pub struct Progress(Arc<AtomicU8>);

const RESTORING: u8 = 1;
const READY: u8 = 2;

impl Progress {
    /// A restore has begun.
    pub fn restoring(&self) {
        self.0.store(RESTORING, Ordering::Release);
    }

    /// SQL is served.
    pub fn ready(&self) {
        self.0.store(READY, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == READY
    }

    fn restore_state(&self) -> RestoreState {
        if self.0.load(Ordering::Acquire) == RESTORING { RestoreState::Restoring } else { RestoreState::Finished }
    }
}

/// The pages of a frontend.
pub fn of_frontend(
    listener: TcpListener,
    tree: Tree,
    progress: Progress,
    nodes: NodeStatuses,
    meta: Arc<std::sync::OnceLock<Meta>>,
    shutdown: CancellationToken,
) -> anyhow::Result<HttpServing> {
    let of_health = progress.clone();
    let health = move || {
        if !of_health.is_ready() {
            return Err(NotReady("the frontend is not ready".to_owned()));
        }
        let nodes = nodes.borrow();
        Ok(Health { total_backend_num: nodes.len(), online_backend_num: nodes.iter().filter(|n| n.alive).count() })
    };
    let routes = Routes::new(tree, health)
        .restore_state(move || progress.restore_state())
        .metrics(move || meta.get().map(metrics).unwrap_or_default());
    Ok(runtime_http::serve(listener, routes, shutdown)?)
}

/// The pages of a compute node.
pub fn of_compute(listener: TcpListener, tree: Tree, shutdown: CancellationToken) -> anyhow::Result<HttpServing> {
    let health = || Ok(Health { total_backend_num: 1, online_backend_num: 1 });
    Ok(runtime_http::serve(listener, Routes::new(tree, health), shutdown)?)
}

/// What operators watch: the log, snapshots, garbage.
fn metrics(meta: &Meta) -> String {
    let (status, catalog) = (meta.status(), meta.view());
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: f64| {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"));
    };
    let finished = catalog.jobs().filter(|j| j.state == storage_model::JobState::Finished);
    let newest = finished.filter_map(|j| j.finished_at).max();
    let (files, bytes) = catalog.gc_backlog();
    gauge("starrocks_fe_meta_log_count", "Commands since the newest image.", status.commands_since_image as f64);
    gauge("starrocks_fe_max_journal_id", "The revision of the catalog.", catalog.revision().0 as f64);
    gauge(
        "starkeep_fe_cluster_snapshot_last_success_timestamp_seconds",
        "When the newest restorable snapshot was finished; 0: there is none.",
        newest.map_or(0.0, |at| at.0 as f64 / 1000.0),
    );
    gauge("starkeep_fe_gc_backlog_files", "Files that nothing names and that are not deleted yet.", files as f64);
    gauge("starkeep_fe_gc_backlog_bytes", "Bytes in them.", bytes as f64);
    text
}
