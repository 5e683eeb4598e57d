//! SHOW ALTER TABLE: what changes is changed when it is answered, so every job is a finished one, and those about partitions
//! and rollups are none.

use runtime_mysql::MySqlError;
use runtime_sql::statement::show::DatabaseName;
use storage_catalog::Catalog;

use super::databases;
use crate::sheet::{Item, Sheet, row};

/// The jobs of a database.
pub(super) fn jobs(
    catalog: &Catalog,
    kind: &str,
    database: Option<&DatabaseName>,
    current: Option<&str>,
) -> Result<Sheet, MySqlError> {
    let stored = databases::stored(catalog, database, current)?;
    let mut sheet = columns(kind);
    let Some(database) = stored.filter(|_| kind == "COLUMN") else { return Ok(sheet) };
    let of = |table| std::iter::repeat(table);
    let mut changes: Vec<_> = catalog.tables_of(database.id).flat_map(|t| of(t).zip(&t.schema_changes)).collect();
    changes.sort_by_key(|(_, change)| change.id);
    for (table, change) in changes {
        let id = table.id.to_string();
        sheet.push(row![
            change.id.to_string(),
            &table.name,
            Item::at(change.at),
            Item::at(change.at),
            &table.name,
            &id,
            &id,
            format!("{}:0", change.version),
            "-1",
            "FINISHED",
            "",
            Item::Null,
            "86400",
            "default_warehouse",
        ]);
    }
    Ok(sheet)
}

fn columns(kind: &str) -> Sheet {
    match kind {
        "OPTIMIZE" => Sheet::text(&[
            "JobId",
            "TableName",
            "CreateTime",
            "FinishTime",
            "Operation",
            "TransactionId",
            "State",
            "Msg",
            "Progress",
            "Timeout",
            "Warehouse",
        ]),
        "ROLLUP" => Sheet::text(&[
            "JobId",
            "TableName",
            "CreateTime",
            "FinishedTime",
            "BaseIndexName",
            "RollupIndexName",
            "RollupId",
            "TransactionId",
            "State",
            "Msg",
            "Progress",
            "Timeout",
            "Warehouse",
        ]),
        _ => Sheet::text(&[
            "JobId",
            "TableName",
            "CreateTime",
            "FinishTime",
            "IndexName",
            "IndexId",
            "OriginIndexId",
            "SchemaVersion",
            "TransactionId",
            "State",
            "Msg",
            "Progress",
            "Timeout",
            "Warehouse",
        ]),
    }
}
