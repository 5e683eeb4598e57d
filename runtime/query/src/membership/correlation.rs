//! What a query takes from the row outside of it, and whether the engine can make a join of that without changing what it
//! means. It lifts the conditions that name columns outside up to the join: past a LIMIT, a window or a count of all rows
//! they would pick other rows than those that were counted.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::utils::{merge_schema, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Cast, Distinct, Expr, JoinType, LogicalPlan, Operator, Subquery};

/// The columns of rows outside of it that a query reads, itself or in queries within it.
pub(super) fn columns_outside(plan: &LogicalPlan) -> Result<BTreeSet<Column>> {
    let mut outside = BTreeSet::new();
    plan.apply(|node| {
        let own = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::OuterReferenceColumn(_, column) = part {
                    outside.insert(column.clone());
                }
                if let Some(query) = query_of(part) {
                    let further = columns_outside(&query.subquery)?;
                    outside.extend(further.into_iter().filter(|column| !own.has_column(column)));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(outside)
}

fn query_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. })
        | Expr::ScalarSubquery(subquery) => Some(subquery),
        _ => None,
    }
}

/// Whether a query gives the same rows each time it is asked.
pub(super) fn is_steady(plan: &LogicalPlan) -> Result<bool> {
    let mut steady = true;
    plan.apply_with_subqueries(|node| {
        steady &= !matches!(node, LogicalPlan::Limit(_) | LogicalPlan::Distinct(Distinct::On(_)));
        node.apply_expressions(|expr| {
            steady &= !expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(steady)
}

/// Whether a query is an aggregate over all its rows, and so gives exactly one row, and is joined by equality alone.
pub(super) fn is_whole_aggregate(plan: &LogicalPlan) -> Result<bool> {
    match plan {
        LogicalPlan::Projection(projection) => Ok(!reads_outside(plan)? && is_whole_aggregate(&projection.input)?),
        LogicalPlan::SubqueryAlias(alias) => is_whole_aggregate(&alias.input),
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
            Ok(!reads_outside(plan)? && pulls_up(&aggregate.input, true)?)
        }
        _ => Ok(false),
    }
}

/// Whether the conditions of a query that name columns outside can be lifted out of it. `grouped`: past an aggregate, which
/// is then made for each value of the columns in them.
pub(super) fn pulls_up(plan: &LogicalPlan, grouped: bool) -> Result<bool> {
    if columns_outside(plan)?.is_empty() {
        return Ok(true);
    }
    match plan {
        LogicalPlan::Filter(filter) => {
            for condition in split_conjunction(&filter.predicate) {
                if queries_read_outside(condition, plan)?
                    || grouped && condition.contains_outer() && !is_equality(condition, &filter.input)?
                {
                    return Ok(false);
                }
            }
            pulls_up(&filter.input, grouped)
        }
        LogicalPlan::Distinct(Distinct::All(input)) => pulls_up(input, grouped),
        _ if reads_outside(plan)? => Ok(false),
        LogicalPlan::Projection(projection) => pulls_up(&projection.input, grouped),
        LogicalPlan::Aggregate(aggregate) if !aggregate.group_expr.is_empty() => {
            pulls_up(&aggregate.input, grouped || !aggregate.aggr_expr.is_empty())
        }
        LogicalPlan::Join(join) if matches!(join.join_type, JoinType::Inner | JoinType::Left) => {
            let right_is_fixed = columns_outside(&join.right)?.is_empty();
            // The engine would let go of a LIMIT there.
            let right_is_steady = right_is_fixed && is_steady(&join.right)?;
            let left_is_fixed = columns_outside(&join.left)?.is_empty();
            let right = right_is_steady || join.join_type == JoinType::Inner && left_is_fixed;
            Ok(right && pulls_up(&join.left, grouped)? && pulls_up(&join.right, grouped)?)
        }
        _ => Ok(false),
    }
}

/// Whether the expressions of this very node name columns outside, or queries in them do.
fn reads_outside(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.contains_outer() || queries_read_outside(expr, plan)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Whether a query within an expression of a node names columns outside of the node.
fn queries_read_outside(expr: &Expr, node: &LogicalPlan) -> Result<bool> {
    let own = merge_schema(&node.inputs());
    let mut found = false;
    expr.apply(|part| {
        if let Some(query) = query_of(part) {
            found |= columns_outside(&query.subquery)?.iter().any(|column| !own.has_column(column));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// `column = something outside`, where rows that are equal so have one value in the column.
fn is_equality(condition: &Expr, input: &LogicalPlan) -> Result<bool> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return Ok(false) };
    let one = |own: &Expr, other: &Expr| -> Result<bool> { Ok(keeps_values(own, input)? && !other.any_column_refs()) };
    Ok(one(left, right)? || one(right, left)?)
}

/// A column, or a column of whole numbers in a wider type.
fn keeps_values(expr: &Expr, input: &LogicalPlan) -> Result<bool> {
    match expr {
        Expr::Column(_) => Ok(true),
        Expr::Cast(Cast { expr: inner, field }) if matches!(inner.as_ref(), Expr::Column(_)) => {
            let (from, to) = (inner.get_type(input.schema())?, field.data_type());
            let is_wider = from.primitive_width() <= to.primitive_width();
            Ok(from.is_signed_integer() && to.is_signed_integer() && is_wider)
        }
        _ => Ok(false),
    }
}
