//! Functions on text that DataFusion does not have: comparisons, endings, bases of numbers, addresses, bars.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err};

use super::text::texts;
use super::time::text_at;
use super::typed::Typed;
use super::{Function, PAD_LENGTH, Slot};

/// The longest text that a function makes of a short one, in bytes: as in StarRocks.
const LONGEST: usize = 1 << 20;
/// Of the rows of one batch together.
const MOST_BYTES: usize = 512 << 20;
/// Bases that have digits.
const BASES: std::ops::RangeInclusive<i64> = 2..=36;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("repeat", &[Slot::Text, Slot::Integer], DataType::Utf8, repeated),
        Function::new(PAD_LENGTH, &[Slot::Integer], DataType::Int64, pad_length),
        Function::new("strcmp", &[Slot::Text, Slot::Text], DataType::Int32, compare),
        Function::new("null_or_empty", &[Slot::Text], DataType::Boolean, null_or_empty),
        Function::new("append_trailing_char_if_absent", &[Slot::Text, Slot::Text], DataType::Utf8, ending),
        Function::new("conv", &[Slot::Text, Slot::Integer, Slot::Integer], DataType::Utf8, convert),
        Function::new("bin", &[Slot::Integer], DataType::Utf8, binary),
        Function::new("inet_aton", &[Slot::Text], DataType::Int64, address),
        Function::new("format_bytes", &[Slot::Integer], DataType::Utf8, size),
        Function::new("money_format", &[Slot::Text], DataType::Utf8, money),
    ]
}

/// Those whose arguments are numbers with a fraction.
pub(super) fn of_numbers() -> Vec<Typed> {
    let numbers = |types: &[DataType]| (types.len() == 4).then(|| vec![DataType::Float64; 4]);
    vec![
        Typed::new("bar", numbers, |_| DataType::Utf8, bar),
        Typed::new("equiwidth_bucket", numbers, |_| DataType::Int64, bucket),
    ]
}

/// A text so many times; NULL when that would be longer than a text may be.
fn repeated(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (values, counts) = (texts(&args[0], rows)?, args[1].as_primitive::<Int64Type>());
    let mut found = StringBuilder::new();
    let mut bytes = 0;
    for row in 0..rows {
        let count = counts.is_valid(row).then(|| usize::try_from(counts.value(row)).unwrap_or(0));
        let pair = text_at(&values, row).zip(count);
        let fits = |(text, count): &(&str, usize)| text.len().checked_mul(*count).is_some_and(|all| all <= LONGEST);
        let Some((text, count)) = pair.filter(fits) else {
            found.append_null();
            continue;
        };
        bytes += text.len() * count;
        if bytes > MOST_BYTES {
            return exec_err!(
                "repeat: the texts of some thousand rows are longer than {} MiB together",
                MOST_BYTES >> 20
            );
        }
        for _ in 0..if text.is_empty() { 0 } else { count } {
            found.write_str(text)?;
        }
        found.append_value("");
    }
    Ok(Arc::new(found.finish()))
}

/// How long a text may be made; NULL beyond.
fn pad_length(args: &[ArrayRef], _: usize) -> Result<ArrayRef> {
    let lengths = args[0].as_primitive::<Int64Type>();
    Ok(Arc::new(lengths.iter().map(|length| length.filter(|length| *length <= LONGEST as i64)).collect::<Int64Array>()))
}

fn compare(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (left, right) = (texts(&args[0], rows)?, texts(&args[1], rows)?);
    let order = |row| Some(text_at(&left, row)?.cmp(text_at(&right, row)?) as i32);
    Ok(Arc::new((0..rows).map(order).collect::<Int32Array>()))
}

fn null_or_empty(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let values = texts(&args[0], rows)?;
    Ok(Arc::new(values.iter().map(|text| Some(text.is_none_or(str::is_empty))).collect::<BooleanArray>()))
}

/// With this character at the end; NULL when it is not one character.
fn ending(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (values, ends) = (texts(&args[0], rows)?, texts(&args[1], rows)?);
    let ended = |row| {
        let (value, end) = (text_at(&values, row)?, text_at(&ends, row)?);
        let is_one = end.chars().count() == 1;
        is_one
            .then(|| if value.is_empty() || value.ends_with(end) { value.to_owned() } else { format!("{value}{end}") })
    };
    Ok(Arc::new((0..rows).map(ended).collect::<StringArray>()))
}

/// A number in one base as its digits in another; a negative base has signs.
fn convert(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let values = texts(&args[0], rows)?;
    let (from, to) = (args[1].as_primitive::<Int64Type>(), args[2].as_primitive::<Int64Type>());
    let converted = |row| {
        let known = from.is_valid(row) && to.is_valid(row);
        let (value, from, to) = (text_at(&values, row).filter(|_| known)?, from.value(row), to.value(row));
        if !BASES.contains(&from.abs()) || !BASES.contains(&to.abs()) {
            return None;
        }
        let read = read_digits(value, from.unsigned_abs() as u32);
        Some(match (to < 0, read as i64) {
            (true, negative) if negative < 0 => format!("-{}", digits(negative.unsigned_abs(), -to as u64)),
            _ => digits(read, to.unsigned_abs()),
        })
    };
    Ok(Arc::new((0..rows).map(converted).collect::<StringArray>()))
}

/// The number that the first digits of a text are, 0 where there is none; a negative one as its complement.
fn read_digits(text: &str, base: u32) -> u64 {
    let text = text.trim();
    let (is_negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let numbers = rest.chars().map_while(|digit| digit.to_digit(base));
    let number = numbers.fold(0_u64, |sum, digit| sum.saturating_mul(base.into()).saturating_add(digit.into()));
    if is_negative { number.wrapping_neg() } else { number }
}

fn digits(mut number: u64, base: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((number % base) as u32, base as u32).unwrap_or('0').to_ascii_uppercase());
        number /= base;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

fn binary(args: &[ArrayRef], _: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Int64Type>();
    Ok(Arc::new(numbers.iter().map(|number| number.map(|n| format!("{n:b}"))).collect::<StringArray>()))
}

fn address(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let read = |text: &str| text.trim().parse::<std::net::Ipv4Addr>().ok().map(|address| i64::from(u32::from(address)));
    Ok(Arc::new(texts(&args[0], rows)?.iter().map(|text| text.and_then(read)).collect::<Int64Array>()))
}

/// A number of bytes in the greatest unit of which there is one; NULL below zero.
fn size(args: &[ArrayRef], _: usize) -> Result<ArrayRef> {
    const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
    let text = |bytes: i64| match bytes {
        ..0 => None,
        0..1024 => Some(format!("{bytes} B")),
        _ => {
            let power = bytes.ilog2() / 10;
            let unit = UNITS.get(power as usize - 1)?;
            Some(format!("{:.2} {unit}", bytes as f64 / (1_u64 << (power * 10)) as f64))
        }
    };
    let sizes = args[0].as_primitive::<Int64Type>();
    Ok(Arc::new(sizes.iter().map(|bytes| bytes.and_then(text)).collect::<StringArray>()))
}

/// `1234567.891` as `1,234,567.89`.
fn money(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    Ok(Arc::new(texts(&args[0], rows)?.iter().map(|text| text.and_then(money_of)).collect::<StringArray>()))
}

fn money_of(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    let cents = match is_plain(whole) && is_plain(fraction) && !whole.is_empty() {
        true => {
            let cents = format!("{whole}{}", &format!("{fraction}00")[..2]).parse::<u128>().ok()?;
            cents + u128::from(fraction.as_bytes().get(2).is_some_and(|digit| *digit >= b'5'))
        }
        // With an exponent.
        false => (digits.parse::<f64>().ok().filter(|n| n.is_finite())? * 100.0).round() as u128,
    };
    let whole = (cents / 100).to_string();
    let grouped: Vec<&str> =
        whole.as_bytes().rchunks(3).rev().filter_map(|part| std::str::from_utf8(part).ok()).collect();
    Some(format!("{sign}{}.{:02}", grouped.join(","), cents % 100))
}

/// Sizes, their least, their most and a width, of each row in which none is NULL.
fn measures(args: &[ArrayRef], row: usize) -> Option<[f64; 4]> {
    let mut all = [0.0; 4];
    for (measure, arg) in all.iter_mut().zip(args) {
        let numbers = arg.as_primitive::<Float64Type>();
        *measure = numbers.is_valid(row).then(|| numbers.value(row))?;
    }
    Some(all)
}

fn bar(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    /// A bar of more says no more.
    const WIDEST: f64 = 10_000.0;
    let mut bars: Vec<Option<String>> = Vec::with_capacity(rows);
    for row in 0..rows {
        let Some([size, least, most, width]) = measures(args, row) else {
            bars.push(None);
            continue;
        };
        if least >= most || size < least || size > most || !(0.0..=WIDEST).contains(&width) {
            return exec_err!("bar: the size must be between min and max, and min less than max");
        }
        let filled = (size - least) / (most - least) * width;
        bars.push(Some("\u{2593}".repeat(filled as usize)));
    }
    Ok(Arc::new(StringArray::from(bars)))
}

fn bucket(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let mut found: Vec<Option<i64>> = Vec::with_capacity(rows);
    for row in 0..rows {
        let Some([value, least, most, buckets]) = measures(args, row) else {
            found.push(None);
            continue;
        };
        if least >= most || value < least || value > most || buckets < 1.0 {
            return exec_err!("equiwidth_bucket: the value must be between min and max, and buckets positive");
        }
        // Whole numbers wide.
        let width = ((most - least) / buckets).ceil().max(1.0);
        found.push(Some(((value - least) / width) as i64));
    }
    Ok(Arc::new(Int64Array::from(found)))
}
