//! The HTTP port of a node: health, metrics, the tree of actors, and whatever pages its role adds.
//!
//! * [`routes`]: what is served, as a struct of closures, so that this room knows no role.
//! * [`server`]: bind, serve, end.
//! * [`metrics`]: the tree of actors in Prometheus' text format.
//!
//! The only crate that names actix-web.

pub mod metrics;
mod pages;
pub mod routes;
pub mod server;

pub use routes::{Health, NotReady, RestoreState, Routes};
pub use server::{HttpError, HttpServing, bind, serve};

#[cfg(test)]
mod tests;
