//! Statements of the specification, of real clients and of attackers.

mod access;
mod binding;
mod clients;
mod definitions;
mod errors;
mod hostile;
mod queries;
mod statements;

use crate::statement::{Show, Shown};
use crate::{Parsed, Statement, parse};

/// The only statement of a text.
fn one(sql: &str) -> Statement {
    only(sql).statement
}

fn only(sql: &str) -> Parsed {
    match parse(sql) {
        Ok(mut parsed) if parsed.len() == 1 => parsed.remove(0),
        Ok(parsed) => panic!("{} statements in {sql}", parsed.len()),
        Err(e) => panic!("{e}\nin {sql}"),
    }
}

/// What a SHOW looks at.
fn shown(sql: &str) -> Show {
    match one(sql) {
        Statement::Show(show) => *show,
        other => panic!("{sql} is {other:?}"),
    }
}

fn shown_plainly(sql: &str) -> Shown {
    let show = shown(sql);
    assert_eq!(show.filter, Default::default(), "{sql}");
    show.what
}

/// The query as sqlparser prints it.
fn printed(sql: &str) -> String {
    match one(sql) {
        Statement::Query(query) => query.to_string(),
        other => panic!("{sql} is {other:?}"),
    }
}

fn message(sql: &str) -> String {
    parse(sql).expect_err(sql).to_string()
}
