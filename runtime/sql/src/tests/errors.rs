//! Where errors point and what they say.

use super::message;
use crate::parse;

#[test]
fn errors_point_at_the_offending_token() {
    for (sql, line, column) in [
        ("elect symbol from t", 1, 0),
        ("select * frm t", 1, 9),
        ("select 1;\n\n  selec 2", 3, 2),
        ("CREATE DATABASE LIKE", 1, 16),
        ("select 'ä', 'ü' frm t x", 1, 20),
        ("select 1 +", 1, 10),
        ("select 1 + ;", 1, 11),
        ("select (1", 1, 9),
        ("select 1)", 1, 8),
        ("insert into t values (1), (2", 1, 28),
        ("insert into t values\n(1),\n(1 2)", 3, 3),
        ("insert into t values (1, 2 +)", 1, 28),
        ("show tablez", 1, 5),
        ("select 'abc", 1, 7),
        ("select /* abc", 1, 7),
        ("select `abc", 1, 7),
        ("drop table", 1, 10),
        ("admin set automated cluster snapshot maybe", 1, 37),
        ("set a b", 1, 6),
        ("select 1 select 2", 1, 9),
        ("use a.b.c", 1, 4),
    ] {
        let error = parse(sql).expect_err(sql);
        assert_eq!((error.line, error.column), (line, column), "{sql}: {error}");
    }
}

#[test]
fn errors_have_the_form_of_starrocks() {
    assert_eq!(
        message("CREATE DATABASE LIKE"),
        "Getting syntax error at line 1, column 16. Detail message: Unexpected input 'LIKE', the most similar input is \
         {a legal identifier}."
    );
    assert_eq!(
        message("select 1; drop table t x"),
        "Getting syntax error at line 1, column 23. Detail message: Unexpected input 'x', the most similar input is \
         {<EOF>, ';'}."
    );
    assert!(message("drop table").contains("Unexpected input '<EOF>'"));
    assert!(message("elect 1").contains("Unexpected input 'elect', the most similar input is {'SELECT', "));
    assert!(message("select 'abc").ends_with("Detail message: unterminated string"));
    assert!(message("select a from t where").contains("<EOF>"));
    let long = message(&format!("{} 1", "x".repeat(10_000)));
    assert!(long.len() < 500, "{} bytes", long.len());
}

#[test]
fn unknown_text_is_no_statement() {
    for sql in [
        "hello world",
        "1",
        "'a'",
        "select",
        "create",
        "create nonsense x",
        "drop everything",
        "alter system",
        "alter system add nonsense 'x'",
        "show",
        "show nonsense",
        "show full databases",
        "admin",
        "admin set automated cluster snapshot",
        "admin alter automated cluster snapshot set",
        "admin set automated cluster snapshot on interval 5",
        "admin set automated cluster snapshot on interval 0 second",
        "admin set automated cluster snapshot on interval 1 month",
        "set",
        "set a",
        "set a =",
        "set @@nonsense.a = 1",
        "grant",
        "update",
        "kill",
        "kill x",
        "help",
        "begin nonsense",
        "commit and chain release now",
        "use",
        "lock tables",
        "execute s using 1",
        "prepare s from ''",
        "select * from t where",
        "select a, from t",
        "select 1 + from t",
        "select * from where a = 1",
        "select * from select",
        "select 1 as from",
        "select * from t limit",
        "select \u{1} from t",
        "select * from a.b.c.d.",
        "create storage volume v type s3 locations = ('a')",
        "create storage volume v type = s3",
        "desc storage volume",
    ] {
        assert!(parse(sql).is_err(), "{sql}");
    }
}
