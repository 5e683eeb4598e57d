//! What pins keep: of each, the removed files in whose life it lies, and those that nothing else keeps. Files that are still
//! referenced are kept anyway. Read from the index of removed files, never from all files.

use std::sync::Arc;

use storage_model::{Revision, SnapshotJob};

use crate::catalog::Catalog;

/// A pin, and what it keeps from being deleted. The pins of a snapshot of another timeline are told as one: together they
/// keep what that needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Whose pin it is.
    pub job: Arc<SnapshotJob>,
    /// What is pinned, rising; one revision but for another timeline's.
    pub revisions: Vec<Revision>,
    /// Removed files that it keeps.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Of these, files that nothing but this keeps.
    pub only_files: u64,
    /// Bytes in them.
    pub only_bytes: u64,
}

impl Pinned {
    fn keeps(&self, created: Revision, removed: Revision) -> bool {
        let at = self.revisions.partition_point(|pin| *pin < created);
        self.revisions.get(at).is_some_and(|pin| *pin < removed)
    }

    fn keep_only(&mut self, bytes: u64) {
        self.only_files += 1;
        self.only_bytes += bytes;
    }
}

/// Pins of one revision each, by revision. Of a file they keep some that lie side by side: where these begin and end is
/// written down, and added up once, so that many pins of many files cost no more than few.
struct Singles {
    /// The revision, and its place among all pins.
    by_revision: Vec<(Revision, usize)>,
    /// What begins to be kept here, less what is kept no longer.
    steps: Vec<(i64, i128)>,
}

impl Singles {
    fn new(pins: &[Pinned]) -> Singles {
        let single = |(at, pin): (usize, &Pinned)| match pin.revisions.as_slice() {
            [revision] => Some((*revision, at)),
            _ => None,
        };
        let mut by_revision: Vec<_> = pins.iter().enumerate().filter_map(single).collect();
        by_revision.sort_unstable();
        let steps = vec![(0, 0); by_revision.len() + 1];
        Singles { by_revision, steps }
    }

    /// Notes a file; the first pin that keeps it, and how many do.
    fn keep(&mut self, created: Revision, removed: Revision, bytes: u64) -> (Option<usize>, usize) {
        let place = |revision: Revision| self.by_revision.partition_point(|(pin, _)| *pin < revision);
        let (begin, end) = (place(created), place(removed).max(place(created)));
        for (at, sign) in [(begin, 1), (end, -1)] {
            let (files, sum) = &mut self.steps[at];
            *files += sign;
            *sum += i128::from(sign) * i128::from(bytes);
        }
        let first = self.by_revision.get(begin).filter(|_| begin < end).map(|(_, at)| *at);
        (first, end - begin)
    }

    fn add_up(self, pins: &mut [Pinned]) {
        let (mut files, mut bytes) = (0i64, 0i128);
        for ((_, at), (more_files, more_bytes)) in self.by_revision.into_iter().zip(self.steps) {
            files += more_files;
            bytes += more_bytes;
            if let Some(pin) = pins.get_mut(at) {
                pin.files = files.unsigned_abs();
                pin.bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            }
        }
    }
}

impl Catalog {
    /// Every pin, those of the oldest job first, with what it keeps.
    pub fn pinned(&self) -> Vec<Pinned> {
        let pins_of = |job: &Arc<SnapshotJob>| {
            let together = if job.is_foreign() { job.pins().len().max(1) } else { 1 };
            let pin = |revisions: &[Revision]| Pinned {
                job: Arc::clone(job),
                revisions: revisions.to_vec(),
                files: 0,
                bytes: 0,
                only_files: 0,
                only_bytes: 0,
            };
            job.pins().chunks(together).map(pin).collect::<Vec<_>>()
        };
        let mut pins: Vec<Pinned> = self.jobs().flat_map(pins_of).collect();
        let mut singles = Singles::new(&pins);
        let several: Vec<usize> = (0..pins.len()).filter(|at| pins[*at].revisions.len() > 1).collect();
        for file in self.removed_files() {
            let Some((removed, _)) = file.removed_at() else { continue };
            let (mut first, mut keepers) = singles.keep(file.created_at, removed, file.size);
            for at in &several {
                let pin = &mut pins[*at];
                if pin.keeps(file.created_at, removed) {
                    pin.files += 1;
                    pin.bytes += file.size;
                    (first, keepers) = (Some(*at), keepers + 1);
                }
            }
            if let (Some(only), 1) = (first, keepers) {
                pins[only].keep_only(file.size);
            }
        }
        singles.add_up(&mut pins);
        pins
    }
}
