//! Whole sessions: a real driver against the server, with a leader that is only a catalog behind a lock.

mod access;
mod changes;
mod columns;
mod data;
mod grouping;
mod guards;
mod kit;
mod looking;
mod managing;
mod node;
mod partitions;
mod transactions;
mod views;
