//! The disk of the metadata is full, and has room again.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
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

fn times(house: &House, text: &str) -> usize {
    std::fs::read_to_string(house.cluster.frontend.log()).unwrap_or_default().matches(text).count()
}

#[test]
fn a_full_meta_dir_is_read_only_until_there_is_room() {
    let suite = "disk/full_meta_dir_is_read_only";
    e2e(suite, || async move {
        let mut house = House::plan(HouseSpec::default()).await?;
        let meta = house.cluster.frontend.dir.join("meta");
        let _disk = match SmallDisk::mount(&meta, DISK_MIB) {
            Ok(disk) => disk,
            Err(why) => {
                println!("SKIP {suite}: nothing may be mounted here: {why:#}");
                return house.finish().await;
            }
        };
        house.begin().await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.t (n BIGINT) DUPLICATE KEY (n) DISTRIBUTED BY HASH (n)").await?;
        client.run("INSERT INTO d.t VALUES (1), (2), (3)").await?;

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
        same("reports of a full disk", times(&house, "the metadata is read-only until there is room"), 1)?;

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
        ensure!(times(&house, "there is room again") >= 1, "nobody said so");
        client.run("CREATE DATABASE e").await?;
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows after the last kill", client.one::<u64>(COUNT).await?, rows + 1)?;
        client.close().await?;
        house.finish().await
    });
}
