//! Functions on URLs: their parts, one parameter of their query, and texts as they stand in them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::text::texts;
use super::time::text_at;
use super::{Function, Slot};

pub(super) fn functions() -> Vec<Function> {
    let text = || DataType::Utf8;
    vec![
        Function::new("url_encode", &[Slot::Text], text(), |args, rows| each(args, rows, |text| Some(encoded(text)))),
        Function::new("url_decode", &[Slot::Text], text(), |args, rows| each(args, rows, decoded)),
        Function::new("url_extract_host", &[Slot::Text], text(), |args, rows| {
            each(args, rows, |url| part(url, "HOST").map(str::to_owned))
        }),
        Function::new("url_extract_parameter", &[Slot::Text, Slot::Text], text(), |args, rows| {
            each_pair(args, rows, parameter)
        }),
        Function::new("parse_url", &[Slot::Text, Slot::Text], text(), |args, rows| {
            each_pair(args, rows, |url, wanted| part(url, wanted).map(str::to_owned))
        }),
    ]
}

fn each(args: &[ArrayRef], rows: usize, of: fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let texts = texts(&args[0], rows)?;
    Ok(Arc::new(texts.iter().map(|text| text.and_then(of)).collect::<StringArray>()))
}

fn each_pair(args: &[ArrayRef], rows: usize, of: fn(&str, &str) -> Option<String>) -> Result<ArrayRef> {
    let (left, right) = (texts(&args[0], rows)?, texts(&args[1], rows)?);
    let pair = |row: usize| text_at(&left, row).zip(text_at(&right, row)).and_then(|(left, right)| of(left, right));
    Ok(Arc::new((0..left.len()).map(pair).collect::<StringArray>()))
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// None: what stands there is no text.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &behind[2..];
            }
            other => out.push(*other),
        }
    }
    String::from_utf8(out).ok()
}

/// `scheme://[user[:password]@]host[:port][/path][?query][#reference]`, the part that is called so.
fn part<'a>(url: &'a str, wanted: &str) -> Option<&'a str> {
    let (protocol, rest) = url.trim().split_once("://")?;
    let (rest, reference) = rest.split_once('#').map_or((rest, None), |(rest, reference)| (rest, Some(reference)));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, file) = rest.split_at(end);
    let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
    let (path, query) = file.split_once('?').map_or((file, None), |(path, query)| (path, Some(query)));
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if is_port(port) => (host, Some(port)),
        _ => (place, None),
    };
    match wanted {
        "PROTOCOL" => Some(protocol),
        "AUTHORITY" => Some(authority),
        "USERINFO" => user,
        "HOST" => Some(host),
        "PORT" => port,
        "PATH" => Some(path),
        "FILE" => Some(file),
        "QUERY" => query,
        "REF" => reference,
        _ => None,
    }
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let query = part(url, "QUERY")?;
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(known, _)| *known == name).map(|(_, value)| value).next().and_then(decoded)
}
