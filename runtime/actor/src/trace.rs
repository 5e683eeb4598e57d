//! Trace ids: one per request, carried by every message, effect and frame that the request causes.

use std::fmt;
use std::future::Future;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

tokio::task_local! {
    static CURRENT: TraceId;
}

/// 128 random bits, written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u128);

impl TraceId {
    /// A new random id.
    #[allow(clippy::new_without_default, reason = "a default that differs on every call would surprise")]
    pub fn new() -> Self {
        Self(crate::random::id())
    }

    /// From its number (wire form).
    pub fn from_u128(value: u128) -> Self {
        Self(value)
    }

    /// The number (wire form).
    pub fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for TraceId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The trace id of the running task; a new one when there is none.
pub fn current() -> TraceId {
    CURRENT.try_with(|id| *id).unwrap_or_else(|_| TraceId::new())
}

/// Runs a future under a trace id.
pub async fn scope<F: Future>(id: TraceId, future: F) -> F::Output {
    CURRENT.scope(id, future).await
}

/// Runs a function under a trace id.
pub fn sync_scope<T>(id: TraceId, f: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(id, f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_id_is_that_of_the_scope_and_survives_text() {
        let id = TraceId::new();
        assert_eq!(scope(id, async { current() }).await, id);
        assert_eq!(sync_scope(id, current), id);
        assert_ne!(current(), current());
        assert_eq!(id.to_string().parse::<TraceId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<TraceId>(&json).unwrap(), id);
    }
}
