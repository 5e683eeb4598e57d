//! Bind, serve, end. The server has threads of its own, so it answers also when the node is busy.

use std::any::Any;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, HttpServer, rt};
use tokio_util::sync::CancellationToken;

use crate::pages::{Served, configure};
use crate::routes::Routes;

/// Threads that answer requests.
const WORKERS: usize = 2;
/// Connections that each of them holds.
const CONNECTIONS: usize = 512;
/// Only what we serve ourselves, in nobody's frame.
const CONTENT_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The HTTP port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be listened on: in use, not ours, or not allowed.
    #[error("cannot listen for HTTP on {address}: {cause}")]
    Bind {
        /// Host and port.
        address: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The server did not start.
    #[error("cannot serve HTTP: {0}")]
    Start(String),
}

/// Listens on `host:port` without serving yet: a port in use is found out before anything else starts.
pub fn bind(address: impl ToSocketAddrs + ToString) -> Result<TcpListener, HttpError> {
    let text = address.to_string();
    TcpListener::bind(address).map_err(|cause| HttpError::Bind { address: text, cause })
}

/// A running server.
#[derive(Debug)]
pub struct HttpServing {
    local: SocketAddr,
    ended: CancellationToken,
}

impl HttpServing {
    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Waits, after a shutdown, until the server has ended.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// The socket of a connection, for cutting it off: a client that takes nothing is not noticed otherwise.
#[derive(Clone)]
pub(crate) struct Socket(pub(crate) Arc<TcpStream>);

impl Socket {
    /// Whether the client has closed its end. The library notices only when it next writes.
    pub(crate) fn is_closed(&self) -> bool {
        match self.0.peek(&mut [0]) {
            Ok(read) => read == 0,
            // The socket does not block: nothing has come, which is what a listener sends.
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }
}

fn keep_socket(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<rt::net::TcpStream>();
    // Out of file descriptors: the connection is served all the same.
    if let Some(Ok(fd)) = stream.map(|stream| stream.as_fd().try_clone_to_owned()) {
        data.insert(Socket(Arc::new(TcpStream::from(fd))));
    }
}

fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Content-Security-Policy", CONTENT_POLICY))
        .add(("X-Frame-Options", "DENY"))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "no-referrer"))
}

/// Serves the routes on threads of its own until `shutdown` is cancelled; running requests have two seconds to end. Returns when
/// the server takes requests. Must be called inside a tokio runtime, which runs the pages.
pub fn serve(listener: TcpListener, routes: Routes, shutdown: CancellationToken) -> Result<HttpServing, HttpError> {
    let start = |error: io::Error| HttpError::Start(error.to_string());
    let local = listener.local_addr().map_err(start)?;
    listener.set_nonblocking(true).map_err(start)?;
    let ended = CancellationToken::new();
    let ending = ended.clone().drop_guard();
    let (started, wait) = mpsc::channel();
    let runtime = tokio::runtime::Handle::try_current().map_err(|error| HttpError::Start(error.to_string()))?;
    let served = Served::new(routes, runtime, shutdown.clone());
    let run = move || {
        let _ending = ending;
        let result = actix_rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                let served = served.clone();
                App::new().wrap(security_headers()).configure(move |app| configure(app, &served))
            })
            .workers(WORKERS)
            .max_connections(CONNECTIONS)
            .on_connect(keep_socket)
            .disable_signals()
            .shutdown_timeout(2)
            .client_request_timeout(Duration::from_secs(5))
            .shutdown_signal(shutdown.cancelled_owned())
            .listen(listener);
            match server {
                Ok(server) => {
                    let running = server.run();
                    // The caller waits for this word; if it does not any more, the server runs all the same.
                    let _ = started.send(Ok(()));
                    running.await
                }
                Err(error) => {
                    let _ = started.send(Err(error.to_string()));
                    Ok(())
                }
            }
        });
        if let Err(error) = result {
            tracing::error!(%error, %local, "the HTTP server ended badly");
        }
    };
    runtime_actor::pool::thread("http", run).map_err(start)?;
    match wait.recv_timeout(Duration::from_secs(10)) {
        Ok(Ok(())) => Ok(HttpServing { local, ended }),
        Ok(Err(error)) => Err(HttpError::Start(error)),
        Err(error) => Err(HttpError::Start(error.to_string())),
    }
}
