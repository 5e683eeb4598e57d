//! Parameters of prepared statements.

use super::{one, printed};
use crate::ast::Value;
use crate::statement::{AssignedValue, InsertSource};
use crate::{BindError, RowValue, Statement, bind, count_placeholders};

fn text(value: &str) -> Value {
    Value::SingleQuotedString(value.to_owned())
}

fn number(value: &str) -> Value {
    Value::Number(value.to_owned(), false)
}

fn bound(sql: &str, values: &[Value]) -> String {
    let mut statement = one(sql);
    bind(&mut statement, values).unwrap();
    assert_eq!(count_placeholders(&statement), 0, "{sql}");
    match statement {
        Statement::Query(query) => query.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn placeholders_are_numbered_in_the_order_of_the_text() {
    assert_eq!(
        printed("with x as (select ? a) select ?, f(?) from x join t on x.a = ? where b in (?, ?) order by ? limit ?, ?"),
        "WITH x AS (SELECT $1 a) SELECT $2, f($3) FROM x JOIN t ON x.a = $4 WHERE b IN ($5, $6) ORDER BY $7 LIMIT $8, $9"
            .replace("(SELECT $1 a)", "(SELECT $1 AS a)")
    );
    for (sql, expected) in [
        ("select 1", 0),
        ("select ?", 1),
        ("select '?', `?` from t -- ?", 0),
        ("insert into t values (?, 1), (? + ?, ?)", 4),
        ("insert into t select ?", 1),
        ("explain select ?", 1),
        ("delete from t where a = ? and b in (select ? from u)", 2),
        ("explain delete from t where a = ?", 1),
        ("update t set a = ?, b = DEFAULT, c = c + ? from (select ? x) u where a = ?", 4),
        ("set @a = ?", 1),
        ("show databases where `Database` = ?", 1),
        ("select (select ? from (select ?) x), ?", 3),
        ("create database d", 0),
    ] {
        assert_eq!(count_placeholders(&one(sql)), expected, "{sql}");
    }
    let two = crate::parse("select ?; select ?, ?").unwrap();
    assert_eq!(two.iter().map(|p| count_placeholders(&p.statement)).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn values_take_the_place_of_placeholders() {
    assert_eq!(
        bound(
            "select ?, ? from t where a = ? and b = ? limit ?",
            &[text("x' OR '1'='1"), Value::Null, number("-5"), Value::Boolean(true), number("3")]
        ),
        "SELECT 'x'' OR ''1''=''1', NULL FROM t WHERE a = (-5) AND b = true LIMIT 3"
    );
    assert_eq!(bound("select a - ?", &[number("-1")]), "SELECT a - (-1)");
}

#[test]
fn values_and_conditions_of_an_update_are_bound() {
    let mut statement = one("update t set a = ?, b = b + ? where c = ?");
    let values = [Value::SingleQuotedString("x".into()), Value::Null, Value::Boolean(true)];
    bind(&mut statement, &values).unwrap();
    let Statement::Update(update) = statement else { panic!() };
    let AssignedValue::Expr(first) = &update.assignments[0].1 else { panic!() };
    assert_eq!(first.to_string(), "'x'");
    assert_eq!(update.source.to_string(), "SELECT * WHERE c = true");
}

#[test]
fn conditions_of_a_delete_are_bound() {
    let mut statement = one("explain delete from t where a = ? and b <= ?");
    bind(&mut statement, &[text("x' OR '1'='1"), number("-5")]).unwrap();
    assert_eq!(count_placeholders(&statement), 0);
    let Statement::Explain { statement, .. } = statement else { panic!() };
    let Statement::Delete(delete) = *statement else { panic!() };
    assert_eq!(delete.predicate.unwrap().to_string(), "a = 'x'' OR ''1''=''1' AND b <= (-5)");
}

#[test]
fn rows_are_bound_too() {
    let mut statement = one("insert into t values (?, ?, 'c'), (?, upper(?), ?)");
    let hex = Value::HexStringLiteral("00FF".to_owned());
    bind(&mut statement, &[number("-1"), text("?"), Value::Null, text("u"), hex]).unwrap();
    assert_eq!(count_placeholders(&statement), 0);
    let Statement::Insert(insert) = statement else { panic!() };
    let InsertSource::Values(rows) = insert.source else { panic!() };
    let row = |at| rows.row(at).collect::<Vec<_>>();
    assert_eq!(row(0), [RowValue::Number("-1"), RowValue::Text("?"), RowValue::Text("c")]);
    let printed: Vec<_> = row(1).iter().map(|v| v.to_expr().unwrap().to_string()).collect();
    assert_eq!(printed, ["NULL", "upper('u')", "X'00FF'"]);
}

#[test]
fn the_number_of_values_must_be_right() {
    for (sql, values, expected) in [("select ?", 0, 1), ("select ?", 2, 1), ("select 1", 1, 0), ("show tables", 1, 0)] {
        let mut statement = one(sql);
        let before = statement.clone();
        let error = bind(&mut statement, &vec![Value::Null; values]).unwrap_err();
        assert_eq!(error, BindError::Count { expected, found: values });
        assert_eq!(statement, before);
    }
}
