//! SHOW ALTER TABLE: what was changed when it was answered, as a job that is finished, and the jobs that write rows anew. There are
//! none about rollups.

use std::collections::BTreeSet;

use runtime_mysql::MySqlError;
use runtime_sql::statement::show::DatabaseName;
use storage_catalog::Catalog;
use storage_model::{AlterJob, AlterKind, AlterState, SchemaChange, Table};

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
    let Some(database) = stored else { return Ok(sheet) };
    let wanted = match kind {
        "COLUMN" => AlterKind::Columns,
        "OPTIMIZE" => AlterKind::Distribution,
        _ => return Ok(sheet),
    };
    let mut rows: Vec<(u64, Vec<Item>)> = Vec::new();
    let mut known = BTreeSet::new();
    for job in catalog.alter_jobs().filter(|job| job.database == database.id && job.kind == wanted) {
        // Nothing is shown of tables that are gone, or that somebody may not see.
        let Some(table) = catalog.table(job.table) else { continue };
        known.insert(job.id.0);
        rows.push((job.id.0, row_of(job, &table.name)));
    }
    if wanted == AlterKind::Columns {
        let of = |table| std::iter::repeat(table);
        let changes = catalog.tables_of(database.id).flat_map(|table| of(table).zip(&table.schema_changes));
        for (table, change) in changes.filter(|(_, change)| !known.contains(&change.id)) {
            rows.push((change.id, at_once(table, change)));
        }
    }
    rows.sort_by_key(|(id, _)| *id);
    rows.into_iter().for_each(|(_, row)| sheet.push(row));
    Ok(sheet)
}

fn row_of(job: &AlterJob, name: &str) -> Vec<Item> {
    let finished = job.finished_at.map_or(Item::Null, Item::at);
    let progress = match job.state {
        AlterState::Running | AlterState::FinishedRewriting => Item::Text(format!("{}%", job.progress)),
        _ => Item::Null,
    };
    let txn = job.txn.map_or_else(|| "-1".to_owned(), |txn| txn.to_string());
    let (id, table) = (job.id.to_string(), job.table.to_string());
    let (state, warehouse, timeout) = (job.state.name(), "default_warehouse", "86400");
    match job.kind {
        AlterKind::Columns => row![
            id,
            name,
            Item::at(job.created_at),
            finished,
            name,
            &table,
            &table,
            format!("{}:0", job.version),
            txn,
            state,
            &job.message,
            progress,
            timeout,
            warehouse,
        ],
        AlterKind::Distribution => row![
            id,
            name,
            Item::at(job.created_at),
            finished,
            "ALTER TABLE DISTRIBUTED BY",
            txn,
            state,
            &job.message,
            progress,
            timeout,
            warehouse,
        ],
    }
}

/// A change that was done when it was answered.
fn at_once(table: &Table, change: &SchemaChange) -> Vec<Item> {
    let id = table.id.to_string();
    row![
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
    ]
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
