//! Aggregates that gather values in an order, or choose one by another; and distances between ARRAYs.

use super::house::House;

/// `g (x, k)`: 1 to 6 with their remainders by 3, and NULLs.
const ROWS: &str = "(SELECT x, x % 3 k FROM TABLE(generate_series(1, 6)) g(x) UNION ALL SELECT NULL, 1 \
                    UNION ALL SELECT 9, NULL) t";

#[tokio::test]
async fn one_value_is_chosen_by_another_in_groups_and_windows() {
    let mut house = House::new();
    for parallelism in [1, 4] {
        house.parallelism = parallelism;
        assert_eq!(
            house.one(&format!("SELECT max_by(x, x), min_by(k, x), max_by(x, k) IN (2, 5) FROM {ROWS}")).await,
            "9|1|1"
        );
        let sql = format!("SELECT k, max_by(concat('v', x), x), min_by(x, -x) FROM {ROWS} GROUP BY k ORDER BY k");
        assert_eq!(house.ask(&sql).await[1..], ["NULL|v9|9", "0|v6|6", "1|v4|4", "2|v5|5"]);
        let sql = format!("SELECT x, max_by(x, x) OVER (PARTITION BY k) FROM {ROWS} WHERE x < 5 ORDER BY x");
        assert_eq!(house.ask(&sql).await[1..], ["1|4", "2|2", "3|3", "4|4"]);
        assert_eq!(house.one(&format!("SELECT max_by(x, x) FROM {ROWS} WHERE x < 0")).await, "NULL");
    }
    // A value may be NULL, what chooses it may not.
    let sql = "SELECT max_by(v, by_), min_by(v, by_) FROM (SELECT 1 v, NULL by_ UNION ALL SELECT NULL, 5 UNION ALL SELECT 3, 4) t";
    assert_eq!(house.one(sql).await, "NULL|3");
}

#[tokio::test]
async fn different_values_come_in_the_order_of_other_ones() {
    let mut house = House::new();
    for parallelism in [1, 4] {
        house.parallelism = parallelism;
        for (sql, expected) in [
            ("array_agg(DISTINCT k ORDER BY k DESC)", "[2,1,0,null]"),
            ("array_agg(DISTINCT k % 2 ORDER BY -k)", "[null,0,1]"),
            ("group_concat(DISTINCT k ORDER BY -k)", "2,1,0"),
            ("group_concat(DISTINCT k ORDER BY k SEPARATOR '/')", "0/1/2"),
            ("group_concat(DISTINCT concat('v', k) ORDER BY k + 1 DESC SEPARATOR '')", "v2v1v0"),
            ("array_sort(array_unique_agg([k, 7]))", "[null,0,1,2,7]"),
            ("bool_or(k > 1)", "1"),
            ("boolor_agg(k > 5)", "0"),
        ] {
            assert_eq!(house.one(&format!("SELECT {sql} FROM {ROWS}")).await, expected, "{sql} at {parallelism}");
        }
        let sql = format!(
            "SELECT group_concat(DISTINCT x ORDER BY -x), array_agg(DISTINCT x ORDER BY -x) FROM {ROWS} WHERE x < 0"
        );
        assert_eq!(house.one(&sql).await, "NULL|NULL");
    }
}

#[tokio::test]
async fn vectors_are_near_or_far() {
    let house = House::new();
    for (sql, expected) in [
        ("cosine_similarity(array<float>[0.1, 0.2, 0.3], [0.1, 0.2, 0.3])", "0.9999999"),
        ("array<int>['1', 2]", "[1,2]"),
        ("array<varchar>[10]", "[\"10\"]"),
        ("cosine_similarity_norm([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])", "0.14000002"),
        ("l2_distance([1, 2], [4, 6])", "25"),
        ("l2_distance([1, 2], NULL)", "NULL"),
        ("coalesce(NULL, 1.5, 'none')", "1.5"),
        ("coalesce(CAST(NULL AS INT), 'none')", "none"),
    ] {
        assert_eq!(house.one(&format!("SELECT {sql}")).await, expected, "{sql}");
    }
    assert!(house.error("SELECT l2_distance([1], [1, 2])").await.to_string().contains("same number of elements"));
}
