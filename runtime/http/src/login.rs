//! Who is let in: a session's cookie, or HTTP Basic on every request; and what a request must show to change something.
//!
//! | request | must have |
//! |---|---|
//! | `GET` below `/api/v2` | the session's cookie, or Basic |
//! | `POST` | besides: `Content-Type: application/json`; an `Origin`, if any, that is our own; and the session's token in `X-CSRF-Token`, or Basic and no cookie |
//!
//! We never ask a browser for Basic (no `WWW-Authenticate`), so no browser sends it by itself.

mod answers;
mod headers;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::Method;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::runtime::Handle;

pub(crate) use self::answers::{log_in, log_out, who};
use crate::sessions::{Failures, Session, Sessions};

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Unknown user or wrong password: 401. Which of the two is not said.
    #[error("Access denied: unknown user or wrong password")]
    Wrong,
    /// The user is known but lacks OPERATE: 403.
    #[error("{0}")]
    NotAllowed(String),
    /// It cannot be found out now: 503.
    #[error("{0}")]
    Unavailable(String),
}

/// What a page is told about the node that it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// `fe:host:port` or `cn:host:port`.
    pub node: String,
    /// `fe` or `cn`.
    pub role: String,
    /// The product's version.
    pub version: String,
    /// Once it is known.
    pub cluster_id: Option<String>,
}

/// Decides who is let in.
pub trait Guard: Send + Sync + 'static {
    /// Whether this is the user's password and the user, from there, may OPERATE. Takes as long for an unknown user as for a
    /// known one.
    fn check(&self, user: String, password: String, from: IpAddr) -> BoxFuture<'static, Result<(), Denied>>;

    /// Whether a user who has logged in before still may. A node that has no users of its own cannot know.
    fn still_may(&self, _user: &str, _from: IpAddr) -> Result<(), Denied> {
        Ok(())
    }

    /// The node.
    fn facts(&self) -> NodeFacts;

    /// Whether the node has this host name, in lower case.
    fn has_name(&self, _host: &str) -> bool {
        false
    }
}

/// Who asks, once let in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: String,
    pub(crate) from: IpAddr,
    /// None: Basic.
    pub(crate) session: Option<(String, Session)>,
}

/// Why a request goes no further: a status and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) u16, pub(crate) String);

impl Refused {
    fn new(status: u16, why: impl Into<String>) -> Refused {
        Refused(status, why.into())
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Refused {
        let status = match denied {
            Denied::Wrong => 401,
            Denied::NotAllowed(_) => 403,
            Denied::Unavailable(_) => 503,
        };
        Refused(status, denied.to_string())
    }
}

/// The guard with the sessions that it has let in.
pub(crate) struct Gate {
    guard: Arc<dyn Guard>,
    cookie: String,
    sessions: Sessions,
    failures: Failures,
    runtime: Handle,
}

impl Gate {
    pub(crate) fn new(guard: Arc<dyn Guard>, cookie: String, runtime: Handle) -> Gate {
        Gate { guard, cookie, sessions: Sessions::default(), failures: Failures::default(), runtime }
    }

    /// Who sends this request, or why it goes no further.
    pub(crate) async fn admit(&self, request: &HttpRequest) -> Result<Caller, Refused> {
        let changes = request.method() != Method::GET && request.method() != Method::HEAD;
        if changes {
            headers::check_post(request)?;
        }
        if let Some(id) = headers::cookie(request, &self.cookie)
            && let Some(session) = self.sessions.find(&id, Instant::now())
        {
            if changes && !headers::has_token(request, &session.csrf) {
                return Err(Refused::new(403, "the header X-CSRF-Token is missing or is not this session's"));
            }
            self.guard.still_may(&session.user, address(request))?;
            let (user, from) = (session.user.clone(), address(request));
            return Ok(Caller { user, from, session: Some((id, session)) });
        }
        match headers::basic(request) {
            Some(_) if changes && headers::has_cookie(request) => {
                Err(Refused::new(403, "a request with a cookie changes nothing without a session and its X-CSRF-Token"))
            }
            Some((user, password)) => {
                self.check(request, &user, password).await?;
                Ok(Caller { user, from: address(request), session: None })
            }
            None => Err(Refused::new(401, "log in first: POST /api/v2/login, or HTTP Basic with a MySQL user's name")),
        }
    }

    /// Whether the caller's session still lives; its use prolongs it.
    pub(crate) fn is_still_in(&self, caller: &Caller) -> bool {
        let lives = caller.session.as_ref().is_none_or(|(id, _)| self.sessions.find(id, Instant::now()).is_some());
        lives && self.guard.still_may(&caller.user, caller.from).is_ok()
    }

    async fn check(&self, request: &HttpRequest, user: &str, password: String) -> Result<(), Refused> {
        let from = address(request);
        if !self.failures.attempt(from, Instant::now()) {
            return Err(Refused::new(429, "too many failed logins from this address: wait a minute"));
        }
        self.check_name(request, &password)?;
        let (guard, named) = (self.guard.clone(), user.to_owned());
        let check = self.runtime.spawn(async move { guard.check(named, password, from).await });
        let checked = match tokio_util::task::AbortOnDropHandle::new(check).await {
            Ok(checked) => checked,
            Err(error) => Err(Denied::Unavailable(format!("the login could not be checked: {error}"))),
        };
        match &checked {
            Err(Denied::Wrong) => tracing::info!(user, %from, "login over HTTP denied"),
            _ => self.failures.was_right(from),
        }
        Ok(checked?)
    }

    /// A user without a password is let in under names only that no stranger's DNS can point at us: otherwise any web page
    /// that somebody near us looks at could move its own name to our address and log in.
    fn check_name(&self, request: &HttpRequest, password: &str) -> Result<(), Refused> {
        let host = headers::host_name(request);
        if !password.is_empty() || headers::is_private_name(&host) || self.guard.has_name(&host) {
            return Ok(());
        }
        self.failures.was_right(address(request));
        let why =
            format!("an empty password is not taken under the name {host:?}: use this node's address, or set one");
        Err(Refused(403, why))
    }

    fn facts(&self, caller: &Caller) -> Value {
        let NodeFacts { node, role, version, cluster_id } = self.guard.facts();
        let csrf = caller.session.as_ref().map(|(_, session)| session.csrf.as_str());
        json!({
            "user": caller.user, "csrf": csrf, "node": node, "role": role, "version": version, "cluster_id": cluster_id,
        })
    }
}

/// Where a request comes from. Not from a header: anybody can write those.
pub(crate) fn address(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip())
}
