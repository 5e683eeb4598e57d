//! Which blocks are on a disk, and in which order they go.

use std::collections::{BTreeMap, HashMap};

use crate::key::BlockKey;

/// The least recently used goes first.
#[derive(Default)]
pub(crate) struct Index {
    blocks: HashMap<BlockKey, Held>,
    turns: BTreeMap<u64, BlockKey>,
    next: u64,
    bytes: u64,
}

#[derive(Clone, Copy)]
struct Held {
    bytes: u64,
    turn: u64,
}

impl Index {
    /// Of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn holds(&self, key: BlockKey) -> bool {
        self.blocks.contains_key(&key)
    }

    pub fn add(&mut self, key: BlockKey, bytes: u64) {
        self.remove(key);
        let turn = self.turn(key);
        self.blocks.insert(key, Held { bytes, turn });
        self.bytes += bytes;
    }

    /// It is used; false: it is not there.
    pub fn touch(&mut self, key: BlockKey) -> bool {
        let Some(held) = self.blocks.get(&key).copied() else { return false };
        self.turns.remove(&held.turn);
        let turn = self.turn(key);
        self.blocks.insert(key, Held { turn, ..held });
        true
    }

    pub fn remove(&mut self, key: BlockKey) {
        if let Some(held) = self.blocks.remove(&key) {
            self.turns.remove(&held.turn);
            self.bytes -= held.bytes;
        }
    }

    /// Takes out what was not used for longest.
    pub fn pop(&mut self) -> Option<BlockKey> {
        let key = self.turns.first_key_value().map(|(_, key)| *key)?;
        self.remove(key);
        Some(key)
    }

    fn turn(&mut self, key: BlockKey) -> u64 {
        self.next += 1;
        self.turns.insert(self.next, key);
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_longest() {
        let key = |number| BlockKey { object: 1, number };
        let mut index = Index::default();
        (0..3).for_each(|n| index.add(key(n), 10));
        index.add(key(0), 20);
        assert!(index.touch(key(1)) && !index.touch(key(9)));
        assert_eq!(index.bytes(), 40);
        index.remove(key(9));
        assert_eq!([index.pop(), index.pop()], [Some(key(2)), Some(key(0))]);
        assert_eq!(index.bytes(), 10);
        assert!(index.holds(key(1)) && !index.holds(key(0)));
        assert_eq!([index.pop(), index.pop()], [Some(key(1)), None]);
        assert_eq!(index.bytes(), 0);
    }
}
