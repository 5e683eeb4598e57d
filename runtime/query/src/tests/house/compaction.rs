//! Compactions: written at one moment, committed at another.

use std::collections::BTreeSet;
use std::ops::Range;

use storage_catalog::Rejection;
use storage_catalog::keyed::Lost;
use storage_model::{FileId, Partition};
use storage_tablet::Compacted;

use super::*;

/// One whose file is in the store.
pub(in crate::tests) struct Written {
    table: Arc<Table>,
    read: Partition,
    then: Catalog,
    txn: TxnId,
    inputs: Vec<FileId>,
    files: Vec<WrittenFile>,
}

impl House {
    /// Compacts all files of every partition of a table: how many files and runs there were, and how many there are.
    pub async fn compact(&mut self, name: &str) -> Vec<((usize, usize), (usize, usize))> {
        self.compact_some(name, |files| 0..files).await
    }

    /// Compacts some neighbouring files of every partition that has any: which, is said of how many there are.
    pub async fn compact_some(
        &mut self,
        name: &str,
        which: impl FnMut(usize) -> Range<usize>,
    ) -> Vec<((usize, usize), (usize, usize))> {
        let mut seen = Vec::new();
        for written in self.written_compactions(name, which).await {
            let (id, before) = (written.read.id, self.files_and_runs(written.read.id));
            self.commit_compaction(written).await.unwrap();
            seen.push((before, self.files_and_runs(id)));
        }
        seen
    }

    /// The same, up to the commits.
    pub async fn written_compactions(
        &mut self,
        name: &str,
        mut which: impl FnMut(usize) -> Range<usize>,
    ) -> Vec<Written> {
        let table = self.table(name);
        let mut written = Vec::new();
        for id in &table.partitions {
            let mut partition = self.catalog.partition(*id).unwrap().as_ref().clone();
            let mut inputs: Vec<_> = partition.rowsets.iter().map(|rowset| rowset.file).collect();
            inputs.dedup();
            let inputs = inputs[which(inputs.len())].to_vec();
            if inputs.is_empty() {
                continue;
            }
            partition.rowsets.retain(|rowset| inputs.contains(&rowset.file));
            let read = partition.clone();
            let partition = Arc::new(partition);
            let named: BTreeSet<FileId> = partition.rowsets.iter().flat_map(|rowset| rowset.files()).collect();
            let files: Vec<_> = named.iter().map(|file| self.catalog.file(*file).unwrap().clone()).collect();
            let spec = self.spec(&table, &[Arc::clone(&partition)]);
            let volume = Volume::open(&self.volumes()[0]).unwrap();
            let mut file = Compacted::new(&spec, &volume).unwrap();
            for bucket in 0..partition.buckets {
                let plan = plan_compaction(&table, &partition, &files, &spec.service_id, bucket).unwrap();
                file.write_bucket(bucket, self.start(&plan).unwrap()).await.unwrap();
            }
            let (then, txn, files) =
                (self.catalog.clone(), spec.txn, file.finish().await.unwrap().into_iter().collect());
            written.push(Written { table: Arc::clone(&table), read, then, txn, inputs, files });
        }
        written
    }

    /// Puts the new files in the place of the old, without what these have lost.
    pub async fn commit_compaction(&mut self, written: Written) -> Result<(), Rejection> {
        let Written { table, read, then, txn, inputs, files } = written;
        let Lost { tablets, seen } = match table.model {
            KeyModel::Primary => self.catalog.lost_since(&read, &then, &files),
            _ => Lost::default(),
        };
        let superseded = self.caught_up(&table, &tablets).await;
        let (table, partition) = (table.id, read.id);
        let command = Command::CompactPartition { txn, table, partition, inputs, files, superseded, seen };
        self.catalog.apply(&Envelope { proposed_at: Now::at(NOW), command }).map(drop)
    }

    fn files_and_runs(&self, partition: PartitionId) -> (usize, usize) {
        let rowsets = &self.catalog.partition(partition).unwrap().rowsets;
        (rowsets.iter().map(|rowset| rowset.file).collect::<BTreeSet<_>>().len(), rowsets.len())
    }
}
