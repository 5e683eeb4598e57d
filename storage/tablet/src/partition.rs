//! Which partition takes a row: a sorted list of ranges and a binary search. NULL goes to the partition that has no
//! lower bound, as `PartitionRange::contains` says.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal256Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use storage_model::{Bound, PartitionRange, Value};

use crate::error::TabletError;

/// For each of `rows` rows the position of the range that takes it, None when none does. `columns` are the partition
/// columns in their storage types; an unpartitioned table has none.
pub fn partition_of(
    columns: &[ArrayRef],
    rows: usize,
    ranges: &[PartitionRange],
) -> Result<Vec<Option<u32>>, TabletError> {
    Router::new(ranges, columns.len())?.route(columns, rows)
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    Min,
    At(Vec<i128>),
    Max,
}

#[derive(Debug)]
struct Range {
    lower: Edge,
    upper: Edge,
    position: u32,
}

/// The ranges of a table, ready to be searched.
#[derive(Debug)]
pub(crate) struct Router {
    /// In order of their lower bounds.
    ranges: Vec<Range>,
    /// The range without lower bound.
    null: Option<u32>,
}

impl Router {
    pub fn new(ranges: &[PartitionRange], columns: usize) -> Result<Router, TabletError> {
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
        Ok(Router { ranges: sorted, null })
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
    values.extend(keys.iter().map_while(|column| column[row]));
    values.len() == keys.len()
}

fn edge(bound: &Bound, columns: usize) -> Result<Edge, TabletError> {
    match bound {
        Bound::Min => Ok(Edge::Min),
        Bound::Max => Ok(Edge::Max),
        Bound::At(values) if values.is_empty() || values.len() > columns => {
            Err(TabletError::invalid(format!("a bound of {} values for {columns} partition columns", values.len())))
        }
        Bound::At(values) => Ok(Edge::At(
            values
                .iter()
                .map(|value| match value {
                    Value::Integer(number) => *number,
                    Value::Date(days) => i128::from(*days),
                    Value::DateTime(micros) => i128::from(*micros),
                })
                .collect(),
        )),
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

#[cfg(test)]
mod tests;
