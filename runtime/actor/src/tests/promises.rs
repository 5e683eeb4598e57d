//! The promises of the kit, one by one, against actors that misbehave in every place where they can.

use std::time::Duration;

use super::kit::*;
use super::odd::*;
use crate::view::Outcome;
use crate::*;

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

fn reasons(tree: &Tree, name: &str) -> Vec<String> {
    tree.view().root.find(name).unwrap().restart_log.iter().map(|restart| restart.reason.clone()).collect()
}

#[test]
fn a_panic_or_a_failure_in_start_is_tried_again_and_messages_wait() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let panics = tree.root().start(ActorSpec::new("p"), odd("p", Quirk::PanicsInStart { until: 3 }, &diary));
        assert_eq!(panics.ask(Life).await, Ok(3));
        assert_eq!(reasons(&tree, "p"), ["panicked while it started: cannot start"; 2]);
        let fails = tree.root().start(ActorSpec::new("f"), odd("f", Quirk::FailsInStart { until: 3 }, &diary));
        assert_eq!(fails.ask(Life).await, Ok(3));
        assert_eq!(reasons(&tree, "f"), ["failed: no disk yet"; 2]);
        let stops = tree.root().start(ActorSpec::new("s"), odd("s", Quirk::StopsInStart, &diary));
        assert_eq!(stops.ask(Life).await, Err(AskError::Stopped));
        assert!(tree.view().root.find("s").is_none());
    });
}

#[test]
fn an_actor_that_can_never_start_brings_the_tree_down() {
    paused(async |tree: Tree| {
        let quirk = Quirk::PanicsInStart { until: u64::MAX };
        let actor = tree.root().start(ActorSpec::new("p"), odd("p", quirk, &Diary::default()));
        let waiting = tokio::spawn({
            let actor = actor.clone();
            async move { actor.ask_within(Life, 600 * SECOND).await }
        });
        let failure = tree.failed().await;
        assert!(failure.reason.contains("cannot start"), "{failure}");
        assert_eq!(waiting.await.unwrap(), Err(AskError::Stopped));
        assert_eq!(actor.tell(Tick), Err(TellError::Stopped));
    });
}

#[test]
fn a_panic_in_stop_does_not_call_it_back_to_life() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let own = tree.root().start(ActorSpec::new("own"), odd("own", Quirk::PanicsInStop, &diary));
        assert_eq!(own.ask(Leave).await, Ok(()));
        let told = tree.root().start(ActorSpec::new("told"), odd("told", Quirk::PanicsInStop, &diary));
        assert_eq!(told.ask(Life).await, Ok(1));
        told.stop();
        told.stop();
        tokio::time::sleep(60 * SECOND).await;
        assert!(tree.view().root.children.is_empty(), "{:?}", tree.view());
        assert_eq!(diary.lines(), ["own started", "own stopping", "told started", "told stopping"]);
        let last = tree.root().start(ActorSpec::new("last"), odd("last", Quirk::PanicsInStop, &diary));
        assert_eq!(last.ask(Life).await, Ok(1));
        assert_eq!(tree.stop(SECOND).await, Vec::<String>::new());
    });
}

#[test]
fn a_panic_in_observe_is_shown_and_hurts_nobody() {
    paused(async |tree: Tree| {
        let actor = tree.root().start(ActorSpec::new("o"), odd("o", Quirk::PanicsInObserve, &Diary::default()));
        assert_eq!(actor.ask(Life).await, Ok(1));
        let view = tree.observe().await;
        assert!(view.root.find("o").unwrap().state["unobservable"].as_str().unwrap().contains("not to be seen"));
        assert_eq!(actor.ask(Life).await, Ok(1));
    });
}

#[test]
fn a_panic_in_drop_hurts_nobody() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let actor = tree.root().start(ActorSpec::new("d"), odd("d", Quirk::PanicsInDrop, &diary));
        assert_eq!(actor.ask(Crash).await, Err(AskError::Lost));
        assert_eq!(actor.ask(Life).await, Ok(2));
        assert_eq!(tree.stop(SECOND).await, Vec::<String>::new());
        assert_eq!(diary.lines(), ["d started", "d dropped", "d started", "d stopping", "d dropped"]);
    });
}

#[test]
fn messages_that_panic_when_they_are_dropped_do_not_reach_the_supervision() {
    paused(async |tree: Tree| {
        let poisoned = tree.root().start(ActorSpec::new("p"), odd("p", Quirk::None, &Diary::default()));
        assert_eq!(poisoned.ask(Crash).await, Err(AskError::Lost));
        // It waits for its back-off with these in its mailbox; the tree is to close it.
        poisoned.tell(Poison).unwrap();
        poisoned.tell(Poison).unwrap();
        let group = tree.supervisor("g", Strategy::OneForOne, budget(0, 60));
        let other = group.start(ActorSpec::new("other"), odd("other", Quirk::None, &Diary::default()));
        assert_eq!(tree.stop(SECOND).await, Vec::<String>::new());
        assert_eq!(other.ask(Life).await, Err(AskError::Stopped));
        assert!(tree.view().failure.is_none());
    });
}

#[test]
fn the_next_child_starts_when_the_one_before_has_started_or_broken() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let group = tree.supervisor("g", Strategy::OneForAll, budget(100, 60));
        let quirk = Quirk::FailsInStart { until: 2 };
        group.start(ActorSpec::new("a"), odd("a", Quirk::None, &diary));
        let inner = group.supervisor("inner", Strategy::OneForOne, Budget::default());
        inner.start(ActorSpec::new("b"), odd("b", Quirk::None, &diary));
        let c = group.start(ActorSpec::new("c"), odd("c", Quirk::None, &diary));
        assert_eq!(c.ask(Life).await, Ok(1));
        assert_eq!(diary.lines(), ["a started", "b started", "c started"]);
        // A group is rebuilt in the same order.
        assert_eq!(c.ask(Crash).await, Err(AskError::Lost));
        assert_eq!(c.ask(Life).await, Ok(2));
        assert_eq!(diary.lines()[3..], ["a started", "b started", "c started"]);
        // One that cannot start does not hold up those after it.
        let alone = tree.supervisor("alone", Strategy::OneForOne, Budget::default());
        let slow = Backoff { first: 10 * SECOND, most: 10 * SECOND };
        let d = alone.start(ActorSpec::new("d").backoff(slow), odd("d", quirk, &diary));
        let e = alone.start(ActorSpec::new("e"), odd("e", Quirk::None, &diary));
        assert_eq!(e.ask_within(Life, SECOND).await, Ok(1));
        assert_eq!(d.ask(Life).await, Ok(2));
        assert_eq!(diary.lines()[6..], ["d started", "e started", "d started"]);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_are_in_order_over_threads_too() {
    let diary = Diary::default();
    let tree = Tree::new("test", SystemClock::shared());
    let names = ["a", "b", "c", "d"];
    let mut last = None;
    for (name, pause) in names.into_iter().zip([60, 0, 30, 0]) {
        let quirk = Quirk::BlocksInStart(Duration::from_millis(pause));
        last = Some(tree.root().start(ActorSpec::new(name), odd(name, quirk, &diary)));
    }
    assert_eq!(last.unwrap().ask(Life).await, Ok(1));
    assert_eq!(diary.lines(), names.map(|name| format!("{name} started")));
    assert!(tree.stop(PATIENCE).await.is_empty());
    assert_eq!(diary.lines()[4..], ["d", "c", "b", "a"].map(|name| format!("{name} stopping")));
}

#[test]
fn one_that_does_not_stop_leaves_time_to_the_others() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        tree.root().start(ActorSpec::new("good"), odd("good", Quirk::None, &diary));
        let stuck = tree.root().start(ActorSpec::new("stuck"), clerk("stuck", &diary));
        let asked = tokio::spawn({
            let stuck = stuck.clone();
            async move { stuck.ask_within(WaitForGate, 600 * SECOND).await }
        });
        stuck.ask(Life).await.unwrap();
        let before = tokio::time::Instant::now();
        assert_eq!(tree.stop(2 * SECOND).await, ["test/stuck"]);
        assert!(before.elapsed() <= 2 * SECOND, "{:?}", before.elapsed());
        assert_eq!(asked.await.unwrap(), Err(AskError::Lost));
        assert_eq!(diary.lines().last().map(String::as_str), Some("good stopping"));
    });
}

#[test]
fn an_actor_that_floods_itself_is_rebuilt_before_memory_runs_out() {
    paused(async |tree: Tree| {
        let actor = tree.root().start(ActorSpec::new("f").mailbox(2), odd("f", Quirk::None, &Diary::default()));
        assert_eq!(actor.ask(Flood(1_000)).await, Ok(()), "what it sends itself takes no place of others");
        assert_eq!(actor.ask(Life).await, Ok(1));
        assert_eq!(actor.ask(Flood(200_000)).await, Ok(()));
        assert_eq!(actor.ask(Life).await, Ok(2));
        assert_eq!(reasons(&tree, "f"), ["over 65536 messages to itself wait"]);
        let mailbox = tree.view().root.find("f").unwrap().mailbox.clone().unwrap();
        assert!(mailbox.peak <= 65_536 + 2, "{}", mailbox.peak);
        assert_eq!(actor.ask(Timers(200_000)).await, Ok(()));
        assert_eq!(actor.ask(Life).await, Ok(3));
        assert_eq!(reasons(&tree, "f")[1], "over 65536 timers and effects run for it");
    });
}

#[test]
fn answers_that_are_being_worked_out_are_bounded_too() {
    paused(async |tree: Tree| {
        let spec = ActorSpec::new("clerk").answers(3);
        let clerk = tree.root().start(spec, clerk("c", &Diary::default()));
        let slow: Vec<_> = (0..3)
            .map(|_| {
                let clerk = clerk.clone();
                tokio::spawn(async move { clerk.ask(Slow(5 * SECOND)).await })
            })
            .collect();
        tokio::time::sleep(SECOND).await;
        assert_eq!(tree.view().root.find("clerk").unwrap().mailbox.as_ref().unwrap().working, 3);
        assert_eq!(clerk.ask(Add(1)).await, Err(AskError::Full));
        for slow in slow {
            assert_eq!(slow.await.unwrap(), Ok(1));
        }
        assert_eq!(clerk.ask(Add(1)).await, Ok(1));
        // Answers that are cut off give their places back.
        for _ in 0..5 {
            assert_eq!(clerk.ask(LaterBoom).await, Err(AskError::Lost));
            assert_eq!(clerk.ask_within(Wanted(5 * SECOND), SECOND).await, Err(AskError::Deadline));
        }
        tokio::time::sleep(SECOND).await;
        assert_eq!(clerk.ask(Add(1)).await, Ok(2));
    });
}

#[test]
fn an_effect_that_never_ends_is_a_stall_and_one_that_says_it_is_alive_is_none() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let spec = |name: &str| ActorSpec::new(name).stall_after(10 * SECOND);
        let hung = tree.root().start(spec("hung"), odd("hung", Quirk::None, &diary));
        let alive = tree.root().start(spec("alive"), odd("alive", Quirk::None, &diary));
        let patient = tree.root().start(ActorSpec::new("patient"), odd("patient", Quirk::None, &diary));
        hung.ask(Hang).await.unwrap();
        patient.ask(Hang).await.unwrap();
        alive.ask(Beat(5 * SECOND)).await.unwrap();
        tokio::time::sleep(9 * SECOND).await;
        assert_eq!(hung.ask(Life).await, Ok(1));
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(hung.ask(Life).await, Ok(2));
        assert!(reasons(&tree, "hung")[0].starts_with("stalled: effect Tick gives no sign of life"));
        tokio::time::sleep(600 * SECOND).await;
        assert_eq!((alive.ask(Life).await, patient.ask(Life).await), (Ok(1), Ok(1)));
        assert_eq!(hung.ask(Life).await, Ok(2));
    });
}

#[test]
fn one_that_stalls_again_and_again_is_given_up_however_seldom_it_can_be_seen() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let group = tree.supervisor("g", Strategy::OneForOne, budget(10, 60));
        let hung = group.start(ActorSpec::new("hung").stall_after(120 * SECOND), odd("hung", Quirk::None, &diary));
        // Two stalls, and a time in which it is well: it is forgiven.
        for life in 1..=2 {
            assert_eq!(hung.ask(Life).await, Ok(life));
            hung.ask(Hang).await.unwrap();
            tokio::time::sleep(125 * SECOND).await;
        }
        tokio::time::sleep(500 * SECOND).await;
        assert!(reasons(&tree, "g").is_empty());
        // Three in a row bring the group down, and three such falls of the group the tree.
        for stall in 1..=9 {
            assert_eq!(hung.ask(Life).await, Ok(2 + stall));
            hung.ask(Hang).await.unwrap();
            tokio::time::sleep(125 * SECOND).await;
            assert_eq!(reasons(&tree, "g").len() as u64, (stall / 3).min(2), "after {stall}");
        }
        let failure = tree.failed().await;
        assert!(failure.reason.contains("hung stalled 3 times in a row; last: "), "{failure}");
        assert!(failure.reason.contains("g stalled 3 times in a row"), "{failure}");
    });
}

#[test]
fn backoff_begins_anew_after_a_quiet_time() {
    paused(async |tree: Tree| {
        let group = tree.supervisor("g", Strategy::OneForOne, budget(100, 60));
        let backoff = Backoff { first: SECOND, most: 30 * SECOND };
        let actor = group.start(ActorSpec::new("o").backoff(backoff), odd("o", Quirk::None, &Diary::default()));
        let mut waits = Vec::new();
        for quiet in [0, 0, 0, 61, 0] {
            tokio::time::sleep(quiet * SECOND).await;
            let before = tokio::time::Instant::now();
            assert_eq!(actor.ask(Crash).await, Err(AskError::Lost));
            actor.ask(Life).await.unwrap();
            waits.push(before.elapsed().as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 1, 2]);
    });
}

#[test]
fn an_ask_waits_through_a_restart_until_its_deadline_and_is_handled_once() {
    paused(async |tree: Tree| {
        let backoff = Backoff { first: 5 * SECOND, most: 5 * SECOND };
        let clerk = tree.root().start(ActorSpec::new("c").backoff(backoff), clerk("c", &Diary::default()));
        assert_eq!(clerk.ask(Boom).await, Err(AskError::Lost));
        let (early, late) = tokio::join!(clerk.ask_within(Add(1), SECOND), clerk.ask_within(Add(10), 60 * SECOND));
        assert_eq!((early, late), (Err(AskError::Deadline), Ok(10)), "the first was not handled at all");
        let view = tree.view();
        let outcomes: Vec<_> =
            view.root.find("c").unwrap().messages.iter().map(|m| (m.name.as_str(), m.outcome)).collect();
        assert_eq!(outcomes, [("Boom", Outcome::Panicked), ("Add", Outcome::Expired), ("Add", Outcome::Done)]);
    });
}

#[test]
fn the_last_256_messages_and_16_restarts_are_remembered() {
    paused(async |tree: Tree| {
        let group = tree.supervisor("g", Strategy::OneForOne, budget(100, 60));
        let clerk = group.start(ActorSpec::new("c"), clerk("c", &Diary::default()));
        for _ in 0..20 {
            assert_eq!(clerk.ask(Boom).await, Err(AskError::Lost));
        }
        for _ in 0..300 {
            clerk.ask(Add(1)).await.unwrap();
        }
        let view = tree.view();
        let node = view.root.find("c").unwrap();
        assert_eq!((node.messages.len(), node.restart_log.len(), node.restarts), (256, 16, 20));
        assert!(node.messages.iter().all(|message| message.outcome == Outcome::Done));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stalls_while_it_stops_is_gone_and_its_neighbour_lives_on() {
    let mut spec = TreeSpec::new("test", SystemClock::shared());
    spec.threads = 1;
    let tree = Tree::with(spec);
    let diary = Diary::default();
    let quirk = Quirk::BlocksInStop(Duration::from_millis(1_500));
    let stall = Duration::from_millis(300);
    let stuck = tree.root().start(ActorSpec::new("stuck").stall(stall), odd("stuck", quirk, &diary));
    let neighbour = tree.root().start(ActorSpec::new("neighbour"), odd("neighbour", Quirk::None, &diary));
    assert_eq!(neighbour.ask(Life).await, Ok(1));
    stuck.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(neighbour.ask(Life).await, Ok(2), "moved to another thread");
    assert!(tree.view().root.find("stuck").is_none());
    assert_eq!(stuck.ask(Life).await, Err(AskError::Stopped));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(tree.view().root.find("stuck").is_none());
    assert_eq!(diary.lines().iter().filter(|line| *line == "stuck started").count(), 1);
    assert!(tree.stop(PATIENCE).await.is_empty());
}
