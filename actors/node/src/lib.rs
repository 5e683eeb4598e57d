//! The roles of the house, drawn together: what a node is told (configuration, restore plan) and what it becomes. The only
//! place where concrete actors meet.
//!
//! ```text
//!   cli ─┬─ frontend   fe.conf ──▶ config ──▶ (restore) ──▶ metadata ──▶ supervision tree ──▶ SQL, HTTP
//!        ├─ compute    cn.conf ──▶ config ──▶ supervision tree ──▶ mailboxes, data plane, HTTP
//!        ├─ demo, playground   a cluster of processes on this host
//!        └─ offline    snapshots straight from the store
//! ```

pub mod admin;
pub mod cli;
mod compute;
pub mod config;
mod data_cache;
mod demo;
#[cfg(feature = "failpoints")]
pub mod failpoints;
mod frontend;
mod listen;
mod logging;
mod observer;
mod offline;
mod otlp;
mod pages;
mod playground;
pub mod restore;
pub mod restore_plan;
mod settings;
mod spec;
