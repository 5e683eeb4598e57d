//! Times of day as texts: `timediff`, `time_format`. There is no column of such a type.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::text::texts;
use super::time::micros;
use super::{Function, Slot};

const SECOND: i64 = 1_000_000;
/// What `timediff` tells at most, in seconds.
const LONGEST: i64 = 838 * 3600 + 59 * 60 + 59;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("timediff", &[Slot::Any, Slot::Any], DataType::Utf8, timediff),
        Function::new("time_format", &[Slot::Text, Slot::Text], DataType::Utf8, time_format),
    ]
}

fn timediff(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (left, right) = (micros(&args[0], rows)?, micros(&args[1], rows)?);
    let mut builder = StringBuilder::with_capacity(rows, rows * 9);
    for (left, right) in left.into_iter().zip(right) {
        builder.append_option(left.zip(right).map(|(left, right)| {
            let seconds = ((left - right) / SECOND).clamp(-LONGEST, LONGEST);
            let sign = if seconds < 0 { "-" } else { "" };
            let seconds = seconds.abs();
            format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
        }));
    }
    Ok(Arc::new(builder.finish()))
}

fn time_format(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (times, patterns) = (texts(&args[0], rows)?, texts(&args[1], rows)?);
    let mut builder = StringBuilder::with_capacity(rows, rows * 9);
    for row in 0..rows {
        let known = times.is_valid(row) && patterns.is_valid(row);
        let formatted = known.then(|| clock(times.value(row))).flatten();
        builder.append_option(formatted.map(|clock| format_clock(clock, patterns.value(row))));
    }
    Ok(Arc::new(builder.finish()))
}

/// `[-]H:m[:s]`, perhaps behind a date: sign, hours, minutes, seconds.
fn clock(text: &str) -> Option<(&'static str, u32, u32, u32)> {
    let text = text.trim();
    let text = text.rsplit_once([' ', 'T']).map_or(text, |(_, clock)| clock);
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let mut parts = rest.split('.').next()?.split(':').map(|part| part.parse::<u32>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    (parts.next().is_none() && minute < 60 && second < 60).then_some((sign, hour, minute, second))
}

fn format_clock((sign, hour, minute, second): (&str, u32, u32, u32), pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 4);
    let half = if hour % 12 == 0 { 12 } else { hour % 12 };
    let name = if hour % 24 < 12 { "AM" } else { "PM" };
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        // Writing into a text does not fail.
        let _ = match letters.next() {
            Some('H') => write!(out, "{sign}{hour:02}"),
            Some('k') => write!(out, "{sign}{hour}"),
            Some('h' | 'I') => write!(out, "{half:02}"),
            Some('l') => write!(out, "{half}"),
            Some('i') => write!(out, "{minute:02}"),
            Some('s' | 'S') => write!(out, "{second:02}"),
            Some('p') => out.write_str(name),
            Some('r') => write!(out, "{half:02}:{minute:02}:{second:02} {name}"),
            Some('T') => write!(out, "{sign}{hour:02}:{minute:02}:{second:02}"),
            Some('f') => out.write_str("000000"),
            Some(other) => out.write_char(other),
            None => out.write_char('%'),
        };
    }
    out
}
