//! A snapshot is copied into a second region while the cluster lives, and the cluster comes back there.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tests::binary;
use tests::client::{same, until};
use tests::house::starkeep;
use tests::{House, HouseSpec, Place, e2e};
use tokio::process::{Child, Command};

use super::disaster::{contents, fill};

/// A place on an S3 server of its own.
async fn second_region(house: &House) -> anyhow::Result<Place> {
    Place::s3(&house.directory("far"), "far/q").await
}

/// `snapshot copy SOURCE PLACE` with more arguments.
fn arguments(source: &str, to: &Place, more: &[&str]) -> Vec<String> {
    let fixed = ["snapshot", "copy", source, &to.location()].map(str::to_owned);
    let properties = to.properties().into_iter().map(|(k, v)| format!("--target-property={k}={v}"));
    fixed.into_iter().chain(more.iter().map(|text| (*text).to_owned())).chain(properties).collect()
}

async fn copy(source: &str, to: &Place, more: &[&str]) -> anyhow::Result<(i32, String)> {
    let all = arguments(source, to, more);
    starkeep(&all.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// A copy that goes well; what it says in JSON.
async fn copied(source: &str, to: &Place, more: &[&str]) -> anyhow::Result<Value> {
    let (code, text) = copy(source, to, &[more, &["--json"]].concat()).await?;
    ensure!(code == 0, "{code} {text}");
    // Behind what is said meanwhile; both come from one pipe each.
    let end = text.rfind("\n}").context("no JSON")? + 2;
    serde_json::from_str(&text[..end]).with_context(|| text.clone())
}

/// A copy that runs by itself.
fn started(source: &str, to: &Place, more: &[&str]) -> anyhow::Result<Child> {
    let mut command = Command::new(binary::starkeep()?);
    command.args(arguments(source, to, more)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn().context("start starkeep")
}

/// Starts a copy and waits until the target has taken so many more files, and does not answer any more.
async fn stuck(source: &str, to: &Place, more: usize) -> anyhow::Result<Child> {
    let server = to.server().context("no server")?;
    let before = to.objects(".parquet").await?.len();
    server.hang_after(more);
    let child = started(source, to, &["--parallel", "1"])?;
    until("the copy is half way", Duration::from_secs(60), || async {
        Ok(if server.hangs() { Ok(()) } else { Err("it writes".to_owned()) })
    })
    .await?;
    same("files half way", to.objects(".parquet").await?.len(), before + more)?;
    Ok(child)
}

async fn manual_snapshot(house: &House, name: &str) -> anyhow::Result<()> {
    let mut client = house.client().await?;
    client.run(&format!("CREATE CLUSTER SNAPSHOT {name}")).await?;
    client.close().await?;
    let ended = |j: &tests::house::Job| j.name == name && !j.state.contains("ING");
    let job = house.job("the manual one, ended", Duration::from_secs(60), ended).await?;
    ensure!(job.state == "FINISHED", "{job:?}");
    Ok(())
}

#[test]
fn a_second_region_takes_over() {
    e2e("copies/second_region", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        fill(&house).await?;
        let first = house.snapshot().await?;
        let far = second_region(&house).await?;
        let source = house.place.location();
        let report = copied(&source, &far, &[]).await?;
        let files = house.place.objects(".parquet").await?;
        same("files copied at first", report["copied"]["files"].as_u64(), Some(files.len() as u64))?;
        same("files of the copy", far.objects(".parquet").await?, files.clone())?;
        ensure!(far.objects("/owner/").await?.is_empty(), "the copy looks owned");
        ensure!(house.place.objects("/owner/hold-").await?.is_empty(), "a hold was left");
        same("once more", copied(&source, &far, &[]).await?["copied"]["files"].as_u64(), Some(0))?;

        let mut client = house.client().await?;
        for n in 0..3 {
            client.run(&format!("INSERT INTO d.kinds (id, x) VALUES ({n} + 50, 'later {n}')")).await?;
        }
        client.run("CREATE DATABASE young").await?;
        client.close().await?;
        manual_snapshot(&house, "second").await?;
        let before = contents(&house).await?;
        let report = copied(&source, &far, &["--with-data"]).await?;
        let new = house.place.objects(".parquet").await?.len() - files.len();
        ensure!(new >= 3, "{new} new files");
        same("only what is new", report["copied"]["files"].as_u64(), Some(new as u64))?;
        let second = report["target"].as_str().context("no target")?.to_owned();
        ensure!(second.ends_with("/meta/image/second"), "{second}");

        let mut compare = vec!["snapshot".to_owned(), "diff".to_owned(), first, second.clone(), "--json".to_owned()];
        compare.extend(far.properties().into_iter().map(|(k, v)| format!("--b-property={k}={v}")));
        let (code, text) = starkeep(&compare.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let found: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        ensure!(code == 0 && found["same"] == false, "{code} {text}");
        same("rows", (&found["a"]["counts"]["rows"], &found["b"]["counts"]["rows"]), (&9.into(), &12.into()))?;
        same("files only in b", found["files"]["only_b"]["files"].as_u64(), Some(new as u64))?;
        compare.retain(|argument| argument != "--json");
        let (code, text) = starkeep(&compare.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let says = ["~ database d\n", "~   table d.kinds  6 -> 9 rows", "~     partition kinds", "+ database young"];
        ensure!(code == 0 && says.iter().all(|part| text.contains(part)), "{code} {text}");

        // The first region is gone.
        house.lose_everything().await?;
        std::fs::remove_dir_all(house.directory("volume"))?;
        house.restore_plan(&second, &far)?;
        house.restore().await?;
        same("everything", contents(&house).await?, before)?;
        let mut client = house.client().await?;
        let problems: Vec<mysql_async::Row> = client.rows("ADMIN VERIFY CLUSTER SNAPSHOT second WITH DATA").await?;
        ensure!(problems.is_empty(), "{problems:?}");
        client.run("INSERT INTO d.kinds (id) VALUES (99)").await?;
        same("rows in the new region", client.one::<u64>("SELECT COUNT(*) FROM d.kinds").await?, 10)?;
        client.close().await?;

        // And back: the cluster is in the second region now, whose root is not a target any more but by force.
        let back = Place::Directory(house.directory("back"));
        let properties = far.property_arguments();
        let with: Vec<&str> = properties.iter().map(String::as_str).collect();
        let report = copied(&far.location(), &back, &with).await?;
        let (code, text) = copy(&back.location(), &far, &[]).await?;
        ensure!(code != 0 && text.contains("has claimed") && text.contains("--force"), "{code} {text}");
        ensure!(report["files"]["files"].as_u64() >= Some((files.len() + new) as u64), "{report}");
        ensure!(far.objects("/owner/hold-").await?.is_empty(), "a hold was left");
        house.finish().await
    });
}

#[test]
fn a_copy_that_was_stopped_goes_on_where_it_was() {
    e2e("copies/stopped", || async {
        let house = House::build(HouseSpec::default()).await?;
        fill(&house).await?;
        house.snapshot().await?;
        let far = second_region(&house).await?;
        let (source, all) = (house.place.location(), house.place.objects(".parquet").await?.len());
        ensure!(all >= 6, "{all} files");

        let mut killed = stuck(&source, &far, 3).await?;
        same("holds while it runs", house.place.objects("/owner/hold-").await?.len(), 1)?;
        killed.kill().await?;
        ensure!(far.objects("/meta/").await?.is_empty(), "there are metadata already");

        // Another is told to stop: it gives up in order.
        let left = house.place.objects("/owner/hold-").await?;
        let mut stopped = stuck(&source, &far, 1).await?;
        same("each has a hold of its own", house.place.objects("/owner/hold-").await?.len(), 2)?;
        let pid = stopped.id().context("it has ended")?;
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGINT)?;
        let status = tokio::time::timeout(Duration::from_secs(60), stopped.wait()).await??;
        ensure!(!status.success(), "{status}");
        same("holds, that of the killed one is young", house.place.objects("/owner/hold-").await?, left.clone())?;

        let report = copied(&source, &far, &[]).await?;
        same("what was missing", report["copied"]["files"].as_u64(), Some(all as u64 - 4))?;
        let (code, text) = starkeep(
            &[&["snapshot", "verify", &far.location(), "--with-data"][..], &strs(&far.property_arguments())].concat(),
        )
        .await?;
        ensure!(code == 0 && text.contains("good"), "{code} {text}");
        same("holds", house.place.objects("/owner/hold-").await?, left)?;
        house.finish().await
    });
}

fn strs(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

#[test]
fn a_damaged_source_is_refused_by_name() {
    e2e("copies/damage", || async {
        let house = House::build(HouseSpec { bucket: Some("lake/p"), ..HouseSpec::default() }).await?;
        fill(&house).await?;
        let snapshot = house.snapshot().await?;
        let volume = house.place.open()?;
        let files = house.place.objects(".parquet").await?;
        let victim = files.get(files.len() / 2).context("no data files")?;
        let mut bytes = volume.get(victim).await?.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        volume.put(victim, bytes.clone().into()).await?;
        let target = Place::Directory(house.directory("copy"));
        let properties = house.place.property_arguments();
        let (code, text) = copy(&snapshot, &target, &strs(&properties)).await?;
        ensure!(code == 1 && text.contains("PROBLEM") && text.contains(victim), "{code} {text}");
        let there = target.objects("").await?;
        ensure!(!there.iter().any(|path| path.contains("/meta/") || path == victim), "{there:?}");
        same("files that are whole", there.len(), files.len() - 1)?;
        bytes[middle] ^= 1;
        volume.put(victim, bytes.into()).await?;
        let (code, text) = copy(&snapshot, &target, &strs(&properties)).await?;
        ensure!(
            code == 0 && text.contains("1 files, ") && text.contains("cluster_snapshot_path: file://"),
            "{code} {text}"
        );
        ensure!(!text.contains(house.place.server().context("no server")?.secret_key()), "a secret is printed");
        house.finish().await
    });
}
