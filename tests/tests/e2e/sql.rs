//! What users and administrators say to a cluster, in both protocols of the driver.

use anyhow::ensure;
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use tests::client::same;
use tests::{House, HouseSpec, QUICKSTART, e2e};

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
