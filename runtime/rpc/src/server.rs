//! The serving end: takes connections, lets callers in through the gate, and hands their asks to the registry.

mod connection;
mod handshake;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::identity::Gate;
use crate::options::RpcOptions;
use crate::registry::Registry;
use crate::stream::{self, Reading, Writing};
use crate::tls::{Purpose, Tls, TlsFault};
use crate::wire::preamble;

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) registry: Registry,
    pub(crate) options: RpcOptions,
    pub(crate) shutdown: CancellationToken,
}

/// A running server.
#[derive(Debug)]
pub struct RpcServer {
    local: SocketAddr,
    tasks: TaskTracker,
}

impl RpcServer {
    /// Serves on the listener until `shutdown` is cancelled. Must be called inside a tokio runtime.
    pub fn bind(
        listener: TcpListener,
        gate: impl Gate,
        registry: Registry,
        shutdown: CancellationToken,
    ) -> std::io::Result<Self> {
        Self::bind_with(listener, Arc::new(gate), registry, RpcOptions::default(), shutdown)
    }

    /// Like [`RpcServer::bind`], with every limit chosen.
    pub fn bind_with(
        listener: TcpListener,
        gate: Arc<dyn Gate>,
        registry: Registry,
        options: RpcOptions,
        shutdown: CancellationToken,
    ) -> std::io::Result<Self> {
        let local = listener.local_addr()?;
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared { gate, registry, options, shutdown });
        tasks.spawn(accept(listener, shared, tasks.clone()));
        Ok(Self { local, tasks })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Waits, after a shutdown, until the last connection has ended.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: TaskTracker) {
    let places = Arc::new(Semaphore::new(shared.options.max_connections));
    loop {
        let accepted = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: wait a little instead of spinning.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!(%from, most = shared.options.max_connections, "too many connections; one is turned away");
            continue;
        };
        let shared = shared.clone();
        tasks.spawn(async move {
            serve(stream, from, &shared).await;
            drop(place);
        });
    }
}

/// Under the time that a handshake may take: TLS if there is any, then ours.
async fn serve(stream: TcpStream, from: SocketAddr, shared: &Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%from, %error, "a connection ended before it began");
        return;
    }
    let opened = tokio::time::timeout(shared.options.handshake_timeout, open(stream, shared.options.tls.as_ref()));
    let opened = tokio::select! {
        () = shared.shutdown.cancelled() => return,
        opened = opened => opened,
    };
    match opened {
        Ok(Ok((reading, writing))) => attend(reading, writing, from, shared).await,
        Ok(Err(fault)) => tracing::warn!(%from, %fault, "a connection is closed before the handshake"),
        Err(_) => tracing::debug!(%from, "a connection did not begin in time"),
    }
}

async fn open(stream: TcpStream, tls: Option<&Tls>) -> Result<(Reading, Writing), TlsFault> {
    let Some(tls) = tls else { return Ok(stream::halves(stream)) };
    let mut first = [0; 1];
    if stream.peek(&mut first).await? == 1 && first[0] == preamble()[0] {
        let (reading, writing) = stream::halves(stream);
        handshake::refuse_without_tls(reading, writing).await;
        return Err(TlsFault::Refused("the caller does not speak TLS, which is on here".to_owned()));
    }
    Ok(stream::split(tls.accept(stream, Purpose::Mailboxes).await?))
}

/// Serves one stream until it ends.
pub(crate) async fn attend(reading: Reading, writing: Writing, from: SocketAddr, shared: &Arc<Shared>) {
    let greeting = handshake::greet(reading, writing, shared);
    let greeted = tokio::select! {
        () = shared.shutdown.cancelled() => return,
        greeted = tokio::time::timeout(shared.options.handshake_timeout, greeting) => greeted,
    };
    match greeted {
        Ok(Ok(admitted)) => {
            tracing::debug!(%from, caller = ?admitted.caller, "a caller is let in");
            connection::run(admitted, from, shared).await;
        }
        Ok(Err(error)) => tracing::debug!(%from, %error, "a connection is closed in the handshake"),
        Err(_) => tracing::debug!(%from, "a connection did not say in time who it is"),
    }
}
