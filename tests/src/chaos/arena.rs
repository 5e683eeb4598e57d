//! A scenario's surroundings: the cluster, its load, what is known of it, and the phases that every scenario shares:
//! safety while things break, liveness when they no longer do, and the restore drill.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use tokio::time::Instant;

use super::control;
use super::drill;
use super::history::{Effect, History, Outcome};
use super::load::{self, Counts, DATABASE, Load, Ports, SHARED};
use super::outside::SmallDisk;
use super::proxy::Line;
use super::report::{Report, count};
use super::stage::{Stage, StageSpec, Store};
use super::watch::Watch;

/// How many clients load the cluster.
const CLIENTS: u32 = 3;
/// Healed, a cluster must make its next snapshot within this.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(120);
/// And have no garbage left after this.
const DRAIN_LIMIT: Duration = Duration::from_secs(150);
/// A handler that blocks for longer is stalled, in builds with failpoints.
pub const STALL: Duration = Duration::from_secs(2);

/// What a scenario asks for.
#[derive(Clone, Debug)]
pub struct ArenaSpec {
    /// The executable.
    pub binary: PathBuf,
    /// Draws everything.
    pub seed: u64,
    /// Keep directories.
    pub keep: bool,
    /// Data behind an S3 server, else in a directory.
    pub s3: bool,
    /// Three frontends that vote and one that does not, instead of one.
    pub several: bool,
    /// The scenario, for the schedule.
    pub scenario: &'static str,
    /// It ends about then.
    pub until: Instant,
}

/// The surroundings.
pub struct Arena {
    /// The cluster.
    pub stage: Stage,
    /// What is looked at all the time.
    pub watch: Watch,
    /// All decisions of the nemesis.
    pub random: StdRng,
    /// What was done and found.
    pub report: Report,
    /// Whether the executable has failpoints.
    pub failpoints: bool,
    /// What was asked for.
    pub spec: ArenaSpec,
    /// The frontends that clients know.
    pub ports: Ports,
    history: History,
    counts: Arc<Counts>,
    load: Option<Load>,
    loads: u32,
    drills: u32,
    began: Instant,
    /// Under the metadata. It goes before the directory, and after the processes.
    pub disk: Option<SmallDisk>,
    _dir: TempDir,
}

impl Arena {
    /// A cluster that runs, with its load and automated snapshots every second.
    pub async fn build(spec: ArenaSpec) -> anyhow::Result<Arena> {
        Arena::build_in(spec, |_| None).await
    }

    /// The same; `prepare` is given the root directory before anything is started, and may mount a small disk there.
    pub async fn build_in(spec: ArenaSpec, prepare: impl FnOnce(&Path) -> Option<SmallDisk>) -> anyhow::Result<Arena> {
        let dir = tempfile::Builder::new().prefix("starkeep-chaos-").disable_cleanup(spec.keep).tempdir()?;
        if spec.keep {
            eprintln!("{}: everything stays in {}", spec.scenario, dir.path().display());
        }
        let disk = prepare(dir.path());
        let several = spec.several;
        // With several frontends images are made often: who was away for a while is sent one.
        let conf = [
            ("edit_log_roll_num", if several { "100" } else { "50000" }),
            ("automated_cluster_snapshot_interval_seconds", "1"),
            ("lake_autovacuum_grace_period_minutes", "0"),
            ("lake_compaction_score_selector_min_score", "3"),
            ("catalog_trash_expire_second", "3"),
        ];
        let stage = Stage::build(StageSpec {
            binary: spec.binary.clone(),
            root: dir.path().to_owned(),
            s3: spec.s3,
            compute_nodes: 2,
            further: if several { vec!["FOLLOWER", "FOLLOWER", "OBSERVER"] } else { Vec::new() },
            conf: conf.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            environment: vec![("FAILPOINTS_STALL_MS".to_owned(), STALL.as_millis().to_string())],
        })
        .await
        .context("build a cluster")?;
        let failpoints = control::has_failpoints(stage.frontend.http_port).await;
        let ports = Ports::default();
        ports.set(stage.query_ports());
        let mut arena = Arena {
            watch: Watch::start(ports.clone()),
            ports,
            random: StdRng::seed_from_u64(spec.seed),
            report: Report { seed: spec.seed, failpoints, ..Report::default() },
            stage,
            failpoints,
            history: History::default(),
            counts: Arc::default(),
            load: None,
            loads: 0,
            drills: 0,
            began: Instant::now(),
            disk,
            _dir: dir,
            spec,
        };
        arena.prologue().await.context("set a cluster up")?;
        arena.start_load();
        Ok(arena)
    }

    async fn prologue(&mut self) -> anyhow::Result<()> {
        let mut client = self.stage.client().await?;
        client.run(&format!("CREATE DATABASE {DATABASE}")).await?;
        client.run(&load::create(SHARED, 2)).await?;
        client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON").await?;
        client.close().await
    }

    /// Starts clients that go on from here.
    pub fn start_load(&mut self) {
        let first = self.loads * CLIENTS;
        self.loads += 1;
        for client in first..first + CLIENTS {
            let made = self.history.begin(SHARED, client, Effect::Create(2));
            self.history.end(SHARED, client, made, Outcome::Acknowledged);
        }
        let seed = self.spec.seed;
        self.load = Some(Load::start(&self.ports, first, CLIENTS, seed, &self.history, &self.counts));
    }

    /// Whether there is time for more.
    pub fn has_time(&self) -> bool {
        Instant::now() < self.spec.until
    }

    /// Writes a step into the schedule.
    pub fn note(&mut self, step: impl Into<String>) {
        let step = format!("{:7.1} s {}: {}", self.began.elapsed().as_secs_f64(), self.spec.scenario, step.into());
        if std::env::var_os("CHAOS_VERBOSE").is_some() {
            eprintln!("{step}");
        }
        self.report.schedule.push(step);
    }

    /// Something that must never be.
    pub fn violation(&mut self, what: impl Into<String>) {
        let what = format!("{} (seed {}): {}", self.spec.scenario, self.spec.seed, what.into());
        eprintln!("VIOLATION {what}");
        self.note(what.clone());
        self.report.violations.push(what);
    }

    /// A time that the seed draws.
    pub fn draw_ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(range))
    }

    /// Waits for such a time.
    pub async fn wait_ms(&mut self, range: std::ops::Range<u64>) {
        let time = self.draw_ms(range);
        tokio::time::sleep(time).await;
    }

    /// The state of the snapshot job, for the report.
    pub fn job_state(&self) -> String {
        self.watch.seen().running().unwrap_or("no job").to_owned()
    }

    /// SIGKILL for the frontend, and a new start with failpoints armed.
    pub async fn kill_frontend(&mut self, failpoints: &str) -> anyhow::Result<()> {
        let state = self.job_state();
        count(&mut self.report.kills, "process fe");
        count(&mut self.report.kills_by_state, &state);
        self.note(format!("SIGKILL fe while {state}, start with FAILPOINTS={failpoints:?}"));
        self.stage.restart_frontend(failpoints).await
    }

    /// SIGKILL for a compute node, and a new start.
    pub async fn kill_worker(&mut self, n: usize) -> anyhow::Result<()> {
        let state = self.job_state();
        count(&mut self.report.kills, "process cn");
        count(&mut self.report.kills_by_state, &state);
        self.note(format!("SIGKILL cn{} while {state}", n + 1));
        self.stage.restart_worker(n).await
    }

    /// Everything that was broken is whole again.
    async fn heal(&mut self) -> anyhow::Result<()> {
        for worker in &self.stage.workers {
            worker.set_lines(&Line::Open);
        }
        if let Store::Bucket { proxy, faults, server, .. } = &self.stage.store {
            faults.clear();
            proxy.set(Line::Open);
            server.set_mode(storage_volume::testing::Mode::Normal);
        }
        self.stage.open_lines();
        for node in self.stage.nodes() {
            node.signal(nix_signal::CONTINUE)?;
        }
        let mut ended = Vec::new();
        for n in 0..self.stage.frontends() {
            let node = self.stage.fe(n);
            if node.pid().is_none() || node.ended().is_some() {
                ended.push(node.name.clone());
                self.stage.restart_fe(n, "").await?;
            }
        }
        for n in 0..self.stage.workers.len() {
            let node = &mut self.stage.workers[n].node;
            if node.pid().is_none() || node.ended().is_some() {
                ended.push(format!("cn{}", n + 1));
                self.stage.restart_worker(n).await?;
            }
        }
        if !ended.is_empty() {
            self.note(format!("started again: {}", ended.join(", ")));
        }
        Ok(())
    }

    /// Liveness, and then a restore drill. Whatever is wrong becomes a violation.
    pub async fn settle(&mut self, go_on: bool) -> anyhow::Result<()> {
        self.note("all faults end");
        self.heal().await.context("heal")?;
        if let Err(error) = self.liveness().await {
            let text = format!("liveness: {error:#}\n{}", self.tails());
            self.violation(text);
        }
        self.stage.kill().await?;
        self.note("everything is killed: restore drill");
        let (number, watched) = (self.drills, self.watch.seen().clone());
        self.drills += 1;
        match drill::drill(&self.stage, &self.history, &watched, number).await {
            Ok(wrong) => {
                self.report.restores += 1;
                wrong.into_iter().for_each(|what| self.violation(what));
            }
            Err(error) => self.violation(format!("restore drill: {error:#}")),
        }
        drill::panics(&self.stage).into_iter().for_each(|what| self.violation(what));
        if go_on {
            self.stage.start(&[]).await?;
            self.stage.all_alive().await?;
            self.start_load();
        }
        Ok(())
    }

    async fn liveness(&mut self) -> anyhow::Result<()> {
        if self.spec.several {
            self.stage.agree().await?;
        }
        if let Some(load) = self.load.take() {
            load.stop().await.into_iter().for_each(|what| self.violation(what));
        }
        self.stage.all_alive().await.context("all compute nodes")?;
        let mut client = self.stage.client().await?;
        let found = drill::contents(&mut client).await?;
        drill::compare(&found, &self.history, None)
            .into_iter()
            .for_each(|what| self.violation(format!("the living cluster: {what}")));
        let on = client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON").await;
        if let Err(error) = on {
            let text = format!("{error:#}");
            ensure!(text.contains("has been turn on"), "snapshots cannot be turned on: {text}");
        }
        self.next_snapshot().await?;
        self.drain().await?;
        let _ = client.close().await;
        Ok(())
    }

    /// A snapshot that begins now must become FINISHED.
    async fn next_snapshot(&mut self) -> anyhow::Result<()> {
        let known: Vec<String> = self.watch.seen().jobs.keys().cloned().collect();
        let deadline = Instant::now() + SNAPSHOT_LIMIT;
        loop {
            let done = {
                let seen = self.watch.seen();
                let is_new = |name: &String| !known.contains(name);
                seen.jobs.iter().any(|(name, state)| is_new(name) && !state.ends_with("ING") && state != "ERROR")
            };
            if done {
                return Ok(());
            }
            let seen = self.watch.seen().clone();
            ensure!(
                Instant::now() < deadline,
                "no snapshot has finished within {} s: {:?}, {:?}",
                SNAPSHOT_LIMIT.as_secs(),
                seen.jobs.iter().next_back(),
                seen.causes.iter().next_back()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Garbage must go.
    async fn drain(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + DRAIN_LIMIT;
        loop {
            let state = self.collector().await?;
            if state["backlog_files"].as_u64() == Some(0) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "garbage is left after {} s: {state}", DRAIN_LIMIT.as_secs());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// What the garbage collector says, which is where the leader is. Null: the leader has just changed.
    async fn collector(&mut self) -> anyhow::Result<serde_json::Value> {
        let leader = if self.spec.several { self.stage.leader().await? } else { 0 };
        let actors = control::actors(self.stage.fe(leader).http_port).await?;
        Ok(actors.get("gc_coordinator").map(|seen| seen.state.clone()).unwrap_or_default())
    }

    fn tails(&self) -> String {
        let nodes = self.stage.nodes();
        nodes.map(|node| format!("---- the end of {}'s log\n{}\n", node.name, node.log_tail(25))).collect()
    }

    /// The report, when everything is over.
    pub async fn finish(mut self) -> Report {
        if let Some(load) = self.load.take() {
            load.stop().await.into_iter().for_each(|what| self.violation(what));
        }
        let seen = self.watch.seen().clone();
        seen.wrong.iter().for_each(|what| self.violation(what.clone()));
        self.report.finished = seen.count(&["FINISHED", "EXPIRED", "DELETED"]);
        self.report.errors = seen.count(&["ERROR"]);
        let counts = [&self.counts.acknowledged, &self.counts.refused, &self.counts.unknown];
        self.report.statements = counts.map(|n| n.load(Ordering::Relaxed));
        self.report.seconds = self.began.elapsed().as_secs();
        count(&mut self.report.scenarios, self.spec.scenario);
        if let Err(error) = self.stage.kill().await {
            self.note(format!("{error}"));
        }
        self.report
    }
}

/// The signals that the harness sends.
pub mod nix_signal {
    use nix::sys::signal::Signal;

    /// SIGSTOP.
    pub const STOP: Signal = Signal::SIGSTOP;
    /// SIGCONT.
    pub const CONTINUE: Signal = Signal::SIGCONT;
}
