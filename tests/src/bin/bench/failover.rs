//! Time without a leader: three frontends, clients that write and read in loops through a follower that stays, and a leader
//! that is killed, or stopped in good order.
//!
//! What is measured is what a client sees: the longest pause between two acknowledgements around the moment of the fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tests::client::until;
use tests::house::{START, frontends_become};
use tests::{Client, House, HouseSpec};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::metacommit::{leader, statement};

/// Before the fault: the loops run in.
const RUN_IN: Duration = Duration::from_millis(1500);
/// What is looked at behind the fault, at least.
const WINDOW: Duration = Duration::from_secs(4);
/// Acknowledgements behind the fault, at least.
const LEAST: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);
const CLEAN_STOP: Duration = Duration::from_secs(30);

/// What a loop does again and again.
#[derive(Clone, Copy)]
enum Work {
    Metadata,
    Insert,
    Select,
}

const WORKS: [Work; 3] = [Work::Metadata, Work::Insert, Work::Select];

impl Work {
    fn name(self) -> &'static str {
        match self {
            Work::Metadata => "metadata",
            Work::Insert => "insert",
            Work::Select => "select",
        }
    }

    fn sql(self, n: u64) -> String {
        match self {
            Work::Metadata => statement(0, n),
            Work::Insert => format!("INSERT INTO b.t VALUES ({n})"),
            Work::Select => "SELECT COUNT(*) FROM b.r".to_owned(),
        }
    }
}

/// A loop: when each of its statements was acknowledged, and how many failed.
struct Loop {
    acknowledged: watch::Receiver<Vec<Instant>>,
    running: JoinHandle<u64>,
}

impl Loop {
    fn start(port: u16, work: Work, stop: Arc<AtomicBool>) -> Loop {
        let (told, acknowledged) = watch::channel(Vec::new());
        Loop { acknowledged, running: tokio::spawn(repeat(port, work, told, stop)) }
    }

    /// The longest pause that ends behind the fault, in milliseconds.
    fn pause_millis(&self, fault: Instant) -> f64 {
        let at = self.acknowledged.borrow();
        let pauses = at.windows(2).filter(|pair| pair[1] > fault).map(|pair| pair[1] - pair[0]);
        pauses.max().unwrap_or_default().as_secs_f64() * 1e3
    }

    async fn goes_on(&self, fault: Instant) -> anyhow::Result<()> {
        let mut at = self.acknowledged.clone();
        let enough = |at: &Vec<Instant>| {
            at.iter().rev().take_while(|at| **at > fault).count() >= LEAST
                && at.last().is_some_and(|last| *last > fault + WINDOW)
        };
        tokio::time::timeout(PATIENCE, at.wait_for(enough)).await.context("a loop does not go on")??;
        Ok(())
    }
}

async fn repeat(port: u16, work: Work, told: watch::Sender<Vec<Instant>>, stop: Arc<AtomicBool>) -> u64 {
    let (mut n, mut failures) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut client) = Client::connect(port).await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            n += 1;
            if client.run(&work.sql(n)).await.is_err() {
                failures += 1;
                break;
            }
            told.send_modify(|at| at.push(Instant::now()));
        }
    }
    failures
}

pub(crate) async fn run(rounds: u32) -> anyhow::Result<Value> {
    let mut house = House::build(HouseSpec::default()).await?;
    house.add_frontends(&["FOLLOWER", "FOLLOWER"]).await?;
    let mut client = house.client().await?;
    client.run("CREATE DATABASE b").await?;
    for table in ["t", "r"] {
        let columns = "(id BIGINT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1";
        client.run(&format!("CREATE TABLE b.{table} {columns}")).await?;
    }
    client.run("INSERT INTO b.r VALUES (1)").await?;
    client.close().await?;
    let mut runs = Vec::new();
    for fault in ["kill", "stop"] {
        let mut pauses: [Vec<f64>; WORKS.len()] = Default::default();
        let mut failures = [0; WORKS.len()];
        for _ in 0..rounds {
            let round = one(&mut house, fault).await?;
            for (n, (pause, failed)) in round.into_iter().enumerate() {
                pauses[n].push(pause);
                failures[n] += failed;
            }
        }
        for (n, work) in WORKS.iter().enumerate() {
            let mut run = spread(&mut pauses[n]);
            (run["fault"], run["statements"], run["failed"]) = (json!(fault), json!(work.name()), json!(failures[n]));
            runs.push(run);
        }
    }
    house.finish().await?;
    Ok(
        json!({ "frontends": 3, "compute_nodes": 1, "rounds": rounds, "what": "longest pause between acknowledgements", "runs": runs }),
    )
}

fn spread(millis: &mut [f64]) -> Value {
    millis.sort_by(f64::total_cmp);
    let at = |n: usize| millis.get(n).copied().unwrap_or_default();
    json!({ "min_millis": at(0), "median_millis": at(millis.len() / 2), "max_millis": at(millis.len().saturating_sub(1)) })
}

/// The pause of each loop, and how many of its statements failed.
async fn one(house: &mut House, fault: &str) -> anyhow::Result<Vec<(f64, u64)>> {
    let led = leader(house).await?;
    let ports = house.query_ports();
    let stays = *ports.iter().find(|port| **port != led).context("one frontend only")?;
    // Every round begins alike: with a table of few files.
    let mut client = Client::connect(stays).await?;
    client.run("TRUNCATE TABLE b.t").await?;
    client.close().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let loops = WORKS.map(|work| Loop::start(stays, work, stop.clone()));
    tokio::time::sleep(RUN_IN).await;
    let at = Instant::now();
    let node = house.frontend_mut(led);
    if fault == "kill" {
        node.kill().await?;
    } else {
        let status = node.stop(CLEAN_STOP).await?.context("it did not stop by itself")?;
        ensure!(status.success(), "{status}");
    }
    let mut found = Vec::new();
    for running in &loops {
        running.goes_on(at).await?;
    }
    stop.store(true, Ordering::Relaxed);
    for running in loops {
        let pause = running.pause_millis(at);
        found.push((pause, running.running.await?));
    }
    heal(house, led, stays).await?;
    Ok(found)
}

/// The frontend that is gone comes back, and all are alive as the one that stayed sees it.
async fn heal(house: &mut House, gone: u16, stays: u16) -> anyhow::Result<()> {
    let node = house.frontend_mut(gone);
    node.start(&[])?;
    node.ready(START).await?;
    let mut client = Client::connect(stays).await?;
    frontends_become(&mut client, "alive", |rows| rows.iter().all(|row| row.alive && row.joined)).await?;
    client.close().await?;
    let house = &*house;
    until("the first frontend knows who leads", PATIENCE, || async {
        Ok(leader(house).await.map_err(|error| format!("{error:#}")))
    })
    .await?;
    Ok(())
}
