//! SET: variables and all that looks like one.

use sqlparser::ast::{Expr, Value};

use crate::cursor::{Cursor, Parse};
use crate::delegate;
use crate::grammar::access;
use crate::lexer::{Kind, Token};
use crate::statement::{AssignedValue, Assignment, Statement, VariableScope};

/// What SET sets of users.
#[allow(clippy::type_complexity, reason = "a list of words and what reads on behind them")]
const ACCESS: [(&[&str], fn(&mut Cursor<'_>) -> Parse<Statement>); 4] = [
    (&["PASSWORD"], access::set_password),
    (&["PROPERTY"], access::set_property),
    (&["ROLE"], access::set_role),
    (&["DEFAULT", "ROLE"], access::set_default_role),
];

/// A SET statement.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Parse<Statement> {
    cursor.expect("SET")?;
    if ["AS", "DEFAULT", "STORAGE", "VOLUME"].iter().enumerate().all(|(n, k)| cursor.ahead(n + 1).is_word(k)) {
        let name = cursor.identifier_or_text()?;
        cursor.expect_all(&["AS", "DEFAULT", "STORAGE", "VOLUME"])?;
        return Ok(Statement::SetDefaultStorageVolume { name });
    }
    for (words, set) in ACCESS {
        // A session variable may be called like what SET sets; but a password is no variable.
        let is_variable = words != ["PASSWORD"] && is_assignment(cursor.ahead(words.len()));
        if !is_variable && cursor.take_all(words) {
            return set(cursor);
        }
    }
    if cursor.at("CATALOG") && !is_assignment(cursor.ahead(1)) {
        cursor.expect("CATALOG")?;
        return Ok(Statement::SetCatalog { name: cursor.identifier_or_text()? });
    }
    Ok(Statement::Set(cursor.list(assignments)?.into_iter().flatten().collect()))
}

/// Whether a token says that a variable is assigned to.
fn is_assignment(token: Token<'_>) -> bool {
    token.is_symbol("=") || token.is_symbol(":=")
}

/// One item of the list; some stand for several variables.
fn assignments(cursor: &mut Cursor<'_>) -> Parse<Vec<Assignment>> {
    if !is_assignment(cursor.ahead(1)) {
        if cursor.take("NAMES") {
            return names(cursor);
        }
        if cursor.take_all(&["CHARACTER", "SET"]) || cursor.take_all(&["CHAR", "SET"]) || cursor.take("CHARSET") {
            return character_set(cursor);
        }
    }
    let scope = match is_assignment(cursor.ahead(1)) {
        true => None,
        false => cursor.take_any(&["GLOBAL", "SESSION", "LOCAL"]),
    };
    let scope = if scope == Some("GLOBAL") { VariableScope::Global } else { VariableScope::Session };
    if cursor.at("TRANSACTION") && !is_assignment(cursor.ahead(1)) {
        cursor.expect("TRANSACTION")?;
        return cursor.list(|c| transaction(c, scope));
    }
    let (scope, name) = variable(cursor, scope)?;
    if !cursor.take_symbol(":=") {
        cursor.expect_symbol("=")?;
    }
    Ok(vec![Assignment { scope, name, value: value(cursor)? }])
}

/// `name`, `@name`, `@@name`, `@@session.name`.
fn variable(cursor: &mut Cursor<'_>, scope: VariableScope) -> Parse<(VariableScope, String)> {
    let token = cursor.current();
    if token.kind != Kind::Variable {
        return Ok((scope, cursor.identifier()?));
    }
    cursor.advance();
    let value = token.value();
    let Some(system) = value.strip_prefix("@@") else {
        return Ok((VariableScope::User, value.trim_start_matches('@').to_owned()));
    };
    if !cursor.take_symbol(".") {
        return Ok((scope, system.to_owned()));
    }
    let scope = match system.to_ascii_uppercase().as_str() {
        "SESSION" | "LOCAL" => VariableScope::Session,
        "GLOBAL" => VariableScope::Global,
        _ => return Err(crate::cursor::unexpected_token(token, "'@@session', '@@global'")),
    };
    Ok((scope, cursor.identifier()?))
}

/// DEFAULT, a bare word, or an expression.
fn value(cursor: &mut Cursor<'_>) -> Parse<AssignedValue> {
    let token = cursor.current();
    let next = cursor.ahead(1);
    let alone = next.is_symbol(",") || next.is_symbol(";") || next.kind == Kind::End;
    if alone && token.is_word("DEFAULT") {
        cursor.advance();
        return Ok(AssignedValue::Default);
    }
    let is_literal = ["NULL", "TRUE", "FALSE"].iter().any(|k| token.is_word(k));
    if alone && !is_literal && matches!(token.kind, Kind::Word | Kind::Quoted) {
        return Ok(text(cursor.advance().value().into_owned()));
    }
    delegate::expression(cursor, &|t| t.is_symbol(",")).map(|e| AssignedValue::Expr(Box::new(e)))
}

fn text(value: String) -> AssignedValue {
    AssignedValue::Expr(Box::new(Expr::value(Value::SingleQuotedString(value))))
}

fn session(name: &str, value: AssignedValue) -> Assignment {
    Assignment { scope: VariableScope::Session, name: name.to_owned(), value }
}

/// A name, a string or DEFAULT.
fn name_or_default(cursor: &mut Cursor<'_>) -> Parse<AssignedValue> {
    match cursor.current().kind {
        _ if cursor.take("DEFAULT") => Ok(AssignedValue::Default),
        // `binary` and the like may be words of the grammar elsewhere.
        Kind::Word => Ok(text(cursor.advance().source.to_owned())),
        _ => cursor.identifier_or_text().map(text),
    }
}

/// Behind `SET NAMES`.
fn names(cursor: &mut Cursor<'_>) -> Parse<Vec<Assignment>> {
    let charset = name_or_default(cursor)?;
    let mut assignments: Vec<Assignment> =
        ["character_set_client", "character_set_connection", "character_set_results"]
            .map(|name| session(name, charset.clone()))
            .into();
    if cursor.take("COLLATE") {
        assignments.push(session("collation_connection", name_or_default(cursor)?));
    }
    Ok(assignments)
}

/// Behind `SET CHARACTER SET`.
fn character_set(cursor: &mut Cursor<'_>) -> Parse<Vec<Assignment>> {
    let charset = name_or_default(cursor)?;
    Ok(["character_set_client", "character_set_results"].map(|name| session(name, charset.clone())).into())
}

/// Behind `SET TRANSACTION`.
fn transaction(cursor: &mut Cursor<'_>, scope: VariableScope) -> Parse<Assignment> {
    let (name, value) = if cursor.take("ISOLATION") {
        cursor.expect("LEVEL")?;
        let level = match cursor.expect_any(&["READ", "REPEATABLE", "SERIALIZABLE"])? {
            "READ" => match cursor.expect_any(&["COMMITTED", "UNCOMMITTED"])? {
                "COMMITTED" => "READ-COMMITTED",
                _ => "READ-UNCOMMITTED",
            },
            "REPEATABLE" => {
                cursor.expect("READ")?;
                "REPEATABLE-READ"
            }
            _ => "SERIALIZABLE",
        };
        ("transaction_isolation", text(level.to_owned()))
    } else {
        cursor.expect("READ")?;
        let read_only = cursor.expect_any(&["ONLY", "WRITE"])? == "ONLY";
        let digit = if read_only { "1" } else { "0" };
        let number = Expr::value(Value::Number(digit.to_owned(), false));
        ("transaction_read_only", AssignedValue::Expr(Box::new(number)))
    };
    Ok(Assignment { scope, name: name.to_owned(), value })
}
