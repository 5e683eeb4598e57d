//! What rows hold that nobody says: AUTO_INCREMENT, DEFAULT (uuid()) and its like, generated columns.

use runtime_mysql::MySqlError;
use runtime_sql::statement::table::{ColumnDefault, ColumnDefinition};
use runtime_sql::{TextPart, split_at_columns};
use storage_model::{Column, DataType, DefaultValue, Expression, ExpressionPart, KeyModel, Table};

use crate::errors;

/// As long as a UUID is written.
const UUID_LENGTH: u32 = 36;

/// The first number is 1.
pub(super) fn auto_increment(definition: &ColumnDefinition) -> Result<DefaultValue, MySqlError> {
    match definition.data_type {
        DataType::BigInt => Ok(DefaultValue::AutoIncrement { next: 1 }),
        _ => Err(MySqlError::analyzing("The AUTO_INCREMENT column must be BIGINT")),
    }
}

/// One a table.
pub(super) fn check_auto_increment(columns: &[Column]) -> Result<(), MySqlError> {
    match columns.iter().filter(|column| column.is_auto_increment()).count() {
        0 | 1 => Ok(()),
        _ => Err(MySqlError::analyzing("More than one AUTO_INCREMENT column defined in CREATE TABLE Statement")),
    }
}

/// DEFAULT with a function.
pub(super) fn default(definition: &ColumnDefinition, text: &str) -> Result<DefaultValue, MySqlError> {
    let ColumnDefinition { name, data_type, .. } = definition;
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    let mut plain = plain.as_str();
    while let Some(inner) = plain.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        plain = inner;
    }
    let (value, fits) = match plain {
        "now()" | "current_timestamp()" | "current_timestamp" => {
            (DefaultValue::CurrentTimestamp, *data_type == DataType::DateTime)
        }
        "uuid()" => {
            let length = match data_type {
                DataType::Varchar(length) | DataType::Char(length) => *length,
                _ => 0,
            };
            (DefaultValue::Uuid, length >= UUID_LENGTH)
        }
        "uuid_numeric()" => (DefaultValue::UuidNumeric, *data_type == DataType::LargeInt),
        _ => return Err(errors::unsupported(format_args!("column '{name}': the default value {text}"))),
    };
    if fits {
        Ok(value)
    } else {
        let shown = data_type.to_sql();
        Err(MySqlError::analyzing(format_args!(
            "Default function {plain} for type {shown} is not supported: column '{name}'"
        )))
    }
}

/// The expressions of generated columns, with the ids of the columns that they name.
pub(super) fn generate(
    defined: &[ColumnDefinition],
    columns: &mut [Column],
    model: KeyModel,
) -> Result<(), MySqlError> {
    let wrong = |text: String| MySqlError::analyzing(text);
    let is_generated = |definition: &ColumnDefinition| matches!(definition.default, ColumnDefault::Generated(_));
    let plain = defined.iter().position(is_generated).unwrap_or(defined.len());
    if plain == defined.len() {
        return Ok(());
    }
    if model == KeyModel::Aggregate {
        return Err(wrong("Generated Column does not support AGG table".to_owned()));
    }
    if !defined.iter().skip(plain).all(is_generated) {
        return Err(wrong("All generated columns must be defined after ordinary columns".to_owned()));
    }
    for (at, definition) in defined.iter().enumerate().skip(plain) {
        if columns[at].key {
            return Err(wrong(format!("Generated Column {} can not be KEY", definition.name)));
        }
        let expression = generated(definition, columns, plain, model)?;
        columns[at].default = Some(DefaultValue::Generated(expression));
    }
    Ok(())
}

/// A generated column that a table gets.
pub(in crate::ddl) fn added(definition: &ColumnDefinition, table: &Table) -> Result<Column, MySqlError> {
    let mut column = super::column(0, definition, definition.key, table.model)?;
    let columns = &table.schema.columns;
    let plain = columns.iter().filter(|column| column.generated().is_none()).count();
    column.default = Some(DefaultValue::Generated(generated(definition, columns, plain, table.model)?));
    Ok(column)
}

/// The expression of a generated column over others, of which the first so many are no generated ones.
fn generated(
    definition: &ColumnDefinition,
    columns: &[Column],
    plain: usize,
    model: KeyModel,
) -> Result<Expression, MySqlError> {
    let name = &definition.name;
    if model == KeyModel::Aggregate {
        return Err(MySqlError::analyzing("Generated Column does not support AGG table"));
    }
    if definition.key {
        return Err(MySqlError::analyzing(format_args!("Generated Column {name} can not be KEY")));
    }
    if definition.nullable == Some(false) {
        return Err(MySqlError::analyzing(format_args!("Generated Column {name} must be nullable column")));
    }
    match &definition.default {
        ColumnDefault::Generated(text) => expression(text, columns, plain),
        _ => Err(MySqlError::analyzing(format_args!("Column {name} is no Generated Column"))),
    }
}

/// `plain`: how many columns are no generated ones, which come first.
fn expression(text: &str, columns: &[Column], plain: usize) -> Result<Expression, MySqlError> {
    let position = |name: &str| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let parts = split_at_columns(text, position).map_err(MySqlError::analyzing)?;
    let named = parts.iter().filter_map(|part| match part {
        TextPart::Column(at) => Some(*at),
        TextPart::Text(_) => None,
    });
    for at in named {
        if at >= plain {
            return Err(MySqlError::analyzing("Expression can not refers to other generated columns"));
        }
        if columns[at].is_auto_increment() {
            return Err(MySqlError::analyzing("Expression can not refers to AUTO_INCREMENT columns"));
        }
    }
    let part = |part: TextPart| match part {
        TextPart::Text(text) => ExpressionPart::Text(text),
        TextPart::Column(at) => ExpressionPart::Column(columns[at].id),
    };
    Ok(Expression { parts: parts.into_iter().map(part).collect() })
}
