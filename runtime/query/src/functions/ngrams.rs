//! How much of one text's n-grams another one has.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};

use super::text::texts;
use super::time::text_at;
use super::typed::Typed;

/// Longer texts are like nothing; a longer needle is an error.
const LONGEST: usize = 1 << 15;
/// Of all grams of a needle.
const MOST_BYTES: usize = 4 << 20;

pub(super) fn functions() -> Vec<Typed> {
    let double = |_: &[DataType]| DataType::Float64;
    vec![
        Typed::new("ngram_search", two_texts, double, |args, rows, _| each(args, rows, str::to_owned)),
        Typed::new("ngram_search_case_insensitive", two_texts, double, |args, rows, _| {
            each(args, rows, str::to_ascii_lowercase)
        }),
    ]
}

fn two_texts(types: &[DataType]) -> Option<Vec<DataType>> {
    let is_plain = |given: &DataType| !given.is_nested() && !super::sketches::is_sketch(given);
    (types.len() == 3 && types.iter().all(is_plain)).then(|| vec![DataType::Utf8, DataType::Utf8, DataType::Int64])
}

/// The n-grams of a needle, and how often each is in it. In bytes, as in StarRocks.
struct Needle {
    text: String,
    length: usize,
    grams: HashMap<Vec<u8>, usize>,
    count: usize,
}

impl Needle {
    fn new(text: &str, length: i64, read: fn(&str) -> String) -> Result<Needle> {
        let Some(length) = usize::try_from(length).ok().filter(|length| *length > 0) else {
            return exec_err!("ngram search's third parameter must be a positive number");
        };
        if text.len() > LONGEST {
            return exec_err!("ngram function's second parameter is larger than 2^15");
        }
        let grams = (text.len() + 1).saturating_sub(length);
        if length.saturating_mul(grams) > MOST_BYTES {
            return exec_err!(
                "ngram search's third parameter {length} is too large for a text of {} bytes",
                text.len()
            );
        }
        let mut grams: HashMap<Vec<u8>, usize> = HashMap::new();
        for gram in read(text).as_bytes().windows(length) {
            *grams.entry(gram.to_vec()).or_default() += 1;
        }
        let count = grams.values().sum();
        Ok(Needle { text: text.to_owned(), length, grams, count })
    }

    fn share_in(&self, haystack: &str) -> f64 {
        if haystack.len() > LONGEST || self.count == 0 {
            return 0.0;
        }
        let mut seen: HashMap<&[u8], usize> = HashMap::new();
        for gram in haystack.as_bytes().windows(self.length) {
            if self.grams.contains_key(gram) {
                *seen.entry(gram).or_default() += 1;
            }
        }
        let common: usize =
            seen.iter().map(|(gram, times)| self.grams.get(*gram).map_or(0, |most| *times.min(most))).sum();
        // As many digits as StarRocks computes.
        f64::from(1.0 - (self.count - common) as f32 / self.count as f32)
    }
}

fn each(args: &[ArrayRef], rows: usize, read: fn(&str) -> String) -> Result<ArrayRef> {
    let (haystacks, needles) = (texts(&args[0], rows)?, texts(&args[1], rows)?);
    let lengths = args[2].as_primitive::<Int64Type>();
    let mut known: Option<(i64, Needle)> = None;
    let mut shares = Vec::with_capacity(rows);
    for row in 0..rows {
        let pair = text_at(&haystacks, row).zip(text_at(&needles, row)).filter(|_| lengths.is_valid(row));
        let Some((haystack, needle)) = pair else {
            shares.push(None);
            continue;
        };
        let length = lengths.value(row);
        let (_, needle) = match known.take() {
            Some(same) if same.0 == length && same.1.text == needle => known.insert(same),
            _ => known.insert((length, Needle::new(needle, length, read)?)),
        };
        shares.push(Some(needle.share_in(&read(haystack))));
    }
    Ok(Arc::new(Float64Array::from(shares)))
}
