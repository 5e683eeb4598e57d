//! Queries: from a syntax tree to rows. The only room that names DataFusion. A frontend plans against one revision of
//! the catalog; a compute node runs the plan, alone or with others, and streams the rows back; the frontend writes them as
//! text.
//!
//! ```text
//!   ast::Query ── rewrite (names, session, MySQL's forms) ── provider (names → tables, pruned) ── plan
//!                                                                                         │
//!                       ┌── Placement::Local ── run::execute_local ──┐                    │
//!   cells (text) <──────┤                                            ├── Rows <───────────┘
//!                       └── Placement::Compute ── run::encode ~~> run::Engine, for much data on several nodes: stages
//!
//!   joins: the order of inner joins, by what the catalog knows of values
//!   INSERT: insert (columns, defaults, strict casts) ── the same plan, in the table's own columns
//!   DELETE: delete (what is found, what is left) ── two plans over some partitions of the table
//!   compaction: compact (rows of some rowsets, sorted) ── one plan a bucket
//!   UPDATE: update (rows as they are to be) ── the plan of an INSERT
//!   both sides share session: functions, operators, types
//! ```

mod anew;
mod answered;
mod cells;
mod coerce;
mod compact;
mod context;
mod delete;
mod depth;
mod error;
mod explain;
mod functions;
mod information_schema;
mod insert;
mod joins;
mod membership;
mod nested;
mod operators;
mod partitions;
mod plan;
mod provider;
mod rewrite;
mod run;
mod session;
mod stages;
mod types;
mod update;
mod zone;

#[cfg(test)]
mod tests;

pub use anew::plan_anew;
pub use cells::{Cells, write_cell};
pub use compact::plan_compaction;
pub use context::{
    Access, Constant, DEFAULT_CATALOG, Everything, Looks, MYSQL_VERSION, NoVariables, NoVirtualTables, PlanContext,
    ProfileOf, SessionFacts, Variables, VirtualTables,
};
pub use delete::{Found, found, plan_count, plan_keys, plan_rest, plan_search};
pub use error::QueryError;
pub use explain::{explain, explain_costs, explain_planned};
pub use functions::COLUMN_STATISTICS;
pub use information_schema::tables as information_schema_tables;
pub use insert::{check_generated, conform, initial_text, plan_insert, plan_partial};
pub use partitions::partitions_where;
pub use plan::{Placement, Planned, ResultColumn, ResultType, plan_query, result_type, together};
pub use provider::footers::FooterCounts;
pub use provider::scan::Reading;
pub use provider::view::{MOST_NESTED_VIEWS, ViewRead, too_deep as views_too_deep};
pub use run::{Engine, EngineOptions, Opener, Profile, Rows, encode, execute_local, volume_opener};
pub use stages::{Connect, Crew, Errand, Stages, Task, Tasks};
pub use update::{UpdateScope, plan_update};
pub use zone::Zone;
