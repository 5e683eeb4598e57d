//! What the timelines have left of which this cluster is not: after a restore, all that the lost cluster wrote behind the cut
//! that was restored. It is swept once the careful time is over, but for what snapshots need that were taken there: those are
//! FOREIGN here, and their catalogs say what they need. One that cannot be read spares everything.

use std::collections::{BTreeSet, HashSet};

use storage_catalog::Catalog;
use storage_model::{JobId, JobState, ObjectName, SnapshotJob};
use storage_snapshot::{find, load};
use storage_volume::Volume;
use storage_volume::layout::Layout;

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
    pub(super) async fn read(catalog: &Catalog) -> Result<Closure, String> {
        let layout = Layout(catalog.identity().service_id.clone());
        let mut closure = Closure { jobs: foreign(catalog), objects: HashSet::new() };
        for job in closure.jobs.clone() {
            let Some(job) = catalog.job(job) else { continue };
            let past = read(catalog, &layout, job).await;
            let past = past.map_err(|cause| format!("what snapshot {} needs is not known: {cause}", job.name))?;
            closure.objects.extend(past.files().map(|file| file.object.clone()));
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

async fn read(catalog: &Catalog, layout: &Layout, job: &SnapshotJob) -> Result<Catalog, String> {
    let spec = catalog.volume(job.volume).ok_or_else(|| format!("volume {} is gone", job.volume))?;
    let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
    let cut = job.cut.ok_or_else(|| "it has no cut".to_owned())?;
    let found = find::at_cut(&volume, layout, &job.name, cut).await.map_err(|e| e.chain())?;
    load(&volume, layout, &found.manifest).await.map_err(|e| e.chain())
}
