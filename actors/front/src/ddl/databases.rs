//! CREATE, DROP, RENAME and RECOVER DATABASE.

use runtime_mysql::MySqlError;
use runtime_sql::Statement;
use storage_catalog::{Command, Rejection};

use super::{LONGEST_DATABASE, properties};
use crate::{errors, names};

/// What a statement on databases asks of the catalog; None: it is none, or there is nothing to do.
pub(super) fn command(statement: &Statement) -> Result<Option<Command>, MySqlError> {
    let command = match statement {
        Statement::CreateDatabase { if_not_exists, catalog, name, properties } => {
            names::check_catalog(catalog.as_deref())?;
            if names::is_virtual(name) {
                return if *if_not_exists { Ok(None) } else { Err(MySqlError::database_exists(name)) };
            }
            names::check_new("database", name, LONGEST_DATABASE)?;
            let volume = properties::of_database(properties)?;
            Command::CreateDatabase { name: name.clone(), volume, if_not_exists: *if_not_exists }
        }
        Statement::DropDatabase { if_exists, catalog, name, force } => {
            names::check_catalog(catalog.as_deref())?;
            check_stored(name, "dropped")?;
            Command::DropDatabase { name: name.clone(), if_exists: *if_exists, force: *force }
        }
        Statement::RenameDatabase { catalog, name, new_name } => {
            names::check_catalog(catalog.as_deref())?;
            check_stored(name, "renamed")?;
            names::check_new("database", new_name, LONGEST_DATABASE)?;
            if names::is_virtual(new_name) {
                let used = Rejection::NameRule(format!("Database name[{new_name}] is already used"));
                return Err(errors::rejection(&used));
            }
            Command::RenameDatabase { name: name.clone(), new_name: new_name.clone() }
        }
        Statement::RecoverDatabase { catalog, name } => {
            names::check_catalog(catalog.as_deref())?;
            check_stored(name, "recovered")?;
            Command::RecoverDatabase { name: name.clone() }
        }
        _ => return Ok(None),
    };
    Ok(Some(command))
}

fn check_stored(name: &str, done: &str) -> Result<(), MySqlError> {
    if names::is_virtual(name) {
        return Err(MySqlError::analyzing(format_args!("database '{name}' is computed and can not be {done}")));
    }
    Ok(())
}
