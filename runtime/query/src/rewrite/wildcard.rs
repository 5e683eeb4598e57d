//! Select lists: every expression gets a name of its own, because DataFusion refuses two columns of one name where
//! MySQL does not, and would otherwise show its own text for what it computes.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, ObjectName, ObjectNamePart, OrderBy, OrderByKind, Select, SelectItem,
    WildcardAdditionalOptions,
};

use super::labels;
use crate::types;

/// Gives names to expressions and to columns that would come twice.
pub(super) fn name_expressions(select: &mut Select) {
    let wildcard = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _)));
    let mut taken = HashSet::new();
    for (at, item) in select.projection.iter_mut().enumerate() {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = types::plan_name(&labels::expression(expr));
                let plain = is_column(expr);
                let fresh = taken.insert(name.clone());
                if plain && fresh && !wildcard {
                    continue;
                }
                let alias = if fresh && !plain { labels::expression(expr) } else { format!("{name}__{at}") };
                let expr = std::mem::replace(expr, super::build::null());
                *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('`', alias) };
            }
            SelectItem::ExprWithAlias { alias, .. } if !taken.insert(types::plan_name(&alias.value)) => {
                alias.value = format!("{}__{at}", alias.value);
            }
            _ => {}
        }
    }
}

/// An ORDER BY that repeats an expression of the select list means that column, which DISTINCT insists on.
pub(super) fn order_by_names(select: &Select, order_by: Option<&mut OrderBy>) {
    let Some(OrderBy { kind: OrderByKind::Expressions(exprs), .. }) = order_by else { return };
    for order in exprs {
        let same = |item: &SelectItem| match item {
            SelectItem::ExprWithAlias { expr, alias } if *expr == order.expr && !is_column(expr) => Some(alias.clone()),
            _ => None,
        };
        if matches!(order.expr, Expr::Value(_)) {
            continue;
        }
        if let Some(alias) = select.projection.iter().find_map(same) {
            order.expr = Expr::Identifier(alias);
        }
    }
}

/// Columns keep their own names; session variables are not columns.
fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(ident) => !ident.value.starts_with('@'),
        Expr::CompoundIdentifier(idents) => !idents.first().is_some_and(|i| i.value.starts_with('@')),
        _ => false,
    }
}

/// `* EXCEPT (A, B)` and `* EXCLUDE (A)`, without case.
pub(super) fn lower_options(options: &mut WildcardAdditionalOptions) {
    if let Some(except) = &mut options.opt_except {
        lower(&mut except.first_element);
        except.additional_elements.iter_mut().for_each(lower);
    }
    match &mut options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => lower_name(name),
        Some(ExcludeSelectItem::Multiple(names)) => names.iter_mut().for_each(lower_name),
        None => {}
    }
}

fn lower(ident: &mut Ident) {
    ident.value = types::plan_name(&ident.value);
}

fn lower_name(name: &mut ObjectName) {
    if let Some(ObjectNamePart::Identifier(ident)) = name.0.last_mut() {
        lower(ident);
    }
}
