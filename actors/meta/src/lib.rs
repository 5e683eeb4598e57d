//! The roles of metadata: one leads, the others follow or observe; and those that live and die with leadership, who decide
//! about the group of frontends, snapshots and garbage.
//!
//! ```text
//!   sessions ──Propose──▶ (route) ──Forward──▶ metadata_leader ──▶ raft ──▶ metadata_follower, metadata_observer
//!   frontend_monitor ──FrontendHeartbeat, Join──────────────────────────────▶        (on other frontends)
//!                                       ▲
//!   owner_watch ──(Ownership)──▶ snapshot_job_supervisor   gc_coordinator   checkpointer
//!                                       │                       │
//!                 compute_node_monitor ─┴── peers ──▶ snapshot_agent, compute_node (on CNs)
//!                 compaction_coordinator ───── peers ──▶ compaction_agent (on CNs)
//!                 alter_coordinator ────────── peers ──▶ compaction_agent (on CNs)
//!                 orphan_sweeper ───────────── peers ──▶ compute_node (on CNs)
//!                 partition_roller   (partitions that come and go with the time)
//! ```
//!
//! Each tick reads the state, performs the one idempotent effect that the state asks for, and proposes one event:
//! forgetting everything and reading again is a restart. Never sees DataFusion.

pub mod alter;
pub mod checkpointer;
pub mod collector;
pub mod compaction;
pub mod frontends;
pub mod leader;
mod look;
pub mod nodes;
pub mod owner;
pub mod replica;
pub mod rolling;
pub mod route;
pub mod settings;
pub mod supervisor;
pub mod sweep;
pub mod transactions;

pub use alter::AlterCoordinator;
pub use checkpointer::Checkpointer;
pub use collector::GcCoordinator;
pub use compaction::CompactionCoordinator;
pub use frontends::FrontendMonitor;
pub use frontends::leases::ReadLeases;
pub use leader::MetadataLeader;
pub use nodes::{ComputeNodeMonitor, NodeDirectory};
pub use owner::{OwnerWatch, Ownership};
pub use replica::{MetadataFollower, MetadataObserver, ReplicaFacts, SelfReport};
pub use rolling::{LocalTime, PartitionRoller};
pub use route::{Again, Proposer, Route, Routes};
pub use settings::{MetaSettings, SettingsReader};
pub use supervisor::SnapshotJobSupervisor;
pub use sweep::OrphanSweeper;
pub use transactions::TransactionLease;
