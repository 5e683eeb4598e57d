//! BEGIN … COMMIT, as clients see it.

use super::columns::filled;
use super::kit::Client;

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
        ("DELETE FROM t WHERE k = 1", 5303),
        ("TRUNCATE TABLE t", 1064),
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

/// Two tables of accounts, with a PRIMARY KEY.
async fn accounts(client: &mut Client) {
    for table in ["a", "b"] {
        let columns = "(id INT NOT NULL, money BIGINT, note VARCHAR(20))";
        client.ok(&format!("CREATE TABLE {table} {columns} PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2")).await;
        client.ok(&format!("INSERT INTO {table} VALUES (1, 100, 'x'), (2, 200, 'y'), (3, 300, 'z')")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_updated_and_deleted_with_others_or_not_at_all() {
    let (kit, mut client, _node, _directory) = filled().await;
    let mut other = kit.client().await;
    other.ok("USE q").await;
    accounts(&mut client).await;
    let all = "SELECT id, money, note FROM a UNION ALL SELECT id, money, note FROM b ORDER BY 2, 1";
    let before = other.rows(all).await;
    for end in ["ROLLBACK", "COMMIT"] {
        client.ok("BEGIN").await;
        client.ok("UPDATE a SET money = money - 50 WHERE id = 1").await;
        client.ok("DELETE FROM b WHERE money > 250").await;
        client.ok("DELETE FROM t WHERE k = 1").await;
        // The one that was deleted, one that was not, and a new one.
        client.ok("INSERT INTO b VALUES (3, 350, 'again'), (2, 250, 'over'), (4, 400, 'new')").await;
        client.ok("INSERT INTO a VALUES (5, 1, 'v')").await;
        client.ok("INSERT INTO a VALUES (5, 2, 'w'), (1, 55, 'above')").await;
        client.ok("INSERT INTO t (k, d) VALUES (7, '2019-01-01')").await;
        assert_eq!(other.rows(all).await, before, "nobody sees it yet");
        client.ok(end).await;
    }
    let after = ["5|2|w", "1|55|above", "1|100|x", "2|200|y", "2|250|over", "3|300|z", "3|350|again", "4|400|new"];
    assert_eq!(other.rows(all).await, after);
    assert_eq!(other.rows("SELECT k FROM t ORDER BY k").await, ["2", "3", "7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_keep_a_part_of_what_they_have_come_in_a_transaction() {
    let (_kit, mut client, _node, _directory) = filled().await;
    accounts(&mut client).await;
    client.ok("BEGIN").await;
    client.ok("INSERT INTO a (id, note) VALUES (1, 'kept')").await;
    client.ok("INSERT INTO b (id, note) VALUES (2, 'kept')").await;
    client.ok("INSERT INTO b VALUES (3, 1, 'whole')").await;
    assert_eq!(client.fails("INSERT INTO b (id, note) VALUES (3, 'part')").await.0, 5303);
    client.ok("COMMIT").await;
    assert_eq!(client.rows("SELECT id, money, note FROM a WHERE id = 1").await, ["1|100|kept"]);
    assert_eq!(client.rows("SELECT id, money, note FROM b WHERE id > 1 ORDER BY 1").await, ["2|200|kept", "3|1|whole"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_update_or_delete_of_a_table_and_before_all_else() {
    let (_kit, mut client, _node, _directory) = filled().await;
    accounts(&mut client).await;
    client.ok("BEGIN").await;
    client.ok("UPDATE a SET money = 1 WHERE id = 1").await;
    client.ok("INSERT INTO b VALUES (9, 9, 'n')").await;
    for sql in [
        "UPDATE a SET money = 2 WHERE id = 2",
        "DELETE FROM a WHERE id = 3",
        "UPDATE b SET money = 2 WHERE id = 2",
        "DELETE FROM b WHERE id = 9",
        "UPDATE t SET v = 'x' WHERE k = 1",
        "DELETE FROM t WHERE k IN (SELECT id FROM a)",
        "INSERT INTO t (k, d) SELECT id, '2019-01-01' FROM b",
        "SELECT * FROM a",
    ] {
        let (code, text) = client.fails(sql).await;
        assert!(code == if sql.contains("UPDATE t") { 1064 } else { 5303 }, "{sql}: {code} {text}");
    }
    assert_eq!(client.fails("CREATE DATABASE far").await.0, 1064);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_overtaken_is_told_and_nothing_of_it_is_true() {
    let (kit, mut client, _node, _directory) = filled().await;
    let mut other = kit.client().await;
    other.ok("USE q").await;
    accounts(&mut client).await;
    for statement in [
        "UPDATE a SET money = money + 1 WHERE id = 1",
        "DELETE FROM a WHERE id = 1",
        "INSERT INTO a (id, note) VALUES (1, 'part')",
    ] {
        client.ok("BEGIN").await;
        client.ok("INSERT INTO b VALUES (8, 8, 'lost')").await;
        client.ok(statement).await;
        other.ok("UPDATE a SET money = money + 10 WHERE id = 1").await;
        let (code, text) = client.fails("COMMIT").await;
        assert!(code == 1213 && text.contains("rows of table a were changed by others"), "{code} {text}");
        client.ok("COMMIT").await;
    }
    client.ok("BEGIN").await;
    client.ok("DELETE FROM t WHERE k = 1").await;
    other.ok("INSERT INTO t (k, d) VALUES (7, '2019-01-01')").await;
    assert_eq!(client.fails("COMMIT").await.0, 1213);
    assert_eq!(client.rows("SELECT sum(money), count(*) FROM a").await, ["630|3"]);
    assert_eq!(client.rows("SELECT count(*) FROM b WHERE id = 8").await, ["0"]);
    assert_eq!(client.rows("SELECT count(*) FROM t").await, ["4"]);
    // Whoever only adds rows is not in the way of others.
    client.ok("BEGIN").await;
    client.ok("INSERT INTO a VALUES (1, 1, 'last')").await;
    other.ok("UPDATE a SET money = money + 10 WHERE id = 1").await;
    client.ok("COMMIT").await;
    assert_eq!(client.rows("SELECT money FROM a WHERE id = 1").await, ["1"]);
    // A connection that is lost.
    client.ok("BEGIN").await;
    client.ok("UPDATE a SET money = 0 WHERE id > 0").await;
    drop(client);
    assert_eq!(other.rows("SELECT sum(money), count(*) FROM a").await, ["501|3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_is_moved_by_many_is_still_there() {
    const MOVES: usize = 5;
    let (kit, mut client, _node, _directory) = filled().await;
    accounts(&mut client).await;
    let mut movers = Vec::new();
    for n in 1..=4_usize {
        let mut mover = kit.client().await;
        movers.push(tokio::spawn(async move {
            mover.ok("USE q").await;
            let (mut done, mut conflicts) = (0, 0);
            while done < MOVES {
                mover.ok("BEGIN").await;
                mover.ok(&format!("UPDATE a SET money = money - {n} WHERE id = 1")).await;
                mover.ok(&format!("UPDATE b SET money = money + {n} WHERE id = 1")).await;
                match mover.tries("COMMIT").await {
                    Ok(()) => done += 1,
                    Err((code, text)) => {
                        assert_eq!(code, 1213, "{text}");
                        conflicts += 1;
                    }
                }
            }
            conflicts
        }));
    }
    let mut conflicts = 0;
    for mover in movers {
        conflicts += mover.await.unwrap();
    }
    assert!(conflicts > 0, "they did not meet");
    let moved = MOVES * (1 + 2 + 3 + 4);
    let found = client.rows("SELECT (SELECT money FROM a WHERE id = 1), (SELECT money FROM b WHERE id = 1)").await;
    assert_eq!(found, [format!("{}|{}", 100 - moved as i64, 100 + moved)]);
}
