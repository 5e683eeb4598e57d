//! Whoever leads is killed, or stopped and goes on when its job is over, while a snapshot is taken every second: in a directory
//! and on an S3 server, with one frontend and with three. The last snapshot has every row.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::client::{same, until};
use tests::house::{START, frontends};
use tests::{Client, House, HouseSpec, e2e};

const PATIENCE: Duration = Duration::from_secs(60);
/// Of each cluster; every other one is a kill.
const ROUNDS: u64 = 4;
/// Another leads by then, and the job that was running is over.
const STOPPED: Duration = Duration::from_secs(8);

/// The MySQL port of the frontend that leads.
async fn leader(house: &House) -> anyhow::Result<u16> {
    let ports = house.query_ports();
    until("somebody leads", PATIENCE, || async {
        for port in &ports {
            let Ok(mut client) = Client::connect(*port).await else { continue };
            let Ok(rows) = frontends(&mut client).await else { continue };
            if let Some(row) = rows.iter().find(|row| row.role == "LEADER" && row.alive) {
                return Ok(Ok(row.query_port));
            }
        }
        Ok(Err("nobody says so".to_owned()))
    })
    .await
}

/// Runs a statement on whichever frontend takes it.
async fn run(house: &House, sql: &str) -> anyhow::Result<()> {
    let ports = house.query_ports();
    until(sql, PATIENCE, || async {
        let mut last = String::new();
        for port in &ports {
            let asked = async { Client::connect(*port).await?.run(sql).await };
            match tokio::time::timeout(Duration::from_secs(10), asked).await {
                Ok(Ok(())) => return Ok(Ok(())),
                Ok(Err(error)) => last = format!("{error:#}"),
                Err(_) => last = format!("no answer of {port}"),
            }
        }
        Ok(Err(last))
    })
    .await
}

async fn disturb(house: &mut House, round: u64) -> anyhow::Result<()> {
    // Not always at the same point of a job.
    tokio::time::sleep(Duration::from_millis(170 * round)).await;
    let port = leader(house).await?;
    let node = house.frontend_mut(port);
    if round.is_multiple_of(2) {
        node.kill().await?;
        node.start(&[])?;
        node.ready(START).await?;
        return Ok(());
    }
    let pid = Pid::from_raw(i32::try_from(node.pid().context("the leader does not run")?)?);
    kill(pid, Signal::SIGSTOP)?;
    tokio::time::sleep(STOPPED).await;
    kill(pid, Signal::SIGCONT)?;
    Ok(())
}

async fn cell(bucket: Option<&'static str>, followers: &[&str]) -> anyhow::Result<()> {
    let mut house = House::build(HouseSpec { bucket, ..HouseSpec::default() }).await?;
    house.add_frontends(followers).await?;
    run(&house, "CREATE DATABASE d").await?;
    run(&house, "CREATE TABLE d.t (n BIGINT) DUPLICATE KEY(n) DISTRIBUTED BY HASH(n) BUCKETS 2").await?;
    run(&house, "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON INTERVAL 1 SECOND").await?;
    for round in 0..ROUNDS {
        run(&house, &format!("INSERT INTO d.t VALUES ({round})")).await?;
        disturb(&mut house, round).await?;
    }
    run(&house, "CREATE CLUSTER SNAPSHOT IF NOT EXISTS last").await?;
    let mut client = Client::connect(leader(&house).await?).await?;
    let finished = until("the last one is FINISHED", PATIENCE, || async {
        let mut client = Client::connect(leader(&house).await?).await?;
        let jobs = house.jobs(&mut client).await?;
        let done = jobs.iter().find(|job| job.name == "last" && job.state == "FINISHED").cloned();
        Ok(done.ok_or_else(|| format!("{jobs:?}")))
    });
    finished.await?;
    let verified: Vec<mysql_async::Row> = client.rows("ADMIN VERIFY CLUSTER SNAPSHOT last WITH DATA").await?;
    ensure!(verified.is_empty(), "{verified:?}");
    let sql = "SELECT STORAGE_PATH FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME = 'last'";
    let path: String = client.one(sql).await?;
    drop(client);
    house.no_panic()?;

    house.lose_everything().await?;
    house.restore_plan(&path, &house.place)?;
    house.restore().await?;
    let mut client = house.client().await?;
    let rows: BTreeSet<u64> = client.rows("SELECT n FROM d.t").await?.into_iter().collect();
    same("rows", rows, (0..ROUNDS).collect())?;
    client.close().await?;
    house.finish().await
}

#[test]
fn one_frontend_and_a_directory() {
    e2e("matrix/one_local", || cell(None, &[]));
}

#[test]
fn one_frontend_and_s3() {
    e2e("matrix/one_s3", || cell(Some("lake/p"), &[]));
}

#[test]
fn three_frontends_and_a_directory() {
    e2e("matrix/three_local", || cell(None, &["FOLLOWER", "FOLLOWER"]));
}

#[test]
fn three_frontends_and_s3() {
    e2e("matrix/three_s3", || cell(Some("lake/p"), &["FOLLOWER", "FOLLOWER"]));
}
