//! What became of the statements of a frontend, in numbers; counted on every statement, so cheap.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets for each doubling of the time.
const STEPS: usize = 8;
/// Up to 2^40 microseconds, twelve days.
const DOUBLINGS: usize = 40;

/// The counters.
#[derive(Debug)]
pub(crate) struct Tally {
    failed: AtomicU64,
    loads: AtomicU64,
    failed_loads: AtomicU64,
    sum_us: AtomicU64,
    buckets: Box<[AtomicU64]>,
}

/// What was counted so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatementCounts {
    /// Statements that ended.
    pub total: u64,
    /// Those that ended with an error.
    pub failed: u64,
    /// Statements that load or delete rows, as they ended.
    pub loads: u64,
    /// Those of them that ended with an error.
    pub failed_loads: u64,
    /// How long all statements took together.
    pub sum_ms: f64,
    /// For 0.5, 0.75, 0.95, 0.98, 0.99, 0.999: so many of all statements took at most so long, within a tenth.
    pub latency_ms: Vec<(f64, f64)>,
}

impl Default for Tally {
    fn default() -> Tally {
        let counter = || AtomicU64::new(0);
        let buckets = std::iter::repeat_with(counter).take(STEPS * DOUBLINGS).collect();
        Tally { failed: counter(), loads: counter(), failed_loads: counter(), sum_us: counter(), buckets }
    }
}

fn bucket(us: u64) -> usize {
    let doubling = us.max(1).ilog2() as usize;
    // The bits behind the highest one say how far towards the next doubling it is.
    let step = if doubling >= 3 { us >> (doubling - 3) } else { us << (3 - doubling) } as usize & (STEPS - 1);
    (doubling * STEPS + step).min(STEPS * DOUBLINGS - 1)
}

/// The middle of a bucket, in milliseconds.
fn middle_ms(bucket: usize) -> f64 {
    let (doubling, step) = (bucket / STEPS, bucket % STEPS);
    let from = (1_u64 << doubling) as f64;
    from * (1.0 + (step as f64 + 0.5) / STEPS as f64) / 1000.0
}

impl Tally {
    /// A statement has ended.
    pub(crate) fn ended(&self, is_load: bool, took: Duration, failed: bool) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
        self.failed.fetch_add(failed.into(), Relaxed);
        self.loads.fetch_add(is_load.into(), Relaxed);
        self.failed_loads.fetch_add((is_load && failed).into(), Relaxed);
    }

    pub(crate) fn counts(&self) -> StatementCounts {
        let buckets: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let total: u64 = buckets.iter().sum();
        let latency_ms = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999].map(|quantile| {
            let rank = ((total as f64 * quantile).ceil() as u64).max(1);
            let mut seen = 0;
            let at = buckets.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            (quantile, at.map_or(0.0, middle_ms))
        });
        StatementCounts {
            total,
            failed: self.failed.load(Relaxed),
            loads: self.loads.load(Relaxed),
            failed_loads: self.failed_loads.load(Relaxed),
            sum_ms: self.sum_us.load(Relaxed) as f64 / 1000.0,
            latency_ms: latency_ms.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_tenth() {
        let tally = Tally::default();
        assert_eq!(tally.counts().latency_ms[0], (0.5, 0.0));
        for ms in 1..=1000 {
            tally.ended(ms % 2 == 0, Duration::from_millis(ms), ms % 10 == 0);
        }
        let counts = tally.counts();
        assert_eq!((counts.total, counts.failed, counts.loads, counts.failed_loads), (1000, 100, 500, 100));
        assert_eq!(counts.sum_ms, 500_500.0);
        for (quantile, ms) in counts.latency_ms {
            let exact = 1000.0 * quantile;
            assert!((ms - exact).abs() <= exact / 10.0, "{quantile}: {ms}");
        }
    }

    #[test]
    fn every_time_has_a_bucket() {
        let mut last = 0;
        for us in [0, 1, 2, 3, 7, 8, 9, 1000, 1 << 20, 1 << 39, u64::MAX] {
            let at = bucket(us);
            assert!(at >= last && at < STEPS * DOUBLINGS, "{us}");
            last = at;
        }
    }
}
