//! Functions on dates and times. Texts are read as times where StarRocks does so; what is no time is NULL.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Builder, Int64Builder, StringArray, StringBuilder, TimestampMicrosecondArray,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use storage_model::reading::read_datetime;
use storage_model::time::{civil_from_days, days_from_civil, is_valid_date};

use super::days::LONGEST;
use super::text::texts;
use super::{DATETIME, DIFFERENCE, Function, SHIFT, Slot, TIME};
use crate::coerce::time_of_digits;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const DAY: i64 = 86_400 * SECOND;
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("date_format", &[Slot::Any, Slot::Text], DataType::Utf8, date_format),
        Function::new(SHIFT, &[Slot::Any, Slot::Integer, Slot::Text], DATETIME, shift_rows),
        Function::new(DIFFERENCE, &[Slot::Text, Slot::Any, Slot::Any], DataType::Int64, difference_rows),
        Function::new("datediff", &[Slot::Any, Slot::Any], DataType::Int32, datediff),
        Function::new(TIME, &[Slot::Any], DATETIME, time),
    ]
}

/// Microseconds since the epoch of every row.
pub(super) fn micros(array: &ArrayRef, rows: usize) -> Result<Vec<Option<i64>>> {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Ok(array.as_primitive::<TimestampMicrosecondType>().iter().collect())
        }
        DataType::Timestamp(_, _) => {
            let cast = arrow::compute::cast(array, &DATETIME)?;
            Ok(cast.as_primitive::<TimestampMicrosecondType>().iter().collect())
        }
        DataType::Date32 => {
            Ok(array.as_primitive::<Date32Type>().iter().map(|d| d.map(|d| i64::from(d) * DAY)).collect())
        }
        other => {
            let is_number = other.is_numeric();
            let read = |text: &str| if is_number { time_of_digits(text) } else { read_datetime(text) };
            Ok(texts(array, rows)?.iter().map(|text| text.and_then(read)).collect())
        }
    }
}

fn time(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    Ok(Arc::new(TimestampMicrosecondArray::from(micros(&args[0], rows)?)))
}

pub(super) fn text_at(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

fn shift_rows(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let times = micros(&args[0], rows)?;
    let counts = args[1].as_primitive::<arrow::datatypes::Int64Type>();
    let units = texts(&args[2], rows)?;
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
    for (row, time) in times.into_iter().enumerate() {
        let shifted = match (time, counts.is_valid(row), text_at(&units, row)) {
            (Some(time), true, Some(unit)) => shift(time, counts.value(row), unit)?,
            _ => None,
        };
        builder.append_option(shifted);
    }
    Ok(Arc::new(builder.finish()))
}

/// A time some units later; None outside of the calendar.
fn shift(time: i64, count: i64, unit: &str) -> Result<Option<i64>> {
    let months = match unit {
        "year" => count.checked_mul(12),
        "quarter" => count.checked_mul(3),
        "month" => Some(count),
        _ => {
            let step = unit_micros(unit)?;
            let shifted = count.checked_mul(step).and_then(|by| time.checked_add(by));
            return Ok(shifted.filter(in_calendar));
        }
    };
    let (year, month, day) = civil_from_days(time.div_euclid(DAY));
    let Some(month) = months.and_then(|m| (year * 12 + i64::from(month) - 1).checked_add(m)) else {
        return Ok(None);
    };
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) as u32 + 1);
    let last = (28..=31).rev().find(|d| is_valid_date(year, month, *d));
    Ok(last.map(|last| days_from_civil(year, month, day.min(last)) * DAY + time.rem_euclid(DAY)))
}

pub(super) fn in_calendar(time: &i64) -> bool {
    let (year, month, day) = civil_from_days(time.div_euclid(DAY));
    is_valid_date(year, month, day)
}

fn unit_micros(unit: &str) -> Result<i64> {
    Ok(match unit {
        "week" => 7 * DAY,
        "day" => DAY,
        "hour" => 3600 * SECOND,
        "minute" => 60 * SECOND,
        "second" => SECOND,
        "millisecond" => 1000,
        "microsecond" => 1,
        other => return exec_err!("unknown time unit '{other}'"),
    })
}

fn difference_rows(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let units = texts(&args[0], rows)?;
    let (from, to) = (micros(&args[1], rows)?, micros(&args[2], rows)?);
    let mut builder = Int64Builder::with_capacity(rows);
    for row in 0..rows {
        let difference = match (text_at(&units, row), from[row], to[row]) {
            (Some(unit), Some(from), Some(to)) => Some(difference(unit, from, to)?),
            _ => None,
        };
        builder.append_option(difference);
    }
    Ok(Arc::new(builder.finish()))
}

fn difference(unit: &str, from: i64, to: i64) -> Result<i64> {
    let months_a_unit = match unit {
        "year" => 12,
        "quarter" => 3,
        "month" => 1,
        _ => return Ok((to - from) / unit_micros(unit)?),
    };
    let count = |time: i64| {
        let (year, month, day) = civil_from_days(time.div_euclid(DAY));
        (year * 12 + i64::from(month), (i64::from(day), time.rem_euclid(DAY)))
    };
    let ((from_month, from_rest), (to_month, to_rest)) = (count(from), count(to));
    let mut months = to_month - from_month;
    if months > 0 && to_rest < from_rest {
        months -= 1;
    } else if months < 0 && to_rest > from_rest {
        months += 1;
    }
    Ok(months / months_a_unit)
}

fn datediff(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (left, right) = (micros(&args[0], rows)?, micros(&args[1], rows)?);
    let mut builder = Int32Builder::with_capacity(rows);
    for (left, right) in left.into_iter().zip(right) {
        let days = left.zip(right).map(|(left, right)| left.div_euclid(DAY) - right.div_euclid(DAY));
        builder.append_option(days.and_then(|d| i32::try_from(d).ok()));
    }
    Ok(Arc::new(builder.finish()))
}

fn date_format(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let times = micros(&args[0], rows)?;
    let patterns = texts(&args[1], rows)?;
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    let mut text = String::with_capacity(32);
    for (row, time) in times.into_iter().enumerate() {
        match (time, text_at(&patterns, row)) {
            (Some(time), Some(pattern)) => {
                text.clear();
                format_time(time, pattern, &mut text)?;
                builder.append_option((text.len() <= LONGEST).then_some(text.as_str()));
            }
            _ => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// MySQL's format codes; the three Java patterns that StarRocks also takes.
pub(super) fn mysql_pattern(pattern: &str) -> &str {
    match pattern {
        "yyyyMMdd" => "%Y%m%d",
        "yyyy-MM-dd" => "%Y-%m-%d",
        "yyyy-MM-dd HH:mm:ss" => "%Y-%m-%d %H:%i:%s",
        other => other,
    }
}

fn format_time(time: i64, pattern: &str, out: &mut String) -> Result<()> {
    use std::fmt::Write;
    let days = time.div_euclid(DAY);
    let (year, month, day) = civil_from_days(days);
    let of_day = time.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / (3600 * SECOND), of_day / (60 * SECOND) % 60, of_day / SECOND % 60);
    let half = if hour % 12 == 0 { 12 } else { hour % 12 };
    let half_name = if hour < 12 { "AM" } else { "PM" };
    let weekday = (days + 4).rem_euclid(7) as usize;
    let of_year = days - days_from_civil(year, 1, 1) + 1;
    let mut codes = mysql_pattern(pattern).chars();
    while let Some(letter) = codes.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let written = match codes.next() {
            Some('Y') => write!(out, "{year:04}"),
            Some('y') => write!(out, "{:02}", year % 100),
            Some('m') => write!(out, "{month:02}"),
            Some('c') => write!(out, "{month}"),
            Some('M') => out.write_str(MONTHS[month as usize - 1]),
            Some('b') => out.write_str(&MONTHS[month as usize - 1][..3]),
            Some('d') => write!(out, "{day:02}"),
            Some('e') => write!(out, "{day}"),
            Some('D') => write!(out, "{day}{}", ordinal(day)),
            Some('j') => write!(out, "{of_year:03}"),
            Some('H') => write!(out, "{hour:02}"),
            Some('k') => write!(out, "{hour}"),
            Some('h' | 'I') => write!(out, "{half:02}"),
            Some('l') => write!(out, "{half}"),
            Some('i') => write!(out, "{minute:02}"),
            Some('s' | 'S') => write!(out, "{second:02}"),
            Some('f') => write!(out, "{:06}", of_day % SECOND),
            Some('p') => out.write_str(half_name),
            Some('r') => write!(out, "{half:02}:{minute:02}:{second:02} {half_name}"),
            Some('T') => write!(out, "{hour:02}:{minute:02}:{second:02}"),
            Some('W') => out.write_str(WEEKDAYS[weekday]),
            Some('a') => out.write_str(&WEEKDAYS[weekday][..3]),
            Some('w') => write!(out, "{weekday}"),
            Some(other) => out.write_char(other),
            None => out.write_char('%'),
        };
        written.map_err(|e| exec_datafusion_err!("date_format: {e}"))?;
    }
    Ok(())
}

fn ordinal(day: u32) -> &'static str {
    match (day % 10, day / 10) {
        (1, tens) if tens != 1 => "st",
        (2, tens) if tens != 1 => "nd",
        (3, tens) if tens != 1 => "rd",
        _ => "th",
    }
}
