//! Small differences between what sqlparser builds and what a planner wants, smoothed in one walk.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, ObjectNamePart, Query, Select, SetExpr, SetOperator, TableFactor, VisitMut,
    VisitorMut,
};

/// Smooths a query; the message says what in it can be no part of one.
pub(crate) fn query(query: &mut Query) -> Result<(), String> {
    finish(query.visit(&mut Smoother))
}

/// Smooths an expression.
pub(crate) fn expression(expr: &mut Expr) -> Result<(), String> {
    finish(expr.visit(&mut Smoother))
}

fn finish(flow: ControlFlow<Box<str>>) -> Result<(), String> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(message) => Err(message.into()),
    }
}

struct Smoother;

impl VisitorMut for Smoother {
    type Break = Box<str>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        // FOR UPDATE has nothing to lock.
        query.locks.clear();
        let mut bodies = vec![query.body.as_mut()];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, op, right, .. } => {
                    if *op == SetOperator::Minus {
                        *op = SetOperator::Except;
                    }
                    bodies.extend([left.as_mut(), right.as_mut()]);
                }
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                    return ControlFlow::Break("a query can only read".into());
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        if select.into.is_some() {
            return ControlFlow::Break("SELECT ... INTO is not supported yet".into());
        }
        // SQL_NO_CACHE, STRAIGHT_JOIN and the like are advice.
        select.select_modifiers = None;
        if let [only] = select.from.as_slice()
            && only.joins.is_empty()
            && is_dual(&only.relation)
        {
            select.from.clear();
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::BinaryOp { op, .. } => {
                if matches!(op, BinaryOperator::Custom(name) if name == "DIV") {
                    *op = BinaryOperator::MyIntegerDivide;
                }
            }
            Expr::Convert { expr: inner, data_type: Some(data_type), charset: None, styles, .. }
                if styles.is_empty() =>
            {
                let inner = std::mem::replace(inner, Box::new(Expr::value(sqlparser::ast::Value::Null)));
                let data_type = data_type.clone();
                *expr = Expr::Cast { kind: CastKind::Cast, expr: inner, data_type, array: false, format: None };
            }
            // CONVERT(x USING utf8mb4): all text is UTF-8.
            Expr::Convert { expr: inner, data_type: None, charset: Some(_), .. } => {
                let inner = std::mem::replace(inner, Box::new(Expr::value(sqlparser::ast::Value::Null)));
                *expr = Expr::Nested(inner);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_dual(relation: &TableFactor) -> bool {
    let TableFactor::Table { name, alias: None, args: None, .. } = relation else { return false };
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("dual"),
        _ => false,
    }
}
