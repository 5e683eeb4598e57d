//! A restored cluster is careful: nothing expires, retires or is deleted before an admin says so or a day has passed.

use storage_model::JobState;

use crate::rebase::rebase;

use super::*;

fn restored() -> Kit {
    let (_, image, cut) = super::rebase::frozen();
    let plan = super::rebase::plan(cut);
    let catalog = rebase(&image, &plan).unwrap();
    let clock = catalog.header.uptime.0;
    Kit { catalog, clock }
}

fn job(kit: &Kit, name: &str) -> JobId {
    kit.catalog.jobs().find(|j| j.name == name).unwrap().id
}

#[test]
fn nothing_is_taken_away() {
    let mut kit = restored();
    kit.ok(truncate("orders", &[]));
    let (files, oldest_read) = (Vec::new(), Revision(u64::MAX));
    assert_eq!(kit.refused(Command::Condemn { files, oldest_read, grace_millis: 0 }), Rejection::Careful);
    assert_eq!(kit.refused(Command::EraseTrash { older_than_millis: 0 }), Rejection::Careful);
    let a = job(&kit, "a");
    assert_eq!(kit.refused(Kit::event(a, JobEvent::Retire)), Rejection::Careful);
    let (_, _) = kit.snapshot("d");
    assert_eq!(kit.catalog.job(a).unwrap().state, JobState::Finished, "a new snapshot expires no old one");
    assert_eq!(kit.catalog.job(job(&kit, "c")).unwrap().state, JobState::Finished);
}

#[test]
fn an_admin_or_a_day_ends_it() {
    let mut kit = restored();
    kit.ok(Command::FinishRestore);
    assert_eq!(kit.refused(Command::FinishRestore), Rejection::NotRestored);
    kit.ok(Command::EraseTrash { older_than_millis: 0 });
    kit.snapshot("d");
    assert_eq!(kit.catalog.job(job(&kit, "a")).unwrap().state, JobState::Expired);

    let mut kit = restored();
    kit.clock += 24 * 60 * MINUTE - 2000;
    assert_eq!(kit.refused(Command::EraseTrash { older_than_millis: 0 }), Rejection::Careful);
    kit.clock += 2000;
    kit.ok(Command::EraseTrash { older_than_millis: 0 });
}

#[test]
fn a_cluster_that_was_never_restored_is_not_careful() {
    let mut kit = Kit::new();
    assert_eq!(kit.refused(Command::FinishRestore), Rejection::NotRestored);
    assert!(!kit.catalog.is_careful());
}
