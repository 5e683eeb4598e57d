//! `starkeep demo`: the disaster drill on this host. A cluster of processes loads data, snapshots itself, loses
//! everything but its storage volume, comes back, and is compared row by row.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use deploy_local::{Cluster, ClusterSpec};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use serde::Serialize;

use crate::admin::{self, connect};
use crate::cli::DemoArguments;

const QUICKSTART: &str = include_str!("demo/quickstart.sql");

/// Rows that one INSERT generates.
const BATCH_ROWS: u64 = 250_000;

/// One step and its time.
#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    seconds: f64,
    note: String,
}

/// A table as it is compared: rows, and a checksum over every column of every row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Fingerprint {
    table: String,
    rows: u64,
    checksum: String,
}

#[derive(Default)]
struct Drill {
    steps: Vec<Step>,
    quiet: bool,
}

impl Drill {
    fn done(&mut self, step: &'static str, since: Instant, note: impl Into<String>) {
        let (seconds, note) = (since.elapsed().as_secs_f64(), note.into());
        self.say(&format!("[{:>2}] {step}: {seconds:.3} s  {note}", self.steps.len() + 1));
        self.steps.push(Step { step, seconds, note });
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            println!("{text}");
        }
    }
}

/// Runs it; fails on any difference.
pub async fn run(arguments: DemoArguments) -> anyhow::Result<ExitCode> {
    let directory = tempfile::Builder::new().prefix("starkeep-demo-").tempdir()?;
    let mut drill = Drill { quiet: arguments.json, ..Drill::default() };
    let (mut cluster, same) = tokio::select! {
        drilled = drill.run(directory.path(), arguments.rows) => drilled?,
        interrupted = admin::until_interrupted() => {
            interrupted?;
            anyhow::bail!("interrupted");
        }
    };
    drill.print(arguments.json, same)?;
    if arguments.keep {
        eprintln!(
            "the restored cluster runs on: mysql -h 127.0.0.1 -P {} -u root; Ctrl-C stops it",
            cluster.ports.query
        );
        admin::until_interrupted().await?;
    }
    cluster.stop(Duration::from_secs(20)).await?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Drill {
    async fn run(&mut self, root: &Path, rows: u64) -> anyhow::Result<(Cluster, bool)> {
        let volume = root.join("volume");
        let mut cluster = self.bring_up(root, &volume).await?;
        let mut connection = connect(cluster.ports.query).await?;

        let since = Instant::now();
        connection.query_drop(QUICKSTART).await.context("quickstart.sql")?;
        self.done("quickstart.sql", since, "database, table, three rows");
        self.load(&mut connection, rows).await?;
        let before = self.fingerprints(&mut connection, "count and checksum before").await?;

        let snapshot = self.snapshot(&mut connection).await?;
        drop(connection);
        self.lose_everything(&mut cluster).await?;
        self.restore(&mut cluster, &volume, &snapshot).await?;

        let mut connection = connect(cluster.ports.query).await?;
        let after = self.fingerprints(&mut connection, "count and checksum after").await?;
        for (old, new) in before.iter().zip(&after) {
            let verdict = if old == new { "same" } else { "DIFFERENT" };
            self.say(&format!("     {}: {} rows, checksum {} - {verdict}", new.table, new.rows, new.checksum));
        }
        let same = before == after;
        connection.disconnect().await?;
        Ok((cluster, same))
    }

    async fn bring_up(&mut self, root: &Path, volume: &Path) -> anyhow::Result<Cluster> {
        let since = Instant::now();
        let spec = ClusterSpec {
            binary: std::env::current_exe().context("where this executable is")?,
            root: root.to_owned(),
            compute_nodes: 2,
            standard_ports: false,
            frontend_conf: ClusterSpec::local_storage(volume),
            compute_conf: ClusterSpec::shared_memory(2),
        };
        let mut cluster = Cluster::new(&spec)?;
        cluster.start(&[], Duration::from_secs(60)).await?;
        admin::add_compute_nodes(cluster.ports.query, &cluster.compute_addresses).await?;
        self.done("cluster up", since, "one frontend, two compute nodes");
        Ok(cluster)
    }

    async fn load(&mut self, connection: &mut Conn, rows: u64) -> anyhow::Result<()> {
        let since = Instant::now();
        connection.query_drop(wiki_table()).await.context("create the table of generated edits")?;
        let mut first = 1;
        while first <= rows {
            let last = (first + BATCH_ROWS - 1).min(rows);
            connection.query_drop(generated_edits(first, last)).await.context("load generated edits")?;
            first = last + 1;
        }
        let speed = rows as f64 / since.elapsed().as_secs_f64();
        self.done("load", since, format!("{rows} generated edits, {speed:.0} rows/s"));
        Ok(())
    }

    async fn fingerprints(&mut self, connection: &mut Conn, step: &'static str) -> anyhow::Result<Vec<Fingerprint>> {
        let since = Instant::now();
        let mut found = Vec::new();
        let databases: Vec<String> = connection.query("SHOW DATABASES").await?;
        for database in
            databases.iter().filter(|d| !matches!(d.as_str(), "information_schema" | "sys" | "_statistics_"))
        {
            let tables: Vec<String> = connection.query(format!("SHOW TABLES FROM `{database}`")).await?;
            for table in tables {
                found.push(fingerprint(connection, &format!("`{database}`.`{table}`")).await?);
            }
        }
        let rows: u64 = found.iter().map(|f| f.rows).sum();
        self.done(step, since, format!("{} tables, {rows} rows", found.len()));
        Ok(found)
    }

    /// Turns snapshots on and shows the job's row as it changes; returns the path of the finished snapshot.
    async fn snapshot(&mut self, connection: &mut Conn) -> anyhow::Result<String> {
        let since = Instant::now();
        connection.query_drop("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON").await?;
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut shown = String::new();
        loop {
            let job = "SELECT SNAPSHOT_NAME, STATE, DETAIL_INFO, ERROR_MESSAGE \
                       FROM information_schema.cluster_snapshot_jobs ORDER BY JOB_ID DESC LIMIT 1";
            let row: Option<(String, String, String, String)> = connection.query_first(job).await?;
            if let Some((name, state, detail, error)) = row {
                let line = format!("     {name} {state} {detail} {error}");
                if line != shown {
                    self.say(line.trim_end());
                    shown = line;
                }
                ensure!(state != "ERROR", "the snapshot failed: {error}");
                if state == "FINISHED" {
                    break;
                }
            }
            ensure!(Instant::now() < deadline, "no snapshot was FINISHED within 120 s");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let place = "SELECT STORAGE_PATH FROM information_schema.cluster_snapshots";
        let path: Option<String> = connection.query_first(place).await?;
        let path = path.context("cluster_snapshots is empty")?;
        self.done("snapshot", since, "from ON to FINISHED");
        self.say(&format!("     {path}"));
        Ok(path)
    }

    async fn lose_everything(&mut self, cluster: &mut Cluster) -> anyhow::Result<()> {
        let since = Instant::now();
        cluster.kill().await?;
        cluster.delete_local_state()?;
        self.done("disaster", since, "SIGKILL for every process, all local state deleted");
        Ok(())
    }

    async fn restore(&mut self, cluster: &mut Cluster, volume: &Path, snapshot: &str) -> anyhow::Result<()> {
        let since = Instant::now();
        let location = volume.display();
        cluster.write_restore_plan(&format!(
            "cluster_snapshot:\n  cluster_snapshot_path: {snapshot}\n  storage_volume_name: builtin_storage_volume\n\
             storage_volumes:\n  - name: builtin_storage_volume\n    type: LOCAL\n    location: file://{location}\n"
        ))?;
        // It is known that nobody owns the place any more: nobody is asked.
        cluster.start(&["--cluster_snapshot", "--takeover"], Duration::from_secs(60)).await?;
        self.done("restore", since, "processes up, metadata restored");
        let mut connection = connect(cluster.ports.query).await?;
        admin::wait_for_compute_nodes(&mut connection, cluster.compute.len()).await?;
        let rows: Option<u64> = connection.query_first("SELECT COUNT(*) FROM quickstart.source_wiki_edit").await?;
        connection.disconnect().await?;
        let rows = rows.context("the first query gave no row")?;
        self.done("restore to first query", since, format!("{rows} rows in quickstart.source_wiki_edit"));
        Ok(())
    }

    fn print(&self, json: bool, same: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "steps": self.steps, "same": same }))?);
            return Ok(());
        }
        println!("\n{:<28} {:>9}  note", "step", "seconds");
        for Step { step, seconds, note } in &self.steps {
            println!("{step:<28} {seconds:>9.3}  {note}");
        }
        println!("\n{}", if same { "Every table is the same as before." } else { "TABLES DIFFER." });
        Ok(())
    }
}

async fn fingerprint(connection: &mut Conn, table: &str) -> anyhow::Result<Fingerprint> {
    let columns: Vec<Row> = connection.query(format!("DESC {table}")).await?;
    let names: Vec<String> = columns.iter().filter_map(|row| row.get::<String, _>(0)).collect();
    let values: Vec<String> = names.iter().map(|name| format!("IFNULL(CAST(`{name}` AS VARCHAR), '~null~')")).collect();
    let query = format!(
        "SELECT COUNT(*), IFNULL(CAST(SUM(CAST(murmur_hash3_32(CONCAT_WS('|', {})) AS BIGINT)) AS VARCHAR), '0') FROM {table}",
        values.join(", ")
    );
    let row: Option<(u64, String)> =
        connection.query_first(query).await.with_context(|| format!("checksum of {table}"))?;
    let (rows, checksum) = row.context("no row")?;
    Ok(Fingerprint { table: table.replace('`', ""), rows, checksum })
}

/// The table of quickstart.sql under another name.
fn wiki_table() -> String {
    let start = QUICKSTART.find("CREATE TABLE").unwrap_or(0);
    let length = QUICKSTART[start..].find(';').unwrap_or(0);
    QUICKSTART[start..start + length].replace("source_wiki_edit", "quickstart.wiki_edit")
}

/// An INSERT of the edits `first ..= last`, spread over the day, the channels and the users.
fn generated_edits(first: u64, last: u64) -> String {
    format!(
        "INSERT INTO quickstart.wiki_edit \
         SELECT seconds_add('2015-09-12 00:00:00', generate_series % 86400), \
         concat('#', CASE generate_series % 5 WHEN 0 THEN 'en' WHEN 1 THEN 'de' WHEN 2 THEN 'ja' WHEN 3 THEN 'fr' ELSE 'zh' END, '.wikipedia'), \
         concat('user', CAST(generate_series * 7919 % 100003 AS VARCHAR)), \
         generate_series % 2, generate_series % 3 % 2, generate_series % 11 % 2, generate_series % 7 % 2, 0, \
         generate_series % 4001 - 2000, generate_series % 1999, generate_series % 997 \
         FROM TABLE(generate_series({first}, {last}))"
    )
}
