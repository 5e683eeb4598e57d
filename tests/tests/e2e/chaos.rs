//! The harness against the ordinary executable: bounded, with seeds that stay.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::chaos::arena::ArenaSpec;
use tests::chaos::{self, Scenario};
use tests::{House, HouseSpec, binary, e2e};
use tokio::time::Instant;

/// What the executable with failpoints is made of.
const FAILPOINTS: &str = include_str!("../../../actors/node/src/failpoints.rs");

#[test]
fn the_ordinary_executable_has_no_failpoints() {
    e2e("chaos/no_failpoints", || async {
        let bytes = std::fs::read(binary::starkeep()?)?;
        // Every word in quotes that looks like a place; endings of places stand there too.
        let is_place = |word: &&str| {
            word.find('.').is_some_and(|at| at > 0)
                && word.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b))
        };
        let names: Vec<&str> = FAILPOINTS.split('"').filter(is_place).collect();
        ensure!(names.len() > 40, "only {} names were found in the source", names.len());
        let known = name_in(&bytes, &names);
        ensure!(known.is_none(), "the ordinary executable knows the failpoint {}", known.unwrap_or_default());
        let house = House::build(HouseSpec::default()).await?;
        let port = house.cluster.frontend.http_port;
        ensure!(!chaos::control::has_failpoints(port).await, "the ordinary executable has the route of failpoints");
        ensure!(chaos::control::arm(port, "job.cut.before", "kill").await.is_err(), "a failpoint was armed");
        house.finish().await
    });
}

/// The first of the names that stands in the bytes; each has a point. One pass over a file of hundreds of megabytes.
fn name_in<'a>(bytes: &[u8], names: &[&'a str]) -> Option<&'a str> {
    let places: Vec<(usize, &'a str)> = names.iter().filter_map(|name| Some((name.find('.')?, *name))).collect();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'.').find_map(|(at, _)| {
        let stands = |(before, name): &&(usize, &'a str)| {
            let start = at.checked_sub(*before);
            start.and_then(|start| bytes.get(start..start + name.len())) == Some(name.as_bytes())
        };
        places.iter().find(stands).map(|(_, name)| *name)
    })
}

#[test]
fn a_name_is_found_where_it_stands() {
    let names = ["job.cut.before", "gc.delete"];
    assert_eq!(name_in(b"...xgc.delete", &names), Some("gc.delete"));
    assert_eq!(name_in(b"job.cut.befor", &names), None);
    assert_eq!(name_in(b"", &names), None);
}

async fn run(name: &str, seconds: u64, seed: u64) -> anyhow::Result<chaos::report::Report> {
    let scenario: Scenario = chaos::scenarios().find(|s| s.name == name).context("no such scenario")?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let binary = binary::starkeep()?;
    let Scenario { s3, several, name, .. } = scenario;
    let spec = ArenaSpec { binary, seed, keep: false, s3, several, scenario: name, until };
    let report = chaos::one(scenario, spec).await?;
    ensure!(report.violations.is_empty(), "{report}");
    Ok(report)
}

#[test]
fn concurrent_catalog_operations_are_linearizable_while_the_frontend_dies() {
    e2e("chaos/linearizable", || async {
        let report = run("linearizable", 15, 7).await?;
        ensure!(report.histories > 0 && report.kills() > 0 && report.restores == 1, "{report}");
        Ok(())
    });
}

#[test]
fn processes_are_killed_and_nothing_is_lost() {
    e2e("chaos/process_kills", || async {
        let report = run("process-kills", 15, 7).await?;
        ensure!(report.kills() > 3 && report.finished > 0 && report.restores > 0, "{report}");
        Ok(())
    });
}

#[test]
fn leaders_are_killed_and_nothing_is_lost_on_any_frontend() {
    e2e("chaos/leader_kill", || async {
        let report = run("leader-kill", 15, 7).await?;
        ensure!(report.kills() > 0 && report.finished > 0 && report.restores > 0, "{report}");
        Ok(())
    });
}
