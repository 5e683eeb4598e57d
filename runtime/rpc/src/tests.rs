//! Two nodes that talk over loopback: answers, faults, refusals, restarts, strangers.

mod asking;
mod gates;
pub(crate) mod kit;
mod strangers;
