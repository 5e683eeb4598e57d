//! Small differences between what sqlparser builds and what a planner wants, smoothed in one walk; and the depth of the
//! tree, which is copied and compared by recursion.
//!
//! Long chains of AND, OR and UNION ALL, which programs write, lean to the left with one level an operand. They are rebuilt
//! as balanced trees of the same order. Any other tree that is too deep is refused.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, ObjectNamePart, Query, Select, SetExpr, SetOperator, SetQuantifier, TableFactor,
    Value, VisitMut, VisitorMut,
};

/// Levels of expressions, tables and set operations. A copied level takes 5 KiB of stack in a debug build.
const DEEPEST_TREE: usize = 200;
/// What a query within a query counts for.
const QUERY_LEVELS: usize = 4;
/// Chains up to this length stay as they are.
const LONGEST_LEANING: usize = 64;

/// Smooths a query; the message says what in it can be no part of one.
pub(crate) fn query(query: &mut Query) -> Result<(), String> {
    finish(query.visit(&mut Smoother::default()))
}

/// Smooths an expression.
pub(crate) fn expression(expr: &mut Expr) -> Result<(), String> {
    finish(expr.visit(&mut Smoother::default()))
}

fn finish(flow: ControlFlow<Box<str>>) -> Result<(), String> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(message) => Err(message.into()),
    }
}

#[derive(Default)]
struct Smoother {
    depth: usize,
    /// How much each open query has added to the depth.
    queries: Vec<usize>,
}

impl Smoother {
    fn descend(&mut self, levels: usize) -> ControlFlow<Box<str>> {
        self.depth += levels;
        match self.depth > DEEPEST_TREE {
            true => ControlFlow::Break("the statement is nested too deeply".into()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl VisitorMut for Smoother {
    type Break = Box<str>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        // FOR UPDATE has nothing to lock.
        query.locks.clear();
        balance_unions(&mut query.body);
        let mut deepest = 0;
        let mut bodies = vec![(query.body.as_mut(), 1)];
        while let Some((body, depth)) = bodies.pop() {
            deepest = deepest.max(depth);
            match body {
                SetExpr::SetOperation { left, op, right, .. } => {
                    if *op == SetOperator::Minus {
                        *op = SetOperator::Except;
                    }
                    bodies.extend([(left.as_mut(), depth + 1), (right.as_mut(), depth + 1)]);
                }
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                    return ControlFlow::Break("a query can only read".into());
                }
                _ => {}
            }
        }
        self.queries.push(QUERY_LEVELS + deepest);
        self.descend(QUERY_LEVELS + deepest)
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Self::Break> {
        self.depth -= self.queries.pop().unwrap_or(0);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, _factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        self.descend(1)
    }

    fn post_visit_table_factor(&mut self, _factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        self.depth -= 1;
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

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        balance_logic(expr);
        self.descend(1)
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        match expr {
            Expr::BinaryOp { op, .. } => {
                if matches!(op, BinaryOperator::Custom(name) if name == "DIV") {
                    *op = BinaryOperator::MyIntegerDivide;
                }
            }
            Expr::Convert { expr: inner, data_type: Some(data_type), charset: None, styles, .. }
                if styles.is_empty() =>
            {
                let inner = std::mem::replace(inner, Box::new(nothing()));
                let data_type = data_type.clone();
                *expr = Expr::Cast { kind: CastKind::Cast, expr: inner, data_type, array: false, format: None };
            }
            // CONVERT(x USING utf8mb4): all text is UTF-8.
            Expr::Convert { expr: inner, data_type: None, charset: Some(_), .. } => {
                let inner = std::mem::replace(inner, Box::new(nothing()));
                *expr = Expr::Nested(inner);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// What stands in a tree while its place is being rebuilt.
fn nothing() -> Expr {
    Expr::value(Value::Null)
}

/// Rebuilds a long chain of ANDs or of ORs.
fn balance_logic(expr: &mut Expr) {
    let Expr::BinaryOp { op: operator @ (BinaryOperator::And | BinaryOperator::Or), .. } = expr else { return };
    let operator = operator.clone();
    let mut length = 0;
    let mut link = &*expr;
    while let Expr::BinaryOp { left, op, .. } = link
        && *op == operator
    {
        (length, link) = (length + 1, left);
    }
    if length <= LONGEST_LEANING {
        return;
    }
    let mut operands = Vec::with_capacity(length + 1);
    let mut rest = std::mem::replace(expr, nothing());
    while let Expr::BinaryOp { left, op, right } = rest {
        if op != operator {
            rest = Expr::BinaryOp { left, op, right };
            break;
        }
        operands.push(*right);
        rest = *left;
    }
    operands.push(rest);
    operands.reverse();
    *expr = balanced(operands, &|left, right| {
        let (left, right) = (Box::new(left), Box::new(right));
        Expr::BinaryOp { left, op: operator.clone(), right }
    })
    .unwrap_or_else(nothing);
}

/// Rebuilds a long chain of UNION ALLs.
fn balance_unions(body: &mut Box<SetExpr>) {
    let is_link = |set: &SetExpr| {
        matches!(set, SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, .. })
    };
    let mut length = 0;
    let mut link = body.as_ref();
    while let SetExpr::SetOperation { left, .. } = link
        && is_link(link)
    {
        (length, link) = (length + 1, left);
    }
    if length <= LONGEST_LEANING {
        return;
    }
    let placeholder =
        || SetExpr::Values(sqlparser::ast::Values { explicit_row: false, value_keyword: false, rows: vec![] });
    let mut operands = Vec::with_capacity(length + 1);
    let mut rest = std::mem::replace(body.as_mut(), placeholder());
    while is_link(&rest) {
        let SetExpr::SetOperation { left, right, .. } = rest else { break };
        operands.push(*right);
        rest = *left;
    }
    operands.push(rest);
    operands.reverse();
    let union = |left, right| SetExpr::SetOperation {
        left: Box::new(left),
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        right: Box::new(right),
    };
    **body = balanced(operands, &union).unwrap_or_else(placeholder);
}

/// A tree over the operands in their order, no deeper than it must be.
fn balanced<T>(mut operands: Vec<T>, join: &dyn Fn(T, T) -> T) -> Option<T> {
    while operands.len() > 1 {
        let mut joined = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        operands = joined;
    }
    operands.pop()
}

fn is_dual(relation: &TableFactor) -> bool {
    let TableFactor::Table { name, alias: None, args: None, .. } = relation else { return false };
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("dual"),
        _ => false,
    }
}
