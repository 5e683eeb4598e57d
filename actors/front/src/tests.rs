//! Whole sessions: a real driver against the server, with a leader that is only a catalog behind a lock.

mod changes;
mod columns;
mod data;
mod kit;
mod looking;
mod managing;
mod node;
mod partitions;
