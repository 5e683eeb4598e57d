//! INSERT: a query or a list of rows becomes batches in exactly the columns of the table. What does not fit is an
//! error before anything is written.

pub(crate) mod convert;
mod generated;
mod partial;
pub(crate) mod store;
mod values;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType as ArrowType, Float32Type, Float64Type, SchemaRef};
use datafusion::common::{Column as ColumnName, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::Query;
use runtime_sql::statement::{Insert, InsertSource};
use storage_model::value::format_datetime;
use storage_model::{Column, DefaultValue, Table, TableId};

use crate::context::{PlanContext, SessionFacts};
use crate::depth::Stack;
use crate::error::QueryError;
use crate::functions::fresh;
use crate::plan::{self, Logical, Planned, ResultColumn, result_type};
use crate::provider::ScanNotes;
use crate::provider::view::ViewRead;
use crate::rewrite::rewrite;
use crate::session;
use convert::{Collector, Input};
pub use generated::check as check_generated;
pub(crate) use generated::computed as with_computed;
pub use partial::plan_partial;

/// Plans the rows of an INSERT into a table: the batches of the plan have the columns of `arrow_schema(table.schema)`,
/// in order. Constant rows are there at once, as [`Planned::values`]. Partitions, label and OVERWRITE are not its
/// business.
///
/// # Errors
/// When columns are unknown or named twice, when their number does not match, when a constant does not fit its column.
pub async fn plan_insert(cx: &PlanContext, table: &Table, insert: &Insert) -> Result<Planned, QueryError> {
    let open = open(table);
    let query = match &insert.source {
        InsertSource::Values(rows) => {
            let targets = targets(table, insert.columns.as_deref())?;
            let rows = values::rows(cx, &open, &targets, rows)?;
            return match generated::has_any(&table.schema) {
                false => Planned::of_values(columns_of(table), rows),
                true => generated::plan_values(cx, table, rows).await,
            };
        }
        InsertSource::Query(query) => query,
    };
    let stack = Stack::for_query(cx, query)?;
    stack.run_async(Box::pin(plan_rows(cx, &open, insert, query, stack))).await
}

/// The table as its rows are before they are written: what is computed from them, and numbers that they get then, are NULL.
fn open(table: &Table) -> Table {
    let mut table = table.clone();
    for column in &mut table.schema.columns {
        column.nullable |= column.is_auto_increment() || column.generated().is_some();
    }
    table
}

/// Plans the rows that a query gives.
async fn plan_rows(
    cx: &PlanContext,
    table: &Table,
    insert: &Insert,
    query: &Query,
    stack: Stack,
) -> Result<Planned, QueryError> {
    let state = session::planner(cx.parallelism);
    let Stored { plan, tables, views, notes, .. } = stored_rows(cx, &state, table, insert, query)?;
    let plan = generated::computed(cx, &state, &table.schema, plan)?;
    let plan = plan::large(cx, &state, &plan, &notes, stack).await?;
    let whole = Planned::whole(columns_of(table), tables, plan, notes);
    Ok(Planned { views, split_from: cx.split_from, ..whole })
}

/// Rows of a query in the columns of a table; nothing is computed from them yet.
struct Stored {
    plan: LogicalPlan,
    targets: Targets,
    tables: Vec<TableId>,
    views: Vec<ViewRead>,
    notes: ScanNotes,
}

fn stored_rows(
    cx: &PlanContext,
    state: &SessionState,
    table: &Table,
    insert: &Insert,
    query: &Query,
) -> Result<Stored, QueryError> {
    let Logical { plan, labels, tables, views, notes, .. } = plan::logical(cx, state, rewrite(query, cx)?)?;
    let names = if insert.by_name { Some(labels.as_slice()) } else { insert.columns.as_deref() };
    if insert.by_name {
        check_unique(&labels)?;
    }
    let targets = targets(table, names)?;
    let given: Vec<ColumnName> = plan.schema().columns();
    if given.len() != targets.given {
        return Err(count_mismatch());
    }
    let fields = storage_tablet::arrow_schema(&table.schema);
    let mut stored = Vec::with_capacity(table.schema.columns.len());
    for ((column, source), field) in table.schema.columns.iter().zip(&targets.sources).zip(fields.fields()) {
        let value = match source {
            // A number that is given is no NULL.
            Source::Given(at) if column.is_auto_increment() => {
                let strict = Column { nullable: false, ..column.clone() };
                store::store(Expr::Column(given[*at].clone()), &strict)?
            }
            Source::Given(at) => store::store(Expr::Column(given[*at].clone()), column)?,
            Source::Default => store::store(default_expr(column, &cx.session)?, column)?,
        };
        stored.push(value.alias(field.name()));
    }
    let plan = LogicalPlanBuilder::from(plan).project(stored)?.build()?;
    Ok(Stored { plan, targets, tables, views, notes })
}

/// A batch of a plan of [`plan_insert`] under the schema of its table.
///
/// # Errors
/// When the batch is not of that table.
pub fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, QueryError> {
    let batch = RecordBatch::try_new(SchemaRef::clone(schema), batch.columns().to_vec());
    batch.map_err(|e| QueryError::internal(format!("rows do not have the columns of the table: {e}")))
}

pub(crate) fn columns_of(table: &Table) -> Vec<ResultColumn> {
    let column = |c: &Column| {
        let arrow_type = crate::types::arrow_type(&c.data_type);
        ResultColumn { name: c.name.clone(), data_type: result_type(&arrow_type), arrow_type, nullable: c.nullable }
    };
    table.schema.columns.iter().map(column).collect()
}

/// Where the value of a column comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The n-th of the given values.
    Given(usize),
    /// It was left out.
    Default,
}

/// Which columns are given.
#[derive(Debug)]
struct Targets {
    /// One for each column of the table.
    sources: Vec<Source>,
    /// How many values a row has.
    given: usize,
}

fn targets(table: &Table, columns: Option<&[String]>) -> Result<Targets, QueryError> {
    let all = &table.schema.columns;
    let Some(names) = columns else {
        // Generated columns are behind all others.
        let given = all.iter().filter(|column| column.generated().is_none()).count();
        let source = |at| if at < given { Source::Given(at) } else { Source::Default };
        return Ok(Targets { sources: (0..all.len()).map(source).collect(), given });
    };
    let mut sources = vec![Source::Default; all.len()];
    for (at, name) in names.iter().enumerate() {
        let position = table
            .schema
            .position(name)
            .ok_or_else(|| QueryError::analyzing(format!("Unknown column '{name}' in '{}'", table.name)))?;
        if all[position].generated().is_some() {
            return Err(QueryError::analyzing(format!("generated column '{name}' can not be specified")));
        }
        if matches!(sources[position], Source::Given(_)) {
            return Err(QueryError::analyzing(format!("Column '{name}' specified twice")));
        }
        sources[position] = Source::Given(at);
    }
    let missing = all.iter().zip(&sources).find(|(column, source)| {
        matches!(source, Source::Default)
            && !column.nullable
            && matches!(column.default, None | Some(DefaultValue::Null))
    });
    if let Some((column, _)) = missing {
        let message = format!("'{}' must be explicitly mentioned in column permutation", column.name);
        return Err(QueryError::analyzing(message));
    }
    Ok(Targets { sources, given: names.len() })
}

/// A query whose columns say by their names where they go.
fn check_unique(labels: &[String]) -> Result<(), QueryError> {
    let mut known = std::collections::HashSet::new();
    match labels.iter().find(|label| !known.insert(label.to_lowercase())) {
        Some(twice) => Err(QueryError::analyzing(format!("Duplicate column name '{twice}'"))),
        None => Ok(()),
    }
}

fn count_mismatch() -> QueryError {
    QueryError::analyzing("Column count doesn't match value count")
}

/// What rows have in a column that is added to them now: its DEFAULT as an INSERT would store it, as text; None is NULL.
///
/// # Errors
/// When the column must not be NULL and has no DEFAULT, or one that does not fit it.
pub fn initial_text(column: &Column, session: &SessionFacts) -> Result<Option<String>, QueryError> {
    let Some(text) = default_text(column, session)? else { return Ok(None) };
    let mut collector = Collector::new(column, 1)?;
    collector.push(Input::Text(&text))?;
    let value = collector.finish();
    Ok(Some(match value.data_type() {
        // Every digit counts.
        ArrowType::Float32 => value.as_primitive::<Float32Type>().value(0).to_string(),
        ArrowType::Float64 => value.as_primitive::<Float64Type>().value(0).to_string(),
        _ => {
            let mut text = Vec::new();
            crate::cells::write_cell(value.as_ref(), 0, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        }
    }))
}

/// What a column holds when it is left out, computed for each row.
pub(crate) fn default_expr(column: &Column, session: &SessionFacts) -> Result<Expr, QueryError> {
    let call = |name: &str| match crate::functions::own(name) {
        Some(function) => Ok(function.call(Vec::new())),
        None => Err(QueryError::internal(format!("there is no function {name}"))),
    };
    match column.default {
        Some(DefaultValue::Uuid) => call(fresh::UUID),
        Some(DefaultValue::UuidNumeric) => call(fresh::UUID_NUMERIC),
        _ => Ok(lit(ScalarValue::Utf8(default_text(column, session)?))),
    }
}

/// What a column holds when it is left out, as text; None is NULL. Of UUIDs it is one for one row.
pub(crate) fn default_text(column: &Column, session: &SessionFacts) -> Result<Option<String>, QueryError> {
    match &column.default {
        None | Some(DefaultValue::Null) if !column.nullable => {
            Err(QueryError::analyzing(format!("Column '{}' has no default value, NULL is not allowed", column.name)))
        }
        None | Some(DefaultValue::Null) => Ok(None),
        // It comes when the row is written.
        Some(DefaultValue::AutoIncrement { .. } | DefaultValue::Generated(_)) => Ok(None),
        Some(DefaultValue::Uuid) => Ok(Some(uuid::Uuid::new_v4().to_string())),
        Some(DefaultValue::UuidNumeric) => Ok(Some(fresh::number().to_string())),
        Some(DefaultValue::Literal(text)) => Ok(Some(text.clone())),
        Some(DefaultValue::CurrentTimestamp) => {
            let micros = session.local_micros();
            Ok(Some(format_datetime(micros - micros.rem_euclid(1_000_000))))
        }
    }
}
