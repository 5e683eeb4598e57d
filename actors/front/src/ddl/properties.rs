//! PROPERTIES of databases, tables and partitions: which keys are known, and what their values may be.

use std::collections::BTreeMap;

use runtime_mysql::MySqlError;
use runtime_sql::statement::Properties;
use storage_model::dynamic::{self, DynamicPartitions};
use storage_model::{DataType, Distribution, KeyModel, Table, bloom_filter};

use super::{bloom_filters, check_properties};

/// Where the files of a table go.
pub(crate) const STORAGE_VOLUME: &str = "storage_volume";
/// There is one copy of everything: the object store keeps more.
pub(crate) const REPLICATION_NUM: &str = "replication_num";
/// How files are compressed.
const COMPRESSION: &str = "compression";

/// Keys of tables in shared-data mode. What a key asks for and we do not do is harmless: hints for caches and compaction.
const OF_TABLE: [&str; 26] = [
    STORAGE_VOLUME,
    REPLICATION_NUM,
    COMPRESSION,
    "base_compaction_forbidden_time_ranges",
    bloom_filter::COLUMNS,
    bloom_filter::FPP,
    "bucket_size",
    "cloud_native_fast_schema_evolution_v2",
    "colocate_with",
    "datacache.enable",
    "datacache.partition_duration",
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
const NOT_YET: [&str; 1] = ["partition_retention_condition"];
/// What StarRocks does not show of a table in shared-data mode.
const UNSHOWN: [&str; 4] = ["in_memory", "light_schema_change", "replicated_storage", "storage_format"];
/// As new tables are compressed when nothing is said.
const NEW_COMPRESSION: &str = "LZ4";
/// What files are like is said when a table is created.
const FIXED: [&str; 3] = [STORAGE_VOLUME, COMPRESSION, "storage_format"];

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
    check(properties)?;
    let mut kept = properties.0.clone();
    let volume = kept.remove(STORAGE_VOLUME);
    kept.insert(REPLICATION_NUM.to_owned(), "1".to_owned());
    Ok((volume, kept))
}

/// What SHOW CREATE TABLE says of a table that says nothing of it itself.
fn defaults(model: KeyModel, distribution: &Distribution) -> Vec<(&'static str, &'static str)> {
    let mut defaults =
        vec![("datacache.enable", "true"), ("enable_async_write_back", "false"), ("fast_schema_evolution", "true")];
    if model == KeyModel::Primary {
        defaults.extend([("enable_persistent_index", "true"), ("persistent_index_type", "CLOUD_NATIVE")]);
    }
    if *distribution == Distribution::Random {
        defaults.push(("bucket_size", "4294967296"));
    }
    defaults
}

/// The properties that a new table keeps of those that it was given: what goes without saying is not kept.
pub(super) fn kept(
    mut given: BTreeMap<String, String>,
    model: KeyModel,
    distribution: &Distribution,
) -> BTreeMap<String, String> {
    let defaults = defaults(model, distribution);
    let goes_without = |key: &str, value: &str| {
        let is_default = defaults.iter().any(|(known, usual)| *known == key && usual.eq_ignore_ascii_case(value));
        let is_odd = key == "enable_persistent_index" && model != KeyModel::Primary;
        is_default || is_odd || UNSHOWN.contains(&key)
    };
    given.retain(|key, value| !goes_without(key, value));
    given.entry(COMPRESSION.to_owned()).or_insert_with(|| NEW_COMPRESSION.to_owned());
    given
}

/// The properties that SHOW CREATE TABLE says, in their order.
pub(crate) fn shown(table: &Table) -> BTreeMap<String, String> {
    let defaults = defaults(table.model, &table.distribution).into_iter();
    let mut shown: BTreeMap<String, String> = defaults.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    // Tables that say nothing are older than the default of new ones.
    shown.insert(COMPRESSION.to_owned(), "ZSTD".to_owned());
    shown.extend(table.properties.clone());
    // Set to none, which a table that never had any does not say either.
    shown.retain(|key, value| key != bloom_filter::COLUMNS || !value.is_empty());
    shown
}

/// ALTER TABLE … SET: what changes, checked together with what stays.
pub(super) fn to_set(table: &Table, properties: &Properties) -> Result<BTreeMap<String, String>, MySqlError> {
    check(properties)?;
    if let Some((key, value)) = properties.iter().find(|(key, _)| FIXED.contains(&key.as_str())) {
        return Err(MySqlError::analyzing(format_args!("Property {key} = {value} cannot be changed")));
    }
    let mut all = table.properties.clone();
    all.extend(properties.0.clone());
    check_rolling(&Table { properties: all, ..table.clone() })?;
    let mut changed = properties.0.clone();
    bloom_filters::check(&mut changed, &table.schema.columns, table.model)?;
    if let Some(number) = changed.get_mut(REPLICATION_NUM) {
        "1".clone_into(number);
    }
    Ok(changed)
}

/// Whether the partitions of a table can come and go with the time as its properties say.
pub(crate) fn check_rolling(table: &Table) -> Result<(), MySqlError> {
    let properties = &table.properties;
    let wrong = |why: String| MySqlError::analyzing(why);
    let dynamic = DynamicPartitions::parse(properties).map_err(wrong)?;
    let live_number = dynamic::live_number(properties).map_err(wrong)?;
    let ttl = dynamic::ttl(properties).map_err(wrong)?;
    let expires = live_number.is_some() || ttl.is_some();
    if let Some(zone) = dynamic.as_ref().map(|dynamic| &dynamic.time_zone).filter(|zone| !zone.is_empty())
        && runtime_query::Zone::parse(zone).is_none()
    {
        return Err(MySqlError::unknown_time_zone(zone));
    }
    let data_type = dynamic::time_column(table);
    if dynamic.as_ref().is_some_and(|dynamic| dynamic.enable) && data_type.is_none() {
        return Err(MySqlError::analyzing(
            "Dynamic partition only support single-column range partition of DATE or DATETIME",
        ));
    }
    if dynamic.is_some_and(|dynamic| dynamic.unit.is_within_a_day() && data_type == Some(&DataType::Date)) {
        return Err(MySqlError::analyzing("HOUR could not be partition column type DATE"));
    }
    if expires && data_type.is_none() {
        return Err(MySqlError::analyzing(
            "partition_live_number and partition_ttl are of tables with single-column range partitions of DATE or DATETIME",
        ));
    }
    Ok(())
}

fn check(properties: &Properties) -> Result<(), MySqlError> {
    check_properties(properties, |key| OF_TABLE.contains(&key) || NOT_YET.contains(&key) || dynamic::is_dynamic(key))?;
    let is_off = |value: &str| value.is_empty() || value.eq_ignore_ascii_case("false");
    if let Some((key, value)) = properties.iter().find(|(key, value)| NOT_YET.contains(&key.as_str()) && !is_off(value))
    {
        return Err(crate::errors::unsupported(format_args!("property \"{key}\" = \"{value}\"")));
    }
    replication(properties)?;
    if let Some(text) = properties.get(COMPRESSION) {
        storage_tablet::parse_compression(text).map_err(MySqlError::analyzing)?;
    }
    Ok(())
}

fn replication(properties: &Properties) -> Result<(), MySqlError> {
    match properties.get(REPLICATION_NUM).map(|text| text.parse::<u16>()) {
        None | Some(Ok(1..)) => Ok(()),
        Some(_) => Err(MySqlError::analyzing("Replication num should be a number larger than 0")),
    }
}
