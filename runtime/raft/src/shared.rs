//! What the state machine shows to the rest of the process: the applied catalog, its revision, the frozen cuts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use storage_catalog::Catalog;
use storage_model::{JobId, Revision};
use tokio::sync::watch;

use crate::types::LogId;

/// More frozen views than this are never kept: each further one holds the structure that later revisions replaced.
const MAX_FROZEN: usize = 4;

/// Written by the state machine alone, read by everybody.
pub(crate) struct Shared {
    view: ArcSwap<Catalog>,
    revision: watch::Sender<Revision>,
    applied: Mutex<Option<LogId>>,
    frozen: Mutex<BTreeMap<Revision, (JobId, Arc<Catalog>)>>,
}

impl Shared {
    pub(crate) fn new(catalog: &Catalog, applied: Option<LogId>) -> Shared {
        let (revision, _) = watch::channel(catalog.revision());
        let shared = Shared {
            view: ArcSwap::from_pointee(catalog.clone()),
            revision,
            applied: Mutex::new(applied),
            frozen: Mutex::default(),
        };
        shared.freeze_if_cut(catalog);
        shared
    }

    fn frozen_views(&self) -> MutexGuard<'_, BTreeMap<Revision, (JobId, Arc<Catalog>)>> {
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to here is applied: shows it.
    pub(crate) fn publish(&self, catalog: &Catalog, applied: Option<LogId>) {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = applied;
        self.view.store(Arc::new(catalog.clone()));
        self.thaw(catalog);
        self.revision.send_if_modified(|revision| {
            let changed = *revision != catalog.revision();
            *revision = catalog.revision();
            changed
        });
    }

    /// Keeps the catalog as it is, as the cut of a job.
    pub(crate) fn freeze(&self, job: JobId, catalog: &Catalog) {
        let mut frozen = self.frozen_views();
        frozen.insert(catalog.revision(), (job, Arc::new(catalog.clone())));
        while frozen.len() > MAX_FROZEN {
            frozen.pop_first();
        }
    }

    /// An image can be the very revision of a cut.
    pub(crate) fn freeze_if_cut(&self, catalog: &Catalog) {
        for job in catalog.jobs().filter(|job| job.state.is_unfinished()) {
            if job.cuts.contains(&catalog.revision()) {
                self.freeze(job.id, catalog);
            }
        }
    }

    /// Drops the views of jobs that are over.
    fn thaw(&self, catalog: &Catalog) {
        let mut frozen = self.frozen_views();
        if !frozen.is_empty() {
            frozen.retain(|_, (job, _)| catalog.job(*job).is_some_and(|job| job.state.is_unfinished()));
        }
    }

    pub(crate) fn view(&self) -> Arc<Catalog> {
        self.view.load_full()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    pub(crate) fn applied(&self) -> Option<LogId> {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn frozen(&self, cut: Revision) -> Option<Arc<Catalog>> {
        self.frozen_views().get(&cut).map(|(_, catalog)| catalog.clone())
    }
}
