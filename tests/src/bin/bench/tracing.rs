//! What message tracing costs a server: three clusters, one that traces nothing, one as it is by default and one that traces
//! everything, under the same load in turns. Beside the rates the processor time of all server processes, which other work on the machine disturbs less.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tests::{House, HouseSpec, raw};

/// Measurements of each cluster.
const TURNS: usize = 5;

/// One way to load a cluster.
#[derive(Clone, Copy, Debug)]
enum Load {
    Wire(u64),
    Commit(u64),
}

const LOADS: [Load; 5] = [Load::Wire(1), Load::Wire(16), Load::Wire(64), Load::Commit(1), Load::Commit(16)];

/// One measurement.
#[derive(Clone, Copy)]
struct Measured {
    per_second: f64,
    cpu_micros: f64,
}

pub(crate) async fn run(time: Duration) -> anyhow::Result<Value> {
    let houses = [build(Some("0")).await?, build(None).await?, build(Some("4294967295")).await?];
    let ids = Arc::new(AtomicU64::new(0));
    let mut runs = Vec::new();
    for load in LOADS {
        for house in &houses {
            // Caches fill, and every ring has been full once.
            measure(house, load, &ids, time).await?;
        }
        let mut measured = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (house, measured) in houses.iter().zip(&mut measured) {
                measured.push(measure(house, load, &ids, time).await?);
            }
        }
        runs.push(report(load, &measured));
    }
    for house in houses {
        house.finish().await?;
    }
    Ok(json!({ "turns": TURNS, "runs": runs }))
}

async fn build(rate: Option<&str>) -> anyhow::Result<House> {
    let conf = || rate.map(|rate| ("message_trace_rate", rate.to_owned())).into_iter().collect::<Vec<_>>();
    let house =
        House::build(HouseSpec { compute_nodes: 2, conf: conf(), compute_conf: conf(), ..HouseSpec::default() })
            .await?;
    let mut client = house.client().await?;
    client.run("CREATE DATABASE b").await?;
    client.close().await?;
    Ok(house)
}

async fn measure(house: &House, load: Load, ids: &Arc<AtomicU64>, time: Duration) -> anyhow::Result<Measured> {
    let port = house.cluster.ports.query;
    let stop = Arc::new(AtomicBool::new(false));
    let mut loading = Vec::new();
    match load {
        Load::Wire(connections) => {
            for _ in 0..connections {
                loading.push(tokio::spawn(super::select_one(raw::login(port).await?, stop.clone())));
            }
        }
        Load::Commit(clients) => {
            // A table of its own: one that grows would slow down the later turns.
            let mut client = house.client().await?;
            client.run("DROP TABLE IF EXISTS b.t FORCE").await?;
            let key = "DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1";
            client.run(&format!("CREATE TABLE b.t (id BIGINT, v VARCHAR(20)) {key}")).await?;
            client.close().await?;
            loading.extend((0..clients).map(|_| tokio::spawn(super::insert(port, ids.clone(), stop.clone()))));
        }
    }
    let (began, cpu) = (Instant::now(), cpu_of(house)?);
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut statements = 0;
    for client in loading {
        statements += client.await??.len();
    }
    let (statements, seconds) = (statements.max(1) as f64, began.elapsed().as_secs_f64());
    let used = cpu_of(house)?.saturating_sub(cpu);
    Ok(Measured { per_second: statements / seconds, cpu_micros: used.as_secs_f64() * 1e6 / statements })
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
