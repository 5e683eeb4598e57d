//! A Parquet file from the rows of one partition: buckets one after the other, each in row groups of its own, sorted by
//! the sort key (ascending, NULL first, rows with equal keys as they came, or as one where the key model merges them). In a
//! PRIMARY KEY table an index of each run's keys stands behind them all.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType as ArrowType, Field, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, RowGroupMetaData, SortingColumn};
use parquet::file::properties::{BloomFilterProperties, EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};
use storage_model::file::WrittenRun;
use storage_model::{ByteRange, ColumnStatistics, KeyModel, Table};

use crate::buffer::Place;
use crate::checksum::{CRC32C_KEY, sums};
use crate::compression::compression_of;
use crate::error::TabletError;
use crate::key_index::{self, Entry};
use crate::keys;
use crate::merge::Merging;
use crate::statistics;
use crate::types::arrow_schema;

/// Most rows of a row group.
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Most bytes of a row group, encoded, about.
const ROW_GROUP_BYTES: usize = 128 << 20;
/// Rows that are gathered at once.
const GATHER_ROWS: usize = 8192;

/// Batches and the sort keys of all their rows; shared by the files of a round.
pub(crate) struct Sortable {
    batches: Vec<RecordBatch>,
    /// One a batch; None when the table has no key.
    keys: Option<Vec<Rows>>,
    /// One a batch, where rows are merged by their keys but stand in another order.
    order: Option<Vec<Rows>>,
}

impl Sortable {
    pub fn new(batches: Vec<RecordBatch>, keys: &[usize], order: Option<&[usize]>) -> Result<Sortable, TabletError> {
        let (keys, order) = (rows_at(&batches, keys)?, rows_at(&batches, order.unwrap_or_default())?);
        Ok(Sortable { batches, keys, order })
    }

    /// The rows in the order in which they are merged: that of the file, unless there is another.
    fn sort(&self, places: &mut [Place]) {
        sort_by(self.keys.as_deref(), places);
    }

    /// Where the file has another order: the newest row of each key, in that order.
    fn newest_in_order(&self, mut sorted: Vec<Place>) -> Vec<Place> {
        if let Some(order) = &self.order {
            sorted =
                sorted.chunk_by(|a, b| self.have_equal_keys(a, b)).filter_map(|group| group.last().copied()).collect();
            sort_by(Some(order), &mut sorted);
        }
        sorted
    }

    pub fn have_equal_keys(&self, a: &Place, b: &Place) -> bool {
        self.keys.as_ref().is_some_and(|keys| {
            let key = |place: &Place| keys[place.batch as usize].row(place.row as usize);
            key(a) == key(b)
        })
    }

    pub fn gather(&self, places: &[Place]) -> Result<RecordBatch, TabletError> {
        let indices: Vec<(usize, usize)> = places.iter().map(|p| (p.batch as usize, p.row as usize)).collect();
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        Ok(interleave_record_batch(&batches, &indices)?)
    }
}

/// The values of some columns, comparable; None: there are no columns or no rows.
fn rows_at(batches: &[RecordBatch], positions: &[usize]) -> Result<Option<Vec<Rows>>, TabletError> {
    let Some(first) = batches.first().filter(|_| !positions.is_empty()) else { return Ok(None) };
    let fields = positions.iter().map(|at| SortField::new(first.column(*at).data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let rows_of = |batch: &RecordBatch| {
        let columns: Vec<ArrayRef> = positions.iter().map(|at| Arc::clone(batch.column(*at))).collect();
        converter.convert_columns(&columns)
    };
    Ok(Some(batches.iter().map(rows_of).collect::<Result<_, _>>()?))
}

/// Bucket after bucket.
fn sort_by(rows: Option<&[Rows]>, places: &mut [Place]) {
    match rows {
        None => places.sort_by_key(|place| place.bucket),
        Some(rows) => {
            let key = |place: &Place| rows[place.batch as usize].row(place.row as usize);
            places.sort_by(|a, b| a.bucket.cmp(&b.bucket).then_with(|| key(a).cmp(&key(b))));
        }
    }
}

/// A file, ready to be uploaded.
pub(crate) struct Encoded {
    pub bytes: Bytes,
    pub sha256: String,
    pub runs: Vec<WrittenRun>,
    pub statistics: Vec<ColumnStatistics>,
}

/// How the files of a write are encoded.
#[derive(Clone, Debug)]
pub(crate) struct Encoding {
    pub schema: SchemaRef,
    /// What rows are sorted by, and merged by where the key model merges them.
    pub keys: Vec<usize>,
    /// What rows are sorted by once they are merged, if not by the columns that they are merged by. Of PRIMARY KEY tables
    /// only, in which the newest row of a key is the one.
    pub order: Option<Vec<usize>>,
    /// How rows with equal keys become one; None: all of them are kept.
    pub merging: Option<Merging>,
    /// Where the columns are that keys are made of, if they are indexed.
    pub indexed: Option<Vec<usize>>,
    pub compression: Compression,
    /// Where the columns are that have bloom filters, and how often these may be wrong.
    pub bloom_filters: (Vec<usize>, f64),
    /// Of a file without rows.
    pub statistics: Vec<ColumnStatistics>,
    /// Most rows of a row group.
    pub row_group_rows: usize,
}

impl Encoding {
    /// As the files of a table are.
    pub fn of(table: &Table) -> Result<Encoding, TabletError> {
        let (key, sort) = (table.schema.key_positions(), table.sort_positions());
        let permutes = key.len() == sort.len() && sort.iter().all(|at| key.contains(at));
        let (keys, order) = if permutes || !table.model.merges() { (sort, None) } else { (key, Some(sort)) };
        Ok(Encoding {
            schema: arrow_schema(&table.schema),
            keys,
            order,
            merging: Merging::of(table),
            indexed: (table.model == KeyModel::Primary).then(|| keys::positions(&table.schema)),
            compression: compression_of(table)?,
            statistics: statistics::empty(&table.schema),
            bloom_filters: (table.bloom_filter_positions(), table.bloom_filter_fpp()),
            row_group_rows: ROW_GROUP_ROWS,
        })
    }

    /// Encodes the rows `places` as one file.
    pub fn encode(&self, rows: &Sortable, mut places: Vec<Place>) -> Result<Encoded, TabletError> {
        rows.sort(&mut places);
        let places = rows.newest_in_order(places);
        let mut file = FileWriter::new(self)?;
        for bucket in places.chunk_by(|a, b| a.bucket == b.bucket) {
            match self.merging.as_ref().filter(|_| self.order.is_none()) {
                None => bucket.chunks(GATHER_ROWS).try_for_each(|some| file.write(&rows.gather(some)?))?,
                Some(merging) => merging.merge(rows, bucket, GATHER_ROWS, |batch| file.write(&batch))?,
            }
            file.end_run(bucket.first().map_or(0, |place| place.bucket))?;
        }
        file.finish()
    }

    fn properties(&self) -> WriterProperties {
        let order = self.order.as_ref().unwrap_or(&self.keys);
        let sorting = order.iter().map(|at| SortingColumn {
            column_idx: i32::try_from(*at).unwrap_or(i32::MAX),
            descending: false,
            nulls_first: true,
        });
        let (filtered, fpp) = &self.bloom_filters;
        let mut properties = WriterProperties::builder();
        for column in filtered.iter().map(|at| self.schema.field(*at)).filter(|field| is_looked_up(field)) {
            // As large as the rows of a group could need, and folded to what they do need.
            let filter = BloomFilterProperties::builder().with_fpp(*fpp).with_max_ndv(self.row_group_rows as u64);
            let path = ColumnPath::from(column.name().clone());
            properties = properties.set_column_bloom_filter_properties(path, filter.build());
        }
        properties
            .set_created_by(concat!("starkeep ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(self.compression)
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_sorting_columns((!order.is_empty()).then(|| sorting.collect()))
            .set_max_row_group_row_count(Some(self.row_group_rows))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .build()
    }
}

/// Whether readers look values of the column up in bloom filters. Those of other types they find by the least and the greatest
/// value alone: a filter of them would be for nobody.
fn is_looked_up(field: &Field) -> bool {
    matches!(field.data_type(), ArrowType::Int32 | ArrowType::Int64 | ArrowType::Utf8)
}

/// A file that is written run by run. It is kept in memory, encoded, until it is finished.
pub(crate) struct FileWriter {
    writer: ArrowWriter<Vec<u8>>,
    runs: Vec<WrittenRun>,
    /// Of the run that is written now.
    rows: u64,
    first_row_group: usize,
    indexed: Option<Vec<usize>>,
    /// Keys of the run that is written now, with the numbers of their rows in the file.
    entries: Vec<Entry>,
    /// Rows of the file.
    all_rows: u64,
    /// Of the runs, in their order.
    indexes: Vec<Vec<u8>>,
    /// Of all rows so far.
    statistics: Vec<ColumnStatistics>,
}

impl FileWriter {
    pub fn new(encoding: &Encoding) -> Result<FileWriter, TabletError> {
        let options = ArrowWriterOptions::new()
            .with_properties(encoding.properties())
            // Readers know the schema from the catalog.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&encoding.schema), options)?;
        Ok(FileWriter {
            writer,
            runs: Vec::new(),
            rows: 0,
            first_row_group: 0,
            indexed: encoding.indexed.clone(),
            entries: Vec::new(),
            all_rows: 0,
            indexes: Vec::new(),
            statistics: encoding.statistics.clone(),
        })
    }

    /// More rows of the run, in its order.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), TabletError> {
        self.rows += batch.num_rows() as u64;
        if let Some(positions) = &self.indexed {
            let columns: Vec<ArrayRef> = positions.iter().map(|at| Arc::clone(batch.column(*at))).collect();
            let last = self.all_rows + batch.num_rows() as u64;
            u32::try_from(last).map_err(|_| TabletError::invalid("too many rows in a file"))?;
            let rows = (self.all_rows..last).map(|row| row as u32);
            self.entries.extend(keys::hashes(&columns)?.into_iter().zip(rows));
        }
        self.all_rows += batch.num_rows() as u64;
        statistics::add_batch(&mut self.statistics, batch);
        Ok(self.writer.write(batch)?)
    }

    /// The rows since the last run are those of a bucket. Without any there is no run.
    pub fn end_run(&mut self, bucket: u32) -> Result<(), TabletError> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(());
        }
        self.writer.flush()?;
        let groups = self.writer.flushed_row_groups();
        let first = std::mem::replace(&mut self.first_row_group, groups.len());
        self.runs.push(run(bucket, rows, first, &groups[first..])?);
        if self.indexed.is_some() {
            self.indexes.push(key_index::encode(std::mem::take(&mut self.entries))?);
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<Encoded, TabletError> {
        let writer = &mut self.writer;
        for (run, index) in self.runs.iter_mut().zip(&self.indexes) {
            let start = writer.bytes_written() as u64;
            writer.write_all(index).map_err(ParquetError::from)?;
            run.index = Some(ByteRange { start, end: start + index.len() as u64 });
        }
        writer.sync().map_err(ParquetError::from)?;
        let sums = sums(writer.inner(), writer.flushed_row_groups())?;
        writer.append_key_value_metadata(KeyValue::new(CRC32C_KEY.to_owned(), sums));
        writer.finish()?;
        writer.sync().map_err(ParquetError::from)?;
        let bytes = Bytes::from(std::mem::take(writer.inner_mut()));
        Ok(Encoded { sha256: hex::encode(Sha256::digest(&bytes)), bytes, runs: self.runs, statistics: self.statistics })
    }
}

fn run(bucket: u32, rows: u64, first: usize, groups: &[RowGroupMetaData]) -> Result<WrittenRun, TabletError> {
    let number = |n: usize| u32::try_from(n).map_err(|_| TabletError::invalid("too many row groups in a file"));
    let ranges = || groups.iter().flat_map(|group| group.columns().iter().map(|column| column.byte_range()));
    let bounds = ranges().map(|(start, _)| start).min().zip(ranges().map(|(start, size)| start + size).max());
    let (start, end) = bounds.ok_or_else(|| TabletError::invalid("a run without row groups or columns"))?;
    Ok(WrittenRun {
        bucket,
        first_row_group: number(first)?,
        row_groups: number(groups.len())?,
        start,
        end,
        rows,
        index: None,
    })
}

#[cfg(test)]
mod tests;
