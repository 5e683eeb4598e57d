//! The part of the compaction agent that writes the rows of a table in other columns or buckets. Whether they take the place of the
//! old is the leader's to say.

use std::sync::Arc;

use actors_messages::compute::{RewriteFailure, RewriteRows};
use futures::TryStreamExt;
use runtime_actor::{Answer, Context, Handle};
use runtime_query::{Engine, QueryError, conform, encode, plan_anew};
use storage_model::WrittenFile;
use storage_tablet::{TargetPartition, WriteError, WriteSpec};
use storage_volume::error_chain;

use crate::compaction::CompactionAgent;
use crate::volumes::Volumes;

/// How the words begin that an INSERT of such a row is refused with.
const OF_A_ROW: &str = "Insert has filtered data: ";

impl Handle<RewriteRows> for CompactionAgent {
    fn handle(
        &mut self,
        message: RewriteRows,
        _: &mut Context<Self>,
    ) -> Answer<Result<Vec<WrittenFile>, RewriteFailure>> {
        self.counts.rewrites += 1;
        let (engine, volumes) = (Arc::clone(&self.engine), self.volumes.clone());
        Answer::while_wanted(async move {
            let reader = Arc::clone(&engine);
            let work = async move { rewrite(&reader, &volumes, message).await };
            engine.run(work).await.unwrap_or_else(|given_up| Err(RewriteFailure::Other(given_up.message)))
        })
    }
}

async fn rewrite(engine: &Engine, volumes: &Volumes, message: RewriteRows) -> Result<Vec<WrittenFile>, RewriteFailure> {
    let RewriteRows { table, target, converted, partition, buckets, files, volumes: known, service, .. } = message;
    let other = |error: QueryError| RewriteFailure::Other(error.message);
    let volume = known.iter().find(|volume| volume.id == target.volume);
    let volume = volume.ok_or_else(|| RewriteFailure::Other(format!("volume {} is not named", target.volume)))?;
    let volume = volumes.open(volume).map_err(|e| RewriteFailure::Other(error_chain(&e)))?;
    fail::fail_point!("cn.rewrite.before");
    let plan = plan_anew((&table, &target), &converted, &partition, &files, &service).await.map_err(other)?;
    let plan = encode(&plan).map_err(other)?;
    let rows = engine.execute(&plan, &known).map_err(other)?;
    let schema = storage_tablet::arrow_schema(&target.schema);
    let rows = rows.and_then(move |batch| std::future::ready(conform(&batch, &schema)));
    let spec = WriteSpec {
        partitions: vec![TargetPartition { buckets, ..TargetPartition::from(&partition) }],
        volume: target.volume,
        service_id: service,
        incarnation: message.incarnation,
        txn: message.txn,
        attempt: 0,
        seed: message.txn.0,
        makes_partitions: false,
        table: target,
    };
    let written = storage_tablet::write(rows, &spec, &volume).await.map_err(|error| failure(&error))?;
    fail::fail_point!("cn.rewrite.after");
    Ok(written.files)
}

/// Whether it is a row that fails, and which.
fn failure(error: &WriteError) -> RewriteFailure {
    match error {
        WriteError::Null { .. }
        | WriteError::TooLong { .. }
        | WriteError::OutOfRange { .. }
        | WriteError::NoPartition { .. }
        | WriteError::Cast { .. } => RewriteFailure::Row(error.to_string()),
        WriteError::Source(cause) => {
            let told = cause.downcast_ref::<QueryError>().and_then(|error| error.message.strip_prefix(OF_A_ROW));
            told.map_or_else(|| RewriteFailure::Other(error_chain(error)), |told| RewriteFailure::Row(told.to_owned()))
        }
        other => RewriteFailure::Other(error_chain(other)),
    }
}
