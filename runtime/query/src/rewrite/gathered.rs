//! Aggregates that gather values: DISTINCT ones in an order of their own, ARRAYs, and rows of which something is true.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments, Ident, ObjectName,
    OrderByExpr, Value, ValueWithSpan,
};

use super::build;
use super::calls::{take, take_arguments};
use crate::context::{Constant, SessionFacts};
use crate::error::QueryError;
use crate::functions::{DISTINCT_ORDERED, TEXT};

/// A call of another aggregate over the same rows.
pub(super) fn instead(function: &Function, name: &str, args: Vec<Expr>) -> Expr {
    match build::call(name, args) {
        Expr::Function(mut call) => {
            call.filter.clone_from(&function.filter);
            call.over.clone_from(&function.over);
            Expr::Function(call)
        }
        other => other,
    }
}

/// What a call with DISTINCT sorts by, where it does; an aggregate of the engine's sorts by nothing but what it gathers.
pub(super) fn order_of_distinct(function: &Function) -> Option<Vec<OrderByExpr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    let keys = list.clauses.iter().find_map(|clause| match clause {
        FunctionArgumentClause::OrderBy(keys) => Some(keys.clone()),
        _ => None,
    });
    keys.filter(|keys| is_distinct && !keys.is_empty())
}

/// The different values that are not NULL in the order of keys.
pub(super) fn distinct_known(function: &Function, value: Expr, keys: Vec<OrderByExpr>) -> Expr {
    only_known(distinct(function, value.clone(), keys), value)
}

/// An aggregate over the rows in which a value is not NULL.
fn only_known(mut call: Expr, value: Expr) -> Expr {
    let known = Expr::IsNotNull(Box::new(Expr::Nested(Box::new(value))));
    if let Expr::Function(call) = &mut call {
        call.filter = Some(Box::new(match call.filter.take() {
            Some(filter) => {
                let left = Box::new(Expr::Nested(filter));
                Expr::BinaryOp { left, op: BinaryOperator::And, right: Box::new(known) }
            }
            None => known,
        }));
    }
    call
}

/// The different values in the order of keys.
pub(super) fn distinct(function: &Function, value: Expr, keys: Vec<OrderByExpr>) -> Expr {
    let word = |key: &OrderByExpr| {
        let descends = key.options.asc == Some(false);
        let nulls_first = key.options.nulls_first.unwrap_or(!descends);
        format!("{}{}", if descends { 'd' } else { 'a' }, if nulls_first { 'f' } else { 'l' })
    };
    let how = keys.iter().map(word).collect::<Vec<_>>().join(" ");
    let mut args = vec![value, build::text(how)];
    args.extend(keys.into_iter().map(|key| key.expr));
    instead(function, DISTINCT_ORDERED, args)
}

/// The same over those in which a value is not NULL.
pub(super) fn known(function: &Function, name: &str, value: Expr) -> Expr {
    only_known(instead(function, name, vec![value.clone()]), value)
}

/// `array_unique_agg(a)`: the different elements of all ARRAYs.
pub(super) fn unique(function: &Function, array: Expr) -> Expr {
    let all = instead(function, "array_agg", vec![array]);
    build::call("array_distinct", vec![build::call("array_flatten", vec![all])])
}

/// `group_concat([DISTINCT] a [, b …] [ORDER BY …] [SEPARATOR s])` is string_agg over texts.
pub(super) fn group_concat(function: &mut Function, session: &SessionFacts) -> Result<(), QueryError> {
    let mut args = take_arguments(function)?;
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    let mut separator = None;
    list.clauses.retain_mut(|clause| match clause {
        FunctionArgumentClause::Separator(ValueWithSpan { value, .. }) => {
            separator = value.clone().into_string();
            false
        }
        _ => true,
    });
    // In sessions that want it as it was, the second argument of two is the separator when it is a constant text.
    if separator.is_none()
        && is_legacy(session)
        && args.len() == 2
        && let Some(Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. })) = args.last()
    {
        separator = Some(text.clone());
        args.pop();
    }
    let whole = if args.len() == 1 { build::call(TEXT, args) } else { build::call("concat", args) };
    let usual = if is_legacy(session) { ", " } else { "," };
    let separator = build::text(separator.unwrap_or_else(|| usual.to_owned()));
    list.args = vec![build::argument(whole), build::argument(separator)];
    function.name = ObjectName::from(vec![Ident::new("string_agg")]);
    Ok(())
}

/// Whether a session wants it as it was before there was SEPARATOR.
fn is_legacy(session: &SessionFacts) -> bool {
    let mode = session.variables.system("sql_mode", false);
    matches!(mode, Some(Constant::Text(mode)) if mode.to_ascii_uppercase().contains("GROUP_CONCAT_LEGACY"))
}

/// `map_agg(k, v)`: keys and values in ARRAYs beside each other, without those whose key is NULL.
pub(super) fn map_agg(function: &mut Function) -> Result<Expr, QueryError> {
    let [key, value] = take(function)?;
    let known = Expr::IsNotNull(Box::new(key.clone()));
    let known = match function.filter.take() {
        Some(filter) => Expr::BinaryOp { left: filter, op: BinaryOperator::And, right: Box::new(known) },
        None => known,
    };
    let gathered = |what| {
        let Expr::Function(mut call) = build::call("array_agg", vec![what]) else { return build::null() };
        call.filter = Some(Box::new(known.clone()));
        call.over = function.over.clone();
        Expr::Function(call)
    };
    Ok(build::call("map_from_arrays", vec![gathered(key), gathered(value)]))
}
