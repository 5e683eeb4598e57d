//! What a node exposes to other nodes: messages by mailbox and name.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use runtime_actor::{Actor, Address, AskError, Handle, Message, Recipient};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::Fault;
use crate::identity::Identity;

/// One ask, as the server hands it over.
pub(crate) struct Call {
    pub(crate) caller: Arc<Identity>,
    pub(crate) payload: Bytes,
    pub(crate) deadline: Duration,
}

type Entry = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Vec<u8>, Fault>> + Send + Sync>;
type Entries = HashMap<String, HashMap<&'static str, Entry>>;

/// What a node exposes. Clones are the same registry; things may be exposed and withdrawn while a server runs.
#[derive(Clone, Default)]
pub struct Registry {
    entries: Arc<RwLock<Entries>>,
}

impl Registry {
    /// Nothing exposed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Messages `M` for `mailbox` go to this actor.
    pub fn expose<A, M>(&self, mailbox: &str, address: Address<A>)
    where
        A: Actor + Handle<M>,
        M: Message + Serialize + DeserializeOwned,
        M::Reply: Serialize + DeserializeOwned,
    {
        self.expose_recipient::<M>(mailbox, address.recipient());
    }

    /// Messages `M` for `mailbox` go to this recipient.
    pub fn expose_recipient<M>(&self, mailbox: &str, recipient: Recipient<M>)
    where
        M: Message + Serialize + DeserializeOwned,
        M::Reply: Serialize + DeserializeOwned,
    {
        self.expose_with(mailbox, move |_, message: M, deadline| {
            let recipient = recipient.clone();
            async move { recipient.ask_within(message, deadline).await }
        });
    }

    /// Messages `M` for `mailbox` go to this function, which is also told who asks and how much time is left. The future is
    /// dropped when the caller gives up.
    pub fn expose_with<M, F, R>(&self, mailbox: &str, answer: F)
    where
        M: Message + DeserializeOwned,
        M::Reply: Serialize,
        F: Fn(Arc<Identity>, M, Duration) -> R + Send + Sync + 'static,
        R: Future<Output = Result<M::Reply, AskError>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        let entry: Entry = Arc::new(move |call: Call| {
            let answer = answer.clone();
            async move {
                let message =
                    codec::decode::<M>(&call.payload).map_err(|error| Fault::Undecodable(error.to_string()))?;
                // The bytes are not needed while the answer is worked out.
                drop(call.payload);
                let reply = answer(call.caller, message, call.deadline).await?;
                codec::encode(&reply).map_err(|error| Fault::Unencodable(error.to_string()))
            }
            .boxed()
        });
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.entry(mailbox.to_owned()).or_default().insert(M::NAME, entry);
    }

    /// Takes all messages of a mailbox away again.
    pub fn withdraw(&self, mailbox: &str) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(mailbox);
    }

    pub(crate) fn find(&self, mailbox: &str, message: &str) -> Option<Entry> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(mailbox)?.get(message).cloned()
    }
}
