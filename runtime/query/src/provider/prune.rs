//! Which partitions and buckets can hold rows that a filter lets through. Everything here may keep too much and never
//! too little: what is not understood keeps everything.

pub(crate) mod list;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType as ArrowType, SchemaRef, TimeUnit};
use datafusion::catalog::Session;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use storage_model::{Bound, Column, Partition, Partitioning, Table, Value};

use crate::error::QueryError;
use crate::types;

const MICROS_A_DAY: i128 = 86_400_000_000;
/// More combinations of constants than this are not hashed.
const MOST_POINTS: usize = 4096;

/// The partitions that can hold a row which passes all filters. `schema`: the columns that filters are over.
pub(crate) fn partitions<'a>(
    state: &dyn Session,
    table: &Table,
    schema: &SchemaRef,
    mut partitions: Vec<&'a Arc<Partition>>,
    filters: &[Expr],
) -> Vec<&'a Arc<Partition>> {
    if filters.is_empty() {
        return partitions;
    }
    if let Partitioning::List { keys, .. } = &table.partitioning {
        return list::partitions(state, table, keys, schema, partitions, filters);
    }
    let Some((subject, columns)) = first_subject(table) else { return partitions };
    partitions.retain(|partition| {
        let span = Span::of(partition, columns);
        filters.iter().all(|filter| span.may_match(filter, &subject))
    });
    partitions
}

/// Whether every row that a partition of ranges can hold passes the filter.
pub(crate) fn all_match(table: &Table, partition: &Partition, filter: &Expr) -> bool {
    let Some((subject, columns)) = first_subject(table) else { return false };
    Span::of(partition, columns).must_match(filter, &subject)
}

/// The first partition column of a table of ranges, and how many there are.
fn first_subject(table: &Table) -> Option<(Subject, usize)> {
    let positions = table.partition_positions();
    let column = &table.schema.columns[*positions.first()?];
    Some((Subject::of(column), positions.len()))
}

/// The first partition column.
struct Subject {
    name: String,
    /// DATE or DATETIME: on the axis in microseconds, which only casts between the two keep.
    is_time: bool,
}

impl Subject {
    fn of(column: &Column) -> Subject {
        Subject { name: types::plan_name(&column.name), is_time: !column.data_type.is_integer() }
    }
}

/// The values that the first partition column takes in a partition, on one axis: whole numbers, or microseconds.
struct Span {
    /// Included; None: no lower end, and NULL is in it.
    lower: Option<i128>,
    upper: Option<i128>,
    /// Whether `upper` itself is in it: so when more columns follow.
    upper_included: bool,
    /// Whether rows are in it that have NULL in a later column, whatever they have in the first.
    takes_nulls: bool,
}

impl Span {
    fn of(partition: &Partition, columns: usize) -> Span {
        let first = |bound: &Bound| match bound {
            Bound::At(values) => values.first().and_then(axis_of_value),
            _ => None,
        };
        Span {
            lower: first(&partition.range.lower),
            upper: first(&partition.range.upper),
            upper_included: columns > 1,
            takes_nulls: columns > 1 && partition.range.lower == Bound::Min,
        }
    }

    /// Whether every value in it passes the filter, and NULL too where it is in it. False where that is not understood.
    fn must_match(&self, filter: &Expr, column: &Subject) -> bool {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.must_match(left, column) && self.must_match(right, column)
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                self.must_match(left, column) || self.must_match(right, column)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let (true, Some(Constant::At(value))) = (is_column(left, column), constant(right)) {
                    self.is_all(*op, value)
                } else if let (Some(Constant::At(value)), true, Some(op)) =
                    (constant(left), is_column(right, column), op.swap())
                {
                    self.is_all(op, value)
                } else {
                    false
                }
            }
            Expr::Between(between) if !between.negated && is_column(&between.expr, column) => {
                let side = |op, bound: &Expr| matches!(constant(bound), Some(Constant::At(at)) if self.is_all(op, at));
                side(Operator::GtEq, &between.low) && side(Operator::LtEq, &between.high)
            }
            Expr::IsNotNull(inner) => is_itself(inner, column) && self.lower.is_some(),
            Expr::Literal(ScalarValue::Boolean(Some(true)), _) => true,
            _ => false,
        }
    }

    /// Whether `x op value` is true of all in it. Where it has no lower end, NULL is in it, of which nothing is true.
    fn is_all(&self, op: Operator, value: i128) -> bool {
        let Some(lower) = self.lower else { return false };
        let last = self.upper.map(|upper| if self.upper_included { upper } else { upper - 1 });
        match op {
            Operator::GtEq => lower >= value,
            Operator::Gt => lower > value,
            Operator::Lt => last.is_some_and(|last| last < value),
            Operator::LtEq => last.is_some_and(|last| last <= value),
            Operator::Eq => lower == value && last == Some(value),
            Operator::NotEq => value < lower || last.is_some_and(|last| last < value),
            _ => false,
        }
    }

    fn may_match(&self, filter: &Expr, column: &Subject) -> bool {
        if self.takes_nulls {
            return true;
        }
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.may_match(left, column) && self.may_match(right, column)
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                self.may_match(left, column) || self.may_match(right, column)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let (true, Some(value)) = (is_column(left, column), constant(right)) {
                    self.compares(*op, value)
                } else if let (Some(value), true, Some(op)) = (constant(left), is_column(right, column), op.swap()) {
                    self.compares(op, value)
                } else {
                    true
                }
            }
            Expr::Between(between) if !between.negated && is_column(&between.expr, column) => {
                let side = |op, bound: &Expr| constant(bound).is_none_or(|value| self.compares(op, value));
                side(Operator::GtEq, &between.low) && side(Operator::LtEq, &between.high)
            }
            Expr::InList(list) if !list.negated && is_column(&list.expr, column) => {
                list.list.iter().any(|value| constant(value).is_none_or(|value| self.compares(Operator::Eq, value)))
            }
            Expr::IsNull(inner) if is_itself(inner, column) => self.lower.is_none(),
            Expr::Literal(ScalarValue::Boolean(Some(false)), _) => false,
            _ => true,
        }
    }

    fn compares(&self, op: Operator, constant: Constant) -> bool {
        let value = match constant {
            // A comparison with NULL lets nothing through.
            Constant::Null => return matches!(op, Operator::IsNotDistinctFrom | Operator::IsDistinctFrom),
            Constant::Unknown => return true,
            Constant::At(value) => value,
        };
        let above = || self.upper.is_none_or(|upper| value < upper || (self.upper_included && value == upper));
        let below = || self.lower.is_none_or(|lower| lower <= value);
        match op {
            Operator::Eq | Operator::IsNotDistinctFrom => below() && above(),
            Operator::Lt => self.lower.is_none_or(|lower| lower < value),
            Operator::LtEq => below(),
            // The largest value in it is just under `upper`, or `upper`.
            Operator::Gt => {
                self.upper.is_none_or(|upper| if self.upper_included { value < upper } else { value + 1 < upper })
            }
            Operator::GtEq => above(),
            _ => true,
        }
    }
}

/// A constant on the axis of a partition column.
#[derive(Clone, Copy)]
enum Constant {
    Null,
    At(i128),
    /// A constant, but not on the axis.
    Unknown,
}

fn axis_of_value(value: &Value) -> Option<i128> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Date(days) => Some(i128::from(*days) * MICROS_A_DAY),
        Value::DateTime(micros) => Some(i128::from(*micros)),
        // Above everything, like no bound at all.
        Value::Max | Value::Text(_) => None,
    }
}

/// The column and nothing else: a cast can be NULL where the value is not.
fn is_itself(expr: &Expr, column: &Subject) -> bool {
    matches!(expr, Expr::Column(found) if found.name == column.name)
}

/// The column, or a cast of it that keeps every value in its place on the axis.
fn is_column(expr: &Expr, column: &Subject) -> bool {
    let mut expr = expr;
    loop {
        let (inner, target) = match expr {
            Expr::Column(found) => return found.name == column.name,
            Expr::Cast(cast) => (&cast.expr, cast.field.data_type()),
            Expr::TryCast(cast) => (&cast.expr, cast.field.data_type()),
            _ => return false,
        };
        let keeps = match target {
            ArrowType::Int64 | ArrowType::Decimal128(_, 0) | ArrowType::Decimal256(_, 0) => !column.is_time,
            ArrowType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None) => column.is_time,
            _ => false,
        };
        if !keeps {
            return false;
        }
        expr = inner;
    }
}

fn constant(expr: &Expr) -> Option<Constant> {
    let Expr::Literal(value, _) = expr else { return None };
    if value.is_null() {
        return Some(Constant::Null);
    }
    let at = match value {
        ScalarValue::Int8(Some(v)) => Some((*v).into()),
        ScalarValue::Int16(Some(v)) => Some((*v).into()),
        ScalarValue::Int32(Some(v)) => Some((*v).into()),
        ScalarValue::Int64(Some(v)) => Some((*v).into()),
        ScalarValue::UInt8(Some(v)) => Some((*v).into()),
        ScalarValue::UInt16(Some(v)) => Some((*v).into()),
        ScalarValue::UInt32(Some(v)) => Some((*v).into()),
        ScalarValue::UInt64(Some(v)) => Some((*v).into()),
        ScalarValue::Decimal128(Some(v), _, 0) => Some(*v),
        ScalarValue::Decimal256(Some(v), _, 0) => v.to_i128(),
        ScalarValue::Date32(Some(v)) => Some(i128::from(*v) * MICROS_A_DAY),
        ScalarValue::TimestampSecond(Some(v), None) => Some(i128::from(*v) * 1_000_000),
        ScalarValue::TimestampMillisecond(Some(v), None) => Some(i128::from(*v) * 1000),
        ScalarValue::TimestampMicrosecond(Some(v), None) => Some((*v).into()),
        ScalarValue::TimestampNanosecond(Some(v), None) if v % 1000 == 0 => Some(i128::from(v / 1000)),
        _ => None,
    };
    Some(at.map_or(Constant::Unknown, Constant::At))
}

/// The values that filters leave to the distribution columns of a table.
pub(crate) struct Buckets {
    /// One array a distribution column: together the points, row by row. None: all.
    points: Option<Vec<ArrayRef>>,
}

impl Buckets {
    pub(crate) fn new(table: &Table, filters: &[Expr]) -> Buckets {
        Buckets { points: points(table, filters) }
    }

    /// The buckets of a partition that can hold rows; None: all of them.
    pub(crate) fn selected(&self, buckets: u32) -> Result<Option<BTreeSet<u32>>, QueryError> {
        let Some(points) = &self.points else { return Ok(None) };
        if points.first().is_none_or(|column| column.is_empty()) {
            return Ok(Some(BTreeSet::new()));
        }
        let found = storage_tablet::bucket_of(points, buckets);
        let found = found.map_err(|e| QueryError::internal(format!("buckets of constants: {e}")))?;
        Ok(Some(found.into_iter().collect()))
    }
}

fn points(table: &Table, filters: &[Expr]) -> Option<Vec<ArrayRef>> {
    let positions = table.distribution_positions();
    if positions.is_empty() {
        return None;
    }
    let conjuncts: Vec<&Expr> = filters.iter().flat_map(split_conjunction).collect();
    let mut choices: Vec<Vec<ScalarValue>> = Vec::with_capacity(positions.len());
    for position in positions {
        let column = &table.schema.columns[position];
        let (name, target) = (types::plan_name(&column.name), types::arrow_type(&column.data_type));
        let values = conjuncts.iter().find_map(|filter| equal_to(filter, &name, &target))?;
        choices.push(values);
    }
    let total = choices.iter().try_fold(1_usize, |n, c| n.checked_mul(c.len())).filter(|n| *n <= MOST_POINTS)?;
    let mut columns = Vec::with_capacity(choices.len());
    let mut repeat = total;
    for values in &choices {
        // Column by column the counter of a mixed-radix number: every combination once.
        repeat /= values.len().max(1);
        let at = |row: usize| values[row / repeat.max(1) % values.len()].clone();
        if total == 0 {
            return Some(vec![ScalarValue::Null.to_array_of_size(0).ok()?]);
        }
        columns.push(ScalarValue::iter_to_array((0..total).map(at)).ok()?);
    }
    Some(columns)
}

/// The only values that a column can have where a filter is true.
fn equal_to(filter: &Expr, column: &str, target: &ArrowType) -> Option<Vec<ScalarValue>> {
    let named = |expr: &Expr| matches!(expr, Expr::Column(found) if found.name == column);
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let value = if named(left) {
                right
            } else if named(right) {
                left
            } else {
                return None;
            };
            Some(exact(value, target)?.into_iter().collect())
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut values = equal_to(left, column, target)?;
            values.extend(equal_to(right, column, target)?);
            Some(values)
        }
        Expr::InList(list) if !list.negated && named(&list.expr) => {
            let values = list.list.iter().map(|value| exact(value, target)).collect::<Option<Vec<_>>>()?;
            Some(values.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// A constant as the column holds it: `Some(None)` when no row can be equal to it, None when that is not known.
fn exact(expr: &Expr, target: &ArrowType) -> Option<Option<ScalarValue>> {
    let Expr::Literal(value, _) = expr else { return None };
    if value.is_null() {
        return Some(None);
    }
    if &value.data_type() == target {
        return Some(Some(value.clone()));
    }
    let text = |t: &ArrowType| matches!(t, ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View);
    // Texts against numbers are compared in ways that a cast does not tell.
    if text(&value.data_type()) != text(target) {
        return None;
    }
    let cast = value.cast_to(target).ok()?;
    let back = cast.cast_to(&value.data_type()).ok()?;
    (back == *value).then_some(Some(cast))
}
