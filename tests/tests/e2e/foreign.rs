//! The wrong snapshot was restored: the right one, of which the restored catalog knows nothing, is kept and can be restored.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use tests::client::same;
use tests::house::objects_become;
use tests::{Client, House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(60);

async fn table(client: &mut Client, name: &str) -> anyhow::Result<()> {
    client.run(&format!("CREATE TABLE d.{name} (n BIGINT) DUPLICATE KEY(n) DISTRIBUTED BY HASH(n) BUCKETS 2")).await?;
    client.run(&format!("INSERT INTO d.{name} VALUES (1), (2), (3)")).await
}

/// Drops a snapshot, and waits until it is gone from the store.
async fn drop_snapshot(house: &House, client: &mut Client, name: &str) -> anyhow::Result<()> {
    client.run(&format!("DROP CLUSTER SNAPSHOT {name}")).await?;
    house.job("DELETED", LIMIT, |j| j.name == name && j.state == "DELETED").await?;
    let left = house.place.objects(&format!("/meta/image/{name}/")).await?;
    ensure!(left.iter().all(|path| path.ends_with(".void")), "left of {name}: {left:?}");
    Ok(())
}

async fn listed(client: &mut Client) -> anyhow::Result<Vec<(String, String)>> {
    let sql = "SELECT SNAPSHOT_NAME, SNAPSHOT_TYPE FROM information_schema.cluster_snapshots ORDER BY SNAPSHOT_NAME";
    client.rows(sql).await
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
}

/// Every table with the sum of its rows.
async fn sums(client: &mut Client) -> anyhow::Result<Vec<(String, i64)>> {
    let mut sums = Vec::new();
    for name in client.rows::<String>("SHOW TABLES FROM d").await? {
        let sum: Option<i64> = client.one(&format!("SELECT SUM(n) FROM d.{name}")).await?;
        sums.push((name, sum.unwrap_or_default()));
    }
    sums.sort();
    Ok(sums)
}

fn all(sums: &[(&str, i64)]) -> Vec<(String, i64)> {
    sums.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect()
}

async fn verified(client: &mut Client, name: &str) -> anyhow::Result<()> {
    let rows: Vec<mysql_async::Row> = client.rows(&format!("ADMIN VERIFY CLUSTER SNAPSHOT {name} WITH DATA")).await?;
    let problems: Vec<String> = rows.iter().filter_map(|row| row.get("Problem")).collect();
    ensure!(problems.is_empty(), "{name}: {problems:?}");
    Ok(())
}

async fn data_becomes(house: &House, what: &str, wanted: &BTreeSet<String>) -> anyhow::Result<()> {
    let is_so = |found: &[String]| found.iter().collect::<BTreeSet<_>>() == wanted.iter().collect();
    objects_become(&house.place, ".parquet", what, LIMIT, is_so).await.map(drop)
}

#[test]
fn what_the_lost_timeline_left_is_swept_but_for_its_snapshots() {
    e2e("foreign/swept", || async {
        let conf = vec![("lake_sweep_dead_timelines", "true".to_owned())];
        let mut house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        table(&mut client, "kept").await?;
        let one = house.named_snapshot(&mut client, LIMIT, "one").await?;
        let at_one = house.data().await?;
        table(&mut client, "later").await?;
        house.named_snapshot(&mut client, LIMIT, "two").await?;
        let at_two = house.data().await?;
        client.run("INSERT INTO d.kept VALUES (7)").await?;
        let at_end = house.data().await?;
        ensure!(at_one.len() < at_two.len() && at_two.len() < at_end.len(), "{at_one:?} {at_two:?} {at_end:?}");
        // Half of an upload that never went on.
        let root = one.strip_prefix(&house.place.location()).and_then(|rest| rest.strip_suffix("/meta/image/one"));
        let half =
            format!("{}/meta/image/half/sections/{}", root.unwrap_or_default().trim_matches('/'), "ab".repeat(32));
        house.place.open()?.put(&half, "half".into()).await?;
        client.close().await?;

        house.lose_everything().await?;
        house.restore_plan(&one, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("snapshots", listed(&mut client).await?, pairs(&[("one", "MANUAL"), ("two", "FOREIGN")]))?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        same("a restored cluster is careful: files", house.data().await?, at_end)?;
        client.run("ADMIN FINISH RESTORE").await?;
        data_becomes(&house, "what nobody needs is deleted, what the other timeline's snapshot needs stays", &at_two)
            .await?;
        objects_become(&house.place, "/meta/image/half/", "the half upload is gone", LIMIT, <[String]>::is_empty)
            .await?;
        verified(&mut client, "two").await?;
        same("tables", sums(&mut client).await?, all(&[("kept", 6)]))?;
        ensure!(house.frontend_log().contains("what other timelines left was swept"), "the log has no report");
        drop_snapshot(&house, &mut client, "two").await?;
        data_becomes(&house, "what only that needed is deleted", &at_one).await?;
        same("tables", sums(&mut client).await?, all(&[("kept", 6)]))?;
        verified(&mut client, "one").await?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn the_right_snapshot_can_be_restored_after_the_wrong_one() {
    e2e("foreign/wrong_one_first", || async {
        let conf = vec![("lake_autovacuum_grace_period_minutes", "0".to_owned())];
        let mut house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        for name in ["dropped", "kept", "truncated"] {
            table(&mut client, name).await?;
        }
        let before = house.data().await?;
        table(&mut client, "gone").await?;
        let gone: BTreeSet<String> = house.data().await?.difference(&before).cloned().collect();
        let one = house.named_snapshot(&mut client, LIMIT, "one").await?;
        client.run("INSERT INTO d.kept VALUES (4), (5)").await?;
        client.run("DROP TABLE d.gone FORCE").await?;
        table(&mut client, "later").await?;
        let two = house.named_snapshot(&mut client, LIMIT, "two").await?;
        client.close().await?;

        // By mistake the older one.
        house.lose_everything().await?;
        house.restore_plan(&one, &house.place)?;
        house.restore().await?;
        ensure!(house.frontend_log().contains("two, revision "), "the log does not tell of the newer one");
        let mut client = house.client().await?;
        same("tables", sums(&mut client).await?, all(&[("dropped", 6), ("gone", 6), ("kept", 6), ("truncated", 6)]))?;
        same("snapshots", listed(&mut client).await?, pairs(&[("one", "MANUAL"), ("two", "FOREIGN")]))?;
        verified(&mut client, "two").await?;
        let (_, text) = client.error("CREATE CLUSTER SNAPSHOT two").await?;
        ensure!(text.contains("already exists"), "{text}");
        let (_, text) = client.error("DROP CLUSTER SNAPSHOT two").await?;
        ensure!(text.contains("careful"), "{text}");
        client.run("ADMIN FINISH RESTORE").await?;
        client.run("INSERT INTO d.kept VALUES (100)").await?;
        let needed = house.data().await?;
        client.run("DROP TABLE d.dropped FORCE").await?;
        client.run("TRUNCATE TABLE d.truncated").await?;
        drop_snapshot(&house, &mut client, "one").await?;
        let three = house.named_snapshot(&mut client, LIMIT, "three").await?;
        house.collect_garbage(&mut client).await?;
        same("files that the newer one needs, and those of this cluster", house.data().await?, needed)?;
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        let both = pairs(&[("three", "MANUAL"), ("two", "FOREIGN")]);
        same("snapshots after a restart", listed(&mut client).await?, both)?;
        client.close().await?;

        // Now the right one. It knows nothing of what was done in between, nor that `gone` was there then.
        house.lose_everything().await?;
        let (code, text) = house.starkeep(&["snapshot", "verify", &two, "--with-data"]).await?;
        ensure!(code == 0 && text.contains("good"), "{code} {text}");
        house.restore_plan(&two, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        let rows = all(&[("dropped", 6), ("kept", 15), ("later", 6), ("truncated", 6)]);
        same("tables", sums(&mut client).await?, rows)?;
        same("snapshots", listed(&mut client).await?, pairs(&[("three", "FOREIGN"), ("two", "MANUAL")]))?;
        client.run("ADMIN FINISH RESTORE").await?;
        drop_snapshot(&house, &mut client, "two").await?;
        house.collect_garbage(&mut client).await?;
        verified(&mut client, "three").await?;
        let (code, text) = house.starkeep(&["snapshot", "verify", &three, "--with-data"]).await?;
        ensure!(code == 0 && text.contains("good"), "{code} {text}");
        ensure!(house.data().await?.is_superset(&gone), "a file of {gone:?} is deleted");

        // Dropped, it keeps nothing any more.
        drop_snapshot(&house, &mut client, "three").await?;
        same("snapshots", listed(&mut client).await?, Vec::new())?;
        objects_become(&house.place, ".parquet", "what only it needed is deleted", LIMIT, |found| {
            !found.iter().any(|object| gone.contains(object))
        })
        .await?;
        let rows = all(&[("dropped", 6), ("kept", 15), ("later", 6), ("truncated", 6)]);
        same("tables", sums(&mut client).await?, rows)?;
        client.close().await?;
        house.finish().await
    });
}
