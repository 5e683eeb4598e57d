//! DROP and TRUNCATE really delete, but never what a snapshot needs.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use tests::client::same;
use tests::house::objects_become;
use tests::{House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(60);

async fn table(client: &mut tests::Client, name: &str) -> anyhow::Result<()> {
    client
        .run(&format!("CREATE TABLE d.{name} (id BIGINT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2"))
        .await?;
    client.run(&format!("INSERT INTO d.{name} VALUES (1), (2), (3)")).await
}

#[test]
fn garbage_goes_and_pinned_files_stay_until_the_snapshot_goes() {
    e2e("garbage/pins", || async {
        let conf = vec![("lake_autovacuum_grace_period_minutes", "0".to_owned())];
        let mut house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        table(&mut client, "unpinned").await?;
        client.run("DROP TABLE d.unpinned FORCE").await?;
        objects_become(&house.place, ".parquet", "the dropped table's files are deleted", LIMIT, <[_]>::is_empty)
            .await?;

        for name in ["truncated", "dropped", "kept"] {
            table(&mut client, name).await?;
        }
        let pinned: BTreeSet<String> = house.place.objects(".parquet").await?.into_iter().collect();
        ensure!(pinned.len() >= 3, "{pinned:?}");
        let path = house.snapshot().await?;
        client.run("TRUNCATE TABLE d.truncated").await?;
        client.run("DROP TABLE d.dropped FORCE").await?;
        table(&mut client, "late").await?;
        client.run("DROP TABLE d.late FORCE").await?;
        // GC has run when the unpinned file of the late table is gone; the pinned ones are all there.
        objects_become(&house.place, ".parquet", "only pinned files are left", LIMIT, |found| {
            found.iter().cloned().collect::<BTreeSet<_>>() == pinned
        })
        .await?;
        tokio::time::sleep(Duration::from_secs(6)).await;
        same("files a GC later", house.place.objects(".parquet").await?.into_iter().collect(), pinned.clone())?;

        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 SECOND").await?;
        house.job("the first DELETED", LIMIT, |j| j.name == name && j.state == "DELETED").await?;
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 HOUR").await?;
        objects_become(&house.place, ".parquet", "what only the old snapshot pinned is deleted", LIMIT, |found| {
            found.len() < pinned.len() && !found.is_empty()
        })
        .await?;
        same("the kept table", client.one::<u64>("SELECT COUNT(*) FROM d.kept").await?, 3)?;
        same("the truncated table", client.one::<u64>("SELECT COUNT(*) FROM d.truncated").await?, 0)?;
        client.close().await?;

        // What is left is enough for a restore.
        house.lose_everything().await?;
        house.restore_plan(path.rsplit_once('/').map_or("", |(root, _)| root), &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("the kept table after a restore", client.one::<u64>("SELECT COUNT(*) FROM d.kept").await?, 3)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn the_recycle_bin_keeps_files_until_it_expires() {
    e2e("garbage/recycle_bin", || async {
        let conf = vec![
            ("lake_autovacuum_grace_period_minutes", "0".to_owned()),
            ("catalog_trash_expire_second", "9".to_owned()),
        ];
        let house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        table(&mut client, "t").await?;
        let files = house.place.objects(".parquet").await?;
        client.run("DROP TABLE d.t").await?;
        tokio::time::sleep(Duration::from_secs(6)).await;
        same("files in the recycle bin", house.place.objects(".parquet").await?, files)?;
        objects_become(&house.place, ".parquet", "the bin is emptied", LIMIT, <[_]>::is_empty).await?;
        client.close().await?;
        house.finish().await
    });
}
