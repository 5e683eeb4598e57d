//! Plans that can be stopped. An operator that makes many rows out of few (a join) can work for a long time without a
//! pause: between it and the one above stands a watcher that gives way every few milliseconds and ends the plan when it
//! was given up or the process holds too much. The condition of a join is watched too: it may let nothing through for
//! as long as the join takes.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::unnest::UnnestExec;
use futures::Stream;
use tokio_util::sync::CancellationToken;

use super::memory::Gauge;
use super::through::{Look, Through};

/// How long an operator may work before others are let in.
const SLICE: Duration = Duration::from_millis(10);

/// What a running plan must obey.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) stop: CancellationToken,
}

impl Watch {
    fn check(&self) -> Result<()> {
        if self.stop.is_cancelled() {
            return exec_err!("the query was given up");
        }
        self.gauge.check()
    }
}

/// The plan with watchers where they are needed.
pub(crate) fn watched(plan: Arc<dyn ExecutionPlan>, watch: &Arc<Watch>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|plan| watched_node(plan, watch).map(Transformed::yes)).data()
}

/// An operator, with a watcher if it needs one.
pub(crate) fn watched_node(plan: Arc<dyn ExecutionPlan>, watch: &Arc<Watch>) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = watched_condition(plan, watch)?;
    if plan.children().len() < 2 && plan.downcast_ref::<UnnestExec>().is_none() {
        return Ok(plan);
    }
    Ok(Through::above(plan, watch))
}

fn watched_condition(plan: Arc<dyn ExecutionPlan>, watch: &Arc<Watch>) -> Result<Arc<dyn ExecutionPlan>> {
    let of = |filter: &JoinFilter| {
        let expression = WatchedExpr { inner: Arc::clone(filter.expression()), watch: Arc::clone(watch) };
        let schema = Arc::clone(filter.schema());
        Some(JoinFilter::new(Arc::new(expression), filter.column_indices().to_vec(), schema))
    };
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>()
        && let Some(filter) = join.filter()
    {
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let builder = NestedLoopJoinExecBuilder::new(left, right, *join.join_type()).with_filter(of(filter));
        return Ok(Arc::new(builder.with_projection_ref(join.projection().clone()).build()?));
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>()
        && let Some(filter) = join.filter()
    {
        return join.builder().with_filter(of(filter)).build_exec();
    }
    Ok(plan)
}

impl Look for Watch {
    const NAME: &'static str = "WatchedExec";

    fn at(self: Arc<Self>, begun: Result<SendableRecordBatchStream>) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(Watched { inner: begun?, watch: self, since: Instant::now(), over: false }))
    }
}

struct Watched {
    inner: SendableRecordBatchStream,
    watch: Arc<Watch>,
    /// When others were let in last.
    since: Instant,
    over: bool,
}

impl Stream for Watched {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Err(error) = self.watch.check() {
            self.over = true;
            return Poll::Ready(Some(Err(error)));
        }
        if self.since.elapsed() > SLICE {
            self.since = Instant::now();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.inner.as_mut().poll_next(cx);
        if polled.is_pending() {
            self.since = Instant::now();
        }
        polled
    }
}

impl RecordBatchStream for Watched {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}

/// A condition that fails once its plan was given up.
#[derive(Debug)]
struct WatchedExpr {
    inner: Arc<dyn PhysicalExpr>,
    watch: Arc<Watch>,
}

impl PartialEq for WatchedExpr {
    fn eq(&self, other: &WatchedExpr) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for WatchedExpr {}

impl Hash for WatchedExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for WatchedExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for WatchedExpr {
    fn data_type(&self, input_schema: &Schema) -> Result<DataType> {
        self.inner.data_type(input_schema)
    }

    fn nullable(&self, input_schema: &Schema) -> Result<bool> {
        self.inner.nullable(input_schema)
    }

    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.watch.check()?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match <[_; 1]>::try_from(children) {
            Ok([inner]) => Ok(Arc::new(WatchedExpr { inner, watch: Arc::clone(&self.watch) })),
            Err(children) => internal_err!("a watcher of {} expressions", children.len()),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
