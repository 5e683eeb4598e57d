//! The handlers.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::metrics::actor_metrics;
use crate::routes::{Health, JsonOf, NotReady, RestoreState, Routes};

/// Puts all routes into an app.
pub(crate) fn configure(app: &mut web::ServiceConfig, routes: &Routes) {
    let health = routes.health.clone();
    page(app, "/api/health", move || {
        let answer = health().map(|Health { total_backend_num, online_backend_num }| {
            json!({
                "total_backend_num": total_backend_num,
                "online_backend_num": online_backend_num,
                "status": "OK",
            })
        });
        std::future::ready(said(answer))
    });
    let tree = routes.tree.clone();
    page(app, "/api/v2/actors", move || {
        let tree = tree.clone();
        async move { answer(StatusCode::OK, &json!(tree.observe().await)) }
    });
    if let Some(restore) = routes.restore.clone() {
        page(app, "/api/v2/get_cluster_snapshot_restore_state", move || {
            let state = match restore() {
                RestoreState::Restoring => "restoring",
                RestoreState::Finished => "finished",
            };
            let said = json!({ "cluster_snapshot_restore_state": state, "status": "OK" });
            std::future::ready(answer(StatusCode::OK, &said))
        });
    }
    let (tree, metrics) = (routes.tree.clone(), routes.metrics.clone());
    page(app, "/metrics", move || {
        let mut text = metrics.as_ref().map(|metrics| metrics()).unwrap_or_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&actor_metrics(&tree.view()));
        let answer = HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(text);
        std::future::ready(answer)
    });
    for (path, json) in &routes.pages {
        let json: JsonOf = json.clone();
        page(app, path, move || {
            let json = json();
            async move { said(json.await) }
        });
    }
    app.default_service(web::to(nothing));
}

/// One page that is only read.
fn page<F, R>(app: &mut web::ServiceConfig, path: &str, handler: F)
where
    F: Fn() -> R + Clone + 'static,
    R: Future<Output = HttpResponse> + 'static,
{
    let resource = web::resource(path.to_owned())
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(not_allowed));
    app.service(resource);
}

fn answer(status: StatusCode, body: &Value) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(body)
}

fn said(said: Result<Value, NotReady>) -> HttpResponse {
    match said {
        Ok(body) => answer(StatusCode::OK, &body),
        Err(NotReady(why)) => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "FAILED", "msg": why })),
    }
}

async fn nothing(request: HttpRequest) -> HttpResponse {
    let msg = format!("nothing is served at {}", request.path());
    answer(StatusCode::NOT_FOUND, &json!({ "status": "FAILED", "msg": msg }))
}

async fn not_allowed(request: HttpRequest) -> HttpResponse {
    let msg = format!("{} is not possible at {}", request.method(), request.path());
    answer(StatusCode::METHOD_NOT_ALLOWED, &json!({ "status": "FAILED", "msg": msg }))
}
