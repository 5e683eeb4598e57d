//! The rings that finished spans go to: batches of them, the oldest forgotten first.

use std::collections::VecDeque;

use super::Class;
use super::lane::LANES;
use super::record::Record;
use crate::view::Outcome;

/// How many finished spans leave a lane at once.
pub(super) const BATCH: usize = 32;

/// Which ring a finished span goes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ring {
    Ordinary,
    Routine,
    Derived,
    /// What failed, what was labelled in a routine trace, and what is kept of traces that are not sampled.
    Notable,
}

/// How many spans each ring holds, with those that have not left their lanes.
const MOST: [usize; RINGS] = [16_384, 4_096, 8_192, 4_096];
/// How many rings there are.
pub(super) const RINGS: usize = 4;

impl Ring {
    pub(super) fn of(record: &Record) -> Self {
        match record.trace.class() {
            // Whoever is overrun refuses very many: they must not push out the other failures.
            _ if record.failed() && record.outcome != Outcome::Refused => Self::Notable,
            Class::Routine if !record.labels.is_empty() => Self::Notable,
            Class::Routine => Self::Routine,
            Class::Derived => Self::Derived,
            Class::Ordinary => Self::Ordinary,
            Class::Unsampled => Self::Notable,
        }
    }
}

/// What one ring holds.
#[derive(Default)]
pub(super) struct Kept(VecDeque<Vec<Record>>);

impl Kept {
    /// Takes in a full batch and gives back the oldest one, or an empty one while there is room.
    pub(super) fn turn(&mut self, ring: Ring, batch: Vec<Record>) -> Vec<Record> {
        self.0.push_back(batch);
        let full = (self.0.len() + LANES) * BATCH > MOST[ring as usize];
        full.then(|| self.0.pop_front()).flatten().unwrap_or_default()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().flatten()
    }
}
