//! Tests of a whole server: raw bytes and bad manners in `raw`, a real driver in `driver`.

mod driver;
mod raw;
