//! `INSERT … VALUES`: constants go straight into arrays. A row insert costs no plan, and ten thousand rows cost no
//! ten thousand expressions.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::Expr;
use runtime_sql::{RowValue, ValueRows};
use storage_model::{Column, DefaultValue, Table};

use super::convert::{Collector, Input};
use super::{Source, Targets, count_mismatch, default_text};
use crate::context::PlanContext;
use crate::error::QueryError;
use crate::plan::constant::evaluate;
use crate::session;

/// The rows of a VALUES list.
pub(super) fn rows(
    cx: &PlanContext,
    table: &Table,
    targets: &Targets,
    values: &ValueRows,
) -> Result<RecordBatch, QueryError> {
    let columns = &table.schema.columns;
    let mut collectors = Vec::with_capacity(columns.len());
    for column in columns {
        collectors.push(Collector::new(column, values.len())?);
    }
    let mut defaults: Vec<Option<Option<String>>> = vec![None; columns.len()];
    let mut lazy = Lazy { cx, state: None };
    let mut given = Vec::with_capacity(targets.given);
    for row in values.rows() {
        given.clear();
        given.extend(row);
        if given.len() != targets.given {
            return Err(count_mismatch());
        }
        for (at, (collector, source)) in collectors.iter_mut().zip(&targets.sources).enumerate() {
            let value = match source {
                Source::Given(at) => given[*at],
                Source::Default => RowValue::Default,
            };
            let is_number = columns[at].is_auto_increment();
            match value {
                RowValue::Null if is_number => return Err(no_number(&columns[at])),
                RowValue::Null => collector.push(Input::Null)?,
                RowValue::Boolean(value) => collector.push(Input::Boolean(value))?,
                RowValue::Number(text) => collector.push(Input::Number(text))?,
                RowValue::Text(text) => collector.push(Input::Text(text))?,
                RowValue::Expression(expr) => match lazy.evaluate(expr)? {
                    value if is_number && value.is_null() => return Err(no_number(&columns[at])),
                    value => collector.push_scalar(&value)?,
                },
                RowValue::Placeholder(_) => return Err(QueryError::analyzing("a parameter has no value")),
                RowValue::Default
                    if matches!(columns[at].default, Some(DefaultValue::Uuid | DefaultValue::UuidNumeric)) =>
                {
                    let text = default_text(&columns[at], &cx.session)?;
                    collector.push(text.as_deref().map_or(Input::Null, Input::Text))?;
                }
                RowValue::Default => {
                    let text = match &defaults[at] {
                        Some(text) => text,
                        None => defaults[at].insert(default_text(&columns[at], &cx.session)?),
                    };
                    collector.push(text.as_deref().map_or(Input::Null, Input::Text))?;
                }
            }
        }
    }
    let arrays = collectors.into_iter().map(Collector::finish).collect();
    Ok(RecordBatch::try_new(storage_tablet::arrow_schema(&table.schema), arrays)?)
}

fn no_number(column: &Column) -> QueryError {
    QueryError::analyzing(format!(
        " `NULL` value is not supported for an AUTO_INCREMENT column: {} You can use `default` for an AUTO INCREMENT column",
        column.name
    ))
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
