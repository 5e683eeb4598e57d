//! The kit of the suites: real clusters of processes on this host, real clients, and a real S3 server in this process.
//!
//! ```text
//!   gate    which suites run, one at a time; what a skipped one says
//!   browser headless Chromium, driven over WebDriver
//!   binary  the starkeep executable: STARKEEP_BIN, or built once
//!   place   where a cluster's data lives: a directory, or a bucket of an S3 server
//!   house   a cluster, its place, its restore plan, its logs
//!   client  MySQL connections, the mysql command line, error codes
//!   raw     the MySQL protocol by hand
//!   tpch    the tables and queries of TPC-H
//!   emulator moto and Azurite: the stores of others
//!   chaos   the harness: clusters that are broken on purpose
//! ```

pub mod binary;
pub mod browser;
pub mod chaos;
pub mod client;
pub mod emulator;
pub mod gate;
pub mod house;
pub mod place;
pub mod raw;
pub mod tpch;

pub use client::{Client, code_of};
pub use gate::e2e;
pub use house::{House, HouseSpec};
pub use place::Place;

/// The statements of the quick start, as a user types them.
pub const QUICKSTART: &str = include_str!("../../actors/node/src/demo/quickstart.sql");
