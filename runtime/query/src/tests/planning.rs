//! What is known of values, and what plans make of it.

use runtime_sql::Statement;
use storage_catalog::Command;
use storage_model::DataType;

use super::house::{House, column, statement};
use crate::{explain_costs, joins, plan, rewrite, session};

/// 600 sales of 200 items in 50 stores of 25 cities.
async fn shop() -> House {
    let mut house = House::new();
    let number = |name: &str| column(name, DataType::Int, true, None);
    house.create("sales", vec![number("k"), number("item"), number("store")], None, 0, 2);
    house.create("items", vec![number("k"), column("name", DataType::Varchar(20), true, None)], None, 0, 1);
    house.create("stores", vec![number("k"), column("City", DataType::Varchar(20), true, None)], None, 0, 1);
    let rows = |count: u64, row: &dyn Fn(u64) -> String| (0..count).map(row).collect::<Vec<_>>().join(", ");
    let sales = rows(600, &|n| format!("({n}, {}, {})", n % 200, n % 50));
    house.insert(&format!("INSERT INTO sales VALUES {sales}")).await.unwrap();
    let items = rows(200, &|n| format!("({n}, 'item {n}')"));
    house.insert(&format!("INSERT INTO items VALUES {items}")).await.unwrap();
    let stores = rows(50, &|n| format!("({n}, 'c{}')", n % 25));
    house.insert(&format!("INSERT INTO stores VALUES {stores}")).await.unwrap();
    house
}

/// The tables of a query in the order in which they are joined.
fn order(house: &House, sql: &str) -> Vec<String> {
    let Statement::Query(query) = statement(sql) else { panic!("not a query") };
    let (cx, state) = (house.context(), session::planner(2));
    let logical = plan::logical(&cx, &state, rewrite::rewrite(&query, &cx).unwrap()).unwrap();
    let plan = joins::in_order(&state, state.optimize(&logical.plan).unwrap()).unwrap();
    let again = joins::in_order(&state, state.optimize(&logical.plan).unwrap()).unwrap();
    assert_eq!(plan, again);
    let text = plan.display_indent().to_string();
    let name = |line: &str| line.trim().strip_prefix("TableScan: ").map(|rest| rest.split(' ').next().unwrap().into());
    text.lines().filter_map(name).collect()
}

const WRITTEN: &str = "FROM sales JOIN items ON sales.item = items.k JOIN stores ON sales.store = stores.k";

#[tokio::test]
async fn tables_are_joined_in_the_order_that_leaves_the_fewest_rows() {
    let house = shop().await;
    let last = |sql: &str| order(&house, sql).pop().unwrap();
    let of_city = format!("SELECT * {WRITTEN} WHERE stores.city = 'c3' ORDER BY sales.k");
    assert_eq!(last(&of_city), "items");
    let of_item = format!("SELECT * {WRITTEN} WHERE items.name = 'item 7'");
    assert_eq!(last(&of_item), "stores");
    let lines = house.ask(&of_city).await;
    assert_eq!(lines[0], "k|item|store|k|name|k|City");
    assert_eq!((lines[1].as_str(), lines.len()), ("3|3|3|3|item 3|3|c3", 25));
    // The same rows, whatever is written.
    let other = "SELECT sales.*, items.*, stores.* FROM stores, items, sales \
                 WHERE sales.store = stores.k AND stores.city = 'c3' AND items.k = sales.item ORDER BY sales.k";
    assert_eq!(house.ask(other).await, lines);
    assert_eq!(house.one(&format!("SELECT COUNT(*), SUM(items.k) {WRITTEN}")).await, "600|59700");
}

#[tokio::test]
async fn outer_joins_stay_where_they_are_and_conditions_are_all_kept() {
    let house = shop().await;
    let outer = "SELECT COUNT(*), COUNT(stores.k) FROM sales JOIN items ON sales.item = items.k \
                 LEFT JOIN stores ON sales.store = stores.k AND stores.city = 'c3'";
    assert_eq!(house.one(outer).await, "600|24");
    let several = format!(
        "SELECT COUNT(*) {WRITTEN} AND items.k > stores.k AND sales.k + 0 = sales.item WHERE stores.city IN ('c3', 'c4')"
    );
    // Of 200 sales whose number is that of their item, those in stores 3, 4, 28 and 29 that have a smaller number.
    let expected = (0..200_u64).filter(|n| [3, 4].contains(&(n % 25)) && *n > n % 50).count();
    assert_eq!(house.one(&several).await, expected.to_string());
    let nested = format!(
        "SELECT c, COUNT(*) FROM (SELECT stores.city AS c, items.k {WRITTEN} WHERE stores.city = 'c3') x \
         JOIN items i ON i.k = x.k JOIN sales s ON s.item = i.k GROUP BY c"
    );
    assert_eq!(house.one(&nested).await, "c3|72");
    let semi = format!("SELECT COUNT(*) {WRITTEN} WHERE stores.k IN (SELECT k FROM items WHERE name = 'item 3')");
    assert_eq!(house.one(&semi).await, "12");
}

#[tokio::test]
async fn what_is_known_is_said_and_nothing_is_answered_by_it() {
    let mut house = shop().await;
    let text = explain_costs(&house.plan("SELECT item, store FROM sales WHERE k > 5").await.unwrap()).join("\n");
    assert!(text.contains("cardinality=600"), "{text}");
    assert!(text.contains("* store-> [0.0, 49.0, 0.0, 4.0, "), "{text}");
    let distinct = |name: &str| {
        let line = text.lines().find(|line| line.contains(&format!("* {name}->"))).unwrap();
        line.trim_end_matches("] ESTIMATE").rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!((distinct("item") - 200.0).abs() < 40.0 && (distinct("store") - 50.0).abs() < 10.0, "{text}");
    house.insert("INSERT INTO stores VALUES (500, NULL), (NULL, 'c1')").await.unwrap();
    assert_eq!(house.one("SELECT MIN(k), MAX(k), COUNT(k), COUNT(DISTINCT City) FROM stores").await, "0|500|51|25");
    assert_eq!(house.one("SELECT COUNT(*) FROM stores WHERE k > 5000").await, "0");
    let known = house.one("SELECT __column_statistics(k) FROM stores").await;
    assert!(known.starts_with("{\"column\":0,\"rows\":52,\"nulls\":1,"), "{known}");
    assert!(known.contains("\"range\":[0,500]"), "{known}");
}

#[tokio::test]
async fn what_is_known_of_values_answers_nothing() {
    let mut house = House::new();
    let number = |name: &str| column(name, DataType::Int, true, None);
    house.create("t", vec![number("a"), number("b")], None, 0, 2);
    let rows = |from: u32| (from..from + 500).map(|n| format!("({n}, {})", n % 7)).collect::<Vec<_>>().join(", ");
    house.insert(&format!("INSERT INTO t VALUES {}", rows(1))).await.unwrap();
    let table = house.table("t").id;
    house.apply(Command::SetStatistics { table, columns: Vec::new(), all: true });
    // Of half of the rows something is known, and it is not so of the others.
    house.insert(&format!("INSERT INTO t VALUES {}", rows(5_000))).await.unwrap();
    assert_eq!(house.one("SELECT count(DISTINCT a), count(DISTINCT b) FROM t WHERE a < 400").await, "399|7");
    assert_eq!(house.one("SELECT count(DISTINCT a), count(DISTINCT b) FROM t WHERE a = 1 AND b = 2").await, "0|0");
    assert_eq!(house.one("SELECT min(a), max(a), count(a) FROM t WHERE a < 400").await, "1|399|399");
    assert_eq!(house.one("SELECT count(*), min(a), count(DISTINCT a) FROM t").await, "1000|1|1000");
}
