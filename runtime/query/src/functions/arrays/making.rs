//! ARRAYs from ARRAYs: by choosing, adding and leaving out elements.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StructArray, new_empty_array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, exec_err};

use super::looking::comparable;
use crate::functions::typed::{
    Chosen, Typed, array_and_element, common, element, element_or_null, like_first, list, lists, one_array, places,
    same_arrays,
};

/// Elements that a call may make for one row.
const MOST_ELEMENTS: i64 = 10_000_000;

pub(super) fn functions() -> Vec<Typed> {
    vec![
        Typed::new("__array", elements, |types| list(like_first(types)), make),
        Typed::new("array_append", array_and_element, like_first, append),
        Typed::new("array_concat", same_arrays, like_first, concatenate),
        Typed::new("array_distinct", one_array, like_first, distinct),
        Typed::new("array_intersect", same_arrays, like_first, intersect),
        Typed::new("array_remove", array_and_element, like_first, remove),
        Typed::new("array_slice", sliced, like_first, slice),
        Typed::new(
            "array_flatten",
            nested_array,
            |types| element(&like_first(types)).unwrap_or(DataType::Null),
            flatten,
        ),
        Typed::new("array_repeat", repeated, |types| list(like_first(types)), repeat),
        Typed::new("array_generate", bounds, |_| list(DataType::Int64), generate),
        Typed::new("__zip", arrays, pairs, zip),
        Typed::new("__array_filter", array_and_booleans, like_first, filter),
    ]
}

fn elements(types: &[DataType]) -> Option<Vec<DataType>> {
    let element = common(types)?;
    Some(vec![element; types.len()])
}

/// `[a, b, …]`.
fn make(args: &[ArrayRef], rows: usize, returns: &DataType) -> Result<ArrayRef> {
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        chosen.row(Some((0..args.len()).map(|at| at * rows + row)))?;
    }
    let values = match args.is_empty() {
        true => new_empty_array(&element(returns).unwrap_or(DataType::Null)),
        false => concat(&args.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
    };
    chosen.finish(&values)
}

fn append(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let values = concat(&[lists.values().as_ref(), args[1].as_ref()])?;
    let first = lists.values().len();
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        chosen.row(places(&lists, row).map(|places| places.chain([first + row])))?;
    }
    chosen.finish(&values)
}

/// The lists of all arguments, their values in one array, and where those of each argument begin.
fn together(args: &[ArrayRef]) -> Result<(Vec<ListArray>, ArrayRef, Vec<usize>)> {
    let lists = args.iter().map(lists).collect::<Result<Vec<_>>>()?;
    let values: Vec<&dyn Array> = lists.iter().map(|list| list.values().as_ref()).collect();
    let begins = values.iter().scan(0, |next, values| Some(std::mem::replace(next, *next + values.len()))).collect();
    let values = concat(&values)?;
    Ok((lists, values, begins))
}

fn concatenate(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (lists, values, begins) = together(args)?;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let parts: Option<Vec<_>> = lists.iter().map(|list| places(list, row)).collect();
        let all = parts.map(|parts| {
            let moved = |(part, begin): (std::ops::Range<usize>, usize)| part.map(move |at| at + begin);
            parts.into_iter().zip(begins.iter().copied()).flat_map(moved).collect::<Vec<_>>()
        });
        chosen.row(all)?;
    }
    chosen.finish(&values)
}

/// The first of equal elements.
fn distinct(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let [members] = comparable([lists.values()])?;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let mut seen = HashSet::new();
        chosen.row(
            places(&lists, row)
                .map(|places| places.filter(|at| seen.insert(members.row(*at).data())).collect::<Vec<_>>()),
        )?;
    }
    chosen.finish(lists.values())
}

/// The elements that all lists have, each once, in the order of the first.
fn intersect(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (lists, values, begins) = together(args)?;
    let [members] = comparable([&values])?;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let parts: Option<Vec<_>> = lists.iter().map(|list| places(list, row)).collect();
        let common = parts.map(|parts| {
            let mut sets = parts
                .iter()
                .zip(&begins)
                .skip(1)
                .map(|(part, begin)| part.clone().map(|at| members.row(at + begin).data()).collect::<HashSet<_>>());
            let others: Vec<HashSet<&[u8]>> = sets.by_ref().collect();
            let mut seen = HashSet::new();
            let first = parts.into_iter().next().unwrap_or(0..0);
            let is_common = |at: &usize| {
                let member = members.row(*at).data();
                others.iter().all(|set| set.contains(member)) && seen.insert(member)
            };
            first.filter(is_common).collect::<Vec<_>>()
        });
        chosen.row(common)?;
    }
    chosen.finish(&values)
}

fn remove(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let [members, unwanted] = comparable([lists.values(), &args[1]])?;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let kept = |at: &usize| members.row(*at) != unwanted.row(row);
        chosen.row(places(&lists, row).map(|places| places.filter(kept)))?;
    }
    chosen.finish(lists.values())
}

fn sliced(types: &[DataType]) -> Option<Vec<DataType>> {
    let (array, rest) = types.split_first()?;
    let mut accepted = vec![list(element_or_null(array)?)];
    accepted.extend(rest.iter().map(|_| DataType::Int64));
    matches!(rest.len(), 1 | 2).then_some(accepted)
}

/// `array_slice(a, from, length)`: from 1, or from the end where it is negative.
fn slice(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let from = args[1].as_primitive::<Int64Type>();
    let lengths = args.get(2).map(|lengths| lengths.as_primitive::<Int64Type>());
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let known = from.is_valid(row) && lengths.is_none_or(|lengths| lengths.is_valid(row));
        chosen.row(places(&lists, row).filter(|_| known).map(|places| {
            let count = places.len() as i64;
            let from = from.value(row);
            let begin = if from < 0 { count.saturating_add(from) } else { from - 1 };
            let length = lengths.map_or(count, |lengths| lengths.value(row));
            let end = begin.saturating_add(length).clamp(0, count);
            let none = from == 0 || begin < 0;
            let begin = if none { end } else { begin.clamp(0, end) };
            places.start + begin as usize..places.start + end as usize
        }))?;
    }
    chosen.finish(lists.values())
}

fn nested_array(types: &[DataType]) -> Option<Vec<DataType>> {
    let [only] = types else { return None };
    let inner = element_or_null(&element_or_null(only)?)?;
    Some(vec![list(list(inner))])
}

fn flatten(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let outer = lists(&args[0])?;
    let inner = lists(outer.values())?;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        chosen.row(places(&outer, row).map(|all| all.filter_map(|at| places(&inner, at)).flatten()))?;
    }
    chosen.finish(inner.values())
}

fn repeated(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value, count] = types else { return None };
    (count.is_integer() || count.is_null()).then(|| vec![value.clone(), DataType::Int64])
}

fn repeat(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let counts = args[1].as_primitive::<Int64Type>();
    let mut all = 0;
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let count = counts.is_valid(row).then(|| counts.value(row).max(0));
        check_count(count.unwrap_or(0))?;
        all += count.unwrap_or(0);
        check_all(all)?;
        chosen.row(count.map(|count| (0..count).map(|_| row)))?;
    }
    chosen.finish(&args[0])
}

fn check_count(count: i64) -> Result<()> {
    match count > MOST_ELEMENTS {
        true => exec_err!("an array of {count} elements is longer than the {MOST_ELEMENTS} that a call may make"),
        false => Ok(()),
    }
}

/// All rows of a batch are in memory at once.
fn check_all(count: i64) -> Result<()> {
    match count > 4 * MOST_ELEMENTS {
        true => exec_err!("the arrays of some rows have {count} elements, more than a call may make at once"),
        false => Ok(()),
    }
}

fn bounds(types: &[DataType]) -> Option<Vec<DataType>> {
    let whole = types.iter().all(|t| t.is_integer() || t.is_null());
    (whole && (1..=3).contains(&types.len())).then(|| vec![DataType::Int64; types.len()])
}

/// `array_generate([from,] to [, step])`, both ends included.
fn generate(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let numbers: Vec<&Int64Array> = args.iter().map(|arg| arg.as_primitive::<Int64Type>()).collect();
    let mut values: Vec<i64> = Vec::new();
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let given: Option<Vec<i64>> = numbers.iter().map(|n| n.is_valid(row).then(|| n.value(row))).collect();
        let Some(given) = given else {
            chosen.row(None::<[usize; 0]>)?;
            continue;
        };
        let (from, to, step) = match given.as_slice() {
            [to] => (1, *to, 1),
            [from, to] => (*from, *to, if from <= to { 1 } else { -1 }),
            [from, to, step, ..] => (*from, *to, *step),
            [] => (1, 0, 1),
        };
        let first = values.len();
        if step != 0 {
            let span = i128::from(to) - i128::from(from);
            let count = if span == 0 { 1 } else { span / i128::from(step) + 1 };
            let count = if span.signum() * i128::from(step).signum() < 0 { 0 } else { count.max(0) };
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            check_count(count)?;
            check_all(values.len() as i64 + count)?;
            values.extend((0..count).map(|n| from.wrapping_add(n.wrapping_mul(step))));
        }
        chosen.row(Some(first..values.len()))?;
    }
    chosen.finish(&(Arc::new(Int64Array::from(values)) as ArrayRef))
}

fn arrays(types: &[DataType]) -> Option<Vec<DataType>> {
    types.iter().map(|t| element_or_null(t).map(list)).collect()
}

fn pairs(types: &[DataType]) -> DataType {
    let element = |t: &DataType| element_or_null(t).unwrap_or(DataType::Null);
    let field = |(at, t): (usize, &DataType)| Field::new(format!("c{at}"), element(t), true);
    list(DataType::Struct(types.iter().enumerate().map(field).collect()))
}

/// ARRAYs of one length as an ARRAY of STRUCTs.
fn zip(args: &[ArrayRef], rows: usize, returns: &DataType) -> Result<ArrayRef> {
    let all = args.iter().map(lists).collect::<Result<Vec<_>>>()?;
    let mut chosen: Vec<Chosen> = all.iter().map(|_| Chosen::with_capacity(rows)).collect();
    for row in 0..rows {
        let parts: Option<Vec<_>> = all.iter().map(|list| places(list, row)).collect();
        let Some(parts) = parts else {
            chosen.iter_mut().try_for_each(|chosen| chosen.end_row(false))?;
            continue;
        };
        if parts.iter().any(|part| part.len() != parts[0].len()) {
            return exec_err!("Input array element's size is not equal in array_map().");
        }
        for (chosen, part) in chosen.iter_mut().zip(parts) {
            chosen.row(Some(part))?;
        }
    }
    let Some(DataType::Struct(fields)) = element(returns) else { return exec_err!("a pair is no STRUCT") };
    let (mut members, mut shape) = (Vec::with_capacity(args.len()), None);
    for (list, chosen) in all.iter().zip(chosen) {
        let (places, offsets, nulls) = chosen.parts();
        members.push(take(list.values(), &places, None)?);
        shape = Some((offsets, nulls));
    }
    let Some((offsets, nulls)) = shape else { return exec_err!("no arrays to go through") };
    let count = members.first().map_or(0, |m: &ArrayRef| m.len());
    let pairs = StructArray::try_new_with_length(fields.clone(), members, None, count)?;
    let field = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(pairs), Some(nulls))?))
}

fn array_and_booleans(types: &[DataType]) -> Option<Vec<DataType>> {
    let [array, keep] = types else { return None };
    element_or_null(keep)?;
    Some(vec![list(element_or_null(array)?), list(DataType::Boolean)])
}

/// The elements beside which there is a true one.
fn filter(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (lists, keep) = (lists(&args[0])?, lists(&args[1])?);
    let truths = cast(keep.values(), &DataType::Boolean)?;
    let truths = truths.as_boolean();
    let mut chosen = Chosen::with_capacity(rows);
    for row in 0..rows {
        let beside = places(&keep, row).unwrap_or(0..0);
        let kept = |(_, at): &(usize, usize)| truths.is_valid(*at) && truths.value(*at);
        chosen.row(places(&lists, row).map(|places| places.zip(beside).filter(kept).map(|(at, _)| at)))?;
    }
    chosen.finish(lists.values())
}
