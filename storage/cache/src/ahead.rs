//! Whether an object is read on: then the next blocks are fetched before they are asked for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Objects that are followed.
const MOST_OBJECTS: usize = 4096;

/// Where each object was read last.
#[derive(Default)]
pub(crate) struct Ahead {
    /// By object: the block behind the last that was read.
    next: Mutex<HashMap<u128, u64>>,
}

impl Ahead {
    /// Blocks `first` to `last` of an object are read. Whether they go on where the read before stopped.
    pub fn reads_on(&self, object: u128, first: u64, last: u64) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() >= MOST_OBJECTS {
            next.clear();
        }
        let before = next.insert(object, last + 1);
        // A read may begin within the block in which the one before ended.
        before.is_some_and(|next| last >= next && (first == next || first + 1 == next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_reads_on_is_followed() {
        let ahead = Ahead::default();
        assert!(!ahead.reads_on(1, 0, 1), "the first");
        assert!(ahead.reads_on(1, 2, 3), "right behind");
        assert!(ahead.reads_on(1, 3, 4), "from within the last block");
        assert!(!ahead.reads_on(1, 4, 4), "nothing new");
        assert!(!ahead.reads_on(1, 9, 9), "elsewhere");
        assert!(!ahead.reads_on(2, 10, 10), "another object");
        for object in 0..=MOST_OBJECTS as u128 {
            ahead.reads_on(object + 10, 0, 0);
        }
        assert!(ahead.next.lock().unwrap().len() <= MOST_OBJECTS);
    }
}
