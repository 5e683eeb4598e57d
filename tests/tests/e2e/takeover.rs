//! Two clusters and one root.

use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use tests::client::{same, until};
use tests::{Client, House, HouseSpec, e2e};

const PATIENCE: Duration = Duration::from_secs(40);

/// A cluster that will be restored from a snapshot of another, over the same root.
async fn beside(first: &House, snapshot: &str) -> anyhow::Result<House> {
    let second = House::plan(HouseSpec::default()).await?;
    let nodes = second.own_nodes();
    let name = "builtin_storage_volume";
    second.cluster.write_restore_plan(&format!(
        "cluster_snapshot:\n  cluster_snapshot_path: {snapshot}\n  storage_volume_name: {name}\n\
         compute_nodes:\n{}storage_volumes:\n{}",
        nodes.concat(),
        first.place.yaml(name)
    ))?;
    Ok(second)
}

/// Stops the leader while it takes a snapshot; its name.
async fn stopped_in_the_middle(house: &House, client: &mut Client) -> anyhow::Result<String> {
    for n in 0..20 {
        let name = format!("half{n}");
        client.run(&format!("CREATE CLUSTER SNAPSHOT {name}")).await?;
        house.cluster.frontend.signal(Signal::SIGSTOP)?;
        if !house.place.objects(&format!("/{name}/")).await?.iter().any(|object| object.ends_with(".manifest.json")) {
            return Ok(name);
        }
        house.cluster.frontend.signal(Signal::SIGCONT)?;
    }
    anyhow::bail!("every snapshot was over before the leader could be stopped")
}

async fn until_read_only(first: &House) -> anyhow::Result<()> {
    until("the first one is read-only", PATIENCE, || async {
        let mut client = first.client().await?;
        let refused = client.error("INSERT INTO d.t VALUES (5)").await.map(|(_, text)| text);
        client.close().await?;
        Ok(match refused {
            Ok(text) if text.contains("owns") => Ok(()),
            Ok(text) => Err(text),
            Err(taken) => Err(format!("{taken:#}")),
        })
    })
    .await
}

#[test]
fn a_root_whose_owner_lives_is_taken_only_when_that_is_meant() {
    e2e("takeover/living_owner", || async {
        let first = House::build(HouseSpec::default()).await?;
        let mut client = first.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.t (n BIGINT) DUPLICATE KEY(n) DISTRIBUTED BY HASH(n) BUCKETS 2").await?;
        client.run("INSERT INTO d.t VALUES (1), (2)").await?;
        let snapshot = first.snapshot().await?;
        client.run("INSERT INTO d.t VALUES (3)").await?;

        let mut second = beside(&first, &snapshot).await?;
        let (code, text) = second.restore_tool(&[]).await?;
        ensure!(code != 0 && text.contains("lives") && text.contains("--takeover"), "{code} {text}");
        ensure!(first.place.objects("/owner/hold-").await?.is_empty(), "a hold was left");
        same("claims", first.place.objects("/owner/2.").await?, Vec::new())?;
        client.run("INSERT INTO d.t VALUES (4)").await?;

        second.cluster.start(&["--cluster_snapshot", "--takeover"], tests::house::START).await?;
        let mut taken = second.client().await?;
        second.all_alive(&mut taken).await?;
        same("the snapshot's rows", taken.one::<i64>("SELECT SUM(n) FROM d.t").await?, 3)?;
        until_read_only(&first).await?;
        taken.close().await?;
        drop(client);
        first.forget();
        second.finish().await
    });
}

#[test]
fn who_was_superseded_in_the_middle_of_a_job_says_and_writes_nothing_more_of_it() {
    e2e("takeover/job", || async {
        let first = House::build(HouseSpec::default()).await?;
        let mut client = first.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.t (n BIGINT) DUPLICATE KEY(n) DISTRIBUTED BY HASH(n) BUCKETS 2").await?;
        client.run("INSERT INTO d.t VALUES (1), (2)").await?;
        let snapshot = first.named_snapshot(&mut client, PATIENCE, "whole").await?;
        let half = stopped_in_the_middle(&first, &mut client).await?;
        drop(client);

        let mut second = beside(&first, &snapshot).await?;
        second.cluster.start(&["--cluster_snapshot", "--takeover"], tests::house::START).await?;
        let mut taken = second.client().await?;
        second.all_alive(&mut taken).await?;
        taken.run("INSERT INTO d.t VALUES (3)").await?;
        let path = second.named_snapshot(&mut taken, PATIENCE, &half).await?;
        let marks = || async { anyhow::Ok(first.place.objects(".void").await?) };
        let before = marks().await?;

        first.cluster.frontend.signal(Signal::SIGCONT)?;
        until_read_only(&first).await?;
        let mut client = first.client().await?;
        let jobs = first.jobs(&mut client).await?;
        let job = jobs.iter().find(|job| job.name == half).context("the job is gone")?;
        ensure!(["INITIALIZING", "SNAPSHOTING"].contains(&job.state.as_str()), "{job:?}");
        same("marks of dead cuts", marks().await?, before)?;
        drop(client);

        // What the second one called the same is whole.
        let verified: Vec<mysql_async::Row> =
            taken.rows(&format!("ADMIN VERIFY CLUSTER SNAPSHOT {half} WITH DATA")).await?;
        ensure!(verified.is_empty(), "{path}: {verified:?}");
        taken.close().await?;
        first.forget();
        second.finish().await
    });
}

#[test]
fn a_root_whose_owner_was_just_killed_is_taken() {
    e2e("takeover/killed_owner", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        let snapshot = house.snapshot().await?;
        drop(client);
        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("databases", client.rows::<String>("SHOW DATABASES LIKE 'd'").await?.len(), 1)?;
        client.close().await?;
        house.finish().await
    });
}
