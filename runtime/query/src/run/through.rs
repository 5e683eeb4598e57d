//! An operator that lets rows through as they are, and has a look at them.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

/// What looks.
pub(crate) trait Look: fmt::Debug + Send + Sync + 'static {
    /// Its name, in plans.
    const NAME: &'static str;

    /// The rows of a partition that has begun, or why it has not.
    fn at(self: Arc<Self>, begun: Result<SendableRecordBatchStream>) -> Result<SendableRecordBatchStream>;
}

/// Whether an operator is one of these.
pub(crate) fn is_through(plan: &dyn ExecutionPlan) -> bool {
    [<super::watch::Watch as Look>::NAME, crate::stages::TOLD].contains(&plan.name())
}

/// The operator.
#[derive(Debug)]
pub(crate) struct Through<L> {
    input: Arc<dyn ExecutionPlan>,
    look: Arc<L>,
}

impl<L: Look> Through<L> {
    /// Above `input`.
    pub fn above(input: Arc<dyn ExecutionPlan>, look: &Arc<L>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Through { input, look: Arc::clone(look) })
    }
}

impl<L: Look> DisplayAs for Through<L> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(L::NAME)
    }
}

impl<L: Look> ExecutionPlan for Through<L> {
    fn name(&self) -> &str {
        L::NAME
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
            Ok([input]) => Ok(Through::above(input, &self.look)),
            Err(children) => internal_err!("{} of {} plans", L::NAME, children.len()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Arc::clone(&self.look).at(self.input.execute(partition, context))
    }
}
