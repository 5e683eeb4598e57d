//! Names to tables: what `db.t`, `default_catalog.db.t` and a bare `t` are in one revision of the catalog, and which
//! tables of the house are computed instead of stored.

pub(crate) mod by_id;
pub(crate) mod deleted;
pub(crate) mod footers;
pub(crate) mod known;
pub(crate) mod merge;
pub(crate) mod prune;
pub(crate) mod scan;
pub(crate) mod stored;
pub(crate) mod view;
pub(crate) mod virtual_table;
mod whole;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{TableFunctionArgs, TableProvider};
use datafusion::common::{DFSchema, Result, TableReference, plan_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use crate::context::{DEFAULT_CATALOG, PlanContext};
use crate::error::QueryError;
use crate::information_schema;
use crate::types::{self, StarRocksTypes};
use stored::StoredTable;
use view::ViewRead;
use virtual_table::VirtualTable;

/// What a plan reads of a stored table, for EXPLAIN.
#[derive(Clone, Debug)]
pub(crate) struct ScanNote {
    pub table: String,
    pub partitions: (usize, usize),
    pub tablets: (usize, usize),
    /// As they are stored: where rows with equal keys become one, a query sees fewer.
    pub rows: u64,
    /// Tablets whose rows come from several rowsets and are merged, and how the table says so.
    pub merged: (usize, &'static str),
    /// What is known of the columns that are read.
    pub columns: Vec<String>,
}

/// Collects the notes of one plan.
pub(crate) type ScanNotes = Arc<Mutex<Vec<ScanNote>>>;

/// One statement's view of the tables.
pub(crate) struct Resolver<'a> {
    cx: &'a PlanContext,
    state: &'a SessionState,
    notes: ScanNotes,
    /// Declared column names by their names in lower case: what `SELECT *` shows.
    spelling: RefCell<HashMap<String, String>>,
    /// The views that were read.
    views: Rc<RefCell<Vec<ViewRead>>>,
    /// In how many views this is.
    depth: usize,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(cx: &'a PlanContext, state: &'a SessionState) -> Resolver<'a> {
        Resolver {
            cx,
            state,
            notes: ScanNotes::default(),
            spelling: RefCell::default(),
            views: Rc::default(),
            depth: 0,
        }
    }

    /// What the plan will have read, once it is physical.
    pub(crate) fn notes(&self) -> ScanNotes {
        Arc::clone(&self.notes)
    }

    /// The declared names of the columns of all tables that were asked for, and the views that were read.
    pub(crate) fn into_found(self) -> (HashMap<String, String>, Vec<ViewRead>) {
        (self.spelling.into_inner(), self.views.take())
    }

    fn provider(&self, name: &TableReference) -> Result<Arc<dyn TableProvider>, QueryError> {
        if let Some(catalog) = name.catalog()
            && catalog != DEFAULT_CATALOG
        {
            return Err(QueryError::new(5078, storage_model::Kind::NotFound, format!("Unknown catalog '{catalog}'")));
        }
        let database = match name.schema() {
            Some(database) => database,
            None => self.cx.database.as_deref().ok_or_else(QueryError::no_database)?,
        };
        match self.cx.catalog.database_by_name(database) {
            Some(found) => {
                let (own_name, partitions) = runtime_sql::partition_names::split(name.table());
                self.cx.access.may_read(database, own_name)?;
                if let Some(view) = self.cx.catalog.view_by_name(found.id, own_name) {
                    if partitions.is_some() {
                        return Err(QueryError::analyzing(format!(
                            "'{database}.{own_name}' is a view and has no partitions"
                        )));
                    }
                    return self.view(found, view);
                }
                let table = self.cx.catalog.table_by_name(found.id, own_name);
                let table = table.ok_or_else(|| QueryError::unknown_table(database, own_name))?;
                self.remember(table.schema.columns.iter().map(|c| c.name.as_str()));
                let stored = StoredTable::new(self.cx, Arc::clone(table), self.notes());
                Ok(Arc::new(match partitions {
                    None => stored,
                    Some(named) => stored.of_named(&named)?,
                }))
            }
            None => self.virtual_provider(database, name.table()),
        }
    }

    fn virtual_provider(&self, database: &str, table: &str) -> Result<Arc<dyn TableProvider>, QueryError> {
        let (lower_database, lower_table) = (database.to_lowercase(), table.to_lowercase());
        let source = &self.cx.virtual_tables;
        let mut schema = source.schema(&lower_database, &lower_table);
        let mut own = false;
        if schema.is_none() && lower_database == information_schema::NAME {
            schema = information_schema::schema(&lower_table);
            own = true;
        }
        let Some(schema) = schema else {
            let known = lower_database == information_schema::NAME
                || source.names().iter().any(|(name, _)| name.eq_ignore_ascii_case(database));
            return Err(match known {
                true => QueryError::unknown_table(database, table),
                false => QueryError::unknown_database(database),
            });
        };
        self.remember(schema.fields().iter().map(|f| f.name().as_str()));
        Ok(Arc::new(VirtualTable::new(self.cx, lower_database, lower_table, &schema, own)))
    }

    fn remember<'n>(&self, names: impl Iterator<Item = &'n str>) {
        let mut spelling = self.spelling.borrow_mut();
        for name in names {
            let lower = types::plan_name(name);
            if lower != name {
                spelling.entry(lower).or_insert_with(|| name.to_owned());
            }
        }
    }
}

impl ContextProvider for Resolver<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(self.provider(&name)?))
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let function = self.state.table_functions().get(&name.to_ascii_lowercase());
        let function = function.ok_or_else(|| plan_datafusion_err!("Unknown table function '{name}'"))?;
        let simplify = SimplifyContext::builder().with_config_options(Arc::clone(self.state.config_options())).build();
        let simplifier = ExprSimplifier::new(simplify);
        let schema = DFSchema::empty();
        let constant = |arg| simplifier.coerce(arg, &schema).and_then(|arg| simplifier.simplify(arg));
        let args = args.into_iter().map(constant).collect::<Result<Vec<_>>>()?;
        let provider = function.create_table_provider_with_args(TableFunctionArgs::new(&args, self.state))?;
        Ok(provider_as_source(Arc::new(whole::Whole(provider))))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(StarRocksTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
