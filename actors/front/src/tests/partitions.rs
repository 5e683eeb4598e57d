//! Partitions that loads make, that list values, that wait to take the place of others.

use std::sync::Arc;

use tokio_util::sync::DropGuard;

use super::kit::{Client, Kit};
use super::node::{start, tables};

/// A compute node that reads and writes for real.
struct Cluster {
    client: Client,
    _kit: Kit,
    _node: DropGuard,
    _directory: tempfile::TempDir,
}

async fn cluster() -> Cluster {
    let (kit, directory) = (Kit::start().await, tempfile::tempdir().unwrap());
    let mut client = kit.client().await;
    tables(&mut client, &directory).await;
    let (status, node) = start(7, 0).await;
    kit.nodes.send_replace(Arc::new(vec![status]));
    Cluster { client, _kit: kit, _node: node, _directory: directory }
}

async fn names(client: &mut Client, table: &str) -> Vec<String> {
    let rows = client.rows(&format!("SHOW PARTITIONS FROM {table}")).await;
    rows.iter().filter_map(|row| row.split('|').nth(1).map(str::to_owned)).collect()
}

/// How many partitions a query looks at, and how many there are.
async fn looked_at(client: &mut Client, query: &str) -> String {
    let plan = client.rows(&format!("EXPLAIN {query}")).await;
    plan.iter().find_map(|line| line.trim().strip_prefix("partitions=").map(str::to_owned)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_make_the_days_that_they_need() {
    let mut cluster = cluster().await;
    let client = &mut cluster.client;
    client.ok("CREATE TABLE e (d DATETIME, v INT) PARTITION BY date_trunc('day', d)").await;
    assert!(client.rows("SELECT * FROM e").await.is_empty());
    client.ok("INSERT INTO e VALUES ('2026-01-02 10:00:00', 2), ('2026-01-01', 1), (NULL, 0), ('2026-01-02', 3)").await;
    assert_eq!(names(client, "e").await, ["p00000101", "p20260101", "p20260102"]);
    client.ok("INSERT INTO e SELECT days_add(d, 1), v + 10 FROM e WHERE v > 0").await;
    assert_eq!(names(client, "e").await[1..], ["p20260101", "p20260102", "p20260103"]);
    assert_eq!(client.rows("SELECT v FROM e ORDER BY v").await, ["0", "1", "2", "3", "11", "12", "13"]);
    assert_eq!(looked_at(client, "SELECT * FROM e WHERE d >= '2026-01-02'").await, "2/4");
    assert_eq!(looked_at(client, "SELECT * FROM e WHERE d IS NULL").await, "1/4");
    let created = client.rows("SHOW CREATE TABLE e").await;
    assert!(created[0].contains("PARTITION BY date_trunc('day', `d`)\nDISTRIBUTED"), "{created:?}");
    // A load that fails leaves no rows.
    assert_eq!(client.fails("INSERT INTO e VALUES ('2027-01-01', 'x')").await.0, 1064);
    assert_eq!(client.rows("SELECT COUNT(*) FROM e").await, ["7"]);
    client.ok("INSERT OVERWRITE e VALUES ('2026-02-01', 20)").await;
    assert_eq!(client.rows("SELECT v FROM e").await, ["20"]);
    client.ok("SET dynamic_overwrite = true").await;
    client.ok("INSERT OVERWRITE e VALUES ('2026-02-02', 21)").await;
    client.ok("INSERT OVERWRITE e VALUES ('2026-02-02', 22)").await;
    assert_eq!(client.rows("SELECT v FROM e ORDER BY v").await, ["20", "22"]);
    let (code, text) = client.fails("INSERT INTO e PARTITION (p20260101) VALUES ('2030-01-01', 1)").await;
    assert!(code == 1064 && text.contains("out of partition ranges"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_makes_its_own() {
    let mut cluster = cluster().await;
    let client = &mut cluster.client;
    for (at, (by, name)) in [
        ("date_trunc('hour', d)", "p2026111714"),
        ("date_trunc('month', d)", "p202611"),
        ("date_trunc('year', d)", "p2026"),
        ("RANGE(date_trunc('month', d)) ()", "p202611"),
        ("time_slice(d, INTERVAL 7 day)", "p20261116"),
        ("(date_trunc('day', d), v)", "p20261117000000_1"),
        ("v", "p1"),
    ]
    .into_iter()
    .enumerate()
    {
        client.ok(&format!("CREATE TABLE s{at} (d DATETIME, v INT) PARTITION BY {by}")).await;
        client.ok(&format!("INSERT INTO s{at} VALUES ('2026-11-17 14:15:16', 1)")).await;
        assert_eq!(names(client, &format!("s{at}")).await, [name], "{by}");
        // What SHOW CREATE TABLE says makes the same table again.
        let created = client.rows(&format!("SHOW CREATE TABLE s{at}")).await;
        let created =
            created[0].split_once('|').map(|(_, text)| text.replace(&format!("`s{at}`"), &format!("`r{at}`")));
        client.ok(created.as_deref().unwrap_or_default().trim_end_matches(';')).await;
        client.ok(&format!("INSERT INTO r{at} SELECT * FROM s{at}")).await;
        assert_eq!(names(client, &format!("r{at}")).await, [name], "{by} again");
    }
    for (wrong, says) in [
        ("date_trunc('hour', day)", "hour of date_trunc is not supported for the date column day"),
        ("date_trunc('day', v)", "Unsupported partition type int(11) for function date_trunc"),
        ("date_trunc('century', d)", "can't support argument"),
        ("time_slice(d, INTERVAL 0 day)", "must be greater than 0"),
        ("nothing", "does not exist in column list"),
        ("(v, v)", "Duplicate column"),
        ("f", "cannot be a list partition key"),
        ("str2date(d, '%Y')", "not supported yet"),
    ] {
        let sql =
            format!("CREATE TABLE w (d DATETIME, v INT, day DATE, f DOUBLE) DUPLICATE KEY(d) PARTITION BY {wrong}");
        let (_, text) = client.fails(&sql).await;
        assert!(text.to_lowercase().contains(&says.to_lowercase()), "{wrong}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_take_what_they_name() {
    let mut cluster = cluster().await;
    let client = &mut cluster.client;
    let partitions = "PARTITION p1 VALUES IN ('a', 'b'), PARTITION p2 VALUES IN (NULL), PARTITION p3 VALUES IN ('c')";
    client.ok(&format!("CREATE TABLE l (c VARCHAR(10), v INT) PARTITION BY LIST(c) ({partitions})")).await;
    client.ok("INSERT INTO l VALUES ('a', 1), ('b', 2), (NULL, 3), ('c', 4)").await;
    let (header, rows) = client.table("SHOW PARTITIONS FROM l").await;
    assert!(
        header.contains("|List|") && rows[0].contains("((\"a\"), (\"b\"))") && rows[1].contains("(NULL)"),
        "{rows:?}"
    );
    assert_eq!(looked_at(client, "SELECT * FROM l WHERE c = 'b'").await, "1/3");
    assert_eq!(looked_at(client, "SELECT * FROM l WHERE c LIKE '%c%' OR c IS NULL").await, "2/3");
    assert_eq!(looked_at(client, "SELECT * FROM l WHERE v = 1").await, "3/3");
    assert_eq!(client.rows("SELECT v FROM l WHERE c > 'a' ORDER BY v").await, ["2", "4"]);
    let (code, text) = client.fails("INSERT INTO l VALUES ('z', 5)").await;
    assert!(code == 1064 && text.contains("out of partition ranges") && text.contains("['z', 5]"), "{text}");
    let (code, text) = client.fails("ALTER TABLE l ADD PARTITION p4 VALUES IN ('d', 'a')").await;
    assert!(code == 1064 && text.contains("Duplicate partition value a"), "{text}");
    client.ok("ALTER TABLE l ADD PARTITION p4 VALUES IN ('z')").await;
    client.ok("INSERT INTO l VALUES ('z', 5)").await;
    client.ok("ALTER TABLE l DROP PARTITIONS WHERE c IN ('a', 'b', 'z')").await;
    assert_eq!(names(client, "l").await, ["p2", "p3"]);
    let (code, text) = client.fails("ALTER TABLE l DROP PARTITIONS WHERE v > 1").await;
    assert!(code == 1064 && text.contains("is not a table's partition expression"), "{text}");
    assert_eq!(
        client.fails("RECOVER PARTITION p1 FROM l").await,
        (1064, "Does not support recover list partition".into())
    );
    for (wrong, says) in [
        ("LIST(v) (PARTITION p VALUES IN ('x'))", "'x' is no int"),
        ("LIST(c, v) (PARTITION p VALUES IN (('x', '1'), ('y')))", "size should be equal to partition column size 2"),
        ("LIST(c) (PARTITION p VALUES IN ('x', 'x'))", "Duplicate partition value x"),
        ("LIST(c) (PARTITION p VALUES IN ('x'), PARTITION P VALUES IN ('y'))", "Duplicate partition name"),
    ] {
        let (_, text) = client.fails(&format!("CREATE TABLE w (c VARCHAR(10), v INT) PARTITION BY {wrong}")).await;
        assert!(text.contains(says), "{wrong}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_several_columns_make_partitions() {
    let mut cluster = cluster().await;
    let client = &mut cluster.client;
    client.ok("CREATE TABLE m (c VARCHAR(10), n INT, v INT) PARTITION BY (c, n)").await;
    client.ok("INSERT INTO m VALUES ('A', 1, 1), ('a', 1, 2), ('x y', NULL, 3)").await;
    let mut found = names(client, "m").await;
    found.sort();
    assert_eq!(found, ["pA_1", "pa_1_2", "pxy_NULL"]);
    assert_eq!(looked_at(client, "SELECT * FROM m WHERE c = 'a' AND n = 1").await, "1/3");
    client.ok("INSERT OVERWRITE m PARTITION (c = 'a', n = 1) SELECT 9").await;
    client.ok("INSERT INTO m PARTITION (n = 5, c = 'new') VALUES (10)").await;
    assert_eq!(client.rows("SELECT v FROM m ORDER BY v").await, ["1", "3", "9", "10"]);
    assert!(client.fails("INSERT INTO m PARTITION (c = 'a') SELECT 1, 9").await.1.contains("'n' has no value"));
    assert!(client.fails("INSERT INTO m PARTITION (v = 'a') SELECT 1, 9").await.1.contains("not a partition column"));
    client.ok("ALTER TABLE m DROP PARTITIONS WHERE n IS NULL").await;
    client.ok("ALTER TABLE m DROP PARTITIONS (pA_1)").await;
    assert_eq!(client.rows("SELECT v FROM m ORDER BY v").await, ["9", "10"]);
    let created = client.rows("SHOW CREATE TABLE m").await;
    assert!(created[0].contains("PARTITION BY (`c`, `n`)"), "{created:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_partitions_are_seen_by_those_who_name_them() {
    let mut cluster = cluster().await;
    let client = &mut cluster.client;
    client.ok("CREATE TABLE r (k INT, v INT) PARTITION BY RANGE(k) (START ('0') END ('30') EVERY (10))").await;
    client.ok("INSERT INTO r VALUES (1, 1), (11, 11), (21, 21)").await;
    client.ok("ALTER TABLE r ADD TEMPORARY PARTITION tp VALUES [('0'), ('10'))").await;
    client.ok("INSERT INTO r TEMPORARY PARTITION (tp) VALUES (2, 2), (3, 3)").await;
    assert_eq!(client.rows("SELECT v FROM r ORDER BY v").await, ["1", "11", "21"]);
    assert_eq!(client.rows("SELECT r.v FROM r TEMPORARY PARTITION (tp) ORDER BY r.v").await, ["2", "3"]);
    assert_eq!(client.rows("SELECT x.v FROM r PARTITION (p10, p20) x ORDER BY 1").await, ["11", "21"]);
    assert_eq!(client.fails("SELECT * FROM r PARTITION (tp)").await.0, 1735);
    assert_eq!(client.fails("INSERT INTO r TEMPORARY PARTITION (p0) VALUES (1, 1)").await.0, 1735);
    assert_eq!(client.rows("SHOW TEMPORARY PARTITIONS FROM r").await.len(), 1);
    client.ok("INSERT OVERWRITE r TEMPORARY PARTITION (tp) VALUES (4, 4)").await;
    let (_, text) = client.fails("ALTER TABLE r REPLACE PARTITION (p10) WITH TEMPORARY PARTITION (tp)").await;
    assert!(text.contains("not strictly matched"), "{text}");
    client.ok("ALTER TABLE r REPLACE PARTITION (p0) WITH TEMPORARY PARTITION (tp)").await;
    assert_eq!(names(client, "r").await, ["p0", "p10", "p20"]);
    assert_eq!(client.rows("SELECT v FROM r ORDER BY v").await, ["4", "11", "21"]);
    client.ok("ALTER TABLE r ADD TEMPORARY PARTITIONS START ('100') END ('120') EVERY (10)").await;
    client.ok("ALTER TABLE r DROP TEMPORARY PARTITION p100").await;
    client.ok("ALTER TABLE r DROP ALL TEMPORARY PARTITIONS").await;
    assert!(client.rows("SHOW TEMPORARY PARTITIONS FROM r").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_dropped_by_what_they_hold() {
    let mut cluster = cluster().await;
    let client = &mut cluster.client;
    let steps = "START ('2026-01-01') END ('2026-01-07') EVERY (INTERVAL 1 DAY)";
    client.ok(&format!("CREATE TABLE r (d DATE, v INT) PARTITION BY RANGE(d) ({steps})")).await;
    let (code, text) = client.fails("ALTER TABLE r DROP PARTITION no").await;
    assert_eq!((code, text.as_str()), (1507, "Error in list of partitions to [no]"));
    client
        .ok("ALTER TABLE r DROP PARTITIONS IF EXISTS START ('2026-01-01') END ('2026-01-03') EVERY (INTERVAL 1 DAY)")
        .await;
    assert_eq!(names(client, "r").await.len(), 4);
    client.ok("ALTER TABLE r DROP PARTITIONS WHERE d >= '2026-01-05' AND d < '2026-01-06'").await;
    client.ok("ALTER TABLE r DROP PARTITIONS WHERE d IS NULL").await;
    client.ok("ALTER TABLE r DROP PARTITIONS WHERE d > '2026-01-03' AND d < '2026-01-04'").await;
    assert_eq!(names(client, "r").await, ["p20260103", "p20260104", "p20260106"]);
    client.ok("ALTER TABLE r DROP PARTITIONS (p20260103, p20260104) FORCE").await;
    client.ok("ALTER TABLE r MODIFY PARTITION (*) SET ('storage_medium' = 'SSD')").await;
    assert_eq!(client.fails("ALTER TABLE r MODIFY PARTITION no SET ('storage_medium' = 'SSD')").await.0, 5505);
    client
        .ok("CREATE TABLE two (a INT, b INT) PARTITION BY RANGE(a, b) (\
               PARTITION p1 VALUES LESS THAN ('10', MAXVALUE), PARTITION p2 VALUES LESS THAN ('20'), \
               PARTITION p3 VALUES LESS THAN (MAXVALUE, MAXVALUE))")
        .await;
    client.ok("INSERT INTO two VALUES (10, 999), (11, 0), (20, 0)").await;
    let rows = client.rows("SELECT PARTITION_NAME, ROW_COUNT FROM information_schema.partitions_meta WHERE TABLE_NAME = 'two' ORDER BY 1").await;
    assert_eq!(rows, ["p1|1", "p2|1", "p3|1"]);
    let created = client.rows("SHOW CREATE TABLE two").await;
    assert!(created[0].contains("VALUES LESS THAN (\"10\", MAXVALUE)"), "{created:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn properties_of_partitions_that_come_with_the_time() {
    let mut cluster = cluster().await;
    let client = &mut cluster.client;
    let dynamic = "'dynamic_partition.enable' = 'true', 'dynamic_partition.time_unit' = 'DAY', \
                   'dynamic_partition.start' = '-3', 'dynamic_partition.end' = '3', 'dynamic_partition.prefix' = 'p'";
    client.ok(&format!("CREATE TABLE r (d DATE, v INT) PARTITION BY RANGE(d) () PROPERTIES ({dynamic})")).await;
    let shown = client.rows("SHOW DYNAMIC PARTITION TABLES").await;
    assert!(shown[0].starts_with("r|true|DAY|-3|3|p|"), "{shown:?}");
    client.ok("ALTER TABLE r SET ('dynamic_partition.enable' = 'false', 'partition_live_number' = '2')").await;
    let created = client.rows("SHOW CREATE TABLE r").await;
    assert!(created[0].contains("\"dynamic_partition.enable\" = \"false\""), "{created:?}");
    assert!(created[0].contains("\"partition_live_number\" = \"2\""), "{created:?}");
    for (wrong, says) in [
        ("'dynamic_partition.end' = '0'", "must greater than 0"),
        ("'dynamic_partition.time_zone' = 'Nowhere'", "Nowhere"),
        ("'dynamic_partition.time_unit' = 'HOUR'", "DATE"),
        ("'partition_live_number' = 'x'", "no number"),
        ("'partition_ttl' = 'soon'", "Invalid partition_ttl"),
        ("'no.such' = 'x'", "Unknown properties: {no.such=x}"),
        ("'storage_volume' = 'x'", "cannot be changed"),
    ] {
        let (_, text) = client.fails(&format!("ALTER TABLE r SET ({wrong})")).await;
        assert!(text.contains(says), "{wrong}: {text}");
    }
    let (_, text) = client.fails(&format!("CREATE TABLE w (d DATE, v INT) PROPERTIES ({dynamic})")).await;
    assert!(text.contains("single-column range partition"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_hides_from_a_condition() {
    let mut cluster = cluster().await;
    let client = &mut cluster.client;
    client
        .ok("CREATE TABLE two (a INT, b INT, v INT) DUPLICATE KEY(a, b) PARTITION BY RANGE(a, b) (PARTITION p0 VALUES \
             LESS THAN ('10', '10'), PARTITION p1 VALUES LESS THAN ('20', '20'), PARTITION p2 VALUES LESS THAN \
             (MAXVALUE, MAXVALUE)) DISTRIBUTED BY HASH(a) BUCKETS 1")
        .await;
    client.ok("INSERT INTO two VALUES (15, NULL, 2), (25, NULL, 4), (15, 3, 6), (NULL, 1, 8)").await;
    assert_eq!(client.rows("SELECT v FROM two WHERE a = 15 ORDER BY v").await, ["2", "6"]);
    assert_eq!(client.rows("SELECT v FROM two WHERE a IS NULL").await, ["8"]);
    client.ok("DELETE FROM two WHERE a = 25").await;
    assert_eq!(client.rows("SELECT count(*) FROM two").await, ["3"]);
    // A cast is NULL where the value is not.
    client
        .ok("CREATE TABLE wide (k INT) DUPLICATE KEY(k) PARTITION BY RANGE(k) (PARTITION p0 VALUES LESS THAN ('10'), \
             PARTITION p1 VALUES LESS THAN ('10000')) DISTRIBUTED BY HASH(k) BUCKETS 1")
        .await;
    client.ok("INSERT INTO wide VALUES (5), (50), (5000), (NULL)").await;
    let nulls = client.rows("SELECT k FROM wide WHERE CAST(k AS DECIMAL(3, 0)) IS NULL ORDER BY k").await;
    assert_eq!(nulls, ["NULL", "5000"]);
    client.ok("ALTER TABLE wide DROP PARTITIONS WHERE CAST(k AS DECIMAL(3, 0)) IS NOT NULL").await;
    assert_eq!(client.rows("SELECT count(*) FROM wide").await, ["4"]);
    let (_, text) = client.fails("CREATE TABLE same (d DATETIME) PARTITION BY date_trunc('month', d), d").await;
    assert!(text.contains("Duplicate column name 'd'"), "{text}");
}
