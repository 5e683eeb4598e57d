//! Databases and the current one.

use crate::cursor::{Cursor, Parse, error_at};
use crate::grammar::common;
use crate::lexer::Kind;
use crate::names::split_qualified_name;
use crate::statement::{Statement, show::DatabaseName};

/// `[catalog.]database`.
pub(super) fn name(cursor: &mut Cursor<'_>) -> Parse<DatabaseName> {
    let start = cursor.current();
    let name = cursor.qualified_name()?;
    match name.catalog {
        None => Ok(DatabaseName { catalog: name.database, database: name.name }),
        Some(_) => Err(error_at(start, "a database's name has at most two parts".to_owned())),
    }
}

/// Behind `CREATE DATABASE`.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_not_exists = cursor.if_not_exists();
    let DatabaseName { catalog, database } = name(cursor)?;
    common::skip_charset(cursor)?;
    let properties = common::properties(cursor)?;
    Ok(Statement::CreateDatabase { if_not_exists, catalog, name: database, properties })
}

/// Behind `DROP DATABASE`.
pub(super) fn drop_(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_exists = cursor.if_exists();
    let DatabaseName { catalog, database } = name(cursor)?;
    let force = cursor.take("FORCE");
    Ok(Statement::DropDatabase { if_exists, catalog, name: database, force })
}

/// Behind `ALTER DATABASE`.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let DatabaseName { catalog, database } = name(cursor)?;
    match cursor.expect_any(&["RENAME", "SET"])? {
        "RENAME" => Ok(Statement::RenameDatabase { catalog, name: database, new_name: cursor.identifier()? }),
        _ => {
            cursor.skip_statement()?;
            Ok(Statement::Unsupported { what: "ALTER DATABASE SET".to_owned() })
        }
    }
}

/// `USE database`, `USE catalog.database`, `USE 'catalog name'`.
pub(super) fn use_(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("USE")?;
    if cursor.current().kind != Kind::Text {
        let DatabaseName { catalog, database } = name(cursor)?;
        return Ok(Statement::UseDatabase { catalog, database });
    }
    let start = cursor.current();
    let text = cursor.string()?;
    if let Some((word, catalog)) = text.trim().split_once(char::is_whitespace)
        && word.eq_ignore_ascii_case("catalog")
    {
        return Ok(Statement::SetCatalog { name: catalog.trim().to_owned() });
    }
    match split_qualified_name(&text).as_deref() {
        Some([database]) => Ok(Statement::UseDatabase { catalog: None, database: database.clone() }),
        Some([catalog, database]) => {
            Ok(Statement::UseDatabase { catalog: Some(catalog.clone()), database: database.clone() })
        }
        _ => Err(error_at(start, format!("'{text}' is no database name"))),
    }
}
