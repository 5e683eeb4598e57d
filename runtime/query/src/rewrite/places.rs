//! Places in texts; and NULL among the arguments of `greatest` and `least`.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
};

use super::build;
use super::forms::{choice, operation};
use super::short::check_repeated;
use crate::error::QueryError;

/// `locate(part, whole, from)`: where `part` stands at or behind this place; 0 if nowhere.
pub(super) fn locate_from(part: Expr, whole: Expr, from: Expr) -> Result<Expr, QueryError> {
    check_repeated("locate", &[&part, &whole, &from])?;
    let (zero, one) = (|| build::integer(0), || build::integer(1));
    let rest = build::call("substr", vec![whole.clone(), from.clone()]);
    let found = build::call("strpos", vec![rest, part.clone()]);
    let skipped = operation(from.clone(), BinaryOperator::Minus, one());
    let place = operation(found.clone(), BinaryOperator::Plus, skipped);
    let place = choice(operation(found, BinaryOperator::Eq, zero()), zero(), place);
    // Even nothing stands nowhere outside.
    let end = operation(build::call("char_length", vec![whole.clone()]), BinaryOperator::Plus, one());
    let before = operation(from.clone(), BinaryOperator::LtEq, zero());
    let outside = operation(before, BinaryOperator::Or, operation(from, BinaryOperator::Gt, end));
    let is_null = |expr| Expr::IsNull(Box::new(expr));
    let unknown = operation(is_null(part), BinaryOperator::Or, is_null(whole));
    Ok(choice(unknown, build::null(), choice(outside, zero(), place)))
}

/// The call, and NULL where one of its arguments is.
pub(super) fn unless_null(name: &str, function: &Function) -> Result<Option<Expr>, QueryError> {
    let FunctionArguments::List(list) = &function.args else { return Ok(None) };
    let arguments = list.args.iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    let arguments: Vec<&Expr> = arguments.collect();
    check_repeated(name, &arguments)?;
    let is_null = arguments.into_iter().map(|expr| Expr::IsNull(Box::new(expr.clone())));
    let any = is_null.reduce(|left, right| operation(left, BinaryOperator::Or, right));
    Ok(any.map(|any| choice(any, build::null(), Expr::Function(function.clone()))))
}
