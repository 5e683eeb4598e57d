//! What an INSERT was made from that keeps a part of the rows that are there.

use std::collections::BTreeSet;

use actors_messages::compute::LoadDone;
use runtime_query::PlanContext;
use storage_catalog::ReplacedPartition;
use storage_model::PartitionId;

use super::InsertPlan;

/// Where rows were looked for that keep a part of what they have: where rows with their keys are now. What is read of the
/// table besides may be anywhere.
pub(super) fn partitions(cx: &PlanContext, plan: &InsertPlan, done: &LoadDone) -> Vec<ReplacedPartition> {
    let version = |id| cx.catalog.partition(id).map_or(1, |found| found.visible_version);
    let read = |id: PartitionId| ReplacedPartition { partition: id, base: Some(version(id)) };
    let mut touched: BTreeSet<_> = done.files.iter().map(|file| file.partition).collect();
    if plan.planned.scans_of(&plan.table.name) > 1 {
        touched.extend(plan.table.partitions.iter().copied());
    }
    touched.into_iter().map(read).collect()
}
