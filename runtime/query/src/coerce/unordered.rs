//! BITMAP and HLL have no order, no text and no equals: nobody sorts, groups, joins or compares by them, and no function reads
//! them but those that are theirs. Elsewhere they are bytes to the engine, which would do all of that.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ExprSchema, Result, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, Between, InList, WindowFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, ExprSchemable, LogicalPlan, WindowFunctionDefinition};
use datafusion::optimizer::AnalyzerRule;

use crate::functions::sketches::{BITMAP, HLL, is_sketch};
use crate::functions::{self, type_text};

/// Functions of the engine that give back what they are given.
const PASSING: [&str; 12] = [
    "coalesce",
    "nvl",
    "ifnull",
    "nvl2",
    "first_value",
    "last_value",
    "nth_value",
    "lead",
    "lag",
    "count",
    "get_field",
    "unnest",
];

/// See the words of this file.
#[derive(Debug)]
pub(super) struct Unordered;

impl AnalyzerRule for Unordered {
    fn name(&self) -> &str {
        "sketches_have_no_order"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|node| check(node).map(|()| TreeNodeRecursion::Continue))?;
        Ok(plan)
    }
}

/// Whether values of a type are, or hold, what has no order.
fn has_none(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => {
            has_none(inner.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| has_none(field.data_type())),
        DataType::Map(entry, _) => has_none(entry.data_type()),
        other => is_sketch(other),
    }
}

fn refuse<'a>(exprs: impl IntoIterator<Item = &'a Expr>, schema: &dyn ExprSchema, what: &str) -> Result<()> {
    let found = exprs.into_iter().any(|expr| expr.get_type(schema).is_ok_and(|data_type| has_none(&data_type)));
    if found { plan_err!("Type (nested) percentile/hll/bitmap/json not support {what}") } else { Ok(()) }
}

fn check(plan: &LogicalPlan) -> Result<()> {
    let mut schema: DFSchema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    match plan {
        LogicalPlan::Sort(sort) => refuse(sort.expr.iter().map(|sort| &sort.expr), &schema, "order-by")?,
        LogicalPlan::Aggregate(aggregate) => refuse(&aggregate.group_expr, &schema, "group-by")?,
        LogicalPlan::Distinct(Distinct::On(on)) => refuse(&on.on_expr, &schema, "group-by")?,
        LogicalPlan::Distinct(Distinct::All(input))
            if input.schema().fields().iter().any(|field| has_none(field.data_type())) =>
        {
            return plan_err!("Type (nested) percentile/hll/bitmap/json not support group-by");
        }
        LogicalPlan::Join(join) => {
            refuse(join.on.iter().flat_map(|(left, right)| [left, right]), &schema, "join")?;
        }
        _ => {}
    }
    plan.apply_expressions(|expr| check_expression(expr, &schema).map(|()| TreeNodeRecursion::Continue))?;
    Ok(())
}

/// The same for an expression that is in no plan.
pub(crate) fn check_expression(expr: &Expr, schema: &dyn ExprSchema) -> Result<()> {
    expr.apply(|part| checked(part, schema).map(|()| TreeNodeRecursion::Continue)).map(|_| ())
}

fn checked(part: &Expr, schema: &dyn ExprSchema) -> Result<()> {
    let is = |expr: &Expr| expr.get_type(schema).is_ok_and(|data_type| has_none(&data_type));
    match part {
        Expr::BinaryExpr(BinaryExpr { left, right, .. }) if is(left) || is(right) => no_predicate(),
        Expr::InList(InList { expr, list, .. }) if is(expr) || list.iter().any(is) => no_predicate(),
        Expr::Between(Between { expr, .. }) if is(expr) => no_predicate(),
        Expr::Cast(_) | Expr::TryCast(_) => {
            let (from, to) = match part {
                Expr::Cast(cast) => (&cast.expr, cast.field.data_type()),
                Expr::TryCast(cast) => (&cast.expr, cast.field.data_type()),
                _ => return Ok(()),
            };
            let from = from.get_type(schema)?;
            if (has_none(&from) || is_sketch(to)) && &from != to && !from.is_null() {
                return plan_err!("Invalid type cast from {} to {}", type_text(&from), type_text(to));
            }
            Ok(())
        }
        Expr::ScalarFunction(call) => arguments(call.func.name(), &call.args, schema),
        Expr::AggregateFunction(AggregateFunction { func, params }) => arguments(func.name(), &params.args, schema),
        Expr::WindowFunction(window) => of_window(window, schema),
        _ => Ok(()),
    }
}

fn of_window(window: &WindowFunction, schema: &dyn ExprSchema) -> Result<()> {
    refuse(&window.params.partition_by, schema, "partition-by")?;
    refuse(window.params.order_by.iter().map(|sort| &sort.expr), schema, "order-by")?;
    let name = match &window.fun {
        WindowFunctionDefinition::AggregateUDF(function) => function.name(),
        WindowFunctionDefinition::WindowUDF(function) => function.name(),
    };
    arguments(name, &window.params.args, schema)
}

fn no_predicate() -> Result<()> {
    plan_err!("HLL, BITMAP, PERCENTILE and ARRAY, MAP, STRUCT type couldn't as Predicate")
}

fn arguments(name: &str, args: &[Expr], schema: &dyn ExprSchema) -> Result<()> {
    let is_own = functions::own(name).is_some() || functions::own_aggregate(name).is_some();
    if is_own || PASSING.contains(&name) {
        return Ok(());
    }
    let types = args.iter().filter_map(|arg| arg.get_type(schema).ok()).collect::<Vec<_>>();
    if types.iter().any(|data_type| data_type == &BITMAP || data_type == &HLL) {
        let types: Vec<String> = types.iter().map(type_text).collect();
        return plan_err!("No matching function with signature: {name}({})", types.join(", "));
    }
    Ok(())
}
