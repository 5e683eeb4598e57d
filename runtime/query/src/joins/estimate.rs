//! How many rows parts of a plan have, about. What is not understood has none: then nothing is decided by it.

use datafusion::common::{JoinType, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Aggregate, BinaryExpr, Expr, FetchType, LogicalPlan, Operator, SkipType, TableScan};

use crate::provider::known::{Known, axis};
use crate::provider::stored::StoredTable;

/// What a condition leaves of which nothing is known,
pub(super) const UNKNOWN: f64 = 0.25;
/// and one that compares with an unknown number.
const UNKNOWN_RANGE: f64 = 1.0 / 3.0;
/// What an equality leaves when it is unknown how many values there are.
const UNKNOWN_EQUAL: f64 = 0.1;

/// Estimates over what the catalog knows.
pub(super) struct Estimator<'a> {
    state: &'a SessionState,
}

impl<'a> Estimator<'a> {
    pub(super) fn new(state: &'a SessionState) -> Estimator<'a> {
        Estimator { state }
    }

    /// The rows of a plan.
    pub(super) fn rows(&self, plan: &LogicalPlan) -> Option<f64> {
        let rows = match plan {
            LogicalPlan::TableScan(scan) => self.stored(scan, |table| table.rows_left(self.state, &scan.filters))?,
            LogicalPlan::Filter(filter) => {
                let left = self.selectivity(&filter.input, &filter.predicate);
                match filter.input.as_ref() {
                    // The partitions that the same filter leaves may say it better.
                    LogicalPlan::TableScan(scan) => {
                        let all = self.stored(scan, |table| table.rows_left(self.state, &[]))?;
                        self.rows(&filter.input)?.min(all * left)
                    }
                    input => self.rows(input)? * left,
                }
            }
            LogicalPlan::Projection(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Repartition(_) => self.rows(plan.inputs().first()?)?,
            LogicalPlan::Limit(limit) => {
                let rows = self.rows(&limit.input)?;
                match (limit.get_skip_type().ok()?, limit.get_fetch_type().ok()?) {
                    (SkipType::Literal(_), FetchType::Literal(Some(most))) => rows.min(most as f64),
                    _ => rows,
                }
            }
            LogicalPlan::Aggregate(aggregate) => self.groups(aggregate)?,
            LogicalPlan::Union(union) => union.inputs.iter().map(|input| self.rows(input)).sum::<Option<f64>>()?,
            LogicalPlan::Join(join) => {
                let (left, right) = (self.rows(&join.left)?, self.rows(&join.right)?);
                match join.join_type {
                    JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark | JoinType::Left => left,
                    JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark | JoinType::Right => right,
                    JoinType::Inner | JoinType::Full if join.on.is_empty() => left * right,
                    JoinType::Inner | JoinType::Full => left.max(right),
                }
            }
            LogicalPlan::Values(values) => values.values.len() as f64,
            LogicalPlan::EmptyRelation(empty) => f64::from(u8::from(empty.produce_one_row)),
            _ => return None,
        };
        Some(rows.max(1.0))
    }

    fn stored<T>(&self, scan: &TableScan, ask: impl FnOnce(&StoredTable) -> T) -> Option<T> {
        let provider = source_as_provider(&scan.source).ok()?;
        provider.downcast_ref::<StoredTable>().map(ask)
    }

    /// As many groups as there are combinations of values, and no more than rows.
    fn groups(&self, aggregate: &Aggregate) -> Option<f64> {
        let rows = self.rows(&aggregate.input)?;
        let distinct = |expr: &Expr| self.known(&aggregate.input, expr).and_then(|known| known.distinct);
        let all = aggregate.group_expr.iter().map(distinct).product::<Option<f64>>();
        Some(all.map_or(rows, |all| all.min(rows)))
    }

    /// What is known of the values of an expression over a plan: something only if it is a column of a stored table.
    pub(super) fn known(&self, plan: &LogicalPlan, expr: &Expr) -> Option<Known> {
        let Expr::Column(column) = without_casts(expr) else { return None };
        self.known_at(plan, plan.schema().maybe_index_of_column(column)?)
    }

    /// The same of the column at a position.
    fn known_at(&self, plan: &LogicalPlan, at: usize) -> Option<Known> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let position = scan.projection.as_ref().map_or(Some(at), |columns| columns.get(at).copied())?;
                self.stored(scan, |table| table.known(position))?
            }
            LogicalPlan::Projection(projection) => self.known(&projection.input, projection.expr.get(at)?),
            LogicalPlan::Aggregate(aggregate) => self.known(&aggregate.input, aggregate.group_expr.get(at)?),
            LogicalPlan::Join(join) => {
                let left = join.left.schema().fields().len();
                match join.join_type {
                    JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => self.known_at(&join.right, at),
                    _ if at < left => self.known_at(&join.left, at),
                    _ => self.known_at(&join.right, at - left),
                }
            }
            LogicalPlan::Filter(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Distinct(_) => {
                let input = *plan.inputs().first()?;
                (at < input.schema().fields().len()).then(|| self.known_at(input, at)).flatten()
            }
            _ => None,
        }
    }

    /// Which part of the rows of a plan a condition leaves.
    pub(super) fn selectivity(&self, plan: &LogicalPlan, condition: &Expr) -> f64 {
        let part = |inner: &Expr| self.selectivity(plan, inner);
        let known = |inner: &Expr| self.known(plan, inner);
        let part = match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => part(left) * part(right),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                1.0 - (1.0 - part(left)) * (1.0 - part(right))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (literal(left), literal(right)) {
                (None, Some(value)) => compared(known(left), *op, value),
                (Some(value), None) => op.swap().map_or(UNKNOWN, |op| compared(known(right), op, value)),
                _ => UNKNOWN,
            },
            Expr::Between(between) => {
                let inside = match (literal(&between.low), literal(&between.high)) {
                    (Some(low), Some(high)) => {
                        let known = known(&between.expr);
                        let below = compared(known, Operator::Lt, low);
                        (compared(known, Operator::LtEq, high) - below).max(equal(known))
                    }
                    _ => UNKNOWN,
                };
                if between.negated { 1.0 - inside } else { inside }
            }
            Expr::InList(list) => {
                let inside = (equal(known(&list.expr)) * list.list.len() as f64).min(1.0);
                if list.negated { 1.0 - inside } else { inside }
            }
            Expr::Not(inner) => 1.0 - part(inner),
            Expr::IsNull(inner) => known(inner).map_or(UNKNOWN_EQUAL, |known| known.nulls),
            Expr::IsNotNull(inner) => known(inner).map_or(1.0, |known| 1.0 - known.nulls),
            Expr::Literal(ScalarValue::Boolean(value), _) => f64::from(u8::from(*value == Some(true))),
            _ => UNKNOWN,
        };
        part.clamp(0.0, 1.0)
    }
}

fn without_casts(mut expr: &Expr) -> &Expr {
    loop {
        expr = match expr {
            Expr::Cast(cast) => &cast.expr,
            Expr::TryCast(cast) => &cast.expr,
            Expr::Alias(alias) => &alias.expr,
            other => return other,
        };
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match without_casts(expr) {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

fn equal(known: Option<Known>) -> f64 {
    known.and_then(|known| known.distinct).map_or(UNKNOWN_EQUAL, |distinct| 1.0 / distinct.max(1.0))
}

/// What a comparison of a column with a constant leaves.
fn compared(known: Option<Known>, op: Operator, value: &ScalarValue) -> f64 {
    let range = || known.and_then(|known| known.range).zip(axis(value));
    match op {
        Operator::Eq => match range() {
            Some(((least, most), at)) if at < least || at > most => 0.0,
            _ => equal(known),
        },
        Operator::NotEq => 1.0 - equal(known),
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => {
            let Some(((least, most), at)) = range() else { return UNKNOWN_RANGE };
            let below = if most > least { ((at - least) / (most - least)).clamp(0.0, 1.0) } else { 0.5 };
            if matches!(op, Operator::Lt | Operator::LtEq) { below } else { 1.0 - below }
        }
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_leave_their_part_of_the_range() {
        let known = Some(Known { distinct: Some(50.0), nulls: 0.0, range: Some((0.0, 100.0)) });
        let value = |at: i64| ScalarValue::Int64(Some(at));
        assert_eq!(compared(known, Operator::Lt, &value(25)), 0.25);
        assert_eq!(compared(known, Operator::GtEq, &value(25)), 0.75);
        assert_eq!(compared(known, Operator::Gt, &value(500)), 0.0);
        assert_eq!(compared(known, Operator::Eq, &value(7)), 0.02);
        assert_eq!(compared(known, Operator::Eq, &value(101)), 0.0);
        assert_eq!(compared(None, Operator::Lt, &value(7)), UNKNOWN_RANGE);
    }
}
