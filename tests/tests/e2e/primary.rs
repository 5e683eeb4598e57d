//! PRIMARY KEY tables under load: every key has one row at every moment, whoever writes, deletes, compacts and reads beside; what
//! went is in the snapshots of before, and when nobody needs it any more, its objects go.

use std::time::Duration;

use anyhow::ensure;
use tests::client::same;
use tests::house::objects_become;
use tests::{Client, House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(90);
const WRITERS: i64 = 8;
const ROUNDS: i64 = 12;
/// Keys that stay; those behind them come and go.
const STAY: i64 = 40;

/// Loads keys that others load too, and deletes some of those that may go.
async fn write(port: u16, writer: i64) -> anyhow::Result<()> {
    let mut client = Client::connect(port).await?;
    for round in 0..ROUNDS {
        let value = writer * ROUNDS + round;
        let keys: Vec<i64> = (0..10).map(|n| (n * 7 + writer * 3 + round * 11) % (STAY + 20)).collect();
        let rows: Vec<String> = keys.iter().map(|key| format!("({key}, {value})")).collect();
        client.run(&format!("INSERT INTO d.t VALUES {}", rows.join(", "))).await?;
        if round % 4 == writer % 4 {
            client.run(&format!("DELETE FROM d.t WHERE k >= {STAY} AND v < {value}")).await?;
        }
    }
    client.close().await
}

/// Reads until `stop` is there: no key twice, none of those that stay is missing.
async fn read(port: u16, mut stop: tokio::sync::watch::Receiver<bool>) -> anyhow::Result<u64> {
    let (mut client, mut reads) = (Client::connect(port).await?, 0);
    while !*stop.borrow_and_update() {
        let found: (i64, i64, i64) =
            client.one(&format!("SELECT count(*), count(DISTINCT k), sum(if(k < {STAY}, 1, 0)) FROM d.t")).await?;
        ensure!(found.0 == found.1 && found.2 == STAY, "{found:?}");
        reads += 1;
    }
    client.close().await?;
    Ok(reads)
}

async fn facts(client: &mut Client, table: &str) -> anyhow::Result<(i64, i64, i64, i64)> {
    client.one(&format!("SELECT count(*), count(DISTINCT k), sum(v), sum(k * v) FROM d.{table}")).await
}

#[test]
fn every_key_has_one_row_whoever_writes_deletes_and_compacts() {
    e2e("primary/one_row", || async {
        let conf = vec![
            ("lake_autovacuum_grace_period_minutes", "0".to_owned()),
            ("lake_compaction_score_selector_min_score", "4.0".to_owned()),
        ];
        let mut house = House::build(HouseSpec { compute_nodes: 2, conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.t (k BIGINT, v BIGINT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2").await?;
        client.run(&format!("INSERT INTO d.t SELECT x, 0 FROM TABLE(generate_series(0, {})) g(x)", STAY - 1)).await?;
        let port = house.query_ports()[0];
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let readers = [stopped.clone(), stopped].map(|stop| tokio::spawn(read(port, stop)));
        let mut writers = tokio::task::JoinSet::new();
        (0..WRITERS).for_each(|number| _ = writers.spawn(write(port, number)));
        while let Some(done) = writers.join_next().await {
            done??;
        }
        stop.send(true)?;
        for reader in readers {
            ensure!(reader.await?? > 0, "nobody read");
        }
        // Values only come from whole loads: a key has the value of some load that has it.
        let wrong: i64 =
            client.one(&format!("SELECT count(*) FROM d.t WHERE v < 0 OR v >= {} OR k < 0", WRITERS * ROUNDS)).await?;
        same("values of no load", wrong, 0)?;
        let before = facts(&mut client, "t").await?;
        let snapshot = house.snapshot().await?;
        client.run("DELETE FROM d.t WHERE k % 3 = 0").await?;
        client.run("INSERT INTO d.t SELECT k, -1 FROM d.t WHERE k % 2 = 0").await?;
        ensure!(facts(&mut client, "t").await? != before, "nothing changed");
        client.close().await?;

        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("rows of the snapshot", facts(&mut client, "t").await?, before)?;
        client.run("INSERT INTO d.t VALUES (0, 5), (1, 5), (2, 5)").await?;
        let found: (i64, i64) = client.one("SELECT count(*), sum(v) FROM d.t WHERE k <= 2").await?;
        same("keys are found in restored files", found, (3, 15))?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn large_deletes_stand_in_objects_of_their_own_which_go_with_their_table() {
    e2e("primary/vectors", || async {
        let conf = vec![("lake_autovacuum_grace_period_minutes", "0".to_owned())];
        let house = House::build(HouseSpec { compute_nodes: 2, conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("ADMIN SET FRONTEND CONFIG (\"lake_compaction_max_tasks\" = \"0\")").await?;
        client.run("CREATE TABLE d.t (k BIGINT, v BIGINT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 3").await?;
        let series = |from: i64, step: i64| format!("FROM TABLE(generate_series({from}, 60000, {step})) g(x)");
        client.run(&format!("INSERT INTO d.t SELECT x, 1 {}", series(1, 1))).await?;
        client.run(&format!("INSERT INTO d.t SELECT x, 2 {}", series(1, 3))).await?;
        client.run("UPDATE d.t SET v = 3 WHERE k % 5 = 0").await?;
        client.run("DELETE FROM d.t WHERE k % 7 = 0").await?;
        let value = |k: i64| if k % 5 == 0 { 3 } else { 1 + i64::from(k % 3 == 1) };
        let left: Vec<i64> = (1..=60_000).filter(|k| k % 7 != 0).collect();
        let count = left.len() as i64;
        let expected = (
            count,
            count,
            left.iter().map(|k| value(*k)).sum::<i64>(),
            left.iter().map(|k| k * value(*k)).sum::<i64>(),
        );
        same("rows", facts(&mut client, "t").await?, expected)?;
        ensure!(!house.place.objects(".delvec").await?.is_empty(), "there is no object with delete vectors");
        client.run("CREATE CLUSTER SNAPSHOT one").await?;
        house.job("FINISHED", LIMIT, |j| j.name == "one" && j.state == "FINISHED").await?;
        let wrong: Vec<mysql_async::Row> = client.rows("ADMIN VERIFY CLUSTER SNAPSHOT one WITH DATA").await?;
        ensure!(wrong.is_empty(), "{wrong:?}");
        client.run("INSERT OVERWRITE d.t SELECT x, 9 FROM TABLE(generate_series(1, 10)) g(x)").await?;
        same("rows", facts(&mut client, "t").await?, (10, 10, 90, 495))?;
        client.run("RESTORE TABLE d.t FROM SNAPSHOT one TO TABLE d.back").await?;
        same("rows", facts(&mut client, "back").await?, expected)?;
        client.run("INSERT INTO d.back SELECT k, 4 FROM d.back WHERE k % 2 = 0").await?;
        let found: (i64, i64) = client.one("SELECT count(*), sum(if(v = 4, 1, 0)) FROM d.back").await?;
        same("rows", found, (count, left.iter().filter(|k| *k % 2 == 0).count() as i64))?;
        // Two loads of a transaction: the later has the last word.
        client.run("BEGIN").await?;
        client.run("INSERT INTO d.t VALUES (1, 20), (2, 20)").await?;
        client.run("INSERT INTO d.t VALUES (2, 30), (3, 30)").await?;
        client.run("COMMIT").await?;
        let found: Vec<(i64, i64)> = client.rows("SELECT k, v FROM d.t WHERE v <> 9 ORDER BY k").await?;
        same("rows", found, vec![(1, 20), (2, 30), (3, 30)])?;
        client.run("DROP TABLE d.t FORCE").await?;
        client.run("DROP TABLE d.back FORCE").await?;
        client.run("DROP CLUSTER SNAPSHOT one").await?;
        for kind in [".parquet", ".delvec"] {
            objects_become(&house.place, kind, "nothing left of it", LIMIT, |found| found.is_empty()).await?;
        }
        client.close().await?;
        house.finish().await
    });
}
