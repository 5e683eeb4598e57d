//! Views: queries with a name.

use serde::{Deserialize, Serialize};

use crate::ids::{DatabaseId, TableId};
use crate::schema::DataType;
use crate::time::UnixMillis;

/// A column of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewColumn {
    /// What those who read the view call it.
    pub name: String,
    /// What the query calls it. By this it is found, so that columns that a `*` stands for later are not seen.
    pub label: String,
    /// Its type when the view was made.
    pub data_type: DataType,
    /// Whether it could be NULL then.
    pub nullable: bool,
    /// COMMENT 'text', empty when none.
    pub comment: String,
}

/// A view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its id, one of those of tables.
    pub id: TableId,
    /// The database it is in.
    pub database: DatabaseId,
    /// Unique in the database among views and tables; minds case.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<ViewColumn>,
    /// The query, as it was written.
    pub query: String,
    /// Where the tables are that the query names without a database.
    pub home: Option<DatabaseId>,
    /// SECURITY INVOKER: who reads the view must be allowed to read what its query reads.
    pub invoker: bool,
    /// COMMENT 'text', empty when none.
    pub comment: String,
    /// When it was created.
    pub created_at: UnixMillis,
}
