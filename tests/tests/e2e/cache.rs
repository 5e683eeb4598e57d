//! The data cache of a compute node: what was read is not fetched again, and whatever becomes of the cache, rows are right.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use storage_volume::testing::Mode;
use tests::client::{same, until};
use tests::house::{START, number};
use tests::place::Place;
use tests::{Client, House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(60);
const ASKS: [&str; 3] = [
    "SELECT COUNT(*), SUM(n), MIN(x), MAX(x) FROM d.t",
    "SELECT x FROM d.t WHERE n = 777",
    "SELECT n, x FROM d.t WHERE n BETWEEN 100 AND 105 ORDER BY n",
];

async fn house(compute_conf: Vec<(&'static str, String)>) -> anyhow::Result<House> {
    House::build(HouseSpec { bucket: Some("cach/p"), compute_conf, ..HouseSpec::default() }).await
}

async fn fill(client: &mut Client, rows: u32, says: &str) -> anyhow::Result<()> {
    client.run("CREATE TABLE d.t (n BIGINT, x VARCHAR(300)) DUPLICATE KEY(n) DISTRIBUTED BY HASH(n) BUCKETS 2").await?;
    let (g, from) = ("generate_series", format!("TABLE(generate_series(1, {rows}))"));
    let x = format!("concat('{says}', md5(CAST({g} AS STRING)), md5(CAST({g} + 1 AS STRING)))");
    client.run(&format!("INSERT INTO d.t SELECT {g}, {x} FROM {from}")).await
}

/// All answers as text.
async fn ask(client: &mut Client) -> anyhow::Result<Vec<String>> {
    let mut answers = Vec::new();
    for sql in ASKS {
        let rows: Vec<mysql_async::Row> = client.rows(sql).await?;
        answers.extend(rows.into_iter().map(|row| format!("{:?}", row.unwrap())));
    }
    Ok(answers)
}

/// Asks until nothing is fetched for it any more.
async fn warm(house: &House, client: &mut Client) -> anyhow::Result<Vec<String>> {
    let node = &house.cluster.compute[0];
    let requests = "starkeep_cn_data_cache_store_requests_total";
    for _ in 0..50 {
        let before = number(node, requests).await?;
        let answers = ask(client).await?;
        if number(node, requests).await? == before {
            return Ok(answers);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("something is fetched again and again")
}

/// Waits until the compute node that was started anew is asked.
async fn answers_again(client: &mut Client) -> anyhow::Result<()> {
    for _ in 0..100 {
        if client.run("SELECT n FROM d.t LIMIT 1").await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("the compute node is not asked")
}

/// The files of blocks below a directory.
fn blocks(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(blocks(&path)),
            path => found.push(path),
        }
    }
    found
}

#[test]
fn a_query_that_is_asked_again_fetches_nothing() {
    e2e("cache/again", || async {
        let mut house = house(Vec::new()).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        fill(&mut client, 40_000, "first").await?;
        let answers = ask(&mut client).await?;
        let (sum, hits) = ("starkeep_cn_data_cache_misses_total", "starkeep_cn_data_cache_hits_total{tier=\"memory\"}");
        let misses = number(&house.cluster.compute[0], sum).await?;
        ensure!(misses > 0.0, "nothing was read through the cache");
        same("answers", warm(&house, &mut client).await?, answers.clone())?;
        ensure!(number(&house.cluster.compute[0], hits).await? > 0.0, "nothing was found");
        let held: Vec<(String, u64, u64)> = client
            .rows("SELECT STATUS, MEM_USED_BYTES, DISK_QUOTA_BYTES FROM information_schema.be_datacache_metrics")
            .await?;
        ensure!(held.len() == 1 && held[0].0 == "Normal" && held[0].2 > 0, "{held:?}");
        let server = house.place.server().context("a server")?.clone();
        server.set_mode(Mode::Unavailable);
        same("answers without a store", ask(&mut client).await?, answers.clone())?;
        server.set_mode(Mode::Normal);

        // A table of the same name has other files.
        client.run("DROP TABLE d.t FORCE").await?;
        fill(&mut client, 30_000, "second").await?;
        let others = ask(&mut client).await?;
        ensure!(others.len() == answers.len() && others != answers, "{others:?}");
        same("answers", warm(&house, &mut client).await?, others.clone())?;

        // The disk part outlives the process.
        let storage = house.cluster.compute[0].dir.join("storage");
        until("blocks are on disk", LIMIT, || async {
            Ok(if blocks(&storage).is_empty() { Err(String::new()) } else { Ok(()) })
        })
        .await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        house.cluster.compute[0].kill().await?;
        house.cluster.compute[0].start(&[])?;
        house.cluster.compute[0].ready(START).await?;
        answers_again(&mut client).await?;
        server.set_mode(Mode::Unavailable);
        same("answers from disk alone", ask(&mut client).await?, others.clone())?;
        server.set_mode(Mode::Normal);
        same("misses", number(&house.cluster.compute[0], sum).await?, 0.0)?;

        // A table that is not to be kept is not.
        client.run("ALTER TABLE d.t SET (\"datacache.enable\" = \"false\")").await?;
        client.run("INSERT INTO d.t VALUES (777, 'and one more')").await?;
        let passed = "starkeep_cn_data_cache_passed_reads_total";
        ask(&mut client).await?;
        let before = number(&house.cluster.compute[0], passed).await?;
        let rows: Vec<String> = client.rows(ASKS[1]).await?;
        same("rows", rows.len(), 2)?;
        ensure!(number(&house.cluster.compute[0], passed).await? > before, "it was kept");
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn rows_are_right_whatever_becomes_of_the_disk_part() {
    e2e("cache/disk", || async {
        // Memory holds nothing: what is near is on disk.
        let mut house = house(vec![("datacache_mem_size", "0".to_owned())]).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        fill(&mut client, 40_000, "first").await?;
        let answers = warm(&house, &mut client).await?;
        let storage = house.cluster.compute[0].dir.join("storage");
        let cache = storage.join("starkeep_cache");
        let files = blocks(&cache);
        ensure!(files.len() > 1, "{files:?}");
        for file in &files {
            let mut bytes = std::fs::read(file)?;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(file, bytes)?;
        }
        same("answers over damaged blocks", ask(&mut client).await?, answers.clone())?;
        ensure!(
            number(&house.cluster.compute[0], "starkeep_cn_data_cache_bad_blocks_total").await? > 0.0,
            "none was bad"
        );
        same("answers", warm(&house, &mut client).await?, answers.clone())?;

        std::fs::remove_dir_all(&storage)?;
        same("answers without the directory", ask(&mut client).await?, answers.clone())?;
        same("answers", warm(&house, &mut client).await?, answers.clone())?;

        // No directory can be made where a file is.
        house.cluster.compute[0].stop(LIMIT).await?;
        std::fs::remove_dir_all(&cache)?;
        std::fs::write(&cache, "in the way")?;
        house.cluster.compute[0].start(&[])?;
        house.cluster.compute[0].ready(START).await?;
        answers_again(&mut client).await?;
        for _ in 0..3 {
            same("answers without a disk", ask(&mut client).await?, answers.clone())?;
        }
        let log = std::fs::read_to_string(house.cluster.compute[0].log())?;
        same("reports", log.matches("goes on without it").count(), 1)?;
        same("the file", std::fs::read_to_string(&cache)?, "in the way".to_owned())?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_restored_cluster_is_not_misled_by_an_old_cache() {
    e2e("cache/restored", || async {
        let mut house = house(Vec::new()).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        fill(&mut client, 20_000, "first").await?;
        let path = house.snapshot().await?;
        let answers = warm(&house, &mut client).await?;
        // Rows that the snapshot does not know, under names that the restored cluster could give once more.
        client.run("INSERT INTO d.t VALUES (777, 'lost')").await?;
        client.run("DELETE FROM d.t WHERE n = 105").await?;
        ask(&mut client).await?;
        client.close().await?;
        house.cluster.kill().await?;
        std::fs::remove_dir_all(house.cluster.frontend.dir.join("meta"))?;
        let storage = house.cluster.compute[0].dir.join("storage");
        ensure!(!blocks(&storage.join("starkeep_cache")).is_empty(), "the cache is gone");
        house.restore_plan(&path, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("answers in place", ask(&mut client).await?, answers.clone())?;
        client.run("INSERT INTO d.t VALUES (777, 'found')").await?;
        let rows: Vec<String> = client.rows("SELECT x FROM d.t WHERE n = 777 AND x NOT LIKE 'first%'").await?;
        same("the new row", rows, vec!["found".to_owned()])?;
        client.run("DELETE FROM d.t WHERE x = 'found'").await?;
        client.close().await?;

        // Elsewhere: the old bucket is empty, so nothing can come from there.
        house.cluster.kill().await?;
        std::fs::remove_dir_all(house.cluster.frontend.dir.join("meta"))?;
        let _ = std::fs::remove_file(house.cluster.frontend.dir.join("meta.restored"));
        let server = house.place.server().context("a server")?.clone();
        let other = Place::bucket(&server, "elsw/q")?;
        house.place.copy_to(&other).await?;
        let old = house.place.open()?;
        for object in house.place.objects("").await? {
            old.delete(&object).await?;
        }
        house.restore_plan(&path.replace(&house.place.location(), &other.location()), &other)?;
        house.place = other;
        house.restore().await?;
        let mut client = house.client().await?;
        same("answers elsewhere", ask(&mut client).await?, answers.clone())?;
        same("answers", warm(&house, &mut client).await?, answers)?;
        client.close().await?;
        house.finish().await
    });
}
