//! Table functions: what they generate is cut to the wanted columns behind them, since a generator that is sent to another
//! node has all of its columns again.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

/// A table that is always read whole.
#[derive(Debug)]
pub(super) struct Whole(pub(super) Arc<dyn TableProvider>);

#[async_trait::async_trait]
impl TableProvider for Whole {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = self.0.scan(state, None, filters, limit).await?;
        let Some(wanted) = projection else { return Ok(all) };
        let schema = all.schema();
        let column = |at: &usize| {
            let name = schema.field(*at).name();
            ProjectionExpr { expr: Arc::new(Column::new(name, *at)), alias: name.clone() }
        };
        let columns: Vec<ProjectionExpr> = wanted.iter().map(column).collect();
        Ok(Arc::new(ProjectionExec::try_new(columns, all)?))
    }
}
