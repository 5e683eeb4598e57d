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
    /// `lake_compaction_score_selector_min_score`: a partition with fewer files is left as it is.
    pub compaction_min_files: usize,
    /// `lake_compaction_max_tasks`: compactions that run at once; None: one a compute node.
    pub compaction_tasks: Option<usize>,
    /// `lake_orphan_min_age_seconds`: what a load wrote that is not committed by then is nobody's.
    pub orphan_age: Duration,
    /// `lake_sweep_dead_timelines`: whether what a lost timeline left is deleted.
    pub sweeps_dead: bool,
    /// `dynamic_partition_check_interval_seconds`: between two looks whether it is time for partitions to come or go.
    pub partitions_every: Duration,
    /// `dynamic_partition_enable`: whether partitions come with the time.
    pub rolls_partitions: bool,
    /// `max_dynamic_partition_num`: a table gets no more at once.
    pub most_rolled: usize,
}

impl Default for MetaSettings {
    fn default() -> MetaSettings {
        MetaSettings {
            snapshot_interval: Duration::from_secs(600),
            snapshot_timeout: Duration::from_secs(3600),
            snapshot_history: 100,
            gc_grace: Duration::from_secs(1800),
            trash_expire: Duration::from_secs(86_400),
            compaction_min_files: 10,
            compaction_tasks: None,
            orphan_age: Duration::from_secs(86_400),
            sweeps_dead: false,
            partitions_every: Duration::from_secs(600),
            rolls_partitions: true,
            most_rolled: 500,
        }
    }
}

/// Reads the configuration in force.
pub type SettingsReader = Arc<dyn Fn() -> MetaSettings + Send + Sync>;
