//! The one DataFusion session that frontends and compute nodes share: the same functions under the same names on both
//! sides, so that a plan made on one is read on the other. Built once; planning a statement only borrows it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use datafusion::config::Dialect;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{SessionStateDefaults, TaskContext};
use datafusion::prelude::SessionConfig;

use crate::{answered, coerce, functions, operators, types};

/// Rows in a batch.
pub(crate) const BATCH_SIZE: usize = 8192;

static BASE: LazyLock<SessionState> = LazyLock::new(|| build(1, Subqueries::Apart));
static PLANNERS: LazyLock<Mutex<Planners>> = LazyLock::new(Mutex::default);

type Planners = HashMap<(usize, Subqueries), Arc<SessionState>>;

/// What becomes of a subquery that is one value for the whole query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subqueries {
    /// It is run first and its value is put in; more than one row is an error.
    Apart,
    /// It is joined.
    Joined,
}

/// The session that plans for `parallelism` partitions.
pub(crate) fn planner(parallelism: usize) -> Arc<SessionState> {
    kept(parallelism, Subqueries::Apart)
}

/// The same, where subqueries that are one value are joined: such a plan can be cut in stages. Only for those that cannot
/// have more than one row.
pub(crate) fn joining_planner(parallelism: usize) -> Arc<SessionState> {
    kept(parallelism, Subqueries::Joined)
}

fn kept(parallelism: usize, subqueries: Subqueries) -> Arc<SessionState> {
    let parallelism = parallelism.clamp(1, 1024);
    let mut planners = PLANNERS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = planners.entry((parallelism, subqueries));
    Arc::clone(known.or_insert_with(|| Arc::new(build(parallelism, subqueries))))
}

/// What runs a plan.
pub(crate) fn task(id: String, runtime: Arc<RuntimeEnv>, parallelism: usize) -> Arc<TaskContext> {
    task_with(id, runtime, config(parallelism))
}

/// What runs a plan, with all of this.
pub(crate) fn task_with(id: String, runtime: Arc<RuntimeEnv>, config: SessionConfig) -> Arc<TaskContext> {
    let base = &*BASE;
    Arc::new(TaskContext::new(
        Some(id.clone()),
        id,
        config,
        base.scalar_functions().clone(),
        base.higher_order_functions().clone(),
        base.aggregate_functions().clone(),
        base.window_functions().clone(),
        runtime,
    ))
}

/// A session that runs a part of a plan, and all functions that there may be in it.
pub(crate) fn running(mut builder: SessionStateBuilder, runtime: Arc<RuntimeEnv>, parallelism: usize) -> SessionState {
    let base = &*BASE;
    let config = configured(builder.config().take().unwrap_or_default(), parallelism);
    builder
        .with_config(config)
        .with_runtime_env(runtime)
        .with_scalar_functions(base.scalar_functions().values().cloned().collect())
        .with_higher_order_functions(base.higher_order_functions().values().cloned().collect())
        .with_aggregate_functions(base.aggregate_functions().values().cloned().collect())
        .with_window_functions(base.window_functions().values().cloned().collect())
        .build()
}

fn build(parallelism: usize, subqueries: Subqueries) -> SessionState {
    let mut config = config(parallelism);
    let options = config.options_mut();
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = subqueries == Subqueries::Apart;
    let mut planners = SessionStateDefaults::default_expr_planners();
    planners.insert(0, Arc::new(operators::MySqlOperators));
    let mut scalar = SessionStateDefaults::default_scalar_functions();
    scalar.extend(functions::all());
    let mut aggregates = SessionStateDefaults::default_aggregate_functions();
    aggregates.extend(functions::aggregates());
    SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(RuntimeEnv::default()))
        .with_expr_planners(planners)
        .with_type_planner(Arc::new(types::StarRocksTypes))
        .with_analyzer_rules(coerce::analyzer_rules())
        .with_physical_optimizer_rules(answered::rules())
        .with_scalar_functions(scalar)
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(aggregates)
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_table_function_list(SessionStateDefaults::default_table_functions())
        .build()
}

pub(crate) fn config(parallelism: usize) -> SessionConfig {
    configured(SessionConfig::new(), parallelism)
}

/// A configuration of somebody else, with what plans count on here.
fn configured(config: SessionConfig, parallelism: usize) -> SessionConfig {
    let mut config = config
        .with_target_partitions(parallelism)
        .with_batch_size(BATCH_SIZE)
        .with_collect_statistics(false)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.dialect = Dialect::MySQL;
    // NULL is the smallest value, as in MySQL.
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    options.execution.parquet.schema_force_view_types = false;
    options.execution.parquet.pushdown_filters = true;
    options.execution.planning_concurrency = parallelism;
    // A join's rows come in batches of the usual size, however many one row of a side makes.
    options.execution.enforce_batch_size_in_joins = true;
    // A file's byte range says which rowsets are read: nobody may cut it differently.
    options.optimizer.repartition_file_scans = false;
    config
}
