//! The configuration in force: read from fe.conf, changed by ADMIN SET FRONTEND CONFIG, read anew by every tick.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actors_front::{ConfigRow, FrontSettings, SetFailure};
use actors_meta::{MetaSettings, SettingsReader};
use runtime_actor::Recorder;

use crate::config::{ConfigEntry, FrontendConfig, SetError};

/// The frontend's configuration. Cloning shares it.
#[derive(Clone)]
pub struct LiveConfig {
    config: Arc<RwLock<FrontendConfig>>,
    recorder: Recorder,
}

impl LiveConfig {
    /// Starts from what was read. The recorder obeys `message_trace_percent`.
    pub fn new(config: FrontendConfig, recorder: Recorder) -> LiveConfig {
        let live = LiveConfig { config: Arc::new(RwLock::new(config)), recorder };
        live.apply();
        live
    }

    fn apply(&self) {
        self.recorder.set_ratio(f64::from(self.read(|c| c.message_trace_percent)) / 100.0);
    }

    fn read<T>(&self, f: impl FnOnce(&FrontendConfig) -> T) -> T {
        f(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the leader's roles obey.
    pub fn meta_settings(&self) -> SettingsReader {
        let config = self.clone();
        Arc::new(move || {
            config.read(|c| MetaSettings {
                snapshot_interval: Duration::from_secs(c.automated_cluster_snapshot_interval_seconds),
                snapshot_timeout: Duration::from_secs(c.automated_cluster_snapshot_timeout_seconds),
                snapshot_history: c.max_historical_automated_cluster_snapshot_jobs,
                gc_grace: Duration::from_secs(c.lake_autovacuum_grace_period_minutes.saturating_mul(60)),
                trash_expire: Duration::from_secs(c.catalog_trash_expire_second),
            })
        })
    }
}

fn row(entry: ConfigEntry) -> ConfigRow {
    ConfigRow {
        key: entry.key.to_owned(),
        aliases: entry.aliases.iter().map(|&a| a.to_owned()).collect(),
        value: entry.value,
        value_type: entry.value_type.to_owned(),
        mutable: entry.mutable,
        comment: entry.comment.trim().to_owned(),
    }
}

fn failure(error: SetError) -> SetFailure {
    match error {
        SetError::NotMutable(_) => SetFailure::NotMutable,
        SetError::Refused(why) => SetFailure::Invalid(why),
    }
}

impl FrontSettings for LiveConfig {
    fn entries(&self) -> Vec<ConfigRow> {
        self.read(FrontendConfig::entries).into_iter().map(row).collect()
    }

    fn set(&self, key: &str, value: &str) -> Result<(), SetFailure> {
        self.config.write().unwrap_or_else(PoisonError::into_inner).set(key, value).map_err(failure)?;
        self.apply();
        Ok(())
    }

    fn check(&self, key: &str, value: &str) -> Result<(), SetFailure> {
        self.read(Clone::clone).set(key, value).map_err(failure)
    }

    fn snapshot_interval_seconds(&self) -> u64 {
        self.read(|c| c.automated_cluster_snapshot_interval_seconds)
    }

    fn max_connections(&self) -> usize {
        self.read(|c| c.qe_max_connection as usize)
    }
}
