//! Walking over the tokens of a text: what the grammar is written with.

use crate::error::SyntaxError;
use crate::hints::Hint;
use crate::lexer::{Kind, Lexer, Token};
use crate::names::QualifiedName;

/// A result of the grammar.
pub(crate) type Parse<T> = Result<T, SyntaxError>;

/// Words that are never bare identifiers. Fewer than StarRocks has: only those that would make a statement ambiguous.
const RESERVED: &[&str] = &[
    "ADD",
    "ALL",
    "ALTER",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CREATE",
    "CROSS",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FOR",
    "FROM",
    "GRANT",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "KILL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MAXVALUE",
    "MINUS",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "PARTITION",
    "PRIMARY",
    "REVOKE",
    "RIGHT",
    "SELECT",
    "SET",
    "SHOW",
    "TABLE",
    "THEN",
    "TO",
    "TRUE",
    "UNION",
    "UPDATE",
    "USE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
}

/// Where a cursor stood.
#[derive(Clone, Copy)]
pub(crate) struct Mark<'a> {
    lexer: Lexer<'a>,
    current: Token<'a>,
    consumed: usize,
    hints: usize,
}

/// Stands on one token and sees the ones behind it.
pub(crate) struct Cursor<'a> {
    lexer: Lexer<'a>,
    current: Token<'a>,
    /// Byte offset behind the last token that was taken.
    consumed: usize,
    /// Hints met since the statement began.
    pub hints: Vec<Hint>,
    /// `?` met since the statement began.
    pub placeholders: usize,
    /// Tokens of the text that were handed to sqlparser.
    pub delegated: usize,
}

impl<'a> Cursor<'a> {
    /// On the first token.
    pub fn new(sql: &'a str) -> Self {
        let mut lexer = Lexer::new(sql);
        let mut cursor =
            Cursor { current: lexer.next_token(), lexer, consumed: 0, hints: vec![], placeholders: 0, delegated: 0 };
        cursor.skip_hints();
        cursor
    }

    /// The token it stands on.
    pub fn current(&self) -> Token<'a> {
        self.current
    }

    /// Byte offset behind the last token that was taken.
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// The whole text.
    pub fn text(&self) -> &'a str {
        self.lexer.text()
    }

    /// The `n`th token behind the current one.
    pub fn ahead(&self, n: usize) -> Token<'a> {
        let mut lexer = self.lexer;
        let mut token = self.current;
        for _ in 0..n {
            token = lexer.next_token();
            while token.kind == Kind::Hint {
                token = lexer.next_token();
            }
        }
        token
    }

    /// Remembers the place.
    pub fn mark(&self) -> Mark<'a> {
        Mark { lexer: self.lexer, current: self.current, consumed: self.consumed, hints: self.hints.len() }
    }

    /// Back to a place.
    pub fn reset(&mut self, mark: Mark<'a>) {
        (self.lexer, self.current, self.consumed) = (mark.lexer, mark.current, mark.consumed);
        self.hints.truncate(mark.hints);
    }

    /// Takes the current token, whatever it is.
    pub fn advance(&mut self) -> Token<'a> {
        let taken = self.current;
        self.consumed = taken.end();
        self.current = self.lexer.next_token();
        self.skip_hints();
        taken
    }

    fn skip_hints(&mut self) {
        while self.current.kind == Kind::Hint {
            self.hints.extend(crate::hints::read(self.current.source));
            self.current = self.lexer.next_token();
        }
    }

    /// Whether the statement ends here.
    pub fn at_end(&self) -> bool {
        self.current.kind == Kind::End || self.current.is_symbol(";")
    }

    /// Whether it stands on this keyword.
    pub fn at(&self, keyword: &str) -> bool {
        self.current.is_word(keyword)
    }

    /// Whether it stands on this symbol.
    pub fn at_symbol(&self, symbol: &str) -> bool {
        self.current.is_symbol(symbol)
    }

    /// Whether these keywords come next.
    pub fn at_all(&self, keywords: &[&str]) -> bool {
        self.at(keywords[0]) && keywords.iter().enumerate().skip(1).all(|(n, k)| self.ahead(n).is_word(k))
    }

    /// Takes a keyword if it is there.
    pub fn take(&mut self, keyword: &str) -> bool {
        let there = self.at(keyword);
        if there {
            self.advance();
        }
        there
    }

    /// Takes these keywords if all of them are there.
    pub fn take_all(&mut self, keywords: &[&str]) -> bool {
        let there = self.at_all(keywords);
        if there {
            keywords.iter().for_each(|_| _ = self.advance());
        }
        there
    }

    /// Takes one of these keywords if one is there.
    pub fn take_any(&mut self, keywords: &[&'static str]) -> Option<&'static str> {
        let found = keywords.iter().find(|k| self.at(k)).copied();
        if found.is_some() {
            self.advance();
        }
        found
    }

    /// Takes a symbol if it is there.
    pub fn take_symbol(&mut self, symbol: &str) -> bool {
        let there = self.at_symbol(symbol);
        if there {
            self.advance();
        }
        there
    }

    /// The keyword must come next.
    pub fn expect(&mut self, keyword: &str) -> Parse<()> {
        if self.take(keyword) { Ok(()) } else { Err(self.unexpected(&format!("'{keyword}'"))) }
    }

    /// The keywords must come next.
    pub fn expect_all(&mut self, keywords: &[&str]) -> Parse<()> {
        keywords.iter().try_for_each(|k| self.expect(k))
    }

    /// One of the keywords must come next.
    pub fn expect_any(&mut self, keywords: &[&'static str]) -> Parse<&'static str> {
        self.take_any(keywords).ok_or_else(|| self.unexpected_of(keywords))
    }

    /// The symbol must come next.
    pub fn expect_symbol(&mut self, symbol: &str) -> Parse<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    /// The statement must end here.
    pub fn expect_end(&self) -> Parse<()> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected("<EOF>, ';'")) }
    }

    /// Takes everything up to the end of the statement.
    pub fn skip_statement(&mut self) -> Parse<()> {
        while !self.at_end() {
            if let Kind::Invalid(_) = self.current.kind {
                return Err(self.unexpected("<EOF>, ';'"));
            }
            self.advance();
        }
        Ok(())
    }

    /// A bare or quoted identifier.
    pub fn identifier(&mut self) -> Parse<String> {
        match self.current.kind {
            Kind::Quoted => Ok(self.advance().value().into_owned()),
            Kind::Word if !is_reserved(self.current.source) => Ok(self.advance().source.to_owned()),
            _ => Err(self.unexpected("a legal identifier")),
        }
    }

    /// Whether an identifier comes next.
    pub fn at_identifier(&self) -> bool {
        self.current.kind == Kind::Quoted || (self.current.kind == Kind::Word && !is_reserved(self.current.source))
    }

    /// An identifier or a string literal.
    pub fn identifier_or_text(&mut self) -> Parse<String> {
        if self.current.kind == Kind::Text { self.string() } else { self.identifier() }
    }

    /// A string literal.
    pub fn string(&mut self) -> Parse<String> {
        match self.current.kind {
            Kind::Text => Ok(self.advance().value().into_owned()),
            _ => Err(self.unexpected("a string")),
        }
    }

    /// A whole number.
    pub fn integer(&mut self) -> Parse<u64> {
        match (self.current.kind, self.current.source.parse()) {
            (Kind::Number, Ok(number)) => {
                self.advance();
                Ok(number)
            }
            _ => Err(self.unexpected("an integer")),
        }
    }

    /// `name`, `database.name` or `catalog.database.name`.
    pub fn qualified_name(&mut self) -> Parse<QualifiedName> {
        let start = self.current;
        let mut parts = vec![self.identifier()?];
        while self.take_symbol(".") {
            // Behind a period every word is a name.
            parts.push(match self.current.kind {
                Kind::Word => self.advance().source.to_owned(),
                _ => self.identifier()?,
            });
        }
        QualifiedName::from_parts(parts).ok_or_else(|| error_at(start, "a name has at most three parts".to_owned()))
    }

    /// `item, item, ...`
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take_symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, item, ...)`
    pub fn parenthesised<T>(&mut self, item: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect_symbol("(")?;
        let items = self.list(item)?;
        self.expect_symbol(")")?;
        Ok(items)
    }

    /// `IF EXISTS` if it is there.
    pub fn if_exists(&mut self) -> bool {
        self.take_all(&["IF", "EXISTS"])
    }

    /// `IF NOT EXISTS` if it is there.
    pub fn if_not_exists(&mut self) -> bool {
        self.take_all(&["IF", "NOT", "EXISTS"])
    }

    /// The current token is wrong; `expected` could have stood there.
    pub fn unexpected(&self, expected: &str) -> SyntaxError {
        unexpected_token(self.current, expected)
    }

    /// The current token is wrong; one of the keywords could have stood there.
    pub fn unexpected_of(&self, keywords: &[&str]) -> SyntaxError {
        self.unexpected(&keywords.iter().map(|k| format!("'{k}'")).collect::<Vec<_>>().join(", "))
    }
}

/// A token that is wrong where it stands, and what could have stood there.
pub(crate) fn unexpected_token(token: Token<'_>, expected: &str) -> SyntaxError {
    let message = match token.kind {
        Kind::Invalid(problem) => problem.to_owned(),
        Kind::End => format!("Unexpected input '<EOF>', the most similar input is {{{expected}}}."),
        _ => format!("Unexpected input '{}', the most similar input is {{{expected}}}.", shortened(token.source)),
    };
    error_at(token, message)
}

/// Anything wrong at a token.
pub(crate) fn error_at(token: Token<'_>, message: String) -> SyntaxError {
    SyntaxError { line: token.line, column: token.column, message }
}

/// Enough of a token to recognise it.
fn shortened(source: &str) -> String {
    const LONGEST: usize = 64;
    match source.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &source[..end]),
        None => source.to_owned(),
    }
}
