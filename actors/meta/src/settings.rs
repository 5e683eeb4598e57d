//! The configuration that these roles obey, read anew at every tick: ADMIN SET FRONTEND CONFIG works at once.

use std::sync::Arc;
use std::time::Duration;

/// The configuration of the leader's roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaSettings {
    /// `automated_cluster_snapshot_interval_seconds`.
    pub snapshot_interval: Duration,
    /// `automated_cluster_snapshot_timeout_seconds`.
    pub snapshot_timeout: Duration,
    /// `max_historical_automated_cluster_snapshot_jobs`.
    pub snapshot_history: u32,
    /// `lake_autovacuum_grace_period_minutes`.
    pub gc_grace: Duration,
    /// `catalog_trash_expire_second`.
    pub trash_expire: Duration,
}

impl Default for MetaSettings {
    fn default() -> MetaSettings {
        MetaSettings {
            snapshot_interval: Duration::from_secs(600),
            snapshot_timeout: Duration::from_secs(3600),
            snapshot_history: 100,
            gc_grace: Duration::from_secs(1800),
            trash_expire: Duration::from_secs(86_400),
        }
    }
}

/// Reads the configuration in force.
pub type SettingsReader = Arc<dyn Fn() -> MetaSettings + Send + Sync>;
