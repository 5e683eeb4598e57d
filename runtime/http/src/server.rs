//! Bind, serve, end. The server has threads of its own, so it answers also when the node is busy.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use actix_web::{App, HttpServer};
use tokio_util::sync::CancellationToken;

use crate::pages::configure;
use crate::routes::Routes;

/// Threads that answer requests.
const WORKERS: usize = 2;

/// The HTTP port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be listened on: in use, not ours, or not allowed.
    #[error("cannot listen for HTTP on {address}: {cause}")]
    Bind {
        /// Host and port.
        address: String,
        /// What the system says.
        cause: std::io::Error,
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

/// Serves the routes on threads of its own until `shutdown` is cancelled; running requests have two seconds to end. Returns when
/// the server takes requests.
pub fn serve(listener: TcpListener, routes: Routes, shutdown: CancellationToken) -> Result<HttpServing, HttpError> {
    let start = |error: std::io::Error| HttpError::Start(error.to_string());
    let local = listener.local_addr().map_err(start)?;
    listener.set_nonblocking(true).map_err(start)?;
    let ended = CancellationToken::new();
    let ending = ended.clone().drop_guard();
    let (started, wait) = mpsc::channel();
    let run = move || {
        let _ending = ending;
        let result = actix_rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                let routes = routes.clone();
                App::new().configure(move |app| configure(app, &routes))
            })
            .workers(WORKERS)
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
