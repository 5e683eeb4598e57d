//! Days of a year and of a week, times of day in seconds, times in Joda's patterns and in ISO 8601.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_datafusion_err};
use storage_model::time::{civil_from_days, days_from_civil};

use super::text::texts;
use super::time::{DAY, MONTHS, SECOND, WEEKDAYS, in_calendar, micros, text_at};
use super::{DATETIME, Function, Slot};

/// Longer texts are NULL.
pub(super) const LONGEST: usize = 128;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("makedate", &[Slot::Integer, Slot::Integer], DataType::Date32, make),
        Function::new("next_day", &[Slot::Any, Slot::Text], DataType::Date32, |args, rows| beside(args, rows, true)),
        Function::new("previous_day", &[Slot::Any, Slot::Text], DataType::Date32, |args, rows| {
            beside(args, rows, false)
        }),
        Function::new("time_to_sec", &[Slot::Text], DataType::Int64, seconds),
        Function::new("sec_to_time", &[Slot::Integer], DataType::Utf8, clock_of),
        Function::new("to_datetime_ntz", &[Slot::Integer, Slot::Integer], DATETIME, since_epoch),
        Function::new("to_iso8601", &[Slot::Any], DataType::Utf8, iso),
        Function::new("jodatime_format", &[Slot::Any, Slot::Text], DataType::Utf8, joda),
    ]
}

/// The day of a year by its number.
fn make(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (years, days) = (args[0].as_primitive::<Int64Type>(), args[1].as_primitive::<Int64Type>());
    let made = |row| {
        let known = years.is_valid(row) && days.is_valid(row) && (0..=9999).contains(&years.value(row));
        let (year, day) = known.then(|| (years.value(row), days.value(row)))?;
        let (first, next) = (days_from_civil(year, 1, 1), days_from_civil(year + 1, 1, 1));
        (1..=next - first).contains(&day).then(|| i32::try_from(first + day - 1).ok()).flatten()
    };
    Ok(Arc::new((0..rows).map(made).collect::<Date32Array>()))
}

/// The nearest day after or before another that is such a day of the week.
fn beside(args: &[ArrayRef], rows: usize, is_after: bool) -> Result<ArrayRef> {
    let (times, names) = (micros(&args[0], rows)?, texts(&args[1], rows)?);
    let mut found: Vec<Option<i32>> = Vec::with_capacity(rows);
    for (row, time) in times.into_iter().enumerate() {
        let (Some(time), Some(name)) = (time, text_at(&names, row)) else {
            found.push(None);
            continue;
        };
        let is_called = |day: &&str| *day == name || day[..3] == *name || day[..2] == *name;
        let wanted = WEEKDAYS.iter().position(is_called);
        let wanted = wanted.ok_or_else(|| exec_datafusion_err!("{name} not supported in next_day dow_string"))? as i64;
        let day = time.div_euclid(DAY);
        let weekday = (day + 4).rem_euclid(7);
        let day = match is_after {
            true => day + 1 + (wanted - weekday - 1).rem_euclid(7),
            false => day - 1 - (weekday - wanted - 1).rem_euclid(7),
        };
        found.push(i32::try_from(day).ok());
    }
    Ok(Arc::new(Date32Array::from(found)))
}

/// Seconds as `HH:MM:SS`, as far as a TIME reaches.
fn clock_of(args: &[ArrayRef], _: usize) -> Result<ArrayRef> {
    /// 839:59:59.
    const MOST: i64 = 3_023_999;
    let text = |seconds: i64| {
        let (sign, of) = (if seconds < 0 { "-" } else { "" }, seconds.clamp(-MOST, MOST).abs());
        format!("{sign}{:02}:{:02}:{:02}", of / 3600, of / 60 % 60, of % 60)
    };
    let seconds = args[0].as_primitive::<Int64Type>();
    Ok(Arc::new(seconds.iter().map(|seconds| seconds.map(text)).collect::<StringArray>()))
}

/// Seconds (0), milliseconds (3) or microseconds (6) since 1970, as a time in UTC.
fn since_epoch(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (counts, scales) = (args[0].as_primitive::<Int64Type>(), args[1].as_primitive::<Int64Type>());
    let time = |row| {
        let (count, scale) =
            (counts.is_valid(row) && scales.is_valid(row)).then(|| (counts.value(row), scales.value(row)))?;
        let unit = match scale {
            0 => SECOND,
            3 => SECOND / 1000,
            6 => 1,
            _ => return None,
        };
        count.checked_mul(unit).filter(in_calendar)
    };
    Ok(Arc::new((0..rows).map(time).collect::<TimestampMicrosecondArray>()))
}

/// `[-]H:m:s` in seconds; of a time its clock.
fn seconds(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let read = |text: &str| {
        let clock = text.trim().rsplit([' ', 'T']).next()?;
        let (sign, clock) = clock.strip_prefix('-').map_or((1, clock), |clock| (-1, clock));
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok())?;
        let parts = clock.split('.').next()?.split(':').map(|part| number(part).map(i64::from));
        let [hour, minute, second] = parts.collect::<Option<Vec<_>>>()?[..] else { return None };
        (minute < 60 && second < 60).then_some(sign * (hour * 3600 + minute * 60 + second))
    };
    Ok(Arc::new(texts(&args[0], rows)?.iter().map(|text| text.and_then(read)).collect::<Int64Array>()))
}

fn iso(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let is_day = args[0].data_type() == &DataType::Date32;
    let text = |time: i64| {
        let (year, month, day) = civil_from_days(time.div_euclid(DAY));
        let date = format!("{year:04}-{month:02}-{day:02}");
        let of_day = time.rem_euclid(DAY);
        let seconds = of_day / SECOND;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if is_day { date } else { format!("{date}T{hour:02}:{minute:02}:{second:02}.{:06}", of_day % SECOND) }
    };
    Ok(Arc::new(micros(&args[0], rows)?.into_iter().map(|time| time.map(text)).collect::<StringArray>()))
}

fn joda(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (times, patterns) = (micros(&args[0], rows)?, texts(&args[1], rows)?);
    let text = |(row, time): (usize, Option<i64>)| {
        let text = joda_text(time?, text_at(&patterns, row)?)?;
        (text.len() <= LONGEST).then_some(text)
    };
    Ok(Arc::new(times.into_iter().enumerate().map(text).collect::<StringArray>()))
}

/// A time in a pattern of letters: how many of one stand together says how long its part is. None: there is no such letter.
fn joda_text(time: i64, pattern: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        if letter == '\'' {
            let quoted = &rest[1..];
            let end = quoted.find('\'')?;
            out.push_str(if end == 0 { "'" } else { &quoted[..end] });
            rest = &quoted[end + 1..];
            continue;
        }
        let count = rest.chars().take_while(|other| *other == letter).count();
        if count > LONGEST {
            return None;
        }
        rest = &rest[count * letter.len_utf8()..];
        match letter.is_ascii_alphabetic() {
            true => joda_part(time, letter, count, &mut out)?,
            false => out.extend(std::iter::repeat_n(letter, count)),
        }
    }
    Some(out)
}

fn joda_part(time: i64, letter: char, count: usize, out: &mut String) -> Option<()> {
    let days = time.div_euclid(DAY);
    let (year, month, day) = civil_from_days(days);
    let seconds = time.rem_euclid(DAY) / SECOND;
    let hour = seconds / 3600;
    let weekday = (days + 4).rem_euclid(7);
    let name = |name: &'static str| if count > 3 { name } else { &name[..3] };
    let number = match letter {
        'M' if count > 2 => {
            out.push_str(name(MONTHS[month as usize - 1]));
            return Some(());
        }
        'E' => {
            out.push_str(name(WEEKDAYS[weekday as usize]));
            return Some(());
        }
        'a' => {
            out.push_str(if hour < 12 { "AM" } else { "PM" });
            return Some(());
        }
        'S' => {
            let fraction = format!("{:06}000", time.rem_euclid(SECOND));
            out.push_str(&fraction[..count.min(fraction.len())]);
            return Some(());
        }
        'y' | 'Y' | 'x' if count == 2 => year % 100,
        'y' | 'Y' | 'x' => year,
        'C' => year / 100,
        'M' => month.into(),
        'd' => day.into(),
        'D' => days - days_from_civil(year, 1, 1) + 1,
        'e' => (weekday + 6) % 7 + 1,
        'H' => hour,
        'k' => {
            if hour == 0 {
                24
            } else {
                hour
            }
        }
        'K' => hour % 12,
        'h' => {
            if hour % 12 == 0 {
                12
            } else {
                hour % 12
            }
        }
        'm' => seconds / 60 % 60,
        's' => seconds % 60,
        _ => return None,
    };
    write!(out, "{number:0count$}").ok()
}
