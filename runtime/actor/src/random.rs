//! Random ids. The rest of the house takes them from here, so that a simulation can seed them.

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// 128 random bits.
pub fn id() -> u128 {
    rand::rng().random()
}

/// 64 random bits.
pub fn id_u64() -> u64 {
    rand::rng().random()
}

/// 128 random bits as 32 hex digits: incarnations, attempts, file names.
pub fn hex_id() -> String {
    format!("{:032x}", id())
}

/// Random bytes, for nonces and tokens.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    rand::rng().fill_bytes(&mut out);
    out
}

/// A source of ids that can be handed to a component.
pub trait Ids: Send + Sync + 'static {
    /// The next id.
    fn next(&self) -> u128;

    /// The next id as 32 hex digits.
    fn next_hex(&self) -> String {
        format!("{:032x}", self.next())
    }
}

/// Ids from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn next(&self) -> u128 {
        id()
    }
}

/// Ids from a seed: the same seed gives the same ids in the same order.
#[derive(Debug)]
pub struct SeededIds(Mutex<StdRng>);

impl SeededIds {
    /// A source that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Ids for SeededIds {
    fn next(&self) -> u128 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hex_and_seeds_repeat() {
        let id = hex_id();
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(id, hex_id());
        let (a, b) = (SeededIds::new(7), SeededIds::new(7));
        assert_eq!(a.next_hex(), b.next_hex());
        assert_ne!(a.next(), SeededIds::new(8).next());
    }
}
