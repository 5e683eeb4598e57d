//! DELETE.

use sqlparser::ast::{Expr, SetExpr};

use crate::cursor::{Cursor, Parse};
use crate::delegate;
use crate::grammar::insert;
use crate::statement::{Delete, Statement};

/// A DELETE. WHERE may be missing here: that it must not is said where the table is known.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("DELETE")?;
    cursor.expect("FROM")?;
    let table = cursor.qualified_name()?;
    if cursor.at_all(&["TEMPORARY", "PARTITION"]) || cursor.at_all(&["TEMPORARY", "PARTITIONS"]) {
        cursor.skip_statement()?;
        return Ok(Statement::Unsupported { what: "DELETE FROM temporary partitions".to_owned() });
    }
    let partitions = insert::partitions(cursor)?;
    let predicate = if cursor.take("USING") {
        using(cursor)?
    } else if cursor.take("WHERE") {
        Some(delegate::expression(cursor, &|_| false)?)
    } else {
        None
    };
    Ok(Statement::Delete(Box::new(Delete { table, partitions, predicate, with: None })))
}

/// Rows for which there are some of the others.
fn using(cursor: &mut Cursor<'_>) -> Parse<Option<Expr>> {
    let subquery = delegate::relations_and_where(cursor)?;
    let is_bounded = matches!(subquery.body.as_ref(), SetExpr::Select(select) if select.selection.is_some());
    Ok(is_bounded.then_some(Expr::Exists { subquery, negated: false }))
}
