//! ARRAY<t>, MAP<k, v> and STRUCT<f t, …>. `>>` may close two of them at once: it is taken for the inner one, and the outer one
//! is told that it is closed too.

use storage_model::schema::MAX_NESTING;
use storage_model::{DataType, StructField};

use super::column;
use crate::cursor::{Cursor, Parse, error_at};
use crate::lexer::{Kind, Token};

/// A type, and whether the type around it was closed with it.
type Closing = (DataType, bool);

/// A type that holds others and is within none.
pub(super) fn outermost(cursor: &mut Cursor<'_>) -> Parse<DataType> {
    let start = cursor.current();
    match nested(cursor, 0)? {
        (data_type, false) => Ok(data_type),
        (_, true) => Err(error_at(start, format!("'>>' closes more than the type {} opens", start.source))),
    }
}

fn is_nested(token: Token<'_>) -> bool {
    ["ARRAY", "MAP", "STRUCT"].iter().any(|name| token.is_word(name))
}

fn inner(cursor: &mut Cursor<'_>, depth: usize) -> Parse<Closing> {
    if is_nested(cursor.current()) { nested(cursor, depth) } else { Ok((column::data_type(cursor)?, false)) }
}

fn nested(cursor: &mut Cursor<'_>, depth: usize) -> Parse<Closing> {
    // What a column can have is checked with the column; this only keeps the stack small.
    let name = cursor.current();
    if depth > 2 * MAX_NESTING {
        return Err(error_at(name, format!("Type exceeds the maximum nesting depth of {MAX_NESTING}")));
    }
    cursor.advance();
    cursor.expect_symbol("<")?;
    let (data_type, closed) = if name.is_word("ARRAY") {
        let (element, closed) = inner(cursor, depth + 1)?;
        (DataType::Array(Box::new(element)), closed)
    } else if name.is_word("MAP") {
        let (key, closed) = inner(cursor, depth + 1)?;
        if closed {
            return Err(cursor.unexpected("','"));
        }
        if key.is_nested() || key.is_sketch() || matches!(key, DataType::Json | DataType::Varbinary(_)) {
            return Err(error_at(name, format!("Invalid MAP type: {key} is not supported as the type of keys")));
        }
        cursor.expect_symbol(",")?;
        let (value, closed) = inner(cursor, depth + 1)?;
        (DataType::Map(Box::new(key), Box::new(value)), closed)
    } else {
        fields(cursor, depth)?
    };
    if closed {
        return Ok((data_type, false));
    }
    if cursor.take_symbol(">>") {
        return Ok((data_type, true));
    }
    cursor.expect_symbol(">")?;
    Ok((data_type, false))
}

fn fields(cursor: &mut Cursor<'_>, depth: usize) -> Parse<Closing> {
    let mut fields: Vec<StructField> = Vec::new();
    loop {
        let at = cursor.current();
        // Every word may be the name of a field.
        let name = match at.kind {
            Kind::Word => cursor.advance().source.to_owned(),
            _ => cursor.identifier()?,
        };
        cursor.take_symbol(":");
        if fields.iter().any(|field| field.name.eq_ignore_ascii_case(&name)) {
            return Err(error_at(at, format!("Duplicate field name '{name}' in a STRUCT")));
        }
        let (data_type, closed) = inner(cursor, depth + 1)?;
        fields.push(StructField { name, data_type });
        if closed || !cursor.take_symbol(",") {
            return Ok((DataType::Struct(fields), closed));
        }
    }
}
