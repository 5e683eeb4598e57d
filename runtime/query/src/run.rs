//! Running plans: on a frontend when no table is touched, on a compute node otherwise.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion_proto::bytes::{physical_plan_from_bytes, physical_plan_to_bytes};
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::Stream;
use object_store::ObjectStore;
use storage_model::{Kind, StorageVolume, VolumeId};

use crate::depth;
use crate::error::{ANALYZE_ERROR, QueryError};
use crate::plan::Planned;
use crate::provider::scan::volume_url;
use crate::session;

/// The rows of a running plan, batch by batch. Dropping it stops the plan.
pub struct Rows {
    schema: SchemaRef,
    source: Source,
}

enum Source {
    Known(Option<RecordBatch>),
    Running(SendableRecordBatchStream),
}

impl Rows {
    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn running(stream: SendableRecordBatchStream) -> Rows {
        Rows { schema: stream.schema(), source: Source::Running(stream) }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.source {
            Source::Known(rows) => Poll::Ready(rows.take().map(Ok)),
            Source::Running(stream) => stream.as_mut().poll_next(cx).map(|next| next.map(|b| b.map_err(Into::into))),
        }
    }
}

/// A plan as bytes, for a compute node.
///
/// # Errors
/// When the plan has a part that cannot travel.
pub fn encode(planned: &Planned) -> Result<Vec<u8>, QueryError> {
    let bytes = depth::decoding(|| physical_plan_to_bytes(Arc::clone(&planned.plan)));
    let bytes = bytes.map_err(|error| {
        tracing::debug!(%error, "a plan cannot be encoded");
        QueryError::analyzing("not supported: this query over stored tables (a recursive common table expression?)")
    })?;
    // Protocol buffers are not read beyond a hundred levels: better said here than on the other side.
    if depth::decoding(|| PhysicalPlanNode::try_decode(&bytes)).is_err() {
        return Err(depth::too_deep("plan that would be sent to a compute node"));
    }
    Ok(bytes.to_vec())
}

/// Runs a plan that touches no table.
///
/// # Errors
/// When it fails at once; rows may still bring an error later.
pub fn execute_local(planned: &Planned) -> Result<Rows, QueryError> {
    if let Some(rows) = &planned.values {
        return Ok(Rows { schema: rows.schema(), source: Source::Known(Some(rows.clone())) });
    }
    let plan = Arc::clone(&planned.plan);
    Ok(Rows::running(execute_stream(plan, session::local_task())?))
}

/// Opens the store of a volume, rooted at its location.
pub type Opener = Arc<dyn Fn(&StorageVolume) -> Result<Arc<dyn ObjectStore>, QueryError> + Send + Sync>;

/// The opener for real volumes.
pub fn volume_opener() -> Opener {
    Arc::new(|volume: &StorageVolume| match storage_volume::Volume::open(volume) {
        Ok(opened) => Ok(opened.store()),
        Err(error) => Err(QueryError::new(ANALYZE_ERROR, Kind::Unavailable, error.to_string())),
    })
}

/// How an engine may use its node.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Bytes that all running plans may hold together.
    pub memory_bytes: usize,
    /// Where they spill when that is not enough; None: they fail.
    pub spill_directory: Option<PathBuf>,
    /// Threads that a plan may use.
    pub parallelism: usize,
}

/// A volume as it was when its store was opened.
type Opened = (StorageVolume, Arc<dyn ObjectStore>);

/// Runs plans on a compute node.
pub struct Engine {
    runtime: RuntimeEnv,
    parallelism: usize,
    open: Opener,
    stores: Mutex<HashMap<VolumeId, Opened>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("parallelism", &self.parallelism).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine.
    ///
    /// # Errors
    /// When the spill directory cannot be used.
    pub fn new(options: EngineOptions, open: Opener) -> Result<Engine, QueryError> {
        let mode = match options.spill_directory {
            Some(directory) => DiskManagerMode::Directories(vec![directory]),
            None => DiskManagerMode::Disabled,
        };
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode))
            .build()?;
        let parallelism = options.parallelism.max(1);
        Ok(Engine { runtime, parallelism, open, stores: Mutex::default() })
    }

    /// Bytes that running plans hold now.
    pub fn memory_used(&self) -> usize {
        self.runtime.memory_pool.reserved()
    }

    /// Starts a plan that [`encode`] made. `volumes` are those that its tables lie in, as the catalog has them.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the bytes are no plan or a volume cannot be opened; rows may still bring an error later.
    pub fn execute(&self, plan: &[u8], volumes: &[StorageVolume]) -> Result<Rows, QueryError> {
        let (plan, task) = self.decode(plan, volumes)?;
        // One stream for all partitions: they run side by side and their batches come as they are ready.
        Ok(Rows::running(execute_stream(plan, task)?))
    }

    fn decode(
        &self,
        plan: &[u8],
        volumes: &[StorageVolume],
    ) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>), QueryError> {
        // The stores of this plan alone: another plan may see the same volume under changed credentials.
        let registry = DefaultObjectStoreRegistry::new();
        for volume in volumes {
            let url = volume_url(volume.id)?;
            registry.register_store(url.as_ref(), self.store(volume)?);
        }
        let runtime = RuntimeEnv { object_store_registry: Arc::new(registry), ..self.runtime.clone() };
        let task = session::task("query".to_owned(), Arc::new(runtime), self.parallelism);
        let plan = depth::decoding(|| physical_plan_from_bytes(plan, &task))?;
        Ok((plan, task))
    }

    fn store(&self, volume: &StorageVolume) -> Result<Arc<dyn ObjectStore>, QueryError> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, store)) = stores.get(&volume.id)
            && known == volume
        {
            return Ok(Arc::clone(store));
        }
        let store = (self.open)(volume)?;
        stores.insert(volume.id, (volume.clone(), Arc::clone(&store)));
        Ok(store)
    }
}
