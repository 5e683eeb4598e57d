//! Read points: which revisions running queries read, so that GC leaves their files alone; and the lease under which a
//! frontend may read at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use storage_catalog::Catalog;
use storage_model::Revision;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long a frontend may read after it has last heard from the leader. What it shows is never older.
pub const READ_LEASE: Duration = Duration::from_secs(30);
/// How long the leader minds the queries of a frontend that it does not hear from: longer than its lease, by all that clocks
/// and messages under way may differ.
pub const READ_LEASE_OF_OTHERS: Duration = Duration::from_secs(45);

/// Under which a frontend reads: renewed by every heartbeat of the leader; without end on the leader itself. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ReadLease {
    until: Arc<watch::Sender<Lease>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lease {
    /// The leader was never heard.
    Never,
    /// Until then.
    Until(Instant),
    /// This frontend leads.
    Leading,
}

impl Default for ReadLease {
    fn default() -> ReadLease {
        ReadLease { until: Arc::new(watch::Sender::new(Lease::Never)) }
    }
}

impl ReadLease {
    /// This frontend leads.
    pub fn lead(&self) {
        self.until.send_replace(Lease::Leading);
    }

    /// This frontend has everything that the leader had at that moment. Never shortens the lease.
    pub fn renew(&self, fresh_at: Instant) {
        let until = Lease::Until(fresh_at + READ_LEASE);
        self.until.send_if_modified(|lease| {
            let is_longer = match (*lease, until) {
                (Lease::Until(old), Lease::Until(new)) => new > old,
                (Lease::Never, _) => true,
                // Only its own end ends that.
                (Lease::Leading, _) | (_, Lease::Leading | Lease::Never) => false,
            };
            if is_longer {
                *lease = until;
            }
            is_longer
        });
    }

    /// It leads no more.
    pub fn follow(&self) {
        let until = Lease::Until(Instant::now() + READ_LEASE);
        self.until.send_if_modified(|lease| {
            let has_led = *lease == Lease::Leading;
            if has_led {
                *lease = until;
            }
            has_led
        });
    }

    /// Whether it may read now; if not, why.
    pub fn check(&self) -> Result<(), String> {
        match *self.until.borrow() {
            Lease::Leading => Ok(()),
            Lease::Until(until) if Instant::now() < until => Ok(()),
            Lease::Until(_) => Err(format!("it has not kept up with the leader for {} s", READ_LEASE.as_secs())),
            Lease::Never => Err("it has not heard from the leader yet".to_owned()),
        }
    }

    /// Returns when it may not read any more.
    pub async fn lapsed(&self) {
        let mut changes = self.until.subscribe();
        loop {
            let now = *changes.borrow_and_update();
            match now {
                Lease::Never => return,
                Lease::Leading => drop(changes.changed().await),
                Lease::Until(until) => tokio::select! {
                    () = sleep_until(until) => if *changes.borrow() == now { return },
                    _ = changes.changed() => {}
                },
            }
        }
    }

    /// Waits until it may read, for so long at most.
    pub async fn wait(&self, limit: Duration) -> Result<(), String> {
        let mut changes = self.until.subscribe();
        if self.check().is_err() {
            // A sender is held here: it cannot fail but by the time-out.
            let _ = tokio::time::timeout(
                limit,
                changes.wait_for(|lease| match lease {
                    Lease::Leading => true,
                    Lease::Until(until) => Instant::now() < *until,
                    Lease::Never => false,
                }),
            )
            .await;
        }
        self.check()
    }
}

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
    #[tokio::test(start_paused = true)]
    async fn a_frontend_reads_under_a_lease() {
        let lease = ReadLease::default();
        assert!(lease.check().unwrap_err().contains("yet"));
        lease.lapsed().await;
        lease.renew(Instant::now());
        lease.check().unwrap();
        let began = Instant::now();
        // An older word does not shorten it.
        lease.renew(began.checked_sub(Duration::from_secs(20)).unwrap());
        lease.lapsed().await;
        assert_eq!(began.elapsed(), READ_LEASE);
        assert!(lease.check().unwrap_err().contains("30 s"));
        lease.lead();
        lease.renew(began);
        tokio::time::sleep(READ_LEASE * 2).await;
        lease.check().unwrap();
        lease.follow();
        lease.check().unwrap();
        lease.lapsed().await;
        assert!(lease.wait(Duration::from_secs(1)).await.is_err());
    }

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
