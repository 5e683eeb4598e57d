//! What one peer was asked, in numbers; for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What was asked of one peer so far, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerCounts {
    /// Host and port.
    pub address: String,
    /// Whether there is a connection now.
    pub connected: bool,
    /// Asks that began.
    pub asked: u64,
    /// Asks that were answered, be it with an error of the role.
    pub answered: u64,
    /// Asks that ended without an answer: unreachable, late, refused, or given up by the asker.
    pub failed: u64,
    /// Bytes of messages asked.
    pub sent_bytes: u64,
    /// Bytes of answers.
    pub received_bytes: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Attempts that failed.
    pub failed_connections: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    asked: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    connections: AtomicU64,
    failed_connections: AtomicU64,
}

/// One ask; without an answer it has failed when it is dropped.
pub(super) struct Asking<'a> {
    counts: &'a Counts,
    answered: bool,
}

impl Counts {
    pub(super) fn asks(&self, bytes: usize) -> Asking<'_> {
        self.asked.fetch_add(1, Relaxed);
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
        Asking { counts: self, answered: false }
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn not_connected(&self) {
        self.failed_connections.fetch_add(1, Relaxed);
    }

    pub(super) fn view(&self, address: &str, connected: bool) -> PeerCounts {
        PeerCounts {
            address: address.to_owned(),
            connected,
            asked: self.asked.load(Relaxed),
            answered: self.answered.load(Relaxed),
            failed: self.failed.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            connections: self.connections.load(Relaxed),
            failed_connections: self.failed_connections.load(Relaxed),
        }
    }
}

impl Asking<'_> {
    pub(super) fn answered(mut self, bytes: usize) {
        self.counts.answered.fetch_add(1, Relaxed);
        self.counts.received_bytes.fetch_add(bytes as u64, Relaxed);
        self.answered = true;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.counts.failed.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ask_that_is_dropped_has_failed() {
        let counts = Counts::default();
        counts.asks(10).answered(5);
        drop(counts.asks(1));
        counts.connected();
        let view = counts.view("h:1", true);
        let expected = PeerCounts {
            address: "h:1".to_owned(),
            connected: true,
            asked: 2,
            answered: 1,
            failed: 1,
            sent_bytes: 11,
            received_bytes: 5,
            connections: 1,
            failed_connections: 0,
        };
        assert_eq!(view, expected);
    }
}
