//! Rows of PRIMARY KEY files that are there no more are not read. Which they are travels with the plan, as one more constant of
//! each file; on the node that reads, the scan skips them.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, internal_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_datasource::morsel::{MorselPlan, MorselPlanner, Morselizer};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use storage_model::{FileEntry, Rowset, ServiceId, Vector, VolumeId};
use storage_tablet::delete_vector;
use storage_volume::layout::Layout;

use crate::error::QueryError;

/// The constant that says which rows of a file are gone. Columns of tables are known in lower case, so it is none of theirs.
pub(crate) const DELETED: &str = "DELETED";

const INLINE: u8 = 0;
const STORED: u8 = 1;

/// Which rows of a file are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deleted {
    /// Rows of the file, those that are gone too.
    pub file_rows: u64,
    /// By the path of an object in a volume.
    pub vector: Vector<(VolumeId, String)>,
}

impl Deleted {
    /// Of a rowset of `file`; None: all of its rows are there. `find`: other files that it names.
    pub fn of<'a>(
        rowset: &Rowset,
        file: &FileEntry,
        service: &ServiceId,
        find: impl Fn(storage_model::FileId) -> Option<&'a FileEntry>,
    ) -> Result<Option<Deleted>, QueryError> {
        let Some(deletes) = &rowset.deletes else { return Ok(None) };
        let vector = match &deletes.vector {
            Vector::Inline(bytes) => Vector::Inline(bytes.clone()),
            Vector::Stored { file, bytes } => {
                let found = find(*file);
                let found = found.ok_or_else(|| QueryError::internal(format!("file {file} is not known")))?;
                let place = (found.volume, Layout(service.clone()).in_root(&found.object));
                Vector::Stored { file: place, bytes: *bytes }
            }
        };
        Ok(Some(Deleted { file_rows: file.rows, vector }))
    }

    /// As the constant of a file.
    pub fn to_scalar(&self) -> ScalarValue {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.file_rows.to_le_bytes());
        match &self.vector {
            Vector::Inline(vector) => {
                bytes.push(INLINE);
                bytes.extend_from_slice(vector);
            }
            Vector::Stored { file: (volume, path), bytes: place } => {
                bytes.push(STORED);
                for number in [volume.0, place.start, place.end] {
                    bytes.extend_from_slice(&number.to_le_bytes());
                }
                bytes.extend_from_slice(path.as_bytes());
            }
        }
        ScalarValue::Binary(Some(bytes))
    }

    /// None: all rows are there.
    fn from_scalar(value: &ScalarValue) -> Result<Option<Deleted>> {
        let ScalarValue::Binary(bytes) = value else { return exec_err!("{DELETED} is {value:?}") };
        let Some(bytes) = bytes else { return Ok(None) };
        let odd = || internal_datafusion_err!("{DELETED} cannot be read");
        let number = |at: usize| -> Result<u64> {
            let bytes: [u8; 8] = bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).ok_or_else(odd)?;
            Ok(u64::from_le_bytes(bytes))
        };
        let rest = bytes.get(9..).ok_or_else(odd)?;
        let vector = match bytes[8] {
            INLINE => Vector::Inline(rest.to_vec()),
            STORED => {
                let path = rest.get(24..).and_then(|path| std::str::from_utf8(path).ok()).ok_or_else(odd)?;
                let bytes = storage_model::ByteRange { start: number(17)?, end: number(25)? };
                Vector::Stored { file: (VolumeId(number(9)?), path.to_owned()), bytes }
            }
            _ => return Err(odd()),
        };
        Ok(Some(Deleted { file_rows: number(0)?, vector }))
    }
}

/// The stores of the volumes that a plan reads.
pub(crate) type Stores = Arc<HashMap<VolumeId, Arc<dyn ObjectStore>>>;

/// The source, leaving out what is gone.
pub(crate) fn without_deleted(source: ParquetSource, stores: &Stores) -> Arc<dyn FileSource> {
    let constants = source.table_schema().table_partition_cols();
    let at = constants.iter().position(|field| field.name() == DELETED);
    let inner: Arc<dyn FileSource> = Arc::new(source);
    match at {
        Some(at) => Arc::new(WithoutDeleted { inner, at, stores: Arc::clone(stores) }),
        None => inner,
    }
}

/// A source of rows of files without those that are gone.
#[derive(Clone)]
struct WithoutDeleted {
    inner: Arc<dyn FileSource>,
    /// Which of the constants of a file says what is gone.
    at: usize,
    stores: Stores,
}

impl FileSource for WithoutDeleted {
    fn create_file_opener(&self, _: Arc<dyn ObjectStore>, _: &FileScanConfig, _: usize) -> Result<Arc<dyn FileOpener>> {
        exec_err!("files with deleted rows are read in morsels")
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let inner = Arc::from(self.inner.create_morselizer(store, config, partition)?);
        Ok(Box::new(Skipping { inner, at: self.at, stores: Arc::clone(&self.stores) }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(WithoutDeleted { inner: self.inner.with_batch_size(batch_size), ..self.clone() })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(kind, f)
    }

    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }
}

/// Opens files, and has read before which of their rows are gone.
struct Skipping {
    inner: Arc<dyn Morselizer>,
    at: usize,
    stores: Stores,
}

impl fmt::Debug for Skipping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Skipping").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Morselizer for Skipping {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let value = file.partition_values.get(self.at);
        let value = value.ok_or_else(|| internal_datafusion_err!("a file does not say which of its rows are gone"))?;
        match Deleted::from_scalar(value)? {
            None => self.inner.plan_file(file),
            Some(deleted) => {
                let (inner, stores) = (Arc::clone(&self.inner), Arc::clone(&self.stores));
                Ok(Box::new(FirstRead { inner, stores, deleted, file }))
            }
        }
    }
}

/// Reads which rows are gone, and then the file.
struct FirstRead {
    inner: Arc<dyn Morselizer>,
    stores: Stores,
    deleted: Deleted,
    file: PartitionedFile,
}

impl fmt::Debug for FirstRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstRead").field("file", &self.file.object_meta.location).finish_non_exhaustive()
    }
}

impl MorselPlanner for FirstRead {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let FirstRead { inner, stores, deleted, file } = *self;
        let reading = async move {
            let bytes = match &deleted.vector {
                Vector::Inline(bytes) => bytes.clone(),
                Vector::Stored { file: (volume, path), bytes } => {
                    let store = stores.get(volume);
                    let store = store.ok_or_else(|| internal_datafusion_err!("volume {volume} is not named"))?;
                    read(store.as_ref(), path, bytes.range()).await?
                }
            };
            let rows = delete_vector::decode(&bytes).map_err(external)?;
            let selection = delete_vector::others(&rows, deleted.file_rows);
            inner.plan_file(file.with_extension(ParquetRowSelection::new(selection)))
        };
        Ok(Some(MorselPlan::new().with_pending_planner(reading)))
    }
}

async fn read(store: &dyn ObjectStore, path: &str, range: Range<u64>) -> Result<Vec<u8>> {
    let path = Path::parse(path).map_err(|e| DataFusionError::ObjectStore(Box::new(e.into())))?;
    Ok(store.get_range(&path, range).await?.to_vec())
}

fn external(error: impl std::error::Error + Send + Sync + Any) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_travels_as_a_constant() {
        let place = (VolumeId(7), "svc/db1/2/3/data/a.delvec".to_owned());
        let bytes = storage_model::ByteRange { start: 5, end: 99 };
        for vector in [Vector::Inline(vec![1, 2, 3]), Vector::Stored { file: place, bytes }] {
            let deleted = Deleted { file_rows: 1 << 20, vector };
            assert_eq!(Deleted::from_scalar(&deleted.to_scalar()).unwrap(), Some(deleted));
        }
        assert_eq!(Deleted::from_scalar(&ScalarValue::Binary(None)).unwrap(), None);
        for bad in [ScalarValue::Binary(Some(vec![1; 8])), ScalarValue::Binary(Some(vec![9; 40])), ScalarValue::Null] {
            assert!(Deleted::from_scalar(&bad).is_err(), "{bad:?}");
        }
    }
}
