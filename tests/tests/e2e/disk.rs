//! The disk of the metadata is full, and has room again.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use deploy_local::Node;
use nix::sys::statvfs::statvfs;
use tests::chaos::outside::SmallDisk;
use tests::client::{same, until};
use tests::house::START;
use tests::{Client, House, HouseSpec, e2e};

const DISK_MIB: u32 = 96;
const COUNT: &str = "SELECT COUNT(*) FROM d.t";

/// Writes until only so much is left.
fn fill(filler: &Path, leave_bytes: u64) -> anyhow::Result<()> {
    let mut file = File::create(filler)?;
    let piece = vec![1; 1 << 16];
    loop {
        let space = statvfs(filler)?;
        if space.blocks_available() * space.fragment_size() <= leave_bytes {
            return Ok(());
        }
        file.write_all(&piece)?;
    }
}

/// Inserts row after row until one is refused. Returns how many were taken, and the answer to the last.
async fn insert_until_refused(client: &mut Client, first: u64) -> anyhow::Result<(u64, String)> {
    for n in first..first + 200 {
        if let Err(error) = client.run(&format!("INSERT INTO d.t VALUES ({n})")).await {
            return Ok((n - first, format!("{error:#}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("200 rows were taken by a full disk")
}

fn times(frontend: &Node, text: &str) -> usize {
    std::fs::read_to_string(frontend.log()).unwrap_or_default().matches(text).count()
}

/// A small file system there, or what is printed in the place of this suite.
fn small_disk(suite: &str, meta: &Path) -> Option<SmallDisk> {
    SmallDisk::mount(meta, DISK_MIB).map_err(|why| println!("SKIP {suite}: nothing may be mounted here: {why:#}")).ok()
}

/// A client of a table with three rows.
async fn table_of_three(house: &House) -> anyhow::Result<Client> {
    let mut client = house.client().await?;
    client.run("CREATE DATABASE d").await?;
    client.run("CREATE TABLE d.t (n BIGINT) DUPLICATE KEY (n) DISTRIBUTED BY HASH (n)").await?;
    client.run("INSERT INTO d.t VALUES (1), (2), (3)").await?;
    Ok(client)
}

#[test]
fn a_full_meta_dir_is_read_only_until_there_is_room() {
    let suite = "disk/full_meta_dir_is_read_only";
    e2e(suite, || async move {
        let mut house = House::plan(HouseSpec::default()).await?;
        let meta = house.cluster.frontend.dir.join("meta");
        let Some(_disk) = small_disk(suite, &meta) else { return house.finish().await };
        house.begin().await?;
        let mut client = table_of_three(&house).await?;

        let filler = meta.join("filler");
        fill(&filler, 8 << 20)?;
        let (taken, refused) = insert_until_refused(&mut client, 4).await?;
        let rows = 3 + taken;
        for says in [
            "the metadata is read-only: only ",
            "MiB are left on the disk of",
            "(24 MiB are needed)",
            "nothing has changed",
        ] {
            ensure!(refused.contains(says), "{refused}");
        }
        let ddl = client.error("CREATE DATABASE e").await?.1;
        ensure!(ddl.contains("the metadata is read-only"), "{ddl}");
        same("rows without room", client.one::<u64>(COUNT).await?, rows)?;
        ensure!(house.cluster.frontend.ended().is_none(), "the frontend has ended");
        same(
            "reports of a full disk",
            times(&house.cluster.frontend, "the metadata is read-only until there is room"),
            1,
        )?;

        // A start needs no room either.
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows after a kill without room", client.one::<u64>(COUNT).await?, rows)?;
        let (taken, refused) = insert_until_refused(&mut client, 1000).await?;
        ensure!(taken == 0 && refused.contains("the metadata is read-only"), "{taken}: {refused}");

        std::fs::remove_file(&filler)?;
        let house_ref = &house;
        until("an INSERT with room again", START, || async move {
            let mut client = house_ref.client().await?;
            Ok(client.run("INSERT INTO d.t VALUES (7)").await.map_err(|error| format!("{error:#}")))
        })
        .await?;
        same("rows with room", client.one::<u64>(COUNT).await?, rows + 1)?;
        ensure!(times(&house.cluster.frontend, "there is room again") >= 1, "nobody said so");
        client.run("CREATE DATABASE e").await?;
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows after the last kill", client.one::<u64>(COUNT).await?, rows + 1)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_follower_whose_disk_is_full_holds_up_nobody_and_catches_up() {
    let suite = "disk/full_follower";
    e2e(suite, || async move {
        let mut house = House::build(HouseSpec::default()).await?;
        house.add_frontends(&["FOLLOWER"]).await?;
        let meta = house.cluster.frontend.dir.with_file_name("fe3").join("meta");
        let Some(_disk) = small_disk(suite, &meta) else { return house.finish().await };
        house.add_frontends(&["FOLLOWER"]).await?;
        let mut client = table_of_three(&house).await?;

        let filler = meta.join("filler");
        fill(&filler, 8 << 20)?;
        for n in 4..=40 {
            client.run(&format!("INSERT INTO d.t VALUES ({n})")).await?;
        }
        same("rows beside a full follower", client.one::<u64>(COUNT).await?, 40)?;
        let [_, full] = &mut house.cluster.further[..] else { anyhow::bail!("three frontends were made") };
        ensure!(full.node.ended().is_none(), "the follower has ended");
        ensure!(times(&full.node, "the metadata is read-only until there is room") == 1, "it does not say why it lags");

        std::fs::remove_file(&filler)?;
        let port = full.ports.query;
        // It is needed now.
        house.cluster.further[0].node.kill().await?;
        until("an INSERT that needs the follower", START, || async move {
            let mut client = Client::connect(port).await?;
            Ok(client.run("INSERT INTO d.t VALUES (41)").await.map_err(|error| format!("{error:#}")))
        })
        .await?;
        let mut behind = Client::connect(port).await?;
        behind.run("SET enable_linearizable_read = true").await?;
        let rows = behind.one::<u64>(COUNT).await?;
        // One INSERT whose answer was lost may have been taken.
        ensure!(rows >= 41, "{rows} rows where 41 were acknowledged");
        same("rows at the leader", client.one::<u64>(COUNT).await?, rows)?;
        same("rows but for the last", client.one::<u64>("SELECT COUNT(DISTINCT n) FROM d.t").await?, 41)?;
        house.cluster.further[0].node.start(&[])?;
        house.cluster.further[0].node.ready(START).await?;
        for client in [client, behind] {
            client.close().await?;
        }
        house.finish().await
    });
}
