//! UPDATE: the rows that it finds, as they are to be, in the columns of the table. They are written like those of an INSERT
//! and take the place of the rows with their keys.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Query, SelectItem, SetExpr, Value};
use runtime_sql::statement::{AssignedValue, Insert, InsertSource, Update};
use runtime_sql::{Statement, quote_identifier};
use storage_model::{Column, KeyModel, Table};

use crate::context::PlanContext;
use crate::error::QueryError;
use crate::insert::{default_text, plan_insert};
use crate::plan::Planned;

/// Which rows an UPDATE may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateScope {
    /// Those that WHERE names, which must be there.
    Named,
    /// All of them too.
    Any,
}

/// Plans the new rows of an UPDATE.
///
/// # Errors
/// When the table cannot be updated, or the statement says nothing that can be done to it.
pub async fn plan_update(
    cx: &PlanContext,
    table: &Table,
    update: &Update,
    scope: UpdateScope,
) -> Result<Planned, QueryError> {
    check(table, update, scope)?;
    let written: Vec<&Column> = table.schema.columns.iter().filter(|column| is_written(column, update)).collect();
    let source = InsertSource::Query(Box::new(query_of(cx, table, update, &written)?));
    let columns = Some(written.iter().map(|column| column.name.clone()).collect());
    plan_insert(cx, table, &Insert { columns, ..Insert::plain(update.table.clone(), source) }).await
}

/// Whether new rows say what a column holds: not when it is computed, nor when it gets a new number.
fn is_written(column: &Column, update: &Update) -> bool {
    let is_default = |(name, value): &(String, AssignedValue)| {
        name.eq_ignore_ascii_case(&column.name) && matches!(value, AssignedValue::Default)
    };
    column.generated().is_none() && !(column.is_auto_increment() && update.assignments.iter().any(is_default))
}

fn check(table: &Table, update: &Update, scope: UpdateScope) -> Result<(), QueryError> {
    let name = &table.name;
    if table.model != KeyModel::Primary {
        return Err(QueryError::analyzing(format!("table {name} does not support update")));
    }
    let mut seen = HashSet::new();
    for (assigned, value) in &update.assignments {
        let column = table
            .schema
            .column(assigned)
            .ok_or_else(|| QueryError::analyzing(format!("table '{name}' do not existing column '{assigned}'")))?;
        if column.key {
            return Err(QueryError::analyzing(format!("primary key column cannot be updated: {}", column.name)));
        }
        if column.generated().is_some() {
            return Err(QueryError::analyzing(format!("generated column cannot be updated: {}", column.name)));
        }
        if column.is_auto_increment() && is_null(value) {
            return Err(QueryError::analyzing(format!("AUTO_INCREMENT column: {} must not be NULL", column.name)));
        }
        if !seen.insert(column.id) {
            return Err(QueryError::analyzing(format!("Column '{assigned}' specified twice")));
        }
    }
    let is_bounded = matches!(update.source.body.as_ref(), SetExpr::Select(select) if select.selection.is_some());
    match is_bounded || scope == UpdateScope::Any {
        true => Ok(()),
        false => Err(QueryError::analyzing("must specify where clause to prevent full table update")),
    }
}

fn is_null(value: &AssignedValue) -> bool {
    match value {
        AssignedValue::Expr(expr) => matches!(expr.as_ref(), SqlExpr::Value(literal) if literal.value == Value::Null),
        AssignedValue::Default => false,
    }
}

/// `SELECT columns, some of them replaced, FROM table, others WHERE condition`.
fn query_of(cx: &PlanContext, table: &Table, update: &Update, written: &[&Column]) -> Result<Query, QueryError> {
    let odd = || QueryError::internal(format!("{} cannot be selected from", update.table));
    let named = |column: &str| format!("{}.{}", quote_identifier(&table.name), quote_identifier(column));
    let columns: Vec<String> = written.iter().map(|column| named(&column.name)).collect();
    let text = format!("SELECT {} FROM {}", columns.join(", "), update.table);
    let parsed = runtime_sql::parse(&text).ok().and_then(|mut parsed| parsed.pop());
    let Some(Statement::Query(mut query)) = parsed.map(|parsed| parsed.statement) else { return Err(odd()) };
    let (SetExpr::Select(select), SetExpr::Select(source)) = (query.body.as_mut(), update.source.body.as_ref()) else {
        return Err(odd());
    };
    for (assigned, value) in &update.assignments {
        // One that gets a new number is not among them.
        let Some(at) = written.iter().position(|column| column.name.eq_ignore_ascii_case(assigned)) else { continue };
        let expression = match value {
            AssignedValue::Expr(expression) => expression.as_ref().clone(),
            AssignedValue::Default => {
                let text = default_text(written[at], &cx.session)?;
                SqlExpr::value(text.map_or(Value::Null, Value::SingleQuotedString))
            }
        };
        select.projection[at] = SelectItem::UnnamedExpr(expression);
    }
    query.with.clone_from(&update.source.with);
    let SetExpr::Select(select) = query.body.as_mut() else { return Err(odd()) };
    select.from.extend(source.from.iter().cloned());
    select.selection.clone_from(&source.selection);
    Ok(*query)
}
