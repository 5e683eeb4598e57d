//! Deep trees. A tree is cloned, planned, dropped and evaluated by recursion, and a text of a few kilobytes can be
//! thousands of levels deep: it must cost its author an error and not everyone the process. Planning runs on a stack
//! that grows; what would still be deep when it runs, on a compute node's ordinary threads, is refused.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr as LogicalBinary, Expr as LogicalExpr, LogicalPlan, Operator, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, ObjectName, ObjectNamePart, Query, Visit, Visitor};
use datafusion_proto::bytes::physical_plan_to_bytes;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;

use crate::context::PlanContext;
use crate::error::QueryError;
use crate::rewrite::build;

/// Levels that need no more than an ordinary stack.
const SHALLOW: usize = 32;
/// What a subquery counts for: planning one takes much more than planning an expression.
const QUERY_LEVELS: usize = 12;
/// Expressions that optimiser rules may lean to one side on an ordinary stack.
const FEW: usize = 128;
/// Levels that a tree of syntax may have at all.
const DEEPEST_SYNTAX: usize = 5_000;
/// Levels that an expression may have when it runs.
const DEEPEST_EXPRESSION: usize = 600;
/// Nodes above each other that a plan may have.
const DEEPEST_PLAN: usize = 256;

const GROWN: usize = 256 << 20;
const DECODING: usize = 64 << 20;

/// How a statement's planning is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    grow: bool,
}

impl Stack {
    /// The stack that a query needs.
    pub(crate) fn for_query(cx: &PlanContext, query: &Query) -> Result<Stack, QueryError> {
        Stack::for_tree(cx, query, 0)
    }

    /// The stack that a query needs which has this condition.
    pub(crate) fn for_condition(cx: &PlanContext, condition: &Expr) -> Result<Stack, QueryError> {
        Stack::for_tree(cx, condition, QUERY_LEVELS)
    }

    fn for_tree(cx: &PlanContext, tree: &impl Visit, above: usize) -> Result<Stack, QueryError> {
        let mut levels = Levels { cx, now: above, most: above, all: 0, views: false };
        let _ = tree.visit(&mut levels);
        if levels.most > DEEPEST_SYNTAX {
            return Err(too_deep("statement"));
        }
        // What is behind a view is as deep again, and there may be views behind it.
        Ok(Stack { grow: levels.most > SHALLOW || levels.all > FEW || levels.views })
    }

    /// Whether expressions can become deep.
    pub(crate) fn is_deep(self) -> bool {
        self.grow
    }

    /// Runs something on it.
    pub(crate) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        if self.grow { stacker::maybe_grow(GROWN / 2, GROWN, work) } else { work() }
    }

    /// Runs something that waits on it.
    pub(crate) async fn run_async<R>(self, work: impl Future<Output = R>) -> R {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| self.run(|| work.as_mut().poll(cx))).await
    }
}

/// Reads a plan of another node on a stack that is large enough for [`DEEPEST_PLAN`].
pub(crate) fn decoding<R>(work: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(DECODING / 2, DECODING, work)
}

struct Levels<'a> {
    cx: &'a PlanContext,
    now: usize,
    most: usize,
    all: usize,
    /// Whether any name is that of a view.
    views: bool,
}

impl Levels<'_> {
    fn down(&mut self, levels: usize) -> ControlFlow<()> {
        self.now += levels;
        self.all += 1;
        self.most = self.most.max(self.now);
        if self.now > DEEPEST_SYNTAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn up(&mut self, levels: usize) -> ControlFlow<()> {
        self.now -= levels;
        ControlFlow::Continue(())
    }
}

impl Visitor for Levels<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let mut idents = name.0.iter().rev().filter_map(ObjectNamePart::as_ident);
        let (name, database) = (idents.next(), idents.next());
        let database = database.map(|ident| ident.value.as_str()).or(self.cx.database.as_deref());
        let view = database.and_then(|database| self.cx.catalog.database_by_name(database)).zip(name);
        let own_name = |name: &str| runtime_sql::partition_names::split(name).0.to_owned();
        self.views |=
            view.is_some_and(|(at, name)| self.cx.catalog.view_by_name(at.id, &own_name(&name.value)).is_some());
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<()> {
        self.down(1)
    }

    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<()> {
        self.up(1)
    }

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.down(QUERY_LEVELS)
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.up(QUERY_LEVELS)
    }
}

/// `a OR b OR c …` leans to the left, one level an operator. The same terms in the same order as a balanced tree.
pub(crate) fn balance(expr: &mut Expr) {
    let Expr::BinaryOp { op, .. } = expr else { return };
    if !matches!(op, BinaryOperator::Or | BinaryOperator::And) {
        return;
    }
    let op = op.clone();
    let mut terms = Vec::new();
    let mut rest = build::take(expr);
    loop {
        match rest {
            Expr::BinaryOp { left, op: same, right } if same == op => {
                terms.push(*right);
                rest = *left;
            }
            first => {
                terms.push(first);
                break;
            }
        }
    }
    terms.reverse();
    *expr = balanced(&op, terms);
}

fn balanced(op: &BinaryOperator, mut terms: Vec<Expr>) -> Expr {
    if terms.len() < 2 {
        return terms.pop().unwrap_or_else(build::null);
    }
    let right = terms.split_off(terms.len() / 2);
    let (left, right) = (Box::new(balanced(op, terms)), Box::new(balanced(op, right)));
    Expr::BinaryOp { left, op: op.clone(), right }
}

/// The plan with every chain of OR or AND balanced again: optimiser rules lean them to one side, and a plan travels
/// with a hundred levels at most.
pub(crate) fn balance_plan(plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
    let balanced = plan.transform_down_with_subqueries(|node| {
        node.map_expressions(|expr| expr.transform_down(|part| Ok(Transformed::yes(balanced_part(part)))))
    })?;
    Ok(balanced.data)
}

fn balanced_part(expr: LogicalExpr) -> LogicalExpr {
    let op = match &expr {
        LogicalExpr::BinaryExpr(LogicalBinary { op: op @ (Operator::Or | Operator::And), .. }) => *op,
        _ => return expr,
    };
    let mut terms = Vec::new();
    let mut rest = vec![expr];
    while let Some(expr) = rest.pop() {
        match expr {
            LogicalExpr::BinaryExpr(LogicalBinary { left, op: same, right }) if same == op => {
                rest.push(*right);
                rest.push(*left);
            }
            term => terms.push(term),
        }
    }
    tree_of(op, terms)
}

fn tree_of(op: Operator, mut terms: Vec<LogicalExpr>) -> LogicalExpr {
    if terms.len() < 2 {
        return terms.pop().unwrap_or_else(|| lit(true));
    }
    let right = terms.split_off(terms.len() / 2);
    let (left, right) = (Box::new(tree_of(op, terms)), Box::new(tree_of(op, right)));
    LogicalExpr::BinaryExpr(LogicalBinary { left, op, right })
}

/// Refuses a plan that is too deep to run on ordinary threads.
pub(crate) fn check(plan: &Arc<dyn ExecutionPlan>) -> Result<(), QueryError> {
    let mut plans = vec![(plan, 1_usize)];
    while let Some((plan, depth)) = plans.pop() {
        if depth > DEEPEST_PLAN {
            return Err(too_deep("plan"));
        }
        let mut deep = false;
        plan.apply_expressions(&mut |expr| {
            deep |= is_deep(expr);
            Ok(TreeNodeRecursion::Continue)
        })?;
        if deep {
            return Err(too_deep("computation of an expression"));
        }
        plans.extend(plan.children().into_iter().map(|child| (child, depth + 1)));
    }
    Ok(())
}

fn is_deep(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let mut exprs = vec![(expr, 1_usize)];
    while let Some((expr, depth)) = exprs.pop() {
        if depth > DEEPEST_EXPRESSION {
            return true;
        }
        exprs.extend(expr.children().into_iter().map(|child| (child, depth + 1)));
    }
    false
}

/// Whether a plan could travel as well if it had so many levels more.
pub(crate) fn has_room(plan: &Arc<dyn ExecutionPlan>, levels: usize) -> bool {
    let deeper = (0..levels).fold(Arc::clone(plan), |plan, _| Arc::new(CoalescePartitionsExec::new(plan)) as _);
    let bytes = decoding(|| physical_plan_to_bytes(deeper));
    bytes.is_ok_and(|bytes| decoding(|| PhysicalPlanNode::try_decode(&bytes)).is_ok())
}

/// The error of everything here.
pub(crate) fn too_deep(what: &str) -> QueryError {
    QueryError::analyzing(format!("the {what} is nested too deep"))
}
