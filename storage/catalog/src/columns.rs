//! What ALTER TABLE … COLUMN says. Variants are positional in stored bytes: append only.

use serde::{Deserialize, Serialize};
use storage_model::{Column, IndexKind};

/// Where a column is put among the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnPlace {
    /// FIRST.
    First,
    /// AFTER this column.
    After(String),
}

/// One change of a table's columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnChange {
    /// ADD COLUMN.
    Add {
        /// The column, with what old rows have in it; its id is given when it is added.
        column: Column,
        /// None: behind all others.
        place: Option<ColumnPlace>,
    },
    /// DROP COLUMN.
    Drop {
        /// Its name.
        name: String,
    },
    /// MODIFY COLUMN: the column of this name becomes like this one and keeps its id, its key and what old rows have. An
    /// empty comment leaves the old one.
    Modify {
        /// As it shall be.
        column: Column,
        /// None: where it is.
        place: Option<ColumnPlace>,
    },
    /// MODIFY COLUMN … COMMENT.
    Comment {
        /// Its name.
        name: String,
        /// Its comment from now on.
        comment: String,
    },
    /// RENAME COLUMN.
    Rename {
        /// Its name.
        name: String,
        /// Its name from now on.
        new_name: String,
    },
    /// ORDER BY (columns). All of the table's: they stand in this order from now on. Some: files are sorted by them from now on.
    Order {
        /// Their names.
        columns: Vec<String>,
    },
    /// ADD INDEX, CREATE INDEX.
    AddIndex {
        /// Its name.
        name: String,
        /// Which kind.
        kind: IndexKind,
        /// The names of its columns.
        columns: Vec<String>,
        /// COMMENT 'text'.
        comment: String,
    },
    /// DROP INDEX.
    DropIndex {
        /// Its name.
        name: String,
    },
}
