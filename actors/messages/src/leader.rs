//! To the metadata leader, and to whoever finds it.

use runtime_actor::Message;
use serde::{Deserialize, Serialize};
use storage_catalog::{Command, Outcome, Rejection, Reply};
use storage_model::{Revision, TxnId};
use thiserror::Error;

/// The mailbox of the metadata leader.
pub const METADATA_LEADER: &str = "metadata_leader";

/// Puts a command through the log, whichever frontend leads; answered when it is applied, durable and visible here.
#[derive(Debug, Clone)]
pub struct Propose {
    /// The command.
    pub command: Command,
}

impl Message for Propose {
    type Reply = Result<Outcome, ProposeFailure>;
    const NAME: &'static str = "Propose";
}

/// The same to the leader itself. A command that may be repeated is a [`Command::Once`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Forward {
    /// The command.
    pub command: Command,
}

impl Message for Forward {
    type Reply = Result<Forwarded, ProposeFailure>;
    const NAME: &'static str = "Forward";
}

/// What became of a forwarded command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Forwarded {
    /// The catalog's reply.
    pub reply: Reply,
    /// A view that is at least this new shows what the reply says.
    pub revision: Revision,
}

/// Which revision must a read see to see everything that was acknowledged before now, anywhere?
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadIndex;

impl Message for ReadIndex {
    type Reply = Result<Revision, ProposeFailure>;
    const NAME: &'static str = "ReadIndex";
}

/// Draws a transaction id from the range that this frontend has leased.
#[derive(Debug, Serialize, Deserialize)]
pub struct DrawTxn;

impl Message for DrawTxn {
    type Reply = Result<TxnId, ProposeFailure>;
    const NAME: &'static str = "DrawTxn";
}

/// Why a command did not go through.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ProposeFailure {
    /// The catalog said no; nothing has changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// No frontend leads, or this one does not (any more); nothing has changed.
    #[error("no frontend leads now")]
    NotLeader,
    /// Another incarnation of this service owns the data now.
    #[error("this cluster was superseded and is read-only: {0}")]
    Superseded(String),
    /// The log cannot be written; whether the command is applied is unknown.
    #[error("metadata cannot be written: {0}")]
    Unavailable(String),
    /// The disk of the leader's log has no room, or its metadata were copied back; nothing has changed.
    #[error("the metadata is read-only: {0}")]
    ReadOnly(String),
}
