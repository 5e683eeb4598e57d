//! Message tracing: what one cause set off, over all actors and nodes.
//!
//! ```text
//!   statement (span, no parent)            one trace = one tree of spans
//!   ├── Propose        ask    @fe/metadata/metadata_leader
//!   └── FragmentStarted ask   @cn/compute/compute_node      (the parent's id travelled in the frame)
//! ```
//!
//! * Every message is one span; its parent is the span in which it was sent. [`current`] tells the trace and the span,
//!   [`scope`] sets them where they came from another node.
//! * An effect ([`Context::effect`](crate::Context::effect)) is a span too, below the message whose handler started it; what
//!   [`Context::spawn`](crate::Context::spawn) and [`Context::after`](crate::Context::after) send belongs to that message. What
//!   is set off in `started` has no cause: each message sent from there starts a trace.
//! * Work that is no message (a SQL statement, a step of a job) opens a [`RootSpan`].
//! * A tick of [`Context::every`](crate::Context::every) starts a *routine* trace. Its spans, on every node, go to a small
//!   ring of their own, so that ticks which find nothing to do never push out what people look for; a routine span that
//!   failed or was labelled is kept with the notable ones. The trace id itself says that it is routine ([`TraceId::class`]).
//! * All work on one thing (a snapshot job) is one *derived* trace, [`TraceId::of`], whoever does it; those have a ring of
//!   their own as well.
//!
//! * Where more traces begin than [`Recorder::set_rate`] allows, the others are *unsampled*: their ids travel, and of their spans
//!   only a root that failed or took long is kept.
//!
//! Cost: one lock of the thread's own lane when a span opens and one when it ends, which nobody else holds but a reader; names
//! are `&'static str`, paths and labels shared, and text is made only when somebody reads. A finished span is written to memory
//! in the order of time, next to the one before: what is kept for long stays out of the way of what is at work.

mod id;
mod lane;
mod limit;
mod record;
mod recorder;
mod ring;
mod scope;
mod span;
mod view;

pub use id::{Class, SpanId, TraceContext, TraceId};
pub use record::LabelValue;
pub use recorder::{Recorder, Subscription};
pub use scope::{current, label, scope, span, span_in, sync_scope};
pub use span::RootSpan;
pub use view::{SpanFilter, SpanView, TraceSummary};

pub(crate) use lane::Seat;
pub(crate) use record::{Record, micros};
pub(crate) use scope::{Scope, cause};

#[cfg(test)]
mod tests;
