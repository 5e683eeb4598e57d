//! Commands that are done once however often they are proposed. A frontend that forwards a command to a leader that dies does
//! not know whether it is in the log: it proposes the same again to the next leader, and is answered as if it had been heard
//! the first time.

use std::sync::Arc;

use crate::catalog::{Catalog, Heard};
use crate::command::{Command, Rejection, Reply};

/// A proposer that was silent for so long is forgotten, with the answers kept for it: an hour.
const PROPOSER_KEEP_MILLIS: u64 = 3_600_000;

impl Catalog {
    pub(super) fn once(&mut self, proposer: u128, sequence: u64, heard: u64, command: &Command) -> Reply {
        self.forget_silent_proposers();
        let known = self.proposers.get(&proposer).cloned().unwrap_or_default();
        if let Some(reply) = known.replies.get(&sequence) {
            return reply.clone();
        }
        if sequence < known.heard {
            return Err(Rejection::Forgotten { sequence });
        }
        let reply = self.attempt(command);
        let mut known = Heard::clone(&known);
        known.heard = known.heard.max(heard);
        known.at = self.header.uptime;
        known.replies.insert(sequence, reply.clone());
        while let Some(oldest) = known.replies.get_min().map(|(n, _)| *n).filter(|n| *n < known.heard) {
            known.replies.remove(&oldest);
        }
        self.proposers.insert(proposer, Arc::new(known));
        reply
    }

    fn forget_silent_proposers(&mut self) {
        let now = self.header.uptime;
        let silent = |heard: &Heard| now.since(heard.at) >= PROPOSER_KEEP_MILLIS;
        // Few: one for each process of the last hour.
        if self.proposers.values().any(|heard| silent(heard)) {
            self.proposers = self.proposers.iter().filter(|(_, h)| !silent(h)).map(|(p, h)| (*p, h.clone())).collect();
        }
    }
}
