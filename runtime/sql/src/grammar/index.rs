//! INDEX, wherever it is said.

use crate::cursor::{Cursor, Parse};
use crate::grammar::common;
use crate::lexer::Kind;
use crate::statement::Statement;
use crate::statement::table::{AlterTableAction, ColumnClause, IndexDefinition};

/// Whether `INDEX name (column` stands here. A column may be called `index`.
pub(super) fn begins(cursor: &Cursor<'_>) -> bool {
    cursor.at("INDEX")
        && matches!(cursor.ahead(1).kind, Kind::Word | Kind::Quoted)
        && cursor.ahead(2).is_symbol("(")
        && matches!(cursor.ahead(3).kind, Kind::Word | Kind::Quoted)
}

/// `INDEX name (columns) [USING kind [(properties)]] [COMMENT 'text']`.
pub(super) fn definition(cursor: &mut Cursor<'_>) -> Parse<IndexDefinition> {
    cursor.expect("INDEX")?;
    let name = cursor.identifier()?;
    rest(cursor, name)
}

fn rest(cursor: &mut Cursor<'_>, name: String) -> Parse<IndexDefinition> {
    let columns = cursor.parenthesised(Cursor::identifier)?;
    let mut kind = "BITMAP".to_owned();
    if cursor.take("USING") {
        kind = cursor.identifier()?.to_ascii_uppercase();
        if cursor.at_symbol("(") {
            common::property_list(cursor)?;
        }
    }
    Ok(IndexDefinition { name, columns, kind, comment: common::comment(cursor)? })
}

/// Behind `CREATE INDEX`.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let name = cursor.identifier()?;
    cursor.expect("ON")?;
    let table = cursor.qualified_name()?;
    let clauses = vec![ColumnClause::AddIndex(rest(cursor, name)?)];
    Ok(Statement::AlterTable { name: table, action: Box::new(AlterTableAction::Columns(clauses)) })
}

/// Behind `DROP INDEX`.
pub(super) fn drop_(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let name = cursor.identifier()?;
    cursor.expect("ON")?;
    let table = cursor.qualified_name()?;
    let clauses = vec![ColumnClause::DropIndex { name }];
    Ok(Statement::AlterTable { name: table, action: Box::new(AlterTableAction::Columns(clauses)) })
}
