//! Automated snapshots on and off, and the life of a job.

use storage_model::JobState;
use storage_model::snapshot::ABANDON_AFTER_MILLIS;

use super::*;

fn on(volume: Option<&str>, interval_seconds: Option<u64>) -> Command {
    Command::EnableSnapshots {
        volume: volume.map(str::to_owned),
        interval_seconds,
        retention: RetentionChange::default(),
    }
}

fn alter(volume: Option<&str>, interval_seconds: Option<u64>) -> Command {
    Command::AlterSnapshots {
        volume: volume.map(str::to_owned),
        interval_seconds,
        retention: RetentionChange::default(),
    }
}

fn state(kit: &Kit, job: JobId) -> JobState {
    kit.catalog.job(job).unwrap().state
}

#[test]
fn automation_is_on_or_off() {
    let mut kit = Kit::new();
    assert_eq!(kit.refused(Command::DisableSnapshots), Rejection::SnapshotsAreOff);
    assert_eq!(kit.refused(alter(None, Some(5))), Rejection::SnapshotsAreOff);
    assert_eq!(kit.refused(on(Some("no"), None)), Rejection::UnknownVolume("no".to_owned()));
    kit.ok(on(None, None));
    assert_eq!(kit.refused(on(None, None)), Rejection::SnapshotsAreOn);
    assert_eq!(kit.refused(alter(Some("no"), Some(9))), Rejection::UnknownVolume("no".to_owned()));
    kit.ok(alter(None, Some(9)));
    kit.ok(Command::CreateVolume { draft: volume_draft("v", "file:///v"), if_not_exists: false });
    kit.ok(alter(Some("v"), None));
    let policy = kit.catalog.header.snapshot_policy.clone().unwrap();
    assert_eq!((policy.volume, policy.interval_seconds), (kit.volume("v"), Some(9)));
    kit.ok(Command::DisableSnapshots);
    assert_eq!(kit.refused(Command::DisableSnapshots), Rejection::SnapshotsAreOff);
}

#[test]
fn automation_needs_a_volume() {
    let mut kit = Kit::empty();
    assert_eq!(kit.refused(on(None, None)), Rejection::NoDefaultVolume);
    let draft = VolumeDraft { enabled: false, ..volume_draft("off", "file:///off") };
    kit.ok(Command::CreateVolume { draft, if_not_exists: false });
    assert_eq!(kit.refused(on(Some("off"), None)), Rejection::VolumeDisabled("off".to_owned()));
}

#[test]
fn one_job_at_a_time_and_a_name_once() {
    let mut kit = Kit::new();
    assert_eq!(kit.refused(kit.begin_command("a", SnapshotKind::Automated)), Rejection::SnapshotsAreOff);
    kit.snapshots_on();
    let job = kit.begin("a");
    let row = kit.catalog.job(job).unwrap();
    assert_eq!((row.state, row.path.as_str()), (JobState::Initializing, "file:///main/3f2b6c9e/meta/image/a"));
    assert_eq!(
        kit.refused(kit.begin_command("b", SnapshotKind::Automated)),
        Rejection::SnapshotRunning("a".to_owned())
    );
    kit.ok(Kit::event(job, JobEvent::Failed { cause: "no".to_owned() }));
    let again = kit.begin("a");
    assert!(kit.catalog.job(job).is_none(), "the row of the one that is gone");
    let cut = kit.cut(again);
    kit.ok(Kit::event(again, Kit::uploaded(cut)));
    assert_eq!(kit.refused(kit.begin_command("a", SnapshotKind::Automated)), Rejection::SnapshotExists("a".to_owned()));
    let volume = VolumeId(4711);
    let (kind, name, comment) = (SnapshotKind::Automated, "b".to_owned(), String::new());
    let nowhere = Command::BeginSnapshot { kind, name, volume, comment, max_history: 9 };
    assert!(matches!(kit.refused(nowhere), Rejection::UnknownVolume(_)));
}

#[test]
fn only_what_runs_is_cancelled_and_only_marked() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let cancel = |name: Option<&str>| Command::CancelSnapshot { name: name.map(str::to_owned) };
    assert_eq!(kit.refused(cancel(None)), Rejection::NoSnapshotRunning);
    assert_eq!(kit.refused(cancel(Some("a"))), Rejection::UnknownSnapshot("a".to_owned()));
    let (done, _) = kit.snapshot("a");
    assert_eq!(kit.refused(cancel(Some("a"))), Rejection::NoSnapshotRunning);
    let running = kit.begin("b");
    assert_eq!(kit.refused(cancel(Some("a"))), Rejection::NoSnapshotRunning);
    kit.ok(cancel(Some("b")));
    kit.ok(cancel(None));
    assert_eq!((state(&kit, done), state(&kit, running)), (JobState::Finished, JobState::Initializing));
    assert!(kit.catalog.job(running).unwrap().cancelled && !kit.catalog.job(done).unwrap().cancelled);
}

/// The history tells every state once, with the log entry that brought it.
#[test]
fn the_history_of_a_job() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let job = kit.begin("a");
    let began = kit.catalog.revision();
    let first = kit.cut(job);
    kit.ok(Kit::event(job, JobEvent::Recut));
    kit.ok(Kit::event(job, Kit::uploaded(first)));
    let finished = kit.catalog.revision();
    kit.snapshot("b");
    let told: Vec<_> = kit.catalog.job(job).unwrap().history.iter().map(|c| (c.state, c.revision)).collect();
    let expired = kit.catalog.revision();
    use JobState::*;
    assert_eq!(told, [(Initializing, began), (Snapshoting, first), (Finished, finished), (Expired, expired)]);
}

#[test]
fn a_manual_snapshot_needs_no_automation_and_is_no_predecessor() {
    let mut kit = Kit::new();
    let Outcome::Job(manual) = kit.ok(kit.begin_command("before_upgrade", SnapshotKind::Manual)) else { panic!() };
    let cut = kit.cut(manual);
    kit.ok(Kit::event(manual, Kit::uploaded(cut)));
    kit.snapshots_on();
    let (first, _) = kit.snapshot("a");
    let (second, _) = kit.snapshot("b");
    assert_eq!(state(&kit, manual), JobState::Finished);
    assert_eq!((state(&kit, first), state(&kit, second)), (JobState::Expired, JobState::Finished));
}

#[test]
fn the_cut_is_the_revision_of_its_own_entry() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let job = kit.begin("a");
    let cut = kit.cut(job);
    let row = kit.catalog.job(job).unwrap();
    assert_eq!((row.state, row.cuts.as_slice(), row.cut), (JobState::Snapshoting, &[cut][..], None));
    assert_eq!(kit.catalog.pins().into_iter().collect::<Vec<_>>(), [cut]);
    kit.ok(Kit::event(job, JobEvent::Recut));
    let again = kit.catalog.revision();
    assert_eq!(kit.catalog.pins().into_iter().collect::<Vec<_>>(), [cut, again], "earlier cuts stay pinned");
    assert_eq!(kit.refused(Kit::event(job, Kit::uploaded(Revision(1)))), Rejection::NotACut { job, cut: Revision(1) });
    kit.ok(Kit::event(job, Kit::uploaded(cut)));
    let row = kit.catalog.job(job).unwrap();
    assert_eq!((row.state, row.cut, row.bytes), (JobState::Finished, Some(cut), 4096));
    assert_eq!(row.finished_at, Some(kit.catalog.header.clock));
    assert_eq!(kit.catalog.pins().into_iter().collect::<Vec<_>>(), [cut], "the other cuts are unpinned");
}

#[test]
fn a_finished_snapshot_expires_its_predecessors_which_stay_pinned_until_deleted() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let (first, first_cut) = kit.snapshot("a");
    let (second, second_cut) = kit.snapshot("b");
    assert_eq!((state(&kit, first), state(&kit, second)), (JobState::Expired, JobState::Finished));
    assert_eq!(kit.catalog.pins().into_iter().collect::<Vec<_>>(), [first_cut, second_cut]);
    kit.ok(Kit::event(first, JobEvent::Deleted));
    assert_eq!(kit.catalog.pins().into_iter().collect::<Vec<_>>(), [second_cut]);
    kit.ok(Kit::event(second, JobEvent::Retire));
    kit.ok(Kit::event(second, JobEvent::Deleted));
    assert!(kit.catalog.pins().is_empty());
}

#[test]
fn a_failed_job_says_why_and_pins_nothing() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let job = kit.begin("a");
    kit.cut(job);
    kit.ok(Kit::event(job, JobEvent::Failed { cause: "put: 403 Forbidden".to_owned() }));
    let row = kit.catalog.job(job).unwrap();
    assert_eq!((row.state, row.error.as_str()), (JobState::Error, "put: 403 Forbidden"));
    assert!(row.finished_at.is_some() && kit.catalog.pins().is_empty());
    let (retire, deleted) = (JobEvent::Retire, JobEvent::Deleted);
    for event in [JobEvent::Cut, JobEvent::Recut, retire, deleted, JobEvent::Abandoned, Kit::uploaded(Revision(1))] {
        assert!(matches!(kit.refused(Kit::event(job, event)), Rejection::IllegalTransition(_)));
    }
    assert_eq!(kit.refused(Kit::event(JobId(4711), JobEvent::Cut)), Rejection::UnknownJob(JobId(4711)));
}

#[test]
fn only_rows_that_are_over_are_trimmed() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let (kept, _) = kit.snapshot("a");
    for n in 0..6 {
        let (name, volume, comment) = (format!("f{n}"), kit.volume("main"), String::new());
        let kind = SnapshotKind::Automated;
        let Outcome::Job(job) = kit.ok(Command::BeginSnapshot { kind, name, volume, comment, max_history: 3 }) else {
            panic!()
        };
        kit.ok(Kit::event(job, JobEvent::Failed { cause: String::new() }));
        assert!(kit.catalog.jobs().count() <= 3);
    }
    assert_eq!(state(&kit, kept), JobState::Finished);
    let names: Vec<_> = kit.catalog.jobs().map(|j| j.name.as_str()).collect();
    assert_eq!(names, ["a", "f4", "f5"]);
}

/// However many are restorable, the last of those that failed stay: the next manifest says that they are dead.
#[test]
fn rows_that_are_over_are_not_crowded_out() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    kit.ok(super::retention::keep(&[("retention", "100")]));
    for n in 0..8 {
        kit.snapshot(&format!("s{n}"));
    }
    for n in 0..6 {
        let (kind, name) = (SnapshotKind::Automated, format!("f{n}"));
        let (volume, comment) = (kit.volume("main"), String::new());
        let Outcome::Job(job) = kit.ok(Command::BeginSnapshot { kind, name, volume, comment, max_history: 8 }) else {
            panic!()
        };
        kit.ok(Kit::event(job, JobEvent::Failed { cause: String::new() }));
    }
    let failed: Vec<_> = kit.catalog.jobs().filter(|j| j.state == JobState::Error).map(|j| j.name.as_str()).collect();
    assert_eq!(failed, ["f3", "f4", "f5"], "a quarter of eight, and the one that has ended since");
    assert_eq!(kit.catalog.jobs().filter(|j| j.state == JobState::Finished).count(), 8);
}

#[test]
fn a_snapshot_that_cannot_be_deleted_for_a_day_keeps_nothing_any_more() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let file = kit.load("notes", 0, "o1");
    let (first, _) = kit.snapshot("a");
    kit.ok(truncate("notes", &[]));
    kit.snapshot("b");
    let abandoned = Kit::event(first, JobEvent::Abandoned);
    kit.clock += ABANDON_AFTER_MILLIS - 2000;
    assert!(matches!(kit.refused(abandoned.clone()), Rejection::Stale(_)), "too early");
    assert!(kit.condemn(vec![file]).is_empty());
    kit.ok(abandoned.clone());
    let row = kit.catalog.job(first).unwrap();
    assert_eq!((row.state, row.abandoned, row.pins()), (JobState::Expired, true, &[][..]));
    assert_eq!(kit.condemn(vec![file]), [file]);
    assert!(matches!(kit.refused(abandoned), Rejection::Stale(_)), "once");
    kit.ok(Kit::event(first, JobEvent::Deleted));
    assert_eq!(state(&kit, first), JobState::Deleted);
}
