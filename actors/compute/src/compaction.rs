//! The compaction agent: it reads rowsets of a partition and writes their rows as one file. Whether that takes their place is
//! the leader's to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use actors_messages::compute::{CatchUp, CompactRows};
use runtime_actor::{Actor, Address, Answer, Context, Handle, Message};
use runtime_query::{Engine, encode, plan_compaction};
use serde::Serialize;
use storage_model::{Superseded, WrittenFile};
use storage_tablet::{Compacted, TargetPartition, WriteSpec};
use storage_volume::error_chain;

use crate::keys;
use crate::volumes::Volumes;

/// The role.
pub struct CompactionAgent {
    pub(crate) engine: Arc<Engine>,
    pub(crate) volumes: Volumes,
    pub(crate) counts: Counts,
    last_error: String,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Counts {
    /// Writes of rows that a table is to have in other columns or buckets.
    pub(crate) rewrites: u64,
    running: u64,
    compactions: u64,
    failed: u64,
    files_read: u64,
    rows: u64,
    bytes_written: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct CompactionAgentState {
    #[serde(flatten)]
    counts: Counts,
    last_error: String,
}

/// A compaction is over, however that came.
#[derive(Debug)]
struct Ended {
    files_read: u64,
    written: Result<(u64, u64), String>,
}

impl Message for Ended {
    type Reply = ();
    const NAME: &'static str = "Ended";
}

impl CompactionAgent {
    /// An agent that reads with `engine` and writes through `volumes`.
    pub fn new(engine: Arc<Engine>, volumes: Volumes) -> CompactionAgent {
        CompactionAgent { engine, volumes, counts: Counts::default(), last_error: String::new() }
    }
}

impl Actor for CompactionAgent {
    const ROLE: &'static str = "compaction_agent";
    type State = CompactionAgentState;

    fn observe(&self) -> CompactionAgentState {
        CompactionAgentState { counts: self.counts, last_error: self.last_error.clone() }
    }
}

impl Handle<CompactRows> for CompactionAgent {
    fn handle(&mut self, message: CompactRows, cx: &mut Context<Self>) -> Answer<Result<Vec<WrittenFile>, String>> {
        fail::fail_point!("handler.compaction_agent");
        self.counts.running += 1;
        let (engine, volumes) = (Arc::clone(&self.engine), self.volumes.clone());
        let mut over = Over { agent: Some(cx.address()), files_read: message.files.len() as u64 };
        Answer::while_wanted(async move {
            let reader = Arc::clone(&engine);
            let work = async move { compact(&reader, &volumes, message).await };
            let written = engine.run(work).await.unwrap_or_else(|given_up| Err(given_up.message));
            over.is(&written);
            written
        })
    }
}

impl Handle<CatchUp> for CompactionAgent {
    fn handle(&mut self, message: CatchUp, _: &mut Context<Self>) -> Answer<Result<Superseded, String>> {
        let (engine, volumes) = (Arc::clone(&self.engine), self.volumes.clone());
        Answer::while_wanted(async move {
            let work = async move { keys::caught_up(&volumes, &message).await.map_err(|e| error_chain(&e)) };
            engine.run(work).await.unwrap_or_else(|given_up| Err(given_up.message))
        })
    }
}

impl Handle<Ended> for CompactionAgent {
    fn handle(&mut self, message: Ended, _: &mut Context<Self>) -> Answer<()> {
        self.counts.running = self.counts.running.saturating_sub(1);
        match message.written {
            Ok((rows, bytes)) => {
                self.counts.compactions += 1;
                self.counts.files_read += message.files_read;
                self.counts.rows += rows;
                self.counts.bytes_written += bytes;
                self.last_error.clear();
            }
            Err(error) => {
                self.counts.failed += 1;
                self.last_error = error;
            }
        }
        Answer::done()
    }
}

/// Tells the agent that a compaction is over, even when nobody wants it any more.
struct Over {
    /// None: it was told.
    agent: Option<Address<CompactionAgent>>,
    files_read: u64,
}

impl Over {
    fn is(&mut self, written: &Result<Vec<WrittenFile>, String>) {
        let sums = |files: &Vec<WrittenFile>| {
            files.iter().fold((0, 0), |(rows, bytes), file| (rows + file.rows(), bytes + file.size))
        };
        self.say(written.as_ref().map(sums).map_err(Clone::clone));
    }

    fn say(&mut self, written: Result<(u64, u64), String>) {
        let Some(agent) = self.agent.take() else { return };
        if let Err(lost) = agent.tell(Ended { files_read: self.files_read, written }) {
            tracing::debug!(%lost, "the compaction agent was not told of the end of a compaction");
        }
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        self.say(Err("the leader did not wait for it".to_owned()));
    }
}

/// What was written: one file, or none when there are no rows.
async fn compact(engine: &Engine, volumes: &Volumes, message: CompactRows) -> Result<Vec<WrittenFile>, String> {
    let CompactRows { table, partition, files, volumes: known, service, incarnation, txn } = message;
    let target = known.iter().find(|volume| volume.id == table.volume);
    let target = target.ok_or_else(|| format!("volume {} of the table is not named", table.volume))?;
    let target = volumes.open(target).map_err(|e| error_chain(&e))?;
    let spec = WriteSpec {
        partitions: vec![TargetPartition::from(&partition)],
        volume: table.volume,
        service_id: service.clone(),
        incarnation,
        txn,
        attempt: 0,
        seed: txn.0,
        makes_partitions: false,
        table,
    };
    let mut file = Compacted::new(&spec, &target).map_err(|e| error_chain(&e))?;
    let buckets: BTreeSet<u32> = partition.rowsets.iter().map(|rowset| rowset.bucket).collect();
    for bucket in buckets {
        let plan = plan_compaction(&spec.table, &partition, &files, &service, bucket).map_err(|e| e.message)?;
        let plan = encode(&plan).map_err(|e| e.message)?;
        let rows = engine.execute(&plan, &known).map_err(|e| e.message)?;
        file.write_bucket(bucket, rows).await.map_err(|e| error_chain(&e))?;
    }
    fail::fail_point!("cn.compact.before");
    let written = file.finish().await.map_err(|e| error_chain(&e))?;
    fail::fail_point!("cn.compact.after");
    Ok(written.into_iter().collect())
}
