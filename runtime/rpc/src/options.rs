//! The limits of both ends.

use std::time::Duration;

use runtime_actor::Recorder;

use crate::tls::Tls;

/// Limits and times; the defaults are for a cluster in one data centre.
#[derive(Debug, Clone)]
pub struct RpcOptions {
    /// The largest frame we take, in bytes. Both ends tell each other theirs.
    pub frame_limit: usize,
    /// How long a connection may take to be made, handshake included.
    pub connect_timeout: Duration,
    /// How long a caller may take to say who it is.
    pub handshake_timeout: Duration,
    /// How often a caller asks for a sign of life.
    pub ping_every: Duration,
    /// A connection on which nothing comes, or that takes nothing, for so long is dead.
    pub dead_after: Duration,
    /// After a failed attempt to connect, asks fail at once for so long; doubling up to `backoff_most`.
    pub backoff_first: Duration,
    /// See `backoff_first`.
    pub backoff_most: Duration,
    /// How many connections a server holds; those beyond are closed at once.
    pub max_connections: usize,
    /// How many asks of one connection a server works on; those beyond are answered with [`Fault::Full`](crate::Fault::Full).
    pub max_in_flight: usize,
    /// How many bytes of frames may wait to be written to one connection; beyond, who sends waits, and a server takes up
    /// no more asks. One frame may always wait, however large.
    pub outbox_bytes: usize,
    /// TLS, if nodes speak it; both ends must.
    pub tls: Option<Tls>,
    /// How long a server that stops waits for the asks it works on.
    pub grace: Duration,
    /// Where a server keeps the spans of asks that it refuses itself. All others are in the hands of the actors.
    pub recorder: Option<Recorder>,
}

impl Default for RpcOptions {
    fn default() -> Self {
        Self {
            frame_limit: 16 << 20,
            connect_timeout: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(5),
            ping_every: Duration::from_secs(5),
            dead_after: Duration::from_secs(15),
            backoff_first: Duration::from_millis(50),
            backoff_most: Duration::from_secs(2),
            max_connections: 1_024,
            max_in_flight: 1_024,
            outbox_bytes: 32 << 20,
            tls: None,
            grace: Duration::from_secs(5),
            recorder: None,
        }
    }
}
