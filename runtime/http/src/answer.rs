//! The shapes of all answers.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use serde_json::{Value, json};

use crate::login::Refused;
use crate::routes::PageError;

/// JSON that is true now only.
pub(crate) fn json_of(status: u16, body: &Value) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(body)
}

/// `{"status":"FAILED","msg":…}`.
pub(crate) fn failed(status: u16, why: &str) -> HttpResponse {
    json_of(status, &json!({ "status": "FAILED", "msg": why }))
}

/// A request that went no further.
pub(crate) fn refused(Refused(status, why): &Refused) -> HttpResponse {
    let mut answer = failed(*status, why);
    if *status == 429 {
        answer.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("60"));
    }
    answer
}

/// What a page said.
pub(crate) fn said(said: Result<Value, PageError>) -> HttpResponse {
    match said {
        Ok(body) => json_of(200, &body),
        Err(PageError::Bad(why, Some(code))) => json_of(400, &json!({ "status": "FAILED", "msg": why, "code": code })),
        Err(PageError::Bad(why, None)) => failed(400, &why),
        Err(PageError::Forbidden(why)) => failed(403, &why),
        Err(PageError::NotFound(why)) => failed(404, &why),
        Err(PageError::NotReady(why)) => failed(503, &why),
    }
}
