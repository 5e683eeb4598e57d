//! A catalog with very many tablets, and what its image costs: made of statements' commands in this process, put under a real
//! frontend, loaded, built and written alone and while clients commit, and sent to a frontend that joins. Beside it etcd with
//! as many keys: saved alone and while clients put, and restored.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rand::Rng as _;
use runtime_raft::MetaDir;
use serde_json::{Value, json};
use storage_catalog::{Catalog, Command, Envelope, Outcome, PartitionDraft, TableDraft, image};
use storage_model::file::WrittenRun;
use storage_model::{
    Bound, Column, ColumnId, DataType, Distribution, KeyModel, Now, PartitionRange, Partitioning, Superseded, TableId,
    TxnId, Value as Cell, VolumeId, WrittenFile,
};
use storage_volume::layout::{DataName, data_object};
use tests::house::START;
use tests::{Client, House, HouseSpec};

use crate::etcd::{self, Etcd};
use crate::metacommit::statement;
use crate::percentiles;

/// Of each table.
const PARTITIONS: u64 = 10;
/// Of each partition; each is a tablet.
const BUCKETS: u64 = 10;
const CLIENTS: u64 = 16;
/// Images under load.
const ROUNDS: u32 = 4;
/// Clients have been committing for so long before anything is measured.
const WARM: Duration = Duration::from_millis(300);
pub(crate) const CREATE: &str = "ALTER SYSTEM CREATE IMAGE";
/// A frontend may take so long to load the image.
const LOAD: Duration = Duration::from_secs(300);
pub(crate) const MIB: f64 = 1024.0 * 1024.0;

pub(crate) async fn run(tablets: u64, time: Duration) -> anyhow::Result<Value> {
    ensure!(tablets >= PARTITIONS * BUCKETS, "{tablets} tablets are less than a table");
    // The log alone would ask for images of its own.
    let conf = vec![("edit_log_roll_num", "1000000000".to_owned())];
    let mut house = House::build(HouseSpec { compute_nodes: 0, conf, ..HouseSpec::default() }).await?;
    let mut client = house.client().await?;
    client.run(CREATE).await?;
    client.close().await?;
    house.cluster.frontend.stop(START).await?.context("it did not stop by itself")?;

    let meta = house.cluster.frontend.dir.join("meta");
    let mut runs = tokio::task::spawn_blocking(move || replace(&MetaDir::new(meta), tablets)).await??;
    let since = Instant::now();
    house.cluster.frontend.start(&[])?;
    house.cluster.frontend.ready(LOAD).await?;
    runs.push(json!({ "what": "start to serving", "seconds": since.elapsed().as_secs_f64(), "rss_mib": rss(&house.cluster.frontend)?, "peak_rss_mib": peak(&house.cluster.frontend)? }));
    build(&house, time, &mut runs).await?;
    install(&mut house, &mut runs).await?;
    house.finish().await?;
    let (etcd, why) = match peer(tablets, time).await {
        Ok(found) => (found, Value::Null),
        Err(absent) => (Value::Null, json!(format!("{absent:#}"))),
    };
    Ok(
        json!({ "tablets": tablets, "files": tablets, "clients": CLIENTS, "runs": runs, "etcd": etcd, "etcd_why_not": why }),
    )
}

/// The same of etcd: its snapshot is what it comes back from.
async fn peer(keys: u64, time: Duration) -> anyhow::Result<Value> {
    let etcd = Etcd::start(1).await?;
    let port = etcd.leader().await?;
    etcd::fill(port, keys).await?;
    let (alone, seconds) = puts(port, rest(time)).await?;
    let rate = alone.len() as f64 / seconds;

    let dir = tempfile::tempdir()?;
    let (first, second) = (dir.path().join("alone"), dir.path().join("beside"));
    let since = Instant::now();
    etcd.save(&first).await?;
    let saved = since.elapsed().as_secs_f64();
    let (beside, seconds) = puts(port, etcd.save(&second)).await?;
    let slow = beside.len() as f64 / seconds;
    let bytes = std::fs::metadata(&second)?.len();
    let version = etcd.version.clone();
    drop(etcd);
    let since = Instant::now();
    let restored = Etcd::restore(&second).await?;
    let serving = since.elapsed().as_secs_f64();
    drop(restored);
    Ok(json!({
        "version": version, "keys": keys, "save_seconds": saved, "save_under_load_seconds": seconds, "bytes": bytes,
        "restore_to_serving_seconds": serving,
        "puts": {
            "per_second_alone": rate, "per_second_beside": slow, "ratio": slow / rate,
            "alone": percentiles(alone), "beside": percentiles(beside),
        },
    }))
}

async fn rest(time: Duration) -> anyhow::Result<()> {
    tokio::time::sleep(time).await;
    Ok(())
}

/// The latency in microseconds of puts by as many clients while `work` is done, and the seconds that took.
async fn puts(port: u16, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<(Vec<u64>, f64)> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut connections = Vec::new();
    for _ in 0..CLIENTS {
        connections.push(etcd::connect(port).await?);
    }
    let since = Instant::now();
    let running = connections.into_iter().enumerate();
    let running: Vec<_> = running.map(|(n, client)| tokio::spawn(etcd::put(client, n as u64, stop.clone()))).collect();
    work.await?;
    stop.store(true, Ordering::Relaxed);
    let seconds = since.elapsed().as_secs_f64();
    let mut micros = Vec::new();
    for client in running {
        micros.extend(client.await??);
    }
    Ok((micros, seconds))
}

/// Puts a grown catalog in the place of what the directory holds; what that took. Blocking.
fn replace(dir: &MetaDir, tablets: u64) -> anyhow::Result<Vec<Value>> {
    let timed = |what: &str, since: Instant| json!({ "what": what, "seconds": since.elapsed().as_secs_f64() });
    let (mut catalog, identity) = (dir.newest_image()?, dir.identity()?);
    grow(&mut catalog, tablets)?;
    let mut runs = Vec::new();

    let since = Instant::now();
    let bytes = image::to_bytes(&catalog)?;
    let mut encoded = timed("encode", since);
    encoded["bytes"] = json!(bytes.len());
    runs.push(encoded);
    let since = Instant::now();
    let found = image::from_bytes(&bytes)?;
    runs.push(timed("decode", since));
    ensure!(found.file_count() as u64 == tablets, "{} files, {tablets} were made", found.file_count());
    drop((found, bytes));

    std::fs::remove_dir_all(dir.path())?;
    let since = Instant::now();
    dir.create(&catalog, &identity.node, &identity.name)?;
    runs.push(timed("encode, write and sync", since));
    Ok(runs)
}

/// Applies what a million tablets would have been made by.
pub(crate) fn grow(catalog: &mut Catalog, tablets: u64) -> anyhow::Result<()> {
    let volume = catalog.header.default_volume.context("there is no default volume")?;
    apply(catalog, Command::CreateDatabase { name: "b".to_owned(), volume: None, if_not_exists: false })?;
    for n in 0..tablets / (PARTITIONS * BUCKETS) {
        let draft = table(n, PARTITIONS);
        let created = apply(catalog, Command::CreateTable { database: "b".to_owned(), draft, if_not_exists: false })?;
        let Outcome::Table(id) = created else { bail!("CREATE TABLE was answered with {created:?}") };
        let files = files(catalog, id, volume)?;
        apply(
            catalog,
            Command::CommitLoad { txn: TxnId(n + 1), table: id, label: None, files, superseded: Superseded::default() },
        )?;
    }
    Ok(())
}

pub(crate) fn apply(catalog: &mut Catalog, command: Command) -> anyhow::Result<Outcome> {
    let proposed_at = Now { wall: catalog.header.clock, uptime: catalog.header.uptime };
    Ok(catalog.apply(&Envelope { proposed_at, command })?)
}

/// A table of so many partitions, one for each day.
pub(crate) fn table(n: u64, partitions: u64) -> TableDraft {
    let column = |id: u64, name: &str, data_type: DataType, is_key: bool| Column {
        id: ColumnId(id),
        name: name.to_owned(),
        data_type,
        nullable: !is_key,
        key: is_key,
        default: None,
        comment: String::new(),
        initial: None,
        aggregation: None,
    };
    let at = |day: u64| if day == 0 { Bound::Min } else { Bound::At(vec![Cell::Integer(i128::from(day))]) };
    let partition = |day: u64| PartitionDraft {
        name: format!("p{day}"),
        range: PartitionRange::between(at(day), at(day + 1)),
        buckets: BUCKETS as u32,
    };
    TableDraft {
        name: format!("t{n}"),
        columns: vec![
            column(1, "day", DataType::Int, true),
            column(2, "id", DataType::BigInt, true),
            column(3, "name", DataType::Varchar(64), false),
            column(4, "amount", DataType::Decimal { precision: 18, scale: 2 }, false),
        ],
        model: KeyModel::Duplicate,
        partitioning: Partitioning::Range { columns: vec![ColumnId(1)] },
        distribution: Distribution::Hash { columns: vec![ColumnId(2)] },
        buckets_given: Some(BUCKETS as u32),
        volume: None,
        comment: String::new(),
        properties: Default::default(),
        partitions: (0..partitions).map(partition).collect(),
        sort_key: Vec::new(),
        indexes: Vec::new(),
    }
}

/// A file for each tablet, with names and hashes that do not compress better than real ones.
pub(crate) fn files(catalog: &Catalog, id: TableId, volume: VolumeId) -> anyhow::Result<Vec<WrittenFile>> {
    let table = catalog.table(id).context("the table is gone")?;
    // As nodes name them: once for each commit.
    let (incarnation, txn) = (&catalog.identity().incarnation, TxnId(catalog.revision().0));
    let mut random = rand::rng();
    let mut files = Vec::new();
    for partition in &table.partitions {
        for bucket in 0..BUCKETS as u32 {
            let name = DataName::new(incarnation, txn, 0, bucket);
            let size = random.random_range(10_000..100_000_000);
            let rows = size / 50;
            files.push(WrittenFile {
                partition: *partition,
                volume,
                object: data_object(table.database, id, *partition, &name),
                size,
                sha256: hex::encode(random.random::<[u8; 32]>()),
                runs: vec![WrittenRun {
                    bucket,
                    first_row_group: 0,
                    row_groups: 1,
                    start: 4,
                    end: size,
                    rows,
                    index: None,
                }],
                statistics: Vec::new(),
            });
        }
    }
    Ok(files)
}

/// An image alone, and images while clients commit; before and behind each of those the clients commit without one, so that
/// the machine's moods fall on both.
async fn build(house: &House, time: Duration, runs: &mut Vec<Value>) -> anyhow::Result<()> {
    let port = house.cluster.ports.query;
    let mut client = house.client().await?;
    client.run(&statement(CLIENTS, 0)).await?;
    let since = Instant::now();
    client.run(CREATE).await?;
    runs.push(json!({ "what": "build and write", "seconds": since.elapsed().as_secs_f64() }));

    forget_peak(&house.cluster.frontend)?;
    let before = rss(&house.cluster.frontend)?;
    let (mut alone, mut beside) = (Timed::default(), Timed::default());
    for _ in 0..ROUNDS {
        let commits = Commits::start(port).await?;
        tokio::time::sleep(WARM).await;
        let started = Instant::now();
        tokio::time::sleep(time / (2 * ROUNDS)).await;
        let asked = Instant::now();
        client.run(CREATE).await?;
        let written = Instant::now();
        tokio::time::sleep(time / (2 * ROUNDS)).await;
        let ended = Instant::now();
        let measured = commits.stop().await?;
        alone.take(&measured, started..asked);
        beside.take(&measured, asked..written);
        alone.take(&measured, written..ended);
    }
    client.close().await?;
    let bytes = image_bytes(&house.cluster.frontend.dir.join("meta").join("image"))?;
    let (rate, slow, took) = (alone.per_second(), beside.per_second(), beside.seconds / f64::from(ROUNDS));
    let (alone, beside) = (percentiles(alone.micros), percentiles(beside.micros));
    let ratio = |key: &str| beside[key].as_f64().zip(alone[key].as_f64()).map(|(with, without)| with / without);
    runs.push(json!({
        "what": "build and write under load", "seconds": took, "rounds": ROUNDS, "bytes": bytes,
        "rss_before_mib": before, "peak_rss_mib": peak(&house.cluster.frontend)?,
    }));
    runs.push(json!({
        "what": "commits", "per_second_alone": rate, "per_second_beside": slow, "ratio": slow / rate,
        "alone": alone, "beside": beside, "p99_ratio": ratio("p99_micros"), "p50_ratio": ratio("p50_micros"),
    }));
    Ok(())
}

/// When each commit began, and how long it took.
type Measured = Vec<(Instant, Duration)>;

/// Commits of one kind, from all rounds.
#[derive(Default)]
struct Timed {
    micros: Vec<u64>,
    seconds: f64,
}

impl Timed {
    /// Those that began within a time.
    fn take(&mut self, measured: &Measured, within: Range<Instant>) {
        let began = measured.iter().filter(|(began, _)| within.contains(began));
        self.micros.extend(began.map(|(_, took)| took.as_micros() as u64));
        self.seconds += (within.end - within.start).as_secs_f64();
    }

    fn per_second(&self) -> f64 {
        self.micros.len() as f64 / self.seconds.max(1e-9)
    }
}

/// Clients that commit until they are stopped.
struct Commits {
    stop: Arc<AtomicBool>,
    running: Vec<tokio::task::JoinHandle<anyhow::Result<Measured>>>,
}

impl Commits {
    async fn start(port: u16) -> anyhow::Result<Commits> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(Client::connect(port).await?);
        }
        let running = clients.into_iter().enumerate();
        let running = running.map(|(n, client)| tokio::spawn(commit(client, n as u64, stop.clone()))).collect();
        Ok(Commits { stop, running })
    }

    async fn stop(self) -> anyhow::Result<Measured> {
        self.stop.store(true, Ordering::Relaxed);
        let mut measured = Vec::new();
        for client in self.running {
            measured.extend(client.await??);
        }
        Ok(measured)
    }
}

async fn commit(mut client: Client, number: u64, stop: Arc<AtomicBool>) -> anyhow::Result<Measured> {
    let mut done = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        client.run(&statement(number, done.len() as u64)).await?;
        done.push((since, since.elapsed()));
    }
    client.close().await?;
    Ok(done)
}

/// A frontend joins: it is sent the image, and takes it in.
async fn install(house: &mut House, runs: &mut Vec<Value>) -> anyhow::Result<()> {
    forget_peak(&house.cluster.frontend)?;
    let since = Instant::now();
    house.add_frontends(&["FOLLOWER"]).await?;
    let seconds = since.elapsed().as_secs_f64();
    let joined = &house.cluster.further[0].node;
    runs.push(json!({
        "what": "a frontend joins", "seconds": seconds, "rss_mib": rss(joined)?, "peak_rss_mib": peak(joined)?,
        "leader_peak_rss_mib": peak(&house.cluster.frontend)?,
    }));
    Ok(())
}

/// Of the newest image.
fn image_bytes(dir: &Path) -> anyhow::Result<u64> {
    let mut images: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let revision = path.extension().and_then(|revision| revision.to_str()?.parse().ok());
        images.extend(revision.map(|revision| (revision, path)));
    }
    let (_, path) = images.into_iter().max().context("there is no image")?;
    Ok(std::fs::metadata(path)?.len())
}

/// What a process has in memory, MiB.
pub(crate) fn rss(node: &deploy_local::Node) -> anyhow::Result<f64> {
    memory(node, "VmRSS:")
}

fn peak(node: &deploy_local::Node) -> anyhow::Result<f64> {
    memory(node, "VmHWM:")
}

fn memory(node: &deploy_local::Node, key: &str) -> anyhow::Result<f64> {
    let pid = node.pid().context("it does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
    let kib: f64 = line.split_whitespace().next().context("no number")?.parse()?;
    Ok(kib * 1024.0 / MIB)
}

/// The peak is counted anew from now on.
fn forget_peak(node: &deploy_local::Node) -> anyhow::Result<()> {
    let pid = node.pid().context("it does not run")?;
    Ok(std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}
