//! The numbers of one actor: counters, times, the last messages, the last told state. Written on every message, so cheap.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::trace::{TraceId, micros};
use crate::view::{MailboxView, MessageView, Outcome, TIMING_BOUNDS_US, TimingView};

/// How many messages are remembered per actor.
const REMEMBERED: usize = 256;

const SINCE: u64 = (1 << 48) - 1;

/// Whether what stands in `busy_since` is of a later incarnation.
fn newer(busy_since: u64, incarnation: u64) -> bool {
    busy_since != 0 && ((busy_since >> 48) as u16).wrapping_sub(incarnation as u16).cast_signed() > 0
}

/// Locks, also after a panic elsewhere: what these locks guard is consistent between any two statements.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
pub(crate) struct Timing {
    sum_us: AtomicU64,
    max_us: AtomicU64,
    buckets: [AtomicU64; TIMING_BOUNDS_US.len() + 1],
}

impl Timing {
    fn add(&self, us: u64) {
        self.sum_us.fetch_add(us, Relaxed);
        self.max_us.fetch_max(us, Relaxed);
        let bucket = TIMING_BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(TIMING_BOUNDS_US.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
    }

    fn view(&self) -> TimingView {
        let mut count = 0;
        let at_most = self
            .buckets
            .iter()
            .map(|bucket| {
                count += bucket.load(Relaxed);
                count
            })
            .collect();
        TimingView { count, sum_us: self.sum_us.load(Relaxed), max_us: self.max_us.load(Relaxed), at_most }
    }
}

struct Remembered {
    seq: u64,
    name: &'static str,
    trace: TraceId,
    at_unix_ms: u64,
    wait_us: u64,
    handle_us: u64,
    outcome: Outcome,
}

/// What is known about the message that is being taken up.
pub(crate) struct Taken {
    pub(crate) name: &'static str,
    pub(crate) trace: TraceId,
    pub(crate) at_unix_us: u64,
    pub(crate) waited: Duration,
    pub(crate) now: Instant,
}

pub(crate) struct Gauge {
    base: Instant,
    pub(crate) depth: AtomicUsize,
    /// Answers that are being worked out.
    pub(crate) working: AtomicUsize,
    peak: AtomicUsize,
    enqueued: AtomicU64,
    handled: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    expired: AtomicU64,
    wait: Timing,
    handle: Timing,
    seq: AtomicU64,
    /// 0 = idle; else who is busy (the low 16 bits of its incarnation, above) and since when (microseconds since `base`, plus
    /// one, in the lower 48 bits). One that was given up and comes back late must not speak for its successor.
    busy_since: AtomicU64,
    last: Mutex<VecDeque<Remembered>>,
    state: Mutex<(Value, u64)>,
}

impl Gauge {
    pub(crate) fn new() -> Self {
        Self {
            base: Instant::now(),
            depth: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            enqueued: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            wait: Timing::default(),
            handle: Timing::default(),
            seq: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            last: Mutex::default(),
            state: Mutex::new((Value::Null, 0)),
        }
    }

    pub(crate) fn enqueued(&self, depth: usize) {
        self.enqueued.fetch_add(1, Relaxed);
        self.depth.store(depth, Relaxed);
        self.peak.fetch_max(depth, Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn expired(&self, taken: &Taken) {
        self.expired.fetch_add(1, Relaxed);
        self.remember(taken, Outcome::Expired);
    }

    /// The handler begins; gives the number under which its end is told.
    pub(crate) fn begin(&self, taken: &Taken, incarnation: u64) -> u64 {
        self.busy(incarnation);
        self.wait.add(micros(taken.waited));
        self.remember(taken, Outcome::Running)
    }

    /// The handler ended.
    pub(crate) fn end(&self, seq: u64, incarnation: u64, took: Duration, outcome: Outcome) {
        self.idle(incarnation);
        let us = micros(took);
        self.handle.add(us);
        let counter = if matches!(outcome, Outcome::Done | Outcome::Running) { &self.handled } else { &self.failed };
        counter.fetch_add(1, Relaxed);
        self.update(seq, |message| {
            message.handle_us = us;
            if message.outcome == Outcome::Running {
                message.outcome = outcome;
            }
        });
    }

    /// The future of an answer ended.
    pub(crate) fn settle(&self, seq: u64, outcome: Outcome) {
        if outcome != Outcome::Done {
            self.failed.fetch_add(1, Relaxed);
        }
        self.update(seq, |message| message.outcome = outcome);
    }

    fn remember(&self, taken: &Taken, outcome: Outcome) -> u64 {
        let mut last = lock(&self.last);
        let seq = self.seq.fetch_add(1, Relaxed);
        if last.len() == REMEMBERED {
            last.pop_front();
        }
        last.push_back(Remembered {
            seq,
            name: taken.name,
            trace: taken.trace,
            at_unix_ms: taken.at_unix_us / 1000,
            wait_us: micros(taken.waited),
            handle_us: 0,
            outcome,
        });
        seq
    }

    fn update(&self, seq: u64, f: impl FnOnce(&mut Remembered)) {
        let mut last = lock(&self.last);
        // They follow each other without a gap.
        let at = last.front().and_then(|first| usize::try_from(seq.checked_sub(first.seq)?).ok());
        if let Some(message) = at.and_then(|at| last.get_mut(at)) {
            f(message);
        }
    }

    /// The incarnation begins something that may take long, or says that it is alive.
    pub(crate) fn busy(&self, incarnation: u64) {
        let since = (micros(self.base.elapsed()) + 1) & SINCE;
        let mine = incarnation << 48 | since;
        let _ = self.busy_since.fetch_update(Relaxed, Relaxed, |now| (!newer(now, incarnation)).then_some(mine));
    }

    /// The incarnation has done it.
    pub(crate) fn idle(&self, incarnation: u64) {
        let _ = self.busy_since.fetch_update(Relaxed, Relaxed, |now| (!newer(now, incarnation)).then_some(0));
    }

    /// Whoever was busy is given up.
    pub(crate) fn free(&self) {
        self.busy_since.store(0, Relaxed);
    }

    /// How long the handler has been running without a sign of life.
    pub(crate) fn busy_for(&self) -> Duration {
        match self.busy_since.load(Relaxed) & SINCE {
            0 => Duration::ZERO,
            since => self.base.elapsed().saturating_sub(Duration::from_micros(since - 1)),
        }
    }

    pub(crate) fn tell_state(&self, state: Value, at_unix_ms: u64) {
        *lock(&self.state) = (state, at_unix_ms);
    }

    pub(crate) fn state(&self) -> (Value, u64) {
        lock(&self.state).clone()
    }

    pub(crate) fn mailbox(&self, capacity: usize) -> MailboxView {
        MailboxView {
            depth: self.depth.load(Relaxed),
            working: self.working.load(Relaxed),
            peak: self.peak.load(Relaxed),
            capacity,
            enqueued: self.enqueued.load(Relaxed),
            handled: self.handled.load(Relaxed),
            failed: self.failed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            expired: self.expired.load(Relaxed),
            wait: self.wait.view(),
            handle: self.handle.view(),
        }
    }

    pub(crate) fn messages(&self) -> Vec<MessageView> {
        lock(&self.last)
            .iter()
            .map(|message| MessageView {
                name: message.name.to_owned(),
                trace: message.trace,
                at_unix_ms: message.at_unix_ms,
                wait_us: message.wait_us,
                handle_us: message.handle_us,
                outcome: message.outcome,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(name: &'static str) -> Taken {
        Taken {
            name,
            trace: TraceId::from_u128(1),
            at_unix_us: 5_000,
            waited: Duration::from_micros(50),
            now: Instant::now(),
        }
    }

    #[test]
    fn counts_times_and_the_last_messages() {
        let gauge = Gauge::new();
        for _ in 0..300 {
            let seq = gauge.begin(&taken("a"), 1);
            gauge.end(seq, 1, Duration::from_micros(5), Outcome::Done);
        }
        let seq = gauge.begin(&taken("b"), 1);
        gauge.end(seq, 1, Duration::from_secs(20), Outcome::Running);
        gauge.settle(seq, Outcome::Lost);
        let view = gauge.mailbox(8);
        assert_eq!((view.handled, view.failed), (301, 1));
        assert_eq!(view.handle.at_most, [300, 300, 300, 300, 300, 300, 300, 301]);
        assert_eq!(view.wait.at_most[..2], [0, 301]);
        assert_eq!(view.handle.max_us, 20_000_000);
        let messages = gauge.messages();
        assert_eq!(messages.len(), REMEMBERED);
        assert_eq!(messages.last().map(|m| (m.name.as_str(), m.outcome)), Some(("b", Outcome::Lost)));
    }

    #[test]
    fn busy_time_counts_from_the_last_sign_of_life() {
        let gauge = Gauge::new();
        assert_eq!(gauge.busy_for(), Duration::ZERO);
        gauge.busy(2);
        std::thread::sleep(Duration::from_millis(5));
        assert!(gauge.busy_for() >= Duration::from_millis(5));
        // The one before it ends late: nothing to do with this one.
        gauge.idle(1);
        gauge.busy(1);
        assert!(gauge.busy_for() >= Duration::from_millis(5));
        gauge.idle(2);
        assert_eq!(gauge.busy_for(), Duration::ZERO);
    }
}
