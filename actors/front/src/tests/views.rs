//! Views, and tables that are made from others, as a client sees them.

use super::columns::filled;
use super::kit::Client;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_is_read_like_a_table() {
    let (_kit, mut client, _node, _directory) = filled().await;
    client
        .ok("CREATE VIEW v (Id, Many COMMENT 'of them') COMMENT 'what is there' AS SELECT k, n * 2 FROM t WHERE n > 0")
        .await;
    assert_eq!(client.rows("SELECT * FROM v ORDER BY 1").await, ["1|2.00", "2|4.00"]);
    assert_eq!(client.rows("SELECT a.id, b.many FROM v a JOIN q.v b ON a.id = b.id WHERE a.ID > 1").await, ["2|4.00"]);
    assert_eq!(client.rows("SHOW FULL TABLES").await, ["t|BASE TABLE", "v|VIEW"]);
    assert_eq!(client.rows("DESC v").await, ["Id|int(11)|NO|false|NULL|", "Many|decimal(27, 2)|YES|false|NULL|"]);
    let shown = client.rows("SHOW CREATE VIEW v").await.remove(0);
    assert_eq!(
        shown,
        "v|CREATE VIEW `v` (`Id`, `Many` COMMENT \"of them\")\nCOMMENT \"what is there\"\nSECURITY NONE\n\
         AS SELECT k, n * 2 FROM t WHERE n > 0;|utf8|utf8_general_ci"
    );
    let columns = "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.columns WHERE TABLE_NAME = 'v' ORDER BY 1";
    assert_eq!(client.rows(columns).await, ["Id|int", "Many|decimal"]);
    let defined = "SELECT VIEW_DEFINITION FROM information_schema.views WHERE TABLE_NAME = 'v'";
    assert_eq!(client.rows(defined).await, ["SELECT k, n * 2 FROM t WHERE n > 0"]);
    // What it shows is what its query finds now, by the names that the query had.
    client.ok("ALTER TABLE t ADD COLUMN first INT DEFAULT '9' AFTER k").await;
    client.ok("CREATE VIEW every AS SELECT * FROM t").await;
    client.ok("ALTER TABLE t ADD COLUMN later INT").await;
    assert_eq!(client.rows("SELECT * FROM every WHERE k = 1").await, ["1|9|2019-01-01|a|1.00"]);
    client.ok("INSERT INTO t (k, d, n) VALUES (7, '2019-01-01', 7)").await;
    assert_eq!(client.rows("SELECT count(*), sum(many) FROM v").await, ["3|20.00"]);
    // Never another column that came to have the name.
    client.ok("CREATE TABLE prices (k INT, price INT)").await;
    client.ok("INSERT INTO prices VALUES (1, 100)").await;
    client.ok("CREATE VIEW joined AS SELECT a.*, b.price FROM t a JOIN prices b ON a.k = b.k").await;
    assert_eq!(client.rows("SELECT price FROM joined").await, ["100"]);
    client.ok("ALTER TABLE t ADD COLUMN price INT DEFAULT '-1'").await;
    let (_, message) = client.fails("SELECT price FROM joined").await;
    assert!(message.contains("several columns 'price'"), "{message}");
    // Into a table and back.
    client.ok("INSERT INTO t (k, n) SELECT id + 100, many FROM v").await;
    assert_eq!(client.rows("SELECT count(*) FROM t WHERE k > 100").await, ["3"]);
    client.ok("DELETE FROM t WHERE k IN (SELECT id FROM v WHERE id > 100)").await;
    assert_eq!(client.rows("SELECT count(*) FROM v").await, ["3"]);
    assert!(client.rows("EXPLAIN SELECT * FROM v").await.iter().any(|line| line.contains("TABLE: t")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_in_a_view_are_those_of_where_it_was_made() {
    let (_kit, mut client, _node, _directory) = filled().await;
    client.ok("CREATE DATABASE other").await;
    client.ok("CREATE VIEW other.v AS SELECT k FROM t").await;
    client.ok("USE other").await;
    assert_eq!(client.rows("SELECT count(*) FROM v").await, ["3"]);
    client.ok("ALTER DATABASE q RENAME quick").await;
    assert_eq!(client.rows("SELECT count(*) FROM v").await, ["3"]);
    client.ok("CREATE TABLE t (k INT)").await;
    assert_eq!(client.rows("SELECT count(*) FROM v").await, ["3"], "not of the table that is called so here");
    client.ok("ALTER VIEW v AS SELECT k AS n FROM t").await;
    assert_eq!(client.rows("SELECT count(n) FROM v").await, ["0"]);
    client.ok("CREATE OR REPLACE VIEW v AS SELECT 'it''s \\\\ \"so\"' AS said").await;
    assert_eq!(client.rows("SELECT said FROM v").await, ["it's \\ \"so\""]);
    client.ok("DROP VIEW v").await;
    assert_eq!(client.fails("SELECT * FROM v").await.0, 5502);
    client.ok("DROP VIEW IF EXISTS v").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_that_cannot_be() {
    let (_kit, mut client, _node, _directory) = filled().await;
    client.ok("CREATE VIEW v AS SELECT k FROM t").await;
    for (sql, code, text) in [
        ("CREATE VIEW v AS SELECT 1", 1050, "Table 'v' already exists"),
        ("CREATE VIEW t AS SELECT 1", 1050, "Table 't' already exists"),
        ("CREATE TABLE v (a INT)", 1050, "Table 'v' already exists"),
        ("CREATE VIEW w AS SELECT k FROM nothing", 5502, "nothing"),
        ("CREATE VIEW w AS SELECT nothing FROM t", 1064, "nothing"),
        ("CREATE VIEW w (a, b) AS SELECT k FROM t", 1064, "(2) is not that of its query (1)"),
        ("CREATE VIEW w AS SELECT k, k FROM t", 1060, "k"),
        ("CREATE VIEW w (a, A) AS SELECT k, n FROM t", 1060, "A"),
        ("ALTER VIEW w AS SELECT 1", 5502, "w"),
        ("ALTER VIEW t AS SELECT 1", 1347, "'q.t' is not VIEW"),
        ("DROP VIEW t", 1347, "'q.t' is not VIEW"),
        ("DROP TABLE v", 1347, "'q.v' is not BASE TABLE"),
        ("TRUNCATE TABLE v", 1347, "'q.v' is not BASE TABLE"),
        ("ALTER TABLE v ADD COLUMN x INT", 1347, "'q.v' is not BASE TABLE"),
        ("INSERT INTO v VALUES (1)", 1347, "'q.v' is not BASE TABLE"),
        ("DELETE FROM v WHERE k = 1", 1347, "'q.v' is not BASE TABLE"),
        ("SHOW CREATE VIEW t", 1064, "is not VIEW"),
        ("CREATE OR REPLACE VIEW v AS SELECT k FROM v", 1064, "would read itself"),
        ("CREATE VIEW w AS SELECT k FROM t WHERE k = ?", 1064, ""),
        ("CREATE VIEW information_schema.w AS SELECT 1", 1064, "can not be changed"),
    ] {
        let (found, message) = client.fails(sql).await;
        assert!(found == code && message.contains(text), "{sql}: {found} {message}");
    }
    client.ok("CREATE VIEW w AS SELECT k FROM v").await;
    let (_, message) = client.fails("ALTER VIEW v AS SELECT k FROM w").await;
    assert!(message.contains("would read itself"), "{message}");
    // Each reads the one before: as deep as it goes, and no deeper.
    client.ok("CREATE VIEW w0 AS SELECT k FROM t").await;
    for n in 1..32 {
        client.ok(&format!("CREATE VIEW w{n} AS SELECT k FROM w{}", n - 1)).await;
    }
    let (_, message) = client.fails("CREATE VIEW w32 AS SELECT k FROM w31").await;
    assert!(message.contains("in a circle or too deep"), "{message}");
    assert_eq!(client.rows("SELECT count(*) FROM w31").await, ["3"]);
    // Not deep, but wide.
    client.ok("CREATE VIEW x0 AS SELECT a.k FROM v a JOIN v b ON a.k = b.k").await;
    for n in 1..5 {
        client.ok(&format!("CREATE VIEW x{n} AS SELECT a.k FROM x{} a JOIN x{} b ON a.k = b.k", n - 1, n - 1)).await;
    }
    let (_, message) = client.fails("SELECT count(*) FROM x4 a JOIN x4 b ON a.k = b.k JOIN x4 c ON a.k = c.k").await;
    assert!(message.contains("reads views more than 128 times"), "{message}");
    client.ok("ALTER TABLE t RENAME COLUMN k TO key_of_it").await;
    let (_, message) = client.fails("SELECT * FROM w31").await;
    assert!(message.contains("'k'"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_made_of_a_query() {
    let (_kit, mut client, _node, _directory) = filled().await;
    client.ok("CREATE TABLE a AS SELECT k, n, upper(v) AS big, d FROM t WHERE k < 3").await;
    assert_eq!(client.rows("SELECT * FROM a ORDER BY k").await, ["1|1.00|A|2019-01-01", "2|2.00|NULL|NULL"]);
    let types = client.rows("DESC a").await;
    assert_eq!(types[1], "n|decimal(6, 2)|YES|true|NULL|", "{types:?}");
    client
        .ok("CREATE TABLE b (x, y) PRIMARY KEY(x) COMMENT 'from t' DISTRIBUTED BY HASH(x) BUCKETS 2 ORDER BY (y) \
             PROPERTIES ('replication_num' = '1') AS SELECT k, v FROM t")
        .await;
    client.ok("INSERT INTO b VALUES (1, 'new')").await;
    assert_eq!(client.rows("SELECT x, y FROM b ORDER BY x").await, ["1|new", "2|NULL", "3|c"]);
    let shown = client.rows("SHOW CREATE TABLE b").await.remove(0);
    assert!(shown.contains("PRIMARY KEY(`x`)") && shown.contains("BUCKETS 2 \nORDER BY(`y`)"), "{shown}");
    client.ok("CREATE TABLE IF NOT EXISTS a AS SELECT 1").await;
    assert_eq!(client.rows("SELECT count(*) FROM a").await, ["2"]);
    for (sql, code, text) in [
        ("CREATE TABLE a AS SELECT 1 AS x", 1050, "already exists"),
        ("CREATE TABLE c AS SELECT k FROM nothing", 5502, "nothing"),
        ("CREATE TABLE c (x, y) AS SELECT k FROM t", 1064, "Number of columns mismatch"),
        ("CREATE TABLE c PRIMARY KEY(v) DISTRIBUTED BY HASH(v) AS SELECT v FROM t", 1064, "NULL"),
    ] {
        let (found, message) = client.fails(sql).await;
        assert!(found == code && message.contains(text), "{sql}: {found} {message}");
    }
    assert_eq!(client.rows("SHOW TABLES").await, ["a", "b", "t"], "what could not be filled is not there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_made_like_another() {
    let (_kit, mut client, _node, _directory) = filled().await;
    client.ok("ALTER TABLE t ADD COLUMN later INT DEFAULT '5' AFTER k, ORDER BY (later)").await;
    client.ok("CREATE TABLE u LIKE t").await;
    let definition = |rows: Vec<String>| rows[0].split_once(" (").unwrap().1.to_owned();
    let (like, from) = (client.rows("SHOW CREATE TABLE u").await, client.rows("SHOW CREATE TABLE t").await);
    assert_eq!(definition(like), definition(from));
    assert_eq!(client.rows("SELECT count(*) FROM u").await, ["0"]);
    client.ok("INSERT INTO u SELECT * FROM t").await;
    assert_eq!(client.rows("SELECT k, later FROM u ORDER BY k").await, ["1|5", "2|5", "3|5"]);
    client.ok("CREATE TABLE IF NOT EXISTS u LIKE t").await;
    client.ok("CREATE TABLE w DISTRIBUTED BY HASH(d) BUCKETS 7 PROPERTIES ('compression' = 'ZSTD') LIKE t").await;
    let shown = client.rows("SHOW CREATE TABLE w").await.remove(0);
    assert!(shown.contains("HASH(`d`) BUCKETS 7") && shown.contains("\"compression\" = \"ZSTD\""), "{shown}");
    client.ok("CREATE VIEW v AS SELECT 1").await;
    assert_eq!(client.fails("CREATE TABLE x LIKE v").await.0, 1347);
    assert_eq!(client.fails("CREATE TABLE x LIKE nothing").await.0, 5502);
    assert_eq!(client.fails("CREATE TABLE u LIKE t").await.0, 1050);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_whose_rows_nobody_waits_for_is_not_there() {
    let (kit, mut client, _node, _directory) = filled().await;
    let tables = "SELECT TABLE_NAME FROM information_schema.tables WHERE TABLE_SCHEMA = 'q' AND TABLE_NAME LIKE 'as%'";
    let mut lost = kit.client().await;
    lost.ok("USE q").await;
    let number = lost.rows("SELECT CONNECTION_ID()").await.remove(0);
    for end in ["KILL QUERY", "KILL"] {
        let table = format!("as_{}", end.len());
        let create = format!("CREATE TABLE {table} AS SELECT k, sleep(1000) AS w FROM t");
        let waiting = tokio::spawn(async move {
            let answer = lost.tries(&create).await;
            (lost, answer)
        });
        wait_until(&mut client, tables, &[&table]).await;
        client.ok(&format!("{end} {number}")).await;
        wait_until(&mut client, tables, &[]).await;
        let (back, answer) = waiting.await.unwrap();
        assert_eq!(answer.unwrap_err().0, 1317);
        lost = back;
    }
    assert!(kit.catalog.lock().unwrap().trash().next().is_none());
    client.ok("CREATE TABLE as_empty AS SELECT k FROM t WHERE k > 1000").await;
    assert_eq!(client.rows("SELECT count(*) FROM as_empty").await, ["0"]);
    let catalog = kit.catalog.lock().unwrap().clone();
    assert!(catalog.tables().all(|table| !catalog.is_unfilled(table.id)));
}

async fn wait_until(client: &mut Client, sql: &str, rows: &[&str]) {
    while client.rows(sql).await != rows {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
