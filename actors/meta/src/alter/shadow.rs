//! What has been written anew for a job, and what is left of that: pure. Rows that loads bring meanwhile are behind those that were
//! written, and are written as parts of their own. Where rows went, or files became others, a partition begins again.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage_model::{FileId, Partition, PartitionId, RewrittenPart, RewrittenPartition, Rowset, TxnId, WrittenFile};

/// What one write reads at most, unless a single run is larger.
const MOST_BYTES: u64 = 256 << 20;
/// Runs of one write: they travel in a message.
const MOST_ROWSETS: usize = 32_768;

/// A run as it was written: it has lost so many rows.
type Seen = (FileId, u32, u64);

/// The new rows of the partitions of a table. They are in the store, and of no use to anybody but a job.
#[derive(Clone, Debug, Default)]
pub(super) struct Shadow {
    partitions: BTreeMap<PartitionId, Written>,
}

#[derive(Clone, Debug, Default)]
struct Written {
    seen: Vec<Seen>,
    parts: Vec<RewrittenPart>,
}

/// Some neighbouring runs of a partition that are to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) partition: PartitionId,
    /// Behind how many runs they are.
    pub(super) start: usize,
    pub(super) rowsets: Vec<Rowset>,
}

/// How much of a table is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) rows: u64,
    pub(super) rows_left: u64,
    pub(super) bytes_left: u64,
}

impl Left {
    pub(super) fn percent(self) -> u8 {
        let done = self.rows.saturating_sub(self.rows_left);
        u8::try_from((done * 100).checked_div(self.rows).unwrap_or(100)).unwrap_or(100).min(99)
    }
}

fn seen(rowset: &Rowset) -> Seen {
    (rowset.file, rowset.bucket, rowset.deleted_rows())
}

impl Shadow {
    /// Forgets what was written of partitions that are not any more what it was written from.
    /// Nothing of loads below the floor can become true.
    pub(super) fn check(&mut self, partitions: &[Arc<Partition>], floor: u64) {
        let current: BTreeMap<PartitionId, &Partition> =
            partitions.iter().map(|partition| (partition.id, partition.as_ref())).collect();
        self.partitions.retain(|id, written| {
            let is_kept = |partition: &&Partition| {
                let there = partition.rowsets.iter().map(seen);
                written.seen.len() <= partition.rowsets.len()
                    && there.zip(&written.seen).all(|(now, then)| now == *then)
            };
            let is_young = written.parts.iter().all(|part| part.txn.0 >= floor);
            is_young && current.get(id).is_some_and(is_kept)
        });
    }

    fn written(&self, partition: &Partition) -> usize {
        self.partitions.get(&partition.id).map_or(0, |written| written.seen.len())
    }

    /// What is not written yet.
    pub(super) fn left(&self, partitions: &[Arc<Partition>]) -> Left {
        let mut left = Left::default();
        for partition in partitions {
            left.rows += partition.rows();
            for rowset in &partition.rowsets[self.written(partition)..] {
                left.rows_left += rowset.live_rows();
                left.bytes_left += rowset.end - rowset.start;
            }
        }
        left
    }

    /// What to write next, of so many partitions at most. To be asked after `check`.
    pub(super) fn next(&self, partitions: &[Arc<Partition>], most: usize) -> Vec<Piece> {
        let piece = |partition: &Partition| {
            let start = self.written(partition);
            let mut bytes = 0;
            let fits = |rowset: &&Rowset| {
                let is_first = bytes == 0;
                bytes += (rowset.end - rowset.start).max(1);
                is_first || bytes <= MOST_BYTES
            };
            let rowsets: Vec<_> =
                partition.rowsets[start..].iter().take(MOST_ROWSETS).take_while(fits).cloned().collect();
            (!rowsets.is_empty()).then_some(Piece { partition: partition.id, start, rowsets })
        };
        partitions.iter().filter_map(|partition| piece(partition)).take(most).collect()
    }

    /// A piece is in the store.
    pub(super) fn take(&mut self, piece: &Piece, txn: TxnId, files: Vec<WrittenFile>) {
        let written = self.partitions.entry(piece.partition).or_default();
        if written.seen.len() == piece.start {
            written.seen.extend(piece.rowsets.iter().map(seen));
            written.parts.push(RewrittenPart { txn, files });
        }
    }

    /// All of it, when all is written.
    pub(super) fn whole(&self, partitions: &[Arc<Partition>]) -> Vec<RewrittenPartition> {
        let rewritten = |partition: &Partition| {
            let written = self.partitions.get(&partition.id)?;
            let (partition, base, parts) = (partition.id, partition.visible_version, written.parts.clone());
            Some(RewrittenPartition { partition, base, parts })
        };
        partitions.iter().filter_map(|partition| rewritten(partition)).collect()
    }
}
