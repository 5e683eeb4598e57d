//! Which partition takes a row: a sorted list of ranges and a binary search, or a table of listed values. NULL goes to the
//! partition that has no lower bound or that lists it, as `PartitionRange::contains` says.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal256Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use storage_model::{Bound, PartitionRange, PartitionValues, Partitioning, Step, Value};

use crate::error::TabletError;

/// For each of `rows` rows the position of the range that takes it, None when none does. `columns` are the partition
/// columns in their storage types; an unpartitioned table has none.
pub fn partition_of(
    columns: &[ArrayRef],
    rows: usize,
    ranges: &[PartitionRange],
) -> Result<Vec<Option<u32>>, TabletError> {
    Ranges::new(ranges, columns.len())?.route(columns, rows)
}

/// The partitions of a table, ready to be searched.
#[derive(Debug)]
pub(crate) enum Router {
    Ranges(Ranges),
    Lists(Lists),
}

impl Router {
    pub fn new(partitioning: &Partitioning, ranges: &[PartitionRange]) -> Result<Router, TabletError> {
        let steps = partitioning.steps();
        Ok(match partitioning.is_list() {
            true => Router::Lists(Lists::new(ranges, steps)?),
            false => Router::Ranges(Ranges::new(ranges, steps.len())?),
        })
    }

    pub fn route(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>, TabletError> {
        match self {
            Router::Ranges(ranges) => ranges.route(columns, rows),
            Router::Lists(lists) => lists.route(columns, rows),
        }
    }
}

/// What the partition columns of a row hold, each as the beginning of its step.
pub(crate) fn values_at(
    columns: &[ArrayRef],
    steps: &[Option<Step>],
    row: usize,
) -> Result<PartitionValues, TabletError> {
    let value = |(column, step): (&ArrayRef, &Option<Step>)| {
        let value = value_at(column, row)?;
        Ok(match (step, value) {
            (Some(step), Some(value)) => Some(step.floor(&value)),
            (_, value) => value,
        })
    };
    columns.iter().zip(steps).map(value).collect()
}

/// Listed values and where they go.
#[derive(Debug)]
pub(crate) struct Lists {
    positions: HashMap<PartitionValues, u32>,
    steps: Vec<Option<Step>>,
}

impl Lists {
    fn new(ranges: &[PartitionRange], steps: Vec<Option<Step>>) -> Result<Lists, TabletError> {
        let mut positions = HashMap::new();
        for (position, range) in (0_u32..).zip(ranges) {
            for values in &range.values {
                if values.len() != steps.len() {
                    let (found, wanted) = (values.len(), steps.len());
                    return Err(TabletError::invalid(format!("{found} listed values for {wanted} partition columns")));
                }
                if positions.insert(values.clone(), position).is_some() {
                    return Err(TabletError::invalid("partitions list the same values"));
                }
            }
        }
        Ok(Lists { positions, steps })
    }

    fn route(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>, TabletError> {
        let mut found = Vec::with_capacity(rows);
        for row in 0..rows {
            let values = values_at(columns, &self.steps, row)?;
            found.push(self.positions.get(&values).copied());
        }
        Ok(found)
    }
}

/// A part of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    At(i128),
    /// MAXVALUE.
    Above,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    Min,
    At(Vec<Part>),
    Max,
}

#[derive(Debug)]
struct Range {
    lower: Edge,
    upper: Edge,
    position: u32,
}

/// The ranges of a table.
#[derive(Debug)]
pub(crate) struct Ranges {
    /// In order of their lower bounds.
    ranges: Vec<Range>,
    /// The range without lower bound.
    null: Option<u32>,
}

impl Ranges {
    pub fn new(ranges: &[PartitionRange], columns: usize) -> Result<Ranges, TabletError> {
        let mut sorted = Vec::with_capacity(ranges.len());
        for (position, range) in (0_u32..).zip(ranges) {
            if range.is_empty() {
                continue;
            }
            sorted.push(Range { lower: edge(&range.lower, columns)?, upper: edge(&range.upper, columns)?, position });
        }
        sorted.sort_by(|a, b| a.lower.cmp(&b.lower));
        if sorted.windows(2).any(|pair| pair[0].upper > pair[1].lower) {
            return Err(TabletError::invalid("partition ranges overlap"));
        }
        let null = sorted.first().filter(|range| range.lower == Edge::Min).map(|range| range.position);
        Ok(Ranges { ranges: sorted, null })
    }

    pub fn route(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>, TabletError> {
        let keys: Vec<Vec<Option<i128>>> = columns.iter().map(numbers).collect::<Result<_, _>>()?;
        if let Some(short) = keys.iter().find(|column| column.len() != rows) {
            return Err(TabletError::invalid(format!("{} partition values for {rows} rows", short.len())));
        }
        let mut found = Vec::with_capacity(rows);
        let mut point = Edge::At(Vec::with_capacity(columns.len()));
        let mut last = 0;
        for row in 0..rows {
            if !fill(&mut point, &keys, row) {
                found.push(self.null);
                continue;
            }
            // Rows of one range tend to come together.
            if !self.ranges.get(last).is_some_and(|range| range.lower <= point && point < range.upper) {
                last = self.ranges.partition_point(|range| range.lower <= point).saturating_sub(1);
            }
            let range = self.ranges.get(last).filter(|range| range.lower <= point && point < range.upper);
            found.push(range.map(|range| range.position));
        }
        Ok(found)
    }
}

/// Sets the values of a row; false when one of them is NULL.
fn fill(point: &mut Edge, keys: &[Vec<Option<i128>>], row: usize) -> bool {
    let Edge::At(values) = point else { return false };
    values.clear();
    values.extend(keys.iter().map_while(|column| column[row]).map(Part::At));
    values.len() == keys.len()
}

fn edge(bound: &Bound, columns: usize) -> Result<Edge, TabletError> {
    match bound {
        Bound::Min => Ok(Edge::Min),
        Bound::Max => Ok(Edge::Max),
        Bound::At(values) if values.is_empty() || values.len() > columns => {
            Err(TabletError::invalid(format!("a bound of {} values for {columns} partition columns", values.len())))
        }
        Bound::At(values) => values.iter().map(part).collect::<Result<_, _>>().map(Edge::At),
    }
}

fn part(value: &Value) -> Result<Part, TabletError> {
    match value {
        Value::Integer(number) => Ok(Part::At(*number)),
        Value::Date(days) => Ok(Part::At(i128::from(*days))),
        Value::DateTime(micros) => Ok(Part::At(i128::from(*micros))),
        Value::Max => Ok(Part::Above),
        Value::Text(text) => Err(TabletError::invalid(format!("the bound '{text}' of a range is a text"))),
    }
}

fn numbers(array: &ArrayRef) -> Result<Vec<Option<i128>>, TabletError> {
    match array.data_type() {
        ArrowType::Int8 => Ok(widen::<Int8Type>(array)),
        ArrowType::Int16 => Ok(widen::<Int16Type>(array)),
        ArrowType::Int32 => Ok(widen::<Int32Type>(array)),
        ArrowType::Int64 => Ok(widen::<Int64Type>(array)),
        ArrowType::Date32 => Ok(widen::<Date32Type>(array)),
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => Ok(widen::<TimestampMicrosecondType>(array)),
        ArrowType::Decimal256(_, 0) => {
            let values = array.as_primitive::<Decimal256Type>().iter();
            values
                .map(|value| match value {
                    None => Ok(None),
                    Some(value) => {
                        value.to_i128().map(Some).ok_or_else(|| TabletError::invalid(format!("{value} is no LARGEINT")))
                    }
                })
                .collect()
        }
        other => Err(TabletError::invalid(format!("a column of type {other} cannot partition a table by range"))),
    }
}

fn widen<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<Option<i128>>
where
    T::Native: Into<i128>,
{
    array.as_primitive::<T>().iter().map(|value| value.map(Into::into)).collect()
}

fn value_at(array: &ArrayRef, row: usize) -> Result<Option<Value>, TabletError> {
    if array.is_null(row) {
        return Ok(None);
    }
    let value = match array.data_type() {
        ArrowType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        ArrowType::Boolean => Value::Integer(array.as_boolean().value(row).into()),
        ArrowType::Date32 => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => {
            Value::DateTime(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        _ => {
            let number = numbers(&array.slice(row, 1))?.into_iter().flatten().next();
            Value::Integer(number.ok_or_else(|| TabletError::invalid("a number is NULL that is not"))?)
        }
    };
    Ok(Some(value))
}

#[cfg(test)]
mod tests;
