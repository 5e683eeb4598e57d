//! A cluster of processes on this host: configuration files, ports, start, kill, wait. The demo, the playground and the
//! e2e suites stand on it. It knows the command line of `starkeep` and its HTTP health; no SQL.
//!
//! ```text
//!   root/ fe/   conf/fe.conf conf/cluster_snapshot.yaml meta/ log/
//!         cn1/  conf/cn.conf storage/ log/
//! ```

pub mod cluster;
pub mod http;
mod ports;
pub mod process;

pub use cluster::{Cluster, ClusterSpec, FurtherFrontend, Ports};
pub use ports::free_ports;
pub use process::{Node, NodeError};
