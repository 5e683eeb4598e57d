//! Calls that are short for an expression of other calls and operators.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, DataType as SqlType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Value, ValueWithSpan,
};

use super::build;
use crate::functions::{DIFFERENCE, SHIFT, TEXT};

/// Days from the year 0 to 1970, as `to_days` counts them.
const DAYS_TO_1970: i64 = 719_528;

/// Both sides in brackets.
pub(super) fn operation(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::Nested(Box::new(Expr::BinaryOp { left: nested(left), op, right: nested(right) }))
}

/// Every bit the other way round.
pub(super) fn not_bits(expr: Expr) -> Expr {
    operation(expr, BinaryOperator::BitwiseXor, build::integer(-1))
}

/// What a call is.
#[allow(clippy::large_enum_variant, reason = "it lives for one match")]
pub(super) enum Form<Arguments> {
    /// Short for this.
    ShortFor(Expr),
    /// None of these; its arguments back.
    Plain(Arguments),
}

/// The expression that a call of one argument stands for.
pub(super) fn of_one(name: &str, arg: Expr) -> Form<Expr> {
    let epoch = || build::cast(build::text("1970-01-01"), SqlType::Date);
    Form::ShortFor(match name {
        "space" => build::call("repeat", vec![build::text(" "), arg]),
        "sign" => build::call("signum", vec![arg]),
        "char" => build::call("chr", vec![arg]),
        "bitnot" => not_bits(arg),
        "to_days" => {
            operation(build::call("datediff", vec![arg, epoch()]), BinaryOperator::Plus, build::integer(DAYS_TO_1970))
        }
        "from_days" => {
            let days = operation(arg, BinaryOperator::Minus, build::integer(DAYS_TO_1970));
            build::cast(build::call(SHIFT, vec![epoch(), days, build::text("day")]), SqlType::Date)
        }
        "weekday" => {
            let sunday_first = build::call("date_part", vec![build::text("dow"), build::datetime_of(arg)]);
            let monday_first = operation(sunday_first, BinaryOperator::Plus, build::integer(6));
            build::cast(operation(monday_first, BinaryOperator::Modulo, build::integer(7)), SqlType::Int(None))
        }
        "last_day" => last_day_of("month", arg),
        _ => return Form::Plain(arg),
    })
}

/// The last day of the month, quarter or year that a day is in.
fn last_day_of(unit: &str, day: Expr) -> Expr {
    let first = build::call("date_trunc", vec![build::text(unit), build::datetime_of(day)]);
    let next = build::call(SHIFT, vec![first, build::integer(1), build::text(unit)]);
    build::cast(build::call(SHIFT, vec![next, build::integer(-1), build::text("day")]), SqlType::Date)
}

/// The same for two arguments.
pub(super) fn of_two(name: &str, left: Expr, right: Expr) -> Form<(Expr, Expr)> {
    let bits = match name {
        "bitand" => Some(BinaryOperator::BitwiseAnd),
        "bitor" => Some(BinaryOperator::BitwiseOr),
        "bitxor" => Some(BinaryOperator::BitwiseXor),
        _ => None,
    };
    if let Some(op) = bits {
        return Form::ShortFor(operation(left, op, right));
    }
    if let Some(unit) = name.strip_suffix("s_diff")
        && let "year" | "quarter" | "month" | "week" | "day" | "hour" | "minute" | "second" | "millisecond" = unit
    {
        return Form::ShortFor(build::call(DIFFERENCE, vec![build::text(unit), right, left]));
    }
    if name == "last_day"
        && let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(unit), .. }) = &right
        && let unit @ ("month" | "quarter" | "year") = unit.as_str()
    {
        return Form::ShortFor(last_day_of(unit, left));
    }
    Form::Plain((left, right))
}

/// `count(DISTINCT a, b)`: rows in which nothing is NULL, by the texts of their values, each behind its length.
pub(super) fn count_of_several(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    if list.args.len() < 2 || list.duplicate_treatment != Some(DuplicateTreatment::Distinct) {
        return;
    }
    let mut parts = Vec::with_capacity(list.args.len() * 3);
    for arg in std::mem::take(&mut list.args) {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else { continue };
        let text = build::call(TEXT, vec![expr]);
        parts.extend([build::call("octet_length", vec![text.clone()]), build::text(":"), text]);
    }
    list.args = vec![build::argument(build::call("concat", parts))];
}

/// `coalesce(n, 'none')`: beside a text that is no number everything is a text. False: there is none.
pub(super) fn beside_texts(function: &mut Function) -> bool {
    let FunctionArguments::List(list) = &mut function.args else { return false };
    let is_text = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            ..
        }))) => text.parse::<f64>().is_err(),
        _ => false,
    };
    let any = list.args.iter().any(is_text);
    for arg in list.args.iter_mut().filter(|arg| any && !is_text(arg)) {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg {
            let value = build::take(expr);
            *expr = build::call(crate::functions::READ_TEXT, vec![value]);
        }
    }
    any
}

/// `ifnull(b, 0)`: beside a number a boolean is one too.
pub(super) fn beside_numbers(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    let is_number = |arg: &FunctionArg| {
        matches!(
            arg,
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan { value: Value::Number(..), .. })))
        )
    };
    if !list.args.iter().any(is_number) {
        return;
    }
    for arg in &mut list.args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg {
            let value = build::take(expr);
            *expr = build::call(crate::functions::BIT, vec![value]);
        }
    }
}

/// `if(c, a, b)`.
pub(super) fn choice(condition: Expr, yes: Expr, no: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: yes }],
        else_result: Some(Box::new(no)),
    }
}
