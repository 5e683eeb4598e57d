//! ALTER TABLE … COLUMN, and what would stop it.

use crate::cursor::{Cursor, Parse, error_at};
use crate::grammar::{column, common, index};
use crate::lexer::Kind;
use crate::names::QualifiedName;
use crate::statement::Statement;
use crate::statement::table::{AlterTableAction, ColumnClause, ColumnPosition};

/// Whether a clause about columns or their indexes stands here. A table may be called `column`.
pub(super) fn begins(cursor: &Cursor<'_>) -> bool {
    if cursor.at_all(&["ORDER", "BY"]) {
        return true;
    }
    if ["ADD", "DROP"].iter().any(|k| cursor.at(k)) && cursor.ahead(1).is_word("INDEX") {
        return true;
    }
    let verb = ["ADD", "DROP", "MODIFY", "RENAME"].iter().any(|k| cursor.at(k));
    let next = cursor.ahead(2);
    verb && cursor.ahead(1).is_word("COLUMN") && (matches!(next.kind, Kind::Word | Kind::Quoted) || next.is_symbol("("))
}

/// Behind `ALTER TABLE name`.
pub(super) fn statement(cursor: &mut Cursor<'_>, name: QualifiedName) -> Parse<Statement> {
    let mut clauses = Vec::new();
    loop {
        let token = cursor.current();
        if !begins(cursor) {
            return Err(error_at(token, "clauses about columns beside others are not supported".to_owned()));
        }
        clause(cursor, &mut clauses)?;
        if !cursor.take_symbol(",") {
            return Ok(Statement::AlterTable { name, action: Box::new(AlterTableAction::Columns(clauses)) });
        }
    }
}

fn clause(cursor: &mut Cursor<'_>, clauses: &mut Vec<ColumnClause>) -> Parse<()> {
    if cursor.take("ORDER") {
        cursor.expect("BY")?;
        let columns = cursor.parenthesised(Cursor::identifier)?;
        clauses.push(ColumnClause::Order { columns });
        return tail(cursor);
    }
    let verb = cursor.expect_any(&["ADD", "DROP", "MODIFY", "RENAME"])?;
    if cursor.at("INDEX") {
        clauses.push(match verb {
            "ADD" => ColumnClause::AddIndex(index::definition(cursor)?),
            _ => {
                cursor.advance();
                ColumnClause::DropIndex { name: cursor.identifier()? }
            }
        });
        return Ok(());
    }
    cursor.expect("COLUMN")?;
    match verb {
        "ADD" if cursor.at_symbol("(") => {
            let add = |definition| ColumnClause::Add { definition, position: None };
            clauses.extend(cursor.parenthesised(column::definition)?.into_iter().map(add));
            tail(cursor)
        }
        "ADD" => {
            let definition = column::definition(cursor)?;
            clauses.push(ColumnClause::Add { definition, position: position(cursor)? });
            tail(cursor)
        }
        "DROP" => {
            clauses.push(ColumnClause::Drop { name: cursor.identifier()? });
            tail(cursor)
        }
        "RENAME" => {
            let name = cursor.identifier()?;
            cursor.take("TO");
            clauses.push(ColumnClause::Rename { name, new_name: cursor.identifier()? });
            Ok(())
        }
        _ if cursor.ahead(1).is_word("COMMENT") => {
            let name = cursor.identifier()?;
            cursor.expect("COMMENT")?;
            clauses.push(ColumnClause::Comment { name, comment: cursor.string()? });
            Ok(())
        }
        _ => {
            let definition = column::definition(cursor)?;
            clauses.push(ColumnClause::Modify { definition, position: position(cursor)? });
            tail(cursor)
        }
    }
}

fn position(cursor: &mut Cursor<'_>) -> Parse<Option<ColumnPosition>> {
    Ok(match cursor.take_any(&["FIRST", "AFTER"]) {
        None => None,
        Some("FIRST") => Some(ColumnPosition::First),
        Some(_) => Some(ColumnPosition::After(cursor.identifier()?)),
    })
}

/// The name of a rollup, of which there are none, and PROPERTIES, of which there is only a time limit: a change takes no time.
fn tail(cursor: &mut Cursor<'_>) -> Parse<()> {
    let token = cursor.current();
    if cursor.take_any(&["TO", "IN", "FROM"]).is_some() {
        return Err(error_at(token, "columns of rollups are not supported yet".to_owned()));
    }
    match common::properties(cursor)?.iter().find(|(key, _)| key.as_str() != "timeout") {
        Some((key, _)) => Err(error_at(token, format!("Unknown properties: {key}"))),
        None => Ok(()),
    }
}

/// `CANCEL ALTER TABLE COLUMN FROM t [(job, …)]`.
pub(super) fn cancel(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect_all(&["CANCEL", "ALTER", "TABLE"])?;
    let kind = cursor.take_any(&["COLUMN", "ROLLUP", "OPTIMIZE"]).unwrap_or("COLUMN");
    cursor.expect("FROM")?;
    let name = cursor.qualified_name()?;
    let jobs = if cursor.at_symbol("(") { cursor.parenthesised(Cursor::integer)? } else { Vec::new() };
    Ok(Statement::CancelAlterTable { kind, name, jobs })
}
