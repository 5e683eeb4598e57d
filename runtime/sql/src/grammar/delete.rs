//! DELETE.

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
    if cursor.at("USING") {
        cursor.skip_statement()?;
        return Ok(Statement::Unsupported { what: "DELETE ... USING".to_owned() });
    }
    let predicate = if cursor.take("WHERE") { Some(delegate::expression(cursor, &|_| false)?) } else { None };
    Ok(Statement::Delete(Box::new(Delete { table, partitions, predicate })))
}
