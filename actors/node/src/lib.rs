//! The roles of the house, drawn together: what a node is told (configuration, restore plan) and what it becomes.
//!
//! ```text
//!   fe.conf, cn.conf, environment ──▶ config ──▶ the roles
//!   cluster_snapshot.yaml ──▶ restore_plan ──▶ a restore, before any role starts
//! ```

pub mod config;
pub mod restore_plan;
