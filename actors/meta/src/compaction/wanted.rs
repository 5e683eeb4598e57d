//! Partitions that somebody asks to be compacted: ALTER TABLE … COMPACT. They come first, until nothing is left to do of them.

use std::collections::BTreeSet;

use actors_messages::compactor::CompactNow;
use runtime_actor::{Answer, Context, Handle};
use storage_catalog::Catalog;
use storage_model::PartitionId;

use super::CompactionCoordinator;
use super::choose::{Candidate, asked};

/// After so many failures in a row nobody insists.
const MOST_FAILURES: u32 = 3;

/// The partitions that are asked for.
#[derive(Debug, Default)]
pub(super) struct Wanted(BTreeSet<PartitionId>);

impl Wanted {
    /// Whether somebody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets those of which nothing is left to do, and says what is to be done of the others.
    pub(super) fn candidates(&mut self, catalog: &Catalog, free: impl Fn(PartitionId) -> bool) -> Vec<Candidate> {
        let mut found = Vec::new();
        self.0.retain(|id| match asked(catalog, *id) {
            Some(candidate) => {
                if free(*id) && catalog.alter_job_of(candidate.table).is_none() {
                    found.push(candidate);
                }
                true
            }
            None => false,
        });
        found
    }

    /// A compaction of the partition has failed so often in a row.
    pub(super) fn failed(&mut self, partition: PartitionId, times: u32) {
        if times >= MOST_FAILURES {
            self.0.remove(&partition);
        }
    }

    /// Whether the partition is asked for.
    pub(super) fn has(&self, partition: PartitionId) -> bool {
        self.0.contains(&partition)
    }
}

impl Handle<CompactNow> for CompactionCoordinator {
    fn handle(&mut self, message: CompactNow, cx: &mut Context<Self>) -> Answer<()> {
        tracing::info!(table = %message.table, partitions = message.partitions.len(), "a compaction is asked for");
        self.wanted.0.extend(message.partitions);
        self.look(cx);
        Answer::done()
    }
}
