//! What can be asked of the catalog, and what it answers. Variants are positional in stored bytes: append only.

mod drafts;
mod reply;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use storage_model::snapshot::JobEvent;
use storage_model::{
    AlterEvent, AlterKind, ColumnStatistics, Distribution, FileId, Frontend, FrontendRole, JobId, NodeId, Now,
    Partition, PartitionId, RetentionChange, RewrittenPartition, SnapshotKind, Superseded, Table, TableId, TxnId,
    VolumeId, WrittenFile,
};

use crate::access::AccessChange;
use crate::columns::ColumnChange;
pub use drafts::{
    PartitionDraft, ReplacedPartition, RestoredFile, SeenDeletes, TableDraft, TransactionLoad, ViewDraft, ViewPut,
    VolumeDraft,
};
pub use reply::{Outcome, Rejection, Reply};

/// A command on its way through the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The proposer's clocks. The catalog takes the wall's as it is, and the uptime only when it is later.
    pub proposed_at: Now,
    /// What to do.
    pub command: Command,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "commands are boxed by the log, never kept in bulk")]
pub enum Command {
    /// CREATE DATABASE.
    CreateDatabase {
        /// Its name.
        name: String,
        /// PROPERTIES("storage_volume"=…).
        volume: Option<String>,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// DROP DATABASE, with all tables.
    DropDatabase {
        /// Its name.
        name: String,
        /// IF EXISTS.
        if_exists: bool,
        /// Not through the recycle bin.
        force: bool,
    },
    /// CREATE TABLE.
    CreateTable {
        /// The database.
        database: String,
        /// The table.
        draft: TableDraft,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// DROP TABLE.
    DropTable {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// IF EXISTS.
        if_exists: bool,
        /// Not through the recycle bin.
        force: bool,
    },
    /// TRUNCATE TABLE: new, empty partitions take the place of the old.
    TruncateTable {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// Which; empty: all.
        partitions: Vec<String>,
    },
    /// ALTER TABLE … ADD PARTITION.
    AddPartition {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// The partition.
        draft: PartitionDraft,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// ALTER TABLE … DROP PARTITION.
    DropPartition {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// The partition.
        partition: String,
        /// IF EXISTS.
        if_exists: bool,
        /// Not through the recycle bin.
        force: bool,
    },
    /// Reserves transaction ids, so that a load needs one log entry and not two.
    LeaseTxns {
        /// How many.
        count: u64,
    },
    /// The moment at which a load is true.
    CommitLoad {
        /// The load.
        txn: TxnId,
        /// The table.
        table: TableId,
        /// The user's own label; None for a generated one, which nobody can use again.
        label: Option<String>,
        /// What was written.
        files: Vec<WrittenFile>,
        /// What it takes away of a PRIMARY KEY table.
        superseded: Superseded,
    },
    /// CREATE STORAGE VOLUME.
    CreateVolume {
        /// The volume.
        draft: VolumeDraft,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// ALTER STORAGE VOLUME: properties given are merged into the old.
    AlterVolume {
        /// Its name.
        name: String,
        /// A new comment.
        comment: Option<String>,
        /// Whether new data may go there.
        enabled: Option<bool>,
        /// Properties to set.
        properties: BTreeMap<String, String>,
    },
    /// DROP STORAGE VOLUME.
    DropVolume {
        /// Its name.
        name: String,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// SET … AS DEFAULT STORAGE VOLUME.
    SetDefaultVolume {
        /// Its name.
        name: String,
    },
    /// What fe.conf says of `builtin_storage_volume`, at every start of a leader.
    EnsureBuiltinVolume {
        /// The volume; its location and type are fixed by the first start.
        draft: VolumeDraft,
    },
    /// Where a frontend of the cluster is found: its ports, as it tells them.
    RegisterFrontend {
        /// The frontend.
        frontend: Frontend,
    },
    /// ALTER SYSTEM ADD COMPUTE NODE.
    AddComputeNode {
        /// Host name or address.
        host: String,
        /// Its heartbeat_service_port.
        heartbeat_port: u16,
    },
    /// ALTER SYSTEM DROP COMPUTE NODE.
    DropComputeNode {
        /// Host name or address.
        host: String,
        /// Its heartbeat_service_port.
        heartbeat_port: u16,
    },
    /// ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON.
    EnableSnapshots {
        /// The volume's name; None: the default volume.
        volume: Option<String>,
        /// INTERVAL.
        interval_seconds: Option<u64>,
        /// PROPERTIES.
        retention: RetentionChange,
    },
    /// ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF: an automated job that runs is cancelled by the supervisor.
    DisableSnapshots,
    /// ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET.
    AlterSnapshots {
        /// A new volume.
        volume: Option<String>,
        /// A new interval.
        interval_seconds: Option<u64>,
        /// What changes of the retention.
        retention: RetentionChange,
    },
    /// A snapshot job begins.
    BeginSnapshot {
        /// Who asked.
        kind: SnapshotKind,
        /// Its name.
        name: String,
        /// Where it goes.
        volume: VolumeId,
        /// COMMENT 'text'.
        comment: String,
        /// `max_historical_automated_cluster_snapshot_jobs`.
        max_history: u32,
    },
    /// Something happened to a snapshot job.
    SnapshotEvent {
        /// The job.
        job: JobId,
        /// What.
        event: JobEvent,
        /// What SHOW says of it.
        detail: String,
    },
    /// GC, first step: these files may not be named again and their objects may be deleted.
    Condemn {
        /// Candidates; those that are still referenced, pinned, read or too young are left out.
        files: Vec<FileId>,
        /// The oldest revision that a running query reads.
        oldest_read: storage_model::Revision,
        /// `lake_autovacuum_grace_period_minutes`, in milliseconds.
        grace_millis: u64,
    },
    /// GC, second step: the objects are gone.
    Forget {
        /// Condemned files.
        files: Vec<FileId>,
    },
    /// What has been in the recycle bin for longer than this is dropped for good.
    EraseTrash {
        /// `catalog_trash_expire_second`, in milliseconds.
        older_than_millis: u64,
    },
    /// ADMIN SET FRONTEND CONFIG … WITH PERSISTENT.
    SetConfig {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// ADMIN FINISH RESTORE: the careful time is over.
    FinishRestore,
    /// Nothing but the time: proposed now and then in a quiet cluster, so that a restart forgets little of its uptime.
    KeepTime,
    /// CANCEL CLUSTER SNAPSHOT [name]: the unfinished job is to be given up.
    CancelSnapshot {
        /// None: whichever runs.
        name: Option<String>,
    },
    /// ALTER SYSTEM ADD FOLLOWER or OBSERVER. The node itself joins afterwards.
    AddFrontend {
        /// Host name or address.
        host: String,
        /// Where other frontends reach it.
        edit_log_port: u16,
        /// What it is to be.
        role: FrontendRole,
    },
    /// ALTER SYSTEM DROP FOLLOWER or OBSERVER.
    DropFrontend {
        /// Host name or address.
        host: String,
        /// Where other frontends reach it.
        edit_log_port: u16,
        /// What it must be.
        role: FrontendRole,
        /// The leader, which cannot be dropped.
        leader: NodeId,
    },
    /// A command that its proposer may propose again, because it did not hear what became of it: it is done once, and every
    /// repetition is answered as the first.
    Once {
        /// Who proposes: random, drawn by each process that does.
        proposer: u128,
        /// Counts the proposer's commands.
        sequence: u64,
        /// The proposer has heard the answers to all commands below this.
        heard: u64,
        /// The command.
        command: Box<Command>,
    },
    /// The moment at which all rows of some partitions give way to others: INSERT OVERWRITE and DELETE.
    ReplaceRows {
        /// The load.
        txn: TxnId,
        /// The table.
        table: TableId,
        /// The user's own label; None for a generated one, which nobody can use again.
        label: Option<String>,
        /// Whose rows give way, those without new rows too.
        partitions: Vec<ReplacedPartition>,
        /// What was written, for these partitions and no others.
        files: Vec<WrittenFile>,
        /// Rows among the new ones whose keys come again, in a PRIMARY KEY table.
        superseded: Superseded,
    },
    /// ALTER DATABASE … RENAME.
    RenameDatabase {
        /// The database.
        name: String,
        /// Its name from now on.
        new_name: String,
    },
    /// ALTER TABLE … RENAME.
    RenameTable {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// Its name from now on.
        new_name: String,
    },
    /// ALTER TABLE … RENAME PARTITION.
    RenamePartition {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// The partition.
        partition: String,
        /// Its name from now on.
        new_name: String,
    },
    /// ALTER TABLE … SWAP WITH: two tables of a database change names.
    SwapTables {
        /// The database.
        database: String,
        /// One table.
        table: String,
        /// The other.
        other: String,
    },
    /// ALTER TABLE … COMMENT.
    CommentTable {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// Its comment from now on.
        comment: String,
    },
    /// RECOVER DATABASE, with the tables that were dropped with it.
    RecoverDatabase {
        /// Its name when it was dropped.
        name: String,
    },
    /// RECOVER TABLE.
    RecoverTable {
        /// The database.
        database: String,
        /// Its name when it was dropped.
        table: String,
    },
    /// RECOVER PARTITION.
    RecoverPartition {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// Its name when it was dropped.
        partition: String,
    },
    /// ALTER TABLE … ADD PARTITIONS: all of them or none.
    AddPartitions {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// The partitions.
        drafts: Vec<PartitionDraft>,
    },
    /// Compaction: neighbouring files of a partition give way to others that hold the same rows. Its version stays, for it
    /// says the same as before.
    CompactPartition {
        /// Whose name the new files carry.
        txn: TxnId,
        /// The table.
        table: TableId,
        /// The partition.
        partition: PartitionId,
        /// What gives way.
        inputs: Vec<FileId>,
        /// What was written instead.
        files: Vec<WrittenFile>,
        /// What the new files lose of a PRIMARY KEY table: what the old have lost since they were read.
        superseded: Superseded,
        /// How many rows of each rowset that gives way were gone when that was looked at.
        seen: Vec<SeenDeletes>,
    },
    /// Loads that were begun long ago and are not committed never will be: what they wrote can be deleted.
    GiveUpTxns {
        /// All below this.
        below: u64,
    },
    /// RESTORE TABLE … FROM SNAPSHOT: a table of a snapshot comes back beside all others, over the files that it had.
    RestoreTable {
        /// The snapshot, which must still be FINISHED.
        job: JobId,
        /// Its cut.
        cut: storage_model::Revision,
        /// The database to put it in.
        database: String,
        /// The table as the snapshot has it, under its new name. Its ids and times are given anew.
        table: Table,
        /// Its partitions as the snapshot has them. Their rowsets name files by their ids here; their own ids are given anew.
        partitions: Vec<Partition>,
        /// All files that the rowsets name.
        files: Vec<RestoredFile>,
    },
    /// ALTER TABLE … COLUMN: all of the changes, one after the other, or none.
    AlterColumns {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// What changes.
        changes: Vec<ColumnChange>,
    },
    /// The moment at which an UPDATE or a DELETE of a PRIMARY KEY table is true: rows that were made from those of some versions
    /// are added to the same partitions, where they take the place of rows with their keys; or rows of them are gone.
    UpdateRows {
        /// The load.
        txn: TxnId,
        /// The table.
        table: TableId,
        /// The partitions of the files, each with the version that was read.
        partitions: Vec<ReplacedPartition>,
        /// What was written, for these partitions and no others.
        files: Vec<WrittenFile>,
        /// What they take the place of, or what a DELETE takes away.
        superseded: Superseded,
    },
    /// CREATE VIEW, CREATE OR REPLACE VIEW, ALTER VIEW.
    PutView {
        /// The database.
        database: String,
        /// The view.
        draft: ViewDraft,
        /// Which of them.
        how: ViewPut,
    },
    /// DROP VIEW.
    DropView {
        /// The database.
        database: String,
        /// The view.
        name: String,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// COMMIT of an explicit transaction: all of its loads, or none.
    CommitTransaction {
        /// BEGIN WITH LABEL.
        label: Option<String>,
        /// In the order of the statements; of tables of one database.
        loads: Vec<TransactionLoad>,
        /// What they take away of PRIMARY KEY tables, DELETEs too.
        superseded: Superseded,
    },
    /// Users, roles and privileges.
    Access(AccessChange),
    /// Partitions that a load needs or that it is time for, and those whose time is over. A draft whose rows others take
    /// already, all or some, is left out; of several loads that need the same partition each asks for it. A name that is
    /// taken gets a number. What is dropped goes through the recycle bin, and what is gone already is gone.
    RollPartitions {
        /// The table.
        table: TableId,
        /// What shall be there.
        drafts: Vec<PartitionDraft>,
        /// What shall not be there any more.
        dropped: Vec<PartitionId>,
    },
    /// ALTER TABLE … ADD TEMPORARY PARTITION(S): all of them or none.
    AddTemporaryPartitions {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// The partitions.
        drafts: Vec<PartitionDraft>,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// ALTER TABLE … DROP [TEMPORARY] PARTITIONS: all of them or none.
    DropPartitions {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// By name.
        partitions: Vec<String>,
        /// TEMPORARY: these have no recycle bin.
        temporary: bool,
        /// IF EXISTS: those that are not there are gone already.
        if_exists: bool,
        /// Not through the recycle bin.
        force: bool,
    },
    /// ALTER TABLE … REPLACE PARTITION … WITH TEMPORARY PARTITION: the rows of the former are gone, those of the latter there.
    ReplacePartitions {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// What gives way.
        partitions: Vec<String>,
        /// What takes its place.
        temporary: Vec<String>,
        /// `strict_range`: together they must take the very same rows.
        strict_range: bool,
        /// `use_temp_partition_name`, or else the names of as many partitions as there were stay.
        keep_new_names: bool,
    },
    /// ALTER TABLE … SET: checked properties take the place of those of the same names.
    SetTableProperties {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// What changes.
        properties: BTreeMap<String, String>,
    },
    /// Reserves numbers for the AUTO_INCREMENT column of a table: rows that a frontend loads get them, and nobody else's.
    LeaseIds {
        /// The table.
        table: TableId,
        /// How many.
        count: u64,
    },
    /// ALTER TABLE … AUTO_INCREMENT = n: numbers that are leased from now on are no smaller.
    SetAutoIncrement {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// The next.
        next: u64,
    },
    /// The same as `UpdateRows` for an INSERT that keeps what rows have in other columns, which may have a label.
    MergeRows {
        /// The load.
        txn: TxnId,
        /// The table.
        table: TableId,
        /// The user's own label; None for a generated one, which nobody can use again.
        label: Option<String>,
        /// The partitions of the files, each with the version that was read.
        partitions: Vec<ReplacedPartition>,
        /// What was written, for these partitions and no others.
        files: Vec<WrittenFile>,
        /// What they take the place of.
        superseded: Superseded,
    },
    /// ALTER TABLE … DISTRIBUTED BY: a job writes all rows into other buckets.
    AlterDistribution {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// Whose buckets become others; empty: those of all partitions.
        partitions: Vec<String>,
        /// How rows go to buckets from then on.
        distribution: Distribution,
        /// BUCKETS n.
        buckets_given: Option<u32>,
        /// How many that is, given or not.
        buckets: u32,
    },
    /// Something happened to a job that writes rows anew.
    AlterJobEvent {
        /// The job.
        job: JobId,
        /// What.
        event: AlterEvent,
    },
    /// The moment at which a table is what a job makes of it: all rows and the schema at once. Its partitions get new ids, so
    /// that nothing that was planned before can be committed after.
    FinishAlter {
        /// The job.
        job: JobId,
        /// All partitions that have rows.
        partitions: Vec<RewrittenPartition>,
    },
    /// CANCEL ALTER TABLE: the table stays as it is.
    CancelAlter {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// Which kind of job.
        kind: AlterKind,
        /// Only these; empty: whichever runs.
        jobs: Vec<JobId>,
    },
    /// ANALYZE: what the values of columns were found to be. DROP STATS: of all columns nothing is known.
    SetStatistics {
        /// The table.
        table: TableId,
        /// What is known from now on.
        columns: Vec<ColumnStatistics>,
        /// Whether what is known of other columns goes.
        all: bool,
    },
    /// CREATE TABLE … AS: a table whose rows are still to come. The first commit to it makes it one like others.
    CreateTableAs {
        /// Its database.
        database: String,
        /// The table.
        draft: TableDraft,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// When this transaction is given up, nobody brings the rows any more.
        txn: TxnId,
    },
    /// The rows of such a table will not come: it is dropped, unless some came.
    DropUnfilled {
        /// The table.
        table: TableId,
    },
}

impl Command {
    /// Its name, for logs and traces.
    pub fn name(&self) -> &'static str {
        match self {
            Command::CreateDatabase { .. } => "CreateDatabase",
            Command::DropDatabase { .. } => "DropDatabase",
            Command::CreateTable { .. } => "CreateTable",
            Command::DropTable { .. } => "DropTable",
            Command::TruncateTable { .. } => "TruncateTable",
            Command::AddPartition { .. } => "AddPartition",
            Command::DropPartition { .. } => "DropPartition",
            Command::LeaseTxns { .. } => "LeaseTxns",
            Command::CommitLoad { .. } => "CommitLoad",
            Command::CreateVolume { .. } => "CreateVolume",
            Command::AlterVolume { .. } => "AlterVolume",
            Command::DropVolume { .. } => "DropVolume",
            Command::SetDefaultVolume { .. } => "SetDefaultVolume",
            Command::EnsureBuiltinVolume { .. } => "EnsureBuiltinVolume",
            Command::RegisterFrontend { .. } => "RegisterFrontend",
            Command::AddComputeNode { .. } => "AddComputeNode",
            Command::DropComputeNode { .. } => "DropComputeNode",
            Command::EnableSnapshots { .. } => "EnableSnapshots",
            Command::DisableSnapshots => "DisableSnapshots",
            Command::AlterSnapshots { .. } => "AlterSnapshots",
            Command::BeginSnapshot { .. } => "BeginSnapshot",
            Command::SnapshotEvent { .. } => "SnapshotEvent",
            Command::Condemn { .. } => "Condemn",
            Command::Forget { .. } => "Forget",
            Command::EraseTrash { .. } => "EraseTrash",
            Command::SetConfig { .. } => "SetConfig",
            Command::FinishRestore => "FinishRestore",
            Command::KeepTime => "KeepTime",
            Command::CancelSnapshot { .. } => "CancelSnapshot",
            Command::AddFrontend { .. } => "AddFrontend",
            Command::DropFrontend { .. } => "DropFrontend",
            Command::Once { command, .. } => command.name(),
            Command::ReplaceRows { .. } => "ReplaceRows",
            Command::RenameDatabase { .. } => "RenameDatabase",
            Command::RenameTable { .. } => "RenameTable",
            Command::RenamePartition { .. } => "RenamePartition",
            Command::SwapTables { .. } => "SwapTables",
            Command::CommentTable { .. } => "CommentTable",
            Command::RecoverDatabase { .. } => "RecoverDatabase",
            Command::RecoverTable { .. } => "RecoverTable",
            Command::RecoverPartition { .. } => "RecoverPartition",
            Command::AddPartitions { .. } => "AddPartitions",
            Command::CompactPartition { .. } => "CompactPartition",
            Command::GiveUpTxns { .. } => "GiveUpTxns",
            Command::RestoreTable { .. } => "RestoreTable",
            Command::AlterColumns { .. } => "AlterColumns",
            Command::UpdateRows { .. } => "UpdateRows",
            Command::PutView { .. } => "PutView",
            Command::DropView { .. } => "DropView",
            Command::CommitTransaction { .. } => "CommitTransaction",
            Command::Access(change) => change.name(),
            Command::RollPartitions { .. } => "RollPartitions",
            Command::AddTemporaryPartitions { .. } => "AddTemporaryPartitions",
            Command::DropPartitions { .. } => "DropPartitions",
            Command::ReplacePartitions { .. } => "ReplacePartitions",
            Command::SetTableProperties { .. } => "SetTableProperties",
            Command::LeaseIds { .. } => "LeaseIds",
            Command::SetAutoIncrement { .. } => "SetAutoIncrement",
            Command::MergeRows { .. } => "MergeRows",
            Command::AlterDistribution { .. } => "AlterDistribution",
            Command::AlterJobEvent { .. } => "AlterJobEvent",
            Command::FinishAlter { .. } => "FinishAlter",
            Command::CancelAlter { .. } => "CancelAlter",
            Command::SetStatistics { .. } => "SetStatistics",
            Command::CreateTableAs { .. } => "CreateTableAs",
            Command::DropUnfilled { .. } => "DropUnfilled",
        }
    }
}
