//! The heart of the tree: one task that takes the news of ended incarnations and decides who is rebuilt when.

mod arena;
mod kept;
mod stop;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::sync::{mpsc, watch};

use crate::clock::SharedClock;
use crate::gauge::lock;
use crate::host::{Exit, Guard, panic_text};
use crate::hosts::Hosts;
use crate::trace::Recorder;
use crate::tree::{Budget, Failure, Strategy, TreeSpec};
use crate::view::TreeView;

pub(crate) use arena::NodeId;
use arena::{Act, Arena};
pub(crate) use kept::{Hosted, Kept};

/// How often handlers are checked for stalls.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// News for the supervision task.
pub(crate) enum Event {
    /// An actor was added.
    Added(NodeId),
    /// An incarnation ended.
    Exited { node: NodeId, incarnation: u64, exit: Exit },
    /// An incarnation has run its `started`.
    Started { node: NodeId, incarnation: u64 },
    /// A back-off is over.
    Due { nodes: Vec<(NodeId, u64)> },
}

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) clock: SharedClock,
    pub(crate) recorder: Recorder,
    pub(crate) runtime: Runtime,
    pub(crate) hosts: Hosts,
    pub(crate) failure: watch::Sender<Option<Failure>>,
    events: mpsc::UnboundedSender<Event>,
    arena: Mutex<Arena>,
    started_at_unix_ms: u64,
}

impl Inner {
    pub(crate) fn start(spec: TreeSpec, hosts: Hosts, runtime: Runtime) -> Arc<Self> {
        let (events, news) = mpsc::unbounded_channel();
        let started_at_unix_ms = spec.clock.now_unix_ms();
        let inner = Arc::new(Self {
            arena: Mutex::new(Arena::new(spec.name.clone(), spec.budget)),
            recorder: Recorder::new(spec.name.as_str(), spec.clock.clone()),
            name: spec.name,
            clock: spec.clock,
            runtime: runtime.clone(),
            hosts,
            failure: watch::Sender::new(None),
            events,
            started_at_unix_ms,
        });
        runtime.spawn(supervise(Arc::downgrade(&inner), news));
        inner
    }

    pub(crate) fn root(&self) -> NodeId {
        Arena::ROOT
    }

    pub(crate) fn add_supervisor(&self, parent: NodeId, name: String, how: Strategy, budget: Budget) -> Option<NodeId> {
        lock(&self.arena).add_supervisor(parent, name, how, budget)
    }

    pub(crate) fn add_actor(&self, parent: NodeId, kept: Arc<dyn Hosted>) -> bool {
        let Some(node) = lock(&self.arena).add_actor(parent, kept) else { return false };
        self.events.send(Event::Added(node)).is_ok()
    }

    pub(crate) async fn ask_states(&self, patience: Duration) {
        let actors = lock(&self.arena).live_actors();
        let waiting = actors.iter().filter_map(|actor| actor.ask_state());
        // Who does not tell in time is shown with what it told last.
        let _ = tokio::time::timeout(patience, futures::future::join_all(waiting)).await;
    }

    pub(crate) fn view(&self) -> TreeView {
        TreeView {
            name: self.name.clone(),
            started_at_unix_ms: self.started_at_unix_ms,
            at_unix_ms: self.clock.now_unix_ms(),
            failure: self.failure.borrow().as_ref().map(|failure| failure.reason.clone()),
            root: lock(&self.arena).view(),
        }
    }

    fn take(&self, event: Event) {
        let now = self.clock.now_unix_ms();
        let acts = {
            let mut arena = lock(&self.arena);
            let mut acts = Vec::new();
            match event {
                Event::Added(node) => arena.added(node),
                Event::Started { node, incarnation } => arena.started(node, incarnation),
                Event::Due { nodes } => arena.due(&nodes),
                Event::Exited { node, incarnation, exit } => acts = arena.exited(node, incarnation, exit, now),
            }
            acts.extend(arena.advance());
            acts
        };
        self.perform(acts);
    }

    /// Looks for effects and handlers that run too long.
    fn watch(&self) {
        let stuck = lock(&self.arena).stuck_effects();
        for (actor, incarnation, reason) in stuck {
            actor.crash(incarnation, reason);
        }
        let stalled = lock(&self.arena).stalled();
        for (node, incarnation, host, reason) in stalled {
            if !self.hosts.condemn(host) {
                tracing::warn!(reason, "a handler is stalled, and cannot be moved");
                continue;
            }
            let acts = {
                let mut arena = lock(&self.arena);
                let mut acts = arena.abandon(node, incarnation, host, &reason, self.clock.now_unix_ms());
                acts.extend(arena.advance());
                acts
            };
            self.perform(acts);
        }
    }

    /// Does, outside of the lock, what was decided under it.
    fn perform(&self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Launch { node, incarnation, actor } => {
                    let guard = Guard::new(node, incarnation, self.events.clone());
                    let host = actor.launch(&self.hosts, guard);
                    lock(&self.arena).placed(node, incarnation, host);
                }
                Act::Supersede { incarnation, actor } => actor.supersede(incarnation),
                Act::Close { actor } => actor.close(),
                Act::Remind { nodes, after } => {
                    let events = self.events.clone();
                    self.runtime.spawn(async move {
                        tokio::time::sleep(after).await;
                        let _ = events.send(Event::Due { nodes });
                    });
                }
                Act::Told { told } => {
                    let _ = told.send(());
                }
                Act::Fail { reason } => {
                    tracing::error!(tree = self.name, reason, "the supervision tree gave up");
                    self.failure.send_replace(Some(Failure { reason }));
                }
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let acts = lock(&self.arena).cut_off();
        for act in acts {
            match act {
                Act::Supersede { incarnation, actor } => actor.supersede(incarnation),
                Act::Close { actor } => actor.close(),
                _ => {}
            }
        }
        self.hosts.stop();
    }
}

async fn supervise(tree: Weak<Inner>, mut news: mpsc::UnboundedReceiver<Event>) {
    let mut watch = tokio::time::interval(WATCH_EVERY);
    watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            event = news.recv() => event,
            _ = watch.tick() => None,
        };
        let Some(tree) = tree.upgrade() else { return };
        let supervised = catch_unwind(AssertUnwindSafe(|| match event {
            Some(event) => tree.take(event),
            None => tree.watch(),
        }));
        if let Err(panic) = supervised {
            // Nobody is left who could put this right.
            let reason = format!("the supervision itself panicked: {}", panic_text(&*panic));
            tracing::error!(tree = tree.name, reason, "the supervision tree gave up");
            tree.failure.send_replace(Some(Failure { reason }));
        }
    }
}
