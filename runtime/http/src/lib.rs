//! The HTTP port of a node: health, metrics, the dashboard with its login and its live feed, and whatever pages its role adds.
//!
//! ```text
//!   everybody    /  /dashboard/*  /metrics  /api/health  Routes::open
//!   Guard ─▶ login ─▶ session ─┬─▶ GET   Routes::get
//!   HTTP Basic ────────────────┼─▶ POST  Routes::post        with the session's token
//!                              └─▶ live  Routes::topic       server-sent events
//! ```
//!
//! * [`routes`]: what is served, as a struct of closures, so that this room knows no role.
//! * [`login`]: who is let in: the [`Guard`], sessions, what a request must show. `sessions` (private): their memory.
//! * [`server`]: bind, serve, end. `pages`, `answer`, `assets` (private): paths, shapes, the dashboard's files.
//! * `live` (private): topics, asked for every second, sent when they change.
//! * [`prometheus`]: metrics as data and as text. [`metrics`]: those of the actors.
//!
//! ```
//! use runtime_actor::{SystemClock, Tree};
//! use runtime_http::prometheus::Family;
//! use runtime_http::{Asked, Health, NotReady, RestoreState, Routes, bind, serve};
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = bind("127.0.0.1:0")?; // a port in use fails here, before anything is started
//! let tree = Tree::new("fe", SystemClock::shared());
//! let ready = || Ok::<_, NotReady>(Health { total_backend_num: 2, online_backend_num: 2 });
//! let routes = Routes::new(tree, ready)
//!     .restore_state(|| RestoreState::Finished)
//!     .metrics(|_| vec![Family::gauge("starkeep_revision", "The catalog's revision.").of(7.0)])
//!     .open("/api/own", |_: Asked| async { Ok(serde_json::json!({ "any": "page" })) });
//! // .guard(…).get(…).post(…).topic(…)
//! let shutdown = CancellationToken::new();
//! let serving = serve(listener, routes, shutdown.clone())?;
//! println!("http://{}/", serving.local_addr());
//! shutdown.cancel();
//! serving.ended().await;
//! # Ok(()) }
//! ```
//!
//! The only crate that names actix-web.

mod answer;
mod assets;
mod body;
mod live;
pub mod login;
pub mod metrics;
mod pages;
pub mod prometheus;
pub mod routes;
pub mod server;
mod sessions;

pub use login::{Denied, Guard, NodeFacts};
pub use routes::{Asked, Health, NotReady, PageError, RestoreState, Routes};
pub use server::{HttpError, HttpServing, bind, serve};

#[cfg(test)]
mod tests;
