//! Rows at rest: record batches become sorted runs in Parquet objects, one run a tablet. What the runs are called, and
//! since when they are true, is the catalog's; which of them a query reads is the query engine's.
//!
//! ```text
//!   RecordBatch ── check (NOT NULL, lengths, ranges) ── partition (by range) ── bucket (by hash)
//!        │                                                                          │
//!      types (StarRocks ⇄ Arrow)                     buffer (up to a budget, then a round of files)
//!                                                                                   │
//!              encode (sort, merge by key model, row groups, footer checksums) ── write (upload, clean up)
//!
//!   compact: rows of many files, sorted by whoever reads them ── encode ── one file
//!
//!   PRIMARY KEY: each run has a key index in its file; supersede: keys of a commit ── find ── delete vectors
//! ```
//!
//! What columns of BITMAP and HLL hold is in [`sketch`].
//!
//! Who reads a file finds the columns of the table in it by their ids ([`columns`](FileColumns)).

pub mod bucket;
mod buffer;
mod check;
pub mod checksum;
mod columns;
mod compact;
pub mod compression;
pub mod delete_vector;
mod encode;
pub mod error;
mod key_index;
pub mod keys;
mod merge;
mod numbering;
pub mod partition;
mod row;
pub mod sketch;
mod spec;
pub mod statistics;
pub mod supersede;
pub mod types;
mod write;

pub use bucket::bucket_of;
pub use checksum::verify_file;
pub use columns::{FileColumns, Found, read_schema};
pub use compact::Compacted;
pub use compression::parse_compression;
pub use error::{TabletError, WriteError};
pub use numbering::{TooFewNumbers, numbered};
pub use partition::partition_of;
pub use spec::{TargetPartition, WriteSpec, Written};
pub use supersede::{Deletion, Lookup, Volumes};
pub use types::{arrow_schema, arrow_type, map_parts, map_type};
pub use write::{DEFAULT_BUFFER_BYTES, write, write_within};
