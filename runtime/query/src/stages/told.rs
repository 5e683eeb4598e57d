//! Errors of a stage come whole through the stream to the next: with their code, and with the node that was lost. And whoever
//! counts the parts of plans that run hears of this one's rows and of its end.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use datafusion_distributed::BroadcastExec;
use futures::Stream;

use super::Task;
use crate::error::QueryError;
use crate::run::Busy;

/// A part of a plan at work. It is over when the last of its streams is.
pub(super) struct Work {
    streams: AtomicUsize,
    held: Mutex<Option<(Arc<dyn Task>, Busy)>>,
}

impl Work {
    pub fn new(task: Arc<dyn Task>, busy: Busy) -> Arc<Work> {
        Arc::new(Work { streams: AtomicUsize::new(0), held: Mutex::new(Some((task, busy))) })
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
pub(super) fn telling(plan: Arc<dyn ExecutionPlan>, work: &Arc<Work>) -> Result<Arc<dyn ExecutionPlan>> {
    let tell = |input: &Arc<dyn ExecutionPlan>| -> Arc<dyn ExecutionPlan> {
        Arc::new(ToldExec { input: Arc::clone(input), work: Arc::clone(work) })
    };
    let is_head = plan.downcast_ref::<RepartitionExec>().is_some() || plan.downcast_ref::<BroadcastExec>().is_some();
    match plan.children().first() {
        Some(child) if is_head => {
            let child = tell(child);
            plan.replace_children(vec![child], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
        }
        _ => Ok(tell(&plan)),
    }
}

#[derive(Debug)]
struct ToldExec {
    input: Arc<dyn ExecutionPlan>,
    work: Arc<Work>,
}

impl DisplayAs for ToldExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ToldExec")
    }
}

impl ExecutionPlan for ToldExec {
    fn name(&self) -> &str {
        "ToldExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(ToldExec { input, work: Arc::clone(&self.work) })),
            Err(children) => internal_err!("one that tells of {} plans", children.len()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let inner = self.input.execute(partition, context).map_err(|error| told(&self.work, error))?;
        self.work.streams.fetch_add(1, Ordering::AcqRel);
        Ok(Box::pin(Told { inner, work: Arc::clone(&self.work) }))
    }
}

fn told(work: &Work, error: datafusion::error::DataFusionError) -> datafusion::error::DataFusionError {
    let error = QueryError::from(error);
    work.task(|task| task.failed(&error));
    error.told()
}

struct Told {
    inner: SendableRecordBatchStream,
    work: Arc<Work>,
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.work.streams.fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(self.work.held.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

impl Stream for Told {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.inner.as_mut().poll_next(cx);
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
