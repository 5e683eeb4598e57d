//! ALTER TABLE … COLUMN, as a client sees it, on a compute node that reads and writes for real.

use std::sync::Arc;

use mysql_async::prelude::Queryable;
use tokio_util::sync::DropGuard;

use super::kit::{Client, Kit, quickstart};
use super::node::{start, tables};

/// A table `t (k, d, v, n)` with two rows in p1 and one in p2.
pub(super) async fn filled() -> (Kit, Client, DropGuard, tempfile::TempDir) {
    let (kit, directory) = (Kit::start().await, tempfile::tempdir().unwrap());
    let mut client = kit.client().await;
    tables(&mut client, &directory).await;
    let (status, node) = start(7, 0).await;
    kit.nodes.send_replace(Arc::new(vec![status]));
    client.ok("INSERT INTO t VALUES (1, '2019-01-01', 'a', 1), (2, NULL, NULL, 2), (3, '2020-05-05', 'c', NULL)").await;
    (kit, client, node, directory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_change_over_rows_that_stay() {
    let (_kit, mut client, _node, _directory) = filled().await;
    for sql in [
        "ALTER TABLE t ADD COLUMN at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP AFTER k, ADD COLUMN (f BOOLEAN, g INT DEFAULT \"7\")",
        "ALTER TABLE q.t MODIFY COLUMN g BIGINT DEFAULT \"8\" COMMENT \"many\"",
        "ALTER TABLE t RENAME COLUMN v TO w, RENAME COLUMN k TO id",
        "ALTER TABLE t MODIFY COLUMN n COMMENT 'price'",
    ] {
        client.ok(sql).await;
    }
    client.ok("INSERT INTO t (id, d, w) VALUES (4, '2020-01-01', 'd')").await;
    let rows = client.rows("SELECT id, d, w, n, f, g FROM t ORDER BY id").await;
    let expected = [
        "1|2019-01-01|a|1.00|NULL|7",
        "2|NULL|NULL|2.00|NULL|7",
        "3|2020-05-05|c|NULL|NULL|7",
        "4|2020-01-01|d|NULL|NULL|8",
    ];
    assert_eq!(rows, expected);
    assert_eq!(client.rows("SELECT count(DISTINCT at) FROM t WHERE id < 4").await, ["1"], "fixed when it was added");
    assert_eq!(client.rows("SELECT id FROM t WHERE g = 8 AND w = 'd'").await, ["4"]);
    client.ok("DELETE FROM t WHERE g = 7 AND id = 1").await;
    client.ok("ALTER TABLE t DROP COLUMN w, ADD COLUMN w INT").await;
    assert_eq!(client.rows("SELECT id, w FROM t ORDER BY id").await, ["2|NULL", "3|NULL", "4|NULL"]);
    assert_eq!(client.fails("SELECT v FROM t").await.0, 1064);
    assert_eq!(
        client
            .rows("SELECT COLUMN_NAME FROM information_schema.columns WHERE TABLE_NAME = 't' ORDER BY ORDINAL_POSITION")
            .await,
        ["id", "at", "d", "n", "f", "g", "w"]
    );
    let described = client.rows("DESC t").await;
    assert_eq!(described[5], "g|bigint(20)|YES|false|8|");
    assert!(client.rows("SHOW FULL COLUMNS FROM t LIKE 'g'").await[0].ends_with("|many"));
    let text = client.rows("SHOW CREATE TABLE t").await[0].clone();
    for part in [
        "`id` int(11) NOT NULL",
        "`at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP",
        "`n` decimal(6, 2) NULL COMMENT \"price\"",
        "DUPLICATE KEY(`id`)",
        "HASH(`id`)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_was_planned_before_is_true_after() {
    let (kit, mut client, _node, _directory) = filled().await;
    kit.script.lock().unwrap().keeps_loads_back = true;
    client.ok("INSERT INTO t VALUES (9, '2019-09-09', 'old', 9)").await;
    kit.script.lock().unwrap().keeps_loads_back = false;
    client.ok("ALTER TABLE t DROP COLUMN v, ADD COLUMN v INT DEFAULT \"5\", MODIFY COLUMN n DECIMAL(20, 2)").await;
    // The load becomes true while the DELETE runs, which then begins again.
    client.ok("DELETE FROM t WHERE k = 1").await;
    assert_eq!(client.rows("SELECT k, n, v FROM t ORDER BY k").await, ["2|2.00|5", "3|NULL|5", "9|9.00|5"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_statement_sees_the_columns_of_today() {
    let (kit, mut client, _node, _directory) = filled().await;
    let all = client.0.prep("SELECT * FROM t WHERE k = ?").await.unwrap();
    let gone = client.0.prep("SELECT v FROM t WHERE k = ?").await.unwrap();
    let mut other = kit.client().await;
    other.ok("ALTER TABLE q.t RENAME COLUMN v TO w").await;
    other.ok("ALTER TABLE q.t ADD COLUMN x INT DEFAULT \"6\" AFTER k").await;
    let row: mysql_async::Row = client.0.exec_first(&all, (1,)).await.unwrap().unwrap();
    let names: Vec<_> = row.columns_ref().iter().map(|c| c.name_str().into_owned()).collect();
    assert_eq!(names, ["k", "x", "d", "w", "n"]);
    assert_eq!(row.get::<i32, _>(1), Some(6));
    let error = client.0.exec_first::<mysql_async::Row, _, _>(&gone, (1,)).await.unwrap_err();
    assert!(error.to_string().contains('v'), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_listed_as_jobs_that_are_finished() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    client.ok("CREATE TABLE u (a INT, b INT) DUPLICATE KEY(a)").await;
    for sql in ["ALTER TABLE t ADD COLUMN x INT", "ALTER TABLE u ADD COLUMN x INT", "ALTER TABLE t DROP COLUMN x"] {
        client.ok(sql).await;
    }
    client.ok("ALTER TABLE t RENAME COLUMN v TO w").await;
    let (header, rows) = client.table("SHOW ALTER TABLE COLUMN").await;
    assert!(header.starts_with("JobId|TableName|CreateTime|FinishTime|IndexName|IndexId|OriginIndexId|SchemaVersion"));
    assert_eq!(rows.len(), 3);
    let last = client.rows("SHOW ALTER TABLE COLUMN FROM quickstart WHERE TableName = 't' ORDER BY CreateTime DESC, JobId DESC LIMIT 1").await;
    assert!(last.len() == 1 && last[0].contains("|2:0|-1|FINISHED|"), "{last:?}");
    assert_eq!(client.fails("SHOW ALTER TABLE COLUMN FROM nothing").await.0, 5501);
    assert!(client.rows("SHOW ALTER TABLE OPTIMIZE").await.is_empty());
    let (code, text) = client.fails("CANCEL ALTER TABLE COLUMN FROM t").await;
    assert_eq!((code, text.as_str()), (1064, "Table[t] is not under SCHEMA_CHANGE."));
    assert_eq!(client.fails("CANCEL ALTER TABLE COLUMN FROM nothing").await.0, 5502);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_columns_cannot_become_is_said_in_the_words_of_starrocks() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    for (clause, expected, part) in [
        ("ADD COLUMN v INT", 1064, "Can not add column which already exists in base table: v"),
        ("ADD COLUMN x INT NOT NULL", 1064, "Column 'x' has no default value, NULL is not allowed"),
        ("ADD COLUMN x INT DEFAULT 'y'", 1064, "Invalid default value for 'x'"),
        ("ADD COLUMN x INT FIRST", 1064, "Invalid column order. value should be after key. index[t]"),
        ("ADD COLUMN `x ` INT", 5063, ""),
        ("ADD COLUMN x PERCENTILE", 1064, "not supported yet"),
        ("DROP COLUMN x", 1064, "Column does not exists: x"),
        ("DROP COLUMN d", 1064, "Partition column[d] cannot be dropped. index[t]"),
        ("DROP COLUMN k", 1064, "Distribution column[k] cannot be dropped. index[t]"),
        ("MODIFY COLUMN x INT", 1064, "Column[x] does not exists"),
        ("MODIFY COLUMN v VARCHAR(1)", 1064, "Can not change from wider type to narrower type"),
        ("MODIFY COLUMN v DATETIME", 1064, "Can not change VARCHAR"),
        ("MODIFY COLUMN v INT", 1064, "Can not change default value"),
        ("ADD COLUMN g INT KEY AS k + 1", 1064, "can not be KEY"),
        ("DISTRIBUTED BY HASH(nothing)", 1064, "Distribution column(nothing) doesn't exist"),
        ("PARTITIONS (nothing) DISTRIBUTED BY HASH(k) BUCKETS 3", 5505, "nothing"),
        ("RENAME COLUMN x TO y", 1064, "Unknown column 'x' in 't'"),
        ("RENAME COLUMN v TO K", 1064, "Duplicate column name 'K'"),
        ("RENAME COLUMN v TO ` y`", 5063, ""),
    ] {
        let (code, text) = client.fails(&format!("ALTER TABLE t {clause}")).await;
        assert!(code == expected && text.contains(part), "{clause}: {code} {text}");
    }
    assert_eq!(client.fails("ALTER TABLE nothing ADD COLUMN x INT").await.0, 5502);
    assert_eq!(client.fails("ALTER TABLE information_schema.tables ADD COLUMN x INT").await.0, 1064);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_write_rows_anew_are_shown_and_cancelled() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    client.ok("ALTER TABLE t MODIFY COLUMN v INT DEFAULT '5'").await;
    let (code, text) = client.fails("ALTER TABLE t ADD COLUMN x INT").await;
    assert!(code == 1064 && text.contains("A schema change operation is in progress on the table t"), "{code} {text}");
    let shown = client.rows("SHOW ALTER TABLE COLUMN WHERE TableName = 't' AND State = 'PENDING'").await;
    assert!(shown.len() == 1 && shown[0].contains("|1:0|-1|PENDING|"), "{shown:?}");
    assert!(client.rows("SHOW ALTER TABLE OPTIMIZE").await.is_empty());
    let (code, text) = client.fails("CANCEL ALTER TABLE COLUMN FROM t (1)").await;
    assert_eq!((code, text.as_str()), (1064, "Table[t] is not under SCHEMA_CHANGE."));
    client.ok("CANCEL ALTER TABLE COLUMN FROM t").await;
    let shown = client.rows("SHOW ALTER TABLE COLUMN WHERE State = 'CANCELLED'").await;
    assert!(shown.len() == 1 && shown[0].contains("user cancelled"), "{shown:?}");
    client.ok("ALTER TABLE t DISTRIBUTED BY HASH(k) BUCKETS 3").await;
    let (header, rows) = client.table("SHOW ALTER TABLE OPTIMIZE").await;
    assert!(header.starts_with("JobId|TableName|CreateTime|FinishTime|Operation|TransactionId|State|Msg|Progress"));
    assert!(rows.len() == 1 && rows[0].contains("|ALTER TABLE DISTRIBUTED BY|-1|PENDING|"), "{rows:?}");
    client.ok("CANCEL ALTER TABLE OPTIMIZE FROM t").await;
    client.ok("ALTER TABLE t ADD COLUMN g BIGINT AS k + 1").await;
    client.ok("DROP TABLE t").await;
    kit.told();
    client.ok("CREATE TABLE u (a INT, b INT) DUPLICATE KEY(a)").await;
    client.ok("ALTER TABLE u COMPACT").await;
    client.ok("ALTER TABLE u CUMULATIVE COMPACT (u)").await;
    assert_eq!(client.fails("ALTER TABLE u COMPACT nothing").await.0, 5505);
    assert_eq!(kit.told(), ["CompactNow", "CompactNow"]);
}
