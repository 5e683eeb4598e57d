//! What users and administrators say to a cluster, in both protocols of the driver.

use std::time::Duration;

use anyhow::{Context, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use tests::client::{has_mysql_command, mysql_command, same, until};
use tests::{House, HouseSpec, QUICKSTART, e2e};
use tokio::io::AsyncWriteExt;

const KINDS: &str = "CREATE TABLE d.kinds (id INT NOT NULL, b BOOLEAN, t TINYINT, s SMALLINT, i INT, g BIGINT, l LARGEINT, \
                     f FLOAT, d DOUBLE, m DECIMAL(20, 4), day DATE, at DATETIME, c CHAR(3), v VARCHAR(40), x STRING) \
                     DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2";

#[test]
fn every_type_goes_in_and_comes_out() {
    e2e("sql/types", || async {
        let house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run(KINDS).await?;
        client
            .run(
                "INSERT INTO d.kinds VALUES \
                 (1, true, -128, 32767, -2147483648, 9223372036854775807, -170141183460469231731687303715884105728, \
                  0.5, -1e300, -1234567890123456.7891, '9999-12-31', '2024-02-29 23:59:59', 'abc', 'it''s \\\\ \"x\"', 'ä€😀'), \
                 (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
            )
            .await?;
        let texts = [
            "1",
            "1",
            "-128",
            "32767",
            "-2147483648",
            "9223372036854775807",
            "-170141183460469231731687303715884105728",
            "0.5",
            "-1e300",
            "-1234567890123456.7891",
            "9999-12-31",
            "2024-02-29 23:59:59",
            "abc",
            "it's \\ \"x\"",
            "ä€😀",
        ];
        let row: Row = client.one("SELECT * FROM d.kinds WHERE id = 1").await?;
        for (at, expected) in texts.iter().enumerate() {
            let Some(Value::Bytes(found)) = row.as_ref(at) else { anyhow::bail!("column {at}: {:?}", row.as_ref(at)) };
            let found = String::from_utf8_lossy(found).into_owned();
            let is_number = at == 8 && found.parse::<f64>().ok() == expected.parse::<f64>().ok();
            ensure!(found == *expected || is_number, "column {at}: {found}, expected {expected}");
        }
        let row: Row = client.one("SELECT * FROM d.kinds WHERE id = 2").await?;
        ensure!((1..texts.len()).all(|at| row.as_ref(at) == Some(&Value::NULL)), "{row:?}");
        // The binary protocol.
        let found: Option<(i32, Option<bool>, i64, f64, String)> =
            client.conn.exec_first("SELECT id, b, g, d, x FROM d.kinds WHERE id = ? AND v LIKE ?", (1, "it%")).await?;
        same("prepared", found, Some((1, Some(true), i64::MAX, -1e300, "ä€😀".to_owned())))?;
        client.conn.exec_drop("INSERT INTO d.kinds (id, v, m) VALUES (?, ?, ?)", (3, "pre'pared", "1.5")).await?;
        same(
            "inserted",
            client.one::<(String, String)>("SELECT v, m FROM d.kinds WHERE id = 3").await?,
            ("pre'pared".to_owned(), "1.5000".to_owned()),
        )?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn partitions_and_inserts_select() {
    e2e("sql/partitions", || async {
        let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        client.run("USE quickstart").await?;
        // A row outside every partition fails the whole statement.
        let outside = "INSERT INTO source_wiki_edit (event_time, user) VALUES ('2015-09-12 01:00:00', 'in'), ('2015-09-13 00:00:00', 'out')";
        client.error(outside).await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM source_wiki_edit").await?, 3)?;
        let partitions: Vec<Row> = client.rows("SHOW PARTITIONS FROM source_wiki_edit").await?;
        same("partitions", partitions.len(), 4)?;
        client.run("INSERT INTO source_wiki_edit SELECT * FROM source_wiki_edit").await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM source_wiki_edit").await?, 6)?;
        let in_range = "SELECT COUNT(*) FROM source_wiki_edit WHERE event_time >= '2015-09-12 06:00:00' AND event_time < '2015-09-12 12:00:00'";
        same("rows in a partition", client.one::<u64>(in_range).await?, 2)?;
        let generated = "INSERT INTO source_wiki_edit (event_time, channel, user, delta) SELECT \
            seconds_add('2015-09-12 00:00:00', generate_series % 86400), '#x', concat('u', CAST(generate_series % 100 AS VARCHAR)), \
            generate_series FROM TABLE(generate_series(1, 20000))";
        client.run(generated).await?;
        same(
            "sums",
            client
                .one::<(u64, u64, u64)>(
                    "SELECT COUNT(*), SUM(delta), COUNT(DISTINCT user) FROM source_wiki_edit WHERE channel = '#x'",
                )
                .await?,
            (20_000, 200_010_000, 100),
        )?;
        let join = "SELECT a.user, COUNT(*) n FROM source_wiki_edit a JOIN source_wiki_edit b ON a.user = b.user \
            WHERE a.channel = '#en.wikipedia' GROUP BY a.user";
        same("a join", client.one::<(String, u64)>(join).await?, ("AustinFF".to_owned(), 4))?;
        let explained: Vec<String> = client.rows("EXPLAIN SELECT COUNT(*) FROM source_wiki_edit").await?;
        ensure!(!explained.is_empty(), "EXPLAIN says nothing");
        client.run("TRUNCATE TABLE source_wiki_edit").await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM source_wiki_edit").await?, 0)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn rows_that_are_loaded_while_others_are_deleted_stay() {
    e2e("sql/deletes", || async {
        let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        let ranges = "(PARTITION p1 VALUES LESS THAN ('1000'), PARTITION p2 VALUES LESS THAN ('2000'), PARTITION p3 VALUES LESS THAN ('9000'))";
        client
            .run(&format!(
                "CREATE TABLE d.t (id INT NOT NULL, kind INT) DUPLICATE KEY(id) PARTITION BY RANGE(id) {ranges} \
                 DISTRIBUTED BY HASH(id) BUCKETS 2"
            ))
            .await?;
        client.run("INSERT INTO d.t SELECT generate_series, 0 FROM TABLE(generate_series(2000, 4999))").await?;
        let load = async |offset: u32| -> anyhow::Result<()> {
            let mut client = house.client().await?;
            for n in 0..20 {
                let id = offset + n;
                client.run(&format!("INSERT INTO d.t VALUES ({id}, 1), ({id} + 1000, 2)")).await?;
            }
            client.close().await
        };
        let delete = async || -> anyhow::Result<()> {
            let mut client = house.client().await?;
            for _ in 0..8 {
                // It may be overtaken too often: then it has deleted nothing.
                match client.conn.query_drop("DELETE FROM d.t WHERE kind = 1").await {
                    Err(mysql_async::Error::Server(error)) if error.message.contains("nothing was deleted") => {}
                    other => other.context("a DELETE beside loads")?,
                }
            }
            client.close().await
        };
        tokio::try_join!(load(0), load(100), delete())?;
        client.run("DELETE FROM d.t WHERE kind = 1").await?;
        let left = "SELECT COUNT(*), COUNT(DISTINCT id), SUM(kind) FROM d.t";
        same("rows that no DELETE meant", client.one::<(u64, u64, u64)>(left).await?, (3040, 3040, 80))?;
        // Readers see all of an overwrite or nothing of it.
        let overwrite = async || -> anyhow::Result<()> {
            let mut client = house.client().await?;
            for n in 3..8 {
                client.run(&format!("INSERT OVERWRITE d.t SELECT id, {n} FROM d.t")).await?;
            }
            client.close().await
        };
        let look = async || -> anyhow::Result<()> {
            let mut client = house.client().await?;
            for _ in 0..20 {
                let sql = "SELECT COUNT(*), MIN(kind), MAX(kind) FROM d.t WHERE id >= 1000";
                let (rows, least, most): (u64, u64, u64) = client.one(sql).await?;
                let is_whole = least == most || (least, most) == (0, 2);
                ensure!(rows == 3040 && is_whole, "an overwrite is seen in part: {rows} rows, kinds {least} to {most}");
            }
            client.close().await
        };
        tokio::try_join!(overwrite(), look())?;
        same("kinds", client.one::<(u64, u64)>("SELECT MIN(kind), MAX(kind) FROM d.t").await?, (7, 7))?;
        client.conn.exec_drop("DELETE FROM d.t WHERE id BETWEEN ? AND ?", (2000, 4999)).await?;
        same("rows deleted", client.conn.affected_rows(), 3000)?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM d.t").await?, 40)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn what_administrators_look_at() {
    e2e("sql/administration", || async {
        let house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        let frontends: Vec<Row> = client.rows("SHOW FRONTENDS").await?;
        same("frontends", frontends.len(), 1)?;
        same("Alive", frontends[0].get::<String, _>("Alive"), Some("true".to_owned()))?;
        client.run("CREATE DATABASE shop").await?;
        client.refused("CREATE DATABASE shop", 1007, "Can't create database 'shop'; database exists").await?;
        client.refused("DROP DATABASE nothing", 1008, "Can't drop database 'nothing'").await?;
        client.refused("USE nothing", 5501, "nothing").await?;
        client.refused("SELECT * FROM t", 1046, "No database selected").await?;
        client.run("USE shop").await?;
        client.run("CREATE TABLE t (a INT, b VARCHAR(10) DEFAULT 'x' COMMENT 'the b') DUPLICATE KEY(a) DISTRIBUTED BY HASH(a) BUCKETS 2").await?;
        client
            .refused("CREATE TABLE t (a INT) DUPLICATE KEY(a) DISTRIBUTED BY HASH(a)", 1050, "already exists")
            .await?;
        same("SHOW TABLES", client.rows::<String>("SHOW TABLES").await?, vec!["t".to_owned()])?;
        let described: Vec<Row> = client.rows("DESC t").await?;
        same("DESC", described.len(), 2)?;
        let (_, shown): (String, String) = client.one("SHOW CREATE TABLE t").await?;
        client.run("DROP TABLE t").await?;
        client.run(&shown).await?;
        let (_, again): (String, String) = client.one("SHOW CREATE TABLE t").await?;
        same("SHOW CREATE TABLE, run and shown again", again, shown)?;
        let volumes: Vec<String> = client.rows("SHOW STORAGE VOLUMES").await?;
        same("volumes", volumes, vec!["builtin_storage_volume".to_owned()])?;
        for sql in [
            "SELECT @@version_comment LIMIT 1",
            "SELECT DATABASE()",
            "SHOW VARIABLES LIKE 'sql_mode'",
            "SET NAMES utf8mb4",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM information_schema.columns",
            "SHOW WARNINGS",
            "SHOW PROCESSLIST",
            "ADMIN SHOW FRONTEND CONFIG LIKE '%snapshot%'",
            "SELECT CURRENT_VERSION()",
            "SHOW FULL TABLES",
            "SHOW FULL COLUMNS FROM t",
        ] {
            client.run(sql).await?;
        }
        client.run("ADMIN SET FRONTEND CONFIG (\"lake_autovacuum_grace_period_minutes\" = \"5\")").await?;
        let shown: Row = client.one("ADMIN SHOW FRONTEND CONFIG LIKE 'lake_autovacuum_grace_period_minutes'").await?;
        same("the value", shown.get::<String, _>("Value"), Some("5".to_owned()))?;
        client.close().await?;
        house.finish().await
    });
}

/// What the processors have done for a process, in ticks.
fn ticks(pid: u32) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    Ok(behind.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum())
}

/// Waits until a process does next to nothing.
async fn becomes_idle(what: &str, pid: u32) -> anyhow::Result<()> {
    until(what, Duration::from_secs(30), || async {
        let before = ticks(pid)?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Of fifty ticks a core: heartbeats take one or two.
        let done = ticks(pid)? - before;
        Ok(if done <= 10 { Ok(()) } else { Err(format!("{done} ticks in half a second")) })
    })
    .await
}

async fn becomes_busy(what: &str, pid: u32) -> anyhow::Result<()> {
    until(what, Duration::from_secs(30), || async {
        let before = ticks(pid)?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(if ticks(pid)? - before > 15 { Ok(()) } else { Err("it does nothing".to_owned()) })
    })
    .await
}

#[test]
fn work_ends_when_nobody_wants_it_any_more() {
    e2e("sql/given_up", || async {
        let house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.n (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2").await?;
        client.run("INSERT INTO d.n SELECT generate_series FROM TABLE(generate_series(1, 50000))").await?;
        let pid = house.cluster.compute[0].pid().context("the compute node does not run")?;
        // A product of tables; and joins whose conditions let nothing through.
        let endless = [
            "SELECT sum(a.k % 7 + b.k + c.k) FROM d.n a, d.n b, d.n c",
            "SELECT count(*) FROM d.n a JOIN d.n b ON a.k * b.k < 0 JOIN d.n c ON b.k * c.k < 0",
        ];
        for sql in endless {
            client.run("SET query_timeout = 1").await?;
            client.refused(sql, 5024, "reached its timeout of 1 seconds").await?;
            becomes_idle("the compute node after a time-out", pid).await?;
            client.run("SET query_timeout = 300").await?;
            for kill in ["KILL QUERY", "KILL"] {
                let mut victim = house.client().await?;
                let id: u64 = victim.one("SELECT CONNECTION_ID()").await?;
                let running = tokio::spawn(async move { victim.error(sql).await });
                becomes_busy("the compute node", pid).await?;
                client.run(&format!("{kill} {id}")).await?;
                let answered = running.await?;
                ensure!(
                    kill == "KILL" || answered.as_ref().is_ok_and(|(code, _)| *code == 1317),
                    "{kill}: {answered:?}"
                );
                becomes_idle(&format!("the compute node after {kill}"), pid).await?;
            }
            let mut stream = tests::raw::login(house.cluster.ports.query).await?;
            stream.write_all(&tests::raw::query(sql)).await?;
            becomes_busy("the compute node", pid).await?;
            drop(stream);
            becomes_idle("the compute node after its client has vanished", pid).await?;
            same("rows", client.one::<u64>("SELECT COUNT(*) FROM d.n").await?, 50_000)?;
        }
        // A table that is computed on the frontend, and a statement that only waits.
        let columns = "information_schema.columns";
        if has_mysql_command("sql/given_up") {
            let script = "SET query_timeout = 1; SELECT sleep(1000);";
            let printed = mysql_command(house.cluster.ports.query, &[], script).await?;
            ensure!(!printed.ok && printed.err.contains("reached its timeout of 1 seconds"), "{printed:?}");
        }
        client.run("SET query_timeout = 1").await?;
        let product = format!(
            "SELECT sum(length(concat(a.column_name, b.column_name, c.column_name))) FROM {columns} a, {columns} b, {columns} c"
        );
        client.refused(&product, 5024, "reached its timeout").await?;
        client.refused("SELECT sleep(1000)", 5024, "reached its timeout").await?;
        client.refused("SELECT sleep(k) FROM d.n", 5024, "reached its timeout").await?;
        let frontend = house.cluster.frontend.pid().context("the frontend does not run")?;
        becomes_idle("the frontend", frontend).await?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn memory_that_is_not_there_costs_the_statement_and_not_the_node() {
    e2e("sql/memory", || async {
        let compute_conf = vec![("mem_limit", "200M".to_owned())];
        let house = House::build(HouseSpec { compute_conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.n (k INT, v STRING) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2").await?;
        let insert = "INSERT INTO d.n SELECT generate_series, concat(repeat('x', 200), generate_series) \
                      FROM TABLE(generate_series(1, 400000))";
        client.run(insert).await?;
        let pid = house.cluster.compute[0].pid();
        for sql in [
            "SELECT count(*) FROM d.n a JOIN d.n b ON a.k < b.k AND a.v = concat(b.v, 'y')",
            "SELECT count(*), max(w) FROM (SELECT concat(a.v, b.v) w, count(*) FROM d.n a JOIN d.n b ON a.k % 1000 = b.k % 1000 \
             GROUP BY concat(a.v, b.v)) t",
        ] {
            let (code, message) = client.error(sql).await?;
            ensure!(code == 1064 && message.contains("exceed limit"), "{sql}: {code} {message}");
            same("rows", client.one::<u64>("SELECT COUNT(*) FROM d.n").await?, 400_000)?;
        }
        same("the process", house.cluster.compute[0].pid(), pid)?;
        client.close().await?;
        house.finish().await
    });
}
