//! What rows hold that nobody says: numbers that no two rows share, whoever loads them and whatever dies in between, and
//! columns that are computed. And rows that keep a part of what they have.

use std::time::Duration;

use anyhow::ensure;
use nix::sys::signal::Signal;
use tests::client::{has_mysql_command, mysql_command, same, until};
use tests::{Client, House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(60);
const ROUNDS: usize = 8;

async fn printed(house: &House, script: &str) -> anyhow::Result<String> {
    let printed = mysql_command(house.query_ports()[0], &["--skip-column-names", "--batch"], script).await?;
    ensure!(printed.ok, "{script}: {printed:?}");
    Ok(printed.out)
}

/// Loads through one frontend: single rows, several, and those of a query.
async fn load(port: u16, mark: i64) -> anyhow::Result<()> {
    let mut client = Client::connect(port).await?;
    for round in 0..ROUNDS {
        client.run(&format!("INSERT INTO d.t (mark) VALUES ({mark})")).await?;
        client.run(&format!("INSERT INTO d.t VALUES (DEFAULT, {mark}), (DEFAULT, {mark}), (DEFAULT, {round})")).await?;
        client.run(&format!("INSERT INTO d.t (mark) SELECT {mark} FROM d.many")).await?;
    }
    client.close().await
}

/// Rows, and numbers that are not alike.
async fn numbers(client: &mut Client, table: &str) -> anyhow::Result<(u64, u64)> {
    client.one(&format!("SELECT count(*), count(DISTINCT id) FROM d.{table}")).await
}

#[test]
fn no_number_is_given_twice() {
    e2e("computed/numbers", || async {
        let conf = vec![("auto_increment_cache_size", "7".to_owned())];
        let mut house = House::build(HouseSpec { compute_nodes: 2, conf, ..HouseSpec::default() }).await?;
        house.add_frontends(&["FOLLOWER", "FOLLOWER"]).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client
            .run("CREATE TABLE d.t (id BIGINT NOT NULL AUTO_INCREMENT, mark BIGINT) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 3")
            .await?;
        client.run("CREATE TABLE d.many (k INT) DISTRIBUTED BY HASH(k)").await?;
        client.run("INSERT INTO d.many SELECT generate_series FROM TABLE(generate_series(1, 50))").await?;
        let ports = house.query_ports();
        let loads: Vec<_> = ports.iter().zip(1..).map(|(port, mark)| tokio::spawn(load(*port, mark))).collect();
        for load in loads {
            load.await??;
        }
        let each = (ROUNDS * (1 + 3 + 50)) as u64;
        let all = each * ports.len() as u64;
        // A row with a number that another has would have taken its place.
        same("rows and numbers", numbers(&mut client, "t").await?, (all, all))?;

        client.run("CREATE CLUSTER SNAPSHOT s").await?;
        house.job("FINISHED", LIMIT, |job| job.name == "s" && job.state == "FINISHED").await?;
        client.run("RESTORE TABLE d.t FROM SNAPSHOT s TO TABLE d.back").await?;
        client.run("INSERT INTO d.back (mark) VALUES (1), (2), (3)").await?;
        same("of the table that came back", numbers(&mut client, "back").await?, (all + 3, all + 3))?;
        let path: String = client
            .one("SELECT STORAGE_PATH FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME = 's'")
            .await?;

        // Whoever leads dies; what others have leased goes on, and what it had is not given again.
        let leading = ports[0];
        house.frontend_mut(leading).signal(Signal::SIGKILL)?;
        let others = &ports[1..];
        until("others take rows", LIMIT, || async {
            match load(others[0], 77).await {
                Ok(()) => Ok(Ok(())),
                Err(error) => Ok(Err(error.to_string())),
            }
        })
        .await?;
        let mut other = Client::connect(others[1]).await?;
        other.run("SET enable_linearizable_read = true").await?;
        let (rows, ids) = numbers(&mut other, "t").await?;
        ensure!(rows == ids && rows >= all + each, "{rows} rows, {ids} numbers, {all} before");
        other.run("TRUNCATE TABLE d.t").await?;
        other.run("INSERT INTO d.t (mark) VALUES (0)").await?;
        let next: u64 = other.one("SELECT id FROM d.t").await?;
        ensure!(next > rows, "{next} after {rows} rows");
        other.close().await?;
        drop(client);

        house.lose_everything().await?;
        house.restore_plan(&path, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        house.alive(&mut client, 2).await?;
        client.run("INSERT INTO d.t (mark) SELECT k FROM d.many").await?;
        same("after the restore", numbers(&mut client, "t").await?, (all + 50, all + 50))?;
        client.run("ALTER TABLE d.t AUTO_INCREMENT = 1000000").await?;
        client.run("INSERT INTO d.t VALUES (DEFAULT, 5), (4999999, 6)").await?;
        same(
            "the last",
            client.rows("SELECT id FROM d.t WHERE id >= 1000000 ORDER BY id").await?,
            vec![1_000_000u64, 4_999_999],
        )?;
        client.refused("ALTER TABLE d.t AUTO_INCREMENT = 3", 1064, "must be greater than current value").await?;
        client.refused("INSERT INTO d.t VALUES (NULL, 1)", 1064, "`NULL` value is not supported").await?;
        client.close().await?;
        house.finish().await
    });
}

const TABLES: &str = "CREATE DATABASE d; USE d;
    CREATE TABLE g (k INT NOT NULL, a INT, b VARCHAR(20), id BIGINT AUTO_INCREMENT, u VARCHAR(40) DEFAULT (uuid()),
        n LARGEINT DEFAULT (uuid_numeric()), twice BIGINT AS a * 2, shout STRING AS concat(upper(b), '!'))
        PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2;
    INSERT INTO g (k, a, b) VALUES (1, 10, 'x'), (2, 20, 'y');
    INSERT INTO g SELECT k + 2, a + 1, b, 7, DEFAULT_U, 0 FROM (SELECT k, a, b, 'u' DEFAULT_U FROM g) s;";

#[test]
fn columns_are_computed_and_rows_keep_what_is_not_said() {
    if !has_mysql_command("computed/columns") {
        return;
    }
    e2e("computed/columns", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        printed(&house, TABLES).await?;
        let rows = "SELECT k, a, b, twice, shout, length(u) > 0, n IS NOT NULL FROM d.g ORDER BY k";
        let expected =
            "1\t10\tx\t20\tX!\t1\t1\n2\t20\ty\t40\tY!\t1\t1\n3\t11\tx\t22\tX!\t1\t1\n4\t21\ty\t42\tY!\t1\t1\n";
        same("what is computed", printed(&house, rows).await?.as_str(), expected)?;
        let kept = "SELECT id, u, n FROM d.g WHERE k IN (1, 2) ORDER BY k";
        let before = printed(&house, kept).await?;
        ensure!(before.lines().count() == 2 && before.lines().next() != before.lines().nth(1), "{before}");

        // Rows that are there keep what is not said; of equal keys the last one stays; new ones get defaults.
        let partial = "INSERT INTO d.g (k, a) VALUES (1, 100), (9, 1), (1, 101), (9, 90);
            INSERT INTO d.g (b, k) SELECT 'q', k FROM d.g WHERE k = 2;
            UPDATE d.g SET b = 'w' WHERE k = 9;";
        printed(&house, partial).await?;
        let changed = "1\t101\tx\t202\tX!\t1\t1\n2\t20\tq\t40\tQ!\t1\t1\n3\t11\tx\t22\tX!\t1\t1\n\
             4\t21\ty\t42\tY!\t1\t1\n9\t90\tw\t180\tW!\t1\t1\n";
        same("after partial rows", printed(&house, rows).await?.as_str(), changed)?;
        same("what was kept", printed(&house, kept).await?, before)?;
        let mut client = house.client().await?;
        for (sql, code, says) in [
            ("INSERT INTO d.g (k, twice) VALUES (1, 1)", 1064, "generated column 'twice' can not be specified"),
            ("INSERT INTO d.g VALUES (1, 2, 'b', 1, 'u', 1, 4, 'B!')", 1064, "Column count doesn't match value count"),
            ("UPDATE d.g SET twice = 1 WHERE k = 1", 1064, "generated column cannot be updated: twice"),
            ("INSERT INTO d.g (a) VALUES (1)", 6014, "missing key columns:k for primary key table"),
            ("INSERT INTO d.g BY NAME SELECT 5 AS a", 6014, "missing key columns:k for primary key table"),
            ("ALTER TABLE d.g DROP COLUMN a", 1064, "Generated Column: twice"),
            ("ALTER TABLE d.g ADD COLUMN h INT NOT NULL AS a + 1", 1064, "must be nullable"),
            (
                "CREATE TABLE d.x (k INT, s INT AS sum(k)) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)",
                1064,
                "aggregation function",
            ),
            (
                "CREATE TABLE d.x (k INT, s DATE AS k + 1) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)",
                1064,
                "Illegal expression type",
            ),
        ] {
            client.refused(sql, code, says).await?;
        }

        let others = "USE d; CREATE TABLE o (k INT, v INT) DISTRIBUTED BY HASH(k);
            INSERT INTO o VALUES (3, 1), (4, 2), (5, 3);
            DELETE FROM g USING o WHERE g.k = o.k AND o.v = 1;
            WITH c AS (SELECT k FROM o WHERE v = 2) DELETE FROM g WHERE k IN (SELECT k FROM c);
            WITH c AS (SELECT 9 AS k, 5 AS v) UPDATE g SET a = c.v FROM c WHERE g.k = c.k;
            ALTER TABLE g RENAME COLUMN a TO `the a`;
            SET partial_update_mode = 'column'; UPDATE g SET b = 'z';
            SELECT k, `the a`, twice, shout FROM g ORDER BY k;";
        let left = "1\t101\t202\tZ!\n2\t20\t40\tZ!\n9\t5\t10\tZ!\n";
        same("after others", printed(&house, others).await?.as_str(), left)?;
        let text: (String, String) = client.rows("SHOW CREATE TABLE d.g").await?.remove(0);
        for part in [
            "`id` bigint(20) NOT NULL AUTO_INCREMENT",
            "`u` varchar(40) NULL DEFAULT (uuid())",
            "`twice` bigint(20) NULL AS `the a` * 2",
            "\"compression\" = \"LZ4\",\n\"datacache.enable\" = \"true\",\n\"enable_async_write_back\" = \"false\",\n\
             \"enable_persistent_index\" = \"true\",\n\"fast_schema_evolution\" = \"true\",\n\
             \"persistent_index_type\" = \"CLOUD_NATIVE\",\n\"replication_num\" = \"1\",\n\"storage_volume\"",
        ] {
            ensure!(text.1.contains(part), "no {part} in {}", text.1);
        }
        client.run(&format!("{} ", text.1.replacen("`g`", "d.again", 1).trim_end_matches(';'))).await?;
        let again: (String, String) = client.rows("SHOW CREATE TABLE d.again").await?.remove(0);
        same("read back", again.1.replacen("`again`", "`g`", 1), text.1)?;

        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.alive(&mut client, 1).await?;
        let rest = "SELECT k, `the a`, twice, shout FROM d.g ORDER BY k";
        same("after a restart", printed(&house, rest).await?.as_str(), left)?;
        client.close().await?;
        house.finish().await
    });
}

async fn write(port: u16, column: &str) -> anyhow::Result<()> {
    let mut client = Client::connect(port).await?;
    for n in 1..=6 {
        client.run(&format!("INSERT INTO d.p (k, {column}) VALUES (1, {n}), (2, {})", n * 10)).await?;
    }
    client.close().await
}

/// Rows that keep a part of what they have are made from the newest.
#[test]
fn partial_rows_side_by_side_lose_nothing() {
    e2e("computed/partial", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        house.add_frontends(&["FOLLOWER"]).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.p (k INT, a INT, b INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2").await?;
        client.run("INSERT INTO d.p VALUES (1, 0, 0), (2, 0, 0)").await?;
        let ports = house.query_ports();
        tokio::try_join!(write(ports[0], "a"), write(ports[1], "b"))?;
        client.run("SET enable_linearizable_read = true").await?;
        let rows: Vec<(i32, i32, i32)> = client.rows("SELECT k, a, b FROM d.p ORDER BY k").await?;
        same("both columns of both rows", rows, vec![(1, 6, 6), (2, 60, 60)])?;
        client.close().await?;
        house.finish().await
    });
}
