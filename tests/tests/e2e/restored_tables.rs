//! RESTORE TABLE … FROM SNAPSHOT, the retention of several snapshots, and what their pins keep.

use std::time::Duration;

use anyhow::ensure;
use tests::client::same;
use tests::house::objects_become;
use tests::{Client, House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(60);

fn conf() -> Vec<(&'static str, String)> {
    vec![("lake_autovacuum_grace_period_minutes", "0".to_owned())]
}

async fn table(client: &mut Client, name: &str) -> anyhow::Result<()> {
    client
        .run(&format!(
            "CREATE TABLE d.{name} (n BIGINT, day DATE) DUPLICATE KEY(n) PARTITION BY RANGE(day) (\
             PARTITION early VALUES LESS THAN ('2026-01-01'), PARTITION late VALUES LESS THAN MAXVALUE) \
             DISTRIBUTED BY HASH(n) BUCKETS 2"
        ))
        .await?;
    client.run(&format!("INSERT INTO d.{name} VALUES (1, '2025-05-05'), (2, '2026-05-05')")).await?;
    client.run(&format!("INSERT INTO d.{name} VALUES (3, '2026-06-06'), (4, NULL)")).await
}

async fn rows(client: &mut Client, name: &str) -> anyhow::Result<Vec<(i64, Option<String>)>> {
    client.rows(&format!("SELECT n, CAST(day AS VARCHAR) FROM d.{name} ORDER BY n")).await
}

fn all() -> Vec<(i64, Option<String>)> {
    let day = |day: &str| Some(day.to_owned());
    vec![(1, day("2025-05-05")), (2, day("2026-05-05")), (3, day("2026-06-06")), (4, None)]
}

async fn snapshot(house: &House, client: &mut Client, name: &str) -> anyhow::Result<()> {
    client.run(&format!("CREATE CLUSTER SNAPSHOT {name}")).await?;
    house.job("FINISHED", LIMIT, |j| j.name == name && j.state == "FINISHED").await?;
    Ok(())
}

/// Files and bytes that a snapshot keeps, and those that only it does.
async fn pinned(client: &mut Client, name: &str) -> anyhow::Result<(u64, u64, u64, u64)> {
    let sql = "SELECT FILES, BYTES, ONLY_FILES, ONLY_BYTES FROM information_schema.cluster_snapshot_pins";
    client.one(&format!("{sql} WHERE SNAPSHOT_NAME = '{name}'")).await
}

#[test]
fn a_table_comes_back_from_a_snapshot_and_outlives_it() {
    e2e("restored_tables/by_reference", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, conf: conf(), ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        table(&mut client, "t").await?;
        table(&mut client, "other").await?;
        let files = house.data().await?;
        snapshot(&house, &mut client, "one").await?;
        same("kept by the snapshot alone", pinned(&mut client, "one").await?, (0, 0, 0, 0))?;
        client.run("DROP TABLE d.t FORCE").await?;
        snapshot(&house, &mut client, "two").await?;
        house.collect_garbage(&mut client).await?;
        same("files that the snapshot keeps", house.data().await?, files.clone())?;
        let (kept, bytes, only, only_bytes) = pinned(&mut client, "one").await?;
        ensure!(kept > 0 && bytes > 0 && (only, only_bytes) == (kept, bytes), "{kept} {bytes} {only} {only_bytes}");
        same("kept by the second", pinned(&mut client, "two").await?, (0, 0, 0, 0))?;

        client
            .refused("RESTORE TABLE d.t FROM SNAPSHOT no TO TABLE d.back", 1064, "Unknown cluster snapshot: no")
            .await?;
        client
            .refused(
                "RESTORE TABLE d.t FROM SNAPSHOT two TO TABLE d.back",
                5064,
                "Unknown table 'd.t' in cluster snapshot two",
            )
            .await?;
        client.refused("RESTORE TABLE d.t FROM SNAPSHOT one TO TABLE d.other", 1050, "already exists").await?;
        client.run("RESTORE TABLE d.t FROM SNAPSHOT one TO TABLE d.back").await?;
        same("rows", rows(&mut client, "back").await?, all())?;
        same("no file was written", house.data().await?, files.clone())?;
        same("kept by the snapshot alone", pinned(&mut client, "one").await?, (0, 0, 0, 0))?;
        // Beside a table that lives, over the same files.
        client.run("RESTORE TABLE d.other FROM SNAPSHOT one TO TABLE d.twin").await?;
        client.run("INSERT INTO d.back VALUES (5, '2026-07-07')").await?;
        client.run("DELETE FROM d.twin WHERE n > 2").await?;
        same("rows of the twin", client.one::<u64>("SELECT COUNT(*) FROM d.twin").await?, 2)?;
        same("rows of the other", rows(&mut client, "other").await?, all())?;

        for name in ["one", "two"] {
            client.run(&format!("DROP CLUSTER SNAPSHOT {name}")).await?;
            house.job("DELETED", LIMIT, |j| j.name == name && j.state == "DELETED").await?;
        }
        client.run("DROP TABLE d.other FORCE").await?;
        house.collect_garbage(&mut client).await?;
        let mut more = all();
        more.push((5, Some("2026-07-07".to_owned())));
        same("rows when the snapshot is gone", rows(&mut client, "back").await?, more.clone())?;
        same("rows of the twin", rows(&mut client, "twin").await?, all()[..2].to_vec())?;
        client
            .refused("RESTORE TABLE d.t FROM SNAPSHOT one TO TABLE d.more", 1064, "Unknown cluster snapshot: one")
            .await?;

        // The next snapshot has it all, and a restore finds it.
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        let path = house.snapshot().await?;
        client.close().await?;
        house.lose_everything().await?;
        house.restore_plan(&path, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("rows after a restore of all", rows(&mut client, "back").await?, more)?;
        client.run("DROP TABLE d.back FORCE").await?;
        client.run("DROP TABLE d.twin FORCE").await?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn whoever_is_asked_shows_the_table_at_once() {
    e2e("restored_tables/on_an_observer", || async {
        let mut house = House::build(HouseSpec { conf: conf(), ..HouseSpec::default() }).await?;
        house.add_frontends(&["OBSERVER"]).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        table(&mut client, "t").await?;
        snapshot(&house, &mut client, "one").await?;
        client.run("DROP TABLE d.t FORCE").await?;
        client.close().await?;
        let mut observer = Client::connect(house.query_ports()[1]).await?;
        for n in 0..20 {
            observer.run(&format!("RESTORE TABLE d.t FROM SNAPSHOT one TO TABLE d.t{n}")).await?;
            same("rows", rows(&mut observer, &format!("t{n}")).await?, all())?;
        }
        observer.close().await?;
        house.finish().await
    });
}

/// A cluster is restored to a moment before a table came back: the newer snapshot still has it.
#[test]
fn a_table_that_came_back_in_the_lost_time_is_kept_for_the_newer_snapshot() {
    e2e("restored_tables/lost_time", || async {
        let mut house = House::build(HouseSpec { conf: conf(), ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        table(&mut client, "t").await?;
        snapshot(&house, &mut client, "old").await?;
        client.run("DROP TABLE d.t FORCE").await?;
        snapshot(&house, &mut client, "middle").await?;
        client.run("RESTORE TABLE d.t FROM SNAPSHOT old TO TABLE d.back").await?;
        table(&mut client, "only_there").await?;
        snapshot(&house, &mut client, "newer").await?;
        let sql = "SELECT STORAGE_PATH FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME =";
        let middle: String = client.one(&format!("{sql} 'middle'")).await?;
        let newer: String = client.one(&format!("{sql} 'newer'")).await?;
        client.close().await?;

        house.lose_everything().await?;
        house.restore_plan(&middle, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        client.run("ADMIN FINISH RESTORE").await?;
        client.run("DROP CLUSTER SNAPSHOT old").await?;
        house.job("DELETED", LIMIT, |j| j.name == "old" && j.state == "DELETED").await?;
        house.collect_garbage(&mut client).await?;
        let problems: Vec<mysql_async::Row> = client.rows("ADMIN VERIFY CLUSTER SNAPSHOT newer WITH DATA").await?;
        same("problems of the newer snapshot", problems.len(), 0)?;
        // Of the other timeline's tables, those whose files both know come back.
        client.run("RESTORE TABLE d.back FROM SNAPSHOT newer TO TABLE d.again").await?;
        same("rows", rows(&mut client, "again").await?, all())?;
        client
            .refused(
                "RESTORE TABLE d.only_there FROM SNAPSHOT newer TO TABLE d.more",
                5064,
                "is known only to the timeline that took the snapshot",
            )
            .await?;
        client.close().await?;

        house.lose_everything().await?;
        house.restore_plan(&newer, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("rows after the restore of the newer", rows(&mut client, "back").await?, all())?;
        same("rows of the other", rows(&mut client, "only_there").await?, all())?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn automated_snapshots_are_kept_as_long_as_a_rule_says() {
    e2e("restored_tables/retention", || async {
        let interval = ("automated_cluster_snapshot_interval_seconds", "1".to_owned());
        let house = House::build(HouseSpec { conf: vec![interval], ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client
            .refused("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON PROPERTIES('retention'='0')", 1064, "Invalid retention")
            .await?;
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON PROPERTIES('retention'='3')").await?;
        house.job("the first DELETED", LIMIT, |j| j.state == "DELETED").await?;
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 HOUR").await?;
        let restorable = "SELECT COUNT(*) FROM information_schema.cluster_snapshots";
        house.job("none unfinished", LIMIT, |j| j.state == "FINISHED").await?;
        objects_become(&house.place, ".manifest.json", "three manifests", LIMIT, |found| found.len() == 3).await?;
        same("restorable snapshots", client.one::<u64>(restorable).await?, 3)?;
        let said: String = client.one("SELECT MAX(PROPERTIES) FROM information_schema.cluster_snapshots").await?;
        same("PROPERTIES", said, "{\"retention\":\"3\"}".to_owned())?;
        // In place, and from the next one on.
        let newest = house.job("the newest", LIMIT, |j| j.state == "FINISHED").await?;
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET PROPERTIES('retention'='1', 'ttl'='0 DAY')").await?;
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 SECOND").await?;
        house.job("the newest DELETED", LIMIT, |j| j.name == newest.name && j.state == "DELETED").await?;
        same("restorable snapshots", client.one::<u64>(restorable).await?, 1)?;
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await?;
        objects_become(&house.place, ".manifest.json", "no manifest", LIMIT, <[_]>::is_empty).await?;
        client.close().await?;
        house.finish().await
    });
}
