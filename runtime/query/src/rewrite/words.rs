//! Functions on texts take numbers and times too: `length(123)` is 3.

use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use super::build;
use crate::functions::{PAD_LENGTH, READ_TEXT};

/// Which arguments of a function are texts.
fn is_text(name: &str, at: usize) -> bool {
    match name {
        "octet_length" | "character_length" | "lower" | "upper" | "reverse" | "ltrim" | "rtrim" | "btrim" | "ascii"
        | "initcap" | "replace" | "strpos" | "instr" | "starts_with" | "ends_with" | "string_to_array"
        | "levenshtein" => true,
        "substr" | "left" | "right" | "repeat" => at == 0,
        "lpad" | "rpad" => at != 1,
        "split_part" => at < 2,
        _ => false,
    }
}

/// Texts stay what they are, which is known once their types are.
pub(super) fn read_arguments(name: &str, function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    if matches!(name, "lpad" | "rpad")
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(length))) = list.args.get_mut(1)
    {
        *length = build::call(PAD_LENGTH, vec![build::take(length)]);
    }
    for (_, arg) in list.args.iter_mut().enumerate().filter(|(at, _)| is_text(name, *at)) {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg {
            let is_constant = matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
            if !is_constant {
                let value = build::take(expr);
                *expr = build::call(READ_TEXT, vec![value]);
            }
        }
    }
}
