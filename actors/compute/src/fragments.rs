//! The fragments that run on a compute node: each is a span, and its actor is told of its beginning and its end.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use actors_messages::compute::{FragmentEnded, FragmentProfile, FragmentStarted};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use futures::{Stream, StreamExt};
use runtime_actor::trace::RootSpan;
use runtime_actor::{Recipient, Recorder, TraceContext};
use runtime_query::{Errand, QueryError, Rows, Task, Tasks};
use tonic::Status;

use crate::profiles::Profiles;

/// Who is told. Cloning shares it.
#[derive(Clone)]
pub struct Fragments {
    started: Recipient<FragmentStarted>,
    ended: Recipient<FragmentEnded>,
    recorder: Recorder,
    profiles: Profiles,
}

impl Fragments {
    /// The node's actor is told, and `recorder` has the spans.
    pub fn new(started: Recipient<FragmentStarted>, ended: Recipient<FragmentEnded>, recorder: Recorder) -> Fragments {
        Fragments { started, ended, recorder, profiles: Profiles::default() }
    }

    /// One begins.
    pub(crate) async fn begin(&self, query: &str, cause: (u128, u64), what: &'static str) -> Result<Running, Status> {
        let span = self.recorder.open_in(TraceContext::from_wire(cause.0, cause.1), "fragment", what);
        span.label("query", query);
        let started = FragmentStarted { query: query.to_owned(), what };
        let started = span.run(self.started.ask(started)).await;
        let fragment = started.map_err(|e| Status::unavailable(e.to_string()))?;
        let (rows, profiles) = (Arc::new(AtomicU64::new(0)), self.profiles.clone());
        let notes = Notes { fragment, query: query.into(), what, began: Instant::now(), rows, profiles };
        Ok(Running { notes, error: None, ended: self.ended.clone(), span: Some(span) })
    }

    /// What is remembered of a query. It is forgotten now.
    pub(crate) fn take_profiles(&self, query: &str) -> Vec<FragmentProfile> {
        self.profiles.take(query)
    }
}

#[async_trait]
impl Tasks for Fragments {
    async fn begin(&self, errand: &Errand) -> Result<Arc<dyn Task>, QueryError> {
        let running = Fragments::begin(self, &errand.query, errand.cause, "stage").await;
        let running = running.map_err(|status| QueryError::internal(status.message()))?;
        Ok(Arc::new(Stage { notes: running.notes().clone(), running: Mutex::new(running) }))
    }
}

/// A stage of a plan that runs for another node.
struct Stage {
    notes: Notes,
    running: Mutex<Running>,
}

impl Task for Stage {
    fn rows(&self, count: u64) {
        self.notes.more_rows(count);
    }

    fn failed(&self, error: &QueryError) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).error = Some(error.message.clone());
    }

    fn profile(&self, text: String) {
        self.notes.profile(text);
    }
}

/// A fragment that runs; told to be over when it is dropped, however that comes.
pub(crate) struct Running {
    notes: Notes,
    pub(crate) error: Option<String>,
    ended: Recipient<FragmentEnded>,
    span: Option<RootSpan>,
}

/// What is known of a fragment while it runs. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Notes {
    fragment: u64,
    query: Arc<str>,
    what: &'static str,
    began: Instant,
    rows: Arc<AtomicU64>,
    profiles: Profiles,
}

impl Notes {
    /// It has made so many rows more.
    pub(crate) fn more_rows(&self, count: u64) {
        self.rows.fetch_add(count, Ordering::Relaxed);
    }

    fn so_far(&self) -> (u64, u64) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.rows.load(Ordering::Relaxed), millis)
    }

    /// What its operators have done so far; later words replace earlier ones.
    pub(crate) fn profile(&self, operators: String) {
        let (fragment, what, (rows, millis)) = (self.fragment, self.what.to_owned(), self.so_far());
        self.profiles.keep(&self.query, FragmentProfile { fragment, what, rows, millis, operators });
    }

    /// It goes on when its operators are done, and has now come to its end.
    pub(crate) fn over(&self) {
        let (rows, millis) = self.so_far();
        self.profiles.update(self.fragment, rows, millis);
    }
}

/// The rows of a plan, counted. What its operators did is told when they end, however that comes: the plan is let go then.
pub(crate) struct Counted {
    rows: Rows,
    notes: Notes,
    counts: bool,
}

impl Counted {
    pub(crate) fn new(rows: Rows, notes: Notes) -> Counted {
        Counted { rows, notes, counts: true }
    }

    /// The rows are not what the fragment gives.
    pub(crate) fn uncounted(rows: Rows, notes: Notes) -> Counted {
        Counted { rows, notes, counts: false }
    }

    fn tell(&mut self) {
        if let Some(profile) = self.rows.take_profile() {
            self.notes.profile(profile.text());
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tell();
    }
}

impl Stream for Counted {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.rows.poll_next_unpin(cx);
        match &polled {
            Poll::Ready(Some(Ok(batch))) if self.counts => self.notes.more_rows(batch.num_rows() as u64),
            Poll::Ready(None | Some(Err(_))) => self.tell(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl Running {
    /// What is known of it.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Works for the fragment's span.
    pub(crate) async fn inside<F: Future>(&self, work: F) -> F::Output {
        match &self.span {
            Some(span) => span.run(work).await,
            None => work.await,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (fragment, error) = (self.notes.fragment, self.error.take());
        let rows = self.notes.rows.load(Ordering::Relaxed);
        let Some(span) = self.span.take() else { return };
        span.label("rows", rows.to_string());
        let told = span.run_sync(|| self.ended.tell(FragmentEnded { fragment, rows, error: error.clone() }));
        if let Err(lost) = told {
            tracing::warn!(fragment, %lost, "the node's actor was not told of the end of a fragment");
        }
        match error {
            Some(error) => span.fail(error),
            None => span.finish(),
        }
    }
}
