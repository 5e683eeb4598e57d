//! Two nodes that talk over loopback: answers, faults, refusals, restarts, strangers.

mod asking;
mod gates;
mod kit;
mod strangers;
