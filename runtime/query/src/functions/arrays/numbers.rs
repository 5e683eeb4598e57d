//! Sums and their like over the elements of an ARRAY. NULL counts for nothing; of nothing they are NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, ListArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::{Result, exec_datafusion_err};

use crate::functions::typed::{Typed, element_or_null, like_first, list, lists, places};

pub(super) fn functions() -> Vec<Typed> {
    vec![
        Typed::new("array_sum", numbers, inner, sum),
        Typed::new("array_avg", averaged, inner, average),
        Typed::new("array_cum_sum", numbers, like_first, cumulated),
        Typed::new("array_difference", numbers, like_first, differences),
    ]
}

fn inner(types: &[DataType]) -> DataType {
    element_or_null(&like_first(types)).unwrap_or(DataType::Null)
}

/// Whole numbers are added in 64 bits, DECIMALs in all their digits, everything else as DOUBLE.
fn numbers(types: &[DataType]) -> Option<Vec<DataType>> {
    let [only] = types else { return None };
    let element = match element_or_null(only)? {
        DataType::Decimal128(_, scale) => DataType::Decimal128(38, scale),
        DataType::Boolean | DataType::Null => DataType::Int64,
        whole if whole.is_integer() => DataType::Int64,
        other if other.is_numeric() || other == DataType::Utf8 => DataType::Float64,
        _ => return None,
    };
    Some(vec![list(element)])
}

fn averaged(types: &[DataType]) -> Option<Vec<DataType>> {
    numbers(types).map(|_| vec![list(DataType::Float64)])
}

fn overflow() -> datafusion::error::DataFusionError {
    exec_datafusion_err!("numeric overflow: the sum of an array")
}

/// Folds the numbers of each row, in the type that they have.
macro_rules! folded {
    ($lists:expr, $rows:expr, $type:ty, $fold:expr) => {{
        let numbers = $lists.values().as_primitive::<$type>();
        let fold = $fold;
        let one = |row: usize| -> Result<Option<<$type as arrow::array::ArrowPrimitiveType>::Native>> {
            let Some(places) = places($lists, row) else { return Ok(None) };
            fold(places.filter(|at| numbers.is_valid(*at)).map(|at| numbers.value(at)).collect::<Vec<_>>())
        };
        (0..$rows).map(one).collect::<Result<Vec<_>>>()?
    }};
}

fn sum(args: &[ArrayRef], rows: usize, returns: &DataType) -> Result<ArrayRef> {
    let lists = &lists(&args[0])?;
    let checked = |numbers: Vec<i64>| -> Result<Option<i64>> {
        let mut numbers = numbers.into_iter();
        let Some(first) = numbers.next() else { return Ok(None) };
        numbers.try_fold(first, i64::checked_add).map(Some).ok_or_else(overflow)
    };
    let checked_decimal = |numbers: Vec<i128>| -> Result<Option<i128>> {
        let mut numbers = numbers.into_iter();
        let Some(first) = numbers.next() else { return Ok(None) };
        numbers.try_fold(first, i128::checked_add).map(Some).ok_or_else(overflow)
    };
    let plain = |numbers: Vec<f64>| -> Result<Option<f64>> { Ok((!numbers.is_empty()).then(|| numbers.iter().sum())) };
    Ok(match returns {
        DataType::Int64 => Arc::new(Int64Array::from(folded!(lists, rows, Int64Type, checked))),
        DataType::Decimal128(..) => {
            let sums = Decimal128Array::from(folded!(lists, rows, Decimal128Type, checked_decimal));
            Arc::new(sums.with_data_type(returns.clone()))
        }
        _ => Arc::new(Float64Array::from(folded!(lists, rows, Float64Type, plain))),
    })
}

fn average(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = &lists(&args[0])?;
    let mean = |numbers: Vec<f64>| -> Result<Option<f64>> {
        Ok((!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64))
    };
    Ok(Arc::new(Float64Array::from(folded!(lists, rows, Float64Type, mean))))
}

/// Each element made from those before it, by a function that keeps what it needs of them.
fn stepwise<N: Copy>(
    lists: &ListArray,
    numbers: impl Fn(usize) -> Option<N>,
    step: impl Fn(&mut Option<N>, Option<N>) -> Result<Option<N>>,
) -> Result<Vec<Option<N>>> {
    let mut made = vec![None; lists.values().len()];
    for row in 0..lists.len() {
        let mut kept = None;
        for at in places(lists, row).unwrap_or(0..0) {
            made[at] = step(&mut kept, numbers(at))?;
        }
    }
    Ok(made)
}

/// The lists with these elements in the place of theirs.
fn with_elements(lists: &ListArray, elements: ArrayRef) -> Result<ArrayRef> {
    let DataType::List(field) = lists.data_type() else { return Err(overflow()) };
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), lists.offsets().clone(), elements, lists.nulls().cloned())?))
}

fn stepped(
    args: &[ArrayRef],
    whole: impl Fn(&mut Option<i128>, Option<i128>) -> Result<Option<i128>>,
    fraction: impl Fn(&mut Option<f64>, Option<f64>) -> Result<Option<f64>>,
) -> Result<ArrayRef> {
    let lists = &lists(&args[0])?;
    let values = lists.values();
    if let DataType::Float64 = values.data_type() {
        let numbers = values.as_primitive::<Float64Type>();
        let made = stepwise(lists, |at| numbers.is_valid(at).then(|| numbers.value(at)), fraction)?;
        return with_elements(lists, Arc::new(Float64Array::from(made)));
    }
    let wide = match values.data_type() {
        DataType::Decimal128(_, scale) => DataType::Decimal128(38, *scale),
        _ => DataType::Decimal128(38, 0),
    };
    let numbers = cast(values, &wide)?;
    let numbers = numbers.as_primitive::<Decimal128Type>();
    let made = stepwise(lists, |at| numbers.is_valid(at).then(|| numbers.value(at)), whole)?;
    let made: ArrayRef = match values.data_type() {
        DataType::Int64 => {
            let narrow = |value: Option<i128>| value.map(i64::try_from).transpose().map_err(|_| overflow());
            Arc::new(Int64Array::from(made.into_iter().map(narrow).collect::<Result<Vec<_>>>()?))
        }
        _ => Arc::new(Decimal128Array::from(made).with_data_type(wide)),
    };
    with_elements(lists, made)
}

/// The sum up to each element; NULL where the element is.
fn cumulated(args: &[ArrayRef], _: usize, _: &DataType) -> Result<ArrayRef> {
    let whole = |sum: &mut Option<i128>, next: Option<i128>| {
        let Some(next) = next else { return Ok(None) };
        *sum = Some(sum.unwrap_or(0).checked_add(next).ok_or_else(overflow)?);
        Ok(*sum)
    };
    let fraction = |sum: &mut Option<f64>, next: Option<f64>| {
        let Some(next) = next else { return Ok(None) };
        *sum = Some(sum.unwrap_or(0.0) + next);
        Ok(*sum)
    };
    stepped(args, whole, fraction)
}

/// Each element less the one before it, the first less itself.
fn differences(args: &[ArrayRef], _: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = &lists(&args[0])?;
    let values = lists.values();
    match values.data_type() {
        DataType::Float64 => {
            let numbers = values.as_primitive::<Float64Type>();
            let made = pairwise(lists, |at| numbers.is_valid(at).then(|| numbers.value(at)), |a, b| Some(a - b))?;
            with_elements(lists, Arc::new(Float64Array::from(made)))
        }
        DataType::Decimal128(..) => {
            let numbers = values.as_primitive::<Decimal128Type>();
            let made = pairwise(lists, |at| numbers.is_valid(at).then(|| numbers.value(at)), i128::checked_sub)?;
            let made = Decimal128Array::from(made).with_data_type(values.data_type().clone());
            with_elements(lists, Arc::new(made))
        }
        _ => {
            let numbers = values.as_primitive::<Int64Type>();
            let made = pairwise(lists, |at| numbers.is_valid(at).then(|| numbers.value(at)), i64::checked_sub)?;
            with_elements(lists, Arc::new(Int64Array::from(made)))
        }
    }
}

fn pairwise<N: Copy>(
    lists: &ListArray,
    number: impl Fn(usize) -> Option<N>,
    minus: impl Fn(N, N) -> Option<N>,
) -> Result<Vec<Option<N>>> {
    let mut made = vec![None; lists.values().len()];
    for row in 0..lists.len() {
        let all = places(lists, row).unwrap_or(0..0);
        for at in all.clone() {
            let before = if at == all.start { at } else { at - 1 };
            if let (Some(now), Some(before)) = (number(at), number(before)) {
                made[at] = Some(minus(now, before).ok_or_else(overflow)?);
            }
        }
    }
    Ok(made)
}
