//! The replicated state machine: everything the cluster knows is one [`Catalog`], changed only by applying a command.
//! Pure: no async, no clock, no randomness, no I/O.
//!
//! ```text
//!   Envelope{proposed_at, Command} ──apply──▶ Catalog (revision + 1) ──▶ Reply
//!                                              │    │
//!             keep, pinned (pins, condemn) ◀─┘    └─▶ image (sections) ──▶ decode ──▶ rebase (restore), restore_table
//! ```

pub mod access;
pub mod altering;
mod apply;
pub mod catalog;
pub mod codec;
pub mod columns;
pub mod command;
pub mod image;
pub mod invariant;
pub mod keep;
pub mod keyed;
pub mod pinned;
pub mod rebase;
pub mod restore_table;

pub use access::{AccessChange, ChosenRoles, Grantee, Subject, UserChange, UserDraft};
pub use catalog::{Catalog, ClusterIdentity, Database, Header, RestoreFacts, Trash};
pub use columns::{ColumnChange, ColumnPlace};
pub use command::{
    Command, Envelope, Outcome, PartitionDraft, Rejection, ReplacedPartition, Reply, RestoredFile, SeenDeletes,
    TableDraft, TransactionLoad, ViewDraft, ViewPut, VolumeDraft,
};
pub use pinned::Pinned;
pub use rebase::{Adopt, PresentManifest, Rebase, adopt, rebase};
