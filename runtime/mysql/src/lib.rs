//! The MySQL server wire protocol: from bytes on a socket to calls of a [`Handler`], and back. It knows packets, logins, result sets and
//! error codes; it does not know SQL, users or tables. Whoever answers the calls (a session) stands above.
//!
//! ```text
//!  socket ── source ──> connection ── command ──> Handler (a session, above)
//!    ^                      │  login, statement        │
//!    └─────── sink <────────┴── reply, result <────────┘
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`error`] | the one table of error codes |
//! | [`handler`] | what a session must answer |
//! | [`column`], [`cell`] | the shape and the values of a result set |
//! | [`result`] | writing results, streaming, with back-pressure |
//! | [`server`], [`options`] | accepting connections, limits, shutting down |
//! | [`password`] | checking `mysql_native_password` |
//! | [`secure`] | TLS for clients |
//! | [`capture`] | a text run for a caller in this process |
//! | `source`, `sink` | packets in, packets out |
//! | `command`, `login`, `statement`, `reply` | the shapes of the packets |
//! | `connection` | one client, from greeting to goodbye |

pub mod capture;
pub mod cell;
pub mod column;
pub mod error;
pub mod handler;
pub mod options;
pub mod password;
pub mod result;
pub mod secure;
pub mod server;

mod command;
mod connection;
mod login;
mod reply;
mod sink;
mod source;
mod statement;

#[cfg(test)]
mod fixture;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

pub use capture::{Captured, capture};
pub use cell::Cell;
pub use column::ColumnDef;
pub use error::MySqlError;
pub use handler::{ConnectionInfo, Handler, Login, Prepared, SessionStatus};
pub use mysql_common::constants::{ColumnFlags, ColumnType};
pub use mysql_common::value::Value;
pub use options::ServerOptions;
pub use result::{OkInfo, ResultWriter};
pub use secure::{ServerTls, ServerTlsError};
pub use server::serve;
