//! A table of the catalog as DataFusion sees it.

use std::sync::{Arc, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use storage_model::Table;

use super::scan::{Piece, scan_plan};
use super::{ScanNote, ScanNotes, prune};
use crate::context::PlanContext;
use crate::error::QueryError;

/// A stored table in one revision of the catalog.
#[derive(Debug)]
pub(crate) struct StoredTable {
    cx: PlanContext,
    pub(crate) table: Arc<Table>,
    schema: SchemaRef,
    notes: ScanNotes,
}

impl StoredTable {
    pub(crate) fn new(cx: &PlanContext, table: Arc<Table>, notes: ScanNotes) -> StoredTable {
        let schema = storage_tablet::arrow_schema(&table.schema);
        StoredTable { cx: cx.clone(), table, schema, notes }
    }

    /// The rowsets that the filters leave, and a note of them.
    fn pieces(&self, filters: &[Expr]) -> Result<Vec<Piece>, QueryError> {
        let catalog = &self.cx.catalog;
        let buckets = prune::Buckets::new(&self.table, filters);
        let mut note = ScanNote { table: self.table.name.clone(), partitions: (0, 0), tablets: (0, 0), rows: 0 };
        let mut pieces = Vec::new();
        for partition in catalog.partitions_of(&self.table) {
            note.partitions.1 += 1;
            note.tablets.1 += partition.buckets as usize;
            if !prune::partition_may_match(&self.table, partition, filters) {
                continue;
            }
            note.partitions.0 += 1;
            let selected = buckets.selected(partition.buckets)?;
            note.tablets.0 += selected.as_ref().map_or(partition.buckets as usize, |s| s.len());
            for rowset in &partition.rowsets {
                if rowset.rows == 0 || selected.as_ref().is_some_and(|s| !s.contains(&rowset.bucket)) {
                    continue;
                }
                let file = catalog.file(rowset.file).ok_or_else(|| {
                    QueryError::internal(format!(
                        "partition {} names file {} that is unknown",
                        partition.id, rowset.file
                    ))
                })?;
                note.rows += rowset.rows;
                pieces.push(Piece {
                    volume: file.volume,
                    path: format!("{}/{}", self.cx.service_id, file.object),
                    size: file.size,
                    start: rowset.start,
                    end: rowset.end,
                    rows: rowset.rows,
                });
            }
        }
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        Ok(pieces)
    }
}

#[async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let pieces = self.pieces(filters)?;
        scan_plan(state, &self.schema, pieces, projection, limit)
    }

    /// Every filter prunes as well as it can; DataFusion checks the rows again.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
