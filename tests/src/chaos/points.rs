//! Scenarios at the places of the code: the process is killed there, the actor panics there, the thread stalls there.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use anyhow::Context;
use rand::Rng;
use rand::seq::SliceRandom;
use tokio::time::Instant;

use super::arena::{Arena, STALL};
use super::control;
use super::load::{DATABASE, SHARED};
use super::report::count;

/// A place is reached within this, or it is noted that it was not. After a failed deletion GC waits for half a minute.
const REACHED: Duration = Duration::from_secs(45);
pub(super) const SIGKILL: i32 = 9;

/// How a place is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// By itself: intervals are short, there is a load, there is garbage.
    Wait,
    /// Automation is turned off in the middle of a job.
    TurnOff,
    /// Automation is turned off while a snapshot is FINISHED.
    Retire,
    /// The leader dies in the middle of an upload, behind an image of its metadata: it does not see the cut again.
    Recut,
    /// By itself, on a compute node.
    Worker,
    /// A table is written anew by a job.
    Alter,
    /// The same, on a compute node.
    AlterWorker,
}

/// Places, how they are reached, and which actor is rebuilt after a panic there.
const PLACES: [(&str, How, Option<&str>); 67] = [
    ("job.begin.before", How::Wait, Some(JOBS)),
    ("job.begin.after", How::Wait, Some(JOBS)),
    ("job.cut.before", How::Wait, Some(JOBS)),
    ("job.cut.after", How::Wait, Some(JOBS)),
    ("job.recut.before", How::Recut, Some(JOBS)),
    ("job.recut.after", How::Recut, Some(JOBS)),
    ("job.attest.before", How::Wait, Some(JOBS)),
    ("job.attest.after", How::Wait, Some(JOBS)),
    ("job.section.before", How::Wait, Some(JOBS)),
    ("job.section.before@2", How::Wait, Some(JOBS)),
    ("job.section.after", How::Wait, Some(JOBS)),
    ("job.section.after@2", How::Wait, Some(JOBS)),
    ("job.manifest.before", How::Wait, Some(JOBS)),
    ("job.manifest.after", How::Wait, Some(JOBS)),
    ("job.finish.before", How::Wait, Some(JOBS)),
    ("job.finish.after", How::Wait, Some(JOBS)),
    ("job.sweep_voids.before", How::Wait, Some(JOBS)),
    ("job.void.before", How::TurnOff, Some(JOBS)),
    ("job.void.after", How::TurnOff, Some(JOBS)),
    ("job.failed.before", How::TurnOff, Some(JOBS)),
    ("job.failed.after", How::TurnOff, Some(JOBS)),
    ("job.retire.before", How::Retire, Some(JOBS)),
    ("job.retire.after", How::Retire, Some(JOBS)),
    ("job.delete_manifest.before", How::Wait, Some(JOBS)),
    ("job.delete_manifest.after", How::Wait, Some(JOBS)),
    ("job.delete_sections.after", How::Wait, Some(JOBS)),
    ("job.deleted.before", How::Wait, Some(JOBS)),
    ("job.deleted.after", How::Wait, Some(JOBS)),
    ("gc.erase.before", How::Wait, Some(GARBAGE)),
    ("gc.condemn.before", How::Wait, Some(GARBAGE)),
    ("gc.condemn.after", How::Wait, Some(GARBAGE)),
    ("gc.delete.before", How::Wait, Some(GARBAGE)),
    ("gc.delete.after", How::Wait, Some(GARBAGE)),
    ("gc.forget.before", How::Wait, Some(GARBAGE)),
    ("gc.forget.after", How::Wait, Some(GARBAGE)),
    ("compaction.begin", How::Wait, Some(COMPACTION)),
    ("compaction.commit.before", How::Wait, Some(COMPACTION)),
    ("compaction.commit.after", How::Wait, Some(COMPACTION)),
    ("alter.round", How::Alter, Some(ALTERS)),
    ("alter.finish.before", How::Alter, Some(ALTERS)),
    ("alter.finish.after", How::Alter, Some(ALTERS)),
    ("load.commit.before", How::Wait, None),
    ("load.commit.after", How::Wait, None),
    ("cn.rowset.before", How::Worker, None),
    ("cn.rowset.after", How::Worker, None),
    ("cn.supersede.before", How::Worker, None),
    ("cn.supersede.after", How::Worker, None),
    ("cn.compact.before", How::Worker, None),
    ("cn.compact.after", How::Worker, None),
    ("cn.rewrite.before", How::AlterWorker, None),
    ("cn.rewrite.after", How::AlterWorker, None),
    ("cn.delete.before", How::Worker, None),
    ("cn.delete.after", How::Worker, None),
    ("handler.snapshot_job_supervisor", How::Wait, Some(JOBS)),
    ("handler.gc_coordinator", How::Wait, Some(GARBAGE)),
    ("handler.compaction_coordinator", How::Wait, Some(COMPACTION)),
    ("handler.alter_coordinator", How::Wait, Some(ALTERS)),
    ("sweep.delete.before", How::Wait, Some(ORPHANS)),
    ("handler.orphan_sweeper", How::Wait, Some(ORPHANS)),
    ("handler.metadata_leader", How::Wait, Some("metadata_leader")),
    ("handler.owner_watch", How::Wait, Some("owner_watch")),
    ("handler.partition_roller", How::Wait, Some("partition_roller")),
    ("handler.compute_node_monitor", How::Wait, Some("compute_node_monitor")),
    ("handler.frontend_monitor", How::Wait, Some("frontend_monitor")),
    ("handler.compute_node", How::Worker, Some("compute_node")),
    ("handler.snapshot_agent", How::Worker, Some("snapshot_agent")),
    ("handler.compaction_agent", How::Worker, Some("compaction_agent")),
];
/// Only killed, never made to panic: what happens under the log's lock.
const LOG_PLACES: [(&str, How, Option<&str>); 2] =
    [("raft.append.before", How::Wait, None), ("raft.append.unsynced", How::Wait, None)];

/// Places of whoever leads that are reached by themselves, for kills among several frontends.
pub(super) const LEADER_PLACES: [&str; 24] = [
    "job.begin.before",
    "job.begin.after",
    "job.cut.before",
    "job.cut.after",
    "job.attest.after",
    "job.section.before",
    "job.section.after",
    "job.manifest.before",
    "job.manifest.after",
    "job.finish.before",
    "job.finish.after",
    "job.delete_manifest.after",
    "job.deleted.before",
    "gc.condemn.before",
    "gc.condemn.after",
    "gc.delete.after",
    "compaction.commit.before",
    "compaction.commit.after",
    "load.commit.before",
    "load.commit.after",
    "handler.metadata_leader",
    "handler.frontend_monitor",
    "handler.owner_watch",
    "handler.snapshot_job_supervisor",
];
/// Places of all others, or of everybody.
pub(super) const REPLICA_PLACES: [&str; 3] = ["handler.replica", "raft.append.before", "raft.append.unsynced"];

const JOBS: &str = "snapshot_job_supervisor";
const GARBAGE: &str = "gc_coordinator";
const COMPACTION: &str = "compaction_coordinator";
const ALTERS: &str = "alter_coordinator";
const ORPHANS: &str = "orphan_sweeper";

/// `name@n` becomes the name and `action@n`.
fn with(place: &str, action: &str) -> (String, String) {
    match place.split_once('@') {
        Some((name, nth)) => (name.to_owned(), format!("{action}@{nth}")),
        None => (place.to_owned(), action.to_owned()),
    }
}

/// SIGKILL at every place, in an order that the seed draws, again and again.
pub async fn kill_at_every_point(arena: &mut Arena) -> anyhow::Result<()> {
    let mut since_drill = 0;
    loop {
        let mut places: Vec<_> = PLACES.into_iter().chain(LOG_PLACES).collect();
        places.shuffle(&mut arena.random);
        for (place, how, _) in places {
            if !arena.has_time() {
                return Ok(());
            }
            kill_at(arena, place, how).await.with_context(|| format!("a kill at {place}"))?;
            since_drill += 1;
            if since_drill >= 40 {
                since_drill = 0;
                arena.settle(true).await?;
            }
        }
    }
}

/// SIGKILL at one place that the seed draws.
pub async fn kill_somewhere(arena: &mut Arena) -> anyhow::Result<()> {
    let at = arena.random.random_range(0..PLACES.len());
    let (place, how, _) = PLACES[at];
    kill_at(arena, place, how).await.with_context(|| format!("a kill at {place}"))
}

async fn kill_at(arena: &mut Arena, place: &str, how: How) -> anyhow::Result<()> {
    let (name, action) = with(place, "kill");
    match how {
        How::Worker => return kill_worker_at(arena, &name, &action, false).await,
        How::AlterWorker => return kill_worker_at(arena, &name, &action, true).await,
        How::Alter => {
            arm(arena, &name, &action).await?;
            alter(arena).await;
            return die(arena, place, "").await.map(drop);
        }
        How::Wait => {
            arm(arena, &name, &action).await?;
            return die(arena, place, "").await.map(drop);
        }
        How::Recut => {
            lose_the_view(arena, &format!("{name}={action}")).await?;
            die(arena, place, "").await?;
        }
        How::TurnOff => {
            arm(arena, &name, &action).await?;
            off_in_the_middle(arena).await?;
            die(arena, place, "").await?;
        }
        How::Retire => {
            finished(arena).await;
            arm(arena, &name, &action).await?;
            say(arena, "ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await;
            die(arena, place, "").await?;
        }
    }
    turn_on(arena).await
}

/// Arms a place of the frontend.
async fn arm(arena: &mut Arena, name: &str, action: &str) -> anyhow::Result<()> {
    arena.note(format!("arm {name}={action}"));
    control::arm_to_die(&mut arena.stage.frontend, name, action).await
}

/// Waits until the frontend dies of the place that is armed; starts it with more places armed.
async fn die(arena: &mut Arena, place: &str, next: &str) -> anyhow::Result<bool> {
    let deadline = Instant::now() + REACHED;
    while Instant::now() < deadline {
        let state = arena.job_state();
        if let Some(status) = arena.stage.frontend.ended() {
            if status.signal() == Some(SIGKILL) {
                count(&mut arena.report.kills, place);
                count(&mut arena.report.kills_by_state, &state);
                arena.note(format!("killed at {place} while {state}"));
            } else {
                let tail = arena.stage.frontend.log_tail(25);
                arena.violation(format!("fe was to be killed at {place} and ended with {status}\n{tail}"));
            }
            arena.stage.restart_frontend(next).await?;
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    count(&mut arena.report.not_reached, place);
    arena.note(format!("{place} was not reached"));
    arena.kill_frontend("").await?;
    Ok(false)
}

async fn kill_worker_at(arena: &mut Arena, name: &str, action: &str, alters: bool) -> anyhow::Result<()> {
    arena.note(format!("arm {name}={action} on every compute node"));
    for worker in &mut arena.stage.workers {
        control::arm_to_die(&mut worker.node, name, action).await?;
    }
    if alters {
        alter(arena).await;
    }
    let deadline = Instant::now() + REACHED;
    while Instant::now() < deadline {
        let mut dead = Vec::new();
        for (n, worker) in arena.stage.workers.iter_mut().enumerate() {
            if worker.node.ended().is_some() {
                dead.push(n);
            }
        }
        for n in &dead {
            count(&mut arena.report.kills, name);
            let state = arena.job_state();
            count(&mut arena.report.kills_by_state, &state);
            arena.note(format!("cn{} killed at {name} while {state}", n + 1));
            arena.stage.restart_worker(*n).await?;
        }
        if !dead.is_empty() {
            for worker in &arena.stage.workers {
                // One that dies this moment is started again by the next step.
                let _ = control::arm(worker.node.http_port, name, "off").await;
            }
            return revive(arena).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    count(&mut arena.report.not_reached, name);
    for worker in &arena.stage.workers {
        let _ = control::arm(worker.node.http_port, name, "off").await;
    }
    revive(arena).await
}

/// A second compute node may have died while the first was started.
async fn revive(arena: &mut Arena) -> anyhow::Result<()> {
    for n in 0..arena.stage.workers.len() {
        if arena.stage.workers[n].node.ended().is_some() {
            count(&mut arena.report.kills, "process cn");
            arena.stage.restart_worker(n).await?;
        }
    }
    Ok(())
}

/// A statement of the nemesis; what comes of it is seen elsewhere.
async fn say(arena: &mut Arena, sql: &str) {
    arena.note(sql.to_owned());
    if let Ok(mut client) = arena.stage.client().await {
        let _ = tokio::time::timeout(Duration::from_secs(10), client.run(sql)).await;
    }
}

/// The table that all clients fill gets other buckets; a job that runs on it already goes on.
async fn alter(arena: &mut Arena) {
    let buckets = arena.random.random_range(1..6);
    say(arena, &format!("ALTER TABLE {DATABASE}.{SHARED} DISTRIBUTED BY HASH(c) BUCKETS {buckets}")).await;
}

async fn turn_on(arena: &mut Arena) -> anyhow::Result<()> {
    say(arena, "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON").await;
    Ok(())
}

/// Waits until the job that runs is in the middle, and turns automation off.
async fn off_in_the_middle(arena: &mut Arena) -> anyhow::Result<()> {
    in_the_middle(arena).await?;
    say(arena, "ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await;
    Ok(())
}

/// Kills the leader when there is an image of its metadata behind the cut of the job that runs.
async fn lose_the_view(arena: &mut Arena, next: &str) -> anyhow::Result<()> {
    in_the_middle(arena).await?;
    say(arena, "ALTER SYSTEM CREATE IMAGE").await;
    arena.kill_frontend(next).await
}

/// Holds the upload of a job up for a moment.
async fn in_the_middle(arena: &mut Arena) -> anyhow::Result<()> {
    let ports = [arena.stage.frontend.http_port];
    let before = struck(&ports, "job.section.before").await;
    arm(arena, "job.section.before", "sleep(1500)").await?;
    let deadline = Instant::now() + REACHED;
    while Instant::now() < deadline {
        if struck(&ports, "job.section.before").await > before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Waits until there is a snapshot to retire.
async fn finished(arena: &mut Arena) {
    let deadline = Instant::now() + REACHED;
    while Instant::now() < deadline && !arena.watch.seen().jobs.values().any(|state| state == "FINISHED") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Breaks an actor at a place without killing the process: it must be rebuilt, and seen to be.
async fn hurt(arena: &mut Arena, place: &str, how: How, actor: Option<&str>, action: &str) -> anyhow::Result<bool> {
    let (name, action) = with(place, action);
    let ports: Vec<u16> = match how {
        How::Worker | How::AlterWorker => arena.stage.workers.iter().map(|w| w.node.http_port).collect(),
        _ => vec![arena.stage.frontend.http_port],
    };
    let mut before = (struck(&ports, &name).await, restarts(&ports, actor).await);
    arena.note(format!("arm {name}={action}"));
    match how {
        How::Recut => {
            lose_the_view(arena, &format!("{name}={action}")).await?;
        }
        How::Retire => {
            finished(arena).await;
            control::arm(ports[0], &name, &action).await?;
            say(arena, "ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await;
        }
        _ => {
            for port in &ports {
                control::arm(*port, &name, &action).await?;
            }
            match how {
                How::TurnOff => off_in_the_middle(arena).await?,
                How::Alter | How::AlterWorker => alter(arena).await,
                _ => {}
            }
        }
    }
    if how == How::Recut {
        // It is another process now.
        before = (0, 0);
    }
    let done = was_hurt(arena, &ports, &name, actor, before).await?;
    for port in &ports {
        let _ = control::arm(*port, &name, "off").await;
    }
    if matches!(how, How::TurnOff | How::Retire | How::Recut) {
        turn_on(arena).await?;
    }
    Ok(done)
}

/// How often something was done at a place.
async fn struck(ports: &[u16], name: &str) -> u64 {
    let mut sum = 0;
    for port in ports {
        let counts = control::counts(*port).await.unwrap_or_default();
        sum += counts.get(name).map_or(0, |(_, struck)| *struck);
    }
    sum
}

async fn restarts(ports: &[u16], actor: Option<&str>) -> u64 {
    let mut sum = 0;
    for port in ports {
        let actors = control::actors(*port).await.unwrap_or_default();
        sum += actor.and_then(|name| actors.get(name)).map_or(0, |seen| seen.restarts);
    }
    sum
}

async fn was_hurt(
    arena: &mut Arena,
    ports: &[u16],
    name: &str,
    actor: Option<&str>,
    before: (u64, u64),
) -> anyhow::Result<bool> {
    let deadline = Instant::now() + REACHED;
    let mut done = false;
    while Instant::now() < deadline {
        if let Some(status) = arena.stage.frontend.ended() {
            let tail = arena.stage.frontend.log_tail(25);
            arena.violation(format!("fe ended with {status} though only an actor was hurt at {name}\n{tail}"));
            arena.stage.restart_frontend("").await?;
            return Ok(true);
        }
        done = done || struck(ports, name).await > before.0;
        let seen = actor.is_none() || restarts(ports, actor).await > before.1;
        if done && seen {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if done {
        let actor = actor.unwrap_or("nobody");
        arena.violation(format!("{actor} was hurt at {name}, and /api/v2/actors shows no restart"));
        return Ok(true);
    }
    count(&mut arena.report.not_reached, name);
    Ok(false)
}

/// Panics at every place.
pub async fn actor_panics(arena: &mut Arena) -> anyhow::Result<()> {
    loop {
        let mut places = PLACES;
        places.shuffle(&mut arena.random);
        for (n, (place, how, actor)) in places.into_iter().enumerate() {
            if !arena.has_time() {
                return Ok(());
            }
            if hurt(arena, place, how, actor, "panic").await.with_context(|| format!("a panic at {place}"))? {
                count(&mut arena.report.panics, place);
            }
            // The budget of ten restarts a minute is for storms; this is none.
            if n % 8 == 7 {
                arena.kill_frontend("").await?;
            }
        }
        arena.settle(true).await?;
    }
}

/// Places inside of effects, whose actors are rebuilt when an effect hangs there.
const IN_EFFECTS: [&str; 3] = ["gc.condemn.before", "gc.delete.after", "job.attest.before"];

/// Handlers that block for longer than the stall limit, and effects that hang for longer than theirs.
pub async fn stalls(arena: &mut Arena) -> anyhow::Result<()> {
    let mut round = 0;
    loop {
        let blocks = |place: &str| place.starts_with("handler.") || IN_EFFECTS.contains(&place);
        let mut places: Vec<_> = PLACES.into_iter().filter(|(place, ..)| blocks(place)).collect();
        places.shuffle(&mut arena.random);
        for (place, how, actor) in places {
            if !arena.has_time() {
                return Ok(());
            }
            let limits = if IN_EFFECTS.contains(&place) { 5 } else { 3 };
            let action = format!("sleep({})", STALL.as_millis() * limits);
            if hurt(arena, place, how, actor, &action).await.with_context(|| format!("a stall at {place}"))? {
                count(&mut arena.report.stalls, place);
            }
        }
        round += 1;
        if round > 1 {
            round = 0;
            arena.settle(true).await?;
        }
    }
}
