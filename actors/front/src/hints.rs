//! `/*+ SET_USER_VARIABLE(@a = expression) */`: user variables that hold for one statement. The session forgets them with it.

use std::sync::Arc;

use runtime_mysql::MySqlError;
use runtime_sql::Statement;
use runtime_sql::statement::AssignedValue;
use runtime_sql::{Hint, ast};

use crate::query;
use crate::session::{Running, Session};

impl Session {
    /// From left to right: an expression may name the variables before it.
    pub(crate) async fn set_user_hints(&mut self, hints: &[Hint], running: &Running) -> Result<(), MySqlError> {
        let before = Arc::clone(&self.variables);
        for hint in hints {
            let Some(comment) = &hint.user else { continue };
            let name = hint.name.to_lowercase();
            if before.knows_user(&name) {
                return Err(MySqlError::analyzing(format_args!(
                    "Failed to evaluate user variable hint '{name}', because the user variable name in the hint must not \
                     match any existing variable names"
                )));
            }
            let expr = expression(&hint.value).ok_or_else(|| invalid(comment))?;
            let value = query::constant(self, &expr, running).await?;
            Arc::make_mut(&mut self.variables).set_user(&name, value);
        }
        Ok(())
    }
}

fn invalid(comment: &str) -> MySqlError {
    MySqlError::syntax(1, 1, format_args!("Invalid hint value '{comment}'"))
}

fn expression(text: &str) -> Option<ast::Expr> {
    let Statement::Set(assignments) = Session::parse_one(&format!("SET @x = {text}")).ok()?.statement else {
        return None;
    };
    let [assignment] = <[_; 1]>::try_from(assignments).ok()?;
    match assignment.value {
        AssignedValue::Expr(expr) => Some(*expr),
        AssignedValue::Default => None,
    }
}
