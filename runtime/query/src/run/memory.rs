//! Memory of running plans. Two limits: what operators ask for comes out of one pool, which makes them spill or fail; and
//! what the whole process holds, which also counts what no operator has asked for.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// Pages in /proc/self/statm.
const PAGE_BYTES: u64 = 4096;
/// How old what is known of the process may be.
const STALE: Duration = Duration::from_millis(20);

/// What the process holds, against its limit.
#[derive(Debug)]
pub(crate) struct Gauge {
    limit: u64,
    sampled: Mutex<(Option<Instant>, u64)>,
    /// Resident bytes when the first of the running plans began. An allocator may keep what it was given back: plans
    /// are not refused for ever because of that.
    at_rest: AtomicU64,
    running: AtomicUsize,
}

/// One running plan; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Gauge>);

impl Gauge {
    /// A gauge for a process that may hold so many bytes.
    pub(crate) fn new(limit: u64) -> Arc<Gauge> {
        let (sampled, at_rest, running) = (Mutex::default(), AtomicU64::new(0), AtomicUsize::new(0));
        Arc::new(Gauge { limit, sampled, at_rest, running })
    }

    /// A plan begins.
    pub(crate) fn begin(self: &Arc<Gauge>) -> Busy {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.at_rest.store(self.used(), Ordering::Release);
        }
        Busy(Arc::clone(self))
    }

    /// How many plans run.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    /// Whether the process may go on as it is.
    pub(crate) fn check(&self) -> Result<()> {
        let used = self.used();
        let limit = self.limit.max(self.at_rest.load(Ordering::Acquire).saturating_add(self.limit / 4));
        if used <= limit {
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(format!(
            "Memory of process exceed limit. Used: {used}, Limit: {}. Mem usage has exceed the limit of CN",
            self.limit
        )))
    }

    fn used(&self) -> u64 {
        let mut sampled = self.sampled.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if sampled.0.is_none_or(|at| now.duration_since(at) > STALE) {
            *sampled = (Some(now), resident_bytes());
        }
        sampled.1
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_BYTES
}

/// The pool of all plans of a node. Its errors are in the words that users of StarRocks know.
#[derive(Debug)]
pub(crate) struct Ledger {
    pool: FairSpillPool,
    limit: usize,
    gauge: Arc<Gauge>,
}

impl Ledger {
    pub(crate) fn new(limit: usize, gauge: Arc<Gauge>) -> Ledger {
        Ledger { pool: FairSpillPool::new(limit), limit, gauge }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.pool.reserved(), self.limit)
    }
}

impl MemoryPool for Ledger {
    fn name(&self) -> &str {
        "query pool"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.pool.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.gauge.check()?;
        self.pool.try_grow(reservation, additional).map_err(|_| {
            DataFusionError::ResourcesExhausted(format!(
                "Memory of query pool exceed limit. {} holds {} and asks for {additional} more. Used: {}, Limit: {}. Mem \
                 usage has exceed the limit of query pool",
                reservation.consumer().name(),
                reservation.size(),
                self.pool.reserved(),
                self.limit
            ))
        })
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_over_its_limit_is_told_so_but_not_for_what_it_held_at_rest() {
        let gauge = Gauge::new(1);
        let said = gauge.check().unwrap_err().to_string();
        assert!(said.contains("Memory of process exceed limit. Used: ") && said.contains("Limit: 1."), "{said}");
        let roomy = Gauge::new(1 << 40);
        let busy = roomy.begin();
        roomy.check().unwrap();
        assert!(roomy.at_rest.load(Ordering::Acquire) > 0);
        drop(busy);
        assert_eq!(roomy.running.load(Ordering::Acquire), 0);
    }

    #[test]
    fn the_pool_says_who_asked_for_too_much() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Ledger::new(1000, Gauge::new(1 << 40)));
        let reservation = MemoryConsumer::new("CrossJoinExec").register(&pool);
        reservation.try_grow(900).unwrap();
        let said = reservation.try_grow(101).unwrap_err().to_string();
        assert!(said.contains("Memory of query pool exceed limit. CrossJoinExec holds 900"), "{said}");
        reservation.try_grow(100).unwrap();
        drop(reservation);
        assert_eq!(pool.reserved(), 0);
    }
}
