//! Suites that need no other process: the seeded simulation of the catalog, the frozen samples of every format,
//! and the list of failpoints.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod failpoints;
mod formats;
mod sim;
