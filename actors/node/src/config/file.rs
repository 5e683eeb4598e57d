//! The form of fe.conf and cn.conf: `key = value` lines, `#` comments, quotes, `${NAME}`. As a layer of the `config`
//! crate, a file holds only the keys that mean something, under their first name, each with the line it came from.

use std::collections::BTreeMap;

use config::{Map, Source, Value, ValueKind};

use super::error::{ConfigError, Warning};
use super::known::{is_accepted, is_listed, resembles};
use super::settings::Vocabulary;

/// How deep `${A}` may lead to `${B}`.
const DEEPEST: usize = 8;

/// One setting as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it begins, from 1.
    pub number: usize,
    /// Left of `=`.
    pub key: String,
    /// Right of it, without its quotes.
    pub value: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

/// Splits a text into settings; the error is a line number and what is wrong there.
pub(crate) fn lines(text: &str) -> Result<Vec<Line>, (usize, String)> {
    let mut found = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text).lines().zip(1usize..);
    while let Some((first, number)) = rest.next() {
        let first = first.trim();
        if first.is_empty() || first.starts_with('#') || first.starts_with('!') {
            continue;
        }
        let mut whole = first.to_owned();
        while ends_in_backslash(&whole) {
            whole.pop();
            match rest.next() {
                Some((next, _)) => whole.push_str(next.trim()),
                None => break,
            }
        }
        let (key, value) =
            whole.split_once('=').ok_or_else(|| (number, format!("expected `key = value`, found `{whole}`")))?;
        let key = key.trim();
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
            return Err((number, format!("`{key}` is no key; expected `key = value`")));
        }
        let (value, quoted) = unquote(value.trim());
        found.push(Line { number, key: key.to_owned(), value: value.to_owned(), quoted });
    }
    Ok(found)
}

/// An odd number of them: two are a backslash of the value itself.
fn ends_in_backslash(text: &str) -> bool {
    text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

fn unquote(value: &str) -> (&str, bool) {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return (inner, true);
        }
    }
    (value, false)
}

/// Whether a key is one of those that StarRocks' scripts export and its program does not read.
pub(crate) fn is_script_key(key: &str) -> bool {
    key.chars().any(|c| c.is_ascii_uppercase()) && !key.chars().any(|c| c.is_ascii_lowercase())
}

/// Replaces every `${NAME}`; the error names the variable that nobody knows.
pub(crate) fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    expand_to(text, lookup, 0)
}

fn expand_to(text: &str, lookup: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<String, String> {
    if depth > DEEPEST {
        return Err(format!("`{text}` leads to itself"));
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let after = &rest[start + 2..];
        let end = after.find('}').ok_or_else(|| "`${` without `}`".to_owned())?;
        let name = &after[..end];
        let value = lookup(name).ok_or_else(|| format!("there is no environment variable {name}"))?;
        expanded.push_str(&rest[..start]);
        expanded.push_str(&expand_to(&value, lookup, depth + 1)?);
        rest = &after[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// A file as a layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileLayer {
    /// Value and place by first name.
    values: BTreeMap<String, (String, String)>,
}

impl FileLayer {
    /// Reads a text. `name` is what places are called after; `lookup` answers `${NAME}` after the file's own upper-case keys.
    pub(crate) fn read(
        text: &str,
        name: &str,
        vocabulary: &Vocabulary,
        lookup: &dyn Fn(&str) -> Option<String>,
        warnings: &mut Vec<Warning>,
    ) -> Result<FileLayer, ConfigError> {
        let lines =
            lines(text).map_err(|(line, why)| ConfigError::Malformed { place: format!("{name}:{line}"), why })?;
        let scripts: BTreeMap<&str, &str> =
            lines.iter().filter(|l| is_script_key(&l.key)).map(|l| (l.key.as_str(), l.value.as_str())).collect();
        let lookup = |name: &str| lookup(name).or_else(|| scripts.get(name).map(|value| (*value).to_owned()));
        let mut layer = FileLayer::default();
        for line in lines.iter().filter(|line| !is_script_key(&line.key)) {
            let place = format!("{name}:{}", line.number);
            let Some(key) = vocabulary.first_name(&line.key) else {
                warnings.extend(unknown(&line.key, &place, vocabulary));
                continue;
            };
            if !line.quoted && line.value.contains(" #") {
                let text = format!("{key}: ` #` is part of the value; a comment stands on a line of its own");
                warnings.push(Warning::new(&place, text));
            }
            let value = expand(&line.value, &lookup).map_err(|why| ConfigError::BadValue {
                place: place.clone(),
                key: line.key.clone(),
                value: vocabulary.printable(key, &line.value),
                why,
            })?;
            if let Some((_, before)) = layer.values.insert(key.to_owned(), (value, place.clone())) {
                warnings.push(Warning::new(&place, format!("{key} was already set at {before}; this line wins")));
            }
        }
        if !scripts.is_empty() {
            let names = scripts.keys().copied().collect::<Vec<_>>().join(", ");
            let text = format!("upper-case keys are for StarRocks' scripts and its JVM; ignored here: {names}");
            warnings.push(Warning::new(name, text));
        }
        Ok(layer)
    }
}

fn unknown(key: &str, place: &str, vocabulary: &Vocabulary) -> Option<Warning> {
    match resembles(key, vocabulary.names()) {
        // By its full name StarRocks' `https_port` is not our `http_port`, but `qe_max_conection` is in no list.
        Some(name) if !is_listed(key) => {
            Some(Warning::new(place, format!("unknown key {key} is ignored; did you mean {name}?")))
        }
        _ if is_accepted(key) => None,
        _ => Some(Warning::new(place, format!("unknown key {key} is ignored"))),
    }
}

impl Source for FileLayer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let value = |(key, (text, place)): (&String, &(String, String))| {
            (key.clone(), Value::new(Some(place), ValueKind::String(text.clone())))
        };
        Ok(self.values.iter().map(value).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        lines(text).unwrap().into_iter().map(|line| (line.key, line.value)).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn comments_quotes_and_spaces() {
        let text = "\u{feff}# c\n! c\n\n  a = 1  \nb=\"x # y\"\nc = 'z'\r\nd =\ne = a=b\nf = \"\n";
        let expected = [("a", "1"), ("b", "x # y"), ("c", "z"), ("d", ""), ("e", "a=b"), ("f", "\"")];
        assert_eq!(pairs(text), expected.map(|(k, v)| pair(k, v)));
    }

    #[test]
    fn a_backslash_carries_on() {
        let text = "JAVA_OPTS = \"-a \\\n   -b\"\nx = c:\\\\\ny = 2\nz = 3 \\";
        let found = lines(text).unwrap();
        assert_eq!(found[0].value, "-a -b");
        assert_eq!((found[1].value.as_str(), found[2].number), ("c:\\\\", 4));
        assert_eq!(found[3].value, "3");
    }

    #[test]
    fn what_is_no_setting_is_refused_with_its_line() {
        assert_eq!(lines("a = 1\nhttp_port 8030").unwrap_err().0, 2);
        assert_eq!(lines("<<<<<<< HEAD").unwrap_err().0, 1);
        assert!(lines("# x\n\n=======").unwrap_err().1.contains("expected `key = value`"));
        assert!(lines("a b = 1").is_err());
    }

    #[test]
    fn expansion() {
        let lookup = |name: &str| match name {
            "HOME" => Some("/h".to_owned()),
            "LOG" => Some("${HOME}/log".to_owned()),
            "LOOP" => Some("${LOOP}".to_owned()),
            _ => None,
        };
        assert_eq!(expand("${HOME}/a/${LOG}:$x}", &lookup).unwrap(), "/h/a//h/log:$x}");
        assert!(expand("${NOBODY}", &lookup).unwrap_err().contains("NOBODY"));
        assert!(expand("${HOME", &lookup).is_err());
        assert!(expand("${LOOP}", &lookup).unwrap_err().contains("leads to itself"));
    }
}
