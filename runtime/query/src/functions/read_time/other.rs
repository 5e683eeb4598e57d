//! Patterns that are not MySQL's: Joda's (`dd/MMMM/yy HH:mm`) and Teradata's (`yyyy/mm/dd hh24:mi`).

use datafusion::common::{Result, exec_err};

use super::{Reader, read_rows};
use crate::functions::{DATETIME, Function, Slot};

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("str_to_jodatime", &[Slot::Text, Slot::Text], DATETIME, |args, rows| {
            read_rows(args, rows, |value, pattern| Ok(joda(value, pattern)))
        }),
        Function::new("to_tera_timestamp", &[Slot::Text, Slot::Text], DATETIME, |args, rows| {
            read_rows(args, rows, teradata)
        }),
    ]
}

/// How many of one letter stand together says how long its part is. None: it does not fit, or there is no such letter.
fn joda(value: &str, pattern: &str) -> Option<i64> {
    let mut reader = Reader::new(value);
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        if letter == '\'' {
            let quoted = &rest[1..];
            let end = quoted.find('\'')?;
            let words = if end == 0 { "'" } else { &quoted[..end] };
            reader.rest = reader.rest.strip_prefix(words)?;
            rest = &quoted[end + 1..];
            continue;
        }
        let part = rest.len() - rest.trim_start_matches(letter).len();
        match letter.is_ascii_alphabetic() {
            true => joda_part(&mut reader, letter, part)?,
            false => reader.rest = reader.rest.strip_prefix(&rest[..part])?,
        }
        rest = &rest[part..];
    }
    if reader.rest.is_empty() { reader.time() } else { None }
}

fn joda_part(reader: &mut Reader<'_>, letter: char, count: usize) -> Option<()> {
    let code = match letter {
        'y' | 'Y' | 'x' if count == 2 => 'y',
        'y' | 'Y' | 'x' => 'Y',
        'M' if count > 3 => 'M',
        'M' if count == 3 => 'b',
        'M' => 'm',
        'd' => 'd',
        'D' => 'j',
        'H' | 'k' | 'K' | 'h' => 'H',
        'm' => 'i',
        's' => 's',
        'S' => 'f',
        'a' => 'p',
        'E' if count > 3 => 'W',
        'E' => 'a',
        _ => return None,
    };
    reader.code(code)?;
    if letter == 'k' {
        // Midnight is 24.
        reader.clock.0 = if reader.clock.0 == 24 { 0 } else { reader.clock.0 };
    }
    Some(())
}

/// Parts of a pattern, the longer before those that they begin with; and whether the hour is one of half a day.
const TERADATA: [(&str, char, bool); 9] = [
    ("yyyy", 'Y', false),
    ("yy", 'y', false),
    ("hh24", 'H', false),
    ("hh", 'h', true),
    ("mi", 'i', false),
    ("mm", 'm', false),
    ("dd", 'd', false),
    ("ss", 's', false),
    ("am", 'p', false),
];

fn is_mark(letter: char) -> bool {
    matches!(letter, ' ' | '\r' | '\n' | '\t' | '-' | '/' | ',' | '.' | ';' | ':')
}

/// None: the text does not fit.
///
/// # Errors
/// When there is no such pattern.
fn teradata(value: &str, pattern: &str) -> Result<Option<i64>> {
    let lower = pattern.to_ascii_lowercase();
    let mut parts = Vec::new();
    let mut rest = lower.as_str();
    while let Some(letter) = rest.chars().next() {
        let known =
            TERADATA.iter().find(|(name, ..)| rest.starts_with(name) || *name == "am" && rest.starts_with("pm"));
        let length = match known {
            Some((name, ..)) => name.len(),
            None if is_mark(letter) => 1,
            None => return exec_err!("The format parameter {pattern} is invalid format"),
        };
        parts.push(known.map(|(_, code, is_half)| (*code, *is_half)));
        rest = &rest[length..];
    }
    Ok(teradata_time(value, &parts))
}

/// By the parts of a pattern; None is a mark between them.
fn teradata_time(value: &str, parts: &[Option<(char, bool)>]) -> Option<i64> {
    let mut reader = Reader::new(value);
    for part in parts {
        match part {
            None => reader.rest = reader.rest.strip_prefix(is_mark)?,
            Some((code, is_half)) => {
                reader.code(*code)?;
                if *is_half && !(1..=12).contains(&reader.clock.0) {
                    return None;
                }
            }
        }
    }
    if reader.rest.is_empty() { reader.time() } else { None }
}
