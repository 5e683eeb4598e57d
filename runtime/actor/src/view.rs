//! The picture of the tree: what the dashboard shows and `/metrics` counts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The whole tree at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TreeView {
    /// The tree's name: `fe` or `cn`.
    pub name: String,
    /// When the tree was made, milliseconds since 1970.
    pub started_at_unix_ms: u64,
    /// When this picture was taken, milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Why the tree gave up, if it did.
    pub failure: Option<String>,
    /// The root supervisor.
    pub root: NodeView,
}

/// Supervisor or actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Keeps children alive.
    Supervisor,
    /// Handles messages.
    Actor,
}

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not yet built for the first time.
    Starting,
    /// Alive.
    Running,
    /// Broken; waits for its back-off or for its old incarnation to end.
    Restarting,
    /// Finishes what it is doing.
    Stopping,
    /// Ended in order.
    Stopped,
    /// Given up: over budget at the root.
    Failed,
}

/// One node with its children.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeView {
    /// The name among its siblings.
    pub name: String,
    /// Names from the root down, joined by `/`.
    pub path: String,
    /// Supervisor or actor.
    pub kind: NodeKind,
    /// The actor's role.
    pub role: Option<String>,
    /// What it is doing.
    pub status: Status,
    /// How often it was built: 1 is the first life. 0 for supervisors.
    pub incarnation: u64,
    /// The actor's observable state, as it last told it.
    pub state: Value,
    /// When it told it, milliseconds since 1970; 0 if never.
    pub state_at_unix_ms: u64,
    /// Queue, counts and times.
    pub mailbox: Option<MailboxView>,
    /// How often it was rebuilt.
    pub restarts: u64,
    /// The last rebuilds.
    pub restart_log: Vec<RestartView>,
    /// The last messages, oldest first.
    pub messages: Vec<MessageView>,
    /// Children in the order they were started.
    pub children: Vec<NodeView>,
}

impl NodeView {
    /// Calls `f` for this node and everything below it.
    pub fn visit<'a>(&'a self, f: &mut impl FnMut(&'a NodeView)) {
        f(self);
        for child in &self.children {
            child.visit(f);
        }
    }

    /// The first node below (or equal to) this one with that name.
    pub fn find(&self, name: &str) -> Option<&NodeView> {
        if self.name == name { Some(self) } else { self.children.iter().find_map(|child| child.find(name)) }
    }
}

/// A mailbox in numbers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MailboxView {
    /// Messages waiting now.
    pub depth: usize,
    /// Answers being worked out now.
    #[serde(default)]
    pub working: usize,
    /// The most that ever waited.
    pub peak: usize,
    /// How many from outside may wait.
    pub capacity: usize,
    /// Messages taken in.
    pub enqueued: u64,
    /// Messages handled without a crash.
    pub handled: u64,
    /// Messages whose handling panicked, failed or was cut off.
    pub failed: u64,
    /// Messages turned away because the mailbox was full or closed.
    pub refused: u64,
    /// Messages dropped unhandled because their sender had given up.
    pub expired: u64,
    /// From taken in to handler entered.
    pub wait: TimingView,
    /// Inside the handler.
    pub handle: TimingView,
}

/// A distribution of durations.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TimingView {
    /// How many.
    pub count: u64,
    /// Their sum, in microseconds.
    pub sum_us: u64,
    /// The longest, in microseconds.
    pub max_us: u64,
    /// How many took at most [`TIMING_BOUNDS_US`] each (cumulative), the last without bound.
    pub at_most: Vec<u64>,
}

/// Upper bounds of [`TimingView::at_most`], in microseconds.
pub const TIMING_BOUNDS_US: [u64; 7] = [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// One rebuild.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RestartView {
    /// When it broke, milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Why.
    pub reason: String,
    /// How long the rebuild waited, in milliseconds.
    pub backoff_ms: u64,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered.
    Done,
    /// Its answer is being worked out.
    Running,
    /// The handler, or the future of its answer, panicked.
    Panicked,
    /// The handler declared failure.
    Failed,
    /// The answer was cut off by a crash, a stop, or a sender that gave up.
    Lost,
    /// Dropped unhandled: the sender had given up.
    Expired,
    /// Not taken in: there was no room.
    Refused,
}

impl Outcome {
    /// Something went wrong.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Panicked | Self::Failed | Self::Lost | Self::Refused)
    }
}

/// One message of the last few.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageView {
    /// [`Message::NAME`](crate::Message::NAME).
    pub name: String,
    /// The request it belongs to.
    pub trace: crate::TraceId,
    /// When it was taken up, milliseconds since 1970.
    pub at_unix_ms: u64,
    /// How long it waited, in microseconds.
    pub wait_us: u64,
    /// How long the handler ran, in microseconds.
    pub handle_us: u64,
    /// What became of it.
    pub outcome: Outcome,
}
