//! The other words for `x op ANY (query)`.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::array_agg;
use datafusion::functions_nested::sort::array_sort_udf;
use datafusion::logical_expr::expr::{Case, Exists, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, cast, lit};

use super::Quantified;
use crate::error::QueryError;
use crate::functions;

/// What the only column of a query is called here. No column of a table begins so.
const MEMBER: &str = "__member";
const MEMBERS: &str = "__members";

/// Which members [`exists`] looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Those that make the comparison true.
    True,
    /// Those that make it NULL.
    Unknown,
    /// Both.
    NotFalse,
}

fn member() -> Expr {
    Expr::Column(Column::new_unqualified(MEMBER))
}

/// The query, with its column under our name; no column that a condition lifts out of it is called so.
fn members(plan: &LogicalPlan) -> Result<LogicalPlanBuilder> {
    if let LogicalPlan::Projection(projection) = plan
        && let [only] = projection.expr.as_slice()
    {
        let only = only.clone().unalias().alias(MEMBER);
        return LogicalPlanBuilder::from(projection.input.as_ref().clone()).project([only]);
    }
    let only = Expr::Column(Column::from(plan.schema().qualified_field(0)));
    LogicalPlanBuilder::from(plan.clone()).project([only.alias(MEMBER)])
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// `x op (query)`.
pub(super) fn comparison(subject: Expr, op: Operator, query: Subquery) -> Expr {
    binary(subject, op, Expr::ScalarSubquery(query))
}

/// EXISTS (SELECT … FROM (query) WHERE x op member).
pub(super) fn exists(found: &Quantified, schema: &DFSchema, kept: Kept) -> Result<Expr> {
    let comparison = binary(seen_from_within(found.subject.clone(), schema)?, found.op, member());
    let condition = match kept {
        Kept::True => comparison,
        Kept::Unknown => Expr::IsNull(Box::new(comparison)),
        Kept::NotFalse => Expr::IsNotFalse(Box::new(comparison)),
    };
    let plan = members(&found.query.subquery)?.filter(condition)?.build()?;
    Ok(Expr::Exists(Exists { subquery: subquery(plan, found), negated: false }))
}

fn subquery(plan: LogicalPlan, found: &Quantified) -> Subquery {
    let outer_ref_columns = plan.all_out_ref_exprs();
    Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: found.query.spans.clone() }
}

fn seen_from_within(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let done = expr.transform_up(|part| match part {
        Expr::Column(column) => {
            let field = Arc::clone(schema.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(done.data)
}

/// True, NULL or false.
pub(super) fn three_answers(is_true: Expr, is_unknown: Expr) -> Expr {
    let unknown = Expr::Literal(ScalarValue::Boolean(None), None);
    let branches = vec![(Box::new(is_true), Box::new(lit(true))), (Box::new(is_unknown), Box::new(unknown))];
    Expr::Case(Case::new(None, branches, Some(Box::new(lit(false)))))
}

/// `any(x, (SELECT the sorted list of members))`: the query runs once, whoever asks how often.
pub(super) fn any_of_list(found: &Quantified) -> Result<Expr> {
    let function = functions::any(found.op).and_then(functions::own);
    let function = function.ok_or_else(|| QueryError::analyzing("not supported: this operator with ANY or ALL"))?;
    let plan = found.query.subquery.as_ref();
    let is_fixed = found.query.outer_ref_columns.is_empty();
    // NULL alone has a type that nothing is compared in.
    let is_untyped = plan.schema().field(0).data_type() == &DataType::Null;
    let typed = |expr| if is_untyped { cast(expr, DataType::Boolean) } else { expr };
    let mut list = members(plan)?;
    if is_fixed {
        list = list.distinct()?;
    }
    let list = list.aggregate(Vec::<Expr>::new(), [array_agg(typed(member())).alias(MEMBERS)])?;
    let sorted = array_sort_udf().call(vec![Expr::Column(Column::new_unqualified(MEMBERS))]);
    let list = list.project([sorted.alias(MEMBERS)])?.build()?;
    let list = Expr::ScalarSubquery(subquery(list, found));
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![typed(found.subject.clone()), list])))
}
