//! Operators that MySQL reads differently from DataFusion: `/` divides into a fraction, division by zero is NULL,
//! `||` is OR, `DIV` divides into a whole number, `XOR` is logical.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::expr_fn::{nullif, trunc};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit, not};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::coerce;
use crate::functions::truth::condition;
use crate::functions::{self, TRUTH};

/// See the room's words above.
#[derive(Debug)]
pub(crate) struct MySqlOperators;

impl ExprPlanner for MySqlOperators {
    fn plan_binary_op(&self, raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = raw;
        let planned = match op {
            BinaryOperator::Divide => divide(left, right, schema)?,
            BinaryOperator::Modulo => {
                let right = not_zero(right, schema)?;
                binary(numeric(left, schema)?, Operator::Modulo, right)
            }
            BinaryOperator::MyIntegerDivide | BinaryOperator::DuckIntegerDivide => integer_divide(left, right, schema)?,
            BinaryOperator::StringConcat => binary(truth(left, schema)?, Operator::Or, truth(right, schema)?),
            BinaryOperator::Xor => {
                let (left, right) = (truth(left, schema)?, truth(right, schema)?);
                let one = binary(left.clone(), Operator::And, not(right.clone()));
                let other = binary(not(left), Operator::And, right);
                binary(one, Operator::Or, other)
            }
            BinaryOperator::And => binary(truth(left, schema)?, Operator::And, truth(right, schema)?),
            BinaryOperator::Or => binary(truth(left, schema)?, Operator::Or, truth(right, schema)?),
            op @ (BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply) => {
                let operator = match op {
                    BinaryOperator::Plus => Operator::Plus,
                    BinaryOperator::Minus => Operator::Minus,
                    _ => Operator::Multiply,
                };
                binary(wide(left, schema)?, operator, wide(right, schema)?)
            }
            op => {
                let (mut left, mut right) = (left, right);
                return Ok(match comparison(&op) {
                    Some(operator) if coerce::unify(&mut [&mut left, &mut right], schema) => {
                        PlannerResult::Planned(binary(left, operator, right))
                    }
                    _ => PlannerResult::Original(RawBinaryExpr { op, left, right }),
                });
            }
        };
        Ok(PlannerResult::Planned(planned))
    }
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::Spaceship => Operator::IsNotDistinctFrom,
        _ => return None,
    })
}

/// `+`, `-` and `*` of whole numbers are computed in 64 bits, so that two INTs do not wrap.
fn wide(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let expr = numeric(expr, schema)?;
    let narrow = matches!(
        expr.get_type(schema)?,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32
    );
    Ok(if narrow { cast(expr, DataType::Int64) } else { expr })
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// Texts and booleans count as numbers.
fn numeric(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(match expr.get_type(schema)? {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => cast(expr, DataType::Float64),
        DataType::Boolean => cast(expr, DataType::Int8),
        _ => expr,
    })
}

/// Numbers and texts count as conditions.
fn truth(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let data_type = expr.get_type(schema)?;
    if data_type.is_null() {
        return Ok(cast(expr, DataType::Boolean));
    }
    Ok(match condition(&expr, &data_type) {
        Some(condition) => condition,
        None => match functions::own(TRUTH) {
            Some(truth) => truth.call(vec![expr]),
            None => expr,
        },
    })
}

fn not_zero(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let expr = numeric(expr, schema)?;
    if let Expr::Literal(value, _) = &expr
        && !value.is_null()
        && ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| &zero != value)
    {
        return Ok(expr);
    }
    let data_type = expr.get_type(schema)?;
    if !data_type.is_numeric() {
        return Ok(expr);
    }
    let zero = Expr::Literal(ScalarValue::new_zero(&data_type)?, None);
    Ok(nullif(expr, zero))
}

fn divide(left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let left = numeric(left, schema)?;
    let right = not_zero(right, schema)?;
    let whole = |e: &Expr| e.get_type(schema).map(|t| t.is_integer() || t.is_null());
    if whole(&left)? && whole(&right)? {
        return Ok(binary(cast(left, DataType::Float64), Operator::Divide, cast(right, DataType::Float64)));
    }
    Ok(binary(left, Operator::Divide, right))
}

fn integer_divide(left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let left = numeric(left, schema)?;
    let right = not_zero(right, schema)?;
    let whole = |e: &Expr| e.get_type(schema).map(|t| t.is_integer() || t.is_null());
    if whole(&left)? && whole(&right)? {
        return Ok(binary(left, Operator::Divide, right));
    }
    let quotient = binary(cast(left, DataType::Float64), Operator::Divide, cast(right, DataType::Float64));
    Ok(cast(trunc(vec![quotient, lit(0_i64)]), DataType::Int64))
}
