//! runtime-raft
