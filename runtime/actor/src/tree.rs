//! The supervision tree of one process: who keeps whom alive, with which budget.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use crate::actor::Actor;
use crate::address::Address;
use crate::clock::SharedClock;
use crate::host::Factory;
use crate::hosts::Hosts;
use crate::mailbox::Mailbox;
use crate::supervision::{Inner, Kept, NodeId};
use crate::trace::{Recorder, SpanFilter, SpanView, TraceSummary};
use crate::view::TreeView;

/// Which siblings are rebuilt together with a child that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Only the child itself.
    #[default]
    OneForOne,
    /// All children.
    OneForAll,
    /// The child and those started after it.
    RestForOne,
}

/// How many rebuilds a supervisor allows before it gives up and escalates to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// This many rebuilds ...
    pub restarts: u32,
    /// ... within this time.
    pub within: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { restarts: 10, within: Duration::from_secs(60) }
    }
}

/// How long a rebuild waits: doubling from `first` up to `most` while the actor breaks again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first break.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(50), most: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The wait before the rebuild after `failures` breaks in a row (1 = the first).
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

/// What a supervisor must know to start an actor.
#[derive(Debug, Clone)]
pub struct ActorSpec {
    /// The name among its siblings.
    pub name: String,
    /// How many messages from outside may wait.
    pub mailbox: usize,
    /// A handler that runs longer than this without [`Context::progress`](crate::Context::progress) is a stall: the actor is
    /// rebuilt on another thread.
    pub stall: Duration,
    /// An effect ([`Context::effect`](crate::Context::effect)) that runs longer than this without a sign of life
    /// ([`Pulse::beat`](crate::Pulse::beat)) is a stall too: the actor is rebuilt, and the effect dropped. None: effects may
    /// take for ever.
    pub stall_after: Option<Duration>,
    /// How many answers may be worked out at a time; with more, messages are refused as if the mailbox were full.
    pub answers: usize,
    /// How long rebuilds wait.
    pub backoff: Backoff,
    /// How long answers may still be worked out after an orderly stop.
    pub grace: Duration,
}

impl ActorSpec {
    /// An actor with that name, 256 places, 4096 answers at a time, 30 s before a handler counts as stalled, effects that may
    /// take for ever.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            mailbox: 256,
            stall: Duration::from_secs(30),
            stall_after: None,
            answers: 4096,
            backoff: Backoff::default(),
            grace: Duration::from_secs(30),
        }
    }

    /// With that many places in the mailbox.
    #[must_use]
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.mailbox = capacity;
        self
    }

    /// With that stall limit.
    #[must_use]
    pub fn stall(mut self, limit: Duration) -> Self {
        self.stall = limit;
        self
    }

    /// With that limit for effects that give no sign of life.
    #[must_use]
    pub fn stall_after(mut self, limit: Duration) -> Self {
        self.stall_after = Some(limit);
        self
    }

    /// With at most that many answers worked out at a time.
    #[must_use]
    pub fn answers(mut self, most: usize) -> Self {
        self.answers = most;
        self
    }

    /// With that time for answers after an orderly stop.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// With that back-off.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
}

/// What a tree is made of.
#[derive(Debug, Clone)]
pub struct TreeSpec {
    /// The name of the root: `fe` or `cn`.
    pub name: String,
    /// The clock of everything in it.
    pub clock: SharedClock,
    /// The root's budget: over it, the process has to end.
    pub budget: Budget,
    /// How many threads host actors.
    pub threads: usize,
}

impl TreeSpec {
    /// The usual tree: two threads, the usual budget.
    pub fn new(name: impl Into<String>, clock: SharedClock) -> Self {
        Self { name: name.into(), clock, budget: Budget::default(), threads: 2 }
    }
}

/// The tree gave up: the root's budget is exhausted, and the process must end with an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the supervision tree gave up: {reason}")]
pub struct Failure {
    /// The chain of causes, innermost last.
    pub reason: String,
}

/// A supervision tree. Clones are the same tree; when the last one is dropped, everything in it is cut off.
#[derive(Clone)]
pub struct Tree {
    inner: Arc<Inner>,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({})", self.inner.name)
    }
}

impl Tree {
    /// A tree whose actors live on threads of their own. Must be called inside a tokio runtime, which runs the answers,
    /// effects and timers; panics outside of one.
    pub fn new(name: impl Into<String>, clock: SharedClock) -> Self {
        Self::with(TreeSpec::new(name, clock))
    }

    /// Like [`Tree::new`], with everything chosen.
    pub fn with(spec: TreeSpec) -> Self {
        let hosts = Hosts::threads(&spec.name, spec.threads);
        Self { inner: Inner::start(spec, hosts, Runtime::current()) }
    }

    /// A tree whose actors live on the current thread, for tests and simulations under paused time. Must be called inside a
    /// `tokio::task::LocalSet` on a current-thread runtime; panics elsewhere. Stalls are not detected there.
    pub fn local(name: impl Into<String>, clock: SharedClock) -> Self {
        Self { inner: Inner::start(TreeSpec::new(name, clock), Hosts::local(), Runtime::current()) }
    }

    /// The root supervisor.
    pub fn root(&self) -> Supervisor {
        Supervisor { inner: Arc::downgrade(&self.inner), node: self.inner.root(), path: self.inner.name.clone() }
    }

    /// A supervisor below the root.
    pub fn supervisor(&self, name: impl Into<String>, strategy: Strategy, budget: Budget) -> Supervisor {
        self.root().supervisor(name, strategy, budget)
    }

    /// Where the spans of this tree's messages are kept.
    pub fn recorder(&self) -> Recorder {
        self.inner.recorder.clone()
    }

    /// Spans, finished and running; the oldest first.
    pub fn spans(&self, filter: &SpanFilter) -> Vec<SpanView> {
        self.inner.recorder.spans(filter)
    }

    /// Traces that hold a span that fits; the newest first.
    pub fn traces(&self, filter: &SpanFilter) -> Vec<TraceSummary> {
        self.inner.recorder.traces(filter)
    }

    /// The tree's clock.
    pub fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    /// Stops everything in the reverse order of its start, each in order; what is not done at the deadline is cut off.
    /// Gives the paths of those that had to be cut off.
    pub async fn stop(&self, deadline: Duration) -> Vec<String> {
        let late = Inner::stop(&self.inner, self.inner.root(), deadline).await;
        self.inner.hosts.stop();
        late
    }

    /// Resolves when the root's budget is exhausted; never otherwise.
    pub fn failed(&self) -> impl Future<Output = Failure> + Send + 'static {
        let mut failure = self.inner.failure.subscribe();
        async move {
            match failure.wait_for(Option::is_some).await.map(|failure| failure.clone()) {
                Ok(Some(failure)) => failure,
                // The tree is gone without having failed.
                _ => std::future::pending().await,
            }
        }
    }

    /// The tree now: every live actor is asked for its state, and has a quarter of a second to tell it.
    pub async fn observe(&self) -> TreeView {
        self.inner.ask_states(Duration::from_millis(250)).await;
        self.view()
    }

    /// The tree now, with the states as they were last told. Never waits.
    pub fn view(&self) -> TreeView {
        self.inner.view()
    }
}

/// A supervisor: starts children and keeps them alive. Holding one does not keep the tree alive.
#[derive(Clone)]
pub struct Supervisor {
    inner: Weak<Inner>,
    node: NodeId,
    path: String,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Supervisor({})", self.path)
    }
}

impl Supervisor {
    /// Names from the root down, joined by `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A supervisor below this one.
    pub fn supervisor(&self, name: impl Into<String>, strategy: Strategy, budget: Budget) -> Supervisor {
        let name = name.into();
        let path = format!("{}/{name}", self.path);
        let node = self.inner.upgrade().and_then(|inner| inner.add_supervisor(self.node, name, strategy, budget));
        // Below a supervisor that has stopped, a new one is born stopped: node 0 never exists.
        Supervisor { inner: self.inner.clone(), node: node.unwrap_or(NodeId::NONE), path }
    }

    /// Starts an actor. The address is good at once; messages wait until the actor is built. Below a supervisor that has
    /// stopped, the address is that of an actor that has stopped.
    pub fn start<A, F>(&self, spec: ActorSpec, factory: F) -> Address<A>
    where
        A: Actor,
        F: Fn() -> A + Send + 'static,
    {
        let path = format!("{}/{}", self.path, spec.name);
        let inner = self.inner.upgrade();
        let (clock, recorder, runtime) = match &inner {
            Some(inner) => (inner.clock.clone(), inner.recorder.clone(), inner.runtime.clone()),
            None => {
                let clock = crate::SystemClock::shared();
                (clock.clone(), Recorder::new("", clock), Runtime::current())
            }
        };
        let mailbox = Arc::new(Mailbox::<A>::new(path, &spec, clock, recorder, runtime));
        let factory: Factory<A> = Arc::new(Mutex::new(Box::new(factory)));
        let kept = Arc::new(Kept { mailbox: mailbox.clone(), factory, spec });
        let added = inner.is_some_and(|inner| inner.add_actor(self.node, kept));
        if !added {
            mailbox.close();
        }
        Address { mailbox }
    }

    /// Stops everything below in the reverse order of its start, then leaves the tree. Gives the paths of those that had to
    /// be cut off at the deadline.
    pub async fn stop(&self, deadline: Duration) -> Vec<String> {
        match self.inner.upgrade() {
            Some(inner) => Inner::stop(&inner, self.node, deadline).await,
            None => Vec::new(),
        }
    }
}
