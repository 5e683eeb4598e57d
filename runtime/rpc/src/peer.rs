//! The calling end: one connection to another node, made when it is needed and made again when it broke.

mod counts;
mod dial;
mod link;

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use runtime_actor::trace::RootSpan;
use runtime_actor::{AskError, Message, Reach, Recipient, TellError, trace};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::codec;
use crate::error::RpcError;
use crate::identity::{Identity, IdentitySource};
use crate::options::RpcOptions;
use crate::stream::{self, Connector};
use counts::Counts;
use link::Link;

pub use counts::PeerCounts;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use dial::dial_over;

/// Another node, as this one calls it. Clones share the connection; it is closed when the last clone is dropped.
#[derive(Clone)]
pub struct Peer {
    inner: Arc<Inner>,
}

struct Inner {
    address: String,
    identity: IdentitySource,
    options: RpcOptions,
    connector: Connector,
    /// The connection that asks use.
    link: Mutex<Option<Arc<Link>>>,
    /// Held while a connection is made: only one at a time is.
    dialing: tokio::sync::Mutex<Attempts>,
    counts: Counts,
}

/// What the last attempts met.
#[derive(Default)]
struct Attempts {
    failures: u32,
    last: Option<(Instant, RpcError)>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({})", self.inner.address)
    }
}

impl Peer {
    /// A peer at `host:port`; connects at the first ask. Introduces itself with this identity.
    pub fn connect(address: impl Into<String>, identity: Identity) -> Self {
        Self::with(address, Arc::new(move || identity.clone()), RpcOptions::default())
    }

    /// Like [`Peer::connect`], with an identity that may change between connections, and every limit chosen.
    pub fn with(address: impl Into<String>, identity: IdentitySource, options: RpcOptions) -> Self {
        let connector = stream::tcp(options.tls.clone());
        Self::over(address, identity, options, connector)
    }

    /// Like [`Peer::with`], over streams of the caller's.
    pub(crate) fn over(
        address: impl Into<String>,
        identity: IdentitySource,
        options: RpcOptions,
        connector: Connector,
    ) -> Self {
        let inner = Inner {
            address: address.into(),
            identity,
            options,
            connector,
            link: Mutex::new(None),
            dialing: tokio::sync::Mutex::new(Attempts::default()),
            counts: Counts::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Who the other node says it is; connects if need be.
    pub async fn identity(&self, deadline: Duration) -> Result<Identity, RpcError> {
        Ok(self.link(Instant::now() + deadline).await?.remote().clone())
    }

    /// What was asked so far, and what became of it.
    pub fn counts(&self) -> PeerCounts {
        self.inner.counts.view(self.address(), self.inner.live().is_some())
    }

    /// Drops the connection; the next ask makes a new one, with a new handshake.
    pub fn disconnect(&self) {
        self.inner.link.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Sends a message to a mailbox of the other node and waits for the answer until the deadline. A span of the kind `remote`
    /// at this node; what the message sets off over there hangs below it.
    pub async fn ask<M>(&self, mailbox: &str, message: M, deadline: Duration) -> Result<M::Reply, RpcError>
    where
        M: Message + Serialize,
        M::Reply: DeserializeOwned,
    {
        self.span(mailbox, M::NAME).around(self.exchange(mailbox, message, deadline)).await
    }

    /// Happens at `host:port/mailbox`.
    fn span(&self, mailbox: &str, message: &'static str) -> RootSpan {
        trace::span("remote", message).at(format!("{}/{mailbox}", self.inner.address).into())
    }

    async fn exchange<M>(&self, mailbox: &str, message: M, deadline: Duration) -> Result<M::Reply, RpcError>
    where
        M: Message + Serialize,
        M::Reply: DeserializeOwned,
    {
        let payload = codec::encode(&message)
            .map_err(|error| RpcError::Unencodable { message: M::NAME.to_owned(), cause: error.to_string() })?;
        drop(message);
        let until = Instant::now() + deadline;
        let asking = self.inner.counts.asks(payload.len());
        let link = self.link(until).await?;
        let reply = link.ask(mailbox, M::NAME, &payload, until).await?;
        asking.answered(reply.len());
        codec::decode(&reply).map_err(|error| RpcError::Lost {
            address: self.inner.address.clone(),
            cause: format!("the answer cannot be decoded: {error}"),
        })
    }

    /// A mailbox of the other node for one message.
    pub fn mailbox<M: Message>(&self, mailbox: impl Into<String>) -> RemoteMailbox<M> {
        RemoteMailbox { peer: self.clone(), mailbox: mailbox.into().into(), message: PhantomData }
    }

    /// The live connection, or a new one.
    async fn link(&self, until: Instant) -> Result<Arc<Link>, RpcError> {
        if let Some(link) = self.inner.live() {
            return Ok(link);
        }
        // In a task of its own: an impatient asker does not undo what the next one needs.
        let inner = self.inner.clone();
        let making = tokio::spawn(async move { inner.make().await });
        match tokio::time::timeout_at(until, making).await {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => Err(self.inner.unreachable(&error)),
            Err(_) => Err(self.inner.unreachable(&"no connection before the deadline")),
        }
    }
}

impl Inner {
    fn live(&self) -> Option<Arc<Link>> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().filter(|link| link.is_live()).cloned()
    }

    fn unreachable(&self, cause: &dyn fmt::Display) -> RpcError {
        RpcError::Unreachable { address: self.address.clone(), cause: cause.to_string() }
    }

    async fn make(&self) -> Result<Arc<Link>, RpcError> {
        let mut attempts = self.dialing.lock().await;
        if let Some(link) = self.live() {
            return Ok(link);
        }
        if let Some((at, error)) = &attempts.last {
            let doublings = attempts.failures.saturating_sub(1).min(16);
            let pause = self.options.backoff_first.saturating_mul(1 << doublings).min(self.options.backoff_most);
            if at.elapsed() < pause {
                return Err(error.clone());
            }
        }
        let dialed = tokio::time::timeout(
            self.options.connect_timeout,
            dial::dial(&self.address, &self.connector, (self.identity)(), &self.options),
        )
        .await
        .unwrap_or_else(|_| Err(self.unreachable(&"it did not answer in time")));
        match dialed {
            Ok(link) => {
                tracing::debug!(peer = self.address, remote = ?link.remote(), "connected");
                self.counts.connected();
                *attempts = Attempts::default();
                let link = Arc::new(link);
                *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
                Ok(link)
            }
            Err(error) => {
                tracing::debug!(peer = self.address, %error, "cannot connect");
                self.counts.not_connected();
                attempts.failures += 1;
                attempts.last = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

/// A mailbox of another node, for one message: to be used like the address of an actor here.
pub struct RemoteMailbox<M: Message> {
    peer: Peer,
    mailbox: Arc<str>,
    message: PhantomData<fn(M)>,
}

impl<M: Message> Clone for RemoteMailbox<M> {
    fn clone(&self) -> Self {
        Self { peer: self.peer.clone(), mailbox: self.mailbox.clone(), message: PhantomData }
    }
}

impl<M: Message> fmt::Debug for RemoteMailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteMailbox<{}>({}/{})", M::NAME, self.peer.address(), self.mailbox)
    }
}

impl<M> RemoteMailbox<M>
where
    M: Message + Serialize,
    M::Reply: DeserializeOwned,
{
    /// Sends a message and waits for the answer until the deadline.
    pub async fn ask(&self, message: M, deadline: Duration) -> Result<M::Reply, RpcError> {
        self.peer.ask(&self.mailbox, message, deadline).await
    }

    /// The same as a recipient, which hides that the actor is on another node.
    pub fn recipient(&self) -> Recipient<M> {
        Recipient::new(self.clone())
    }
}

impl<M> Reach<M> for RemoteMailbox<M>
where
    M: Message + Serialize,
    M::Reply: DeserializeOwned,
{
    fn ask(&self, message: M, deadline: Duration) -> BoxFuture<'static, Result<M::Reply, AskError>> {
        let (peer, mailbox) = (self.peer.clone(), self.mailbox.clone());
        async move { Ok(peer.ask(&mailbox, message, deadline).await?) }.boxed()
    }

    /// Sends in the background; what goes wrong is only logged. Must be called inside a tokio runtime.
    fn tell(&self, message: M) -> Result<(), TellError> {
        let (peer, mailbox) = (self.peer.clone(), self.mailbox.clone());
        // Opened here: the task knows of no span.
        let span = peer.span(&mailbox, M::NAME);
        tokio::spawn(async move {
            let deadline = runtime_actor::address::DEFAULT_DEADLINE;
            if let Err(error) = span.around(peer.exchange(&mailbox, message, deadline)).await {
                tracing::debug!(%error, message = M::NAME, "a message told to another node went astray");
            }
        });
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{}/{}", self.peer.address(), self.mailbox)
    }
}

/// All peers of a node, one per address.
#[derive(Clone)]
pub struct Peers {
    identity: IdentitySource,
    options: RpcOptions,
    known: Arc<Mutex<HashMap<String, Peer>>>,
}

impl Peers {
    /// No peer yet; all will be introduced to with this identity.
    pub fn new(identity: IdentitySource, options: RpcOptions) -> Self {
        Self { identity, options, known: Arc::default() }
    }

    /// The peer at `host:port`.
    pub fn to(&self, address: &str) -> Peer {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = known.get(address) {
            return peer.clone();
        }
        let peer = Peer::with(address, self.identity.clone(), self.options.clone());
        known.insert(address.to_owned(), peer.clone());
        peer
    }

    /// What every known peer was asked so far, in order of their addresses.
    pub fn counts(&self) -> Vec<PeerCounts> {
        let known: Vec<Peer> = self.known.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let mut counts: Vec<PeerCounts> = known.iter().map(Peer::counts).collect();
        counts.sort_by(|a, b| a.address.cmp(&b.address));
        counts
    }

    /// Forgets a peer that left the cluster. Asks in flight still end.
    pub fn forget(&self, address: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }

    /// Drops all connections: the own identity has changed, and is to be said anew.
    pub fn disconnect_all(&self) {
        for peer in self.known.lock().unwrap_or_else(PoisonError::into_inner).values() {
            peer.disconnect();
        }
    }
}
