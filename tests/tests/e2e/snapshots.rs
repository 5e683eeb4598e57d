//! Automated snapshots: on and off, the interval, a store that fails, a leader that dies in the middle.

use std::time::Duration;

use anyhow::{Context, ensure};
use storage_volume::testing::{Mode, S3Server};
use tests::client::same;
use tests::house::{Job, START, objects_become, starkeep};
use tests::{Client, House, HouseSpec, Place, QUICKSTART, code_of, e2e};

const LIMIT: Duration = Duration::from_secs(60);

/// Data in a directory, snapshots in a bucket that can misbehave.
async fn with_vault(house: &House) -> anyhow::Result<Place> {
    let vault = Place::s3(&house.directory("s3"), "safe/v").await?;
    let mut client = house.client().await?;
    client.run(&vault.create_statement("vault")).await?;
    client.close().await?;
    Ok(vault)
}

fn interval(seconds: u64) -> Vec<(&'static str, String)> {
    vec![("automated_cluster_snapshot_interval_seconds", seconds.to_string())]
}

#[test]
fn two_intervals_leave_one_restorable_snapshot() {
    e2e("snapshots/intervals", || async {
        let house = House::build(HouseSpec { conf: interval(2), ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        client
            .refused("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF", 1064, "Automated snapshot has not been turn on")
            .await?;
        client
            .refused(
                "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME nowhere",
                1064,
                "Unknown storage volume: nowhere",
            )
            .await?;
        let first = house.snapshot().await?;
        client.refused("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON", 1064, "Automated snapshot has been turn on").await?;
        let first = first.rsplit('/').next().context("an odd path")?.to_owned();
        let second = house.job("the next", LIMIT, |j| j.state == "FINISHED" && j.name != first).await?;
        house.job("the first DELETED", LIMIT, |j| j.name == first && j.state == "DELETED").await?;
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 HOUR").await?;
        let millis = |name: &str| name.trim_start_matches("automated_cluster_snapshot_").parse::<u64>();
        let apart = millis(&second.name)?.saturating_sub(millis(&first)?);
        ensure!((1500..4000).contains(&apart), "two seconds were asked for, {apart} ms lie between the first two");
        let listed: Vec<String> = client.rows("SELECT SNAPSHOT_NAME FROM information_schema.cluster_snapshots").await?;
        same("restorable snapshots", listed.len(), 1)?;
        let shown: mysql_async::Row = client.one("ADMIN SHOW AUTOMATED CLUSTER SNAPSHOT").await?;
        same("Enabled", shown.get::<String, _>("Enabled"), Some("true".to_owned()))?;
        objects_become(&house.place, ".manifest.json", "one manifest", LIMIT, |found| found.len() == 1).await?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_snapshot_by_hand_is_kept_verified_and_dropped() {
    e2e("snapshots/by_hand", || async {
        let house = House::build(HouseSpec { compute_nodes: 2, conf: interval(1), ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        client.run("CREATE CLUSTER SNAPSHOT before_upgrade COMMENT 'by hand'").await?;
        house.job("FINISHED", LIMIT, |j| j.name == "before_upgrade" && j.state == "FINISHED").await?;
        // Automated snapshots come and go; it stays, with what it names.
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON").await?;
        client.run("TRUNCATE TABLE quickstart.source_wiki_edit").await?;
        house.job("DELETED", LIMIT, |j| j.name != "before_upgrade" && j.state == "DELETED").await?;
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await?;
        let listed: Vec<(String, String)> = client
            .rows("SELECT SNAPSHOT_NAME, SNAPSHOT_TYPE FROM information_schema.cluster_snapshots WHERE SNAPSHOT_TYPE = 'MANUAL'")
            .await?;
        same("by hand", listed, vec![("before_upgrade".to_owned(), "MANUAL".to_owned())])?;
        let problems = |rows: Vec<mysql_async::Row>| -> Vec<String> {
            rows.iter().filter_map(|r| r.get::<String, _>("Problem")).collect()
        };
        let verify = "ADMIN VERIFY CLUSTER SNAPSHOT before_upgrade WITH DATA";
        same("problems", problems(client.rows(verify).await?), Vec::new())?;
        // One byte flipped in a data file: only WITH DATA can see it. One file gone: seen by name.
        let files = house.place.objects("/data/").await?;
        let (store, file) = (house.place.open()?, files.first().context("no data file")?);
        let mut bytes = store.get(file).await?.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        store.delete(file).await?;
        store.put(file, bytes.into()).await?;
        let by_name = problems(client.rows("ADMIN VERIFY CLUSTER SNAPSHOT before_upgrade").await?);
        same("problems by name and size", by_name, Vec::new())?;
        let found = problems(client.rows(verify).await?);
        ensure!(found.len() == 1 && found[0].contains("sha256"), "{found:?}");
        store.delete(file).await?;
        let found = problems(client.rows("ADMIN VERIFY CLUSTER SNAPSHOT before_upgrade").await?);
        ensure!(found.len() == 1 && found[0].contains("missing"), "{found:?}");
        client.run("DROP CLUSTER SNAPSHOT before_upgrade").await?;
        house.job("DELETED", LIMIT, |j| j.name == "before_upgrade" && j.state == "DELETED").await?;
        objects_become(&house.place, ".manifest.json", "no manifest", LIMIT, |found| found.is_empty()).await?;
        client.refused("ADMIN VERIFY CLUSTER SNAPSHOT before_upgrade", 1064, "Unknown cluster snapshot").await?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_job_that_waits_for_its_store_is_cancelled() {
    e2e("snapshots/cancel", || async {
        let house = House::build(HouseSpec { conf: interval(1), ..HouseSpec::default() }).await?;
        let vault = with_vault(&house).await?;
        let server = vault.server().context("no server")?.clone();
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        client.refused("CANCEL CLUSTER SNAPSHOT", 1064, "no cluster snapshot is running").await?;
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME vault").await?;
        house.job("FINISHED", LIMIT, |j| j.state == "FINISHED").await?;
        let stuck = stuck_job(&house, &server).await?;
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 HOUR").await?;
        client.run(&format!("CANCEL CLUSTER SNAPSHOT {}", stuck.name)).await?;
        server.set_mode(Mode::Normal);
        let job = house.job("ERROR", LIMIT, |j| j.name == stuck.name && j.state == "ERROR").await?;
        ensure!(job.error.contains("cancelled"), "{job:?}");
        // Nothing of it can be restored, and the way is free for the next one.
        objects_become(&vault, &stuck.name, "a void marker", LIMIT, |found| found.iter().any(|o| o.ends_with(".void")))
            .await?;
        client.run("CREATE CLUSTER SNAPSHOT next STORAGE VOLUME vault").await?;
        house.job("FINISHED", LIMIT, |j| j.name == "next" && j.state == "FINISHED").await?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn off_purges_what_is_in_the_store() {
    e2e("snapshots/off", || async {
        let house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        house.snapshot().await?;
        ensure!(!house.place.objects("/meta/image/").await?.is_empty(), "there is nothing to purge");
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await?;
        house.job("DELETED", LIMIT, |j| j.state == "DELETED").await?;
        let left = house.place.objects("/meta/image/").await?;
        ensure!(left.iter().all(|path| path.ends_with(".void")), "left over: {left:?}");
        let listed: Vec<String> = client.rows("SELECT SNAPSHOT_NAME FROM information_schema.cluster_snapshots").await?;
        same("restorable snapshots", listed, Vec::new())?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM quickstart.source_wiki_edit").await?, 3)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_volume_that_refuses_writes_fails_the_job_and_nothing_else() {
    e2e("snapshots/refused_writes", || async {
        let house = House::build(HouseSpec { conf: interval(2), ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        let vault = with_vault(&house).await?;
        let server = vault.server().context("no server")?;
        server.refuse_writes(true);
        // The preflight sees it, and the statement says why.
        let (_, text) = client.error("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME vault").await?;
        ensure!(text.contains("writes are refused") || text.contains("403") || text.contains("AccessDenied"), "{text}");
        server.refuse_writes(false);
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME vault").await?;
        let good = house.job("FINISHED", LIMIT, |j| j.state == "FINISHED").await?;
        server.refuse_writes(true);
        let failed = house.job("ERROR", LIMIT, |j| j.state == "ERROR").await?;
        ensure!(
            failed.error.contains("writes are refused")
                || failed.error.contains("403")
                || failed.error.contains("AccessDenied"),
            "the cause is not said: {failed:?}"
        );
        client
            .run("INSERT INTO quickstart.source_wiki_edit (event_time, user) VALUES ('2015-09-12 09:00:00', 'a')")
            .await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM quickstart.source_wiki_edit").await?, 4)?;
        let listed: Vec<String> = client.rows("SELECT SNAPSHOT_NAME FROM information_schema.cluster_snapshots").await?;
        ensure!(!listed.is_empty(), "the failed job took the restorable snapshot away");
        server.refuse_writes(false);
        let healed = house
            .job("FINISHED again", LIMIT, |j| j.state == "FINISHED" && j.name > failed.name && j.name != good.name)
            .await?;
        ensure!(healed.error.is_empty(), "{healed:?}");
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await?;
        client.close().await?;
        house.finish().await
    });
}

/// Takes the store away in the middle of an upload; the job that does not end now.
async fn stuck_job(house: &House, server: &S3Server) -> anyhow::Result<Job> {
    let mut client = house.client().await?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let newest = house.jobs(&mut client).await?.pop().context("no job")?;
        if newest.state == "SNAPSHOTING" {
            server.set_mode(Mode::Unavailable);
            tokio::time::sleep(Duration::from_millis(300)).await;
            let newest = house.jobs(&mut client).await?.pop().context("no job")?;
            if newest.state == "SNAPSHOTING" {
                client.close().await?;
                return Ok(newest);
            }
            server.set_mode(Mode::Normal);
        }
        ensure!(tokio::time::Instant::now() < deadline, "no job was caught in the middle, the last is {newest:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn a_leader_killed_in_the_middle_of_a_snapshot_ends_it_after_the_restart() {
    e2e("snapshots/killed_in_the_middle", || async {
        let mut house = House::build(HouseSpec { conf: interval(1), ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        let vault = with_vault(&house).await?;
        let server = vault.server().context("no server")?.clone();
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME vault").await?;
        house.job("FINISHED", LIMIT, |j| j.state == "FINISHED").await?;
        let stuck = stuck_job(&house, &server).await?;
        client.run("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 HOUR").await?;
        // Writes never wait for a snapshot.
        client
            .run("INSERT INTO quickstart.source_wiki_edit (event_time, user) VALUES ('2015-09-12 09:00:00', 'a')")
            .await?;
        house.cluster.frontend.kill().await?;
        server.set_mode(Mode::Normal);
        house.cluster.frontend.start(&[])?;
        house.cluster.frontend.ready(START).await?;
        house.job("the same one, FINISHED", LIMIT, |j| j.name == stuck.name && j.state == "FINISHED").await?;
        objects_become(&vault, ".manifest.json", "one manifest", LIMIT, |found| {
            found.len() == 1 && found[0].contains(&stuck.name)
        })
        .await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        let listed: Vec<String> = client.rows("SELECT SNAPSHOT_NAME FROM information_schema.cluster_snapshots").await?;
        same("restorable snapshots", listed, vec![stuck.name.clone()])?;
        let unfinished = house.jobs(&mut client).await?.into_iter().filter(|j| j.state.ends_with("ING")).count();
        same("jobs that never end", unfinished, 0)?;
        let mut arguments = vec!["snapshot".to_owned(), "list".to_owned(), vault.location(), "--json".to_owned()];
        arguments.extend(vault.property_arguments());
        let (code, text) = starkeep(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let rows: serde_json::Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        let newest: Vec<_> = rows.as_array().context("no list")?.iter().filter(|row| row["newest"] == true).collect();
        ensure!(code == 0 && newest.len() == 1 && newest[0]["name"] == stuck.name.as_str(), "{text}");
        client.close().await?;
        house.finish().await
    });
}

/// Loads, truncates and drops until the connection is lost: there is always garbage, and always a file that only an
/// older snapshot names.
async fn churn(port: u16, round: u64) -> anyhow::Result<()> {
    let mut client = Client::connect(port).await?;
    for n in 0.. {
        let table = format!("quickstart.churn_{round}_{}", n % 3);
        client
            .run(&format!(
                "CREATE TABLE IF NOT EXISTS {table} (id BIGINT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1"
            ))
            .await?;
        client.run(&format!("INSERT INTO {table} VALUES ({n})")).await?;
        match n % 4 {
            1 => client.run(&format!("TRUNCATE TABLE {table}")).await?,
            3 => client.run(&format!("DROP TABLE {table} FORCE")).await?,
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn killed_at_any_moment_there_is_always_a_restorable_snapshot() {
    e2e("snapshots/killed_often", || async {
        let mut conf = interval(1);
        conf.push(("lake_autovacuum_grace_period_minutes", "0".to_owned()));
        let mut house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        house.snapshot().await?;
        for round in 0..6_u64 {
            let churning = tokio::spawn(churn(house.cluster.ports.query, round));
            // Intervals of a second, a look for garbage every five: the kill comes at another place each time.
            tokio::time::sleep(Duration::from_millis(2300 + round * 1130)).await;
            house.cluster.frontend.kill().await?;
            let churned =
                tokio::time::timeout(Duration::from_secs(30), churning).await.context("the client hangs")??;
            ensure!(churned.is_err_and(|error| code_of(&error).is_none()), "the churn met an error before the kill");
            let (code, text) = starkeep(&["snapshot", "verify", &house.place.location(), "--with-data"]).await?;
            ensure!(code == 0 && text.contains("good"), "round {round}: {code} {text}");
            house.cluster.frontend.start(&[])?;
            house.cluster.frontend.ready(START).await?;
            let mut client = house.client().await?;
            house.all_alive(&mut client).await?;
            client.close().await?;
        }
        let mut client = house.client().await?;
        let names: Vec<String> = house.jobs(&mut client).await?.into_iter().map(|j| j.name).collect();
        house.job("FINISHED after it all", LIMIT, |j| j.state == "FINISHED" && !names.contains(&j.name)).await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM quickstart.source_wiki_edit").await?, 3)?;
        client.close().await?;
        // And it is a snapshot of a cluster that works.
        house.lose_everything().await?;
        let objects = house.place.objects(".manifest.json").await?;
        let service = objects.first().and_then(|path| path.split('/').next()).context("no manifest")?.to_owned();
        house.restore_plan(&format!("{}/{service}/meta", house.place.location()), &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM quickstart.source_wiki_edit").await?, 3)?;
        for table in client.rows::<String>("SHOW TABLES FROM quickstart").await? {
            client.one::<u64>(&format!("SELECT COUNT(*) FROM quickstart.{table}")).await?;
        }
        client.close().await?;
        house.finish().await
    });
}
