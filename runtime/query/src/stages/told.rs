//! Errors of a stage come whole through the stream to the next: with their code, and with the node that was lost. And whoever
//! counts the parts of plans that run hears of this one's rows and of its end.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use datafusion_distributed::BroadcastExec;
use futures::Stream;

use super::Task;
use crate::error::QueryError;
use crate::run::through::{Look, Through};
use crate::run::{Busy, Profile};

/// The name of the operator that tells.
pub(crate) const TOLD: &str = "ToldExec";

/// A part of a plan at work. It is over when the last of its streams is.
pub(super) struct Work {
    streams: AtomicUsize,
    held: Mutex<Option<(Arc<dyn Task>, Busy)>>,
    /// What is told of at the end, when somebody wants to know. The plan has this: it is not had in turn.
    observed: OnceLock<Weak<dyn ExecutionPlan>>,
}

impl Work {
    pub fn new(task: Arc<dyn Task>, busy: Busy) -> Arc<Work> {
        let held = Mutex::new(Some((task, busy)));
        Arc::new(Work { streams: AtomicUsize::new(0), held, observed: OnceLock::new() })
    }

    /// One of its streams has come to its end: whoever reads it has not heard yet.
    fn profile(&self) {
        if let Some(plan) = self.observed.get().and_then(Weak::upgrade) {
            let text = Profile::of(plan).text();
            self.task(|task| task.profile(text));
        }
    }

    fn task(&self, told: impl FnOnce(&dyn Task)) {
        if let Some((task, _)) = &*self.held.lock().unwrap_or_else(PoisonError::into_inner) {
            told(task.as_ref());
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("streams", &self.streams).finish_non_exhaustive()
    }
}

/// The plan of a stage, telling. What stands at its head must stay there: it is replaced by what the next stage wants.
/// `observed`: its operators are told of too.
pub(super) fn telling(
    plan: Arc<dyn ExecutionPlan>,
    work: &Arc<Work>,
    observed: bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    let is_head = plan.downcast_ref::<RepartitionExec>().is_some() || plan.downcast_ref::<BroadcastExec>().is_some();
    let child = plan.children().first().map(|child| Arc::clone(child)).filter(|_| is_head);
    if observed {
        work.observed.get_or_init(|| Arc::downgrade(child.as_ref().unwrap_or(&plan)));
    }
    match child {
        Some(child) => {
            let child = Through::above(child, work);
            plan.replace_children(vec![child], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
        }
        None => Ok(Through::above(plan, work)),
    }
}

impl Look for Work {
    const NAME: &'static str = TOLD;

    fn at(self: Arc<Self>, begun: Result<SendableRecordBatchStream>) -> Result<SendableRecordBatchStream> {
        let inner = begun.map_err(|error| told(&self, error))?;
        self.streams.fetch_add(1, Ordering::AcqRel);
        Ok(Box::pin(Told { inner, work: self, ended: false }))
    }
}

fn told(work: &Work, error: DataFusionError) -> DataFusionError {
    let error = QueryError::from(error);
    work.task(|task| task.failed(&error));
    error.told()
}

struct Told {
    inner: SendableRecordBatchStream,
    work: Arc<Work>,
    ended: bool,
}

impl Drop for Told {
    fn drop(&mut self) {
        if !self.ended {
            self.work.profile();
        }
        if self.work.streams.fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(self.work.held.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

impl Stream for Told {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.inner.as_mut().poll_next(cx);
        if matches!(polled, Poll::Ready(None)) && !std::mem::replace(&mut self.ended, true) {
            self.work.profile();
        }
        polled.map(|next| {
            next.map(|batch| match batch {
                Ok(batch) => {
                    self.work.task(|task| task.rows(batch.num_rows() as u64));
                    Ok(batch)
                }
                Err(error) => Err(told(&self.work, error)),
            })
        })
    }
}

impl RecordBatchStream for Told {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
