//! Aggregates that are answered by what the catalog knows exactly, which is how many rows there are: `count(*)` reads nothing.
//! What it knows of values only guides plans. The engine draws exact conclusions from it all the same, where a filter leaves
//! no value or one, or where values that differ are counted: there it is not asked.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::aggregate_statistics::AggregateStatistics;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The rules of the engine, with this one in the place of its own.
pub(crate) fn rules() -> Vec<Rule> {
    let own = AggregateStatistics::new();
    let rules = PhysicalOptimizer::new().rules.into_iter();
    rules.map(|rule| if rule.name() == own.name() { Arc::new(Answered::default()) as Rule } else { rule }).collect()
}

#[derive(Debug, Default)]
struct Answered(AggregateStatistics);

impl PhysicalOptimizerRule for Answered {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let concludes = plan.exists(|node| {
            let aggregate = node.downcast_ref::<AggregateExec>();
            let counts_values = aggregate.is_some_and(|a| a.aggr_expr().iter().any(|one| one.is_distinct()));
            Ok(counts_values || node.downcast_ref::<FilterExec>().is_some())
        })?;
        if concludes { Ok(plan) } else { self.0.optimize(plan, config) }
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}
