//! `t PIVOT (sum(x) FOR k IN ('a', 'b'))`: a column for each of some values. It is a grouping by all columns that it does not
//! name, with each aggregate over the rows that have the value.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, ExprWithAlias, GroupByExpr, Ident, PivotValueSource, SelectItem, SetExpr, TableAlias,
    TableFactor, TableWithJoins, Value, ValueWithSpan, Visit, Visitor, WildcardAdditionalOptions,
};

use super::members;
use crate::context::PlanContext;
use crate::error::QueryError;
use crate::{plan, session, types};

/// What such a table is called when nobody says.
const NAME: &str = "__pivot";

/// Puts the grouping in the place of a pivot; any other table stays what it is.
pub(super) fn spread(factor: &mut TableFactor, cx: &PlanContext) -> Result<(), QueryError> {
    let TableFactor::Pivot { table, aggregate_functions, value_column, value_source, alias, .. } = factor else {
        return Ok(());
    };
    let PivotValueSource::List(values) = value_source else {
        return Err(QueryError::analyzing("PIVOT needs a list of values"));
    };
    let named = names_in(aggregate_functions.iter().map(|aggregate| &aggregate.expr).chain(value_column.iter()));
    let others: Vec<Expr> = columns(table, cx)?
        .into_iter()
        .filter(|column| !named.contains(column))
        .map(|column| Expr::Identifier(Ident::with_quote('`', column)))
        .collect();
    let mut items: Vec<SelectItem> = others.iter().cloned().map(SelectItem::UnnamedExpr).collect();
    for value in values.iter() {
        let condition = condition(value_column, &value.expr)?;
        for aggregate in aggregate_functions.iter() {
            let name = name(value, (aggregate_functions.len() > 1).then_some(aggregate));
            items.push(SelectItem::ExprWithAlias {
                expr: over_rows(&aggregate.expr, &condition)?,
                alias: Ident::with_quote('`', name),
            });
        }
    }
    let mut query = members::select(items);
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = vec![TableWithJoins { relation: table.as_ref().clone(), joins: Vec::new() }];
        select.group_by = GroupByExpr::Expressions(others, Vec::new());
    }
    let alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(NAME),
        columns: Vec::new(),
        at: None,
    });
    *factor = TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(alias), sample: None };
    Ok(())
}

/// The columns of a table, by the names that plans have for them.
fn columns(table: &TableFactor, cx: &PlanContext) -> Result<Vec<String>, QueryError> {
    let mut query = members::select(vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())]);
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = vec![TableWithJoins { relation: table.clone(), joins: Vec::new() }];
    }
    let state = session::planner(cx.parallelism);
    let logical = plan::logical(cx, &state, super::rewrite(&query, cx)?)?;
    Ok(logical.plan.schema().fields().iter().map(|field| field.name().clone()).collect())
}

/// The columns that expressions name.
fn names_in<'a>(exprs: impl Iterator<Item = &'a Expr>) -> HashSet<String> {
    struct Names(HashSet<String>);
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let name = match expr {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.last(),
                _ => None,
            };
            self.0.extend(name.map(|name| types::plan_name(&name.value)));
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(HashSet::new());
    for expr in exprs {
        let _ = expr.visit(&mut names);
    }
    names.0
}

/// That columns have a value, or each its own of several.
fn condition(columns: &[Expr], value: &Expr) -> Result<Expr, QueryError> {
    let values = match value {
        Expr::Tuple(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let equal = |(column, value): (&Expr, &Expr)| Expr::BinaryOp {
        left: Box::new(column.clone()),
        op: BinaryOperator::Eq,
        right: Box::new(value.clone()),
    };
    let both = |left, right| Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) };
    let all = columns.iter().zip(values).map(equal).reduce(both);
    all.filter(|_| columns.len() == values.len()).ok_or_else(|| {
        QueryError::analyzing(format!("PIVOT names {} columns, but '{value}' has another number", columns.len()))
    })
}

/// An aggregate over the rows of which a condition is true.
fn over_rows(aggregate: &Expr, condition: &Expr) -> Result<Expr, QueryError> {
    match aggregate {
        Expr::Function(function) if function.filter.is_none() => {
            let mut function = function.clone();
            function.filter = Some(Box::new(condition.clone()));
            Ok(Expr::Function(function))
        }
        other => Err(QueryError::analyzing(format!("'{other}' is no aggregate that PIVOT can have"))),
    }
}

/// A column is called like its value and, where there are several aggregates, like its aggregate.
fn name(value: &ExprWithAlias, aggregate: Option<&ExprWithAlias>) -> String {
    let own = |of: &ExprWithAlias| match (&of.alias, &of.expr) {
        (Some(alias), _) => alias.value.clone(),
        (None, Expr::Tuple(values)) => values.iter().map(text).collect::<Vec<_>>().join("_"),
        (None, one) => text(one),
    };
    match aggregate {
        Some(aggregate) => format!("{}_{}", own(value), own(aggregate)),
        None => own(value),
    }
}

fn text(value: &Expr) -> String {
    match value {
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text) | Value::DoubleQuotedString(text), ..
        }) => text.clone(),
        other => other.to_string(),
    }
}
