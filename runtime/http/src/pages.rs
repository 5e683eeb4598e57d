//! Which path is answered by whom.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Payload, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::answer::{failed, json_of, refused, said};
use crate::live::{Feeds, live};
use crate::login::{Gate, address, log_in, log_out, who};
use crate::metrics::actor_metrics;
use crate::routes::{Asked, Health, PageError, PageOf, RestoreState, Routes};
use crate::{assets, body, prometheus};

/// What all threads of a server share.
pub(crate) struct Served {
    routes: Routes,
    gate: Option<Arc<Gate>>,
    feeds: Arc<Feeds>,
    runtime: Handle,
}

impl Served {
    /// Pages run on `runtime`, not on the server's own threads: these answer health checks whatever pages do.
    pub(crate) fn new(routes: Routes, runtime: Handle, shutdown: CancellationToken) -> Arc<Served> {
        let gate = routes.guard.clone().map(|guard| Gate::new(guard, routes.cookie.clone(), runtime.clone()));
        let feeds = Feeds::new(routes.topics.clone(), runtime.clone(), shutdown);
        Arc::new(Served { routes, gate: gate.map(Arc::new), feeds, runtime })
    }

    async fn run(&self, page: &PageOf, asked: Asked) -> HttpResponse {
        let page = page.clone();
        match AbortOnDropHandle::new(self.runtime.spawn(async move { page(asked).await })).await {
            Ok(done) => said(done),
            Err(error) => failed(500, &format!("the page broke: {error}")),
        }
    }
}

/// Puts all routes into an app.
pub(crate) fn configure(app: &mut ServiceConfig, served: &Arc<Served>) {
    for_everybody(app, served);
    if let Some(gate) = &served.gate {
        logins(app, gate);
        behind_the_gate(app, served, gate);
    }
    app.default_service(web::to(nothing));
}

fn for_everybody(app: &mut ServiceConfig, served: &Arc<Served>) {
    let health = served.routes.health.clone();
    read(app, "/api/health", move |_, _| {
        let answer = health().map(|Health { total_backend_num, online_backend_num }| {
            json!({
                "total_backend_num": total_backend_num,
                "online_backend_num": online_backend_num,
                "status": "OK",
            })
        });
        std::future::ready(said(answer.map_err(PageError::from)))
    });
    if let Some(restore) = served.routes.restore.clone() {
        read(app, "/api/v2/get_cluster_snapshot_restore_state", move |_, _| {
            let state = match restore() {
                RestoreState::Restoring => "restoring",
                RestoreState::Finished => "finished",
            };
            std::future::ready(json_of(200, &json!({ "cluster_snapshot_restore_state": state, "status": "OK" })))
        });
    }
    let counted = served.clone();
    read(app, "/metrics", move |_, parameters| {
        let served = counted.clone();
        async move { metrics(&served, &parameters).await }
    });
    for (path, page) in &served.routes.open {
        let (served, page) = (served.clone(), page.clone());
        read(app, path, move |request, parameters| {
            let (served, page) = (served.clone(), page.clone());
            let asked = Asked { from: Some(address(&request)), parameters, ..Asked::default() };
            async move { served.run(&page, asked).await }
        });
    }
    read(app, "/", |request, _| std::future::ready(asset("index.html", &request)));
    read(app, "/dashboard/{file:.*}", |request, parameters| {
        let file = parameters.get("file").map(String::as_str).unwrap_or_default();
        std::future::ready(asset(if file.is_empty() { "index.html" } else { file }, &request))
    });
}

async fn metrics(served: &Served, parameters: &BTreeMap<String, String>) -> HttpResponse {
    let tree = served.routes.tree.observe().await;
    let mut families = served.routes.metrics.as_ref().map(|metrics| metrics(&tree)).unwrap_or_default();
    families.extend(actor_metrics(&tree));
    if parameters.get("type").is_some_and(|wanted| wanted == "json") {
        return json_of(200, &prometheus::json_of(&families));
    }
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(prometheus::text_of(&families))
}

fn logins(app: &mut ServiceConfig, gate: &Arc<Gate>) {
    let (entrance, exit, inside) = (gate.clone(), gate.clone(), gate.clone());
    write(app, "/api/v2/login", move |request, body| {
        let gate = entrance.clone();
        async move { log_in(&gate, &request, &body).await }
    });
    write(app, "/api/v2/logout", move |request, _| {
        let gate = exit.clone();
        async move { log_out(&gate, &request).await }
    });
    read(app, "/api/v2/session", move |request, _| {
        let gate = inside.clone();
        async move { who(&gate, &request).await }
    });
}

fn behind_the_gate(app: &mut ServiceConfig, served: &Arc<Served>, gate: &Arc<Gate>) {
    let (open, entrance) = (served.clone(), gate.clone());
    read(app, "/api/v2/live", move |request, parameters| {
        let (served, gate) = (open.clone(), entrance.clone());
        async move { live(&served.feeds, &gate, &request, &parameters).await }
    });
    // One path may be read and written: its resource has both.
    let mut paths: BTreeMap<&str, (Option<&PageOf>, Option<&PageOf>)> = BTreeMap::new();
    for (path, page) in &served.routes.pages {
        paths.entry(path).or_default().0 = Some(page);
    }
    for (path, action) in &served.routes.actions {
        paths.entry(path).or_default().1 = Some(action);
    }
    for (path, (page, action)) in paths {
        let mut resource = web::resource(path.to_owned()).default_service(web::to(not_allowed));
        for (page, methods) in [(page, &[Method::GET, Method::HEAD][..]), (action, &[Method::POST])] {
            let Some(page) = page.cloned() else { continue };
            for method in methods {
                let (served, gate, page) = (served.clone(), gate.clone(), page.clone());
                resource =
                    resource.route(web::method(method.clone()).to(move |request: HttpRequest, body: Payload| {
                        let (served, gate, page) = (served.clone(), gate.clone(), page.clone());
                        async move { guarded(&served, &gate, &page, &request, body).await }
                    }));
            }
        }
        app.service(resource);
    }
}

async fn guarded(served: &Served, gate: &Gate, page: &PageOf, request: &HttpRequest, body: Payload) -> HttpResponse {
    let caller = match gate.admit(request).await {
        Ok(caller) => caller,
        Err(why) => return refused(&why),
    };
    let body = if request.method() == Method::POST {
        match body::read(body).await {
            Ok(body) => serde_json::from_slice(&body),
            Err(answer) => return answer,
        }
    } else {
        Ok(Value::Null)
    };
    match body {
        Ok(body) => {
            let parameters = parameters(request);
            served.run(page, Asked { user: caller.user, from: Some(address(request)), parameters, body }).await
        }
        Err(error) => failed(400, &format!("the body is not JSON: {error}")),
    }
}

/// Of the query, then of the path.
fn parameters(request: &HttpRequest) -> BTreeMap<String, String> {
    let query = Query::<Vec<(String, String)>>::from_query(request.query_string());
    let mut all: BTreeMap<String, String> =
        query.map(|query| query.into_inner().into_iter().collect()).unwrap_or_default();
    all.extend(request.match_info().iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    all
}

/// A page that is only read.
fn read<F, R>(app: &mut ServiceConfig, path: &str, handler: F)
where
    F: Fn(HttpRequest, BTreeMap<String, String>) -> R + Clone + 'static,
    R: Future<Output = HttpResponse> + 'static,
{
    let answer = move |request: HttpRequest| {
        let parameters = parameters(&request);
        handler(request, parameters)
    };
    let resource = web::resource(path.to_owned())
        .route(web::get().to(answer.clone()))
        .route(web::head().to(answer))
        .default_service(web::to(not_allowed));
    app.service(resource);
}

/// A page that takes something.
fn write<F, R>(app: &mut ServiceConfig, path: &str, handler: F)
where
    F: Fn(HttpRequest, Bytes) -> R + Clone + 'static,
    R: Future<Output = HttpResponse> + 'static,
{
    let answer = move |request: HttpRequest, body: Payload| {
        let handler = handler.clone();
        async move {
            match body::read(body).await {
                Ok(body) => handler(request, body).await,
                Err(answer) => answer,
            }
        }
    };
    app.service(web::resource(path.to_owned()).route(web::post().to(answer)).default_service(web::to(not_allowed)));
}

fn asset(path: &str, request: &HttpRequest) -> HttpResponse {
    assets::file(path, request).unwrap_or_else(|| no_page(request))
}

fn is_api(request: &HttpRequest) -> bool {
    request.path() == "/api" || request.path().starts_with("/api/")
}

async fn nothing(request: HttpRequest) -> HttpResponse {
    if is_api(&request) { failed(404, &format!("nothing is served at {}", request.path())) } else { no_page(&request) }
}

/// For people. What they asked for is not repeated in it.
fn no_page(_: &HttpRequest) -> HttpResponse {
    const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Not found</title></head>\n\
                        <body><h1>There is no such page</h1><p><a href=\"/\">The dashboard</a></p></body></html>\n";
    HttpResponse::build(StatusCode::NOT_FOUND)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(PAGE)
}

async fn not_allowed(request: HttpRequest) -> HttpResponse {
    failed(405, &format!("{} is not possible at {}", request.method(), request.path()))
}
