//! Large plans on several compute nodes. `datafusion-distributed` cuts a plan into stages where its rows are to be
//! shuffled, broadcast or gathered, and moves them; here is what it must know of this house: which node reads which files
//! (`leaves`), how a node is reached and what it means that it cannot be (`channels`), what the part of a plan needs on
//! the node that runs it (`worker`), and errors that come through whole (`told`).
//!
//! ```text
//!   frontend ── plan, workers ──> the node that is asked: cuts the plan, runs its last stage, streams the rows back
//!                                   ├── stage ──> worker 1 ┐
//!                                   └── stage ──> worker 2 ┴── rows between stages, node to node
//! ```
//!
//! Nothing of it is fault tolerant: a node that is lost fails the query ([`QueryError::lost`]), and the frontend may try
//! it again without that node.

mod channels;
pub(crate) mod leaves;
pub(crate) mod subqueries;
mod told;
mod worker;

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{DistributedExt, DistributedLeafExec, NetworkBoundaryExt, SessionStateBuilderExt, Worker};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use storage_model::StorageVolume;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

pub use channels::Connect;
pub(crate) use told::TOLD;

use crate::depth;
use crate::error::QueryError;
use crate::run::dressing::Dressing;
use crate::run::{Engine, Rows, decode};
use crate::session;
use channels::{Connected, Crewed, url_of};
use worker::{OnThreads, Sessions};

/// The header that a part of a plan brings its errand in.
const ERRAND: &str = "x-starkeep-errand";
/// The most bytes of an errand: those of a header.
const ERRAND_LIMIT: usize = 1 << 20;
/// Which part of the memory for operators the connections of a plan may fill with batches on their way.
const IN_FLIGHT: usize = 8;
/// Levels that a stage may have more than the plan it was cut from.
const MORE_LEVELS: usize = 8;

/// What a query is, for all nodes that work for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    /// Its id.
    pub query: String,
    /// The trace, and the span that caused it.
    pub cause: (u128, u64),
    /// The volumes that it reads.
    pub volumes: Vec<StorageVolume>,
    /// Whether somebody wants to know what its operators do.
    pub observed: bool,
}

impl Errand {
    fn to_headers(&self) -> Result<HeaderMap, QueryError> {
        let unwritten =
            |error: &dyn std::fmt::Display| QueryError::internal(format!("an errand cannot be written: {error}"));
        let bytes = bincode::serde::encode_to_vec(self, bincode::config::standard()).map_err(|e| unwritten(&e))?;
        let mut value = HeaderValue::from_str(&BASE64_STANDARD.encode(bytes)).map_err(|e| unwritten(&e))?;
        // Credentials of volumes are in it.
        value.set_sensitive(true);
        Ok([(http::HeaderName::from_static(ERRAND), value)].into_iter().collect())
    }

    fn from_headers(headers: &HeaderMap) -> Result<Errand, QueryError> {
        let odd = || QueryError::internal("a part of a plan came without its errand");
        let bytes = BASE64_STANDARD.decode(headers.get(ERRAND).ok_or_else(odd)?.as_bytes()).map_err(|_| odd())?;
        let limited = bincode::config::standard().with_limit::<ERRAND_LIMIT>();
        let errand = bincode::serde::decode_from_slice(&bytes, limited);
        errand.map(|(errand, _)| errand).map_err(|_| odd())
    }
}

/// The compute nodes that a plan is split over.
#[derive(Clone, Copy, Debug)]
pub struct Crew<'a> {
    /// The data plane of this node, as the others reach it.
    pub here: &'a str,
    /// The data planes of all that read, in the order in which they are to be used.
    pub workers: &'a [String],
    /// How many bytes are worth a node of their own.
    pub bytes: u64,
}

/// Is told of the parts of plans that run here for other nodes, and for this one.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// One begins; it is over when what is answered is dropped.
    ///
    /// # Errors
    /// When it must not.
    async fn begin(&self, errand: &Errand) -> Result<Arc<dyn Task>, QueryError>;
}

/// A part of a plan that runs.
pub trait Task: Send + Sync {
    /// It has made so many rows more.
    fn rows(&self, count: u64);

    /// It has failed.
    fn failed(&self, error: &QueryError);

    /// What its operators have done so far, when that is wanted.
    fn profile(&self, text: String);
}

/// Runs plans together with other compute nodes.
#[derive(Clone)]
pub struct Stages {
    engine: Arc<Engine>,
    worker: Worker,
    connect: Connect,
}

impl std::fmt::Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stages").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Stages {
    /// Stages that run on `engine` here.
    pub fn new(engine: Arc<Engine>, connect: Connect, tasks: Arc<dyn Tasks>) -> Stages {
        let sessions = Sessions::new(Arc::clone(&engine), Arc::clone(&connect), tasks);
        Stages { engine, worker: Worker::from_session_builder(sessions), connect }
    }

    /// What other nodes call.
    pub fn service(
        &self,
    ) -> impl Service<
        http::Request<Body>,
        Response = http::Response<Body>,
        Error = Infallible,
        Future = impl Future<Output = Result<http::Response<Body>, Infallible>> + Send + use<>,
    > + NamedService
    + Clone
    + Send
    + Sync
    + use<> {
        OnThreads::new(self.worker.clone().into_worker_server(), self.engine.threads())
    }

    /// Starts a plan that [`crate::encode`] made, on the nodes of the crew. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the bytes are no plan, it cannot be cut, or a volume cannot be opened; rows may still bring an error later.
    pub async fn execute(&self, plan: &[u8], errand: &Errand, crew: &Crew<'_>) -> Result<Rows, QueryError> {
        let work = self.engine.at_work(&errand.volumes)?;
        let config = self.config(errand, crew)?;
        let task = session::task_with("query".to_owned(), Arc::clone(&work.runtime), config.clone());
        let plan = decode(plan, &task)?;
        if !depth::has_room(&plan, MORE_LEVELS) {
            let plan = work.dressing.whole(plan)?;
            return Ok(self.engine.drive(plan, task, work.stop, errand.observed));
        }
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&work.runtime))
            .with_query_planner(Arc::new(Given(plan)))
            .with_distributed_planner()
            .build();
        let nothing = EmptyRelation { produce_one_row: false, schema: Arc::new(DFSchema::empty()) };
        let plan = state.query_planner().create_physical_plan(&LogicalPlan::EmptyRelation(nothing), &state).await?;
        let task = session::task_with("query".to_owned(), work.runtime, state.config().clone());
        Ok(self.engine.drive(last_stage(&work.dressing, plan)?, task, work.stop, errand.observed))
    }

    fn config(&self, errand: &Errand, crew: &Crew<'_>) -> Result<SessionConfig, QueryError> {
        let mut config = session::config(self.engine.parallelism());
        config.set_distributed_worker_resolver(Crewed::new(crew.workers)?);
        config.set_distributed_channel_resolver(Connected::new(Arc::clone(&self.connect)));
        config.set_distributed_local_worker_context(self.worker.to_local_worker_context(url_of(crew.here)?));
        config.set_distributed_desired_task_count_handler(leaves::desired(crew.workers.len(), crew.bytes));
        config.set_distributed_scale_up_leaf_node_handler(leaves::spread(crew.workers.to_vec()));
        config.set_distributed_route_tasks_handler(channels::routes(crew.workers)?);
        config.set_distributed_passthrough_headers(errand.to_headers()?)?;
        // Batches on their way are counted, but not refused by the pool.
        config.set_distributed_worker_connection_buffer_budget_bytes(
            (self.engine.memory_bytes() / IN_FLIGHT / crew.workers.len().max(1)).clamp(1 << 20, 64 << 20),
        )?;
        // The operators of a stage are not those of the plan: watchers stand between them.
        config.set_distributed_metrics_collection(false)?;
        Ok(config)
    }
}

/// The plan with what it needs here, down to where its rows come from other stages: those are dressed where they run.
fn last_stage(dressing: &Dressing, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if plan.is_network_boundary() {
        return Ok(plan);
    }
    // There is one task here, which reads the whole scan.
    if let Some(leaf) = plan.downcast_ref::<DistributedLeafExec>() {
        return dressing.node(Arc::clone(leaf.original()));
    }
    let children: Vec<_> = plan.children().into_iter().cloned().collect();
    if children.is_empty() {
        return dressing.node(plan);
    }
    let children = children.into_iter().map(|child| last_stage(dressing, child)).collect::<Result<Vec<_>>>()?;
    dressing.node(plan.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))?)
}

/// A planner for a plan that is there already.
#[derive(Debug)]
struct Given(Arc<dyn ExecutionPlan>);

#[async_trait]
impl QueryPlanner for Given {
    async fn create_physical_plan(&self, _: &LogicalPlan, _: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::clone(&self.0))
    }
}
