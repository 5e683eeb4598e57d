//! What is known of the values of tables: SHOW STATS META, SHOW ANALYZE STATUS, SHOW COLUMN STATS.

use std::sync::Arc;

use runtime_mysql::MySqlError;
use runtime_sql::QualifiedName;
use storage_catalog::{Catalog, Database};
use storage_model::{DataType, Table, TableStatistics, Value};

use crate::names;
use crate::sheet::{Item, Sheet, row};

/// The tables of which something is known.
fn known(catalog: &Catalog) -> impl Iterator<Item = (&Arc<Database>, &Arc<Table>, &Arc<TableStatistics>)> {
    let tables = catalog.databases().flat_map(|database| catalog.tables_of(database.id).map(move |t| (database, t)));
    tables.filter_map(|(database, table)| Some((database, table, catalog.statistics(table.id)?)))
}

/// SHOW STATS META: one row a table. `Healthy` is the part of its rows that were counted.
pub(super) fn meta(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::text(&["Database", "Table", "Columns", "Type", "UpdateTime", "Properties", "Healthy"]);
    for (database, table, known) in known(catalog) {
        let rows: u64 = catalog.partitions_of(table).map(|partition| partition.rows()).sum();
        let counted = known.columns.iter().map(|column| column.rows).max().unwrap_or(0);
        let healthy = counted.min(rows).saturating_mul(100).checked_div(rows).unwrap_or(100);
        let updated = Item::at(known.updated_at);
        sheet.push(row![&database.name, &table.name, "ALL", "FULL", updated, "{}", format!("{healthy}%")]);
    }
    sheet
}

/// SHOW ANALYZE STATUS: the last ANALYZE of each table.
pub(super) fn status(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::text(&[
        "Id",
        "Database",
        "Table",
        "Columns",
        "Type",
        "Schedule",
        "Status",
        "StartTime",
        "EndTime",
        "Properties",
        "Reason",
    ]);
    for (database, table, known) in known(catalog) {
        let Some(at) = known.analyzed_at else { continue };
        let (id, at) = (table.id.to_string(), || Item::at(at));
        sheet.push(row![id, &database.name, &table.name, "ALL", "FULL", "ONCE", "SUCCESS", at(), at(), "{}", ""]);
    }
    sheet
}

/// SHOW HISTOGRAM META: there are none.
pub(super) fn histograms() -> Sheet {
    Sheet::text(&["Database", "Table", "Column", "Type", "UpdateTime", "Properties"])
}

/// SHOW COLUMN STATS: what is known of each column of a table.
pub(super) fn columns(catalog: &Catalog, name: &QualifiedName, current: Option<&str>) -> Result<Sheet, MySqlError> {
    let (_, table) = names::stored_table(catalog, name, current)?;
    let mut sheet = Sheet::text(&["Column", "RowCount", "DistinctCount", "NullCount", "DataSize", "Min", "Max"]);
    let Some(known) = catalog.statistics(table.id) else { return Ok(sheet) };
    for column in &table.schema.columns {
        let Some(of) = known.of(column.id) else { continue };
        let distinct = of.distinct_count().map_or(Item::Null, |count| Item::Text(count.to_string()));
        let bound = |value: Option<i128>| value.map_or(Item::Null, |value| Item::Text(text(value, &column.data_type)));
        sheet.push(row![
            &column.name,
            of.rows.to_string(),
            distinct,
            of.nulls.to_string(),
            of.bytes.to_string(),
            bound(of.range.map(|range| range.0)),
            bound(of.range.map(|range| range.1)),
        ]);
    }
    Ok(sheet)
}

/// A value as statistics hold it, as a query prints it.
fn text(value: i128, data_type: &DataType) -> String {
    match data_type {
        DataType::Date => i32::try_from(value).map_or_else(|_| value.to_string(), |days| Value::Date(days).to_string()),
        DataType::DateTime => {
            i64::try_from(value).map_or_else(|_| value.to_string(), |micros| Value::DateTime(micros).to_string())
        }
        DataType::Decimal { scale, .. } if *scale > 0 => {
            let digits = format!("{:0>1$}", value.unsigned_abs(), usize::from(*scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(*scale));
            format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_as_queries_print_them() {
        let decimal = DataType::Decimal { precision: 9, scale: 3 };
        assert_eq!((text(-5, &decimal), text(12_345, &decimal)), ("-0.005".to_owned(), "12.345".to_owned()));
        assert_eq!(text(16_690, &DataType::Date), "2015-09-12");
        assert_eq!(text(7, &DataType::BigInt), "7");
    }
}
