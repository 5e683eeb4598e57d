//! A cluster that is restored beside the one that lives (or that is gone): it reads the files of the snapshot where they are, and
//! writes elsewhere. Nothing that either of the two names is lost, and nothing is written to the root that is borrowed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use tests::client::{same, until};
use tests::house::objects_become;
use tests::{Client, House, HouseSpec, Place, e2e};

const LIMIT: Duration = Duration::from_secs(60);
const BUILTIN: &str = "builtin_storage_volume";
const BORROWED: &str = "builtin_storage_volume_borrowed";

fn spec() -> HouseSpec {
    let conf = vec![
        ("lake_autovacuum_grace_period_minutes", "0".to_owned()),
        ("lake_sweep_dead_timelines", "true".to_owned()),
        ("lake_orphan_min_age_seconds", "1".to_owned()),
    ];
    HouseSpec { conf, ..HouseSpec::default() }
}

async fn table(client: &mut Client, name: &str) -> anyhow::Result<()> {
    client.run(&format!("CREATE TABLE d.{name} (n BIGINT) DUPLICATE KEY(n) DISTRIBUTED BY HASH(n) BUCKETS 2")).await?;
    client.run(&format!("INSERT INTO d.{name} VALUES (1), (2), (3)")).await
}

async fn sum(client: &mut Client, name: &str) -> anyhow::Result<i64> {
    client.one(&format!("SELECT SUM(n) FROM d.{name}")).await
}

async fn drop_snapshot(house: &House, client: &mut Client, name: &str) -> anyhow::Result<()> {
    client.run(&format!("DROP CLUSTER SNAPSHOT {name}")).await?;
    house.job("DELETED", LIMIT, |j| j.name == name && j.state == "DELETED").await.map(drop)
}

/// Every byte that the snapshot names, read by the compute nodes of this cluster and by no cache.
async fn verified(client: &mut Client, name: &str) -> anyhow::Result<()> {
    let rows: Vec<mysql_async::Row> = client.rows(&format!("ADMIN VERIFY CLUSTER SNAPSHOT {name} WITH DATA")).await?;
    ensure!(rows.is_empty(), "{name}: {rows:?}");
    Ok(())
}

/// Data and snapshots of a root, and not who owns it.
async fn listing(place: &Place) -> anyhow::Result<BTreeSet<String>> {
    Ok(place.objects("").await?.into_iter().filter(|path| !path.contains("/owner/")).collect())
}

/// What is asked of an owner; and of nobody else.
async fn asked(place: &Place) -> anyhow::Result<(usize, usize)> {
    Ok((place.objects("/owner/lease-").await?.len(), place.objects("/owner/hold-").await?.len()))
}

/// A plan for `house` to live on the snapshot at `path` without owning its place.
fn borrow(house: &House, path: &str, from: &Place) -> anyhow::Result<()> {
    let nodes = house.own_nodes();
    Ok(house.cluster.write_restore_plan(&format!(
        "cluster_snapshot:\n  cluster_snapshot_path: {path}\n  storage_volume_name: {BUILTIN}\n\
         compute_nodes:\n{}storage_volumes:\n{}    borrowed_by: {BUILTIN}\n",
        nodes.concat(),
        from.yaml(BUILTIN)
    ))?)
}

async fn start(house: &mut House) -> anyhow::Result<Client> {
    house.cluster.start(&["--cluster_snapshot"], tests::house::START).await?;
    let mut client = house.client().await?;
    house.all_alive(&mut client).await?;
    Ok(client)
}

#[test]
fn a_living_cluster_is_cloned_and_both_go_on() {
    e2e("borrowed/living", || async {
        let lender = House::build(spec()).await?;
        let mut client = lender.client().await?;
        client.run("CREATE DATABASE d").await?;
        for name in ["kept", "dropped", "truncated"] {
            table(&mut client, name).await?;
        }
        let one = lender.named_snapshot(&mut client, LIMIT, "one").await?;
        let (lent, claims) = (listing(&lender.place).await?, lender.place.objects("/owner/").await?);

        let mut clone = House::plan(spec()).await?;
        borrow(&clone, &one, &lender.place)?;
        let mut cloned = start(&mut clone).await?;
        for name in ["kept", "dropped", "truncated"] {
            same(name, sum(&mut cloned, name).await?, 6)?;
        }
        cloned.run("ADMIN FINISH RESTORE").await?;
        cloned.run("INSERT INTO d.kept VALUES (100)").await?;
        cloned.run("DROP TABLE d.dropped FORCE").await?;
        let (_, text) = cloned.error(&format!("CREATE CLUSTER SNAPSHOT no STORAGE VOLUME {BORROWED}")).await?;
        ensure!(text.contains("disabled") || text.contains("enabled"), "{text}");
        let described: Vec<mysql_async::Row> = cloned.rows(&format!("DESC STORAGE VOLUME {BORROWED}")).await?;
        let params: String = described[0].get("Params").unwrap_or_default();
        ensure!(params.contains("snapshot one"), "{params}");
        clone.named_snapshot(&mut cloned, LIMIT, "of_the_clone").await?;
        clone.collect_garbage(&mut cloned).await?;
        same("the lender's root", listing(&lender.place).await?, lent.clone())?;
        same("leases and holds", asked(&lender.place).await?, (1, 0))?;
        let others = |paths: Vec<String>| paths.into_iter().filter(|p| !p.contains("/lease-")).collect::<Vec<_>>();
        same("claims and marks", others(lender.place.objects("/owner/").await?), claims)?;

        // The lender lives, and does what it likes.
        client.run("INSERT INTO d.kept VALUES (7)").await?;
        client.run("DROP TABLE d.dropped FORCE").await?;
        client.run("TRUNCATE TABLE d.truncated").await?;
        client.run("INSERT OVERWRITE d.kept SELECT n FROM d.kept").await?;
        client.run("DROP CLUSTER SNAPSHOT one").await?;
        let job = lender.job("kept", LIMIT, |j| j.name == "one" && j.detail.contains("another cluster")).await?;
        same("state of what is leased", job.state.as_str(), "EXPIRED")?;
        lender.collect_garbage(&mut client).await?;
        ensure!(listing(&lender.place).await?.is_superset(&lent), "something of the snapshot is deleted");
        same("rows of the lender", sum(&mut client, "kept").await?, 13)?;
        for name in ["two", "three"] {
            lender.named_snapshot(&mut client, LIMIT, name).await?;
        }
        verified(&mut cloned, "of_the_clone").await?;
        clone.restart_frontend().await?;
        let mut cloned = clone.client().await?;
        clone.all_alive(&mut cloned).await?;
        same("rows of the clone", (sum(&mut cloned, "kept").await?, sum(&mut cloned, "truncated").await?), (106, 6))?;

        // The clone copies what it needs, and needs the lender no more.
        for name in ["kept", "truncated"] {
            cloned.run(&format!("INSERT OVERWRITE d.{name} SELECT n FROM d.{name}")).await?;
        }
        let (_, text) = cloned.error(&format!("DROP STORAGE VOLUME {BORROWED}")).await?;
        ensure!(text.contains("is borrowed"), "{text}");
        drop_snapshot(&clone, &mut cloned, "of_the_clone").await?;
        objects_become(&lender.place, "/owner/lease-", "the lease is ended", LIMIT, <[String]>::is_empty).await?;
        cloned.run(&format!("DROP STORAGE VOLUME {BORROWED}")).await?;
        lender.job("DELETED", LIMIT, |j| j.name == "one" && j.state == "DELETED").await?;
        let gone: Vec<String> = lent.into_iter().filter(|path| path.contains("/meta/image/one/")).collect();
        objects_become(&lender.place, "/meta/image/one/", "the snapshot is deleted", LIMIT, |found| {
            !found.iter().any(|path| gone.contains(path))
        })
        .await?;
        same("rows of the clone", (sum(&mut cloned, "kept").await?, sum(&mut cloned, "truncated").await?), (106, 6))?;
        same("rows of the lender", sum(&mut client, "kept").await?, 13)?;
        verified(&mut client, "three").await?;
        cloned.close().await?;
        client.close().await?;
        clone.finish().await?;
        lender.finish().await
    });
}

#[test]
fn one_snapshot_becomes_two_clusters_that_live() {
    e2e("borrowed/twice", || async {
        let mut first = House::build(spec()).await?;
        let mut client = first.client().await?;
        client.run("CREATE DATABASE d").await?;
        for name in ["kept", "dropped"] {
            table(&mut client, name).await?;
        }
        let one = first.named_snapshot(&mut client, LIMIT, "one").await?;
        client.close().await?;
        first.lose_everything().await?;

        // One owns the root from now on, the other borrows it.
        first.restore_plan(&one, &first.place)?;
        first.restore().await?;
        let mut second = House::plan(spec()).await?;
        borrow(&second, &one, &first.place)?;
        let mut at_second = start(&mut second).await?;
        let mut at_first = first.client().await?;
        for client in [&mut at_first, &mut at_second] {
            client.run("ADMIN FINISH RESTORE").await?;
        }
        at_first.run("INSERT INTO d.kept VALUES (10)").await?;
        at_second.run("INSERT INTO d.kept VALUES (20)").await?;
        at_first.run("DROP TABLE d.dropped FORCE").await?;
        let (_, text) = at_first.error("INSERT INTO d.dropped VALUES (1)").await?;
        ensure!(text.contains("dropped"), "{text}");
        for (house, client, name) in [(&first, &mut at_first, "of_first"), (&second, &mut at_second, "of_second")] {
            house.named_snapshot(client, LIMIT, name).await?;
        }
        at_first.run("DROP CLUSTER SNAPSHOT one").await?;
        first.collect_garbage(&mut at_first).await?;
        second.collect_garbage(&mut at_second).await?;
        verified(&mut at_first, "of_first").await?;
        verified(&mut at_second, "of_second").await?;
        same("rows of the first", sum(&mut at_first, "kept").await?, 16)?;
        same(
            "rows of the second",
            (sum(&mut at_second, "kept").await?, sum(&mut at_second, "dropped").await?),
            (26, 6),
        )?;
        let shared: Vec<String> = first.data().await?.intersection(&second.data().await?).cloned().collect();
        ensure!(shared.is_empty(), "both have written {shared:?}");

        // What the second one has made can itself be restored: it goes on to borrow what it did.
        let path = "SELECT STORAGE_PATH FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME = 'of_second'";
        let path: String = at_second.one(path).await?;
        drop(at_second);
        second.lose_everything().await?;
        second.restore_plan(&path, &second.place)?;
        second.restore().await?;
        let mut at_second = second.client().await?;
        same("rows after all", (sum(&mut at_second, "kept").await?, sum(&mut at_second, "dropped").await?), (26, 6))?;
        let leases = first.place.objects("/owner/lease-").await?;
        ensure!(leases.len() == 2, "the lease of either incarnation: {leases:?}");
        at_second.close().await?;
        at_first.close().await?;
        second.finish().await?;
        first.finish().await
    });
}

#[test]
fn what_cannot_be_borrowed_is_refused_before_anything_changes() {
    e2e("borrowed/refused", || async {
        let lender = House::build(spec()).await?;
        let mut client = lender.client().await?;
        client.run("CREATE DATABASE d").await?;
        let one = lender.named_snapshot(&mut client, LIMIT, "one").await?;
        // This one's own volume is the very place that is to be borrowed.
        let conf = lender.place.conf().into_iter().map(|(key, value)| (&*key.leak(), value)).collect();
        let clone = House::plan(HouseSpec { conf, ..HouseSpec::default() }).await?;
        borrow(&clone, &one, &lender.place)?;
        let (code, text) = clone.restore_tool(&[]).await?;
        ensure!(code != 0 && text.contains("borrows from another cluster"), "{code} {text}");
        same("leases and holds", asked(&lender.place).await?, (0, 0))?;
        until("the lender goes on", LIMIT, || async {
            let mut client = lender.client().await?;
            Ok(client.run("CREATE DATABASE IF NOT EXISTS e").await.map_err(|e| format!("{e:#}")))
        })
        .await?;
        client.close().await?;
        lender.finish().await
    });
}
