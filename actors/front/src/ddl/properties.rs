//! PROPERTIES of databases, tables and partitions: which keys are known, and what their values may be.

use std::collections::BTreeMap;

use runtime_mysql::MySqlError;
use runtime_sql::statement::Properties;

use super::check_properties;

/// Where the files of a table go.
pub(crate) const STORAGE_VOLUME: &str = "storage_volume";
/// There is one copy of everything: the object store keeps more.
pub(crate) const REPLICATION_NUM: &str = "replication_num";
/// How files are compressed.
const COMPRESSION: &str = "compression";

/// Keys of tables in shared-data mode. What a key asks for and we do not do is harmless: hints for caches and compaction.
const OF_TABLE: [&str; 32] = [
    STORAGE_VOLUME,
    REPLICATION_NUM,
    COMPRESSION,
    "base_compaction_forbidden_time_ranges",
    "bloom_filter_columns",
    "bucket_size",
    "cloud_native_fast_schema_evolution_v2",
    "colocate_with",
    "datacache.enable",
    "datacache.partition_duration",
    "dynamic_partition.buckets",
    "dynamic_partition.enable",
    "dynamic_partition.end",
    "dynamic_partition.history_partition_num",
    "dynamic_partition.prefix",
    "dynamic_partition.start",
    "dynamic_partition.time_unit",
    "enable_async_write_back",
    "enable_persistent_index",
    "fast_schema_evolution",
    "file_bundling",
    "foreign_key_constraints",
    "in_memory",
    "labels.location",
    "light_schema_change",
    "persistent_index_type",
    "replicated_storage",
    "storage_cooldown_time",
    "storage_cooldown_ttl",
    "storage_format",
    "storage_medium",
    "unique_constraints",
];
/// Keys whose effect would be missed.
const NOT_YET: [&str; 5] = [
    "dynamic_partition.enable",
    "partition_live_number",
    "partition_ttl",
    "partition_retention_condition",
    "colocate_with",
];

/// The volume of CREATE DATABASE.
pub(super) fn of_database(properties: &Properties) -> Result<Option<String>, MySqlError> {
    check_properties(properties, |key| key == STORAGE_VOLUME)?;
    Ok(properties.get(STORAGE_VOLUME).cloned())
}

/// Keys of a single partition.
pub(super) fn of_partition(properties: &Properties) -> Result<(), MySqlError> {
    let known = ["storage_medium", "storage_cooldown_time", REPLICATION_NUM, "datacache.enable", "in_memory"];
    check_properties(properties, |key| known.contains(&key))?;
    replication(properties)
}

/// The volume of CREATE TABLE, and the properties that the table keeps.
pub(super) fn of_table(properties: &Properties) -> Result<(Option<String>, BTreeMap<String, String>), MySqlError> {
    check_properties(properties, |key| OF_TABLE.contains(&key) || NOT_YET.contains(&key))?;
    let is_off = |value: &str| value.is_empty() || value.eq_ignore_ascii_case("false");
    if let Some((key, value)) = properties.iter().find(|(key, value)| NOT_YET.contains(&key.as_str()) && !is_off(value))
    {
        return Err(crate::errors::unsupported(format_args!("property \"{key}\" = \"{value}\"")));
    }
    replication(properties)?;
    if let Some(text) = properties.get(COMPRESSION) {
        storage_tablet::parse_compression(text).map_err(MySqlError::analyzing)?;
    }
    let mut kept = properties.0.clone();
    let volume = kept.remove(STORAGE_VOLUME);
    kept.insert(REPLICATION_NUM.to_owned(), "1".to_owned());
    Ok((volume, kept))
}

fn replication(properties: &Properties) -> Result<(), MySqlError> {
    match properties.get(REPLICATION_NUM).map(|text| text.parse::<u16>()) {
        None | Some(Ok(1..)) => Ok(()),
        Some(_) => Err(MySqlError::analyzing("Replication num should be a number larger than 0")),
    }
}
