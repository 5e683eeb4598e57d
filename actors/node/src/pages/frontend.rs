//! The routes of a frontend.

use std::net::TcpListener;

use actors_messages::nodes::NodeStatuses;
use runtime_actor::Tree;
use runtime_http::{Asked, Health, HttpServing, NotReady, PageError, Routes};
use serde_json::{Value, json};
use storage_model::Frontend;
use tokio_util::sync::CancellationToken;

use super::guards::FrontendGuard;
use super::numbers::FrontendNumbers;
use super::{Opened, Progress, actions, cluster, snapshots, watching};
use crate::cli::VERSION;

/// What a frontend's pages are made of.
pub struct FrontendPages {
    /// Its actors.
    pub tree: Tree,
    /// How far it has come.
    pub progress: Progress,
    /// Its compute nodes.
    pub nodes: NodeStatuses,
    /// Itself, as configured.
    pub me: Frontend,
    /// When the process started, Unix milliseconds.
    pub started_at_ms: u64,
}

/// Serves them.
pub fn of_frontend(
    listener: TcpListener,
    pages: FrontendPages,
    shutdown: CancellationToken,
) -> anyhow::Result<HttpServing> {
    let FrontendPages { tree, progress, nodes, me, started_at_ms } = pages;
    let of_health = progress.clone();
    let health = move || {
        if !of_health.is_ready() {
            return Err(NotReady("the frontend is not ready".to_owned()));
        }
        let nodes = nodes.borrow();
        Ok(Health { total_backend_num: nodes.len(), online_backend_num: nodes.iter().filter(|n| n.alive).count() })
    };
    let (of_state, of_bootstrap) = (progress.clone(), progress.clone());
    let guard = FrontendGuard::new(progress.clone(), &me);
    let numbers = FrontendNumbers::new(progress.clone(), started_at_ms);
    let routes = Routes::new(tree, health)
        .restore_state(move || of_state.restore_state())
        .metrics(move |tree| numbers.families(tree))
        .open("/api/bootstrap", move |asked| {
            let said = bootstrap(&of_bootstrap, &asked, &me, started_at_ms);
            async move { Ok(said) }
        })
        .guard(guard, "starkeep_session");
    let routes = guarded(routes, &progress);
    #[cfg(feature = "failpoints")]
    let routes = crate::failpoints::routes(routes);
    Ok(runtime_http::serve(listener, routes, shutdown)?)
}

/// A page, and the topic of the same name.
fn both<F, R>(routes: Routes, progress: &Progress, topic: &str, page: F) -> Routes
where
    F: Fn(Progress, Asked) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Value, PageError>> + Send + 'static,
{
    let (once, live, again) = (progress.clone(), progress.clone(), page.clone());
    routes
        .get(format!("/api/v2/{topic}"), move |asked| page(once.clone(), asked))
        .topic(topic, move |asked| again(live.clone(), asked))
}

/// A page alone.
fn one<F, R>(routes: Routes, progress: &Progress, path: &str, page: F) -> Routes
where
    F: Fn(Progress, Asked) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, PageError>> + Send + 'static,
{
    let progress = progress.clone();
    routes.get(path, move |asked| page(progress.clone(), asked))
}

fn guarded(routes: Routes, progress: &Progress) -> Routes {
    let routes = both(routes, progress, "cluster", |progress, _| async move { Ok(cluster::of(progress.opened()?)) });
    let routes =
        both(routes, progress, "snapshots", |progress, _| async move { Ok(snapshots::of(progress.opened()?).await) });
    let routes = both(routes, progress, "queries", |progress, _| async move { Ok(queries(progress.opened()?)) });
    let routes = both(routes, progress, "actors", |progress, asked| async move {
        watching::actors(&progress.opened()?.observers, &asked).await
    });
    let routes = one(routes, progress, "/api/v2/actors/messages", |progress, asked| async move {
        watching::messages(&progress.opened()?.observers, &asked).await
    });
    let routes = one(routes, progress, "/api/v2/traces", |progress, asked| async move {
        let opened = progress.opened()?;
        watching::traces(&opened.observers, &with_job_id(opened, asked)).await
    });
    let routes = one(routes, progress, "/api/v2/traces/{id}", |progress, asked| async move {
        watching::trace(&progress.opened()?.observers, &asked).await
    });
    let routes =
        one(
            routes,
            progress,
            "/api/v2/actions",
            |progress, _| async move { Ok(actions::list(&progress.opened()?.desk)) },
        );
    let progress = progress.clone();
    routes.post("/api/v2/actions", move |asked| {
        let progress = progress.clone();
        async move { actions::run(&progress.opened()?.desk, asked).await }
    })
}

/// Spans carry the id of their job; people may know its name.
fn with_job_id(opened: &Opened, mut asked: Asked) -> Asked {
    if let Some(job) = asked.parameters.get_mut("job")
        && let Some(named) = opened.meta.view().jobs().find(|known| known.name == *job)
    {
        *job = named.id.to_string();
    }
    asked
}

fn queries(opened: &Opened) -> Value {
    json!({ "queries": opened.desk.queries() })
}

/// `GET /api/bootstrap`, as StarRocks answers it. With a token or a cluster id, these must be the cluster's.
fn bootstrap(progress: &Progress, asked: &Asked, me: &Frontend, started_at_ms: u64) -> Value {
    let failed = |msg: &str| json!({ "status": "FAILED", "msg": msg });
    let Some(opened) = progress.opened().ok().filter(|_| progress.is_ready()) else { return failed("not ready") };
    let catalog = opened.meta.view();
    let known = catalog.identity();
    let is_wrong = |given: Option<&str>, own: &str| given.is_some_and(|given| !is_same(given, own));
    if is_wrong(asked.parameter("token"), &known.token)
        || is_wrong(asked.parameter("cluster_id"), &known.cluster_id.to_string())
    {
        return failed("invalid parameter");
    }
    json!({
        "replayedJournalId": catalog.revision().0,
        "queryPort": me.query_port,
        "rpcPort": me.rpc_port,
        "feStartTime": started_at_ms,
        "feVersion": opened.desk.front().me.full_version(),
        "heapUsedPercent": super::numbers::memory_used_percent(),
        "product": format!("starkeep {VERSION}"),
        "status": "OK",
        "msg": "Success",
    })
}

/// Compared without an early exit, so that the time tells nothing.
fn is_same(given: &str, own: &str) -> bool {
    given.len() == own.len() && given.bytes().zip(own.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
