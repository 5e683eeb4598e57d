//! What goes wrong with rows and files. Texts about rows reach the user as they stand.

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use storage_model::Kind;
use storage_volume::VolumeError;
use thiserror::Error;

/// An error about a file, a type or a specification.
#[derive(Debug, Error)]
pub enum TabletError {
    /// Stored bytes are not what was written.
    #[error("corrupt data file: {message}")]
    Corrupt {
        /// What does not fit.
        message: String,
    },
    /// What was asked for cannot be.
    #[error("{message}")]
    Invalid {
        /// Why.
        message: String,
    },
    /// From Arrow.
    #[error("arrow: {0}")]
    Arrow(#[from] ArrowError),
    /// From Parquet.
    #[error("parquet: {0}")]
    Parquet(#[from] ParquetError),
}

impl TabletError {
    pub(crate) fn invalid(message: impl Into<String>) -> TabletError {
        TabletError::Invalid { message: message.into() }
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> TabletError {
        TabletError::Corrupt { message: message.into() }
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            TabletError::Corrupt { .. } => Kind::Corrupt,
            TabletError::Invalid { .. } => Kind::Invalid,
            TabletError::Arrow(_) | TabletError::Parquet(_) => Kind::Internal,
        }
    }
}

/// Why a write failed. Nothing of it is visible then.
#[derive(Debug, Error)]
pub enum WriteError {
    /// A NULL where none may be.
    #[error("Error: NULL value in non-nullable column '{column}'. Row: {row}")]
    Null {
        /// The column.
        column: String,
        /// The row.
        row: String,
    },
    /// A text that is longer, in bytes, than its column.
    #[error(
        "Error: the length of input is too long than schema. column: {column}, schema length: {schema_length}, \
         input length: {input_length}. Row: {row}"
    )]
    TooLong {
        /// The column.
        column: String,
        /// Bytes it takes.
        schema_length: u32,
        /// Bytes that came.
        input_length: usize,
        /// The row.
        row: String,
    },
    /// A value that its type cannot hold.
    #[error("Error: value '{value}' is out of range of column '{column}' of type {data_type}. Row: {row}")]
    OutOfRange {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
        /// The value.
        value: String,
        /// The row.
        row: String,
    },
    /// No partition takes the row.
    #[error("Error: The row is out of partition ranges. Please add a new partition. Row: {row}")]
    NoPartition {
        /// The row.
        row: String,
    },
    /// The batch has not the columns of the table.
    #[error("a batch of {found} columns for a table of {expected}")]
    Columns {
        /// Columns of the table.
        expected: usize,
        /// Columns that came.
        found: usize,
    },
    /// A column that cannot be made what the table wants.
    #[error("Error: cannot store the values of column '{column}' as {data_type}: {cause}")]
    Cast {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
        /// From Arrow.
        cause: ArrowError,
    },
    /// What produces the rows failed.
    #[error("{0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store failed.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// Encoding failed.
    #[error(transparent)]
    Tablet(#[from] TabletError),
    /// The work was lost (a panic, or the process ends).
    #[error("a step of the write was lost: {0}")]
    Lost(String),
}

impl WriteError {
    /// What a caller can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            WriteError::Null { .. }
            | WriteError::TooLong { .. }
            | WriteError::OutOfRange { .. }
            | WriteError::NoPartition { .. }
            | WriteError::Columns { .. }
            | WriteError::Cast { .. } => Kind::Invalid,
            WriteError::Volume(error) => error.kind(),
            WriteError::Tablet(error) => error.kind(),
            WriteError::Source(_) | WriteError::Lost(_) => Kind::Internal,
        }
    }
}
