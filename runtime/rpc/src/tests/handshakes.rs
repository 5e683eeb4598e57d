//! Who is refused in the handshake, and in which words; what is recorded is of no use a second time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runtime_actor::trace::SpanFilter;
use runtime_actor::view::Outcome;
use runtime_actor::{Actor, ActorSpec, Answer, AskError, Budget, Context, Handle, Strategy, SystemClock, Tree};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::hand::Hand;
use super::kit::*;
use super::pipes::Net;
use crate::stream::{Connector, split};
use crate::wire::{FrameReader, Head, VERSION, preamble};
use crate::*;

fn refusal(result: Result<u64, RpcError>) -> String {
    match result {
        Err(refused @ RpcError::Refused { .. }) => {
            assert!(refused.not_handled());
            let RpcError::Refused { reason, .. } = refused else { unreachable!() };
            reason
        }
        other => panic!("{other:?}"),
    }
}

fn asks_as(address: &str, identity: Identity) -> impl Future<Output = Result<u64, RpcError>> {
    let peer = Peer::with(address, Arc::new(move || identity.clone()), options());
    async move { peer.ask("worker", Double(1), PATIENCE).await }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_incarnation_or_epoch_is_refused_with_the_reason() {
    // As a compute node judges that serves the incarnation `first` of cluster 42 in epoch 5.
    let gate = identity::FixedGate::new(Some("hush".to_owned()), |caller: &Identity| {
        if caller.cluster_id != 42 {
            return Err(format!("this node belongs to cluster 42, not to {}", caller.cluster_id));
        }
        if caller.epoch < 5 || (caller.epoch == 5 && caller.incarnation != "first") {
            return Err(format!("incarnation {} of epoch {} is stale", caller.incarnation, caller.epoch));
        }
        Ok(me("server", "hush"))
    });
    let node = Node::start("127.0.0.1:0", Arc::new(gate), options()).await;
    let ours = Identity { epoch: 5, ..me("caller", "hush") };
    assert_eq!(asks_as(&node.address, ours.clone()).await, Ok(2));
    for (stranger, reason) in [
        (Identity { cluster_id: 7, ..ours.clone() }, "this node belongs to cluster 42, not to 7"),
        (Identity { epoch: 4, ..ours.clone() }, "incarnation first of epoch 4 is stale"),
        (Identity { incarnation: "second".to_owned(), ..ours.clone() }, "incarnation second of epoch 5 is stale"),
        (Identity { token: "guess".to_owned(), ..ours.clone() }, "its token is not this cluster's"),
        (Identity { token: String::new(), ..ours.clone() }, "it has no token"),
    ] {
        assert_eq!(refusal(asks_as(&node.address, stranger).await), reason);
    }
    node.stop().await;
}

/// A server by hand behind a connector.
fn served_by_hand(proven: Identity, said: Identity) -> Peer {
    let connector: Connector = Arc::new(move |_| {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (proven, said) = (proven.clone(), said.clone());
        tokio::spawn(async move {
            let mut hand = Hand::of_server_as(far, proven, said).await;
            let _ = hand.reader.next().await;
        });
        Box::pin(std::future::ready(Ok(split(near))))
    });
    Peer::over("net:1", Arc::new(|| me("caller", "hush")), options(), connector)
}

#[tokio::test]
async fn a_server_must_be_of_the_cluster_and_who_it_proves_to_be() {
    let server = me("server", "hush");
    let other = Identity { cluster_id: 7, ..server.clone() };
    let reason = refusal(served_by_hand(other.clone(), other).ask("worker", Double(1), PATIENCE).await);
    assert_eq!(reason, "it belongs to cluster 7, not 42");
    let younger = Identity { epoch: 9, ..server.clone() };
    let reason = refusal(served_by_hand(server, younger).ask("worker", Double(1), PATIENCE).await);
    assert_eq!(reason, "it could not prove that it belongs to this cluster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_none_is_not_adopted() {
    let gate = identity::FixedGate::new(None, |_: &Identity| panic!("nobody is to be judged"));
    let node = Node::start("127.0.0.1:0", Arc::new(gate), options()).await;
    let reason = refusal(asks_as(&node.address, Identity::default()).await);
    assert!(reason.starts_with("neither end has a token"), "{reason}");
    node.stop().await;
}

/// A node that has not joined a cluster, until it is told that it has.
#[derive(Default)]
struct Fresh(std::sync::Mutex<Option<String>>);

impl Gate for Fresh {
    fn token(&self) -> Option<String> {
        self.0.lock().unwrap().clone()
    }

    fn admit(&self, caller: &Identity) -> Result<Identity, String> {
        Ok(Identity { node: "fresh".to_owned(), ..caller.clone() })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_before_a_node_had_joined_is_heard_behind_it_only_with_the_same_token() {
    let gate = Arc::new(Fresh::default());
    let node = Node::start("127.0.0.1:0", gate.clone(), options()).await;
    let peer = |token: &str| {
        let identity = me("caller", token);
        Peer::with(&node.address, Arc::new(move || identity.clone()), options())
    };
    let (leader, stranger) = (peer("hush"), peer("guess"));
    for early in [&leader, &stranger] {
        assert_eq!(early.ask("worker", Double(1), PATIENCE).await, Ok(2));
    }
    *gate.0.lock().unwrap() = Some("hush".to_owned());
    let cut_off = refusal(stranger.ask("worker", Double(2), PATIENCE).await);
    assert!(cut_off.starts_with("this node has joined a cluster since"), "{cut_off}");
    assert_eq!(leader.ask("worker", Double(2), PATIENCE).await, Ok(4));
    // Its old connection may be ending still: another one is refused from the start.
    assert_eq!(refusal(peer("guess").ask("worker", Double(2), PATIENCE).await), "its token is not this cluster's");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_is_refused_by_either_end() {
    let node = Node::open().await;
    let mut newer = preamble();
    newer[9] += 1;
    let mut stream = TcpStream::connect(&node.address).await.unwrap();
    stream.write_all(&newer).await.unwrap();
    let mut reader = FrameReader::new(stream, 1 << 16);
    reader.preamble().await.unwrap();
    let Head::Refused { reason } = reader.must().await.unwrap().head else { panic!() };
    assert_eq!(reason, format!("protocol version {} is not spoken here, only {VERSION}", VERSION + 1));
    node.stop().await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&newer).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let reason = refusal(asks_as(&address, me("caller", "hush")).await);
    assert_eq!(reason, format!("it speaks protocol version {}, this node {VERSION}", VERSION + 1));
    server.await.unwrap();
}

/// Passes one connection on and keeps what each end said.
async fn tapped(address: &str) -> (String, tokio::task::JoinHandle<(Vec<u8>, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (tap, address) = (listener.local_addr().unwrap().to_string(), address.to_owned());
    let passing = tokio::spawn(async move {
        let (caller, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(address).await.unwrap();
        let ((caller_in, caller_out), (server_in, server_out)) = (caller.into_split(), server.into_split());
        let pass = |mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf| async move {
            let (mut said, mut piece) = (Vec::new(), vec![0; 4 << 10]);
            while let Ok(n @ 1..) = from.read(&mut piece).await {
                said.extend_from_slice(&piece[..n]);
                if to.write_all(&piece[..n]).await.is_err() {
                    break;
                }
            }
            let _ = to.shutdown().await;
            said
        };
        tokio::join!(pass(caller_in, server_out), pass(server_in, caller_out))
    });
    (tap, passing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_handshake_opens_nothing_at_either_end() {
    let node = Node::open().await;
    let (tap, recorded) = tapped(&node.address).await;
    let peer = Peer::with(tap, Arc::new(|| me("caller", "hush")), options());
    assert_eq!(peer.ask("worker", Sleep(1), PATIENCE).await, Ok(Ok(1)));
    drop(peer);
    let (said_by_caller, said_by_server) = tokio::time::timeout(PATIENCE, recorded).await.unwrap().unwrap();
    assert!(!said_by_caller.windows(4).any(|w| w == b"hush"), "the token is not said");
    assert_eq!(node.began.load(Ordering::SeqCst), 1);
    // The caller's part again, to the same server: its nonce is another one.
    let mut stream = TcpStream::connect(&node.address).await.unwrap();
    stream.write_all(&said_by_caller).await.unwrap();
    let mut reader = FrameReader::new(stream, 1 << 16);
    reader.preamble().await.unwrap();
    assert!(matches!(reader.must().await.unwrap().head, Head::Challenge { .. }));
    let Head::Refused { reason } = reader.must().await.unwrap().head else { panic!() };
    assert_eq!(reason, "its token is not this cluster's");
    assert_eq!(node.began.load(Ordering::SeqCst), 1, "the recorded ask is not handled again");
    node.stop().await;
    // The server's part again, to another caller of the cluster.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&said_by_server).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let reason = refusal(asks_as(&address, me("caller", "hush")).await);
    assert_eq!(reason, "it could not prove that it belongs to this cluster");
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn frames_of_a_handshake_that_come_twice_end_the_connection() {
    let net = Net::new(options(), 1 << 16);
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = handled.clone();
    net.answer(move |Double(n)| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok(n * 2) }
    });
    let mut twice = Hand::new(net.open());
    let proof = twice.hello("hush").await;
    twice.send(&proof).await;
    twice.send(&proof).await;
    let ask = twice.ask_frame(1, "Double", &codec::encode(&Double(1)).unwrap());
    let _ = twice.writer.write_all(&ask).await;
    assert!(matches!(twice.reader.must().await.unwrap().head, Head::Welcome { .. }));
    assert!(twice.reader.next().await.unwrap().is_none());
    // An ask before the proof, or none at all.
    let mut hasty = Hand::new(net.open());
    let proof = hasty.hello("hush").await;
    hasty.writer.write_all(&ask).await.unwrap();
    hasty.send(&proof).await;
    assert!(hasty.reader.next().await.unwrap().is_none());
    tokio::time::sleep(options().grace).await;
    assert_eq!((handled.load(Ordering::SeqCst), net.served.load(Ordering::SeqCst)), (0, 0));
}

/// Handles one message at a time, each when it is told to.
struct Narrow(std::sync::mpsc::Receiver<()>, Arc<AtomicUsize>);

impl Actor for Narrow {
    const ROLE: &'static str = "narrow";
    type State = ();
    fn observe(&self) {}
}

impl Handle<Double> for Narrow {
    fn handle(&mut self, Double(n): Double, _: &mut Context<Self>) -> Answer<u64> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let _ = self.0.recv_timeout(PATIENCE);
        Answer::now(n * 2)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mailbox_over_there_is_a_full_mailbox_here() {
    let tree = Tree::new("node", SystemClock::shared());
    let group = tree.supervisor("g", Strategy::OneForOne, Budget::default());
    let (go, wait) = std::sync::mpsc::channel();
    let (wait, began) = (std::sync::Mutex::new(Some(wait)), Arc::new(AtomicUsize::new(0)));
    let narrow = group.start(ActorSpec::new("narrow").mailbox(2), {
        let began = began.clone();
        move || Narrow(wait.lock().unwrap().take().unwrap(), began.clone())
    });
    let registry = Registry::new();
    registry.expose::<Narrow, Double>("worker", narrow);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let server = RpcServer::bind_with(listener, open_gate(), registry, options(), shutdown.clone()).unwrap();
    let peer = Peer::with(server.local_addr().to_string(), Arc::new(|| me("caller", "hush")), options());
    let recipient = peer.mailbox::<Double>("worker").recipient();
    let here = runtime_actor::Recorder::new("caller", SystemClock::shared());
    let statement = here.open("statement", "SELECT");
    let ask = |n| {
        let recipient = recipient.clone();
        tokio::spawn(statement.run(async move { recipient.ask_within(Double(n), PATIENCE).await }))
    };
    let mut asks = vec![ask(0)];
    until(|| began.load(Ordering::SeqCst) == 1).await;
    asks.extend((1..10).map(ask));
    // Those that found it full know already; the others wait for the actor.
    until(|| asks.iter().filter(|ask| ask.is_finished()).count() >= 7).await;
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    let answers = futures::future::join_all(asks).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    let full = answers.iter().filter(|answer| **answer == Err(AskError::Full)).count();
    assert_eq!((full, answers.iter().filter(|answer| answer.is_ok()).count()), (7, 3), "{answers:?}");
    // Each that was refused has a span at the actor, below the one of its asker.
    let of_trace = SpanFilter::of_trace(statement.context().trace);
    let there = tree.spans(&of_trace);
    let refused: Vec<_> = there.iter().filter(|span| span.outcome == Outcome::Refused).collect();
    assert_eq!((refused.len(), there.len()), (7, 10), "{there:#?}");
    let here = here.spans(&of_trace);
    assert!(refused.iter().all(|span| span.actor == "node/g/narrow"
        && here.iter().any(|asked| span.parent == Some(asked.span) && asked.outcome.is_failure())));
    shutdown.cancel();
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smaller_limit_holds_for_both() {
    let node = Node::open().await;
    let mut narrow = options();
    narrow.frame_limit = 64 << 10;
    let peer = Peer::with(node.address.clone(), Arc::new(|| me("caller", "hush")), narrow);
    let sent = peer.ask("worker", Bytes(vec![0; 65 << 10]), PATIENCE).await.unwrap_err();
    assert!(matches!(sent, RpcError::TooLarge { limit: 65_536, .. }), "{sent}");
    let answered = peer.ask("worker", Blow(65 << 10), PATIENCE).await.unwrap_err();
    assert!(matches!(answered, RpcError::TooLarge { limit: 65_536, .. }), "{answered}");
    assert!(matches!(AskError::from(answered), AskError::Rejected(_)));
    assert_eq!(peer.ask("worker", Blow(63 << 10), PATIENCE).await.unwrap().len(), 63 << 10);
    node.stop().await;
}
