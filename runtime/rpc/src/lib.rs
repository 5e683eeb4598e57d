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
//! * [`tls`]: certificates at both ends, if the cluster wants them.
//! * [`plane`]: what the Arrow Flight data plane needs to be served and called inside the cluster.
//! * [`codec`]: bytes of messages. Private: `wire`, bytes of frames; `outbox`, frames on their way; `stream`, what they go over.
//!
//! ```
//! use runtime_actor::*;
//! use runtime_rpc::{identity::FixedGate, *};
//! use std::{sync::Arc, time::Duration};
//! # use serde::{Deserialize, Serialize};
//! # use tokio_util::sync::CancellationToken;
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Heartbeat { epoch: u64 }
//! impl Message for Heartbeat {
//!     type Reply = Result<String, String>; // a reply is data: errors of the role travel in it
//!     const NAME: &'static str = "Heartbeat";
//! }
//! # struct Node;
//! # impl Actor for Node { const ROLE: &'static str = "node"; type State = (); fn observe(&self) {} }
//! # impl Handle<Heartbeat> for Node {
//! #     fn handle(&mut self, m: Heartbeat, _: &mut Context<Self>) -> Answer<Result<String, String>> {
//! #         Answer::now(Ok(format!("alive in {}", m.epoch)))
//! #     }
//! # }
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let tree = Tree::new("cn", SystemClock::shared());
//! # let node = tree.root().start(ActorSpec::new("node"), || Node);
//! let identity = || Identity { cluster_id: 1, token: "secret".into(), node: "n".into(), ..Identity::default() };
//!
//! // The serving end.
//! let registry = Registry::new();
//! registry.expose::<_, Heartbeat>("compute_node", node);
//! let gate = FixedGate::new(Some("secret".into()), move |caller: &Identity| match caller.cluster_id {
//!     1 => Ok(identity()),
//!     other => Err(format!("cluster {other} is not ours")),
//! });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let shutdown = CancellationToken::new();
//! let server = RpcServer::bind(listener, gate, registry, shutdown.clone())?;
//!
//! // The calling end.
//! let peers = Peers::new(Arc::new(identity), RpcOptions::default());
//! let peer = peers.to(&server.local_addr().to_string());
//! let reply = peer.ask("compute_node", Heartbeat { epoch: 3 }, Duration::from_secs(5)).await?;
//! assert_eq!(reply, Ok("alive in 3".to_owned()));
//! let heartbeat: Recipient<Heartbeat> = peer.mailbox("compute_node").recipient(); // as if it were here
//! assert!(heartbeat.ask(Heartbeat { epoch: 4 }).await?.is_ok());
//! shutdown.cancel();
//! server.ended().await;
//! # Ok(()) }
//! ```
//!
//! Knows no role and no message; those are in `actors`.

pub mod codec;
pub mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod identity;
pub mod options;
mod outbox;
pub mod peer;
pub mod plane;
mod proof;
pub mod registry;
pub mod server;
mod stream;
pub mod tls;
mod wire;

pub use error::{Fault, RpcError};
pub use identity::{Gate, Identity};
pub use options::RpcOptions;
pub use peer::{Peer, PeerCounts, Peers, RemoteMailbox};
pub use registry::Registry;
pub use server::RpcServer;
pub use tls::{Tls, TlsError, TlsFiles};

#[cfg(test)]
mod tests;
