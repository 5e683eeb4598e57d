//! Types within types are read back to a bounded depth: bytes that are no catalog's cannot exhaust the stack.

use std::cell::Cell;

use serde::de::{Deserialize, Deserializer, Error};

use crate::schema::DataType;

/// Levels that are read back. More than a column can have, so that only what was never written is refused.
pub(crate) const DEEPEST: usize = 32;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A level that is being read; gone, however reading ends.
struct Level;

impl Level {
    fn enter() -> Option<Level> {
        DEPTH.with(|depth| {
            let deeper = depth.get() + 1;
            (deeper <= DEEPEST).then(|| {
                depth.set(deeper);
                Level
            })
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}

/// A type within another.
pub(crate) fn inner<'de, D: Deserializer<'de>>(from: D) -> Result<DataType, D::Error> {
    let _level = Level::enter().ok_or_else(|| D::Error::custom("a type is nested too deeply"))?;
    DataType::deserialize(from)
}

/// The same on the heap.
pub(crate) fn boxed<'de, D: Deserializer<'de>>(from: D) -> Result<Box<DataType>, D::Error> {
    inner(from).map(Box::new)
}
