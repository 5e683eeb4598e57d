//! What whoever starts the server may choose: names, limits and time-outs.

use std::time::Duration;

use crate::secure::ServerTls;

/// The largest request, in bytes, that clients are told of (`@@max_allowed_packet`) and that is taken: MySQL's default.
pub const MAX_ALLOWED_PACKET: usize = 64 << 20;

/// The limits and names of one server. `ServerOptions::default()` is what production uses.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The version string of the greeting. Clients parse its first three numbers and switch features by them.
    pub server_version: String,
    /// TLS for clients that ask for it.
    pub tls: Option<ServerTls>,
    /// Whether clients that do not ask for TLS are sent away (3159).
    pub requires_tls: bool,
    /// The largest request, in bytes, that a logged-in client may send; a larger one gets error 1153 and its connection ends.
    pub max_allowed_packet: usize,
    /// The largest packet, in bytes, before login has succeeded.
    pub max_login_packet: usize,
    /// Connections beyond this number get error 1040.
    pub max_connections: usize,
    /// Prepared statements that one connection may hold; the next gets error 1461.
    pub max_prepared_statements: usize,
    /// How long a client may take from connecting to having sent its login.
    pub login_timeout: Duration,
    /// How long a connection may be silent between two commands.
    pub idle_timeout: Duration,
    /// How long a client may pause in the middle of a packet.
    pub read_timeout: Duration,
    /// How long a client may refuse to take more of a response.
    pub write_timeout: Duration,
    /// How long running queries may go on after the server was told to stop.
    pub drain_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            server_version: "8.0.33 Starkeep".to_owned(),
            tls: None,
            requires_tls: false,
            max_allowed_packet: MAX_ALLOWED_PACKET,
            max_login_packet: 64 * 1024,
            max_connections: 4096,
            max_prepared_statements: 16_382,
            login_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(8 * 3600),
            read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
