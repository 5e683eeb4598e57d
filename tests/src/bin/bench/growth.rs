//! What more files cost a frontend: the bytes of the image and of memory that each takes, and how long queries are planned that
//! read one partition and all of them. The catalog is made of statements' commands in this process, where its memory is
//! measured most exactly, and put under a real frontend; plans are asked for by EXPLAIN, as clients do. No file of it is in a
//! store: nothing is read.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use runtime_raft::MetaDir;
use serde_json::{Value, json};
use storage_catalog::{Catalog, Command, Outcome, image};
use storage_model::{Superseded, TxnId};
use tests::house::START;
use tests::{Client, House, HouseSpec};

use crate::image::{CREATE, MIB, apply, files, rss, table};
use crate::snapshots::Memory;

/// Of the one table; every file is in one of them.
const PARTITIONS: u64 = 100;
/// Of each partition; each is a tablet.
const BUCKETS: u64 = 10;
/// The smallest number of files; each that follows is ten times as many.
const FEWEST: u64 = 1000;
/// Plans of each query.
const PLANS: usize = 9;
/// A frontend may take so long to load the image.
const LOAD: Duration = Duration::from_secs(600);
const QUERIES: [(&str, &str); 4] = [
    ("nothing", "EXPLAIN SELECT 1"),
    ("one_partition", "EXPLAIN SELECT sum(amount) FROM b.t0 WHERE day = 50"),
    ("one_tablet", "EXPLAIN SELECT amount FROM b.t0 WHERE day = 50 AND id = 7"),
    ("all_partitions", "EXPLAIN SELECT sum(amount) FROM b.t0"),
];

pub(crate) async fn run(most: u64) -> anyhow::Result<Value> {
    let conf = vec![("edit_log_roll_num", "1000000000".to_owned())];
    let mut house = House::build(HouseSpec { compute_nodes: 0, conf, ..HouseSpec::default() }).await?;
    let mut client = house.client().await?;
    client.run(CREATE).await?;
    client.close().await?;
    house.cluster.frontend.stop(START).await?.context("it did not stop by itself")?;
    let dir = house.cluster.frontend.dir.join("meta");
    let begun = MetaDir::new(dir.clone()).newest_image()?;
    let mut empty = None;
    let mut runs = Vec::new();
    // What is freed would be used again, and not be seen in the memory of this process.
    let mut kept = Vec::new();
    let sizes = std::iter::successors(Some(FEWEST), |size| size.checked_mul(10)).take_while(|size| *size <= most);
    for size in [0].into_iter().chain(sizes) {
        let (dir, catalog) = (MetaDir::new(dir.clone()), begun.clone());
        let made = tokio::task::spawn_blocking(move || replace(&dir, catalog, size)).await??;
        house.cluster.frontend.start(&[])?;
        house.cluster.frontend.ready(LOAD).await?;
        let memory = rss(&house.cluster.frontend)? * MIB;
        let mut client = house.client().await?;
        let mut run = json!({ "files": size, "image_bytes": made.bytes, "rss_mib": memory / MIB });
        for (what, sql) in QUERIES {
            run["plan_micros"][what] = json!(plan(&mut client, sql).await?);
        }
        let (image, before) = *empty.get_or_insert((made.bytes, memory));
        if size > 0 {
            let each = |bytes: f64| json!(bytes.max(0.0) / size as f64);
            run["image_bytes_per_file"] = each(made.bytes as f64 - image as f64);
            run["catalog_bytes_per_file"] = each(made.memory);
            run["frontend_bytes_per_file"] = each(memory - before);
        }
        kept.push(made.catalog);
        runs.push(run);
        client.close().await?;
        house.cluster.frontend.stop(START).await?.context("it did not stop by itself")?;
    }
    house.cluster.frontend.start(&[])?;
    house.cluster.frontend.ready(LOAD).await?;
    house.finish().await?;
    Ok(json!({ "partitions": PARTITIONS, "buckets": BUCKETS, "plans": PLANS, "runs": runs }))
}

/// The median of some, in microseconds.
async fn plan(client: &mut Client, sql: &str) -> anyhow::Result<u64> {
    let mut micros = Vec::new();
    for _ in 0..PLANS {
        let since = Instant::now();
        let lines: Vec<String> = client.rows(sql).await?;
        micros.push(since.elapsed().as_micros() as u64);
        ensure!(!lines.is_empty(), "{sql} says nothing");
    }
    micros.sort_unstable();
    Ok(micros[PLANS / 2])
}

/// A catalog, and what it takes.
struct Made {
    catalog: Catalog,
    /// Of its image.
    bytes: u64,
    /// That it took of this process, in bytes.
    memory: f64,
}

/// Puts a catalog with a table of so many files in the place of what the directory holds. Blocking.
fn replace(dir: &MetaDir, mut catalog: Catalog, size: u64) -> anyhow::Result<Made> {
    let identity = dir.identity()?;
    let before = Memory::read("VmRSS:")?;
    grow(&mut catalog, size)?;
    let memory = (Memory::read("VmRSS:")? - before) * MIB;
    ensure!(catalog.file_count() as u64 == size, "{} files, {size} were made", catalog.file_count());
    let bytes = image::to_bytes(&catalog)?.len() as u64;
    std::fs::remove_dir_all(dir.path())?;
    dir.create(&catalog, &identity.node, &identity.name)?;
    Ok(Made { catalog, bytes, memory })
}

/// One commit brings a file to each tablet.
fn grow(catalog: &mut Catalog, size: u64) -> anyhow::Result<()> {
    let volume = catalog.header.default_volume.context("there is no default volume")?;
    apply(catalog, Command::CreateDatabase { name: "b".to_owned(), volume: None, if_not_exists: false })?;
    let draft = table(0, PARTITIONS);
    let created = apply(catalog, Command::CreateTable { database: "b".to_owned(), draft, if_not_exists: false })?;
    let Outcome::Table(id) = created else { bail!("CREATE TABLE was answered with {created:?}") };
    for n in 0..size / (PARTITIONS * BUCKETS) {
        let (files, superseded) = (files(catalog, id, volume)?, Superseded::default());
        apply(catalog, Command::CommitLoad { txn: TxnId(n + 1), table: id, label: None, files, superseded })?;
    }
    Ok(())
}
