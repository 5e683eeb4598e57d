//! The edge of a frontend: one session per MySQL connection. Statements come in, messages and plans go out, rows come back.
//! Nothing is decided here that outlives a connection: the catalog decides what changes, compute nodes touch the data.
//!
//! ```text
//!  client ══ runtime_mysql ══ Session ── runtime_sql ──▶ Statement ── dispatch
//!                                │                                     │
//!            ddl, volumes, snapshot, system ──▶ Propose ──▶ metadata leader ──▶ catalog
//!            show, information_schema ◀── catalog, nodes, variables, processlist
//!    query, insert, delete, update ──▶ runtime_query (plan) ──▶ workers ── Arrow Flight ──▶ compute node
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`front`] | what the node hands in; the server |
//! | [`desk`] | the sessions as the node uses them: serve, log in, run a statement, what runs |
//! | [`settings`] | the configuration as sessions see it |
//! | [`audit`] | a line for each statement |
//! | `session`, `dispatch`, `prepared` | one connection: login, statements one by one, parameters |
//! | `ddl` | databases, tables, partitions: from text to drafts |
//! | `show`, `sheet` | SHOW, DESC, HELP: small tables of text |
//! | `information_schema` | the virtual tables that only a frontend can fill |
//! | `query`, `insert`, `delete`, `update`, `workers` | what runs on compute nodes |
//! | `supersede`, `turns` | which rows of PRIMARY KEY tables a commit takes away, and who commits first |
//! | `volumes`, `snapshot`, `system`, `access` | administration |
//! | `variables`, `processlist`, `tally`, `privileges`, `logins`, `names`, `errors` | one subject each |

mod access;
mod analyze;
pub mod audit;
mod ddl;
mod delete;
pub mod desk;
mod dispatch;
mod errors;
pub mod front;
mod hints;
mod ids;
mod information_schema;
mod insert;
mod logins;
mod names;
mod prepared;
mod privileges;
mod processlist;
mod profiles;
mod query;
mod session;
pub mod settings;
mod sheet;
mod show;
mod snapshot;
mod supersede;
mod system;
mod tally;
mod transaction;
mod turns;
mod update;
mod variables;
mod volumes;
mod workers;

#[cfg(test)]
mod tests;

pub use audit::AuditLog;
pub use desk::{Desk, QueryView};
pub use front::{COMPATIBLE_VERSION, ClientTls, Front, FrontFacts, LeaderReader, serve};
pub use settings::{ConfigRow, FrontSettings, SetFailure};
pub use tally::StatementCounts;
