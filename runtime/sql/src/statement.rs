//! What a text can say: one [`Statement`] for each thing a client may ask for.
//!
//! Names are as they were written; nothing here is resolved against a catalog.

pub mod access;
mod kind;
pub mod show;
pub mod table;
pub mod view;

use std::collections::BTreeMap;
use std::fmt;

use sqlparser::ast::{Expr, Query};

use crate::names::QualifiedName;
use crate::rows::ValueRows;
pub use access::AccessStatement;
pub use show::{Show, ShowFilter, Shown};
pub use table::{AlterTableAction, CreateTable};
pub use view::{SourcedQuery, ViewDefinition};

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// SELECT, VALUES, WITH ...
    Query(Box<Query>),
    /// EXPLAIN of a query, an INSERT, a DELETE or an UPDATE.
    Explain {
        /// How much of the plan to show.
        level: ExplainLevel,
        /// What is explained.
        statement: Box<Statement>,
    },
    /// INSERT INTO, INSERT OVERWRITE.
    Insert(Box<Insert>),
    /// DELETE.
    Delete(Box<Delete>),
    /// UPDATE.
    Update(Box<Update>),

    /// CREATE DATABASE.
    CreateDatabase {
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// The catalog, if it was named.
        catalog: Option<String>,
        /// The database.
        name: String,
        /// `storage_volume`.
        properties: Properties,
    },
    /// DROP DATABASE.
    DropDatabase {
        /// IF EXISTS.
        if_exists: bool,
        /// The catalog, if it was named.
        catalog: Option<String>,
        /// The database.
        name: String,
        /// FORCE: not to the recycle bin.
        force: bool,
    },
    /// ALTER DATABASE ... RENAME.
    RenameDatabase {
        /// The catalog, if it was named.
        catalog: Option<String>,
        /// The database.
        name: String,
        /// Its name from now on.
        new_name: String,
    },
    /// RECOVER DATABASE.
    RecoverDatabase {
        /// The catalog, if it was named.
        catalog: Option<String>,
        /// The database.
        name: String,
    },
    /// USE.
    UseDatabase {
        /// The catalog, if it was named.
        catalog: Option<String>,
        /// The database.
        database: String,
    },
    /// SET CATALOG.
    SetCatalog {
        /// The catalog.
        name: String,
    },

    /// CREATE TABLE.
    CreateTable(Box<CreateTable>),
    /// CREATE TABLE ... AS query. The table has no columns of its own here.
    CreateTableAs {
        /// What else it says.
        table: Box<CreateTable>,
        /// Names for its columns; empty: those of the query.
        names: Vec<String>,
        /// Where columns and rows come from.
        query: SourcedQuery,
    },
    /// CREATE TABLE ... LIKE.
    CreateTableLike {
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// The table.
        name: QualifiedName,
        /// The one that it shall be like.
        source: QualifiedName,
        /// DISTRIBUTED BY, if it shall differ.
        distribution: Option<table::DistributionClause>,
        /// PROPERTIES that shall differ.
        properties: Properties,
    },
    /// CREATE VIEW.
    CreateView {
        /// OR REPLACE.
        or_replace: bool,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// The view.
        definition: Box<ViewDefinition>,
    },
    /// ALTER VIEW ... AS query.
    AlterView {
        /// What it shall be.
        definition: Box<ViewDefinition>,
    },
    /// DROP VIEW.
    DropView {
        /// IF EXISTS.
        if_exists: bool,
        /// The view.
        name: QualifiedName,
    },
    /// DROP TABLE.
    DropTable {
        /// IF EXISTS.
        if_exists: bool,
        /// The table.
        name: QualifiedName,
        /// FORCE: not to the recycle bin.
        force: bool,
    },
    /// TRUNCATE TABLE.
    TruncateTable {
        /// The table.
        name: QualifiedName,
        /// Only these partitions; empty: all.
        partitions: Vec<String>,
    },
    /// ALTER TABLE.
    AlterTable {
        /// The table.
        name: QualifiedName,
        /// What to change.
        action: Box<AlterTableAction>,
    },
    /// CANCEL ALTER TABLE.
    CancelAlterTable {
        /// `COLUMN`, `ROLLUP` or `OPTIMIZE`.
        kind: &'static str,
        /// The table.
        name: QualifiedName,
        /// Only these jobs; empty: whichever runs.
        jobs: Vec<u64>,
    },
    /// RECOVER TABLE.
    RecoverTable {
        /// The table.
        name: QualifiedName,
    },
    /// RECOVER PARTITION.
    RecoverPartition {
        /// The partition.
        partition: String,
        /// The table that it was dropped from.
        table: QualifiedName,
    },

    /// CREATE STORAGE VOLUME.
    CreateStorageVolume {
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// Its name.
        name: String,
        /// TYPE, as written (`S3`).
        volume_type: String,
        /// LOCATIONS.
        locations: Vec<String>,
        /// COMMENT.
        comment: Option<String>,
        /// PROPERTIES, secrets among them.
        properties: Properties,
    },
    /// ALTER STORAGE VOLUME.
    AlterStorageVolume {
        /// IF EXISTS.
        if_exists: bool,
        /// Its name.
        name: String,
        /// COMMENT = 'text'.
        comment: Option<String>,
        /// SET (...): merged into what it has.
        properties: Properties,
    },
    /// DROP STORAGE VOLUME.
    DropStorageVolume {
        /// IF EXISTS.
        if_exists: bool,
        /// Its name.
        name: String,
    },
    /// DESC STORAGE VOLUME.
    DescribeStorageVolume {
        /// Its name.
        name: String,
    },
    /// SET volume AS DEFAULT STORAGE VOLUME.
    SetDefaultStorageVolume {
        /// Its name.
        name: String,
    },

    /// ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON.
    AdminSetAutomatedSnapshotOn {
        /// INTERVAL, in seconds.
        interval_seconds: Option<u64>,
        /// STORAGE VOLUME; none: the default volume.
        volume: Option<String>,
        /// PROPERTIES.
        properties: Properties,
    },
    /// ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF.
    AdminSetAutomatedSnapshotOff,
    /// ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET; at least one of the three is there.
    AdminAlterAutomatedSnapshot {
        /// INTERVAL, in seconds.
        interval_seconds: Option<u64>,
        /// STORAGE VOLUME.
        volume: Option<String>,
        /// PROPERTIES.
        properties: Properties,
    },
    /// ADMIN SHOW AUTOMATED CLUSTER SNAPSHOT.
    AdminShowAutomatedSnapshot,
    /// CREATE CLUSTER SNAPSHOT.
    CreateClusterSnapshot {
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// Its name.
        name: String,
        /// COMMENT.
        comment: Option<String>,
        /// STORAGE VOLUME.
        volume: Option<String>,
    },
    /// DROP CLUSTER SNAPSHOT.
    DropClusterSnapshot {
        /// IF EXISTS, before or behind the name.
        if_exists: bool,
        /// Its name.
        name: String,
    },
    /// CANCEL CLUSTER SNAPSHOT.
    CancelClusterSnapshot {
        /// Its name; none: the running one.
        name: Option<String>,
    },
    /// ADMIN VERIFY CLUSTER SNAPSHOT.
    AdminVerifyClusterSnapshot {
        /// Its name.
        name: String,
        /// WITH DATA: read every byte.
        with_data: bool,
    },
    /// RESTORE TABLE ... FROM SNAPSHOT ... TO TABLE ...
    RestoreTable {
        /// The table as the snapshot knows it.
        source: QualifiedName,
        /// The snapshot.
        snapshot: String,
        /// The table to create.
        target: QualifiedName,
        /// WITH PROPERTIES.
        properties: Properties,
    },
    /// ADMIN FINISH RESTORE.
    AdminFinishRestore,

    /// ALTER SYSTEM ADD COMPUTE NODE "host:port", ...
    AlterSystemAddComputeNode {
        /// `host:port` each, not checked.
        nodes: Vec<String>,
    },
    /// ALTER SYSTEM DROP COMPUTE NODE "host:port", ...
    AlterSystemDropComputeNode {
        /// `host:port` each, not checked.
        nodes: Vec<String>,
    },
    /// ALTER SYSTEM ADD FOLLOWER or OBSERVER.
    AlterSystemAddFrontend {
        /// Voter or learner.
        role: storage_model::FrontendRole,
        /// `host:edit_log_port` each, not checked.
        nodes: Vec<String>,
    },
    /// ALTER SYSTEM DROP FOLLOWER or OBSERVER.
    AlterSystemDropFrontend {
        /// Voter or learner.
        role: storage_model::FrontendRole,
        /// `host:edit_log_port` each, not checked.
        nodes: Vec<String>,
    },
    /// ALTER SYSTEM CREATE IMAGE.
    AlterSystemCreateImage,
    /// ADMIN SET FRONTEND CONFIG.
    AdminSetFrontendConfig {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// WITH PERSISTENT.
        persistent: bool,
    },

    /// SHOW, DESC and the like: all that only looks.
    Show(Box<Show>),
    /// HELP.
    Help {
        /// About what.
        topic: String,
    },

    /// SET: variables, names, transaction characteristics.
    Set(Vec<Assignment>),
    /// BEGIN, START TRANSACTION.
    Begin {
        /// WITH LABEL.
        label: Option<String>,
    },
    /// COMMIT.
    Commit,
    /// ROLLBACK.
    Rollback,
    /// KILL.
    Kill {
        /// KILL QUERY: the connection stays.
        query_only: bool,
        /// What is killed.
        target: KillTarget,
    },
    /// LOCK TABLES: accepted, does nothing.
    LockTables,
    /// UNLOCK TABLES: accepted, does nothing.
    UnlockTables,
    /// SYNC: wait until this frontend has applied what the leader has.
    Sync,
    /// ANALYZE PROFILE FROM 'query id'.
    AnalyzeProfile {
        /// The statement that was run.
        query_id: String,
    },
    /// ANALYZE.
    Analyze {
        /// The table, if one was named.
        table: Option<QualifiedName>,
        /// Only these; empty: all.
        columns: Vec<String>,
    },
    /// DROP STATS, ANALYZE TABLE ... DROP HISTOGRAM.
    DropStatistics {
        /// The table.
        table: QualifiedName,
        /// Only histograms, of which there are none.
        histograms: bool,
    },
    /// PREPARE name FROM ...
    PrepareText {
        /// The name.
        name: String,
        /// The text of the statement.
        text: String,
    },
    /// EXECUTE name [USING @a, ...].
    Execute {
        /// The name.
        name: String,
        /// User variables, without the sign.
        variables: Vec<String>,
    },
    /// DEALLOCATE PREPARE, DROP PREPARE.
    Deallocate {
        /// The name.
        name: String,
    },

    /// Users, roles and privileges.
    Access(Box<AccessStatement>),

    /// A statement that StarRocks has and we do not have yet.
    Unsupported {
        /// What it is, as the beginning of the statement: `CREATE VIEW`.
        what: String,
    },
}

/// INSERT INTO or INSERT OVERWRITE.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: QualifiedName,
    /// The columns that were named, if any.
    pub columns: Option<Vec<String>>,
    /// BY NAME: columns are matched by the names of the query's columns.
    pub by_name: bool,
    /// WITH LABEL.
    pub label: Option<String>,
    /// PARTITION (...).
    pub partitions: Option<Vec<String>>,
    /// TEMPORARY PARTITION (...).
    pub temporary: bool,
    /// PARTITION (column = value, ...): None is NULL.
    pub partition_values: Vec<(String, Option<String>)>,
    /// OVERWRITE.
    pub overwrite: bool,
    /// PROPERTIES.
    pub properties: Properties,
    /// Where the rows come from.
    pub source: InsertSource,
}

impl Insert {
    /// INSERT INTO table, and no clause besides.
    pub fn plain(table: QualifiedName, source: InsertSource) -> Insert {
        Insert {
            table,
            columns: None,
            by_name: false,
            label: None,
            partitions: None,
            temporary: false,
            partition_values: Vec::new(),
            overwrite: false,
            properties: Properties::default(),
            source,
        }
    }
}

/// DELETE.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// The table.
    pub table: QualifiedName,
    /// PARTITION (...).
    pub partitions: Option<Vec<String>>,
    /// WHERE, if it was given; with USING: whether there are rows of the others for which it is true.
    pub predicate: Option<Expr>,
    /// WITH in front of it, as that of a query.
    pub with: Option<Box<Query>>,
}

/// UPDATE.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The table.
    pub table: QualifiedName,
    /// Columns and what they become.
    pub assignments: Vec<(String, AssignedValue)>,
    /// FROM and WHERE, as `SELECT * FROM ... WHERE ...`; the table itself is not among them.
    pub source: Box<Query>,
}

/// Where the rows of an INSERT come from.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertSource {
    /// A query.
    Query(Box<Query>),
    /// VALUES.
    Values(ValueRows),
}

/// How much of a plan EXPLAIN shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExplainLevel {
    /// EXPLAIN.
    #[default]
    Normal,
    /// EXPLAIN LOGICAL.
    Logical,
    /// EXPLAIN ANALYZE: runs it.
    Analyze,
    /// EXPLAIN VERBOSE.
    Verbose,
    /// EXPLAIN COSTS.
    Costs,
    /// EXPLAIN SCHEDULER.
    Scheduler,
}

/// One assignment of SET.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Whose variable.
    pub scope: VariableScope,
    /// The variable, without signs and scope, as written.
    pub name: String,
    /// What it becomes.
    pub value: AssignedValue,
}

/// Whose variable is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableScope {
    /// Of this session.
    Session,
    /// Of every session to come.
    Global,
    /// A user variable, `@name`.
    User,
}

/// What a variable becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum AssignedValue {
    /// DEFAULT.
    Default,
    /// A value. A bare word (`ON`, `utf8mb4`) is a string literal.
    Expr(Box<Expr>),
}

/// What KILL ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KillTarget {
    /// A connection id.
    Connection(u64),
    /// A query id.
    Query(String),
}

/// `PROPERTIES ("key" = "value", ...)`. Debug output hides secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, String>);

impl std::ops::Deref for Properties {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |(key, value)| match storage_model::volume::is_secret(key) {
            true => (key, "******"),
            false => (key, value),
        };
        f.debug_map().entries(self.0.iter().map(|(k, v)| (k.as_str(), v.as_str())).map(masked)).finish()
    }
}

impl From<BTreeMap<String, String>> for Properties {
    fn from(map: BTreeMap<String, String>) -> Self {
        Properties(map)
    }
}
