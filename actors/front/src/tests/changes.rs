//! INSERT OVERWRITE and DELETE, on a compute node that reads and writes for real.

use std::sync::Arc;

use mysql_async::prelude::Queryable;
use tokio_util::sync::DropGuard;

use super::kit::{Client, Kit, quickstart};
use super::node::{start, tables};

/// A cluster with a filled table: three rows in p1, two in p2.
struct Filled {
    kit: Kit,
    client: Client,
    _node: DropGuard,
    _directory: tempfile::TempDir,
}

async fn filled() -> Filled {
    let (kit, directory) = (Kit::start().await, tempfile::tempdir().unwrap());
    let mut client = kit.client().await;
    tables(&mut client, &directory).await;
    let (status, node) = start(7, 0).await;
    kit.nodes.send_replace(Arc::new(vec![status]));
    client
        .ok("INSERT INTO t VALUES (1, '2019-01-01', 'a', 1), (2, '2019-02-02', 'b', NULL), (3, NULL, 'c', 3),
                                  (11, '2020-01-01', 'a', 1), (12, '2020-02-02', NULL, 2)")
        .await;
    Filled { kit, client, _node: node, _directory: directory }
}

impl Filled {
    async fn keys(&mut self) -> String {
        self.client.rows("SELECT k FROM t ORDER BY k").await.join(" ")
    }

    /// Objects that live partitions name.
    fn objects(&self) -> Vec<String> {
        let catalog = self.kit.catalog.lock().unwrap();
        let rowsets = catalog.partitions().flat_map(|partition| &partition.rowsets);
        let mut names: Vec<_> = rowsets.filter_map(|r| catalog.file(r.file)).map(|f| f.object.to_string()).collect();
        names.sort();
        names.dedup();
        names
    }

    async fn affected(&mut self, sql: &str) -> u64 {
        self.client.ok(sql).await;
        self.client.0.affected_rows()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overwrite_leaves_only_its_own_rows() {
    let mut house = filled().await;
    assert_eq!(house.affected("INSERT OVERWRITE t PARTITION (p1) VALUES (4, '2019-01-01', 'd', 4)").await, 1);
    assert!(house.client.0.info().starts_with("{'label':'insert_"), "{}", house.client.0.info());
    assert_eq!(house.keys().await, "4 11 12");
    // A table from itself, in one statement.
    assert_eq!(house.affected("INSERT OVERWRITE t SELECT k + 100, d, v, n FROM t WHERE k > 4").await, 2);
    assert_eq!(house.keys().await, "111 112");
    // Nothing is something, too.
    assert_eq!(house.affected("INSERT OVERWRITE t PARTITION (p2) SELECT * FROM t WHERE k < 0").await, 0);
    assert_eq!((house.keys().await.as_str(), house.objects().len()), ("", 0));
    assert_eq!(house.affected("INSERT OVERWRITE t (k, d) VALUES (5, '2019-01-01'), (15, '2020-01-01')").await, 2);
    assert_eq!(house.keys().await, "5 15");
    // What fails leaves everything as it was.
    let outside = house.client.fails("INSERT OVERWRITE t PARTITION (p1) VALUES (6, '2020-05-05', 'x', 1)").await;
    assert_eq!(outside.0, 1064);
    assert_eq!(house.client.fails("INSERT OVERWRITE t PARTITION (p3) VALUES (6, '2020-05-05', 'x', 1)").await.0, 1735);
    assert_eq!(house.keys().await, "5 15");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_label_of_an_overwrite_is_used_once() {
    let mut house = filled().await;
    let labelled = "INSERT OVERWRITE t WITH LABEL monday SELECT * FROM t WHERE k = 1";
    house.client.ok(labelled).await;
    assert!(house.client.0.info().starts_with("{'label':'monday', 'status':'VISIBLE'"));
    let (code, text) = house.client.fails(labelled).await;
    assert!(code == 1064 && text.starts_with("Label [monday] has already been used"), "{text}");
    assert_eq!(house.keys().await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_takes_the_rows_for_which_its_condition_is_true() {
    let mut house = filled().await;
    let before = house.objects();
    assert_eq!(house.affected("DELETE FROM t WHERE n <= 1 AND k < 10").await, 1);
    assert!(house.client.0.info().starts_with("{'label':'delete_"), "{}", house.client.0.info());
    assert!(house.client.0.info().contains("'status':'VISIBLE', 'txnId':'"), "{}", house.client.0.info());
    assert_eq!(house.keys().await, "2 3 11 12");
    // Nothing was found in p2: it has the files that it had.
    let after = house.objects();
    assert_eq!(after.iter().filter(|name| before.contains(name)).count(), before.len() - 1);
    // NULL is not true, nor is its opposite.
    assert_eq!(house.affected("DELETE FROM t WHERE NOT (v = 'b')").await, 2);
    assert_eq!(house.keys().await, "2 12");
    assert_eq!(house.affected("DELETE FROM t PARTITION (p1) WHERE k > 0").await, 1);
    assert_eq!(house.keys().await, "12");
    assert_eq!(house.affected("DELETE FROM t WHERE k = 4711").await, 0);
    assert_eq!(house.affected("DELETE FROM t WHERE TRUE").await, 1);
    assert_eq!((house.keys().await.as_str(), house.objects().len()), ("", 0));
    assert_eq!(house.affected("DELETE FROM t WHERE TRUE").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_takes_parameters_and_is_explained() {
    let mut house = filled().await;
    house.client.0.exec_drop("DELETE FROM t WHERE v = ? AND k < ?", ("a", 10)).await.unwrap();
    assert_eq!((house.client.0.affected_rows(), house.keys().await.as_str()), (1, "2 3 11 12"));
    house.client.ok("PREPARE gone FROM 'DELETE FROM t WHERE k = ?'").await;
    house.client.ok("SET @k = 12").await;
    assert_eq!(house.affected("EXECUTE gone USING @k").await, 1);
    let lines = house.client.rows("EXPLAIN DELETE FROM t WHERE d >= '2020-01-01' AND k = 11").await;
    assert!(lines.iter().any(|line| line.contains("partitions=1/2")), "{lines:?}");
    assert_eq!(house.keys().await, "2 3 11");
    assert_eq!(house.client.fails("EXPLAIN DELETE FROM t").await.0, 1064);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_that_changes_its_mind_deletes_nothing() {
    let mut house = filled().await;
    house
        .client
        .ok("INSERT INTO t (k, d) SELECT generate_series, '2019-01-01' FROM TABLE(generate_series(100, 2000))")
        .await;
    // Both times the same number of rows by chance: once in a hundred times, but not four times in a row.
    for _ in 0..4 {
        let rows = house.client.rows("SELECT count(*) FROM t").await;
        match house.client.0.query_drop("DELETE FROM t WHERE rand() < 0.5 AND k >= 100").await {
            Ok(()) => {}
            Err(mysql_async::Error::Server(error)) => {
                assert!(error.code == 1064 && error.message.contains("does not say the same of a row"), "{error}");
                assert_eq!(house.client.rows("SELECT count(*) FROM t").await, rows);
                return;
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("rand() said the same of all rows each time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_between_are_not_lost() {
    let mut house = filled().await;
    let keep_back = async |house: &mut Filled, keys: std::ops::Range<u32>| {
        house.kit.script.lock().unwrap().keeps_loads_back = true;
        for k in keys {
            house.client.ok(&format!("INSERT INTO t VALUES ({k}, '2019-05-05', 'a', 1)")).await;
        }
        house.kit.script.lock().unwrap().keeps_loads_back = false;
    };
    // One load each overtakes the first attempts of a DELETE and of an OVERWRITE that reads what it replaces.
    keep_back(&mut house, 40..42).await;
    assert_eq!(house.keys().await, "1 2 3 11 12");
    assert_eq!(house.affected("DELETE FROM t WHERE v = 'a' AND k < 40").await, 2);
    assert_eq!(house.keys().await, "2 3 12 40 41");
    keep_back(&mut house, 42..43).await;
    assert_eq!(house.affected("INSERT OVERWRITE t SELECT k + 100, d, v, n FROM t").await, 6);
    assert_eq!(house.keys().await, "102 103 112 140 141 142");
    // A row that comes between is deleted, if the condition is true of it.
    keep_back(&mut house, 50..51).await;
    assert_eq!(house.affected("DELETE FROM t WHERE k = 50 OR k = 102").await, 2);
    // Who is overtaken again and again gives up, and says so.
    keep_back(&mut house, 60..70).await;
    let (code, text) = house.client.fails("DELETE FROM t WHERE k = 103").await;
    assert!(code == 5064 && text.contains("5 times") && text.contains("nothing was deleted"), "{text}");
    assert_eq!(house.keys().await, "65 66 67 68 69 103 112 140 141 142");
    let (code, text) = house.client.fails("INSERT OVERWRITE t SELECT * FROM t WHERE k = 103").await;
    assert!(code == 5064 && text.contains("partition p1 of table t changed"), "{text}");
    // One that reads nothing of it does not mind.
    keep_back(&mut house, 80..81).await;
    assert_eq!(house.affected("INSERT OVERWRITE t VALUES (7, '2019-05-05', 'a', 1)").await, 1);
    assert_eq!(house.keys().await, "7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_is_overtaken_begins_again_from_the_newest_rows() {
    let mut house = filled().await;
    house.client.ok("CREATE TABLE p (k INT, n INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1").await;
    house.client.ok("INSERT INTO p VALUES (1, 1), (2, 2)").await;
    let keep_back = async |house: &mut Filled, values: std::ops::Range<u32>| {
        house.kit.script.lock().unwrap().keeps_loads_back = true;
        for n in values {
            house.client.ok(&format!("INSERT INTO p VALUES (1, {n})")).await;
        }
        house.kit.script.lock().unwrap().keeps_loads_back = false;
    };
    // What was kept back last comes first.
    keep_back(&mut house, 10..13).await;
    assert_eq!(house.affected("UPDATE p SET n = n + 100 WHERE k = 1").await, 1);
    assert_eq!(house.client.rows("SELECT k, n FROM p ORDER BY k").await, ["1|110", "2|2"]);
    assert_eq!(house.affected("UPDATE p SET n = 0 WHERE k = 7").await, 0);
    assert_eq!(house.affected("DELETE FROM p WHERE n = 2").await, 1);
    keep_back(&mut house, 100..140).await;
    let (code, text) = house.client.fails("UPDATE p SET n = n + 1000 WHERE k = 1").await;
    assert!(code == 5064 && text.contains("32 times") && text.contains("nothing was updated"), "{text}");
    assert_eq!(house.client.rows("SELECT k, n FROM p").await, ["1|108"]);
    assert_eq!(house.client.fails("UPDATE t SET n = 1 WHERE k = 1").await, (1064, update_refused("t")));
}

fn update_refused(table: &str) -> String {
    format!("Getting analyzing error. Detail message: table {table} does not support update.")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_changed_says_why() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    for (sql, expected, part) in [
        ("DELETE FROM t", 1064, "Where clause is not set"),
        ("DELETE FROM t WHERE nothing = 1", 1064, "Column 'nothing' cannot be resolved"),
        ("DELETE FROM nothing WHERE k = 1", 5502, "nothing"),
        ("DELETE FROM t PARTITION (p7) WHERE k = 1", 1735, "p7"),
        ("DELETE FROM information_schema.tables WHERE 1", 1064, "can not be changed"),
        ("DELETE FROM t USING t2", 1064, "Where clause is not set"),
        ("INSERT OVERWRITE t VALUES (1, '2020-01-01', 'a')", 1064, "no compute node is alive"),
        ("INSERT OVERWRITE information_schema.tables VALUES (1)", 1064, "can not be changed"),
    ] {
        let (code, text) = client.fails(sql).await;
        assert!(code == expected && text.contains(part), "{sql}: {code} {text}");
    }
    // Nothing is there to delete: no compute node is asked.
    client.ok("DELETE FROM t WHERE k = 1").await;
    client.ok("CREATE TABLE e (d DATE) PARTITION BY RANGE(d) ()").await;
    client.ok("DELETE FROM e WHERE d < '2020-01-01'").await;
    assert_eq!(client.fails("INSERT OVERWRITE e VALUES ('2020-01-01')").await.0, 1748);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_hold_what_queries_give() {
    let mut house = filled().await;
    let client = &mut house.client;
    client.ok("SET @n = (SELECT count(*) FROM t), @day = (SELECT max(d) FROM t), @all = (SELECT array_agg(k) FROM t WHERE k < 3)").await;
    assert_eq!(client.rows("SELECT @n + 1, @day, @day > '2020-02-01', array_length(@all)").await, ["6|2020-02-02|1|2"]);
    client.ok("SET @half = (SELECT max(k) * 0.5 FROM t), @none = (SELECT v FROM t WHERE k > 100)").await;
    assert_eq!(client.rows("SELECT @half, typeof(@half) LIKE 'decimal%', @none").await, ["6.0|1|NULL"]);
    let sql = "SELECT /*+ SET_USER_VARIABLE(@a = (SELECT min(k) FROM t), @b = @a + 1) */ @a, @b, count(*) FROM t WHERE k > @b";
    assert_eq!(client.rows(sql).await, ["1|2|3"]);
    assert_eq!(client.rows("SELECT @a, @b").await, ["NULL|NULL"]);
    let (code, text) = client.fails("SELECT /*+ SET_USER_VARIABLE(@n = 1) */ @n").await;
    assert!(code == 1064 && text.contains("must not match any existing variable names"), "{text}");
    let (code, text) = client.fails("SELECT /*+ SET_USER_VARIABLE(@c = SELECT FROM) */ @c").await;
    assert!(code == 1064 && text.contains("Invalid hint value"), "{text}");
    let (code, _) = client.fails("SET @n = (SELECT k FROM t)").await;
    assert_eq!((code, client.rows("SELECT @n").await), (1064, vec!["5".to_owned()]));
}
