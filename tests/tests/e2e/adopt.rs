//! A meta directory that was copied back: it is recognised, and adopted in a new incarnation.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use storage_snapshot::Mark;
use tests::client::{same, until};
use tests::house::{START, frontends};
use tests::{Client, House, HouseSpec, e2e};

const PATIENCE: Duration = Duration::from_secs(40);
const COUNT: &str = "SELECT COUNT(*) FROM d.t";
const KIND: &str = "SELECT SNAPSHOT_TYPE FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME = 'lost'";
const SAYS: [&str; 3] = ["behind revision ", "the meta directory was copied back", "`starkeep meta adopt`"];

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn copy_back(copied: &Path, meta: &Path) -> anyhow::Result<()> {
    std::fs::remove_dir_all(meta)?;
    copy(copied, meta)
}

async fn fill(client: &mut Client) -> anyhow::Result<()> {
    client.run("CREATE DATABASE d").await?;
    client.run("CREATE TABLE d.t (n BIGINT) DUPLICATE KEY (n) DISTRIBUTED BY HASH (n) BUCKETS 2").await?;
    client.run("INSERT INTO d.t VALUES (1), (2), (3)").await
}

/// Until a root tells that the metadata are at least as far as they are now.
async fn told(house: &House, client: &mut Client) -> anyhow::Result<()> {
    let rows = frontends(client).await?;
    let now = rows.iter().map(|row| row.applied).max().context("no frontends")?;
    until("the mark", PATIENCE, || async {
        let mut greatest = 0;
        for path in house.place.objects("/owner/mark-").await? {
            let bytes = house.place.open()?.get(&path).await?;
            greatest = greatest.max(Mark::parse(&bytes, &path)?.revision.0);
        }
        Ok(if greatest >= now { Ok(()) } else { Err(format!("{greatest} and not {now}")) })
    })
    .await
}

#[test]
fn a_copied_back_directory_is_refused_and_adopted() {
    e2e("adopt/one_frontend", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        fill(&mut client).await?;
        client.close().await?;
        let (meta, copied) = (house.cluster.frontend.dir.join("meta"), house.directory("copied"));
        house.cluster.frontend.stop(START).await?.context("it does not stop")?;
        copy(&meta, &copied)?;
        let early = house.place.objects(".parquet").await?;

        house.cluster.frontend.start(&[])?;
        house.cluster.frontend.ready(START).await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        client.run("INSERT INTO d.t VALUES (4), (5)").await?;
        client.run("CREATE TABLE d.later (n BIGINT) DUPLICATE KEY (n)").await?;
        client.run("CREATE CLUSTER SNAPSHOT lost").await?;
        house.job("FINISHED", PATIENCE, |j| j.name == "lost" && j.state == "FINISHED").await?;
        told(&house, &mut client).await?;
        house.cluster.frontend.kill().await?;
        copy_back(&copied, &meta)?;
        house.cluster.frontend.start(&[])?;
        let ended = tokio::time::timeout(PATIENCE, house.cluster.frontend.wait()).await.context("it runs")??;
        ensure!(!ended.success(), "it ended with {ended}");
        let log = house.frontend_log();
        ensure!(SAYS.iter().all(|says| log.contains(says)), "{log}");

        let path = meta.display().to_string();
        let volume = house.place.open()?;
        let victim = early.first().context("no data files")?;
        let bytes = volume.get(victim).await?;
        volume.delete(victim).await?;
        let (code, text) = house.starkeep(&["meta", "adopt", &path]).await?;
        ensure!(
            code != 0 && text.contains("1 data files are not as they should be") && text.contains(victim),
            "{text}"
        );
        volume.put(victim, bytes).await?;
        let (code, text) = house.starkeep(&["meta", "adopt", &path, "--dry-run"]).await?;
        ensure!(code == 0 && text.contains("nothing was changed") && text.contains("is given up"), "{code} {text}");
        same("claims", house.place.objects("/owner/1.").await?.len(), 1)?;
        same("claims of another", house.place.objects("/owner/2.").await?.len(), 0)?;
        let conf = house.cluster.frontend.conf.display().to_string();
        let (code, text) = house.starkeep(&["meta", "adopt", "--conf", &conf]).await?;
        ensure!(code == 0 && text.contains("epoch 2") && text.contains(".before_adopt."), "{code} {text}");
        ensure!(text.contains("snapshot lost was taken later"), "{text}");

        house.cluster.frontend.start(&[])?;
        house.cluster.frontend.ready(START).await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows of the copy", client.one::<u64>(COUNT).await?, 3)?;
        client.error("SELECT * FROM d.later").await?;
        client.run("INSERT INTO d.t VALUES (6)").await?;
        same("rows", client.one::<u64>(COUNT).await?, 4)?;
        same("the snapshot of the lost time", client.one::<String>(KIND).await?, "FOREIGN".to_owned())?;
        client.close().await?;
        let snapshot = house.snapshot().await?;
        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("rows restored", client.one::<Option<i64>>("SELECT SUM(n) FROM d.t").await?, Some(12))?;
        same("it is still known", client.one::<String>(KIND).await?, "FOREIGN".to_owned())?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_group_that_was_copied_back_is_read_only() {
    e2e("adopt/three_frontends", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        house.add_frontends(&["FOLLOWER", "FOLLOWER"]).await?;
        let mut client = house.client().await?;
        fill(&mut client).await?;
        client.close().await?;
        let ports = house.query_ports();
        for port in ports.iter().rev() {
            let node = house.frontend_mut(*port);
            node.stop(START).await?.context("it does not stop")?;
            let meta = node.dir.join("meta");
            copy(&meta, &house.directory(&format!("copied{port}")))?;
        }
        restart(&mut house, &ports).await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        client.run("INSERT INTO d.t VALUES (4), (5)").await?;
        told(&house, &mut client).await?;
        for port in &ports {
            let copied = house.directory(&format!("copied{port}"));
            let node = house.frontend_mut(*port);
            node.kill().await?;
            copy_back(&copied, &node.dir.join("meta"))?;
        }
        restart(&mut house, &ports).await?;
        let says = until("it is read-only", PATIENCE, || async {
            let mut client = Client::connect(ports[0]).await?;
            let refused = client.run("INSERT INTO d.t VALUES (6)").await.err().map(|e| format!("{e:#}"));
            Ok(refused.filter(|text| text.contains("read-only")).ok_or_else(|| "it takes rows".to_owned()))
        })
        .await?;
        ensure!(SAYS.iter().all(|text| says.contains(text)), "{says}");

        for port in &ports {
            house.frontend_mut(*port).kill().await?;
        }
        let conf = house.cluster.frontend.conf.display().to_string();
        let (code, text) = house.starkeep(&["meta", "adopt", "--conf", &conf]).await?;
        ensure!(code == 0 && text.matches("is no member any more").count() == 2, "{code} {text}");
        restart(&mut house, &ports[..1]).await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        client.run("INSERT INTO d.t VALUES (7)").await?;
        ensure!(client.one::<u64>(COUNT).await? >= 4, "rows are missing");
        client.close().await?;
        house.finish().await
    });
}

async fn restart(house: &mut House, ports: &[u16]) -> anyhow::Result<()> {
    for port in ports {
        house.frontend_mut(*port).start(&[])?;
    }
    for port in ports {
        house.frontend_mut(*port).ready(START).await?;
    }
    Ok(())
}
