//! DELETE: first in which partitions the condition finds how many rows, then the rows that it leaves in some of them. Both
//! are computed by the same condition over the same revision, so that together they are all rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType as ArrowType, Int64Type, UInt64Type};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Query, SetExpr, Value};
use runtime_sql::statement::Delete;
use runtime_sql::{QualifiedName, Statement};
use storage_model::{DataType, PartitionId, Table};

use crate::context::PlanContext;
use crate::depth::Stack;
use crate::error::QueryError;
use crate::insert::columns_of;
use crate::plan::{self, Logical, Planned, ResultColumn, ResultType};
use crate::provider::ScanNotes;
use crate::provider::stored::{PARTITION, StoredTable};
use crate::rewrite::rewrite;
use crate::session;

/// How many rows a DELETE finds in each partition where it finds any.
pub type Found = BTreeMap<PartitionId, u64>;

/// Plans the search for the rows of a DELETE in these partitions of its table; [`found`] reads its result.
///
/// # Errors
/// When there is no condition, or names in it do not resolve, or its types do not fit.
pub async fn plan_search(
    cx: &PlanContext,
    table: &Arc<Table>,
    delete: &Delete,
    partitions: &[PartitionId],
) -> Result<Planned, QueryError> {
    let build = |stored: StoredTable, Target { name, condition }: Target| -> Result<LogicalPlan, QueryError> {
        let partition = Expr::Column(Column::new(Some(name.clone()), PARTITION));
        let plan = LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(stored.saying_partitions())), None)?;
        Ok(plan.filter(condition)?.aggregate(vec![partition], vec![count_all()])?.build()?)
    };
    plan_over(cx, table, delete, partitions, columns_of_search(), build).await
}

/// Plans how many rows there are in each of these partitions; [`found`] reads its result.
///
/// # Errors
/// When the catalog is at odds with itself.
pub async fn plan_count(
    cx: &PlanContext,
    table: &Arc<Table>,
    partitions: &[PartitionId],
) -> Result<Planned, QueryError> {
    let state = session::planner(cx.parallelism);
    let notes = ScanNotes::default();
    let stored = StoredTable::new(cx, Arc::clone(table), Arc::clone(&notes)).of_partitions(partitions.iter().copied());
    let name = TableReference::bare(table.name.clone());
    let partition = Expr::Column(Column::new(Some(name.clone()), PARTITION));
    let plan = LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(stored.saying_partitions())), None)?;
    let plan = plan.aggregate(vec![partition], vec![count_all()])?.build()?;
    let plan = plan::physical(&state, &plan, Stack::for_condition(cx, &SqlExpr::value(Value::Null))?).await?;
    let (columns, tables) = (columns_of_search(), vec![table.id]);
    Ok(Planned::whole(columns, tables, plan, notes))
}

/// Plans the rows that a DELETE leaves in these partitions of its table, in the columns of the table.
///
/// # Errors
/// As [`plan_search`].
pub async fn plan_rest(
    cx: &PlanContext,
    table: &Arc<Table>,
    delete: &Delete,
    partitions: &[PartitionId],
) -> Result<Planned, QueryError> {
    let build = |stored: StoredTable, Target { name, condition }: Target| -> Result<LogicalPlan, QueryError> {
        let plan = LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(stored)), None)?;
        // What is neither true nor false stays.
        Ok(plan.filter(Expr::IsNotTrue(Box::new(condition)))?.build()?)
    };
    plan_over(cx, table, delete, partitions, columns_of(table), build).await
}

/// Plans the partition and the key of each row that a DELETE finds in these partitions of its PRIMARY KEY table: the columns of the
/// key are in the order in which keys are looked up.
///
/// # Errors
/// As [`plan_search`].
pub async fn plan_keys(
    cx: &PlanContext,
    table: &Arc<Table>,
    delete: &Delete,
    partitions: &[PartitionId],
) -> Result<Planned, QueryError> {
    let key = storage_tablet::keys::positions(&table.schema);
    let mut columns = columns_of_search();
    columns.truncate(1);
    columns.extend(key.iter().filter_map(|at| columns_of(table).into_iter().nth(*at)));
    let build = |stored: StoredTable, Target { name, condition }: Target| -> Result<LogicalPlan, QueryError> {
        let column = |of: String| Expr::Column(Column::new(Some(name.clone()), of));
        let keys = key.iter().map(|at| column(table.schema.columns[*at].name.to_lowercase()));
        let wanted: Vec<Expr> = std::iter::once(column(PARTITION.to_owned())).chain(keys).collect();
        let source = provider_as_source(Arc::new(stored.saying_partitions()));
        let plan = LogicalPlanBuilder::scan(name.clone(), source, None)?;
        Ok(plan.filter(condition)?.project(wanted)?.build()?)
    };
    plan_over(cx, table, delete, partitions, columns, build).await
}

/// Plans what `build` makes of some partitions of the table and the condition. What the condition itself reads of the table is
/// not cut down.
async fn plan_over(
    cx: &PlanContext,
    table: &Arc<Table>,
    delete: &Delete,
    partitions: &[PartitionId],
    columns: Vec<ResultColumn>,
    build: impl FnOnce(StoredTable, Target) -> Result<LogicalPlan, QueryError>,
) -> Result<Planned, QueryError> {
    let stack = Stack::for_condition(cx, condition_of(delete)?)?;
    let planning = async {
        let state = session::planner(cx.parallelism);
        let (target, notes) = resolve(cx, &state, delete)?;
        let stored = StoredTable::new(cx, Arc::clone(table), Arc::clone(&notes));
        let plan = build(stored.of_partitions(partitions.iter().copied()), target)?;
        let (_, tables) = plan::tables_of(&plan)?;
        let plan = plan::physical(&state, &plan, stack).await?;
        Ok(Planned::whole(columns, tables, plan, notes))
    };
    stack.run_async(Box::pin(planning)).await
}

/// The result of a plan of [`plan_search`].
///
/// # Errors
/// When the batches are not of such a plan.
pub fn found(batches: &[RecordBatch]) -> Result<Found, QueryError> {
    let mut found = Found::new();
    for batch in batches {
        let [partitions, rows] = batch.columns() else { return Err(odd_result()) };
        let partitions = partitions.as_primitive_opt::<UInt64Type>().ok_or_else(odd_result)?;
        let rows = rows.as_primitive_opt::<Int64Type>().ok_or_else(odd_result)?;
        for (partition, rows) in partitions.values().iter().zip(rows.values()) {
            *found.entry(PartitionId(*partition)).or_default() += rows.unsigned_abs();
        }
    }
    Ok(found)
}

fn odd_result() -> QueryError {
    QueryError::internal("the search of a DELETE did not give numbers of rows by partition")
}

fn condition_of(delete: &Delete) -> Result<&SqlExpr, QueryError> {
    delete.predicate.as_ref().ok_or_else(|| QueryError::analyzing("Where clause is not set"))
}

/// What a DELETE says, resolved.
struct Target {
    /// What the condition calls the table.
    name: TableReference,
    /// Over the columns of the table.
    condition: Expr,
}

/// And the notes of what the condition reads.
fn resolve(cx: &PlanContext, state: &SessionState, delete: &Delete) -> Result<(Target, ScanNotes), QueryError> {
    let mut query = query_of(&delete.table, condition_of(delete)?)?;
    query.with = delete.with.as_ref().and_then(|names| names.with.clone());
    let Logical { plan, notes, .. } = plan::logical(cx, state, rewrite(&query, cx)?)?;
    let mut node = &plan;
    loop {
        if let LogicalPlan::Filter(filter) = node
            && let LogicalPlan::TableScan(scan) = filter.input.as_ref()
        {
            let target = Target { name: scan.table_name.clone(), condition: filter.predicate.clone() };
            return Ok((target, notes));
        }
        match node.inputs().as_slice() {
            [only] => node = only,
            _ => return Err(QueryError::internal("a DELETE is no filter over its table")),
        }
    }
}

/// `SELECT * FROM table WHERE condition`.
pub(crate) fn query_of(table: &QualifiedName, condition: &SqlExpr) -> Result<Query, QueryError> {
    let parsed = runtime_sql::parse(&format!("SELECT * FROM {table}")).ok().and_then(|mut parsed| parsed.pop());
    let Some(Statement::Query(mut query)) = parsed.map(|parsed| parsed.statement) else {
        return Err(QueryError::internal(format!("{table} cannot be selected from")));
    };
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.selection = Some(condition.clone());
    }
    Ok(*query)
}

fn columns_of_search() -> Vec<ResultColumn> {
    let column = |name: &str, data_type, arrow_type| ResultColumn {
        name: name.to_owned(),
        data_type,
        arrow_type,
        nullable: false,
    };
    vec![
        column("partition", ResultType::UnsignedBigInt, ArrowType::UInt64),
        column("count(*)", ResultType::Column(DataType::BigInt), ArrowType::Int64),
    ]
}
