//! What is served: closures that a role fills in.

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use runtime_actor::Tree;
use serde_json::Value;

/// The node cannot do its work now; answered with 503 and these words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReady(pub String);

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
pub(crate) type MetricsOf = Arc<dyn Fn() -> String + Send + Sync>;
pub(crate) type JsonOf = Arc<dyn Fn() -> BoxFuture<'static, Result<Value, NotReady>> + Send + Sync>;

/// What a node serves. The tree of actors and its metrics always; the rest as it is filled in.
#[derive(Clone)]
pub struct Routes {
    pub(crate) tree: Tree,
    pub(crate) health: HealthOf,
    pub(crate) restore: Option<RestoreOf>,
    pub(crate) metrics: Option<MetricsOf>,
    pub(crate) pages: Vec<(String, JsonOf)>,
}

impl Routes {
    /// `GET /api/health`, `GET /api/v2/actors` and `GET /metrics` with the actors' numbers.
    pub fn new(tree: Tree, health: impl Fn() -> Result<Health, NotReady> + Send + Sync + 'static) -> Self {
        Self { tree, health: Arc::new(health), restore: None, metrics: None, pages: Vec::new() }
    }

    /// Also `GET /api/v2/get_cluster_snapshot_restore_state`.
    #[must_use]
    pub fn restore_state(mut self, state: impl Fn() -> RestoreState + Send + Sync + 'static) -> Self {
        self.restore = Some(Arc::new(state));
        self
    }

    /// Puts more lines of Prometheus text before those of the actors.
    #[must_use]
    pub fn metrics(mut self, text: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.metrics = Some(Arc::new(text));
        self
    }

    /// Also `GET path`, answered with JSON.
    #[must_use]
    pub fn json<F, R>(mut self, path: impl Into<String>, page: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, NotReady>> + Send + 'static,
    {
        self.pages.push((path.into(), Arc::new(move || page().boxed())));
        self
    }
}
