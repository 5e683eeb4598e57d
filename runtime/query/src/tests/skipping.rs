//! What a scan does not read: row groups whose bloom filters do not know the value that is looked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::{ExecutionPlan, collect};
use storage_catalog::{ColumnChange, Command};
use storage_model::{DataType, IndexKind};

use super::house::{House, column};

/// Two loads of names that lie between each other, so that the least and the greatest say nothing.
async fn two_loads(filters: &str) -> House {
    let mut house = House::new();
    let columns = vec![
        column("k", DataType::Int, true, None),
        column("Name", DataType::Varchar(20), true, None),
        column("n", DataType::BigInt, true, None),
    ];
    house.create("t", columns, None, 0, 1);
    set(&mut house, filters);
    for odd in [0, 1] {
        let rows: Vec<String> = (0..50).map(|i| 2 * i + odd).map(|i| format!("({i}, 'name {i:03}', {i})")).collect();
        house.insert(&format!("INSERT INTO t VALUES {}", rows.join(", "))).await.unwrap();
    }
    house
}

fn set(house: &mut House, filters: &str) {
    let properties = BTreeMap::from([("bloom_filter_columns".to_owned(), filters.to_owned())]);
    house.apply(Command::SetTableProperties { database: "db".into(), table: "t".into(), properties });
}

/// How many row groups a query skips because of bloom filters, and how many these leave.
async fn skipped(house: &House, sql: &str) -> (usize, usize) {
    let planned = house.plan(sql).await.unwrap();
    let (plan, task) = house.decoded(&planned);
    collect(Arc::clone(&plan), task).await.unwrap();
    let mut found = (0, 0);
    let mut plans: Vec<Arc<dyn ExecutionPlan>> = vec![plan];
    while let Some(plan) = plans.pop() {
        plans.extend(plan.children().into_iter().cloned());
        for metric in plan.metrics().iter().flat_map(|metrics| metrics.iter().cloned().collect::<Vec<_>>()) {
            if let MetricValue::PruningMetrics { name, pruning_metrics } = metric.value()
                && name == "row_groups_pruned_bloom_filter"
            {
                found.0 += pruning_metrics.pruned();
                found.1 += pruning_metrics.matched();
            }
        }
    }
    found
}

#[tokio::test]
async fn row_groups_without_the_value_are_skipped() {
    let house = two_loads("Name, n").await;
    for sql in ["SELECT k FROM t WHERE name = 'name 031'", "SELECT k FROM t WHERE n IN (31)"] {
        assert_eq!(skipped(&house, sql).await, (1, 1), "{sql}");
        assert_eq!(house.one(sql).await, "31");
    }
    assert_eq!(skipped(&house, "SELECT k FROM t WHERE name = 'name 0310'").await, (2, 0));
    assert_eq!(house.one("SELECT COUNT(*) FROM t WHERE name = 'name 030' OR name = 'name 031'").await, "2");
    assert_eq!(skipped(&house, "SELECT n FROM t WHERE k = 31").await.0, 0, "k has no filter");
    let without = two_loads("").await;
    assert_eq!(skipped(&without, "SELECT k FROM t WHERE name = 'name 031'").await.0, 0);
}

#[tokio::test]
async fn filters_are_found_under_other_names_and_types_and_made_by_compaction() {
    let mut house = two_loads("Name, n").await;
    let rename =
        |name: &str, new_name: &str| ColumnChange::Rename { name: name.to_owned(), new_name: new_name.to_owned() };
    // Each has the name that the other has in the files.
    let changes = vec![rename("Name", "x"), rename("n", "Name"), rename("x", "n")];
    house.apply(Command::AlterColumns { database: "db".into(), table: "t".into(), changes });
    assert_eq!(house.table("t").properties["bloom_filter_columns"], "n, Name");
    assert_eq!(skipped(&house, "SELECT k FROM t WHERE n = 'name 031'").await, (1, 1));
    assert_eq!(house.one("SELECT k FROM t WHERE name = 31").await, "31");
    set(&mut house, "");
    house.compact("t").await;
    assert_eq!(skipped(&house, "SELECT k FROM t WHERE n = 'name 0310'").await.0, 0, "they are written no more");
    set(&mut house, "n");
    house.insert("INSERT INTO t VALUES (500, 'name 099x', 1)").await.unwrap();
    house.compact("t").await;
    assert_eq!(skipped(&house, "SELECT k FROM t WHERE n = 'name 0310'").await, (1, 0));
    assert_eq!(house.one("SELECT k FROM t WHERE n = 'name 099x'").await, "500");
}

#[tokio::test]
async fn an_index_is_served_by_a_filter() {
    let mut house = two_loads("").await;
    let change = |change| Command::AlterColumns { database: "db".into(), table: "t".into(), changes: vec![change] };
    let point = "SELECT k FROM t WHERE n = 310";
    house.apply(change(ColumnChange::AddIndex {
        name: "by_n".into(),
        kind: IndexKind::Bitmap,
        columns: vec!["N".into()],
        comment: String::new(),
    }));
    assert_eq!(skipped(&house, point).await.0, 0, "files that are there have none");
    house.insert("INSERT INTO t VALUES (300, 'x', 300), (320, 'x', 320)").await.unwrap();
    assert_eq!(skipped(&house, point).await, (1, 0));
    house.apply(change(ColumnChange::DropIndex { name: "by_n".into() }));
    house.compact("t").await;
    assert_eq!(skipped(&house, point).await.0, 0);
}
