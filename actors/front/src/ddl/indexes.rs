//! INDEX in CREATE TABLE, ADD INDEX and CREATE INDEX: which kinds there are, and which columns they are of.

use runtime_mysql::MySqlError;
use runtime_sql::statement::table::IndexDefinition;
use storage_catalog::ColumnChange;
use storage_model::{Column, Index, IndexKind};

use crate::errors;

/// The indexes of a new table; whether it can have them is the catalog's to say.
pub(super) fn of_table(definitions: &[IndexDefinition], columns: &[Column]) -> Result<Vec<Index>, MySqlError> {
    let index = |definition: &IndexDefinition| {
        let column = |name: &String| {
            let found = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            found.map(|column| column.id).ok_or_else(|| {
                let kind = &definition.kind;
                MySqlError::analyzing(format_args!("{kind} column does not exist in table. invalid column: {name}"))
            })
        };
        Ok(Index {
            kind: kind(definition)?,
            columns: definition.columns.iter().map(column).collect::<Result<_, _>>()?,
            name: definition.name.clone(),
            comment: definition.comment.clone().unwrap_or_default(),
        })
    };
    definitions.iter().map(index).collect()
}

/// ADD INDEX.
pub(super) fn added(definition: &IndexDefinition) -> Result<ColumnChange, MySqlError> {
    let IndexDefinition { name, columns, comment, .. } = definition.clone();
    Ok(ColumnChange::AddIndex { name, kind: kind(definition)?, columns, comment: comment.unwrap_or_default() })
}

fn kind(definition: &IndexDefinition) -> Result<IndexKind, MySqlError> {
    match definition.kind.as_str() {
        "BITMAP" => Ok(IndexKind::Bitmap),
        other => Err(errors::unsupported(format_args!("index '{}' USING {other}", definition.name))),
    }
}
