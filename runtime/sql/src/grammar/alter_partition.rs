//! ALTER TABLE on partitions: ADD, DROP, TRUNCATE, REPLACE, RENAME, MODIFY.

use crate::cursor::{Cursor, Parse};
use crate::delegate;
use crate::grammar::{common, insert, partition};
use crate::statement::table::{AlterTableAction, ChosenPartitions, NewPartitions};

/// Whether what follows the verb is about partitions.
pub(super) fn begins(verb: &str, cursor: &Cursor<'_>) -> bool {
    let partitions = |c: &Cursor<'_>| c.at("PARTITION") || c.at("PARTITIONS");
    match verb {
        "ADD" => partitions(cursor) || at_temporary(cursor, 0),
        "DROP" => partitions(cursor) || at_temporary(cursor, 0) || (cursor.at("ALL") && at_temporary(cursor, 1)),
        "TRUNCATE" | "REPLACE" | "MODIFY" => partitions(cursor),
        "RENAME" => cursor.at("PARTITION"),
        _ => false,
    }
}

fn at_temporary(cursor: &Cursor<'_>, at: usize) -> bool {
    let next = cursor.ahead(at + 1);
    cursor.ahead(at).is_word("TEMPORARY") && (next.is_word("PARTITION") || next.is_word("PARTITIONS"))
}

/// Behind the verb.
pub(super) fn action(verb: &str, cursor: &mut Cursor<'_>) -> Parse<AlterTableAction> {
    match verb {
        "ADD" => add(cursor),
        "DROP" => drop_(cursor),
        "TRUNCATE" => Ok(AlterTableAction::TruncatePartitions { partitions: names(cursor)? }),
        "REPLACE" => {
            let partitions = names(cursor)?;
            cursor.expect_all(&["WITH", "TEMPORARY"])?;
            let temporary = names(cursor)?;
            Ok(AlterTableAction::ReplacePartitions { partitions, temporary, properties: common::properties(cursor)? })
        }
        "RENAME" => {
            cursor.expect("PARTITION")?;
            Ok(AlterTableAction::RenamePartition { name: cursor.identifier()?, new_name: cursor.identifier()? })
        }
        _ => modify(cursor),
    }
}

/// `PARTITION p`, `PARTITIONS (p, q)`.
fn names(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    match insert::partitions(cursor)? {
        Some(names) => Ok(names),
        None => Err(cursor.unexpected_of(&["PARTITION", "PARTITIONS"])),
    }
}

fn add(cursor: &mut Cursor<'_>) -> Parse<AlterTableAction> {
    let temporary = cursor.take("TEMPORARY");
    let partitions = match cursor.expect_any(&["PARTITION", "PARTITIONS"])? {
        "PARTITIONS" => NewPartitions::Batch(partition::batch(cursor)?),
        _ if is_list(cursor) => NewPartitions::List(partition::list_partition(cursor)?),
        _ => NewPartitions::Range(partition::range_partition(cursor)?),
    };
    let distribution = partition::distribution(cursor)?;
    let properties = match cursor.at_symbol("(") {
        true => common::property_list(cursor)?,
        false => common::properties(cursor)?,
    };
    Ok(AlterTableAction::AddPartitions { temporary, partitions, distribution, properties })
}

/// Whether a partition `VALUES IN` is added.
fn is_list(cursor: &Cursor<'_>) -> bool {
    let name = if cursor.at_all(&["IF", "NOT", "EXISTS"]) { 3 } else { 0 };
    cursor.ahead(name + 1).is_word("VALUES") && cursor.ahead(name + 2).is_word("IN")
}

fn drop_(cursor: &mut Cursor<'_>) -> Parse<AlterTableAction> {
    if cursor.take_all(&["ALL", "TEMPORARY"]) {
        cursor.expect_any(&["PARTITIONS", "PARTITION"])?;
        let (which, force) = (ChosenPartitions::All, cursor.take("FORCE"));
        return Ok(AlterTableAction::DropPartitions { temporary: true, if_exists: false, which, force });
    }
    let temporary = cursor.take("TEMPORARY");
    let several = cursor.expect_any(&["PARTITION", "PARTITIONS"])? == "PARTITIONS";
    let if_exists = cursor.if_exists();
    let which = if cursor.at_symbol("(") {
        ChosenPartitions::Named(cursor.parenthesised(Cursor::identifier_or_text)?)
    } else if several && cursor.at("START") {
        ChosenPartitions::Batch(partition::batch(cursor)?)
    } else if several && cursor.take("WHERE") {
        ChosenPartitions::Where(Box::new(delegate::expression(cursor, &|t| t.is_word("FORCE"))?))
    } else {
        ChosenPartitions::Named(vec![cursor.identifier_or_text()?])
    };
    let force = cursor.take("FORCE");
    Ok(AlterTableAction::DropPartitions { temporary, if_exists, which, force })
}

fn modify(cursor: &mut Cursor<'_>) -> Parse<AlterTableAction> {
    cursor.expect_any(&["PARTITION", "PARTITIONS"])?;
    let is_all = cursor.at_symbol("(") && cursor.ahead(1).is_symbol("*");
    let partitions = if is_all {
        ["(", "*", ")"].iter().try_for_each(|symbol| cursor.expect_symbol(symbol))?;
        None
    } else if cursor.at_symbol("(") {
        Some(cursor.parenthesised(Cursor::identifier_or_text)?)
    } else {
        Some(vec![cursor.identifier_or_text()?])
    };
    cursor.expect("SET")?;
    Ok(AlterTableAction::ModifyPartitions { partitions, properties: common::property_list(cursor)? })
}
