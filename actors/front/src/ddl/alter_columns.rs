//! ALTER TABLE … COLUMN: from what was written to changes that the catalog can take or refuse.

use runtime_mysql::MySqlError;
use runtime_query::{SessionFacts, initial_text};
use runtime_sql::statement::table::{ColumnClause, ColumnDefault, ColumnDefinition, ColumnPosition};
use storage_catalog::{ColumnChange, ColumnPlace};
use storage_model::{Column, KeyModel, Table};

use super::{LONGEST_NAME, columns, indexes};
use crate::{errors, names};

/// The changes of one statement. What old rows have in a new column is fixed here: CURRENT_TIMESTAMP is now.
pub(super) fn changes(
    clauses: &[ColumnClause],
    table: &Table,
    facts: &SessionFacts,
) -> Result<Vec<ColumnChange>, MySqlError> {
    clauses.iter().map(|clause| change(clause, table, facts)).collect()
}

fn change(clause: &ColumnClause, table: &Table, facts: &SessionFacts) -> Result<ColumnChange, MySqlError> {
    let model = table.model;
    Ok(match clause {
        ColumnClause::Add { definition, position } if is_generated(definition) => {
            let column = columns::computed::added(definition, table)?;
            ColumnChange::Add { column, place: place(position.as_ref()) }
        }
        ColumnClause::Add { definition, position } => {
            let column = new_column(definition, model)?;
            let initial = initial_text(&column, facts).map_err(|e| errors::query(&e))?;
            ColumnChange::Add { column: Column { initial, ..column }, place: place(position.as_ref()) }
        }
        ColumnClause::Drop { name } => ColumnChange::Drop { name: name.clone() },
        ColumnClause::Modify { definition, position } => {
            let column = new_column(definition, model)?;
            ColumnChange::Modify { column, place: place(position.as_ref()) }
        }
        ColumnClause::Comment { name, comment } => {
            ColumnChange::Comment { name: name.clone(), comment: comment.clone() }
        }
        ColumnClause::Rename { name, new_name } => {
            names::check_new("column", new_name, LONGEST_NAME)?;
            ColumnChange::Rename { name: name.clone(), new_name: new_name.clone() }
        }
        ColumnClause::AddIndex(definition) => indexes::added(definition)?,
        ColumnClause::DropIndex { name } => ColumnChange::DropIndex { name: name.clone() },
        ColumnClause::Order { columns } => ColumnChange::Order { columns: columns.clone() },
    })
}

fn is_generated(definition: &ColumnDefinition) -> bool {
    matches!(definition.default, ColumnDefault::Generated(_))
}

/// A column that is no generated one.
fn new_column(definition: &ColumnDefinition, model: KeyModel) -> Result<Column, MySqlError> {
    if is_generated(definition) {
        let name = &definition.name;
        return Err(errors::unsupported(format_args!(
            "column '{name}': MODIFY of a generated column, for which rows would have to be written anew,"
        )));
    }
    if definition.auto_increment {
        return Err(MySqlError::analyzing(format_args!(
            "Column '{}' can not be AUTO_INCREMENT when ADD or MODIFY COLUMN",
            definition.name
        )));
    }
    columns::column(0, definition, definition.key, model)
}

fn place(position: Option<&ColumnPosition>) -> Option<ColumnPlace> {
    position.map(|position| match position {
        ColumnPosition::First => ColumnPlace::First,
        ColumnPosition::After(name) => ColumnPlace::After(name.clone()),
    })
}
