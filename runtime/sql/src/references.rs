//! The columns that an expression names, found in its text: a printed tree would not be our dialect any more.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Visit, Visitor};

use crate::cursor::Cursor;
use crate::delegate;
use crate::error::SyntaxError;
use crate::lexer::{Kind, Lexer, Token};

/// A part of the text of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPart {
    /// As it was written.
    Text(String),
    /// The name of the column at this position.
    Column(usize),
}

/// An expression from its text.
///
/// # Errors
/// When it is none, or when something follows it.
pub fn parse_expression(text: &str) -> Result<Expr, SyntaxError> {
    let mut cursor = Cursor::new(text);
    let expr = delegate::expression(&mut cursor, &|_| false)?;
    cursor.expect_end()?;
    Ok(expr)
}

/// The text of an expression, split at the columns that it names. `position`: where the column of a name is, if there is one.
///
/// # Errors
/// When it is no expression, reads tables, or names what is no column.
pub fn split_at_columns(text: &str, position: impl Fn(&str) -> Option<usize>) -> Result<Vec<TextPart>, String> {
    let expr = parse_expression(text).map_err(|e| e.to_string())?;
    let mut names = Names::default();
    _ = expr.visit(&mut names);
    if names.reads {
        return Err("Generated Column don't support subquery".to_owned());
    }
    let mut wanted = BTreeMap::<usize, usize>::new();
    for name in names.columns.iter().filter(|name| !names.is_parameter(name)) {
        let at = position(name).ok_or_else(|| format!("column:{name} does not exist"))?;
        *wanted.entry(at).or_default() += 1;
    }
    let tokens = tokens(text);
    let mut found = columns_in(&tokens, |name| position(name).filter(|_| !names.is_parameter(name)));
    for (at, count) in &wanted {
        let of = |found: &[Place]| found.iter().filter(|place| place.column == *at).count();
        if of(&found) != *count {
            // A word of the language may be the name of a column too; in backquotes it is only that.
            found.retain(|place| place.column != *at || place.is_quoted);
        }
        if of(&found) != *count {
            return Err("a column is called like a word of the expression: write its name in backquotes".to_owned());
        }
    }
    found.retain(|place| wanted.contains_key(&place.column));
    Ok(split(text, &found))
}

/// What an expression names.
#[derive(Default)]
struct Names {
    columns: Vec<String>,
    /// Of lambdas.
    parameters: HashSet<String>,
    reads: bool,
}

impl Names {
    fn is_parameter(&self, name: &str) -> bool {
        self.parameters.contains(&name.to_lowercase())
    }
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.reads = true;
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => self.columns.push(name.value.clone()),
            Expr::CompoundIdentifier(parts) => self.columns.extend(parts.first().map(|first| first.value.clone())),
            Expr::Lambda(lambda) => {
                let names = lambda.params.iter().map(|parameter| parameter.name.value.to_lowercase());
                self.parameters.extend(names);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Where a text names a column.
struct Place {
    column: usize,
    start: usize,
    end: usize,
    is_quoted: bool,
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer::new(text);
    let next = || Some(lexer.next_token()).filter(|token| !matches!(token.kind, Kind::End | Kind::Invalid(_)));
    std::iter::from_fn(next).collect()
}

fn columns_in(tokens: &[Token<'_>], position: impl Fn(&str) -> Option<usize>) -> Vec<Place> {
    let is_symbol =
        |at: Option<usize>, symbol: &str| at.and_then(|at| tokens.get(at)).is_some_and(|token| token.is_symbol(symbol));
    let place = |(at, token): (usize, &Token<'_>)| {
        let is_quoted = token.kind == Kind::Quoted;
        let is_name = (is_quoted || token.kind == Kind::Word)
            && !is_symbol(at.checked_sub(1), ".")
            && !is_symbol(Some(at + 1), "(");
        let column = position(&token.value()).filter(|_| is_name)?;
        Some(Place { column, start: token.start, end: token.end(), is_quoted })
    };
    tokens.iter().enumerate().filter_map(place).collect()
}

fn split(text: &str, found: &[Place]) -> Vec<TextPart> {
    let mut parts = Vec::with_capacity(2 * found.len() + 1);
    let mut from = 0;
    for place in found {
        if place.start > from {
            parts.push(TextPart::Text(text[from..place.start].to_owned()));
        }
        parts.push(TextPart::Column(place.column));
        from = place.end;
    }
    if from < text.len() {
        parts.push(TextPart::Text(text[from..].to_owned()));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        let columns = ["a", "b", "date", "j"];
        let parts = split_at_columns(text, |name| columns.iter().position(|c| c.eq_ignore_ascii_case(name)))?;
        let part = |part: TextPart| match part {
            TextPart::Text(text) => text,
            TextPart::Column(at) => format!("<{at}>"),
        };
        Ok(parts.into_iter().map(part).collect())
    }

    #[test]
    fn columns_are_found_where_they_are_named() {
        assert_eq!(shown("a + B * 2").as_deref(), Ok("<0> + <1> * 2"));
        assert_eq!(shown("concat(`a`, 'a', b)").as_deref(), Ok("concat(<0>, 'a', <1>)"));
        assert_eq!(shown("CAST(a AS DATE)").as_deref(), Ok("CAST(<0> AS DATE)"));
        assert_eq!(shown("CAST(`date` AS DATE)").as_deref(), Ok("CAST(<2> AS DATE)"));
        assert_eq!(shown("array_map(x -> x + a, b)").as_deref(), Ok("array_map(x -> x + <0>, <1>)"));
        assert_eq!(shown("j->'$.a'").as_deref(), Ok("<3>->'$.a'"));
        assert_eq!(shown("1 + 1").as_deref(), Ok("1 + 1"));
    }

    #[test]
    fn what_is_no_column_is_refused() {
        assert_eq!(shown("a + c").unwrap_err(), "column:c does not exist");
        assert!(shown("(SELECT max(a) FROM t)").unwrap_err().contains("subquery"));
        assert!(shown("CAST(date AS DATE)").unwrap_err().contains("backquotes"));
        assert!(shown("a +").is_err());
        assert!(shown("a b").is_err());
    }
}
