//! Rows of a table as it is to be, from its rows as they are: what a job reads that writes a table anew.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column as ColumnName, Result, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableType, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Value};
use storage_catalog::{Catalog, ClusterIdentity};
use storage_model::{
    ClusterId, Column, ColumnId, Epoch, FileEntry, FileId, Incarnation, Partition, ServiceId, Table, UnixMillis,
};

use crate::context::{Everything, Looks, NoVirtualTables, PlanContext, SessionFacts};
use crate::depth::Stack;
use crate::error::QueryError;
use crate::insert::store::store;
use crate::insert::{columns_of, with_computed};
use crate::plan::{self, Planned};
use crate::provider::ScanNotes;
use crate::provider::merge::rows_plan;
use crate::provider::scan::Piece;
use crate::session;

/// What plans call the rows as they are.
const ROWS: &str = "__rows";

/// Plans the rows that `partition` says, merged by the key model, in the columns of `target`, which `table` is to become.
/// `converted` says of which old column a new one takes the values, by the new id. `partition` may have fewer rowsets than the
/// catalog has of it, if they are neighbours there.
///
/// # Errors
/// When a rowset is of a file that is not among `files`, or a column cannot be computed.
pub async fn plan_anew(
    (table, target): (&Table, &Table),
    converted: &[(ColumnId, ColumnId)],
    partition: &Partition,
    files: &[FileEntry],
    service: &ServiceId,
) -> Result<Planned, QueryError> {
    let files: HashMap<FileId, &FileEntry> = files.iter().map(|file| (file.id, file)).collect();
    let mut pieces = Vec::with_capacity(partition.rowsets.len());
    for (sequence, rowset) in (0..).zip(&partition.rowsets) {
        pieces.push(Piece::new(partition.id, sequence, rowset, service, |id| files.get(&id).copied())?);
    }
    let cx = context(service);
    let stack = Stack::for_condition(&cx, &SqlExpr::value(Value::Null))?;
    let planning = async {
        let state = session::planner(cx.parallelism);
        let schema = TableSchema::from(storage_tablet::read_schema(&table.schema));
        let names: Vec<String> = schema.table_schema().fields().iter().map(|field| field.name().clone()).collect();
        let source = Arc::new(Pieces { table: table.clone(), schema, pieces });
        let rows = TableReference::bare(ROWS);
        let plan = LogicalPlanBuilder::scan(rows.clone(), provider_as_source(source), None)?;
        let old = |id: ColumnId| table.schema.position_of(id);
        let value_of = |at: usize| Expr::Column(ColumnName::new(Some(rows.clone()), names[at].clone()));
        let mut computes = false;
        let mut values = Vec::with_capacity(target.schema.columns.len());
        for column in &target.schema.columns {
            let made_of = converted.iter().find(|(new, _)| *new == column.id).map(|(_, old)| *old);
            let is_new = old(column.id).is_none();
            computes |= is_new && column.generated().is_some();
            let value = match (old(column.id), made_of.and_then(old)) {
                (Some(at), _) if table.schema.columns[at].data_type == column.data_type => value_of(at),
                (Some(at), _) | (None, Some(at)) => store(value_of(at), column)?,
                // What is computed comes later.
                (None, None) => store(lit(ScalarValue::Utf8(column.initial.clone())), &open(column))?,
            };
            values.push(value.alias(column.name.to_lowercase()));
        }
        let plan = plan.project(values)?.build()?;
        let plan = if computes { with_computed(&cx, &state, &target.schema, plan)? } else { plan };
        let plan = plan::physical(&state, &plan, stack).await?;
        let (columns, tables, notes) = (columns_of(target), vec![table.id], ScanNotes::default());
        Ok(Planned::whole(columns, tables, plan, notes))
    };
    stack.run_async(Box::pin(planning)).await
}

/// A column that is computed is NULL before that.
fn open(column: &Column) -> Column {
    Column { nullable: column.nullable || column.generated().is_some(), ..column.clone() }
}

/// A cluster in which nothing is: expressions over the columns of a row ask for nothing else.
fn context(service: &ServiceId) -> PlanContext {
    let identity = ClusterIdentity {
        cluster_id: ClusterId(0),
        token: String::new(),
        service_id: service.clone(),
        incarnation: Incarnation::default(),
        epoch: Epoch(0),
    };
    PlanContext {
        catalog: Arc::new(Catalog::genesis(identity, UnixMillis(0))),
        service_id: service.clone(),
        database: None,
        session: SessionFacts::internal(0),
        access: Arc::new(Everything),
        virtual_tables: Arc::new(NoVirtualTables),
        parallelism: 1,
        split_from: u64::MAX,
        looks: Looks::default(),
    }
}

/// Some rowsets of one partition as a table.
#[derive(Debug)]
struct Pieces {
    table: Table,
    schema: TableSchema,
    pieces: Vec<Piece>,
}

#[async_trait]
impl TableProvider for Pieces {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        rows_plan(state, &self.table, &self.schema, self.pieces.clone(), projection, limit)
    }
}
