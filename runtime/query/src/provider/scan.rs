//! Rowsets to a Parquet scan. A rowset is a byte range of a file that begins and ends between row groups: DataFusion
//! reads the row groups whose first page begins in the range, so each is read once and by nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use storage_model::{FileEntry, FileId, PartitionId, Rowset, ServiceId, Table, VolumeId};
use storage_volume::layout::Layout;

use super::deleted::{DELETED, Deleted};
use crate::error::QueryError;

/// The column that says which rowset a row is of. Columns of tables are known in lower case, so it is none of theirs.
pub(crate) const SEQUENCE: &str = "SEQUENCE";
/// Below this many bytes a scan is not cut further.
const SMALLEST_GROUP: u64 = 256 * 1024;

/// Whether it is worth while to keep what is read near the node that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    /// It may be read again.
    Again,
    /// It is read once, or the table is not to be kept.
    Once,
}

impl Reading {
    pub(crate) const ALL: [Reading; 2] = [Reading::Again, Reading::Once];

    /// Of the files of a table.
    fn of(table: &Table) -> Reading {
        let said = table.properties.get("datacache.enable");
        if said.is_some_and(|value| value.eq_ignore_ascii_case("false")) { Reading::Once } else { Reading::Again }
    }
}

/// The URL under which plans know a volume. A compute node registers the store there.
pub(crate) fn volume_url(volume: VolumeId, reading: Reading) -> Result<ObjectStoreUrl> {
    match reading {
        Reading::Again => ObjectStoreUrl::parse(format!("starkeep://v{volume}/")),
        Reading::Once => ObjectStoreUrl::parse(format!("starkeep://once-v{volume}/")),
    }
}

/// The part of a file that a plan reads.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub partition: PartitionId,
    /// The tablet in its partition.
    pub bucket: u32,
    /// Which rowset of its partition it is, counted from the oldest.
    pub sequence: u64,
    pub volume: VolumeId,
    pub reading: Reading,
    pub path: String,
    pub size: u64,
    pub start: u64,
    pub end: u64,
    /// Rows that are still there.
    pub rows: u64,
    /// Which are not.
    pub deleted: Option<Deleted>,
}

impl Piece {
    /// What a rowset is made of, which is the `sequence`th of its partition. It is read once.
    ///
    /// # Errors
    /// When it names a file that `find` does not find.
    pub fn new<'a>(
        partition: PartitionId,
        sequence: u64,
        rowset: &Rowset,
        service: &ServiceId,
        find: impl Fn(FileId) -> Option<&'a FileEntry>,
    ) -> Result<Piece, QueryError> {
        let file = find(rowset.file).ok_or_else(|| {
            QueryError::internal(format!("partition {partition} names file {} that is unknown", rowset.file))
        })?;
        Ok(Piece {
            deleted: Deleted::of(rowset, file, service, find)?,
            partition,
            bucket: rowset.bucket,
            sequence,
            volume: file.volume,
            reading: Reading::Once,
            path: Layout(service.clone()).in_root(&file.object),
            size: file.size,
            start: rowset.start,
            end: rowset.end,
            rows: rowset.live_rows(),
        })
    }

    /// The same, for a query over the table.
    pub fn queried(self, table: &Table) -> Piece {
        Piece { reading: Reading::of(table), ..self }
    }
}

/// The plan that reads the pieces: the columns of their files and, where the schema has more, the partition or the sequence of
/// each row.
pub(crate) fn scan_plan(
    state: &dyn Session,
    schema: &TableSchema,
    pieces: Vec<Piece>,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let mut volumes: BTreeMap<(VolumeId, Reading), Vec<Piece>> = BTreeMap::new();
    for piece in pieces {
        volumes.entry((piece.volume, piece.reading)).or_default().push(piece);
    }
    let scan = |((volume, reading), pieces)| {
        volume_scan(state, schema, volume_url(volume, reading)?, pieces, projection, limit)
    };
    let mut scans = volumes.into_iter().map(scan).collect::<Result<Vec<_>>>()?;
    match scans.len() {
        0 => {
            let schema = schema.table_schema();
            let schema = match projection {
                Some(columns) => Arc::new(schema.project(columns)?),
                None => Arc::clone(schema),
            };
            Ok(Arc::new(EmptyExec::new(schema)))
        }
        1 => Ok(scans.remove(0)),
        _ => UnionExec::try_new(scans),
    }
}

fn volume_scan(
    state: &dyn Session,
    schema: &TableSchema,
    volume: ObjectStoreUrl,
    pieces: Vec<Piece>,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let all = schema.table_schema().fields().len();
    let with_deleted = pieces.iter().any(|piece| piece.deleted.is_some()).then(|| with_constant(schema, DELETED));
    let schema = with_deleted.as_ref().unwrap_or(schema);
    // What is gone is no column of the rows.
    let projection = projection.cloned().unwrap_or_else(|| (0..all).collect());
    let options = state.config_options();
    let parquet = TableParquetOptions { global: options.execution.parquet.clone(), ..TableParquetOptions::default() };
    let source = ParquetSource::new(schema.clone()).with_table_parquet_options(parquet);
    let statistics = statistics(schema.table_schema(), &pieces);
    let groups = file_groups(pieces, options.execution.target_partitions, schema.table_partition_cols());
    let config = FileScanConfigBuilder::new(volume, Arc::new(source))
        .with_file_groups(groups)
        .with_statistics(statistics)
        .with_projection_indices(Some(projection))?
        .with_limit(limit)
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// The schema with one more constant behind all columns: one that says which rows are gone, or the sequence.
pub(crate) fn with_constant(schema: &TableSchema, name: &str) -> TableSchema {
    let mut constants = schema.table_partition_cols().to_vec();
    constants.push(Arc::new(match name {
        DELETED => Field::new(name, ArrowType::Binary, true),
        _ => Field::new(name, ArrowType::UInt64, false),
    }));
    TableSchema::builder(Arc::clone(schema.file_schema())).with_table_partition_cols(constants).build()
}

/// The catalog knows the rows exactly.
fn statistics(schema: &Schema, pieces: &[Piece]) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = Precision::Exact(pieces.iter().map(|p| p.rows as usize).sum());
    statistics.total_byte_size = Precision::Inexact(pieces.iter().map(|p| (p.end - p.start) as usize).sum());
    statistics
}

/// Pieces in groups of about equal bytes, one for each thread that will read: the largest first, each to the group
/// that has least.
fn file_groups(mut pieces: Vec<Piece>, target: usize, constants: &[FieldRef]) -> Vec<FileGroup> {
    let bytes: u64 = pieces.iter().map(|p| p.end - p.start).sum();
    let wanted = usize::try_from(bytes / SMALLEST_GROUP).unwrap_or(usize::MAX).max(1);
    let count = target.min(pieces.len()).min(wanted).max(1);
    pieces.sort_by_key(|p| std::cmp::Reverse(p.end - p.start));
    let mut groups = vec![(0_u64, Vec::new()); count];
    for piece in pieces {
        if let Some((bytes, files)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += piece.end - piece.start;
            files.push(piece);
        }
    }
    let file = |p: Piece| {
        let constant = |field: &FieldRef| match field.name().as_str() {
            SEQUENCE => ScalarValue::from(p.sequence),
            DELETED => p.deleted.as_ref().map_or(ScalarValue::Binary(None), Deleted::to_scalar),
            _ => ScalarValue::from(p.partition.0),
        };
        let values = constants.iter().map(constant).collect();
        PartitionedFile::new(p.path, p.size).with_range(p.start as i64, p.end as i64).with_partition_values(values)
    };
    groups
        .into_iter()
        .map(|(_, mut pieces)| {
            // Ranges of one file follow each other, which reads ahead well.
            pieces.sort_by(|a, b| (&a.path, a.start).cmp(&(&b.path, b.start)));
            FileGroup::new(pieces.into_iter().map(file).collect())
        })
        .collect()
}
