//! Queries, EXPLAIN and DESC, which is both.

use crate::cursor::{Cursor, Parse};
use crate::delegate;
use crate::grammar::{delete, insert, update};
use crate::lexer::Kind;
use crate::statement::{ExplainLevel, Show, ShowFilter, Shown, Statement};

/// Whether a query begins here.
pub(super) fn begins(cursor: &Cursor<'_>) -> bool {
    ["SELECT", "WITH", "VALUES"].iter().any(|k| cursor.at(k)) || cursor.at_symbol("(")
}

/// A query as a statement.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    if cursor.at("WITH")
        && let Some(verb) = verb_behind_with(cursor)
    {
        return behind_with(cursor, verb);
    }
    let query = delegate::query(cursor)?;
    if cursor.at_all(&["INTO", "OUTFILE"]) {
        cursor.skip_statement()?;
        return Ok(Statement::Unsupported { what: "SELECT INTO OUTFILE".to_owned() });
    }
    Ok(Statement::Query(query))
}

/// `WITH ... UPDATE` and `WITH ... DELETE`.
fn behind_with(cursor: &mut Cursor<'_>, verb: &str) -> Parse<Statement> {
    let start = cursor.current().start;
    let mut open = 0usize;
    let mut placeholders = 0;
    while open > 0 || !cursor.at(verb) {
        match cursor.advance() {
            token if token.is_symbol("(") => open += 1,
            token if token.is_symbol(")") => open = open.saturating_sub(1),
            token => placeholders += usize::from(token.kind == Kind::Placeholder),
        }
    }
    let text = format!("{} SELECT 1", &cursor.text()[start..cursor.consumed()]);
    let mut names = Cursor::new(&text);
    let query = delegate::query(&mut names)?;
    cursor.placeholders += placeholders;
    match verb {
        "UPDATE" => {
            let mut statement = update::statement(cursor)?;
            if let Statement::Update(update) = &mut statement {
                update.source.with = query.with;
            }
            Ok(statement)
        }
        "DELETE" => {
            let mut statement = delete::statement(cursor)?;
            if let Statement::Delete(delete) = &mut statement {
                delete.with = Some(query);
            }
            Ok(statement)
        }
        _ => {
            cursor.skip_statement()?;
            Ok(Statement::Unsupported { what: format!("WITH ... {verb}") })
        }
    }
}

/// UPDATE or DELETE behind common table expressions.
fn verb_behind_with(cursor: &mut Cursor<'_>) -> Option<&'static str> {
    const VERBS: [&str; 5] = ["SELECT", "VALUES", "INSERT", "UPDATE", "DELETE"];
    let start = cursor.mark();
    let mut open = 0usize;
    let mut verb = None;
    while verb.is_none() && !cursor.at_end() && !matches!(cursor.current().kind, Kind::Invalid(_)) {
        match cursor.current().source {
            "(" => open += 1,
            ")" => open = open.saturating_sub(1),
            _ if open == 0 => verb = VERBS.into_iter().find(|v| cursor.at(v)),
            _ => {}
        }
        cursor.advance();
    }
    cursor.reset(start);
    verb.filter(|v| matches!(*v, "UPDATE" | "DELETE"))
}

/// `EXPLAIN [level] query`, `DESC table`, `DESC STORAGE VOLUME name`.
pub(super) fn explain_or_describe(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.advance();
    if cursor.at_all(&["STORAGE", "VOLUME"]) && !cursor.ahead(2).is_symbol(".") && cursor.ahead(2).kind != Kind::End {
        cursor.expect_all(&["STORAGE", "VOLUME"])?;
        return Ok(Statement::DescribeStorageVolume { name: cursor.identifier_or_text()? });
    }
    if cursor.at("FILES") && cursor.ahead(1).is_symbol("(") {
        cursor.skip_statement()?;
        return Ok(Statement::Unsupported { what: "DESC FILES".to_owned() });
    }
    let start = cursor.mark();
    let level = match cursor.take_any(&["LOGICAL", "ANALYZE", "VERBOSE", "COSTS", "SCHEDULER"]) {
        Some("LOGICAL") => ExplainLevel::Logical,
        Some("ANALYZE") => ExplainLevel::Analyze,
        Some("VERBOSE") => ExplainLevel::Verbose,
        Some("COSTS") => ExplainLevel::Costs,
        Some(_) => ExplainLevel::Scheduler,
        None => ExplainLevel::Normal,
    };
    let explained = |statement| Statement::Explain { level, statement: Box::new(statement) };
    if begins(cursor) {
        return Ok(match statement(cursor)? {
            unsupported @ Statement::Unsupported { .. } => unsupported,
            query => explained(query),
        });
    }
    let change = match ["INSERT", "DELETE", "UPDATE"].into_iter().find(|k| cursor.at(k)) {
        Some("INSERT") => Some(insert::statement(cursor)?),
        Some("DELETE") => Some(delete::statement(cursor)?),
        // A table may be called `update`: no assignment follows it then.
        Some(_) if cursor.ahead(1).kind != Kind::End => Some(update::statement(cursor)?),
        _ => None,
    };
    if let Some(change) = change {
        return Ok(match change {
            unsupported @ Statement::Unsupported { .. } => unsupported,
            change => explained(change),
        });
    }
    if cursor.at("CREATE") {
        cursor.skip_statement()?;
        return Ok(Statement::Unsupported { what: "EXPLAIN CREATE".to_owned() });
    }
    // A table may be called like a level.
    cursor.reset(start);
    let table = cursor.qualified_name()?;
    let all = cursor.take("ALL");
    let what = Shown::Describe { table, all };
    Ok(Statement::Show(Box::new(Show { what, filter: ShowFilter::default() })))
}
