//! Which automated snapshots expire when the next one is FINISHED.

use storage_model::{JobState, Retention};

use super::rebase::{frozen, plan};
use super::*;
use crate::rebase::rebase;

/// ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET PROPERTIES.
pub(super) fn keep(properties: &[(&str, &str)]) -> Command {
    let properties = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let retention = RetentionChange::parse(&properties).unwrap();
    Command::AlterSnapshots { volume: None, interval_seconds: None, retention }
}

fn finished(kit: &Kit) -> Vec<&str> {
    kit.catalog.jobs().filter(|job| job.state == JobState::Finished).map(|job| job.name.as_str()).collect()
}

#[test]
fn the_rules_are_part_of_the_policy_and_change_in_place() {
    let mut kit = Kit::new();
    assert_eq!(kit.refused(keep(&[("retention", "3")])), Rejection::SnapshotsAreOff);
    let retention = RetentionChange { daily: Some(7), ..RetentionChange::default() };
    kit.ok(Command::EnableSnapshots { volume: None, interval_seconds: Some(60), retention });
    kit.ok(keep(&[("retention", "3"), ("ttl", "1 HOUR")]));
    let policy = kit.catalog.header.snapshot_policy.clone().unwrap();
    assert_eq!(policy.retention, Retention { newest: 3, daily: 7, ttl_seconds: 3600, ..Retention::default() });
    assert_eq!(policy.interval_seconds, Some(60), "the rest stays");
    // Turned on again it begins with what it says then.
    kit.ok(Command::DisableSnapshots);
    kit.snapshots_on();
    assert_eq!(kit.catalog.header.snapshot_policy.clone().unwrap().retention, Retention::default());
}

#[test]
fn snapshots_expire_by_the_rules_of_the_moment_at_which_the_next_is_finished() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    kit.ok(keep(&[("retention", "2"), ("retention_hourly", "2")]));
    let Outcome::Job(manual) = kit.ok(kit.begin_command("by_hand", SnapshotKind::Manual)) else { panic!() };
    let cut = kit.cut(manual);
    kit.ok(Kit::event(manual, Kit::uploaded(cut)));
    // An hour of the cluster's uptime begins with "d".
    kit.clock = kit.clock.next_multiple_of(60 * MINUTE) + MINUTE;
    for name in ["a", "b", "c"] {
        kit.snapshot(name);
        kit.clock += 10 * MINUTE;
    }
    assert_eq!(finished(&kit), ["by_hand", "b", "c"]);
    kit.clock = kit.clock.next_multiple_of(60 * MINUTE) + MINUTE;
    for name in ["d", "e", "f"] {
        kit.snapshot(name);
        kit.clock += 10 * MINUTE;
    }
    assert_eq!(finished(&kit), ["by_hand", "c", "e", "f"], "the last of the hour before, and the newest two");
    let expired = kit.catalog.jobs().find(|job| job.name == "d").unwrap();
    assert_eq!((expired.state, expired.expired_uptime), (JobState::Expired, Some(Uptime(kit.clock - 10 * MINUTE))));
    // Fewer are wanted now: they go when the next one is there, never before.
    kit.ok(keep(&[("retention", "1"), ("retention_hourly", "0")]));
    assert_eq!(finished(&kit).len(), 4);
    let failed = kit.begin("g");
    kit.ok(Kit::event(failed, JobEvent::Failed { cause: "no".to_owned() }));
    assert_eq!(finished(&kit).len(), 4);
    kit.snapshot("h");
    assert_eq!(finished(&kit), ["by_hand", "h"]);
    kit.ok(keep(&[("ttl", "1 DAY")]));
    kit.snapshot("i");
    assert_eq!(finished(&kit), ["by_hand", "h", "i"]);
    kit.clock += 25 * 60 * MINUTE;
    kit.snapshot("j");
    assert_eq!(finished(&kit), ["by_hand", "j"]);
}

#[test]
fn a_restored_cluster_retires_nothing_until_it_is_careful_no_more() {
    let (_, image, cut) = frozen();
    let catalog = rebase(&image, &plan(cut)).unwrap();
    let mut kit = Kit { clock: catalog.header.uptime.0, catalog };
    kit.snapshot("d");
    assert_eq!(finished(&kit), ["a", "c", "d"]);
    kit.ok(Command::FinishRestore);
    assert_eq!(finished(&kit), ["a", "c", "d"]);
    kit.snapshot("e");
    assert_eq!(finished(&kit), ["e"]);
}
