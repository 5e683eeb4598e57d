//! A node with one actor behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runtime_actor::{
    Actor, ActorSpec, Address, Answer, Backoff, Budget, Context, Handle, Message, Strategy, SystemClock, TraceId, Tree,
    trace,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::identity::FixedGate;
use crate::*;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

macro_rules! message {
    ($name:ident($field:ty) -> $reply:ty) => {
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub(crate) struct $name(pub(crate) $field);
        impl Message for $name {
            type Reply = $reply;
            const NAME: &'static str = stringify!($name);
        }
    };
}

message!(Double(u64) -> u64);
message!(Bytes(Vec<u8>) -> usize);
message!(Blow(usize) -> Vec<u8>);
message!(Sleep(u64) -> Result<u64, String>);
message!(Trace(()) -> TraceId);
message!(Boom(()) -> ());
message!(Hidden(()) -> ());

#[derive(Default)]
pub(crate) struct Worker {
    /// How many sleeps ran to their end, and how many began.
    pub(crate) slept: Arc<AtomicUsize>,
    pub(crate) began: Arc<AtomicUsize>,
}

impl Actor for Worker {
    const ROLE: &'static str = "worker";
    type State = ();
    fn observe(&self) {}
}

impl Handle<Double> for Worker {
    fn handle(&mut self, Double(n): Double, _: &mut Context<Self>) -> Answer<u64> {
        Answer::now(n * 2)
    }
}

impl Handle<Bytes> for Worker {
    fn handle(&mut self, Bytes(bytes): Bytes, _: &mut Context<Self>) -> Answer<usize> {
        Answer::now(bytes.len())
    }
}

impl Handle<Blow> for Worker {
    fn handle(&mut self, Blow(size): Blow, _: &mut Context<Self>) -> Answer<Vec<u8>> {
        Answer::now(vec![1; size])
    }
}

impl Handle<Sleep> for Worker {
    fn handle(&mut self, Sleep(ms): Sleep, _: &mut Context<Self>) -> Answer<Result<u64, String>> {
        let slept = self.slept.clone();
        self.began.fetch_add(1, Ordering::SeqCst);
        Answer::while_wanted(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            slept.fetch_add(1, Ordering::SeqCst);
            Ok(ms)
        })
    }
}

impl Handle<Trace> for Worker {
    fn handle(&mut self, _: Trace, _: &mut Context<Self>) -> Answer<TraceId> {
        Answer::now(trace::current().trace)
    }
}

impl Handle<Boom> for Worker {
    fn handle(&mut self, _: Boom, _: &mut Context<Self>) -> Answer<()> {
        panic!("boom")
    }
}

pub(crate) struct Node {
    pub(crate) address: String,
    pub(crate) server: RpcServer,
    pub(crate) shutdown: CancellationToken,
    pub(crate) slept: Arc<AtomicUsize>,
    pub(crate) began: Arc<AtomicUsize>,
    pub(crate) worker: Address<Worker>,
    pub(crate) tree: Tree,
}

pub(crate) fn me(node: &str, token: &str) -> Identity {
    Identity {
        cluster_id: 42,
        token: token.to_owned(),
        incarnation: "first".to_owned(),
        epoch: 1,
        node: node.to_owned(),
        product_version: "test".to_owned(),
    }
}

pub(crate) fn options() -> RpcOptions {
    RpcOptions {
        backoff_first: Duration::from_millis(20),
        backoff_most: Duration::from_millis(50),
        ..Default::default()
    }
}

impl Node {
    pub(crate) async fn start(address: &str, gate: Arc<dyn Gate>, options: RpcOptions) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let tree = Tree::new("node", SystemClock::shared());
        let (slept, began) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let group = tree.supervisor("g", Strategy::OneForOne, Budget { restarts: 1_000, within: PATIENCE });
        let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(1) };
        let worker = group.start(ActorSpec::new("worker").mailbox(100_000).backoff(backoff), {
            let (slept, began) = (slept.clone(), began.clone());
            move || Worker { slept: slept.clone(), began: began.clone() }
        });
        let registry = Registry::new();
        registry.expose::<Worker, Double>("worker", worker.clone());
        registry.expose::<Worker, Bytes>("worker", worker.clone());
        registry.expose::<Worker, Blow>("worker", worker.clone());
        registry.expose::<Worker, Sleep>("worker", worker.clone());
        registry.expose::<Worker, Trace>("worker", worker.clone());
        registry.expose::<Worker, Boom>("worker", worker.clone());
        let shutdown = CancellationToken::new();
        let server = RpcServer::bind_with(listener, gate, registry, options, shutdown.clone()).unwrap();
        let address = server.local_addr().to_string();
        Self { address, server, shutdown, slept, began, worker, tree }
    }

    /// A node that lets everybody of the cluster in.
    pub(crate) async fn open() -> Self {
        Self::start("127.0.0.1:0", open_gate(), options()).await
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer::with(self.address.clone(), Arc::new(|| me("caller", "hush")), options())
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.server.ended().await;
    }
}

pub(crate) fn open_gate() -> Arc<dyn Gate> {
    Arc::new(FixedGate::new(Some("hush".to_owned()), |_: &Identity| Ok(me("server", "hush"))))
}

/// Waits until something is so.
pub(crate) async fn until(mut so: impl FnMut() -> bool) {
    tokio::time::timeout(PATIENCE, async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}
