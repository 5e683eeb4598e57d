//! What is served: closures that a role fills in.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use runtime_actor::{Tree, TreeView};
use serde_json::Value;

use crate::login::Guard;
use crate::prometheus::Family;

/// The node cannot do its work now; answered with 503 and these words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReady(pub String);

/// Why a page has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The request makes no sense: 400. With the MySQL code, when a statement failed.
    #[error("{0}")]
    Bad(String, Option<u16>),
    /// There is no such thing: 404.
    #[error("{0}")]
    NotFound(String),
    /// The user may not: 403.
    #[error("{0}")]
    Forbidden(String),
    /// The node cannot answer now: 503.
    #[error("{0}")]
    NotReady(String),
}

impl From<NotReady> for PageError {
    fn from(NotReady(why): NotReady) -> PageError {
        PageError::NotReady(why)
    }
}

/// One request, as a page sees it.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Who asks; empty on pages without login.
    pub user: String,
    /// From where.
    pub from: Option<IpAddr>,
    /// Of the query and of the path (`{id}`).
    pub parameters: BTreeMap<String, String>,
    /// The JSON that was posted; null otherwise.
    pub body: Value,
}

impl Asked {
    /// A parameter that is there and not empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that is a number, if it is there.
    pub fn number(&self, name: &str) -> Result<Option<u64>, PageError> {
        let Some(text) = self.parameter(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| PageError::Bad(format!("{name} = {text:?} is not a number"), None))
    }
}

/// What `/api/health` says of a node that is ready, in StarRocks' terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Compute nodes that belong to the cluster.
    pub total_backend_num: usize,
    /// Those of them that are alive.
    pub online_backend_num: usize,
}

/// What `/api/v2/get_cluster_snapshot_restore_state` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreState {
    /// The node restores the cluster from a snapshot.
    Restoring,
    /// It does not, or not any more.
    Finished,
}

pub(crate) type HealthOf = Arc<dyn Fn() -> Result<Health, NotReady> + Send + Sync>;
pub(crate) type RestoreOf = Arc<dyn Fn() -> RestoreState + Send + Sync>;
pub(crate) type MetricsOf = Arc<dyn Fn(&TreeView) -> Vec<Family> + Send + Sync>;
pub(crate) type PageOf = Arc<dyn Fn(Asked) -> BoxFuture<'static, Result<Value, PageError>> + Send + Sync>;

fn page_of<F, R>(page: F) -> PageOf
where
    F: Fn(Asked) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, PageError>> + Send + 'static,
{
    Arc::new(move |asked| page(asked).boxed())
}

/// What a node serves. Health and metrics always; the rest as it is filled in.
#[derive(Clone)]
pub struct Routes {
    pub(crate) tree: Tree,
    pub(crate) health: HealthOf,
    pub(crate) restore: Option<RestoreOf>,
    pub(crate) metrics: Option<MetricsOf>,
    pub(crate) open: Vec<(String, PageOf)>,
    pub(crate) guard: Option<Arc<dyn Guard>>,
    pub(crate) cookie: String,
    pub(crate) pages: Vec<(String, PageOf)>,
    pub(crate) actions: Vec<(String, PageOf)>,
    pub(crate) topics: Vec<(String, PageOf)>,
}

impl Routes {
    /// `GET /api/health`, `GET /metrics` with the actors' numbers, and the dashboard's files.
    pub fn new(tree: Tree, health: impl Fn() -> Result<Health, NotReady> + Send + Sync + 'static) -> Self {
        Self {
            tree,
            health: Arc::new(health),
            restore: None,
            metrics: None,
            open: Vec::new(),
            guard: None,
            cookie: "starkeep_session".to_owned(),
            pages: Vec::new(),
            actions: Vec::new(),
            topics: Vec::new(),
        }
    }

    /// Also `GET /api/v2/get_cluster_snapshot_restore_state`.
    #[must_use]
    pub fn restore_state(mut self, state: impl Fn() -> RestoreState + Send + Sync + 'static) -> Self {
        self.restore = Some(Arc::new(state));
        self
    }

    /// Puts more families of metrics before those of the actors. They may be read off the actors' states.
    #[must_use]
    pub fn metrics(mut self, families: impl Fn(&TreeView) -> Vec<Family> + Send + Sync + 'static) -> Self {
        self.metrics = Some(Arc::new(families));
        self
    }

    /// Also `GET path`, answered with JSON to everybody.
    #[must_use]
    pub fn open<F, R>(mut self, path: impl Into<String>, page: F) -> Self
    where
        F: Fn(Asked) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, PageError>> + Send + 'static,
    {
        self.open.push((path.into(), page_of(page)));
        self
    }

    /// Who may see what follows. The cookie's name should be this port's own: browsers do not keep the cookies of two
    /// ports of one host apart. Without a guard [`Routes::get`], [`Routes::post`] and [`Routes::topic`] serve nothing.
    #[must_use]
    pub fn guard(mut self, guard: impl Guard, cookie: impl Into<String>) -> Self {
        self.guard = Some(Arc::new(guard));
        self.cookie = cookie.into();
        self
    }

    /// Also `GET path`, answered with JSON to those who are logged in. The path may have parts such as `{id}`.
    #[must_use]
    pub fn get<F, R>(mut self, path: impl Into<String>, page: F) -> Self
    where
        F: Fn(Asked) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, PageError>> + Send + 'static,
    {
        self.pages.push((path.into(), page_of(page)));
        self
    }

    /// Also `POST path` with a JSON body: it may change something, so the request must come from our own page.
    #[must_use]
    pub fn post<F, R>(mut self, path: impl Into<String>, page: F) -> Self
    where
        F: Fn(Asked) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, PageError>> + Send + 'static,
    {
        self.actions.push((path.into(), page_of(page)));
        self
    }

    /// Also the topic of `GET /api/v2/live?topics=…`: asked for every second while somebody listens.
    #[must_use]
    pub fn topic<F, R>(mut self, name: impl Into<String>, page: F) -> Self
    where
        F: Fn(Asked) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, PageError>> + Send + 'static,
    {
        self.topics.push((name.into(), page_of(page)));
        self
    }
}
