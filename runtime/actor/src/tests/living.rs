//! The ordinary life: full mailboxes, deadlines, timers, traces, observation, orderly stops.

use std::time::Duration;

use super::kit::*;
use crate::view::Outcome;
use crate::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_full_mailbox_refuses_and_recovers() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk").mailbox(3), clerk("c", &Diary::default()));
        for _ in 0..3 {
            assert_eq!(clerk.tell(Add(1)), Ok(()));
        }
        assert_eq!(clerk.tell(Add(1)), Err(TellError::Full));
        assert_eq!(clerk.ask(Add(1)).await, Err(AskError::Full));
        tokio::time::sleep(SECOND).await;
        assert_eq!(clerk.ask(Add(1)).await, Ok(4));
        let view = tree.view();
        let mailbox = view.root.find("clerk").unwrap().mailbox.clone().unwrap();
        assert_eq!((mailbox.depth, mailbox.peak, mailbox.capacity), (0, 3, 3));
        assert_eq!((mailbox.enqueued, mailbox.handled, mailbox.refused), (4, 4, 2));
    });
}

#[test]
fn an_ask_ends_at_its_deadline_and_a_message_nobody_waits_for_is_not_handled() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        let before = tokio::time::Instant::now();
        assert_eq!(clerk.ask_within(Slow(60 * SECOND), 2 * SECOND).await, Err(AskError::Deadline));
        assert_eq!(before.elapsed(), 2 * SECOND);
        // The actor is down and waits; meanwhile the asker gives up.
        clerk.ask(Boom).await.unwrap_err();
        let asked = clerk.ask_within(Add(7), Duration::from_millis(10)).await;
        assert_eq!(asked, Err(AskError::Deadline));
        assert_eq!(clerk.ask(Add(1)).await, Ok(1));
        let view = tree.view();
        let node = view.root.find("clerk").unwrap();
        assert_eq!(node.mailbox.as_ref().unwrap().expired, 1);
        assert!(node.messages.iter().any(|m| m.name == "Add" && m.outcome == Outcome::Expired));
    });
}

#[test]
fn an_answer_that_only_its_asker_needs_ends_with_the_asker() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &diary));
        assert_eq!(clerk.ask_within(Wanted(5 * SECOND), SECOND).await, Err(AskError::Deadline));
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(diary.lines(), ["c started 1"]);
        assert_eq!(clerk.ask(Wanted(5 * SECOND)).await, Ok(()));
        assert_eq!(diary.lines(), ["c started 1", "wanted to the end"]);
    });
}

#[test]
fn timers_tick_and_a_tick_that_waits_is_not_doubled() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &diary));
        clerk.ask(TickAfter(3 * SECOND)).await.unwrap();
        clerk.ask(Life).await.unwrap();
        assert_eq!(diary.lines().len(), 2, "notify came, the others wait");
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(diary.lines().len(), 3, "the cancelled one never comes");
        clerk.ask(TickEvery(SECOND)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(4_500)).await;
        assert_eq!(diary.lines().len(), 7);
    });
}

#[test]
fn an_effect_reports_as_a_message() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &diary));
        clerk.ask(Effect).await.unwrap();
        tokio::time::sleep(6 * SECOND).await;
        assert_eq!(diary.lines(), ["c started 1", "tick in life 1"]);
    });
}

#[test]
fn the_trace_of_the_asker_reaches_handler_answer_and_list() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        let id = TraceId::new();
        let (handler, answer) = trace::scope(id, clerk.ask(WhoseTrace)).await.unwrap();
        assert_eq!(handler.trace, id);
        assert_eq!(handler, answer);
        assert!(!handler.span.is_none());
        assert_eq!(tree.view().root.find("clerk").unwrap().messages[0].trace, id);
        let without = clerk.ask(WhoseTrace).await.unwrap();
        assert_ne!(without.0.trace, id);
        assert_eq!(without.0, without.1);
    });
}

#[test]
fn recipients_forget_the_actor_but_reach_it() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        let add: Recipient<Add> = clerk.recipient();
        assert_eq!(add.ask(Add(2)).await, Ok(2));
        add.tell(Add(2)).unwrap();
        assert_eq!(add.clone().ask_within(Add(2), SECOND).await, Ok(6));
        assert_eq!(format!("{add:?}"), "Recipient<Add>(test/clerk)");
        clerk.stop();
        assert_eq!(add.ask(Add(2)).await, Err(AskError::Stopped));
    });
}

#[test]
fn an_actor_that_stops_itself_leaves_the_tree_and_refuses_what_waits() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &diary));
        let (quit, late) = tokio::join!(clerk.ask(Quit), clerk.ask(Add(1)));
        assert_eq!((quit, late), (Ok(()), Err(AskError::Stopped)));
        tokio::time::sleep(SECOND).await;
        assert!(tree.view().root.find("clerk").is_none());
        assert!(clerk.is_stopped());
        assert_eq!(diary.lines(), ["c started 1", "c stopping"]);
    });
}

#[test]
fn a_stop_goes_in_reverse_order_and_lets_answers_end() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let group = tree.supervisor("g", Strategy::OneForOne, Budget::default());
        let a = group.start(ActorSpec::new("a"), clerk("a", &diary));
        let inner = group.supervisor("inner", Strategy::OneForAll, Budget::default());
        let b = inner.start(ActorSpec::new("b"), clerk("b", &diary));
        let c = group.start(ActorSpec::new("c"), clerk("c", &diary));
        let slow = tokio::spawn({
            let b = b.clone();
            async move { b.ask(Slow(5 * SECOND)).await }
        });
        for clerk in [&a, &b, &c] {
            clerk.ask(Life).await.unwrap();
        }
        assert_eq!(tree.stop(60 * SECOND).await, Vec::<String>::new());
        assert_eq!(slow.await.unwrap(), Ok(1));
        let lines = diary.lines();
        assert_eq!(lines[3..], ["c stopping", "b stopping", "a stopping"]);
        assert_eq!(a.ask(Life).await, Err(AskError::Stopped));
        let late = group.start(ActorSpec::new("late"), clerk("late", &diary));
        assert_eq!(late.ask(Life).await, Err(AskError::Stopped));
        assert_eq!(diary.lines().len(), lines.len());
        let view = tree.view();
        view.root.visit(&mut |node| assert_eq!(node.status, Status::Stopped, "{}", node.path));
    });
}

#[test]
fn a_stop_cuts_off_at_the_deadline() {
    paused(async |tree: Tree| {
        let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
        let slow = tokio::spawn({
            let clerk = clerk.clone();
            async move { clerk.ask_within(WaitForGate, 600 * SECOND).await }
        });
        clerk.ask(Life).await.unwrap();
        let before = tokio::time::Instant::now();
        assert_eq!(tree.stop(2 * SECOND).await, ["test/clerk"]);
        assert!(before.elapsed() < 3 * SECOND);
        assert_eq!(slow.await.unwrap(), Err(AskError::Lost));
    });
}

#[test]
fn a_group_can_be_stopped_and_started_anew_while_the_rest_lives() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let other = tree.root().start(ActorSpec::new("other"), clerk("other", &diary));
        for round in 0..3 {
            let group = tree.supervisor("leader", Strategy::OneForOne, Budget::default());
            let clerk = group.start(ActorSpec::new("clerk"), clerk("c", &diary));
            assert_eq!(clerk.ask(Life).await, Ok(1), "round {round}");
            // Also in the middle of a back-off.
            clerk.ask(Boom).await.unwrap_err();
            assert!(group.stop(SECOND).await.is_empty());
            assert_eq!(clerk.ask(Life).await, Err(AskError::Stopped));
            assert!(tree.view().root.find("leader").is_none());
        }
        assert_eq!(other.ask(Life).await, Ok(1));
    });
}

#[test]
fn the_tree_is_observed_as_json() {
    paused(async |tree: Tree| {
        let group = tree.supervisor("meta", Strategy::OneForOne, Budget::default());
        let clerk = group.start(ActorSpec::new("clerk").mailbox(7), clerk("c", &Diary::default()));
        clerk.ask(Add(41)).await.unwrap();
        clerk.tell(Add(1)).unwrap();
        let json = serde_json::to_value(tree.observe().await).unwrap();
        assert_eq!(json["name"], "test");
        let node = &json["root"]["children"][0]["children"][0];
        assert_eq!(node["path"], "test/meta/clerk");
        assert_eq!(node["role"], "clerk");
        assert_eq!(node["status"], "running");
        assert_eq!(node["mailbox"]["capacity"], 7);
        assert_eq!(node["state"]["life"], 1);
        assert!(node["state"]["count"].as_u64().unwrap() >= 41);
        assert_eq!(node["state_at_unix_ms"], 1_000_000);
        assert_eq!(node["messages"][0]["name"], "Add");
        assert_eq!(node["messages"][0]["outcome"], "done");
        let back: TreeView = serde_json::from_value(json).unwrap();
        assert_eq!(back.root.find("clerk").unwrap().kind, view::NodeKind::Actor);
    });
}

#[test]
fn the_wish_to_stop_survives_a_crash_and_a_back_off() {
    paused(async |tree: Tree| {
        let diary = Diary::default();
        let unborn = tree.root().start(ActorSpec::new("unborn"), clerk("unborn", &diary));
        unborn.stop();
        let crashing = tree.root().start(ActorSpec::new("crashing"), clerk("crashing", &diary));
        crashing.ask(Boom).await.unwrap_err();
        crashing.stop();
        tokio::time::sleep(60 * SECOND).await;
        assert!(tree.view().root.children.is_empty(), "{:?}", tree.view());
        assert_eq!(crashing.ask(Life).await, Err(AskError::Stopped));
        assert_eq!(diary.lines().iter().filter(|line| line.ends_with("stopping")).count(), 2);
    });
}
