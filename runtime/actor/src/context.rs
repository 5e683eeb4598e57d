//! What a handler may do besides answering: timers, effects, fail, stop.

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::actor::{Actor, Handle, Message};
use crate::address::Address;
use crate::clock::SharedClock;
use crate::host::panic_text;
use crate::letter::{ReplyTo, Settle};
use crate::mailbox::{Control, Life, Mailbox};
use crate::trace::{Recorder, Scope, Seat, micros};
use crate::view::Outcome;
use crate::work::{MOST_TASKS, Pulse};

/// What a handler decided about the life of its actor.
#[derive(Debug)]
pub(crate) enum Verdict {
    Stop,
    Fail(String),
}

/// The message at hand.
#[derive(Debug)]
pub(crate) struct AtHand {
    /// In the numbering of the gauge.
    pub(crate) seq: u64,
    pub(crate) seat: Option<Seat>,
    pub(crate) began: Instant,
    /// The handler has ended.
    pub(crate) settled: bool,
}

/// The surroundings of one incarnation of an actor. Everything started through it ends with the incarnation.
pub struct Context<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
    incarnation: u64,
    life: Life,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) at_hand: Option<AtHand>,
}

/// A running timer. Dropping it changes nothing; [`Timer::cancel`] ends it.
#[derive(Debug, Clone)]
pub struct Timer(CancellationToken);

impl Timer {
    /// No further tick is sent. One that already waits in the mailbox still comes.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(mailbox: Arc<Mailbox<A>>, incarnation: u64, life: Life) -> Self {
        Self { mailbox, incarnation, life, verdict: None, at_hand: None }
    }

    /// The actor's own address.
    pub fn address(&self) -> Address<A> {
        Address { mailbox: self.mailbox.clone() }
    }

    /// How often the actor was built; 1 is the first life.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The tree's clock.
    pub fn clock(&self) -> &SharedClock {
        &self.mailbox.clock
    }

    /// Milliseconds since 1970 on the tree's clock.
    pub fn now_unix_ms(&self) -> u64 {
        self.mailbox.clock.now_unix_ms()
    }

    /// Where the spans of this node are kept, for work that is no message.
    pub fn recorder(&self) -> &Recorder {
        &self.mailbox.recorder
    }

    /// Sends a message to itself, behind those that wait; dies with this incarnation. Messages to itself are not counted
    /// among those from outside, but bounded all the same: an actor that drowns in them is rebuilt.
    pub fn notify<M>(&self, message: M)
    where
        M: Message,
        A: Handle<M>,
    {
        // Refused only when this incarnation is already over; then nobody misses it.
        let _ = self.mailbox.post_own(message, self.incarnation, None);
    }

    /// Sends a message to itself after a while.
    pub fn after<M>(&self, delay: Duration, message: M) -> Timer
    where
        M: Message,
        A: Handle<M>,
    {
        let token = self.life.effects.child_token();
        let (mailbox, own) = (self.mailbox.clone(), self.incarnation);
        self.task(token.clone(), async move {
            tokio::time::sleep(delay).await;
            let _ = mailbox.post_own(message, own, None);
        });
        Timer(token)
    }

    /// Sends a message to itself again and again, first after one period. A tick is skipped while the last one still
    /// waits, so a slow actor does not drown in them. Each tick starts a new trace.
    pub fn every<M, F>(&self, period: Duration, message: F) -> Timer
    where
        M: Message,
        A: Handle<M>,
        F: Fn() -> M + Send + 'static,
    {
        let token = self.life.effects.child_token();
        let (mailbox, own) = (self.mailbox.clone(), self.incarnation);
        let waiting = Arc::new(AtomicBool::new(false));
        self.task(token.clone(), async move {
            let period = period.max(Duration::from_millis(1));
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if waiting.swap(true, Ordering::Relaxed) {
                    continue;
                }
                let sent = crate::trace::sync_scope(crate::TraceId::routine(), || {
                    mailbox.post_own(message(), own, Some(waiting.clone()))
                });
                if sent.is_err() {
                    return;
                }
            }
        });
        Timer(token)
    }

    /// Runs a future beside the actor on the tokio runtime, until this incarnation ends. If it panics, the actor is rebuilt.
    pub fn spawn<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.task(self.life.effects.clone(), future);
    }

    /// Runs a future beside the actor and sends what it gives to the actor as a message: state first, effect second,
    /// event third. The event never reaches a later incarnation.
    pub fn effect<M, F>(&self, future: F)
    where
        M: Message,
        A: Handle<M>,
        F: Future<Output = M> + Send + 'static,
    {
        let (mailbox, own) = (self.mailbox.clone(), self.incarnation);
        let at_work = self.life.work.begin(M::NAME);
        self.spawn(async move {
            let _at_work = at_work;
            let span = mailbox.recorder.open("effect", M::NAME).at(mailbox.path.clone());
            let message = span.run(future).await;
            let _ = span.run_sync(|| mailbox.post_own(message, own, None));
            span.finish();
        });
    }

    /// The actor cannot go on: after this handler its supervisor rebuilds it.
    pub fn fail(&mut self, error: impl Display) {
        if !matches!(self.verdict, Some(Verdict::Fail(_))) {
            self.verdict = Some(Verdict::Fail(error.to_string()));
        }
    }

    /// The actor is done: after this handler it stops in order and leaves the tree.
    pub fn stop(&mut self) {
        if self.verdict.is_none() {
            self.verdict = Some(Verdict::Stop);
        }
    }

    /// Says that a long handler is alive; the stall limit counts from here.
    pub fn progress(&self) {
        self.mailbox.gauge.busy(self.incarnation);
    }

    /// With this an effect says that it is alive, where [`ActorSpec::stall_after`](crate::ActorSpec::stall_after) is set.
    pub fn pulse(&self) -> Pulse {
        Pulse(self.life.work.clone())
    }

    fn task<F>(&self, token: CancellationToken, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (mailbox, own) = (self.mailbox.clone(), self.incarnation);
        let Some(counted) = self.life.work.count() else {
            let reason = format!("over {MOST_TASKS} timers and effects run for it");
            mailbox.control(Control::Crash(own, reason));
            return;
        };
        self.life.runtime.spawn(Scope::current().run(async move {
            let _counted = counted;
            let result = tokio::select! {
                biased;
                () = token.cancelled() => return,
                result = AssertUnwindSafe(future).catch_unwind() => result,
            };
            if let Err(panic) = result {
                mailbox.control(Control::Crash(own, format!("an effect panicked: {}", panic_text(&*panic))));
            }
        }));
    }

    /// The handler has ended like this; told once per message.
    pub(crate) fn handled(&mut self, outcome: Outcome) {
        let Some(at_hand) = self.at_hand.as_mut().filter(|at_hand| !at_hand.settled) else { return };
        at_hand.settled = true;
        let now = self.mailbox.clock.monotonic();
        let took = now.saturating_duration_since(at_hand.began);
        self.mailbox.gauge.end(at_hand.seq, self.incarnation, took, outcome);
        let Some(seat) = at_hand.seat else { return };
        let handle_us = micros(took);
        if outcome == Outcome::Running {
            self.mailbox.recorder.update(seat, |record| record.handle_us = handle_us);
        } else {
            self.mailbox.recorder.finish(seat, now, |record| {
                (record.handle_us, record.outcome) = (handle_us, outcome);
            });
        }
    }

    pub(crate) fn answer_later<T>(
        &mut self,
        future: BoxFuture<'static, T>,
        reply: Option<ReplyTo<T>>,
        while_wanted: bool,
    ) where
        T: Send + 'static,
    {
        let (seq, seat) = self.at_hand.take().map_or((u64::MAX, None), |at_hand| (at_hand.seq, at_hand.seat));
        let mut settle = Settle::new(self.mailbox.clone(), seq, seat);
        let kill = self.life.kill.clone();
        let scope = Scope::current();
        let trace = scope.cx.map(|cx| cx.trace);
        let task = scope.run(async move {
            let mut reply = reply;
            let result = {
                let given_up = async {
                    match reply.as_mut() {
                        Some(reply) if while_wanted => reply.closed().await,
                        _ => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = kill.cancelled() => return,
                    () = given_up => return,
                    result = AssertUnwindSafe(future).catch_unwind() => result,
                }
            };
            match result {
                Ok(value) => {
                    settle.outcome = Outcome::Done;
                    // Settled before it is answered: whoever has the answer sees it in the list.
                    drop(settle);
                    if let Some(reply) = reply {
                        let _ = reply.send(Ok(value));
                    }
                }
                Err(panic) => {
                    settle.outcome = Outcome::Panicked;
                    settle.error(panic_text(&*panic));
                    tracing::error!(actor = %settle.mailbox.path, ?trace, reason = panic_text(&*panic), "an answer panicked");
                }
            }
        });
        self.life.answers.spawn_on(task, &self.life.runtime);
    }
}
