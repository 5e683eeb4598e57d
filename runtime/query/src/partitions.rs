//! ALTER TABLE … DROP PARTITIONS WHERE: the partitions of whose rows a condition is true, told by their bounds and values alone.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::Expr as SqlExpr;
use runtime_sql::QualifiedName;
use storage_model::{Partition, Partitioning, Table};

use crate::context::PlanContext;
use crate::delete::query_of;
use crate::depth::Stack;
use crate::error::QueryError;
use crate::plan::{self, Logical};
use crate::provider::prune;
use crate::provider::stored::StoredTable;
use crate::rewrite::rewrite;
use crate::session;

/// The names of the partitions of which every row, whatever it is, makes the condition true.
///
/// # Errors
/// When the condition does not resolve, or is about other columns than those that the table is partitioned by.
pub fn partitions_where(
    cx: &PlanContext,
    table: &Arc<Table>,
    name: &QualifiedName,
    condition: &SqlExpr,
) -> Result<Vec<String>, QueryError> {
    let stack = Stack::for_condition(cx, condition)?;
    stack.run(|| chosen(cx, table, name, condition))
}

fn chosen(
    cx: &PlanContext,
    table: &Arc<Table>,
    name: &QualifiedName,
    condition: &SqlExpr,
) -> Result<Vec<String>, QueryError> {
    let state = session::planner(cx.parallelism);
    let query = query_of(name, condition)?;
    let Logical { plan, .. } = plan::logical(cx, &state, rewrite(&query, cx)?)?;
    check_columns(table, &plan)?;
    let Some(filters) = filters_of(&state.optimize(&plan)?)? else { return Ok(Vec::new()) };
    let partitions: Vec<&Arc<Partition>> = cx.catalog.partitions_of(table).collect();
    let mut is_chosen = vec![true; partitions.len()];
    for filter in &filters {
        let all = match &table.partitioning {
            Partitioning::List { keys, .. } => {
                let schema = storage_tablet::read_schema(&table.schema);
                let all = prune::list::all_match(state.as_ref(), table, keys, &schema, &partitions, filter)?;
                all.ok_or_else(|| foreign(table, &filter.to_string()))?
            }
            _ => partitions.iter().map(|partition| prune::all_match(table, partition, filter)).collect(),
        };
        is_chosen.iter_mut().zip(all).for_each(|(chosen, all)| *chosen &= all);
    }
    let chosen = partitions.iter().zip(is_chosen).filter(|(_, chosen)| *chosen);
    Ok(chosen.map(|(partition, _)| partition.name.clone()).collect())
}

/// Only partition columns tell what all rows of a partition have.
fn check_columns(table: &Table, plan: &LogicalPlan) -> Result<(), QueryError> {
    let keys = prune::list::key_names(table);
    let mut stranger = None;
    plan.apply(|node| {
        if let LogicalPlan::Filter(filter) = node {
            filter.predicate.apply(|expr| {
                if let Expr::Column(column) = expr
                    && !keys.contains(&column.name)
                {
                    stranger = Some(column.name.clone());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match stranger {
        Some(column) => Err(foreign(table, &format!("Column `{column}`"))),
        None => Ok(()),
    }
}

fn foreign(table: &Table, what: &str) -> QueryError {
    let keys: Vec<String> = prune::list::key_names(table).iter().map(|name| format!("`{name}`")).collect();
    QueryError::analyzing(format!(
        "{what} in the partition condition is not a table's partition expression, please use table's partition expressions: {}.",
        keys.join(",")
    ))
}

/// What the scan of the table is asked to let through; None: nothing can pass.
fn filters_of(plan: &LogicalPlan) -> Result<Option<Vec<Expr>>, QueryError> {
    let (mut filters, mut asked) = (None::<Vec<Expr>>, 0);
    plan.apply(|node| {
        if let LogicalPlan::Filter(filter) = node {
            asked += split_conjunction(&filter.predicate).len();
        }
        if let LogicalPlan::TableScan(scan) = node
            && source_as_provider(&scan.source).is_ok_and(|provider| provider.downcast_ref::<StoredTable>().is_some())
        {
            filters = Some(scan.filters.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    // A condition that did not come down to the scan would be taken for none at all.
    if filters.as_ref().is_some_and(|filters| filters.len() != asked) {
        return Err(QueryError::analyzing("the partition condition is not one that partitions can be told apart by"));
    }
    let unqualified = |filter: Expr| datafusion::logical_expr::expr_rewriter::unnormalize_col(filter);
    Ok(filters.map(|filters| filters.into_iter().map(unqualified).collect()))
}
