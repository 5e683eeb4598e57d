//! The replicated state machine: everything the cluster knows is one [`Catalog`], changed only by applying a command.
//! Pure: no async, no clock, no randomness, no I/O.
//!
//! ```text
//!   Envelope{proposed_at, Command} ──apply──▶ Catalog (revision + 1) ──▶ Reply
//!                                              │    │
//!                       keep (pins, condemn) ◀─┘    └─▶ image (sections) ──▶ decode ──▶ rebase (restore)
//! ```

mod apply;
pub mod catalog;
pub mod codec;
pub mod columns;
pub mod command;
pub mod image;
pub mod invariant;
pub mod keep;
pub mod rebase;

pub use catalog::{Catalog, ClusterIdentity, Database, Header, RestoreFacts, Trash};
pub use columns::{ColumnChange, ColumnPlace};
pub use command::{
    Command, Envelope, Outcome, PartitionDraft, Rejection, ReplacedPartition, Reply, TableDraft, VolumeDraft,
};
pub use rebase::{Adopt, PresentManifest, Rebase, adopt, rebase};
