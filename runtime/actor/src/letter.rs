//! Messages on their way: with their type erased, the place their answer goes to, and where they came from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::actor::{Actor, Answer, Handle, Kind, Message};
use crate::address::AskError;
use crate::context::{Context, Verdict};
use crate::mailbox::Mailbox;
use crate::trace::{Seat, TraceContext};
use crate::view::Outcome;

/// Where the answer to an ask goes.
pub(crate) type ReplyTo<T> = oneshot::Sender<Result<T, AskError>>;

/// A message with its type erased.
pub(crate) trait Deliver<A: Actor>: Send {
    /// Hands the message to the actor.
    fn deliver(self: Box<Self>, actor: &mut A, cx: &mut Context<A>);
    /// The sender does not wait any more.
    fn abandoned(&self) -> bool;
    /// The message will not be handled.
    fn refuse(self: Box<Self>, error: AskError);
}

/// A message with the place its answer goes to.
pub(crate) struct Letter<M: Message> {
    pub(crate) message: M,
    pub(crate) reply: Option<ReplyTo<M::Reply>>,
}

impl<A: Handle<M>, M: Message> Deliver<A> for Letter<M> {
    fn deliver(self: Box<Self>, actor: &mut A, cx: &mut Context<A>) {
        let Self { message, reply } = *self;
        tracing::trace!(message = ?message, "handle");
        let Answer(kind) = actor.handle(message, cx);
        match kind {
            Kind::Now(value) => {
                let failed = matches!(cx.verdict, Some(Verdict::Fail(_)));
                // Counted before it is answered: whoever has the answer sees it in the list.
                cx.handled(if failed { Outcome::Failed } else { Outcome::Done });
                if let Some(reply) = reply {
                    // A sender that gave up in the meantime is not an error.
                    let _ = reply.send(Ok(value));
                }
            }
            Kind::Later { future, while_wanted } => {
                cx.handled(Outcome::Running);
                cx.answer_later(future, reply, while_wanted);
            }
        }
    }

    fn abandoned(&self) -> bool {
        self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    fn refuse(self: Box<Self>, error: AskError) {
        if let Some(reply) = self.reply {
            let _ = reply.send(Err(error));
        }
    }
}

/// A letter on its way.
pub(crate) struct Envelope<A: Actor> {
    pub(crate) letter: Box<dyn Deliver<A>>,
    pub(crate) name: &'static str,
    /// Where it was sent from.
    pub(crate) cx: TraceContext,
    /// `ask`, `tell`, `event` or `tick`.
    pub(crate) kind: &'static str,
    pub(crate) enqueued: Instant,
    /// The incarnation that sent it to itself; such letters die with it and do not count against the capacity.
    pub(crate) own: Option<u64>,
    /// Set while a tick of a repeating timer waits.
    pub(crate) waiting: Option<Arc<AtomicBool>>,
}

/// The outcome that stands in the list of last messages when a later answer is dropped half-way.
pub(crate) struct Settle<A: Actor> {
    pub(crate) mailbox: Arc<Mailbox<A>>,
    pub(crate) seq: u64,
    pub(crate) seat: Option<Seat>,
    pub(crate) outcome: Outcome,
}

impl<A: Actor> Settle<A> {
    pub(crate) fn new(mailbox: Arc<Mailbox<A>>, seq: u64, seat: Option<Seat>) -> Self {
        mailbox.gauge.working.fetch_add(1, Ordering::Relaxed);
        Self { mailbox, seq, seat, outcome: Outcome::Lost }
    }

    pub(crate) fn error(&self, text: &str) {
        if let Some(seat) = self.seat {
            self.mailbox.recorder.label(seat, "error", text.into());
        }
    }
}

impl<A: Actor> Drop for Settle<A> {
    fn drop(&mut self) {
        self.mailbox.gauge.working.fetch_sub(1, Ordering::Relaxed);
        self.mailbox.gauge.settle(self.seq, self.outcome);
        if let Some(seat) = self.seat {
            let outcome = self.outcome;
            self.mailbox.recorder.finish(seat, self.mailbox.clock.monotonic(), |record| record.outcome = outcome);
        }
    }
}
