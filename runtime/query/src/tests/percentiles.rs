//! PERCENTILE and other questions about how values are spread, by StarRocks' documents, in parts and in windows.

use storage_model::{Column, DataType, KeyModel};

use super::house::{House, column};

#[tokio::test]
async fn values_are_kept_as_percentiles() {
    let mut house = House::new();
    let of = "percentile_approx_raw";
    for (sql, expected) in [
        (format!("{of}(percentile_hash(234.234), 0.99)"), "234.234"),
        (format!("{of}(percentile_empty(), 0.5)"), "NULL"),
        (format!("{of}(percentile_hash(NULL), 0.5)"), "NULL"),
        (format!("{of}(NULL, 0.5)"), "NULL"),
        (format!("{of}(percentile_hash(1), NULL)"), "NULL"),
        (format!("{of}(percentile_hash('7.5'), 1)"), "7.5"),
    ] {
        assert_eq!(house.one(&format!("SELECT {sql}")).await, expected, "{sql}");
    }
    for (sql, expected) in [
        (format!("{of}(percentile_hash(1), 1.5)"), "must be between 0 and 1"),
        (format!("{of}(x'00', 0.5)"), "bytes that are no PERCENTILE"),
        (format!("{of}(1, 0.5)"), "No matching function with signature: percentile_approx_raw"),
        ("percentile_union(1)".to_owned(), "No matching function with signature: percentile_union"),
    ] {
        let error = house.error(&format!("SELECT {sql}")).await.to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
    for parallelism in [1, 4] {
        house.parallelism = parallelism;
        let four = "(SELECT x, percentile_hash(x) p FROM TABLE(generate_series(1, 4)) g(x)) t";
        assert_eq!(house.one(&format!("SELECT {of}(percentile_union(p), 0.5) FROM {four}")).await, "2.5");
        assert_eq!(house.one(&format!("SELECT percentile_union(p) IS NULL FROM {four} WHERE p IS NULL")).await, "1");
        let sql = format!("SELECT {of}(percentile_union(p) OVER (ORDER BY x), 1) FROM {four} ORDER BY 1");
        assert_eq!(house.ask(&sql).await[1..], ["1", "2", "3", "4"]);
    }
}

#[tokio::test]
async fn they_are_kept_in_tables_and_united_wherever_they_are() {
    let mut house = House::new();
    let key = Column { key: true, ..column("k", DataType::Int, false, None) };
    let columns = vec![key, column("p", DataType::Varbinary(1 << 20), true, None)];
    house.create_of("t", KeyModel::Duplicate, columns, None, 0, 4);
    for from in [1, 2, 3] {
        let numbers = format!("TABLE(generate_series({from}, 30000, 3)) g(x)");
        let sql =
            format!("INSERT INTO t SELECT x % 40, percentile_union(percentile_hash(x)) FROM {numbers} GROUP BY x % 40");
        house.insert(&sql).await.unwrap();
    }
    for parallelism in [1, 4] {
        house.parallelism = parallelism;
        for (share, expected) in [(0.0, 1.0), (0.25, 7_500.0), (0.5, 15_000.0), (0.99, 29_700.0), (1.0, 30_000.0)] {
            let sql = format!("SELECT percentile_approx_raw(percentile_union(p), {share}) FROM t");
            let found: f64 = house.one(&sql).await.parse().unwrap();
            assert!((found - expected).abs() < 60.0, "{share} at {parallelism}: {found}");
        }
        let groups = "SELECT k, percentile_approx_raw(percentile_union(p), 0.5) BETWEEN 14000 AND 16000 FROM t GROUP BY k ORDER BY k";
        assert_eq!(house.ask(groups).await[1..], (0..40).map(|k| format!("{k}|1")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn weights_ranks_and_sketches() {
    let mut house = House::new();
    let samples = "(SELECT 80 s, false t UNION ALL SELECT 100, false UNION ALL SELECT NULL, false UNION ALL SELECT 60, true \
                   UNION ALL SELECT 70, true UNION ALL SELECT 85, true) x";
    for parallelism in [1, 4] {
        house.parallelism = parallelism;
        for (args, expected) in [
            ("s, t", "[5,0.38647623077123"),
            ("s, t, 'less'", "[5,0.92554266341061"),
            ("s, t, 'two-sided', 0", "[5,0.24821307898992"),
            ("s, true", "null"),
        ] {
            let found = house.one(&format!("SELECT mann_whitney_u_test({args}) FROM {samples}")).await;
            assert!(found.replace(' ', "").starts_with(expected), "{args}: {found}");
        }
        for (args, expected) in [("x, 1, 0.9", 45_000.0), ("x, x, 0.5", 35_355.0), ("x, x, 0.5, 10000", 35_355.0)] {
            let sql =
                format!("SELECT percentile_approx_weighted({args}) FROM TABLE(generate_series(1, 50000, 3)) g(x)");
            let found: f64 = house.one(&sql).await.parse().unwrap();
            assert!((found / expected - 1.0).abs() < 0.01, "{args}: {found}");
        }
        let sql = "SELECT ds_hll_count_distinct(x), ds_hll_count_distinct(x % 7, 21, 'HLL_8'), approx_count_distinct_hll_sketch(x) \
                   FROM TABLE(generate_series(1, 100)) g(x)";
        assert_eq!(house.one(sql).await, "100|7|100");
    }
    for (sql, expected) in [
        ("ds_hll_count_distinct(1, 3)", "should be between 4 and 21"),
        ("ds_hll_count_distinct(1, 4, 'x')", "should be in HLL_4/HLL_6/HLL_8"),
        ("mann_whitney_u_test(1, true, 'x')", "none of two-sided, less, greater"),
        ("mann_whitney_u_test('a', true)", "No matching function with signature: mann_whitney"),
    ] {
        let error = house.error(&format!("SELECT {sql}")).await.to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}
