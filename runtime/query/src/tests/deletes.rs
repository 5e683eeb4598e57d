//! DELETE: what is found, and what is left.

use super::house::{House, statement, wiki};
use crate::*;
use runtime_sql::Statement;

async fn deleted(house: &House, condition: &str) -> (String, String) {
    let sql = format!("DELETE FROM wiki WHERE {condition}");
    let (found, rest) = house.delete(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let mut deltas: Vec<_> = rest.iter().map(|line| line.rsplit('|').next().unwrap_or_default()).collect();
    deltas.sort_unstable_by_key(|text| text.parse().unwrap_or(i32::MAX));
    (found.join(", "), deltas.join(" "))
}

#[tokio::test]
async fn rows_are_found_by_partition_and_the_others_are_left() {
    let house = wiki().await;
    for (condition, found, rest) in [
        ("delta > 2", "p16690: 1, p16691: 2", "-5 2"),
        ("DELTA = 1 OR `user` = 'eve'", "p16689: 1, p16691: 1", "4 6 NULL"),
        ("event_time >= '2015-09-12'", "p16691: 3", ""),
        ("event_time < '2015-09-11 03:00:00' AND wiki.delta = 2", "p16690: 1", "3"),
        ("db.wiki.delta = 2", "p16690: 1", "3"),
        ("delta = 2 + 1", "p16690: 1", "2"),
        // A number is a condition.
        ("delta - 2", "p16689: 1, p16690: 1, p16691: 3", "2 NULL"),
        ("true", "p16689: 2, p16690: 2, p16691: 3", ""),
        ("false", "", ""),
        ("delta = 100", "", ""),
    ] {
        assert_eq!(deleted(&house, condition).await, (found.to_owned(), rest.to_owned()), "{condition}");
    }
}

#[tokio::test]
async fn what_is_neither_true_nor_false_is_left() {
    let house = wiki().await;
    for (condition, found, rest) in [
        ("delta <> 1", "p16690: 2, p16691: 3", ""),
        ("NOT (delta = 1)", "p16690: 2, p16691: 3", ""),
        ("delta <> 2", "p16689: 1, p16690: 1, p16691: 3", "2 NULL"),
        ("delta IS NULL", "p16689: 1", "1"),
        ("event_time IS NULL AND delta IS NULL", "p16689: 1", "1"),
        ("delta = NULL", "", ""),
        ("NULL", "", ""),
        ("delta NOT IN (1, NULL)", "", ""),
    ] {
        assert_eq!(deleted(&house, condition).await, (found.to_owned(), rest.to_owned()), "{condition}");
    }
}

#[tokio::test]
async fn a_condition_may_read_tables_and_the_whole_of_its_own() {
    let house = wiki().await;
    for (condition, found, rest) in [
        ("user IN (SELECT user FROM wiki WHERE delta = 6)", "p16690: 1, p16691: 1", "-5 3 4"),
        (
            "delta = 1 OR user IN (SELECT user FROM wiki WHERE delta = 6)",
            "p16689: 1, p16690: 1, p16691: 1",
            "-5 3 4 NULL",
        ),
        ("delta = (SELECT min(delta) FROM wiki)", "p16691: 1", "4 6"),
        ("delta > 1 AND EXISTS (SELECT 1 FROM wiki w WHERE w.user = wiki.user AND w.delta = 1)", "p16691: 1", "-5 6"),
        ("NOT EXISTS (SELECT 1 FROM wiki w WHERE w.user = wiki.user AND w.delta < 4)", "p16689: 1", "1"),
    ] {
        assert_eq!(deleted(&house, condition).await, (found.to_owned(), rest.to_owned()), "{condition}");
    }
}

#[tokio::test]
async fn in_over_a_query_finds_exactly_what_it_is_true_for() {
    let house = wiki().await;
    for (condition, found, rest) in [
        ("user NOT IN (SELECT user FROM wiki WHERE delta = 6)", "p16689: 2, p16690: 1, p16691: 2", "2 6"),
        (
            "delta > 0 AND NOT (user IN (SELECT user FROM wiki WHERE delta = 6))",
            "p16689: 1, p16690: 1, p16691: 1",
            "-5 2 6 NULL",
        ),
        ("5 NOT IN (SELECT delta FROM wiki)", "", ""),
        ("5 NOT IN (SELECT delta FROM wiki WHERE delta < 100)", "p16689: 2, p16690: 2, p16691: 3", ""),
        ("delta NOT IN (SELECT w.delta FROM wiki w WHERE w.delta > wiki.delta)", "p16689: 2, p16690: 2, p16691: 3", ""),
        (
            "delta NOT IN (SELECT w.delta FROM wiki w WHERE w.user = wiki.user AND w.event_time IS NULL)",
            "p16689: 1, p16690: 2, p16691: 3",
            "NULL",
        ),
        (
            "EXISTS (SELECT 1 FROM wiki w WHERE w.user = wiki.user AND (w.delta = 1 OR w.delta NOT IN (SELECT delta FROM wiki)))",
            "p16689: 1, p16691: 1",
            "-5 6 NULL",
        ),
        ("delta = (SELECT max(w.delta) FROM wiki w WHERE NOT (w.delta IN (SELECT delta FROM wiki)))", "", ""),
        ("user IN (SELECT w.user FROM wiki w WHERE (w.delta IN (SELECT delta FROM wiki)) IS NULL)", "p16689: 1", "1"),
        (
            "delta = 4 OR NOT (delta IN (SELECT delta FROM wiki WHERE user = 'bob'))",
            "p16689: 1, p16690: 1, p16691: 2",
            "2 6 NULL",
        ),
        (
            "delta = 4 OR delta NOT IN (SELECT delta FROM wiki WHERE user = 'bob')",
            "p16689: 1, p16690: 1, p16691: 2",
            "2 6 NULL",
        ),
        ("delta <> ALL (SELECT delta FROM wiki WHERE user = 'bob')", "p16689: 1, p16690: 1, p16691: 2", "2 6 NULL"),
        ("NOT (delta = 4 AND delta IN (SELECT delta FROM wiki))", "p16689: 1, p16690: 2, p16691: 2", "4 NULL"),
        ("delta IN (SELECT delta FROM wiki) = false", "", ""),
        ("delta IN (SELECT delta FROM wiki) IS NULL", "p16689: 1", "1"),
        (
            "CASE WHEN delta IN (SELECT delta FROM wiki WHERE user = 'bob') THEN false ELSE true END",
            "p16689: 2, p16690: 1, p16691: 2",
            "2 6",
        ),
    ] {
        assert_eq!(deleted(&house, condition).await, (found.to_owned(), rest.to_owned()), "{condition}");
    }
    let condition = "delta NOT IN (SELECT w.delta FROM wiki w WHERE w.user = wiki.user ORDER BY w.delta LIMIT 1)";
    let error = house.delete(&format!("DELETE FROM wiki WHERE {condition}")).await.unwrap_err();
    assert!(error.message.contains(super::membership::REFUSED), "{error}");
}

#[tokio::test]
async fn the_search_looks_where_rows_can_be() {
    let house = wiki().await;
    let explained = async |sql: &str| {
        let Statement::Delete(delete) = statement(sql) else { panic!("not a delete: {sql}") };
        let table = house.table("wiki");
        let planned = plan_search(&house.context(), &table, &delete, &table.partitions[1..]).await.unwrap();
        explain_planned(&planned).join("\n")
    };
    let text = explained("DELETE FROM wiki WHERE event_time >= '2015-09-12'").await;
    assert!(text.contains("partitions=1/3") && text.contains("RUNS ON: compute node"), "{text}");
    let text = explained("DELETE FROM wiki WHERE user = 'bob'").await;
    assert!(text.contains("partitions=2/3") && text.contains("tabletRatio=2/12"), "{text}");
}

#[tokio::test]
async fn conditions_that_say_nothing_fail() {
    let house = wiki().await;
    for (sql, part) in [
        ("DELETE FROM wiki", "Where clause is not set"),
        ("DELETE FROM wiki WHERE nothing = 1", "Column 'nothing' cannot be resolved"),
        ("DELETE FROM wiki WHERE w.delta = 1", "cannot be resolved"),
        ("DELETE FROM wiki WHERE nope(delta)", "No matching function"),
        ("DELETE FROM wiki WHERE sum(delta) > 1", "ggregat"),
        ("DELETE FROM wiki WHERE user IN (SELECT user FROM nothing)", "Unknown table 'db.nothing'"),
        ("DELETE FROM wiki WHERE @@nope = 1", "Unknown system variable 'nope'"),
    ] {
        let error = house.delete(sql).await.unwrap_err();
        assert!(error.message.contains(part), "{sql}: {error}");
    }
}
