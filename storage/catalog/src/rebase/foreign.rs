//! Snapshots of other timelines. A restore finds manifests in the store of which its catalog knows nothing: most often those
//! that the lost cluster wrote after the cut that is restored. Each becomes a row of kind FOREIGN, and what it needs is kept
//! until that row is dropped: whoever has restored the wrong snapshot can still restore the right one.
//!
//! # What is kept
//!
//! Let `C` be the revision of the past that becomes the new cluster, and `m` that of a manifest.
//!
//! 1. A cluster deletes only files that its catalog names. What only the other timeline knew is safe without a pin, and stays
//!    until a sweep of orphans takes it.
//! 2. Both timelines are one up to some revision `F`, with `F <= C` and `F <= m`. Behind it each went its own way, and no two
//!    of them ever give a file the same name: a file that both know was created at or before `F`.
//! 3. A file whose last reference is gone gets one again only by RESTORE TABLE, from a snapshot that keeps it, and then its
//!    life goes on. If that has not happened behind `F` to what the manifest names, then that had a reference at `F` too, and
//!    its life in `C` holds `F`.
//!
//! So a pin at `F` is enough, and never one at `m` itself: behind `F` the same number is another moment, and the new timeline
//! will draw it once more.
//!
//! - A manifest of the same incarnation is on the same line: `F` is `min(m, C)`, one pin, exactly what is needed.
//! - But where a file has come back behind `C`, the manifest may name one whose life has ended in `C`. What brought it back
//!   was a snapshot that was restorable then; if that had its cut behind `C`, the file had a reference at `C`; else it was one
//!   that `C` knows, restorable or running, and the file's life in `C` holds one of its pins. So these are pinned as well. The
//!   manifest tells when a file last came back: others are not kept for nothing.
//! - For one of another incarnation nothing tells where the lines have parted; the cluster may have been restored several
//!   times in between. `F` lies somewhere up to `min(m, C)`, so every life that began by then is kept: a pin at `min(m, C)`
//!   hits those that went on behind it, and the fewest further pins that hit all the others. These were garbage already when
//!   the past was cut, and few: the little that is kept for nothing goes with the row.
//!
//! The pins stay true for ever: what the new cluster creates begins behind `C`, where no pin is, and the lives of what it has
//! got from the past begin where they began, and end no earlier. So a row is copied through images, and further restores, as it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use storage_model::{Incarnation, JobId, JobState, Revision, SnapshotJob, SnapshotKind, UnixMillis, VolumeId};

use crate::catalog::Catalog;

/// What SHOW says beside such a row.
const FOUND: &str = "a snapshot of another timeline, found when the cluster was restored";

/// A manifest that can be restored, as it was found in a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentManifest {
    /// The snapshot's name.
    pub name: String,
    /// The revision that it shows, of its own timeline.
    pub cut: Revision,
    /// Who took it.
    pub incarnation: Incarnation,
    /// Tablet and worker commands applied up to the cut.
    pub starmgr_id: u64,
    /// What it says that its hash is.
    pub sha256: String,
    /// Of manifest and sections.
    pub bytes: u64,
    /// When its job began.
    pub created_at: UnixMillis,
    /// When its upload ended, or else the moment that it shows.
    pub finished_at: UnixMillis,
    /// COMMENT 'text'.
    pub comment: String,
    /// When, up to the cut, a file last came back into use whose life had ended.
    pub revived_at: Option<Revision>,
}

impl PresentManifest {
    /// Whether it is that of the job. A name and a cut alone say too little: timelines share both.
    pub(super) fn is_of(&self, job: &SnapshotJob) -> bool {
        matches!(job.state, JobState::Finished | JobState::Expired)
            && (&job.name, job.cut, &job.sha256) == (&self.name, Some(self.cut), &self.sha256)
    }
}

/// A row for a manifest in a volume, unless a job has it already. `past` is what `next` was made of.
pub(super) fn list(next: &mut Catalog, past: &Catalog, volume: VolumeId, manifest: &PresentManifest, now: UnixMillis) {
    if next.jobs.values().any(|job| manifest.is_of(job)) {
        return;
    }
    // A name is one snapshot. A row that is over would also tell the next manifest that its cuts are dead, and so this one.
    let former: Vec<JobId> =
        next.jobs.values().filter(|j| j.name == manifest.name && j.state.is_final()).map(|j| j.id).collect();
    for id in former {
        next.jobs.remove(&id);
    }
    let cuts = pins(past, manifest);
    spare(next, &cuts);
    let id = JobId(next.header.next_id);
    next.header.next_id += 1;
    let root = next.volumes.get(&volume).map_or("", |known| known.location.trim_end_matches('/'));
    let mut job = SnapshotJob {
        id,
        name: manifest.name.clone(),
        kind: SnapshotKind::Foreign,
        volume,
        path: format!("{root}/{}/meta/image/{}", next.header.identity.service_id, manifest.name),
        state: JobState::Finished,
        created_at: manifest.created_at,
        created_uptime: next.header.uptime,
        finished_at: Some(manifest.finished_at),
        cuts,
        cut: Some(manifest.cut),
        starmgr_id: manifest.starmgr_id,
        sha256: manifest.sha256.clone(),
        bytes: manifest.bytes,
        detail: FOUND.to_owned(),
        error: String::new(),
        comment: manifest.comment.clone(),
        history: Vec::new(),
        cancelled: false,
        expired_uptime: None,
        abandoned: false,
    };
    job.enter(JobState::Finished, now, next.header.revision);
    next.jobs.insert(id, Arc::new(job));
}

/// The revisions of the past that keep whatever the manifest may need, rising.
fn pins(past: &Catalog, manifest: &PresentManifest) -> Vec<Revision> {
    let last = manifest.cut.min(past.revision());
    let mut pins: Vec<Revision> = Vec::new();
    if manifest.incarnation != past.identity().incarnation {
        // In the order of their ends: the last moment of the first life that is not hit yet hits as many as any can.
        for (removed, id) in past.removed.iter().take_while(|(removed, _)| *removed <= last) {
            let created = past.files.get(id).map_or(*removed, |file| file.created_at);
            if created < *removed && pins.last().is_none_or(|pin| *pin < created) {
                pins.push(Revision(removed.0 - 1));
            }
        }
    } else if manifest.revived_at.is_some_and(|at| at > past.revision()) {
        let may_bring_back = |job: &&Arc<SnapshotJob>| matches!(job.state, JobState::Snapshoting | JobState::Finished);
        let known = past.jobs.values().filter(may_bring_back).flat_map(|job| job.pins().iter().copied());
        let earlier: BTreeSet<Revision> = known.filter(|pin| *pin < last).collect();
        pins.extend(earlier);
    }
    if pins.last() != Some(&last) {
        pins.push(last);
    }
    pins
}

/// What is pinned now is not condemned any more: the collector of the past may not have come to delete it.
fn spare(next: &mut Catalog, pins: &[Revision]) {
    let mut spared = Vec::new();
    for file in next.removed.iter().filter_map(|(_, id)| next.files.get(id)).filter(|f| f.condemned_at().is_some()) {
        let Some((removed, _)) = file.removed_at() else { continue };
        let at = pins.partition_point(|pin| *pin < file.created_at);
        if pins.get(at).is_some_and(|pin| *pin < removed) {
            spared.push(file.id);
        }
    }
    for id in spared {
        if let Some(mut file) = next.files.get(&id).map(|file| file.as_ref().clone()) {
            file.end.iter_mut().for_each(|end| end.condemned_at = None);
            next.files.insert(id, Arc::new(file));
        }
    }
}
