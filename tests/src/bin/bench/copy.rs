//! A snapshot with all its data copied from one directory to another, and once more with nothing new; beside `rclone copy` of the
//! same directory where that is installed, else beside a plain copy by threads.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tests::{House, HouseSpec, Place};

use crate::image::MIB;
use crate::peers;

/// Of data, so that there are many files.
const TABLES: u64 = 8;
const FILES_AT_ONCE: usize = 8;
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) async fn run(rows: u64) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec::default()).await?;
    let snapshot = fill(&house, rows).await?;
    let Place::Directory(volume) = &house.place else { anyhow::bail!("the data is in no directory") };
    let bytes = tree(volume)?.iter().map(|(_, size)| size).sum::<u64>();
    let (first, beside) = (Place::Directory(house.directory("copy")), house.directory("beside"));
    let mut runs = Vec::new();
    for what in ["snapshot copy", "snapshot copy, nothing new"] {
        let since = Instant::now();
        let (code, text) = house.starkeep(&["snapshot", "copy", &snapshot, &first.location()]).await?;
        ensure!(code == 0, "{text}");
        runs.push(measured(what, since.elapsed(), bytes));
    }
    for again in ["", ", nothing new"] {
        let since = Instant::now();
        let peer = copy_beside(volume, &beside).await?;
        runs.push(measured(&format!("{peer}{again}"), since.elapsed(), bytes));
    }
    house.finish().await?;
    Ok(json!({ "rows": rows, "files_at_once": FILES_AT_ONCE, "runs": runs }))
}

/// Tables with these rows between them; the path of a snapshot of them.
async fn fill(house: &House, rows: u64) -> anyhow::Result<String> {
    let mut client = house.client().await?;
    client.run("CREATE DATABASE d").await?;
    for table in 0..TABLES {
        let columns = "n BIGINT, text VARCHAR(64)";
        client.run(&format!("CREATE TABLE d.t{table} ({columns}) DUPLICATE KEY(n) DISTRIBUTED BY HASH(n)")).await?;
        let series = format!("TABLE(generate_series(1, {}))", rows / TABLES);
        client
            .run(&format!(
                "INSERT INTO d.t{table} SELECT generate_series, md5(CAST(generate_series AS VARCHAR)) FROM {series}"
            ))
            .await?;
    }
    client.run("CREATE CLUSTER SNAPSHOT measured").await?;
    house.job("FINISHED", LIMIT, |job| job.name == "measured" && job.state == "FINISHED").await?;
    let sql = "SELECT STORAGE_PATH FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME = 'measured'";
    let path = client.one(sql).await?;
    client.close().await?;
    Ok(path)
}

fn measured(what: &str, took: Duration, bytes: u64) -> Value {
    let (seconds, mib) = (took.as_secs_f64(), bytes as f64 / MIB);
    json!({ "what": what, "seconds": seconds, "mib": mib, "mib_per_second": mib / seconds })
}

/// What has copied it.
async fn copy_beside(from: &Path, to: &Path) -> anyhow::Result<&'static str> {
    if let Ok(rclone) = peers::program(&["rclone"]) {
        let mut command = tokio::process::Command::new(rclone);
        command.args(["copy", "--transfers", &FILES_AT_ONCE.to_string()]).arg(from).arg(to);
        let output = command.kill_on_drop(true).output().await.context("run rclone")?;
        ensure!(output.status.success(), "rclone: {}", String::from_utf8_lossy(&output.stderr));
        return Ok("rclone copy");
    }
    let (from, to) = (from.to_owned(), to.to_owned());
    tokio::task::spawn_blocking(move || copy_plainly(&from, &to)).await??;
    Ok("plain copy of files (rclone is not installed)")
}

/// Every file that is not there with its size.
fn copy_plainly(from: &Path, to: &Path) -> anyhow::Result<()> {
    let files = Mutex::new(tree(from)?);
    let next = || files.lock().ok()?.pop();
    let work = || -> anyhow::Result<()> {
        while let Some((path, size)) = next() {
            let target = to.join(path.strip_prefix(from)?);
            if target.metadata().is_ok_and(|found| found.len() == size) {
                continue;
            }
            std::fs::create_dir_all(target.parent().unwrap_or(to))?;
            std::fs::copy(&path, &target)?;
            std::fs::File::open(&target)?.sync_all()?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..FILES_AT_ONCE).map(|_| scope.spawn(work)).collect();
        let ends = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a copy panicked")));
        ends.collect()
    })
}

/// All files below a directory, with their sizes.
fn tree(directory: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| format!("list {}", next.display()))? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => open.push(entry.path()),
                false => found.push((entry.path(), entry.metadata()?.len())),
            }
        }
    }
    Ok(found)
}
