//! How an actor is reached. An address stays good across restarts of its actor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::actor::{Actor, Handle, Message};
use crate::mailbox::{Control, Mailbox};

/// How long an ask waits unless told otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Why an ask got no answer. Only `Full` and `Stopped` say that the message was certainly not handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AskError {
    /// The mailbox is full; try again later.
    #[error("the mailbox is full")]
    Full,
    /// The actor has stopped for good; its address leads nowhere.
    #[error("the actor has stopped")]
    Stopped,
    /// No answer in time. The message may still be handled.
    #[error("no answer before the deadline")]
    Deadline,
    /// The actor crashed while it handled the message, or while the answer was being worked out.
    #[error("the message was lost in a crash of the actor")]
    Lost,
    /// The actor lives on another node that cannot be reached.
    #[error("the actor is out of reach: {0}")]
    Unreachable(String),
    /// The other node could not take the message: an unknown mailbox, or bytes it does not understand.
    #[error("the message was rejected: {0}")]
    Rejected(String),
}

/// Why a tell was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum TellError {
    /// The mailbox is full; try again later.
    #[error("the mailbox is full")]
    Full,
    /// The actor has stopped for good.
    #[error("the actor has stopped")]
    Stopped,
}

impl From<TellError> for AskError {
    fn from(error: TellError) -> Self {
        match error {
            TellError::Full => Self::Full,
            TellError::Stopped => Self::Stopped,
        }
    }
}

/// The address of an actor.
pub struct Address<A: Actor> {
    pub(crate) mailbox: Arc<Mailbox<A>>,
}

impl<A: Actor> Clone for Address<A> {
    fn clone(&self) -> Self {
        Self { mailbox: self.mailbox.clone() }
    }
}

impl<A: Actor> fmt::Debug for Address<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.mailbox.path)
    }
}

impl<A: Actor> Address<A> {
    /// Sends a message and waits for its answer, at most [`DEFAULT_DEADLINE`]. May be repeated.
    pub async fn ask<M>(&self, message: M) -> Result<M::Reply, AskError>
    where
        M: Message,
        A: Handle<M>,
    {
        self.ask_within(message, DEFAULT_DEADLINE).await
    }

    /// Sends a message and waits for its answer until the deadline. A message whose sender gave up before it was taken
    /// up is not handled at all.
    pub async fn ask_within<M>(&self, message: M, deadline: Duration) -> Result<M::Reply, AskError>
    where
        M: Message,
        A: Handle<M>,
    {
        let (reply, answer) = oneshot::channel();
        self.mailbox.post(message, Some(reply))?;
        wait(answer, deadline).await
    }

    /// Sends a message without waiting; never blocks.
    pub fn tell<M>(&self, message: M) -> Result<(), TellError>
    where
        M: Message,
        A: Handle<M>,
    {
        self.mailbox.post(message, None)
    }

    /// The address narrowed to one message, without the actor's type.
    pub fn recipient<M>(&self) -> Recipient<M>
    where
        M: Message,
        A: Handle<M>,
    {
        Recipient(Arc::new(self.clone()))
    }

    /// Asks the actor to stop in order: it finishes the message it is at, refuses those that wait, and leaves the tree.
    pub fn stop(&self) {
        self.mailbox.close();
        self.mailbox.control(Control::Stop);
    }

    /// The actor takes no more messages.
    pub fn is_stopped(&self) -> bool {
        self.mailbox.is_closed()
    }

    /// The actor's place in the tree: names joined by `/`.
    pub fn path(&self) -> &str {
        &self.mailbox.path
    }
}

async fn wait<T>(answer: oneshot::Receiver<Result<T, AskError>>, deadline: Duration) -> Result<T, AskError> {
    match tokio::time::timeout(deadline, answer).await {
        Ok(Ok(result)) => result,
        // The sender's half was dropped without a word: the incarnation that held it is gone.
        Ok(Err(_)) => Err(AskError::Lost),
        Err(_) => Err(AskError::Deadline),
    }
}

/// Something that takes messages of one kind: an actor here, or an actor on another node.
pub trait Reach<M: Message>: Send + Sync + 'static {
    /// Sends and waits for the answer.
    fn ask(&self, message: M, deadline: Duration) -> BoxFuture<'static, Result<M::Reply, AskError>>;
    /// Sends without waiting.
    fn tell(&self, message: M) -> Result<(), TellError>;
    /// Where it leads, for logs.
    fn describe(&self) -> String;
}

impl<A: Handle<M>, M: Message> Reach<M> for Address<A> {
    fn ask(&self, message: M, deadline: Duration) -> BoxFuture<'static, Result<M::Reply, AskError>> {
        let (reply, answer) = oneshot::channel();
        match self.mailbox.post(message, Some(reply)) {
            Ok(()) => wait(answer, deadline).boxed(),
            Err(error) => futures::future::ready(Err(error.into())).boxed(),
        }
    }

    fn tell(&self, message: M) -> Result<(), TellError> {
        Address::tell(self, message)
    }

    fn describe(&self) -> String {
        self.path().to_owned()
    }
}

/// The address of whoever handles `M`.
pub struct Recipient<M: Message>(Arc<dyn Reach<M>>);

impl<M: Message> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Message> fmt::Debug for Recipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient<{}>({})", M::NAME, self.0.describe())
    }
}

impl<M: Message> Recipient<M> {
    /// A recipient from anything that takes the message.
    pub fn new(reach: impl Reach<M>) -> Self {
        Self(Arc::new(reach))
    }

    /// Sends a message and waits for its answer, at most [`DEFAULT_DEADLINE`].
    pub async fn ask(&self, message: M) -> Result<M::Reply, AskError> {
        self.0.ask(message, DEFAULT_DEADLINE).await
    }

    /// Sends a message and waits for its answer until the deadline.
    pub async fn ask_within(&self, message: M, deadline: Duration) -> Result<M::Reply, AskError> {
        self.0.ask(message, deadline).await
    }

    /// Sends a message without waiting; never blocks.
    pub fn tell(&self, message: M) -> Result<(), TellError> {
        self.0.tell(message)
    }
}
