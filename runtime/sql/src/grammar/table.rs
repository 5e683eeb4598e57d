//! Tables: CREATE, DROP, TRUNCATE, ALTER.

use crate::cursor::{Cursor, Parse, error_at};
use crate::grammar::{alter_column, alter_partition, column, common, index, insert, partition, view};
use crate::lexer::Kind;
use crate::statement::table::{
    AlterTableAction, ColumnDefinition, CreateTable, IndexDefinition, KeyClause, KeyKind, PartitionClause,
};
use crate::statement::{Properties, Statement};

/// Behind `CREATE TABLE`.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.qualified_name()?;
    let without_columns = is_without_columns(cursor);
    let names = match without_columns && cursor.at_symbol("(") {
        true => cursor.parenthesised(Cursor::identifier)?,
        false => Vec::new(),
    };
    let (columns, indexes) = if without_columns { (Vec::new(), Vec::new()) } else { columns(cursor)? };
    let mut table = CreateTable {
        if_not_exists,
        name,
        columns,
        engine: None,
        key: None,
        comment: None,
        partition: PartitionClause::None,
        distribution: None,
        order_by: Vec::new(),
        properties: Properties::default(),
        indexes,
    };
    clauses(cursor, &mut table)?;
    if !without_columns {
        return Ok(Statement::CreateTable(Box::new(table)));
    }
    if names.is_empty() && cursor.at("LIKE") {
        return like(cursor, table);
    }
    if !cursor.take("AS") && !cursor.at("SELECT") && !cursor.at("WITH") {
        return Err(cursor.unexpected("'AS'"));
    }
    Ok(Statement::CreateTableAs { table: Box::new(table), names, query: view::sourced_query(cursor)? })
}

/// Whether CREATE TABLE ... LIKE or ... AS SELECT goes on here: no column has a type.
fn is_without_columns(cursor: &Cursor<'_>) -> bool {
    let names_only = cursor.at_symbol("(")
        && matches!(cursor.ahead(1).kind, Kind::Word | Kind::Quoted)
        && (cursor.ahead(2).is_symbol(",") || cursor.ahead(2).is_symbol(")"));
    names_only || !cursor.at_symbol("(")
}

/// At `LIKE`, behind what may stand before it.
fn like(cursor: &mut Cursor<'_>, table: CreateTable) -> Parse<Statement> {
    let own = [
        (table.key.is_some(), "a key"),
        (table.comment.is_some(), "COMMENT"),
        (!table.order_by.is_empty(), "ORDER BY"),
    ];
    if let Some((_, what)) = own.iter().find(|(given, _)| *given) {
        return Err(error_at(cursor.current(), format!("{what} cannot be given with LIKE")));
    }
    if table.partition != PartitionClause::None {
        return Err(error_at(cursor.current(), "PARTITION BY with LIKE is not supported yet".to_owned()));
    }
    cursor.expect("LIKE")?;
    let source = cursor.qualified_name()?;
    let CreateTable { if_not_exists, name, distribution, properties, .. } = table;
    Ok(Statement::CreateTableLike { if_not_exists, name, source, distribution, properties })
}

/// The column list in parentheses, with the indexes that may be among them.
fn columns(cursor: &mut Cursor<'_>) -> Parse<(Vec<ColumnDefinition>, Vec<IndexDefinition>)> {
    let mut indexes = Vec::new();
    let columns = cursor.parenthesised(|c| {
        if index::begins(c) {
            indexes.push(index::definition(c)?);
            return Ok(None);
        }
        column::definition(c).map(Some)
    })?;
    Ok((columns.into_iter().flatten().collect(), indexes))
}

/// What follows the columns, in the one order that StarRocks takes.
fn clauses(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Parse<()> {
    if cursor.take("ENGINE") {
        cursor.take_symbol("=");
        table.engine = Some(cursor.identifier_or_text()?);
    }
    common::skip_charset(cursor)?;
    table.key = key(cursor)?;
    table.comment = common::comment(cursor)?;
    if cursor.take("PARTITION") {
        table.partition = partition::clause(cursor)?;
    }
    table.distribution = partition::distribution(cursor)?;
    if cursor.take("ORDER") {
        cursor.expect("BY")?;
        table.order_by = cursor.parenthesised(|c| {
            let name = c.identifier()?;
            c.take_any(&["ASC", "DESC"]);
            Ok(name)
        })?;
    }
    if cursor.at("ROLLUP") {
        return Err(error_at(cursor.current(), "ROLLUP is not supported yet".to_owned()));
    }
    table.properties = common::properties(cursor)?;
    Ok(())
}

/// `DUPLICATE KEY (a, b)` if it is there.
fn key(cursor: &mut Cursor<'_>) -> Parse<Option<KeyClause>> {
    let kind = match cursor.take_any(&["DUPLICATE", "AGGREGATE", "UNIQUE", "PRIMARY"]) {
        None => return Ok(None),
        Some("DUPLICATE") => KeyKind::Duplicate,
        Some("AGGREGATE") => KeyKind::Aggregate,
        Some("UNIQUE") => KeyKind::Unique,
        Some(_) => KeyKind::Primary,
    };
    cursor.expect("KEY")?;
    Ok(Some(KeyClause { kind, columns: cursor.parenthesised(Cursor::identifier)? }))
}

/// Behind `DROP TABLE`.
pub(super) fn drop_(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let if_exists = cursor.if_exists();
    let name = cursor.qualified_name()?;
    let force = cursor.take("FORCE");
    Ok(Statement::DropTable { if_exists, name, force })
}

/// `TRUNCATE TABLE t [PARTITION (p, ...)]`.
pub(super) fn truncate(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect_all(&["TRUNCATE", "TABLE"])?;
    let name = cursor.qualified_name()?;
    let partitions = insert::partitions(cursor)?.unwrap_or_default();
    Ok(Statement::TruncateTable { name, partitions })
}

/// How clauses of ALTER TABLE begin.
const ALTER_CLAUSES: [&str; 16] = [
    "RENAME",
    "SWAP",
    "COMMENT",
    "SET",
    "ADD",
    "DROP",
    "MODIFY",
    "TRUNCATE",
    "REPLACE",
    "PARTITION",
    "PARTITIONS",
    "DISTRIBUTED",
    "BASE",
    "CUMULATIVE",
    "COMPACT",
    "AUTO_INCREMENT",
];

/// Behind `ALTER TABLE`.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let name = cursor.qualified_name()?;
    let clause = cursor.current();
    if alter_column::begins(cursor) {
        return alter_column::statement(cursor, name);
    }
    let start = cursor.mark();
    let Some(verb) = cursor.take_any(&ALTER_CLAUSES) else {
        return Err(cursor.unexpected_of(&ALTER_CLAUSES));
    };
    let action = match verb {
        _ if alter_partition::begins(verb, cursor) => alter_partition::action(verb, cursor)?,
        "SET" if cursor.at_symbol("(") => {
            AlterTableAction::SetProperties { properties: common::property_list(cursor)? }
        }
        "RENAME" if !renames_a_part(cursor) => AlterTableAction::Rename { new_name: cursor.identifier()? },
        "SWAP" => {
            cursor.expect("WITH")?;
            AlterTableAction::Swap { other: cursor.identifier()? }
        }
        "COMMENT" => {
            cursor.expect_symbol("=")?;
            AlterTableAction::Comment { comment: cursor.string()? }
        }
        "AUTO_INCREMENT" => {
            cursor.expect_symbol("=")?;
            AlterTableAction::AutoIncrement { next: cursor.integer()? }
        }
        "PARTITION" | "PARTITIONS" | "DISTRIBUTED" => {
            cursor.reset(start);
            let partitions = insert::partitions(cursor)?.unwrap_or_default();
            match partition::distribution(cursor)? {
                Some(distribution) => AlterTableAction::Distribute { partitions, distribution },
                None => return Err(cursor.unexpected_of(&["DISTRIBUTED"])),
            }
        }
        "BASE" | "CUMULATIVE" => {
            cursor.expect("COMPACT")?;
            AlterTableAction::Compact { partitions: compacted(cursor)? }
        }
        "COMPACT" => AlterTableAction::Compact { partitions: compacted(cursor)? },
        _ => {
            cursor.reset(start);
            cursor.advance();
            let object = match cursor.current().kind {
                Kind::Word if matches!(verb, "ADD" | "DROP" | "MODIFY" | "RENAME") => cursor.current().source,
                _ => "",
            };
            let what = format!("ALTER TABLE {verb} {}", object.to_ascii_uppercase());
            cursor.skip_statement()?;
            return Ok(Statement::Unsupported { what: what.trim_end().to_owned() });
        }
    };
    if cursor.at_symbol(",") {
        return Err(error_at(clause, "ALTER TABLE with several clauses is not supported yet".to_owned()));
    }
    Ok(Statement::AlterTable { name, action: Box::new(action) })
}

/// `[p | (p, ...)]`: empty are all.
fn compacted(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    if cursor.at_symbol("(") {
        return cursor.parenthesised(Cursor::identifier_or_text);
    }
    match cursor.current().kind {
        Kind::Word | Kind::Quoted => Ok(vec![cursor.identifier()?]),
        _ => Ok(Vec::new()),
    }
}

/// Whether `RENAME COLUMN a TO b` or `RENAME ROLLUP a b` goes on here. A table may be called `column`.
fn renames_a_part(cursor: &Cursor<'_>) -> bool {
    let next = cursor.ahead(1);
    ["COLUMN", "ROLLUP"].iter().any(|k| cursor.at(k)) && matches!(next.kind, Kind::Word | Kind::Quoted)
}
