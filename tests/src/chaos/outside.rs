//! Scenarios that need no failpoints: processes are killed and stopped, lines between nodes break, the store misbehaves,
//! the disk of the log is full.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use rand::Rng;
use storage_volume::testing::{Effect, Mode, Operation, Rule};
use tokio::time::{Instant, sleep, timeout};

use super::arena::{Arena, nix_signal};
use super::control;
use super::proxy::Line;
use super::report::count;
use super::stage::{Stage, Store};

/// A frontend without a log ends within this.
const GIVES_UP: Duration = Duration::from_secs(40);
/// So many blows, then liveness and a drill.
pub(super) const BLOWS: u32 = 12;

/// One kind of blow after the other until time is over; settles in between.
macro_rules! blows {
    ($arena:ident, $blow:expr) => {{
        loop {
            for _ in 0..BLOWS {
                if !$arena.has_time() {
                    return Ok(());
                }
                $blow.await?;
            }
            $arena.settle(true).await?;
        }
    }};
}

pub(super) use blows;

/// SIGKILL for processes at any moment.
pub async fn process_kills(arena: &mut Arena) -> anyhow::Result<()> {
    blows!(arena, kill_somebody(arena))
}

async fn kill_somebody(arena: &mut Arena) -> anyhow::Result<()> {
    arena.wait_ms(100..2500).await;
    match arena.random.random_range(0..10) {
        0..6 => arena.kill_frontend("").await,
        6..9 => {
            let n = arena.random.random_range(0..arena.stage.workers.len());
            arena.kill_worker(n).await
        }
        _ => {
            arena.note("SIGKILL everything");
            for name in ["process fe", "process cn", "process cn"] {
                count(&mut arena.report.kills, name);
            }
            arena.stage.kill().await?;
            arena.stage.start(&[]).await?;
            arena.stage.all_alive().await
        }
    }
}

/// SIGSTOP and SIGCONT: a process that is away for a while and does not know it.
pub async fn pauses(arena: &mut Arena) -> anyhow::Result<()> {
    blows!(arena, pause_somebody(arena))
}

async fn pause_somebody(arena: &mut Arena) -> anyhow::Result<()> {
    arena.wait_ms(100..1500).await;
    let is_frontend = arena.random.random_bool(0.5);
    let n = arena.random.random_range(0..arena.stage.workers.len());
    // Now and then for longer than heartbeats, stall limits and leases last.
    let time = if arena.random.random_bool(0.2) { arena.draw_ms(5000..12_000) } else { arena.draw_ms(100..3000) };
    let who = if is_frontend { "fe".to_owned() } else { format!("cn{}", n + 1) };
    arena.note(format!("SIGSTOP {who} for {} ms", time.as_millis()));
    count(&mut arena.report.pauses, if is_frontend { "fe" } else { "cn" });
    let node = if is_frontend { &arena.stage.frontend } else { &arena.stage.workers[n].node };
    node.signal(nix_signal::STOP)?;
    sleep(time).await;
    node.signal(nix_signal::CONTINUE)?;
    still_there(arena).await
}

/// Lines between the frontend and the compute nodes are cut, silent, slow, doubled.
pub async fn network(arena: &mut Arena) -> anyhow::Result<()> {
    blows!(arena, break_a_line(arena))
}

async fn break_a_line(arena: &mut Arena) -> anyhow::Result<()> {
    arena.wait_ms(100..1000).await;
    let (kind, line) = match arena.random.random_range(0..5) {
        0 => ("cut", Line::Cut),
        1 => ("silent", Line::Silent),
        2 => ("slow", Line::Slow(arena.draw_ms(20..400))),
        3 => ("cut all", Line::Cut),
        _ => ("doubled", Line::Doubled),
    };
    let n = arena.random.random_range(0..arena.stage.workers.len());
    let which = arena.random.random_range(0..3);
    let time = arena.draw_ms(200..6000);
    arena.note(format!("line {n}.{which} {kind} for {} ms", time.as_millis()));
    count(&mut arena.report.network, kind);
    let set = |line: &Line| match (kind, which) {
        ("cut all", _) => arena.stage.workers.iter().for_each(|worker| worker.set_lines(line)),
        (_, 0) => arena.stage.workers[n].heartbeat.set(line.clone()),
        (_, 1) => arena.stage.workers[n].plane.set(line.clone()),
        _ => arena.stage.workers[n].set_lines(line),
    };
    if line == Line::Doubled {
        // Connections that exist are not doubled: they have to come anew.
        set(&Line::Cut);
        sleep(Duration::from_millis(50)).await;
    }
    set(&line);
    sleep(time).await;
    set(&Line::Open);
    still_there(arena).await
}

/// The store fails, throttles, loses answers, cuts them short, hangs.
pub async fn store(arena: &mut Arena) -> anyhow::Result<()> {
    blows!(arena, break_the_store(arena))
}

/// Parts of paths, and so kinds of objects.
const OBJECTS: [&str; 6] = ["", "manifest.json", "/sections/", ".parquet", ".void", "/owner/"];

fn rule(arena: &mut Arena) -> (String, Rule) {
    let object = OBJECTS[arena.random.random_range(0..OBJECTS.len())];
    let lost = || Effect::LoseAnswer("the answer is lost".to_owned());
    let failed = || Effect::Fail("the request is lost".to_owned());
    let (operation, name, effect) = match arena.random.random_range(0..9) {
        0 => (Operation::Put, "lost put", failed()),
        1 => (Operation::Put, "put without answer", lost()),
        2 => (Operation::Put, "throttled put", Effect::Throttle),
        3 => (Operation::Get, "failed get", failed()),
        4 => (Operation::Get, "truncated get", Effect::Truncate),
        5 => (Operation::List, "failed list", failed()),
        6 => (Operation::Delete, "delete without answer", lost()),
        7 => (Operation::Delete, "throttled delete", Effect::Throttle),
        _ => (Operation::Put, "slow put", Effect::Delay(arena.draw_ms(100..2000))),
    };
    // Some pass, and some times out of many it does not come back.
    let times = if arena.random.random_bool(0.3) { 1000 } else { arena.random.random_range(1..20) };
    let rule = Rule::new(operation, object, effect).after(arena.random.random_range(0..4)).times(times);
    (format!("{name} of {object:?}, {times} times"), rule)
}

async fn break_the_store(arena: &mut Arena) -> anyhow::Result<()> {
    arena.wait_ms(50..800).await;
    let time = arena.draw_ms(300..6000);
    let (dice, mode) = (arena.random.random_range(0..10), arena.random.random_range(0..4));
    let mode = [Mode::RefuseWrites, Mode::RefuseAll, Mode::Unavailable, Mode::Hang][mode];
    let (text, rule) = rule(arena);
    let Store::Bucket { faults, server, .. } = &arena.stage.store else {
        return Ok(());
    };
    let (faults, server) = (faults.clone(), server.clone());
    if dice < 3 {
        arena.note(format!("store {mode:?} for {} ms", time.as_millis()));
        count(&mut arena.report.store, &format!("{mode:?}"));
        server.set_mode(mode);
        sleep(time).await;
        server.set_mode(Mode::Normal);
    } else {
        arena.note(format!("store: {text}, for {} ms", time.as_millis()));
        let kind = text.split(" of ").next().unwrap_or_default().to_owned();
        count(&mut arena.report.store, &kind);
        faults.add(rule);
        sleep(time).await;
        faults.clear();
    }
    still_there(arena).await
}

/// Nobody but the nemesis ends a process.
pub(super) async fn still_there(arena: &mut Arena) -> anyhow::Result<()> {
    let mut ended = Vec::new();
    let stage = &mut arena.stage;
    let fellows = stage.fellows.iter_mut().map(|fellow| &mut fellow.node);
    let workers = stage.workers.iter_mut().map(|worker| &mut worker.node);
    for node in std::iter::once(&mut stage.frontend).chain(fellows).chain(workers) {
        if let Some(status) = node.ended() {
            ended.push(format!("{} ended by itself with {status}\n{}", node.name, node.log_tail(25)));
        }
    }
    if !ended.is_empty() {
        ended.into_iter().for_each(|what| arena.violation(what));
        for n in 0..arena.stage.frontends() {
            if arena.stage.fe(n).ended().is_some() {
                arena.stage.restart_fe(n, "").await?;
            }
        }
        for n in 0..arena.stage.workers.len() {
            if arena.stage.workers[n].node.ended().is_some() {
                arena.stage.restart_worker(n).await?;
            }
        }
    }
    Ok(())
}

/// A small file system under the metadata. It goes with this value.
pub struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// Mounts it; an error where that is not permitted.
    pub fn mount(at: &Path, mib: u32) -> anyhow::Result<SmallDisk> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={mib}m");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).output()?;
        anyhow::ensure!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr).trim());
        Ok(SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process may still be about to end.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// The disk of the log is full: nothing that was acknowledged may be lost, and with room again all goes on.
pub async fn disk_full(arena: &mut Arena) -> anyhow::Result<()> {
    let meta = arena.stage.frontend.dir.join("meta");
    let is_small = std::fs::read_to_string("/proc/mounts")?.contains(&format!(" {} ", meta.display()));
    let mut round = 0_u32;
    loop {
        if !arena.has_time() {
            return Ok(());
        }
        arena.wait_ms(500..3000).await;
        let by_failpoint = arena.failpoints && (!is_small || round % 2 == 1);
        if by_failpoint {
            arena.note("an append to the log fails");
            control::arm(arena.stage.frontend.http_port, "raft.append.error", "error(full)").await?;
        } else {
            arena.note("the disk of the log is full");
            fill(&meta.join("ballast")).context("fill the disk")?;
        }
        arena.report.disk_full += 1;
        if by_failpoint {
            gives_up(arena).await?;
        } else {
            waits_for_room(arena, &meta.join("ballast")).await?;
        }
        round += 1;
        if round.is_multiple_of(3) {
            arena.settle(true).await?;
        }
    }
}

/// A log that could not be written is not trusted any more: the frontend says so, and ends.
async fn gives_up(arena: &mut Arena) -> anyhow::Result<()> {
    match tokio::time::timeout(GIVES_UP, arena.stage.frontend.wait()).await {
        Ok(Ok(status)) if !status.success() => arena.note(format!("fe gave up with {status}")),
        Ok(Ok(status)) => arena.violation(format!("fe ended with {status} though its log was lost")),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => arena.violation("fe goes on without a log"),
    }
    arena.stage.restart_frontend("").await
}

/// Without room the metadata is read-only, and the frontend lives. Only a write that was under way when the last byte was
/// taken may have lost it its log: then it gives up.
async fn waits_for_room(arena: &mut Arena, ballast: &Path) -> anyhow::Result<()> {
    let full = arena.draw_ms(500..2500);
    sleep(full).await;
    std::fs::remove_file(ballast)?;
    let deadline = Instant::now() + GIVES_UP;
    let ended = loop {
        // One that gives up may be stopping still.
        if let Some(status) = arena.stage.frontend.ended() {
            break Some(status);
        }
        if timeout(GIVES_UP, writes(&arena.stage)).await.is_ok_and(|wrote| wrote.is_ok()) {
            break None;
        }
        ensure!(Instant::now() < deadline, "there is room, and fe neither writes nor ends");
        sleep(Duration::from_millis(100)).await;
    };
    match ended {
        None => arena.note("fe waited for room"),
        Some(status) if !status.success() => {
            arena.note(format!("fe was writing when the disk was full, and gave up with {status}"));
            arena.stage.restart_frontend("").await?;
        }
        Some(status) => {
            arena.violation(format!("fe ended with {status} though it had only no room"));
            arena.stage.restart_frontend("").await?;
        }
    }
    Ok(())
}

/// One entry of the log.
async fn writes(stage: &Stage) -> anyhow::Result<()> {
    let mut client = stage.client().await?;
    client.run("CREATE DATABASE IF NOT EXISTS room").await?;
    client.close().await
}

fn fill(ballast: &Path) -> anyhow::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(ballast)?;
    for size in [1 << 16, 1 << 12, 1 << 8] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    Ok(())
}

/// All of it at random.
pub async fn everything(arena: &mut Arena) -> anyhow::Result<()> {
    blows!(arena, any_blow(arena))
}

async fn any_blow(arena: &mut Arena) -> anyhow::Result<()> {
    match arena.random.random_range(0..if arena.failpoints { 10 } else { 7 }) {
        0..2 => kill_somebody(arena).await,
        2..3 => pause_somebody(arena).await,
        3..5 => break_a_line(arena).await,
        5..7 => break_the_store(arena).await,
        _ => super::points::kill_somewhere(arena).await,
    }
}
