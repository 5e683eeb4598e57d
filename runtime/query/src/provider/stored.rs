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
use runtime_sql::partition_names::PartitionNames;
use storage_model::{Partition, PartitionId, Table, TableStatistics};

use super::scan::Piece;
use super::{ScanNote, ScanNotes, known, merge, prune};
use crate::context::{Constant, PlanContext};
use crate::error::QueryError;

/// The column of [`StoredTable::saying_partitions`]. Columns of tables are known in lower case, so it is none of theirs.
pub(crate) const PARTITION: &str = "PARTITION";

/// The session variable that says how many partitions of a table a query may read.
const PARTITION_LIMIT: &str = "scan_olap_partition_num_limit";

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

    /// Only the rows of the partitions that a query names.
    ///
    /// # Errors
    /// When one of them is not there.
    pub(crate) fn of_named(self, named: &PartitionNames) -> Result<StoredTable, QueryError> {
        let catalog = &self.cx.catalog;
        let there: Vec<_> = match named.temporary {
            true => catalog.temporary_partitions_of(&self.table).collect(),
            false => catalog.partitions_of(&self.table).collect(),
        };
        let mut only = BTreeSet::new();
        for name in &named.names {
            let found = there.iter().find(|partition| partition.name.eq_ignore_ascii_case(name));
            let found = found.ok_or_else(|| QueryError::unknown_partition(name, &self.table.name))?;
            only.insert(found.id);
        }
        Ok(self.of_partitions(only))
    }

    /// With one more column, which says in which partition a row is.
    pub(crate) fn saying_partitions(self) -> StoredTable {
        let column = Arc::new(Field::new(PARTITION, DataType::UInt64, false));
        let columns = TableSchema::builder(Arc::clone(self.schema.file_schema()));
        StoredTable { schema: columns.with_table_partition_cols(vec![column]).build(), ..self }
    }

    /// A session may limit how many partitions a query reads of a table.
    fn check_partitions(&self, count: usize) -> Result<(), QueryError> {
        match self.cx.session.variables.system(PARTITION_LIMIT, false) {
            Some(Constant::Integer(most)) if most > 0 && count as u64 > most.unsigned_abs() => {
                Err(QueryError::invalid(format!(
                    "Exceeded the limit of number of olap table partitions to be scanned. Number of partitions allowed: {most}, \
                     number of partitions to be scanned: {count}. Please adjust the SQL or change the limit by set variable \
                     {PARTITION_LIMIT}."
                )))
            }
            _ => Ok(()),
        }
    }

    /// What is known of the values of the table.
    pub(crate) fn statistics(&self) -> Option<Arc<TableStatistics>> {
        known::of_table(&self.cx.catalog, &self.table)
    }

    /// The rows of the partitions that filters leave. Where rows with equal keys become one, a query sees fewer.
    pub(crate) fn rows_left(&self, state: &dyn Session, filters: &[Expr]) -> f64 {
        let chosen = self.chosen();
        let left = prune::partitions(state, &self.table, self.schema.file_schema(), chosen, filters);
        left.into_iter().map(|partition| partition.rows() as f64).sum()
    }

    /// The partitions that are read if no filter says otherwise. Temporary ones are read only by those who name them.
    fn chosen(&self) -> Vec<&Arc<Partition>> {
        let catalog = &self.cx.catalog;
        let own = catalog.partitions_of(&self.table);
        let Some(only) = &self.only else { return own.collect() };
        own.chain(catalog.temporary_partitions_of(&self.table))
            .filter(|partition| only.contains(&partition.id))
            .collect()
    }

    /// What is known of the columns that are read, in lines.
    fn known_columns(&self, projection: Option<&Vec<usize>>) -> Vec<String> {
        let Some(statistics) = self.statistics() else { return Vec::new() };
        let is_read = |at: usize| projection.is_none_or(|read| read.contains(&at));
        let columns = self.table.schema.columns.iter().enumerate().filter(|(at, _)| is_read(*at));
        columns.filter_map(|(_, column)| known::line(column, &statistics)).collect()
    }

    /// The rowsets that the filters leave, and a note of them.
    fn pieces(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Result<Vec<Piece>, QueryError> {
        let catalog = &self.cx.catalog;
        let buckets = prune::Buckets::new(&self.table, filters);
        let model = self.table.model;
        let mut note = ScanNote {
            table: self.table.name.clone(),
            partitions: (0, 0),
            tablets: (0, 0),
            rows: 0,
            merged: (0, model.clause()),
            columns: self.known_columns(projection),
        };
        let mut pieces = Vec::new();
        note.partitions.1 = self.table.partitions.len();
        note.tablets.1 = catalog.partitions_of(&self.table).map(|partition| partition.buckets as usize).sum();
        let chosen = self.chosen();
        for partition in prune::partitions(state, &self.table, self.schema.file_schema(), chosen, filters) {
            note.partitions.0 += 1;
            let selected = buckets.selected(partition.buckets)?;
            note.tablets.0 += selected.as_ref().map_or(partition.buckets as usize, |s| s.len());
            for (sequence, rowset) in (0..).zip(&partition.rowsets) {
                if rowset.rows == 0 || selected.as_ref().is_some_and(|s| !s.contains(&rowset.bucket)) {
                    continue;
                }
                note.rows += rowset.live_rows();
                let find = |id| catalog.file(id);
                let piece = Piece::new(partition.id, sequence, rowset, &self.cx.service_id, find)?;
                pieces.push(piece.queried(&self.table));
            }
        }
        self.check_partitions(note.partitions.0)?;
        if model.merges_when_read() {
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
        let pieces = self.pieces(state, projection, filters)?;
        let plan = merge::rows_plan(state, &self.table, &self.schema, pieces, projection, limit)?;
        match self.statistics() {
            Some(statistics) => known::told(plan, &self.table, &statistics),
            None => Ok(plan),
        }
    }

    /// Every filter prunes as well as it can; DataFusion checks the rows again.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
