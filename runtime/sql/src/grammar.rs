//! The statements of StarRocks. Each file knows the statements of one subject; this one finds out which it is.

mod access;
mod admin;
mod alter_column;
mod alter_partition;
mod column;
mod common;
mod database;
mod delete;
mod index;
mod insert;
mod nested_type;
mod partition;
mod query;
mod recover;
mod session;
mod set;
mod show;
mod snapshot;
mod table;
mod unsupported;
mod update;
mod view;
mod volume;

use storage_model::DataType;

use crate::cursor::{Cursor, Parse};
use crate::error::SyntaxError;
use crate::hints::Hint;
use crate::lexer::{Kind, Lexer};
use crate::statement::Statement;

/// A column type from its text, as [`DataType`] prints it; None: it is none.
pub fn parse_type(text: &str) -> Option<DataType> {
    let mut cursor = Cursor::new(text);
    let data_type = column::data_type(&mut cursor).ok()?;
    cursor.at_end().then_some(data_type)
}

/// A type that holds others, where an expression names one.
pub(crate) fn nested_type(cursor: &mut Cursor<'_>) -> Parse<DataType> {
    nested_type::outermost(cursor)
}

/// Statements that one text may hold.
const MOST_STATEMENTS: usize = 65_536;

/// One statement of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// Its source, from its first to its last word; parses to the same statement.
    pub text: String,
    /// `/*+ SET_VAR(...) */` in it.
    pub hints: Vec<Hint>,
}

/// Reads all statements of a text; empty ones are left out. One that is wrong spoils the text.
pub fn parse(sql: &str) -> Result<Vec<Parsed>, SyntaxError> {
    let mut cursor = Cursor::new(sql);
    let mut statements = Vec::new();
    loop {
        while cursor.take_symbol(";") {}
        if cursor.current().kind == Kind::End {
            return Ok(statements);
        }
        if statements.len() == MOST_STATEMENTS {
            let message = format!("a text holds more than {MOST_STATEMENTS} statements");
            return Err(crate::cursor::error_at(cursor.current(), message));
        }
        let start = cursor.current();
        // Hints before the first word belong to the statement: they were met when the cursor moved onto it.
        cursor.placeholders = 0;
        let statement = statement(&mut cursor)?;
        cursor.expect_end()?;
        let hints = std::mem::take(&mut cursor.hints);
        let text = source_text(&sql[start.start..cursor.consumed()], start.executed_comment);
        statements.push(Parsed { statement, text, hints });
    }
}

/// The source of a statement that can be read on its own: the marks of `/*! ... */` are taken off.
fn source_text(source: &str, begins_in_comment: bool) -> String {
    if !begins_in_comment && !source.contains("/*!") {
        return source.to_owned();
    }
    let mut lexer = if begins_in_comment { Lexer::within_executed_comment(source) } else { Lexer::new(source) };
    let mut text = String::with_capacity(source.len());
    let mut end = usize::MAX;
    loop {
        let token = lexer.next_token();
        // The source may end before the comment does.
        if matches!(token.kind, Kind::End | Kind::Invalid(_)) {
            return text;
        }
        if token.start > end {
            text.push(' ');
        }
        text.push_str(token.source);
        end = token.end();
    }
}

fn statement(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    if let Some(unsupported) = unsupported::statement(cursor)? {
        return Ok(unsupported);
    }
    let first = cursor.current();
    if query::begins(cursor) {
        return query::statement(cursor);
    }
    if first.kind != Kind::Word {
        return Err(unknown(cursor));
    }
    match first.source.to_ascii_uppercase().as_str() {
        "EXPLAIN" | "DESC" | "DESCRIBE" => query::explain_or_describe(cursor),
        "INSERT" => insert::statement(cursor),
        "DELETE" => delete::statement(cursor),
        "UPDATE" => update::statement(cursor),
        "CREATE" => create(cursor),
        "DROP" => drop_(cursor),
        "ALTER" => alter(cursor),
        "TRUNCATE" => table::truncate(cursor),
        "USE" => database::use_(cursor),
        "SHOW" => show::statement(cursor),
        "SET" => set::statement(cursor),
        "ADMIN" => admin::statement(cursor),
        "CANCEL" if cursor.ahead(1).is_word("ALTER") => alter_column::cancel(cursor),
        "CANCEL" => snapshot::cancel(cursor),
        "RECOVER" => recover::statement(cursor),
        "RESTORE" => snapshot::restore_table(cursor),
        "HELP" => session::help(cursor),
        "BEGIN" | "START" => session::begin(cursor),
        "COMMIT" | "ROLLBACK" => session::end_transaction(cursor),
        "KILL" => session::kill(cursor),
        "LOCK" | "UNLOCK" => session::lock(cursor),
        "SYNC" => session::sync(cursor),
        "ANALYZE" => session::analyze(cursor),
        "PREPARE" => session::prepare(cursor),
        "EXECUTE" if cursor.take_all(&["EXECUTE", "AS"]) => access::execute_as(cursor),
        "EXECUTE" => session::execute(cursor),
        "DEALLOCATE" => session::deallocate(cursor),
        "GRANT" => access::grant(cursor),
        "REVOKE" => access::revoke(cursor),
        _ => Err(unknown(cursor)),
    }
}

/// No statement begins like this.
fn unknown(cursor: &Cursor<'_>) -> SyntaxError {
    cursor.unexpected_of(&["SELECT", "INSERT", "CREATE", "DROP", "ALTER", "SHOW", "SET", "USE", "ADMIN", "EXPLAIN"])
}

fn create(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("CREATE")?;
    if cursor.at_all(&["OR", "REPLACE"]) {
        cursor.expect_all(&["OR", "REPLACE", "VIEW"])?;
        return view::create(cursor, true);
    }
    match cursor.take_any(&["DATABASE", "SCHEMA", "TABLE", "VIEW", "STORAGE", "CLUSTER", "USER", "ROLE", "INDEX"]) {
        Some("INDEX") => index::create(cursor),
        Some("USER") => access::create_user(cursor),
        Some("ROLE") => access::create_role(cursor),
        Some("TABLE") => table::create(cursor),
        Some("VIEW") => view::create(cursor, false),
        Some("STORAGE") => volume::create(cursor),
        Some("CLUSTER") => snapshot::create(cursor),
        Some(_) => database::create(cursor),
        None => Err(cursor.unexpected_of(&["DATABASE", "TABLE", "STORAGE VOLUME", "CLUSTER SNAPSHOT", "VIEW"])),
    }
}

fn drop_(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("DROP")?;
    let objects =
        ["DATABASE", "SCHEMA", "TABLE", "VIEW", "STORAGE", "CLUSTER", "PREPARE", "USER", "ROLE", "STATS", "INDEX"];
    match cursor.take_any(&objects) {
        Some("USER") => access::drop_user(cursor),
        Some("ROLE") => access::drop_role(cursor),
        Some("TABLE") => table::drop_(cursor),
        Some("VIEW") => view::drop_(cursor),
        Some("STORAGE") => volume::drop_(cursor),
        Some("CLUSTER") => snapshot::drop_(cursor),
        Some("PREPARE") => session::deallocated(cursor),
        Some("STATS") => session::drop_statistics(cursor),
        Some("INDEX") => index::drop_(cursor),
        Some(_) => database::drop_(cursor),
        None => Err(cursor.unexpected_of(&["DATABASE", "TABLE", "STORAGE VOLUME", "CLUSTER SNAPSHOT", "VIEW"])),
    }
}

fn alter(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("ALTER")?;
    match cursor.take_any(&["DATABASE", "TABLE", "VIEW", "STORAGE", "SYSTEM", "USER", "ROLE"]) {
        Some("VIEW") => view::alter(cursor),
        Some("USER") => access::alter_user(cursor),
        Some("ROLE") => access::alter_role(cursor),
        Some("DATABASE") => database::alter(cursor),
        Some("TABLE") => table::alter(cursor),
        Some("STORAGE") => volume::alter(cursor),
        Some(_) => admin::alter_system(cursor),
        None => Err(cursor.unexpected_of(&["DATABASE", "TABLE", "VIEW", "STORAGE VOLUME", "SYSTEM"])),
    }
}
