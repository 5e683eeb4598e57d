//! CREATE CLUSTER SNAPSHOT: a job of its own, as soon as no other runs.

use actors_messages::leader::ProposeFailure;
use actors_messages::supervisor::CreateSnapshot;
use runtime_raft::{Meta, ProposeError};
use storage_catalog::{Command, Outcome, Rejection};
use storage_model::{JobId, JobState, SnapshotKind};
use tokio::sync::watch;

use super::decide::waiting_for_deletion;
use crate::leader::failure;
use crate::owner::Ownership;

/// Begins the job; one that runs is waited for, and automated ones that are due then come later. The asker may give up.
pub(super) async fn create(
    meta: Meta,
    asked: CreateSnapshot,
    max_history: u32,
    ownership: watch::Receiver<Ownership>,
) -> Result<JobId, ProposeFailure> {
    let mut revisions = meta.watch();
    loop {
        revisions.mark_unchanged();
        let now = ownership.borrow().clone();
        if let Err(expired) = waiting_for_deletion(&meta.view(), |job| now.lease_on(job).is_some()) {
            return Err(Rejection::TooManyExpired(expired).into());
        }
        let command = Command::BeginSnapshot {
            kind: SnapshotKind::Manual,
            name: asked.name.clone(),
            volume: asked.volume,
            comment: asked.comment.clone(),
            max_history,
        };
        match meta.propose(command).await {
            Ok(Outcome::Job(job)) => {
                let name = asked.name;
                tracing::info!(%job, name, to = %JobState::Initializing, event = "Begin", "snapshot job");
                return Ok(job);
            }
            Ok(other) => return Err(ProposeFailure::Unavailable(format!("Begin was answered with {other:?}"))),
            Err(ProposeError::Rejected(Rejection::SnapshotRunning(_))) => {}
            Err(error) => return Err(failure(error)),
        }
        while meta.view().unfinished_job().is_some() {
            if revisions.changed().await.is_err() {
                return Err(ProposeFailure::Unavailable("the metadata is closed".to_owned()));
            }
        }
    }
}
