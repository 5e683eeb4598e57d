//! Measures; never judges. `cargo run --release -p tests --bin bench -- NAME [--json]` prints JSON (with `--json` nothing
//! else). The server is the `starkeep` of the same profile.
//!
//! ```text
//!   drill       the steps of the demo
//!   tpch        the 22 queries, beside DuckDB and DataFusion
//!   ingest      rows a second by INSERT SELECT and by long VALUES, beside DuckDB
//!   commit      single-row INSERTs a second, their latency and their objects, beside MariaDB
//!   upsert      rows a second into a PRIMARY KEY table of many keys, and what a commit reads
//!   point       rows looked up by their key, beside MariaDB
//!   mixed       how long a scan takes while others insert
//!   wire        SELECT 1 a second, beside MariaDB
//!   actor       messages a second between actors, traced and not
//!   tracing     wire and commit with message tracing and without, in turns
//!   metacommit  durable metadata commits a second on one frontend and on three, beside etcd
//!   failover    how long no write is acknowledged when the leader of three frontends is killed, and when it is stopped
//!   image       an image of a catalog with very many tablets: built, written, loaded, sent to a new frontend
//!   snapshot    a snapshot of such a catalog brought into a directory and into an S3 server, and the memory that takes
//!   restore     the same read back and checked
//!   growth      what a frontend pays for each file as there are more: image, memory, and the time of plans
//!   copy        a snapshot with its data copied to another directory, and again with nothing new, beside rclone
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tests::house::starkeep;
use tests::{House, HouseSpec, raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Measures a cluster on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure.
    name: Name,
    /// Print the JSON and nothing else.
    #[arg(long)]
    json: bool,
    /// Rows of `drill`, `ingest`, `upsert`, `point`, `mixed` and `copy`.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// The scale factor of `tpch`.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Seconds of each measurement that is not one piece of work.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often `failover` kills a leader, and how often it stops one.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// The most files of `growth`, which begins with a thousand and goes on by ten times as many.
    #[arg(long, default_value_t = 1_000_000)]
    files: u64,
    /// Tablets of the catalog of `image`, `snapshot` and `restore`, each with one file; a whole number of hundreds.
    #[arg(long, default_value_t = 1_000_000)]
    tablets: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// The steps of `starkeep demo`.
    Drill,
    /// The 22 queries of TPC-H on one compute node, beside DuckDB and DataFusion over the same rows.
    Tpch,
    /// Rows a second by INSERT SELECT and by long VALUES, beside DuckDB.
    Ingest,
    /// Single-row INSERTs a second, beside MariaDB, and the objects that they leave.
    Commit,
    /// Rows a second into a PRIMARY KEY table of `--rows` keys, and the bytes that a commit reads.
    Upsert,
    /// Rows a second looked up by their key in a table of `--rows` keys, beside MariaDB.
    Point,
    /// The time of a scan of `--rows` rows alone and while 16 clients insert.
    Mixed,
    /// `SELECT 1` a second, beside MariaDB.
    Wire,
    /// Asks and tells a second between actors of this process, with message tracing and without.
    Actor,
    /// `wire` and `commit` with message tracing and without, in turns: statements a second, and processor time of each.
    Tracing,
    /// Durable metadata commits a second by 1, 16 and 128 clients, on one frontend and on three, beside etcd.
    Metacommit,
    /// Milliseconds without an acknowledged write when the leader of three frontends is killed, and when it is stopped.
    Failover,
    /// An image of a catalog with many tablets and files: built under load, written, loaded, sent to a new frontend.
    Image,
    /// Seconds and memory of a snapshot of a catalog with many tablets.
    Snapshot,
    /// Seconds and memory of reading it back.
    Restore,
    /// Bytes of the image and of memory for each file, and the time of plans, as files become more.
    Growth,
    /// Seconds of `snapshot copy` of `--rows` rows, and of a second one with nothing new, beside `rclone copy`.
    Copy,
}

#[path = "bench/actor.rs"]
mod actor;
#[path = "bench/commit.rs"]
mod commit;
#[path = "bench/copy.rs"]
mod copy;
#[path = "bench/etcd.rs"]
mod etcd;
#[path = "bench/failover.rs"]
mod failover;
#[path = "bench/growth.rs"]
mod growth;
#[path = "bench/image.rs"]
mod image;
#[path = "bench/ingest.rs"]
mod ingest;
#[path = "bench/keys.rs"]
mod keys;
#[path = "bench/mariadb.rs"]
mod mariadb;
#[path = "bench/metacommit.rs"]
mod metacommit;
#[path = "bench/peers.rs"]
mod peers;
#[path = "bench/snapshots.rs"]
mod snapshots;
#[path = "bench/tpch.rs"]
mod tpch;
#[path = "bench/tracing.rs"]
mod tracing;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let time = Duration::from_secs(arguments.seconds.max(1));
    let result = runtime.block_on(async {
        match arguments.name {
            Name::Drill => drill(arguments.rows).await,
            Name::Tpch => tpch::run(arguments.scale).await,
            Name::Ingest => ingest::run(arguments.rows).await,
            Name::Commit => commit::run(time).await,
            Name::Upsert => keys::upsert(arguments.rows, time).await,
            Name::Point => keys::point(arguments.rows, time).await,
            Name::Mixed => commit::mixed(arguments.rows, time).await,
            Name::Wire => wire(time).await,
            Name::Actor => actor::run(time).await,
            Name::Tracing => tracing::run(time).await,
            Name::Metacommit => metacommit::run(time).await,
            Name::Failover => failover::run(arguments.rounds.max(1)).await,
            Name::Image => image::run(arguments.tablets, time).await,
            Name::Snapshot => snapshots::run(arguments.tablets, snapshots::What::Upload).await,
            Name::Restore => snapshots::run(arguments.tablets, snapshots::What::Restore).await,
            Name::Growth => growth::run(arguments.files).await,
            Name::Copy => copy::run(arguments.rows).await,
        }
    })?;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let report = json!({
        "bench": format!("{:?}", arguments.name).to_lowercase(),
        "machine": { "cores": cores, "cpu": cpu(), "os": std::env::consts::OS, "arch": std::env::consts::ARCH },
        // The server may be another: STARKEEP_BIN.
        "profile": if cfg!(debug_assertions) { "dev" } else { "release" },
        "result": result,
    });
    if !arguments.json {
        eprintln!("{}", summary(&report));
    }
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split(':').nth(1)).map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}

fn summary(report: &Value) -> String {
    let lines = |key: &str| -> Vec<String> {
        report["result"][key].as_array().into_iter().flatten().map(Value::to_string).collect()
    };
    [lines("steps"), lines("runs")].concat().join("\n")
}

async fn drill(rows: u64) -> anyhow::Result<Value> {
    let (code, text) = starkeep(&["demo", "--json", "--rows", &rows.to_string()]).await?;
    let mut report: Value = serde_json::from_str(&text).with_context(|| format!("exit code {code}: {text}"))?;
    report["rows"] = json!(rows);
    report["exit_code"] = json!(code);
    Ok(report)
}

/// Of latencies in microseconds.
fn percentiles(mut micros: Vec<u64>) -> Value {
    micros.sort_unstable();
    let at = |share: f64| micros.get(((micros.len() as f64 - 1.0) * share) as usize).copied().unwrap_or(0);
    json!({ "p50_micros": at(0.5), "p95_micros": at(0.95), "p99_micros": at(0.99), "max_micros": at(1.0) })
}

async fn wire(time: Duration) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec::default()).await?;
    let ours = rates(house.cluster.ports.query, time).await?;
    house.finish().await?;
    let theirs = match mariadb::MariaDb::start().await {
        Ok(server) => Ok((server.version.clone(), rates(server.port, time).await?)),
        Err(absent) => Err(format!("{absent:#}")),
    };
    let mut runs = Vec::new();
    for (at, (connections, rate, latency)) in ours.iter().enumerate() {
        let mut run = json!({ "connections": connections, "starkeep_per_second": rate, "starkeep_latency": latency });
        if let Ok((_, theirs)) = &theirs {
            run["mariadb_per_second"] = json!(theirs[at].1);
            run["mariadb_latency"] = theirs[at].2.clone();
            run["ratio"] = json!(rate / theirs[at].1);
        }
        runs.push(run);
    }
    let mariadb = match theirs {
        Ok((version, _)) => json!(version),
        Err(why) => json!({ "absent": why }),
    };
    Ok(json!({ "statement": "SELECT 1", "mariadb": mariadb, "runs": runs }))
}

/// For 1, 16 and 64 connections: statements a second, and their latency.
async fn rates(port: u16, time: Duration) -> anyhow::Result<Vec<(u64, f64, Value)>> {
    let mut found = Vec::new();
    for connections in [1, 16, 64] {
        let stop = Arc::new(AtomicBool::new(false));
        let mut askers = Vec::new();
        for _ in 0..connections {
            askers.push(tokio::spawn(select_one(raw::login(port).await?, Arc::default(), stop.clone())));
        }
        let began = Instant::now();
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        let mut micros = Vec::new();
        for asker in askers {
            micros.extend(asker.await??);
        }
        found.push((connections, micros.len() as f64 / began.elapsed().as_secs_f64(), percentiles(micros)));
    }
    Ok(found)
}

/// The answer to the same statement always has the same length: nothing is parsed, the server is what is measured.
async fn select_one(
    mut stream: tokio::net::TcpStream,
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Vec<u64>> {
    let length = raw::ask(&mut stream, "SELECT 1").await?;
    let (question, mut answer) = (raw::query("SELECT 1"), vec![0; length]);
    let mut micros = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        stream.write_all(&question).await?;
        stream.read_exact(&mut answer).await?;
        done.fetch_add(1, Ordering::Relaxed);
        micros.push(since.elapsed().as_micros() as u64);
    }
    ensure!(answer.contains(&b'1'), "SELECT 1 was answered with {answer:?}");
    Ok(micros)
}
