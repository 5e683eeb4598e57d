//! The catalog as a frontend sees it now.

use std::sync::Arc;

use storage_catalog::Catalog;
use tokio::sync::watch;

/// Reads the latest applied catalog. Cloning shares it.
#[derive(Clone)]
pub struct CatalogView {
    read: Arc<dyn Fn() -> Arc<Catalog> + Send + Sync>,
    revisions: watch::Receiver<storage_model::Revision>,
}

impl CatalogView {
    /// A view that reads through `read`; `revisions` tells of every change.
    pub fn new(
        read: impl Fn() -> Arc<Catalog> + Send + Sync + 'static,
        revisions: watch::Receiver<storage_model::Revision>,
    ) -> CatalogView {
        CatalogView { read: Arc::new(read), revisions }
    }

    /// The latest applied catalog.
    pub fn now(&self) -> Arc<Catalog> {
        (self.read)()
    }

    /// Changes with every applied command.
    pub fn revisions(&self) -> watch::Receiver<storage_model::Revision> {
        self.revisions.clone()
    }
}
