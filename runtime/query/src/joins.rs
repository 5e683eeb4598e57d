//! The order of inner joins. A statement names its tables in whatever order; here they are joined so that what lies between is
//! small, by what the catalog knows of rows and values. DataFusion itself only chooses which side of a join is built.
//!
//! ```text
//!   a tree of inner joins ── taken apart: relations, conditions ── put together anew, pair by pair: always the two parts
//!   whose join has the fewest rows ── columns in their old order
//! ```
//!
//! Outer, semi and anti joins stay where they are, and so does everything that is not joined by conditions alone; what is below
//! them is looked at by itself. A tree is left alone when a relation is of unknown size, when its parts do not hang together, or
//! when the new order is not clearly better. Plans of equal statements over equal statistics are equal.

mod estimate;
mod tree;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Operator};

use estimate::Estimator;
use tree::{Condition, Graph, Tree};

/// Relations of a tree; more are joined as they were written.
const MOST_RELATIONS: usize = 32;
/// How much of the rows in between has to go for another order.
const WORTH: f64 = 0.8;

/// The optimised plan, its inner joins in a better order if there is one, and optimised again then.
pub(crate) fn in_order(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    if joins_of(&plan)? < 2 {
        return Ok(plan);
    }
    let reordered = reorder(&Estimator::new(state), plan)?;
    match reordered.transformed {
        true => state.optimizer().optimize(reordered.data, state, |_, _| {}),
        false => Ok(reordered.data),
    }
}

fn joins_of(plan: &LogicalPlan) -> Result<usize> {
    let mut joins = 0;
    plan.apply(|node| {
        joins += usize::from(matches!(node, LogicalPlan::Join(_)));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(joins)
}

fn reorder(estimator: &Estimator<'_>, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if !is_inner(&plan) {
        return plan.map_children(|child| reorder(estimator, child));
    }
    let mut parts = Parts::default();
    let old = parts.take_apart(plan.clone());
    if parts.relations.len() > MOST_RELATIONS {
        return plan.map_children(|child| reorder(estimator, child));
    }
    let (relations, mut below) = (std::mem::take(&mut parts.relations), false);
    for relation in relations {
        let relation = reorder(estimator, relation)?;
        below |= relation.transformed;
        parts.relations.push(relation.data);
    }
    match parts.better(estimator, &old)? {
        Some(new) => Ok(Transformed::yes(parts.put_together(&new, &plan)?)),
        None if below => Ok(Transformed::yes(parts.put_together(&old, &plan)?)),
        None => Ok(Transformed::no(plan)),
    }
}

fn is_inner(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join(join) if is_free(join))
}

/// Whether the sides of a join and its conditions may stand anywhere among others of the kind.
fn is_free(join: &Join) -> bool {
    join.join_type == JoinType::Inner
        && join.null_equality == NullEquality::NullEqualsNothing
        && !(join.on.is_empty() && join.filter.is_none())
        && !join.filter.as_ref().is_some_and(Expr::is_volatile)
        && !join.on.iter().any(|(left, right)| left.is_volatile() || right.is_volatile())
}

/// A tree of inner joins, taken apart.
#[derive(Default)]
struct Parts {
    relations: Vec<LogicalPlan>,
    conditions: Vec<Expr>,
}

impl Parts {
    fn take_apart(&mut self, plan: LogicalPlan) -> Tree {
        match plan {
            LogicalPlan::Join(join) if is_free(&join) => {
                let Join { left, right, on, filter, .. } = join;
                let left = self.take_apart(Arc::unwrap_or_clone(left));
                let right = self.take_apart(Arc::unwrap_or_clone(right));
                self.conditions.extend(on.into_iter().map(|(left, right)| left.eq(right)));
                self.conditions.extend(filter.into_iter().flat_map(split_conjunction_owned));
                Tree::of(left, right)
            }
            // What only leaves columns out says so again by itself.
            LogicalPlan::Projection(projection)
                if is_inner(&projection.input) && projection.expr.iter().all(|e| matches!(e, Expr::Column(_))) =>
            {
                self.take_apart(Arc::unwrap_or_clone(projection.input))
            }
            other => {
                self.relations.push(other);
                Tree::Relation(self.relations.len() - 1)
            }
        }
    }

    /// A better order, if there is one.
    fn better(&self, estimator: &Estimator<'_>, old: &Tree) -> Result<Option<Tree>> {
        if !(3..=MOST_RELATIONS).contains(&self.relations.len()) {
            return Ok(None);
        }
        let Some(rows) = self.relations.iter().map(|plan| estimator.rows(plan)).collect::<Option<Vec<f64>>>() else {
            return Ok(None);
        };
        let Some(conditions) = self.conditions(estimator, &rows)? else { return Ok(None) };
        let graph = Graph { rows, conditions };
        let Some(new) = graph.greedy() else { return Ok(None) };
        Ok((graph.cost(&new) < WORTH * graph.cost(old)).then_some(new))
    }

    /// Which relations each condition is about, and which part of all pairs of rows it leaves.
    fn conditions(&self, estimator: &Estimator<'_>, rows: &[f64]) -> Result<Option<Vec<Condition>>> {
        let mut conditions = Vec::with_capacity(self.conditions.len());
        for condition in &self.conditions {
            let Some(relations) = self.relations_of(condition) else { return Ok(None) };
            let selectivity = match condition {
                Expr::BinaryExpr(both) if both.op == Operator::Eq => {
                    let sides = [&both.left, &both.right].map(|side| self.distinct(estimator, rows, side));
                    1.0 / sides[0].max(sides[1]).max(1.0)
                }
                _ => estimate::UNKNOWN,
            };
            conditions.push(Condition { relations, selectivity });
        }
        Ok(Some(conditions))
    }

    /// The set of relations that an expression has columns of; None: of none, or of one that is not there.
    fn relations_of(&self, expr: &Expr) -> Option<u64> {
        let mut set = 0;
        for column in expr.column_refs() {
            set |= 1 << self.relations.iter().position(|plan| plan.schema().has_column(column))?;
        }
        (set != 0).then_some(set)
    }

    /// How many values one side of an equality has, no more than its relation has rows: as many as these if that is unknown.
    fn distinct(&self, estimator: &Estimator<'_>, rows: &[f64], side: &Expr) -> f64 {
        let relation = side
            .column_refs()
            .into_iter()
            .next()
            .and_then(|column| self.relations.iter().position(|plan| plan.schema().has_column(column)));
        let Some(relation) = relation else { return 1.0 };
        let known = estimator.known(&self.relations[relation], side).and_then(|known| known.distinct);
        known.map_or(rows[relation], |distinct| distinct.min(rows[relation]))
    }

    /// The joins of a tree, with the columns of the plan that it was.
    fn put_together(&self, tree: &Tree, old: &LogicalPlan) -> Result<LogicalPlan> {
        let mut left: Vec<Expr> = self.conditions.clone();
        let joined = self.join(tree, &mut left)?;
        let columns = old.schema().iter().map(|field| Expr::Column(Column::from(field)));
        LogicalPlanBuilder::from(joined).project(columns.collect::<Vec<_>>())?.build()
    }

    /// Every condition stands at the lowest join that has all of its columns.
    fn join(&self, tree: &Tree, left: &mut Vec<Expr>) -> Result<LogicalPlan> {
        match tree {
            Tree::Relation(at) => Ok(self.relations[*at].clone()),
            Tree::Join(sides) => {
                let (one, other) = (self.join(&sides.0, left)?, self.join(&sides.1, left)?);
                let set = tree.relations();
                let is_here = |condition: &Expr| self.relations_of(condition).is_none_or(|of| of & !set == 0);
                let (here, later): (Vec<Expr>, Vec<Expr>) = left.drain(..).partition(is_here);
                *left = later;
                LogicalPlanBuilder::from(one).join_on(other, JoinType::Inner, here)?.build()
            }
        }
    }
}
