//! Running plans: on a frontend when no table is touched, on a compute node otherwise.

pub(crate) mod dressing;
mod memory;
mod profile;
mod rows;
pub(crate) mod through;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion_proto::bytes::{physical_plan_from_bytes, physical_plan_to_bytes};
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::future::{AbortHandle, Abortable};
use object_store::ObjectStore;
use storage_model::{Kind, StorageVolume, VolumeId};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::depth;
use crate::error::{ANALYZE_ERROR, QueryError};
use crate::plan::Planned;
use crate::provider::footers::{FooterCounts, Footers, Readers};
use crate::provider::scan::{Reading, volume_url};
use crate::session;
use dressing::Dressing;
pub(crate) use memory::Busy;
use memory::{Gauge, Ledger};
pub use profile::Profile;
pub use rows::Rows;
use watch::{Watch, watched};

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

/// What plans that touch no table may hold together, in bytes.
const LOCAL_BYTES: usize = 1 << 30;

/// Memory of this process does not matter to plans over small computed tables: what they ask for does.
static LOCAL_GAUGE: LazyLock<Arc<Gauge>> = LazyLock::new(|| Gauge::new(u64::MAX));
static LOCAL: LazyLock<Arc<TaskContext>> = LazyLock::new(|| {
    let pool = Arc::new(Ledger::new(LOCAL_BYTES, Arc::clone(&LOCAL_GAUGE)));
    let runtime = RuntimeEnv { memory_pool: pool, ..RuntimeEnv::default() };
    session::task("local".to_owned(), Arc::new(runtime), 1)
});

/// Runs a plan that touches no table.
///
/// # Errors
/// When it fails at once; rows may still bring an error later.
pub fn execute_local(planned: &Planned) -> Result<Rows, QueryError> {
    if let Some(rows) = &planned.values {
        return Ok(Rows::known(rows).observed(Some(Profile::of(Arc::clone(&planned.plan)))));
    }
    let watch = Watch { gauge: Arc::clone(&LOCAL_GAUGE), stop: CancellationToken::new() };
    let plan = watched(Arc::clone(&planned.plan), &Arc::new(watch))?;
    let profile = Profile::of(Arc::clone(&plan));
    Ok(Rows::here(execute_stream(plan, Arc::clone(&LOCAL))?).observed(Some(profile)))
}

/// Opens the store of a volume, rooted at its location.
pub type Opener = Arc<dyn Fn(&StorageVolume, Reading) -> Result<Arc<dyn ObjectStore>, QueryError> + Send + Sync>;

/// The opener for real volumes.
pub fn volume_opener() -> Opener {
    Arc::new(|volume: &StorageVolume, _| match storage_volume::Volume::open(volume) {
        Ok(opened) => Ok(opened.store()),
        Err(error) => Err(QueryError::new(ANALYZE_ERROR, Kind::Unavailable, error.to_string())),
    })
}

/// How an engine may use its node.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Bytes that operators of all running plans may ask for together.
    pub memory_bytes: usize,
    /// Bytes that the whole process may hold while plans run.
    pub process_bytes: u64,
    /// Where they spill when that is not enough; None: they fail.
    pub spill_directory: Option<PathBuf>,
    /// Threads that a plan may use.
    pub parallelism: usize,
    /// Where plans run; None: on the threads of whoever starts them.
    pub threads: Option<Handle>,
}

/// A volume as it was when its store was opened.
#[derive(Clone)]
struct Opened {
    spec: StorageVolume,
    store: Arc<dyn ObjectStore>,
    readers: Readers,
}

/// Runs plans on a compute node.
pub struct Engine {
    runtime: RuntimeEnv,
    gauge: Arc<Gauge>,
    memory_bytes: usize,
    parallelism: usize,
    threads: Option<Handle>,
    open: Opener,
    stores: Mutex<HashMap<(VolumeId, Reading), Opened>>,
    footers: Footers,
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
        let gauge = Gauge::new(options.process_bytes);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(Ledger::new(options.memory_bytes, Arc::clone(&gauge))))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode))
            .build()?;
        let parallelism = options.parallelism.max(1);
        let footers = Footers::new(runtime.cache_manager.get_file_metadata_cache());
        let (memory_bytes, threads) = (options.memory_bytes, options.threads);
        Ok(Engine { runtime, gauge, memory_bytes, parallelism, threads, open, stores: Mutex::default(), footers })
    }

    /// The same, with so many bytes for footers and page indexes of files.
    #[must_use]
    pub fn with_footer_bytes(self, bytes: usize) -> Engine {
        self.footers.limit(bytes);
        self
    }

    /// How often footers were known.
    pub fn footers(&self) -> FooterCounts {
        self.footers.counts()
    }

    /// Bytes that running plans hold now.
    pub fn memory_used(&self) -> usize {
        self.runtime.memory_pool.reserved()
    }

    /// How many plans run now.
    pub fn running(&self) -> usize {
        self.gauge.running()
    }

    /// Starts a plan that [`encode`] made. `volumes` are those that its tables lie in, as the catalog has them.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the bytes are no plan or a volume cannot be opened; rows may still bring an error later.
    pub fn execute(&self, plan: &[u8], volumes: &[StorageVolume]) -> Result<Rows, QueryError> {
        let (plan, task, stop) = self.ready(plan, volumes)?;
        Ok(self.drive(plan, task, stop, false))
    }

    /// The same, and its rows can say what the operators have done.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub fn execute_observed(&self, plan: &[u8], volumes: &[StorageVolume]) -> Result<Rows, QueryError> {
        let (plan, task, stop) = self.ready(plan, volumes)?;
        Ok(self.drive(plan, task, stop, true))
    }

    /// A plan that has all it needs here, what it runs in, and what ends it.
    pub(crate) fn ready(&self, plan: &[u8], volumes: &[StorageVolume]) -> Result<Ready, QueryError> {
        let work = self.at_work(volumes)?;
        let task = session::task("query".to_owned(), Arc::clone(&work.runtime), self.parallelism);
        Ok((work.dressing.whole(decode(plan, &task)?)?, task, work.stop))
    }

    /// Runs a plan that has all it needs.
    pub(crate) fn drive(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
        stop: CancellationToken,
        observed: bool,
    ) -> Rows {
        let profile = observed.then(|| Profile::of(Arc::clone(&plan)));
        Rows::driven(&self.threads(), plan, task, stop, self.begin()).observed(profile)
    }

    /// A plan begins.
    pub(crate) fn begin(&self) -> Busy {
        self.gauge.begin()
    }

    /// Does work that belongs to a plan (writing its rows) on the same threads. Letting go of it ends the work.
    ///
    /// # Errors
    /// When the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, QueryError> {
        let (abort, registration) = AbortHandle::new_pair();
        let _abort = AbortOnDrop(abort);
        let work = Abortable::new(work.in_current_span(), registration);
        match self.threads().spawn(work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(QueryError::invalid("the query was given up")),
            Err(error) => Err(rows::broken_off(&error)),
        }
    }

    /// Where plans run.
    pub(crate) fn threads(&self) -> Handle {
        self.threads.clone().unwrap_or_else(Handle::current)
    }

    /// Bytes that operators of all running plans may ask for together.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// How many threads a plan may use.
    pub(crate) fn parallelism(&self) -> usize {
        self.parallelism
    }

    /// What a plan over these volumes needs.
    pub(crate) fn at_work(&self, volumes: &[StorageVolume]) -> Result<AtWork, QueryError> {
        // The stores of this plan alone: another plan may see the same volume under changed credentials.
        let registry = DefaultObjectStoreRegistry::new();
        let (mut stores, mut readers) = (HashMap::new(), HashMap::new());
        for volume in volumes {
            for reading in Reading::ALL {
                let (url, opened) = (volume_url(volume.id, reading)?, self.store(volume, reading)?);
                readers.insert(url.as_str().to_owned(), opened.readers);
                registry.register_store(url.as_ref(), Arc::clone(&opened.store));
                if reading == Reading::Again {
                    stores.insert(volume.id, opened.store);
                }
            }
        }
        let runtime = Arc::new(RuntimeEnv { object_store_registry: Arc::new(registry), ..self.runtime.clone() });
        let stop = CancellationToken::new();
        let watch = Arc::new(Watch { gauge: Arc::clone(&self.gauge), stop: stop.clone() });
        Ok(AtWork { runtime, dressing: Dressing { readers, stores: Arc::new(stores), watch }, stop })
    }

    fn store(&self, volume: &StorageVolume, reading: Reading) -> Result<Opened, QueryError> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = stores.get(&(volume.id, reading))
            && known.spec == *volume
        {
            return Ok(known.clone());
        }
        let store = (self.open)(volume, reading)?;
        let readers = self.footers.readers(Arc::clone(&store), reading);
        let opened = Opened { spec: volume.clone(), store, readers };
        stores.insert((volume.id, reading), opened.clone());
        Ok(opened)
    }
}

/// A plan as [`encode`] wrote it.
pub(crate) fn decode(plan: &[u8], task: &TaskContext) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
    Ok(depth::decoding(|| physical_plan_from_bytes(plan, task))?)
}

type Ready = (Arc<dyn ExecutionPlan>, Arc<TaskContext>, CancellationToken);

/// What a plan needs on the node that runs it.
pub(crate) struct AtWork {
    /// With the stores of its volumes.
    pub runtime: Arc<RuntimeEnv>,
    pub dressing: Dressing,
    /// Ends it.
    pub stop: CancellationToken,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
