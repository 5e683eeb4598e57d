//! The roles that live on the leader: who decides about metadata, snapshots and garbage.
//!
//! ```text
//!   sessions ──Propose/DrawTxn──▶ metadata_leader ──▶ raft
//!                                       ▲
//!   owner_watch ──(Ownership)──▶ snapshot_job_supervisor   gc_coordinator   checkpointer
//!                                       │                       │
//!                 compute_node_monitor ─┴── peers ──▶ snapshot_agent, compute_node (on CNs)
//! ```
//!
//! Each tick reads the state, performs the one idempotent effect that the state asks for, and proposes one event:
//! forgetting everything and reading again is a restart. Never sees DataFusion.

pub mod checkpointer;
pub mod collector;
pub mod leader;
pub mod nodes;
pub mod owner;
pub mod settings;
pub mod supervisor;

pub use checkpointer::Checkpointer;
pub use collector::GcCoordinator;
pub use leader::MetadataLeader;
pub use nodes::{ComputeNodeMonitor, NodeDirectory};
pub use owner::{OwnerWatch, Ownership};
pub use settings::{MetaSettings, SettingsReader};
pub use supervisor::SnapshotJobSupervisor;
