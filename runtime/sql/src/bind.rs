//! Parameters of prepared statements: `?` in a text becomes `$1`, `$2`, ... in the syntax tree, in the order of the text;
//! values are put in as nodes of the tree, never as text.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, UnaryOperator, Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut};

use crate::rows::ValueRows;
use crate::statement::{AssignedValue, InsertSource, Statement};

/// Why values do not fit a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// Too few or too many values.
    #[error("the statement has {expected} parameters, {found} values were given")]
    Count {
        /// Placeholders in the statement.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// The values take more than 4 GiB.
    #[error("the values of the statement are too long")]
    TooLong,
}

/// How many `?` a statement has.
pub fn count_placeholders(statement: &Statement) -> usize {
    let mut highest = Highest(0);
    for part in parts(statement) {
        let _ = match part {
            Part::Query(query) => query.visit(&mut highest),
            Part::Expr(expr) => expr.visit(&mut highest),
        };
    }
    let in_rows = insert_rows(statement).and_then(|rows| rows.placeholders().max()).unwrap_or(0);
    highest.0.max(in_rows as usize)
}

/// Whether a query has any `?`.
pub fn has_placeholders(query: &Query) -> bool {
    let mut highest = Highest(0);
    let _ = query.visit(&mut highest);
    highest.0 > 0
}

/// Puts the values in the place of the `?` of a statement, in the order of the text. A negative number may be given as
/// `Number("-1")`.
pub fn bind(statement: &mut Statement, values: &[Value]) -> Result<(), BindError> {
    let expected = count_placeholders(statement);
    if expected != values.len() {
        return Err(BindError::Count { expected, found: values.len() });
    }
    if expected == 0 {
        return Ok(());
    }
    let mut binder = Binder(values);
    visit_mut(statement, &mut binder)
}

/// The number of a placeholder, from 1.
fn number_of(value: &Value) -> Option<usize> {
    match value {
        Value::Placeholder(name) => name.strip_prefix('$')?.parse().ok(),
        _ => None,
    }
}

struct Highest(usize);

impl Visitor for Highest {
    type Break = ();

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        self.0 = self.0.max(number_of(&value.value).unwrap_or(0));
        ControlFlow::Continue(())
    }
}

struct Binder<'a>(&'a [Value]);

impl Binder<'_> {
    fn value_for(&self, placeholder: &Value) -> Option<&Value> {
        self.0.get(number_of(placeholder)?.checked_sub(1)?)
    }
}

impl VisitorMut for Binder<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        // A negative number is an operation on a positive one, as if it had been written there.
        if let Expr::Value(place) = expr
            && let Some(Value::Number(text, long)) = self.value_for(&place.value)
            && let Some(positive) = text.strip_prefix('-')
        {
            let operand = Box::new(Expr::value(Value::Number(positive.to_owned(), *long)));
            *expr = Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: operand }));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_value(&mut self, place: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Some(value) = self.value_for(&place.value)
            && !matches!(value, Value::Number(text, _) if text.starts_with('-'))
        {
            place.value = value.clone();
        }
        ControlFlow::Continue(())
    }
}

enum Part<'a> {
    Query(&'a Query),
    Expr(&'a Expr),
}

fn insert_rows(statement: &Statement) -> Option<&ValueRows> {
    match statement {
        Statement::Insert(insert) => match &insert.source {
            InsertSource::Values(rows) => Some(rows),
            InsertSource::Query(_) => None,
        },
        Statement::Explain { statement, .. } => insert_rows(statement),
        _ => None,
    }
}

/// Where placeholders can be, besides whole values of INSERT ... VALUES.
fn parts(statement: &Statement) -> Vec<Part<'_>> {
    match statement {
        Statement::Query(query) => vec![Part::Query(query)],
        Statement::CreateTableAs { query, .. } => vec![Part::Query(&query.query)],
        Statement::Explain { statement, .. } => parts(statement),
        Statement::Insert(insert) => match &insert.source {
            InsertSource::Query(query) => vec![Part::Query(query)],
            InsertSource::Values(rows) => rows.expressions().iter().map(Part::Expr).collect(),
        },
        Statement::Delete(delete) => {
            let with = delete.with.iter().map(|query| Part::Query(query));
            with.chain(delete.predicate.iter().map(Part::Expr)).collect()
        }
        Statement::Update(update) => {
            let assigned = update.assignments.iter().filter_map(|(_, value)| match value {
                AssignedValue::Expr(expr) => Some(Part::Expr(expr)),
                AssignedValue::Default => None,
            });
            assigned.chain([Part::Query(&update.source)]).collect()
        }
        Statement::Set(assignments) => {
            let values = assignments.iter().map(|a| &a.value);
            values
                .filter_map(|value| match value {
                    AssignedValue::Expr(expr) => Some(Part::Expr(expr)),
                    AssignedValue::Default => None,
                })
                .collect()
        }
        Statement::Show(show) => {
            let filter = &show.filter;
            filter.predicate.iter().chain(filter.order_by.iter().map(|o| &o.expr)).map(Part::Expr).collect()
        }
        _ => Vec::new(),
    }
}

fn visit_mut(statement: &mut Statement, binder: &mut Binder<'_>) -> Result<(), BindError> {
    match statement {
        Statement::Query(query) => _ = VisitMut::visit(query, binder),
        Statement::CreateTableAs { query, .. } => _ = VisitMut::visit(&mut query.query, binder),
        Statement::Explain { statement, .. } => visit_mut(statement, binder)?,
        Statement::Insert(insert) => match &mut insert.source {
            InsertSource::Query(query) => _ = VisitMut::visit(query, binder),
            InsertSource::Values(rows) => {
                rows.replace_placeholders(binder.0).map_err(|_| BindError::TooLong)?;
                rows.expressions_mut().iter_mut().for_each(|e| _ = VisitMut::visit(e, binder));
            }
        },
        Statement::Delete(delete) => {
            delete.with.iter_mut().for_each(|query| _ = VisitMut::visit(query, binder));
            delete.predicate.iter_mut().for_each(|e| _ = VisitMut::visit(e, binder));
        }
        Statement::Update(update) => {
            for (_, value) in &mut update.assignments {
                if let AssignedValue::Expr(expr) = value {
                    _ = VisitMut::visit(expr, binder);
                }
            }
            _ = VisitMut::visit(&mut update.source, binder);
        }
        Statement::Set(assignments) => {
            for assignment in assignments {
                if let AssignedValue::Expr(expr) = &mut assignment.value {
                    _ = VisitMut::visit(expr, binder);
                }
            }
        }
        Statement::Show(show) => {
            show.filter.predicate.iter_mut().for_each(|e| _ = VisitMut::visit(e, binder));
            show.filter.order_by.iter_mut().for_each(|o| _ = VisitMut::visit(&mut o.expr, binder));
        }
        _ => {}
    }
    Ok(())
}
