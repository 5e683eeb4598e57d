//! How many traces that begin at this node are recorded: a rate with room for bursts (the generic cell rate algorithm).
//! Where few things happen, all of them are recorded; where very many do, the memory keeps more than the last moment, and
//! looking on costs next to nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// How far ahead of the rate a burst may run.
const BURST_NS: u64 = 1_000_000_000;
/// Nothing is recorded.
const NEVER: u64 = u64::MAX;

pub(super) struct Limit {
    base: Instant,
    /// Between two traces: 0 where there is no limit.
    interval_ns: AtomicU64,
    /// When the next trace is due at that rate, after `base`.
    due_ns: AtomicU64,
}

impl Limit {
    /// Everything is recorded. Nobody asks about times before `base`.
    pub(super) fn none(base: Instant) -> Self {
        Self { base, interval_ns: AtomicU64::new(0), due_ns: AtomicU64::new(0) }
    }

    /// So many traces per second; 0: none, `u32::MAX`: all.
    pub(super) fn set(&self, per_second: u32) {
        let interval = match per_second {
            0 => NEVER,
            u32::MAX => 0,
            some => 1_000_000_000 / u64::from(some),
        };
        self.interval_ns.store(interval, Relaxed);
    }

    /// Nothing is recorded, wherever it began.
    pub(super) fn is_never(&self) -> bool {
        self.interval_ns.load(Relaxed) == NEVER
    }

    /// Whether a trace that begins now is recorded.
    pub(super) fn admits(&self, now: Instant) -> bool {
        match self.interval_ns.load(Relaxed) {
            0 => true,
            NEVER => false,
            interval => {
                let now = now.saturating_duration_since(self.base);
                self.admits_at(u64::try_from(now.as_nanos()).unwrap_or(NEVER), interval)
            }
        }
    }

    fn admits_at(&self, now_ns: u64, interval_ns: u64) -> bool {
        let due = |due: u64| {
            let due = due.max(now_ns);
            (due - now_ns < BURST_NS).then(|| due.saturating_add(interval_ns))
        };
        self.due_ns.fetch_update(Relaxed, Relaxed, due).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let limit = Limit::none(Instant::now());
        assert!(limit.admits(Instant::now()));
        limit.set(100);
        let admitted =
            |from: u64, step: u64, n: u64| (0..n).filter(|i| limit.admits_at(from + i * step, SECOND / 100)).count();
        // All at once: a burst of one second's worth.
        assert_eq!(admitted(10 * SECOND, 0, 1_000), 100);
        // Ten times the rate for ten seconds: the rate.
        assert_eq!(admitted(10 * SECOND, SECOND / 1_000, 10_000), 1_000);
        // Slower than the rate: all of it.
        assert_eq!(admitted(30 * SECOND, SECOND / 50, 500), 500);
    }

    #[test]
    fn nothing_and_everything() {
        let limit = Limit::none(Instant::now());
        limit.set(0);
        assert!(limit.is_never() && !limit.admits(Instant::now()));
        limit.set(u32::MAX);
        assert!(!limit.is_never() && (0..10_000).all(|_| limit.admits(Instant::now())));
    }
}
