//! The plan of a restore, as `cluster_snapshot.yaml` gives it, after its check.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::node::FrontendRole;
use crate::volume::StorageVolume;

/// What to restore, and what changes on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// The exact snapshot directory, `…/meta/image`, `…/meta`, or the service root.
    pub snapshot_path: String,
    /// The volume that holds the snapshot; one of `storage_volumes`, or described by fe.conf.
    pub storage_volume_name: String,
    /// Frontends that are to join; None: absent.
    pub frontends: Option<Vec<RestoreFrontend>>,
    /// Compute nodes of the new cluster; None: those of the image.
    pub compute_nodes: Option<Vec<RestoreComputeNode>>,
    /// Volumes replaced by name; None: those of the image.
    pub storage_volumes: Option<Vec<StorageVolume>>,
    /// Those of them whose roots are only borrowed, each with the volume that takes what is written instead.
    pub borrowed: BTreeMap<String, String>,
}

/// A frontend that is to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreFrontend {
    /// Host name or address.
    pub host: String,
    /// Its edit_log_port.
    pub edit_log_port: u16,
    /// Follower unless said otherwise.
    pub role: FrontendRole,
}

/// A compute node of the new cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreComputeNode {
    /// Host name or address.
    pub host: String,
    /// Its heartbeat_service_port.
    pub heartbeat_service_port: u16,
}
