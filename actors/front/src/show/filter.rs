//! The tail of a SHOW. LIKE and LIMIT are done here; WHERE and ORDER BY by the query engine, over the result as a table.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, SchemaRef, TimestampMicrosecondType};
use runtime_mysql::MySqlError;
use runtime_query::{QueryError, VirtualTables};
use runtime_sql::statement::ShowFilter;
use runtime_sql::{Statement, ast, like_matches};

use crate::query;
use crate::session::{Running, Session};
use crate::sheet::{Item, Sheet};

/// What the result is called while it is filtered.
const DATABASE: &str = "__show";
const TABLE: &str = "result";

/// Keeps the rows that the statement asks for. LIKE looks at the first column.
pub(super) async fn filter(
    session: &Session,
    mut sheet: Sheet,
    filter: &ShowFilter,
    running: &Running,
) -> Result<Sheet, MySqlError> {
    if let Some(pattern) = &filter.like {
        let matches = |row: &Vec<Item>| row[0].text().is_some_and(|text| like_matches(pattern, &text));
        sheet.rows.retain(matches);
    }
    if filter.predicate.is_some() || !filter.order_by.is_empty() {
        let seconds = session.variables.number("query_timeout");
        sheet = running.within("Query", "query_timeout", seconds, by_engine(session, sheet, filter)).await?;
    }
    let offset = usize::try_from(filter.offset.unwrap_or(0)).unwrap_or(usize::MAX);
    let limit = filter.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if offset > 0 || limit < sheet.rows.len() {
        sheet.rows = sheet.rows.into_iter().skip(offset).take(limit).collect();
    }
    Ok(sheet)
}

/// The result as a table.
struct OneTable(Sheet);

impl VirtualTables for OneTable {
    fn names(&self) -> Vec<(String, Vec<String>)> {
        vec![(DATABASE.to_owned(), vec![TABLE.to_owned()])]
    }

    fn schema(&self, database: &str, table: &str) -> Option<SchemaRef> {
        (database == DATABASE && table == TABLE).then(|| self.0.schema())
    }

    fn rows(&self, _database: &str, _table: &str) -> Result<RecordBatch, QueryError> {
        Ok(self.0.batch()?)
    }
}

async fn by_engine(session: &Session, sheet: Sheet, filter: &ShowFilter) -> Result<Sheet, MySqlError> {
    let query = over_the_result(filter)?;
    let columns = sheet.columns.clone();
    let cx = session.plan_context(session.catalog(), "").await;
    let cx = query::with_tables(cx, Arc::new(OneTable(sheet)));
    let mut filtered = Sheet { columns, rows: Vec::new() };
    for batch in query::local_rows(&cx, &query).await? {
        let items = |row| batch.columns().iter().map(move |column| item(column.as_ref(), row)).collect();
        filtered.rows.extend((0..batch.num_rows()).map(items));
    }
    Ok(filtered)
}

/// `SELECT * FROM __show.result WHERE ... ORDER BY ...`.
fn over_the_result(filter: &ShowFilter) -> Result<ast::Query, MySqlError> {
    let mut text = format!("SELECT * FROM `{DATABASE}`.`{TABLE}` WHERE true");
    if !filter.order_by.is_empty() {
        text.push_str(" ORDER BY 1");
    }
    let Statement::Query(mut query) = Session::parse_one(&text)?.statement else {
        return Err(MySqlError::unknown_error("the filter of a SHOW is no query"));
    };
    if let (ast::SetExpr::Select(select), Some(predicate)) = (query.body.as_mut(), &filter.predicate) {
        select.selection = Some(predicate.clone());
    }
    if let Some(order) = &mut query.order_by {
        order.kind = ast::OrderByKind::Expressions(filter.order_by.clone());
    }
    Ok(*query)
}

fn item(column: &dyn Array, row: usize) -> Item {
    if column.is_null(row) {
        return Item::Null;
    }
    match column.data_type() {
        DataType::Int32 => Item::Int(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Item::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Item::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(_, _) => Item::DateTime(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        _ => {
            let mut text = Vec::new();
            match runtime_query::write_cell(column, row, &mut text) {
                true => Item::Text(String::from_utf8_lossy(&text).into_owned()),
                false => Item::Null,
            }
        }
    }
}
