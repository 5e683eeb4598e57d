//! The fragments that run on a compute node: each is a span, and its actor is told of its beginning and its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actors_messages::compute::{FragmentEnded, FragmentStarted};
use async_trait::async_trait;
use runtime_actor::trace::RootSpan;
use runtime_actor::{Recipient, Recorder, TraceContext};
use runtime_query::{Errand, QueryError, Task, Tasks};
use tonic::Status;

/// Who is told. Cloning shares it.
#[derive(Clone)]
pub struct Fragments {
    started: Recipient<FragmentStarted>,
    ended: Recipient<FragmentEnded>,
    recorder: Recorder,
}

impl Fragments {
    /// The node's actor is told, and `recorder` has the spans.
    pub fn new(started: Recipient<FragmentStarted>, ended: Recipient<FragmentEnded>, recorder: Recorder) -> Fragments {
        Fragments { started, ended, recorder }
    }

    /// One begins.
    pub(crate) async fn begin(&self, query: &str, cause: (u128, u64), what: &'static str) -> Result<Running, Status> {
        let span = self.recorder.open_in(TraceContext::from_wire(cause.0, cause.1), "fragment", what);
        span.label("query", query);
        let started = FragmentStarted { query: query.to_owned(), what };
        let started = span.run(self.started.ask(started)).await;
        let fragment = started.map_err(|e| Status::unavailable(e.to_string()))?;
        let rows = Arc::new(AtomicU64::new(0));
        Ok(Running { fragment, rows, error: None, ended: self.ended.clone(), span: Some(span) })
    }
}

#[async_trait]
impl Tasks for Fragments {
    async fn begin(&self, errand: &Errand) -> Result<Arc<dyn Task>, QueryError> {
        let running = Fragments::begin(self, &errand.query, errand.cause, "stage").await;
        let running = running.map_err(|status| QueryError::internal(status.message()))?;
        Ok(Arc::new(Stage(Mutex::new(running))))
    }
}

/// A stage of a plan that runs for another node.
struct Stage(Mutex<Running>);

impl Task for Stage {
    fn rows(&self, count: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rows.fetch_add(count, Ordering::Relaxed);
    }

    fn failed(&self, error: &QueryError) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).error = Some(error.message.clone());
    }
}

/// A fragment that runs; told to be over when it is dropped, however that comes.
pub(crate) struct Running {
    fragment: u64,
    pub(crate) rows: Arc<AtomicU64>,
    pub(crate) error: Option<String>,
    ended: Recipient<FragmentEnded>,
    span: Option<RootSpan>,
}

impl Running {
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
        let (fragment, rows, error) = (self.fragment, self.rows.load(Ordering::Relaxed), self.error.take());
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
