//! Scenarios on several frontends: whoever leads is killed, stopped, cut off; members come and go. Clients go to any of
//! them, and what one has acknowledged must be seen through the others.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use anyhow::Context;
use rand::Rng;
use tokio::time::{Instant, sleep};

use super::arena::{Arena, nix_signal};
use super::control;
use super::outside::{BLOWS, blows, still_there};
use super::points::{LEADER_PLACES, REPLICA_PLACES, SIGKILL};
use super::proxy::Line;
use super::report::count;

/// A place is reached within this by whoever leads, or it is noted that it was not.
const REACHED: Duration = Duration::from_secs(15);
/// Members beside the first: no more, and no fewer.
const FELLOWS: std::ops::RangeInclusive<usize> = 2..=4;

/// SIGKILL for whoever leads: at any moment, and before and after the effects of snapshot jobs, GC and loads.
pub async fn leader_kill(arena: &mut Arena) -> anyhow::Result<()> {
    blows!(arena, kill_somebody(arena))
}

async fn kill_somebody(arena: &mut Arena) -> anyhow::Result<()> {
    arena.wait_ms(50..2000).await;
    match arena.random.random_range(0..if arena.failpoints { 14 } else { 7 }) {
        0..4 => kill_the_leader(arena).await,
        4 => {
            let leader = arena.stage.leader().await?;
            let n = other_than(arena, leader);
            kill_fe(arena, n, "a replica").await
        }
        5 => {
            let n = arena.random.random_range(0..arena.stage.workers.len());
            arena.kill_worker(n).await
        }
        6 => kill_all_frontends(arena).await,
        dice => {
            let places: &[&str] = if dice < 13 { &LEADER_PLACES } else { &REPLICA_PLACES };
            let place = places[arena.random.random_range(0..places.len())];
            kill_at(arena, place).await.with_context(|| format!("a kill at {place}"))
        }
    }?;
    arena.stage.agree().await
}

/// Any frontend but this one.
fn other_than(arena: &mut Arena, n: usize) -> usize {
    (n + arena.random.random_range(1..arena.stage.frontends())) % arena.stage.frontends()
}

fn counted(arena: &mut Arena, n: usize, place: &str) {
    let (state, name) = (arena.job_state(), arena.stage.fe(n).name.clone());
    count(&mut arena.report.kills, place);
    count(&mut arena.report.kills_by_state, &state);
    arena.note(format!("{name} killed ({place}) while {state}"));
}

/// SIGKILL for whoever leads. While it is away another must lead; it comes back sooner or later.
async fn kill_the_leader(arena: &mut Arena) -> anyhow::Result<()> {
    let leader = arena.stage.leader().await?;
    arena.stage.fe(leader).kill().await?;
    counted(arena, leader, "the leader");
    come_back(arena, leader).await
}

async fn come_back(arena: &mut Arena, n: usize) -> anyhow::Result<()> {
    if arena.random.random_bool(0.7) {
        let next = arena.stage.leader_beside(Some(n)).await?;
        let name = arena.stage.fe(next).name.clone();
        arena.note(format!("{name} leads"));
        let away = arena.draw_ms(0..1500);
        sleep(away).await;
    }
    arena.stage.restart_fe(n, "").await
}

async fn kill_fe(arena: &mut Arena, n: usize, who: &str) -> anyhow::Result<()> {
    arena.stage.fe(n).kill().await?;
    counted(arena, n, who);
    let away = arena.draw_ms(0..2000);
    sleep(away).await;
    arena.stage.restart_fe(n, "").await
}

async fn kill_all_frontends(arena: &mut Arena) -> anyhow::Result<()> {
    for n in 0..arena.stage.frontends() {
        arena.stage.fe(n).kill().await?;
        counted(arena, n, "all frontends");
    }
    for n in 0..arena.stage.frontends() {
        arena.stage.fe(n).start(&[])?;
    }
    for n in 0..arena.stage.frontends() {
        arena.stage.fe(n).ready(super::stage::START).await?;
    }
    Ok(())
}

/// The place is armed everywhere; whoever comes to it is killed, and all others go on.
async fn kill_at(arena: &mut Arena, place: &str) -> anyhow::Result<()> {
    arena.note(format!("arm {place}=kill on every frontend"));
    let ports: Vec<u16> = (0..arena.stage.frontends()).map(|n| arena.stage.fe(n).http_port).collect();
    for port in &ports {
        // One may come to it before all are armed.
        if let Err(error) = control::arm(*port, place, "kill").await {
            arena.note(format!("{error:#}"));
        }
    }
    let deadline = Instant::now() + REACHED;
    let mut dead = Vec::new();
    while dead.is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
        dead = the_dead(arena, place);
    }
    if dead.is_empty() {
        count(&mut arena.report.not_reached, place);
    }
    for port in &ports {
        // Those that are dead start without it.
        let _ = tokio::time::timeout(Duration::from_secs(2), control::arm(*port, place, "off")).await;
    }
    // The next leader may have come there too.
    for n in the_dead(arena, place) {
        if !dead.contains(&n) {
            dead.push(n);
        }
    }
    for n in &dead {
        counted(arena, *n, place);
    }
    for n in dead {
        arena.stage.restart_fe(n, "").await?;
    }
    Ok(())
}

/// Frontends that have ended; of anything but SIGKILL is a violation.
fn the_dead(arena: &mut Arena, place: &str) -> Vec<usize> {
    let mut dead = Vec::new();
    for n in 0..arena.stage.frontends() {
        let Some(status) = arena.stage.fe(n).ended() else { continue };
        if status.signal() != Some(SIGKILL) {
            let (name, tail) = (arena.stage.fe(n).name.clone(), arena.stage.fe(n).log_tail(25));
            arena.violation(format!("{name} was to be killed at {place} and ended with {status}\n{tail}"));
        }
        dead.push(n);
    }
    dead
}

/// SIGSTOP and SIGCONT for whoever leads: it does not know that it leads no more.
pub async fn leader_pause(arena: &mut Arena) -> anyhow::Result<()> {
    blows!(arena, pause_somebody(arena))
}

async fn pause_somebody(arena: &mut Arena) -> anyhow::Result<()> {
    arena.wait_ms(50..1500).await;
    pause(arena).await?;
    still_there(arena).await?;
    arena.stage.agree().await
}

async fn pause(arena: &mut Arena) -> anyhow::Result<()> {
    let leader = arena.stage.leader().await?;
    let of_leader = arena.random.random_bool(0.8);
    let n = if of_leader { leader } else { other_than(arena, leader) };
    // Shorter than an election takes, about as long, and much longer.
    let time = match arena.random.random_range(0..3) {
        0 => arena.draw_ms(100..1000),
        1 => arena.draw_ms(1000..4000),
        _ => arena.draw_ms(4000..9000),
    };
    let name = arena.stage.fe(n).name.clone();
    arena.note(format!(
        "SIGSTOP {name} for {} ms, {}",
        time.as_millis(),
        if of_leader { "it leads" } else { "a replica" }
    ));
    count(&mut arena.report.pauses, if of_leader { "the leader" } else { "a replica" });
    arena.stage.fe(n).signal(nix_signal::STOP)?;
    sleep(time).await;
    arena.stage.fe(n).signal(nix_signal::CONTINUE)?;
    Ok(())
}

/// Lines between frontends, mostly the leader's, are cut, silent, slow, doubled; in one direction or both.
pub async fn leader_cut(arena: &mut Arena) -> anyhow::Result<()> {
    blows!(arena, cut_somebody(arena))
}

async fn cut_somebody(arena: &mut Arena) -> anyhow::Result<()> {
    arena.wait_ms(50..1000).await;
    let leader = arena.stage.leader().await?;
    let of_leader = arena.random.random_bool(0.75);
    let n = if of_leader { leader } else { other_than(arena, leader) };
    let (kind, line) = match arena.random.random_range(0..5) {
        0 | 1 => ("cut", Line::Cut),
        2 => ("silent", Line::Silent),
        3 => ("slow", Line::Slow(arena.draw_ms(20..700))),
        _ => ("doubled", Line::Doubled),
    };
    let others: Vec<usize> = (0..arena.stage.frontends()).filter(|other| *other != n).collect();
    let one = others[arena.random.random_range(0..others.len())];
    let (way, pairs): (_, Vec<(usize, usize)>) = match arena.random.random_range(0..4) {
        0 => ("to it", others.iter().map(|other| (*other, n)).collect()),
        1 => ("from it", others.iter().map(|other| (n, *other)).collect()),
        2 => ("with one other", vec![(n, one), (one, n)]),
        _ => ("all of it", others.iter().flat_map(|other| [(n, *other), (*other, n)]).collect()),
    };
    let time = arena.draw_ms(300..7000);
    let name = arena.stage.fe(n).name.clone();
    let who = if of_leader { "leader" } else { "replica" };
    arena.note(format!("lines of {name} ({who}), {way}: {kind} for {} ms", time.as_millis()));
    count(&mut arena.report.network, &format!("{who}: {kind}, {way}"));
    let set = |line: &Line| pairs.iter().for_each(|(from, to)| arena.stage.set_line(*from, *to, line));
    if line == Line::Doubled {
        // Connections that exist are not doubled: they have to come anew.
        set(&Line::Cut);
        sleep(Duration::from_millis(50)).await;
    }
    set(&line);
    sleep(time).await;
    set(&Line::Open);
    still_there(arena).await?;
    arena.stage.agree().await
}

/// Followers and observers are added and dropped, some are far behind, and some lead.
pub async fn membership(arena: &mut Arena) -> anyhow::Result<()> {
    blows!(arena, change_members(arena))
}

async fn change_members(arena: &mut Arena) -> anyhow::Result<()> {
    arena.wait_ms(50..1000).await;
    let fellows = arena.stage.fellows.len();
    let dice = arena.random.random_range(0..10);
    let done = match dice {
        0..3 if fellows < *FELLOWS.end() => add(arena).await,
        3..6 if fellows > *FELLOWS.start() => drop_one(arena).await,
        6..8 => fall_behind(arena).await,
        _ => kill_the_leader(arena).await,
    };
    arena.ports.set(arena.stage.query_ports());
    done?;
    still_there(arena).await?;
    arena.stage.agree().await
}

async fn add(arena: &mut Arena) -> anyhow::Result<()> {
    let role = if arena.random.random_bool(0.6) { "FOLLOWER" } else { "OBSERVER" };
    arena.note(format!("add a frontend as {role}"));
    let n = arena.stage.begin_to_join(role).await.with_context(|| format!("{role} joins"))?;
    if arena.random.random_bool(0.3) {
        arena.wait_ms(0..800).await;
        kill_the_leader(arena).await?;
    }
    arena.stage.end_of_join(n).await.with_context(|| format!("{role} has joined"))?;
    let name = arena.stage.fe(n).name.clone();
    arena.note(format!("{name} is a member"));
    Ok(())
}

/// Drops a frontend that does not lead.
async fn drop_one(arena: &mut Arena) -> anyhow::Result<()> {
    let leader = arena.stage.leader().await?;
    // Enough are left that vote: of two, each is needed.
    let voters = 1 + arena.stage.fellows.iter().filter(|fellow| fellow.role == "FOLLOWER").count();
    let may_go = |n: &usize| *n != leader && (voters > 3 || arena.stage.fellows[*n - 1].role == "OBSERVER");
    let candidates: Vec<usize> = (1..arena.stage.frontends()).filter(may_go).collect();
    if candidates.is_empty() {
        return kill_the_leader(arena).await;
    }
    let n = candidates[arena.random.random_range(0..candidates.len())];
    let name = arena.stage.fe(n).name.clone();
    arena.note(format!("drop {name}"));
    // Clients do not know it any more; statements that it has taken are answered or lost.
    let gone = arena.stage.fellows[n - 1].query_port;
    arena.ports.set(arena.stage.query_ports().into_iter().filter(|port| *port != gone).collect());
    arena.stage.leave(n).await.with_context(|| format!("{name} leaves"))
}

/// A frontend is away until images have taken the place of the log that it lacks, and comes back.
async fn fall_behind(arena: &mut Arena) -> anyhow::Result<()> {
    let leader = arena.stage.leader().await?;
    let n = other_than(arena, leader);
    arena.stage.fe(n).kill().await?;
    counted(arena, n, "a replica");
    let away = arena.draw_ms(1000..4000);
    sleep(away).await;
    let port = arena.stage.query_ports()[leader];
    let image = async {
        let mut client = crate::client::Client::connect(port).await?;
        client.run("ALTER SYSTEM CREATE IMAGE").await
    };
    image.await.context("an image while a frontend is away")?;
    arena.stage.restart_fe(n, "").await
}

/// Whoever leads is killed or stopped; the group agrees again when this returns.
pub async fn strike_the_leader(arena: &mut Arena) -> anyhow::Result<()> {
    if arena.random.random_bool(0.5) {
        kill_the_leader(arena).await?;
    } else {
        pause(arena).await?;
    }
    arena.stage.agree().await
}
