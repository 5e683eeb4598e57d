//! Jobs that write a table anew: begun at one moment, written at another, finished at a third.

use storage_catalog::{Outcome, Rejection};
use storage_model::{AlterEvent, JobId, RewrittenPart, RewrittenPartition};

use super::*;
use crate::plan_anew;

impl House {
    /// Begins a job; None: the change was done at once.
    pub fn begin_job(&mut self, command: Command) -> Option<JobId> {
        let reply = self.catalog.apply(&Envelope { proposed_at: Now::at(NOW), command });
        let Outcome::Job(job) = reply.unwrap() else { return None };
        for event in [AlterEvent::Begin, AlterEvent::Start] {
            self.apply(Command::AlterJobEvent { job, event });
        }
        Some(job)
    }

    /// Writes all rows of the table of a job as they are now.
    pub async fn written_job(&mut self, name: &str, job: JobId) -> Result<Vec<RewrittenPartition>, QueryError> {
        let table = self.table(name);
        let aim = self.catalog.alter_job(job).unwrap().target.clone().unwrap();
        let target = aim.table(&table);
        let partitions: Vec<_> = self.catalog.partitions_to_alter(&table, &aim).cloned().collect();
        let mut rewritten = Vec::new();
        for partition in partitions.into_iter().filter(|partition| !partition.rowsets.is_empty()) {
            let named: std::collections::BTreeSet<_> =
                partition.rowsets.iter().flat_map(|rowset| rowset.files()).collect();
            let files: Vec<_> = named.iter().map(|file| self.catalog.file(*file).unwrap().clone()).collect();
            let mut spec = self.spec(&target, &[Arc::clone(&partition)]);
            spec.partitions[0].buckets = aim.buckets_of(&partition);
            let plan = plan_anew((&table, &target), &aim.converted, &partition, &files, &spec.service_id).await?;
            let schema = storage_tablet::arrow_schema(&target.schema);
            let batches = self.run(&plan).await?;
            let batches: Vec<_> = batches.iter().map(|b| conform(b, &schema)).collect::<Result<_, _>>()?;
            let volume = Volume::open(&self.volumes()[0]).unwrap();
            let rows = futures::stream::iter(batches).map(Ok::<_, std::io::Error>);
            let written = storage_tablet::write(rows, &spec, &volume).await;
            let files = written.map_err(|e| QueryError::invalid(e.to_string()))?.files;
            let parts = vec![RewrittenPart { txn: spec.txn, files }];
            rewritten.push(RewrittenPartition { partition: partition.id, base: partition.visible_version, parts });
        }
        Ok(rewritten)
    }

    /// Makes the table what the job wants.
    pub fn finish_job(&mut self, job: JobId, partitions: Vec<RewrittenPartition>) -> Result<(), Rejection> {
        let command = Command::FinishAlter { job, partitions };
        self.catalog.apply(&Envelope { proposed_at: Now::at(NOW), command }).map(drop)
    }

    /// The newest version of each partition.
    pub fn versions(&self, name: &str) -> Vec<u64> {
        let table = self.table(name);
        self.catalog.partitions_of(&table).map(|partition| partition.visible_version).collect()
    }

    /// A command that may be refused.
    pub fn try_apply(&mut self, command: Command) -> Result<(), Rejection> {
        self.catalog.apply(&Envelope { proposed_at: Now::at(NOW), command }).map(drop)
    }

    /// A job from its beginning to its end.
    pub async fn job(&mut self, name: &str, command: Command) -> Result<(), QueryError> {
        let Some(job) = self.begin_job(command) else { return Ok(()) };
        let written = self.written_job(name, job).await?;
        self.finish_job(job, written).unwrap();
        Ok(())
    }
}
