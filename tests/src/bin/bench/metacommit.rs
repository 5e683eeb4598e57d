//! Durable metadata commits: the cheapest statement that is one command in the log, by several clients of the leader, and
//! beside it the puts of etcd, in turns, so that the machine's moods fall on both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tests::house::frontends;
use tests::{Client, House, HouseSpec};
use tokio::task::JoinHandle;

use crate::etcd::{self, Etcd};
use crate::percentiles;

/// Turns of each; a measurement's time is divided among them.
const TURNS: u32 = 8;
const STATEMENT: &str = "ADMIN SET FRONTEND CONFIG (\"catalog_trash_expire_second\" = \"n\") WITH PERSISTENT";

/// What the clients of one server did.
#[derive(Default)]
struct Done {
    micros: Vec<u64>,
    seconds: f64,
}

impl Done {
    fn per_second(&self) -> f64 {
        self.micros.len() as f64 / self.seconds.max(1e-9)
    }
}

pub(crate) async fn run(time: Duration) -> anyhow::Result<Value> {
    let mut runs = Vec::new();
    let mut version = Err(String::new());
    for members in [1, 3] {
        let house = build(members).await?;
        let peer = Etcd::start(members).await;
        for clients in [1, 16, 128] {
            let (mut ours, mut theirs) = (Done::default(), Done::default());
            for _ in 0..TURNS {
                commits(&house, clients, time / TURNS, &mut ours).await?;
                if let Ok(peer) = &peer {
                    puts(peer, clients, time / TURNS, &mut theirs).await?;
                }
            }
            runs.push(report(members, clients, ours, peer.is_ok().then_some(theirs)));
        }
        version = peer.map(|peer| peer.version.clone()).map_err(|absent| format!("{absent:#}"));
        house.finish().await?;
    }
    let (etcd, why) = match version {
        Ok(version) => (json!(version), Value::Null),
        Err(why) => (Value::Null, json!(why)),
    };
    let put = "KV/Put over gRPC, 8 bytes of key, 256 of value, each client its connection";
    Ok(json!({ "volume": "LOCAL", "statement": STATEMENT, "etcd": etcd, "why": why, "etcd_call": put, "runs": runs }))
}

fn report(members: usize, clients: u64, ours: Done, theirs: Option<Done>) -> Value {
    let rate = ours.per_second();
    let mut run = json!({
        "members": members, "clients": clients,
        "starkeep_per_second": rate, "starkeep_latency": percentiles(ours.micros),
    });
    if let Some(theirs) = theirs {
        run["etcd_per_second"] = json!(theirs.per_second());
        run["ratio"] = json!(rate / theirs.per_second());
        run["etcd_latency"] = percentiles(theirs.micros);
    }
    run
}

async fn build(frontends: usize) -> anyhow::Result<House> {
    let mut house = House::build(HouseSpec { compute_nodes: 0, ..HouseSpec::default() }).await?;
    house.add_frontends(&vec!["FOLLOWER"; frontends - 1]).await?;
    Ok(house)
}

/// The query port of the frontend that leads.
pub(crate) async fn leader(house: &House) -> anyhow::Result<u16> {
    let mut client = house.client().await?;
    let rows = frontends(&mut client).await?;
    client.close().await?;
    let found = rows.iter().find(|row| row.role == "LEADER").context("no frontend leads")?;
    Ok(found.query_port)
}

async fn commits(house: &House, clients: u64, time: Duration, done: &mut Done) -> anyhow::Result<()> {
    let port = leader(house).await?;
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Client::connect(port).await?);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let running = connections.into_iter().enumerate();
    let running = running.map(|(n, client)| tokio::spawn(commit(client, n as u64, stop.clone()))).collect();
    gather(running, began, time, &stop, done).await
}

async fn puts(peer: &Etcd, clients: u64, time: Duration, done: &mut Done) -> anyhow::Result<()> {
    let port = peer.leader().await?;
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(etcd::connect(port).await?);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let running = connections.into_iter().enumerate();
    let running = running.map(|(n, client)| tokio::spawn(etcd::put(client, n as u64, stop.clone()))).collect();
    gather(running, began, time, &stop, done).await
}

async fn gather(
    running: Vec<JoinHandle<anyhow::Result<Vec<u64>>>>,
    began: Instant,
    time: Duration,
    stop: &AtomicBool,
    done: &mut Done,
) -> anyhow::Result<()> {
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    for client in running {
        done.micros.extend(client.await??);
    }
    done.seconds += began.elapsed().as_secs_f64();
    Ok(())
}

/// The statement that sets the `n`th value of a client.
pub(crate) fn statement(client: u64, n: u64) -> String {
    STATEMENT.replace("\"n\"", &format!("\"{}\"", 86_400 + client * 1_000_000 + n % 1_000_000))
}

async fn commit(mut client: Client, number: u64, stop: Arc<AtomicBool>) -> anyhow::Result<Vec<u64>> {
    let mut micros = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let statement = statement(number, micros.len() as u64);
        let since = Instant::now();
        client.run(&statement).await?;
        micros.push(since.elapsed().as_micros() as u64);
    }
    client.close().await?;
    Ok(micros)
}
