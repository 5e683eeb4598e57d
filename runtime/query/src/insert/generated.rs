//! Generated columns: computed from the other columns of a row, as they are stored, when the row is written.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType as ArrowType, Field, Schema as ArrowSchema};
use datafusion::catalog::MemTable;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Value};
use runtime_sql::quote_identifier;
use storage_model::{Column, Expression, Schema, Table};

use super::{columns_of, open, store};
use crate::coerce;
use crate::context::PlanContext;
use crate::depth::Stack;
use crate::error::QueryError;
use crate::plan::{self, Planned};
use crate::provider::{Resolver, ScanNotes};
use crate::rewrite::rewrite_expr;
use crate::{session, types};

/// What plans call the rows of a VALUES list.
const ROWS: &str = "__rows";

/// Whether some columns are computed.
pub(super) fn has_any(schema: &Schema) -> bool {
    schema.columns.iter().any(|column| column.generated().is_some())
}

/// Whether all generated columns can be computed as they are meant.
///
/// # Errors
/// When an expression is wrong, or is of another type than its column.
pub fn check(cx: &PlanContext, schema: &Schema) -> Result<(), QueryError> {
    let state = session::planner(1);
    let fields = fields_of(schema)?;
    for column in &schema.columns {
        let Some(expression) = column.generated() else { continue };
        let expr = expr(cx, &state, schema, &fields, expression)?;
        let found = expr.get_type(&fields)?;
        let wanted = types::arrow_type(&column.data_type);
        if kind_of(&found) != kind_of(&wanted) && kind_of(&found) != Kind::Null {
            let found = match plan::result_type(&found) {
                plan::ResultType::Column(found) => found.to_sql(),
                _ => found.to_string(),
            };
            return Err(QueryError::analyzing(format!(
                "Illegal expression type for Generated Column Column Type: {}, Expression Type: {found}",
                column.data_type.to_sql()
            )));
        }
    }
    Ok(())
}

#[derive(PartialEq)]
enum Kind {
    Null,
    Number,
    Text,
    Time,
    Json,
    Other,
}

fn kind_of(data_type: &ArrowType) -> Kind {
    match data_type {
        ArrowType::Null => Kind::Null,
        ArrowType::Boolean => Kind::Number,
        ArrowType::Utf8 | ArrowType::Utf8View => Kind::Text,
        ArrowType::LargeUtf8 => Kind::Json,
        ArrowType::Date32 | ArrowType::Timestamp(_, _) => Kind::Time,
        other if other.is_numeric() => Kind::Number,
        _ => Kind::Other,
    }
}

/// Plans the rows of a VALUES list of a table with generated columns.
pub(super) async fn plan_values(cx: &PlanContext, table: &Table, rows: RecordBatch) -> Result<Planned, QueryError> {
    let stack = Stack::for_condition(cx, &SqlExpr::value(Value::Null))?;
    let planning = async {
        let state = session::planner(1);
        let schema = open(table).schema;
        let plan = computed(cx, &state, &schema, scan(rows)?)?;
        let plan = plan::physical(&state, &plan, stack).await?;
        Ok(Planned::whole(columns_of(table), Vec::new(), plan, ScanNotes::default()))
    };
    stack.run_async(Box::pin(planning)).await
}

/// Rows that are there already.
pub(super) fn scan(rows: RecordBatch) -> Result<LogicalPlan, QueryError> {
    let provider = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
    Ok(LogicalPlanBuilder::scan(ROWS, provider_as_source(Arc::new(provider)), None)?.build()?)
}

/// Rows in the columns of a table, with what is computed from them in its place.
pub(crate) fn computed(
    cx: &PlanContext,
    state: &SessionState,
    schema: &Schema,
    plan: LogicalPlan,
) -> Result<LogicalPlan, QueryError> {
    if !has_any(schema) {
        return Ok(plan);
    }
    let fields = fields_of(schema)?;
    let given = plan.schema().columns();
    let names: Vec<String> = schema.columns.iter().map(|column| types::plan_name(&column.name)).collect();
    // Over what is stored, whatever it is called there.
    let placed = |expr: Expr| {
        expr.transform(|part| match &part {
            Expr::Column(named) => match names.iter().position(|name| *name == named.name) {
                Some(at) => Ok(Transformed::yes(Expr::Column(given[at].clone()))),
                None => Ok(Transformed::no(part)),
            },
            _ => Ok(Transformed::no(part)),
        })
    };
    let value = |(at, column): (usize, &Column)| -> Result<Expr, QueryError> {
        let value = match column.generated() {
            None => Expr::Column(given[at].clone()),
            Some(expression) => store::store(placed(expr(cx, state, schema, &fields, expression)?)?.data, column)?,
        };
        Ok(value.alias(&column.name))
    };
    let values = schema.columns.iter().enumerate().map(value).collect::<Result<Vec<_>, _>>()?;
    Ok(LogicalPlanBuilder::from(plan).project(values)?.build()?)
}

/// The columns as expressions call them.
fn fields_of(schema: &Schema) -> Result<DFSchema, QueryError> {
    let field = |column: &Column| {
        Field::new(types::plan_name(&column.name), types::arrow_type(&column.data_type), column.nullable)
    };
    let fields: Vec<Field> = schema.columns.iter().map(field).collect();
    Ok(DFSchema::try_from(ArrowSchema::new(fields))?)
}

fn expr(
    cx: &PlanContext,
    state: &SessionState,
    schema: &Schema,
    fields: &DFSchema,
    expression: &Expression,
) -> Result<Expr, QueryError> {
    let text = schema.text_of(expression, quote_identifier);
    let text = text.ok_or_else(|| QueryError::internal("a generated column needs a column that is gone"))?;
    let parsed = runtime_sql::parse_expression(&text).map_err(|e| QueryError::analyzing(e.to_string()))?;
    let resolver = Resolver::new(cx, state);
    let parsed = rewrite_expr(&parsed, cx)?;
    let expr = SqlToRel::new(&resolver).sql_to_expr(parsed, fields, &mut PlannerContext::new())?;
    let expr = coerce::expression(expr, fields)?.data;
    let is_odd = expr.exists(|part| {
        Ok(matches!(
            part,
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Unnest(_) | Expr::Placeholder(_)
        ))
    })?;
    match is_odd {
        false => Ok(expr),
        true => Err(QueryError::analyzing("Generated Column don't support aggregation function")),
    }
}
