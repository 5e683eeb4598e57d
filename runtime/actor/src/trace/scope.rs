//! What the running task works for: its trace, its span, and the recorder of its node.

use std::borrow::Cow;
use std::future::Future;

use tokio::task::futures::TaskLocalFuture;

use super::lane::Seat;
use super::{LabelValue, Recorder, RootSpan, TraceContext, TraceId};

tokio::task_local! {
    static CURRENT: Scope;
}

/// What a task carries. Without a context every message sent from it starts a trace.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    pub(crate) cx: Option<TraceContext>,
    /// Where the span is kept, if it is recorded at this node.
    pub(crate) seat: Option<Seat>,
    pub(crate) recorder: Option<Recorder>,
}

impl Scope {
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// The current one under another context.
    fn under(cx: TraceContext) -> Self {
        let Self { seat, recorder, .. } = Self::current();
        Self { cx: Some(cx), seat: seat.filter(|seat| seat.span == cx.span), recorder }
    }

    /// Opens a span below `parent`, or below what runs here; it is recorded where an actor or a span is at work.
    fn open(&self, parent: Option<TraceContext>, kind: &'static str, name: Cow<'static, str>) -> RootSpan {
        match &self.recorder {
            Some(recorder) => recorder.open_around(self, parent, kind, name),
            None => RootSpan::unrecorded(parent.or(self.cx).unwrap_or_else(TraceContext::fresh)),
        }
    }

    /// Not an `async fn`: that would hold the future twice.
    pub(crate) fn run<F: Future>(self, future: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, future)
    }

    pub(crate) fn run_sync<T>(self, f: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, f)
    }
}

/// The trace and span of the running task; a new trace without a span when there is none.
pub fn current() -> TraceContext {
    cause().unwrap_or_else(TraceContext::fresh)
}

/// The trace and span of the running task, if it has any.
pub(crate) fn cause() -> Option<TraceContext> {
    CURRENT.try_with(|scope| scope.cx).ok().flatten()
}

/// Runs a future under a context that came from elsewhere.
pub fn scope<F: Future>(cx: impl Into<TraceContext>, future: F) -> impl Future<Output = F::Output> {
    Scope::under(cx.into()).run(future)
}

/// Runs a function under a context that came from elsewhere.
pub fn sync_scope<T>(cx: impl Into<TraceContext>, f: impl FnOnce() -> T) -> T {
    Scope::under(cx.into()).run_sync(f)
}

/// Labels the running span: `("job", "17")`, `("statement", "INSERT …")`. Bounded: 16 labels of 1 KiB. Nothing happens outside
/// of a span.
pub fn label(key: &'static str, value: impl Into<LabelValue>) {
    // Not under the borrow of the task-local: `into` is somebody else's code.
    let Scope { seat: Some(seat), recorder: Some(recorder), .. } = Scope::current() else { return };
    recorder.label(seat, key, value.into());
}

/// Opens a span below the running one, on the recorder of the running actor. Without one (no actor and no [`RootSpan`] is at
/// work here) the span is not recorded; whoever holds a [`Recorder`] opens it there.
pub fn span(kind: &'static str, name: impl Into<Cow<'static, str>>) -> RootSpan {
    Scope::current().open(None, kind, name.into())
}

/// Like [`span`], but a root of `trace`: a step of a job belongs to the trace of the job and not to the tick that set it off.
pub fn span_in(trace: TraceId, kind: &'static str, name: impl Into<Cow<'static, str>>) -> RootSpan {
    Scope::current().open(Some(trace.into()), kind, name.into())
}
