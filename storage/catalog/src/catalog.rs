//! The value itself, and how to read it. Structurally shared: a clone costs nothing, so a frozen view is a clone.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use storage_model::{
    AlterJob, ClusterId, ComputeNode, DatabaseId, Epoch, FileEntry, FileId, Frontend, Incarnation, JobId, NodeId,
    Partition, PartitionId, Revision, Role, RoleId, ServiceId, SnapshotJob, SnapshotPolicy, StorageVolume, Table,
    TableId, TableStatistics, TxnId, UnixMillis, Uptime, User, UserId, View, VolumeId,
};

use crate::command::Reply;

/// Who this cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterIdentity {
    /// StarRocks' `clusterId`, kept through restores.
    pub cluster_id: ClusterId,
    /// What nodes of this cluster prove to each other that they belong together.
    pub token: String,
    /// The service root in every volume, kept through restores.
    pub service_id: ServiceId,
    /// Drawn anew by every bootstrap, restore and adopted meta directory.
    pub incarnation: Incarnation,
    /// Orders incarnations.
    pub epoch: Epoch,
}

/// Where a restored cluster, or one whose metadata were copied back and adopted, comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreFacts {
    /// The snapshot; empty when a meta directory was adopted.
    pub snapshot_name: String,
    /// Its cut, or the revision that the meta directory was at.
    pub cut: Revision,
    /// When it was restored.
    pub restored_at: UnixMillis,
    /// Nothing expires, retires or is deleted before this; None once an admin has finished the restore.
    pub careful_until: Option<Uptime>,
}

/// The scalars of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Who this cluster is.
    pub identity: ClusterIdentity,
    /// The last applied command.
    pub revision: Revision,
    /// The wall clock of the last command. May go back.
    pub clock: UnixMillis,
    /// The cluster's uptime at the last command: only rises, never jumps.
    pub uptime: Uptime,
    /// The next id of any kind but transactions.
    pub next_id: u64,
    /// The next transaction id.
    pub next_txn: u64,
    /// Tablet and worker commands applied so far (STARMGR_JOURNAL_ID).
    pub starmgr_id: u64,
    /// Where databases go that name no volume.
    pub default_volume: Option<VolumeId>,
    /// Some while automated snapshots are on.
    pub snapshot_policy: Option<SnapshotPolicy>,
    /// Some in a restored cluster.
    pub restored: Option<RestoreFacts>,
    /// Loads below this were given up: nothing of them can become true any more.
    pub txn_floor: u64,
    /// When a file last came back into use after its life had ended: the last RESTORE TABLE that brought one back.
    pub revived_at: Option<Revision>,
    /// Tables of CREATE TABLE AS whose rows are still to come, each with a transaction: when that is given up, so are they.
    pub unfilled: BTreeMap<TableId, TxnId>,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its id.
    pub id: DatabaseId,
    /// Unique; minds case.
    pub name: String,
    /// Where its tables go that name no volume.
    pub volume: Option<VolumeId>,
    /// When it was created.
    pub created_at: UnixMillis,
}

/// Something dropped that can still come back: its partitions stay in the catalog and keep their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trash {
    /// Its id.
    pub id: u64,
    /// When it was dropped.
    pub dropped_at: UnixMillis,
    /// The same moment on the clock that never jumps.
    pub dropped_uptime: Uptime,
    /// The database, when it was the database that was dropped.
    pub database: Option<Database>,
    /// The dropped tables.
    pub tables: Vec<Arc<Table>>,
    /// Partitions dropped from a table that lives on.
    pub partitions: Vec<PartitionId>,
    /// The views that were in the database.
    pub views: Vec<Arc<View>>,
}

impl Trash {
    /// Every partition it keeps.
    pub fn all_partitions(&self) -> impl Iterator<Item = PartitionId> + '_ {
        let of_tables = self.tables.iter().flat_map(|t| t.partitions.iter().chain(&t.temporary).copied());
        of_tables.chain(self.partitions.iter().copied())
    }
}

/// What files are found by that are an object: few others have the same, and it is much shorter than a name.
pub(crate) fn object_hash(volume: VolumeId, object: &str) -> u64 {
    let hash: [u8; 32] = Sha256::new().chain_update(volume.0.to_be_bytes()).chain_update(object).finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// A label that a load has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedLabel {
    /// The load.
    pub txn: TxnId,
    /// When it was committed.
    pub at: Uptime,
}

/// What is remembered of a process that proposes: the answers that it may not have heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// It has heard the answers to all of its commands below this.
    pub heard: u64,
    /// When it last proposed.
    pub at: Uptime,
    /// Answers from there on, by sequence number.
    pub replies: OrdMap<u64, Reply>,
}

/// All that the cluster knows.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Scalars.
    pub header: Header,
    pub(crate) databases: OrdMap<DatabaseId, Arc<Database>>,
    pub(crate) tables: OrdMap<TableId, Arc<Table>>,
    pub(crate) partitions: OrdMap<PartitionId, Arc<Partition>>,
    pub(crate) files: OrdMap<FileId, Arc<FileEntry>>,
    pub(crate) volumes: OrdMap<VolumeId, Arc<StorageVolume>>,
    pub(crate) frontends: OrdMap<NodeId, Arc<Frontend>>,
    pub(crate) compute_nodes: OrdMap<NodeId, Arc<ComputeNode>>,
    pub(crate) jobs: OrdMap<JobId, Arc<SnapshotJob>>,
    pub(crate) trash: OrdMap<u64, Arc<Trash>>,
    pub(crate) labels: OrdMap<(DatabaseId, String), UsedLabel>,
    pub(crate) config: OrdMap<String, String>,
    pub(crate) proposers: OrdMap<u128, Arc<Heard>>,
    pub(crate) views: OrdMap<TableId, Arc<View>>,
    pub(crate) users: OrdMap<UserId, Arc<User>>,
    pub(crate) roles: OrdMap<RoleId, Arc<Role>>,
    pub(crate) alters: OrdMap<JobId, Arc<AlterJob>>,
    /// Of tables of which something is known, those in the recycle bin too.
    pub(crate) statistics: OrdMap<TableId, Arc<TableStatistics>>,
    // Indexes, rebuilt by `reindex` after a decode.
    pub(crate) database_names: OrdMap<String, DatabaseId>,
    /// Of tables and of views.
    pub(crate) table_names: OrdMap<(DatabaseId, String), TableId>,
    pub(crate) removed: OrdSet<(Revision, FileId)>,
    /// By [`object_hash`].
    pub(crate) objects: OrdSet<(u64, FileId)>,
    pub(crate) label_times: OrdSet<(Uptime, DatabaseId, String)>,
}

impl Catalog {
    /// The catalog of a cluster that has just been born: revision 0, nothing in it.
    pub fn genesis(identity: ClusterIdentity, now: UnixMillis) -> Catalog {
        let mut catalog = Catalog::with_header(Header {
            identity,
            revision: Revision(0),
            clock: now,
            uptime: Uptime::default(),
            next_id: 10_001,
            next_txn: 1,
            starmgr_id: 0,
            default_volume: None,
            snapshot_policy: None,
            restored: None,
            txn_floor: 0,
            revived_at: None,
            unfilled: BTreeMap::new(),
        });
        catalog.add_first_users();
        catalog
    }

    /// The user and the roles that a cluster begins with, one of before there were users too.
    pub(crate) fn add_first_users(&mut self) {
        self.users.insert(UserId::ROOT, Arc::new(User::root()));
        self.roles.extend(Role::builtin().map(|role| (role.id, Arc::new(role))));
    }

    pub(crate) fn with_header(header: Header) -> Catalog {
        Catalog {
            header,
            databases: OrdMap::new(),
            tables: OrdMap::new(),
            partitions: OrdMap::new(),
            files: OrdMap::new(),
            volumes: OrdMap::new(),
            frontends: OrdMap::new(),
            compute_nodes: OrdMap::new(),
            jobs: OrdMap::new(),
            trash: OrdMap::new(),
            labels: OrdMap::new(),
            config: OrdMap::new(),
            proposers: OrdMap::new(),
            views: OrdMap::new(),
            users: OrdMap::new(),
            roles: OrdMap::new(),
            alters: OrdMap::new(),
            statistics: OrdMap::new(),
            database_names: OrdMap::new(),
            table_names: OrdMap::new(),
            removed: OrdSet::new(),
            objects: OrdSet::new(),
            label_times: OrdSet::new(),
        }
    }

    /// Builds the indexes from what they index.
    pub(crate) fn reindex(&mut self) {
        self.database_names = self.databases.values().map(|d| (d.name.clone(), d.id)).collect();
        let tables = self.tables.values().map(|t| ((t.database, t.name.clone()), t.id));
        let views = self.views.values().map(|v| ((v.database, v.name.clone()), v.id));
        self.table_names = tables.chain(views).collect();
        self.removed = self.files.values().filter_map(|f| f.removed_at().map(|(at, _)| (at, f.id))).collect();
        self.objects = self.files.values().map(|f| (object_hash(f.volume, &f.object.to_string()), f.id)).collect();
        self.label_times = self.labels.iter().map(|((db, label), used)| (used.at, *db, label.clone())).collect();
    }

    /// The last applied command.
    pub fn revision(&self) -> Revision {
        self.header.revision
    }

    /// Who this cluster is.
    pub fn identity(&self) -> &ClusterIdentity {
        &self.header.identity
    }

    /// All databases, in order of creation.
    pub fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.databases.values()
    }

    /// A database by id.
    pub fn database(&self, id: DatabaseId) -> Option<&Arc<Database>> {
        self.databases.get(&id)
    }

    /// A database by name.
    pub fn database_by_name(&self, name: &str) -> Option<&Arc<Database>> {
        self.databases.get(self.database_names.get(name)?)
    }

    /// The live tables of a database, in order of their names.
    pub fn tables_of(&self, database: DatabaseId) -> impl Iterator<Item = &Arc<Table>> {
        self.table_names
            .range((database, String::new())..)
            .take_while(move |((db, _), _)| *db == database)
            .filter_map(|(_, id)| self.tables.get(id))
    }

    /// All live tables.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// Whether the rows of a table that CREATE TABLE AS has made are still to come.
    pub fn is_unfilled(&self, table: TableId) -> bool {
        self.header.unfilled.contains_key(&table)
    }

    /// A live table by id.
    pub fn table(&self, id: TableId) -> Option<&Arc<Table>> {
        self.tables.get(&id)
    }

    /// A live table by name.
    pub fn table_by_name(&self, database: DatabaseId, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(self.table_names.get(&(database, name.to_owned()))?)
    }

    /// The views of a database, in order of their names.
    pub fn views_of(&self, database: DatabaseId) -> impl Iterator<Item = &Arc<View>> {
        self.table_names
            .range((database, String::new())..)
            .take_while(move |((db, _), _)| *db == database)
            .filter_map(|(_, id)| self.views.get(id))
    }

    /// All views.
    pub fn views(&self) -> impl Iterator<Item = &Arc<View>> {
        self.views.values()
    }

    /// A view by id.
    pub fn view(&self, id: TableId) -> Option<&Arc<View>> {
        self.views.get(&id)
    }

    /// A view by name.
    pub fn view_by_name(&self, database: DatabaseId, name: &str) -> Option<&Arc<View>> {
        self.views.get(self.table_names.get(&(database, name.to_owned()))?)
    }

    /// A partition by id (of a live table or in the recycle bin).
    pub fn partition(&self, id: PartitionId) -> Option<&Arc<Partition>> {
        self.partitions.get(&id)
    }

    /// All partitions, those in the recycle bin too.
    pub fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions.values()
    }

    /// What is known of the values of a table.
    pub fn statistics(&self, table: TableId) -> Option<&Arc<TableStatistics>> {
        self.statistics.get(&table)
    }

    /// The partitions of a table, in order of their ranges.
    pub fn partitions_of<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a Arc<Partition>> {
        table.partitions.iter().filter_map(|id| self.partitions.get(id))
    }

    /// The temporary partitions of a table, in order of their ranges.
    pub fn temporary_partitions_of<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a Arc<Partition>> {
        table.temporary.iter().filter_map(|id| self.partitions.get(id))
    }

    /// A file by id.
    pub fn file(&self, id: FileId) -> Option<&FileEntry> {
        self.files.get(&id).map(Arc::as_ref)
    }

    /// Whether any file is in a volume, garbage too. Looks at all files: for volumes that are borrowed, which few clusters have.
    pub fn has_files_in(&self, volume: VolumeId) -> bool {
        self.files.values().any(|file| file.volume == volume)
    }

    /// The file that is this object.
    pub fn file_of_object(&self, volume: VolumeId, object: &str) -> Option<&FileEntry> {
        let hash = object_hash(volume, object);
        let alike = self.objects.range((hash, FileId(0))..=(hash, FileId(u64::MAX)));
        alike.filter_map(|(_, id)| self.file(*id)).find(|file| file.volume == volume && file.object == *object)
    }

    /// All files, removed ones too until they are forgotten.
    pub fn files(&self) -> impl Iterator<Item = &Arc<FileEntry>> {
        self.files.values()
    }

    /// Whether an object, named below the service root, is that of a file, in whichever volume: two may be of one place.
    pub fn has_object(&self, object: &str) -> bool {
        self.volumes.keys().any(|volume| self.file_of_object(*volume, object).is_some())
    }

    /// How many files the catalog names.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// A volume by id.
    pub fn volume(&self, id: VolumeId) -> Option<&Arc<StorageVolume>> {
        self.volumes.get(&id)
    }

    /// A volume by name.
    pub fn volume_by_name(&self, name: &str) -> Option<&Arc<StorageVolume>> {
        self.volumes.values().find(|v| v.name == name)
    }

    /// All volumes.
    pub fn volumes(&self) -> impl Iterator<Item = &Arc<StorageVolume>> {
        self.volumes.values()
    }

    /// All frontends.
    pub fn frontends(&self) -> impl Iterator<Item = &Arc<Frontend>> {
        self.frontends.values()
    }

    /// A frontend by id.
    pub fn frontend(&self, id: NodeId) -> Option<&Arc<Frontend>> {
        self.frontends.get(&id)
    }

    /// All compute nodes.
    pub fn compute_nodes(&self) -> impl Iterator<Item = &Arc<ComputeNode>> {
        self.compute_nodes.values()
    }

    /// A compute node by id.
    pub fn compute_node(&self, id: NodeId) -> Option<&Arc<ComputeNode>> {
        self.compute_nodes.get(&id)
    }

    /// All snapshot jobs, oldest first.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = &Arc<SnapshotJob>> {
        self.jobs.values()
    }

    /// A snapshot job by id.
    pub fn job(&self, id: JobId) -> Option<&Arc<SnapshotJob>> {
        self.jobs.get(&id)
    }

    /// The job that is running, if any.
    pub fn unfinished_job(&self) -> Option<&Arc<SnapshotJob>> {
        self.jobs.values().find(|j| j.state.is_unfinished())
    }

    /// What is in the recycle bin, oldest first.
    pub fn trash(&self) -> impl Iterator<Item = &Arc<Trash>> {
        self.trash.values()
    }

    /// The labels that loads have used, by database and name.
    pub fn labels(&self) -> impl Iterator<Item = (&(DatabaseId, String), &UsedLabel)> {
        self.labels.iter()
    }

    /// Configuration set with ADMIN SET FRONTEND CONFIG … WITH PERSISTENT.
    pub fn config(&self) -> impl Iterator<Item = (&String, &String)> {
        self.config.iter()
    }

    /// Whether a restored cluster is still careful: nothing expires, retires or is deleted.
    pub fn is_careful(&self) -> bool {
        let until = self.header.restored.as_ref().and_then(|r| r.careful_until);
        until.is_some_and(|until| self.header.uptime < until)
    }
}
