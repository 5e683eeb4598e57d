//! `POST /api/v2/login`, `POST /api/v2/logout`, `GET /api/v2/session`.

use std::time::Instant;

use actix_web::http::header::{HeaderValue, InvalidHeaderValue, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::{Caller, Gate, Refused, headers};
use crate::answer::{json_of, refused};

#[derive(Deserialize)]
struct Credentials {
    user: String,
    #[serde(default)]
    password: String,
}

/// A new session, whatever there was before.
pub(crate) async fn log_in(gate: &Gate, request: &HttpRequest, body: &[u8]) -> HttpResponse {
    match begin(gate, request, body).await {
        Ok((id, caller)) => {
            let mut answer = json_of(200, &gate.facts(&caller));
            match cookie(gate, &id, "") {
                Ok(cookie) => answer.headers_mut().insert(SET_COOKIE, cookie),
                Err(error) => return refused(&Refused::new(500, format!("a cookie that is no header: {error}"))),
            };
            answer
        }
        Err(why) => refused(&why),
    }
}

async fn begin(gate: &Gate, request: &HttpRequest, body: &[u8]) -> Result<(String, Caller), Refused> {
    headers::check_post(request)?;
    // Not the parser's words: they may quote the password.
    let credentials: Credentials =
        serde_json::from_slice(body).map_err(|_| Refused::new(400, "the body must be {\"user\", \"password\"}"))?;
    gate.check(request, &credentials.user, credentials.password).await?;
    if let Some(before) = headers::cookie(request, &gate.cookie) {
        gate.sessions.end(&before);
    }
    let (id, session) = gate.sessions.begin(&credentials.user, Instant::now());
    tracing::info!(user = credentials.user, from = %super::address(request), "login over HTTP");
    let (user, from) = (credentials.user, super::address(request));
    Ok((id.clone(), Caller { user, from, session: Some((id, session)) }))
}

/// No script reads it, and no other site's page sends it.
fn cookie(gate: &Gate, value: &str, more: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_str(&format!("{}={value}; HttpOnly; SameSite=Strict; Path=/{more}", gate.cookie))
}

/// Ends the session.
pub(crate) async fn log_out(gate: &Gate, request: &HttpRequest) -> HttpResponse {
    match gate.admit(request).await {
        Ok(Caller { session, .. }) => {
            if let Some((id, _)) = session {
                gate.sessions.end(&id);
            }
            let mut answer = json_of(200, &serde_json::json!({ "status": "OK" }));
            // An answer without the removal is as good: the session is over.
            if let Ok(gone) = cookie(gate, "", "; Max-Age=0") {
                answer.headers_mut().insert(SET_COOKIE, gone);
            }
            answer
        }
        Err(why) => refused(&why),
    }
}

/// Who is logged in, and where.
pub(crate) async fn who(gate: &Gate, request: &HttpRequest) -> HttpResponse {
    match gate.admit(request).await {
        Ok(caller) => json_of(200, &gate.facts(&caller)),
        Err(why) => refused(&why),
    }
}
