//! RECOVER: out of the recycle bin.

use crate::cursor::{Cursor, Parse};
use crate::grammar::database;
use crate::statement::{Statement, show::DatabaseName};

/// `RECOVER DATABASE d`, `RECOVER TABLE t`, `RECOVER PARTITION p FROM t`.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("RECOVER")?;
    match cursor.expect_any(&["DATABASE", "SCHEMA", "TABLE", "PARTITION"])? {
        "TABLE" => Ok(Statement::RecoverTable { name: cursor.qualified_name()? }),
        "PARTITION" => {
            let partition = cursor.identifier()?;
            cursor.expect("FROM")?;
            Ok(Statement::RecoverPartition { partition, table: cursor.qualified_name()? })
        }
        _ => {
            let DatabaseName { catalog, database } = database::name(cursor)?;
            Ok(Statement::RecoverDatabase { catalog, name: database })
        }
    }
}
