//! Pins and the keep-rule: which files of the past somebody may still need.
//!
//! A file lives for the revisions `[created_at, removed_at)`. A pin is a revision. A file is kept while it is referenced,
//! while a pin lies in its life, while a query reads a revision in its life, and for a grace period after its removal.

use std::collections::BTreeSet;

use storage_model::{FileEntry, FileId, Revision, SnapshotJob, Uptime, VolumeId};

use crate::catalog::Catalog;

/// Why GC leaves a file alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A rowset names it.
    Referenced,
    /// A snapshot needs it.
    Pinned(Revision),
    /// A query may read it.
    Read,
    /// Its grace period is not over.
    Young,
}

impl Catalog {
    /// Every pinned revision.
    pub fn pins(&self) -> BTreeSet<Revision> {
        self.jobs.values().flat_map(|job| job.pins().iter().copied()).collect()
    }

    /// The jobs that pin something, with their pins.
    pub fn pinning_jobs(&self) -> impl Iterator<Item = (&SnapshotJob, &[Revision])> {
        self.jobs.values().map(|job| (job.as_ref(), job.pins())).filter(|(_, pins)| !pins.is_empty())
    }

    /// Why the file must be kept; None: it may be condemned.
    pub fn kept(
        &self,
        file: &FileEntry,
        pins: &BTreeSet<Revision>,
        oldest_read: Revision,
        now: Uptime,
        grace_millis: u64,
    ) -> Option<Kept> {
        let Some((removed, removed_time)) = file.removed_at() else { return Some(Kept::Referenced) };
        if let Some(pin) = pins.range(file.created_at..removed).next() {
            return Some(Kept::Pinned(*pin));
        }
        if oldest_read < removed {
            return Some(Kept::Read);
        }
        (now.since(removed_time) < grace_millis).then_some(Kept::Young)
    }

    /// Removed files in volumes of `wanted` that nothing keeps and that are not condemned yet, oldest removal first, at
    /// most `limit`.
    pub fn condemnable(
        &self,
        oldest_read: Revision,
        now: Uptime,
        grace_millis: u64,
        limit: usize,
        wanted: impl Fn(VolumeId) -> bool,
    ) -> Vec<FileId> {
        let pins = self.pins();
        let now = self.header.uptime.max(now);
        self.removed
            .iter()
            .filter_map(|(_, id)| self.files.get(id))
            .filter(|f| {
                wanted(f.volume)
                    && f.condemned_at().is_none()
                    && self.kept(f, &pins, oldest_read, now, grace_millis).is_none()
            })
            .take(limit)
            .map(|f| f.id)
            .collect()
    }

    /// Condemned files in volumes of `wanted` whose objects are to be deleted, at most `limit`.
    pub fn condemned(&self, limit: usize, wanted: impl Fn(VolumeId) -> bool) -> Vec<&FileEntry> {
        let removed = self.removed.iter().filter_map(|(_, id)| self.file(*id));
        removed.filter(|f| f.condemned_at().is_some() && wanted(f.volume)).take(limit).collect()
    }

    /// Removed and not forgotten, oldest removal first.
    pub fn removed_files(&self) -> impl Iterator<Item = &FileEntry> {
        self.removed.iter().filter_map(|(_, id)| self.file(*id))
    }

    /// Removed and not forgotten: how many files, how many bytes.
    pub fn gc_backlog(&self) -> (u64, u64) {
        let sizes = self.removed.iter().filter_map(|(_, id)| self.file(*id)).map(|f| f.size);
        sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
    }
}
