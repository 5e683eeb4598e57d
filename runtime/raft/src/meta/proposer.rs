//! Group commit. openraft 0.9 appends and syncs entry by entry, so the commands that arrive while an entry is on its
//! way go together into the next one: one fsync for all of them, and nobody waits for a timer.

use std::fmt::Display;
use std::sync::Arc;

use openraft::error::{CheckIsLeaderError, ClientWriteError, Fatal, RaftError};
use storage_catalog::{Envelope, Outcome};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::standing::Standing;
use crate::error::ProposeError;
use crate::room::Room;
use crate::types::{Batch, Node, Types};

/// Commands in one entry.
const BATCH: usize = 512;
/// Bytes of the commands in one entry, when there is more than one.
const BATCH_BYTES: usize = 2 << 20;
/// Bytes of one command. An entry goes to the other frontends in one frame, with others of about [`READ_BYTES`]
/// (`crate::log_store`): what does not fit would never get there, and nothing behind it either.
pub(super) const COMMAND_BYTES: usize = 8 << 20;
/// Proposals waiting for the next entry; more wait in `propose`.
pub(super) const QUEUE: usize = 4096;

pub(super) type WriteError = RaftError<u64, ClientWriteError<u64, Node>>;

/// A command and who waits for it.
pub(super) struct Proposal {
    pub(super) envelope: Envelope,
    /// Of the envelope.
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Result<Outcome, ProposeError>>,
}

/// Runs until told to stop, or until nobody can propose any more.
pub(super) async fn run(
    raft: openraft::Raft<Types>,
    mut queue: mpsc::Receiver<Proposal>,
    mut stop: watch::Receiver<bool>,
    standing: watch::Receiver<Standing>,
    room: Arc<Room>,
) {
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            taken = queue.recv_many(&mut waiting, BATCH) => if taken == 0 { break },
        }
        while !waiting.is_empty() {
            let next = waiting.drain(..fitting(waiting.iter().map(|proposal| proposal.bytes)));
            match refusal(&standing, &room) {
                None => commit(&raft, next, standing.clone()).await,
                Some(error) => refuse(&error, next),
            }
        }
    }
    queue.close();
    while let Some(proposal) = queue.recv().await {
        // Who has gone away needs no answer.
        let _ = proposal.answer.send(Err(ProposeError::Stopped));
    }
}

/// How many of these go into one entry: at least one.
fn fitting(sizes: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0_usize;
    let fit = sizes.take_while(|size| {
        bytes = bytes.saturating_add(*size);
        bytes <= BATCH_BYTES
    });
    fit.count().max(1)
}

/// Without room nothing enters the log of a leader. Any other node says who leads, as always.
fn refusal(standing: &watch::Receiver<Standing>, room: &Room) -> Option<ProposeError> {
    let why = room.check().err()?;
    standing.borrow().leads().then_some(ProposeError::ReadOnly(why))
}

fn refuse(error: &ProposeError, proposals: impl Iterator<Item = Proposal>) {
    for proposal in proposals {
        let _ = proposal.answer.send(Err(error.clone()));
    }
}

async fn commit(
    raft: &openraft::Raft<Types>,
    proposals: impl Iterator<Item = Proposal>,
    mut standing: watch::Receiver<Standing>,
) {
    let (envelopes, answers): (Vec<_>, Vec<_>) = proposals.map(|p| (p.envelope, p.answer)).unzip();
    let now = standing.borrow_and_update().clone();
    let result = if now.leads() {
        tokio::select! {
            biased;
            written = raft.client_write(Batch::new(envelopes)) => written.map_err(explain),
            // A leader that nobody hears would wait for ever.
            _ = standing.wait_for(|now| !now.leads()) => Err(lost()),
        }
    } else {
        Err(ProposeError::NotLeader { leader: now.leader })
    };
    match result {
        Ok(written) => {
            for (answer, reply) in answers.into_iter().zip(written.data.0) {
                // Who has gone away needs no answer.
                let _ = answer.send(reply.map_err(ProposeError::Rejected));
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

fn lost() -> ProposeError {
    ProposeError::Unavailable("this frontend lost the leadership before a majority had acknowledged it".to_owned())
}

/// What the error means to a proposer.
pub(super) fn explain(error: WriteError) -> ProposeError {
    match error {
        // The entry may have been in the log already, and the next leader may commit it.
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => lost(),
        RaftError::APIError(other) => unavailable(other),
        RaftError::Fatal(Fatal::Stopped) => ProposeError::Stopped,
        RaftError::Fatal(fatal) => unavailable(fatal),
    }
}

/// What the error means to a reader.
pub(super) fn explain_read(error: RaftError<u64, CheckIsLeaderError<u64, Node>>) -> ProposeError {
    match error {
        RaftError::APIError(CheckIsLeaderError::ForwardToLeader(forward)) => {
            ProposeError::NotLeader { leader: forward.leader_node }
        }
        RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(cause)) => ProposeError::Unavailable(cause.to_string()),
        RaftError::Fatal(Fatal::Stopped) => ProposeError::Stopped,
        RaftError::Fatal(fatal) => unavailable(fatal),
    }
}

fn unavailable(cause: impl Display) -> ProposeError {
    error!(error = %cause, "a proposal failed");
    ProposeError::Unavailable(cause.to_string())
}

#[cfg(test)]
mod tests {
    use runtime_rpc::RpcOptions;

    use super::*;
    use crate::log_store::READ_BYTES;

    #[test]
    fn an_entry_holds_what_fits_and_one_in_any_case() {
        assert_eq!(fitting([1, 2, 3].into_iter()), 3);
        assert_eq!(fitting([BATCH_BYTES - 1, 1, 1].into_iter()), 2);
        assert_eq!(fitting([COMMAND_BYTES, 1].into_iter()), 1);
    }

    #[test]
    fn what_is_sent_at_once_fits_into_a_frame() {
        let most = COMMAND_BYTES.max(BATCH_BYTES) + usize::try_from(READ_BYTES).unwrap();
        assert!(most < RpcOptions::default().frame_limit / 10 * 9, "{most}");
    }
}
