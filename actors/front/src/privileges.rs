//! The one place where a statement asks whether its user may. There is one user, root, who may do everything; other users
//! do not get past the login.

use runtime_mysql::MySqlError;
use runtime_sql::Statement;

/// The user that a new cluster has.
pub(crate) const ROOT: &str = "root";

/// Whether `user` may run `statement`; asked before anything else is looked at.
pub(crate) fn check(user: &str, statement: &Statement) -> Result<(), MySqlError> {
    if user == ROOT {
        return Ok(());
    }
    let what = statement.statement_kind();
    Err(MySqlError::privilege_denied("OPERATE", format_args!("SYSTEM ({what})"), "[]"))
}
