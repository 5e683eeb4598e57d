//! UPDATE.

use sqlparser::ast::{GroupByExpr, SetExpr};

use crate::cursor::{Cursor, Parse, error_at};
use crate::delegate;
use crate::statement::{AssignedValue, Statement, Update};

/// `UPDATE t SET a = expr [, ...] [FROM ...] [WHERE ...]`. WHERE may be missing here: that it must not is said where the table
/// is known.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("UPDATE")?;
    let table = cursor.qualified_name()?;
    cursor.expect("SET")?;
    let assignments = cursor.list(assignment)?;
    let start = cursor.current();
    let source = delegate::from_and_where(cursor)?;
    // OFFSET and the like are taken by sqlparser wherever a query may end.
    let is_plain = match source.body.as_ref() {
        SetExpr::Select(select) => {
            source.limit_clause.is_none()
                && source.fetch.is_none()
                && source.order_by.is_none()
                && matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
                && select.projection.len() == 1
        }
        _ => false,
    };
    if !is_plain {
        return Err(error_at(start, "an UPDATE takes FROM and WHERE and nothing behind them".to_owned()));
    }
    Ok(Statement::Update(Box::new(Update { table, assignments, source })))
}

fn assignment(cursor: &mut Cursor<'_>) -> Parse<(String, AssignedValue)> {
    let column = cursor.identifier()?;
    cursor.expect_symbol("=")?;
    if cursor.at("DEFAULT") && !cursor.ahead(1).is_symbol("(") {
        cursor.advance();
        return Ok((column, AssignedValue::Default));
    }
    let ends =
        |token: &crate::lexer::Token<'_>| token.is_symbol(",") || token.is_word("FROM") || token.is_word("WHERE");
    Ok((column, AssignedValue::Expr(Box::new(delegate::expression(cursor, &ends)?))))
}
