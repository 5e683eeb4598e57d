//! The metadata leader: every change of the catalog passes here on its way to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actors_messages::leader::{Forward, Forwarded, ProposeFailure, ReadIndex};
use runtime_actor::{Actor, Answer, Context, Handle, Message};
use runtime_raft::{Meta, ProposeError};
use serde::Serialize;
use storage_catalog::Command;
use storage_model::Revision;
use tokio::sync::watch;

use crate::owner::Ownership;

/// How often a look at the log's own time is taken.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// In a quiet cluster the uptime becomes durable this often.
const KEEP_TIME_MILLIS: u64 = 600_000;

/// The role.
pub struct MetadataLeader {
    meta: Meta,
    ownership: watch::Receiver<Ownership>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    proposed: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
}

/// What the dashboard shows of the leader.
#[derive(Debug, Serialize)]
pub struct LeaderState {
    revision: u64,
    term: u64,
    applied: Option<u64>,
    commands_since_image: u64,
    proposed: u64,
    rejected: u64,
    failed: u64,
    ownership: String,
}

impl MetadataLeader {
    /// A leader that proposes through `meta` while the data is ours.
    pub fn new(meta: Meta, ownership: watch::Receiver<Ownership>) -> MetadataLeader {
        MetadataLeader { meta, ownership, counts: Arc::default() }
    }
}

impl Actor for MetadataLeader {
    const ROLE: &'static str = "metadata_leader";
    type State = LeaderState;

    fn observe(&self) -> LeaderState {
        let status = self.meta.status();
        LeaderState {
            revision: self.meta.view().revision().0,
            term: status.term,
            applied: status.applied,
            commands_since_image: status.commands_since_image,
            proposed: self.counts.proposed.load(Ordering::Relaxed),
            rejected: self.counts.rejected.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
            ownership: self.ownership.borrow().describe(),
        }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.every(LOOK_EVERY, || KeepTime);
    }
}

/// The uptime has moved on without a command for long: write it down.
#[derive(Debug)]
struct KeepTime;

impl Message for KeepTime {
    type Reply = ();
    const NAME: &'static str = "KeepTime";
}

impl Handle<KeepTime> for MetadataLeader {
    fn handle(&mut self, _: KeepTime, _: &mut Context<Self>) -> Answer<()> {
        if self.meta.now().uptime.since(self.meta.view().header.uptime) < KEEP_TIME_MILLIS
            || self.ownership.borrow().refusal().is_some()
        {
            return Answer::done();
        }
        let (meta, counts) = (self.meta.clone(), self.counts.clone());
        Answer::later(async move {
            // What fails is logged there, and the next look comes.
            let _ = forward(&meta, &counts, Command::KeepTime).await;
        })
    }
}

/// What it means to whoever sent the command.
pub(crate) fn failure(error: ProposeError) -> ProposeFailure {
    match error {
        ProposeError::Rejected(rejection) => ProposeFailure::Rejected(rejection),
        ProposeError::NotLeader { .. } => ProposeFailure::NotLeader,
        ProposeError::ReadOnly(why) => ProposeFailure::ReadOnly(why),
        ProposeError::Unavailable(cause) => ProposeFailure::Unavailable(cause),
        ProposeError::Stopped => ProposeFailure::Unavailable(ProposeError::Stopped.to_string()),
    }
}

async fn forward(meta: &Meta, counts: &Counts, command: Command) -> Result<Forwarded, ProposeFailure> {
    counts.proposed.fetch_add(1, Ordering::Relaxed);
    let name = command.name();
    let is_load = matches!(name, "CommitLoad" | "ReplaceRows" | "UpdateRows" | "MergeRows" | "CommitTransaction");
    if is_load {
        fail::fail_point!("load.commit.before");
    }
    let done = meta.propose(command).await;
    if is_load {
        fail::fail_point!("load.commit.after");
    }
    let reply = match done {
        Ok(outcome) => Ok(outcome),
        Err(ProposeError::Rejected(rejection)) => {
            counts.rejected.fetch_add(1, Ordering::Relaxed);
            Err(rejection)
        }
        Err(error @ ProposeError::NotLeader { .. }) => return Err(failure(error)),
        Err(error) => {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            // Of a full disk the log has said it once; every command would say it again.
            if !matches!(error, ProposeError::ReadOnly(_)) {
                tracing::warn!(command = name, %error, "a command could not be put through the log");
            }
            return Err(failure(error));
        }
    };
    Ok(Forwarded { reply, revision: meta.view().revision() })
}

/// A leader that has just begun takes nothing before it has looked whose data it is: that takes a moment, or some seconds
/// where a store does not answer.
async fn refuse_if_superseded(mut ownership: watch::Receiver<Ownership>) -> Result<(), ProposeFailure> {
    match ownership.wait_for(Ownership::looked).await {
        Ok(now) => now.refusal().map_or(Ok(()), Err),
        // The watch is gone, and this actor too in a moment.
        Err(_) => Err(ProposeFailure::NotLeader),
    }
}

impl Handle<Forward> for MetadataLeader {
    fn handle(&mut self, message: Forward, _cx: &mut Context<Self>) -> Answer<Result<Forwarded, ProposeFailure>> {
        fail::fail_point!("handler.metadata_leader");
        let (meta, counts, ownership) = (self.meta.clone(), self.counts.clone(), self.ownership.clone());
        Answer::later(async move {
            refuse_if_superseded(ownership).await?;
            forward(&meta, &counts, message.command).await
        })
    }
}

impl Handle<ReadIndex> for MetadataLeader {
    fn handle(&mut self, _: ReadIndex, _: &mut Context<Self>) -> Answer<Result<Revision, ProposeFailure>> {
        let meta = self.meta.clone();
        Answer::later(async move { meta.linearizable().await.map_err(failure) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[tokio::test]
    async fn a_leader_that_has_not_looked_whose_data_it_is_takes_nothing() {
        let (owns, ownership) = watch::channel(Ownership::Unknown { looked: false });
        let mut asked = [(); 2].map(|()| Box::pin(refuse_if_superseded(ownership.clone())));
        for asked in &mut asked {
            assert!(futures::poll!(asked).is_pending());
        }
        owns.send_replace(Ownership::CopiedBack("behind".to_owned()));
        for asked in asked {
            assert_eq!(asked.await, Err(ProposeFailure::ReadOnly("behind".to_owned())));
        }
        // Where no store answers, it goes on; where all is well too.
        for now in [
            Ownership::Unknown { looked: true },
            Ownership::Ours { read_at: HashMap::new(), leases: Default::default(), held: Default::default() },
        ] {
            owns.send_replace(now);
            assert_eq!(refuse_if_superseded(ownership.clone()).await, Ok(()));
        }
        owns.send_replace(Ownership::Unknown { looked: false });
        drop(owns);
        assert_eq!(refuse_if_superseded(ownership).await, Err(ProposeFailure::NotLeader));
    }
}
