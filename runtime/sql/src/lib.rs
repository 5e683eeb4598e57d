//! Text to [`Statement`]: the StarRocks dialect, on sqlparser for queries and expressions. No DataFusion, no catalog: nothing
//! is resolved here.
//!
//! ```text
//! text ── lexer ── cursor ── grammar/* ──────────────── Statement ── bind (parameters of prepared statements)
//!                    │                                      │
//!                    └── delegate ── sqlparser (dialect) ── ast::Query, ast::Expr, smoothed by normalise
//!                          └── shape: stops what would become too deep a tree
//! ```
//!
//! A `?` is in the tree as the placeholder `$1`, `$2`, ... in the order of the text. Syntax trees print as sqlparser prints
//! them, which is not our dialect (backslashes): forward [`Parsed::text`], never a printed tree.

mod bind;
mod cursor;
mod delegate;
mod dialect;
mod error;
mod grammar;
mod hints;
mod lexer;
mod names;
mod normalise;
pub mod partition_names;
mod redact;
mod references;
mod rows;
mod shape;
pub mod statement;

pub use sqlparser::ast;

pub use bind::{BindError, bind, count_placeholders, has_placeholders};
pub use error::SyntaxError;
pub use grammar::{Parsed, parse, parse_type};
pub use hints::Hint;
pub use names::{DEFAULT_CATALOG, QualifiedName, like_matches, quote_identifier, quote_string, split_qualified_name};
pub use redact::redact;
pub use references::{TextPart, parse_expression, split_at_columns};
pub use rows::{RowValue, ValueRows};
pub use statement::Statement;

#[cfg(test)]
mod tests;
