//! Tables that jobs write anew, in front of real processes: while they are loaded, while nodes die, and through snapshots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use tests::client::{has_mysql_command, mysql_command, same, until};
use tests::house::START;
use tests::{Client, House, HouseSpec, e2e};

use super::frontends::leader_port;

const PATIENCE: Duration = Duration::from_secs(90);
const BATCH: [&str; 2] = ["--skip-column-names", "--batch"];

async fn printed(house: &House, script: &str) -> anyhow::Result<String> {
    let printed = mysql_command(house.query_ports()[0], &BATCH, script).await?;
    ensure!(printed.ok, "{script}: {printed:?}");
    Ok(printed.out)
}

/// State and message of the newest job of a table.
async fn newest(client: &mut Client, kind: &str, table: &str) -> anyhow::Result<(String, String)> {
    let sql = format!("SHOW ALTER TABLE {kind} FROM d WHERE TableName = '{table}' ORDER BY JobId DESC LIMIT 1");
    let row: mysql_async::Row = client.one(&sql).await?;
    Ok((row.get("State").context("State")?, row.get("Msg").context("Msg")?))
}

async fn over(house: &House, kind: &str, table: &str) -> anyhow::Result<(String, String)> {
    over_at(house.cluster.ports.query, kind, table).await
}

/// The same, as the frontend at this port sees it.
async fn over_at(port: u16, kind: &str, table: &str) -> anyhow::Result<(String, String)> {
    until("the job is over", PATIENCE, || async {
        let Ok(mut client) = Client::connect(port).await else { return Ok(Err("no frontend".to_owned())) };
        let (state, message) = newest(&mut client, kind, table).await?;
        client.close().await?;
        let is_over = state == "FINISHED" || state == "CANCELLED";
        Ok(if is_over { Ok((state, message)) } else { Err(state) })
    })
    .await
}

/// `d.t(id, v VARCHAR)`, `d.p` with a primary key, and some rows in each.
async fn create(client: &mut Client) -> anyhow::Result<()> {
    client.run("CREATE DATABASE d").await?;
    let partitions = "PARTITION BY RANGE(id) (PARTITION low VALUES LESS THAN (\"100000\"), PARTITION high VALUES LESS THAN \
                      (MAXVALUE)) DISTRIBUTED BY HASH(id) BUCKETS 2";
    client.run(&format!("CREATE TABLE d.t (id BIGINT, v VARCHAR(20)) DUPLICATE KEY(id) {partitions}")).await?;
    client.run(&format!("CREATE TABLE d.p (id BIGINT NOT NULL, v VARCHAR(20)) PRIMARY KEY(id) {partitions}")).await?;
    for table in ["t", "p"] {
        client
            .run(&format!(
                "INSERT INTO d.{table} SELECT generate_series, generate_series FROM TABLE(generate_series(1, 20000))"
            ))
            .await?;
    }
    Ok(())
}

async fn facts(client: &mut Client, table: &str) -> anyhow::Result<(u64, u64, i64)> {
    client.one(&format!("SELECT COUNT(*), COUNT(DISTINCT id), SUM(CAST(v AS BIGINT)) FROM d.{table}")).await
}

#[test]
fn types_change_while_four_writers_load() {
    e2e("alter/writers", || async {
        let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(200_000)));
        let mut writers = Vec::new();
        for n in 0..4 {
            let (stop, next, mut client) = (Arc::clone(&stop), Arc::clone(&next), house.client().await?);
            let table = if n % 2 == 0 { "t" } else { "p" };
            writers.push(tokio::spawn(async move {
                let mut written = 0_u64;
                while !stop.load(Ordering::SeqCst) {
                    let id = next.fetch_add(1, Ordering::SeqCst);
                    client.run(&format!("INSERT INTO d.{table} VALUES ({id}, 1)")).await?;
                    written += 1;
                }
                client.close().await?;
                anyhow::Ok(written)
            }));
        }
        for (kind, clause) in [
            ("COLUMN", "MODIFY COLUMN v BIGINT"),
            ("OPTIMIZE", "DISTRIBUTED BY HASH(id) BUCKETS 5"),
            ("COLUMN", "MODIFY COLUMN v VARCHAR(30)"),
            ("OPTIMIZE", "PARTITIONS (low) DISTRIBUTED BY HASH(id) BUCKETS 1"),
        ] {
            for table in ["t", "p"] {
                client.run(&format!("ALTER TABLE d.{table} {clause}")).await?;
            }
            for table in ["t", "p"] {
                same(clause, over(&house, kind, table).await?.0.as_str(), "FINISHED")?;
            }
            client.run("UPDATE d.p SET v = 7 WHERE id = 1").await?;
            client.run("DELETE FROM d.t WHERE id = 20000").await?;
        }
        stop.store(true, Ordering::SeqCst);
        let mut written = [0, 0];
        for (n, writer) in writers.into_iter().enumerate() {
            written[n % 2] += writer.await??;
        }
        ensure!(written.iter().all(|count| *count > 20), "writers wrote {written:?} rows");
        let sum = 20_000 * 20_001 / 2;
        let of =
            |count: u64, rows: u64, sum: i64| (count + rows, count + rows, sum + i64::try_from(count).unwrap_or(0));
        same("rows of t", facts(&mut client, "t").await?, of(written[0], 19_999, sum - 20_000))?;
        same("rows of p", facts(&mut client, "p").await?, of(written[1], 20_000, sum + 6))?;
        let shown: Vec<mysql_async::Row> = client.rows("SHOW PARTITIONS FROM d.t").await?;
        let buckets: Vec<String> = shown.iter().filter_map(|row| row.get("Buckets")).collect();
        same("buckets", buckets, vec!["1".to_owned(), "5".to_owned()])?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_job_outlives_the_leader_and_compute_nodes() {
    e2e("alter/kills", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        let expected = facts(&mut client, "t").await?;
        for (round, pause) in [0, 40, 150, 400].into_iter().enumerate() {
            let to = if round % 2 == 0 { "BIGINT" } else { "VARCHAR(20)" };
            client.run(&format!("ALTER TABLE d.t MODIFY COLUMN v {to}")).await?;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            house.cluster.frontend.kill().await?;
            drop(client);
            house.restart_frontend().await?;
            same("after the leader died", over(&house, "COLUMN", "t").await?.0.as_str(), "FINISHED")?;
            client = house.client().await?;
            house.all_alive(&mut client).await?;
            same("rows", facts(&mut client, "t").await?, expected)?;
        }
        for pause in [0, 60] {
            client.run("ALTER TABLE d.p DISTRIBUTED BY HASH(id) BUCKETS 3").await?;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            house.cluster.compute[0].kill().await?;
            same("after a compute node died", over(&house, "OPTIMIZE", "p").await?.0.as_str(), "FINISHED")?;
            same("rows", facts(&mut client, "p").await?, expected)?;
            house.cluster.compute[0].start(&[])?;
            house.all_alive(&mut client).await?;
        }
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn of_three_frontends_another_finishes_a_job_when_the_leader_dies() {
    e2e("alter/leaders", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        house.add_frontends(&["FOLLOWER", "FOLLOWER"]).await?;
        let ports = house.query_ports();
        let mut client = house.client().await?;
        create(&mut client).await?;
        client.close().await?;
        for (kind, table, clause) in
            [("COLUMN", "t", "MODIFY COLUMN v BIGINT"), ("OPTIMIZE", "p", "DISTRIBUTED BY HASH(id) BUCKETS 3")]
        {
            let leader = leader_port(&ports, None).await?;
            let mut client = Client::connect(leader).await?;
            let expected = facts(&mut client, table).await?;
            // It runs, and comes to no end before the leader does.
            for node in &house.cluster.compute {
                node.signal(Signal::SIGSTOP)?;
            }
            client.run(&format!("ALTER TABLE d.{table} {clause}")).await?;
            until("the job runs", PATIENCE, || async {
                let mut client = Client::connect(leader).await?;
                let (state, _) = newest(&mut client, kind, table).await?;
                client.close().await?;
                Ok(if state == "RUNNING" { Ok(()) } else { Err(state) })
            })
            .await?;
            house.frontend_mut(leader).kill().await?;
            drop(client);
            for node in &house.cluster.compute {
                node.signal(Signal::SIGCONT)?;
            }
            let next = leader_port(&ports, Some(leader)).await?;
            same(clause, over_at(next, kind, table).await?, ("FINISHED".to_owned(), String::new()))?;
            let mut client = Client::connect(next).await?;
            same("rows", facts(&mut client, table).await?, expected)?;
            client.run(&format!("INSERT INTO d.{table} VALUES (300000, 0)")).await?;
            client.close().await?;
            let back = house.frontend_mut(leader);
            back.start(&[])?;
            back.ready(START).await?;
            let mut client = Client::connect(leader).await?;
            client.run("SET enable_linearizable_read = true").await?;
            let (rows, keys, sum) = facts(&mut client, table).await?;
            same("rows behind it", (rows, keys, sum), (expected.0 + 1, expected.1 + 1, expected.2))?;
            client.close().await?;
        }
        house.finish().await
    });
}

#[test]
fn a_job_that_cannot_be_or_is_cancelled_leaves_the_table_as_it_was() {
    e2e("alter/cancel", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 1, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        let expected = facts(&mut client, "t").await?;
        client.run("INSERT INTO d.t VALUES (30000, 'x')").await?;
        client.run("ALTER TABLE d.t MODIFY COLUMN v INT").await?;
        let (state, message) = over(&house, "COLUMN", "t").await?;
        ensure!(state == "CANCELLED" && message.contains("'x' does not fit column 'v'"), "{state} {message}");
        client.run("DELETE FROM d.t WHERE id = 30000").await?;
        same("rows", facts(&mut client, "t").await?, expected)?;

        // Nobody is there who could write, and the frontend knows it: later it must not take a dead node for one that is back.
        house.cluster.compute[0].kill().await?;
        house.alive(&mut client, 0).await?;
        client.run("ALTER TABLE d.t MODIFY COLUMN v INT").await?;
        client.refused("ALTER TABLE d.t ADD COLUMN w INT", 1064, "A schema change operation is in progress").await?;
        client.refused("TRUNCATE TABLE d.t", 1064, "in progress on the table t").await?;
        client.refused("CANCEL ALTER TABLE OPTIMIZE FROM d.t", 1064, "Table[t] is not under OPTIMIZE").await?;
        client.run("CANCEL ALTER TABLE COLUMN FROM d.t").await?;
        same(
            "the job",
            newest(&mut client, "COLUMN", "t").await?,
            ("CANCELLED".to_owned(), "user cancelled".to_owned()),
        )?;
        client.run("ALTER TABLE d.p MODIFY COLUMN v INT").await?;
        client.run("DROP TABLE d.p").await?;
        house.cluster.compute[0].start(&[])?;
        house.all_alive(&mut client).await?;
        same("rows", facts(&mut client, "t").await?, expected)?;
        client.run("ALTER TABLE d.t ADD COLUMN w BIGINT AS CAST(v AS BIGINT) * 2").await?;
        same("a generated column", over(&house, "COLUMN", "t").await?.0.as_str(), "FINISHED")?;
        same("what it holds", client.one::<i64>("SELECT SUM(w) FROM d.t").await?, 2 * expected.2)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_snapshot_in_the_middle_of_a_job_has_the_table_as_it_was_or_as_it_became() {
    if !has_mysql_command("alter/snapshot") {
        return;
    }
    e2e("alter/snapshot", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 1, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        let expected = facts(&mut client, "t").await?;
        let asked = "ALTER TABLE d.t MODIFY COLUMN v BIGINT; ALTER TABLE d.p DISTRIBUTED BY HASH(id) BUCKETS 4; \
                     CREATE CLUSTER SNAPSHOT middle";
        printed(&house, asked).await?;
        house.job("FINISHED", PATIENCE, |j| j.name == "middle" && j.state == "FINISHED").await?;
        let path = "SELECT STORAGE_PATH FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME = 'middle'";
        let path = printed(&house, path).await?.trim().to_owned();
        same("the job", over(&house, "COLUMN", "t").await?.0.as_str(), "FINISHED")?;
        client.run("TRUNCATE TABLE d.t").await?;
        client.close().await?;
        house.lose_everything().await?;
        house.restore_plan(&path, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        for (kind, table) in [("COLUMN", "t"), ("OPTIMIZE", "p")] {
            let (state, message) = newest(&mut client, kind, table).await?;
            let is_clean = state == "FINISHED" || (state == "CANCELLED" && message.contains("restored"));
            ensure!(is_clean, "{table}: {state} {message}");
            same("rows", facts(&mut client, table).await?, expected)?;
        }
        client.run("ALTER TABLE d.t MODIFY COLUMN v VARCHAR(25)").await?;
        same("a job after the restore", over(&house, "COLUMN", "t").await?.0.as_str(), "FINISHED")?;
        same("rows", facts(&mut client, "t").await?, expected)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_table_is_compacted_when_somebody_asks() {
    e2e("alter/compact", || async {
        let house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        for id in 0..6 {
            client.run(&format!("INSERT INTO d.t VALUES ({id}, 0), ({}, 0)", 200_000 + id)).await?;
        }
        let expected = facts(&mut client, "t").await?;
        client.refused("ALTER TABLE d.t COMPACT (nothing)", 5505, "nothing").await?;
        client.run("ALTER TABLE d.t COMPACT low").await?;
        let runs = |partition: &'static str, most: f64| {
            let house = &house;
            until("few runs", PATIENCE, move || async move {
                let mut client = house.client().await?;
                let sql = format!("SHOW PARTITIONS FROM d.t WHERE PartitionName = '{partition}'");
                let row: mysql_async::Row = client.one(&sql).await?;
                let score: String = row.get("MaxCS").context("MaxCS")?;
                client.close().await?;
                Ok(if score.parse::<f64>()? <= most { Ok(()) } else { Err(score) })
            })
        };
        runs("low", 1.0).await?;
        let row: mysql_async::Row = client.one("SHOW PARTITIONS FROM d.t WHERE PartitionName = 'high'").await?;
        let score: String = row.get("MaxCS").context("MaxCS")?;
        ensure!(score.parse::<f64>()? > 1.0, "the other partition was not asked for: {score}");
        client.run("ALTER TABLE d.t BASE COMPACT").await?;
        runs("high", 1.0).await?;
        same("rows", facts(&mut client, "t").await?, expected)?;
        client.close().await?;
        house.finish().await
    });
}
