//! Clauses that the planner would pass over in silence: done here, or refused. A result that leaves out what was asked
//! for is worse than none.

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, GroupByWithModifier, LimitClause, Select, TableFactor, Value, ValueWithSpan,
};

use super::build;
use crate::error::QueryError;

fn unsupported(what: &str) -> Result<(), QueryError> {
    Err(QueryError::analyzing(format!("{what} is not supported yet")))
}

/// What stands behind the name of a table.
pub(super) fn table(factor: &TableFactor) -> Result<(), QueryError> {
    let TableFactor::Table { with_hints, version, partitions, sample, .. } = factor else { return Ok(()) };
    if !partitions.is_empty() {
        return unsupported("PARTITION behind the alias of a table");
    }
    if sample.is_some() {
        return unsupported("TABLESAMPLE");
    }
    if version.is_some() {
        return unsupported("reading another version of a table");
    }
    if with_hints.is_empty() { Ok(()) } else { unsupported("WITH (...) behind a table") }
}

/// `GROUP BY a, b WITH ROLLUP` is `GROUP BY ROLLUP(a, b)`.
pub(super) fn group_by(select: &mut Select) -> Result<(), QueryError> {
    let (expressions, modifiers) = match &mut select.group_by {
        GroupByExpr::Expressions(expressions, modifiers) => (expressions, modifiers),
        GroupByExpr::All(modifiers) if modifiers.is_empty() => return Ok(()),
        GroupByExpr::All(_) => return unsupported("a modifier of GROUP BY ALL"),
    };
    let columns = |expressions: &mut Vec<Expr>| std::mem::take(expressions).into_iter().map(|e| vec![e]).collect();
    match modifiers.as_slice() {
        [] => return Ok(()),
        [GroupByWithModifier::Rollup] => *expressions = vec![Expr::Rollup(columns(expressions))],
        [GroupByWithModifier::Cube] => *expressions = vec![Expr::Cube(columns(expressions))],
        _ => return unsupported("this modifier of GROUP BY"),
    }
    modifiers.clear();
    Ok(())
}

/// A limit that no result reaches is none: a plan carries 32 bits of it.
pub(super) fn unbounded_limit(clause: &mut Option<LimitClause>) {
    let huge = |expr: &Expr| match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => {
            number.parse::<u128>().is_ok_and(|n| n >= u128::from(u32::MAX))
        }
        _ => false,
    };
    match clause {
        Some(LimitClause::LimitOffset { limit, .. }) if limit.as_ref().is_some_and(huge) => *limit = None,
        Some(LimitClause::OffsetCommaLimit { offset, limit }) if huge(limit) => {
            let offset = std::mem::replace(offset, build::null());
            *clause = Some(build::offset_only(offset));
        }
        _ => {}
    }
}
