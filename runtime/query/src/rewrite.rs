//! The pass over a query's syntax tree before DataFusion sees it: columns are known without case, what the session
//! answers becomes constants, MySQL's forms become calls that exist. Labels are taken before anything is changed.
//!
//! ```text
//!   ast::Query ── labels (as typed) ─┐
//!        │                           ├──> Rewritten { query, labels, spelling }
//!        └── calls, session ─────────┘
//! ```

pub(crate) mod build;
mod bytes;
mod calls;
mod conditions;
mod forms;
mod gathered;
mod ignored;
mod labels;
mod lambdas;
mod members;
mod pivot;
mod places;
mod session;
mod short;
mod wildcard;
mod words;

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType as SqlType, Expr, Function, Ident, JoinConstraint, JoinOperator, ObjectName,
    OneOrManyWithParens, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, UnaryOperator, Value,
    ValueWithSpan, VisitMut, VisitorMut, With,
};

use crate::context::PlanContext;
use crate::depth;
use crate::error::QueryError;
use crate::functions::cast;
use crate::functions::{NUMBER, READ_TEXT, READ_TIME, TEXT};
use crate::nested;
use crate::types;
pub(crate) use labels::Label;

/// A query that DataFusion can plan, and what its users called things.
pub(crate) struct Rewritten {
    /// To be planned.
    pub query: Query,
    /// What the result columns are called.
    pub labels: Vec<Label>,
    /// Column names and aliases as they were typed, by their names in lower case.
    pub spelling: HashMap<String, String>,
}

/// Rewrites a query.
///
/// # Errors
/// On unknown system variables and on forms that nothing here can do.
pub(crate) fn rewrite(query: &Query, cx: &PlanContext) -> Result<Rewritten, QueryError> {
    let labels = labels::labels(query);
    let mut query = query.clone();
    let mut pass = Pass { cx, spelling: HashMap::new(), scopes: Vec::new(), error: None };
    let _ = query.visit(&mut pass);
    match pass.error {
        Some(error) => Err(error),
        None => Ok(Rewritten { query, labels, spelling: pass.spelling }),
    }
}

/// Rewrites an expression that belongs to no query.
pub(crate) fn rewrite_expr(expr: &Expr, cx: &PlanContext) -> Result<Expr, QueryError> {
    let mut expr = expr.clone();
    let mut pass = Pass { cx, spelling: HashMap::new(), scopes: Vec::new(), error: None };
    let _ = expr.visit(&mut pass);
    pass.error.map_or(Ok(expr), Err)
}

struct Pass<'a> {
    cx: &'a PlanContext,
    spelling: HashMap<String, String>,
    /// The WITH of each query that this is in, as they were written.
    scopes: Vec<With>,
    error: Option<QueryError>,
}

impl Pass<'_> {
    fn lower(&mut self, ident: &mut Ident) {
        let lower = types::plan_name(&ident.value);
        if lower != ident.value {
            self.spelling.entry(lower.clone()).or_insert_with(|| std::mem::take(&mut ident.value));
            ident.value = lower;
        }
    }

    fn lower_last(&mut self, name: &mut ObjectName) {
        if let Some(datafusion::sql::sqlparser::ast::ObjectNamePart::Identifier(ident)) = name.0.last_mut() {
            self.lower(ident);
        }
    }

    fn lower_alias(&mut self, alias: Option<&mut TableAlias>) {
        for column in alias.into_iter().flat_map(|a| a.columns.iter_mut()) {
            self.lower(&mut column.name);
        }
    }

    fn lower_using(&mut self, operator: &mut JoinOperator) {
        if let JoinOperator::Join(JoinConstraint::Using(names))
        | JoinOperator::Inner(JoinConstraint::Using(names))
        | JoinOperator::Left(JoinConstraint::Using(names))
        | JoinOperator::LeftOuter(JoinConstraint::Using(names))
        | JoinOperator::Right(JoinConstraint::Using(names))
        | JoinOperator::RightOuter(JoinConstraint::Using(names))
        | JoinOperator::FullOuter(JoinConstraint::Using(names)) = operator
        {
            for name in names {
                self.lower_last(name);
            }
        }
    }

    fn expression(&mut self, expr: &mut Expr) -> Result<(), QueryError> {
        match expr {
            Expr::Identifier(ident) => {
                if ident.quote_style.is_none() && ident.value.starts_with('@') {
                    *expr = session::variable(std::slice::from_ref(ident), &self.cx.session)?;
                } else {
                    self.lower(ident);
                }
            }
            Expr::CompoundIdentifier(idents) => {
                if idents.first().is_some_and(|i| i.quote_style.is_none() && i.value.starts_with('@')) {
                    *expr = session::variable(idents, &self.cx.session)?;
                } else if let Some(last) = idents.last_mut() {
                    self.lower(last);
                }
            }
            Expr::Function(_) => self.call(expr)?,
            Expr::Value(value) => *expr = literal(value),
            Expr::Lambda(lambda) => match &mut lambda.params {
                OneOrManyWithParens::One(param) => self.lower(&mut param.name),
                OneOrManyWithParens::Many(params) => params.iter_mut().for_each(|param| self.lower(&mut param.name)),
            },
            Expr::Array(_)
            | Expr::Map(_)
            | Expr::CompoundFieldAccess { .. }
            | Expr::BinaryOp { op: BinaryOperator::Arrow | BinaryOperator::LongArrow | BinaryOperator::Gt, .. } => {
                if let Some(call) = members::of(expr)? {
                    *expr = call;
                }
            }
            Expr::IsTrue(inner) | Expr::IsNotTrue(inner) | Expr::IsFalse(inner) | Expr::IsNotFalse(inner) => {
                conditions::wrap(inner);
            }
            Expr::Cast { kind, expr: inner, data_type, format: None, array: false } => {
                *kind = CastKind::TryCast;
                if let Some(nested) = types::cast_target(data_type).filter(nested::holds) {
                    *expr = cast::call(build::take(inner), &nested)?;
                    return Ok(());
                }
                if matches!(data_type, SqlType::Date | SqlType::Datetime(_) | SqlType::Timestamp(_, _)) {
                    **inner = build::call(READ_TIME, vec![build::take(inner)]);
                }
                if let Some(text) = cast_to_text(inner, data_type) {
                    *expr = text;
                }
            }
            Expr::Convert { expr: inner, data_type, .. } => {
                let inner = std::mem::replace(inner.as_mut(), build::null());
                *expr = match data_type.take() {
                    Some(target) => {
                        let mut inner = inner;
                        cast_to_text(&mut inner, &target).unwrap_or_else(|| build::cast(inner, target))
                    }
                    None => build::call(TEXT, vec![inner]),
                };
            }
            Expr::BinaryOp { left, op: op @ (BinaryOperator::Plus | BinaryOperator::Minus), right } => {
                if let Some(shifted) = calls::interval_arithmetic(left, op, right)? {
                    *expr = shifted;
                }
            }
            Expr::Substring { expr: inner, .. } | Expr::Trim { expr: inner, .. } => {
                **inner = build::call(READ_TEXT, vec![build::take(inner)]);
            }
            Expr::Ceil { expr: inner, .. } => *expr = short::whole("ceil", build::take(inner)),
            Expr::Floor { expr: inner, .. } => *expr = short::whole("floor", build::take(inner)),
            Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => conditions::wrap(inner),
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: inner } => *expr = forms::not_bits(build::take(inner)),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } if !matches!(**inner, Expr::Value(_)) => {
                **inner = build::call(NUMBER, vec![build::take(inner)]);
            }
            Expr::Case { operand: None, conditions: cases, .. } => {
                cases.iter_mut().for_each(|case| conditions::wrap(&mut case.condition));
            }
            Expr::RLike { negated, expr: text, pattern, .. } => {
                let args = vec![build::take(text), build::take(pattern)];
                let found = build::call("regexp_like", args);
                *expr = if *negated { build::not(found) } else { found };
            }
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, expr: &mut Expr) -> Result<(), QueryError> {
        let Expr::Function(function) = expr else { return Ok(()) };
        let Some(name) = calls::plain_name(function) else { return Ok(()) };
        if let Some(constant) = session::function(&name, function, self.cx)? {
            *expr = constant;
        } else if let Some(other) = calls::rewrite(&name, function, &self.cx.session)? {
            *expr = other;
        }
        Ok(())
    }

    fn table_factor(&mut self, factor: &mut TableFactor) -> Result<(), QueryError> {
        ignored::table(factor)?;
        build::name_as_table(factor);
        match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => self.lower_alias(alias.as_mut()),
            TableFactor::TableFunction { .. } => {
                if let TableFactor::TableFunction { expr: Expr::Function(function), alias } = factor
                    && let Some(name) = members::spreading(&function.name)
                {
                    let args = calls::take_arguments(function)?.into_iter().map(build::argument).collect();
                    let mut alias = alias.take();
                    self.lower_alias(alias.as_mut());
                    *factor = members::spread(name, args, alias)?;
                } else if let TableFactor::TableFunction { expr: Expr::Function(function), alias } = factor {
                    *factor = table_function(function, alias.take())?;
                }
            }
            _ => {}
        }
        match factor {
            TableFactor::Table { name, args: Some(args), alias, .. } => {
                if let Some(name) = members::spreading(name) {
                    *factor = members::spread(name, std::mem::take(&mut args.args), alias.take())?;
                }
            }
            TableFactor::Function { name, args, alias, .. } => {
                if let Some(name) = members::spreading(name) {
                    *factor = members::spread(name, std::mem::take(args), alias.take())?;
                }
            }
            _ => {}
        }
        if let TableFactor::Table { name, args: Some(_), alias, .. } = factor
            && alias.is_none()
        {
            *alias = Some(build::series_alias(&name.to_string()));
        }
        Ok(())
    }

    fn keep(&mut self, outcome: Result<(), QueryError>) -> ControlFlow<()> {
        match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl VisitorMut for Pass<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.scopes.extend(query.with.clone());
        if let SetExpr::Select(select) = query.body.as_mut() {
            wildcard::name_expressions(select);
            wildcard::order_by_names(select, query.order_by.as_mut());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if let [only] = select.from.as_slice()
            && only.joins.is_empty()
            && matches!(&only.relation, TableFactor::Table { name, args: None, .. }
                if name.to_string().eq_ignore_ascii_case("dual"))
        {
            select.from.clear();
        }
        wildcard::name_expressions(select);
        let outcome = ignored::group_by(select);
        self.keep(outcome)
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.lower(alias),
                SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                    wildcard::lower_options(options);
                }
                _ => {}
            }
        }
        for join in select.from.iter_mut().flat_map(|from| from.joins.iter_mut()) {
            self.lower_using(&mut join.join_operator);
            if let Some(condition) = conditions::of_join(&mut join.join_operator) {
                conditions::wrap(condition);
            }
        }
        for condition in [&mut select.selection, &mut select.having].into_iter().flatten() {
            conditions::wrap(condition);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter_mut().flat_map(|with| with.cte_tables.iter_mut()) {
            self.lower_alias(Some(&mut cte.alias));
        }
        ignored::unbounded_limit(&mut query.limit_clause);
        if query.with.is_some() {
            self.scopes.pop();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let outcome = pivot::spread(factor, &self.scopes, self.cx);
        self.keep(outcome)
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let outcome = self.table_factor(factor);
        self.keep(outcome)
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        depth::balance(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let outcome = self.expression(expr);
        self.keep(outcome)
    }
}

/// Texts in any quotes are texts; a number with an exponent is a DOUBLE.
fn literal(value: &mut ValueWithSpan) -> Expr {
    match &mut value.value {
        Value::DoubleQuotedString(text) | Value::NationalStringLiteral(text) | Value::EscapedStringLiteral(text) => {
            build::text(std::mem::take(text))
        }
        Value::Number(number, _) if number.contains(['e', 'E']) => {
            build::cast(build::text(std::mem::take(number)), SqlType::DoublePrecision)
        }
        _ => Expr::Value(value.clone()),
    }
}

/// A cast to text prints values as clients see them; CHAR(n) cuts.
fn cast_to_text(inner: &mut Expr, target: &SqlType) -> Option<Expr> {
    if !types::cast_target(target)?.is_text() {
        return None;
    }
    let text = build::call(TEXT, vec![std::mem::replace(inner, build::null())]);
    let length = match target {
        SqlType::Char(Some(length)) | SqlType::Varchar(Some(length)) | SqlType::Character(Some(length)) => length,
        _ => return Some(text),
    };
    match length {
        datafusion::sql::sqlparser::ast::CharacterLength::IntegerLength { length, .. } => {
            Some(build::call("left", vec![text, build::integer(i64::try_from(*length).ok()?)]))
        }
        datafusion::sql::sqlparser::ast::CharacterLength::Max => Some(text),
    }
}

/// `TABLE(f(…))`: the table function f, whose column has its name.
fn table_function(function: &mut Function, alias: Option<TableAlias>) -> Result<TableFactor, QueryError> {
    let name = calls::plain_name(function).unwrap_or_default();
    if name != "generate_series" {
        return Err(QueryError::analyzing(format!("Unknown table function '{name}'")));
    }
    let args = calls::take_arguments(function)?;
    let mut alias = alias.unwrap_or_else(|| build::series_alias(&name));
    if alias.columns.is_empty() {
        alias.columns = build::series_alias(&name).columns;
    }
    Ok(build::table_call(&name, args, alias))
}
