//! A network in memory: connections are pipes that a test can cut, refuse and hold up, on a clock that stands still.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use runtime_actor::{AskError, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::kit::{me, open_gate};
use crate::server::{Shared, attend};
use crate::stream::{Connector, split};
use crate::tls::TlsFault;
use crate::*;

/// A server and the pipes to it.
pub(crate) struct Net {
    pub(crate) registry: Registry,
    pub(crate) shared: Arc<Shared>,
    pub(crate) is_down: AtomicBool,
    /// When somebody tried to connect.
    pub(crate) dials: Mutex<Vec<Instant>>,
    /// How many connections are being served.
    pub(crate) served: Arc<AtomicUsize>,
    connections: Mutex<Vec<AbortHandle>>,
    /// How many bytes a pipe holds.
    width: usize,
}

impl Net {
    pub(crate) fn new(options: RpcOptions, width: usize) -> Arc<Self> {
        let registry = Registry::new();
        let shutdown = CancellationToken::new();
        let shared = Arc::new(Shared { gate: open_gate(), registry: registry.clone(), options, shutdown });
        Arc::new(Self {
            registry,
            shared,
            is_down: AtomicBool::new(false),
            dials: Mutex::default(),
            served: Arc::default(),
            connections: Mutex::default(),
            width,
        })
    }

    /// Messages of this kind are answered by this function.
    pub(crate) fn answer<M, R>(&self, answer: impl Fn(M) -> R + Send + Sync + 'static)
    where
        M: Message + DeserializeOwned,
        M::Reply: Serialize,
        R: Future<Output = Result<M::Reply, AskError>> + Send + 'static,
    {
        self.registry.expose_with("worker", move |_, message: M, _| answer(message));
    }

    /// One end of a new pipe; the server has the other.
    pub(crate) fn open(&self) -> tokio::io::DuplexStream {
        let (near, far) = tokio::io::duplex(self.width);
        let (shared, served) = (self.shared.clone(), self.served.clone());
        served.fetch_add(1, Ordering::SeqCst);
        let serving = tokio::spawn(async move {
            let (reading, writing) = split(far);
            attend(reading, writing, SocketAddr::from(([127, 0, 0, 1], 1)), &shared).await;
            served.fetch_sub(1, Ordering::SeqCst);
        });
        self.connections.lock().unwrap().push(serving.abort_handle());
        near
    }

    pub(crate) fn connector(self: &Arc<Self>) -> Connector {
        let net = self.clone();
        Arc::new(move |_| {
            net.dials.lock().unwrap().push(Instant::now());
            let made = match net.is_down.load(Ordering::SeqCst) {
                true => Err(TlsFault::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))),
                false => Ok(split(net.open())),
            };
            futures::future::ready(made).boxed()
        })
    }

    pub(crate) fn peer(self: &Arc<Self>, options: RpcOptions) -> Peer {
        Peer::over("net:1", Arc::new(|| me("caller", "hush")), options, self.connector())
    }

    /// Every connection breaks, whatever is going on.
    pub(crate) fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}
