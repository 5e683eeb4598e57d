//! Asks, answers and faults.

use std::sync::atomic::Ordering;
use std::time::Duration;

use runtime_actor::{AskError, SpanId, TraceContext, TraceId, trace};

use super::kit::*;
use crate::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ask_is_answered_and_the_trace_goes_along() {
    let node = Node::open().await;
    let peer = node.peer();
    assert_eq!(peer.ask("worker", Double(21), PATIENCE).await, Ok(42));
    let cause = TraceContext { trace: TraceId::new(), span: SpanId::new() };
    assert_eq!(trace::scope(cause, peer.ask("worker", Trace(()), PATIENCE)).await, Ok(cause.trace));
    let spans = node.tree.spans(&trace::SpanFilter::of_trace(cause.trace));
    assert_eq!((spans.len(), spans[0].parent, spans[0].name.as_str()), (1, Some(cause.span), "Trace"));
    assert_eq!(peer.identity(PATIENCE).await.unwrap(), Identity { token: String::new(), ..me("server", "") });
    let recipient = peer.mailbox::<Double>("worker").recipient();
    assert_eq!(recipient.ask(Double(1)).await, Ok(2));
    recipient.tell(Double(2)).unwrap();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_off_over_there_hangs_below_the_span_here() {
    use runtime_actor::trace::{Recorder, SpanFilter};
    let node = Node::open().await;
    let (peer, recorder) = (node.peer(), Recorder::new("caller", runtime_actor::SystemClock::shared()));
    let statement = recorder.open("statement", "SELECT");
    let trace = statement.context().trace;
    let told = statement.run(async {
        assert_eq!(peer.ask("worker", Double(1), PATIENCE).await, Ok(2));
        peer.ask("nowhere", Double(1), PATIENCE).await.unwrap_err();
        peer.mailbox::<Sleep>("worker").recipient().tell(Sleep(0))
    });
    told.await.unwrap();
    until(|| recorder.recorded() == 3).await;
    let of_trace = SpanFilter::of_trace(trace);
    let (here, there) = (recorder.spans(&of_trace), node.tree.spans(&of_trace));
    let remote = |name: &str, place: &str| {
        let place = format!("{}/{place}", node.address);
        here.iter().find(|span| span.kind == "remote" && span.name == name && span.actor == place).unwrap()
    };
    for name in ["Double", "Sleep"] {
        let span = remote(name, "worker");
        assert_eq!(span.parent, Some(statement.context().span));
        let below = there.iter().find(|span| span.name == name).unwrap();
        assert_eq!(below.parent, Some(span.span));
    }
    let failed = remote("Double", "nowhere");
    assert!(
        failed.outcome.is_failure()
            && failed.labels.iter().any(|(key, text)| key == "error" && text.contains("nowhere"))
    );
    assert_eq!(there.len(), 2);
    statement.finish();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_come_back_typed() {
    let mut narrow = options();
    narrow.frame_limit = 1 << 20;
    let node = Node::start("127.0.0.1:0", open_gate(), narrow).await;
    let peer = node.peer();
    let hidden = peer.ask("worker", Hidden(()), PATIENCE).await.unwrap_err();
    assert!(matches!(&hidden, RpcError::NoSuchMailbox { message, .. } if message == "Hidden"), "{hidden}");
    let nowhere = peer.ask("nowhere", Double(1), PATIENCE).await.unwrap_err();
    assert!(matches!(&nowhere, RpcError::NoSuchMailbox { mailbox, .. } if mailbox == "nowhere"));
    assert!(nowhere.not_handled());
    let boom = peer.ask("worker", Boom(()), PATIENCE).await.unwrap_err();
    assert!(matches!(boom, RpcError::Lost { .. }), "{boom}");
    assert_eq!(AskError::from(boom), AskError::Lost);
    let big = peer.ask("worker", Bytes(vec![0; 2 << 20]), PATIENCE).await.unwrap_err();
    assert!(matches!(big, RpcError::TooLarge { .. }), "{big}");
    let blown = peer.ask("worker", Blow(2 << 20), PATIENCE).await.unwrap_err();
    assert!(matches!(blown, RpcError::TooLarge { .. }), "{blown}");
    assert_eq!(peer.ask("worker", Bytes(vec![0; 1_000_000]), PATIENCE).await, Ok(1_000_000));
    node.worker.stop();
    let stopped = peer.ask("worker", Double(1), PATIENCE).await.unwrap_err();
    assert!(matches!(stopped, RpcError::Stopped { .. }), "{stopped}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_ask_here_and_the_work_there() {
    let node = Node::open().await;
    let peer = node.peer();
    let late = peer.ask("worker", Sleep(500), Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(late, RpcError::Deadline { .. }), "{late}");
    // Also when the asker just walks away.
    let asked = tokio::spawn({
        let peer = peer.clone();
        async move { peer.ask("worker", Sleep(500), PATIENCE).await }
    });
    until(|| node.began.load(Ordering::SeqCst) == 2).await;
    asked.abort();
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(node.slept.load(Ordering::SeqCst), 0);
    assert_eq!(peer.ask("worker", Sleep(1), PATIENCE).await, Ok(Ok(1)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_asks_share_one_connection_and_the_slow_do_not_hold_up_the_quick() {
    let node = Node::open().await;
    let peer = node.peer();
    let slow = tokio::spawn({
        let peer = peer.clone();
        async move { peer.ask("worker", Sleep(1_500), PATIENCE).await }
    });
    let asks = (0..1_000_u64).map(|n| {
        let peer = peer.clone();
        tokio::spawn(async move { peer.ask("worker", Double(n), PATIENCE).await })
    });
    for (n, ask) in asks.collect::<Vec<_>>().into_iter().enumerate() {
        let doubled = ask.await.unwrap();
        // More than the server works on at once are turned away, and say so.
        let full = matches!(&doubled, Err(RpcError::Full { .. }));
        assert!(full || doubled == Ok(2 * n as u64), "{doubled:?}");
    }
    assert!(!slow.is_finished());
    assert_eq!(slow.await.unwrap(), Ok(Ok(1_500)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_asks_in_flight_are_refused() {
    let mut few = options();
    few.max_in_flight = 3;
    let recorder = runtime_actor::Recorder::new("server", runtime_actor::SystemClock::shared());
    few.recorder = Some(recorder.clone());
    let node = Node::start("127.0.0.1:0", open_gate(), few).await;
    let peer = node.peer();
    let asks = futures::future::join_all((0..5).map(|_| peer.ask("worker", Sleep(300), PATIENCE))).await;
    assert_eq!(asks.iter().filter(|ask| ask.is_ok()).count(), 3);
    assert_eq!(asks.iter().filter(|ask| matches!(ask, Err(RpcError::Full { .. }))).count(), 2);
    let spans = recorder.spans(&runtime_actor::trace::SpanFilter::default());
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert!(spans.iter().all(|span| span.outcome == runtime_actor::view::Outcome::Refused
        && (span.actor.as_str(), span.name.as_str()) == ("worker", "Sleep")));
    assert_eq!(peer.ask("worker", Double(1), PATIENCE).await, Ok(2));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_finds_a_restarted_server_again() {
    let node = Node::open().await;
    let (peer, address) = (node.peer(), node.address.clone());
    assert_eq!(peer.ask("worker", Double(1), PATIENCE).await, Ok(2));
    // Killed, not stopped: what is in flight is lost, and says so.
    let mut quick = options();
    quick.grace = Duration::ZERO;
    node.stop().await;
    let gone = peer.ask("worker", Double(1), PATIENCE).await.unwrap_err();
    assert!(matches!(&gone, RpcError::Unreachable { .. } | RpcError::Lost { .. }), "{gone}");
    let node = Node::start(&address, open_gate(), quick).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(peer.ask("worker", Double(2), PATIENCE).await, Ok(4));
    let asked = tokio::spawn({
        let peer = peer.clone();
        async move { peer.ask("worker", Sleep(5_000), PATIENCE).await }
    });
    until(|| node.began.load(Ordering::SeqCst) == 1).await;
    node.stop().await;
    let lost = asked.await.unwrap().unwrap_err();
    assert!(matches!(&lost, RpcError::Lost { .. }), "{lost}");
    assert!(!lost.not_handled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_lets_asks_end() {
    let node = Node::open().await;
    let peer = node.peer();
    let asked = tokio::spawn(async move { peer.ask("worker", Sleep(300), PATIENCE).await });
    until(|| node.began.load(Ordering::SeqCst) == 1).await;
    node.stop().await;
    assert_eq!(asked.await.unwrap(), Ok(Ok(300)));
}

#[tokio::test]
async fn nobody_there_fails_fast_and_does_not_dial_in_a_storm() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let peer = Peer::connect(address.clone(), me("caller", "hush"));
    let before = std::time::Instant::now();
    for _ in 0..100 {
        let gone = peer.ask("worker", Double(1), PATIENCE).await.unwrap_err();
        assert!(matches!(&gone, RpcError::Unreachable { address: a, .. } if *a == address), "{gone}");
        assert!(matches!(AskError::from(gone), AskError::Unreachable(_)));
    }
    assert!(before.elapsed() < Duration::from_secs(2));
    let unknown = Peer::connect("no.such.host.invalid:1", me("caller", "hush"));
    let gone = unknown.ask("worker", Double(1), PATIENCE).await.unwrap_err();
    assert!(matches!(gone, RpcError::Unreachable { .. }), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_one_per_address() {
    let node = Node::open().await;
    let peers = Peers::new(std::sync::Arc::new(|| me("caller", "hush")), options());
    assert_eq!(peers.to(&node.address).ask("worker", Double(4), PATIENCE).await, Ok(8));
    peers.disconnect_all();
    assert_eq!(peers.to(&node.address).ask("worker", Double(5), PATIENCE).await, Ok(10));
    peers.forget(&node.address);
    assert_eq!(peers.to(&node.address).ask("worker", Double(6), PATIENCE).await, Ok(12));
    node.stop().await;
}
