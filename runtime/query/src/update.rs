//! UPDATE: the rows that it finds, as they are to be, in the columns of the table. They are written like those of an INSERT
//! and take the place of the rows with their keys.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Query, SelectItem, SetExpr, Value};
use runtime_sql::statement::{AssignedValue, Insert, InsertSource, Update};
use runtime_sql::{Statement, quote_identifier};
use storage_model::{KeyModel, Table};

use crate::context::PlanContext;
use crate::error::QueryError;
use crate::insert::{default_text, plan_insert};
use crate::plan::Planned;

/// Plans the new rows of an UPDATE.
///
/// # Errors
/// When the table cannot be updated, or the statement says nothing that can be done to it.
pub async fn plan_update(cx: &PlanContext, table: &Table, update: &Update) -> Result<Planned, QueryError> {
    check(table, update)?;
    let rows = Insert::plain(update.table.clone(), InsertSource::Query(Box::new(query_of(cx, table, update)?)));
    plan_insert(cx, table, &rows).await
}

fn check(table: &Table, update: &Update) -> Result<(), QueryError> {
    let name = &table.name;
    if table.model != KeyModel::Primary {
        return Err(QueryError::analyzing(format!("table {name} does not support update")));
    }
    let mut seen = HashSet::new();
    for (assigned, _) in &update.assignments {
        let column = table
            .schema
            .column(assigned)
            .ok_or_else(|| QueryError::analyzing(format!("table '{name}' do not existing column '{assigned}'")))?;
        if column.key {
            return Err(QueryError::analyzing(format!("primary key column cannot be updated: {}", column.name)));
        }
        if !seen.insert(column.id) {
            return Err(QueryError::analyzing(format!("Column '{assigned}' specified twice")));
        }
    }
    let is_bounded = matches!(update.source.body.as_ref(), SetExpr::Select(select) if select.selection.is_some());
    match is_bounded {
        true => Ok(()),
        false => Err(QueryError::analyzing("must specify where clause to prevent full table update")),
    }
}

/// `SELECT columns, some of them replaced, FROM table, others WHERE condition`.
fn query_of(cx: &PlanContext, table: &Table, update: &Update) -> Result<Query, QueryError> {
    let odd = || QueryError::internal(format!("{} cannot be selected from", update.table));
    let named = |column: &str| format!("{}.{}", quote_identifier(&table.name), quote_identifier(column));
    let columns: Vec<String> = table.schema.columns.iter().map(|column| named(&column.name)).collect();
    let text = format!("SELECT {} FROM {}", columns.join(", "), update.table);
    let parsed = runtime_sql::parse(&text).ok().and_then(|mut parsed| parsed.pop());
    let Some(Statement::Query(mut query)) = parsed.map(|parsed| parsed.statement) else { return Err(odd()) };
    let (SetExpr::Select(select), SetExpr::Select(source)) = (query.body.as_mut(), update.source.body.as_ref()) else {
        return Err(odd());
    };
    for (assigned, value) in &update.assignments {
        let Some(at) = table.schema.position(assigned) else { return Err(odd()) };
        let expression = match value {
            AssignedValue::Expr(expression) => expression.as_ref().clone(),
            AssignedValue::Default => {
                let text = default_text(&table.schema.columns[at], &cx.session)?;
                SqlExpr::value(text.map_or(Value::Null, Value::SingleQuotedString))
            }
        };
        select.projection[at] = SelectItem::UnnamedExpr(expression);
    }
    select.from.extend(source.from.iter().cloned());
    select.selection.clone_from(&source.selection);
    Ok(*query)
}
