//! Where spans are while they are written: one lane per thread, so that threads neither wait for each other nor fetch each
//! other's memory. What is finished leaves a lane in whole batches.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::SpanId;
use super::record::Record;
use super::ring::RINGS;

/// More threads than this share lanes.
pub(super) const LANES: usize = 16;
/// Spans that may be open in one lane; more are not recorded.
const MOST_OPEN: usize = 16_384;

/// Where an open span is kept: found without a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) span: SpanId,
    pub(super) lane: usize,
    at: usize,
}

/// The lane of this thread.
pub(super) fn mine() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Relaxed) % LANES;
    }
    MINE.with(|lane| *lane)
}

/// Lanes do not share cache lines.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Lane {
    /// The spans that are open, and gaps.
    open: Vec<Option<Record>>,
    /// Where the gaps are.
    gaps: Vec<usize>,
    /// What was finished since the last full batch, by ring.
    pub(super) fresh: [Vec<Record>; RINGS],
    /// How many were finished.
    pub(super) recorded: u64,
}

impl Lane {
    /// Takes in a span that begins in this lane, the `lane`th; none if too many are open.
    pub(super) fn begin(&mut self, lane: usize, record: Record) -> Option<Seat> {
        let span = record.span;
        let at = if let Some(at) = self.gaps.pop() {
            self.open[at] = Some(record);
            at
        } else if self.open.len() < MOST_OPEN {
            self.open.push(Some(record));
            self.open.len() - 1
        } else {
            return None;
        };
        Some(Seat { span, lane, at })
    }

    /// The span, while it is open.
    pub(super) fn open(&mut self, seat: Seat) -> Option<&mut Record> {
        // Another span may sit there by now.
        self.open.get_mut(seat.at)?.as_mut().filter(|record| record.span == seat.span)
    }

    /// The span is open no more.
    pub(super) fn leave(&mut self, seat: Seat) -> Option<Record> {
        let record = self.open.get_mut(seat.at)?.take_if(|record| record.span == seat.span)?;
        self.gaps.push(seat.at);
        Some(record)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Record> {
        self.open.iter().flatten().chain(self.fresh.iter().flatten())
    }
}
