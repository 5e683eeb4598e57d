//! The routes of a compute node: about itself, and about nothing else.

use std::net::TcpListener;
use std::sync::Arc;

use actors_compute::{DataCache, Membership};
use runtime_actor::{Tree, TreeView};
use runtime_http::prometheus::Family;
use runtime_http::{Asked, Health, HttpServing, PageError, Routes};
use runtime_query::Engine;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::guards::ComputeGuard;
use super::{numbers, numbers_of_cache, watching};
use crate::cli::VERSION;
use crate::observer::Observers;

/// What a compute node's pages are made of.
#[derive(Clone)]
pub struct ComputePages {
    /// Its actors.
    pub tree: Tree,
    /// Its cluster.
    pub member: Arc<Membership>,
    /// Its actors, as pages ask for them.
    pub observers: Observers,
    /// As frontends reach it.
    pub host: String,
    /// Where frontends reach its mailboxes.
    pub heartbeat_port: u16,
    /// Where these pages are.
    pub http_port: u16,
    /// The most memory it may use, in bytes.
    pub memory_limit_bytes: u64,
    /// Its data cache, if it has one.
    pub cache: Option<DataCache>,
    /// What runs its plans.
    pub engine: Arc<Engine>,
}

/// Serves them.
pub fn of_compute(
    listener: TcpListener,
    pages: ComputePages,
    shutdown: CancellationToken,
) -> anyhow::Result<HttpServing> {
    let health = || Ok(Health { total_backend_num: 1, online_backend_num: 1 });
    let (of_guard, of_metrics) = (pages.member.clone(), pages.clone());
    let node = pages.observers.name().to_owned();
    let guard = ComputeGuard::new(pages.tree.clone(), node, &pages.host, move || of_guard.cluster_id());
    // Several nodes may share a host, and browsers do not keep the cookies of its ports apart.
    let cookie = format!("starkeep_session_{}", pages.http_port);
    let routes =
        Routes::new(pages.tree.clone(), health).metrics(move |tree| families(&of_metrics, tree)).guard(guard, cookie);
    let observers = &pages.observers;
    let routes = watched(routes, observers, "/api/v2/actors/messages", |observers, asked| async move {
        watching::messages(&observers, &asked).await
    });
    let routes = watched(routes, observers, "/api/v2/traces", |observers, asked| async move {
        watching::traces(&observers, &asked).await
    });
    let routes = watched(routes, observers, "/api/v2/traces/{id}", |observers, asked| async move {
        watching::trace(&observers, &asked).await
    });
    let routes = watched(routes, observers, "/api/v2/actors", |observers, asked| async move {
        watching::actors(&observers, &asked).await
    });
    let (of_page, of_topic, of_actors) = (pages.clone(), pages.clone(), observers.clone());
    let routes = routes
        .topic("actors", move |asked| {
            let observers = of_actors.clone();
            async move { watching::actors(&observers, &asked).await }
        })
        .get("/api/v2/cluster", move |_| cluster(of_page.clone()))
        .topic("cluster", move |_| cluster(of_topic.clone()))
        // What a compute node's SQL has: nothing.
        .get("/api/v2/actions", |_| async { Ok(json!([])) });
    let routes = elsewhere(elsewhere(routes, "snapshots"), "queries");
    #[cfg(feature = "failpoints")]
    let routes = crate::failpoints::routes(routes);
    Ok(runtime_http::serve(listener, routes, shutdown)?)
}

fn watched<F, R>(routes: Routes, observers: &Observers, path: &str, page: F) -> Routes
where
    F: Fn(Observers, Asked) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, PageError>> + Send + 'static,
{
    let observers = observers.clone();
    routes.get(path, move |asked| page(observers.clone(), asked))
}

/// A page that only frontends have.
fn elsewhere(routes: Routes, what: &'static str) -> Routes {
    let why = move || PageError::NotFound(format!("a compute node knows nothing of {what}: ask a frontend"));
    routes.get(format!("/api/v2/{what}"), move |_| async move { Err(why()) })
}

/// The cluster as far as this node knows it: itself, and whom it hears.
async fn cluster(pages: ComputePages) -> Result<Value, PageError> {
    let tree = pages.tree.observe().await;
    let state = tree.root.find("compute_node").map(|node| node.state.clone()).unwrap_or_default();
    let leader = pages.member.leader();
    let (epoch, incarnation) = leader.map_or((None, None), |(epoch, incarnation)| (Some(epoch), Some(incarnation)));
    let now = tree.at_unix_ms;
    let silence = state["seconds_since_heartbeat"].as_u64();
    let myself = json!({
        "id": state["node"],
        "host": pages.host,
        "heartbeat_port": pages.heartbeat_port,
        "http_port": pages.http_port,
        "alive": true,
        "epoch": epoch,
        "incarnation": incarnation,
        "last_heartbeat_ms": silence.map(|seconds| now.saturating_sub(seconds * 1000)),
        "cpu_cores": std::thread::available_parallelism().ok().map(std::num::NonZero::get),
        "memory_limit_bytes": pages.memory_limit_bytes,
        "memory_used_bytes": numbers::resident_bytes(),
        "data_cache": pages.cache.as_ref().map(DataCache::counts),
        "running_queries": state["running"].as_array().map(Vec::len),
        "version": VERSION,
        "error": null,
        "start_time_ms": tree.started_at_unix_ms,
    });
    Ok(json!({
        "cluster_id": pages.member.cluster_id().map(|id| id.to_string()),
        "service_id": null,
        "incarnation": incarnation_of(&pages),
        "epoch": epoch,
        "revision": null,
        "careful": null,
        "leader": state["leader"],
        "now_unix_ms": now,
        "frontends": [],
        "compute_nodes": [myself],
    }))
}

fn incarnation_of(pages: &ComputePages) -> Option<String> {
    pages.member.leader().map(|(_, incarnation)| incarnation)
}

/// What operators watch of a compute node.
fn families(pages: &ComputePages, tree: &TreeView) -> Vec<Family> {
    let state = tree.root.find("compute_node").map(|node| node.state.clone()).unwrap_or_default();
    let count = |name: &str| state["counts"][name].as_u64().unwrap_or_default() as f64;
    let running = state["running"].as_array().map_or(0, Vec::len) as f64;
    let mut all = numbers::process("starrocks_be", tree);
    all.extend([
        Family::gauge("starrocks_be_process_mem_limit_bytes", "The most memory that the process may use.")
            .of(pages.memory_limit_bytes as f64),
        Family::gauge("starkeep_cn_fragments_running", "Fragments of queries and loads that run now.").of(running),
        Family::counter("starkeep_cn_fragments_total", "Fragments that have begun.").of(count("fragments")),
        Family::counter("starkeep_cn_fragments_failed_total", "Fragments that have failed.")
            .of(count("failed_fragments")),
        Family::counter("starkeep_cn_rows_total", "Rows that went through fragments.").of(count("rows")),
        Family::counter("starkeep_cn_deleted_objects_total", "Objects that GC had deleted here.")
            .of(count("deleted_objects")),
        Family::counter("starkeep_cn_heartbeats_total", "Heartbeats of leaders that were answered.")
            .of(count("heartbeats")),
    ]);
    let mut silence = Family::gauge(
        "starkeep_cn_seconds_since_heartbeat",
        "Since the last heartbeat of a leader; none: never heard.",
    );
    if let Some(seconds) = state["seconds_since_heartbeat"].as_u64() {
        silence.add(&[], seconds as f64);
    }
    all.push(silence);
    all.extend(numbers_of_cache::footers(pages.engine.footers()));
    all.extend(pages.cache.iter().flat_map(|cache| numbers_of_cache::blocks(&cache.counts())));
    all
}
