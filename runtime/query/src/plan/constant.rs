//! `SELECT 1`, `SELECT @@x, database()`: a list of expressions over no table. Clients send these all day, so they are
//! computed at once, by the same expressions as everything else but without a plan to optimise.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    self as ast, Expr as SqlExpr, GroupByExpr, LimitClause, Query, Select, SelectItem, SetExpr,
};

use super::{Planned, ResultColumn, result_type};
use crate::coerce;
use crate::context::PlanContext;
use crate::error::QueryError;
use crate::provider::Resolver;
use crate::rewrite::{Label, Rewritten, rewrite_expr};

/// The result, when the query is only a list of constants.
pub(super) fn plan(
    cx: &PlanContext,
    state: &SessionState,
    rewritten: &Rewritten,
) -> Result<Option<Planned>, QueryError> {
    let Some(select) = bare_select(&rewritten.query) else { return Ok(None) };
    let mut columns = Vec::with_capacity(select.projection.len());
    let mut arrays = Vec::with_capacity(select.projection.len());
    for (item, label) in select.projection.iter().zip(&rewritten.labels) {
        let (SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr), Label::Text(label)) =
            (item, label)
        else {
            return Ok(None);
        };
        let Some(value) = value(cx, state, expr)? else { return Ok(None) };
        columns.push(ResultColumn {
            name: label.clone(),
            data_type: result_type(&value.data_type()),
            arrow_type: value.data_type(),
            nullable: value.is_null(),
        });
        arrays.push(value.to_array()?);
    }
    let fields = columns.iter().map(|c| Field::new(&c.name, c.arrow_type.clone(), c.nullable));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let one = RecordBatchOptions::new().with_row_count(Some(1));
    let rows = RecordBatch::try_new_with_options(schema, arrays, &one)?;
    Planned::of_values(columns, rows).map(Some)
}

/// The value of an expression of the user's that needs no table.
pub(crate) fn evaluate(cx: &PlanContext, state: &SessionState, expr: &SqlExpr) -> Result<ScalarValue, QueryError> {
    let expr = rewrite_expr(expr, cx)?;
    value(cx, state, &expr)?.ok_or_else(|| QueryError::analyzing(format!("'{expr}' is not a constant")))
}

fn value(cx: &PlanContext, state: &SessionState, expr: &SqlExpr) -> Result<Option<ScalarValue>, QueryError> {
    if let SqlExpr::Value(literal) = expr
        && let Some(value) = simple(&literal.value)
    {
        return Ok(Some(value));
    }
    let resolver = Resolver::new(cx, state);
    let schema = DFSchema::empty();
    let expr = SqlToRel::new(&resolver).sql_to_expr(expr.clone(), &schema, &mut PlannerContext::new())?;
    let expr = coerce::expression(expr, &schema)?.data;
    coerce::check_expression(&expr, &schema)?;
    if expr.any_column_refs() || !is_scalar(&expr)? {
        return Ok(None);
    }
    if let Expr::Literal(value, _) = expr {
        return Ok(Some(value));
    }
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(DFSchema::empty()))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let expr = simplifier.simplify(simplifier.coerce(expr, &schema)?)?;
    if let Expr::Literal(value, _) = expr {
        return Ok(Some(value));
    }
    let physical = state.create_physical_expr(expr, &schema)?;
    let one = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &one)?;
    let array = physical.evaluate(&row)?.into_array(1)?;
    Ok(Some(ScalarValue::try_from_array(&array, 0)?))
}

/// Literals whose meaning needs no planner.
fn simple(value: &ast::Value) -> Option<ScalarValue> {
    Some(match value {
        ast::Value::Number(digits, _) => ScalarValue::Int64(Some(digits.parse().ok()?)),
        ast::Value::SingleQuotedString(text) => ScalarValue::Utf8(Some(text.clone())),
        ast::Value::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        ast::Value::Null => ScalarValue::try_from(&ArrowType::Null).ok()?,
        _ => return None,
    })
}

/// Whether an expression is computed from itself alone, row by row.
fn is_scalar(expr: &Expr) -> Result<bool, QueryError> {
    use datafusion::common::tree_node::TreeNode;
    let other = expr.exists(|part| {
        Ok(matches!(
            part,
            Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::Unnest(_)
                | Expr::GroupingSet(_)
                | Expr::OuterReferenceColumn(_, _)
                | Expr::Placeholder(_)
        ) || waits(part))
    })?;
    Ok(!other)
}

/// A function that takes time, not threads.
fn waits(part: &Expr) -> bool {
    matches!(part, Expr::ScalarFunction(call) if call.func.as_async().is_some())
}

/// A select without FROM and without anything that could change its one row. `LIMIT n` with n > 0 cannot.
fn bare_select(query: &Query) -> Option<&Select> {
    let plain_tail = query.with.is_none()
        && query.order_by.is_none()
        && query.fetch.is_none()
        && query.pipe_operators.is_empty()
        && harmless_limit(query.limit_clause.as_ref());
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let group = matches!(&select.group_by, GroupByExpr::Expressions(exprs, modifiers) if exprs.is_empty() && modifiers.is_empty());
    let plain = select.from.is_empty()
        && select.distinct.is_none()
        && select.top.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.selection.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.connect_by.is_empty()
        && group;
    (plain_tail && plain && !select.projection.is_empty()).then_some(select.as_ref())
}

fn harmless_limit(clause: Option<&LimitClause>) -> bool {
    match clause {
        None => true,
        Some(LimitClause::LimitOffset { limit, offset: None, limit_by }) if limit_by.is_empty() => match limit {
            None => true,
            Some(SqlExpr::Value(value)) => match &value.value {
                ast::Value::Number(digits, _) => digits.parse::<u64>().is_ok_and(|n| n > 0),
                _ => false,
            },
            _ => false,
        },
        _ => false,
    }
}
