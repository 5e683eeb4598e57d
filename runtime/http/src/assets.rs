//! The dashboard's files, which are inside the executable.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};

include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// Path to bytes and their tag.
static BY_PATH: LazyLock<BTreeMap<&str, (&[u8], String)>> =
    LazyLock::new(|| FILES.iter().map(|(path, bytes)| (*path, (*bytes, tag(bytes)))).collect());

fn tag(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("\"{:016x}\"", hasher.finish())
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

/// A file of the dashboard; None when there is none of that name.
pub(crate) fn file(path: &str, request: &HttpRequest) -> Option<HttpResponse> {
    if let Some(answer) = from_directory(path) {
        return Some(answer);
    }
    let (bytes, tag) = BY_PATH.get(path)?;
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut answer = match known {
        Some(known) if known == tag => HttpResponse::NotModified(),
        _ => HttpResponse::Ok(),
    };
    // Asked for again every time, sent again only after an upgrade.
    answer.insert_header((ETAG, tag.as_str())).insert_header((CACHE_CONTROL, "no-cache"));
    Some(match known {
        Some(known) if known == tag => answer.finish(),
        _ => answer.insert_header((CONTENT_TYPE, media_type(path))).body(*bytes),
    })
}

/// For whoever works on the dashboard: unoptimised builds read the files from `STARKEEP_DASHBOARD_DIR`, if that is set.
#[cfg(debug_assertions)]
fn from_directory(path: &str) -> Option<HttpResponse> {
    let directory = std::env::var_os("STARKEEP_DASHBOARD_DIR")?;
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return None;
    }
    let bytes = std::fs::read(std::path::Path::new(&directory).join(path)).ok()?;
    let answer = HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, media_type(path)))
        .body(bytes);
    Some(answer)
}

#[cfg(not(debug_assertions))]
fn from_directory(_: &str) -> Option<HttpResponse> {
    None
}
