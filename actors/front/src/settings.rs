//! The frontend's configuration, as sessions see it. Who keeps it stands above.

use thiserror::Error;

/// A row of ADMIN SHOW FRONTEND CONFIG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigRow {
    /// Its first name.
    pub key: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// Its value; secrets are masked already.
    pub value: String,
    /// `int`, `long`, `boolean`, `String`.
    pub value_type: String,
    /// Whether ADMIN SET FRONTEND CONFIG may change it.
    pub mutable: bool,
    /// What it is for.
    pub comment: String,
}

/// Why a key was not set; nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SetFailure {
    /// There is no such key, or it cannot change while the frontend runs.
    #[error("the key does not exist or is not mutable")]
    NotMutable,
    /// The value does not do; the text says what would.
    #[error("{0}")]
    Invalid(String),
}

/// The configuration in force.
pub trait FrontSettings: Send + Sync {
    /// Every key.
    fn entries(&self) -> Vec<ConfigRow>;

    /// Changes a key while the frontend runs.
    ///
    /// # Errors
    /// When the key cannot change or the value does not do.
    fn set(&self, key: &str, value: &str) -> Result<(), SetFailure>;

    /// Whether [`FrontSettings::set`] would succeed. Asked before a value is replicated.
    ///
    /// # Errors
    /// As `set`.
    fn check(&self, key: &str, value: &str) -> Result<(), SetFailure>;

    /// `automated_cluster_snapshot_interval_seconds`.
    fn snapshot_interval_seconds(&self) -> u64;

    /// `qe_max_connection`.
    fn max_connections(&self) -> usize;

    /// `max_partitions_in_one_batch`.
    fn max_partitions_in_one_batch(&self) -> usize;

    /// `auto_increment_cache_size`: how many numbers of an AUTO_INCREMENT column are leased at once.
    fn auto_increment_cache_size(&self) -> u64;
}
