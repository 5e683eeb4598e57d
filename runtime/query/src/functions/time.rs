//! Functions on dates and times. Texts are read as times where StarRocks does so; what is no time is NULL.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Builder, Int64Builder, StringArray, StringBuilder, TimestampMicrosecondArray,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use storage_model::time::{civil_from_days, days_from_civil, is_valid_date};
use storage_model::value::parse_datetime;

use super::text::texts;
use super::{DATETIME, DIFFERENCE, Function, SHIFT, Slot, TIME};
use crate::coerce::time_of_digits;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const DAY: i64 = 86_400 * SECOND;
const MONTHS: [&str; 12] = [
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
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("date_format", &[Slot::Any, Slot::Text], DataType::Utf8, date_format),
        Function::new("str_to_date", &[Slot::Text, Slot::Text], DATETIME, str_to_date),
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
            let read = |text: &str| if is_number { time_of_digits(text) } else { parse_datetime(text) };
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
                builder.append_value(&text);
            }
            _ => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// MySQL's format codes; the three Java patterns that StarRocks also takes.
fn mysql_pattern(pattern: &str) -> &str {
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

fn str_to_date(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (values, patterns) = (texts(&args[0], rows)?, texts(&args[1], rows)?);
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
    for row in 0..rows {
        let parsed = text_at(&values, row).zip(text_at(&patterns, row)).and_then(|(v, p)| parse_time(v, p));
        builder.append_option(parsed);
    }
    Ok(Arc::new(builder.finish()))
}

/// What has been read of a time so far.
struct Reader<'a> {
    rest: &'a str,
    date: (i64, i64, i64),
    clock: (i64, i64, i64, i64),
    afternoon: Option<bool>,
}

impl Reader<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let count = self.rest.bytes().take(digits).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(count);
        self.rest = rest;
        number.parse().ok()
    }

    fn name(&mut self, names: &[&str], letters: Option<usize>) -> Option<i64> {
        let position = names.iter().position(|name| {
            let name = letters.map_or(*name, |n| &name[..n]);
            self.rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
        })?;
        let length = letters.unwrap_or(names[position].len());
        self.rest = self.rest.get(length..)?;
        Some(position as i64)
    }

    fn code(&mut self, code: char) -> Option<()> {
        match code {
            'Y' => self.date.0 = self.number(4)?,
            'y' => self.date.0 = self.number(2).map(|y| if y < 70 { 2000 + y } else { 1900 + y })?,
            'm' | 'c' => self.date.1 = self.number(2)?,
            'M' => self.date.1 = self.name(&MONTHS, None)? + 1,
            'b' => self.date.1 = self.name(&MONTHS, Some(3))? + 1,
            'd' | 'e' => self.date.2 = self.number(2)?,
            'H' | 'k' | 'h' | 'I' | 'l' => self.clock.0 = self.number(2)?,
            'i' => self.clock.1 = self.number(2)?,
            's' | 'S' => self.clock.2 = self.number(2)?,
            'f' => {
                let before = self.rest.len();
                let fraction = self.number(6)?;
                self.clock.3 = fraction * 10_i64.pow(6 - (before - self.rest.len()) as u32);
            }
            'p' => self.afternoon = Some(self.name(&["AM", "PM"], None)? == 1),
            'T' => {
                self.code('H')?;
                self.literal(':')?;
                self.code('i')?;
                self.literal(':')?;
                self.code('s')?;
            }
            'W' => drop(self.name(&WEEKDAYS, None)?),
            'a' => drop(self.name(&WEEKDAYS, Some(3))?),
            other => self.literal(other)?,
        }
        Some(())
    }

    fn literal(&mut self, letter: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(letter)?;
        Some(())
    }
}

fn parse_time(value: &str, pattern: &str) -> Option<i64> {
    let mut reader = Reader { rest: value.trim(), date: (0, 1, 1), clock: (0, 0, 0, 0), afternoon: None };
    let mut codes = mysql_pattern(pattern).chars();
    while let Some(letter) = codes.next() {
        match letter {
            '%' => reader.code(codes.next()?)?,
            letter if letter.is_whitespace() => reader.rest = reader.rest.trim_start(),
            letter => reader.literal(letter)?,
        }
    }
    let (year, month, day) = reader.date;
    let (mut hour, minute, second, fraction) = reader.clock;
    if let Some(afternoon) = reader.afternoon {
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let sane = hour < 24 && minute < 60 && second < 60 && is_valid_date(year, month as u32, day as u32);
    let of_day = ((hour * 60 + minute) * 60 + second) * SECOND + fraction;
    sane.then(|| days_from_civil(year, month as u32, day as u32) * DAY + of_day)
}
