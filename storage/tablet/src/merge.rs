//! Rows with equal keys become one, as the key model of their table says, before they are written: a run never holds a key
//! twice. What came later counts as newer. Runs of different loads are merged by whoever reads them.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    PrimitiveArray, UInt32Array, make_comparator,
};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{
    DataType as ArrowType, Decimal128Type, Decimal256Type, DecimalType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, i256,
};
use arrow::record_batch::RecordBatch;
use storage_model::{Aggregation, Column, Table};

use crate::buffer::Place;
use crate::encode::Sortable;
use crate::error::TabletError;
use crate::row::row_text;
use crate::sketch;

/// How rows with equal keys become one.
#[derive(Clone, Debug)]
pub(crate) struct Merging {
    /// The columns, and how the values of each are combined; None: they are equal.
    columns: Vec<(Column, Option<Aggregation>)>,
}

impl Merging {
    /// None: the table keeps all rows.
    pub fn of(table: &Table) -> Option<Merging> {
        let columns = table.schema.columns.iter().map(|column| (column.clone(), table.aggregation_of(column)));
        table.model.merges().then(|| Merging { columns: columns.collect() })
    }

    /// Merges sorted rows and gives them on in batches, each made from `at_once` rows, or from all of one key.
    pub fn merge(
        &self,
        rows: &Sortable,
        sorted: &[Place],
        at_once: usize,
        mut give: impl FnMut(RecordBatch) -> Result<(), TabletError>,
    ) -> Result<(), TabletError> {
        let (mut start, mut end, mut groups) = (0, 0, Vec::new());
        for group in sorted.chunk_by(|a, b| rows.have_equal_keys(a, b)) {
            if end > start && end + group.len() - start > at_once {
                give(self.merge_groups(&rows.gather(&sorted[start..end])?, &groups)?)?;
                groups.clear();
                start = end;
            }
            groups.push(end - start..end - start + group.len());
            end += group.len();
        }
        if end > start { give(self.merge_groups(&rows.gather(&sorted[start..end])?, &groups)?) } else { Ok(()) }
    }

    /// Each group of rows as one row.
    fn merge_groups(&self, rows: &RecordBatch, groups: &[Range<usize>]) -> Result<RecordBatch, TabletError> {
        if groups.len() == rows.num_rows() {
            return Ok(rows.clone());
        }
        let mut columns = Vec::with_capacity(rows.num_columns());
        for ((column, aggregation), values) in self.columns.iter().zip(rows.columns()) {
            columns.push(match aggregation {
                Some(Aggregation::Sum) => {
                    sums(values, groups).map_err(|row| out_of_range(column, rows, groups.get(row)))?
                }
                Some(Aggregation::Max) => chosen(values, groups, best(values, Ordering::Greater)?)?,
                Some(Aggregation::Min) => chosen(values, groups, best(values, Ordering::Less)?)?,
                Some(Aggregation::ReplaceIfNotNull) => {
                    let newest = |group: &Range<usize>| group.clone().rev().find(|row| values.is_valid(*row));
                    chosen(values, groups, newest)?
                }
                Some(Aggregation::BitmapUnion | Aggregation::HllUnion) => sketch::unions(values, groups)?,
                Some(Aggregation::Replace) | None => chosen(values, groups, |group| group.clone().next_back())?,
            });
        }
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    }
}

fn out_of_range(column: &Column, rows: &RecordBatch, group: Option<&Range<usize>>) -> TabletError {
    let row = group.map_or_else(String::new, |group| row_text(rows, group.start));
    TabletError::invalid(format!(
        "Error: the sum of column '{}' is out of range of its type {}. The first row of its key: {row}",
        column.name, column.data_type
    ))
}

/// The value of one row of each group, or NULL.
fn chosen(
    values: &ArrayRef,
    groups: &[Range<usize>],
    choose: impl Fn(&Range<usize>) -> Option<usize>,
) -> Result<ArrayRef, TabletError> {
    let rows: UInt32Array = groups.iter().map(|group| choose(group).and_then(|row| u32::try_from(row).ok())).collect();
    Ok(take(values, &rows, None)?)
}

/// Chooses the greatest or the least of the values that are not NULL.
fn best(values: &ArrayRef, wanted: Ordering) -> Result<impl Fn(&Range<usize>) -> Option<usize> + '_, TabletError> {
    let compare = make_comparator(values, values, SortOptions::default())?;
    Ok(move |group: &Range<usize>| {
        let valid = group.clone().filter(|row| values.is_valid(*row));
        valid.reduce(|best, row| if compare(row, best) == wanted { row } else { best })
    })
}

/// The sum of each group, NULL where all are. The error: the first group whose sum the type does not hold.
fn sums(values: &ArrayRef, groups: &[Range<usize>]) -> Result<ArrayRef, usize> {
    Ok(match values.data_type() {
        ArrowType::Int8 => Arc::new(whole::<Int8Type>(values, groups)?),
        ArrowType::Int16 => Arc::new(whole::<Int16Type>(values, groups)?),
        ArrowType::Int32 => Arc::new(whole::<Int32Type>(values, groups)?),
        ArrowType::Int64 => Arc::new(whole::<Int64Type>(values, groups)?),
        ArrowType::Decimal128(precision, scale) => {
            let add = |sum: i128, value: i128| sum.checked_add(value);
            let fits = |sum: &i128| Decimal128Type::validate_decimal_precision(*sum, *precision, *scale).is_ok();
            let summed: Decimal128Array =
                folded::<Decimal128Type, _>(values, groups, |v| v, add, |s| Some(s).filter(fits))?;
            Arc::new(summed.with_data_type(values.data_type().clone()))
        }
        ArrowType::Decimal256(..) => {
            let add = |sum: i256, value: i256| sum.checked_add(value);
            let fits = |sum: &i256| sum.to_i128().is_some();
            let summed: Decimal256Array =
                folded::<Decimal256Type, _>(values, groups, |v| v, add, |s| Some(s).filter(fits))?;
            Arc::new(summed.with_data_type(values.data_type().clone()))
        }
        ArrowType::Float32 => {
            let narrow = |sum: f64| Some(sum as f32).filter(|sum| sum.is_finite());
            let summed: Float32Array =
                folded::<Float32Type, _>(values, groups, f64::from, |sum, value| Some(sum + value), narrow)?;
            Arc::new(summed)
        }
        ArrowType::Float64 => {
            let finite = |sum: f64| Some(sum).filter(|sum| sum.is_finite());
            let summed: Float64Array =
                folded::<Float64Type, _>(values, groups, |value| value, |sum, value| Some(sum + value), finite)?;
            Arc::new(summed)
        }
        // CREATE TABLE lets nothing else be summed.
        _ => return Err(0),
    })
}

fn whole<T>(values: &ArrayRef, groups: &[Range<usize>]) -> Result<PrimitiveArray<T>, usize>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64> + TryFrom<i128>,
{
    let wide = |value: T::Native| i128::from(value.into());
    folded::<T, i128>(values, groups, wide, |sum, value| sum.checked_add(value), |sum| T::Native::try_from(sum).ok())
}

fn folded<T: ArrowPrimitiveType, W: Copy>(
    values: &ArrayRef,
    groups: &[Range<usize>],
    wide: impl Fn(T::Native) -> W,
    add: impl Fn(W, W) -> Option<W>,
    narrow: impl Fn(W) -> Option<T::Native>,
) -> Result<PrimitiveArray<T>, usize> {
    let values = values.as_primitive::<T>();
    let sum = |group: &Range<usize>| {
        let mut valid = group.clone().filter(|row| values.is_valid(*row)).map(|row| wide(values.value(row)));
        let Some(first) = valid.next() else { return Some(None) };
        valid.try_fold(first, &add).and_then(&narrow).map(Some)
    };
    let sums = groups.iter().enumerate().map(|(at, group)| sum(group).ok_or(at));
    sums.collect::<Result<Vec<_>, _>>().map(PrimitiveArray::<T>::from_iter)
}

#[cfg(test)]
mod tests;
