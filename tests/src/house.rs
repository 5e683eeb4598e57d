//! A cluster of real processes, and everything that a suite does to it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use deploy_local::{Cluster, ClusterSpec, Node};
use mysql_async::Row;
use tempfile::TempDir;

use crate::binary;
use crate::client::{Client, until};
use crate::place::Place;

/// A start may take this long.
pub const START: Duration = Duration::from_secs(60);

/// What to build.
pub struct HouseSpec {
    /// `bucket/prefix` on an S3 server of its own; None: a directory beside the nodes.
    pub bucket: Option<&'static str>,
    /// How many compute nodes.
    pub compute_nodes: usize,
    /// More lines of fe.conf.
    pub conf: Vec<(&'static str, String)>,
    /// More lines of cn.conf.
    pub compute_conf: Vec<(&'static str, String)>,
}

impl Default for HouseSpec {
    fn default() -> HouseSpec {
        HouseSpec { bucket: None, compute_nodes: 1, conf: Vec::new(), compute_conf: Vec::new() }
    }
}

/// A cluster and its place. Dropped before [`House::finish`] it shows the end of every log.
pub struct House {
    /// The processes.
    pub cluster: Cluster,
    /// Where the data is.
    pub place: Place,
    spec: ClusterSpec,
    dir: TempDir,
    finished: bool,
}

/// A row of information_schema.cluster_snapshot_jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// SNAPSHOT_NAME.
    pub name: String,
    /// STATE.
    pub state: String,
    /// DETAIL_INFO.
    pub detail: String,
    /// ERROR_MESSAGE.
    pub error: String,
}

impl House {
    /// Writes configurations; starts nothing.
    pub async fn plan(spec: HouseSpec) -> anyhow::Result<House> {
        let dir = tempfile::Builder::new().prefix("starkeep-e2e-").tempdir()?;
        let place = match spec.bucket {
            Some(path) => Place::s3(&dir.path().join("s3"), path).await?,
            None => Place::Directory(dir.path().join("volume")),
        };
        let mut frontend_conf = place.conf();
        frontend_conf.extend(spec.conf.into_iter().map(|(k, v)| (k.to_owned(), v)));
        let spec = ClusterSpec {
            binary: binary::starkeep()?,
            root: dir.path().to_owned(),
            compute_nodes: spec.compute_nodes,
            standard_ports: false,
            frontend_conf,
            compute_conf: spec.compute_conf.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        };
        let cluster = Cluster::new(&spec)?;
        Ok(House { cluster, place, spec, dir, finished: false })
    }

    /// A cluster that runs, with all its compute nodes alive.
    pub async fn build(spec: HouseSpec) -> anyhow::Result<House> {
        let mut house = House::plan(spec).await?;
        house.begin().await?;
        Ok(house)
    }

    /// Starts what was planned, with all its compute nodes alive.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        self.cluster.start(&[], START).await?;
        let mut client = self.client().await?;
        for address in self.cluster.compute_addresses.clone() {
            client.run(&format!("ALTER SYSTEM ADD COMPUTE NODE \"{address}\"")).await?;
        }
        self.all_alive(&mut client).await?;
        client.close().await
    }

    /// Adds frontends (`FOLLOWER` or `OBSERVER`) and waits until all are alive members.
    pub async fn add_frontends(&mut self, roles: &[&str]) -> anyhow::Result<()> {
        let helper = self.cluster.helper();
        let mut client = self.client().await?;
        for role in roles {
            let n = self.cluster.add_frontend(&self.spec)?;
            let further = &mut self.cluster.further[n];
            further.node.start(&["--helper", &helper])?;
            client.run(&format!("ALTER SYSTEM ADD {role} \"{}\"", further.address())).await?;
        }
        for further in &mut self.cluster.further {
            further.node.ready(START).await?;
        }
        let count = self.cluster.further.len() + 1;
        frontends_become(&mut client, "members that are alive", |rows| {
            rows.len() == count && rows.iter().all(|row| row.joined && row.alive)
        })
        .await?;
        client.close().await
    }

    /// The MySQL port of every frontend, the first one first.
    pub fn query_ports(&self) -> Vec<u16> {
        std::iter::once(self.cluster.ports)
            .chain(self.cluster.further.iter().map(|f| f.ports))
            .map(|p| p.query)
            .collect()
    }

    /// The frontend that listens there.
    pub fn frontend_mut(&mut self, query_port: u16) -> &mut deploy_local::Node {
        if query_port == self.cluster.ports.query {
            return &mut self.cluster.frontend;
        }
        let found = self.cluster.further.iter_mut().find(|further| further.ports.query == query_port);
        &mut found.expect("a frontend has this port").node
    }

    /// A directory of this house for anything.
    pub fn directory(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A connection as root.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.cluster.ports.query).await
    }

    /// Waits until every compute node is alive.
    pub async fn all_alive(&self, client: &mut Client) -> anyhow::Result<()> {
        self.alive(client, self.cluster.compute.len()).await
    }

    /// Waits until exactly so many compute nodes are alive.
    pub async fn alive(&self, client: &mut Client, count: usize) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(40);
        loop {
            let rows: Vec<Row> = client.rows("SHOW COMPUTE NODES").await?;
            let alive = rows.iter().filter(|r| r.get::<String, _>("Alive").as_deref() == Some("true")).count();
            if alive == count {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < deadline, "{alive} compute nodes are alive, not {count}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// SIGKILL for the frontend, and a new start.
    pub async fn restart_frontend(&mut self) -> anyhow::Result<()> {
        self.cluster.frontend.kill().await?;
        self.cluster.frontend.start(&[])?;
        Ok(self.cluster.frontend.ready(START).await?)
    }

    /// All snapshot jobs, the oldest first.
    pub async fn jobs(&self, client: &mut Client) -> anyhow::Result<Vec<Job>> {
        let sql = "SELECT SNAPSHOT_NAME, STATE, DETAIL_INFO, ERROR_MESSAGE \
                   FROM information_schema.cluster_snapshot_jobs ORDER BY JOB_ID";
        let rows: Vec<(String, String, Option<String>, Option<String>)> = client.rows(sql).await?;
        let job = |(name, state, detail, error): (_, _, Option<String>, Option<String>)| Job {
            name,
            state,
            detail: detail.unwrap_or_default(),
            error: error.unwrap_or_default(),
        };
        Ok(rows.into_iter().map(job).collect())
    }

    /// Takes a snapshot by hand; its path.
    pub async fn named_snapshot(&self, client: &mut Client, limit: Duration, name: &str) -> anyhow::Result<String> {
        client.run(&format!("CREATE CLUSTER SNAPSHOT {name}")).await?;
        self.job("FINISHED", limit, |j| j.name == name && j.state == "FINISHED").await?;
        let sql =
            format!("SELECT STORAGE_PATH FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME = '{name}'");
        client.one(&sql).await
    }

    /// Its compute nodes, as a restore plan lists them.
    pub fn own_nodes(&self) -> Vec<String> {
        let addresses = self.cluster.compute_addresses.iter().filter_map(|address| address.split_once(':'));
        addresses.map(|(host, port)| format!("  - host: {host}\n    heartbeat_service_port: {port}\n")).collect()
    }

    /// Waits for a job that is as wanted.
    pub async fn job(&self, what: &str, limit: Duration, wanted: impl Fn(&Job) -> bool) -> anyhow::Result<Job> {
        let mut client = self.client().await?;
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let jobs = self.jobs(&mut client).await?;
            if let Some(job) = jobs.iter().rev().find(|job| wanted(job)) {
                client.close().await?;
                return Ok(job.clone());
            }
            ensure!(tokio::time::Instant::now() < deadline, "no job is {what} after {limit:?}: {jobs:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Turns automated snapshots on and waits for the first; its path.
    pub async fn snapshot(&self) -> anyhow::Result<String> {
        let mut client = self.client().await?;
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON").await?;
        let is_over = |j: &Job| j.name.starts_with("automated") && !j.state.contains("ING");
        let job = self.job("FINISHED or ERROR", Duration::from_secs(60), is_over).await?;
        ensure!(job.state == "FINISHED", "the snapshot failed: {job:?}");
        let sql = "SELECT STORAGE_PATH FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME =";
        let path = client.one(&format!("{sql} '{}'", job.name)).await?;
        client.close().await?;
        Ok(path)
    }

    /// SIGKILL for everything; all that is left is the place.
    pub async fn lose_everything(&mut self) -> anyhow::Result<()> {
        self.cluster.kill().await?;
        Ok(self.cluster.delete_local_state()?)
    }

    /// Writes cluster_snapshot.yaml: what to restore, from which place.
    pub fn restore_plan(&self, path: &str, place: &Place) -> anyhow::Result<()> {
        let name = "builtin_storage_volume";
        Ok(self.cluster.write_restore_plan(&format!(
            "cluster_snapshot:\n  cluster_snapshot_path: {path}\n  storage_volume_name: {name}\nstorage_volumes:\n{}",
            place.yaml(name)
        ))?)
    }

    /// Restores by the plan that is written, and waits until every compute node is alive. Whoever calls this has killed the owner:
    /// nobody is asked whether it lives.
    pub async fn restore(&mut self) -> anyhow::Result<()> {
        self.cluster.start(&["--cluster_snapshot", "--takeover"], START).await?;
        let mut client = self.client().await?;
        self.all_alive(&mut client).await?;
        client.close().await
    }

    /// The data files in the store.
    pub async fn data(&self) -> anyhow::Result<BTreeSet<String>> {
        Ok(self.place.objects(".parquet").await?.into_iter().collect())
    }

    /// Garbage that nothing needs goes, that of a table in the database `d`; when it is gone, all that GC may take has had its
    /// turn, and then another one.
    pub async fn collect_garbage(&self, client: &mut Client) -> anyhow::Result<()> {
        let before = self.data().await?;
        client.run("CREATE TABLE d.junk (id BIGINT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1").await?;
        client.run("INSERT INTO d.junk VALUES (1), (2)").await?;
        let junk: BTreeSet<String> = self.data().await?.difference(&before).cloned().collect();
        ensure!(!junk.is_empty(), "no file was written");
        client.run("DROP TABLE d.junk FORCE").await?;
        let is_gone = |found: &[String]| !found.iter().any(|object| junk.contains(object));
        objects_become(&self.place, ".parquet", "the junk is deleted", Duration::from_secs(60), is_gone).await?;
        tokio::time::sleep(Duration::from_secs(6)).await;
        Ok(())
    }

    /// Runs `starkeep` with these arguments; its exit code, and all that it printed.
    pub async fn starkeep(&self, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
        starkeep(arguments).await
    }

    /// `starkeep fe --cluster_snapshot …`: a restore that ends by itself.
    pub async fn restore_tool(&self, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
        let conf = self.cluster.frontend.conf.display().to_string();
        let mut all = vec!["fe", "--conf", conf.as_str(), "--logconsole", "--cluster_snapshot"];
        all.extend(arguments);
        starkeep(&all).await
    }

    /// Everything that the frontend has printed.
    pub fn frontend_log(&self) -> String {
        std::fs::read_to_string(self.cluster.frontend.log()).unwrap_or_default()
    }

    fn logs(&self) -> Vec<(String, String)> {
        let further = self.cluster.further.iter().map(|further| &further.node);
        let nodes = std::iter::once(&self.cluster.frontend).chain(further).chain(&self.cluster.compute);
        nodes.map(|n| (n.name.clone(), std::fs::read_to_string(n.log()).unwrap_or_default())).collect()
    }

    /// No process has panicked so far.
    pub fn no_panic(&self) -> anyhow::Result<()> {
        for (name, log) in self.logs() {
            if let Some(line) = log.lines().find(|line| line.contains("panicked")) {
                anyhow::bail!("{name} has panicked: {line}");
            }
        }
        Ok(())
    }

    /// The end of a house whose processes were killed on purpose: no log is shown.
    pub fn forget(mut self) {
        self.finished = true;
    }

    /// A clean stop of all; nothing has panicked.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        let limit = Duration::from_secs(30);
        let further = self.cluster.further.iter_mut().map(|further| &mut further.node);
        let nodes = further.chain(std::iter::once(&mut self.cluster.frontend)).chain(&mut self.cluster.compute);
        for node in nodes {
            if node.pid().is_none() {
                continue;
            }
            let status = node.stop(limit).await?;
            let status = status.with_context(|| format!("{} did not stop within 30 s of SIGTERM", node.name))?;
            ensure!(status.success(), "{} ended with {status} after SIGTERM", node.name);
        }
        self.no_panic()?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        for (name, log) in self.logs() {
            let lines: Vec<&str> = log.lines().collect();
            println!("---- the end of {name}'s log\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// Runs `starkeep` with these arguments; its exit code, and all that it printed.
pub async fn starkeep(arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    let mut command = tokio::process::Command::new(binary::starkeep()?);
    command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(300), command.output())
        .await
        .with_context(|| format!("starkeep {} did not end within 300 s", arguments.join(" ")))??;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status.code().unwrap_or(-1), text))
}

/// A row of SHOW FRONTENDS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontendRow {
    /// QueryPort.
    pub query_port: u16,
    /// EditLogPort.
    pub edit_log_port: u16,
    /// Role.
    pub role: String,
    /// Join.
    pub joined: bool,
    /// Alive.
    pub alive: bool,
    /// ReplayedJournalId.
    pub applied: u64,
    /// ErrMsg.
    pub error: String,
}

/// SHOW FRONTENDS.
pub async fn frontends(client: &mut Client) -> anyhow::Result<Vec<FrontendRow>> {
    let rows: Vec<Row> = client.rows("SHOW FRONTENDS").await?;
    let text = |row: &Row, column: &str| row.get::<String, _>(column).with_context(|| format!("no column {column}"));
    rows.iter()
        .map(|row| {
            Ok(FrontendRow {
                query_port: text(row, "QueryPort")?.parse()?,
                edit_log_port: text(row, "EditLogPort")?.parse()?,
                role: text(row, "Role")?,
                joined: text(row, "Join")? == "true",
                alive: text(row, "Alive")? == "true",
                applied: text(row, "ReplayedJournalId")?.parse()?,
                error: text(row, "ErrMsg")?,
            })
        })
        .collect()
}

/// Waits until SHOW FRONTENDS is as wanted.
pub async fn frontends_become(
    client: &mut Client,
    what: &str,
    wanted: impl Fn(&[FrontendRow]) -> bool,
) -> anyhow::Result<Vec<FrontendRow>> {
    let deadline = tokio::time::Instant::now() + START;
    loop {
        let rows = frontends(client).await?;
        if wanted(&rows) {
            return Ok(rows);
        }
        ensure!(tokio::time::Instant::now() < deadline, "the frontends are not {what}: {rows:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the place holds what is wanted.
pub async fn objects_become(
    place: &Place,
    part: &str,
    what: &str,
    limit: Duration,
    wanted: impl Fn(&[String]) -> bool,
) -> anyhow::Result<Vec<String>> {
    until(what, limit, || async {
        let found = place.objects(part).await?;
        Ok(if wanted(&found) { Ok(found) } else { Err(format!("{} objects: {found:?}", found.len())) })
    })
    .await
}

/// A number that a node tells in its metrics.
///
/// # Errors
/// When it tells no such number.
pub async fn number(node: &Node, series: &str) -> anyhow::Result<f64> {
    let (_, metrics) = deploy_local::http::get(node.http_port, "/metrics").await?;
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).with_context(|| format!("{series} in {metrics}"))
}
