//! Failpoints: places in the product where the chaos harness may break things, armed by the variable `FAILPOINTS` at the
//! start (`name=action;name=action`) or over HTTP later. Only in builds with the feature `failpoints`.
//!
//! | action | what happens at the place |
//! |---|---|
//! | `kill` | the whole process gets SIGKILL |
//! | `panic` | a panic |
//! | `sleep(ms)` | the thread blocks for that long; longer than the stall limit, it is a stall |
//! | `error(text)` | the operation fails with this text; only at places whose name ends in `.error` |
//! | `off` | nothing |
//!
//! `action@3` strikes the third time that the place is reached from now on. An action strikes once. Reaching a place is
//! counted whether it is armed or not, except at those that end in `.error`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use runtime_actor::ActorSpec;
use runtime_http::{Asked, PageError, Routes};
use serde::Serialize;
use serde_json::json;

/// Every place, by name.
pub const POINTS: [&str; 66] = [
    "alter.finish.after",
    "alter.finish.before",
    "alter.round",
    "cn.compact.after",
    "cn.compact.before",
    "cn.delete.after",
    "cn.delete.before",
    "cn.rewrite.after",
    "cn.rewrite.before",
    "cn.rowset.after",
    "cn.rowset.before",
    "cn.supersede.after",
    "cn.supersede.before",
    "compaction.begin",
    "compaction.commit.after",
    "compaction.commit.before",
    "gc.condemn.after",
    "gc.condemn.before",
    "gc.delete.after",
    "gc.delete.before",
    "gc.erase.before",
    "gc.forget.after",
    "gc.forget.before",
    "handler.alter_coordinator",
    "handler.compaction_agent",
    "handler.compaction_coordinator",
    "handler.compute_node",
    "handler.compute_node_monitor",
    "handler.frontend_monitor",
    "handler.gc_coordinator",
    "handler.metadata_leader",
    "handler.orphan_sweeper",
    "handler.owner_watch",
    "handler.partition_roller",
    "handler.replica",
    "handler.snapshot_agent",
    "handler.snapshot_job_supervisor",
    "job.attest.after",
    "job.attest.before",
    "job.begin.after",
    "job.begin.before",
    "job.cut.after",
    "job.cut.before",
    "job.delete_manifest.after",
    "job.delete_manifest.before",
    "job.delete_sections.after",
    "job.deleted.after",
    "job.deleted.before",
    "job.failed.after",
    "job.failed.before",
    "job.finish.after",
    "job.finish.before",
    "job.manifest.after",
    "job.manifest.before",
    "job.recut.after",
    "job.recut.before",
    "job.retire.after",
    "job.retire.before",
    "job.section.after",
    "job.section.before",
    "job.sweep_voids.before",
    "job.void.after",
    "job.void.before",
    "load.commit.after",
    "load.commit.before",
    "sweep.delete.before",
];

/// Places in the log of the metadata, and what fails there.
pub const LOG_POINTS: [&str; 3] = ["raft.append.before", "raft.append.error", "raft.append.unsynced"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Panic,
    Sleep(Duration),
}

#[derive(Debug, Default)]
struct Point {
    hits: u64,
    struck: u64,
    /// What is to be done, and when: 1 is the next time.
    armed: Option<(Action, u64)>,
}

/// A place as the harness sees it.
#[derive(Debug, Serialize)]
pub struct PointView {
    name: String,
    hits: u64,
    struck: u64,
    armed: bool,
}

static REGISTRY: LazyLock<Mutex<BTreeMap<&'static str, Point>>> = LazyLock::new(Mutex::default);

fn registry() -> MutexGuard<'static, BTreeMap<&'static str, Point>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn names() -> impl Iterator<Item = &'static str> {
    POINTS.into_iter().chain(LOG_POINTS)
}

/// Counts every place from now on, and arms what the environment says.
pub fn start() -> Result<(), String> {
    for name in names().filter(|name| !name.ends_with(".error")) {
        fail::cfg_callback(name, move || reached(name))?;
    }
    let text = std::env::var("FAILPOINTS").unwrap_or_default();
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, action) = pair.split_once('=').ok_or_else(|| format!("FAILPOINTS: {pair:?} is not name=action"))?;
        arm(name, action)?;
    }
    Ok(())
}

/// Arms a place.
pub fn arm(name: &str, action: &str) -> Result<(), String> {
    let known = names().find(|known| *known == name).ok_or_else(|| format!("there is no failpoint {name}"))?;
    let (what, nth) = match action.rsplit_once('@') {
        Some((what, nth)) => (what, nth.parse::<u64>().map_err(|e| format!("{action}: {e}"))?.max(1)),
        None => (action, 1),
    };
    let argument = |verb: &str| what.strip_prefix(verb)?.strip_prefix('(')?.strip_suffix(')');
    if known.ends_with(".error") {
        let fails = match (what, argument("error")) {
            ("off", _) => "off".to_owned(),
            (_, Some(text)) if nth > 1 => format!("{}*off->1*return({text})->off", nth - 1),
            (_, Some(text)) => format!("1*return({text})->off"),
            _ => return Err(format!("{name} takes error(text) and off, not {what}")),
        };
        return fail::cfg(known, &fails);
    }
    let armed = match what {
        "off" => None,
        "kill" => Some(Action::Kill),
        "panic" => Some(Action::Panic),
        _ => {
            let millis = argument("sleep").and_then(|ms| ms.parse().ok());
            Some(Action::Sleep(Duration::from_millis(millis.ok_or_else(|| format!("there is no action {what}"))?)))
        }
    };
    registry().entry(known).or_default().armed = armed.map(|action| (action, nth));
    Ok(())
}

/// Every place, how often it was reached, and how often something was done there.
pub fn list() -> Vec<PointView> {
    let registry = registry();
    let view = |name: &'static str| {
        let (hits, struck, armed) = registry.get(name).map_or((0, 0, false), |p| (p.hits, p.struck, p.armed.is_some()));
        PointView { name: name.to_owned(), hits, struck, armed }
    };
    names().map(view).collect()
}

fn reached(name: &'static str) {
    let action = {
        let mut registry = registry();
        let point = registry.entry(name).or_default();
        point.hits += 1;
        match point.armed.take() {
            Some((action, 1)) => {
                point.struck += 1;
                action
            }
            Some((action, nth)) => {
                point.armed = Some((action, nth - 1));
                return;
            }
            None => return,
        }
    };
    // On standard error, which is not buffered: a killed process writes no log line.
    eprintln!("failpoint {name}: {action:?}");
    match action {
        Action::Kill => drop(raise(Signal::SIGKILL)),
        Action::Panic => panic!("failpoint {name}"),
        Action::Sleep(time) => std::thread::sleep(time),
    }
}

/// `GET` lists the places, `POST {"name": …, "action": …}` arms one; behind the same login as every page.
pub fn routes(routes: Routes) -> Routes {
    const PATH: &str = "/api/v2/failpoints";
    let armed = |asked: Asked| {
        let word = |key: &str| asked.body[key].as_str().ok_or_else(|| format!("{key} is missing"));
        arm(word("name")?, word("action")?)
    };
    routes.get(PATH, |_| async { Ok(json!(list())) }).post(PATH, move |asked| {
        let done = armed(asked);
        async move { done.map(|()| json!({ "status": "OK" })).map_err(|why| PageError::Bad(why, None)) }
    })
}

/// Half a minute is long for a harness: `FAILPOINTS_STALL_MS` says after which time a handler counts as stalled. An effect
/// has three times as long, where it has a limit at all.
pub fn impatient(spec: ActorSpec) -> ActorSpec {
    let millis = std::env::var("FAILPOINTS_STALL_MS").ok().and_then(|ms| ms.parse().ok());
    let Some(stall) = millis.map(Duration::from_millis) else { return spec };
    let watched = spec.stall_after.is_some();
    let spec = spec.stall(stall);
    if watched { spec.stall_after(stall * 3) } else { spec }
}

/// The others are told one address and the frontend listens at another, `FAILPOINTS_EDIT_LOG_HOST`: a harness stands between.
pub fn edit_log_host() -> Option<IpAddr> {
    std::env::var("FAILPOINTS_EDIT_LOG_HOST").ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_strikes_once_at_the_time_it_was_armed_for() {
        start().unwrap();
        arm("job.cut.before", "panic@2").unwrap();
        let panics = || std::panic::catch_unwind(|| reached("job.cut.before")).is_err();
        assert_eq!([panics(), panics(), panics()], [false, true, false]);
        let seen = list().into_iter().find(|p| p.name == "job.cut.before").unwrap();
        assert_eq!((seen.hits, seen.struck, seen.armed), (3, 1, false));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(arm("job.nothing", "kill").unwrap_err().contains("no failpoint"));
        assert!(arm("job.cut.before", "explode").unwrap_err().contains("no action"));
        assert!(arm("raft.append.error", "kill").unwrap_err().contains("error(text)"));
        assert!(arm("job.cut.before", "kill@x").is_err());
    }
}
