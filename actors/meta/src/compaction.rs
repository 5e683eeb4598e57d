//! The compaction coordinator: partitions with many small files are read and written anew by compute nodes, one log entry puts
//! the new file in the place of the old. A compaction that anything overtakes or that loses its node has never happened.

mod choose;
mod wanted;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use actors_messages::ReadPoints;
use actors_messages::compute::{COMPACTION_AGENT, CatchUp, CompactRows};
use runtime_actor::{Actor, Answer, Context, Handle, Message};
use runtime_raft::{Meta, ProposeError};
use runtime_rpc::Peer;
use serde::Serialize;
use storage_catalog::keyed::Lost;
use storage_catalog::{Catalog, Command, Outcome, Rejection};
use storage_model::{
    CompactedTablet, FileId, KeyModel, NodeId, Partition, PartitionId, Revision, Rowset, Superseded, Table, TableId,
    TxnId, VectorSpec, VolumeId,
};
use tokio::sync::watch;

use crate::look::Look;
use crate::nodes::NodeDirectory;
use crate::owner::Ownership;
use crate::settings::{MetaSettings, SettingsReader};
use choose::{Candidate, candidates};

/// Between two looks when there was nothing to do.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// After a failure; twice as long after each further one,
const RETRY: Duration = Duration::from_secs(15);
/// so many times.
const MOST_DOUBLED: u32 = 6;
/// After so long without another one, failures are forgotten.
const FORGET: Duration = Duration::from_secs(3600);
/// So often is looked at what a PRIMARY KEY table has lost while it was compacted.
const LOOKS: u32 = 16;
/// A node may take this long for one compaction.
const DEADLINE: Duration = Duration::from_secs(540);

/// The role.
pub struct CompactionCoordinator {
    meta: Meta,
    reads: ReadPoints,
    directory: NodeDirectory,
    ownership: watch::Receiver<Ownership>,
    settings: SettingsReader,
    /// What runs where.
    running: BTreeMap<PartitionId, NodeId>,
    /// Partitions whose last compactions came to nothing.
    put_off: HashMap<PartitionId, PutOff>,
    /// How often each node has failed: the others are asked first.
    failures: HashMap<NodeId, u64>,
    /// What somebody asks for.
    wanted: wanted::Wanted,
    /// When there was last nothing to do.
    idle: Option<Idle>,
    counts: Counts,
    last_error: String,
}

/// There was nothing to do, and will not be while this is so.
#[derive(Clone, Copy, Debug)]
struct Idle {
    revision: Revision,
    min_files: usize,
    seen_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct PutOff {
    until: Instant,
    /// In a row.
    times: u32,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    compactions: u64,
    files_before: u64,
    files_after: u64,
    rows: u64,
    overtaken: u64,
    failed: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct CompactionState {
    running: Vec<String>,
    #[serde(flatten)]
    counts: Counts,
    last_error: String,
}

/// A compaction is over.
#[derive(Debug)]
struct Compacted {
    partition: PartitionId,
    node: NodeId,
    came: Result<Counts, String>,
}

impl Message for Compacted {
    type Reply = ();
    const NAME: &'static str = "Compacted";
}

impl CompactionCoordinator {
    /// A coordinator of this leader's compactions.
    pub fn new(
        meta: Meta,
        reads: ReadPoints,
        directory: NodeDirectory,
        ownership: watch::Receiver<Ownership>,
        settings: SettingsReader,
    ) -> CompactionCoordinator {
        CompactionCoordinator {
            meta,
            reads,
            directory,
            ownership,
            settings,
            running: BTreeMap::new(),
            put_off: HashMap::new(),
            failures: HashMap::new(),
            wanted: wanted::Wanted::default(),
            idle: None,
            counts: Counts::default(),
            last_error: String::new(),
        }
    }

    fn look(&mut self, cx: &Context<Self>) {
        let MetaSettings { compaction_min_files, compaction_tasks, .. } = (self.settings)();
        let now = cx.clock().monotonic();
        let catalog = self.meta.view();
        let nodes = self.directory.alive();
        let most = compaction_tasks.unwrap_or(nodes.len());
        self.put_off.retain(|_, put_off| put_off.until + FORGET > now);
        let is_idle = self.idle.is_some_and(|idle| {
            let is_due = |put_off: &PutOff| put_off.until > idle.seen_at && put_off.until <= now;
            let is_same = idle.revision == catalog.revision() && idle.min_files == compaction_min_files;
            is_same && !self.put_off.values().any(is_due)
        });
        let is_idle = is_idle && self.wanted.is_empty();
        if self.running.len() >= most || nodes.is_empty() || is_idle || catalog.is_careful() {
            return;
        }
        let is_put_off = |id: &PartitionId| self.put_off.get(id).is_some_and(|put_off| put_off.until > now);
        let is_free = |id: PartitionId| !self.running.contains_key(&id) && !is_put_off(&id);
        let mut chosen = self.wanted.candidates(&catalog, is_free);
        let others = candidates(&catalog, compaction_min_files, is_free).into_iter();
        chosen.extend(others.filter(|candidate| !self.wanted.has(candidate.partition)));
        let nothing = Idle { revision: catalog.revision(), min_files: compaction_min_files, seen_at: now };
        self.idle = chosen.is_empty().then_some(nothing);
        // Where it is not known whose data it is, nothing begins by itself.
        let ownership = self.ownership.borrow().clone();
        chosen.retain(|candidate| {
            catalog.table(candidate.table).is_some_and(|table| ownership.allows_deletes(table.volume, now))
        });
        for mut candidate in chosen.into_iter().take(most - self.running.len()) {
            let times = self.put_off.get(&candidate.partition).map_or(0, |put_off| put_off.times);
            candidate.narrow(times);
            let busy = |node: &NodeId| self.running.values().filter(|at| *at == node).count();
            let failed = |node: &NodeId| self.failures.get(node).copied().unwrap_or(0);
            let best = nodes.iter().min_by_key(|(node, _)| (busy(node), failed(node)));
            let Some((node, peer)) = best else { return };
            self.running.insert(candidate.partition, *node);
            self.start(candidate, *node, peer.clone(), cx);
        }
    }

    fn start(&self, candidate: Candidate, node: NodeId, peer: Peer, cx: &Context<Self>) {
        let (meta, reads) = (self.meta.clone(), self.reads.clone());
        let (ownership, clock) = (self.ownership.clone(), cx.clock().clone());
        cx.effect(async move {
            let partition = candidate.partition;
            let is_ours = move |volume| ownership.borrow().allows_deletes(volume, clock.monotonic());
            Compacted { partition, node, came: compact(&meta, &reads, &peer, candidate, is_ours).await }
        });
    }

    fn put_off(&mut self, partition: PartitionId, now: Instant) {
        let times = self.put_off.get(&partition).map_or(0, |put_off| put_off.times);
        let until = now + RETRY * 2_u32.pow(times.min(MOST_DOUBLED));
        self.put_off.insert(partition, PutOff { until, times: times + 1 });
        self.wanted.failed(partition, times + 1);
    }
}

async fn compact(
    meta: &Meta,
    reads: &ReadPoints,
    peer: &Peer,
    candidate: Candidate,
    is_ours: impl Fn(VolumeId) -> bool,
) -> Result<Counts, String> {
    // Held until the end: GC leaves alone what is read.
    let (catalog, _point) = reads.begin(|| meta.view());
    let overtaken = Counts { overtaken: 1, ..Counts::default() };
    let Candidate { table, partition, files: inputs, .. } = candidate;
    fail::fail_point!("compaction.begin");
    let txn = match meta.propose(Command::LeaseTxns { count: 1 }).await {
        Ok(Outcome::Txns { first, .. }) => first,
        Ok(other) => return Err(format!("LeaseTxns was answered with {other:?}")),
        Err(error) => return Err(error.to_string()),
    };
    let Some(message) = message(&catalog, txn, table, partition, &inputs) else { return Ok(overtaken) };
    let (target, read) = (message.table.clone(), message.partition.clone());
    let written = peer.ask(COMPACTION_AGENT, message, DEADLINE).await.map_err(|e| e.to_string())?;
    let files = written?;
    let files_after = files.len() as u64;
    fail::fail_point!("compaction.commit.before");
    for look in 0..LOOKS {
        if !is_ours(target.volume) {
            return Err("the owner claims were not read lately".to_owned());
        }
        // Rows of a PRIMARY KEY table may have gone meanwhile. Held: GC leaves alone what is read.
        let (now, _point) = reads.begin(|| meta.view());
        let Lost { tablets, seen } = match target.model {
            KeyModel::Primary => now.lost_since(&read, &catalog, &files),
            _ => Lost::default(),
        };
        let superseded = match tablets.is_empty() {
            true => Superseded::default(),
            false => {
                let message = catch_up(&now, &target, txn, look, tablets);
                peer.ask(COMPACTION_AGENT, message, DEADLINE).await.map_err(|e| e.to_string())??
            }
        };
        let (inputs, files) = (inputs.clone(), files.clone());
        let files_before = inputs.len() as u64;
        let command = Command::CompactPartition { txn, table, partition, inputs, files, superseded, seen };
        let committed = meta.propose(command).await;
        fail::fail_point!("compaction.commit.after");
        match committed {
            Ok(Outcome::Committed { rows }) => {
                return Ok(Counts { compactions: 1, files_before, files_after, rows, ..Counts::default() });
            }
            Ok(other) => return Err(format!("CompactPartition was answered with {other:?}")),
            Err(ProposeError::Rejected(Rejection::Overtaken(why))) => {
                tracing::debug!(%partition, why, look, "a compaction looks again at what was lost");
            }
            Err(ProposeError::Rejected(Rejection::Stale(why))) => {
                tracing::info!(%partition, why, "a compaction came too late");
                return Ok(overtaken);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(overtaken)
}

/// What a compute node needs to know to say what the new file has lost.
fn catch_up(now: &Catalog, table: &Table, txn: TxnId, look: u32, tablets: Vec<CompactedTablet>) -> CatchUp {
    let places = tablets.iter().flat_map(|tablet| tablet.places());
    let volumes = now.volumes_of_places(places, table.volume);
    let spec = VectorSpec {
        database: table.database,
        table: table.id,
        volume: table.volume,
        service_id: now.identity().service_id.clone(),
        incarnation: now.identity().incarnation.clone(),
        txn,
        // The rows themselves are the first attempt.
        attempt: look + 1,
    };
    CatchUp { spec, tablets, volumes }
}

/// What a compute node needs to know; None: the partition is another by now.
fn message(
    catalog: &Catalog,
    txn: TxnId,
    table: TableId,
    partition: PartitionId,
    inputs: &[FileId],
) -> Option<CompactRows> {
    let (table, partition) = (catalog.table(table)?.as_ref().clone(), catalog.partition(partition)?);
    let chosen: BTreeSet<FileId> = inputs.iter().copied().collect();
    let rowsets: Vec<_> = partition.rowsets.iter().filter(|rowset| chosen.contains(&rowset.file)).cloned().collect();
    let named: BTreeSet<FileId> = chosen.into_iter().chain(rowsets.iter().flat_map(Rowset::files)).collect();
    let files: Vec<_> = named.into_iter().map(|id| catalog.file(id).cloned()).collect::<Option<_>>()?;
    let volumes: BTreeSet<_> = files.iter().map(|file| file.volume).chain([table.volume]).collect();
    Some(CompactRows {
        table,
        partition: Partition { rowsets, ..partition.as_ref().clone() },
        files,
        volumes: volumes.into_iter().filter_map(|id| catalog.volume(id)).map(|v| v.as_ref().clone()).collect(),
        service: catalog.identity().service_id.clone(),
        incarnation: catalog.identity().incarnation.clone(),
        txn,
    })
}

impl Actor for CompactionCoordinator {
    const ROLE: &'static str = "compaction_coordinator";
    type State = CompactionState;

    fn observe(&self) -> CompactionState {
        let running = self.running.iter().map(|(partition, node)| format!("partition {partition} on node {node}"));
        CompactionState { running: running.collect(), counts: self.counts, last_error: self.last_error.clone() }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.every(LOOK_EVERY, || Look);
    }
}

impl Handle<Look> for CompactionCoordinator {
    fn handle(&mut self, _: Look, cx: &mut Context<Self>) -> Answer<()> {
        fail::fail_point!("handler.compaction_coordinator");
        self.look(cx);
        Answer::done()
    }
}

impl Handle<Compacted> for CompactionCoordinator {
    fn handle(&mut self, message: Compacted, cx: &mut Context<Self>) -> Answer<()> {
        let Compacted { partition, node, came } = message;
        self.running.remove(&partition);
        let now = cx.clock().monotonic();
        match came {
            Ok(done) => {
                self.counts.compactions += done.compactions;
                self.counts.files_before += done.files_before;
                self.counts.files_after += done.files_after;
                self.counts.rows += done.rows;
                self.counts.overtaken += done.overtaken;
                if done.compactions == 0 {
                    self.put_off(partition, now);
                } else {
                    self.last_error.clear();
                    self.put_off.remove(&partition);
                    let (before, after, rows) = (done.files_before, done.files_after, done.rows);
                    tracing::info!(%partition, before, after, rows, "files of a partition were compacted");
                    self.look(cx);
                }
            }
            Err(error) => {
                tracing::warn!(%partition, error, "a compaction failed; it is tried again");
                self.counts.failed += 1;
                self.last_error = error;
                *self.failures.entry(node).or_default() += 1;
                self.put_off(partition, now);
            }
        }
        Answer::done()
    }
}
