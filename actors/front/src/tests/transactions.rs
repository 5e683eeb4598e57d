//! BEGIN … COMMIT, as clients see it.

use super::columns::filled;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_transaction_is_true_at_once_or_nothing_is() {
    let (kit, mut client, _node, _directory) = filled().await;
    let mut other = kit.client().await;
    client.ok("CREATE TABLE u (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2").await;
    client.ok("BEGIN WITH LABEL both").await;
    client.ok("INSERT INTO t VALUES (10, '2019-01-01', 'x', 1), (11, '2020-01-01', 'y', 1)").await;
    client.ok("INSERT INTO u VALUES (1), (2)").await;
    client.ok("INSERT INTO u VALUES (3)").await;
    other.ok("USE q").await;
    assert_eq!(other.rows("SELECT count(*) FROM t").await, ["3"], "nobody sees it yet");
    for sql in ["SELECT * FROM u", "INSERT INTO u SELECT k FROM t", "SELECT (SELECT count(*) FROM t)"] {
        assert_eq!(client.fails(sql).await.0, 5303, "{sql}");
    }
    client.ok("COMMIT").await;
    assert_eq!(other.rows("SELECT (SELECT count(*) FROM t), (SELECT sum(k) FROM u)").await, ["5|6"]);
    // A label is used once.
    client.ok("BEGIN WITH LABEL both").await;
    client.ok("INSERT INTO u VALUES (4)").await;
    let (code, text) = client.fails("COMMIT").await;
    assert!(code == 1064 && text.contains("Label [both] has already been used"), "{code} {text}");
    client.ok("COMMIT").await;
    assert_eq!(client.rows("SELECT count(*) FROM u").await, ["3"]);
    // What is taken back has never been.
    client.ok("START TRANSACTION").await;
    client.ok("INSERT INTO u SELECT k FROM t").await;
    client.ok("ROLLBACK").await;
    assert_eq!(client.rows("SELECT count(*) FROM u").await, ["3"]);
    client.ok("BEGIN").await;
    client.ok("COMMIT").await;
    client.ok("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_table_that_is_gone_undoes_all() {
    let (kit, mut client, _node, _directory) = filled().await;
    let mut other = kit.client().await;
    client.ok("CREATE TABLE u (k INT)").await;
    client.ok("BEGIN").await;
    client.ok("INSERT INTO t (k, d) VALUES (10, '2019-01-01')").await;
    client.ok("INSERT INTO u VALUES (1)").await;
    other.ok("DROP TABLE q.u FORCE").await;
    let (_, text) = client.fails("COMMIT").await;
    assert!(text.contains("the table was dropped while the load ran"), "{text}");
    assert_eq!(client.rows("SELECT count(*) FROM t").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_does_not_take() {
    let (_kit, mut client, _node, _directory) = filled().await;
    client.ok("CREATE DATABASE other").await;
    client.ok("CREATE TABLE other.u (k INT)").await;
    assert_eq!(client.fails("BEGIN WITH LABEL 'a b'").await.0, 5082);
    client.ok("BEGIN").await;
    client.ok("INSERT INTO t (k, d) VALUES (10, '2019-01-01')").await;
    for (sql, code) in [
        ("BEGIN", 5301),
        ("INSERT INTO other.u VALUES (1)", 5304),
        ("INSERT INTO t WITH LABEL l (k, d) VALUES (10, '2019-01-01')", 1064),
        ("INSERT OVERWRITE t SELECT * FROM t", 1064),
        ("DELETE FROM t WHERE k = 1", 1064),
        ("CREATE TABLE v (k INT)", 1064),
        ("DROP TABLE t", 1064),
        ("INSERT INTO t (k, d) VALUES (1, 'no date')", 1064),
    ] {
        assert_eq!(client.fails(sql).await.0, code, "{sql}");
    }
    client.ok("SHOW TABLES").await;
    // What failed has taken nothing with it.
    client.ok("COMMIT").await;
    assert_eq!(client.rows("SELECT count(*) FROM t").await, ["4"]);
}
