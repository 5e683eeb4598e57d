//! Views: CREATE, ALTER, DROP.

use crate::cursor::{Cursor, Parse};
use crate::delegate;
use crate::grammar::{common, source_text};
use crate::statement::Statement;
use crate::statement::view::{SourcedQuery, ViewColumnName, ViewDefinition};

/// Behind `CREATE VIEW` and `CREATE OR REPLACE VIEW`.
pub(super) fn create(cursor: &mut Cursor<'_>, or_replace: bool) -> Parse<Statement> {
    let if_not_exists = cursor.if_not_exists();
    let definition = definition(cursor)?;
    Ok(Statement::CreateView { or_replace, if_not_exists, definition: Box::new(definition) })
}

/// Behind `ALTER VIEW`.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    Ok(Statement::AlterView { definition: Box::new(definition(cursor)?) })
}

/// Behind `DROP VIEW`.
pub(super) fn drop_(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    Ok(Statement::DropView { if_exists: cursor.if_exists(), name: cursor.qualified_name()? })
}

fn definition(cursor: &mut Cursor<'_>) -> Parse<ViewDefinition> {
    let name = cursor.qualified_name()?;
    let columns = match cursor.at_symbol("(") {
        true => cursor.parenthesised(|c| Ok(ViewColumnName { name: c.identifier()?, comment: common::comment(c)? }))?,
        false => Vec::new(),
    };
    let comment = common::comment(cursor)?;
    let invoker = cursor.take("SECURITY") && cursor.expect_any(&["NONE", "INVOKER"])? == "INVOKER";
    let properties = common::properties(cursor)?;
    cursor.expect("AS")?;
    Ok(ViewDefinition { name, columns, comment, invoker, properties, query: sourced_query(cursor)? })
}

/// A query that is kept with its text.
pub(super) fn sourced_query(cursor: &mut Cursor<'_>) -> Parse<SourcedQuery> {
    let start = cursor.current();
    let query = delegate::query(cursor)?;
    let text = source_text(&cursor.text()[start.start..cursor.consumed()], start.executed_comment);
    Ok(SourcedQuery { query, text })
}
