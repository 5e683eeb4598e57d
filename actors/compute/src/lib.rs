//! A compute node: it runs query fragments, writes rowsets, deletes objects, and looks at files for snapshots. It keeps
//! nothing that cannot be lost.
//!
//! ```text
//!   rpc ──▶ compute_node (Heartbeat, DeleteObjects)     rpc ──▶ snapshot_agent (AttestFiles)
//!               ▲ FragmentStarted/Ended             rpc ──▶ compaction_agent (CompactRows, CatchUp, RewriteRows)
//!   Flight ──▶ plane: ticket → rows · action load → written files · supersede, delete → rows that go
//!                ├── stages: parts of plans that other compute nodes send, and parts that they are sent
//!                └── volumes: data files through the node's cache (storage-cache), everything else past it
//! ```

pub mod agent;
pub mod compaction;
mod fragments;
mod keys;
pub mod membership;
pub mod node;
pub mod plane;
mod process;
mod profiles;
mod rewriting;
pub mod volumes;

pub use agent::SnapshotAgent;
pub use compaction::CompactionAgent;
pub use fragments::Fragments;
pub use membership::Membership;
pub use node::{ComputeNode, Ports};
pub use plane::Plane;
pub use storage_cache::{CacheOptions, Counts as CacheCounts, DataCache, DiskPart, disk_bytes};
pub use volumes::Volumes;
