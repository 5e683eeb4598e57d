//! `INSERT … VALUES`: constants go straight into arrays. A row insert costs no plan, and ten thousand rows cost no
//! ten thousand expressions.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{Expr, Query, SetExpr, UnaryOperator, Value, Values};
use storage_model::Table;

use super::convert::{Collector, Input};
use super::{Source, Targets, count_mismatch, default_text};
use crate::context::PlanContext;
use crate::error::QueryError;
use crate::plan::constant::evaluate;
use crate::session;

/// The rows of a VALUES list; None when the source is another query.
pub(super) fn rows(
    cx: &PlanContext,
    table: &Table,
    targets: &Targets,
    source: &Query,
) -> Result<Option<RecordBatch>, QueryError> {
    let Some(values) = plain_values(source) else { return Ok(None) };
    if values.rows.iter().any(|row| row.content.len() != targets.given) {
        return Err(count_mismatch());
    }
    let mut lazy = Lazy { cx, state: None };
    let mut arrays = Vec::with_capacity(targets.sources.len());
    for (column, source) in table.schema.columns.iter().zip(&targets.sources) {
        let mut collector = Collector::new(column, values.rows.len())?;
        let mut default: Option<Option<String>> = None;
        for row in &values.rows {
            let expr = match source {
                Source::Given(at) => Some(&row.content[*at]),
                Source::Default => None,
            };
            match expr.filter(|expr| !is_default(expr)) {
                Some(expr) => push(&mut collector, expr, &mut lazy)?,
                None => {
                    let text = match &default {
                        Some(text) => text,
                        None => default.insert(default_text(column, &cx.session)?),
                    };
                    collector.push(text.as_deref().map_or(Input::Null, Input::Text))?;
                }
            }
        }
        arrays.push(collector.finish());
    }
    Ok(Some(RecordBatch::try_new(storage_tablet::arrow_schema(&table.schema), arrays)?))
}

fn plain_values(source: &Query) -> Option<&Values> {
    let alone = source.with.is_none() && source.order_by.is_none() && source.limit_clause.is_none();
    match source.body.as_ref() {
        SetExpr::Values(values) if alone && source.fetch.is_none() => Some(values),
        _ => None,
    }
}

/// The keyword DEFAULT.
fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"))
}

/// The planner, taken when a value is more than a literal.
struct Lazy<'a> {
    cx: &'a PlanContext,
    state: Option<Arc<SessionState>>,
}

impl Lazy<'_> {
    fn evaluate(&mut self, expr: &Expr) -> Result<ScalarValue, QueryError> {
        let state = self.state.get_or_insert_with(|| session::planner(1));
        evaluate(self.cx, state, expr)
    }
}

fn push(collector: &mut Collector<'_>, expr: &Expr, lazy: &mut Lazy<'_>) -> Result<(), QueryError> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Null => return collector.push(Input::Null),
            Value::Boolean(value) => return collector.push(Input::Boolean(*value)),
            Value::Number(digits, _) => return collector.push(Input::Number(digits)),
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
                return collector.push(Input::Text(text));
            }
            _ => {}
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            if let Expr::Value(value) = expr.as_ref()
                && let Value::Number(digits, _) = &value.value
            {
                return collector.push(Input::Number(&format!("-{digits}")));
            }
        }
        _ => {}
    }
    push_scalar(collector, &lazy.evaluate(expr)?)
}

fn push_scalar(collector: &mut Collector<'_>, value: &ScalarValue) -> Result<(), QueryError> {
    if let ScalarValue::Boolean(Some(value)) = value {
        return collector.push(Input::Boolean(*value));
    }
    let mut text = Vec::new();
    if !crate::cells::write_cell(value.to_array()?.as_ref(), 0, &mut text) {
        return collector.push(Input::Null);
    }
    let text: Cow<'_, str> = String::from_utf8_lossy(&text);
    let input = if value.data_type().is_numeric() { Input::Number(&text) } else { Input::Text(&text) };
    collector.push(input)
}
