//! Names and literals as text: quoting, splitting, LIKE.

use std::fmt;

use crate::lexer::{Kind, Lexer};

/// The catalog that is ours.
pub const DEFAULT_CATALOG: &str = "default_catalog";

/// A name with up to two qualifiers: `catalog.database.name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QualifiedName {
    /// The catalog, if it was named.
    pub catalog: Option<String>,
    /// The database, if it was named.
    pub database: Option<String>,
    /// The thing itself.
    pub name: String,
}

impl QualifiedName {
    /// A name without qualifiers.
    pub fn bare(name: impl Into<String>) -> Self {
        QualifiedName { catalog: None, database: None, name: name.into() }
    }

    /// From one to three parts in the order they are written; None for any other number.
    pub fn from_parts(parts: Vec<String>) -> Option<Self> {
        let mut parts = parts.into_iter().rev();
        let name = parts.next()?;
        let (database, catalog) = (parts.next(), parts.next());
        parts.next().is_none().then_some(QualifiedName { catalog, database, name })
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for qualifier in [&self.catalog, &self.database].into_iter().flatten() {
            write!(f, "{}.", quote_identifier(qualifier))?;
        }
        f.write_str(&quote_identifier(&self.name))
    }
}

/// The name in backquotes, so that it reads back as itself whatever is in it.
pub fn quote_identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The text as a string literal in double quotes, as StarRocks prints properties and comments.
pub fn quote_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' => quoted.push_str("\\\""),
            // `\%` and `\_` keep their backslash when they are read: it must not be doubled.
            '\\' if matches!(characters.peek(), Some('%' | '_')) => quoted.push('\\'),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\0' => quoted.push_str("\\0"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{1a}' => quoted.push_str("\\Z"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The parts of `a.b.c`, where each part may be in backquotes. None when the text is no such name.
///
/// What follows the last period needs no quoting, so this reads what drivers put into a handshake or COM_INIT_DB
/// (`default_catalog.my-db`) as well.
pub fn split_qualified_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, behind) = match rest.starts_with('`') {
            true => {
                let mut lexer = Lexer::new(rest);
                let token = lexer.next_token();
                if token.kind != Kind::Quoted {
                    return None;
                }
                (token.value().into_owned(), &rest[token.end()..])
            }
            false => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match behind.strip_prefix('.') {
            Some(more) => rest = more,
            None => return behind.is_empty().then_some(parts),
        }
    }
}

/// Whether a text matches a LIKE pattern: `%` any characters, `_` one, backslash takes the next literally. Without case,
/// as SHOW ... LIKE compares.
pub fn like_matches(pattern: &str, text: &str) -> bool {
    let fold = |s: &str| s.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (pattern, text) = (fold(pattern), fold(text));
    let (mut p, mut t) = (0, 0);
    // Where the last `%` stood and how much of the text it has swallowed.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        let (literal, width) = match pattern.get(p) {
            Some('\\') if p + 1 < pattern.len() => (pattern.get(p + 1), 2),
            Some('%') => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some('_') => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            other => (other, 1),
        };
        if literal == text.get(t) {
            (p, t) = (p + width, t + 1);
        } else if let Some((after, swallowed)) = retry {
            retry = Some((after, swallowed + 1));
            (p, t) = (after, swallowed + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_follows_mysql() {
        for (pattern, text, expected) in [
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("sql_mode", "SQL_MODE", true),
            ("sql_mode", "sqlxmode", true),
            ("sql\\_mode", "sqlxmode", false),
            ("sql\\_mode", "sql_mode", true),
            ("%a%b", "xxaxxbxb", true),
            ("%a%b", "xxaxxbxc", false),
            ("a\\%", "a%", true),
            ("a\\%", "ab", false),
            ("a\\", "a\\", true),
            ("_", "ä", true),
            ("__", "a", false),
            ("%%%%x", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(like_matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!like_matches(&"%a".repeat(400), &"a".repeat(399)));
        assert!(!like_matches(&format!("{}b", "%a".repeat(200)), &"a".repeat(4000)));
    }

    #[test]
    fn names_split_and_quote() {
        let split = |text: &str| split_qualified_name(text).map(|p| p.join("|"));
        assert_eq!(split("default_catalog.quickstart").as_deref(), Some("default_catalog|quickstart"));
        assert_eq!(split("`a.b`.`c``d`.e-f").as_deref(), Some("a.b|c`d|e-f"));
        for bad in ["", ".", "a.", ".a", "`a", "`a`b", "``"] {
            assert_eq!(split(bad), None, "{bad}");
        }
        let name = QualifiedName::from_parts(vec!["c".into(), "d`".into(), "t".into()]).unwrap();
        assert_eq!(name.to_string(), "`c`.`d```.`t`");
        assert_eq!(split(&name.to_string()).as_deref(), Some("c|d`|t"));
        assert_eq!(QualifiedName::from_parts(vec!["x".into(); 4]), None);
    }

    #[test]
    fn quoted_strings_read_back() {
        for text in ["", "a", "a\"b'c", "a\\b", "\\%", "x\n\r\t\0\u{8}\u{1a}ü", "\\", "\\\\%", "trailing\\"] {
            let quoted = quote_string(text);
            let token = Lexer::new(&quoted).next_token();
            assert_eq!((token.kind, token.value().as_ref()), (Kind::Text, text), "{quoted}");
            assert_eq!(token.end(), quoted.len());
        }
    }
}
