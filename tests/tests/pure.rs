//! Suites that need no other process: the seeded simulation of the catalog, the frozen samples of every format,
//! the list of failpoints, and a bounded run of every fuzz target.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod failpoints;
mod formats;
mod fuzz;
mod sim;
