//! SHOW DYNAMIC PARTITION TABLES.

use runtime_mysql::MySqlError;
use runtime_sql::statement::show::DatabaseName;
use storage_catalog::Catalog;
use storage_model::dynamic::DynamicPartitions;
use storage_model::{StepUnit, Table};

use super::databases;
use crate::sheet::{Item, Sheet, row};

const WEEKDAYS: [&str; 7] = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];

/// The tables of a database whose partitions come and go with the time.
pub(super) fn tables(
    catalog: &Catalog,
    database: Option<&DatabaseName>,
    current: Option<&str>,
) -> Result<Sheet, MySqlError> {
    let stored = databases::stored(catalog, database, current)?;
    let mut sheet = Sheet::text(&[
        "TableName",
        "Enable",
        "TimeUnit",
        "Start",
        "End",
        "Prefix",
        "Buckets",
        "ReplicationNum",
        "StartOf",
        "LastUpdateTime",
        "LastSchedulerTime",
        "State",
        "LastCreatePartitionMsg",
        "LastDropPartitionMsg",
        "InScheduler",
    ]);
    for table in stored.into_iter().flat_map(|database| catalog.tables_of(database.id)) {
        if let Ok(Some(dynamic)) = DynamicPartitions::parse(&table.properties) {
            sheet.push(table_row(table, &dynamic));
        }
    }
    Ok(sheet)
}

fn table_row(table: &Table, dynamic: &DynamicPartitions) -> Vec<Item> {
    let start_of = match dynamic.unit {
        StepUnit::Week => WEEKDAYS[(dynamic.start_of_week.clamp(1, 7) - 1) as usize].to_owned(),
        StepUnit::Month => format!("{}th", dynamic.start_of_month),
        _ => "N/A".to_owned(),
    };
    row![
        &table.name,
        dynamic.enable,
        dynamic.unit.name().to_uppercase(),
        dynamic.start.unwrap_or(i64::from(i32::MIN)).to_string(),
        dynamic.end.to_string(),
        &dynamic.prefix,
        dynamic.buckets.or(table.buckets_given).unwrap_or(0).to_string(),
        "1",
        start_of,
        Item::Null,
        Item::Null,
        "NORMAL",
        "N/A",
        "N/A",
        dynamic.enable,
    ]
}
