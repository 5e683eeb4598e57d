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
//! * [`trace`], [`clock`], [`random`], [`pool`]: trace ids, time, ids and blocking work.
//!
//! The only crate that names actix. It knows no role, no message and no network.

pub mod actor;
pub mod address;
pub mod clock;
pub mod context;
mod gauge;
mod host;
mod hosts;
mod mailbox;
pub mod pool;
pub mod random;
mod supervision;
pub mod trace;
pub mod tree;
pub mod view;

pub use actor::{Actor, Answer, Handle, Message};
pub use address::{Address, AskError, Reach, Recipient, TellError};
pub use clock::{Clock, ManualClock, SharedClock, SystemClock, VirtualClock};
pub use context::{Context, Timer};
pub use trace::TraceId;
pub use tree::{ActorSpec, Backoff, Budget, Failure, Strategy, Supervisor, Tree, TreeSpec};
pub use view::{MailboxView, MessageView, NodeView, Status, TreeView};

#[cfg(test)]
mod tests;
