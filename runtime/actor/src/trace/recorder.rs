//! Where spans are kept: the open ones in lanes, those that are over in bounded rings.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::lane::{self, LANES, Lane, Seat};
use super::limit::Limit;
use super::record::{LabelValue, Record, micros};
use super::ring::{BATCH, Kept, RINGS, Ring};
use super::{Class, RootSpan, Scope, SpanFilter, SpanId, SpanView, TraceContext, TraceId, TraceSummary};
use crate::clock::SharedClock;
use crate::gauge::lock;
use crate::view::Outcome;

/// Whoever takes this long is seen also where not everything is.
const LONG: Duration = Duration::from_secs(1);

struct Shared {
    /// Where spans happen that nobody places.
    place: Arc<str>,
    node: Mutex<Arc<str>>,
    clock: SharedClock,
    limit: Limit,
    lanes: [Mutex<Lane>; LANES],
    /// Locked while a lane is.
    rings: [Mutex<Kept>; RINGS],
    subscribed: AtomicBool,
    subscribers: Mutex<Vec<mpsc::Sender<Record>>>,
    dropped: AtomicU64,
}

/// Keeps the spans of one node. Clones are the same recorder.
///
/// Everything is recorded unless told otherwise. [`Recorder::set_rate`] limits how many traces per second begin to be recorded
/// here. The id of a trace says whether it is, so that all nodes keep the same traces, each whole. Derived traces (jobs) are
/// always kept; of the traces that are not, the root span is if it failed or took long.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({})", self.node())
    }
}

impl Recorder {
    /// An empty recorder of the node of that name.
    pub fn new(node: impl Into<Arc<str>>, clock: SharedClock) -> Self {
        let place: Arc<str> = node.into();
        Self(Arc::new(Shared {
            node: Mutex::new(place.clone()),
            place,
            limit: Limit::none(clock.monotonic()),
            clock,
            lanes: std::array::from_fn(|_| Mutex::default()),
            rings: std::array::from_fn(|_| Mutex::default()),
            subscribed: AtomicBool::new(false),
            subscribers: Mutex::default(),
            dropped: AtomicU64::new(0),
        }))
    }

    /// Names the node, once its address is known; spans are shown with the name of the moment.
    pub fn set_node(&self, node: impl Into<Arc<str>>) {
        *lock(&self.0.node) = node.into();
    }

    /// The name of the node.
    pub fn node(&self) -> Arc<str> {
        lock(&self.0.node).clone()
    }

    /// Records so many of the traces that begin here, per second; 0: none, wherever they begin, `u32::MAX`: all. Trace ids
    /// travel in any case.
    pub fn set_rate(&self, per_second: u32) {
        self.0.limit.set(per_second);
    }

    /// Whether spans of this trace are recorded.
    pub fn records(&self, trace: TraceId) -> bool {
        match trace.class() {
            Class::Derived => true,
            Class::Unsampled => false,
            Class::Ordinary | Class::Routine => !self.0.limit.is_never(),
        }
    }

    /// A trace that begins now, without a cause; not sampled where there are too many.
    pub(crate) fn fresh(&self, now: Instant) -> TraceContext {
        if self.0.limit.admits(now) { TraceId::new().into() } else { TraceId::unsampled().into() }
    }

    /// How many spans were finished.
    pub fn recorded(&self) -> u64 {
        self.0.lanes.iter().map(|lane| lock(lane).recorded).sum()
    }

    /// How many finished spans subscribers were too slow for, and how many were not opened because too many were open.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Opens a span that is no message, below the running one if there is one.
    pub fn open(&self, kind: &'static str, name: impl Into<Cow<'static, str>>) -> RootSpan {
        self.open_around(&Scope::current(), None, kind, name.into())
    }

    /// Opens a span below `parent`, which may have come from another node; below nothing if that is the root of a trace.
    pub fn open_in(
        &self,
        parent: impl Into<TraceContext>,
        kind: &'static str,
        name: impl Into<Cow<'static, str>>,
    ) -> RootSpan {
        self.open_around(&Scope::current(), Some(parent.into()), kind, name.into())
    }

    /// Opens a span for a task that carries `around`: below `parent`, or below what runs there, or as the root of a new trace.
    pub(crate) fn open_around(
        &self,
        around: &Scope,
        parent: Option<TraceContext>,
        kind: &'static str,
        name: Cow<'static, str>,
    ) -> RootSpan {
        let now = self.0.clock.monotonic();
        let parent = parent.or(around.cx).unwrap_or_else(|| self.fresh(now));
        if self.records(parent.trace) {
            let seat = self.begin_blank(self.blank(around, parent, kind, name, now));
            return RootSpan::recorded(self.clone(), parent, seat);
        }
        let aside = self.puts_aside(parent).then(|| self.blank(around, parent, kind, name, now));
        RootSpan::aside(self.clone(), parent, aside)
    }

    /// Finished spans from now on, but for routine ones in which nothing happened. When `capacity` of them wait, further ones
    /// are dropped and counted.
    pub fn subscribe(&self, capacity: usize) -> Subscription {
        let (sender, spans) = mpsc::channel(capacity.max(1));
        lock(&self.0.subscribers).push(sender);
        self.0.subscribed.store(true, Relaxed);
        Subscription { recorder: self.clone(), spans }
    }

    /// The spans that fit, finished and running, the oldest first.
    pub fn spans(&self, filter: &SpanFilter) -> Vec<SpanView> {
        let now = self.0.clock.monotonic();
        let mut found = self.find(|record| {
            filter.fits(record, &self.0.place)
                && (filter.min_total_us == 0 || total_at(record, now) >= filter.min_total_us)
        });
        let surplus = found.len().saturating_sub(filter.most());
        found.drain(..surplus);
        self.show(&found, now)
    }

    /// The traces that hold a span that fits, the newest first.
    pub fn traces(&self, filter: &SpanFilter) -> Vec<TraceSummary> {
        let now = self.0.clock.monotonic();
        let wanted: std::collections::HashSet<TraceId> =
            self.find(|record| filter.fits(record, &self.0.place)).iter().map(|record| record.trace).collect();
        let spans = self.show(&self.find(|record| wanted.contains(&record.trace)), now);
        let mut traces = TraceSummary::of(&spans);
        traces.retain(|trace| trace.total_us >= filter.min_total_us);
        traces.truncate(filter.most());
        traces
    }

    fn find(&self, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        let mut found = Vec::new();
        for lane in &self.0.lanes {
            found.extend(lock(lane).all().filter(|record| fits(record)).cloned());
        }
        for ring in &self.0.rings {
            found.extend(lock(ring).all().filter(|record| fits(record)).cloned());
        }
        found.sort_by_key(|record| (record.at_unix_us, record.began, !record.parent.is_none(), record.span));
        // What left its lane in the meantime was met twice.
        found.dedup_by_key(|record| record.span);
        found
    }

    fn show(&self, records: &[Record], now: Instant) -> Vec<SpanView> {
        let node = self.node();
        let show = |record: &Record| SpanView { total_us: total_at(record, now), ..record.view(&node, &self.0.place) };
        records.iter().map(show).collect()
    }

    fn lane(&self, seat: Seat) -> MutexGuard<'_, Lane> {
        lock(&self.0.lanes[seat.lane])
    }

    /// A span below `parent` that begins now, for a task that carries `around`.
    fn blank(
        &self,
        around: &Scope,
        parent: TraceContext,
        kind: &'static str,
        name: Cow<'static, str>,
        now: Instant,
    ) -> Record {
        Record {
            trace: parent.trace,
            span: SpanId::NONE,
            parent: parent.span,
            actor: self.place_of(around.seat),
            name,
            kind,
            at_unix_us: 0,
            began: now,
            wait_us: 0,
            handle_us: 0,
            total_us: 0,
            outcome: Outcome::Running,
            labels: Vec::new(),
        }
    }

    /// Takes in a blank span; none if too many are open.
    fn begin_blank(&self, record: Record) -> Option<Seat> {
        self.begin(Record { span: SpanId::new(), at_unix_us: self.0.clock.now_unix_us(), ..record })
    }

    /// Whether the root of a trace that is not sampled is put aside, until it is known whether it matters.
    fn puts_aside(&self, parent: TraceContext) -> bool {
        parent.trace.class() == Class::Unsampled && parent.span.is_none() && !self.0.limit.is_never()
    }

    /// A span that was put aside has ended: who failed or took long is seen all the same.
    pub(crate) fn finish_aside(&self, mut record: Record, outcome: Outcome) {
        let took = self.0.clock.monotonic().saturating_duration_since(record.began);
        record.outcome = outcome;
        if record.failed() || took >= LONG {
            record.span = SpanId::new();
            record.handle_us = micros(took);
            record.total_us = record.handle_us;
            record.at_unix_us = self.0.clock.now_unix_us().saturating_sub(record.total_us);
            self.note(record);
        }
    }

    /// The actor of the span around, if that is open here.
    fn place_of(&self, around: Option<Seat>) -> Option<Arc<str>> {
        around.and_then(|seat| self.lane(seat).open(seat)?.actor.clone())
    }

    /// Takes in a span that begins; none if too many are open.
    pub(crate) fn begin(&self, record: Record) -> Option<Seat> {
        let mine = lane::mine();
        let seat = lock(&self.0.lanes[mine]).begin(mine, record);
        if seat.is_none() {
            self.0.dropped.fetch_add(1, Relaxed);
        }
        seat
    }

    /// Changes a span that is open.
    pub(crate) fn update(&self, seat: Seat, f: impl FnOnce(&mut Record)) {
        if let Some(record) = self.lane(seat).open(seat) {
            f(record);
        }
    }

    pub(crate) fn label(&self, seat: Seat, key: &'static str, value: LabelValue) {
        self.update(seat, |record| record.label(key, value));
    }

    pub(crate) fn rejoin(&self, seat: Seat, trace: TraceId) {
        self.update(seat, |record| (record.trace, record.parent) = (trace, SpanId::NONE));
    }

    /// Ends a span that is no message.
    pub(crate) fn finish_span(&self, seat: Seat, outcome: Outcome) {
        let now = self.0.clock.monotonic();
        self.finish(seat, now, |record| {
            record.handle_us = micros(now.saturating_duration_since(record.began));
            record.outcome = outcome;
        });
    }

    /// Ends a span: `last` is the last change.
    pub(crate) fn finish(&self, seat: Seat, now: Instant, last: impl FnOnce(&mut Record)) {
        let mut lane = self.lane(seat);
        let Some(mut record) = lane.leave(seat) else { return };
        last(&mut record);
        record.total_us = micros(now.saturating_duration_since(record.began));
        self.keep(&mut lane, record);
    }

    /// Takes in a span that is over already.
    pub(crate) fn note(&self, record: Record) {
        self.keep(&mut lock(&self.0.lanes[lane::mine()]), record);
    }

    fn keep(&self, lane: &mut Lane, record: Record) {
        let ring = Ring::of(&record);
        if self.0.subscribed.load(Relaxed) && ring != Ring::Routine {
            self.publish(&record);
        }
        lane.recorded += 1;
        let fresh = &mut lane.fresh[ring as usize];
        fresh.push(record);
        if fresh.len() >= BATCH {
            let full = std::mem::take(fresh);
            // The memory of the oldest is used again.
            *fresh = lock(&self.0.rings[ring as usize]).turn(ring, full);
            fresh.clear();
        }
    }

    fn publish(&self, record: &Record) {
        lock(&self.0.subscribers).retain(|subscriber| match subscriber.try_send(record.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.0.dropped.fetch_add(1, Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
    }
}

/// How long a span took, or has taken so far.
fn total_at(record: &Record, now: Instant) -> u64 {
    match record.outcome {
        Outcome::Running => micros(now.saturating_duration_since(record.began)),
        _ => record.total_us,
    }
}

/// Finished spans, as they come.
#[derive(Debug)]
pub struct Subscription {
    recorder: Recorder,
    spans: mpsc::Receiver<Record>,
}

impl Subscription {
    /// The next finished span. Never ends while somebody may record.
    pub async fn next(&mut self) -> Option<SpanView> {
        let record = self.spans.recv().await?;
        Some(record.view(&self.recorder.node(), &self.recorder.0.place))
    }

    /// Up to `most` finished spans, as soon as there is one.
    pub async fn next_many(&mut self, most: usize) -> Vec<SpanView> {
        let mut records = Vec::new();
        self.spans.recv_many(&mut records, most.max(1)).await;
        let node = self.recorder.node();
        records.iter().map(|record| record.view(&node, &self.recorder.0.place)).collect()
    }
}
