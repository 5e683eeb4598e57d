//! `INSERT … VALUES`: constants go straight into arrays. A row insert costs no plan, and ten thousand rows cost no
//! ten thousand expressions.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::Expr;
use runtime_sql::{RowValue, ValueRows};
use storage_model::Table;

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
            match value {
                RowValue::Null => collector.push(Input::Null)?,
                RowValue::Boolean(value) => collector.push(Input::Boolean(value))?,
                RowValue::Number(text) => collector.push(Input::Number(text))?,
                RowValue::Text(text) => collector.push(Input::Text(text))?,
                RowValue::Expression(expr) => collector.push_scalar(&lazy.evaluate(expr)?)?,
                RowValue::Placeholder(_) => return Err(QueryError::analyzing("a parameter has no value")),
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
