//! More calls that are short for others: conditions, arithmetic, parts of weeks, aggregates over gathered rows, and functions
//! of keys and values.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType as SqlType, Expr, Function, LambdaFunction, Value, Visit, Visitor,
};

use super::calls::{argument_count, is_plain, plain_name, take, take_arguments};
use super::{build, conditions, forms, gathered, lambdas};
use crate::error::QueryError;
use crate::functions::{FROM_EPOCH, FUNNEL, MANN_WHITNEY, NUMBER, TEXT, TOP, WEEK};

/// Expressions of an argument that a call is short for several times.
const MOST_REPEATED: usize = 2_000;
/// Values of `approx_top_k` when nobody says how many.
const FEW: i64 = 5;

/// The expression that a call stands for; None: it is none of these.
pub(super) fn of(name: &str, function: &mut Function, zone: &str) -> Result<Option<Expr>, QueryError> {
    let count = argument_count(function);
    if count > 0 && !is_plain(function) {
        return Ok(None);
    }
    if let Some(short) = arithmetic(name, count, function)? {
        return Ok(Some(short));
    }
    Ok(Some(match (name, count) {
        ("isnotnull", 1) => {
            let [value] = take(function)?;
            Expr::IsNotNull(Box::new(Expr::Nested(Box::new(value))))
        }
        ("week_iso", 1) => {
            let [time] = take(function)?;
            build::call(WEEK, vec![time, build::integer(3)])
        }
        ("day_of_week_iso" | "dayofweek_iso", 1) => {
            let [time] = take(function)?;
            let sunday_first = build::call("date_part", vec![build::text("dow"), build::datetime_of(time)]);
            let monday_first = modulo(add(sunday_first, build::integer(6)), build::integer(7));
            build::cast(add(monday_first, build::integer(1)), SqlType::Int(None))
        }
        ("from_unixtime_ms", 1) => {
            let [millis] = take(function)?;
            let seconds = forms::operation(millis, BinaryOperator::MyIntegerDivide, build::integer(1000));
            build::call(TEXT, vec![build::call(FROM_EPOCH, vec![seconds, build::text(zone)])])
        }
        ("to_datetime" | "to_datetime_ntz", 1) => {
            let [seconds] = take(function)?;
            moment(name, seconds, build::integer(0), zone)
        }
        ("to_datetime", 2) => {
            let [count, scale] = take(function)?;
            moment(name, count, scale, zone)
        }
        ("to_tera_date", 2) => {
            let [text, pattern] = take(function)?;
            build::cast(build::call("to_tera_timestamp", vec![text, pattern]), SqlType::Date)
        }
        ("regexp_replace", 3) => {
            let mut args = take_arguments(function)?;
            args.push(build::text("g"));
            build::call("regexp_replace", args)
        }
        ("count_if", 1) => {
            let [mut condition] = take(function)?;
            conditions::wrap(&mut condition);
            gathered::instead(function, "count", vec![forms::choice(condition, build::integer(1), build::null())])
        }
        ("percentile_disc", 2) => percentile(function, "ceil")?,
        ("percentile_disc_lc", 2) => percentile(function, "floor")?,
        ("approx_top_k", 1..=3) => {
            let mut args = take_arguments(function)?.into_iter();
            let (value, most) = (args.next().unwrap_or_else(build::null), args.next());
            let all = gathered::instead(function, "array_agg", vec![value]);
            build::call(TOP, vec![all, most.unwrap_or_else(|| build::integer(FEW))])
        }
        ("window_funnel", 4) => {
            let [window, time, mode, conditions] = take(function)?;
            let events = gathered::instead(function, "array_agg", vec![build::call("row", vec![time, conditions])]);
            build::call(FUNNEL, vec![window, mode, events])
        }
        ("mann_whitney_u_test", 2..=4) => {
            let mut args = take_arguments(function)?.into_iter();
            let mut next = |otherwise: Expr| args.next().unwrap_or(otherwise);
            let sample = vec![next(build::null()), next(build::null())];
            let (alternative, corrected) = (next(build::text("two-sided")), next(build::integer(1)));
            let samples = gathered::instead(function, "array_agg", vec![build::call("row", sample)]);
            build::call(MANN_WHITNEY, vec![samples, alternative, corrected])
        }
        ("ds_hll_count_distinct" | "approx_count_distinct_hll_sketch", 1..=3) => {
            return counted(name, function).map(Some);
        }
        ("retention", 1) => return retention(function).map(Some),
        ("map_filter" | "map_apply" | "transform_keys" | "transform_values", 2) => return of_pairs(name, function),
        _ => return Ok(None),
    }))
}

/// `ds_hll_count_distinct(x [, log_k [, type]])`: the sketch here has one precision, which is as good as the usual ones.
fn counted(name: &str, function: &mut Function) -> Result<Expr, QueryError> {
    let mut args = take_arguments(function)?.into_iter();
    let (value, precision, kind) = (args.next().unwrap_or_else(build::null), args.next(), args.next());
    let is = |expr: &Expr, known: &dyn Fn(&str) -> bool| {
        matches!(expr, Expr::Value(value) if match &value.value {
            Value::Number(text, _) | Value::SingleQuotedString(text) => known(text),
            _ => false,
        })
    };
    let is_precision = |text: &str| text.parse::<u8>().is_ok_and(|bits| (4..=21).contains(&bits));
    if precision.is_some_and(|bits| !is(&bits, &is_precision)) {
        return Err(QueryError::analyzing(format!("{name} second parameter'value should be between 4 and 21")));
    }
    let is_kind = |text: &str| ["HLL_4", "HLL_6", "HLL_8"].iter().any(|known| known.eq_ignore_ascii_case(text));
    if kind.is_some_and(|kind| !is(&kind, &is_kind)) {
        return Err(QueryError::analyzing(format!("{name} third parameter'value should be in HLL_4/HLL_6/HLL_8")));
    }
    Ok(gathered::instead(function, "approx_count_distinct", vec![value]))
}

/// A count of units since 1970 as a time: in UTC, or on the session's clocks.
fn moment(name: &str, count: Expr, scale: Expr, zone: &str) -> Expr {
    let time = build::call("to_datetime_ntz", vec![count, scale]);
    if name == "to_datetime_ntz" {
        return time;
    }
    build::call("convert_tz", vec![time, build::text("UTC"), build::text(zone)])
}

fn add(left: Expr, right: Expr) -> Expr {
    forms::operation(left, BinaryOperator::Plus, right)
}

fn modulo(left: Expr, right: Expr) -> Expr {
    forms::operation(left, BinaryOperator::Modulo, right)
}

fn double(value: Expr) -> Expr {
    build::cast(value, SqlType::DoublePrecision)
}

fn arithmetic(name: &str, count: usize, function: &mut Function) -> Result<Option<Expr>, QueryError> {
    let operator = match name {
        "subtract" => Some(BinaryOperator::Minus),
        "multiply" => Some(BinaryOperator::Multiply),
        "divide" => Some(BinaryOperator::Divide),
        "int_divide" => Some(BinaryOperator::MyIntegerDivide),
        _ => None,
    };
    if let (Some(operator), 2) = (operator, count) {
        let [left, right] = take(function)?;
        return Ok(Some(forms::operation(left, operator, right)));
    }
    Ok(Some(match (name, count) {
        ("e", 0) => double(build::text(std::f64::consts::E.to_string())),
        ("positive", 1) => {
            let [value] = take(function)?;
            build::call(NUMBER, vec![value])
        }
        ("negative", 1) => {
            let [value] = take(function)?;
            forms::operation(build::integer(0), BinaryOperator::Minus, value)
        }
        ("ceil" | "floor", 1) => {
            let [value] = take(function)?;
            whole(name, value)
        }
        ("fmod", 2) => {
            let [left, right] = take(function)?;
            modulo(double(left), double(right))
        }
        _ => return Ok(None),
    }))
}

/// `ceil` and `floor` give BIGINT.
pub(super) fn whole(name: &str, value: Expr) -> Expr {
    build::cast(build::call(name, vec![double(value)]), SqlType::BigInt(None))
}

/// The value at a share of all in their order; between two of them the greater or the smaller.
fn percentile(function: &mut Function, between: &str) -> Result<Expr, QueryError> {
    let [value, share] = take(function)?;
    let count = gathered::instead(function, "count", vec![value.clone()]);
    let last = forms::operation(count, BinaryOperator::Minus, build::integer(1));
    let place = build::call(between, vec![double(forms::operation(last, BinaryOperator::Multiply, share))]);
    let place = add(build::cast(place, SqlType::BigInt(None)), build::integer(1));
    let all = build::call("array_sort", vec![gathered::known(function, "array_agg", value)]);
    Ok(build::call("element_at", vec![all, place]))
}

/// `retention([a, b, …])`: whether a was true of any row, then for each other whether both were.
fn retention(function: &mut Function) -> Result<Expr, QueryError> {
    let [array] = take(function)?;
    let wrong = || QueryError::analyzing("No matching function with signature: retention of no list of conditions");
    let Expr::Function(mut list) = array else { return Err(wrong()) };
    let is_list = plain_name(&list).is_some_and(|name| name == "__array");
    let conditions = take_arguments(&mut list)?;
    if !is_list || conditions.is_empty() {
        return Err(wrong());
    }
    let ever = |condition: &Expr| {
        let mut condition = condition.clone();
        conditions::wrap(&mut condition);
        let ever = gathered::instead(function, "bool_or", vec![condition]);
        build::call("coalesce", vec![ever, Expr::value(Value::Boolean(false))])
    };
    let first = ever(&conditions[0]);
    let others = conditions[1..].iter().map(|other| forms::operation(first.clone(), BinaryOperator::And, ever(other)));
    let members = std::iter::once(first.clone()).chain(others).collect();
    Ok(build::call("__array", members))
}

/// Functions of the keys and values of a MAP, with the function first or last. What they stand for names the MAP several times.
fn of_pairs(name: &str, function: &mut Function) -> Result<Option<Expr>, QueryError> {
    let [left, right] = take(function)?;
    check_repeated(name, &[&left, &right])?;
    let (lambda, map) = match (left, right) {
        (Expr::Lambda(lambda), map) | (map, Expr::Lambda(lambda)) => (lambda, map),
        (map, mask) if name == "map_filter" => return Ok(Some(filtered(map, mask))),
        _ => {
            return Err(QueryError::analyzing(format!(
                "No matching function with signature: {name} without a function"
            )));
        }
    };
    let keys = build::call("map_keys", vec![map.clone()]);
    let values = build::call("map_values", vec![map.clone()]);
    let each = |body: Expr| {
        let lambda = LambdaFunction { body: Box::new(body), ..lambda.clone() };
        lambdas::call("array_map", vec![Expr::Lambda(lambda), keys.clone(), values.clone()])
    };
    let body = lambda.body.as_ref().clone();
    let (keys, values) = match (name, body) {
        ("map_filter", mut condition) => {
            conditions::wrap(&mut condition);
            return Ok(Some(filtered(map, each(condition)?)));
        }
        ("transform_keys", body) => (each(body)?, values),
        ("transform_values", body) => (keys.clone(), each(body)?),
        (_, Expr::Tuple(pair)) if pair.len() == 2 => (each(pair[0].clone())?, each(pair[1].clone())?),
        _ => return Err(QueryError::analyzing("The right part of map lambda functions should have 2 arguments")),
    };
    Ok(Some(build::call("map_from_arrays", vec![keys, values])))
}

/// How many expressions an expression is made of.
/// Err: these are too large to be named several times. Calls in calls grow with every level.
pub(super) fn check_repeated(name: &str, arguments: &[&Expr]) -> Result<(), QueryError> {
    match arguments.iter().map(|argument| size(argument)).sum::<usize>() > MOST_REPEATED {
        true => Err(QueryError::analyzing(format!("the arguments of {name} are too large an expression"))),
        false => Ok(()),
    }
}

fn size(expr: &Expr) -> usize {
    struct Count(usize);
    impl Visitor for Count {
        type Break = ();

        fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }
    }
    let mut count = Count(0);
    let _ = expr.visit(&mut count);
    count.0
}

/// The pairs beside which there is a true one.
fn filtered(map: Expr, mask: Expr) -> Expr {
    let part = |part: &str| build::call("__array_filter", vec![build::call(part, vec![map.clone()]), mask.clone()]);
    build::call("map_from_arrays", vec![part("map_keys"), part("map_values")])
}
