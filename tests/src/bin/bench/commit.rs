//! Single-row INSERTs: how many a second and how many objects they leave, beside MariaDB; and a scan while they run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use tests::{Client, House, HouseSpec, Place};
use tokio::task::JoinHandle;

use super::mariadb::MariaDb;
use super::percentiles;

const OURS: &str = "CREATE TABLE b.t (id BIGINT, v VARCHAR(20)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1";
/// With a key, as users of InnoDB have it; each INSERT is flushed to the disk, which is its default.
const THEIRS: &str = "CREATE TABLE b.t (id BIGINT PRIMARY KEY, v VARCHAR(20))";

/// Clients that insert row after row into `b.t`.
struct Writers {
    stop: Arc<AtomicBool>,
    began: Instant,
    clients: Vec<JoinHandle<anyhow::Result<Vec<u64>>>>,
}

impl Writers {
    fn start(port: u16, clients: u64) -> Writers {
        let (ids, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let clients = (0..clients).map(|_| tokio::spawn(insert(port, ids.clone(), stop.clone()))).collect();
        Writers { stop, began: Instant::now(), clients }
    }

    /// The latencies, and INSERTs a second.
    async fn end(self) -> anyhow::Result<(Vec<u64>, f64)> {
        self.stop.store(true, Ordering::Relaxed);
        let mut micros = Vec::new();
        for client in self.clients {
            micros.extend(client.await??);
        }
        let rate = micros.len() as f64 / self.began.elapsed().as_secs_f64();
        Ok((micros, rate))
    }
}

pub(crate) async fn run(time: Duration) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
    let mariadb = MariaDb::start().await;
    let mut runs = Vec::new();
    for clients in [1, 16, 64] {
        let objects = objects(&house);
        let (micros, rate) = rows_of(house.cluster.ports.query, OURS, clients, time).await?;
        let thousands = micros.len() as f64 / 1000.0;
        let mut run = json!({
            "clients": clients,
            "inserts_per_second": rate,
            // Those of compactions too.
            "objects_per_1000_rows": self::objects(&house).saturating_sub(objects) as f64 / thousands,
            "latency": percentiles(micros),
        });
        if let Ok(server) = &mariadb {
            let (micros, theirs) = rows_of(server.port, THEIRS, clients, time).await?;
            run["mariadb_inserts_per_second"] = json!(theirs);
            run["mariadb_latency"] = percentiles(micros);
            run["ratio"] = json!(rate / theirs);
        }
        runs.push(run);
    }
    house.finish().await?;
    let mariadb = mariadb.map_or_else(|e| json!({ "absent": format!("{e:#}") }), |server| json!(server.version));
    Ok(json!({ "volume": "LOCAL", "compute_nodes": 2, "mariadb": mariadb, "runs": runs }))
}

async fn rows_of(port: u16, table: &str, clients: u64, time: Duration) -> anyhow::Result<(Vec<u64>, f64)> {
    let mut client = Client::connect(port).await?;
    fresh(&mut client, table).await?;
    let writers = Writers::start(port, clients);
    tokio::time::sleep(time).await;
    let (micros, rate) = writers.end().await?;
    let rows: u64 = client.one("SELECT COUNT(*) FROM b.t").await?;
    ensure!(rows == micros.len() as u64, "{} INSERTs were acknowledged, {rows} rows are there", micros.len());
    client.close().await?;
    Ok((micros, rate))
}

/// An empty `b.t`.
async fn fresh(client: &mut Client, table: &str) -> anyhow::Result<()> {
    client.run("CREATE DATABASE IF NOT EXISTS b").await?;
    client.run("DROP TABLE IF EXISTS b.t").await?;
    client.run(table).await
}

/// Data files in the volume.
fn objects(house: &House) -> usize {
    fn below(directory: &Path) -> usize {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let count = |path: &Path| match path.is_dir() {
            true => below(path),
            false => usize::from(path.extension().is_some_and(|kind| kind == "parquet")),
        };
        entries.map(|entry| count(&entry.path())).sum()
    }
    match &house.place {
        Place::Directory(path) => below(path),
        Place::Bucket { .. } => 0,
    }
}

pub(crate) async fn insert(port: u16, ids: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> anyhow::Result<Vec<u64>> {
    let mut client = Client::connect(port).await?;
    let mut micros = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let id = ids.fetch_add(1, Ordering::Relaxed);
        let since = Instant::now();
        client.run(&format!("INSERT INTO b.t VALUES ({id}, 'row {id}')")).await?;
        micros.push(since.elapsed().as_micros() as u64);
    }
    client.close().await?;
    Ok(micros)
}

pub(crate) async fn mixed(rows: u64, time: Duration) -> anyhow::Result<Value> {
    const WRITERS: u64 = 16;
    let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
    let mut client = house.client().await?;
    fresh(&mut client, OURS).await?;
    client
        .run(&format!("INSERT INTO b.t SELECT g, concat('row ', g) FROM TABLE(generate_series(1, {rows})) s(g)"))
        .await?;
    let alone = scans(&mut client, time).await?;
    let writers = Writers::start(house.cluster.ports.query, WRITERS);
    let among = scans(&mut client, time).await?;
    let (micros, rate) = writers.end().await?;
    client.close().await?;
    house.finish().await?;
    Ok(json!({
        "rows": rows,
        "scan": "SELECT count(*), max(v) FROM t",
        "alone": percentiles(alone),
        "while_inserting": percentiles(among),
        "writers": { "clients": WRITERS, "inserts_per_second": rate, "latency": percentiles(micros) },
    }))
}

async fn scans(client: &mut Client, time: Duration) -> anyhow::Result<Vec<u64>> {
    let (mut micros, began) = (Vec::new(), Instant::now());
    while began.elapsed() < time {
        let since = Instant::now();
        let _: (u64, String) = client.one("SELECT count(*), max(v) FROM b.t").await?;
        micros.push(since.elapsed().as_micros() as u64);
    }
    Ok(micros)
}
