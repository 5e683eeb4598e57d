//! The timers and effects of one incarnation: how many run, and which has given no sign of life for how long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::gauge::lock;

/// Timers and effects that one incarnation may have at a time; with more it is rebuilt.
pub(crate) const MOST_TASKS: usize = 65_536;

#[derive(Default)]
struct Effects {
    next: u64,
    running: BTreeMap<u64, (&'static str, Instant)>,
    beat: Option<Instant>,
}

/// What runs for an incarnation. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Work {
    /// Counted by its clones.
    tasks: Arc<()>,
    effects: Arc<Mutex<Effects>>,
}

/// A task that is counted while this lives.
pub(crate) struct Counted(#[expect(dead_code, reason = "it is its count that is read")] Arc<()>);

/// An effect that is watched while this lives.
pub(crate) struct AtWork {
    id: u64,
    effects: Arc<Mutex<Effects>>,
}

impl Work {
    /// One more task; none when there are too many.
    pub(crate) fn count(&self) -> Option<Counted> {
        (Arc::strong_count(&self.tasks) <= MOST_TASKS).then(|| Counted(self.tasks.clone()))
    }

    /// An effect begins.
    pub(crate) fn begin(&self, name: &'static str) -> AtWork {
        let mut effects = lock(&self.effects);
        effects.next += 1;
        let id = effects.next;
        effects.running.insert(id, (name, Instant::now()));
        AtWork { id, effects: self.effects.clone() }
    }

    /// The effect that has been silent for the longest time, and how long.
    pub(crate) fn oldest(&self) -> Option<(&'static str, Duration)> {
        let effects = lock(&self.effects);
        let (name, began) = effects.running.values().min_by_key(|(_, began)| *began)?;
        let last = effects.beat.map_or(*began, |beat| beat.max(*began));
        Some((name, last.elapsed()))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        lock(&self.effects).running.remove(&self.id);
    }
}

/// Says that the effects of an actor are alive.
#[derive(Clone)]
pub struct Pulse(pub(crate) Work);

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pulse")
    }
}

impl Pulse {
    /// The effects that run make progress; the stall limit counts from here.
    pub fn beat(&self) {
        lock(&self.0.effects).beat = Some(Instant::now());
    }
}
