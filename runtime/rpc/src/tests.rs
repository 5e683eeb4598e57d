//! Two nodes that talk over loopback: answers, faults, refusals, restarts, strangers.

mod asking;
mod broken;
mod gates;
mod hand;
mod handshakes;
pub(crate) mod kit;
mod pipes;
mod strangers;
