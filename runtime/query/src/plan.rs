//! From a query's syntax tree to a physical plan and the columns that clients will see.

pub(crate) mod constant;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast::{Query, Statement};
use storage_model::{DataType, TableId};

use crate::context::PlanContext;
use crate::depth::{self, Stack};
use crate::error::QueryError;
use crate::joins;
use crate::provider::stored::StoredTable;
use crate::provider::view::ViewRead;
use crate::provider::virtual_table::VirtualTable;
use crate::provider::{Resolver, ScanNotes};
use crate::rewrite::{Label, Rewritten, rewrite};
use crate::session;
use crate::stages::leaves::scanned;
use crate::stages::subqueries::{Subqueries, subqueries};

/// Where a plan must run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On the frontend that made it: it touches no table.
    Local,
    /// On a compute node.
    Compute,
}

/// What a result column holds, as MySQL clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultType {
    /// Only NULL.
    Null,
    /// A type that columns of tables have.
    Column(DataType),
    /// 64 bits without sign.
    UnsignedBigInt,
    /// A time of day or an interval.
    Time,
    /// Bytes.
    Binary,
    /// A list, struct or map, sent as text.
    Nested,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its label.
    pub name: String,
    /// As clients are told.
    pub data_type: ResultType,
    /// As batches hold it.
    pub arrow_type: ArrowType,
    /// Whether it can be NULL.
    pub nullable: bool,
}

/// A statement ready to run.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The columns of the result; for rows that go into a table those of the table.
    pub columns: Vec<ResultColumn>,
    /// Where it runs.
    pub placement: Placement,
    /// The stored tables that it reads (an INSERT's target is not among them).
    pub tables: Vec<TableId>,
    /// The views that it reads, those in views too.
    pub views: Vec<ViewRead>,
    /// The rows, when they are constants and nothing needs to run at all.
    pub values: Option<RecordBatch>,
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) notes: ScanNotes,
    /// As [`PlanContext`] says.
    pub(crate) split_from: u64,
}

impl Planned {
    /// How often the plan reads a table of this name.
    pub fn scans_of(&self, table: &str) -> usize {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.iter().filter(|note| note.table == table).count()
    }

    /// When it reads so much that it is worth several compute nodes, and can be split over them: how many bytes are worth
    /// one.
    pub fn split_bytes(&self) -> Option<u64> {
        let can_be = self.placement == Placement::Compute && subqueries(&self.plan) == Subqueries::None;
        (can_be && scanned(&self.plan) >= self.split_from).then_some(self.split_from)
    }

    /// How many rows come without a value in a column, as far as that is known before they are made: of constants exactly.
    pub fn rows_without(&self, column: usize) -> u64 {
        /// When nothing is known of them.
        const UNKNOWN: usize = 1000;
        /// When much is said of them that need not be true.
        const MOST: usize = 10_000_000;
        if let Some(rows) = &self.values {
            return rows.columns().get(column).map_or(0, |values| values.logical_null_count() as u64);
        }
        let has_all = self.plan.schema().fields().get(column).is_none_or(|field| !field.is_nullable());
        if has_all {
            return 0;
        }
        let known = StatisticsContext::new().compute(self.plan.as_ref(), &StatisticsArgs::new());
        let rows = known.ok().and_then(|known| known.num_rows.get_value().copied());
        rows.unwrap_or(UNKNOWN).min(MOST) as u64
    }

    /// A plan that one compute node runs whole.
    pub(crate) fn whole(
        columns: Vec<ResultColumn>,
        tables: Vec<TableId>,
        plan: Arc<dyn ExecutionPlan>,
        notes: ScanNotes,
    ) -> Planned {
        let (placement, views, split_from) = (Placement::Compute, Vec::new(), u64::MAX);
        Planned { columns, placement, tables, views, values: None, plan, notes, split_from }
    }

    /// A result of rows that are known already.
    pub(crate) fn of_values(columns: Vec<ResultColumn>, rows: RecordBatch) -> Result<Planned, QueryError> {
        let plan = MemorySourceConfig::try_new_exec(&[vec![rows.clone()]], rows.schema(), None)?;
        let whole = Planned::whole(columns, Vec::new(), plan, ScanNotes::default());
        Ok(Planned { placement: Placement::Local, values: Some(rows), ..whole })
    }
}

/// The constant rows of several plans of one kind, as one plan.
///
/// # Errors
/// When one of them has other rows than constant ones, or other columns.
pub fn together(plans: &[&Planned]) -> Result<Planned, QueryError> {
    let rows: Option<Vec<&RecordBatch>> = plans.iter().map(|plan| plan.values.as_ref()).collect();
    let (Some(first), Some(rows)) = (plans.first(), rows.filter(|rows| !rows.is_empty())) else {
        return Err(QueryError::internal("these are not constant rows"));
    };
    let rows = arrow::compute::concat_batches(&rows[0].schema(), rows)?;
    Planned::of_values(first.columns.clone(), rows)
}

/// Plans a query.
///
/// # Errors
/// When names do not resolve or types do not fit, in StarRocks' words.
pub async fn plan_query(cx: &PlanContext, query: &Query) -> Result<Planned, QueryError> {
    let stack = Stack::for_query(cx, query)?;
    stack.run_async(Box::pin(plan_on_stack(cx, query, stack))).await
}

async fn plan_on_stack(cx: &PlanContext, query: &Query, stack: Stack) -> Result<Planned, QueryError> {
    let state = session::planner(cx.parallelism);
    let rewritten = rewrite(query, cx)?;
    if let Some(planned) = constant::plan(cx, &state, &rewritten)? {
        return Ok(planned);
    }
    let Logical { plan, labels, placement, tables, views, notes } = logical(cx, &state, rewritten)?;
    let physical = large(cx, &state, &plan, &notes, stack).await?;
    let schema = physical.schema();
    let columns = schema.fields().iter().zip(labels).map(|(field, name)| ResultColumn {
        name,
        data_type: result_type(field.data_type()),
        arrow_type: field.data_type().clone(),
        nullable: field.is_nullable(),
    });
    Ok(Planned {
        columns: columns.collect(),
        placement,
        tables,
        views,
        values: None,
        plan: physical,
        notes,
        split_from: cx.split_from,
    })
}

/// The physical plan of a logical one.
pub(crate) async fn physical(
    state: &SessionState,
    plan: &LogicalPlan,
    stack: Stack,
) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
    let mut plan = joins::in_order(state, state.optimize(plan)?)?;
    if stack.is_deep() {
        plan = depth::balance_plan(plan)?;
    }
    let physical = state.query_planner().create_physical_plan(&plan, state).await?;
    depth::check(&physical)?;
    Ok(physical)
}

/// The physical plan of a query that may read much: then it is made so that it can be cut in stages, if it can be at all.
pub(crate) async fn large(
    cx: &PlanContext,
    state: &SessionState,
    plan: &LogicalPlan,
    notes: &ScanNotes,
    stack: Stack,
) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
    let whole = physical(state, plan, stack).await?;
    if scanned(&whole) < cx.split_from || subqueries(&whole) != Subqueries::OneRow {
        return Ok(whole);
    }
    // They are made anew.
    let of_whole = std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner));
    match physical(&session::joining_planner(cx.parallelism), plan, stack).await {
        Ok(joined) if subqueries(&joined) == Subqueries::None => Ok(joined),
        // Not wherever a subquery may stand it can be joined.
        _ => {
            *notes.lock().unwrap_or_else(PoisonError::into_inner) = of_whole;
            Ok(whole)
        }
    }
}

/// A query before it is optimised.
pub(crate) struct Logical {
    pub plan: LogicalPlan,
    pub labels: Vec<String>,
    pub placement: Placement,
    pub tables: Vec<TableId>,
    pub views: Vec<ViewRead>,
    pub notes: ScanNotes,
}

pub(crate) fn logical(cx: &PlanContext, state: &SessionState, rewritten: Rewritten) -> Result<Logical, QueryError> {
    let Rewritten { query, labels, mut spelling } = rewritten;
    let resolver = Resolver::new(cx, state);
    let notes = resolver.notes();
    let plan = SqlToRel::new(&resolver).sql_statement_to_plan(Statement::Query(Box::new(query)))?;
    if matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_)) {
        return Err(QueryError::analyzing("not a query"));
    }
    let (declared, views) = resolver.into_found();
    for (lower, declared) in declared {
        spelling.insert(lower, declared);
    }
    let (placement, tables) = tables_of(&plan)?;
    let labels = resolved_labels(&labels, plan.schema(), &spelling);
    Ok(Logical { plan, labels, placement, tables, views, notes })
}

/// The stored tables of a plan, and where it must run. What computes many rows (a table function) runs on a compute
/// node too.
pub(crate) fn tables_of(plan: &LogicalPlan) -> Result<(Placement, Vec<TableId>), QueryError> {
    let mut tables = Vec::new();
    let mut placement = Placement::Local;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
        {
            if let Some(stored) = provider.downcast_ref::<StoredTable>() {
                placement = Placement::Compute;
                if !tables.contains(&stored.table.id) {
                    tables.push(stored.table.id);
                }
            } else if provider.downcast_ref::<VirtualTable>().is_none() && scan.table_name.table().ends_with("()") {
                placement = Placement::Compute;
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok((placement, tables))
}

/// The labels, with every `*` spread over the columns it stands for.
pub(crate) fn resolved_labels(labels: &[Label], schema: &DFSchema, spelling: &HashMap<String, String>) -> Vec<String> {
    let fields: Vec<_> = schema.iter().collect();
    let own = |at: usize| {
        let name = fields[at].1.name();
        spelling.get(name).unwrap_or(name).clone()
    };
    let mut resolved = Vec::with_capacity(fields.len());
    for (position, label) in labels.iter().enumerate() {
        let rest = &labels[position + 1..];
        let left = fields.len().saturating_sub(resolved.len());
        match label {
            Label::Text(text) => resolved.push(text.clone()),
            Label::All => {
                // Every later label takes one column at least.
                let take = if rest.iter().all(|l| matches!(l, Label::Text(_))) {
                    left.saturating_sub(rest.len())
                } else {
                    left
                };
                let start = resolved.len();
                resolved.extend((start..start + take).map(own));
            }
            Label::AllOf(table) => {
                let start = resolved.len();
                let of_table = |at: &usize| fields[*at].0.is_some_and(|q| q.table() == table);
                resolved.extend((start..fields.len()).take_while(of_table).map(own));
            }
        }
    }
    resolved.truncate(fields.len());
    resolved.extend((resolved.len()..fields.len()).map(own));
    resolved
}

/// What MySQL clients are told of an Arrow type.
pub fn result_type(arrow: &ArrowType) -> ResultType {
    ResultType::Column(match arrow {
        ArrowType::Null => return ResultType::Null,
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Int8 => DataType::TinyInt,
        ArrowType::Int16 | ArrowType::UInt8 => DataType::SmallInt,
        ArrowType::Int32 | ArrowType::UInt16 => DataType::Int,
        ArrowType::Int64 | ArrowType::UInt32 => DataType::BigInt,
        ArrowType::UInt64 => return ResultType::UnsignedBigInt,
        ArrowType::Float16 | ArrowType::Float32 => DataType::Float,
        ArrowType::Float64 => DataType::Double,
        ArrowType::Decimal256(_, 0) => DataType::LargeInt,
        ArrowType::Decimal32(precision, scale)
        | ArrowType::Decimal64(precision, scale)
        | ArrowType::Decimal128(precision, scale)
        | ArrowType::Decimal256(precision, scale) => {
            DataType::Decimal { precision: *precision, scale: scale.unsigned_abs() }
        }
        ArrowType::Date32 | ArrowType::Date64 => DataType::Date,
        ArrowType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond, _)
        | ArrowType::Timestamp(TimeUnit::Nanosecond, _) => DataType::DateTime,
        ArrowType::Time32(_) | ArrowType::Time64(_) | ArrowType::Duration(_) | ArrowType::Interval(_) => {
            return ResultType::Time;
        }
        ArrowType::LargeBinary => DataType::Bitmap,
        ArrowType::BinaryView => DataType::Hll,
        ArrowType::Binary | ArrowType::FixedSizeBinary(_) => return ResultType::Binary,
        ArrowType::LargeUtf8 => DataType::Json,
        ArrowType::Utf8 | ArrowType::Utf8View | ArrowType::Dictionary(_, _) => {
            DataType::Varchar(storage_model::schema::STRING_LENGTH)
        }
        _ => return ResultType::Nested,
    })
}
