//! ANALYZE and DROP STATS. Loads count what they write, so there is always something known of a table; ANALYZE reads it all and
//! makes that exact again, or makes it at all for rows that came before there were statistics, or with a restored table.

use std::sync::Arc;

use arrow::array::AsArray;
use runtime_mysql::MySqlError;
use runtime_query::COLUMN_STATISTICS;
use runtime_sql::{QualifiedName, Statement, quote_identifier};
use storage_catalog::Command;
use storage_model::{Column, ColumnStatistics, Table};

use crate::session::{Running, Session};
use crate::sheet::{Sheet, row};
use crate::{errors, names, query};

/// ANALYZE TABLE: of the named columns, or of all. FULL or SAMPLE, all rows are read.
pub(crate) async fn analyze(
    session: &Session,
    name: &QualifiedName,
    columns: &[String],
    running: &Running,
) -> Result<Sheet, MySqlError> {
    let current = session.database.as_deref();
    names::writable_database(name, current)?;
    session.front().may_read(true).await?;
    let (database, table) = names::stored_table(&session.catalog(), name, current)?;
    session.check_unwritten(&[table.id])?;
    let chosen = chosen(&table, columns)?;
    let seconds = session.variables.number("query_timeout");
    let work = running.reading(read(session, &database.name, &table, &chosen, running));
    let found = running.within("Query", "query_timeout", seconds, work).await?;
    let command = Command::SetStatistics { table: table.id, columns: found, all: columns.is_empty() };
    session.front().propose(command).await?;
    let sheet = Sheet::text(&["Table", "Op", "Msg_type", "Msg_text"]);
    Ok(sheet.with(row![format!("{}.{}", database.name, table.name), "analyze", "status", "OK"]))
}

/// DROP STATS: the order of joins is then as if nothing were known. What is loaded afterwards is counted again. There are no
/// histograms: to drop those leaves all as it is.
pub(crate) async fn drop_statistics(
    session: &Session,
    name: &QualifiedName,
    histograms: bool,
) -> Result<(), MySqlError> {
    let current = session.database.as_deref();
    names::writable_database(name, current)?;
    let (_, table) = names::stored_table(&session.catalog(), name, current)?;
    if histograms {
        return Ok(());
    }
    session.front().propose(Command::SetStatistics { table: table.id, columns: Vec::new(), all: true }).await.map(drop)
}

fn chosen(table: &Table, columns: &[String]) -> Result<Vec<Column>, MySqlError> {
    if columns.is_empty() {
        return Ok(table.schema.columns.clone());
    }
    let mut found: Vec<Column> = Vec::new();
    for name in columns {
        let unknown = || MySqlError::analyzing(format_args!("Unknown column '{name}' in '{}'", table.name));
        let column = table.schema.column(name).ok_or_else(unknown)?;
        if found.iter().all(|known| known.id != column.id) {
            found.push(column.clone());
        }
    }
    Ok(found)
}

/// Reads the columns of all rows.
async fn read(
    session: &Session,
    database: &str,
    table: &Arc<Table>,
    columns: &[Column],
    running: &Running,
) -> Result<Vec<ColumnStatistics>, MySqlError> {
    let of = |column: &Column| format!("{COLUMN_STATISTICS}({})", quote_identifier(&column.name));
    let select: Vec<String> = columns.iter().map(of).collect();
    let from = format!("{}.{}", quote_identifier(database), quote_identifier(&table.name));
    let text = format!("SELECT {} FROM {from}", select.join(", "));
    let Statement::Query(ast) = Session::parse_one(&text)?.statement else {
        return Err(MySqlError::unknown_error("ANALYZE is no query"));
    };
    let front = session.front();
    let (catalog, _point) = front.reads.begin(|| front.view.now());
    let cx = session.plan_context(catalog, &text).await;
    let planned = runtime_query::plan_query(&cx, &ast).await.map_err(|e| errors::query(&e))?;
    let batches = query::remote_rows(session, &cx, &planned, running).await?;
    let batch = batches.iter().find(|batch| batch.num_rows() > 0);
    let batch = batch.ok_or_else(|| MySqlError::unknown_error("ANALYZE found nothing"))?;
    let found = columns.iter().zip(batch.columns()).map(|(column, texts)| {
        let known = storage_tablet::statistics::decode(texts.as_string::<i32>().value(0));
        let known = known.map_err(MySqlError::unknown_error)?;
        Ok(ColumnStatistics { column: column.id, ..known })
    });
    found.collect()
}
