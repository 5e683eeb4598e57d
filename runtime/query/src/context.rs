//! What planning a statement needs to know about the cluster and about the session that asks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use storage_catalog::Catalog;
use storage_model::{DataType, ServiceId};

use crate::error::QueryError;
use crate::functions::type_text;
use crate::nested::json;
use crate::zone::Zone;

/// The only catalog there is.
pub const DEFAULT_CATALOG: &str = "default_catalog";
/// The server version that MySQL clients are told.
pub const MYSQL_VERSION: &str = "8.0.33";

/// A constant that a session variable stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constant {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// A value of any other plain type.
    Typed {
        /// As clients see it.
        text: String,
        /// What it is.
        data_type: DataType,
    },
    /// An ARRAY, MAP or STRUCT.
    Nested {
        /// As JSON says it.
        json: String,
        /// What it is.
        data_type: DataType,
    },
}

impl Constant {
    /// A value that holds others, out of a result; None: the value at this place holds none.
    pub fn nested(values: &dyn Array, row: usize) -> Option<Constant> {
        if !values.data_type().is_nested() || values.is_null(row) {
            return None;
        }
        let data_type = runtime_sql::parse_type(&type_text(values.data_type()))?;
        Some(Constant::Nested { json: json::text(&json::of_cell(values, row)), data_type })
    }
}

/// The variables of a session.
pub trait Variables: Send + Sync {
    /// `@@name`, `@@session.name` or (`global`) `@@global.name`; the name is in lower case. None: there is no such
    /// variable, which fails the statement with error 1193.
    fn system(&self, name: &str, global: bool) -> Option<Constant>;

    /// `@name`, in lower case; what was never set is NULL.
    fn user(&self, name: &str) -> Constant;
}

/// A session without variables: every `@@x` is unknown, every `@x` is NULL.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn system(&self, _name: &str, _global: bool) -> Option<Constant> {
        None
    }

    fn user(&self, _name: &str) -> Constant {
        Constant::Null
    }
}

/// What a statement can ask about its own session.
#[derive(Clone)]
pub struct SessionFacts {
    /// The user, without host: `root`.
    pub user: String,
    /// Where the client is: `127.0.0.1`.
    pub host: String,
    /// The user as it was created: `'root'@'%'`.
    pub account: String,
    /// The active roles: what `current_role()` tells.
    pub roles: String,
    /// As `connection_id()` tells it.
    pub connection_id: u64,
    /// `SYSTEM`, `UTC`, `+08:00` or a name such as `Asia/Shanghai`.
    pub time_zone: String,
    /// When the statement began, in milliseconds since the epoch: what `now()` is.
    pub now_ms: u64,
    /// `3.5.0 <commit>`: what `current_version()` tells.
    pub version: String,
    /// `@@x` and `@x`.
    pub variables: Arc<dyn Variables>,
    /// The id of the statement before: what `last_query_id()` tells. Empty: there was none.
    pub last_query: String,
    /// What `get_query_profile()` tells.
    pub profile_of: ProfileOf,
}

/// Finds what a statement did by its id, if the user may see it.
pub type ProfileOf = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

impl SessionFacts {
    /// Facts for statements that no client sent.
    pub fn internal(now_ms: u64) -> SessionFacts {
        SessionFacts {
            user: "root".to_owned(),
            host: "127.0.0.1".to_owned(),
            account: "'root'@'%'".to_owned(),
            roles: "root".to_owned(),
            connection_id: 0,
            time_zone: "UTC".to_owned(),
            now_ms,
            version: MYSQL_VERSION.to_owned(),
            variables: Arc::new(NoVariables),
            last_query: String::new(),
            profile_of: Arc::new(|_| None),
        }
    }

    /// The session's time zone; UTC when its name is of none.
    pub fn zone(&self) -> Zone {
        Zone::parse(&self.time_zone).unwrap_or_default()
    }

    /// Microseconds since the epoch on a clock of the session's time zone.
    pub fn local_micros(&self) -> i64 {
        self.zone().to_local(self.now_ms as i64 * 1000)
    }
}

impl fmt::Debug for SessionFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFacts").field("user", &self.user).field("connection", &self.connection_id).finish()
    }
}

/// Tables that are computed where the statement is planned: `information_schema` and whatever else the frontend knows.
/// Database and table names come in lower case and are answered in the case that users shall see.
pub trait VirtualTables: Send + Sync {
    /// The databases, each with its tables.
    fn names(&self) -> Vec<(String, Vec<String>)>;

    /// The columns of a table; None when there is no such table here.
    fn schema(&self, database: &str, table: &str) -> Option<SchemaRef>;

    /// All rows of a table, in the columns of its schema.
    ///
    /// # Errors
    /// When the rows cannot be known now.
    fn rows(&self, database: &str, table: &str) -> Result<RecordBatch, QueryError>;
}

/// No virtual tables but the ones this room knows itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVirtualTables;

impl VirtualTables for NoVirtualTables {
    fn names(&self) -> Vec<(String, Vec<String>)> {
        Vec::new()
    }

    fn schema(&self, _database: &str, _table: &str) -> Option<SchemaRef> {
        None
    }

    fn rows(&self, database: &str, table: &str) -> Result<RecordBatch, QueryError> {
        Err(QueryError::unknown_table(database, table))
    }
}

/// What the user of a statement may read. Asked before a table's columns are looked at, wherever in the statement it is
/// named; what the statement itself changes is not asked here.
pub trait Access: Send + Sync {
    /// Whether the rows of a stored table may be read, by the names of its database and its own.
    ///
    /// # Errors
    /// What the user is told, when they may not.
    fn may_read(&self, database: &str, table: &str) -> Result<(), QueryError>;

    /// What lists of databases and tables may hold.
    fn seen(&self, catalog: &Arc<Catalog>) -> Arc<Catalog>;
}

/// Everything may be read: for statements that no user sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Access for Everything {
    fn may_read(&self, _database: &str, _table: &str) -> Result<(), QueryError> {
        Ok(())
    }

    fn seen(&self, catalog: &Arc<Catalog>) -> Arc<Catalog> {
        Arc::clone(catalog)
    }
}

/// All that planning needs.
#[derive(Clone)]
pub struct PlanContext {
    /// One revision of the catalog; the whole statement sees this one.
    pub catalog: Arc<Catalog>,
    /// The root of every object path.
    pub service_id: ServiceId,
    /// The database of USE.
    pub database: Option<String>,
    /// Who asks.
    pub session: SessionFacts,
    /// What it may read.
    pub access: Arc<dyn Access>,
    /// Tables that are computed here.
    pub virtual_tables: Arc<dyn VirtualTables>,
    /// How many partitions a plan is cut into: the cores of the compute node that will run it (at least 1).
    pub parallelism: usize,
    /// From so many bytes of files on a plan may be split over several compute nodes; `u64::MAX`: there are not several.
    pub split_from: u64,
    /// What was planned only to be looked at.
    pub looks: Looks,
}

/// Counts the tables of one statement that were planned only to learn their columns: clones count together.
#[derive(Clone, Debug, Default)]
pub struct Looks(Arc<AtomicUsize>);

impl Looks {
    /// One more; how many there are now.
    pub(crate) fn count(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl fmt::Debug for PlanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanContext")
            .field("database", &self.database)
            .field("session", &self.session)
            .field("parallelism", &self.parallelism)
            .finish_non_exhaustive()
    }
}
