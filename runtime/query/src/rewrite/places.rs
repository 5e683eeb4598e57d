//! Places in texts; and NULL among the arguments of `greatest` and `least`.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
};

use super::build;
use super::forms::{choice, operation};

/// `locate(part, whole, from)`: where `part` stands at or behind this place; 0 if nowhere.
pub(super) fn locate_from(part: Expr, whole: Expr, from: Expr) -> Expr {
    let zero = || build::integer(0);
    let rest = build::call("substr", vec![whole, from.clone()]);
    let found = build::call("strpos", vec![rest, part]);
    let skipped = operation(from.clone(), BinaryOperator::Minus, build::integer(1));
    let place = operation(found.clone(), BinaryOperator::Plus, skipped);
    let place = choice(operation(found, BinaryOperator::Eq, zero()), zero(), place);
    choice(operation(from, BinaryOperator::LtEq, zero()), zero(), place)
}

/// The call, and NULL where one of its arguments is.
pub(super) fn unless_null(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let is_null = list.args.iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(Expr::IsNull(Box::new(expr.clone()))),
        _ => None,
    });
    let any = is_null.reduce(|left, right| operation(left, BinaryOperator::Or, right))?;
    Some(choice(any, build::null(), Expr::Function(function.clone())))
}
