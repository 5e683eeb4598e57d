//! Calls that MySQL spells differently: renamed functions, special forms, interval arithmetic.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType as SqlType, DateTimeField, DuplicateTreatment, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, OrderByExpr, OrderByOptions, Value,
    ValueWithSpan,
};

use super::forms::Form;
use super::{build, bytes, conditions, forms, gathered, lambdas, places, short, words};
use crate::context::SessionFacts;
use crate::error::QueryError;
use crate::functions::{DIFFERENCE, EPOCH, FROM_EPOCH, NUMBER, READ_TIME, SHIFT, SLICE, TEXT, WEEK, WORDS};

/// The name of a function without a schema, in lower case.
pub(super) fn plain_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident.value.to_ascii_lowercase()),
        _ => None,
    }
}

/// How many arguments a call has.
pub(super) fn argument_count(function: &Function) -> usize {
    match &function.args {
        FunctionArguments::List(list) => list.args.len(),
        FunctionArguments::None => 0,
        FunctionArguments::Subquery(_) => 1,
    }
}

/// The arguments out of a call that takes plain expressions.
pub(super) fn take_arguments(function: &mut Function) -> Result<Vec<Expr>, QueryError> {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(Vec::new()) };
    let plain = |arg: FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        other => Err(QueryError::analyzing(format!("unexpected argument '{other}'"))),
    };
    std::mem::take(&mut list.args).into_iter().map(plain).collect()
}

/// Functions that have another name here.
fn other_name(name: &str, arguments: usize) -> Option<&'static str> {
    Some(match name {
        "length" => "octet_length",
        "lcase" => "lower",
        "ucase" => "upper",
        "rand" | "random" => "random",
        "mid" | "substring" => "substr",
        "truncate" => "trunc",
        "ceiling" => "ceil",
        "any_value" => "first_value",
        "std" | "stddev" | "stddev_pop" => "stddev_pop",
        "variance" => "var_pop",
        "variance_samp" => "var_samp",
        "strleft" => "left",
        "strright" => "right",
        "char_length" => "character_length",
        "dlog10" => "log10",
        "split" => "string_to_array",
        "boolor_agg" => "bool_or",
        "booland_agg" | "every" => "bool_and",
        "struct" => "row",
        "map" => "__map",
        "json_to_string" => "json_string",
        "log" if arguments == 1 => "ln",
        "dlog1" => "ln",
        "dexp" => "exp",
        "dsqrt" => "sqrt",
        "dpow" | "fpow" => "power",
        "dround" => "round",
        "dceil" => "ceil",
        "dfloor" => "floor",
        "ifnull" | "nvl" => "coalesce",
        "adddate" => "date_add",
        "subdate" => "date_sub",
        "grouping_id" => "grouping",
        _ => return None,
    })
}

/// The expression that a call stands for, when DataFusion would not know it.
pub(super) fn rewrite(name: &str, function: &mut Function, session: &SessionFacts) -> Result<Option<Expr>, QueryError> {
    let arguments = argument_count(function);
    let name = match other_name(name, arguments) {
        Some(other) => {
            function.name = ObjectName::from(vec![Ident::new(other)]);
            other
        }
        None => name,
    };
    words::read_arguments(name, function);
    bytes::keep_arguments(name, function);
    if let Some(other) = short::of(name, function, session.zone().name())? {
        return Ok(Some(other));
    }
    match (name, arguments) {
        ("random", 1) => drop(take_arguments(function)?),
        ("if", 3) => {
            let [mut condition, yes, no] = take(function)?;
            conditions::wrap(&mut condition);
            return Ok(Some(forms::choice(condition, yes, no)));
        }
        ("count", 2..) => forms::count_of_several(function),
        ("coalesce", _) => {
            if !forms::beside_texts(function) {
                forms::beside_numbers(function);
            }
        }
        ("nullif", _) => forms::beside_numbers(function),
        ("greatest" | "least", _) => {
            forms::beside_numbers(function);
            return places::unless_null(name, function);
        }
        ("isnull", 1) => {
            let [value] = take(function)?;
            return Ok(Some(Expr::IsNull(Box::new(value))));
        }
        ("mod", 2) => {
            let [left, right] = take(function)?;
            let (left, right) = (Box::new(Expr::Nested(Box::new(left))), Box::new(Expr::Nested(Box::new(right))));
            return Ok(Some(Expr::BinaryOp { left, op: BinaryOperator::Modulo, right }));
        }
        ("locate", 2) => {
            let [part, whole] = take(function)?;
            return Ok(Some(build::call("strpos", vec![whole, part])));
        }
        ("locate", 3) => {
            let [part, whole, from] = take(function)?;
            return places::locate_from(part, whole, from).map(Some);
        }
        ("multi_distinct_count" | "multi_distinct_sum", 1) => {
            function.name = ObjectName::from(vec![Ident::new(name.trim_start_matches("multi_distinct_"))]);
            if let FunctionArguments::List(list) = &mut function.args {
                list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
            }
        }
        ("percentile_approx", 2 | 3) => return percentile(name, "approx_percentile_cont", function),
        ("percentile_approx_weighted" | "percentile_approx_weight", 3 | 4) => return weighted_percentile(function),
        ("percentile_cont", 2) => return percentile(name, "percentile_cont", function),
        ("str_to_date", 2) => {
            let [text, format] = take(function)?;
            let whole_days = matches!(&format, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(format), .. })
                if !says_time(format));
            let time = build::call("str_to_date", vec![text, format]);
            return Ok(Some(if whole_days { build::cast(time, SqlType::Date) } else { time }));
        }
        ("str2date", 2) => {
            let [text, format] = take(function)?;
            return Ok(Some(build::cast(build::call("str_to_date", vec![text, format]), SqlType::Date)));
        }
        ("array_unique_agg", 1) => {
            let [array] = take(function)?;
            return Ok(Some(gathered::unique(function, array)));
        }
        ("array_agg", 1) if let Some(keys) = gathered::order_of_distinct(function) => {
            let [value] = take(function)?;
            return Ok(Some(gathered::distinct(function, value, keys)));
        }
        ("group_concat", 1..) => {
            let keys = gathered::order_of_distinct(function);
            gathered::group_concat(function, session)?;
            if let Some(keys) = keys {
                let [whole, separator] = take(function)?;
                let known = gathered::distinct_known(function, whole, keys);
                return Ok(Some(build::call("array_join", vec![known, separator])));
            }
            // The engine has it as what JSON is here.
            return Ok(Some(build::call(WORDS, vec![Expr::Function(function.clone())])));
        }
        ("array_map" | "transform" | "array_filter" | "any_match" | "all_match" | "array_sortby", 1..)
            if is_plain(function) =>
        {
            let args = take_arguments(function)?;
            if lambdas::has_lambda(&args) {
                return lambdas::call(name, args).map(Some);
            }
            if name == "array_filter" {
                return Ok(Some(build::call("__array_filter", args)));
            }
            give_back(function, args);
        }
        ("map_agg", 2) if is_plain(function) => return gathered::map_agg(function).map(Some),
        ("concat_ws", 2..) => texts(function)?,
        (
            "sum" | "avg" | "stddev_pop" | "stddev_samp" | "var_pop" | "var_samp" | "covar_pop" | "covar_samp" | "corr",
            1..,
        ) => numbers(function),
        (_, 1) => {
            if let Some(other) = form_of_one(name, function)? {
                return Ok(Some(other));
            }
            return time_call(name, function, session);
        }
        (_, 2) => {
            if let Some(other) = form_of_two(name, function)? {
                return Ok(Some(other));
            }
            return time_call(name, function, session);
        }
        _ => return time_call(name, function, session),
    }
    Ok(None)
}

/// Calls with arguments that are not plain (`count(*)`) are none of these forms.
pub(super) fn is_plain(function: &Function) -> bool {
    let plain = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
    matches!(&function.args, FunctionArguments::List(list) if list.args.iter().all(plain))
}

fn form_of_one(name: &str, function: &mut Function) -> Result<Option<Expr>, QueryError> {
    if !is_plain(function) {
        return Ok(None);
    }
    let [arg] = take(function)?;
    Ok(match forms::of_one(name, arg) {
        Form::ShortFor(other) => Some(other),
        Form::Plain(arg) => {
            give_back(function, vec![arg]);
            None
        }
    })
}

fn form_of_two(name: &str, function: &mut Function) -> Result<Option<Expr>, QueryError> {
    if !is_plain(function) {
        return Ok(None);
    }
    let [left, right] = take(function)?;
    Ok(match forms::of_two(name, left, right) {
        Form::ShortFor(other) => Some(other),
        Form::Plain((left, right)) => {
            give_back(function, vec![left, right]);
            None
        }
    })
}

fn give_back(function: &mut Function, args: Vec<Expr>) {
    if let FunctionArguments::List(list) = &mut function.args {
        list.args = args.into_iter().map(build::argument).collect();
    }
}

pub(super) fn take<const N: usize>(function: &mut Function) -> Result<[Expr; N], QueryError> {
    let name = function.name.to_string();
    let wrong = |args: Vec<Expr>| {
        QueryError::analyzing(format!("No matching function with signature: {name} of {} arguments", args.len()))
    };
    <[Expr; N]>::try_from(take_arguments(function)?).map_err(wrong)
}

/// Every argument as text.
fn texts(function: &mut Function) -> Result<(), QueryError> {
    let args = take_arguments(function)?;
    if let FunctionArguments::List(list) = &mut function.args {
        list.args = args.into_iter().map(|arg| build::argument(build::call(TEXT, vec![arg]))).collect();
    }
    Ok(())
}

/// Every argument as what can be summed.
fn numbers(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    for arg in &mut list.args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg {
            let value = build::take(expr);
            *expr = build::call(NUMBER, vec![value]);
        }
    }
}

/// `percentile(x, p [, compression])` is `percentile(p) WITHIN GROUP (ORDER BY x)`.
/// A share that is NULL gives NULL.
fn percentile(called: &str, name: &str, function: &mut Function) -> Result<Option<Expr>, QueryError> {
    let mut args = take_arguments(function)?.into_iter();
    let (Some(value), Some(share)) = (args.next(), args.next()) else { return Ok(None) };
    let is_null = |expr: &Expr| matches!(expr, Expr::Value(value) if matches!(value.value, Value::Null));
    match &share {
        expr if is_null(expr) => {
            let message = format!("{called} requires the second parameter's type is numeric type");
            return Err(QueryError::analyzing(message));
        }
        Expr::Cast { expr, .. } if is_null(expr) => {
            let null = build::cast(build::null(), SqlType::DoublePrecision);
            return Ok(Some(gathered::instead(function, "min", vec![null])));
        }
        _ => {}
    }
    function.name = ObjectName::from(vec![Ident::new(name)]);
    function.within_group = vec![ordered(value, true)];
    give_back(function, vec![share]);
    Ok(None)
}

/// `percentile_approx_weighted(x, weight, p [, compression])` the same way.
fn weighted_percentile(function: &mut Function) -> Result<Option<Expr>, QueryError> {
    let mut args = take_arguments(function)?.into_iter();
    let (Some(value), Some(weight), Some(share)) = (args.next(), args.next(), args.next()) else { return Ok(None) };
    function.name = ObjectName::from(vec![Ident::new("approx_percentile_cont_with_weight")]);
    function.within_group = vec![ordered(build::cast(value, SqlType::DoublePrecision), true)];
    give_back(function, vec![weight, share]);
    Ok(None)
}

fn ordered(expr: Expr, ascending: bool) -> OrderByExpr {
    OrderByExpr { expr, options: OrderByOptions { asc: Some(ascending), nulls_first: Some(false) }, with_fill: None }
}

/// Whether a format of `str_to_date` has anything but days in it.
fn says_time(format: &str) -> bool {
    let mut bytes = format.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' && bytes.next().is_some_and(|part| b"HhIiklprSsTf".contains(&part)) {
            return true;
        }
    }
    false
}

fn time_call(name: &str, function: &mut Function, session: &SessionFacts) -> Result<Option<Expr>, QueryError> {
    let zone = || build::text(session.zone().name());
    Ok(Some(match (name, argument_count(function)) {
        ("date_add" | "date_sub", 2) => {
            let [time, count] = take(function)?;
            let (count, unit) = match count {
                Expr::Interval(interval) => interval_parts(interval)?,
                days => (days, "day"),
            };
            shift(time, if name == "date_sub" { negative(count) } else { count }, unit)
        }
        ("date_trunc", 2) => {
            let [unit, time] = take(function)?;
            build::call("date_trunc", vec![unit, build::call(READ_TIME, vec![time])])
        }
        ("add_months", 2) => {
            let [time, count] = take(function)?;
            shift(time, count, "month")
        }
        ("time_slice" | "date_slice", 2 | 3) => {
            let slice = slice(name, take_arguments(function)?)?;
            if name == "date_slice" { build::cast(slice, SqlType::Date) } else { slice }
        }
        ("timestampadd", 3) => {
            let [unit, count, time] = take(function)?;
            shift(time, count, unit_of(&unit_name(&unit))?)
        }
        ("timestampdiff", 3) => {
            let [unit, from, to] = take(function)?;
            build::call(DIFFERENCE, vec![build::text(unit_of(&unit_name(&unit))?), from, to])
        }
        ("date_diff", 3) => {
            let [unit, to, from] = take(function)?;
            build::call(DIFFERENCE, vec![build::text(unit_of(&unit_name(&unit))?), from, to])
        }
        ("unix_timestamp", 1) => {
            let [time] = take(function)?;
            build::call(EPOCH, vec![time, zone()])
        }
        ("from_unixtime", 1) => {
            let [seconds] = take(function)?;
            build::call(TEXT, vec![build::call(FROM_EPOCH, vec![seconds, zone()])])
        }
        ("from_unixtime", 2) => {
            let [seconds, format] = take(function)?;
            let time = build::call(FROM_EPOCH, vec![seconds, zone()]);
            build::call("date_format", vec![time, format])
        }
        ("date" | "to_date", 1) => {
            let [time] = take(function)?;
            build::cast(build::datetime_of(time), SqlType::Date)
        }
        ("timestamp", 1) => {
            let [time] = take(function)?;
            build::datetime_of(time)
        }
        ("dayname", 1) => {
            let [time] = take(function)?;
            build::call("date_format", vec![time, build::text("%W")])
        }
        ("monthname", 1) => {
            let [time] = take(function)?;
            build::call("date_format", vec![time, build::text("%M")])
        }
        (
            "year" | "quarter" | "month" | "day" | "dayofmonth" | "hour" | "minute" | "second" | "dayofyear"
            | "dayofweek" | "weekofyear",
            1,
        ) => {
            let [time] = take(function)?;
            part(name, time)
        }
        ("week", 1) => {
            let [time] = take(function)?;
            build::call(WEEK, vec![time, build::integer(0)])
        }
        ("week", 2) => {
            let [time, mode] = take(function)?;
            build::call(WEEK, vec![time, mode])
        }
        ("yearweek", 1) => {
            let [time] = take(function)?;
            build::call("yearweek", vec![time, build::integer(0)])
        }
        (_, 2) if let Some((unit, sign)) = shift_name(name) => {
            let [time, count] = take(function)?;
            shift(time, if sign < 0 { negative(count) } else { count }, unit)
        }
        _ => return Ok(None),
    }))
}

/// `years_add` … `microseconds_sub`.
fn shift_name(name: &str) -> Option<(&'static str, i8)> {
    let (unit, sign) = match (name.strip_suffix("_add"), name.strip_suffix("_sub")) {
        (Some(unit), _) => (unit, 1),
        (_, Some(unit)) => (unit, -1),
        _ => return None,
    };
    unit_of(unit).ok().map(|unit| (unit, sign))
}

fn part(name: &str, time: Expr) -> Expr {
    let field = match name {
        "dayofmonth" => "day",
        "dayofyear" => "doy",
        "dayofweek" => "dow",
        "weekofyear" => "week",
        other => other,
    };
    let time = build::datetime_of(time);
    let value = build::cast(build::call("date_part", vec![build::text(field), time]), SqlType::Int(None));
    if name == "dayofweek" {
        // Sunday is 1.
        let one = Box::new(build::integer(1));
        return Expr::BinaryOp { left: Box::new(value), op: BinaryOperator::Plus, right: one };
    }
    value
}

/// `time_slice(time, INTERVAL n unit [, floor | ceil])`.
fn slice(name: &str, args: Vec<Expr>) -> Result<Expr, QueryError> {
    let no_interval = || QueryError::analyzing(format!("{name} requires second parameter must be a constant interval"));
    let mut args = args.into_iter();
    let (Some(time), Some(Expr::Interval(interval))) = (args.next(), args.next()) else { return Err(no_interval()) };
    let (count, unit) = interval_parts(interval)?;
    let is_whole = |digits: &str| digits.parse::<i64>().is_ok();
    match &count {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _) | Value::SingleQuotedString(digits), .. })
            if is_whole(digits) => {}
        _ => return Err(no_interval()),
    }
    let boundary = match args.next() {
        None => "floor".to_owned(),
        Some(word) => unit_name(&word),
    };
    if boundary != "floor" && boundary != "ceil" {
        return Err(QueryError::analyzing(format!("{name} requires third parameter must be FLOOR or CEIL")));
    }
    Ok(build::call(SLICE, vec![time, count, build::text(unit), build::text(boundary)]))
}

fn shift(time: Expr, count: Expr, unit: &str) -> Expr {
    build::call(SHIFT, vec![time, count, build::text(unit)])
}

fn negative(count: Expr) -> Expr {
    let zero = Box::new(build::integer(0));
    Expr::BinaryOp { left: zero, op: BinaryOperator::Minus, right: Box::new(Expr::Nested(Box::new(count))) }
}

/// `time ± INTERVAL n unit`.
pub(super) fn interval_arithmetic(
    left: &mut Expr,
    op: &BinaryOperator,
    right: &mut Expr,
) -> Result<Option<Expr>, QueryError> {
    let minus = matches!(op, BinaryOperator::Minus);
    let (time, interval) = match (&*left, &*right) {
        (_, Expr::Interval(_)) => (left, right),
        (Expr::Interval(_), _) if !minus => (right, left),
        _ => return Ok(None),
    };
    let Expr::Interval(interval) = build::take(interval) else { return Ok(None) };
    let (count, unit) = interval_parts(interval)?;
    Ok(Some(shift(build::take(time), if minus { negative(count) } else { count }, unit)))
}

fn interval_parts(interval: datafusion::sql::sqlparser::ast::Interval) -> Result<(Expr, &'static str), QueryError> {
    let unit = match &interval.leading_field {
        Some(field) => unit_of(&field_name(field))?,
        None => return Err(QueryError::analyzing("INTERVAL needs a unit")),
    };
    Ok((*interval.value, unit))
}

fn field_name(field: &DateTimeField) -> String {
    field.to_string().to_ascii_lowercase()
}

/// The unit of TIMESTAMPDIFF(unit, …) is a bare word.
fn unit_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.to_ascii_lowercase(),
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => text.to_ascii_lowercase(),
        other => other.to_string().to_ascii_lowercase(),
    }
}

fn unit_of(name: &str) -> Result<&'static str, QueryError> {
    Ok(match name.trim_end_matches('s') {
        "year" => "year",
        "quarter" => "quarter",
        "month" => "month",
        "week" => "week",
        "day" => "day",
        "hour" => "hour",
        "minute" => "minute",
        "second" => "second",
        "millisecond" => "millisecond",
        "microsecond" => "microsecond",
        _ => return Err(QueryError::analyzing(format!("unknown time unit '{name}'"))),
    })
}
