//! What result columns are called: aliases and names as typed, expressions as text with functions in lower case.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, VisitMut,
    VisitorMut,
};

/// The label of one item of the select list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// One column with this label.
    Text(String),
    /// `*`: the columns that are left, by their own names.
    All,
    /// `t.*`: the columns of a table, by their own names.
    AllOf(String),
}

/// The labels of a query's result.
pub(super) fn labels(query: &Query) -> Vec<Label> {
    match first_select(&query.body) {
        Some(select) => select.projection.iter().map(label).collect(),
        None => vec![Label::All],
    }
}

/// The select that names the columns of a set operation: the first.
fn first_select(body: &SetExpr) -> Option<&Select> {
    let mut body = body;
    loop {
        match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(query) => body = &query.body,
            SetExpr::SetOperation { left, .. } => body = left,
            _ => return None,
        }
    }
}

fn label(item: &SelectItem) -> Label {
    match item {
        SelectItem::UnnamedExpr(expr) => Label::Text(expression(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Label::Text(alias.value.clone()),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            let last = name.0.last().and_then(ObjectNamePart::as_ident);
            Label::AllOf(last.map(|i| i.value.clone()).unwrap_or_default())
        }
        _ => Label::All,
    }
}

/// The text of an expression as a label.
pub(super) fn expression(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(idents) => match idents.first() {
            // `@@session.x` is one name.
            Some(first) if first.value.starts_with('@') => {
                idents.iter().map(|i| i.value.as_str()).collect::<Vec<_>>().join(".")
            }
            _ => idents.last().map(|i| i.value.clone()).unwrap_or_default(),
        },
        other => {
            let mut other = other.clone();
            let _ = other.visit(&mut LowerCalls);
            other.to_string()
        }
    }
}

struct LowerCalls;

impl VisitorMut for LowerCalls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            lower(&mut function.name);
        }
        ControlFlow::Continue(())
    }
}

fn lower(name: &mut ObjectName) {
    for part in &mut name.0 {
        if let ObjectNamePart::Identifier(ident) = part {
            ident.value = ident.value.to_ascii_lowercase();
        }
    }
}
