//! Aggregates that gather values: DISTINCT ones in an order of their own, ARRAYs, and rows of which something is true.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments, OrderByExpr,
};

use super::build;
use crate::functions::DISTINCT_ORDERED;

/// A call of another aggregate over the same rows.
fn instead(function: &Function, name: &str, args: Vec<Expr>) -> Expr {
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
    let known = Expr::IsNotNull(Box::new(Expr::Nested(Box::new(value.clone()))));
    let mut call = distinct(function, value, keys);
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

/// `array_unique_agg(a)`: the different elements of all ARRAYs.
pub(super) fn unique(function: &Function, array: Expr) -> Expr {
    let all = instead(function, "array_agg", vec![array]);
    build::call("array_distinct", vec![build::call("array_flatten", vec![all])])
}
