//! Commands that are proposed again.

use super::*;

fn once(sequence: u64, heard: u64, command: Command) -> Command {
    Command::Once { proposer: 7, sequence, heard, command: Box::new(command) }
}

fn create(name: &str) -> Command {
    Command::CreateDatabase { name: name.to_owned(), volume: None, if_not_exists: false }
}

#[test]
fn a_repetition_is_answered_as_the_first_and_changes_nothing() {
    let mut kit = Kit::empty();
    let first = kit.ok(once(1, 1, create("d")));
    assert!(matches!(first, Outcome::Database(_)));
    for _ in 0..3 {
        assert_eq!(kit.ok(once(1, 1, create("d"))), first);
    }
    let refused = kit.apply(once(2, 1, create("d")));
    assert_eq!(refused, Err(Rejection::DatabaseExists("d".to_owned())));
    kit.ok(Command::DropDatabase { name: "d".to_owned(), if_exists: false, force: true });
    // It would be taken now; but it was refused, and its proposer may have heard so.
    assert_eq!(kit.apply(once(2, 1, create("d"))), refused);
    assert_eq!(kit.catalog.databases().count(), 0);
    // Another proposer counts by itself.
    let other = Command::Once { proposer: 8, sequence: 1, heard: 1, command: Box::new(create("d")) };
    assert_ne!(kit.ok(other), first);
}

#[test]
fn what_was_heard_is_forgotten_and_not_done_again() {
    let mut kit = Kit::empty();
    for n in 1..=5 {
        kit.ok(once(n, n.saturating_sub(1).max(1), create(&format!("d{n}"))));
    }
    let kept = |kit: &Kit| kit.catalog.proposers.get(&7).map(|heard| heard.replies.len());
    assert_eq!(kept(&kit), Some(2), "only what may not have been heard");
    kit.ok(Command::DropDatabase { name: "d1".to_owned(), if_exists: false, force: true });
    // A late copy of the first, which some leader had in its log.
    assert_eq!(kit.apply(once(1, 1, create("d1"))), Err(Rejection::Forgotten { sequence: 1 }));
    assert_eq!(kit.catalog.databases().count(), 4);
}

#[test]
fn a_proposer_that_is_silent_for_an_hour_is_forgotten() {
    let mut kit = Kit::empty();
    kit.ok(once(1, 1, create("d")));
    kit.clock += 59 * MINUTE;
    let other = |n| Command::Once { proposer: 9, sequence: n, heard: n, command: Box::new(Command::KeepTime) };
    kit.ok(other(1));
    assert_eq!(kit.catalog.proposers.len(), 2);
    kit.clock += MINUTE;
    kit.ok(other(2));
    assert_eq!(kit.catalog.proposers.len(), 1);
}

#[test]
fn answers_survive_an_image() {
    let mut kit = Kit::empty();
    let first = kit.ok(once(1, 1, create("d")));
    kit.catalog = images::from_bytes(&images::to_bytes(&kit.catalog).unwrap()).unwrap();
    assert_eq!(kit.ok(once(1, 1, create("d"))), first);
}
