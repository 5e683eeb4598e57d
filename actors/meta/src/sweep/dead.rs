//! What the timelines have left of which this cluster is not: after a restore, all that the lost cluster wrote behind the cut
//! that was restored. It is swept once the careful time is over, but for what snapshots need that were taken there: those are
//! FOREIGN here, and their catalogs say what they need. One that cannot be read spares everything.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use runtime_actor::Pulse;
use storage_catalog::Catalog;
use storage_model::{JobId, JobState, ObjectName, SnapshotJob};
use storage_snapshot::{find, load};
use storage_volume::Volume;
use storage_volume::layout::Layout;

/// To read the catalog of one snapshot.
const READ_LIMIT: Duration = Duration::from_secs(600);
/// Between two signs of life meanwhile.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// The first pause after a catalog that could not be read, doubled by each further one up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LAST_PAUSE: Duration = Duration::from_secs(3600);

/// What the snapshots of other timelines need.
#[derive(Debug, Default)]
pub(super) struct Closure {
    /// Of these.
    jobs: BTreeSet<JobId>,
    objects: HashSet<ObjectName>,
}

impl Closure {
    /// Nothing but these.
    #[cfg(test)]
    pub(super) fn of(objects: impl IntoIterator<Item = ObjectName>) -> Closure {
        Closure { jobs: BTreeSet::new(), objects: objects.into_iter().collect() }
    }

    /// Reads the catalogs of all snapshots of other timelines, one after the other; each with every file that it knows, so
    /// that what they themselves keep for others stays too.
    pub(super) async fn read(catalog: &Catalog, pulse: &Pulse) -> Result<Closure, String> {
        let layout = Layout(catalog.identity().service_id.clone());
        let mut closure = Closure { jobs: foreign(catalog), objects: HashSet::new() };
        for job in closure.jobs.clone() {
            let Some(job) = catalog.job(job) else { continue };
            let past = beating(pulse, tokio::time::timeout(READ_LIMIT, objects_of(catalog, &layout, job))).await;
            let past = past.unwrap_or_else(|_| Err(format!("no end within {} s", READ_LIMIT.as_secs())));
            closure
                .objects
                .extend(past.map_err(|cause| format!("what snapshot {} needs is not known: {cause}", job.name))?);
        }
        Ok(closure)
    }

    pub(super) fn needs(&self, object: &str) -> bool {
        self.objects.contains(object)
    }

    /// Whether other snapshots count by now.
    pub(super) fn is_of(&self, catalog: &Catalog) -> bool {
        self.jobs == foreign(catalog)
    }

    /// How many objects it holds.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }
}

/// The snapshots of other timelines whose manifests may be in a store. There are never more than after a restore.
fn foreign(catalog: &Catalog) -> BTreeSet<JobId> {
    let is_there = |job: &&std::sync::Arc<SnapshotJob>| {
        job.is_foreign() && matches!(job.state, JobState::Finished | JobState::Expired) && !job.abandoned
    };
    catalog.jobs().filter(is_there).map(|job| job.id).collect()
}

/// Work that may take long and is no stall while it is timed.
async fn beating<T>(pulse: &Pulse, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        pulse.beat();
        if let Ok(done) = tokio::time::timeout(BEAT_EVERY, &mut work).await {
            return done;
        }
    }
}

/// How long after so many failures in a row the catalogs are read again: each time all of them.
pub(super) fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LAST_PAUSE)
}

/// Every object that a snapshot of another timeline knows.
async fn objects_of(catalog: &Catalog, layout: &Layout, job: &SnapshotJob) -> Result<HashSet<ObjectName>, String> {
    let spec = catalog.volume(job.volume).ok_or_else(|| format!("volume {} is gone", job.volume))?;
    let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
    let cut = job.cut.ok_or_else(|| "it has no cut".to_owned())?;
    let found = find::at_cut(&volume, layout, &job.name, cut).await.map_err(|e| e.chain())?;
    let past = load(&volume, layout, &found.manifest).await.map_err(|e| e.chain())?;
    // Millions of them, and the catalog that goes: not on a thread that others wait for.
    let objects = move || past.files().map(|file| file.object.to_string()).collect();
    tokio::task::spawn_blocking(objects).await.map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_read_seldom() {
        let minutes = |failures: u32| pause_after(failures).as_secs() / 60;
        assert_eq!([0, 1, 2, 3, 6, 7, 99].map(minutes), [1, 1, 2, 4, 32, 60, 60]);
    }
}
