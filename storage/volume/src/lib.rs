//! One door to every object store: a [`Volume`] is opened from its definition and is all that the floors above know
//! of buckets, endpoints, retries and directories. What the objects mean is not known here; where they stand is:
//! every path of the house is in [`layout`].
//!
//! ```text
//!   StorageVolume ── definition (is it sound?) ── location (s3://…, file:///…)
//!        │
//!      open ── S3 │ Azure │ Google │ HDFS │ local (a directory, every write on disk before it is acknowledged)
//!        │
//!      volume (put, get, head, list, delete) ── probe (does it work, and what can it do?)
//!        └── layout (names), error (what went wrong, never a secret), testing (faults, an S3 server)
//! ```

pub mod definition;
pub mod error;
pub mod layout;
mod local;
pub mod location;
mod open;
mod probe;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod volume;

pub use definition::check_definition;
pub use error::{VolumeError, error_chain};
pub use layout::Layout;
pub use location::{Location, join_location};
pub use probe::Probe;
pub use volume::{Level, ObjectInfo, Volume, piece_size};
