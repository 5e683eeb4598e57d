//! Data files near the node that reads them: blocks of them in memory and on a local disk, which may be lost at any time.
//!
//! ```text
//!   reader ── store (an object store over another) ── cache: in memory? ── in flight? ── on disk? ── fetch: one request
//!                  └── ahead (does it read on?)            (foyer)        (one for all)   (a file      for neighbours
//!                                                                                        each block)
//! ```
//!
//! A block that is kept is never stale: data objects are written once, under a name that holds their writer's random
//! incarnation, so no two have the same name, not even in a bucket that was wiped, or in a cluster that was restored elsewhere.
//! Where an object lies is part of what its blocks are known by ([`Place`]): volumes do not mix.

mod ahead;
mod block;
mod cache;
mod counts;
mod disk;
mod error;
mod fetch;
mod index;
mod key;
mod store;
#[cfg(test)]
mod tests;

pub use cache::{CacheOptions, DataCache};
pub use counts::Counts;
pub use disk::{DiskPart, disk_bytes};
pub use key::Place;
