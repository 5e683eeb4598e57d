//! Columns of CREATE TABLE and their types.

use storage_model::DataType;
use storage_model::schema::{MAX_VARCHAR_LENGTH, STRING_LENGTH};

use crate::cursor::{Cursor, Parse, error_at};
use crate::delegate;
use crate::grammar::{common, nested_type};
use crate::lexer::{Kind, Token};
use crate::statement::table::{ColumnDefault, ColumnDefinition};

/// The longest CHAR.
const MAX_CHAR_LENGTH: u32 = 255;
/// The most digits of a DECIMAL.
const MAX_DECIMAL_PRECISION: u64 = 38;

/// How a value column of an aggregate table combines.
const AGGREGATES: [&str; 8] =
    ["SUM", "MAX", "MIN", "REPLACE", "REPLACE_IF_NOT_NULL", "HLL_UNION", "BITMAP_UNION", "PERCENTILE_UNION"];

/// `name type [KEY] [aggregate] [NULL | NOT NULL] [DEFAULT ... | AUTO_INCREMENT | AS expression] [COMMENT 'text']`.
pub(super) fn definition(cursor: &mut Cursor<'_>) -> Parse<ColumnDefinition> {
    let name = cursor.identifier()?;
    let data_type = data_type(cursor)?;
    common::skip_charset(cursor)?;
    let key = cursor.take("KEY");
    let aggregate = cursor.take_any(&AGGREGATES).map(str::to_owned);
    let nullable = match cursor.take("NULL") {
        true => Some(true),
        false if cursor.take("NOT") => {
            cursor.expect("NULL")?;
            Some(false)
        }
        false => None,
    };
    let auto_increment = cursor.take("AUTO_INCREMENT");
    let default = if auto_increment {
        ColumnDefault::None
    } else if cursor.take("DEFAULT") {
        default(cursor)?
    } else if cursor.take("AS") {
        ColumnDefault::Generated(expression(cursor)?)
    } else {
        ColumnDefault::None
    };
    let comment = common::comment(cursor)?;
    Ok(ColumnDefinition { name, data_type, key, aggregate, nullable, default, auto_increment, comment })
}

fn not_supported(at: Token<'_>, what: &str) -> crate::error::SyntaxError {
    error_at(at, format!("{what} is not supported yet"))
}

/// Behind `DEFAULT`.
fn default(cursor: &mut Cursor<'_>) -> Parse<ColumnDefault> {
    let start = cursor.mark();
    let token = cursor.advance();
    let sign = if token.is_symbol("-") { "-" } else { "" };
    let literal = if sign.is_empty() { token } else { cursor.advance() };
    if ends_default(cursor) {
        match literal.kind {
            Kind::Text if sign.is_empty() => return Ok(ColumnDefault::Literal(literal.value().into_owned())),
            Kind::Number => return Ok(ColumnDefault::Literal(format!("{sign}{}", literal.source))),
            Kind::Word if token.is_word("NULL") => return Ok(ColumnDefault::Null),
            Kind::Word if token.is_word("CURRENT_TIMESTAMP") => return Ok(ColumnDefault::CurrentTimestamp),
            Kind::Word if token.is_word("TRUE") => return Ok(ColumnDefault::Literal("1".to_owned())),
            Kind::Word if token.is_word("FALSE") => return Ok(ColumnDefault::Literal("0".to_owned())),
            _ => {}
        }
    }
    if token.is_word("CURRENT_TIMESTAMP") && cursor.take_symbol("(") {
        let precision = if cursor.at_symbol(")") { 0 } else { cursor.integer()? };
        cursor.expect_symbol(")")?;
        if precision > 6 {
            return Err(error_at(token, "the precision of CURRENT_TIMESTAMP is at most 6".to_owned()));
        }
        return Ok(ColumnDefault::CurrentTimestamp);
    }
    cursor.reset(start);
    expression(cursor).map(ColumnDefault::Expression)
}

/// An expression as it is written, up to what may follow it in the definition of a column.
fn expression(cursor: &mut Cursor<'_>) -> Parse<String> {
    let start = cursor.current().start;
    delegate::expression(cursor, &|t| t.is_symbol(",") || BEHIND_DEFAULT.iter().any(|word| t.is_word(word)))?;
    Ok(cursor.text()[start..cursor.consumed()].to_owned())
}

/// What may follow the default of a column, in ALTER TABLE too.
const BEHIND_DEFAULT: [&str; 6] = ["COMMENT", "FIRST", "AFTER", "TO", "IN", "PROPERTIES"];

fn ends_default(cursor: &Cursor<'_>) -> bool {
    cursor.at_end() || [",", ")"].iter().any(|s| cursor.at_symbol(s)) || BEHIND_DEFAULT.iter().any(|k| cursor.at(k))
}

/// A column type.
pub(super) fn data_type(cursor: &mut Cursor<'_>) -> Parse<DataType> {
    let token = cursor.current();
    if token.kind != Kind::Word {
        return Err(cursor.unexpected("a type"));
    }
    let name = token.source.to_ascii_uppercase();
    let plain = match name.as_str() {
        "BOOLEAN" | "BOOL" => DataType::Boolean,
        "TINYINT" => DataType::TinyInt,
        "SMALLINT" => DataType::SmallInt,
        "INT" | "INTEGER" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "LARGEINT" => DataType::LargeInt,
        "FLOAT" => DataType::Float,
        "DOUBLE" => DataType::Double,
        "DATE" => DataType::Date,
        "DATETIME" => DataType::DateTime,
        "STRING" | "TEXT" => DataType::Varchar(STRING_LENGTH),
        "CHAR" | "VARCHAR" => return text_type(cursor, &name),
        "DECIMAL" | "NUMERIC" | "NUMBER" | "DECIMALV2" | "DECIMAL32" | "DECIMAL64" | "DECIMAL128" => {
            return decimal_type(cursor, &name);
        }
        "JSON" | "JSONB" => DataType::Json,
        "BITMAP" => DataType::Bitmap,
        "HLL" => DataType::Hll,
        "VARBINARY" | "BINARY" => return binary_type(cursor, &name),
        "ARRAY" | "MAP" | "STRUCT" => return nested_type::outermost(cursor),
        "DECIMAL256" | "TIME" | "PERCENTILE" | "VARIANT" => {
            return Err(not_supported(token, &format!("the type {name}")));
        }
        _ => return Err(cursor.unexpected("a type")),
    };
    cursor.advance();
    // A display width says nothing about what is stored.
    if plain.is_integer() && cursor.take_symbol("(") {
        cursor.integer()?;
        cursor.expect_symbol(")")?;
    }
    Ok(plain)
}

fn text_type(cursor: &mut Cursor<'_>, name: &str) -> Parse<DataType> {
    let (longest, build): (u32, fn(u32) -> DataType) = match name {
        "CHAR" => (MAX_CHAR_LENGTH, DataType::Char),
        _ => (MAX_VARCHAR_LENGTH, DataType::Varchar),
    };
    cursor.advance();
    if !cursor.take_symbol("(") {
        return Ok(build(1));
    }
    let at = cursor.current();
    if name == "VARCHAR" && cursor.take_symbol("*") {
        cursor.expect_symbol(")")?;
        return Ok(build(longest));
    }
    let length = cursor.integer()?;
    cursor.expect_symbol(")")?;
    match u32::try_from(length) {
        Ok(0) => Err(error_at(at, format!("{name} size must be > 0: 0"))),
        Ok(length) if length <= longest => Ok(build(length)),
        _ => Err(error_at(at, format!("{name} size must be <= {longest}: {length}"))),
    }
}

fn binary_type(cursor: &mut Cursor<'_>, name: &str) -> Parse<DataType> {
    cursor.advance();
    if !cursor.take_symbol("(") {
        return Ok(DataType::Varbinary(MAX_VARCHAR_LENGTH));
    }
    let at = cursor.current();
    let length = cursor.integer()?;
    cursor.expect_symbol(")")?;
    match u32::try_from(length) {
        Ok(length) if (1..=MAX_VARCHAR_LENGTH).contains(&length) => Ok(DataType::Varbinary(length)),
        _ => Err(error_at(at, format!("{name} size must be from 1 to {MAX_VARCHAR_LENGTH}: {length}"))),
    }
}

fn decimal_type(cursor: &mut Cursor<'_>, name: &str) -> Parse<DataType> {
    let most = match name {
        "DECIMAL32" => 9,
        "DECIMAL64" => 18,
        _ => MAX_DECIMAL_PRECISION,
    };
    let at = cursor.advance();
    let (mut precision, mut scale) = (if most < 10 { most } else { 10 }, 0);
    if cursor.take_symbol("(") {
        precision = cursor.integer()?;
        if cursor.take_symbol(",") {
            scale = cursor.integer()?;
        }
        cursor.expect_symbol(")")?;
    }
    if !(1..=most).contains(&precision) {
        return Err(error_at(at, format!("{name}'s precision should range from 1 to {most}")));
    }
    if scale > precision {
        return Err(error_at(at, format!("{name}'s scale should range from 0 to its precision, {precision}")));
    }
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision), Ok(scale)) => Ok(DataType::Decimal { precision, scale }),
        _ => Err(error_at(at, format!("{name}'s precision should range from 1 to {most}"))),
    }
}
