//! Handing queries and expressions to sqlparser: our tokens become its tokens, its errors become ours.
//!
//! Hostile text is stopped here, before sqlparser builds anything: too many tokens, too deep a nesting, too long a chain
//! of operators (which becomes a tree just as deep).

use sqlparser::ast::{Expr, OrderByExpr, Query};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token as Ast, TokenWithSpan, Word};

use crate::cursor::{Cursor, Parse, error_at, is_reserved, unexpected_token};
use crate::dialect::StarRocksDialect;
use crate::error::SyntaxError;
use crate::grammar;
use crate::lexer::{Kind, Token};
use crate::normalise;
use crate::partition_names::{self, PartitionNames};
use crate::shape::Shape;

/// Tokens of one text that become syntax trees; plain rows of INSERT ... VALUES do not. A token takes some 100 bytes and
/// its node up to 500, so this bounds what a text of any length can cost. StarRocks' `parse_tokens_limit` is 3.5 million,
/// but its trees end at 10,000 children.
const TOKEN_LIMIT: usize = 1_000_000;
/// How deep sqlparser may recurse: about the number of nested parentheses.
const RECURSION_LIMIT: usize = 128;

/// A query that ends where the statement ends.
pub(crate) fn query(cursor: &mut Cursor<'_>) -> Parse<Box<Query>> {
    let start = cursor.current();
    // SELECT ... INTO OUTFILE ends with it; inside, INTO is no name.
    let mut query = run(cursor, &|t| t.is_word("INTO"), |parser| parser.parse_query())?;
    normalise::query(&mut query).map_err(|message| error_at(start, message))?;
    Ok(query)
}

/// `FROM ... WHERE ...`, both as they please, as a query of all columns. What may not follow them is left standing.
pub(crate) fn from_and_where(cursor: &mut Cursor<'_>) -> Parse<Box<Query>> {
    all_behind(cursor, &[Ast::make_keyword("SELECT"), Ast::Mul])
}

/// Behind USING: what stands behind FROM, likewise.
pub(crate) fn relations_and_where(cursor: &mut Cursor<'_>) -> Parse<Box<Query>> {
    all_behind(cursor, &[Ast::make_keyword("SELECT"), Ast::Mul, Ast::make_keyword("FROM")])
}

fn all_behind(cursor: &mut Cursor<'_>, all: &[Ast]) -> Parse<Box<Query>> {
    const ENDS: [&str; 11] =
        ["GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "MINUS", "INTO", "QUALIFY", "FOR"];
    let start = cursor.current();
    let stop = |token: &Token<'_>| ENDS.iter().any(|k| token.is_word(k));
    let mut query = run_behind(cursor, all, &stop, |parser| parser.parse_query())?;
    normalise::query(&mut query).map_err(|message| error_at(start, message))?;
    Ok(query)
}

/// An expression that ends before a token that `stop` names, outside of all parentheses, or where the statement ends.
pub(crate) fn expression(cursor: &mut Cursor<'_>, stop: &dyn Fn(&Token<'_>) -> bool) -> Parse<Expr> {
    let start = cursor.current();
    let mut expr = run(cursor, stop, |parser| parser.parse_expr())?;
    normalise::expression(&mut expr).map_err(|message| error_at(start, message))?;
    Ok(expr)
}

/// What follows ORDER BY, ending like an expression.
pub(crate) fn order_by(cursor: &mut Cursor<'_>, stop: &dyn Fn(&Token<'_>) -> bool) -> Parse<Vec<OrderByExpr>> {
    run(cursor, stop, |parser| parser.parse_comma_separated(Parser::parse_order_by_expr))
}

fn run<T>(
    cursor: &mut Cursor<'_>,
    stop: &dyn Fn(&Token<'_>) -> bool,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Parse<T> {
    run_behind(cursor, &[], stop, parse)
}

/// The same behind tokens that the text does not have.
fn run_behind<T>(
    cursor: &mut Cursor<'_>,
    begins: &[Ast],
    stop: &dyn Fn(&Token<'_>) -> bool,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Parse<T> {
    let mut tokens: Vec<_> = begins.iter().map(|token| TokenWithSpan::new(token.clone(), Span::empty())).collect();
    tokens.extend(convert(cursor, stop)?);
    let behind = cursor.current();
    let dialect = StarRocksDialect::for_tokens(tokens.len());
    let mut parser = Parser::new(&dialect).with_recursion_limit(RECURSION_LIMIT).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser).map_err(|e| translate(&parser, e, behind))?;
    match parser.peek_token_ref() {
        TokenWithSpan { token: Ast::EOF, .. } => Ok(parsed),
        garbage => {
            let found = garbage.token.to_string();
            Err(at_location(garbage.span.start, behind, format!("Unexpected input '{found}'.")))
        }
    }
}

/// Takes the tokens up to the end of the part.
fn convert(cursor: &mut Cursor<'_>, stop: &dyn Fn(&Token<'_>) -> bool) -> Parse<Vec<TokenWithSpan>> {
    let mut shape = Shape::default();
    let mut tokens: Vec<TokenWithSpan> = Vec::new();
    while !cursor.at_end() {
        let token = cursor.current();
        let behind_period = tokens.last().is_some_and(|t| t.token == Ast::Period);
        if shape.depth() == 0 && !behind_period && (stop(&token) || token.is_symbol(")")) {
            break;
        }
        cursor.delegated += 1;
        if cursor.delegated > TOKEN_LIMIT {
            return Err(error_at(token, format!("the text has more than {TOKEN_LIMIT} tokens in expressions")));
        }
        if let Some(partitions) = partitions_follow(cursor, &tokens) {
            name_partitions(&mut tokens, &partitions);
            continue;
        }
        if token.is_symbol("[") && hint_follows(&tokens) {
            skip_bracket_hint(cursor)?;
            continue;
        }
        shape.admit(&token).map_err(|message| error_at(token, message.to_owned()))?;
        let start = Location::new(token.line.into(), u64::from(token.column) + 1);
        if is_nested_type(cursor) && tokens.last().is_some_and(|t| is_keyword(&t.token, Keyword::AS)) {
            // As one word, which the planner reads: sqlparser knows these types of other dialects only.
            let name = grammar::nested_type(cursor)?.to_sql();
            let end = Location::new(start.line, start.column + name.len() as u64);
            tokens.push(TokenWithSpan::new(Ast::make_word(&name, Some('`')), Span::new(start, end)));
            continue;
        }
        if token.kind == Kind::Text {
            drop_introducer(&mut tokens);
        }
        let converted = convert_token(cursor, tokens.last().map(|t| &t.token))?;
        cursor.advance();
        let width = token.source.chars().count() as u64;
        let end = Location::new(start.line, start.column + width);
        tokens.push(TokenWithSpan::new(converted, Span::new(start, end)));
    }
    Ok(tokens)
}

/// Whether a type that holds others begins here.
fn is_nested_type(cursor: &Cursor<'_>) -> bool {
    ["ARRAY", "MAP", "STRUCT"].iter().any(|name| cursor.at(name)) && cursor.ahead(1).is_symbol("<")
}

fn is_keyword(token: &Ast, keyword: Keyword) -> bool {
    matches!(token, Ast::Word(word) if word.keyword == keyword)
}

/// Takes `[TEMPORARY] PARTITION (p, ...)` behind the name of a table.
fn partitions_follow(cursor: &mut Cursor<'_>, tokens: &[TokenWithSpan]) -> Option<PartitionNames> {
    let temporary = cursor.at("TEMPORARY");
    if !temporary && !cursor.at("PARTITION") && !cursor.at("PARTITIONS") {
        return None;
    }
    let (keyword, open) = (cursor.ahead(usize::from(temporary)), cursor.ahead(usize::from(temporary) + 1));
    let Some(TokenWithSpan { token: Ast::Word(word), .. }) = tokens.last() else { return None };
    let is_name = word.quote_style.is_some() || !is_reserved(&word.value);
    let begins = ["PARTITION", "PARTITIONS"].iter().any(|k| keyword.is_word(k)) && open.is_symbol("(");
    if !is_name || !begins {
        return None;
    }
    let start = cursor.mark();
    if temporary {
        cursor.advance();
    }
    cursor.advance();
    let names = cursor.parenthesised(Cursor::identifier_or_text).ok();
    if names.is_none() {
        cursor.reset(start);
    }
    names.map(|names| PartitionNames { temporary, names })
}

fn name_partitions(tokens: &mut [TokenWithSpan], partitions: &PartitionNames) {
    if let Some(TokenWithSpan { token: Ast::Word(word), .. }) = tokens.last_mut() {
        *word = Word {
            value: partition_names::join(&word.value, partitions),
            quote_style: Some('`'),
            keyword: Keyword::NoKeyword,
        };
    }
}

/// Whether a bracket here is advice to StarRocks' optimizer: `JOIN [broadcast] t`, `OVER ([skewed] PARTITION BY a)`.
fn hint_follows(tokens: &[TokenWithSpan]) -> bool {
    let is = |token: &TokenWithSpan, keyword| matches!(&token.token, Ast::Word(word) if word.keyword == keyword);
    match tokens {
        [.., over, paren] if paren.token == Ast::LParen => is(over, Keyword::OVER),
        [.., last] => is(last, Keyword::JOIN),
        [] => false,
    }
}

fn skip_bracket_hint(cursor: &mut Cursor<'_>) -> Parse<()> {
    while !cursor.take_symbol("]") {
        if cursor.at_end() || matches!(cursor.current().kind, Kind::Invalid(_)) {
            return Err(cursor.unexpected("']'"));
        }
        cursor.advance();
    }
    Ok(())
}

/// `_utf8mb4'x'` and `BINARY 'x'` mean `'x'` to us.
fn drop_introducer(tokens: &mut Vec<TokenWithSpan>) {
    const CHARSETS: [&str; 7] = ["_binary", "_utf8", "_utf8mb3", "_utf8mb4", "_latin1", "_ascii", "binary"];
    if let Some(TokenWithSpan { token: Ast::Word(Word { value, quote_style: None, .. }), .. }) = tokens.last()
        && CHARSETS.iter().any(|c| value.eq_ignore_ascii_case(c))
    {
        tokens.pop();
    }
}

/// The current token as sqlparser has it.
fn convert_token(cursor: &mut Cursor<'_>, before: Option<&Ast>) -> Parse<Ast> {
    let token = cursor.current();
    Ok(match token.kind {
        Kind::Word if before == Some(&Ast::Period) => {
            // Behind a period every word is a name.
            Ast::Word(Word { value: token.source.to_owned(), quote_style: None, keyword: Keyword::NoKeyword })
        }
        Kind::Word if before.is_some_and(names_follow) && !may_follow(token) => {
            return Err(unexpected_token(token, "a legal identifier"));
        }
        Kind::Word if token.is_word("DIV") && before.is_some_and(is_operand) => operator("DIV"),
        Kind::Word if token.is_word("MOD") && before.is_some_and(is_operand) && begins_operand(cursor.ahead(1)) => {
            Ast::Mod
        }
        Kind::Word => Ast::make_word(token.source, None),
        Kind::Variable => {
            Ast::Word(Word { value: token.value().into_owned(), quote_style: None, keyword: Keyword::NoKeyword })
        }
        Kind::Quoted => Ast::make_word(&token.value(), Some('`')),
        Kind::Text => Ast::SingleQuotedString(token.value().into_owned()),
        Kind::Number => Ast::Number(token.source.to_owned(), false),
        Kind::Hex => Ast::HexStringLiteral(hex_digits(token)?),
        Kind::Placeholder => {
            cursor.placeholders += 1;
            Ast::Placeholder(format!("${}", cursor.placeholders))
        }
        Kind::Symbol => symbol(token.source).ok_or_else(|| unexpected_token(token, "an expression"))?,
        Kind::Hint | Kind::Invalid(_) | Kind::End => return Err(unexpected_token(token, "an expression")),
    })
}

/// Whether a name follows this keyword, which sqlparser lets any word be.
fn names_follow(token: &Ast) -> bool {
    let Ast::Word(word) = token else { return false };
    matches!(word.keyword, Keyword::FROM | Keyword::JOIN | Keyword::AS)
}

/// Whether a word may stand where a name should: FROM also stands within TRIM, EXTRACT and IS DISTINCT FROM.
fn may_follow(token: Token<'_>) -> bool {
    const EXPRESSIONS: [&str; 7] = ["CASE", "NOT", "EXISTS", "LEFT", "RIGHT", "TABLE", "VALUES"];
    !is_reserved(token.source) || is_literal(token.source) || EXPRESSIONS.iter().any(|k| token.is_word(k))
}

fn operator(name: &str) -> Ast {
    Ast::CustomBinaryOperator(name.to_owned())
}

fn hex_digits(token: Token<'_>) -> Parse<String> {
    let digits = token.source[2..].trim_end_matches('\'');
    match digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(digits.to_owned()),
        false => Err(error_at(token, "a hexadecimal literal has a character that is no digit".to_owned())),
    }
}

/// Whether an operator may stand behind this token.
fn is_operand(token: &Ast) -> bool {
    match token {
        Ast::Word(word) => word.quote_style.is_some() || !is_reserved(&word.value) || is_literal(&word.value),
        Ast::Number(..) | Ast::SingleQuotedString(_) | Ast::HexStringLiteral(_) | Ast::Placeholder(_) => true,
        other => matches!(other, Ast::RParen | Ast::RBracket),
    }
}

fn is_literal(word: &str) -> bool {
    ["NULL", "TRUE", "FALSE"].iter().any(|l| word.eq_ignore_ascii_case(l))
}

fn begins_operand(token: Token<'_>) -> bool {
    match token.kind {
        Kind::Word => !is_reserved(token.source) || is_literal(token.source) || token.is_word("CASE"),
        Kind::Symbol => matches!(token.source, "(" | "-" | "+" | "~"),
        Kind::End | Kind::Invalid(_) => false,
        _ => true,
    }
}

fn symbol(source: &str) -> Option<Ast> {
    Some(match source {
        "(" => Ast::LParen,
        ")" => Ast::RParen,
        "[" => Ast::LBracket,
        "]" => Ast::RBracket,
        "{" => Ast::LBrace,
        "}" => Ast::RBrace,
        "," => Ast::Comma,
        "." => Ast::Period,
        "*" => Ast::Mul,
        "/" => Ast::Div,
        "%" => Ast::Mod,
        "+" => Ast::Plus,
        "-" => Ast::Minus,
        "=" => Ast::Eq,
        "==" => Ast::DoubleEq,
        "<=>" => Ast::Spaceship,
        "<>" | "!=" => Ast::Neq,
        "<" => Ast::Lt,
        "<=" => Ast::LtEq,
        ">" => Ast::Gt,
        ">=" => Ast::GtEq,
        "<<" => Ast::ShiftLeft,
        ">>" => Ast::ShiftRight,
        "&" => Ast::Ampersand,
        "|" => Ast::Pipe,
        "^" => Ast::Caret,
        "~" => Ast::Tilde,
        "!" => Ast::ExclamationMark,
        "&&" => Ast::make_keyword("AND"),
        "||" => Ast::make_keyword("OR"),
        ":=" => Ast::Assignment,
        "::" => Ast::DoubleColon,
        ":" => Ast::Colon,
        "->" => Ast::Arrow,
        "->>" => Ast::LongArrow,
        "=>" => Ast::RArrow,
        _ => return None,
    })
}

/// sqlparser's error in our words. `behind` is the token behind the part that was handed over.
fn translate(parser: &Parser<'_>, error: ParserError, behind: Token<'_>) -> SyntaxError {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            let here = parser.peek_token_ref().span.start;
            return at_location(here, behind, "the statement is nested too deeply".to_owned());
        }
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
    };
    let (text, location) = split_location(&text);
    if let Some((expected, found)) = text.strip_prefix("Expected: ").and_then(|t| t.rsplit_once(", found: ")) {
        if found == "EOF" {
            return unexpected_token(behind, expected);
        }
        let location = location.unwrap_or_else(|| parser.peek_token_ref().span.start);
        let message = format!("Unexpected input '{found}', the most similar input is {{{expected}}}.");
        return at_location(location, behind, message);
    }
    let location = location.unwrap_or_else(|| parser.peek_token_ref().span.start);
    at_location(location, behind, text.to_owned())
}

/// Cuts ` at Line: 1, Column: 2` off.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let split = || {
        let (text, place) = text.rsplit_once(" at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        Some((text, Location::new(line.parse().ok()?, column.parse().ok()?)))
    };
    split().map_or((text, None), |(text, location)| (text, Some(location)))
}

fn at_location(location: Location, behind: Token<'_>, message: String) -> SyntaxError {
    if location.line == 0 {
        return error_at(behind, message);
    }
    let line = u32::try_from(location.line).unwrap_or(u32::MAX);
    let column = u32::try_from(location.column.saturating_sub(1)).unwrap_or(u32::MAX);
    SyntaxError { line, column, message }
}
