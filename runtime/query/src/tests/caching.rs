//! What is kept near: footers of files, and the files of queries, but not those of compaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::ParquetSource;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use storage_catalog::Command;
use storage_model::FileEntry;

use super::house::wiki;
use crate::plan_compaction;

#[tokio::test]
async fn a_footer_is_read_once() {
    let mut house = wiki().await;
    let sql = "SELECT * FROM wiki WHERE delta > 0 AND user <> 'nobody' ORDER BY Event_Time, user, delta";
    let rows = house.ask(sql).await;
    let before = house.footers();
    assert!(before.misses > 0, "{before:?}");
    assert_eq!(house.ask(sql).await, rows);
    let after = house.footers();
    assert!(after.misses == before.misses && after.hits > before.hits, "{after:?} {before:?}");
    // New files have new names; those of a compaction are no reason to forget others.
    house.compact("wiki").await;
    assert_eq!(house.footers(), after);
    assert_eq!(house.ask(sql).await, rows);
    assert!(house.footers().misses > after.misses);
}

/// The stores that a plan reads files of.
fn stores(plan: &Arc<dyn ExecutionPlan>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let visit = |plan: &Arc<dyn ExecutionPlan>| {
        if let Some(scan) = plan.downcast_ref::<DataSourceExec>()
            && let Some((config, _)) = scan.downcast_to_file_source::<ParquetSource>()
        {
            found.insert(config.object_store_url.as_str().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    };
    plan.apply(visit).unwrap();
    found
}

#[tokio::test]
async fn files_of_compaction_and_of_tables_that_are_not_kept_are_read_once() {
    let mut house = wiki().await;
    let sql = "SELECT SUM(delta) FROM wiki WHERE user <> 'nobody'";
    let table = house.table("wiki");
    let sum = house.ask(sql).await;
    let again = stores(&house.plan(sql).await.unwrap().plan);
    assert_eq!(again, BTreeSet::from([format!("starkeep://v{}/", table.volume)]));
    let once = BTreeSet::from([format!("starkeep://once-v{}/", table.volume)]);
    let catalog = house.context().catalog;
    let partition = catalog.partitions_of(&table).find(|partition| !partition.rowsets.is_empty()).unwrap();
    let files: Vec<FileEntry> = partition.rowsets.iter().map(|r| catalog.file(r.file).unwrap().clone()).collect();
    let bucket = partition.rowsets[0].bucket;
    let service = &catalog.identity().service_id;
    let plan = plan_compaction(&table, partition, &files, service, bucket).unwrap();
    assert_eq!(stores(&plan.plan), once);
    for (value, expected) in [("false", &once), ("FALSE", &once), ("true", &again)] {
        house.apply(Command::SetTableProperties {
            database: "db".into(),
            table: "wiki".into(),
            properties: BTreeMap::from([("datacache.enable".to_owned(), value.to_owned())]),
        });
        assert_eq!(&stores(&house.plan(sql).await.unwrap().plan), expected, "{value}");
        assert_eq!(house.ask(sql).await, sum);
    }
}
