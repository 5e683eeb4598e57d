//! Queries over stored tables: pruning, ranges, labels, names.

use super::house::{House, column, statement, wiki};
use crate::*;
use runtime_sql::Statement;
use storage_model::{DataType, Kind};

async fn explained(house: &House, sql: &str) -> String {
    let Statement::Query(query) = statement(sql) else { panic!("not a query") };
    explain(&house.context(), &query).await.unwrap().join("\n")
}

#[tokio::test]
async fn rows_come_back_with_declared_names() {
    let house = wiki().await;
    let lines = house.ask("SELECT * FROM wiki ORDER BY event_time").await;
    let expected = [
        "Event_Time|user|delta",
        "NULL|nul|NULL",
        "2015-09-10 01:00:00|ann|1",
        "2015-09-11 02:00:00|bob|2",
        "2015-09-11 03:00:00|cid|3",
        "2015-09-12 00:00:00|ann|4",
        "2015-09-12 08:00:00|bob|6",
        "2015-09-12 23:59:59.500000|eve|-5",
    ];
    assert_eq!(lines, expected);
    // NULL is the smallest value.
    let last = house.ask("SELECT EVENT_TIME FROM wiki ORDER BY Event_time DESC").await;
    assert_eq!((last[0].as_str(), last[7].as_str()), ("EVENT_TIME", "NULL"));
}

#[tokio::test]
async fn partitions_and_buckets_are_pruned_and_rows_stay_right() {
    let house = wiki().await;
    for (filter, partitions, tablets, rows) in [
        ("event_time >= '2015-09-12 00:00:00'", "1/3", "4/12", "3"),
        ("event_time = '2015-09-11 02:00:00'", "1/3", "4/12", "1"),
        ("event_time < '2015-09-11' OR event_time > '2015-09-12 12:00:00'", "2/3", "8/12", "2"),
        ("event_time IS NULL", "1/3", "4/12", "1"),
        ("event_time BETWEEN '2015-09-11 00:00:00' AND '2015-09-11 23:59:59'", "1/3", "4/12", "2"),
        ("event_time IN ('2015-09-10 01:00:00', '2015-09-12 00:00:00')", "2/3", "8/12", "2"),
        ("date(event_time) = '2015-09-12'", "3/3", "12/12", "3"),
        ("user = 'ann'", "3/3", "3/12", "2"),
        ("user = 'ann' AND event_time >= '2015-09-12'", "1/3", "1/4", "1"),
        ("delta > 100", "3/3", "12/12", "0"),
        ("event_time >= '2015-09-10' + INTERVAL 2 DAY", "1/3", "4/12", "3"),
    ] {
        let sql = format!("SELECT count(*) FROM wiki WHERE {filter}");
        assert_eq!(house.one(&sql).await, rows, "{filter}");
        let text = explained(&house, &sql).await;
        assert!(text.contains(&format!("partitions={partitions}")), "{filter}\n{text}");
        // The number of tablets is over all partitions.
        let tablets = tablets.replace("1/4", "1/12");
        assert!(text.contains(&format!("tabletRatio={tablets}")), "{filter}\n{text}");
    }
}

#[tokio::test]
async fn casts_of_a_partition_column_prune_nothing_that_matches() {
    let mut house = House::new();
    house.create("d", vec![column("day", DataType::Date, true, None)], Some((0, &[16_689, 16_690, 16_700])), 0, 1);
    house.create("n", vec![column("k", DataType::SmallInt, true, None)], Some((0, &[10, 20, 30])), 0, 1);
    house.insert("INSERT INTO d VALUES ('2015-09-10'), ('2015-09-11'), ('2015-09-12'), (NULL)").await.unwrap();
    house.insert("INSERT INTO n VALUES (1), (9), (10), (25), (NULL)").await.unwrap();
    for (sql, rows, partitions) in [
        ("SELECT count(*) FROM d WHERE day > '2015-09-11'", "1", "1/3"),
        ("SELECT count(*) FROM d WHERE day >= CAST('2015-09-11 00:00:00' AS DATETIME)", "2", "2/3"),
        ("SELECT count(*) FROM d WHERE CAST(day AS DATETIME) < '2015-09-11 12:00:00'", "2", "2/3"),
        ("SELECT count(*) FROM d WHERE day <> '2015-09-11'", "2", "3/3"),
        ("SELECT count(*) FROM d WHERE NOT day > '2015-09-10'", "1", "1/3"),
        ("SELECT count(*) FROM d WHERE year(day) = 2015", "3", "3/3"),
        ("SELECT count(*) FROM n WHERE k > 9", "2", "2/3"),
        ("SELECT count(*) FROM n WHERE CAST(k AS BIGINT) + 0 <= 9", "2", "3/3"),
        ("SELECT count(*) FROM n WHERE CAST(k AS BIGINT) <= 9", "2", "1/3"),
        ("SELECT count(*) FROM n WHERE k < 9.5", "2", "1/3"),
        ("SELECT count(*) FROM n WHERE k = '25'", "1", "1/3"),
        ("SELECT count(*) FROM n WHERE k <=> NULL", "1", "1/3"),
        ("SELECT count(*) FROM n WHERE k IN (1, 25, NULL)", "2", "2/3"),
    ] {
        assert_eq!(house.one(sql).await, rows, "{sql}");
        let text = explained(&house, sql).await;
        let (left, all) = partitions.split_once('/').unwrap();
        let found = text.lines().find_map(|l| l.trim().strip_prefix("partitions=")).unwrap();
        let kept: usize = found.split_once('/').unwrap().0.parse().unwrap();
        // Fewer than all where it is understood; never fewer than what holds the rows.
        assert!(found.ends_with(&format!("/{all}")) && kept >= left.parse().unwrap(), "{sql}\n{text}");
    }
}

#[tokio::test]
async fn one_bucket_of_a_shared_file_is_read_alone() {
    let mut house = House::new();
    house.create(
        "t",
        vec![column("k", DataType::Int, false, None), column("v", DataType::Varchar(9), true, None)],
        None,
        0,
        8,
    );
    house.parallelism = 3;
    let values: Vec<String> = (0..500).map(|n| format!("({n}, 'v{n}')")).collect();
    house.insert(&format!("INSERT INTO t VALUES {}", values.join(", "))).await.unwrap();
    let table = house.table("t");
    let context = house.context();
    let partition = context.catalog.partitions_of(&table).next().unwrap().clone();
    let files: std::collections::BTreeSet<_> = partition.rowsets.iter().map(|r| r.file).collect();
    assert!(files.len() < partition.rowsets.len(), "the buckets do not share a file");
    for n in [0, 7, 123, 499] {
        assert_eq!(house.one(&format!("SELECT v FROM t WHERE k = {n}")).await, format!("v{n}"));
    }
    assert_eq!(house.one("SELECT count(*), sum(k), count(DISTINCT v) FROM t").await, "500|124750|500");
    assert_eq!(house.one("SELECT count(*) FROM t WHERE k IN (3, 400, 400, 9999)").await, "2");
    assert_eq!(house.one("SELECT count(*) FROM t WHERE k = 1 OR k = 2 OR k = 3 OR k = 4").await, "4");
    assert_eq!(house.one("SELECT count(*) FROM t WHERE k = NULL").await, "0");
    // What the catalog counts needs no file.
    let planned = house.plan("SELECT count(*) FROM t").await.unwrap();
    assert!(!explain_planned(&planned).join("\n").contains("DataSourceExec"), "{:?}", explain_planned(&planned));
}

#[tokio::test]
async fn plans_travel() {
    let house = wiki().await;
    let checks = [
        (
            "SELECT a.user, b.delta FROM wiki a JOIN wiki b ON a.user = b.user AND a.delta < b.delta ORDER BY 1 LIMIT 1",
            "ann|4",
        ),
        ("SELECT user, sum(delta) s FROM wiki GROUP BY user HAVING s > 5 ORDER BY s DESC LIMIT 1", "bob|8"),
        (
            "SELECT user, row_number() OVER (PARTITION BY user ORDER BY delta DESC) r FROM wiki WHERE user = 'ann' ORDER BY r LIMIT 1",
            "ann|1",
        ),
        ("SELECT max(delta) FROM wiki WHERE delta < (SELECT max(delta) FROM wiki)", "4"),
        ("SELECT count(*) FROM wiki WHERE user IN (SELECT user FROM wiki WHERE delta > 2)", "5"),
        ("WITH x AS (SELECT user u FROM wiki) SELECT count(DISTINCT U) FROM x", "5"),
        ("SELECT count(*) FROM (SELECT user FROM wiki UNION SELECT 'zoe') t", "6"),
        ("SELECT group_concat(user ORDER BY user SEPARATOR ';') FROM wiki WHERE delta > 2", "ann;bob;cid"),
        ("SELECT if(delta > 5, concat(user, delta), NULL) FROM wiki WHERE delta = 6", "bob6"),
        ("SELECT sum(generate_series) FROM TABLE(generate_series(1, 1000))", "500500"),
        (
            "SELECT count(*) FROM wiki t, information_schema.tables s WHERE s.table_name = 'wiki' AND s.TABLE_ROWS = 7",
            "7",
        ),
        ("SELECT t.user FROM default_catalog.db.wiki AS t ORDER BY t.delta DESC LIMIT 1", "bob"),
        ("SELECT user FROM wiki ORDER BY delta DESC LIMIT 1, 1", "ann"),
        ("SELECT delta % 2 FROM wiki GROUP BY delta % 2 ORDER BY delta % 2 DESC LIMIT 1", "1"),
        ("SELECT DISTINCT upper(user) FROM wiki WHERE delta > 3 ORDER BY upper(user) LIMIT 1", "ANN"),
        ("SELECT user AS U, count(*) AS c FROM wiki GROUP BY u HAVING c > 1 ORDER BY c DESC, U LIMIT 1", "ann|2"),
        ("SELECT count(*) FROM wiki a LEFT JOIN wiki b ON a.delta = b.delta + 100 WHERE b.user IS NULL", "7"),
        ("SELECT count(*) FROM wiki JOIN wiki b USING (User)", "11"),
        (
            "SELECT count(*) FROM wiki a WHERE EXISTS (SELECT 1 FROM wiki b WHERE b.user = a.user AND b.delta > a.delta)",
            "2",
        ),
        (
            "SELECT sum(delta) OVER (ORDER BY delta ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) s FROM wiki ORDER BY s DESC LIMIT 1",
            "10",
        ),
        ("SELECT sum(murmur_hash3_32(user, delta)) <> 0 FROM wiki", "1"),
        ("SELECT count(*) > count(user) FROM (SELECT user, count(*) FROM wiki GROUP BY user WITH ROLLUP) r", "1"),
    ];
    for (sql, expected) in checks {
        let planned = house.plan(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(planned.placement, Placement::Compute, "{sql}");
        assert_eq!(house.ask(sql).await[1..], [expected], "{sql}");
    }
}

#[tokio::test]
async fn labels_are_what_users_wrote() {
    let house = wiki().await;
    for (sql, labels) in [
        ("SELECT COUNT(*) FROM wiki", "count(*)"),
        ("SELECT 1 + 1", "1 + 1"),
        ("SELECT 1, 1, 'x' AS `My Col`", "1|1|My Col"),
        ("SELECT user, User, delta AS Delta2 FROM wiki LIMIT 0", "user|User|Delta2"),
        ("SELECT *, delta FROM wiki LIMIT 0", "Event_Time|user|delta|delta"),
        ("SELECT w.*, v.Event_Time FROM wiki w, wiki v LIMIT 0", "Event_Time|user|delta|Event_Time"),
        ("SELECT * FROM (SELECT count(*), delta + 1 AS Foo FROM wiki GROUP BY delta) t LIMIT 0", "count(*)|Foo"),
        ("SELECT @@version_comment, @@global.time_zone", "@@version_comment|@@global.time_zone"),
        ("SELECT delta FROM wiki UNION ALL SELECT 1 LIMIT 0", "delta"),
        ("SELECT SCHEMA_NAME FROM information_schema.schemata LIMIT 0", "SCHEMA_NAME"),
    ] {
        assert_eq!(house.ask(sql).await[0], labels, "{sql}");
    }
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let mut house = wiki().await;
    for (sql, code, part) in [
        ("SELECT nope FROM wiki", 1064, "Getting analyzing error. Detail message: Column 'nope' cannot be resolved."),
        ("SELECT w.nope FROM wiki w", 1064, "Column 'w.nope' cannot be resolved"),
        ("SELECT * FROM nope", 5502, "Unknown table 'db.nope'"),
        ("SELECT * FROM Wiki", 5502, "Unknown table 'db.Wiki'"),
        ("SELECT * FROM x.y", 5501, "Unknown database 'x'"),
        ("SELECT * FROM c.x.y", 5078, "Unknown catalog 'c'"),
        ("SELECT nope(1)", 1064, "No matching function with signature: nope"),
        ("SELECT @@nope", 1193, "Unknown system variable 'nope'"),
        ("SELECT user, count(*) FROM wiki", 1064, "user"),
    ] {
        let error = house.error(sql).await;
        assert_eq!(error.code, code, "{sql}: {error}");
        assert!(error.message.contains(part), "{sql}: {error}");
        for noise in ["DataFusion", "This feature", "backtrace", "Error during planning", "SchemaError", "bug report"] {
            assert!(!error.message.contains(noise), "{sql}: {error}");
        }
    }
    house.database = None;
    assert_eq!(house.error("SELECT * FROM wiki").await.code, 1046);
    assert_eq!(house.one("SELECT count(*) FROM db.wiki").await, "7");
}

#[tokio::test]
async fn a_missing_file_is_corruption_and_not_an_empty_result() {
    let house = wiki().await;
    let planned = house.plan("SELECT sum(delta) FROM wiki").await.unwrap();
    let volumes: Vec<_> = house.context().catalog.volumes().map(|v| v.as_ref().clone()).collect();
    let data = volumes[0].location.strip_prefix("file://").unwrap().to_owned();
    std::fs::remove_dir_all(format!("{data}/service")).unwrap();
    let error = house.run(&planned).await.unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt, "{error}");
}

/// What a hostile or a machine-made text can make of a plan: it runs or fails with words, it never takes the process.
#[tokio::test]
async fn deep_queries_run_or_are_refused() {
    let house = wiki().await;
    let or: Vec<String> = (0..150).map(|n| format!("(delta = {n} AND user <> 'u{n}')")).collect();
    let and: Vec<String> = (0..150).map(|n| format!("delta <> {}", n + 100)).collect();
    let joins: Vec<String> = (1..14).map(|n| format!("JOIN wiki t{n} ON t{n}.delta = t0.delta")).collect();
    let nested = (0..30).fold("delta".to_owned(), |inner, _| format!("abs({inner})"));
    let subqueries = (0..20)
        .fold("wiki".to_owned(), |inner, n| format!("(SELECT user, delta + {n} AS delta FROM {inner} LIMIT 9) t{n}"));
    let unions = vec!["SELECT delta FROM wiki WHERE delta = 1"; 60].join(" UNION ALL ");
    for (sql, expected) in [
        (format!("SELECT count(*) FROM wiki WHERE {}", or.join(" OR ")), "5"),
        (format!("SELECT count(*) FROM wiki WHERE {}", and.join(" AND ")), "6"),
        (format!("SELECT count(*) FROM wiki t0 {}", joins.join(" ")), "6"),
        (format!("SELECT sum({nested}) FROM wiki"), "21"),
        (format!("SELECT count(*), sum(delta) FROM {subqueries}"), "7|1151"),
        (format!("SELECT count(*) FROM ({unions}) t"), "60"),
        (format!("SELECT sum(delta{}) FROM wiki WHERE delta = 1", " + delta".repeat(120)), "121"),
    ] {
        let lines = house.try_ask(&sql).await.unwrap_or_else(|e| panic!("{}: {e}", &sql[..100]));
        assert_eq!(lines[1], expected, "{}", &sql[..100]);
    }
    for sql in [
        format!("SELECT sum(delta{}) FROM wiki", " + delta".repeat(240)),
        format!("SELECT 1{}", " + 1".repeat(240)),
        format!("SELECT * FROM wiki WHERE {}", vec!["user LIKE 'a%'"; 200].join(" AND ")),
    ] {
        // The parser has limits of its own, lower than ours for some of these.
        if runtime_sql::parse(&sql).is_ok()
            && let Err(error) = house.try_ask(&sql).await
        {
            assert!(error.message.contains("too deep"), "{error}");
        }
    }
}

#[tokio::test]
async fn what_would_be_passed_over_is_refused() {
    let house = wiki().await;
    let error = house.error("SELECT * FROM wiki TABLESAMPLE (1 PERCENT)").await;
    assert!(error.message.contains("is not supported yet"), "{}", error.message);
    let error = house.error("SELECT * FROM wiki PARTITION (p1)").await;
    assert_eq!((error.code, error.message.as_str()), (1735, "Unknown partition 'p1' in table 'wiki'"));
}
