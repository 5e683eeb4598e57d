//! The nouns of the house: plain values that every floor shares. No behaviour beyond what a noun knows of itself,
//! no I/O, no clock, no randomness.
//!
//! ```text
//! ids ── schema ── table ── partition ── rowset/file ── keys (what is looked up in PRIMARY KEY tablets)
//!   │                                      │
//!   ├── view   (queries with a name)       └── named by the catalog, written by compute nodes
//!   ├── volume (storage volumes)
//!   ├── node   (frontends, compute nodes)
//!   ├── snapshot (jobs, policy, manifest-independent facts), retention (which of them stay)
//!   ├── access (users, roles, privileges)
//!   ├── restore (the plan read from cluster_snapshot.yaml)
//!   ├── bloom_filter, statistics, distinct (what is known of values without reading them)
//!   └── kind (the closed set of error kinds)
//! ```

pub mod access;
pub mod alter;
pub mod bloom_filter;
pub mod digest;
pub mod distinct;
pub mod dynamic;
pub mod expression;
pub mod file;
mod file_name;
pub mod ids;
pub mod index;
pub mod keys;
pub mod kind;
mod nesting;
pub mod node;
pub mod partition;
pub mod reading;
pub mod restore;
pub mod retention;
pub mod schema;
pub mod snapshot;
pub mod statistics;
pub mod step;
pub mod table;
pub mod time;
pub mod value;
pub mod view;
pub mod volume;

pub use access::{DefaultRoles, Grant, GrantObject, PasswordHash, Privilege, RelationKind, Role, User, UserName};
pub use alter::{AlterEvent, AlterJob, AlterKind, AlterState, AlterTarget, RewrittenPart, RewrittenPartition};
pub use digest::Digest;
pub use expression::{Expression, ExpressionPart};
pub use file::{
    ByteRange, Deletes, FileEnd, FileEntry, ObjectName, Rowset, RowsetChange, Superseded, TabletChange, Vector,
    WrittenFile,
};
pub use file_name::FileName;
pub use ids::{
    ClusterId, ColumnId, DatabaseId, Epoch, FileId, Incarnation, JobId, NodeId, PartitionId, Revision, RoleId,
    ServiceId, TableId, TxnId, UserId, VolumeId,
};
pub use index::{Index, IndexKind};
pub use keys::{CompactedTablet, GoneRows, KeyedRun, KeyedTablet, Place, VectorSpec};
pub use kind::Kind;
pub use node::{ComputeNode, Frontend, FrontendRole};
pub use partition::{Bound, Partition, PartitionRange, PartitionValues};
pub use retention::{Retention, RetentionChange};
pub use schema::{Aggregation, Column, DataType, DefaultValue, Schema, StructField};
pub use snapshot::{JobChange, JobState, SnapshotJob, SnapshotKind, SnapshotPolicy};
pub use statistics::{ColumnStatistics, TableStatistics};
pub use step::{Step, StepUnit};
pub use table::{Distribution, KeyModel, PartitionKey, Partitioning, SchemaChange, Table};
pub use time::{Now, UnixMillis, Uptime};
pub use value::Value;
pub use view::{View, ViewColumn};
pub use volume::{Loan, StorageVolume, VolumeType};
