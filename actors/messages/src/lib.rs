//! Every message and reply, one file per receiving role; and the few shared values through which roles read what they
//! may not ask for on every row: the catalog view, the compute nodes seen alive, the read points of running queries.
//!
//! | file | receiver |
//! |---|---|
//! | [`leader`] | metadata leader |
//! | [`compute`] | compute node, snapshot agent; the payloads of the data plane |
//! | [`checkpointer`] | checkpointer |
//! | [`supervisor`] | snapshot job supervisor |
//! | [`collector`] | GC coordinator |
//! | [`compactor`] | compaction coordinator |
//! | [`frontends`] | every frontend, from the leader |
//! | [`nodes`] | compute node monitor |
//! | [`observer`] | the observer of every node |
//! | [`reads`] | (shared) read points of running queries |

pub mod checkpointer;
pub mod collector;
pub mod compactor;
pub mod compute;
pub mod frontends;
pub mod leader;
pub mod nodes;
pub mod observer;
pub mod reads;
pub mod supervisor;
pub mod view;

pub use reads::{ReadLease, ReadPoint, ReadPoints};
pub use view::CatalogView;
