//! One round of a job: what the state asks for, and one event.
//!
//! | the catalog shows | effect | event |
//! |---|---|---|
//! | PENDING | none | `Begin` |
//! | WAITING_TXN | none: what was planned before is refused at its commit | `Start` |
//! | RUNNING, much is left | write some of it | `Progress` |
//! | RUNNING, little is left, or loads come for too long | none | `Hold` |
//! | FINISHED_REWRITING | write what is left, loads wait | |
//! | nothing is left | none | `FinishAlter` |
//! | FINISHED_REWRITING for too long, or not by this leader | none | `Resume` |
//! | FINISHED_REWRITING for too long, too often | none | `Fail` |

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actors_messages::ReadPoints;
use actors_messages::compute::{COMPACTION_AGENT, RewriteFailure, RewriteRows};
use futures::StreamExt;
use runtime_raft::{Meta, ProposeError};
use runtime_rpc::Peer;
use storage_catalog::{Catalog, Command, Outcome, Rejection};
use storage_model::{
    AlterEvent, AlterJob, AlterState, FileId, JobId, NodeId, Partition, Rowset, Table, TxnId, VolumeId, WrittenFile,
};

use super::shadow::{Piece, Shadow};

/// A node may take this long for one write.
const DEADLINE: Duration = Duration::from_secs(540);
/// A job may take this long (`alter_table_timeout_second`), which is how long SHOW ALTER TABLE says.
const LONGEST_MILLIS: u64 = 86_400_000;
/// When no more is left than this, loads wait for it,
const LITTLE: u64 = 32 << 20;
/// or when so many rounds have begun since it was little, or since as much was written as there is.
const MOST_ROUNDS: u32 = 4;
/// A write that a node refuses so often in a row is given up, and the job with it.
pub(super) const MOST_REFUSED: u32 = 5;

/// A job as this leader has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) shadow: Shadow,
    /// Rounds since little was left, or as much was written as there is.
    rounds: u32,
    /// Whether it was this leader that made loads wait.
    pub(super) holds: bool,
    /// In a row.
    pub(super) refused: u32,
    /// Of the last step, in all.
    refused_ends: u32,
    told: u8,
    /// Rows that were read for it, some more than once.
    read: u64,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Came {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) finished: bool,
    pub(super) failed: bool,
    /// There is nothing to wait for.
    pub(super) goes_on: bool,
}

/// Whoever does a round.
pub(super) struct Round<'a> {
    pub(super) meta: &'a Meta,
    pub(super) reads: &'a ReadPoints,
    pub(super) nodes: &'a [(NodeId, Peer)],
    /// Whether loads have waited for too long.
    pub(super) is_late: bool,
    /// Whether that was so too often.
    pub(super) is_hopeless: bool,
}

impl Round<'_> {
    /// Does what is next.
    pub(super) async fn run(
        &self,
        id: JobId,
        progress: &mut Progress,
        is_ours: impl Fn(VolumeId) -> bool,
    ) -> Result<Came, String> {
        // Held until the end: GC leaves alone what is read.
        let (catalog, _point) = self.reads.begin(|| self.meta.view());
        let on = Came { goes_on: true, ..Came::default() };
        let Some(job) = catalog.alter_job(id).filter(|job| job.state.is_unfinished()) else { return Ok(on) };
        let (Some(table), Some(aim)) = (catalog.table(job.table).cloned(), job.target.as_ref()) else { return Ok(on) };
        let target = aim.table(&table);
        let all: Vec<Arc<Partition>> = catalog.partitions_to_alter(&table, aim).cloned().collect();
        fail::fail_point!("alter.round");
        if catalog.header.clock.since(job.created_at) > LONGEST_MILLIS {
            let fail = AlterEvent::Fail(format!("it took longer than {} s", LONGEST_MILLIS / 1000));
            return self.event(id, fail).await.map(|()| Came { failed: true, ..Came::default() });
        }
        match job.state {
            AlterState::Pending => return self.event(id, AlterEvent::Begin).await.map(|()| on),
            AlterState::WaitingTxn => return self.event(id, AlterEvent::Start).await.map(|()| on),
            AlterState::FinishedRewriting if self.is_hopeless => {
                let why = "rows of the table change faster than they can be written anew";
                let fail = AlterEvent::Fail(why.to_owned());
                return self.event(id, fail).await.map(|()| Came { failed: true, ..Came::default() });
            }
            AlterState::FinishedRewriting if !progress.holds || self.is_late => {
                progress.holds = false;
                progress.rounds = 0;
                return self.event(id, AlterEvent::Resume).await.map(|()| Came::default());
            }
            _ => {}
        }
        progress.shadow.check(&all, catalog.header.txn_floor);
        let left = progress.shadow.left(&all);
        if left.rows_left == 0 && left.bytes_left == 0 {
            if !is_ours(target.volume) {
                return Err("the owner claims were not read lately".to_owned());
            }
            return self.finish(id, progress, &all).await;
        }
        let is_little = left.bytes_left <= LITTLE;
        progress.rounds += u32::from(is_little || progress.read >= left.rows || progress.rounds > 0);
        let is_time = progress.rounds > 1 && (is_little || progress.rounds > MOST_ROUNDS);
        if job.state == AlterState::Running && is_time {
            progress.holds = true;
            return self.event(id, AlterEvent::Hold).await.map(|()| on);
        }
        let written = self.write(&catalog, job, (&table, &target, &all), progress).await?;
        let percent = progress.shadow.left(&all).percent();
        if percent >= progress.told.saturating_add(5) {
            progress.told = percent;
            self.event(id, AlterEvent::Progress(percent)).await?;
        }
        Ok(written)
    }

    async fn finish(&self, id: JobId, progress: &mut Progress, all: &[Arc<Partition>]) -> Result<Came, String> {
        let partitions = progress.shadow.whole(all);
        fail::fail_point!("alter.finish.before");
        let finished = self.meta.propose(Command::FinishAlter { job: id, partitions }).await;
        fail::fail_point!("alter.finish.after");
        match finished {
            Ok(Outcome::Committed { .. }) => Ok(Came { finished: true, goes_on: true, ..Came::default() }),
            Ok(other) => Err(format!("FinishAlter was answered with {other:?}")),
            Err(ProposeError::Rejected(Rejection::Overtaken(why))) => {
                tracing::debug!(job = %id, why, "a job writes what came meanwhile");
                progress.rounds += 1;
                Ok(Came { goes_on: true, ..Came::default() })
            }
            Err(ProposeError::Rejected(Rejection::TooLarge { bytes, limit })) => {
                let fail = AlterEvent::Fail(too_large(bytes, limit));
                self.event(id, fail).await.map(|()| Came { failed: true, ..Came::default() })
            }
            Err(ProposeError::Rejected(why)) => {
                // Somebody has taken it away, or it begins again.
                progress.shadow = Shadow::default();
                progress.refused_ends += 1;
                self.refused(id, progress.refused_ends, why.to_string()).await
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// What cannot be written is given up after some attempts.
    async fn refused(&self, id: JobId, times: u32, why: String) -> Result<Came, String> {
        if times < MOST_REFUSED {
            return Err(why);
        }
        self.event(id, AlterEvent::Fail(why)).await.map(|()| Came { failed: true, ..Came::default() })
    }

    async fn event(&self, job: JobId, event: AlterEvent) -> Result<(), String> {
        match self.meta.propose(Command::AlterJobEvent { job, event }).await {
            // Another word came first: the next round sees it.
            Ok(_) | Err(ProposeError::Rejected(Rejection::Stale(_))) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Has pieces written, one on each node.
    async fn write(
        &self,
        catalog: &Catalog,
        job: &AlterJob,
        (table, target, all): (&Table, &Table, &[Arc<Partition>]),
        progress: &mut Progress,
    ) -> Result<Came, String> {
        let pieces = progress.shadow.next(all, self.nodes.len());
        let count = pieces.len() as u64;
        let first = match self.meta.propose(Command::LeaseTxns { count }).await {
            Ok(Outcome::Txns { first, .. }) => first,
            Ok(other) => return Err(format!("LeaseTxns was answered with {other:?}")),
            Err(error) => return Err(error.to_string()),
        };
        let writes = pieces.into_iter().zip(first.0..).zip(self.nodes).map(|((piece, txn), (_, peer))| async move {
            let txn = TxnId(txn);
            let message = message(catalog, job, (table, target), txn, &piece);
            let asked = match message {
                Some(message) => peer.ask(COMPACTION_AGENT, message, DEADLINE).await.map_err(|e| e.to_string()),
                None => Err("a file of the table is not known".to_owned()),
            };
            (piece, txn, asked)
        });
        let writes: Vec<_> = writes.collect();
        let written: Vec<_> = futures::stream::iter(writes).buffer_unordered(self.nodes.len().max(1)).collect().await;
        let (mut came, mut wrong) = (Came { goes_on: true, ..Came::default() }, None);
        for (piece, txn, asked) in written {
            match asked {
                Ok(Ok(files)) => {
                    came.rows += files.iter().map(WrittenFile::rows).sum::<u64>();
                    came.bytes += files.iter().map(|file| file.size).sum::<u64>();
                    progress.refused = 0;
                    progress.read += piece.rowsets.iter().map(Rowset::live_rows).sum::<u64>();
                    progress.shadow.take(&piece, txn, files);
                }
                Ok(Err(RewriteFailure::Row(why))) => {
                    self.event(job.id, AlterEvent::Fail(why)).await?;
                    return Ok(Came { failed: true, ..came });
                }
                Ok(Err(RewriteFailure::Other(why))) => {
                    progress.refused += 1;
                    wrong = Some(why);
                }
                Err(lost) => wrong = Some(lost),
            }
        }
        match wrong {
            Some(why) => self.refused(job.id, progress.refused, why).await,
            None => Ok(came),
        }
    }
}

/// Why a table cannot become another at one moment, which is one log entry.
pub(super) fn too_large(bytes: u64, limit: u64) -> String {
    format!(
        "the table has too many files to become another at once: what names the new ones takes {bytes} bytes of metadata, at most \
         {limit} are possible; the table stays as it was; fewer buckets, or buckets of some of its partitions at a time, need fewer"
    )
}

/// What a compute node needs to know; None: the table is another by now.
fn message(
    catalog: &Catalog,
    job: &AlterJob,
    (table, target): (&Table, &Table),
    txn: TxnId,
    piece: &Piece,
) -> Option<RewriteRows> {
    let partition = catalog.partition(piece.partition)?;
    let wanted = job.target.as_ref()?;
    let named: BTreeSet<FileId> = piece.rowsets.iter().flat_map(Rowset::files).collect();
    let files: Vec<_> = named.into_iter().map(|id| catalog.file(id).cloned()).collect::<Option<_>>()?;
    let volumes: BTreeSet<_> = files.iter().map(|file| file.volume).chain([target.volume]).collect();
    Some(RewriteRows {
        table: table.clone(),
        target: target.clone(),
        converted: wanted.converted.clone(),
        buckets: wanted.buckets_of(partition),
        partition: Partition { rowsets: piece.rowsets.clone(), ..partition.as_ref().clone() },
        files,
        volumes: volumes.into_iter().filter_map(|id| catalog.volume(id)).map(|v| v.as_ref().clone()).collect(),
        service: catalog.identity().service_id.clone(),
        incarnation: catalog.identity().incarnation.clone(),
        txn,
    })
}
