//! Compaction: the rows of some rowsets of a tablet, in the order of their sort key.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use storage_model::{FileEntry, FileId, Partition, ServiceId, Table};

use crate::error::QueryError;
use crate::insert::columns_of;
use crate::plan::Planned;
use crate::provider::ScanNotes;
use crate::provider::merge::rows_plan;
use crate::provider::scan::Piece;
use crate::session;

/// Plans the rows that `partition` says of one of its buckets, merged by the key model, in the columns of the table and in the
/// order of its sort key. `partition` may have fewer rowsets than the catalog has of it, if they are neighbours there.
///
/// # Errors
/// When a rowset is of a file that is not among `files`.
pub fn plan_compaction(
    table: &Table,
    partition: &Partition,
    files: &[FileEntry],
    service: &ServiceId,
    bucket: u32,
) -> Result<Planned, QueryError> {
    let files: HashMap<FileId, &FileEntry> = files.iter().map(|file| (file.id, file)).collect();
    let mut pieces = Vec::new();
    for (sequence, rowset) in (0..).zip(&partition.rowsets).filter(|(_, rowset)| rowset.bucket == bucket) {
        pieces.push(Piece::new(partition.id, sequence, rowset, service, |id| files.get(&id).copied())?);
    }
    let schema = TableSchema::from(storage_tablet::read_schema(&table.schema));
    let state = session::planner(1);
    let rows = rows_plan(&*state, table, &schema, pieces, None, None)?;
    let plan = sorted(table, rows)?;
    let (columns, notes) = (columns_of(table), ScanNotes::default());
    Ok(Planned::whole(columns, vec![table.id], plan, notes))
}

/// As runs are: ascending, NULL first.
fn sorted(table: &Table, rows: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
    let options = SortOptions { descending: false, nulls_first: true };
    let schema = rows.schema();
    let key = |at: usize| PhysicalSortExpr::new(Arc::new(Column::new(schema.field(at).name(), at)), options);
    match LexOrdering::new(table.sort_positions().into_iter().map(key)) {
        Some(order) => Ok(Arc::new(SortExec::new(order, rows))),
        None => Ok(rows),
    }
}
