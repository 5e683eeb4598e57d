//! The restore drill: everything is dead; the objects are copied; the newest snapshot becomes a fresh cluster with other
//! directories and ports; what it holds is compared with the history at the revision of its cut.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::history::{History, ReadRow, Window};
use super::load::{DATABASE, SHARED, text_of};
use super::stage::{Stage, StageSpec, Store};
use super::watch::Watched;
use crate::client::Client;

/// Tables with their rows, by client.
pub type Contents = BTreeMap<String, BTreeMap<u32, Vec<ReadRow>>>;

/// Reads everything.
pub async fn contents(client: &mut Client) -> anyhow::Result<Contents> {
    let mut all = Contents::new();
    let tables: Vec<String> = client.rows(&format!("SHOW TABLES FROM {DATABASE}")).await?;
    for table in tables {
        let sql = format!("SELECT c, s, i, v FROM {DATABASE}.{table}");
        let read = tokio::time::timeout(Duration::from_secs(60), client.rows::<(u32, u64, u32, String)>(&sql)).await;
        let rows = read.with_context(|| format!("{table} cannot be read within a minute"))??;
        let by_client = all.entry(table).or_default();
        for (c, s, i, v) in rows {
            by_client.entry(c).or_default().push((s, i, v));
        }
    }
    Ok(all)
}

/// What is not as the history has it.
pub fn compare(contents: &Contents, history: &History, window: Option<Window>) -> Vec<String> {
    let streams = history.lock();
    let mut wrong = Vec::new();
    for ((table, client), stream) in streams.iter() {
        let empty = Vec::new();
        let rows = contents.get(table).map(|by_client| by_client.get(client).unwrap_or(&empty).as_slice());
        if let Err(why) = stream.check(window, |s, i| text_of(*client, s, i), rows) {
            wrong.push(format!("table {table}, client {client}: {why}"));
        }
    }
    for (table, by_client) in contents {
        for client in by_client.keys().filter(|client| !streams.contains_key(&(table.clone(), **client))) {
            wrong.push(format!("table {table} holds rows of client {client}, who has sent none"));
        }
        if table != SHARED && !streams.keys().any(|(known, _)| known == table) {
            wrong.push(format!("table {table} was never made"));
        }
    }
    wrong
}

async fn starkeep(binary: &PathBuf, arguments: &[String]) -> anyhow::Result<(bool, String)> {
    let mut command = tokio::process::Command::new(binary);
    command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(120), command.output()).await;
    let output = output.with_context(|| format!("starkeep {} does not end", arguments.join(" ")))??;
    let text = if output.status.success() { &output.stdout } else { &output.stderr };
    let mut text = String::from_utf8_lossy(text).into_owned();
    if !output.status.success() {
        text.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    Ok((output.status.success(), text))
}

/// Every byte of the newest snapshot is read.
pub async fn verify(binary: &PathBuf, store: &Store) -> anyhow::Result<()> {
    let words = ["snapshot", "verify", &store.location(), "--with-data"].map(str::to_owned);
    let (good, text) = starkeep(binary, &[&words[..], &store.arguments()].concat()).await?;
    ensure!(good && text.contains("good"), "snapshot verify --with-data: {text}");
    Ok(())
}

/// Service, name and cut of the newest snapshot.
async fn newest(binary: &PathBuf, store: &Store) -> anyhow::Result<(String, String, u64)> {
    let words = ["snapshot", "list", &store.location(), "--json"].map(str::to_owned);
    let (good, text) = starkeep(binary, &[&words[..], &store.arguments()].concat()).await?;
    ensure!(good, "snapshot list: {text}");
    let rows: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    let rows = rows.as_array().context("no list")?;
    let row = rows.iter().find(|row| row["newest"] == true).with_context(|| format!("no newest snapshot: {text}"))?;
    let word = |key: &str| row[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {row}"));
    Ok((word("service_id")?, word("name")?, row["cut"].as_u64().context("no cut")?))
}

/// The drill. The cluster must be dead. What was found wrong.
pub async fn drill(stage: &Stage, history: &History, watched: &Watched, number: u32) -> anyhow::Result<Vec<String>> {
    let root = stage.root().join(format!("drill{number}"));
    let outcome = inside(stage, history, watched, root.clone()).await;
    let _ = std::fs::remove_dir_all(&root);
    outcome
}

async fn inside(stage: &Stage, history: &History, watched: &Watched, root: PathBuf) -> anyhow::Result<Vec<String>> {
    let binary = &stage.spec().binary;
    let store = stage.store.copy_to(&root).await.context("copy the objects")?;
    verify(binary, &store).await?;
    let (service, name, cut) = newest(binary, &store).await?;
    let (location, volume) = (store.location(), store.yaml());
    let spec =
        StageSpec { root, further: Vec::new(), environment: Vec::new(), conf: Vec::new(), ..stage.spec().clone() };
    let mut fresh = Stage::plan(spec, Some(store)).await?;
    let nodes: Vec<String> = fresh
        .workers
        .iter()
        .filter_map(|worker| worker.address.split_once(':'))
        .map(|(host, port)| format!("  - host: {host}\n    heartbeat_service_port: {port}\n"))
        .collect();
    let plan = format!(
        "cluster_snapshot:\n  cluster_snapshot_path: {location}/{service}/meta/image/{name}\n  \
         storage_volume_name: builtin_storage_volume\ncompute_nodes:\n{}storage_volumes:\n{volume}",
        nodes.concat()
    );
    let path = fresh.frontend.dir.join("conf").join("cluster_snapshot.yaml");
    std::fs::write(&path, plan).with_context(|| format!("write {}", path.display()))?;
    fresh.start(&["--cluster_snapshot"]).await.with_context(|| format!("restore {name}"))?;
    fresh.all_alive().await?;
    let mut client = fresh.client().await?;
    let found = contents(&mut client).await.with_context(|| format!("read what was restored from {name}"))?;
    let wrong = match watched.window(cut) {
        Some(window) => compare(&found, history, Some(window)),
        None => vec![format!("revision {cut} of {name} lies before all that was seen")],
    };
    let _ = client.close().await;
    let panics: Vec<String> = panics(&fresh);
    fresh.kill().await?;
    Ok(wrong.into_iter().map(|why| format!("restored from {name} (revision {cut}): {why}")).chain(panics).collect())
}

/// Panics that nobody has injected.
pub fn panics(stage: &Stage) -> Vec<String> {
    let mut found = Vec::new();
    for (name, log) in stage.logs() {
        for line in log.lines().filter(|line| line.contains("panicked") && !line.contains("failpoint")) {
            found.push(format!("{name} has panicked: {line}"));
        }
    }
    found
}
