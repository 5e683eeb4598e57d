//! Functions that take functions: `array_map(x -> x + 1, a)`, in whatever order function and ARRAYs stand. A function of
//! several ARRAYs is one of an ARRAY of pairs.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, LambdaFunction, LambdaFunctionParameter, OneOrManyWithParens, VisitMut, VisitorMut,
};

use super::{build, conditions};
use crate::error::QueryError;

/// What a pair is called within a function of several ARRAYs.
const PAIR: &str = "__pair";

/// Whether a call has a function among its arguments.
pub(super) fn has_lambda(args: &[Expr]) -> bool {
    args.iter().any(|arg| matches!(arg, Expr::Lambda(_)))
}

/// The call that stands for one with a function among its arguments.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Result<Expr, QueryError> {
    let mut lambda = None;
    let mut arrays = Vec::with_capacity(args.len());
    for arg in args {
        match arg {
            Expr::Lambda(function) if lambda.is_none() => lambda = Some(function),
            other => arrays.push(other),
        }
    }
    let unknown = || QueryError::analyzing(format!("No matching function with signature: {name} of a lambda function"));
    let (Some(lambda), Some(first)) = (lambda, arrays.first().cloned()) else { return Err(unknown()) };
    let count = lambda.params.len();
    if count != arrays.len() {
        return Err(QueryError::analyzing(format!(
            "Lambda arguments should equal to lambda input arrays: {count} and {}",
            arrays.len()
        )));
    }
    let is_condition = matches!(name, "array_filter" | "any_match" | "all_match");
    let mapped = mapped(lambda, arrays, is_condition);
    Ok(match name {
        "array_map" | "transform" => mapped,
        "array_filter" | "filter" => build::call("__array_filter", vec![first, mapped]),
        "any_match" | "all_match" => build::call(name, vec![mapped]),
        "array_sortby" => build::call("array_sortby", vec![first, mapped]),
        _ => return Err(unknown()),
    })
}

/// What a function gives for the elements of ARRAYs.
fn mapped(lambda: LambdaFunction, mut arrays: Vec<Expr>, is_condition: bool) -> Expr {
    let LambdaFunction { params, mut body, syntax } = lambda;
    if is_condition {
        conditions::wrap(&mut body);
    }
    let names: Vec<String> = params.iter().map(|param| param.name.value.clone()).collect();
    let array = match arrays.len() {
        1 => arrays.remove(0),
        _ => {
            let _ = body.visit(&mut Pairs { names: &names });
            build::call("__zip", arrays)
        }
    };
    let name = match names.as_slice() {
        [only] => Ident::new(only.clone()),
        _ => Ident::new(PAIR),
    };
    let params = OneOrManyWithParens::One(LambdaFunctionParameter { name, data_type: None });
    build::call("array_transform", vec![array, Expr::Lambda(LambdaFunction { params, body, syntax })])
}

/// Puts members of a pair in the place of parameters.
struct Pairs<'a> {
    names: &'a [String],
}

impl VisitorMut for Pairs<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && let Some(at) = self.names.iter().position(|name| *name == ident.value)
        {
            let pair = Expr::Identifier(Ident::new(PAIR));
            *expr = build::call("get_field", vec![pair, build::text(format!("c{at}"))]);
        }
        ControlFlow::Continue(())
    }
}
