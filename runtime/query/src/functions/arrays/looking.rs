//! What is in an ARRAY: how many, where, whether, and all of it as one text.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::Result;

use crate::functions::text::texts;
use crate::functions::typed::{
    Typed, array_and_element, element, element_or_null, like_first, list, lists, pair, places, two_arrays,
};

pub(super) fn functions() -> Vec<Typed> {
    let boolean = |_: &[DataType]| DataType::Boolean;
    let int = |_: &[DataType]| DataType::Int32;
    vec![
        Typed::new("array_length", any_array, int, length),
        Typed::new("cardinality", array_or_map, int, length),
        Typed::new("array_contains", array_and_element, boolean, contains).once(),
        Typed::new("array_position", array_and_element, int, position).once(),
        Typed::new("array_contains_all", two_arrays, boolean, contains_all),
        Typed::new("array_contains_seq", two_arrays, boolean, contains_seq),
        Typed::new("arrays_overlap", two_arrays, boolean, overlap),
        Typed::new("any_match", booleans, boolean, any_match),
        Typed::new("all_match", booleans, boolean, all_match),
        Typed::new("array_join", joinable, |_| DataType::Utf8, join),
        Typed::new("element_at", element_of, element_type, element_at),
    ]
}

fn any_array(types: &[DataType]) -> Option<Vec<DataType>> {
    let [only] = types else { return None };
    element_or_null(only).map(|element| vec![list(element)])
}

pub(in crate::functions) fn array_or_map(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [only] if pair(only).is_some() => Some(types.to_vec()),
        _ => any_array(types),
    }
}

/// How many each row has.
pub(in crate::functions) fn length(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    if let Some(maps) = args[0].as_map_opt() {
        return Ok(Arc::new(
            (0..rows).map(|row| maps.is_valid(row).then(|| maps.value_length(row))).collect::<Int32Array>(),
        ));
    }
    let lists = lists(&args[0])?;
    Ok(Arc::new((0..rows).map(|row| lists.is_valid(row).then(|| lists.value_length(row))).collect::<Int32Array>()))
}

/// Values of one type from several arrays, as what can be compared and hashed.
pub(in crate::functions) fn comparable<const N: usize>(arrays: [&ArrayRef; N]) -> Result<[Rows; N]> {
    let converter = RowConverter::new(vec![SortField::new(arrays[0].data_type().clone())])?;
    let mut rows = Vec::with_capacity(N);
    for array in arrays {
        rows.push(converter.convert_columns(&[Arc::clone(array)])?);
    }
    let wrong = |_| datafusion::common::exec_datafusion_err!("{N} arrays do not make as many rows");
    <[Rows; N]>::try_from(rows).map_err(wrong)
}

/// Where a value is in the list of its row, from 1; 0: nowhere; None: the list is NULL.
fn found(args: &[ArrayRef], rows: usize) -> Result<Vec<Option<i32>>> {
    let lists = lists(&args[0])?;
    let [members, wanted] = comparable([lists.values(), &args[1]])?;
    if lists.len() == 1 && rows > 1 {
        // One list for all rows: it is read once.
        let Some(places) = places(&lists, 0) else { return Ok(vec![None; rows]) };
        let mut known: HashMap<&[u8], i32> = HashMap::with_capacity(places.len());
        for (at, place) in (1..).zip(places) {
            known.entry(members.row(place).data()).or_insert(at);
        }
        let found = |row: usize| known.get(wanted.row(row).data()).copied().unwrap_or(0);
        return Ok((0..rows).map(|row| Some(found(row))).collect());
    }
    let found = |row: usize| {
        let mut places = places(&lists, row)?;
        let at = places.position(|place| members.row(place) == wanted.row(row));
        Some(at.and_then(|at| i32::try_from(at + 1).ok()).unwrap_or(0))
    };
    Ok((0..rows).map(found).collect())
}

fn contains(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let found = found(args, rows)?;
    Ok(Arc::new(found.into_iter().map(|at| at.map(|at| at > 0)).collect::<BooleanArray>()))
}

fn position(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(Int32Array::from(found(args, rows)?)))
}

/// Compares two lists of each row by what is in them; NULL where one of them is.
fn compared(args: &[ArrayRef], rows: usize, compare: impl Fn(&[&[u8]], &[&[u8]]) -> bool) -> Result<ArrayRef> {
    let (left, right) = (lists(&args[0])?, lists(&args[1])?);
    let [ours, theirs] = comparable([left.values(), right.values()])?;
    let compared = |row: usize| {
        let (ours_here, theirs_here) = (places(&left, row)?, places(&right, row)?);
        let ours: Vec<&[u8]> = ours_here.map(|at| ours.row(at).data()).collect();
        let theirs: Vec<&[u8]> = theirs_here.map(|at| theirs.row(at).data()).collect();
        Some(compare(&ours, &theirs))
    };
    Ok(Arc::new((0..rows).map(compared).collect::<BooleanArray>()))
}

fn contains_all(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    compared(args, rows, |ours, theirs| {
        let ours: HashSet<&[u8]> = ours.iter().copied().collect();
        theirs.iter().all(|wanted| ours.contains(wanted))
    })
}

fn contains_seq(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    compared(args, rows, |ours, theirs| theirs.is_empty() || ours.windows(theirs.len()).any(|part| part == theirs))
}

fn overlap(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    compared(args, rows, |ours, theirs| {
        let ours: HashSet<&[u8]> = ours.iter().copied().collect();
        theirs.iter().any(|wanted| ours.contains(wanted))
    })
}

fn booleans(types: &[DataType]) -> Option<Vec<DataType>> {
    any_array(types).map(|_| vec![list(DataType::Boolean)])
}

/// Three-valued: `decides` ends the search, a NULL leaves it open.
fn matches(args: &[ArrayRef], rows: usize, decides: bool) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let values = lists.values().as_boolean();
    let answer = |row: usize| {
        let mut open = false;
        for place in places(&lists, row)? {
            match values.is_valid(place).then(|| values.value(place)) {
                Some(value) if value == decides => return Some(decides),
                None => open = true,
                Some(_) => {}
            }
        }
        (!open).then_some(!decides)
    };
    Ok(Arc::new((0..rows).map(answer).collect::<BooleanArray>()))
}

fn any_match(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    matches(args, rows, true)
}

fn all_match(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    matches(args, rows, false)
}

fn joinable(types: &[DataType]) -> Option<Vec<DataType>> {
    let (array, rest) = types.split_first()?;
    let mut accepted = vec![list(element_or_null(array)?)];
    accepted.extend(rest.iter().map(|_| DataType::Utf8));
    matches!(rest.len(), 1 | 2).then_some(accepted)
}

/// `array_join(a, separator [, for NULL])`: without the third, NULLs are left out.
fn join(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let members = texts(lists.values(), lists.values().len())?;
    let separators = args[1].as_string::<i32>();
    let nulls = args.get(2).map(|nulls| nulls.as_string::<i32>());
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    for row in 0..rows {
        let known = separators.is_valid(row) && nulls.is_none_or(|nulls| nulls.is_valid(row));
        let Some(places) = places(&lists, row).filter(|_| known) else {
            builder.append_null();
            continue;
        };
        let member = |place| match members.is_valid(place) {
            true => Some(members.value(place)),
            false => nulls.map(|nulls| nulls.value(row)),
        };
        let parts: Vec<&str> = places.filter_map(member).collect();
        builder.append_value(parts.join(separators.value(row)));
    }
    Ok(Arc::new(builder.finish()))
}

fn element_of(types: &[DataType]) -> Option<Vec<DataType>> {
    let (of, rest) = types.split_first()?;
    let index = rest.first()?;
    if rest.len() > 1 {
        return None;
    }
    if of == &DataType::LargeUtf8 {
        let is_index = index.is_integer();
        return Some(vec![of.clone(), if is_index { DataType::Int64 } else { DataType::Utf8 }]);
    }
    match pair(of) {
        Some((key, _)) => Some(vec![of.clone(), key]),
        None => element_or_null(of).map(|element| vec![list(element), DataType::Int64]),
    }
}

fn element_type(types: &[DataType]) -> DataType {
    let of = like_first(types);
    match (element(&of), pair(&of)) {
        (Some(element), _) => element,
        (None, Some((_, value))) => value,
        (None, None) => of,
    }
}

/// The element at an index, from 1, or the value of a key; NULL where there is none.
fn element_at(args: &[ArrayRef], rows: usize, returns: &DataType) -> Result<ArrayRef> {
    if args[0].data_type() == &DataType::LargeUtf8 {
        return crate::functions::json::member(&args[0], &args[1]);
    }
    let mut places_found: Vec<Option<u32>> = Vec::with_capacity(rows);
    let values = match args[0].as_map_opt() {
        Some(maps) => {
            let [keys, wanted] = comparable([&crate::nested::map_keys(maps.keys()), &args[1]])?;
            let offsets = maps.value_offsets();
            for row in 0..rows {
                let mut entries = offsets[row] as usize..offsets[row + 1] as usize;
                let found = entries.find(|at| keys.row(*at) == wanted.row(row)).filter(|_| maps.is_valid(row));
                places_found.push(found.and_then(|at| u32::try_from(at).ok()));
            }
            Arc::clone(maps.values())
        }
        None => {
            let lists = lists(&args[0])?;
            let indices = args[1].as_primitive::<Int64Type>();
            for row in 0..rows {
                let at = indices.is_valid(row).then(|| indices.value(row)).and_then(|at| usize::try_from(at).ok());
                let found = match (places(&lists, row), at.and_then(|at| at.checked_sub(1))) {
                    (Some(places), Some(at)) if at < places.len() => u32::try_from(places.start + at).ok(),
                    _ => None,
                };
                places_found.push(found);
            }
            Arc::clone(lists.values())
        }
    };
    debug_assert_eq!(values.data_type(), returns);
    Ok(arrow::compute::take(&values, &arrow::array::UInt32Array::from(places_found), None)?)
}
