//! The bounded queue of one actor. It outlives crashes: the next incarnation goes on where the last one broke.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use futures::Stream;
use tokio::runtime::Handle as Runtime;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::actor::{Actor, Handle, Message};
use crate::address::{AskError, TellError};
use crate::clock::SharedClock;
use crate::gauge::{Gauge, Taken, lock};
use crate::letter::{Deliver, Envelope, Letter, ReplyTo};
use crate::trace::{self, Record, Recorder, Scope, Seat, SpanId, TraceContext, micros};
use crate::tree::ActorSpec;
use crate::view::Outcome;
use crate::work::Work;

/// What the supervisor and the effects tell an incarnation, ahead of all letters.
pub(crate) enum Control {
    /// Stop in order.
    Stop,
    /// Tell the observable state, then signal.
    Observe(oneshot::Sender<()>),
    /// An effect of this incarnation panicked.
    Crash(u64, String),
}

/// What an incarnation takes from its mailbox.
pub(crate) enum Item<A: Actor> {
    Control(Control),
    Letter(Envelope<A>),
}

/// The tasks of one incarnation.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) runtime: Runtime,
    /// Ends everything, answers too.
    pub(crate) kill: CancellationToken,
    /// Ends effects and timers.
    pub(crate) effects: CancellationToken,
    /// The answers that are being worked out.
    pub(crate) answers: TaskTracker,
    /// The timers and effects that run.
    pub(crate) work: Work,
}

impl Life {
    fn new(runtime: Runtime) -> Self {
        let kill = CancellationToken::new();
        let effects = kill.child_token();
        Self { runtime, kill, effects, answers: TaskTracker::new(), work: Work::default() }
    }
}

struct Queue<A: Actor> {
    closed: bool,
    /// It has begun to stop.
    leaving: bool,
    incarnation: u64,
    /// Incarnations up to this one are dead, whether they know it or not.
    dead_up_to: u64,
    life: Option<Life>,
    control: VecDeque<Control>,
    letters: VecDeque<Envelope<A>>,
    /// How many letters came from outside.
    external: usize,
    waker: Option<Waker>,
}

pub(crate) struct Mailbox<A: Actor> {
    pub(crate) path: Arc<str>,
    pub(crate) gauge: Gauge,
    pub(crate) recorder: Recorder,
    pub(crate) clock: SharedClock,
    pub(crate) runtime: Runtime,
    capacity: usize,
    /// How many answers may be worked out at a time.
    most_answers: usize,
    queue: Mutex<Queue<A>>,
}

/// Messages to itself that may wait.
const MOST_OWN: usize = 65_536;

/// More waiting observers than this are answered with the last known state.
const MOST_OBSERVERS: usize = 16;

impl<A: Actor> Mailbox<A> {
    pub(crate) fn new(
        path: String,
        spec: &ActorSpec,
        clock: SharedClock,
        recorder: Recorder,
        runtime: Runtime,
    ) -> Self {
        let queue = Queue {
            closed: false,
            leaving: false,
            incarnation: 0,
            dead_up_to: 0,
            life: None,
            control: VecDeque::new(),
            letters: VecDeque::new(),
            external: 0,
            waker: None,
        };
        Self {
            path: path.into(),
            gauge: Gauge::new(),
            clock,
            recorder,
            runtime,
            capacity: spec.mailbox.max(1),
            most_answers: spec.answers.max(1),
            queue: Mutex::new(queue),
        }
    }

    /// Takes in a letter from outside.
    pub(crate) fn post<M>(&self, message: M, reply: Option<ReplyTo<M::Reply>>) -> Result<(), TellError>
    where
        M: Message,
        A: Handle<M>,
    {
        let kind = if reply.is_some() { "ask" } else { "tell" };
        self.push(Box::new(Letter { message, reply }), M::NAME, kind, None, None)
    }

    /// Takes in a letter that incarnation `own` sends to itself.
    pub(crate) fn post_own<M>(&self, message: M, own: u64, waiting: Option<Arc<AtomicBool>>) -> Result<(), TellError>
    where
        M: Message,
        A: Handle<M>,
    {
        let kind = if waiting.is_some() { "tick" } else { "event" };
        self.push(Box::new(Letter { message, reply: None }), M::NAME, kind, Some(own), waiting)
    }

    fn push(
        &self,
        letter: Box<dyn Deliver<A>>,
        name: &'static str,
        kind: &'static str,
        own: Option<u64>,
        waiting: Option<Arc<AtomicBool>>,
    ) -> Result<(), TellError> {
        let enqueued = self.clock.monotonic();
        let cx = trace::cause().unwrap_or_else(|| self.recorder.fresh(enqueued));
        let envelope = Envelope { letter, name, kind, cx, enqueued, own, waiting };
        let waker = {
            let mut queue = lock(&self.queue);
            let stale = own.is_some_and(|own| own != queue.incarnation || own <= queue.dead_up_to);
            if queue.closed || stale {
                drop(queue);
                self.gauge.refused();
                return Err(TellError::Stopped);
            }
            if own.is_none() {
                if queue.external >= self.capacity || self.gauge.working.load(Ordering::Relaxed) >= self.most_answers {
                    drop(queue);
                    self.full(&envelope);
                    return Err(TellError::Full);
                }
                queue.external += 1;
            } else if let Some(own) = own
                && queue.letters.len() - queue.external >= MOST_OWN
            {
                // A message to itself must not be lost while its sender lives: so the sender goes.
                drop(queue);
                self.gauge.refused();
                self.control(Control::Crash(own, format!("over {MOST_OWN} messages to itself wait")));
                return Err(TellError::Full);
            }
            queue.letters.push_back(envelope);
            self.gauge.enqueued(queue.letters.len());
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Tells the incarnation something out of turn. False when nobody will read it.
    pub(crate) fn control(&self, control: Control) -> bool {
        let waker = {
            let mut queue = lock(&self.queue);
            let full = matches!(control, Control::Observe(_)) && queue.control.len() >= MOST_OBSERVERS;
            let dead = queue.incarnation <= queue.dead_up_to;
            // Saying it once is enough: the queue stays short.
            let known = |waiting: &Control| match (waiting, &control) {
                (Control::Stop, Control::Stop) => true,
                (Control::Crash(one, _), Control::Crash(other, _)) => one == other,
                _ => false,
            };
            if queue.control.iter().any(known) {
                return true;
            }
            // The wish to stop is kept for the next incarnation; the rest concerns only this one.
            if full || (dead && !matches!(control, Control::Stop)) {
                return false;
            }
            queue.control.push_back(control);
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// A new incarnation takes over. What the last one sent to itself is thrown away.
    pub(crate) fn open(&self, incarnation: u64) -> Life {
        let life = Life::new(self.runtime.clone());
        let mut queue = lock(&self.queue);
        if incarnation <= queue.dead_up_to {
            life.kill.cancel();
            return life;
        }
        queue.incarnation = incarnation;
        queue.life = Some(life.clone());
        queue.control.retain(|control| matches!(control, Control::Stop));
        let before = queue.letters.len();
        queue.letters.retain(|letter| letter.own.is_none());
        if before != queue.letters.len() {
            self.gauge.depth.store(queue.letters.len(), Ordering::Relaxed);
        }
        life
    }

    /// Incarnations up to this one are dead: they take no more letters, and their tasks end.
    pub(crate) fn supersede(&self, incarnation: u64) {
        let (life, waker, control) = {
            let mut queue = lock(&self.queue);
            queue.dead_up_to = queue.dead_up_to.max(incarnation);
            if queue.incarnation > incarnation {
                return;
            }
            let control = std::mem::take(&mut queue.control);
            let (stop, control): (VecDeque<_>, VecDeque<_>) =
                control.into_iter().partition(|control| matches!(control, Control::Stop));
            queue.control = stop;
            (queue.life.take(), queue.waker.take(), control)
        };
        drop(control);
        if let Some(life) = life {
            life.kill.cancel();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Nothing is taken in any more; what waits is refused.
    pub(crate) fn close(&self) {
        let letters = {
            let mut queue = lock(&self.queue);
            queue.closed = true;
            queue.external = 0;
            std::mem::take(&mut queue.letters)
        };
        self.gauge.depth.store(0, Ordering::Relaxed);
        for envelope in letters {
            // Whoever closes it must survive a message that panics when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| envelope.letter.refuse(AskError::Stopped)));
        }
    }

    /// The actor begins to stop; its mailbox is closed.
    pub(crate) fn leave(&self) {
        lock(&self.queue).leaving = true;
        self.close();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        lock(&self.queue).leaving
    }

    pub(crate) fn oldest_effect(&self) -> Option<(&'static str, Duration)> {
        let work = lock(&self.queue).life.as_ref().map(|life| life.work.clone());
        work.and_then(|work| work.oldest())
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.queue).closed
    }

    fn take(&self, incarnation: u64, waker: &Waker) -> Poll<Option<Item<A>>> {
        let mut queue = lock(&self.queue);
        if queue.incarnation != incarnation || incarnation <= queue.dead_up_to {
            return Poll::Ready(None);
        }
        if let Some(control) = queue.control.pop_front() {
            return Poll::Ready(Some(Item::Control(control)));
        }
        let Some(envelope) = queue.letters.pop_front() else {
            queue.waker = Some(waker.clone());
            return Poll::Pending;
        };
        if envelope.own.is_none() {
            queue.external = queue.external.saturating_sub(1);
        }
        self.gauge.depth.store(queue.letters.len(), Ordering::Relaxed);
        if let Some(waiting) = &envelope.waiting {
            waiting.store(false, Ordering::Relaxed);
        }
        Poll::Ready(Some(Item::Letter(envelope)))
    }

    /// What the gauge wants to know about a letter.
    pub(crate) fn taken(&self, envelope: &Envelope<A>) -> Taken {
        let now = self.clock.monotonic();
        let waited: Duration = now.saturating_duration_since(envelope.enqueued);
        Taken { name: envelope.name, trace: envelope.cx.trace, at_unix_us: self.clock.now_unix_us(), waited, now }
    }

    /// The span of a letter that is taken up, if its trace is recorded.
    pub(crate) fn open_span(&self, envelope: &Envelope<A>, taken: &Taken) -> Option<Seat> {
        if !self.recorder.records(envelope.cx.trace) {
            return None;
        }
        self.recorder.begin(self.record(envelope, taken))
    }

    fn record(&self, envelope: &Envelope<A>, taken: &Taken) -> Record {
        let wait_us = micros(taken.waited);
        Record {
            trace: envelope.cx.trace,
            span: SpanId::new(),
            parent: envelope.cx.span,
            actor: Some(self.path.clone()),
            name: envelope.name.into(),
            kind: envelope.kind,
            at_unix_us: taken.at_unix_us.saturating_sub(wait_us),
            began: envelope.enqueued,
            wait_us,
            handle_us: 0,
            total_us: wait_us,
            outcome: Outcome::Running,
            labels: Vec::new(),
        }
    }

    /// A letter that there is no room for is seen.
    fn full(&self, envelope: &Envelope<A>) {
        self.gauge.refused();
        if self.recorder.records(envelope.cx.trace) {
            let taken = self.taken(envelope);
            self.recorder.note(Record { outcome: Outcome::Refused, ..self.record(envelope, &taken) });
        }
    }

    /// A letter that nobody waits for any more is not handled, but seen.
    fn expired(&self, envelope: &Envelope<A>) {
        let taken = self.taken(envelope);
        self.gauge.expired(&taken);
        if self.recorder.records(envelope.cx.trace) {
            self.recorder.note(Record { outcome: Outcome::Expired, ..self.record(envelope, &taken) });
        }
    }

    /// What runs for a span of this actor carries this.
    pub(crate) fn scope(&self, cx: Option<TraceContext>, seat: Option<Seat>) -> Scope {
        Scope { cx, seat, recorder: Some(self.recorder.clone()) }
    }
}

/// One incarnation's view of the mailbox; ends when the incarnation is dead.
pub(crate) struct Feed<A: Actor> {
    pub(crate) mailbox: Arc<Mailbox<A>>,
    pub(crate) incarnation: u64,
}

impl<A: Actor> Stream for Feed<A> {
    type Item = Item<A>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Item<A>>> {
        loop {
            match self.mailbox.take(self.incarnation, cx.waker()) {
                Poll::Ready(Some(Item::Letter(envelope))) if envelope.letter.abandoned() => {
                    self.mailbox.expired(&envelope);
                }
                other => return other,
            }
        }
    }
}
