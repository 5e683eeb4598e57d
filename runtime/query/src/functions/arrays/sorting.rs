//! ARRAYs in order: `array_sort`, `array_sortby`, `reverse`, the least and the greatest. NULL is the least.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::Rows;
use datafusion::common::{Result, exec_err};

use super::looking::comparable;
use crate::functions::typed::{Chosen, Typed, element, element_or_null, like_first, list, lists, one_array, places};

pub(super) fn functions() -> Vec<Typed> {
    let inner = |types: &[DataType]| element(&like_first(types)).unwrap_or(DataType::Null);
    vec![
        Typed::new("array_sort", one_array, like_first, sort),
        Typed::new("array_top_n", array_and_count, like_first, greatest_first),
        Typed::new("array_sortby", arrays, like_first, sort_by),
        Typed::new("reverse", array_or_text, like_first, reverse),
        Typed::new("array_min", one_array, inner, least),
        Typed::new("array_max", one_array, inner, greatest),
    ]
}

fn sort(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let [members] = comparable([lists.values()])?;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        chosen.row(places(&lists, row).map(|places| {
            let mut sorted: Vec<usize> = places.collect();
            sorted.sort_by(|a, b| members.row(*a).cmp(&members.row(*b)));
            sorted
        }))?;
    }
    chosen.finish(lists.values())
}

fn array_and_count(types: &[DataType]) -> Option<Vec<DataType>> {
    let [array, count] = types else { return None };
    let is_whole = count.is_integer() || count.is_null();
    element_or_null(array).filter(|_| is_whole).map(|element| vec![list(element), DataType::Int64])
}

/// So many of the greatest, from the greatest on.
fn greatest_first(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (lists, counts) = (lists(&args[0])?, args[1].as_primitive::<Int64Type>());
    let [members] = comparable([lists.values()])?;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let places = places(&lists, row).filter(|_| counts.is_valid(row));
        chosen.row(places.map(|places| {
            let mut sorted: Vec<usize> = places.collect();
            sorted.sort_by(|a, b| members.row(*b).cmp(&members.row(*a)));
            sorted.truncate(usize::try_from(counts.value(row)).unwrap_or(0));
            sorted
        }))?;
    }
    chosen.finish(lists.values())
}

/// ARRAYs of any types, the first of which is sorted by the others.
fn arrays(types: &[DataType]) -> Option<Vec<DataType>> {
    let all = types.iter().map(|t| element_or_null(t).map(list)).collect::<Option<Vec<_>>>()?;
    (all.len() > 1).then_some(all)
}

fn sort_by(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let of = lists(&args[0])?;
    let by = args[1..].iter().map(lists).collect::<Result<Vec<_>>>()?;
    let keys = by.iter().map(|list| comparable([list.values()])).collect::<Result<Vec<[Rows; 1]>>>()?;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let Some(all) = places(&of, row) else {
            chosen.row(None::<[usize; 0]>)?;
            continue;
        };
        // A key that is NULL says nothing.
        let begins: Vec<Option<std::ops::Range<usize>>> = by.iter().map(|list| places(list, row)).collect();
        if begins.iter().flatten().any(|key| key.len() != all.len()) {
            return exec_err!("Input arrays' size are not equal in array_sortby.");
        }
        let mut sorted: Vec<usize> = (0..all.len()).collect();
        sorted.sort_by(|a, b| {
            let known = keys.iter().zip(&begins).filter_map(|([key], begin)| Some((key, begin.as_ref()?.start)));
            let mut orders = known.map(|(key, begin)| key.row(begin + a).cmp(&key.row(begin + b)));
            orders.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        chosen.row(Some(sorted.into_iter().map(|at| all.start + at)))?;
    }
    chosen.finish(of.values())
}

fn array_or_text(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [only] if element(only).is_none() && !only.is_nested() => Some(vec![DataType::Utf8]),
        _ => one_array(types),
    }
}

/// Elements, or the characters of a text.
fn reverse(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    if let Some(texts) = args[0].as_string_opt::<i32>() {
        let reversed = |text: &str| text.chars().rev().collect::<String>();
        return Ok(Arc::new(texts.iter().map(|text| text.map(reversed)).collect::<StringArray>()));
    }
    let lists = lists(&args[0])?;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        chosen.row(places(&lists, row).map(Iterator::rev))?;
    }
    chosen.finish(lists.values())
}

fn best(args: &[ArrayRef], rows: usize, is_greatest: bool) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let [members] = comparable([lists.values()])?;
    let best = |row: usize| {
        let known = places(&lists, row)?.filter(|at| !lists.values().is_null(*at));
        let order = |a: &usize, b: &usize| members.row(*a).cmp(&members.row(*b));
        let best = if is_greatest { known.max_by(order) } else { known.min_by(order) };
        best.and_then(|at| u32::try_from(at).ok())
    };
    let places: arrow::array::UInt32Array = (0..rows).map(best).collect();
    Ok(take(lists.values(), &places, None)?)
}

fn least(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    best(args, rows, false)
}

fn greatest(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    best(args, rows, true)
}
