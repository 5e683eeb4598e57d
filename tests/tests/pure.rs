//! Suites that need no other process: the seeded simulation of the catalog, and the frozen samples of every format.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod formats;
mod sim;
