//! Rows that wait to be written: checked and placed as they come, kept as the batches they came in.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use storage_model::{Distribution, PartitionValues, Step};

use crate::bucket::hashes_of;
use crate::check::conform;
use crate::error::{TabletError, WriteError};
use crate::partition::{Router, values_at};
use crate::row::row_text;
use crate::spec::WriteSpec;
use crate::types::arrow_schema;

/// DISTRIBUTED BY RANDOM takes the next bucket after so many rows: a small load is one run, a large one is spread.
pub(crate) const RANDOM_STRIDE: u64 = 8192;

/// So many partitions that are not there are told of at once.
const MOST_MISSING: usize = 65_536;

/// A row in the buffer and the bucket it goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub bucket: u32,
    pub batch: u32,
    pub row: u32,
}

/// Buffered rows, ready to become one file for each partition that has some.
#[derive(Debug)]
pub(crate) struct Round {
    pub batches: Vec<RecordBatch>,
    /// Position in the spec's partitions, and rows in the order they came.
    pub partitions: Vec<(usize, Vec<Place>)>,
}

/// See the module.
pub(crate) struct Buffer {
    spec: Arc<WriteSpec>,
    schema: SchemaRef,
    router: Router,
    partition_columns: Vec<usize>,
    distribution_columns: Vec<usize>,
    batches: Vec<RecordBatch>,
    places: Vec<Vec<Place>>,
    /// Rows that each partition ever got.
    taken: Vec<u64>,
    bytes: usize,
    steps: Vec<Option<Step>>,
    /// Values of rows that no partition takes, and for which there could be one.
    missing: BTreeSet<PartitionValues>,
}

impl Buffer {
    pub fn new(spec: Arc<WriteSpec>) -> Result<Buffer, TabletError> {
        spec.check()?;
        let partition_columns = spec.table.partition_positions();
        let ranges: Vec<_> = spec.partitions.iter().map(|partition| partition.range.clone()).collect();
        let partitions = spec.partitions.len();
        Ok(Buffer {
            schema: arrow_schema(spec.schema()),
            router: Router::new(&spec.table.partitioning, &ranges)?,
            steps: spec.table.partitioning.steps(),
            partition_columns,
            distribution_columns: spec.table.distribution_positions(),
            batches: Vec::new(),
            places: vec![Vec::new(); partitions],
            taken: vec![0; partitions],
            bytes: 0,
            missing: BTreeSet::new(),
            spec,
        })
    }

    /// Bytes of the rows that wait, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Checks and places the rows of a batch.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = conform(batch, self.spec.schema(), &self.schema)?;
        let rows = batch.num_rows();
        let columns = |positions: &[usize]| -> Vec<ArrayRef> {
            positions.iter().map(|at| Arc::clone(batch.column(*at))).collect()
        };
        let keys = columns(&self.partition_columns);
        let partitions = self.router.route(&keys, rows)?;
        if let Some(row) = partitions.iter().position(Option::is_none) {
            if !self.spec.makes_partitions {
                return Err(WriteError::NoPartition { row: row_text(&batch, row) });
            }
            let homeless = (row..rows).filter(|row| partitions[*row].is_none());
            for row in homeless {
                self.missing.insert(values_at(&keys, &self.steps, row)?);
            }
        }
        if !self.missing.is_empty() {
            // The rows come again when there is a place for all of them.
            self.take();
            return Ok(());
        }
        let hashes = match self.spec.table.distribution {
            Distribution::Hash { .. } => Some(hashes_of(&columns(&self.distribution_columns))?),
            Distribution::Random => None,
        };
        let number = u32::try_from(self.batches.len()).map_err(|_| TabletError::invalid("too many batches"))?;
        for (row, partition) in (0_u32..).zip(partitions.into_iter().flatten()) {
            let partition = partition as usize;
            let buckets = self.spec.partitions[partition].buckets;
            let bucket = match &hashes {
                Some(hashes) => hashes[row as usize] % buckets,
                None => random_bucket(self.spec.seed, self.taken[partition], buckets),
            };
            self.taken[partition] += 1;
            self.places[partition].push(Place { bucket, batch: number, row });
        }
        self.bytes += size_of_rows(&batch) + rows * size_of::<Place>();
        self.batches.push(batch);
        Ok(())
    }

    /// Whether so many partitions are missing that no more are looked for.
    pub fn is_lost(&self) -> bool {
        self.missing.len() >= MOST_MISSING
    }

    /// What the partition columns of rows hold that no partition takes, each once. Nothing is to be kept of the rows then.
    pub fn into_missing(self) -> Vec<PartitionValues> {
        self.missing.into_iter().collect()
    }

    /// Takes what waits.
    pub fn take(&mut self) -> Round {
        self.bytes = 0;
        let places = self.places.iter_mut().map(std::mem::take).enumerate();
        Round {
            partitions: places.filter(|(_, rows)| !rows.is_empty()).collect(),
            batches: std::mem::take(&mut self.batches),
        }
    }
}

fn random_bucket(seed: u64, taken: u64, buckets: u32) -> u32 {
    let bucket = seed.wrapping_add(taken / RANDOM_STRIDE) % u64::from(buckets);
    u32::try_from(bucket).unwrap_or(0)
}

/// Bytes of the rows themselves; a slice does not count what it is a slice of.
fn size_of_rows(batch: &RecordBatch) -> usize {
    let size = |column: &ArrayRef| column.to_data().get_slice_memory_size();
    batch.columns().iter().map(|column| size(column).unwrap_or_else(|_| column.get_array_memory_size())).sum()
}
