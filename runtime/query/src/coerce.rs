//! Values of different kinds in one comparison, as StarRocks and MySQL take them: a boolean is 1 or 0, a number or a text
//! beside a time is read as a time, a text beside a number as a number. What cannot be read is NULL, never an error.
//! Kinds that the engine itself can compare are left to it.

mod constant;
mod nested;
mod unordered;

pub(crate) use constant::{text_truth, time_of_digits};
pub(crate) use unordered::check_expression;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, Case, InList, InSubquery, Like, ScalarFunction, TryCast, WindowFunction,
};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, LogicalPlan, WindowFunctionDefinition, cast, try_cast,
};
use datafusion::optimizer::AnalyzerRule;

use constant::{number, text_constant, time_constant};

use crate::functions::{self, DATETIME, TEXT, TIME, Unnesting, sketches};
use crate::membership::Membership;
use crate::plan::{ResultType, result_type};

const MICROS_A_DAY: i64 = 86_400_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Time,
    Other,
}

fn kind_of(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Null => Kind::Null,
        DataType::Boolean => Kind::Boolean,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        DataType::Date32 | DataType::Timestamp(_, None) => Kind::Time,
        other if other.is_numeric() => Kind::Number,
        _ => Kind::Other,
    }
}

/// What all members of a comparison become.
#[derive(Clone, Copy, Debug)]
enum Target {
    Boolean,
    /// Every number stays what it is; texts are constants that become numbers.
    Number,
    Double,
    Text,
    Date,
    DateTime,
}

/// Gives the members of one comparison kinds that can be compared; the first is the subject. False, and nothing is
/// changed: they are left as they are.
pub(crate) fn unify(members: &mut [&mut Expr], schema: &dyn ExprSchema) -> bool {
    let has_texts = plain_texts(members, schema);
    let mut kinds = Vec::with_capacity(members.len());
    let mut days_only = true;
    for member in members.iter() {
        let Ok(data_type) = member.get_type(schema) else { return has_texts };
        days_only &= !matches!(data_type, DataType::Timestamp(_, _));
        kinds.push(kind_of(&data_type));
    }
    let has = |kind| kinds.contains(&kind);
    let target = match (has(Kind::Time), has(Kind::Boolean), has(Kind::Number), has(Kind::Text)) {
        _ if has(Kind::Other) => return nested::alike(members, schema) || has_texts,
        (true, false, false, false) => return one_kind_of_time(members, schema) || has_texts,
        (true, _, _, _) => {
            let whole_day = |(member, kind): (&&mut Expr, &Kind)| {
                *kind == Kind::Time || time_constant(member).is_some_and(|t| t.is_none_or(|t| t % MICROS_A_DAY == 0))
            };
            let days_only = days_only && members.iter().zip(&kinds).all(whole_day);
            if days_only { Target::Date } else { Target::DateTime }
        }
        (_, true, false, true) => Target::Boolean,
        (_, true, true, false) => Target::Number,
        (_, _, true, true) => {
            let texts = kinds.iter().filter(|kind| **kind == Kind::Text).count();
            let constants = members.iter().zip(&kinds).all(|(member, kind)| *kind != Kind::Text || is_constant(member));
            match kinds[0] {
                Kind::Text if texts > 1 => Target::Text,
                _ if constants => Target::Number,
                _ => Target::Double,
            }
        }
        _ => return has_texts,
    };
    for (member, kind) in members.iter_mut().zip(kinds) {
        let before = std::mem::take(&mut **member);
        **member = convert(before, kind, target);
    }
    true
}

/// Beside a text, JSON is what its text says: `"a"` is `a`. True: some of them are changed.
fn plain_texts(members: &mut [&mut Expr], schema: &dyn ExprSchema) -> bool {
    let types: Vec<Option<DataType>> = members.iter().map(|member| member.get_type(schema).ok()).collect();
    let has = |data_type: &DataType| types.iter().flatten().any(|known| known == data_type);
    if !has(&DataType::Utf8) || !has(&DataType::LargeUtf8) {
        return false;
    }
    for (member, data_type) in members.iter_mut().zip(&types) {
        if data_type == &Some(DataType::LargeUtf8) {
            let before = std::mem::take(&mut **member);
            **member = text_of(before);
        }
    }
    true
}

/// A DATE beside a DATETIME is one; where one of them is a constant, that is for the engine to see.
fn one_kind_of_time(members: &mut [&mut Expr], schema: &dyn ExprSchema) -> bool {
    let is_date = |expr: &Expr| expr.get_type(schema).is_ok_and(|t| t == DataType::Date32);
    let dates: Vec<bool> = members.iter().map(|member| is_date(member)).collect();
    let is_mixed = dates.contains(&true) && dates.contains(&false);
    if !is_mixed || members.iter().any(|member| is_constant(member)) {
        return false;
    }
    for (member, _) in members.iter_mut().zip(dates).filter(|(_, is_date)| *is_date) {
        **member = cast(std::mem::take(&mut **member), DATETIME);
    }
    true
}

fn convert(expr: Expr, kind: Kind, target: Target) -> Expr {
    match (target, kind) {
        (_, Kind::Null) => expr,
        (Target::Boolean, Kind::Text) => match text_constant(&expr) {
            Some(text) => literal(ScalarValue::Boolean(text.as_deref().and_then(text_truth))),
            None => try_cast(expr, DataType::Boolean),
        },
        (Target::Boolean, _) => expr,
        (Target::Number, Kind::Boolean) => cast(expr, DataType::Int64),
        (Target::Number, Kind::Text) => {
            let text = text_constant(&expr).flatten();
            literal(text.and_then(|text| number(text.trim())).unwrap_or(ScalarValue::Float64(None)))
        }
        (Target::Number, _) => expr,
        (Target::Double, Kind::Boolean) => cast(cast(expr, DataType::Int64), DataType::Float64),
        (Target::Double, _) => try_cast(expr, DataType::Float64),
        (Target::Text, Kind::Text) => expr,
        (Target::Text, _) => text_of(expr),
        (Target::Date, Kind::Time) => expr,
        (Target::Date, _) => {
            let days = time_constant(&expr).flatten().and_then(|t| i32::try_from(t.div_euclid(MICROS_A_DAY)).ok());
            literal(ScalarValue::Date32(days))
        }
        (Target::DateTime, Kind::Time) => cast(expr, DATETIME),
        (Target::DateTime, _) => match time_constant(&expr) {
            Some(micros) => literal(ScalarValue::TimestampMicrosecond(micros, None)),
            None => call(TIME, expr),
        },
    }
}

fn literal(value: ScalarValue) -> Expr {
    Expr::Literal(value, None)
}

fn call(name: &str, argument: Expr) -> Expr {
    match functions::own(name) {
        Some(function) => Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![argument])),
        None => argument,
    }
}

/// The text of any value, as clients see it.
fn text_of(expr: Expr) -> Expr {
    call(TEXT, expr)
}

fn is_constant(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(_, _))
}

/// Gives the results of a CASE one kind: beside a text everything is text, beside a number a boolean is one.
fn alternatives(results: &mut [&mut Expr], schema: &dyn ExprSchema) -> bool {
    if nested::alike(results, schema) {
        return true;
    }
    let kind = |expr: &Expr| expr.get_type(schema).map_or(Kind::Other, |t| kind_of(&t));
    let kinds: Vec<Kind> = results.iter().map(|expr| kind(expr)).collect();
    let has = |kind| kinds.contains(&kind);
    let mixed = has(Kind::Boolean) && has(Kind::Number) || has(Kind::Time) && (has(Kind::Number) || has(Kind::Boolean));
    let to_text = has(Kind::Text) || has(Kind::Time);
    if has(Kind::Other) || !(mixed || has(Kind::Text) && kinds.iter().any(|k| !matches!(k, Kind::Text | Kind::Null))) {
        return false;
    }
    for (result, kind) in results.iter_mut().zip(&kinds) {
        let before = std::mem::take(&mut **result);
        **result = match kind {
            Kind::Null => before,
            Kind::Text if to_text => before,
            _ if to_text => text_of(before),
            Kind::Boolean => cast(before, DataType::Int64),
            _ => before,
        };
    }
    true
}

/// Makes comparisons possible inside of one expression, from the leaves up.
pub(crate) fn expression(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|mut part| {
        let changed = comparison(&mut part, schema);
        Ok(if changed { Transformed::yes(part) } else { Transformed::no(part) })
    })
}

fn comparison(part: &mut Expr, schema: &dyn ExprSchema) -> bool {
    match part {
        Expr::InList(InList { expr, list, negated }) => {
            if let Some(other) = nested::among(expr, list, *negated, schema) {
                *part = other;
                return true;
            }
            let mut members = vec![expr.as_mut()];
            members.extend(list.iter_mut());
            unify(&mut members, schema)
        }
        Expr::Between(Between { expr, low, high, .. }) => {
            unify(&mut [expr.as_mut(), low.as_mut(), high.as_mut()], schema)
        }
        Expr::Case(Case { expr, when_then_expr, else_expr }) => {
            let has_operand = expr.is_some();
            let mut results: Vec<&mut Expr> = Vec::new();
            let mut members: Vec<&mut Expr> = Vec::new();
            members.extend(expr.iter_mut().map(|expr| expr.as_mut()));
            for (when, then) in when_then_expr {
                members.push(when.as_mut());
                results.push(then.as_mut());
            }
            results.extend(else_expr.iter_mut().map(|expr| expr.as_mut()));
            let compared = has_operand && unify(&mut members, schema);
            alternatives(&mut results, schema) || compared
        }
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
            let listed = subquery.subquery.schema().fields().first().map(|f| kind_of(f.data_type()));
            let is_boolean = expr.get_type(schema).is_ok_and(|t| t == DataType::Boolean);
            if is_boolean && listed == Some(Kind::Number) {
                let before = std::mem::take(expr.as_mut());
                **expr = cast(before, DataType::Int64);
                return true;
            }
            false
        }
        Expr::ScalarFunction(_) => of_function(part, schema),
        Expr::TryCast(_) => of_cast(part, schema),
        Expr::AggregateFunction(AggregateFunction { func, params }) if params.distinct => {
            let known = how_much(func, &params.args, schema);
            params.distinct = known.is_none();
            known.map(|known| *func = known).is_some()
        }
        Expr::WindowFunction(window) if window.params.distinct => {
            let WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(func), params } = window.as_mut() else {
                return false;
            };
            let known = how_much(func, &params.args, schema);
            params.distinct = known.is_none();
            known.map(|known| *func = known).is_some()
        }
        Expr::Like(Like { expr, .. }) => {
            let is_other =
                expr.get_type(schema).is_ok_and(|t| !matches!(kind_of(&t), Kind::Text | Kind::Null | Kind::Other));
            if is_other {
                let before = std::mem::take(expr.as_mut());
                **expr = text_of(before);
            }
            is_other
        }
        _ => false,
    }
}

/// What the engine would cast otherwise, or not at all: a DECIMAL as a condition, and JSON as a type that holds no other values.
fn of_cast(part: &mut Expr, schema: &dyn ExprSchema) -> bool {
    let Expr::TryCast(TryCast { expr, field }) = part else { return false };
    let Ok(given) = expr.get_type(schema) else { return false };
    if field.data_type() == &DataType::Boolean && given.is_decimal() {
        return functions::truth::condition(expr, &given).map(|condition| *part = condition).is_some();
    }
    let ResultType::Column(target) = result_type(field.data_type()) else { return false };
    if given != DataType::LargeUtf8 || target == storage_model::DataType::Json {
        return false;
    }
    let before = std::mem::take(expr.as_mut());
    let Ok(cast) = functions::cast::cast_to(before, &target) else { return false };
    *part = cast;
    true
}

/// Makes the arguments of a function fit beside each other.
fn of_function(part: &mut Expr, schema: &dyn ExprSchema) -> bool {
    let Expr::ScalarFunction(call) = part else { return false };
    match call.func.name() {
        "coalesce" => alternatives(&mut call.args.iter_mut().collect::<Vec<_>>(), schema),
        "nullif" => {
            nested::alike(&mut call.args.iter_mut().collect::<Vec<_>>(), schema)
                && nested::null_if(&call.args).map(|other| *part = other).is_some()
        }
        _ => nested::arguments(call, schema),
    }
}

/// `count(DISTINCT b)` of a BITMAP or an HLL is how much is in all of them.
fn how_much(function: &AggregateUDF, args: &[Expr], schema: &dyn ExprSchema) -> Option<Arc<AggregateUDF>> {
    let [only] = args else { return None };
    let data_type = only.get_type(schema).ok().filter(|_| function.name() == "count")?;
    let counts = [(sketches::BITMAP, "bitmap_union_count"), (sketches::HLL, "hll_union_agg")];
    let (_, name) = counts.into_iter().find(|(sketch, _)| *sketch == data_type)?;
    functions::own_aggregate(name)
}

/// [`expression`] in every node of a plan, before the engine gives types to what is left.
#[derive(Debug)]
pub(crate) struct Comparisons;

impl AnalyzerRule for Comparisons {
    fn name(&self) -> &str {
        "mysql_comparisons"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(node).map(|done| done.data)
    }
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema: DFSchema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    let names = NamePreserver::new(&plan);
    let done = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let done = expression(expr, &schema)?;
        Ok(if done.transformed { done.update_data(|expr| name.restore(expr)) } else { done })
    })?;
    if done.transformed { done.map_data(LogicalPlan::recompute_schema) } else { Ok(done) }
}

/// The rules that plans are analysed by: ours, then the engine's own, then IN over queries, which needs their types.
pub(crate) fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules = datafusion::optimizer::Analyzer::new().rules;
    rules.insert(0, Arc::new(Unnesting));
    rules.insert(1, Arc::new(Comparisons));
    rules.insert(2, Arc::new(unordered::Unordered));
    rules.push(Arc::new(Membership));
    rules
}
