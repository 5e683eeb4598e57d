//! What can go wrong between two nodes.

use bincode::{Decode, Encode};
use runtime_actor::AskError;

/// Why an ask of a remote mailbox got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// No connection; the message was certainly not sent.
    #[error("cannot reach {address}: {cause}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the last attempt met.
        cause: String,
    },
    /// The other node does not want us, or is not who we want; the message was not sent.
    #[error("{address} refused the connection: {reason}")]
    Refused {
        /// Host and port.
        address: String,
        /// The refusal, in the words of who refused.
        reason: String,
    },
    /// No answer in time. The message may still be handled.
    #[error("no answer from {address} before the deadline")]
    Deadline {
        /// Host and port.
        address: String,
    },
    /// The connection broke after the message was sent, or the actor crashed while it handled it.
    #[error("the message was lost on its way to {address} and back: {cause}")]
    Lost {
        /// Host and port.
        address: String,
        /// What broke.
        cause: String,
    },
    /// The other node has no such mailbox, or it does not take this message.
    #[error("{address} has no mailbox {mailbox} that takes {message}")]
    NoSuchMailbox {
        /// Host and port.
        address: String,
        /// The mailbox asked.
        mailbox: String,
        /// The message's name.
        message: String,
    },
    /// The message or its answer is larger than a frame may be.
    #[error("{bytes} bytes are too many for a frame (limit {limit})")]
    TooLarge {
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The remote mailbox is full, or the connection has too many asks in flight; the message was not handled.
    #[error("{address} is too busy to take the message")]
    Full {
        /// Host and port.
        address: String,
    },
    /// The remote actor has stopped; the message was not handled.
    #[error("the actor on {address} has stopped")]
    Stopped {
        /// Host and port.
        address: String,
    },
    /// Something else went wrong over there.
    #[error("{address} answered: {fault}")]
    Remote {
        /// Host and port.
        address: String,
        /// What.
        fault: Fault,
    },
    /// The message cannot be written as bytes.
    #[error("cannot encode {message}: {cause}")]
    Unencodable {
        /// The message's name.
        message: String,
        /// Why not.
        cause: String,
    },
}

impl RpcError {
    /// The message was certainly not handled: it may be sent again, elsewhere too, even if it is not idempotent.
    pub fn not_handled(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::NoSuchMailbox { .. }
            | Self::Full { .. }
            | Self::Stopped { .. }
            | Self::Unencodable { .. } => true,
            // It may be the answer that was too large.
            Self::TooLarge { .. } | Self::Deadline { .. } | Self::Lost { .. } => false,
            Self::Remote { fault, .. } => matches!(fault, Fault::Undecodable(_)),
        }
    }

    pub(crate) fn from_fault(fault: Fault, address: &str) -> Self {
        let address = address.to_owned();
        match fault {
            Fault::NoSuchMailbox { mailbox, message } => Self::NoSuchMailbox { address, mailbox, message },
            Fault::Full => Self::Full { address },
            Fault::Stopped => Self::Stopped { address },
            Fault::Deadline => Self::Deadline { address },
            Fault::Lost => Self::Lost { address, cause: "the actor crashed while it handled the message".to_owned() },
            Fault::TooLarge { bytes, limit } => Self::TooLarge { bytes, limit },
            Fault::Unwelcome(reason) => Self::Refused { address, reason },
            Fault::Undecodable(_) | Fault::Unencodable(_) | Fault::Other(_) => Self::Remote { address, fault },
        }
    }
}

impl From<RpcError> for AskError {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::Deadline { .. } => Self::Deadline,
            RpcError::Lost { .. } => Self::Lost,
            RpcError::Full { .. } => Self::Full,
            RpcError::Stopped { .. } => Self::Stopped,
            RpcError::Unreachable { .. } | RpcError::Refused { .. } => Self::Unreachable(error.to_string()),
            RpcError::NoSuchMailbox { .. }
            | RpcError::TooLarge { .. }
            | RpcError::Remote { .. }
            | RpcError::Unencodable { .. } => Self::Rejected(error.to_string()),
        }
    }
}

/// What the answering node says instead of a reply. On the wire: variants are only appended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Fault {
    /// No such mailbox, or it does not take this message.
    #[error("no mailbox {mailbox} takes {message}")]
    NoSuchMailbox {
        /// The mailbox asked.
        mailbox: String,
        /// The message's name.
        message: String,
    },
    /// The mailbox is full, or too many asks are in flight.
    #[error("too busy")]
    Full,
    /// The actor has stopped.
    #[error("the actor has stopped")]
    Stopped,
    /// Its own deadline passed.
    #[error("no answer before the deadline")]
    Deadline,
    /// The actor crashed over it.
    #[error("lost in a crash of the actor")]
    Lost,
    /// The answer does not fit into a frame.
    #[error("an answer of {bytes} bytes is too large (limit {limit})")]
    TooLarge {
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The bytes are not those of the message: the two nodes differ in version.
    #[error("the message cannot be decoded: {0}")]
    Undecodable(String),
    /// The answer cannot be written as bytes.
    #[error("the answer cannot be encoded: {0}")]
    Unencodable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
    /// The caller was let in once, but is not welcome any more; the connection is closed after this.
    #[error("not welcome any more: {0}")]
    Unwelcome(String),
}

impl From<AskError> for Fault {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Full => Self::Full,
            AskError::Stopped => Self::Stopped,
            AskError::Deadline => Self::Deadline,
            AskError::Lost => Self::Lost,
            AskError::Unreachable(cause) | AskError::Rejected(cause) => Self::Other(cause),
        }
    }
}
