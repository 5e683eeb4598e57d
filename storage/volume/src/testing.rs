//! For tests: faults on request at a location, what every store has to do, and an S3 server in this process. Not part of a release.

pub mod azure;
pub mod conformance;
mod faults;
mod server;

pub(crate) use faults::wrap;
pub use faults::{Effect, Faults, Operation, Rule};
pub use server::{Mode, S3Server};
