//! PRIMARY KEY tables: new rows for keys that are there, and rows that are looked up by their key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::Rng;
use serde_json::{Value, json};
use tests::{Client, House, HouseSpec};

use super::mariadb::MariaDb;
use super::percentiles;

const OURS: &str =
    "CREATE TABLE b.k (id BIGINT NOT NULL, n BIGINT, v VARCHAR(40)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 4";
const THEIRS: &str = "CREATE TABLE b.k (id BIGINT PRIMARY KEY, n BIGINT, v VARCHAR(40))";

/// Of one upsert.
const ROWS_AT_ONCE: usize = 10_000;

async fn filled(house: &House, rows: u64) -> anyhow::Result<(Client, f64)> {
    let mut client = house.client().await?;
    client.run("CREATE DATABASE b").await?;
    client.run(OURS).await?;
    let began = Instant::now();
    let series = format!("TABLE(generate_series(1, {rows})) s(g)");
    client.run(&format!("INSERT INTO b.k SELECT g, g * 7, concat('value ', g) FROM {series}")).await?;
    Ok((client, began.elapsed().as_secs_f64()))
}

pub(crate) async fn upsert(rows: u64, time: Duration) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec { compute_nodes: 1, ..HouseSpec::default() }).await?;
    let (mut client, seconds) = filled(&house, rows).await?;
    let mut runs = Vec::new();
    for at_once in [1, 100, ROWS_AT_ONCE] {
        let (read, began) = (bytes_read(&house)?, Instant::now());
        let mut micros = Vec::new();
        while began.elapsed() < time {
            let values: Vec<String> = {
                let mut random = rand::rng();
                (0..at_once).map(|_| random.random_range(1..=rows)).map(|id| format!("({id},{id},'again')")).collect()
            };
            let since = Instant::now();
            client.run(&format!("INSERT INTO b.k VALUES {}", values.join(","))).await?;
            micros.push(since.elapsed().as_micros() as u64);
        }
        let commits = micros.len() as f64;
        runs.push(json!({
            "rows_of_a_commit": at_once,
            "rows_per_second": commits * at_once as f64 / began.elapsed().as_secs_f64(),
            "bytes_read_per_commit": (bytes_read(&house)? - read) as f64 / commits,
            "commits": micros.len(),
            "latency": percentiles(micros),
        }));
    }
    let found: u64 = client.one("SELECT count(*) FROM b.k").await?;
    ensure!(found == rows, "{found} keys are there, not {rows}");
    client.close().await?;
    house.finish().await?;
    Ok(json!({ "keys": rows, "volume": "LOCAL", "first_load_rows_per_second": rows as f64 / seconds, "runs": runs }))
}

/// What the compute nodes have read so far, from files and connections.
fn bytes_read(house: &House) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for pid in house.cluster.compute.iter().filter_map(|node| node.pid()) {
        let said = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
        let line = said.lines().find_map(|line| line.strip_prefix("rchar: ")).context("no rchar")?;
        bytes += line.trim().parse::<u64>()?;
    }
    Ok(bytes)
}

pub(crate) async fn point(rows: u64, time: Duration) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec { compute_nodes: 1, ..HouseSpec::default() }).await?;
    let (client, _) = filled(&house, rows).await?;
    client.close().await?;
    let mariadb = MariaDb::start().await;
    if let Ok(server) = &mariadb {
        let mut client = Client::connect(server.port).await?;
        client.run("CREATE DATABASE b").await?;
        client.run(THEIRS).await?;
        let select = format!("SELECT seq, seq * 7, concat('value ', seq) FROM b.seq_1_to_{rows}");
        client.run(&format!("INSERT INTO b.k {select}")).await?;
        client.close().await?;
    }
    let mut runs = Vec::new();
    for clients in [1, 16, 64] {
        let (micros, rate) = lookups(house.cluster.ports.query, clients, rows, time).await?;
        let mut run = json!({ "clients": clients, "lookups_per_second": rate, "latency": percentiles(micros) });
        if let Ok(server) = &mariadb {
            let (micros, theirs) = lookups(server.port, clients, rows, time).await?;
            run["mariadb_lookups_per_second"] = json!(theirs);
            run["mariadb_latency"] = percentiles(micros);
            run["ratio"] = json!(rate / theirs);
        }
        runs.push(run);
    }
    house.finish().await?;
    let mariadb = mariadb.map_or_else(|e| json!({ "absent": format!("{e:#}") }), |server| json!(server.version));
    Ok(json!({ "keys": rows, "statement": "SELECT n, v FROM k WHERE id = ?", "mariadb": mariadb, "runs": runs }))
}

async fn lookups(port: u16, clients: usize, rows: u64, time: Duration) -> anyhow::Result<(Vec<u64>, f64)> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut askers = Vec::new();
    for _ in 0..clients {
        askers.push(tokio::spawn(look_up(Client::connect(port).await?, rows, stop.clone())));
    }
    let began = Instant::now();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut micros = Vec::new();
    for asker in askers {
        micros.extend(asker.await??);
    }
    let rate = micros.len() as f64 / began.elapsed().as_secs_f64();
    Ok((micros, rate))
}

async fn look_up(mut client: Client, rows: u64, stop: Arc<AtomicBool>) -> anyhow::Result<Vec<u64>> {
    let mut micros = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let id = rand::rng().random_range(1..=rows);
        let since = Instant::now();
        let (n, _): (u64, String) = client.one(&format!("SELECT n, v FROM b.k WHERE id = {id}")).await?;
        micros.push(since.elapsed().as_micros() as u64);
        ensure!(n == id * 7, "key {id} has {n}");
    }
    client.close().await?;
    Ok(micros)
}
