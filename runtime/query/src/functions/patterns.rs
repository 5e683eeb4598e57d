//! Regular expressions: what they capture, and texts cut where they match.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_datafusion_err};
use regex::{Regex, RegexBuilder};

use super::text::texts;
use super::time::text_at;
use super::typed::{Typed, list};

pub(super) fn functions() -> Vec<Typed> {
    vec![
        Typed::new("regexp_extract", captured, |_| DataType::Utf8, extract),
        Typed::new("regexp_extract_all", captured, |_| list(DataType::Utf8), extract_all),
        Typed::new("regexp_split", split_types, |_| list(DataType::Utf8), split),
    ]
}

fn captured(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 3).then(|| vec![DataType::Utf8, DataType::Utf8, DataType::Int64])
}

fn split_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let all = [DataType::Utf8, DataType::Utf8, DataType::Int64];
    matches!(types.len(), 2 | 3).then(|| all[..types.len()].to_vec())
}

/// Patterns that are kept at once, and bytes that one may take.
const MOST_KNOWN: usize = 32;
const PATTERN_BYTES: usize = 2 << 20;

/// Patterns that were read already.
#[derive(Default)]
struct Known(HashMap<String, Regex>);

impl Known {
    fn pattern(&mut self, text: &str) -> Result<&Regex> {
        if !self.0.contains_key(text) {
            if self.0.len() >= MOST_KNOWN {
                self.0.clear();
            }
            let read = RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
            let read = read.map_err(|e| exec_datafusion_err!("Invalid regex expression: {text}: {e}"))?;
            self.0.insert(text.to_owned(), read);
        }
        self.0.get(text).ok_or_else(|| exec_datafusion_err!("Invalid regex expression: {text}"))
    }
}

/// A text, a pattern and a number of each row; None: one of them is NULL.
type Row<'a> = Option<(&'a str, &'a str, Option<i64>)>;

fn each(args: &[ArrayRef], rows: usize, mut see: impl FnMut(Row<'_>, &mut Known) -> Result<()>) -> Result<()> {
    let (values, patterns) = (texts(&args[0], rows)?, texts(&args[1], rows)?);
    let numbers = args.get(2).map(|numbers| numbers.as_primitive::<Int64Type>());
    let mut known = Known::default();
    for row in 0..rows {
        let number = numbers.map(|numbers| numbers.is_valid(row).then(|| numbers.value(row)));
        let pair = text_at(&values, row).zip(text_at(&patterns, row));
        let given = pair.filter(|_| number != Some(None)).map(|(value, pattern)| (value, pattern, number.flatten()));
        see(given, &mut known)?;
    }
    Ok(())
}

/// A group of the first match; of no match an empty text.
fn extract(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let mut found: Vec<Option<String>> = Vec::with_capacity(rows);
    each(args, rows, |row, known| {
        let Some((value, pattern, group)) = row else {
            found.push(None);
            return Ok(());
        };
        let group = group.and_then(|group| usize::try_from(group).ok());
        let captured = known.pattern(pattern)?.captures(value);
        let text = group.and_then(|group| captured.as_ref()?.get(group)).map_or("", |text| text.as_str());
        found.push(Some(text.to_owned()));
        Ok(())
    })?;
    Ok(Arc::new(StringArray::from(found)))
}

/// A group of every match.
fn extract_all(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let mut found = ListBuilder::new(StringBuilder::new());
    each(args, rows, |row, known| {
        let Some((value, pattern, group)) = row else {
            found.append_null();
            return Ok(());
        };
        let group = group.and_then(|group| usize::try_from(group).ok());
        for captured in known.pattern(pattern)?.captures_iter(value) {
            if let Some(text) = group.and_then(|group| captured.get(group)) {
                found.values().append_value(text.as_str());
            }
        }
        found.append(true);
        Ok(())
    })?;
    Ok(Arc::new(found.finish()))
}

/// The parts between matches, so many at most; a pattern that is empty stands between all characters.
fn split(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let mut found = ListBuilder::new(StringBuilder::new());
    each(args, rows, |row, known| {
        let Some((value, pattern, most)) = row else {
            found.append_null();
            return Ok(());
        };
        let most = most.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0).unwrap_or(usize::MAX);
        if pattern.is_empty() {
            let mut rest = value;
            for count in 1.. {
                let Some(first) = rest.chars().next() else { break };
                let part = if count == most { rest } else { &rest[..first.len_utf8()] };
                found.values().append_value(part);
                rest = &rest[part.len()..];
            }
        } else {
            known.pattern(pattern)?.splitn(value, most).for_each(|part| found.values().append_value(part));
        }
        found.append(true);
        Ok(())
    })?;
    Ok(Arc::new(found.finish()))
}
