//! An INSERT that names some columns of a PRIMARY KEY table: rows whose keys are there keep what they have in the others, new
//! ones get defaults.
//!
//! ```text
//!   new rows, defaults where nothing is said ──┐
//!                                              ├── right join by the key ── what is given, what is there, or the default
//!   the table, as far as keys can be there ────┘
//! ```

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType as ArrowType, Field, Schema as ArrowSchema};
use datafusion::common::{Column as ColumnName, JoinType, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit, when};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Value};
use runtime_sql::statement::{Insert, InsertSource};
use storage_model::{Column, DataType, DefaultValue, KeyModel, Table};

use super::{Source, Stored, Targets, columns_of, generated, open, stored_rows, targets, values};
use crate::context::PlanContext;
use crate::depth::Stack;
use crate::error::QueryError;
use crate::plan::{self, Planned};
use crate::provider::ScanNotes;
use crate::provider::stored::StoredTable;
use crate::session;

/// What plans call the rows that come, and those that are there.
const NEW: &str = "__new";
const OLD: &str = "__old";
/// Counts the rows of a VALUES list: of equal keys the last one stays. No column of a table is called so in a plan.
const ORDER: &str = "ORDER";
/// Keys of so many rows are looked for one by one.
const FEW: usize = 256;

/// Plans the rows of an INSERT that leaves out columns of a PRIMARY KEY table; None when it leaves out none.
///
/// # Errors
/// As `plan_insert`; and when a key column is left out that has no default.
pub async fn plan_partial(
    cx: &PlanContext,
    table: &Arc<Table>,
    insert: &Insert,
) -> Result<Option<Planned>, QueryError> {
    if table.model != KeyModel::Primary || (insert.columns.is_none() && !insert.by_name) {
        return Ok(None);
    }
    let stack = match &insert.source {
        InsertSource::Query(query) => Stack::for_query(cx, query)?,
        InsertSource::Values(_) => Stack::for_condition(cx, &SqlExpr::value(Value::Null))?,
    };
    stack.run_async(Box::pin(plan_on_stack(cx, table, insert, stack))).await
}

async fn plan_on_stack(
    cx: &PlanContext,
    table: &Arc<Table>,
    insert: &Insert,
    stack: Stack,
) -> Result<Option<Planned>, QueryError> {
    let state = session::planner(cx.parallelism);
    let lenient = lenient(&open(table));
    let (new, keys) = match &insert.source {
        InsertSource::Query(query) => (stored_rows(cx, &state, &lenient, insert, query)?, Vec::new()),
        InsertSource::Values(rows) => {
            let targets = targets(&lenient, insert.columns.as_deref())?;
            let rows = values::rows(cx, &lenient, &targets, rows)?;
            let keys = keys_of(table, &rows)?;
            let plan = generated::scan(counted(rows)?)?;
            (Stored { plan, targets, tables: Vec::new(), views: Vec::new(), notes: ScanNotes::default() }, keys)
        }
    };
    let Stored { plan, targets, mut tables, views, notes } = new;
    check_keys(table, &targets)?;
    if !leaves_out(table, &targets) {
        return Ok(None);
    }
    let old = StoredTable::new(cx, Arc::clone(table), Arc::clone(&notes));
    let old = LogicalPlanBuilder::scan(OLD, provider_as_source(Arc::new(old)), None)?.build()?;
    let plan = merged(table, &targets, plan, old, &keys)?;
    let plan = generated::computed(cx, &state, &open(table).schema, plan)?;
    let plan = plan::physical(&state, &plan, stack).await?;
    if !tables.contains(&table.id) {
        tables.push(table.id);
    }
    Ok(Some(Planned { views, ..Planned::whole(columns_of(table), tables, plan, notes) }))
}

fn leaves_out(table: &Table, targets: &Targets) -> bool {
    let mut all = table.schema.columns.iter().zip(&targets.sources);
    all.any(|(column, source)| column.generated().is_none() && matches!(source, Source::Default))
}

/// Rows are told by their keys.
fn check_keys(table: &Table, targets: &Targets) -> Result<(), QueryError> {
    let is_missing = |(column, source): &(&Column, &Source)| {
        column.key && matches!(source, Source::Default) && matches!(column.default, None | Some(DefaultValue::Null))
    };
    let missing = table.schema.columns.iter().zip(&targets.sources).filter(is_missing);
    let missing: Vec<&str> = missing.map(|(column, _)| column.name.as_str()).collect();
    match missing.as_slice() {
        [] => Ok(()),
        missing => {
            let message = format!("missing key columns:{} for primary key table", missing.join(","));
            Err(QueryError::new(6014, storage_model::Kind::Invalid, message))
        }
    }
}

/// The table as it takes new rows of which not all is said: what has no default and is no NULL is zero or empty.
fn lenient(table: &Table) -> Table {
    let mut table = table.clone();
    for column in table.schema.columns.iter_mut().filter(|column| !column.nullable) {
        if matches!(column.default, None | Some(DefaultValue::Null)) {
            let nothing = match &column.data_type {
                DataType::Char(_) | DataType::Varchar(_) | DataType::Varbinary(_) => "",
                DataType::Date => "0000-01-01",
                DataType::DateTime => "0000-01-01 00:00:00",
                DataType::Array(_) => "[]",
                DataType::Json | DataType::Map(_, _) | DataType::Struct(_) => "{}",
                _ => "0",
            };
            column.default = Some(DefaultValue::Literal(nothing.to_owned()));
        }
    }
    table
}

/// With one more column, which says in which order they came.
fn counted(rows: RecordBatch) -> Result<RecordBatch, QueryError> {
    let mut fields: Vec<Arc<Field>> = rows.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(ORDER, ArrowType::UInt64, false)));
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns.push(Arc::new(UInt64Array::from_iter_values(0..rows.num_rows() as u64)));
    Ok(RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), columns)?)
}

/// The values of the key columns, when they are few: no other rows of the table are looked at.
fn keys_of(table: &Table, rows: &RecordBatch) -> Result<Vec<(usize, Vec<Expr>)>, QueryError> {
    if rows.num_rows() > FEW {
        return Ok(Vec::new());
    }
    let mut keys = Vec::new();
    for at in table.schema.key_positions() {
        let value = |row| Ok::<Expr, QueryError>(lit(ScalarValue::try_from_array(rows.column(at), row)?));
        let values = (0..rows.num_rows()).map(value).collect::<Result<Vec<_>, _>>()?;
        keys.push((at, values));
    }
    Ok(keys)
}

/// What comes, over what is there.
fn merged(
    table: &Table,
    targets: &Targets,
    new: LogicalPlan,
    old: LogicalPlan,
    keys: &[(usize, Vec<Expr>)],
) -> Result<LogicalPlan, QueryError> {
    let there = old.schema().columns();
    let mut old = LogicalPlanBuilder::from(old);
    for (at, values) in keys.iter().filter(|(_, values)| !values.is_empty()) {
        old = old.filter(Expr::Column(there[*at].clone()).in_list(values.clone(), false))?;
    }
    let is_counted = new.schema().fields().len() > table.schema.columns.len();
    let new = LogicalPlanBuilder::from(new).alias(NEW)?.build()?;
    let coming = |name: &str| ColumnName::new(Some(NEW), name);
    let columns = &table.schema.columns;
    let by = table.schema.key_positions();
    let left: Vec<ColumnName> = by.iter().map(|at| there[*at].clone()).collect();
    let right: Vec<ColumnName> = by.iter().map(|at| coming(&columns[*at].name)).collect();
    // A key is never NULL.
    let is_there = || Expr::Column(there[by[0]].clone()).is_not_null();
    let joined = old.join(new, JoinType::Right, (left, right), None)?;
    let mut merged = Vec::with_capacity(columns.len() + 1);
    for ((at, column), source) in columns.iter().enumerate().zip(&targets.sources) {
        let value = Expr::Column(coming(&column.name));
        let keeps = matches!(source, Source::Default) && !column.key && column.generated().is_none();
        let value = match keeps {
            true => when(is_there(), Expr::Column(there[at].clone())).otherwise(value)?,
            false => value,
        };
        merged.push(value.alias(&column.name));
    }
    if !is_counted {
        return Ok(joined.project(merged)?.build()?);
    }
    merged.push(Expr::Column(coming(ORDER)).alias(ORDER));
    let order = Expr::Column(ColumnName::new_unqualified(ORDER));
    let sorted = joined.project(merged)?.sort(vec![order.sort(true, false)])?;
    let named = columns.iter().map(|column| Expr::Column(ColumnName::new_unqualified(&column.name)));
    Ok(sorted.project(named.collect::<Vec<_>>())?.build()?)
}
