//! The way to whoever leads: a mailbox that is reached here while this frontend leads, and on the leader's node otherwise.
//!
//! ```text
//!   session ──Propose──▶ Proposer ──Once{proposer, sequence}──▶ Route<Forward> ──▶ metadata_leader, here or there
//!              ▲                        │ again, with the same number, when the leader is lost on the way
//!              └── answered when the view here shows it ◀──────┘
//! ```

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors_messages::leader::{Forward, Propose, ProposeFailure};
use futures::FutureExt;
use futures::future::BoxFuture;
use runtime_actor::{AskError, Message, Reach, Recipient, TellError, random};
use runtime_raft::{Meta, Standing};
use runtime_rpc::{Peers, Registry, RpcError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage_catalog::{Command, Outcome};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Before a leader that could not be reached is tried again, unless another leads sooner.
const PAUSE: Duration = Duration::from_millis(100);
/// A leader that is gone is mostly replaced within this: a command is worth another try while so much time is left.
const LEAST: Duration = Duration::from_millis(20);

/// Whether a message may be sent again that may have been handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Once is as good as twice.
    Yes,
    /// Only what was certainly not handled is sent again.
    No,
}

/// What all routes of a frontend share.
#[derive(Clone)]
pub struct Routes {
    standing: watch::Receiver<Standing>,
    peers: Peers,
    registry: Registry,
}

impl Routes {
    /// Routes that follow `standing`; actors that lead here are exposed in `registry` to the others.
    pub fn new(standing: watch::Receiver<Standing>, peers: Peers, registry: Registry) -> Routes {
        Routes { standing, peers, registry }
    }

    /// The way to the leader's actor that takes `M`.
    pub fn to<M: Message>(&self, mailbox: &'static str, again: Again) -> Route<M> {
        Route { shared: self.clone(), mailbox, again, here: Arc::new(watch::Sender::new(None)) }
    }
}

/// The way to one message of one leading actor. Cloning shares it.
pub struct Route<M: Message> {
    shared: Routes,
    mailbox: &'static str,
    again: Again,
    here: Arc<watch::Sender<Option<Recipient<M>>>>,
}

impl<M: Message> Clone for Route<M> {
    fn clone(&self) -> Self {
        let (shared, here) = (self.shared.clone(), self.here.clone());
        Route { shared, mailbox: self.mailbox, again: self.again, here }
    }
}

/// Where the leader is.
enum Place<M: Message> {
    Here(Recipient<M>),
    There(String),
    Nowhere,
}

impl<M> Route<M>
where
    M: Message + Clone + Serialize + DeserializeOwned,
    M::Reply: Serialize + DeserializeOwned,
{
    /// This frontend leads, and this is the actor. It is exposed to the others too.
    pub fn seat(&self, actor: Recipient<M>) {
        self.shared.registry.expose_recipient::<M>(self.mailbox, actor.clone());
        self.here.send_replace(Some(actor));
    }

    /// It leads no more. (The whole mailbox is withdrawn: all its messages go together.)
    pub fn unseat(&self) {
        self.here.send_replace(None);
        self.shared.registry.withdraw(self.mailbox);
    }

    /// As a recipient, which hides where the leader is.
    pub fn recipient(&self) -> Recipient<M> {
        Recipient::new(self.clone())
    }

    fn place(&self) -> Place<M> {
        if let Some(actor) = self.here.borrow().clone() {
            return Place::Here(actor);
        }
        let standing = self.shared.standing.borrow();
        match &standing.leader {
            // Its actors are still being started.
            Some(_) if standing.leads() => Place::Nowhere,
            Some(leader) => Place::There(leader.address.clone()),
            None => Place::Nowhere,
        }
    }

    async fn find_and_ask(self, message: M, deadline: Duration) -> Result<M::Reply, AskError> {
        let until = Instant::now() + deadline;
        let mut standing = self.shared.standing.clone();
        let mut here = self.here.subscribe();
        // Whether some leader may have handled it: then it is not enough that the next was certainly not asked.
        let mut lost = false;
        loop {
            standing.borrow_and_update();
            here.borrow_and_update();
            let left = until.saturating_duration_since(Instant::now());
            let error = match self.place() {
                Place::Here(actor) => match actor.ask_within(message.clone(), left).await {
                    Ok(reply) => return Ok(reply),
                    Err(AskError::Stopped) => AskError::Stopped,
                    Err(error @ AskError::Lost) if self.again == Again::Yes => error,
                    Err(_) if lost => return Err(AskError::Lost),
                    Err(error) => return Err(error),
                },
                Place::There(address) => match self.ask_there(&address, message.clone(), left).await {
                    Ok(reply) => return Ok(reply),
                    Err((error, true)) => error,
                    Err((_, false)) if lost => return Err(AskError::Lost),
                    Err((error, false)) => return Err(error),
                },
                Place::Nowhere => AskError::Unreachable("no frontend leads now".to_owned()),
            };
            lost |= error == AskError::Lost;
            if until.saturating_duration_since(Instant::now()) < LEAST {
                return Err(if lost { AskError::Lost } else { error });
            }
            tokio::select! {
                _ = standing.changed() => {}
                _ = here.changed() => {}
                () = sleep(PAUSE) => {}
            }
        }
    }

    /// Err: why not, and whether it may be tried again.
    async fn ask_there(&self, address: &str, message: M, left: Duration) -> Result<M::Reply, (AskError, bool)> {
        let mut standing = self.shared.standing.clone();
        let peer = self.shared.peers.to(address);
        let asked = peer.ask(self.mailbox, message, left);
        let moved = standing.wait_for(|now| now.leader.as_ref().is_none_or(|leader| leader.address != address));
        let may_repeat = self.again == Again::Yes;
        let answer = tokio::select! {
            biased;
            answer = asked => answer,
            // A leader that was deposed may never answer, and may have done it.
            _ = moved, if may_repeat => {
                return Err((AskError::Lost, true));
            }
        };
        answer.map_err(|error| {
            let busy = matches!(error, RpcError::Full { .. });
            let again = !busy && (error.not_handled() || may_repeat && matches!(error, RpcError::Lost { .. }));
            (error.into(), again)
        })
    }
}

impl<M> Reach<M> for Route<M>
where
    M: Message + Clone + Serialize + DeserializeOwned,
    M::Reply: Serialize + DeserializeOwned,
{
    fn ask(&self, message: M, deadline: Duration) -> BoxFuture<'static, Result<M::Reply, AskError>> {
        self.clone().find_and_ask(message, deadline).boxed()
    }

    fn tell(&self, message: M) -> Result<(), TellError> {
        match self.place() {
            Place::Here(actor) => actor.tell(message),
            Place::There(address) => self.shared.peers.to(&address).mailbox(self.mailbox).recipient().tell(message),
            // What is told may be lost.
            Place::Nowhere => Ok(()),
        }
    }

    fn describe(&self) -> String {
        format!("leader/{}", self.mailbox)
    }
}

/// Puts commands through the log of whoever leads, each once, and waits until they are seen here.
#[derive(Clone)]
pub struct Proposer(Arc<Inner>);

struct Inner {
    /// Of this process: its numbers begin at 1.
    id: u128,
    numbers: Mutex<Numbers>,
    forward: Recipient<Forward>,
    meta: Meta,
}

#[derive(Default)]
struct Numbers {
    last: u64,
    open: BTreeSet<u64>,
}

/// The number of a command that is under way.
struct Ticket {
    inner: Arc<Inner>,
    sequence: u64,
    heard: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.inner.numbers().open.remove(&self.sequence);
    }
}

impl Inner {
    fn numbers(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proposer {
    /// A proposer that reaches the leader by `forward`, for the readers of `meta`.
    pub fn new(forward: Recipient<Forward>, meta: Meta) -> Proposer {
        Proposer(Arc::new(Inner { id: random::id(), numbers: Mutex::default(), forward, meta }))
    }

    fn ticket(&self) -> Ticket {
        let mut numbers = self.0.numbers();
        numbers.last += 1;
        let sequence = numbers.last;
        numbers.open.insert(sequence);
        let heard = numbers.open.first().copied().unwrap_or(sequence);
        Ticket { inner: self.0.clone(), sequence, heard }
    }

    async fn propose(self, command: Command, deadline: Duration) -> Result<Result<Outcome, ProposeFailure>, AskError> {
        let until = Instant::now() + deadline;
        let left = || until.saturating_duration_since(Instant::now());
        let ticket = self.ticket();
        let (proposer, sequence, heard) = (self.0.id, ticket.sequence, ticket.heard);
        let command = Command::Once { proposer, sequence, heard, command: Box::new(command) };
        // Whether some leader may have taken it.
        let mut cause = None;
        loop {
            let failure = match self.0.forward.ask_within(Forward { command: command.clone() }, left()).await {
                Ok(Ok(done)) => {
                    if !self.0.meta.reaches(done.revision, left().max(LEAST)).await {
                        let behind =
                            format!("it is done, but this frontend has not seen revision {} yet", done.revision);
                        return Ok(Err(ProposeFailure::Unavailable(behind)));
                    }
                    return Ok(done.reply.map_err(ProposeFailure::Rejected));
                }
                Ok(Err(failure @ (ProposeFailure::NotLeader | ProposeFailure::Unavailable(_)))) => failure,
                // It is certain of this attempt alone.
                Ok(Err(failure)) => return Ok(Err(cause.unwrap_or(failure))),
                // Too much to do is no reason to ask for more.
                Err(AskError::Full) => return cause.map_or(Err(AskError::Full), |cause| Ok(Err(cause))),
                Err(AskError::Unreachable(_) | AskError::Stopped) => ProposeFailure::NotLeader,
                Err(error) => ProposeFailure::Unavailable(error.to_string()),
            };
            if failure != ProposeFailure::NotLeader {
                cause = Some(failure);
            }
            if left() < PAUSE {
                return Ok(Err(cause.unwrap_or(ProposeFailure::NotLeader)));
            }
            let mut standing = self.0.meta.standing_watch();
            // Either is a reason to try again.
            let _ = timeout(PAUSE, standing.changed()).await;
        }
    }
}

impl Reach<Propose> for Proposer {
    fn ask(
        &self,
        message: Propose,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Result<Outcome, ProposeFailure>, AskError>> {
        self.clone().propose(message.command, deadline).boxed()
    }

    fn tell(&self, message: Propose) -> Result<(), TellError> {
        let deadline = runtime_actor::address::DEFAULT_DEADLINE;
        tokio::spawn(self.clone().propose(message.command, deadline));
        Ok(())
    }

    fn describe(&self) -> String {
        "leader/propose".to_owned()
    }
}
