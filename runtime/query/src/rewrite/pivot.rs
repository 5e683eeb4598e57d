//! `t PIVOT (sum(x) FOR k IN ('a', 'b'))`: a column for each of some values. It is a grouping by all columns that it does not
//! name, with each aggregate over the rows that have the value.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Cte, Expr, ExprWithAlias, GroupByExpr, Ident, ObjectName, ObjectNamePart, PivotValueSource,
    SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, Value, ValueWithSpan, Visit, Visitor,
    WildcardAdditionalOptions, With,
};

use super::members;
use crate::context::PlanContext;
use crate::error::QueryError;
use crate::{plan, session, types};

/// Each has its table planned twice, and those in views and in each other again each time.
const MOST_LOOKS: usize = 64;
/// What such a table is called when nobody says.
const NAME: &str = "__pivot";

/// Puts the grouping in the place of a pivot; any other table stays what it is.
pub(super) fn spread(factor: &mut TableFactor, scopes: &[With], cx: &PlanContext) -> Result<(), QueryError> {
    let TableFactor::Pivot { table, aggregate_functions, value_column, value_source, alias, .. } = factor else {
        return Ok(());
    };
    let PivotValueSource::List(values) = value_source else {
        return Err(QueryError::analyzing("PIVOT needs a list of values"));
    };
    let named = names_in(aggregate_functions.iter().map(|aggregate| &aggregate.expr).chain(value_column.iter()));
    let others: Vec<Expr> = columns(table, scopes, cx)?
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
fn columns(table: &TableFactor, scopes: &[With], cx: &PlanContext) -> Result<Vec<String>, QueryError> {
    if cx.looks.count() > MOST_LOOKS {
        return Err(QueryError::analyzing(format!(
            "the statement has more than {MOST_LOOKS} PIVOTs, those in views and in each other counted every time they are read"
        )));
    }
    let mut query = members::select(vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())]);
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = vec![TableWithJoins { relation: table.clone(), joins: Vec::new() }];
    }
    query.with = tables_of(table, scopes);
    let state = session::planner(cx.parallelism);
    let logical = plan::logical(cx, &state, super::rewrite(&query, cx)?)?;
    Ok(logical.plan.schema().fields().iter().map(|field| field.name().clone()).collect())
}

/// The common table expressions that a table reads, of those in whose scopes it stands: the innermost of a name.
fn tables_of(table: &TableFactor, scopes: &[With]) -> Option<With> {
    let mut wanted = relations(table);
    let mut found: Vec<Vec<Cte>> = Vec::new();
    for scope in scopes.iter().rev() {
        let mut of_scope = Vec::new();
        // One may read those before it.
        for cte in scope.cte_tables.iter().rev() {
            if wanted.remove(&types::plan_name(&cte.alias.name.value)) {
                wanted.extend(relations(&cte.query));
                of_scope.insert(0, cte.clone());
            }
        }
        found.insert(0, of_scope);
    }
    let cte_tables: Vec<Cte> = found.into_iter().flatten().collect();
    let recursive = scopes.iter().any(|scope| scope.recursive);
    let first = scopes.first().filter(|_| !cte_tables.is_empty())?;
    Some(With { recursive, cte_tables, ..first.clone() })
}

/// The names without a database that something reads from.
fn relations(of: &impl Visit) -> HashSet<String> {
    struct Relations(HashSet<String>);
    impl Visitor for Relations {
        type Break = ();

        fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
            if let [ObjectNamePart::Identifier(name)] = name.0.as_slice() {
                self.0.insert(types::plan_name(&name.value));
            }
            ControlFlow::Continue(())
        }
    }
    let mut relations = Relations(HashSet::new());
    let _ = of.visit(&mut relations);
    relations.0
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
