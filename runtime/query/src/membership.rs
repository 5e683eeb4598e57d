//! IN over a query, ANY and ALL: true, false or NULL, as SQL has it. The engine makes joins of IN which know only whether a
//! member is equal: what they find is right where nothing but the truth of IN is asked, and its own NOT IN is right for some
//! shapes only. Those stay as they are; everything else is said here in other words, exactly, or refused.
//!
//! ```text
//!   x op ANY (query), asked at some place of an expression
//!     ├── only whether it is true, a whole condition ────────── as it is: a join
//!     ├── only whether it is false, a whole condition ───────── as it is: a join that minds NULL
//!     ├── only whether it is true, within others ────────────── EXISTS: a join that marks
//!     ├── the query depends on no row outside of it ─────────── any(x, (sorted list of its members))
//!     ├── it gives exactly one row ──────────────────────────── x op (query)
//!     └── it depends on the row outside ─────────────────────── EXISTS, once or, for all three answers, twice
//! ```

mod correlation;
mod words;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Case, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, Subquery, not};
use datafusion::optimizer::AnalyzerRule;

use crate::error::QueryError;
use correlation::{columns_outside, is_steady, is_whole_aggregate, pulls_up};

/// See the room's words above. Types are given already.
#[derive(Debug)]
pub(crate) struct Membership;

impl AnalyzerRule for Membership {
    fn name(&self) -> &str {
        "three_valued_membership"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                found |= mentions_members(expr)?;
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if !found {
            return Ok(plan);
        }
        // Answers can be NULL that could not be before, so every schema above is made anew.
        plan.transform_up_with_subqueries(node)?.data.recompute_schema()
    }
}

fn mentions_members(expr: &Expr) -> Result<bool> {
    expr.exists(|part| Ok(matches!(part, Expr::InSubquery(_) | Expr::SetComparison(_))))
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let scope = Scope {
        schema: merge_schema(&plan.inputs()),
        is_filter: matches!(plan, LogicalPlan::Filter(_)),
        is_projection: matches!(plan, LogicalPlan::Projection(_)),
    };
    let names = NamePreserver::new(&plan);
    let done = plan.map_expressions(|expr| {
        if !mentions_members(&expr)? {
            return Ok(Transformed::no(expr));
        }
        let name = names.save(&expr);
        let asked = if scope.is_filter { Asked::CONDITION } else { Asked::VALUE };
        Ok(Transformed::yes(name.restore(scope.rewrite(expr, asked)?)))
    })?;
    Ok(Transformed::yes(done.data.recompute_schema()?))
}

/// What a place in an expression wants to know of what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Whether it is true.
    Truth,
    /// Whether it is false.
    Falsehood,
    /// All of it.
    Value,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    need: Need,
    /// Nothing but AND stands above it in the condition of a filter.
    alone: bool,
}

impl Asked {
    const CONDITION: Asked = Asked { need: Need::Truth, alone: true };
    const VALUE: Asked = Asked { need: Need::Value, alone: false };

    const fn within(need: Need) -> Asked {
        Asked { need, ..Asked::VALUE }
    }

    fn beside_others(self) -> Asked {
        Asked { alone: false, ..self }
    }

    fn negated(self) -> Asked {
        let need = match self.need {
            Need::Truth => Need::Falsehood,
            Need::Falsehood => Need::Truth,
            Need::Value => Need::Value,
        };
        Asked { need, ..self.beside_others() }
    }
}

/// `x op ANY (query)`, or with NOT before it. IN is `= ANY`.
#[derive(Clone, Debug)]
struct Quantified {
    subject: Expr,
    op: Operator,
    query: Subquery,
    negated: bool,
}

impl Quantified {
    fn of(expr: Expr) -> Result<Quantified> {
        match expr {
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                Ok(Quantified { subject: *expr, op: Operator::Eq, query: subquery, negated })
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                // x < ALL: not x >= ANY.
                let negated = quantifier == SetQuantifier::All;
                let op = if negated { op.negate() } else { Some(op) };
                let op = op.ok_or_else(|| QueryError::analyzing("not supported: this operator with ANY or ALL"))?;
                Ok(Quantified { subject: *expr, op, query: subquery, negated })
            }
            other => Err(QueryError::internal(format!("{other} is no IN over a query")).into()),
        }
    }

    fn signed(&self, expr: Expr) -> Expr {
        if self.negated { not(expr) } else { expr }
    }

    /// For the engine to make a join of.
    fn unchanged(self) -> Expr {
        Expr::InSubquery(InSubquery::new(Box::new(self.subject), self.query, self.negated))
    }
}

/// What of a subject decides where it can be moved.
struct Subject {
    has_columns: bool,
    /// Parts that belong where they stand: columns of a row further outside, queries, and what is another thing each time.
    is_bound: bool,
    /// Whether the engine could see from its columns alone that it can be NULL.
    seen_nullable: bool,
    nullable: bool,
}

/// A node of a plan, around an expression of it.
struct Scope {
    schema: DFSchema,
    is_filter: bool,
    is_projection: bool,
}

impl Scope {
    fn rewrite(&self, expr: Expr, asked: Asked) -> Result<Expr> {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let asked = if op == Operator::And { asked } else { asked.beside_others() };
                let (left, right) = (self.rewrite(*left, asked)?, self.rewrite(*right, asked)?);
                Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
            }
            Expr::Not(inner) if matches!(*inner, Expr::InSubquery(_) | Expr::SetComparison(_)) => {
                let found = Quantified::of(*inner)?;
                self.quantified(Quantified { negated: !found.negated, ..found }, asked)?
            }
            Expr::Not(inner) => Expr::Not(Box::new(self.rewrite(*inner, asked.negated())?)),
            Expr::IsTrue(inner) => Expr::IsTrue(Box::new(self.rewrite(*inner, Asked::within(Need::Truth))?)),
            Expr::IsNotTrue(inner) => Expr::IsNotTrue(Box::new(self.rewrite(*inner, Asked::within(Need::Truth))?)),
            Expr::IsFalse(inner) => Expr::IsFalse(Box::new(self.rewrite(*inner, Asked::within(Need::Falsehood))?)),
            Expr::IsNotFalse(inner) => {
                Expr::IsNotFalse(Box::new(self.rewrite(*inner, Asked::within(Need::Falsehood))?))
            }
            Expr::Case(Case { expr: None, when_then_expr, else_expr }) => {
                let branch = |(when, then): (Box<Expr>, Box<Expr>)| {
                    let when = self.rewrite(*when, Asked::within(Need::Truth))?;
                    Ok((Box::new(when), Box::new(self.rewrite(*then, Asked::VALUE)?)))
                };
                let branches = when_then_expr.into_iter().map(branch).collect::<Result<_>>()?;
                let last = else_expr.map(|last| self.rewrite(*last, Asked::VALUE)).transpose()?;
                Expr::Case(Case::new(None, branches, last.map(Box::new)))
            }
            found @ (Expr::InSubquery(_) | Expr::SetComparison(_)) => self.quantified(Quantified::of(found)?, asked)?,
            other => other.map_children(|part| Ok(Transformed::yes(self.rewrite(part, Asked::VALUE)?)))?.data,
        })
    }

    fn quantified(&self, mut found: Quantified, asked: Asked) -> Result<Expr> {
        found.subject = self.rewrite(found.subject, Asked::VALUE)?;
        let outside = columns_outside(&found.query.subquery)?;
        let subject = self.subject(&found.subject)?;
        if outside.is_empty() {
            self.of_a_fixed_query(found, &subject, asked)
        } else {
            if outside.iter().any(|column| !self.schema.has_column(column)) {
                return Err(refused());
            }
            self.of_a_query_of_the_row(found, &subject, asked)
        }
    }

    fn of_a_fixed_query(&self, found: Quantified, subject: &Subject, asked: Asked) -> Result<Expr> {
        let member_nullable = found.query.subquery.schema().field(0).is_nullable();
        let asks_truth = asked.need == if found.negated { Need::Falsehood } else { Need::Truth };
        let never_null = !subject.nullable && !member_nullable;
        let engine_minds_null = found.negated && subject.has_columns && (subject.seen_nullable || member_nullable);
        let engine_is_right = asked.alone && (asks_truth || never_null || engine_minds_null);
        if self.is_filter && found.op == Operator::Eq && !subject.is_bound && engine_is_right {
            return Ok(found.unchanged());
        }
        if self.is_filter && (asks_truth || never_null) && !subject.is_bound && subject.has_columns {
            return Ok(found.signed(words::exists(&found, &self.schema, words::Kept::True)?));
        }
        Ok(found.signed(words::any_of_list(&found)?))
    }

    fn of_a_query_of_the_row(&self, found: Quantified, subject: &Subject, asked: Asked) -> Result<Expr> {
        let plan = found.query.subquery.as_ref();
        if (self.is_filter || self.is_projection) && is_whole_aggregate(plan)? {
            return Ok(found.signed(words::comparison(found.subject.clone(), found.op, found.query.clone())));
        }
        if self.is_filter && !subject.is_bound && pulls_up(plan, false)? {
            let asks_truth = asked.need == if found.negated { Need::Falsehood } else { Need::Truth };
            if asks_truth && asked.alone && found.op == Operator::Eq {
                return Ok(found.unchanged());
            }
            let exists = |kept| words::exists(&found, &self.schema, kept);
            if asks_truth || !(subject.nullable || plan.schema().field(0).is_nullable()) {
                return Ok(found.signed(exists(words::Kept::True)?));
            }
            if asked.need != Need::Value {
                return Ok(found.signed(exists(words::Kept::NotFalse)?));
            }
            if is_steady(plan)? {
                return Ok(
                    found.signed(words::three_answers(exists(words::Kept::True)?, exists(words::Kept::Unknown)?))
                );
            }
        }
        if (self.is_filter || self.is_projection) && pulls_up(plan, true)? {
            return Ok(found.signed(words::any_of_list(&found)?));
        }
        Err(refused())
    }

    fn subject(&self, expr: &Expr) -> Result<Subject> {
        let mut columns: Vec<Column> = Vec::new();
        let is_bound = expr.exists(|part| {
            if let Expr::Column(column) = part {
                columns.push(column.clone());
            }
            Ok(part.is_volatile_node()
                || matches!(
                    part,
                    Expr::OuterReferenceColumn(..)
                        | Expr::Exists(_)
                        | Expr::InSubquery(_)
                        | Expr::SetComparison(_)
                        | Expr::ScalarSubquery(_)
                ))
        })?;
        let mut seen_nullable = false;
        for column in &columns {
            seen_nullable |= self.schema.field_from_column(column)?.is_nullable();
        }
        Ok(Subject {
            has_columns: !columns.is_empty(),
            is_bound,
            seen_nullable,
            nullable: expr.nullable(&self.schema)?,
        })
    }
}

fn refused() -> datafusion::error::DataFusionError {
    let what = "not supported: IN, ANY or ALL, at this place, over a query that refers to columns outside of it in this way; \
                say EXISTS or NOT EXISTS, or join";
    QueryError::analyzing(what).into()
}
