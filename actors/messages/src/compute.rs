//! To a compute node: its own mailbox `compute_node`, its agents `snapshot_agent` and `compaction_agent`, and the payloads that go over
//! the data plane (Arrow Flight), which are not messages.

use runtime_actor::Message;
use serde::{Deserialize, Serialize};
use storage_model::{
    ColumnId, CompactedTablet, FileEntry, Incarnation, KeyedTablet, NodeId, ObjectName, Partition, PartitionId,
    PartitionValues, ServiceId, StorageVolume, Superseded, Table, TxnId, VectorSpec, WrittenFile,
};

/// The mailbox of a compute node.
pub const COMPUTE_NODE: &str = "compute_node";
/// The mailbox of its snapshot agent.
pub const SNAPSHOT_AGENT: &str = "snapshot_agent";
/// The mailbox of its compaction agent.
pub const COMPACTION_AGENT: &str = "compaction_agent";

/// The leader looks whether a node is there, and says who it is. Identity was checked by the connection's handshake.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// What the cluster calls this node.
    pub node: NodeId,
    /// The frontend that asks, as host:port.
    pub leader: String,
    /// Where that frontend takes MySQL clients, as host:port: it knows the users, this node does not.
    pub leader_sql: String,
}

impl Message for Heartbeat {
    type Reply = NodeReport;
    const NAME: &'static str = "Heartbeat";
}

/// What a compute node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Thrift port, shown only.
    pub be_port: u16,
    /// HTTP.
    pub http_port: u16,
    /// Arrow Flight: the data plane.
    pub brpc_port: u16,
    /// Shown only.
    pub starlet_port: u16,
    /// When the process started, Unix milliseconds.
    pub started_at_ms: u64,
    /// Product version.
    pub version: String,
    /// Cores.
    pub cpu_cores: u32,
    /// Fragments that run now.
    pub running_fragments: u32,
    /// Memory of the process, bytes.
    pub memory_bytes: u64,
    /// Its limit, bytes.
    pub memory_limit_bytes: u64,
    /// CPU of the process since the last heartbeat, percent of all cores.
    pub cpu_percent: f32,
    /// Whether it has a cache directory.
    pub has_storage_path: bool,
    /// How much its data cache holds. None: it has none.
    pub data_cache: Option<CacheReport>,
}

/// Bytes in the data cache of a node, and how many there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheReport {
    /// In memory, at most.
    pub memory_quota: u64,
    /// In memory.
    pub memory_used: u64,
    /// On disk, at most; 0: no disk is used.
    pub disk_quota: u64,
    /// On disk.
    pub disk_used: u64,
}

/// GC: delete these objects. Missing ones count as deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeleteObjects {
    /// Where.
    pub volume: StorageVolume,
    /// The service root.
    pub service: ServiceId,
    /// Below the service root.
    pub objects: Vec<ObjectName>,
}

impl Message for DeleteObjects {
    type Reply = DeletedObjects;
    const NAME: &'static str = "DeleteObjects";
}

/// What became of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeletedObjects {
    /// Gone now.
    pub deleted: Vec<ObjectName>,
    /// Still there, with the reason.
    pub failed: Vec<(ObjectName, String)>,
}

/// The sweep for orphans: what is in a directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListDirectory {
    /// Where.
    pub volume: StorageVolume,
    /// The service root.
    pub service: ServiceId,
    /// Below the service root; empty: the root itself.
    pub path: String,
}

impl Message for ListDirectory {
    type Reply = Result<Listing, String>;
    const NAME: &'static str = "ListDirectory";
}

/// What is in a directory, named below the service root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Right below it.
    pub directories: Vec<String>,
    /// Right in it.
    pub objects: Vec<ObjectName>,
    /// Bytes of each of them.
    pub sizes: Vec<u64>,
}

/// To the snapshot agent: look at these files before the snapshot that names them may be FINISHED.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttestFiles {
    /// Where.
    pub volume: StorageVolume,
    /// The service root.
    pub service: ServiceId,
    /// Below the service root, with the size that the catalog knows.
    pub files: Vec<(ObjectName, u64)>,
}

impl Message for AttestFiles {
    type Reply = Result<Attestation, String>;
    const NAME: &'static str = "AttestFiles";
}

/// What the agent saw. Err of the whole message: the store could not be asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Attestation {
    /// There, with the right size.
    pub seen: u64,
    /// Missing, or of another size: one text per file.
    pub problems: Vec<String>,
}

/// To the snapshot agent: read every byte of these files and compare the hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifyFiles {
    /// Where.
    pub volume: StorageVolume,
    /// The service root.
    pub service: ServiceId,
    /// Below the service root, with the size and the SHA-256 (hex) that the catalog knows.
    pub files: Vec<(ObjectName, u64, String)>,
}

impl Message for VerifyFiles {
    type Reply = Result<Vec<FoundWrong>, String>;
    const NAME: &'static str = "VerifyFiles";
}

/// A file that is not as the catalog says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundWrong {
    /// Below the volume's location.
    pub object: ObjectName,
    /// What is wrong.
    pub what: String,
}

/// To the compaction agent: write the rows of some rowsets of a partition as one new file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CompactRows {
    /// The table.
    pub table: Table,
    /// The partition, with no other rowsets than those to compact.
    pub partition: Partition,
    /// Their files.
    pub files: Vec<FileEntry>,
    /// Where those files are, and where the table's new ones go.
    pub volumes: Vec<StorageVolume>,
    /// The service root.
    pub service: ServiceId,
    /// Of the cluster, as it stands in file names.
    pub incarnation: Incarnation,
    /// Whose name the new file carries.
    pub txn: TxnId,
}

impl Message for CompactRows {
    type Reply = Result<Vec<WrittenFile>, String>;
    const NAME: &'static str = "CompactRows";
}

/// To the compaction agent: write the rows of some rowsets of a partition as its table is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RewriteRows {
    /// The table.
    pub table: Table,
    /// What it is to become.
    pub target: Table,
    /// Of which old column a new one takes the values, by the new id.
    pub converted: Vec<(ColumnId, ColumnId)>,
    /// The partition, with no other rowsets than those to write.
    pub partition: Partition,
    /// How many buckets it is to have.
    pub buckets: u32,
    /// Their files.
    pub files: Vec<FileEntry>,
    /// Where those files are, and where the table's new ones go.
    pub volumes: Vec<StorageVolume>,
    /// The service root.
    pub service: ServiceId,
    /// Of the cluster, as it stands in file names.
    pub incarnation: Incarnation,
    /// Whose name the new files carry.
    pub txn: TxnId,
}

impl Message for RewriteRows {
    type Reply = Result<Vec<WrittenFile>, RewriteFailure>;
    const NAME: &'static str = "RewriteRows";
}

/// Why rows were not written anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RewriteFailure {
    /// A row cannot be what it is to be: trying again is of no use.
    Row(String),
    /// Something else.
    Other(String),
}

/// To the compaction agent: what new runs of a PRIMARY KEY partition lose because the old ones have lost it since they were read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CatchUp {
    /// Where delete vectors go.
    pub spec: VectorSpec,
    /// Where rows were lost.
    pub tablets: Vec<CompactedTablet>,
    /// Where all of it lies.
    pub volumes: Vec<StorageVolume>,
}

impl Message for CatchUp {
    type Reply = Result<Superseded, String>;
    const NAME: &'static str = "CatchUp";
}

/// Payload of the Flight action `supersede`: look keys of new runs up in those that are there. The one result is a [`Superseded`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SupersedeFragment {
    /// For logs and the node's list of running fragments.
    pub query: String,
    /// The trace it belongs to.
    pub trace: u128,
    /// The span that caused it.
    pub parent: u64,
    /// Where delete vectors go.
    pub spec: VectorSpec,
    /// The tablets.
    pub tablets: Vec<KeyedTablet>,
    /// Where all of it lies.
    pub volumes: Vec<StorageVolume>,
}

/// The name of the Flight action that runs a [`SupersedeFragment`].
pub const SUPERSEDE_ACTION: &str = "supersede";

/// Payload of the Flight action `delete`: run a plan and look the keys up that it finds. The one result is a [`Superseded`].
#[derive(Clone, Serialize, Deserialize)]
pub struct DeleteFragment {
    /// The plan: the partition of each row and its key. All volumes are named here.
    pub read: ReadFragment,
    /// Where delete vectors go.
    pub spec: VectorSpec,
    /// Where rows may be.
    pub tablets: Vec<KeyedTablet>,
    /// How many buckets each partition has.
    pub buckets: Vec<(PartitionId, u32)>,
    /// Which columns of the key say the bucket, in their order.
    pub distribution: Vec<u32>,
}

/// The name of the Flight action that runs a [`DeleteFragment`].
pub const DELETE_ACTION: &str = "delete";

/// Payload of a Flight ticket: run a plan, stream its rows. bincode.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReadFragment {
    /// For KILL, logs and the node's list of running fragments.
    pub query: String,
    /// The trace it belongs to.
    pub trace: u128,
    /// The span that caused it.
    pub parent: u64,
    /// A physical plan, as `runtime_query` encodes it.
    pub plan: Vec<u8>,
    /// The volumes that the plan reads.
    pub volumes: Vec<StorageVolume>,
    /// None: the node runs the whole plan.
    pub split: Option<Split>,
    /// Whether the node shall remember what its operators do, until it is asked by [`PROFILE_ACTION`].
    pub observed: bool,
}

/// The action that takes what a node remembers of a query, given its id: a list of [`FragmentProfile`].
pub const PROFILE_ACTION: &str = "profile";

/// What a fragment of a query has done on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FragmentProfile {
    /// Of this node.
    pub fragment: u64,
    /// Read, load, stage.
    pub what: String,
    /// Rows that it gave.
    pub rows: u64,
    /// How long it took.
    pub millis: u64,
    /// A line for each operator.
    pub operators: String,
}

/// The compute nodes that a plan is split over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The data plane of the node that is asked, as the others reach it.
    pub here: String,
    /// The data planes of all that read, in the order in which they are to be used.
    pub workers: Vec<String>,
    /// How many bytes are worth a node of their own.
    pub bytes: u64,
}

/// Payload of the Flight action `load`: run a plan, write its rows. `S` is the write specification of `storage_tablet`.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoadFragment<S> {
    /// The plan and the volumes it reads.
    pub read: ReadFragment,
    /// Where rows go.
    pub spec: S,
    /// The volume they go to.
    pub target: StorageVolume,
    /// Numbers for rows that come without one in an AUTO_INCREMENT column.
    pub ids: std::ops::Range<u64>,
}

/// The name of the Flight action that runs a [`LoadFragment`].
pub const LOAD_ACTION: &str = "load";

/// The one result of the action `load`: what was written, not yet committed. bincode.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoadDone {
    /// The files.
    pub files: Vec<WrittenFile>,
    /// Rows in them.
    pub rows: u64,
    /// What the partition columns of rows hold that no partition takes. Nothing was written then.
    pub missing: Vec<PartitionValues>,
    /// How many numbers rows want, when those of the fragment are too few. Nothing was written then.
    pub wanted_ids: u64,
}

/// A fragment begins on this node: told by the data plane to the node's actor, never over the wire.
#[derive(Debug)]
pub struct FragmentStarted {
    /// The query.
    pub query: String,
    /// `read` or `load`.
    pub what: &'static str,
}

impl Message for FragmentStarted {
    type Reply = u64;
    const NAME: &'static str = "FragmentStarted";
}

/// A fragment is over.
#[derive(Debug)]
pub struct FragmentEnded {
    /// As [`FragmentStarted`] was answered.
    pub fragment: u64,
    /// Rows that went through.
    pub rows: u64,
    /// Why it failed.
    pub error: Option<String>,
}

impl Message for FragmentEnded {
    type Reply = ();
    const NAME: &'static str = "FragmentEnded";
}
