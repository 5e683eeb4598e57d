//! Constants read as other kinds of values: times, numbers, conditions.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use storage_model::reading::read_datetime;

/// Digits that a DECIMAL can have.
const MOST_DIGITS: usize = 38;

/// The text of a constant; `Some(None)` is NULL.
pub(super) fn text_constant(expr: &Expr) -> Option<Option<String>> {
    let Expr::Literal(value, _) = expr else { return None };
    let array = value.to_array().ok()?;
    let mut text = Vec::new();
    let known = crate::cells::write_cell(array.as_ref(), 0, &mut text);
    Some(if known { String::from_utf8(text).ok() } else { None })
}

/// A constant that is no time, read as one, in microseconds; `Some(None)` when it is none.
pub(super) fn time_constant(expr: &Expr) -> Option<Option<i64>> {
    let Expr::Literal(value, _) = expr else { return None };
    let text = text_constant(expr)?;
    let is_number = value.data_type().is_numeric();
    Some(text.and_then(|text| if is_number { time_of_digits(&text) } else { read_datetime(&text) }))
}

/// `[yy]yyMMdd[HHmmss]`, as numbers are read as times.
pub(crate) fn time_of_digits(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match digits.len() {
        // Two digits of a year: 70 to 99 are of the last century.
        6 | 12 => read_datetime(&format!("{}{digits}", if digits >= "70" { "19" } else { "20" })),
        8 | 14 => read_datetime(digits),
        _ => None,
    }
}

/// What a text is as a condition; None is NULL.
pub(crate) fn text_truth(text: &str) -> Option<bool> {
    let text = text.trim();
    match text {
        t if t.eq_ignore_ascii_case("true") => Some(true),
        t if t.eq_ignore_ascii_case("false") => Some(false),
        t => t.parse::<f64>().ok().filter(|v| !v.is_nan()).map(|v| v != 0.0),
    }
}

/// A number from its text, without loss where a type can hold it.
pub(super) fn number(text: &str) -> Option<ScalarValue> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(ScalarValue::Int64(Some(whole)));
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    if plain && (1..=MOST_DIGITS).contains(&digits) {
        let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        if let (Ok(value), Ok(scale)) = (text.replacen('.', "", 1).parse::<i128>(), i8::try_from(scale)) {
            return Some(ScalarValue::Decimal128(Some(value), MOST_DIGITS as u8, scale));
        }
    }
    text.parse::<f64>().ok().filter(|v| v.is_finite()).map(|v| ScalarValue::Float64(Some(v)))
}
