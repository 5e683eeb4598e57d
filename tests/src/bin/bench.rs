//! Measures; never judges. `cargo run --release -p tests --bin bench -- NAME [--json]` prints JSON (with `--json` nothing
//! else). The server is the `starkeep` of the same profile.
//!
//! ```text
//!   drill       the steps of the demo
//!   commit      INSERTs a second, and their latency
//!   wire        SELECT 1 a second, beside MariaDB
//!   actor       messages a second between actors, traced and not
//!   tracing     wire and commit with message tracing and without, in turns
//!   metacommit  durable metadata commits a second on one frontend and on three, beside etcd
//!   failover    how long no write is acknowledged when the leader of three frontends is killed, and when it is stopped
//!   image       an image of a catalog with very many tablets: built, written, loaded, sent to a new frontend
//!   snapshot    a snapshot of such a catalog brought into a directory and into an S3 server, and the memory that takes
//!   restore     the same read back and checked
//! ```

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tests::house::starkeep;
use tests::{Client, House, HouseSpec, raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Measures a cluster on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure.
    name: Name,
    /// Print the JSON and nothing else.
    #[arg(long)]
    json: bool,
    /// Rows of the drill.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Seconds of each measurement of `commit`, `wire`, `actor`, `tracing`, `metacommit` and `image`.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often `failover` kills a leader, and how often it stops one.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Tablets of the catalog of `image`, `snapshot` and `restore`, each with one file; a whole number of hundreds.
    #[arg(long, default_value_t = 1_000_000)]
    tablets: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// The steps of `starkeep demo`.
    Drill,
    /// Single-row INSERTs a second.
    Commit,
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
}

#[path = "bench/actor.rs"]
mod actor;
#[path = "bench/etcd.rs"]
mod etcd;
#[path = "bench/failover.rs"]
mod failover;
#[path = "bench/image.rs"]
mod image;
#[path = "bench/metacommit.rs"]
mod metacommit;
#[path = "bench/snapshots.rs"]
mod snapshots;
#[path = "bench/tracing.rs"]
mod tracing;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let time = Duration::from_secs(arguments.seconds.max(1));
    let result = runtime.block_on(async {
        match arguments.name {
            Name::Drill => drill(arguments.rows).await,
            Name::Commit => commit(time).await,
            Name::Wire => wire(time).await,
            Name::Actor => actor::run(time).await,
            Name::Tracing => tracing::run(time).await,
            Name::Metacommit => metacommit::run(time).await,
            Name::Failover => failover::run(arguments.rounds.max(1)).await,
            Name::Image => image::run(arguments.tablets, time).await,
            Name::Snapshot => snapshots::run(arguments.tablets, snapshots::What::Upload).await,
            Name::Restore => snapshots::run(arguments.tablets, snapshots::What::Restore).await,
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

async fn commit(time: Duration) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
    let port = house.cluster.ports.query;
    let mut runs = Vec::new();
    for clients in [1_u64, 16] {
        let mut client = house.client().await?;
        client.run("DROP DATABASE IF EXISTS b FORCE").await?;
        client.run("CREATE DATABASE b").await?;
        client
            .run("CREATE TABLE b.t (id BIGINT, v VARCHAR(20)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1")
            .await?;
        let (ids, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let began = Instant::now();
        let writers: Vec<_> = (0..clients).map(|_| tokio::spawn(insert(port, ids.clone(), stop.clone()))).collect();
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        let mut micros = Vec::new();
        for writer in writers {
            micros.extend(writer.await??);
        }
        let seconds = began.elapsed().as_secs_f64();
        let rows: u64 = client.one("SELECT COUNT(*) FROM b.t").await?;
        ensure!(rows == micros.len() as u64, "{} INSERTs were acknowledged, {rows} rows are there", micros.len());
        client.close().await?;
        let rate = micros.len() as f64 / seconds;
        runs.push(
            json!({ "clients": clients, "inserts_per_second": rate, "inserts": rows, "latency": percentiles(micros) }),
        );
    }
    house.finish().await?;
    Ok(json!({ "volume": "LOCAL", "compute_nodes": 2, "runs": runs }))
}

async fn insert(port: u16, ids: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> anyhow::Result<Vec<u64>> {
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

async fn wire(time: Duration) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec::default()).await?;
    let ours = rates(house.cluster.ports.query, time).await?;
    house.finish().await?;
    let theirs = match MariaDb::start().await {
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

/// A MariaDB server on a free loopback port, with a data directory of its own.
struct MariaDb {
    port: u16,
    version: String,
    _child: tokio::process::Child,
    _dir: tempfile::TempDir,
}

fn program(names: &[&str]) -> anyhow::Result<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let directories = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    let mut candidates = directories.flat_map(|dir| names.iter().map(move |name| Path::new(dir).join(name)));
    candidates.find(|path| path.is_file()).with_context(|| format!("{} is not installed", names[0]))
}

impl MariaDb {
    async fn start() -> anyhow::Result<MariaDb> {
        let package = "apt package mariadb-server";
        let server = program(&["mariadbd", "mysqld"]).context(package)?;
        let install = program(&["mariadb-install-db", "mysql_install_db"]).context(package)?;
        let dir = tempfile::Builder::new().prefix("starkeep-mariadb-").tempdir()?;
        let data = format!("--datadir={}", dir.path().join("data").display());
        // It refuses to run as root unless it is told to.
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(dir.path())?);
        let user = (owner == 0).then_some("--user=root");
        let mut command = tokio::process::Command::new(install);
        command.args(["--no-defaults", &data, "--auth-root-authentication-method=normal", "--skip-test-db"]).args(user);
        let output = command.output().await.context("mariadb-install-db")?;
        ensure!(output.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&output.stderr));
        let [port] = deploy_local::free_ports::<1>()?;
        let mut command = tokio::process::Command::new(&server);
        command.args(["--no-defaults", &data, "--bind-address=127.0.0.1", "--skip-grant-tables"]).args(user);
        command.arg(format!("--port={port}")).arg(format!("--socket={}", dir.path().join("socket").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().context("start mariadbd")?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = raw::login(port).await {
            ensure!(Instant::now() < deadline, "mariadbd does not take connections: {error:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let version = tokio::process::Command::new(&server).arg("--version").output().await?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        Ok(MariaDb { port, version, _child: child, _dir: dir })
    }
}
