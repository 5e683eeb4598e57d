//! Accepting connections, limiting their number, and going away in good order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mysql_common::constants::CapabilityFlags;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::error::MySqlError;
use crate::handler::{ConnectionInfo, Handler};
use crate::options::ServerOptions;
use crate::reply::put_error;
use crate::sink::PacketSink;
use crate::source::PacketSource;

/// How long to wait after the system refused to accept, for want of file handles perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long killed connections may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(4);

/// Makes the session of a new connection.
pub type HandlerFactory = Arc<dyn Fn(ConnectionInfo) -> Box<dyn Handler> + Send + Sync>;

/// Serves MySQL clients until `shutdown` is cancelled. Then no one is let in, idle clients are told (1053), running commands may go on
/// for `drain_timeout`, and what still runs is cut off. Returns when the last connection is closed. Needs a tokio runtime.
pub async fn serve(
    listener: TcpListener,
    factory: HandlerFactory,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    let options = Arc::new(options);
    let server = Server {
        room: Arc::new(Semaphore::new(options.max_connections)),
        connections: TaskTracker::new(),
        kill: CancellationToken::new(),
        drain: shutdown.child_token(),
        options,
        factory,
    };
    server.accept_all(listener).await;
    server.drain().await;
}

struct Server {
    options: Arc<ServerOptions>,
    factory: HandlerFactory,
    room: Arc<Semaphore>,
    connections: TaskTracker,
    /// Ends every connection at once.
    kill: CancellationToken,
    /// Ends every connection after its running command.
    drain: CancellationToken,
}

impl Server {
    async fn accept_all(&self, listener: TcpListener) {
        let mut last_id: u32 = 0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, client_address)) => {
                    last_id = last_id.checked_add(1).unwrap_or(1);
                    self.welcome(stream, client_address, last_id).await;
                }
                Err(error) if is_the_clients_affair(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a MySQL connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn welcome(&self, stream: TcpStream, client_address: SocketAddr, connection_id: u32) {
        // Without it small answers wait for the client's acknowledgement. A socket that refuses is closing anyway.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let mut sink = PacketSink::new(Box::new(writer), self.options.write_timeout);
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            tracing::warn!(%client_address, limit = self.options.max_connections, "too many MySQL connections");
            put_error(&mut sink, CapabilityFlags::empty(), &MySqlError::too_many_connections());
            // The socket's buffer is empty, so this does not wait; and if it fails there is nobody to tell.
            let _ = timeout(ACCEPT_PAUSE, sink.flush()).await;
            return;
        };
        let info = ConnectionInfo { connection_id, client_address, kill: self.kill.child_token() };
        let handler = (self.factory)(info.clone());
        let source = PacketSource::new(Box::new(reader));
        let drain = self.drain.child_token();
        let connection = Connection::new(info, Arc::clone(&self.options), handler, source, sink, drain);
        tracing::debug!(connection = connection_id, %client_address, "connection begins");
        self.connections.spawn(async move {
            connection.run().await;
            drop(room);
        });
    }

    async fn drain(&self) {
        self.connections.close();
        if timeout(self.options.drain_timeout, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "MySQL connections are cut off while they work");
            self.kill.cancel();
            if timeout(GOODBYE, self.connections.wait()).await.is_err() {
                tracing::warn!(connections = self.connections.len(), "MySQL connections do not end");
            }
        }
    }
}

/// Errors of accepting that concern one client only.
fn is_the_clients_affair(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests;
