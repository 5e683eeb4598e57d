//! SHOW PARTITIONS and SHOW DATA.

use runtime_mysql::MySqlError;
use runtime_sql::QualifiedName;
use storage_catalog::Catalog;
use storage_model::{Bound, Distribution, Partition, Table, Value};

use crate::names;
use crate::sheet::{Item, Sheet, row};

const COLUMNS: [&str; 17] = [
    "PartitionId",
    "PartitionName",
    "CompactVersion",
    "VisibleVersion",
    "NextVersion",
    "State",
    "PartitionKey",
    "Range",
    "DistributionKey",
    "Buckets",
    "DataSize",
    "RowCount",
    "EnableDataCache",
    "AsyncWrite",
    "AvgCS",
    "P50CS",
    "MaxCS",
];

/// SHOW PARTITIONS FROM table.
pub(super) fn partitions(
    catalog: &Catalog,
    temporary: bool,
    name: &QualifiedName,
    current: Option<&str>,
) -> Result<Sheet, MySqlError> {
    let (_, table) = names::stored_table(catalog, name, current)?;
    let columns = COLUMNS.map(|name| if name == "Range" && table.partitioning.is_list() { "List" } else { name });
    let mut sheet = Sheet::text(&columns);
    match temporary {
        true => catalog.temporary_partitions_of(&table).for_each(|p| sheet.push(partition_row(&table, p))),
        false => catalog.partitions_of(&table).for_each(|p| sheet.push(partition_row(&table, p))),
    }
    Ok(sheet)
}

fn partition_row(table: &Table, partition: &Partition) -> Vec<Item> {
    let cache = table.properties.get("datacache.enable").is_none_or(|v| v.eq_ignore_ascii_case("true"));
    let (average, median, most) = runs_of_tablets(partition);
    row![
        partition.id.to_string(),
        &partition.name,
        "0",
        partition.visible_version.to_string(),
        (partition.visible_version + 1).to_string(),
        "NORMAL",
        column_names(table, &table.partition_positions()),
        range_text(table, partition),
        distribution_key(table),
        partition.buckets.to_string(),
        size_text(partition.bytes()),
        partition.rows().to_string(),
        cache,
        false,
        format!("{average:.2}"),
        format!("{median:.2}"),
        format!("{most:.2}"),
    ]
}

/// How many sorted runs a tablet holds, which is what compaction would bring down: average, median, most.
pub(crate) fn runs_of_tablets(partition: &Partition) -> (f64, f64, f64) {
    let mut runs = vec![0_u32; partition.buckets as usize];
    for rowset in &partition.rowsets {
        if let Some(count) = runs.get_mut(rowset.bucket as usize) {
            *count += 1;
        }
    }
    runs.sort_unstable();
    let total: u32 = runs.iter().sum();
    let median = runs.get(runs.len() / 2).copied().unwrap_or(0);
    let most = runs.last().copied().unwrap_or(0);
    (f64::from(total) / runs.len().max(1) as f64, median.into(), most.into())
}

pub(crate) fn column_names(table: &Table, positions: &[usize]) -> String {
    positions.iter().map(|at| table.schema.columns[*at].name.as_str()).collect::<Vec<_>>().join(", ")
}

pub(crate) fn distribution_key(table: &Table) -> String {
    match table.distribution {
        Distribution::Random => "ALL KEY".to_owned(),
        Distribution::Hash { .. } => column_names(table, &table.distribution_positions()),
    }
}

/// What a list partition holds: `(("a"), ("b"))`, with several columns `(("a", "1"))`.
fn list_text(partition: &Partition) -> String {
    let value = |value: &Option<Value>| match value {
        Some(value) => format!("\"{}\"", value.to_string().replace('"', "\\\"")),
        None => "NULL".to_owned(),
    };
    let values = partition.range.values.iter();
    let values = values.map(|values| format!("({})", values.iter().map(value).collect::<Vec<_>>().join(", ")));
    format!("({})", values.collect::<Vec<_>>().join(", "))
}

/// `[types: [DATETIME]; keys: [2015-09-12 06:00:00]; ..types: [DATETIME]; keys: [2015-09-12 12:00:00]; )`, empty for the
/// one partition of an unpartitioned table.
pub(crate) fn range_text(table: &Table, partition: &Partition) -> String {
    let positions = table.partition_positions();
    if positions.is_empty() {
        return String::new();
    }
    if table.partitioning.is_list() {
        return list_text(partition);
    }
    let types: Vec<String> =
        positions.iter().map(|at| table.schema.columns[*at].data_type.name().to_uppercase()).collect();
    let types = types.join(", ");
    let end = |bound: &Bound| {
        let keys = match bound {
            Bound::Min => "MIN".to_owned(),
            Bound::Max => "MAXVALUE".to_owned(),
            at => at.to_string(),
        };
        format!("types: [{types}]; keys: [{keys}]; ")
    };
    format!("[{}..{})", end(&partition.range.lower), end(&partition.range.upper))
}

/// `123B`, `1.2KB`, `3.4MB`.
pub(crate) fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes}B") } else { format!("{size:.1}{}", UNITS[unit]) }
}

/// SHOW DATA: of a database, table by table; of a table, its one index.
pub(super) fn data(
    catalog: &Catalog,
    name: Option<&QualifiedName>,
    current: Option<&str>,
) -> Result<Sheet, MySqlError> {
    if let Some(name) = name
        && let Ok((_, table)) = names::stored_table(catalog, name, current)
    {
        let (bytes, rows, tablets) = totals(catalog, &table);
        let columns = ["TableName", "IndexName", "Size", "ReplicaCount", "RowCount"];
        let rows = rows.to_string();
        return Ok(Sheet::text(&columns)
            .with(row![&table.name, &table.name, size_text(bytes), tablets.to_string(), rows])
            .with(row!["", "Total", size_text(bytes), tablets.to_string(), ""]));
    }
    let database = name.map(|n| n.name.as_str()).or(current).ok_or_else(MySqlError::no_database_selected)?;
    let found = catalog.database_by_name(database).ok_or_else(|| match name {
        Some(name) if name.database.is_some() => MySqlError::unknown_table(&name.name),
        _ => MySqlError::unknown_database(database),
    })?;
    let mut sheet = Sheet::text(&["TableName", "Size", "ReplicaCount"]);
    let (mut all_bytes, mut all_tablets) = (0, 0);
    for table in catalog.tables_of(found.id) {
        let (bytes, _, tablets) = totals(catalog, table);
        sheet.push(row![&table.name, size_text(bytes), tablets.to_string()]);
        all_bytes += bytes;
        all_tablets += tablets;
    }
    sheet.push(row!["Total", size_text(all_bytes), all_tablets.to_string()]);
    Ok(sheet)
}

/// Bytes, rows and tablets of a table.
pub(crate) fn totals(catalog: &Catalog, table: &Table) -> (u64, u64, u64) {
    let add = |(bytes, rows, tablets): (u64, u64, u64), p: &std::sync::Arc<Partition>| {
        (bytes + p.bytes(), rows + p.rows(), tablets + u64::from(p.buckets))
    };
    catalog.partitions_of(table).fold((0, 0, 0), add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(size_text(0), "0B");
        assert_eq!(size_text(1023), "1023B");
        assert_eq!(size_text(1536), "1.5KB");
        assert_eq!(size_text(5 << 30), "5.0GB");
    }
}
