//! ADMIN and ALTER SYSTEM.

use storage_model::FrontendRole;

use crate::cursor::{Cursor, Parse};
use crate::grammar::{common, snapshot};
use crate::statement::{Show, Shown, Statement};

/// An ADMIN statement.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("ADMIN")?;
    match cursor.expect_any(&["SET", "SHOW", "ALTER", "VERIFY", "FINISH"])? {
        "SET" => match cursor.expect_any(&["AUTOMATED", "FRONTEND"])? {
            "AUTOMATED" => snapshot::set_automated(cursor),
            _ => set_config(cursor),
        },
        "SHOW" => match cursor.expect_any(&["AUTOMATED", "FRONTEND"])? {
            "AUTOMATED" => {
                cursor.expect_all(&["CLUSTER", "SNAPSHOT"])?;
                Ok(Statement::AdminShowAutomatedSnapshot)
            }
            _ => {
                cursor.expect("CONFIG")?;
                let filter = common::show_filter(cursor)?;
                Ok(Statement::Show(Box::new(Show { what: Shown::FrontendConfig, filter })))
            }
        },
        "ALTER" => snapshot::alter_automated(cursor),
        "VERIFY" => snapshot::verify(cursor),
        _ => {
            cursor.expect("RESTORE")?;
            Ok(Statement::AdminFinishRestore)
        }
    }
}

/// Behind `ADMIN SET FRONTEND`.
fn set_config(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("CONFIG")?;
    cursor.expect_symbol("(")?;
    let key = cursor.string()?;
    cursor.expect_symbol("=")?;
    let value = cursor.string()?;
    cursor.expect_symbol(")")?;
    let persistent = cursor.take("WITH");
    if persistent {
        cursor.expect("PERSISTENT")?;
    }
    Ok(Statement::AdminSetFrontendConfig { key, value, persistent })
}

/// Behind `ALTER SYSTEM`.
pub(super) fn alter_system(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let verb = cursor.expect_any(&["ADD", "DROP", "CREATE"])?;
    if verb == "CREATE" {
        cursor.expect("IMAGE")?;
        return Ok(Statement::AlterSystemCreateImage);
    }
    let what = cursor.expect_any(&["COMPUTE", "FOLLOWER", "OBSERVER"])?;
    if what == "COMPUTE" {
        cursor.expect("NODE")?;
    }
    let nodes = cursor.list(Cursor::string)?;
    if cursor.at_all(&["INTO", "WAREHOUSE"]) || cursor.at_all(&["FROM", "WAREHOUSE"]) {
        cursor.skip_statement()?;
        return Ok(Statement::Unsupported { what: format!("ALTER SYSTEM {verb} COMPUTE NODE with a warehouse") });
    }
    let role = if what == "OBSERVER" { FrontendRole::Observer } else { FrontendRole::Follower };
    Ok(match (verb, what) {
        ("ADD", "COMPUTE") => Statement::AlterSystemAddComputeNode { nodes },
        (_, "COMPUTE") => Statement::AlterSystemDropComputeNode { nodes },
        ("ADD", _) => Statement::AlterSystemAddFrontend { role, nodes },
        _ => Statement::AlterSystemDropFrontend { role, nodes },
    })
}
