//! The chaos harness: a real cluster under load while a nemesis breaks it, and an oracle that knows what must be there.
//!
//! ```text
//!   load ──statements──▶ history (what was sent, answered, lost)          watch (revisions, states of jobs)
//!                            ▲ compared                                     │ the moment of a cut
//!   nemesis: points (killed, panicking, stalled at a place in the code)     ▼
//!            outside (processes, lines, store, disk)  ──▶ settle: liveness, then the restore drill
//! ```
//!
//! * [`arena`]: a scenario's surroundings and phases; [`stage`]: the cluster; [`proxy`]: its lines; [`control`]: HTTP.
//! * [`points`], [`outside`], [`frontends`], [`linear`]: the scenarios; [`fellows`]: the other frontends; [`drill`]: the restore; [`report`]: what comes out.

pub mod arena;
pub mod control;
pub mod drill;
pub mod fellows;
pub mod frontends;
pub mod history;
pub mod linear;
pub mod load;
pub mod outside;
pub mod points;
pub mod proxy;
pub mod report;
pub mod stage;
pub mod watch;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use tokio::time::Instant;

use arena::{Arena, ArenaSpec};
use report::Report;

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// `--scenario NAME`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// It arms failpoints.
    pub needs_failpoints: bool,
    /// Data behind the S3 server of this process.
    pub s3: bool,
    /// On three frontends that vote and one that does not; else on one.
    pub several: bool,
}

/// All scenarios, in the order in which they run.
pub const SCENARIOS: [Scenario; 14] = [
    scenario(
        "kill-at-every-point",
        "SIGKILL before and after every effect of snapshot jobs, GC and loads",
        true,
        false,
    ),
    scenario("actor-panics", "the same places panic: the actor is rebuilt, and seen to be", true, false),
    scenario("stalls", "handlers of every actor block for longer than the stall limit", true, false),
    scenario("process-kills", "SIGKILL for FE and CN at any moment", false, false),
    scenario("pauses", "SIGSTOP and SIGCONT for FE and CN", false, false),
    scenario("network", "lines between FE and CN are cut, silent, slow, doubled", false, false),
    scenario("store", "the store fails, throttles, hangs, loses answers, cuts them short", false, true),
    scenario("disk-full", "the disk of the metadata log is full, and has room again", false, false),
    scenario("linearizable", "concurrent CREATE, DROP and SHOW TABLES while the FE is killed", false, false),
    several("leader-kill", "SIGKILL for whoever leads, at any moment and in the middle of jobs and loads", false),
    several("leader-pause", "SIGSTOP and SIGCONT for whoever leads", false),
    several("leader-cut", "lines between FEs are cut, silent, slow, doubled, in one direction or both", true),
    several("membership", "FEs join and leave under load, some fall far behind", false),
    several("linearizable-anywhere", "the same through any FE, while whoever leads is killed and stopped", false),
];

/// Everything at random: runs last.
pub const EVERYTHING: Scenario = scenario("everything", "all of it at random, on S3", false, true);

const fn scenario(name: &'static str, about: &'static str, needs_failpoints: bool, s3: bool) -> Scenario {
    Scenario { name, about, needs_failpoints, s3, several: false }
}

const fn several(name: &'static str, about: &'static str, needs_failpoints: bool) -> Scenario {
    Scenario { several: true, ..scenario(name, about, needs_failpoints, false) }
}

/// All of them.
pub fn scenarios() -> impl Iterator<Item = Scenario> {
    SCENARIOS.into_iter().chain([EVERYTHING])
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// One seed, one schedule.
    pub seed: u64,
    /// All of it takes about so long; each scenario its share.
    pub time: Duration,
    /// Only this one.
    pub scenario: Option<String>,
    /// The executable.
    pub binary: PathBuf,
    /// Directories stay.
    pub keep: bool,
}

/// Runs the scenarios one after the other.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let wanted = |scenario: &Scenario| options.scenario.as_deref().is_none_or(|name| name == scenario.name);
    let chosen: Vec<Scenario> = scenarios().filter(wanted).collect();
    ensure!(!chosen.is_empty(), "there is no such scenario; see --list");
    let mut report = Report { seed: options.seed, ..Report::default() };
    let end = Instant::now() + options.time;
    for (n, scenario) in chosen.iter().enumerate() {
        let share = end.saturating_duration_since(Instant::now()) / (chosen.len() - n) as u32;
        let spec = ArenaSpec {
            binary: options.binary.clone(),
            seed: options.seed,
            keep: options.keep,
            s3: scenario.s3,
            several: scenario.several,
            scenario: scenario.name,
            until: Instant::now() + share.mul_f64(0.7),
        };
        match one(*scenario, spec).await {
            Ok(done) => {
                report.failpoints |= done.failpoints;
                report.seconds += done.seconds;
                report.add(done);
            }
            Err(error) => report.violations.push(format!("{} (seed {}): {error:#}", scenario.name, options.seed)),
        }
    }
    Ok(report)
}

/// The first files of the log take 16 MiB as they are written, images are small, and a quarter stays free.
const SMALL_DISK_MIB: u32 = 48;

/// Runs one scenario: until its time is over, then liveness and a drill.
pub async fn one(scenario: Scenario, spec: ArenaSpec) -> anyhow::Result<Report> {
    let wants_disk = scenario.name == "disk-full";
    let prepare = |root: &std::path::Path| {
        wants_disk.then(|| outside::SmallDisk::mount(&root.join("fe").join("meta"), SMALL_DISK_MIB).ok()).flatten()
    };
    let mut arena = Arena::build_in(spec, prepare).await?;
    let missing = match (arena.failpoints, scenario.needs_failpoints) {
        (false, true) => Some("the executable has no failpoints"),
        (false, false) if wants_disk && arena.disk.is_none() => Some("nothing may be mounted here"),
        _ => None,
    };
    if let Some(why) = missing {
        arena.report.skipped.push(format!("{}: {why}", scenario.name));
        return Ok(arena.finish().await);
    }
    let done = match scenario.name {
        "kill-at-every-point" => points::kill_at_every_point(&mut arena).await,
        "actor-panics" => points::actor_panics(&mut arena).await,
        "stalls" => points::stalls(&mut arena).await,
        "process-kills" => outside::process_kills(&mut arena).await,
        "pauses" => outside::pauses(&mut arena).await,
        "network" => outside::network(&mut arena).await,
        "store" => outside::store(&mut arena).await,
        "disk-full" => outside::disk_full(&mut arena).await,
        "linearizable" | "linearizable-anywhere" => linear::linearizable(&mut arena).await,
        "leader-kill" => frontends::leader_kill(&mut arena).await,
        "leader-pause" => frontends::leader_pause(&mut arena).await,
        "leader-cut" => frontends::leader_cut(&mut arena).await,
        "membership" => frontends::membership(&mut arena).await,
        _ => outside::everything(&mut arena).await,
    };
    if let Err(error) = done {
        arena.violation(format!("{error:#}"));
    }
    if let Err(error) = arena.settle(false).await {
        arena.violation(format!("{error:#}"));
    }
    Ok(arena.finish().await)
}
