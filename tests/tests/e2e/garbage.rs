//! DROP, TRUNCATE, DELETE and INSERT OVERWRITE really delete, but never what a snapshot needs.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
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
fn a_snapshot_brings_back_rows_that_were_deleted_or_overwritten() {
    e2e("garbage/replaced_rows", || async {
        let conf = vec![("lake_autovacuum_grace_period_minutes", "0".to_owned())];
        let mut house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        // Without a snapshot, the files of rows that are gone go.
        table(&mut client, "t").await?;
        let first: BTreeSet<String> = house.place.objects(".parquet").await?.into_iter().collect();
        client.run("DELETE FROM d.t WHERE id >= 2").await?;
        same("rows deleted", client.conn.affected_rows(), 2)?;
        let gone = |found: &[String]| !found.is_empty() && found.iter().all(|object| !first.contains(object));
        objects_become(&house.place, ".parquet", "the old file is deleted", LIMIT, gone).await?;
        same("rows", ids(&mut client, "t").await?, vec![1])?;
        client.run("INSERT OVERWRITE d.t SELECT id + 10 FROM d.t").await?;
        same("rows", ids(&mut client, "t").await?, vec![11])?;

        table(&mut client, "deleted").await?;
        table(&mut client, "emptied").await?;
        client.run("INSERT INTO d.t VALUES (12)").await?;
        // Whatever was there before is gone first: the snapshot's files are all that is left.
        let is_clean = |found: &[String]| found.len() == 4;
        objects_become(&house.place, ".parquet", "only what tables name is left", LIMIT, is_clean).await?;
        let pinned: BTreeSet<String> = house.place.objects(".parquet").await?.into_iter().collect();
        let path = house.snapshot().await?;

        client.run("INSERT OVERWRITE d.t VALUES (99)").await?;
        client.run("DELETE FROM d.deleted WHERE id = 2").await?;
        client.run("DELETE FROM d.emptied WHERE id > 0").await?;
        // A file that no snapshot names shows when GC has run.
        table(&mut client, "late").await?;
        client.run("INSERT OVERWRITE d.late SELECT id FROM d.late WHERE id < 0").await?;
        objects_become(&house.place, ".parquet", "GC has run, and the pinned files are there", LIMIT, |found| {
            let found: BTreeSet<String> = found.iter().cloned().collect();
            pinned.is_subset(&found) && found.len() == pinned.len() + 2
        })
        .await?;
        same("overwritten", ids(&mut client, "t").await?, vec![99])?;
        same("deleted", ids(&mut client, "deleted").await?, vec![1, 3])?;
        same("emptied", ids(&mut client, "emptied").await?, Vec::new())?;
        client.close().await?;

        house.lose_everything().await?;
        house.restore_plan(&path, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("overwritten, restored", ids(&mut client, "t").await?, vec![11, 12])?;
        for name in ["deleted", "emptied"] {
            same("deleted, restored", ids(&mut client, name).await?, vec![1, 2, 3])?;
        }
        // A restored cluster is careful, and can be changed all the same.
        client.run("DELETE FROM d.t WHERE id = 11").await?;
        same("deleted after the restore", ids(&mut client, "t").await?, vec![12])?;
        client.close().await?;
        house.finish().await
    });
}

async fn ids(client: &mut tests::Client, name: &str) -> anyhow::Result<Vec<i64>> {
    client.rows(&format!("SELECT id FROM d.{name} ORDER BY id")).await
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

#[test]
fn what_nobody_committed_is_swept_and_nothing_else() {
    e2e("garbage/orphans", || async {
        let conf = vec![
            ("lake_orphan_min_age_seconds", "2".to_owned()),
            ("lake_autovacuum_grace_period_minutes", "0".to_owned()),
        ];
        let bucket = Some("orph/o");
        let house = House::build(HouseSpec { conf, bucket, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        table(&mut client, "t").await?;
        table(&mut client, "dropped").await?;
        let volume = house.place.open()?;
        let (service, object) = data_object(&house).await?;
        let (directory, name) = object.rsplit_once('/').context("an object has a directory")?;
        let bytes = volume.get(&object).await?;
        // What a compute node left that was lost before its load was committed; the same of a table that is gone.
        let lost = format!("{directory}/{}", name.replace("_0_0.parquet", "_9_7.parquet"));
        let elsewhere = format!("{service}/db1/2/3/data/{}", name.replace("_0_0.parquet", "_9_8.parquet"));
        // Of another incarnation, of a load that is still to come, and of nobody that we know.
        let foreign = format!("{directory}/0a1b2c3d_1_0_0.parquet");
        let late = format!("{directory}/{}_900000_0_0.parquet", name.split('_').next().unwrap_or_default());
        let unknown = format!("{directory}/readme.parquet");
        for path in [&lost, &elsewhere, &foreign, &late, &unknown] {
            volume.put(path, bytes.clone()).await?;
        }
        objects_become(&house.place, ".parquet", "the orphans are deleted", LIMIT, |found| {
            !found.contains(&lost) && !found.contains(&elsewhere)
        })
        .await?;
        // Loads go on, and a sweep later all of them are there.
        for id in 4..30 {
            client.run(&format!("INSERT INTO d.t VALUES ({id})")).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let found = house.place.objects(".parquet").await?;
        ensure!([&foreign, &late, &unknown].into_iter().all(|path| found.contains(path)), "{found:?}");
        same("rows", ids(&mut client, "t").await?, (1..30).collect())?;
        same("rows of the other", ids(&mut client, "dropped").await?, vec![1, 2, 3])?;
        client.close().await?;
        house.finish().await
    });
}

/// How many files and bytes the manifest of a snapshot says that the catalog needs.
async fn needed(house: &House, name: &str) -> anyhow::Result<(u64, u64)> {
    let manifests = house.place.objects(".manifest.json").await?;
    let of_name = |path: &&String| path.contains(&format!("/meta/image/{name}/"));
    let path = manifests.iter().find(of_name).with_context(|| format!("{name} has no manifest: {manifests:?}"))?;
    let manifest: serde_json::Value = serde_json::from_slice(&house.place.open()?.get(path).await?)?;
    let count = |key: &str| manifest["counts"][key].as_u64().with_context(|| format!("{manifest}"));
    Ok((count("files")?, count("bytes")?))
}

#[test]
fn when_the_last_snapshot_is_gone_the_store_holds_what_the_catalog_names() {
    e2e("garbage/last_snapshot", || async {
        let conf = vec![
            ("lake_orphan_min_age_seconds", "2".to_owned()),
            ("lake_autovacuum_grace_period_minutes", "0".to_owned()),
            ("lake_compaction_max_tasks", "0".to_owned()),
        ];
        let bucket = Some("last/p");
        let house = House::build(HouseSpec { conf, bucket, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        for name in ["kept", "dropped", "truncated"] {
            table(&mut client, name).await?;
        }
        client.run("CREATE TABLE d.keyed (id BIGINT, v BIGINT) PRIMARY KEY(id) DISTRIBUTED BY HASH(id)").await?;
        client.run("INSERT INTO d.keyed VALUES (1, 1), (2, 2), (3, 3)").await?;
        client.run("CREATE CLUSTER SNAPSHOT one").await?;
        house.job("one FINISHED", LIMIT, |j| j.name == "one" && j.state == "FINISHED").await?;
        client.run("INSERT INTO d.keyed VALUES (2, 20), (4, 4)").await?;
        client.run("DELETE FROM d.keyed WHERE id = 3").await?;
        client.run("INSERT OVERWRITE d.kept SELECT id FROM d.kept WHERE id < 3").await?;
        house.snapshot().await?;
        client.run("DROP TABLE d.dropped FORCE").await?;
        client.run("TRUNCATE TABLE d.truncated").await?;
        client.run("INSERT INTO d.kept VALUES (9)").await?;
        // What a load left that was never committed.
        let (_, object) = data_object(&house).await?;
        let orphan = object.replace("_0_0.parquet", "_9_7.parquet");
        house.place.open()?.put(&orphan, "never committed".into()).await?;
        client.run("CREATE CLUSTER SNAPSHOT last").await?;
        house.job("last FINISHED", LIMIT, |j| j.name == "last" && j.state == "FINISHED").await?;
        let (files, bytes) = needed(&house, "last").await?;
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await?;
        for name in ["one", "last"] {
            client.run(&format!("DROP CLUSTER SNAPSHOT {name}")).await?;
        }
        tests::client::until("the store holds what the catalog names and no more", LIMIT, || async {
            let all = house.place.open()?.list("").await?;
            let (data, rest): (Vec<_>, Vec<_>) = all.iter().partition(|o| o.path.contains("/data/"));
            let left = |path: &str| !path.contains("/owner/") && !path.ends_with(".void");
            let left: Vec<&str> = rest.iter().map(|o| o.path.as_str()).filter(|path| left(path)).collect();
            let found = (data.len() as u64, data.iter().map(|o| o.size).sum::<u64>());
            Ok(match found == (files, bytes) && left.is_empty() {
                true => Ok(()),
                false => Err(format!("{found:?} of {:?}, {left:?}; {data:?}", (files, bytes))),
            })
        })
        .await?;
        same("rows", ids(&mut client, "kept").await?, vec![1, 2, 9])?;
        same("keys", ids(&mut client, "keyed").await?, vec![1, 2, 4])?;
        client.close().await?;
        house.finish().await
    });
}

/// The service root, and one object below it.
async fn data_object(house: &House) -> anyhow::Result<(String, String)> {
    let objects = house.place.objects("_0_0.parquet").await?;
    let object = objects.into_iter().next().context("nothing was written")?;
    let service = object.split('/').next().unwrap_or_default().to_owned();
    Ok((service, object))
}
