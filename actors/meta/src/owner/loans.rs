//! Roots that are lent and borrowed. Whoever borrows one has a lease there on the snapshot that it lives on, renews it while a
//! file of it is needed, and then ends it. Whoever owns the root keeps a snapshot that is leased.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use runtime_actor::{Clock, SystemClock};
use storage_catalog::Catalog;
use storage_model::{SnapshotJob, StorageVolume, UnixMillis, VolumeId};
use storage_snapshot::find;
use storage_snapshot::owner::{self, LEASE_MILLIS, Lease, Owners};
use storage_volume::Volume;
use storage_volume::layout::Layout;

use super::{LOOK_LIMIT, Look};

/// Between two renewals of a lease, which is good for a day.
const RENEW_EVERY: Duration = Duration::from_secs(300);

/// When our leases were renewed.
#[derive(Debug, Default)]
pub(super) struct Loans(HashMap<VolumeId, Instant>);

impl Loans {
    /// The borrowed volumes whose lease this leader has not renewed lately. By its own clock: that of the store may be another.
    pub(super) fn due(&self, catalog: &Catalog, now: Instant) -> HashSet<VolumeId> {
        let is_due = |id: &VolumeId| self.0.get(id).is_none_or(|at| now.saturating_duration_since(*at) >= RENEW_EVERY);
        borrowed_volumes(catalog).map(|volume| volume.id).filter(is_due).collect()
    }

    pub(super) fn renewed(&mut self, volumes: &[VolumeId], at: Instant) {
        self.0.extend(volumes.iter().map(|volume| (*volume, at)));
    }
}

/// What this cluster reads and does not own.
pub(super) fn borrowed_volumes(catalog: &Catalog) -> impl Iterator<Item = &StorageVolume> {
    catalog.volumes().map(AsRef::as_ref).filter(|volume| volume.borrowed.is_some())
}

/// The leases that still bind, when it is `now` by the store's clock.
pub(crate) fn live_leases(owners: &Owners, now: UnixMillis) -> Vec<Lease> {
    let oldest = now.0.saturating_sub(LEASE_MILLIS);
    owners.leases.iter().filter(|lease| lease.written_at.0 > oldest).cloned().collect()
}

/// Whether it asks for this snapshot.
pub(crate) fn is_lease_on(lease: &Lease, job: &SnapshotJob) -> bool {
    lease.loan.snapshot == job.name && job.manifest_cuts().contains(&lease.loan.cut)
}

/// For people.
pub(crate) fn describe_lease(lease: &Lease) -> String {
    let host = lease.facts.as_ref().map_or_else(String::new, |facts| format!(" on host {}", facts.host));
    format!("{} is kept for another cluster, incarnation {}{host}", lease.loan.snapshot, lease.incarnation)
}

impl Look {
    /// Renews our leases, or ends them when no file is needed any more, side by side and not for long.
    pub(super) async fn keep_loans(&self, layout: &Layout) -> Vec<(VolumeId, Result<bool, String>)> {
        let needed = borrowed_volumes(&self.catalog).any(|volume| self.catalog.has_files_in(volume.id));
        let keeps = borrowed_volumes(&self.catalog).map(|spec| async move {
            let kept = tokio::time::timeout(LOOK_LIMIT, self.keep_loan(spec, layout, needed)).await;
            let kept = kept.unwrap_or_else(|_| Err(format!("no answer within {} s", LOOK_LIMIT.as_secs())));
            (spec.id, kept.map_err(|cause| format!("{}: its lease cannot be looked after: {cause}", spec.name)))
        });
        futures::future::join_all(keeps).await
    }

    /// Whether it was renewed.
    async fn keep_loan(&self, spec: &StorageVolume, layout: &Layout, needed: bool) -> Result<bool, String> {
        let Some(loan) = &spec.borrowed else { return Ok(false) };
        let ours = &self.catalog.identity().incarnation;
        let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
        let owners = owner::owner_names(&volume, layout).await.map_err(|e| e.chain())?;
        let is_there = owners.leases.iter().any(|lease| lease.incarnation == *ours && lease.loan == *loan);
        if !needed {
            if is_there {
                owner::end_lease(&volume, layout, ours, loan).await.map_err(|e| e.chain())?;
                let (volume, snapshot) = (&spec.name, &loan.snapshot);
                tracing::info!(
                    volume,
                    snapshot,
                    "nothing of the borrowed volume is needed any more: its lease is ended"
                );
            }
            return Ok(false);
        }
        if is_there && !self.due.contains(&spec.id) {
            return Ok(false);
        }
        owner::lease(&volume, layout, ours, loan, &self.facts).await.map_err(|e| e.chain())?;
        // The owner keeps nothing for a lease that was over: then it may have deleted what is needed.
        let now = owners.now(UnixMillis(SystemClock.now_unix_ms()));
        let was_live = live_leases(&owners, now).iter().any(|lease| lease.incarnation == *ours && lease.loan == *loan);
        if !was_live {
            find::at_cut(&volume, layout, &loan.snapshot, loan.cut).await.map_err(|gone| {
                let (snapshot, cause) = (&loan.snapshot, gone.chain());
                format!(
                    "the lease on snapshot {snapshot} was over for a while, and its owner has not kept it: files that this \
                     cluster borrows may be gone ({cause})"
                )
            })?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use storage_model::{Incarnation, Loan, Revision};

    use super::*;

    #[test]
    fn a_lease_binds_for_a_day_after_its_last_renewal() {
        let loan = Loan { snapshot: "s".to_owned(), cut: Revision(7) };
        let lease = |written_at| Lease {
            incarnation: Incarnation("ab".repeat(16)),
            loan: loan.clone(),
            written_at: UnixMillis(written_at),
            facts: None,
        };
        let owners = Owners { leases: vec![lease(1), lease(2)], ..Owners::default() };
        let live = |now| live_leases(&owners, UnixMillis(now)).len();
        assert_eq!([0, LEASE_MILLIS, LEASE_MILLIS + 1, LEASE_MILLIS + 2].map(live), [2, 2, 1, 0]);
        assert!(describe_lease(&lease(1)).starts_with("s is kept for another cluster, incarnation abab"));
    }

    #[test]
    fn a_lease_is_renewed_long_before_it_ends() {
        assert!(RENEW_EVERY.as_millis() as u64 * 100 < LEASE_MILLIS);
    }
}
