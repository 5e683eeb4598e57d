//! What came of a command.

use serde::{Deserialize, Serialize};
use storage_model::snapshot::IllegalTransition;
use storage_model::{DatabaseId, FileId, FrontendRole, JobId, Kind, NodeId, TableId, TxnId, VolumeId};
use thiserror::Error;

/// What a command that was taken has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is done.
    Done,
    /// IF [NOT] EXISTS: there was nothing to do.
    Nothing,
    /// A database was created.
    Database(DatabaseId),
    /// A table was created.
    Table(TableId),
    /// Transaction ids `first .. first + count` are the proposer's.
    Txns {
        /// The first.
        first: TxnId,
        /// How many.
        count: u64,
    },
    /// A load is true.
    Committed {
        /// Rows in it.
        rows: u64,
    },
    /// A volume was created.
    Volume(VolumeId),
    /// A node was added.
    Node(NodeId),
    /// A snapshot job began.
    Job(JobId),
    /// These files were condemned.
    Condemned(Vec<FileId>),
    /// How many things were erased.
    Erased(u64),
    /// Numbers `first .. first + count` of an AUTO_INCREMENT column are the proposer's.
    Ids {
        /// The first.
        first: u64,
        /// How many.
        count: u64,
    },
}

/// Why a command was not taken. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Rejection {
    /// CREATE DATABASE.
    #[error("Can't create database '{0}'; database exists")]
    DatabaseExists(String),
    /// DROP DATABASE.
    #[error("Can't drop database '{0}'; database doesn't exist")]
    NoDatabaseToDrop(String),
    /// Any statement in a database.
    #[error("Unknown database '{0}'")]
    UnknownDatabase(String),
    /// CREATE TABLE.
    #[error("Table '{0}' already exists")]
    TableExists(String),
    /// Any statement on a table.
    #[error("Unknown table '{0}'")]
    UnknownTable(String),
    /// Any statement on a partition.
    #[error("Partition '{partition}' doesn't exist in table '{table}'")]
    UnknownPartition {
        /// The table.
        table: String,
        /// The partition.
        partition: String,
    },
    /// ADD PARTITION.
    #[error("Duplicate partition name {0}")]
    PartitionExists(String),
    /// CREATE TABLE, ADD PARTITION.
    #[error("{0}")]
    BadPartition(String),
    /// CREATE STORAGE VOLUME.
    #[error("Storage volume '{0}' already exists")]
    VolumeExists(String),
    /// Any statement on a volume.
    #[error("Storage volume '{0}' does not exist")]
    NoSuchVolume(String),
    /// Snapshot statements.
    #[error("Unknown storage volume: {0}")]
    UnknownVolume(String),
    /// CREATE DATABASE or TABLE, snapshots, without one.
    #[error(
        "The default storage volume does not exist. A default storage volume can be created by following these steps: 1. Create a storage volume. 2. Set the storage volume as default"
    )]
    NoDefaultVolume,
    /// Naming a disabled volume.
    #[error("Storage volume '{0}' is disabled")]
    VolumeDisabled(String),
    /// Other statements on volumes.
    #[error("{0}")]
    VolumeRule(String),
    /// ALTER SYSTEM ADD COMPUTE NODE.
    #[error("Same compute node already exists! {0}")]
    ComputeNodeExists(String),
    /// ALTER SYSTEM DROP COMPUTE NODE.
    #[error("compute node does not exists [{0}]")]
    UnknownComputeNode(String),
    /// SNAPSHOT ON while on.
    #[error("Automated snapshot has been turn on")]
    SnapshotsAreOn,
    /// SNAPSHOT OFF or ALTER while off.
    #[error("Automated snapshot has not been turn on")]
    SnapshotsAreOff,
    /// A snapshot job is running.
    #[error("snapshot job {0} is still running")]
    SnapshotRunning(String),
    /// A snapshot of this name exists.
    #[error("a cluster snapshot named {0} already exists")]
    SnapshotExists(String),
    /// CANCEL CLUSTER SNAPSHOT while none runs.
    #[error("no cluster snapshot is running")]
    NoSnapshotRunning,
    /// DROP, CANCEL or VERIFY of a snapshot that is not there.
    #[error("Unknown cluster snapshot: {0}")]
    UnknownSnapshot(String),
    /// No such job.
    #[error("there is no snapshot job {0}")]
    UnknownJob(JobId),
    /// The job's state does not allow the event.
    #[error(transparent)]
    IllegalTransition(#[from] IllegalTransition),
    /// The manifest named is of no cut of the job.
    #[error("revision {cut} is no cut of snapshot job {job}")]
    NotACut {
        /// The job.
        job: JobId,
        /// The revision.
        cut: storage_model::Revision,
    },
    /// The label was used before.
    #[error("Label [{label}] has already been used, relate to txn [{txn}]")]
    LabelUsed {
        /// The label.
        label: String,
        /// The load that used it.
        txn: TxnId,
    },
    /// The table changed under a load; nothing of it is visible.
    #[error("{0}")]
    Stale(String),
    /// A restored cluster deletes and retires nothing yet.
    #[error(
        "the cluster has been restored and is careful until an admin says ADMIN FINISH RESTORE or a day has passed"
    )]
    Careful,
    /// FINISH RESTORE in a cluster that is not careful.
    #[error("no restore is in progress")]
    NotRestored,
    /// ALTER SYSTEM ADD FOLLOWER or OBSERVER.
    #[error("frontend already exists name: {0}")]
    FrontendExists(String),
    /// ALTER SYSTEM DROP FOLLOWER or OBSERVER.
    #[error("frontend does not exist[{0}]")]
    UnknownFrontend(String),
    /// DROP FOLLOWER of an observer, DROP OBSERVER of a follower.
    #[error("{role} does not exist[{address}]")]
    OtherRole {
        /// As asked.
        role: FrontendRole,
        /// `host:port`.
        address: String,
    },
    /// DROP FOLLOWER of the leader.
    #[error("can not drop current master node.")]
    DropsLeader,
    /// A repetition of a command whose answer was forgotten: its proposer has heard it, or was silent for too long.
    #[error("command {sequence} was answered before, and its answer is forgotten")]
    Forgotten {
        /// Of the command.
        sequence: u64,
    },
    /// A rename, a swap or RECOVER that cannot be, in StarRocks' words.
    #[error("{0}")]
    NameRule(String),
    /// A command that no log entry holds.
    #[error("the statement changes {bytes} bytes of metadata at once, at most {limit} are possible: split it")]
    TooLarge {
        /// Of the command.
        bytes: u64,
        /// The most.
        limit: u64,
    },
    /// Too many snapshots wait until they can be deleted.
    #[error("{0} expired cluster snapshots wait until their objects can be deleted: no further one begins before")]
    TooManyExpired(u64),
    /// RESTORE TABLE … FROM SNAPSHOT of what cannot come back, or not any more.
    #[error("{0}")]
    CannotRestore(String),
    /// A change of columns that cannot be, in StarRocks' words.
    #[error("{0}")]
    ColumnRule(String),
    /// A view where a table is wanted, or the other way round.
    #[error("{0}")]
    WrongObject(String),
    /// A change of users, roles or privileges that cannot be, in StarRocks' words.
    #[error("{0}")]
    AccessRule(String),
    /// DROP PARTITION of one that is not there.
    #[error("Error in list of partitions to [{0}]")]
    NoPartitionToDrop(String),
    /// Rows of a tablet changed after a commit had looked its keys up; nothing of it is visible, and it can look again.
    #[error("{0}")]
    Overtaken(String),
    /// A statement that a job on the table stands in the way of, in StarRocks' words.
    #[error("{0}")]
    Altering(String),
    /// No load of the table is committed for a moment: the same command may be proposed again, and will be taken then.
    #[error("{0}")]
    Held(String),
}

impl Rejection {
    /// What the caller can do.
    pub fn kind(&self) -> Kind {
        match self {
            Rejection::UnknownDatabase(_)
            | Rejection::NoDatabaseToDrop(_)
            | Rejection::UnknownTable(_)
            | Rejection::UnknownPartition { .. }
            | Rejection::NoSuchVolume(_)
            | Rejection::UnknownVolume(_)
            | Rejection::UnknownComputeNode(_)
            | Rejection::UnknownFrontend(_)
            | Rejection::OtherRole { .. }
            | Rejection::UnknownSnapshot(_)
            | Rejection::NoPartitionToDrop(_)
            | Rejection::UnknownJob(_) => Kind::NotFound,
            Rejection::BadPartition(_)
            | Rejection::NotACut { .. }
            | Rejection::TooLarge { .. }
            | Rejection::ColumnRule(_) => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}

/// What a proposer gets back.
pub type Reply = Result<Outcome, Rejection>;
