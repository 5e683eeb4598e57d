//! The rows of a running plan. A plan of a compute node is driven on threads of its own: a few batches wait for whoever
//! takes them, and letting go of the rows ends the work wherever it stands.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::memory::Busy;
use super::profile::Profile;
use crate::error::QueryError;

/// Batches that wait for their taker.
const AHEAD: usize = 2;

/// The rows of a running plan, batch by batch. Dropping it stops the plan.
pub struct Rows {
    schema: SchemaRef,
    source: Source,
    profile: Option<Profile>,
}

enum Source {
    Known(Option<RecordBatch>),
    /// Runs where it is polled.
    Here(SendableRecordBatchStream),
    Driven(Driven),
    Over,
}

impl Rows {
    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// What the operators have done so far can be asked there, if the plan is observed.
    pub fn take_profile(&mut self) -> Option<Profile> {
        self.profile.take()
    }

    pub(super) fn observed(self, profile: Option<Profile>) -> Rows {
        Rows { profile, ..self }
    }

    pub(super) fn known(rows: &RecordBatch) -> Rows {
        Rows { schema: rows.schema(), source: Source::Known(Some(rows.clone())), profile: None }
    }

    pub(super) fn here(stream: SendableRecordBatchStream) -> Rows {
        Rows { schema: stream.schema(), source: Source::Here(stream), profile: None }
    }

    /// Drives a plan on `threads`.
    pub(super) fn driven(
        threads: &Handle,
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
        stop: CancellationToken,
        busy: Busy,
    ) -> Rows {
        let schema = plan.schema();
        let (give, batches) = mpsc::channel(AHEAD);
        let work = async move {
            let _busy = busy;
            // All partitions as one stream: they run side by side and their batches come as they are ready.
            let mut rows = match execute_stream(plan, task) {
                Ok(rows) => rows,
                Err(error) => return drop(give.send(Err(error.into())).await),
            };
            while let Some(batch) = rows.next().await {
                if give.send(batch.map_err(QueryError::from)).await.is_err() {
                    return;
                }
            }
        };
        let work = threads.spawn(work.in_current_span());
        Rows { schema, source: Source::Driven(Driven { batches, work, stop }), profile: None }
    }
}

/// A plan at work elsewhere.
struct Driven {
    batches: mpsc::Receiver<Result<RecordBatch, QueryError>>,
    work: JoinHandle<()>,
    stop: CancellationToken,
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.stop.cancel();
        self.work.abort();
    }
}

impl Driven {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<RecordBatch, QueryError>>> {
        if let Some(batch) = ready!(self.batches.poll_recv(cx)) {
            return Poll::Ready(Some(batch));
        }
        // The end of the batches is the end of the rows only if the work came to its end.
        let ended = ready!(Pin::new(&mut self.work).poll(cx));
        Poll::Ready(ended.err().map(|error| Err(broken_off(&error))))
    }
}

/// The error of work that did not come to its end.
pub(super) fn broken_off(error: &JoinError) -> QueryError {
    match error.is_panic() {
        true => QueryError::internal("internal error: the plan failed"),
        false => QueryError::invalid("the query was given up"),
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = match &mut self.source {
            Source::Known(rows) => Poll::Ready(rows.take().map(Ok)),
            Source::Here(stream) => stream.as_mut().poll_next(cx).map(|next| next.map(|b| b.map_err(Into::into))),
            Source::Driven(driven) => driven.poll_next(cx),
            Source::Over => Poll::Ready(None),
        };
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.source = Source::Over;
        }
        polled
    }
}
