//! Connections that break, stall and come back; on a clock that stands still, so that every time is exact.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runtime_actor::AskError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::hand::Hand;
use super::kit::{Blow, Bytes, Double, PATIENCE, Sleep, me};
use super::pipes::Net;
use crate::stream::split;
use crate::wire::{Head, encode};
use crate::*;

/// Counts itself while it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_is_dialed_ever_more_rarely_and_found_when_it_is_back() {
    let options = RpcOptions::default();
    let net = Net::new(options.clone(), 1 << 16);
    net.answer(|Double(n)| async move { Ok(n * 2) });
    net.is_down.store(true, Ordering::SeqCst);
    let (peer, began) = (net.peer(options.clone()), Instant::now());
    while began.elapsed() < Duration::from_secs(20) {
        let gone = peer.ask("worker", Double(1), PATIENCE).await.unwrap_err();
        assert!(matches!(&gone, RpcError::Unreachable { .. }) && gone.not_handled(), "{gone}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let dials = std::mem::take(&mut *net.dials.lock().unwrap());
    let pauses: Vec<u128> = dials.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(pauses[..7], [50, 100, 200, 400, 800, 1600, 2000]);
    assert!(pauses[7..].iter().all(|pause| *pause == 2000), "{pauses:?}");
    net.is_down.store(false, Ordering::SeqCst);
    tokio::time::sleep(options.backoff_most).await;
    assert_eq!(peer.ask("worker", Double(1), PATIENCE).await, Ok(2));
    // All is forgiven: the next time it breaks it is dialed at once.
    net.cut();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(peer.ask("worker", Double(2), PATIENCE).await, Ok(4));
    assert_eq!(net.dials.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_ends_at_the_deadline_at_both_ends() {
    let net = Net::new(RpcOptions::default(), 1 << 16);
    let (working, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Duration::ZERO)));
    let (counted, told) = (working.clone(), left.clone());
    net.registry.expose_with("worker", move |_, Sleep(_), deadline| {
        let counted = Counted::new(&counted);
        *told.lock().unwrap() = deadline;
        async move {
            let _counted = counted;
            std::future::pending::<Result<_, AskError>>().await
        }
    });
    let (peer, began) = (net.peer(RpcOptions::default()), Instant::now());
    let late = peer.ask("worker", Sleep(0), Duration::from_millis(700)).await.unwrap_err();
    assert!(matches!(&late, RpcError::Deadline { .. }) && !late.not_handled(), "{late}");
    assert_eq!(began.elapsed(), Duration::from_millis(700));
    assert_eq!(*left.lock().unwrap(), Duration::from_millis(700));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(working.load(Ordering::SeqCst), 0);
    // An asker that walks away ends the work too.
    let asked = tokio::spawn({
        let peer = peer.clone();
        async move { peer.ask("worker", Sleep(0), PATIENCE).await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(working.load(Ordering::SeqCst), 1);
    asked.abort();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(working.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn asks_in_flight_on_a_connection_that_dies_each_fail_once() {
    let net = Net::new(RpcOptions { max_in_flight: 10_000, ..RpcOptions::default() }, 1 << 16);
    net.answer(|Sleep(ms)| async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(Ok(ms))
    });
    let peer = net.peer(RpcOptions::default());
    let answers = Arc::new(AtomicUsize::new(0));
    // Two in three are answered before it dies.
    let asks = (0..3_000).map(|n| {
        let (peer, answers) = (peer.clone(), answers.clone());
        tokio::spawn(async move {
            let answer = peer.ask("worker", Sleep(if n % 3 == 0 { 5_000 } else { 10 }), PATIENCE).await;
            answers.fetch_add(1, Ordering::SeqCst);
            answer
        })
    });
    let asks: Vec<_> = asks.collect();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(answers.load(Ordering::SeqCst), 2_000);
    net.cut();
    for (n, ask) in asks.into_iter().enumerate() {
        match ask.await.unwrap() {
            Ok(answer) => assert!(n % 3 != 0 && answer == Ok(10), "{n} {answer:?}"),
            Err(lost) => {
                assert!(n % 3 == 0 && matches!(&lost, RpcError::Lost { .. }) && !lost.not_handled(), "{n} {lost}");
                assert_eq!(AskError::from(lost), AskError::Lost);
            }
        }
    }
    assert_eq!(answers.load(Ordering::SeqCst), 3_000);
    assert_eq!(net.dials.lock().unwrap().len(), 1);
    assert_eq!(peer.ask("worker", Sleep(1), PATIENCE).await, Ok(Ok(1)));
    assert_eq!(net.dials.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_frame_cut_in_the_middle_is_no_frame() {
    // The answer: a server by hand lets the caller in and sends all of an answer but its last byte.
    let connector: crate::stream::Connector = Arc::new(|_| {
        let (near, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let mut hand = Hand::of_server(far).await;
            let id = loop {
                // Pings come too.
                if let Head::Ask { id, .. } = hand.reader.must().await.unwrap().head {
                    break id;
                }
            };
            let answer = encode(&Head::Answer { id, fault: None }, &codec::encode(&2_u64).unwrap(), 1 << 16).unwrap();
            hand.writer.write_all(&answer[..answer.len() - 1]).await.unwrap();
        });
        Box::pin(std::future::ready(Ok(split(near))))
    });
    let peer = Peer::over("net:1", Arc::new(|| me("caller", "hush")), RpcOptions::default(), connector);
    let lost = peer.ask("worker", Double(1), PATIENCE).await.unwrap_err();
    assert!(matches!(&lost, RpcError::Lost { cause, .. } if cause.contains("inside a frame")), "{lost}");
    // The ask: what is not all there is not handled, and what is in flight ends.
    let net = Net::new(RpcOptions::default(), 1 << 16);
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = handled.clone();
    net.answer(move |Double(n)| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok(n) }
    });
    let mut hand = Hand::of_caller(net.open(), "hush").await;
    let ask = hand.ask_frame(1, "Double", &codec::encode(&Double(1)).unwrap());
    hand.writer.write_all(&ask[..ask.len() - 1]).await.unwrap();
    drop(hand);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((handled.load(Ordering::SeqCst), net.served.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_fetches_nothing_costs_little_and_gets_all_in_the_end() {
    const SIZE: usize = 64 << 10;
    let options = RpcOptions { outbox_bytes: 4 * SIZE, max_in_flight: 8, ..RpcOptions::default() };
    let net = Net::new(options, 4 << 10);
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    net.answer(move |Blow(size)| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok(vec![1; size]) }
    });
    let hand = Hand::of_caller(net.open(), "hush").await;
    let asks: Vec<u8> =
        (0..500).flat_map(|id| hand.ask_frame(id, "Blow", &codec::encode(&Blow(SIZE)).unwrap()).to_vec()).collect();
    let Hand { mut reader, mut writer, .. } = hand;
    let sending = tokio::spawn(async move {
        writer.write_all(&asks).await.unwrap();
        writer
    });
    // It takes none; the server goes no further than it may.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!sending.is_finished());
    // Those in flight, those in the outbox, and the one that is being written.
    assert!(begun.load(Ordering::SeqCst) <= 8 + 4 + 1, "{}", begun.load(Ordering::SeqCst));
    // And then it does. What was turned away was told so.
    let (mut answered, mut full) = (0, 0);
    while answered + full < 500 {
        let frame = reader.must().await.unwrap();
        match frame.head {
            Head::Answer { fault: None, .. } => answered += 1,
            Head::Answer { fault: Some(Fault::Full), .. } => full += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(answered >= 13 && answered == begun.load(Ordering::SeqCst), "{answered} {full}");
    drop(sending.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_fetches_nothing_is_given_up_and_holds_up_no_stop() {
    let net = Net::new(RpcOptions { outbox_bytes: 1 << 10, ..RpcOptions::default() }, 1 << 10);
    net.answer(|Blow(size)| async move { Ok(vec![1; size]) });
    let mut hand = Hand::of_caller(net.open(), "hush").await;
    let ask = hand.ask_frame(1, "Blow", &codec::encode(&Blow(1 << 20)).unwrap());
    hand.writer.write_all(&ask).await.unwrap();
    tokio::time::sleep(RpcOptions::default().dead_after / 2).await;
    assert_eq!(net.served.load(Ordering::SeqCst), 1);
    tokio::time::sleep(RpcOptions::default().dead_after).await;
    assert_eq!(net.served.load(Ordering::SeqCst), 0);
    // Nor does one that is not given up yet.
    let mut hand = Hand::of_caller(net.open(), "hush").await;
    hand.writer.write_all(&ask).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    net.shared.shutdown.cancel();
    tokio::time::sleep(RpcOptions::default().grace + Duration::from_secs(2)).await;
    assert_eq!(net.served.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_costs_the_caller_little() {
    let options = RpcOptions { outbox_bytes: 128 << 10, ..RpcOptions::default() };
    let held = Arc::new(Mutex::new(Vec::new()));
    let hands = held.clone();
    let connector: crate::stream::Connector = Arc::new(move |_| {
        let (near, far) = tokio::io::duplex(4 << 10);
        let hands = hands.clone();
        tokio::spawn(async move {
            let hand = Hand::of_server(far).await;
            hands.lock().unwrap().push(hand);
        });
        Box::pin(std::future::ready(Ok(split(near))))
    });
    let peer = Peer::over("net:1", Arc::new(|| me("caller", "hush")), options, connector);
    let asks = (0..50).map(|_| peer.ask("worker", Bytes(vec![0; 64 << 10]), Duration::from_secs(2)));
    for late in futures::future::join_all(asks).await {
        assert!(matches!(late, Err(RpcError::Deadline { .. })), "{late:?}");
    }
    // No sign of life: the connection is given up, and the next ask makes another.
    tokio::time::sleep(RpcOptions::default().dead_after * 2).await;
    let _ = peer.ask("worker", Double(1), Duration::from_secs(1)).await;
    assert_eq!(held.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_frame_is_a_sign_of_life() {
    let net = Net::new(RpcOptions::default(), 1 << 10);
    net.answer(|Bytes(bytes)| async move { Ok(bytes.len()) });
    let mut hand = Hand::of_caller(net.open(), "hush").await;
    let ask = hand.ask_frame(1, "Bytes", &codec::encode(&Bytes(vec![0; 1 << 20])).unwrap());
    // 100 s for one frame; a connection on which nothing comes would be over after 30.
    for piece in ask.chunks(ask.len() / 50) {
        hand.writer.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(matches!(hand.reader.must().await.unwrap().head, Head::Answer { fault: None, .. }));
    tokio::time::sleep(RpcOptions::default().dead_after * 3).await;
    let mut rest = Vec::new();
    hand.reader.into_inner().read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty() && net.served.load(Ordering::SeqCst) == 0);
}
