//! Time as an argument: the system's, a simulation's, or a test's.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where time comes from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Milliseconds since 1970-01-01 UTC. For people and records; never for exclusion.
    fn now_unix_ms(&self) -> u64;
    /// The same in microseconds, as far as the clock knows them.
    fn now_unix_us(&self) -> u64 {
        self.now_unix_ms().saturating_mul(1000)
    }
    /// Never goes back. For durations.
    fn monotonic(&self) -> Instant;
}

/// A clock that many hold.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock. Its monotonic side follows tokio's, so that paused time is seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock, shared.
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    fn now_unix_ms(&self) -> u64 {
        self.now_unix_us() / 1000
    }

    #[allow(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    fn now_unix_us(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// Wall time that moves with tokio's clock from a fixed start: paused and advanced together with it.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    start_unix_ms: u64,
    base: tokio::time::Instant,
}

impl VirtualClock {
    /// A clock that shows `start_unix_ms` now.
    pub fn starting_at(start_unix_ms: u64) -> Self {
        Self { start_unix_ms, base: tokio::time::Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now_unix_ms(&self) -> u64 {
        self.now_unix_us() / 1000
    }

    fn now_unix_us(&self) -> u64 {
        self.start_unix_ms * 1000 + u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// Time that moves only when a test moves it.
#[derive(Debug, Clone)]
pub struct ManualClock {
    start_unix_ms: u64,
    base: Instant,
    passed_ms: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that shows `start_unix_ms` until it is advanced. Clones move together.
    pub fn new(start_unix_ms: u64) -> Self {
        Self { start_unix_ms, base: Instant::now(), passed_ms: Arc::default() }
    }

    /// Moves time on.
    pub fn advance(&self, by: Duration) {
        self.passed_ms.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_unix_ms(&self) -> u64 {
        self.start_unix_ms + self.passed_ms.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Instant {
        self.base + Duration::from_millis(self.passed_ms.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_clones_together() {
        let clock = ManualClock::new(1_000);
        let other = clock.clone();
        let before = clock.monotonic();
        other.advance(Duration::from_secs(2));
        assert_eq!(clock.now_unix_ms(), 3_000);
        assert_eq!(clock.monotonic() - before, Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_virtual_clock_follows_paused_time() {
        let clock = VirtualClock::starting_at(5_000);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now_unix_ms(), 3_605_000);
    }

    #[test]
    fn the_system_clock_is_past_2020() {
        assert!(SystemClock.now_unix_ms() > 1_577_836_800_000);
    }
}
