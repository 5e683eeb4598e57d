//! The closed set of error kinds that every error of every crate maps to.

use serde::{Deserialize, Serialize};

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// The request is wrong; repeating it is of no use.
    Invalid,
    /// What was named does not exist.
    NotFound,
    /// It is true now that something else came first; re-read and decide again.
    Conflict,
    /// Ask the leader instead.
    NotLeader,
    /// Something is down or too slow; try again later.
    Unavailable,
    /// Stored bytes are not what was written. A person must act.
    Corrupt,
    /// A bug or a broken invariant.
    Internal,
}
