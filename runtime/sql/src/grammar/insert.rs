//! INSERT INTO and INSERT OVERWRITE.

use crate::cursor::{Cursor, Mark, Parse, error_at};
use crate::delegate;
use crate::error::SyntaxError;
use crate::grammar::{common, partition, query};
use crate::lexer::Kind;
use crate::rows::{RowValue, TooLong, ValueRows};
use crate::statement::{Insert, InsertSource, Statement};

/// An INSERT.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("INSERT")?;
    let overwrite = cursor.expect_any(&["INTO", "OVERWRITE"])? == "OVERWRITE";
    if ["FILES", "BLACKHOLE"].iter().any(|k| cursor.at(k)) && is_table_function(cursor) {
        let what = format!("INSERT INTO {}", cursor.current().source.to_ascii_uppercase());
        cursor.skip_statement()?;
        return Ok(Statement::Unsupported { what });
    }
    let mut insert =
        Insert { overwrite, ..Insert::plain(cursor.qualified_name()?, InsertSource::Values(ValueRows::default())) };
    insert.temporary = cursor.at("TEMPORARY") && ["PARTITION", "PARTITIONS"].iter().any(|k| cursor.ahead(1).is_word(k));
    if insert.temporary {
        cursor.advance();
    }
    if !insert.temporary && at_values(cursor) {
        cursor.advance();
        insert.partition_values = cursor.parenthesised(partition_value)?;
    } else {
        insert.partitions = partitions(cursor)?;
    }
    while clause(cursor, &mut insert)? {}
    insert.properties = common::properties(cursor)?;
    check_by_name(cursor, &insert)?;
    insert.source = source(cursor)?;
    Ok(Statement::Insert(Box::new(insert)))
}

/// Columns are matched by the names of a query's, or named.
fn check_by_name(cursor: &Cursor<'_>, insert: &Insert) -> Parse<()> {
    let wrong = match insert.by_name {
        true if insert.columns.is_some() => "Cannot use COLUMN LIST and BY NAME clause together in insert.",
        true if cursor.at("VALUES") => "Insert match column by name does not support values().",
        _ => return Ok(()),
    };
    Err(error_at(cursor.current(), wrong.to_owned()))
}

/// Whether the word is called with a string or with nothing, as no column list can be.
fn is_table_function(cursor: &Cursor<'_>) -> bool {
    cursor.ahead(1).is_symbol("(") && (cursor.ahead(2).kind == Kind::Text || cursor.ahead(2).is_symbol(")"))
}

/// Whether `PARTITION (a = 'x')` comes.
fn at_values(cursor: &Cursor<'_>) -> bool {
    let is_name = matches!(cursor.ahead(2).kind, Kind::Word | Kind::Quoted);
    cursor.at("PARTITION") && cursor.ahead(1).is_symbol("(") && is_name && cursor.ahead(3).is_symbol("=")
}

/// `a = 'x'`: None is NULL.
fn partition_value(cursor: &mut Cursor<'_>) -> Parse<(String, Option<String>)> {
    let column = cursor.identifier()?;
    cursor.expect_symbol("=")?;
    let value = if cursor.take("NULL") { None } else { Some(partition::constant(cursor)?) };
    Ok((column, value))
}

/// `PARTITION (a, b)` if it is there.
pub(super) fn partitions(cursor: &mut Cursor<'_>) -> Parse<Option<Vec<String>>> {
    if cursor.take_any(&["PARTITION", "PARTITIONS"]).is_none() {
        return Ok(None);
    }
    match cursor.at_symbol("(") {
        true => cursor.parenthesised(Cursor::identifier_or_text).map(Some),
        false => cursor.list(Cursor::identifier_or_text).map(Some),
    }
}

/// One of the clauses between the table and the rows.
fn clause(cursor: &mut Cursor<'_>, insert: &mut Insert) -> Parse<bool> {
    if insert.label.is_none() && at_label(cursor) {
        cursor.expect_all(&["WITH", "LABEL"])?;
        insert.label = Some(cursor.identifier_or_text()?);
    } else if !insert.by_name && cursor.take_all(&["BY", "NAME"]) {
        insert.by_name = true;
    } else if insert.columns.is_none() && cursor.at_symbol("(") && !at_nested_query(cursor) {
        insert.columns = Some(cursor.parenthesised(Cursor::identifier)?);
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Whether `WITH LABEL name` comes, and not a common table expression that is called `label`.
fn at_label(cursor: &Cursor<'_>) -> bool {
    cursor.at_all(&["WITH", "LABEL"]) && !cursor.ahead(2).is_word("AS") && !cursor.ahead(2).is_symbol("(")
}

fn at_nested_query(cursor: &Cursor<'_>) -> bool {
    let inner = cursor.ahead(1);
    ["SELECT", "WITH", "VALUES"].iter().any(|k| inner.is_word(k)) || inner.is_symbol("(")
}

fn source(cursor: &mut Cursor<'_>) -> Parse<InsertSource> {
    if cursor.at("VALUES") {
        return rows(cursor).map(InsertSource::Values);
    }
    match query::begins(cursor) {
        true => delegate::query(cursor).map(InsertSource::Query),
        false => Err(cursor.unexpected_of(&["SELECT", "VALUES", "WITH", "("])),
    }
}

/// `VALUES (...), (...)`, read value by value so that only the packed rows take memory.
fn rows(cursor: &mut Cursor<'_>) -> Parse<ValueRows> {
    cursor.expect("VALUES")?;
    let mut rows = ValueRows::default();
    loop {
        cursor.expect_symbol("(")?;
        value(cursor, &mut rows)?;
        while cursor.take_symbol(",") {
            value(cursor, &mut rows)?;
        }
        cursor.expect_symbol(")")?;
        rows.end_row().map_err(|_| too_long(cursor))?;
        if !cursor.take_symbol(",") {
            rows.shrink();
            return Ok(rows);
        }
    }
}

/// One value: a plain literal on the short way, anything else as an expression.
fn value(cursor: &mut Cursor<'_>, rows: &mut ValueRows) -> Parse<()> {
    let start = cursor.mark();
    if let Some(pushed) = literal(cursor, rows, start) {
        return pushed.map_err(|_| too_long(cursor));
    }
    cursor.reset(start);
    let expr = delegate::expression(cursor, &|t| t.is_symbol(","))?;
    rows.push_expression(expr).map_err(|_| too_long(cursor))
}

/// Takes a literal that is the whole value; None when it is none.
fn literal<'a>(cursor: &mut Cursor<'a>, rows: &mut ValueRows, start: Mark<'a>) -> Option<Result<(), TooLong>> {
    let first = cursor.advance();
    let sign = if first.is_symbol("-") || first.is_symbol("+") { first.source } else { "" };
    let token = if sign.is_empty() { first } else { cursor.advance() };
    if !cursor.at_symbol(",") && !cursor.at_symbol(")") {
        cursor.reset(start);
        return None;
    }
    let keyword = |word: &str| token.is_word(word) && sign.is_empty();
    Some(match token.kind {
        Kind::Number => rows.push_number(sign.trim_start_matches('+'), token.source),
        Kind::Text if sign.is_empty() => rows.push(RowValue::Text(&token.value())),
        Kind::Placeholder if sign.is_empty() => {
            cursor.placeholders += 1;
            u32::try_from(cursor.placeholders).map_err(|_| TooLong).and_then(|n| rows.push(RowValue::Placeholder(n)))
        }
        Kind::Word if keyword("NULL") => rows.push(RowValue::Null),
        Kind::Word if keyword("DEFAULT") => rows.push(RowValue::Default),
        Kind::Word if keyword("TRUE") => rows.push(RowValue::Boolean(true)),
        Kind::Word if keyword("FALSE") => rows.push(RowValue::Boolean(false)),
        _ => return None,
    })
}

fn too_long(cursor: &Cursor<'_>) -> SyntaxError {
    error_at(cursor.current(), "the statement is too long".to_owned())
}
