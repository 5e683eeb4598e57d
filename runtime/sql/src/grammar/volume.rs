//! Storage volumes.

use crate::cursor::{Cursor, Parse};
use crate::grammar::common;
use crate::statement::{Properties, Statement};

/// Behind `CREATE STORAGE`.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("VOLUME")?;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.identifier_or_text()?;
    cursor.expect("TYPE")?;
    cursor.expect_symbol("=")?;
    let volume_type = cursor.identifier_or_text()?;
    cursor.expect("LOCATIONS")?;
    cursor.expect_symbol("=")?;
    let locations = cursor.parenthesised(Cursor::string)?;
    let comment = common::comment(cursor)?;
    let properties = common::properties(cursor)?;
    Ok(Statement::CreateStorageVolume { if_not_exists, name, volume_type, locations, comment, properties })
}

/// Behind `ALTER STORAGE`.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("VOLUME")?;
    let if_exists = cursor.if_exists();
    let name = cursor.identifier_or_text()?;
    let mut comment = None;
    let mut properties = Properties::default();
    cursor.list(|c| {
        if c.expect_any(&["COMMENT", "SET"])? == "COMMENT" {
            c.expect_symbol("=")?;
            comment = Some(c.string()?);
        } else {
            properties.0.extend(common::property_list(c)?.0);
        }
        Ok(())
    })?;
    Ok(Statement::AlterStorageVolume { if_exists, name, comment, properties })
}

/// Behind `DROP STORAGE`.
pub(super) fn drop_(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("VOLUME")?;
    let if_exists = cursor.if_exists();
    Ok(Statement::DropStorageVolume { if_exists, name: cursor.identifier_or_text()? })
}
