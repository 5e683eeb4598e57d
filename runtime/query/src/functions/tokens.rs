//! `tokenize`: a text as the words that a full-text index would have of it.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::text::texts;
use super::time::text_at;
use super::typed::{Typed, list};

pub(super) fn functions() -> Vec<Typed> {
    vec![Typed::new("tokenize", two_texts, |_| list(DataType::Utf8), tokenize)]
}

fn two_texts(types: &[DataType]) -> Option<Vec<DataType>> {
    super::sketches::wanted(types, &[super::sketches::Want::Text; 2])
}

/// NULL of a text that is empty, as in StarRocks.
fn tokenize(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (names, values) = (texts(&args[0], rows)?, texts(&args[1], rows)?);
    let mut found = ListBuilder::new(StringBuilder::new());
    for row in 0..rows {
        let pair = text_at(&names, row).zip(text_at(&values, row)).filter(|(_, text)| !text.is_empty());
        let Some((name, text)) = pair else {
            found.append_null();
            continue;
        };
        for word in tokenizer(name)?(text) {
            found.values().append_value(word);
        }
        found.append(true);
    }
    Ok(Arc::new(found.finish()))
}

fn tokenizer(name: &str) -> Result<fn(&str) -> Vec<String>> {
    match name.to_ascii_lowercase().as_str() {
        "english" | "none" => Ok(english),
        "standard" => Ok(standard),
        "chinese" => Ok(chinese),
        _ => exec_err!("Not support UNKNOWN parser_type: '{name}' is none of english, standard, chinese"),
    }
}

/// Letters and digits of ASCII that stand together, in lower case.
fn english(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect()
}

/// Letters that are written without spaces between words: each is a word.
fn is_ideograph(letter: char) -> bool {
    matches!(u32::from(letter),
        0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3040..=0x309F | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
}

/// The same, and those of Katakana and Hangul.
fn is_eastern(letter: char) -> bool {
    is_ideograph(letter)
        || matches!(u32::from(letter), 0x30A0..=0x30FF | 0x31F0..=0x31FF | 0x1100..=0x11FF | 0xAC00..=0xD7AF)
}

/// Whether a mark between two letters keeps them one word (`don't`, `a.b`), or between two digits one number (`1,000.5`).
fn joins(mark: char, before: char, after: char) -> bool {
    let (letters, digits) =
        (before.is_alphabetic() && after.is_alphabetic(), before.is_numeric() && after.is_numeric());
    match mark {
        '\'' | '\u{2019}' | '.' => letters || digits,
        ':' | '\u{b7}' => letters,
        ',' | ';' => digits,
        _ => false,
    }
}

/// Words by Unicode's rules, in lower case.
fn standard(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let (mut words, mut word) = (Vec::new(), String::new());
    for (at, letter) in letters.iter().enumerate() {
        let is_inside = !word.is_empty();
        let neighbours = at.checked_sub(1).and_then(|before| letters.get(before)).zip(letters.get(at + 1));
        if is_ideograph(*letter) {
            close(&mut word, &mut words);
            words.push(letter.to_string());
        } else if letter.is_alphanumeric() || *letter == '_' && is_inside {
            word.extend(letter.to_lowercase());
        } else if is_inside && neighbours.is_some_and(|(before, after)| joins(*letter, *before, *after)) {
            word.push(*letter);
        } else {
            close(&mut word, &mut words);
        }
    }
    close(&mut word, &mut words);
    words
}

fn close(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

/// Every two neighbours of Chinese, Japanese or Korean letters; other letters and digits as words in lower case.
fn chinese(text: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut run: Vec<char> = Vec::new();
    for letter in text.chars() {
        if is_eastern(letter) {
            close(&mut word, &mut words);
            run.push(letter);
            continue;
        }
        pairs(&mut run, &mut words);
        if letter.is_alphanumeric() || matches!(letter, '_' | '+' | '#') && !word.is_empty() {
            word.extend(letter.to_lowercase());
        } else {
            close(&mut word, &mut words);
        }
    }
    pairs(&mut run, &mut words);
    close(&mut word, &mut words);
    words
}

fn pairs(run: &mut Vec<char>, words: &mut Vec<String>) {
    match run.as_slice() {
        [] => {}
        [only] => words.push(only.to_string()),
        letters => words.extend(letters.windows(2).map(|pair| pair.iter().collect::<String>())),
    }
    run.clear();
}
