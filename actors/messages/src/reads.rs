//! Read points: which revisions running queries read, so that GC leaves their files alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use storage_catalog::Catalog;
use storage_model::Revision;

/// The read points of one frontend. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct ReadPoints {
    running: Arc<Mutex<BTreeMap<Revision, u32>>>,
}

/// A running query's hold on the revision it reads; dropped with the query.
#[derive(Debug)]
pub struct ReadPoint {
    points: ReadPoints,
    revision: Revision,
}

impl ReadPoints {
    /// Takes the catalog from `read` and holds its revision. Under one lock with [`ReadPoints::oldest`], so that GC never
    /// looks between the two.
    pub fn begin(&self, read: impl FnOnce() -> Arc<Catalog>) -> (Arc<Catalog>, ReadPoint) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = read();
        let revision = catalog.revision();
        *running.entry(revision).or_default() += 1;
        (catalog, ReadPoint { points: self.clone(), revision })
    }

    /// The oldest revision that a running query reads; with none, that of `read`.
    pub fn oldest(&self, read: impl FnOnce() -> Arc<Catalog>) -> Revision {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.keys().next().copied().unwrap_or_else(|| read().revision())
    }
}

impl Drop for ReadPoint {
    fn drop(&mut self) {
        let mut running = self.points.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.revision) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.revision);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use storage_catalog::ClusterIdentity;
    use storage_model::{ClusterId, Epoch, Incarnation, ServiceId, UnixMillis};

    use super::*;

    fn catalog(revision: u64) -> Arc<Catalog> {
        let identity = ClusterIdentity {
            cluster_id: ClusterId(1),
            token: String::new(),
            service_id: ServiceId("s".into()),
            incarnation: Incarnation("i".into()),
            epoch: Epoch(1),
        };
        let mut catalog = Catalog::genesis(identity, UnixMillis(0));
        catalog.header.revision = Revision(revision);
        Arc::new(catalog)
    }

    #[test]
    fn the_oldest_running_query_counts() {
        let points = ReadPoints::default();
        let (_, old) = points.begin(|| catalog(5));
        let (_, also_old) = points.begin(|| catalog(5));
        let (_, _new) = points.begin(|| catalog(9));
        drop(old);
        assert_eq!(points.oldest(|| catalog(20)), Revision(5));
        drop(also_old);
        assert_eq!(points.oldest(|| catalog(20)), Revision(9));
        drop(_new);
        assert_eq!(points.oldest(|| catalog(20)), Revision(20));
    }
}
