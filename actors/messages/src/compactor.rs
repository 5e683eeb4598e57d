//! To the compaction coordinator.

use runtime_actor::Message;
use serde::{Deserialize, Serialize};
use storage_model::{PartitionId, TableId};

/// The mailbox of the compaction coordinator.
pub const COMPACTION_COORDINATOR: &str = "compaction_coordinator";

/// ALTER TABLE … COMPACT: compact these partitions before others, however few files they have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CompactNow {
    /// The table.
    pub table: TableId,
    /// Which of its partitions.
    pub partitions: Vec<PartitionId>,
}

impl Message for CompactNow {
    type Reply = ();
    const NAME: &'static str = "CompactNow";
}
