//! The same on real threads: actors beside the runtime, stalls, and a tree that is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::kit::*;
use crate::*;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_askers_on_real_threads_get_every_answer_through_crashes() {
    let tree = Tree::new("test", SystemClock::shared());
    let group = tree.supervisor("g", Strategy::OneForOne, budget(1_000, 60));
    let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(5) };
    let spec = ActorSpec::new("clerk").mailbox(10_000).backoff(backoff);
    let clerk = group.start(spec, clerk("c", &Diary::default()));
    let askers = (0..8).map(|asker| {
        let clerk = clerk.clone();
        tokio::spawn(async move {
            for n in 0..200 {
                if asker == 0 && n % 20 == 0 {
                    assert_eq!(clerk.ask_within(Boom, PATIENCE).await, Err(AskError::Lost));
                } else if n % 10 == 0 {
                    // The answer may be cut off by a crash, but it never hangs.
                    let slow = clerk.ask_within(Slow(Duration::from_millis(1)), PATIENCE).await;
                    assert!(matches!(slow, Ok(_) | Err(AskError::Lost)), "{slow:?}");
                } else {
                    clerk.ask_within(Add(1), PATIENCE).await.unwrap();
                }
            }
        })
    });
    for asker in askers.collect::<Vec<_>>() {
        asker.await.unwrap();
    }
    assert_eq!(clerk.ask(Life).await, Ok(11));
    assert!(tree.stop(PATIENCE).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_actor_is_rebuilt_on_another_thread_and_its_neighbours_are_moved() {
    let mut spec = TreeSpec::new("test", SystemClock::shared());
    spec.threads = 1;
    let tree = Tree::with(spec);
    let group = tree.supervisor("g", Strategy::OneForOne, Budget::default());
    let stall = Duration::from_millis(300);
    let stuck = group.start(ActorSpec::new("stuck").stall(stall), clerk("stuck", &Diary::default()));
    let neighbour = group.start(ActorSpec::new("neighbour"), clerk("neighbour", &Diary::default()));
    assert_eq!(neighbour.ask(Life).await, Ok(1));
    let blocked = tokio::spawn({
        let stuck = stuck.clone();
        async move { stuck.ask(Block(Duration::from_secs(3))).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = std::time::Instant::now();
    assert_eq!(neighbour.ask(Life).await, Ok(2));
    assert_eq!(stuck.ask(Life).await, Ok(2));
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    let view = tree.observe().await;
    assert!(view.root.find("stuck").unwrap().restart_log[0].reason.contains("stalled"));
    assert!(view.root.find("neighbour").unwrap().restart_log[0].reason.contains("test/g/stuck"));
    // The stuck handler did end in the end, and said so; nothing comes of its actor any more.
    assert_eq!(blocked.await.unwrap(), Ok(()));
    assert_eq!(stuck.ask(Life).await, Ok(2));
    assert!(tree.stop(PATIENCE).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_run_on_the_runtime_and_not_on_the_actors_thread() {
    let tree = Tree::new("test", SystemClock::shared());
    let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
    let slow = futures::future::join_all((0..50).map(|_| clerk.ask(Slow(Duration::from_millis(200)))));
    let before = std::time::Instant::now();
    let (slow, quick) = tokio::join!(slow, clerk.ask(Add(1)));
    assert!(slow.iter().all(Result::is_ok));
    assert_eq!(quick, Ok(1));
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_tree_drops_its_actors() {
    struct Canary(Arc<AtomicBool>);
    impl Drop for Canary {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    impl Actor for Canary {
        const ROLE: &'static str = "canary";
        type State = ();
        fn observe(&self) {}
    }
    impl Handle<Add> for Canary {
        fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> Answer<u64> {
            Answer::now(n)
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let tree = Tree::new("test", SystemClock::shared());
    let canary = tree.root().start(ActorSpec::new("canary"), {
        let dropped = dropped.clone();
        move || Canary(dropped.clone())
    });
    assert_eq!(canary.ask(Add(3)).await, Ok(3));
    let root = tree.root();
    drop(tree);
    for _ in 0..500 {
        if dropped.load(Ordering::SeqCst) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(canary.ask(Add(3)).await, Err(AskError::Stopped));
    let late = root.start(ActorSpec::new("late"), clerk("late", &Diary::default()));
    assert_eq!(late.tell(Tick), Err(TellError::Stopped));
}
