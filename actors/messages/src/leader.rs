//! To the metadata leader.

use runtime_actor::Message;
use serde::{Deserialize, Serialize};
use storage_catalog::{Command, Outcome, Rejection};
use storage_model::TxnId;
use thiserror::Error;

/// Puts a command through the log; answered when it is applied and durable.
#[derive(Debug, Serialize, Deserialize)]
pub struct Propose {
    /// The command.
    pub command: Command,
}

impl Message for Propose {
    type Reply = Result<Outcome, ProposeFailure>;
    const NAME: &'static str = "Propose";
}

/// Draws a transaction id from the leased range.
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
    /// This frontend does not lead (any more).
    #[error("this frontend is not the leader")]
    NotLeader,
    /// Another incarnation of this service owns the data now.
    #[error("this cluster was superseded and is read-only: {0}")]
    Superseded(String),
    /// The log cannot be written; whether the command is applied is unknown.
    #[error("metadata cannot be written: {0}")]
    Unavailable(String),
    /// The disk of the leader's log has no room; nothing has changed.
    #[error("the metadata is read-only: {0}")]
    ReadOnly(String),
}
