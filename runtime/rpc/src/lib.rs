//! A mailbox on another node: asks and answers over one authenticated connection per peer, and the data plane's ends.
//!
//! ```text
//!   Peer ── ask ──▶ Frame ══ one TCP connection ══▶ RpcServer ──▶ Registry ──▶ Address<A>
//!     ▲                                               │  Gate: who is let in
//!     └────────────── answer, fault ◀─────────────────┘
//! ```
//!
//! * [`identity`]: who a node is, the [`Gate`] that lets it in, and how it proves that it belongs to the cluster.
//! * [`registry`]: what a node exposes: messages by mailbox and name.
//! * [`server`] and [`peer`]: the two ends; [`options`]: their limits; [`error`]: what can go wrong.
//! * [`plane`]: what the Arrow Flight data plane needs to be served and called inside the cluster.
//! * [`codec`]: bytes of messages. `wire` (private): bytes of frames.
//!
//! Knows no role and no message; those are in `actors`.

pub mod codec;
pub mod error;
pub mod identity;
pub mod options;
pub mod peer;
pub mod plane;
mod proof;
pub mod registry;
pub mod server;
mod wire;

pub use error::{Fault, RpcError};
pub use identity::{Gate, Identity};
pub use options::RpcOptions;
pub use peer::{Peer, Peers, RemoteMailbox};
pub use registry::Registry;
pub use server::RpcServer;

#[cfg(test)]
mod tests;
