//! What a plan gets on the node that runs it, because it is no part of the bytes that it came as: how columns are found in
//! files, by whom files are read, which of their rows are gone, and watchers.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

use super::watch::{Watch, watched_node};
use crate::provider::by_id;
use crate::provider::deleted::{Stores, without_deleted};
use crate::provider::footers::{Readers, reading_with};

/// All of it, for the plans of one query.
#[derive(Clone)]
pub(crate) struct Dressing {
    /// By the URLs of stores.
    pub readers: HashMap<String, Readers>,
    pub stores: Stores,
    pub watch: Arc<Watch>,
}

impl Dressing {
    /// A whole plan.
    pub fn whole(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| self.node(plan).map(Transformed::yes)).data()
    }

    /// One operator, whose inputs have it already.
    pub fn node(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let scan = plan.downcast_ref::<DataSourceExec>().and_then(|s| s.downcast_to_file_source::<ParquetSource>());
        let Some((config, source)) = scan else { return watched_node(plan, &self.watch) };
        let source = reading_with(source.clone(), &config.object_store_url, &self.readers);
        let config = FileScanConfigBuilder::from(config.clone())
            .with_expr_adapter(Some(by_id::adapter()))
            .with_source(without_deleted(source, &self.stores))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
