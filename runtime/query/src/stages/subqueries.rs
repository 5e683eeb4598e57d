//! Subqueries that are one value for a whole query. The engine runs them first and puts their values in where the plan is
//! run: in one place. A plan that is to be cut has them joined instead, which is the same only if they cannot have more
//! than one row.

use std::sync::Arc;

use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// What of them a plan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subqueries {
    /// None.
    None,
    /// Some, and each has one row or none whatever the data.
    OneRow,
    /// Some that may have more.
    Many,
}

/// Those of a plan.
pub(crate) fn subqueries(plan: &Arc<dyn ExecutionPlan>) -> Subqueries {
    let (mut found, mut plans) = (Subqueries::None, vec![plan]);
    while let Some(plan) = plans.pop() {
        if let Some(apart) = plan.downcast_ref::<ScalarSubqueryExec>() {
            if !apart.subqueries().iter().all(|link| has_one_row(&link.plan)) {
                return Subqueries::Many;
            }
            found = Subqueries::OneRow;
        }
        plans.extend(plan.children());
    }
    found
}

fn has_one_row(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if plan.downcast_ref::<PlaceholderRowExec>().is_some() {
        return true;
    }
    let is_alone = plan.output_partitioning().partition_count() == 1;
    if is_alone && plan.fetch().is_some_and(|most| most <= 1) {
        return true;
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let is_last = matches!(aggregate.mode(), AggregateMode::Final | AggregateMode::Single);
        return is_last && is_alone && aggregate.group_expr().is_true_no_grouping();
    }
    let keeps = matches!(plan.cardinality_effect(), CardinalityEffect::Equal | CardinalityEffect::LowerEqual);
    match plan.children()[..] {
        [child] => keeps && has_one_row(child),
        _ => false,
    }
}
