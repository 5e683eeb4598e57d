//! Text to tokens, one at a time and without copying: a statement of 60 MB costs no memory here.
//!
//! MySQL's rules as StarRocks reads them: `'` and `"` quote strings with backslash escapes, backquotes quote
//! identifiers, identifiers may begin with a digit, `--` and `#` begin comments, `/*! ... */` is executed when its
//! version is not above ours, `/*+ ... */` is a hint.

use std::borrow::Cow;

/// Bodies of `/*!nnnnn ... */` with a version above this one are comments.
const EMULATED_MYSQL_VERSION: u32 = 80_033;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or a bare identifier.
    Word,
    /// An identifier in backquotes.
    Quoted,
    /// `@name` or `@@name`, with the signs.
    Variable,
    /// A string literal in either quotes.
    Text,
    /// An unsigned number.
    Number,
    /// `x'1F'` or `0x1F`.
    Hex,
    /// `?`.
    Placeholder,
    /// Anything else: one operator or punctuation mark.
    Symbol,
    /// The body of `/*+ ... */`.
    Hint,
    /// What no token can begin with; the text says why.
    Invalid(&'static str),
    /// Nothing more.
    End,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it was written, quotes included.
    pub source: &'a str,
    /// Byte offset of its first character.
    pub start: usize,
    /// From 1.
    pub line: u32,
    /// From 0, in characters.
    pub column: u32,
    /// Whether it stands in a `/*! ... */`.
    pub executed_comment: bool,
}

impl<'a> Token<'a> {
    /// Byte offset behind its last character.
    pub fn end(&self) -> usize {
        self.start + self.source.len()
    }

    /// Whether it is this keyword (upper case).
    pub fn is_word(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.source.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this operator or mark.
    pub fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.source == symbol
    }

    /// The value of a string literal or of an identifier.
    pub fn value(&self) -> Cow<'a, str> {
        match self.kind {
            Kind::Text => unescape(self.source),
            Kind::Quoted => {
                let inner = inside(self.source);
                if inner.contains("``") { Cow::Owned(inner.replace("``", "`")) } else { Cow::Borrowed(inner) }
            }
            Kind::Variable if self.source.contains(['`', '\'', '"']) => {
                let at = self.source.find(['`', '\'', '"']).unwrap_or(0);
                let (signs, name) = self.source.split_at(at);
                Cow::Owned(format!("{signs}{}", inside(name)))
            }
            _ => Cow::Borrowed(self.source),
        }
    }
}

/// What is between the first and the last character, both of one byte.
fn inside(quoted: &str) -> &str {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or("")
}

/// The value of a string literal that still has its quotes.
fn unescape(literal: &str) -> Cow<'_, str> {
    let quote = literal.chars().next().unwrap_or('\'');
    let inner = inside(literal);
    if !inner.contains(['\\', quote]) {
        return Cow::Borrowed(inner);
    }
    let mut value = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        if c == quote {
            characters.next();
            value.push(quote);
        } else if c == '\\' {
            match characters.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some('b') => value.push('\u{8}'),
                Some('0') => value.push('\0'),
                Some('Z') => value.push('\u{1a}'),
                // Kept for LIKE, which reads the backslash itself.
                Some(wildcard @ ('%' | '_')) => value.extend(['\\', wildcard]),
                Some(other) => value.push(other),
                None => value.push('\\'),
            }
        } else {
            value.push(c);
        }
    }
    Cow::Owned(value)
}

/// A place in a text. Copying it marks the place, assigning it goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexer<'a> {
    sql: &'a str,
    at: usize,
    line: u32,
    column: u32,
    /// Inside of `/*! ... */`.
    executed_comment: bool,
    /// The last token was a period: digits that follow are a name.
    after_period: bool,
    /// Where the last token ended if a period right behind it joins names; `usize::MAX` if not.
    name_end: usize,
}

impl<'a> Lexer<'a> {
    /// Begins at the beginning.
    pub fn new(sql: &'a str) -> Self {
        Lexer { sql, at: 0, line: 1, column: 0, executed_comment: false, after_period: false, name_end: usize::MAX }
    }

    /// Begins at the beginning of a piece that was cut out of a `/*! ... */`.
    pub fn within_executed_comment(sql: &'a str) -> Self {
        Lexer { executed_comment: true, ..Lexer::new(sql) }
    }

    /// The whole text.
    pub fn text(&self) -> &'a str {
        self.sql
    }

    /// The next token; `End` for ever at the end.
    pub fn next_token(&mut self) -> Token<'a> {
        if let Err(problem) = self.skip_blanks() {
            return self.token(Kind::Invalid(problem), self.sql.len());
        }
        let rest = &self.sql.as_bytes()[self.at..];
        let Some(&first) = rest.first() else {
            return match self.executed_comment {
                true => self.token(Kind::Invalid("unterminated comment"), self.at),
                false => self.token(Kind::End, self.at),
            };
        };
        let token = match first {
            b'/' if rest.starts_with(b"/*+") => self.hint(),
            b'\'' | b'"' => self.quoted(Kind::Text, 0, "unterminated string"),
            b'`' => self.quoted(Kind::Quoted, 0, "unterminated identifier"),
            b'x' | b'X' if rest.get(1) == Some(&b'\'') => self.quoted(Kind::Hex, 1, "unterminated string"),
            b'0'..=b'9' => self.number_or_name(),
            b'.' if self.at != self.name_end && rest.get(1).is_some_and(u8::is_ascii_digit) => self.number_or_name(),
            b'@' => self.variable(),
            b'?' => self.token(Kind::Placeholder, self.at + 1),
            _ if is_name_start(first) => self.token(Kind::Word, self.at + name_length(rest)),
            _ => self.token(Kind::Symbol, self.at + symbol_length(rest)),
        };
        self.after_period = token.is_symbol(".");
        self.name_end = match token.kind {
            Kind::Word | Kind::Quoted | Kind::Variable => token.end(),
            _ => usize::MAX,
        };
        token
    }

    /// A token from here to the byte `end`.
    fn token(&mut self, kind: Kind, end: usize) -> Token<'a> {
        let (start, line, column) = (self.at, self.line, self.column);
        self.move_to(end);
        Token { kind, source: &self.sql[start..end], start, line, column, executed_comment: self.executed_comment }
    }

    fn move_to(&mut self, end: usize) {
        for byte in &self.sql.as_bytes()[self.at..end] {
            if *byte == b'\n' {
                self.line += 1;
                self.column = 0;
            } else if byte & 0xC0 != 0x80 {
                self.column += 1;
            }
        }
        self.at = end;
    }

    /// Behind white space and comments.
    fn skip_blanks(&mut self) -> Result<(), &'static str> {
        loop {
            let rest = &self.sql[self.at..];
            let bytes = rest.as_bytes();
            let blank = rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').len();
            if blank > 0 {
                self.move_to(self.at + blank);
            } else if bytes.starts_with(b"--") || bytes.first() == Some(&b'#') {
                let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
                self.move_to(self.at + length);
            } else if self.executed_comment && bytes.starts_with(b"*/") {
                self.move_to(self.at + 2);
                self.executed_comment = false;
            } else if bytes.starts_with(b"/*!") && !self.executed_comment && executed_by_us(&bytes[3..]) {
                let digits = version_digits(&bytes[3..]);
                self.move_to(self.at + 3 + digits);
                self.executed_comment = true;
            } else if bytes.starts_with(b"/*") && !bytes.starts_with(b"/*+") {
                let length = rest[2..].find("*/").ok_or("unterminated comment")?;
                self.move_to(self.at + length + 4);
            } else {
                return Ok(());
            }
        }
    }

    fn hint(&mut self) -> Token<'a> {
        match self.sql[self.at..].find("*/") {
            Some(length) => self.token(Kind::Hint, self.at + length + 2),
            None => self.token(Kind::Invalid("unterminated comment"), self.sql.len()),
        }
    }

    /// A literal whose opening quote stands `prefix` bytes from here.
    fn quoted(&mut self, kind: Kind, prefix: usize, unterminated: &'static str) -> Token<'a> {
        let bytes = self.sql.as_bytes();
        let quote = bytes[self.at + prefix];
        let mut at = self.at + prefix + 1;
        while let Some(&byte) = bytes.get(at) {
            if byte == b'\\' && kind == Kind::Text {
                at += 2;
            } else if byte != quote {
                at += 1;
            } else if bytes.get(at + 1) == Some(&quote) && kind != Kind::Hex {
                at += 2;
            } else if kind == Kind::Quoted && at == self.at + 1 {
                return self.token(Kind::Invalid("empty identifier"), at + 1);
            } else {
                return self.token(kind, at + 1);
            }
        }
        self.token(Kind::Invalid(unterminated), self.sql.len())
    }

    /// A number, or a name that begins with a digit (`2024_t`).
    fn number_or_name(&mut self) -> Token<'a> {
        let rest = &self.sql.as_bytes()[self.at..];
        let name = name_length(rest);
        if self.after_period {
            return self.token(Kind::Word, self.at + name);
        }
        if name > 2 && rest[0] == b'0' && rest[1] == b'x' && rest[2..name].iter().all(u8::is_ascii_hexdigit) {
            return self.token(Kind::Hex, self.at + name);
        }
        let number = number_length(rest);
        // `1e5` is a number and `1e5x` a name: the longer one wins.
        match name > number {
            true => self.token(Kind::Word, self.at + name),
            false => self.token(Kind::Number, self.at + number),
        }
    }

    fn variable(&mut self) -> Token<'a> {
        let rest = &self.sql.as_bytes()[self.at..];
        let signs = if rest.get(1) == Some(&b'@') { 2 } else { 1 };
        match rest.get(signs) {
            Some(b'`' | b'\'' | b'"') => self.quoted(Kind::Variable, signs, "unterminated identifier"),
            Some(&byte) if is_name_start(byte) || byte.is_ascii_digit() => {
                self.token(Kind::Variable, self.at + signs + name_length(&rest[signs..]))
            }
            _ => self.token(Kind::Symbol, self.at + 1),
        }
    }
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn name_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| is_name_start(**b) || b.is_ascii_digit() || **b == b'$').count()
}

/// The length of `12`, `1.5`, `.5`, `1.`, `1e-5` at the beginning.
fn number_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') {
        length += 1;
        length += digits(length);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits((length + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

const LONG_SYMBOLS: [&[u8]; 15] =
    [b"<=>", b"->>", b"<=", b">=", b"<>", b"!=", b"==", b":=", b"::", b"||", b"&&", b"->", b"=>", b"<<", b">>"];

/// The length of the operator or character at the beginning.
fn symbol_length(bytes: &[u8]) -> usize {
    LONG_SYMBOLS.iter().find(|s| bytes.starts_with(s)).map_or(1, |s| s.len())
}

fn version_digits(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits >= 5 { digits.min(6) } else { 0 }
}

/// Whether the body of a `/*!` comment, given from behind the mark, is for a server like us.
fn executed_by_us(bytes: &[u8]) -> bool {
    let digits = &bytes[..version_digits(bytes)];
    digits.iter().fold(0, |n: u32, d| n * 10 + u32::from(d - b'0')) <= EMULATED_MYSQL_VERSION
}
