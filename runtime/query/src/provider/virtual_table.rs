//! A table whose rows are computed while the statement is planned.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::context::PlanContext;
use crate::information_schema;
use crate::types;

/// A table of `information_schema` or of the frontend.
#[derive(Debug)]
pub(crate) struct VirtualTable {
    cx: PlanContext,
    database: String,
    table: String,
    schema: SchemaRef,
    own: bool,
}

impl VirtualTable {
    /// `own`: this room computes the rows, not the frontend.
    pub(crate) fn new(cx: &PlanContext, database: String, table: String, schema: &Schema, own: bool) -> VirtualTable {
        let lower = |f: &Arc<Field>| f.as_ref().clone().with_name(types::plan_name(f.name()));
        let schema = Arc::new(Schema::new(schema.fields().iter().map(lower).collect::<Vec<_>>()));
        VirtualTable { cx: cx.clone(), database, table, schema, own }
    }
}

#[async_trait]
impl TableProvider for VirtualTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = if self.own {
            let catalog = self.cx.access.seen(&self.cx.catalog);
            information_schema::rows(&self.table, &PlanContext { catalog, ..self.cx.clone() })?
        } else {
            self.cx.virtual_tables.rows(&self.database, &self.table)?
        };
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), rows.columns().to_vec())?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], Arc::clone(&self.schema), projection.cloned())?)
    }
}
