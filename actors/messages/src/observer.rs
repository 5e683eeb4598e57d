//! To the observer that every node has: what its actors do and did. It answers from what the kit keeps; no other actor is
//! held up by a question, however often it comes.

use runtime_actor::trace::{SpanFilter, SpanView, TraceSummary};
use runtime_actor::{Message, MessageView};
use serde::{Deserialize, Serialize};

/// The mailbox of a node's observer.
pub const OBSERVER: &str = "observer";

/// The whole supervision tree, without the last messages of each actor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TellTree;

impl Message for TellTree {
    /// A `TreeView` as JSON: states are free in form, which the wire format cannot carry. Err: too large to be sent.
    type Reply = Result<String, String>;
    const NAME: &'static str = "TellTree";
}

/// The last messages of one actor, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TellMessages {
    /// Its place in the tree: `fe/metadata/metadata_leader`.
    pub path: String,
}

impl Message for TellMessages {
    /// None: there is no such actor.
    type Reply = Option<Vec<MessageView>>;
    const NAME: &'static str = "TellMessages";
}

/// Traces that hold a span that fits, newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TellTraces {
    /// Which.
    pub filter: SpanFilter,
}

impl Message for TellTraces {
    type Reply = Vec<TraceSummary>;
    const NAME: &'static str = "TellTraces";
}

/// Spans that fit, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TellSpans {
    /// Which.
    pub filter: SpanFilter,
}

impl Message for TellSpans {
    type Reply = Vec<SpanView>;
    const NAME: &'static str = "TellSpans";
}
