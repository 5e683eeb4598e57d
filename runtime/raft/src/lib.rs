//! openraft fitted to `storage-catalog`: the catalog as a replicated, durable value. The only crate that names openraft.
//!
//! ```text
//!  propose ─▶ proposer ─(one batch in flight)─▶ openraft ─▶ log store (raft-log, fsync) ─▶ commit
//!                                                                                           │
//!  view, watch, frozen ◀── shared ◀── state machine: Catalog::apply ◀───────────────────────┘
//!                                          │ frozen clone
//!                                          └─▶ image store: image/image.<revision> (tmp, fsync, rename)
//! ```
//!
//! - [`MetaDir`]: the directory of a node's metadata; creates it for a first start and for a restore alike.
//! - [`inspect`]: a directory that nobody has open, looked at and not changed.
//! - [`Meta`]: the running handle: propose, view, watch, images.
//!
//! Voters (followers, one of which leads) and learners (observers) speak over the mailbox [`RAFT`] of each; a frontend joins
//! with an empty directory ([`MetaDir::join`]) and is sent an image.

mod background;
mod durable;
mod error;
mod image_store;
pub mod inspect;
mod log_store;
mod meta;
mod meta_dir;
mod network;
mod room;
mod shared;
mod state_machine;
mod stored;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod testing;
mod types;

pub use error::{ProposeError, RaftError};
pub use meta::{Clock, Member, Meta, Options, Role, Standing, Status};
pub use meta_dir::{Identity, MetaDir};
pub use network::RAFT;
pub use types::Node;
