//! The supervision kit: actors on actix that are observed, bounded, and rebuilt when they break.
//!
//! ```text
//!   Address ──ask/tell──▶ Mailbox (bounded, outlives crashes) ──▶ Host (one incarnation, on actix)
//!                              ▲                                     │ handle(&mut self) → Answer
//!   Tree ── supervisors ── keeps ──── factory: () → Actor ───────────┘ panic · fail · stall → rebuilt
//! ```
//!
//! * [`actor`]: what an actor declares: role, observable state, handlers.
//! * [`address`]: how it is reached: ask with a deadline, tell, a recipient of one message.
//! * [`context`]: what a handler may do: timers, effects, fail, stop.
//! * [`tree`]: who supervises whom, with which budget; stop in order; observe.
//! * [`view`]: the picture of the tree that the dashboard and `/metrics` show.
//! * [`trace`]: which message caused which, over all nodes; kept in bounded rings, searched by the dashboard.
//! * [`clock`], [`random`], [`pool`]: time, ids and blocking work.
//!
//! ```
//! use runtime_actor::*;
//! use std::time::Duration;
//!
//! #[derive(Debug)]
//! struct Count(u64);
//! impl Message for Count {
//!     type Reply = u64;
//!     const NAME: &'static str = "Count";
//! }
//!
//! struct Counter { sum: u64 }
//! impl Actor for Counter {
//!     const ROLE: &'static str = "counter";
//!     type State = u64;
//!     fn observe(&self) -> u64 { self.sum }
//!     fn started(&mut self, cx: &mut Context<Self>) {
//!         cx.every(Duration::from_secs(60), || Count(1));
//!     }
//! }
//! impl Handle<Count> for Counter {
//!     fn handle(&mut self, Count(n): Count, _: &mut Context<Self>) -> Answer<u64> {
//!         self.sum += n;
//!         let sum = self.sum;
//!         Answer::later(async move { sum }) // or Answer::now(sum)
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> Result<(), AskError> {
//! let tree = Tree::new("cn", SystemClock::shared());
//! let group = tree.supervisor("counting", Strategy::OneForOne, Budget::default());
//! let counter = group.start(ActorSpec::new("counter").mailbox(64), || Counter { sum: 0 });
//! assert_eq!(counter.ask(Count(2)).await?, 2);
//! assert!(counter.tell(Count(3)).is_ok());
//! let adding: Recipient<Count> = counter.recipient();
//! assert_eq!(adding.ask_within(Count(1), Duration::from_secs(5)).await?, 6);
//! println!("{}", serde_json::json!(tree.observe().await));
//! // In a process: tokio::select! { failure = tree.failed() => exit non-zero, () = sigterm => ... }
//! assert!(tree.stop(Duration::from_secs(10)).await.is_empty());
//! # Ok(()) }
//! ```
//!
//! The only crate that names actix. It knows no role, no message and no network.

pub mod actor;
pub mod address;
pub mod clock;
pub mod context;
mod gauge;
mod host;
mod hosts;
mod letter;
mod mailbox;
pub mod pool;
pub mod random;
mod supervision;
pub mod trace;
pub mod tree;
pub mod view;
mod work;

pub use actor::{Actor, Answer, Handle, Message};
pub use address::{Address, AskError, Reach, Recipient, TellError};
pub use clock::{Clock, ManualClock, SharedClock, SystemClock, VirtualClock};
pub use context::{Context, Timer};
pub use trace::{Recorder, SpanId, TraceContext, TraceId};
pub use tree::{ActorSpec, Backoff, Budget, Failure, Strategy, Supervisor, Tree, TreeSpec};
pub use view::{MailboxView, MessageView, NodeView, Status, TreeView};
pub use work::Pulse;

#[cfg(test)]
mod tests;
