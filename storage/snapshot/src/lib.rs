//! What a cluster snapshot looks like in the store: written, found, checked, loaded, taken away. This room knows; it
//! decides nothing. When to take a snapshot, which to keep and what to restore is decided above.
//!
//! ```text
//!   frozen Catalog ── upload ──▶ sections … then the manifest ──▶ find ──▶ load ──▶ Catalog
//!                       │                        │                 │        └── check (every data file is there)
//!                    manifest (what it says)   retire (void, delete, sweep)
//!   owner  (claims and holds: who may delete in a service root)   mark (how far the owner's metadata were)   alive (does it answer?)
//!   report (`starkeep snapshot list|show|verify`, straight from the store; place: what a location means)
//!   copy (a snapshot with all its data to another place)   diff (what is not the same in two snapshots)
//! ```

pub mod alive;
pub mod check;
pub mod copy;
pub mod diff;
pub mod error;
pub mod find;
pub mod load;
pub mod manifest;
pub mod mark;
pub mod owner;
pub mod place;
pub mod report;
pub mod retire;
mod store;
pub mod upload;

pub use check::{FileCheck, Problem, check_files, read_and_compare, verify_data};
pub use error::SnapshotError;
pub use find::{Candidate, CandidateState, Found, Skipped, at_cut, candidates, newest, present};
pub use load::load;
pub use manifest::{CutName, Facts, Manifest};
pub use mark::Mark;
pub use upload::{Progress, Uploaded, published, upload};

#[cfg(test)]
mod tests;
