//! What queries on other frontends read, as far as the leader must mind it: GC leaves those files alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actors_messages::reads::READ_LEASE_OF_OTHERS;
use storage_model::{NodeId, Revision};
use tokio::time::Instant;

/// The oldest reads of the other frontends. Made anew with every leadership; cloning shares it.
#[derive(Clone, Debug)]
pub struct ReadLeases {
    led_since: Instant,
    noted: Arc<Mutex<HashMap<NodeId, (Instant, Revision)>>>,
}

impl ReadLeases {
    /// Of a leadership that begins now: nothing is known of anybody.
    pub fn begin(now: Instant) -> ReadLeases {
        ReadLeases { led_since: now, noted: Arc::default() }
    }

    /// A frontend has answered a heartbeat that was sent then.
    pub fn note(&self, frontend: NodeId, sent: Instant, oldest_read: Revision) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(frontend, (sent, oldest_read));
    }

    /// The oldest revision that a query on any frontend may read, given that of this one. None while that cannot be known: a
    /// frontend that this leader has not heard of may still read under its predecessor's lease.
    pub fn oldest(&self, here: Revision, others: impl Iterator<Item = NodeId>, now: Instant) -> Option<Revision> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |at: Instant| now.saturating_duration_since(at) >= READ_LEASE_OF_OTHERS;
        if !is_old(self.led_since) && others.into_iter().any(|other| !noted.contains_key(&other)) {
            return None;
        }
        // One that was dropped may go on reading for as long as its lease.
        let leased = noted.values().filter(|(at, _)| !is_old(*at)).map(|(_, revision)| *revision);
        Some(leased.fold(here, Revision::min))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_queries_of_every_frontend_that_may_still_read_are_minded() {
        let began = Instant::now();
        let leases = ReadLeases::begin(began);
        let oldest = |others: &[u64], at: Instant| leases.oldest(Revision(50), others.iter().map(|id| NodeId(*id)), at);
        assert_eq!(oldest(&[], began), Some(Revision(50)), "alone");
        assert_eq!(oldest(&[2], began), None, "not heard of yet");
        leases.note(NodeId(2), began, Revision(20));
        assert_eq!(oldest(&[2], began), Some(Revision(20)));
        assert_eq!(oldest(&[], began), Some(Revision(20)), "dropped, but its lease runs");
        assert_eq!(oldest(&[2, 3], began), None);
        let later = began + READ_LEASE_OF_OTHERS;
        assert_eq!(oldest(&[2, 3], later), Some(Revision(50)), "their leases have run out");
        leases.note(NodeId(2), later - Duration::from_secs(1), Revision(40));
        assert_eq!(oldest(&[2, 3], later), Some(Revision(40)));
    }
}
