//! A table of the catalog as DataFusion sees it.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use storage_model::{PartitionId, Table};

use super::scan::{Piece, scan_plan};
use super::{ScanNote, ScanNotes, merge, prune};
use crate::context::PlanContext;
use crate::error::QueryError;

/// The column of [`StoredTable::saying_partitions`]. Columns of tables are known in lower case, so it is none of theirs.
pub(crate) const PARTITION: &str = "PARTITION";

/// A stored table in one revision of the catalog.
#[derive(Debug)]
pub(crate) struct StoredTable {
    cx: PlanContext,
    pub(crate) table: Arc<Table>,
    schema: TableSchema,
    /// None: all partitions.
    only: Option<BTreeSet<PartitionId>>,
    notes: ScanNotes,
}

impl StoredTable {
    pub(crate) fn new(cx: &PlanContext, table: Arc<Table>, notes: ScanNotes) -> StoredTable {
        let schema = TableSchema::from(storage_tablet::read_schema(&table.schema));
        StoredTable { cx: cx.clone(), table, schema, only: None, notes }
    }

    /// Only the rows of these partitions.
    pub(crate) fn of_partitions(self, partitions: impl IntoIterator<Item = PartitionId>) -> StoredTable {
        StoredTable { only: Some(partitions.into_iter().collect()), ..self }
    }

    /// With one more column, which says in which partition a row is.
    pub(crate) fn saying_partitions(self) -> StoredTable {
        let column = Arc::new(Field::new(PARTITION, DataType::UInt64, false));
        let columns = TableSchema::builder(Arc::clone(self.schema.file_schema()));
        StoredTable { schema: columns.with_table_partition_cols(vec![column]).build(), ..self }
    }

    /// The rowsets that the filters leave, and a note of them.
    fn pieces(&self, filters: &[Expr]) -> Result<Vec<Piece>, QueryError> {
        let catalog = &self.cx.catalog;
        let buckets = prune::Buckets::new(&self.table, filters);
        let model = self.table.model;
        let mut note = ScanNote {
            table: self.table.name.clone(),
            partitions: (0, 0),
            tablets: (0, 0),
            rows: 0,
            merged: (0, model.clause()),
        };
        let mut pieces = Vec::new();
        for partition in catalog.partitions_of(&self.table) {
            note.partitions.1 += 1;
            note.tablets.1 += partition.buckets as usize;
            if self.only.as_ref().is_some_and(|only| !only.contains(&partition.id)) {
                continue;
            }
            if !prune::partition_may_match(&self.table, partition, filters) {
                continue;
            }
            note.partitions.0 += 1;
            let selected = buckets.selected(partition.buckets)?;
            note.tablets.0 += selected.as_ref().map_or(partition.buckets as usize, |s| s.len());
            for (sequence, rowset) in (0..).zip(&partition.rowsets) {
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
                pieces.push(Piece::new(partition.id, sequence, rowset, file, &self.cx.service_id));
            }
        }
        if model.merges() {
            note.merged.0 = merge::tablets(&pieces).values().filter(|count| **count > 1).count();
        }
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        Ok(pieces)
    }
}

#[async_trait]
impl TableProvider for StoredTable {
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
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let pieces = self.pieces(filters)?;
        if self.table.model.merges() {
            return merge::merged_plan(state, &self.table, &self.schema, pieces, projection, limit);
        }
        scan_plan(state, &self.schema, pieces, projection, limit)
    }

    /// Every filter prunes as well as it can; DataFusion checks the rows again.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
