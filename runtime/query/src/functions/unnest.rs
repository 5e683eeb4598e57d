//! `FROM t, unnest(t.a, t.b) AS u(x, y)`: a row for each element, ARRAYs side by side. The syntax tree says it as
//! `LATERAL (SELECT __unnest(t.a) AS x, __unnest(t.b) AS y) AS u`; here the plan of that becomes what the engine has for it.

use std::collections::HashSet;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, NullHandling, Result, TableReference, UnnestOptions, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias};
use datafusion::optimizer::AnalyzerRule;

use super::typed::{Typed, element_or_null, like_first, list};

/// Its name in syntax trees.
pub(crate) const UNNEST: &str = "__unnest";
/// What the columns with ARRAYs are called until they are spread.
const SPREAD: &str = "__spread";

/// The element of an ARRAY, as far as its type goes: rows are made by the plan.
pub(super) fn elements() -> Typed {
    let accepts = |types: &[arrow::datatypes::DataType]| match types {
        [only] => element_or_null(only).map(|element| vec![list(element)]),
        _ => None,
    };
    let returns = |types: &[arrow::datatypes::DataType]| {
        element_or_null(&like_first(types)).unwrap_or(arrow::datatypes::DataType::Null)
    };
    Typed::new(UNNEST, accepts, returns, |_, _, _| plan_err!("unnest can only stand in FROM"))
}

/// Makes plans of [`UNNEST`] the engine's own.
#[derive(Debug)]
pub(crate) struct Unnesting;

impl AnalyzerRule for Unnesting {
    fn name(&self) -> &str {
        "unnesting"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(node).map(|done| done.data)
    }
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Join(join) => match spread_of(&join.right) {
            Some((alias, spread)) => joined(&join, alias, &spread).map(Transformed::yes),
            None => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        LogicalPlan::Projection(projection) => match arguments(&projection) {
            // One that looks at another table is part of a join, which is met later.
            Some(spread) if !spread.iter().any(|(argument, _)| argument.contains_outer()) => {
                let input = projection.input.as_ref().clone();
                unnested(input, None, &spread, NullHandling::Drop).map(Transformed::yes)
            }
            _ => Ok(Transformed::no(LogicalPlan::Projection(projection))),
        },
        other => Ok(Transformed::no(other)),
    }
}

/// ARRAYs and what their elements are called.
type Spread = Vec<(Expr, String)>;

/// The ARRAYs of a projection that is nothing but [`UNNEST`]s.
fn arguments(projection: &Projection) -> Option<Spread> {
    if !matches!(projection.input.as_ref(), LogicalPlan::EmptyRelation(_)) {
        return None;
    }
    projection.expr.iter().map(argument).collect()
}

fn argument(expr: &Expr) -> Option<(Expr, String)> {
    let Expr::Alias(alias) = expr else { return None };
    match alias.expr.as_ref() {
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == UNNEST => {
            Some((args.first()?.clone(), alias.name.clone()))
        }
        _ => None,
    }
}

/// The right side of a join, when it is ARRAYs of the left one.
fn spread_of(plan: &LogicalPlan) -> Option<(Option<TableReference>, Spread)> {
    match plan {
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => {
            spread_of(input).map(|(_, spread)| (Some(alias.clone()), spread))
        }
        LogicalPlan::Subquery(subquery) => spread_of(&subquery.subquery),
        LogicalPlan::Projection(projection) => arguments(projection).map(|spread| (None, spread)),
        _ => None,
    }
}

fn joined(join: &Join, alias: Option<TableReference>, spread: &Spread) -> Result<LogicalPlan> {
    let null_handling = match join.join_type {
        JoinType::Inner => NullHandling::Drop,
        JoinType::Left => NullHandling::PreserveAndExpandEmpty,
        other => return plan_err!("not supported: a {other} join with unnest"),
    };
    let is_true = |filter: &Expr| matches!(filter, Expr::Literal(value, _) if *value == true.into());
    if !join.on.is_empty() || (join.join_type == JoinType::Left && join.filter.as_ref().is_some_and(|f| !is_true(f))) {
        return plan_err!("not supported: a join with unnest on a condition");
    }
    let plan = unnested(join.left.as_ref().clone(), alias, spread, null_handling)?;
    match &join.filter {
        Some(filter) if !is_true(filter) => LogicalPlanBuilder::from(plan).filter(filter.clone())?.build(),
        _ => Ok(plan),
    }
}

/// The rows of a plan, each once for every element.
fn unnested(
    input: LogicalPlan,
    alias: Option<TableReference>,
    spread: &Spread,
    null_handling: NullHandling,
) -> Result<LogicalPlan> {
    let kept: Vec<Column> = input.schema().columns();
    let taken: HashSet<&str> = kept.iter().map(|column| column.name.as_str()).collect();
    let mut names = Vec::with_capacity(spread.len());
    let mut columns: Vec<Expr> = kept.iter().cloned().map(Expr::Column).collect();
    for (at, (argument, _)) in spread.iter().enumerate() {
        let mut name = format!("{SPREAD}{at}");
        while taken.contains(name.as_str()) {
            name.push('_');
        }
        columns.push(own(argument.clone())?.alias(&name));
        names.push(name);
    }
    for column in columns.iter().skip(kept.len()) {
        if element_or_null(&column.get_type(input.schema())?).is_none() {
            return plan_err!("No matching function with signature: unnest of what is no ARRAY");
        }
    }
    let options = UnnestOptions { null_handling, ..UnnestOptions::default() };
    let spread_columns: Vec<Column> = names.iter().map(Column::from_name).collect();
    let plan = LogicalPlanBuilder::from(input)
        .project(columns)?
        .unnest_columns_with_options(spread_columns, options)?
        .build()?;
    let elements = names
        .iter()
        .zip(spread)
        .map(|(name, (_, called))| Expr::Column(Column::from_name(name)).alias_qualified(alias.clone(), called));
    LogicalPlanBuilder::from(plan).project(kept.into_iter().map(Expr::Column).chain(elements))?.build()
}

/// What looked at the table beside it looks at its own.
fn own(expr: Expr) -> Result<Expr> {
    expr.transform(|part| match part {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    })
    .map(|done| done.data)
}
