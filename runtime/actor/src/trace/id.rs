//! The names of traces and spans.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What kind of trace it is. Two bits of its id say it, so that every node knows without being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A statement, a call, a message from outside of any scope.
    Ordinary,
    /// A tick of a repeating timer.
    Routine,
    /// All work on one named thing: [`TraceId::of`].
    Derived,
    /// Like an ordinary one, but there are too many of them: its spans are not recorded, at any node.
    Unsampled,
}

/// 128 bits, written as 32 hex digits. Random but for the two lowest, which are its [`Class`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u128);

const CLASS_BITS: u128 = 0b11;
const ROUTINE: u128 = 0b01;
const DERIVED: u128 = 0b10;
const UNSAMPLED: u128 = 0b11;

impl TraceId {
    /// A new random id.
    #[allow(clippy::new_without_default, reason = "a default that differs on every call would surprise")]
    pub fn new() -> Self {
        Self(crate::random::id() & !CLASS_BITS)
    }

    /// A new random id for the work of a tick.
    pub fn routine() -> Self {
        Self(crate::random::id() & !CLASS_BITS | ROUTINE)
    }

    /// A new random id of which nothing is recorded.
    pub fn unsampled() -> Self {
        Self(crate::random::id() | UNSAMPLED)
    }

    /// The id of all work on one thing: the same seed gives the same id, on every node and in every version.
    pub fn of(seed: &[u8]) -> Self {
        // FNV-1a, then a finaliser, because short seeds leave its upper half nearly constant.
        const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let mut hash = seed.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
        for _ in 0..2 {
            hash = (hash ^ (hash >> 67)).wrapping_mul(MIX);
        }
        hash ^= hash >> 61;
        Self(hash & !CLASS_BITS | DERIVED)
    }

    /// What kind of cause it has.
    pub fn class(self) -> Class {
        match self.0 & CLASS_BITS {
            ROUTINE => Class::Routine,
            DERIVED => Class::Derived,
            UNSAMPLED => Class::Unsampled,
            _ => Class::Ordinary,
        }
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

/// 64 random bits, written as 16 hex digits; unique over all nodes for all practical purposes. 0 is no span.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SpanId(u64);

impl SpanId {
    /// No span.
    pub const NONE: Self = Self(0);

    /// A new random id.
    #[allow(clippy::new_without_default, reason = "the default is no span")]
    pub fn new() -> Self {
        Self(crate::random::id_u64().max(1))
    }

    /// From its number (wire form).
    pub fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// The number (wire form).
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// There is no span.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The span, if there is one.
    pub fn some(self) -> Option<Self> {
        (!self.is_none()).then_some(self)
    }
}

/// Where something is sent from: its trace, and the span that is its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The cause of what is sent from here; [`SpanId::NONE`] at the root.
    pub span: SpanId,
}

impl TraceContext {
    /// A new trace without a cause.
    pub fn fresh() -> Self {
        TraceId::new().into()
    }

    /// From the two numbers that travel between nodes.
    pub fn from_wire(trace: u128, span: u64) -> Self {
        Self { trace: TraceId(trace), span: SpanId(span) }
    }
}

impl From<TraceId> for TraceContext {
    /// The root of a trace.
    fn from(trace: TraceId) -> Self {
        Self { trace, span: SpanId::NONE }
    }
}

macro_rules! as_text {
    ($id:ident, $digits:literal, $parse:path) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $digits, self.0)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $id {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $parse(text, 16).map(Self)
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(TraceId, "{:032x}", u128::from_str_radix);
as_text!(SpanId, "{:016x}", u64::from_str_radix);
