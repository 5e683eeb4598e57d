//! Statements that only look.

use sqlparser::ast::{Expr, OrderByExpr};

use storage_model::UserName;

use super::access::GranteeName;
use crate::names::QualifiedName;

/// The tail of a SHOW: which rows of its result to keep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShowFilter {
    /// LIKE 'pattern'.
    pub like: Option<String>,
    /// WHERE, over the columns of the result.
    pub predicate: Option<Expr>,
    /// ORDER BY, over the columns of the result.
    pub order_by: Vec<OrderByExpr>,
    /// LIMIT.
    pub limit: Option<u64>,
    /// OFFSET.
    pub offset: Option<u64>,
}

/// SHOW, DESC, ADMIN SHOW.
#[derive(Clone, Debug, PartialEq)]
pub struct Show {
    /// What is looked at.
    pub what: Shown,
    /// Which rows of the result to keep. Those that take no filter have an empty one.
    pub filter: ShowFilter,
}

/// What a SHOW looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// SHOW CATALOGS.
    Catalogs,
    /// SHOW DATABASES, SHOW SCHEMAS.
    Databases {
        /// FROM catalog.
        catalog: Option<String>,
    },
    /// SHOW CREATE DATABASE.
    CreateDatabase {
        /// The database.
        name: String,
    },
    /// SHOW TABLES.
    Tables {
        /// FULL: with the type.
        full: bool,
        /// FROM [catalog.]database.
        database: Option<DatabaseName>,
    },
    /// SHOW TABLE STATUS.
    TableStatus {
        /// FROM [catalog.]database.
        database: Option<DatabaseName>,
    },
    /// SHOW CREATE TABLE, VIEW, MATERIALIZED VIEW.
    CreateTable {
        /// What it is said to be.
        object: ShownObject,
        /// Its name.
        name: QualifiedName,
    },
    /// DESC table.
    Describe {
        /// The table.
        table: QualifiedName,
        /// ALL.
        all: bool,
    },
    /// SHOW COLUMNS.
    Columns {
        /// FULL.
        full: bool,
        /// The table, its database filled in when it was named apart (`FROM t FROM db`).
        table: QualifiedName,
    },
    /// SHOW PARTITIONS FROM table.
    Partitions {
        /// TEMPORARY.
        temporary: bool,
        /// The table.
        table: QualifiedName,
    },
    /// SHOW DYNAMIC PARTITION TABLES [FROM database].
    DynamicPartitionTables {
        /// FROM [catalog.]database.
        database: Option<DatabaseName>,
    },
    /// SHOW INDEX FROM table.
    Index {
        /// The table, its database filled in when it was named apart.
        table: QualifiedName,
    },
    /// SHOW STATS META.
    StatsMeta,
    /// SHOW ANALYZE STATUS.
    AnalyzeStatus,
    /// SHOW HISTOGRAM META.
    HistogramMeta,
    /// SHOW COLUMN STATS FROM table.
    ColumnStats {
        /// The table.
        table: QualifiedName,
    },
    /// SHOW DATA [FROM name].
    Data {
        /// A table or a database.
        name: Option<QualifiedName>,
    },
    /// SHOW ALTER TABLE COLUMN, ROLLUP, OPTIMIZE.
    AlterTable {
        /// `COLUMN`, `ROLLUP` or `OPTIMIZE`.
        kind: &'static str,
        /// FROM [catalog.]database.
        database: Option<DatabaseName>,
    },
    /// SHOW MATERIALIZED VIEWS.
    MaterializedViews {
        /// FROM [catalog.]database.
        database: Option<DatabaseName>,
    },
    /// SHOW VARIABLES.
    Variables {
        /// GLOBAL.
        global: bool,
    },
    /// SHOW STATUS.
    Status {
        /// GLOBAL.
        global: bool,
    },
    /// SHOW WARNINGS.
    Warnings {
        /// SHOW COUNT(*) WARNINGS.
        count: bool,
    },
    /// SHOW ERRORS.
    Errors {
        /// SHOW COUNT(*) ERRORS.
        count: bool,
    },
    /// SHOW ENGINES.
    Engines,
    /// SHOW CHARSET, SHOW CHARACTER SET.
    Charset,
    /// SHOW COLLATION.
    Collation,
    /// SHOW PLUGINS.
    Plugins,
    /// SHOW PRIVILEGES.
    Privileges,
    /// SHOW TRIGGERS: there are none.
    Triggers,
    /// SHOW EVENTS: there are none.
    Events,
    /// SHOW OPEN TABLES: there are none.
    OpenTables,
    /// SHOW PROCEDURE STATUS, SHOW FUNCTION STATUS: there are none.
    RoutineStatus,
    /// SHOW GRANTS.
    Grants {
        /// FOR whom; none: oneself.
        of: Option<GranteeName>,
    },
    /// SHOW PROCESSLIST.
    ProcessList {
        /// FULL: whole statements.
        full: bool,
    },
    /// SHOW PROFILELIST.
    ProfileList,
    /// SHOW STORAGE VOLUMES.
    StorageVolumes,
    /// SHOW FRONTENDS.
    Frontends,
    /// SHOW COMPUTE NODES.
    ComputeNodes,
    /// SHOW BACKENDS.
    Backends,
    /// SHOW BROKER.
    Brokers,
    /// SHOW WAREHOUSES.
    Warehouses,
    /// SHOW PROC 'path'.
    Proc {
        /// `/frontends`.
        path: String,
    },
    /// ADMIN SHOW FRONTEND CONFIG.
    FrontendConfig,
    /// SHOW USERS.
    Users,
    /// SHOW ROLES.
    Roles,
    /// SHOW AUTHENTICATION.
    Authentication {
        /// ALL: of everybody.
        all: bool,
        /// FOR user; none: one's own.
        user: Option<UserName>,
    },
    /// SHOW PROPERTY.
    Property {
        /// FOR user; none: one's own.
        user: Option<UserName>,
    },
}

/// `[catalog.]database`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseName {
    /// The catalog, if it was named.
    pub catalog: Option<String>,
    /// The database.
    pub database: String,
}

/// What SHOW CREATE is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownObject {
    /// SHOW CREATE TABLE.
    Table,
    /// SHOW CREATE VIEW.
    View,
    /// SHOW CREATE MATERIALIZED VIEW.
    MaterializedView,
}
