//! What an actor declares, and how a handler answers.

use std::fmt::Debug;
use std::future::Future;

use futures::future::BoxFuture;

use crate::context::Context;

/// Something that can be sent to an actor.
pub trait Message: Debug + Send + 'static {
    /// What the sender of an ask gets back.
    type Reply: Send + 'static;
    /// The name in traces, on the dashboard and on the wire; unique per mailbox.
    const NAME: &'static str;
}

/// One role. The value is rebuilt by its factory after a panic, an error or a stall, so a field is a cache, never the truth.
pub trait Actor: Send + Sized + 'static {
    /// The role, in snake case: `snapshot_job_supervisor`.
    const ROLE: &'static str;
    /// The observable state: what the dashboard shows for this actor.
    type State: serde::Serialize + Send + 'static;

    /// The state now. Cheap, and never blocks: it runs between two messages.
    fn observe(&self) -> Self::State;

    /// Runs first in every incarnation: schedule ticks, spawn the first effects.
    fn started(&mut self, cx: &mut Context<Self>) {
        let _ = cx;
    }

    /// Runs last when the actor is stopped in order; not after a crash.
    fn stopping(&mut self, cx: &mut Context<Self>) {
        let _ = cx;
    }
}

/// The actor handles `M`. Handlers are short and synchronous; long work goes into [`Answer::later`] or [`Context::effect`].
pub trait Handle<M: Message>: Actor {
    /// Handles one message.
    fn handle(&mut self, message: M, cx: &mut Context<Self>) -> Answer<M::Reply>;
}

/// The answer to a message: known now, or known once a future ends.
pub struct Answer<T>(pub(crate) Kind<T>);

pub(crate) enum Kind<T> {
    Now(T),
    Later { future: BoxFuture<'static, T>, while_wanted: bool },
}

impl<T> Answer<T> {
    /// The answer is known.
    pub fn now(value: T) -> Self {
        Self(Kind::Now(value))
    }

    /// The answer is what the future gives. It runs on the tokio runtime and ends early only if this incarnation of the
    /// actor crashes; the sender then gets [`AskError::Lost`](crate::AskError::Lost).
    pub fn later<F>(future: F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        Self(Kind::Later { future: Box::pin(future), while_wanted: false })
    }

    /// Like [`Answer::later`], but dropped as soon as the sender gives up (its deadline passed, its connection closed).
    /// For work that only its asker needs, like a query.
    pub fn while_wanted<F>(future: F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        Self(Kind::Later { future: Box::pin(future), while_wanted: true })
    }
}

impl Answer<()> {
    /// Handled; nothing to say.
    pub fn done() -> Self {
        Self::now(())
    }
}
