//! Everything is lost but the objects; what comes back, and what is refused.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use tests::client::same;
use tests::house::starkeep;
use tests::{House, HouseSpec, Place, QUICKSTART, e2e};

/// What a cluster holds: every table with its rows, in order.
pub(crate) async fn contents(house: &House) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let mut client = house.client().await?;
    let mut all = Vec::new();
    for (table, order) in [("quickstart.source_wiki_edit", "event_time, channel, user"), ("d.kinds", "id")] {
        let rows: Vec<mysql_async::Row> = client.rows(&format!("SELECT * FROM {table} ORDER BY {order}")).await?;
        all.push((table.to_owned(), rows.iter().map(|row| format!("{:?}", row.clone().unwrap())).collect()));
        let shown: (String, String) = client.one(&format!("SHOW CREATE TABLE {table}")).await?;
        all.push((format!("SHOW CREATE TABLE {table}"), vec![shown.1]));
    }
    let databases: Vec<String> = client.rows("SHOW DATABASES").await?;
    all.push(("SHOW DATABASES".to_owned(), databases));
    client.close().await?;
    Ok(all)
}

pub(crate) async fn fill(house: &House) -> anyhow::Result<()> {
    let mut client = house.client().await?;
    client.run(QUICKSTART).await?;
    client.run("CREATE DATABASE d").await?;
    let columns = "id BIGINT NOT NULL, b BOOLEAN, s SMALLINT, l LARGEINT, f DOUBLE, m DECIMAL(10, 2), d DATE, t DATETIME, x STRING";
    client
        .run(&format!(
            "CREATE TABLE d.kinds ({columns}) DUPLICATE KEY(id) COMMENT 'all kinds' DISTRIBUTED BY HASH(id) BUCKETS 3"
        ))
        .await?;
    client
        .run(
            "INSERT INTO d.kinds VALUES \
             (1, true, -5, 170141183460469231731687303715884105727, 0.5, 12345678.90, '2024-02-29', '2024-02-29 23:59:59', 'ä€😀'), \
             (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        )
        .await?;
    for n in 0..4 {
        client.run(&format!("INSERT INTO d.kinds (id, x) VALUES ({n} + 10, 'row {n}')")).await?;
    }
    client.close().await
}

/// A filled cluster on S3 with one snapshot, lost. Its bucket is all that is left.
async fn lost(bucket: &'static str) -> anyhow::Result<(House, String, Vec<(String, Vec<String>)>)> {
    let mut house = House::build(HouseSpec { bucket: Some(bucket), ..HouseSpec::default() }).await?;
    fill(&house).await?;
    let before = contents(&house).await?;
    let snapshot = house.snapshot().await?;
    house.lose_everything().await?;
    Ok((house, snapshot, before))
}

#[test]
fn the_whole_drill_on_s3() {
    e2e("disaster/drill_s3", || async {
        let (mut house, snapshot, before) = lost("lake/p").await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        same("everything", contents(&house).await?, before)?;
        let mut client = house.client().await?;
        let jobs = house.jobs(&mut client).await?;
        let ours = jobs.first().context("the job we came from is not listed")?;
        ensure!(
            ours.state == "FINISHED" && ours.detail == "Finished time was reset after cluster restored",
            "{jobs:?}"
        );
        // It lives: new rows, a restart without the flag, a new snapshot, and a restore of that.
        client.run("INSERT INTO d.kinds (id, x) VALUES (99, 'after the disaster')").await?;
        client.close().await?;
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM d.kinds").await?, 7)?;
        client.run("ADMIN FINISH RESTORE").await?;
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 SECOND").await?;
        house
            .job("the second FINISHED", Duration::from_secs(60), |j| j.state == "FINISHED" && j.name != ours.name)
            .await?;
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 HOUR").await?;
        client.close().await?;
        house.lose_everything().await?;
        let root = snapshot.rsplit_once("/meta/image/").context("an odd path")?.0.to_owned();
        house.restore_plan(&format!("{root}/meta"), &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("rows after the second disaster", client.one::<u64>("SELECT COUNT(*) FROM d.kinds").await?, 7)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_restart_with_the_flag_does_not_restore_twice() {
    e2e("disaster/restore_once", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        fill(&house).await?;
        let snapshot = house.snapshot().await?;
        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        client.run("INSERT INTO d.kinds (id) VALUES (77)").await?;
        house.cluster.frontend.kill().await?;
        house.cluster.frontend.start(&["--cluster_snapshot"])?;
        house.cluster.frontend.ready(tests::house::START).await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM d.kinds WHERE id = 77").await?, 1)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_restore_from_another_bucket() {
    e2e("disaster/other_bucket", || async {
        let (mut house, snapshot, before) = lost("old/p").await?;
        let server = house.place.server().context("no server")?.clone();
        let other = Place::bucket(&server, "new/q")?;
        ensure!(house.place.copy_to(&other).await? > 5, "there was next to nothing to copy");
        // The old bucket is gone.
        let old = house.place.open()?;
        for path in house.place.objects("").await? {
            old.delete(&path).await?;
        }
        // fe.conf still describes the old place: the plan moves the volume.
        let moved = snapshot.replace("s3://old/p", "s3://new/q");
        house.restore_plan(&moved, &other)?;
        house.restore().await?;
        same("everything", contents(&house).await?, before)?;
        let mut client = house.client().await?;
        client.run("INSERT INTO d.kinds (id) VALUES (77)").await?;
        let described: mysql_async::Row = client.one("DESC STORAGE VOLUME builtin_storage_volume").await?;
        let text = |column: &str| described.get::<String, _>(column).unwrap_or_default();
        let text = format!("{} {}", text("Location"), text("Params"));
        ensure!(text.contains("s3://new/q") && !text.contains(server.secret_key()), "{text}");
        client.close().await?;
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows after a restart", client.one::<u64>("SELECT COUNT(*) FROM d.kinds WHERE id = 77").await?, 1)?;
        client.close().await?;
        ensure!(house.place.objects("").await?.is_empty(), "something was written to the old bucket");
        house.finish().await
    });
}

#[test]
fn a_partial_newer_snapshot_is_skipped_and_reported() {
    e2e("disaster/partial_newer", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        fill(&house).await?;
        let before = contents(&house).await?;
        let snapshot = house.snapshot().await?;
        house.lose_everything().await?;
        let (root, name) = snapshot.rsplit_once('/').context("an odd path")?;
        let service = root.trim_end_matches("/meta/image").rsplit('/').next().context("no service id")?.to_owned();
        let millis: u64 = name.trim_start_matches("automated_cluster_snapshot_").parse()?;
        let newer = format!("automated_cluster_snapshot_{}", millis + 60_000);
        let part = format!("{service}/meta/image/{newer}/sections/{}", "ab".repeat(32));
        house.place.open()?.put(&part, Bytes::from_static(b"half a section")).await?;
        house.restore_plan(root, &house.place)?;
        let (code, text) = house.restore_tool(&["--list"]).await?;
        ensure!(
            code == 0 && text.contains(&newer) && text.contains("PARTIAL") && text.contains("COMPLETE"),
            "{code} {text}"
        );
        let (code, text) = house.restore_tool(&["--verify-only"]).await?;
        ensure!(
            code == 0 && text.contains(&newer) && text.contains(&format!("{name} can be restored")),
            "{code} {text}"
        );
        // Asked for by name, a partial snapshot is refused.
        house.restore_plan(&format!("{root}/{newer}"), &house.place)?;
        let (code, text) = house.restore_tool(&[]).await?;
        ensure!(code != 0 && text.contains("no manifest"), "{code} {text}");
        house.restore_plan(root, &house.place)?;
        house.restore().await?;
        let log = house.frontend_log();
        ensure!(log.contains(&newer), "the log does not say that {newer} was skipped");
        same("everything", contents(&house).await?, before)?;
        house.finish().await
    });
}

#[test]
fn missing_and_damaged_objects_are_refused_by_name() {
    e2e("disaster/damage", || async {
        let (mut house, snapshot, before) = lost("lake/p").await?;
        house.restore_plan(&snapshot, &house.place)?;
        let volume = house.place.open()?;
        let files = house.place.objects(".parquet").await?;
        let victim = files.get(files.len() / 2).context("no data files")?.clone();
        let name = victim.rsplit('/').next().unwrap_or(&victim).to_owned();
        let kept = volume.get(&victim).await?;

        volume.delete(&victim).await?;
        for arguments in [&["--verify-only"][..], &[][..]] {
            let (code, text) = house.restore_tool(arguments).await?;
            ensure!(code != 0 && text.contains(&name) && !text.contains("panicked"), "a missing file: {code} {text}");
        }
        ensure!(!house.directory("fe/meta").exists(), "a refused restore left a meta directory");

        volume.put(&victim, kept.slice(..kept.len() - 1)).await?;
        let (code, text) = house.restore_tool(&["--verify-only"]).await?;
        ensure!(code != 0 && text.contains(&name), "a file of another size: {code} {text}");
        volume.put(&victim, kept).await?;

        let sections = house.place.objects("/sections/").await?;
        let section = sections.first().context("no sections")?.clone();
        let whole = volume.get(&section).await?;
        let mut damaged = whole.to_vec();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        volume.put(&section, damaged.into()).await?;
        let (code, text) = house.restore_tool(&[]).await?;
        let hash = section.rsplit('/').next().unwrap_or_default();
        ensure!(code != 0 && text.contains(hash), "a damaged section: {code} {text}");
        volume.delete(&section).await?;
        let (code, text) = house.restore_tool(&[]).await?;
        ensure!(code != 0 && text.contains(hash), "a missing section: {code} {text}");
        volume.put(&section, whole).await?;

        let manifests = house.place.objects(".manifest.json").await?;
        let manifest = manifests.first().context("no manifest")?.clone();
        let whole = volume.get(&manifest).await?;
        let text = String::from_utf8(whole.to_vec())?.replacen("\"rows\": ", "\"rows\": 1", 1);
        volume.put(&manifest, text.into()).await?;
        let (code, text) = house.restore_tool(&[]).await?;
        ensure!(code != 0 && text.contains("sha256"), "a changed manifest: {code} {text}");
        volume.put(&manifest, whole).await?;

        // All is as it was: it can be restored after all.
        house.restore().await?;
        same("everything", contents(&house).await?, before)?;
        house.finish().await
    });
}

#[test]
fn a_meta_directory_in_the_way_is_not_overwritten() {
    e2e("disaster/meta_in_the_way", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        fill(&house).await?;
        let snapshot = house.snapshot().await?;
        let mut client = house.client().await?;
        client.run("INSERT INTO d.kinds (id) VALUES (77)").await?;
        client.close().await?;
        house.cluster.kill().await?;
        house.restore_plan(&snapshot, &house.place)?;
        let (code, text) = house.restore_tool(&[]).await?;
        ensure!(code != 0 && text.contains("--force"), "{code} {text}");
        house.cluster.start(&["--cluster_snapshot", "--force"], tests::house::START).await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("the snapshot's rows", client.one::<u64>("SELECT COUNT(*) FROM d.kinds WHERE id = 77").await?, 0)?;
        let aside = std::fs::read_dir(house.directory("fe"))?
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .filter(|name| name.starts_with("meta") && name.contains("before-epoch"));
        same("directories set aside", aside.count(), 1)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn the_offline_tool_lists_shows_and_verifies() {
    e2e("disaster/offline_tool", || async {
        let (house, snapshot, _) = lost("lake/p").await?;
        let properties = house.place.property_arguments();
        let with = |arguments: &[&str]| -> Vec<String> {
            arguments.iter().map(|a| (*a).to_owned()).chain(properties.iter().cloned()).collect()
        };
        let run = |arguments: Vec<String>| async move {
            starkeep(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
        };
        let root = snapshot.rsplit_once("/meta/image/").context("an odd path")?.0.to_owned();
        for place in [house.place.location(), root, snapshot.clone()] {
            let (code, text) = run(with(&["snapshot", "list", &place, "--json"])).await?;
            let rows: serde_json::Value = serde_json::from_str(&text).with_context(|| text.clone())?;
            ensure!(code == 0 && rows.as_array().is_some_and(|rows| rows.len() == 1), "{place}: {text}");
            ensure!(rows[0]["newest"] == true && rows[0]["counts"]["rows"] == 9, "{place}: {text}");
        }
        let (code, text) = run(with(&["snapshot", "show", &snapshot])).await?;
        ensure!(code == 0 && text.contains("quickstart.source_wiki_edit") && text.contains("d.kinds"), "{code} {text}");
        let secret = house.place.server().context("no server")?.secret_key();
        ensure!(!text.contains(secret), "a secret is printed");
        for arguments in [&["snapshot", "verify", &snapshot][..], &["snapshot", "verify", &snapshot, "--with-data"][..]]
        {
            let (code, text) = run(with(arguments)).await?;
            ensure!(code == 0 && text.contains("good"), "{code} {text}");
        }
        // A flipped byte keeps the size: only the hash tells.
        let volume = house.place.open()?;
        let files = house.place.objects(".parquet").await?;
        let victim = files.first().context("no files")?;
        let mut bytes = volume.get(victim).await?.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        volume.put(victim, bytes.into()).await?;
        let (code, _) = run(with(&["snapshot", "verify", &snapshot])).await?;
        same("names and sizes alone", code, 0)?;
        let (code, text) = run(with(&["snapshot", "verify", &snapshot, "--with-data"])).await?;
        let name = victim.rsplit('/').next().unwrap_or(victim);
        ensure!(code == 1 && text.contains("PROBLEM") && text.contains(name), "{code} {text}");
        let (code, text) = run(with(&["snapshot", "show", "s3://lake/nothing/here"])).await?;
        ensure!(code != 0 && !text.contains("panicked"), "{code} {text}");
        house.finish().await
    });
}

#[test]
fn the_demo() {
    e2e("disaster/demo", || async {
        let (code, text) = starkeep(&["demo", "--rows", "20000"]).await?;
        ensure!(code == 0 && text.contains("Every table is the same as before."), "{code} {text}");
        ensure!(text.contains("SNAPSHOTING") || text.contains("FINISHED"), "the job's row is not shown: {text}");
        let (code, text) = starkeep(&["demo", "--rows", "1000", "--json"]).await?;
        let report: serde_json::Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        ensure!(code == 0 && report["same"] == true, "{text}");
        Ok(())
    });
}
