//! The one place where a statement asks whether its user may. There is one user, root, who may do everything; other users
//! do not get past the login.

use runtime_mysql::password::native_password_hash;
use runtime_mysql::{Login, MySqlError};
use runtime_sql::Statement;

/// The user that a new cluster has.
pub(crate) const ROOT: &str = "root";

/// The double hash of the user's password, None inside for the empty one; None: there is no such user.
fn stored_password(user: &str) -> Option<Option<[u8; 20]>> {
    (user == ROOT).then_some(None)
}

/// Whether a MySQL client has proved that it is the user whom it names.
pub(crate) fn is_proved(login: &Login) -> bool {
    let stored = stored_password(&login.user);
    // An unknown user takes as long as a known one.
    let matches = login.password_matches(stored.unwrap_or_default());
    stored.is_some() && matches
}

/// Whether this is the user's password, for whoever sends it in the clear (HTTP).
pub(crate) fn password_is_right(user: &str, password: &str) -> bool {
    let stored = stored_password(user);
    let (given, wanted) = (native_password_hash(password), stored.unwrap_or_default());
    // Compared without an early exit, so that the time tells nothing.
    let pairs = given.unwrap_or_default().into_iter().zip(wanted.unwrap_or_default());
    let differ = pairs.fold(0, |differ, (a, b)| differ | (a ^ b));
    stored.is_some() && given.is_some() == wanted.is_some() && differ == 0
}

/// Whether `user` may run `statement`; asked before anything else is looked at.
pub(crate) fn check(user: &str, statement: &Statement) -> Result<(), MySqlError> {
    check_operate(user, statement.statement_kind())
}

/// Whether `user` may OPERATE on the system; `what` for.
pub(crate) fn check_operate(user: &str, what: &str) -> Result<(), MySqlError> {
    if user == ROOT {
        return Ok(());
    }
    Err(MySqlError::privilege_denied("OPERATE", format_args!("SYSTEM ({what})"), "[]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_sent_in_the_clear_is_checked_like_a_login() {
        assert!(password_is_right(ROOT, ""));
        assert!(!password_is_right(ROOT, "x") && !password_is_right("", "") && !password_is_right("ROOT", ""));
        assert!(check_operate(ROOT, "x").is_ok());
        assert_eq!(check_operate("eve", "x").map_err(|error| error.code), Err(5203));
    }
}
