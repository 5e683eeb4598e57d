//! What message tracing costs a server: one cluster under a steady load, told in turns to trace nothing, what it traces by
//! default, and everything. The turns are short and many, so that the machine's moods fall on all alike. Beside the rates the
//! processor time of all server processes, which other work on the machine disturbs less.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tests::{Client, House, HouseSpec, raw};
use tokio::task::JoinHandle;

/// One turn; a new setting has its effect from the first statement on.
const TURN: Duration = Duration::from_millis(400);
const SETTING: &str = "message_trace_rate";
const NOTHING: &str = "0";
const EVERYTHING: &str = "4294967295";

/// One way to load a cluster.
#[derive(Clone, Copy, Debug)]
enum Load {
    Wire(u64),
    Commit(u64),
}

const LOADS: [Load; 5] = [Load::Wire(1), Load::Wire(16), Load::Wire(64), Load::Commit(1), Load::Commit(16)];

/// One turn's measurement.
#[derive(Clone, Copy)]
struct Measured {
    per_second: f64,
    cpu_micros: f64,
}

/// The clients that load the cluster.
struct Loading {
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<anyhow::Result<Vec<u64>>>>,
}

pub(crate) async fn run(time: Duration) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
    let mut admin = house.client().await?;
    admin.run("CREATE DATABASE b").await?;
    let by_default = default_rate(&mut admin).await?;
    let settings = [NOTHING, &by_default, EVERYTHING];
    let turns = time.as_millis().div_ceil(TURN.as_millis()).max(2);
    let mut runs = Vec::new();
    for load in LOADS {
        let loading = begin(&house, load).await?;
        // Caches fill, and every ring has been full once.
        for setting in settings {
            turn(&house, &mut admin, &loading, setting).await?;
        }
        let mut measured = [Vec::new(), Vec::new(), Vec::new()];
        for n in 0..turns {
            // There and back, so that what grows with time falls on all alike.
            let order = if n % 2 == 0 { [0, 1, 2] } else { [2, 1, 0] };
            for at in order {
                measured[at].push(turn(&house, &mut admin, &loading, settings[at]).await?);
            }
        }
        loading.stop.store(true, Ordering::Relaxed);
        for client in loading.clients {
            client.await??;
        }
        runs.push(report(load, &measured));
    }
    admin.close().await?;
    house.finish().await?;
    Ok(json!({ "turns": turns, "by_default": by_default, "runs": runs }))
}

async fn default_rate(admin: &mut Client) -> anyhow::Result<String> {
    type Row = (String, String, String, String, String, String);
    let row: Row = admin.one(&format!("ADMIN SHOW FRONTEND CONFIG LIKE '{SETTING}'")).await?;
    Ok(row.2)
}

async fn begin(house: &House, load: Load) -> anyhow::Result<Loading> {
    let port = house.cluster.ports.query;
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = Vec::new();
    match load {
        Load::Wire(connections) => {
            for _ in 0..connections {
                let stream = raw::login(port).await?;
                clients.push(tokio::spawn(super::select_one(stream, done.clone(), stop.clone())));
            }
        }
        Load::Commit(writers) => {
            let mut client = house.client().await?;
            client.run("DROP TABLE IF EXISTS b.t FORCE").await?;
            let key = "DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1";
            client.run(&format!("CREATE TABLE b.t (id BIGINT, v VARCHAR(20)) {key}")).await?;
            client.close().await?;
            clients.extend((0..writers).map(|_| tokio::spawn(super::commit::insert(port, done.clone(), stop.clone()))));
        }
    }
    Ok(Loading { done, stop, clients })
}

async fn turn(house: &House, admin: &mut Client, loading: &Loading, setting: &str) -> anyhow::Result<Measured> {
    admin.run(&format!("ADMIN SET FRONTEND CONFIG (\"{SETTING}\" = \"{setting}\")")).await?;
    let (before, began, cpu) = (loading.done.load(Ordering::Relaxed), Instant::now(), cpu_of(house)?);
    tokio::time::sleep(TURN).await;
    let statements = loading.done.load(Ordering::Relaxed).saturating_sub(before).max(1) as f64;
    let used = cpu_of(house)?.saturating_sub(cpu);
    let per_second = statements / began.elapsed().as_secs_f64();
    Ok(Measured { per_second, cpu_micros: used.as_secs_f64() * 1e6 / statements })
}

/// The processor time that all processes of the cluster have used.
fn cpu_of(house: &House) -> anyhow::Result<Duration> {
    let nodes = std::iter::once(&house.cluster.frontend).chain(&house.cluster.compute);
    let mut nanos = 0;
    for pid in nodes.filter_map(|node| node.pid()) {
        for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            // One that has just ended has no more to say.
            let Ok(said) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            nanos += said.split(' ').next().context("an empty schedstat")?.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn report(load: Load, [off, by_default, all]: &[Vec<Measured>; 3]) -> Value {
    let medians = |all: &[Measured]| {
        let per_second = median(all.iter().map(|one| one.per_second));
        json!({ "per_second": per_second, "cpu_micros": median(all.iter().map(|one| one.cpu_micros)) })
    };
    // Of neighbours in time: the machine's moods fall on both.
    let against = |on: &[Measured]| {
        let of_pairs =
            |of: fn(&Measured) -> f64| median(off.iter().zip(on).map(|(off, on)| of(on) / of(off) * 100.0 - 100.0));
        json!({ "per_second": of_pairs(|one| one.per_second), "cpu": of_pairs(|one| one.cpu_micros) })
    };
    json!({
        "load": format!("{load:?}").to_lowercase(),
        "untraced": medians(off),
        "by_default": medians(by_default),
        "everything": medians(all),
        "percent_by_default": against(by_default),
        "percent_everything": against(all),
    })
}
