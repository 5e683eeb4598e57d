//! Why metadata cannot be opened or changed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use storage_catalog::Rejection;
use storage_model::Kind;
use thiserror::Error;

use crate::types::Node;

/// Why the metadata of this node cannot be created, opened or kept.
#[derive(Debug, Error)]
pub enum RaftError {
    /// Another process has it open.
    #[error("meta directory {} is in use by another process{holder}", dir.display())]
    Locked {
        /// The meta directory.
        dir: PathBuf,
        /// ` (pid n)` when the holder has written it down.
        holder: String,
    },
    /// Nothing to open.
    #[error("no cluster lives in meta directory {}", dir.display())]
    Missing {
        /// The meta directory.
        dir: PathBuf,
    },
    /// Something is there that must not be overwritten.
    #[error("meta directory {} holds a cluster already", dir.display())]
    Exists {
        /// The meta directory.
        dir: PathBuf,
    },
    /// The file system said no.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what was written, and nothing can take its place.
    #[error("{} is damaged: {cause}", path.display())]
    Damaged {
        /// The file, or the directory of the log.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A newer version of the product wrote this.
    #[error("{}: {cause}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Which version is needed.
        cause: String,
    },
    /// Parts of the directory belong to different clusters or timelines.
    #[error("{} does not belong to the image beside it: {cause}", path.display())]
    Foreign {
        /// The file, or the directory of the log.
        path: PathBuf,
        /// What differs.
        cause: String,
    },
    /// This node is not what the metadata says.
    #[error("this node is {me}, but the metadata says: {cause}")]
    NotMember {
        /// This node.
        me: Node,
        /// What the metadata says.
        cause: String,
    },
    /// It took too long.
    #[error("{what} took longer than {limit:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
    /// An image cannot be built. The log goes on without it.
    #[error("cannot build an image of the metadata: {0}")]
    Image(String),
    /// Raft has stopped on an error; open again when its cause is gone.
    #[error("raft has stopped: {0}")]
    Failed(String),
    /// `shutdown` was called.
    #[error("the metadata of this node is shut down")]
    Stopped,
}

impl RaftError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RaftError {
        let path = path.to_owned();
        move |source| RaftError::Io { what, path, source }
    }

    /// What the caller can do.
    pub fn kind(&self) -> Kind {
        match self {
            RaftError::Locked { .. } | RaftError::Exists { .. } => Kind::Conflict,
            RaftError::Missing { .. } => Kind::NotFound,
            RaftError::Damaged { .. } => Kind::Corrupt,
            RaftError::Newer { .. } | RaftError::Foreign { .. } | RaftError::NotMember { .. } => Kind::Invalid,
            RaftError::Io { .. }
            | RaftError::Timeout { .. }
            | RaftError::Image(_)
            | RaftError::Failed(_)
            | RaftError::Stopped => Kind::Unavailable,
        }
    }
}

/// Why a command has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// The catalog did not take it; nothing has changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Another frontend leads; nothing has changed here.
    #[error("this frontend is not the leader{}", leader.as_ref().map(|n| format!("; the leader is {n}")).unwrap_or_default())]
    NotLeader {
        /// Who leads, when known.
        leader: Option<Node>,
    },
    /// Raft failed on the way: the command may or may not be in the log.
    #[error("metadata cannot be written: {0}")]
    Unavailable(String),
    /// The node is shutting down: the command may or may not be in the log.
    #[error("the metadata of this node is shut down")]
    Stopped,
    /// The disk of the log has no room; nothing has changed.
    #[error("the metadata is read-only: {0}")]
    ReadOnly(String),
}

impl ProposeError {
    /// What the caller can do.
    pub fn kind(&self) -> Kind {
        match self {
            ProposeError::Rejected(rejection) => rejection.kind(),
            ProposeError::NotLeader { .. } => Kind::NotLeader,
            ProposeError::Unavailable(_) | ProposeError::Stopped | ProposeError::ReadOnly(_) => Kind::Unavailable,
        }
    }
}
