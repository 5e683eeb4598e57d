//! What breaks is rebuilt: behind the same address, with back-off, within a budget.

use std::time::Duration;

use super::kit::*;
use crate::view::Outcome;
use crate::*;

const LONG: Duration = Duration::from_secs(100);

#[test]
fn a_panic_loses_the_message_and_rebuilds_the_actor_behind_the_same_address() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        assert_eq!(clerk.ask(Add(5)).await, Ok(5));
        assert_eq!(clerk.ask(Boom).await, Err(AskError::Lost));
        assert_eq!(clerk.ask(Add(1)).await, Ok(1), "the half-changed state is gone");
        assert_eq!(clerk.ask(Life).await, Ok(2));
        let view = tree.view();
        let node = view.root.find("clerk").unwrap();
        assert_eq!(node.restarts, 1);
        assert!(node.restart_log[0].reason.contains("panicked in Boom"), "{:?}", node.restart_log);
        assert!(node.restart_log[0].reason.contains("boom of c"));
        assert_eq!(node.messages[1].outcome, Outcome::Panicked);
        assert_eq!(node.mailbox.as_ref().unwrap().failed, 1);
    });
}

#[test]
fn a_declared_failure_is_answered_and_then_rebuilds() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        assert_eq!(clerk.ask(Fail).await, Ok(()));
        assert_eq!(clerk.ask(Life).await, Ok(2));
        let log = tree.view().root.find("clerk").unwrap().restart_log.clone();
        assert_eq!(log[0].reason, "failed: the disk is gone");
    });
}

#[test]
fn queued_messages_wait_for_the_next_life_in_order() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        clerk.tell(Boom).unwrap();
        let asks = futures::future::join_all((1..=20).map(|n| clerk.ask(Add(n)))).await;
        let sums: Vec<u64> = (1..=20).map(|n| n * (n + 1) / 2).collect();
        assert_eq!(asks.into_iter().map(Result::unwrap).collect::<Vec<_>>(), sums);
        assert_eq!(clerk.ask(Life).await, Ok(2));
    });
}

#[test]
fn backoff_doubles_while_it_breaks_in_a_row() {
    paused(async |tree: Tree| {
        let group = tree.supervisor("g", Strategy::OneForOne, budget(100, 3_600));
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(5) };
        let clerk = group.start(ActorSpec::new("clerk").backoff(backoff), clerk("c", &Diary::default()));
        let mut waits = Vec::new();
        for _ in 0..5 {
            let before = tokio::time::Instant::now();
            assert_eq!(clerk.ask(Boom).await, Err(AskError::Lost));
            clerk.ask(Life).await.unwrap();
            waits.push(before.elapsed().as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 5, 5]);
    });
}

#[test]
fn over_budget_the_group_is_rebuilt_and_over_the_roots_budget_the_tree_fails() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let group = tree.supervisor("g", Strategy::OneForOne, budget(2, 600));
        let clerk_of = |name| group.start(ActorSpec::new(name), clerk(name, &diary));
        let (bad, good) = (clerk_of("bad"), clerk_of("good"));
        let failed = tree.failed();
        for _ in 0..2 {
            assert_eq!(bad.ask(Boom).await, Err(AskError::Lost));
        }
        assert_eq!(good.ask(Life).await, Ok(1));
        assert_eq!(bad.ask(Boom).await, Err(AskError::Lost), "the third: the group goes");
        assert_eq!(good.ask(Life).await, Ok(2), "the whole group was rebuilt");
        assert_eq!(bad.ask(Life).await, Ok(4));
        let view = tree.view();
        assert!(view.root.find("g").unwrap().restart_log[0].reason.contains("over its budget of 2 restarts"));
        // The root allows ten.
        let mut booms = 0;
        let failure = loop {
            match bad.ask(Boom).await {
                Err(AskError::Lost) => booms += 1,
                Err(AskError::Stopped) => break failed.await,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(booms, 3 * 10, "ten groups of three, the first of which was counted above");
        assert!(failure.reason.contains("test is over its budget of 10"), "{failure}");
        assert!(failure.reason.contains("boom of bad"), "{failure}");
        assert_eq!(good.tell(Tick), Err(TellError::Stopped));
        assert_eq!(tree.view().root.status, Status::Failed);
        assert!(tree.view().failure.is_some());
    });
}

#[test]
fn the_budget_is_per_time() {
    paused(async |tree: Tree| {
        let group = tree.supervisor("g", Strategy::OneForOne, budget(1, 10));
        let clerk = group.start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        for _ in 0..30 {
            assert_eq!(clerk.ask(Boom).await, Err(AskError::Lost));
            tokio::time::sleep(Duration::from_secs(11)).await;
        }
        assert_eq!(tree.view().root.find("g").unwrap().restarts, 0);
        assert_eq!(clerk.ask(Life).await, Ok(31));
    });
}

#[test]
fn strategies_choose_who_is_rebuilt_too() {
    paused(async |tree: Tree| {
        for (strategy, lives) in
            [(Strategy::OneForOne, [1, 2, 1]), (Strategy::OneForAll, [2, 2, 2]), (Strategy::RestForOne, [1, 2, 2])]
        {
            let group = tree.supervisor(format!("{strategy:?}"), strategy, Budget::default());
            let clerks = ["a", "b", "c"].map(|name| group.start(ActorSpec::new(name), clerk(name, &Diary::default())));
            for clerk in &clerks {
                clerk.ask(Life).await.unwrap();
            }
            assert_eq!(clerks[1].ask(Boom).await, Err(AskError::Lost));
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut seen = Vec::new();
            for clerk in &clerks {
                seen.push(clerk.ask(Life).await.unwrap());
            }
            assert_eq!(seen, lives, "{strategy:?}");
        }
    });
}

#[test]
fn a_crash_cuts_off_answers_effects_and_timers_of_that_life() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &diary));
        clerk.ask(TickEvery(Duration::from_secs(1))).await.unwrap();
        clerk.ask(Effect).await.unwrap();
        let slow = tokio::spawn({
            let clerk = clerk.clone();
            async move { clerk.ask_within(Slow(Duration::from_secs(20)), LONG).await }
        });
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(clerk.ask(Boom).await, Err(AskError::Lost));
        assert_eq!(slow.await.unwrap(), Err(AskError::Lost));
        tokio::time::sleep(LONG).await;
        assert_eq!(diary.lines(), ["c started 1", "tick in life 1", "tick in life 1", "c started 2"]);
    });
}

#[test]
fn a_panic_in_an_answer_hurts_only_its_asker() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        assert_eq!(clerk.ask(LaterBoom).await, Err(AskError::Lost));
        assert_eq!(clerk.ask(Life).await, Ok(1));
        assert_eq!(tree.view().root.find("clerk").unwrap().messages[0].outcome, Outcome::Panicked);
    });
}

#[test]
fn a_panic_in_an_effect_rebuilds_the_actor() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        clerk.ask(EffectBoom).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(clerk.ask(Life).await, Ok(2));
        let log = tree.view().root.find("clerk").unwrap().restart_log.clone();
        assert_eq!(log[0].reason, "an effect panicked: effect boom");
    });
}

#[test]
fn a_factory_that_panics_is_tried_again() {
    paused(async |tree: Tree| {
        let make = clerk("c", &Diary::default());
        let clerk = tree.root().start(ActorSpec::new("clerk"), move || {
            let mut clerk = make();
            assert!(clerk.life > 3, "not yet");
            clerk.life += 0;
            clerk
        });
        assert_eq!(clerk.ask(Life).await, Ok(4));
        let log = tree.view().root.find("clerk").unwrap().restart_log.clone();
        assert_eq!(log.len(), 3);
        assert_eq!(log[0].reason, "its factory panicked: not yet");
    });
}
