//! Cluster snapshots and what is restored from them.

use crate::cursor::{Cursor, Parse, error_at};
use crate::grammar::common;
use crate::statement::{Properties, Statement};

/// Behind `CREATE CLUSTER`.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("SNAPSHOT")?;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.identifier_or_text()?;
    let comment = common::comment(cursor)?;
    let volume = common::storage_volume(cursor)?;
    Ok(Statement::CreateClusterSnapshot { if_not_exists, name, comment, volume })
}

/// Behind `DROP CLUSTER`. IF EXISTS stands before or behind the name.
pub(super) fn drop_(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("SNAPSHOT")?;
    let before = cursor.if_exists();
    let name = cursor.identifier_or_text()?;
    let behind = cursor.if_exists();
    Ok(Statement::DropClusterSnapshot { if_exists: before || behind, name })
}

/// `CANCEL CLUSTER SNAPSHOT [name]`.
pub(super) fn cancel(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect_all(&["CANCEL", "CLUSTER", "SNAPSHOT"])?;
    let name = if cursor.at_end() { None } else { Some(cursor.identifier_or_text()?) };
    Ok(Statement::CancelClusterSnapshot { name })
}

/// `RESTORE TABLE t FROM SNAPSHOT s TO TABLE t2`.
pub(super) fn restore_table(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect_all(&["RESTORE", "TABLE"])?;
    let source = cursor.qualified_name()?;
    cursor.expect_all(&["FROM", "SNAPSHOT"])?;
    let snapshot = cursor.identifier_or_text()?;
    cursor.expect_all(&["TO", "TABLE"])?;
    let target = cursor.qualified_name()?;
    let properties = match cursor.take("WITH") {
        true => {
            cursor.expect("PROPERTIES")?;
            common::property_list(cursor)?
        }
        false => Properties::default(),
    };
    Ok(Statement::RestoreTable { source, snapshot, target, properties })
}

/// Behind `ADMIN SET AUTOMATED`.
pub(super) fn set_automated(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect_all(&["CLUSTER", "SNAPSHOT"])?;
    if cursor.expect_any(&["ON", "OFF"])? == "OFF" {
        return Ok(Statement::AdminSetAutomatedSnapshotOff);
    }
    let interval_seconds = common::interval_seconds(cursor)?;
    let volume = common::storage_volume(cursor)?;
    let properties = common::properties(cursor)?;
    Ok(Statement::AdminSetAutomatedSnapshotOn { interval_seconds, volume, properties })
}

/// Behind `ADMIN ALTER`.
pub(super) fn alter_automated(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect_all(&["AUTOMATED", "CLUSTER", "SNAPSHOT", "SET"])?;
    let start = cursor.current();
    let interval_seconds = common::interval_seconds(cursor)?;
    let volume = common::storage_volume(cursor)?;
    let properties = common::properties(cursor)?;
    if interval_seconds.is_none() && volume.is_none() && properties.is_empty() {
        let expected = "'INTERVAL', 'STORAGE', 'PROPERTIES'";
        return Err(match cursor.current().start == start.start {
            true => cursor.unexpected(expected),
            false => error_at(start, "nothing is changed".to_owned()),
        });
    }
    Ok(Statement::AdminAlterAutomatedSnapshot { interval_seconds, volume, properties })
}

/// Behind `ADMIN VERIFY`.
pub(super) fn verify(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect_all(&["CLUSTER", "SNAPSHOT"])?;
    let name = cursor.identifier_or_text()?;
    let with_data = cursor.take("WITH");
    if with_data {
        cursor.expect("DATA")?;
    }
    Ok(Statement::AdminVerifyClusterSnapshot { name, with_data })
}
