//! What compute nodes tell of themselves with their heartbeats.

use actors_messages::nodes::NodeStatus;

use crate::sheet::{Sheet, row};

use super::empty::columns;

/// `be_datacache_metrics`: the data cache of each node that answers.
pub(super) fn data_caches(statuses: &[NodeStatus]) -> Sheet {
    let mut sheet = columns(
        "BE_ID@b,STATUS,DISK_QUOTA_BYTES@b,DISK_USED_BYTES@b,MEM_QUOTA_BYTES@b,MEM_USED_BYTES@b,META_USED_BYTES@b,DIR_SPACES",
    );
    for status in statuses.iter().filter(|status| status.alive) {
        let Some(report) = &status.report else { continue };
        let held = report.data_cache.unwrap_or_default();
        let state = if report.data_cache.is_some() { "Normal" } else { "Disabled" };
        // What is known of blocks is counted with their bytes; directories are the node's own business.
        sheet.push(row![
            status.node.id.0,
            state,
            held.disk_quota,
            held.disk_used,
            held.memory_quota,
            held.memory_used,
            0_u64,
            "[]",
        ]);
    }
    sheet
}
