//! CREATE VIEW and its kin, as written.

use sqlparser::ast::Query;

use super::Properties;
use crate::names::QualifiedName;

/// A query and its text, which parses to it.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcedQuery {
    /// What it says.
    pub query: Box<Query>,
    /// As it was written.
    pub text: String,
}

/// A column of a view that was given a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewColumnName {
    /// Its name.
    pub name: String,
    /// COMMENT.
    pub comment: Option<String>,
}

/// What a view shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewDefinition {
    /// The view.
    pub name: QualifiedName,
    /// Names for its columns; empty: those of the query.
    pub columns: Vec<ViewColumnName>,
    /// COMMENT.
    pub comment: Option<String>,
    /// SECURITY INVOKER.
    pub invoker: bool,
    /// PROPERTIES.
    pub properties: Properties,
    /// AS.
    pub query: SourcedQuery,
}
