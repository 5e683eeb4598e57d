//! The configuration in force: read from fe.conf, changed by ADMIN SET FRONTEND CONFIG, read anew by every tick.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actors_front::{ConfigRow, FrontSettings, SetFailure};
use actors_messages::CatalogView;
use actors_meta::{MetaSettings, SettingsReader};
use runtime_actor::{Actor, Answer, Context, Handle, Message, Recorder};
use serde::Serialize;

use crate::config::{ConfigEntry, FrontendConfig, SetError};

/// The frontend's configuration. Cloning shares it.
#[derive(Clone)]
pub struct LiveConfig {
    config: Arc<RwLock<FrontendConfig>>,
    recorder: Recorder,
}

impl LiveConfig {
    /// Starts from what was read. The recorder obeys `message_trace_rate`.
    pub fn new(config: FrontendConfig, recorder: Recorder) -> LiveConfig {
        let live = LiveConfig { config: Arc::new(RwLock::new(config)), recorder };
        live.apply();
        live
    }

    fn apply(&self) {
        self.recorder.set_rate(self.read(|c| c.message_trace_rate));
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
                compaction_min_files: c.lake_compaction_score_selector_min_score.max(2.0) as usize,
                compaction_tasks: usize::try_from(c.lake_compaction_max_tasks).ok(),
                orphan_age: Duration::from_secs(c.lake_orphan_min_age_seconds),
                sweeps_dead: c.lake_sweep_dead_timelines,
                partitions_every: Duration::from_secs(c.dynamic_partition_check_interval_seconds),
                rolls_partitions: c.dynamic_partition_enable,
                most_rolled: c.max_dynamic_partition_num as usize,
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

    fn max_partitions_in_one_batch(&self) -> usize {
        self.read(|c| c.max_partitions_in_one_batch as usize)
    }

    fn auto_increment_cache_size(&self) -> u64 {
        self.read(|c| u64::from(c.auto_increment_cache_size))
    }
}

/// Between two looks at what others have set.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The settings keeper: what was set persistently, on whichever frontend, is in force on this one too.
pub struct SettingsKeeper {
    view: CatalogView,
    live: LiveConfig,
    seen: BTreeMap<String, String>,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct SettingsKeeperState {
    persistent: usize,
}

#[derive(Debug)]
struct Look;

impl Message for Look {
    type Reply = ();
    const NAME: &'static str = "Look";
}

impl SettingsKeeper {
    /// Keeps `live` as the catalog says. What is there already is in force when this returns.
    pub fn new(view: CatalogView, live: LiveConfig) -> SettingsKeeper {
        let mut keeper = SettingsKeeper { view, live, seen: BTreeMap::new() };
        keeper.look();
        keeper
    }

    fn look(&mut self) {
        let catalog = self.view.now();
        for (key, value) in catalog.config() {
            if self.seen.get(key) == Some(value) {
                continue;
            }
            if let Err(error) = self.live.set(key, value) {
                tracing::warn!(key, %error, "a persistent setting does not fit any more");
            }
            self.seen.insert(key.clone(), value.clone());
        }
    }
}

impl Actor for SettingsKeeper {
    const ROLE: &'static str = "settings_keeper";
    type State = SettingsKeeperState;

    fn observe(&self) -> SettingsKeeperState {
        SettingsKeeperState { persistent: self.seen.len() }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.every(LOOK_EVERY, || Look);
    }
}

impl Handle<Look> for SettingsKeeper {
    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> Answer<()> {
        self.look();
        Answer::done()
    }
}
