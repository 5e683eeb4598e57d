//! What concerns the connection: transactions, KILL, locks, prepared text statements, HELP.

use crate::cursor::{Cursor, Parse, error_at};
use crate::grammar::common;
use crate::lexer::Kind;
use crate::statement::{KillTarget, Statement};

/// BEGIN, START TRANSACTION.
pub(super) fn begin(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    if cursor.take("BEGIN") {
        cursor.take("WORK");
    } else {
        cursor.expect_all(&["START", "TRANSACTION"])?;
        while cursor.take_all(&["WITH", "CONSISTENT", "SNAPSHOT"])
            || cursor.take_all(&["READ", "ONLY"])
            || cursor.take_all(&["READ", "WRITE"])
        {
            cursor.take_symbol(",");
        }
    }
    let label = match cursor.take_all(&["WITH", "LABEL"]) {
        true => Some(cursor.identifier_or_text()?),
        false => None,
    };
    Ok(Statement::Begin { label })
}

/// COMMIT, ROLLBACK.
pub(super) fn end_transaction(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let statement = match cursor.expect_any(&["COMMIT", "ROLLBACK"])? {
        "COMMIT" => Statement::Commit,
        _ => Statement::Rollback,
    };
    cursor.take("WORK");
    if cursor.take("AND") {
        cursor.take("NO");
        cursor.expect("CHAIN")?;
    }
    if !cursor.take_all(&["NO", "RELEASE"]) {
        cursor.take("RELEASE");
    }
    Ok(statement)
}

/// `KILL [CONNECTION | QUERY] id`.
pub(super) fn kill(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("KILL")?;
    let query_only = cursor.take_any(&["CONNECTION", "QUERY"]) == Some("QUERY");
    let target = match cursor.current().kind {
        Kind::Text => KillTarget::Query(cursor.string()?),
        _ => KillTarget::Connection(cursor.integer()?),
    };
    Ok(Statement::Kill { query_only, target })
}

/// LOCK TABLES, UNLOCK TABLES.
pub(super) fn lock(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    let statement = match cursor.expect_any(&["LOCK", "UNLOCK"])? {
        "LOCK" => Statement::LockTables,
        _ => Statement::UnlockTables,
    };
    cursor.expect_any(&["TABLES", "TABLE"])?;
    if statement == Statement::LockTables {
        cursor.list(|c| {
            c.qualified_name()?;
            if c.take("AS") || (c.at_identifier() && !["READ", "WRITE", "LOW_PRIORITY"].iter().any(|k| c.at(k))) {
                c.identifier()?;
            }
            c.take("LOW_PRIORITY");
            if c.expect_any(&["READ", "WRITE"])? == "READ" {
                c.take("LOCAL");
            }
            Ok(())
        })?;
    }
    Ok(statement)
}

/// SYNC.
pub(super) fn sync(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("SYNC")?;
    Ok(Statement::Sync)
}

/// `ANALYZE [FULL | SAMPLE] TABLE t [(column, ...)] ...`; how much is read is ours to know. `ANALYZE PROFILE FROM 'query id'`.
pub(super) fn analyze(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("ANALYZE")?;
    cursor.take_any(&["FULL", "SAMPLE", "NO_WRITE_TO_BINLOG", "LOCAL"]);
    let table = match cursor.expect_any(&["TABLE", "TABLES", "PROFILE", "DATABASE", "ALL"])? {
        "TABLE" | "TABLES" => Some(cursor.qualified_name()?),
        "PROFILE" => {
            cursor.expect("FROM")?;
            let query_id = cursor.string()?;
            // Of which operators: all are shown.
            cursor.skip_statement()?;
            return Ok(Statement::AnalyzeProfile { query_id });
        }
        _ => None,
    };
    if cursor.at_all(&["UPDATE", "HISTOGRAM"]) {
        cursor.skip_statement()?;
        return Ok(Statement::Unsupported { what: "ANALYZE TABLE ... UPDATE HISTOGRAM".to_owned() });
    }
    if let Some(table) = table.clone().filter(|_| cursor.take_all(&["DROP", "HISTOGRAM"])) {
        cursor.expect("ON")?;
        cursor.list(Cursor::identifier)?;
        return Ok(Statement::DropStatistics { table, histograms: true });
    }
    let columns = match table.is_some() && cursor.at_symbol("(") {
        true => cursor.parenthesised(Cursor::identifier)?,
        false => Vec::new(),
    };
    cursor.skip_statement()?;
    Ok(Statement::Analyze { table, columns })
}

/// Behind `DROP STATS`.
pub(super) fn drop_statistics(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    Ok(Statement::DropStatistics { table: cursor.qualified_name()?, histograms: false })
}

/// `PREPARE name FROM 'text'`, `PREPARE name FROM statement`.
pub(super) fn prepare(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("PREPARE")?;
    let name = cursor.identifier()?;
    cursor.expect("FROM")?;
    let start = cursor.current();
    let text = match start.kind {
        Kind::Text => cursor.string()?,
        _ => common::rest_as_text(cursor)?,
    };
    match text.trim().is_empty() {
        true => Err(error_at(start, "the statement to prepare is empty".to_owned())),
        false => Ok(Statement::PrepareText { name, text }),
    }
}

/// `EXECUTE name [USING @a, @b]`.
pub(super) fn execute(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("EXECUTE")?;
    let name = cursor.identifier()?;
    let variables = match cursor.take("USING") {
        true => cursor.list(|c| {
            let token = c.current();
            let value = token.value();
            match (token.kind, value.strip_prefix('@')) {
                (Kind::Variable, Some(variable)) if !variable.starts_with('@') => {
                    c.advance();
                    Ok(variable.to_owned())
                }
                _ => Err(c.unexpected("a user variable")),
            }
        })?,
        false => Vec::new(),
    };
    Ok(Statement::Execute { name, variables })
}

/// DEALLOCATE PREPARE name.
pub(super) fn deallocate(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect_all(&["DEALLOCATE", "PREPARE"])?;
    deallocated(cursor)
}

/// Behind `DROP PREPARE`.
pub(super) fn deallocated(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    Ok(Statement::Deallocate { name: cursor.identifier()? })
}

/// `HELP topic`, the topic quoted or as words.
pub(super) fn help(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("HELP")?;
    let topic = match cursor.current().kind {
        Kind::Text | Kind::Quoted => cursor.identifier_or_text()?,
        _ if cursor.at_end() => return Err(cursor.unexpected("a topic")),
        _ => common::rest_as_text(cursor)?,
    };
    Ok(Statement::Help { topic })
}
