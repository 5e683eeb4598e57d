//! The HTTP port of a node: health, metrics, the tree of actors, and whatever pages its role adds.
//!
//! * [`routes`]: what is served, as a struct of closures, so that this room knows no role.
//! * [`server`]: bind, serve, end.
//! * [`metrics`]: the tree of actors in Prometheus' text format.
//!
//! ```
//! use runtime_actor::{SystemClock, Tree};
//! use runtime_http::{Health, NotReady, RestoreState, Routes, bind, serve};
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = bind("127.0.0.1:0")?; // a port in use fails here, before anything is started
//! let tree = Tree::new("fe", SystemClock::shared());
//! let ready = || Ok::<_, NotReady>(Health { total_backend_num: 2, online_backend_num: 2 });
//! let routes = Routes::new(tree, ready)
//!     .restore_state(|| RestoreState::Finished)
//!     .metrics(|| "starkeep_revision 7\n".to_owned())
//!     .json("/api/own", || async { Ok(serde_json::json!({ "any": "page" })) });
//! let shutdown = CancellationToken::new();
//! let serving = serve(listener, routes, shutdown.clone())?;
//! println!("http://{}/api/v2/actors", serving.local_addr());
//! shutdown.cancel();
//! serving.ended().await;
//! # Ok(()) }
//! ```
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
