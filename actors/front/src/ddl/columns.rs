//! The columns of CREATE TABLE: names, types, keys, defaults.

pub(super) mod computed;

use std::collections::HashSet;

use runtime_mysql::MySqlError;
use runtime_sql::statement::table::{ColumnDefault, ColumnDefinition, KeyClause, KeyKind};
use storage_model::schema::{MAX_NESTING, MAX_VARCHAR_LENGTH};
use storage_model::{Aggregation, Column, ColumnId, DataType, DefaultValue, KeyModel, Value};

use super::LONGEST_NAME;
use crate::{errors, names};

/// How many columns, and bytes of them, a key has that nobody asked for.
const DEFAULT_KEY_COLUMNS: usize = 3;
const DEFAULT_KEY_BYTES: u32 = 36;

/// The columns of a table with their ids, which of them are its key, and what equal keys mean.
pub(super) fn columns(
    defined: &[ColumnDefinition],
    key: Option<&KeyClause>,
) -> Result<(KeyModel, Vec<Column>), MySqlError> {
    if defined.is_empty() {
        return Err(MySqlError::analyzing("a table needs at least one column"));
    }
    let mut seen = HashSet::new();
    for column in defined {
        if !seen.insert(column.name.to_lowercase()) {
            return Err(MySqlError::duplicate_column(&column.name));
        }
    }
    let (model, keys) = key_columns(defined, key)?;
    let column = |(at, definition)| column(at, definition, at < keys, model);
    let mut columns: Vec<Column> = defined.iter().enumerate().map(column).collect::<Result<_, _>>()?;
    computed::check_auto_increment(&columns)?;
    computed::generate(defined, &mut columns, model)?;
    Ok((model, columns))
}

/// One column, checked. Its id is that of a new table's column at this position.
pub(super) fn column(
    at: usize,
    definition: &ColumnDefinition,
    key: bool,
    model: KeyModel,
) -> Result<Column, MySqlError> {
    let name = &definition.name;
    names::check_new("column", name, LONGEST_NAME)?;
    let aggregation = aggregation(definition, key, model)?;
    if definition.auto_increment && definition.nullable == Some(true) {
        return Err(MySqlError::analyzing(format_args!("AUTO_INCREMENT column {name} must be NOT NULL")));
    }
    check_type(name, &definition.data_type)?;
    if key && !definition.data_type.can_be_key() {
        let data_type = &definition.data_type;
        return Err(MySqlError::analyzing(format_args!("Invalid data type of key column '{name}': '{data_type}'")));
    }
    let is_primary = key && model == KeyModel::Primary;
    if is_primary && definition.nullable == Some(true) {
        return Err(MySqlError::analyzing(format_args!("primary key column[{name}] cannot be nullable")));
    }
    // A row that says nothing of such a column holds NULL in it.
    let nullable = match aggregation {
        Some(Aggregation::ReplaceIfNotNull) => true,
        _ if definition.auto_increment => false,
        _ => definition.nullable.unwrap_or(!is_primary),
    };
    Ok(Column {
        id: ColumnId(at as u64 + 1),
        name: name.clone(),
        data_type: definition.data_type.clone(),
        nullable,
        key,
        default: default(definition, nullable)?,
        comment: definition.comment.clone().unwrap_or_default(),
        initial: None,
        aggregation,
    })
}

/// How the values of a column are combined, where that is said column by column.
fn aggregation(definition: &ColumnDefinition, key: bool, model: KeyModel) -> Result<Option<Aggregation>, MySqlError> {
    let ColumnDefinition { name, data_type, .. } = definition;
    let Some(given) = &definition.aggregate else {
        return match model {
            KeyModel::Aggregate if !key => Err(MySqlError::analyzing(format_args!(
                "{} table should specify aggregate type for non-key column[{name}]",
                model.keys_type()
            ))),
            _ => Ok(None),
        };
    };
    if key {
        return Err(MySqlError::analyzing(format_args!("Key column[{name}] should not specify aggregate type")));
    }
    // What the model says of all its columns may be said of one.
    if matches!(model, KeyModel::Unique | KeyModel::Primary) && given == Aggregation::Replace.name() {
        return Ok(None);
    }
    if model != KeyModel::Aggregate {
        return Err(MySqlError::analyzing(format_args!(
            "{} table should not specify aggregate type for non-key column[{name}]",
            model.keys_type()
        )));
    }
    let known = Aggregation::ALL.into_iter().find(|aggregation| aggregation.name() == given);
    let known = known.ok_or_else(|| errors::unsupported(format_args!("column '{name}': aggregation {given}")))?;
    if !known.takes(data_type) {
        return Err(MySqlError::analyzing(format_args!("Invalid aggregate function '{known}' for '{name}'")));
    }
    Ok(Some(known))
}

fn check_type(name: &str, data_type: &DataType) -> Result<(), MySqlError> {
    let wrong = |why: String| Err(MySqlError::analyzing(format_args!("column '{name}': {why}")));
    match data_type {
        DataType::Char(length) if !(1..=255).contains(length) => {
            wrong(format!("the length of CHAR must be from 1 to 255, not {length}"))
        }
        DataType::Varchar(length) if !(1..=MAX_VARCHAR_LENGTH).contains(length) => {
            wrong(format!("the length of VARCHAR must be from 1 to {MAX_VARCHAR_LENGTH}, not {length}"))
        }
        DataType::Decimal { precision, scale } if !(1..=38).contains(precision) || scale > precision => {
            wrong(format!("DECIMAL({precision}, {scale}): precision must be from 1 to 38, scale from 0 to precision"))
        }
        nested if nested.is_too_deep() => Err(MySqlError::analyzing(format_args!(
            "Type exceeds the maximum nesting depth of {MAX_NESTING}:\n{nested}"
        ))),
        nested if nested.inner_types().into_iter().any(DataType::is_sketch) => {
            wrong(format!("{nested} is not supported: BITMAP and HLL are in no other type"))
        }
        nested => nested.inner_types().into_iter().try_for_each(|inner| check_type(name, inner)),
    }
}

/// What equal keys mean, and how many of the first columns are the key.
fn key_columns(defined: &[ColumnDefinition], clause: Option<&KeyClause>) -> Result<(KeyModel, usize), MySqlError> {
    let Some(KeyClause { kind, columns }) = clause else { return key_without_clause(defined) };
    let model = match kind {
        KeyKind::Duplicate => KeyModel::Duplicate,
        KeyKind::Aggregate => KeyModel::Aggregate,
        KeyKind::Unique => KeyModel::Unique,
        KeyKind::Primary => KeyModel::Primary,
    };
    let mut seen = HashSet::new();
    for name in columns {
        if !defined.iter().any(|c| c.name.eq_ignore_ascii_case(name)) {
            return Err(MySqlError::analyzing(format_args!("Key column({name}) doesn't exist")));
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(MySqlError::duplicate_column(name));
        }
    }
    let in_order = columns.iter().zip(defined).all(|(name, column)| column.name.eq_ignore_ascii_case(name));
    if !in_order || columns.is_empty() || defined.iter().skip(columns.len()).any(|c| c.key) {
        return Err(not_a_prefix());
    }
    Ok((model, columns.len()))
}

/// Columns that say how they are combined make an AGGREGATE KEY table of which the others are the key.
fn key_without_clause(defined: &[ColumnDefinition]) -> Result<(KeyModel, usize), MySqlError> {
    let first = |count: usize, is_key: fn(&ColumnDefinition) -> bool| match defined.iter().take(count).all(is_key) {
        true => Ok(count),
        false => Err(not_a_prefix()),
    };
    let combined = defined.iter().filter(|c| c.aggregate.is_some()).count();
    let marked = defined.iter().filter(|c| c.key).count();
    match (combined, marked) {
        (0, 0) => Ok((KeyModel::Duplicate, default_key(defined)?)),
        (0, marked) => Ok((KeyModel::Duplicate, first(marked, |c| c.key)?)),
        (combined, _) => {
            let keys = first(defined.len() - combined, |c| c.aggregate.is_none())?;
            if keys > 0 {
                Ok((KeyModel::Aggregate, keys))
            } else {
                Err(MySqlError::analyzing("The number of key columns is 0"))
            }
        }
    }
}

fn not_a_prefix() -> MySqlError {
    MySqlError::analyzing(
        "Key columns must be the first few columns of the schema and the order of the key columns must be consistent with \
         the order of the schema",
    )
}

/// The first columns, three and 36 bytes at most; a VARCHAR ends them, a FLOAT, a DOUBLE or what holds other values never belongs to them.
fn default_key(defined: &[ColumnDefinition]) -> Result<usize, MySqlError> {
    let (mut count, mut bytes) = (0, 0);
    for column in defined {
        bytes += key_bytes(&column.data_type);
        let full = count >= DEFAULT_KEY_COLUMNS || bytes > DEFAULT_KEY_BYTES;
        // The first column is a key however long it is.
        if !column.data_type.can_be_key() || (full && count > 0) {
            break;
        }
        count += 1;
        if matches!(column.data_type, DataType::Varchar(_)) {
            break;
        }
    }
    match count {
        0 => Err(MySqlError::analyzing(
            "Data type of first column cannot be FLOAT, DOUBLE, JSON, VARBINARY, BITMAP, HLL, ARRAY, MAP or STRUCT: it is the \
             key of the table",
        )),
        _ => Ok(count),
    }
}

fn key_bytes(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Boolean | DataType::TinyInt => 1,
        DataType::SmallInt => 2,
        DataType::Int | DataType::Float => 4,
        DataType::BigInt | DataType::Double | DataType::DateTime => 8,
        DataType::Date => 3,
        DataType::LargeInt | DataType::Decimal { .. } => 16,
        DataType::Char(length) => *length,
        DataType::Varchar(_) => 20,
        // These are no keys.
        _ => 0,
    }
}

/// DEFAULT, checked against the type, so that no INSERT fails of it later.
fn default(definition: &ColumnDefinition, nullable: bool) -> Result<Option<DefaultValue>, MySqlError> {
    let name = &definition.name;
    match &definition.default {
        ColumnDefault::None if definition.auto_increment => computed::auto_increment(definition).map(Some),
        // What a generated column is computed from is known when all columns are.
        ColumnDefault::None | ColumnDefault::Generated(_) => Ok(None),
        ColumnDefault::Null if nullable => Ok(Some(DefaultValue::Null)),
        ColumnDefault::Null => {
            Err(MySqlError::analyzing(format_args!("Can not set null default value to non nullable column: {name}")))
        }
        ColumnDefault::CurrentTimestamp if definition.data_type == DataType::DateTime => {
            Ok(Some(DefaultValue::CurrentTimestamp))
        }
        ColumnDefault::CurrentTimestamp => Err(MySqlError::analyzing(format_args!(
            "Invalid default value for '{name}': CURRENT_TIMESTAMP is for DATETIME columns"
        ))),
        ColumnDefault::Expression(text) => computed::default(definition, text).map(Some),
        ColumnDefault::Literal(text) if !has_default(&definition.data_type) => {
            Err(MySqlError::analyzing(format_args!(
                "Invalid default value for '{name}': '{text}' ({} columns have no default but NULL)",
                definition.data_type
            )))
        }
        ColumnDefault::Literal(text) => match fits(text, &definition.data_type) {
            Ok(()) => Ok(Some(DefaultValue::Literal(text.clone()))),
            Err(why) => Err(MySqlError::analyzing(format_args!("Invalid default value for '{name}': '{text}' {why}"))),
        },
    }
}

/// Whether columns of a type can have a constant as their default.
fn has_default(data_type: &DataType) -> bool {
    !data_type.is_nested() && !data_type.is_sketch() && !matches!(data_type, DataType::Json | DataType::Varbinary(_))
}

/// Whether a text can be stored in a column of this type.
fn fits(text: &str, data_type: &DataType) -> Result<(), String> {
    let is = |fine: bool| if fine { Ok(()) } else { Err(format!("is no {data_type}")) };
    match data_type {
        DataType::Boolean => is(["true", "false", "0", "1"].iter().any(|known| text.eq_ignore_ascii_case(known))),
        DataType::Float => is(text.trim().parse::<f32>().is_ok_and(f32::is_finite)),
        DataType::Double => is(text.trim().parse::<f64>().is_ok_and(f64::is_finite)),
        DataType::Decimal { precision, scale } => decimal_fits(text.trim(), *precision, *scale),
        DataType::Char(length) | DataType::Varchar(length) => match text.len() {
            bytes if bytes <= *length as usize => Ok(()),
            bytes => Err(format!("is too long: {bytes} bytes in {data_type}")),
        },
        _ => is(Value::parse(text, data_type).is_some()),
    }
}

fn decimal_fits(text: &str, precision: u8, scale: u8) -> Result<(), String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(format!("is no decimal({precision}, {scale})"));
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.len() > usize::from(precision - scale) || fraction.len() > usize::from(scale) {
        return Err(format!("does not fit decimal({precision}, {scale})"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_checked_by_type() {
        let decimal = || DataType::Decimal { precision: 5, scale: 2 };
        for (text, data_type) in [
            ("0", DataType::TinyInt),
            ("-128", DataType::TinyInt),
            ("true", DataType::Boolean),
            ("1e3", DataType::Double),
            ("-123.45", decimal()),
            ("000123.400", decimal()),
            ("2015-09-12", DataType::Date),
            ("2015-09-12 06:00:00", DataType::DateTime),
            ("", DataType::Varchar(1)),
            ("äö", DataType::Char(4)),
        ] {
            assert_eq!(fits(text, &data_type), Ok(()), "{text} {data_type}");
        }
        for (text, data_type) in [
            ("128", DataType::TinyInt),
            ("", DataType::Int),
            ("yes", DataType::Boolean),
            ("nan", DataType::Double),
            ("1234.5", decimal()),
            ("1.234", decimal()),
            (".", decimal()),
            ("2015-02-29", DataType::Date),
            ("äö", DataType::Char(3)),
        ] {
            assert!(fits(text, &data_type).is_err(), "{text} {data_type}");
        }
    }
}
