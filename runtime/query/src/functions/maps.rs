//! Functions on MAP and STRUCT.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringBuilder, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err};
use storage_tablet::map_type;

use super::arrays::looking::{array_or_map, comparable, length};
use super::typed::{Chosen, Typed, common, element_or_null, like_first, list, lists, pair, places};
use crate::nested::{map_array, map_keys};

pub(super) fn functions() -> Vec<Typed> {
    let keys = |types: &[DataType]| pair(&like_first(types)).map_or(DataType::Null, |(key, _)| list(key));
    let values = |types: &[DataType]| pair(&like_first(types)).map_or(DataType::Null, |(_, value)| list(value));
    vec![
        Typed::new("__map", pairs, map_of_pairs, make),
        Typed::new("map_keys", one_map, keys, |args, _, _| part(&args[0], 0)),
        Typed::new("map_values", one_map, values, |args, _, _| part(&args[0], 1)),
        Typed::new("map_size", array_or_map, |_| DataType::Int32, length),
        Typed::new("map_concat", maps, like_first, concatenate),
        Typed::new("distinct_map_keys", one_map, like_first, concatenate),
        Typed::new("map_from_arrays", two_lists, map_of_lists, from_lists),
        Typed::new("row", anything, row_type, row),
        Typed::new("str_to_map", up_to_three_texts, |_| map_type(DataType::Utf8, DataType::Utf8), from_text),
    ]
}

fn one_map(types: &[DataType]) -> Option<Vec<DataType>> {
    if types.len() == 1 { maps(types) } else { None }
}

fn maps(types: &[DataType]) -> Option<Vec<DataType>> {
    let all = types.iter().filter(|t| !t.is_null()).map(pair).collect::<Option<Vec<_>>>()?;
    let (keys, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let map = map_type(common(&keys)?, common(&values)?);
    (!types.is_empty()).then(|| vec![map; types.len()])
}

/// `map(k, v, k, v, …)`.
fn pairs(types: &[DataType]) -> Option<Vec<DataType>> {
    if !types.len().is_multiple_of(2) {
        return None;
    }
    let of = |first: usize| common(&types.iter().skip(first).step_by(2).cloned().collect::<Vec<_>>());
    let (key, value) = (of(0)?, of(1)?);
    Some((0..types.len()).map(|at| if at % 2 == 0 { key.clone() } else { value.clone() }).collect())
}

fn map_of_pairs(types: &[DataType]) -> DataType {
    let at = |at: usize| types.get(at).cloned().unwrap_or(DataType::Null);
    map_type(at(0), at(1))
}

fn make(args: &[ArrayRef], rows: usize, returns: &DataType) -> Result<ArrayRef> {
    let all = |first: usize| {
        let parts: Vec<&dyn Array> = args.iter().skip(first).step_by(2).map(AsRef::as_ref).collect();
        concat(&parts)
    };
    if args.is_empty() {
        return empty(returns, rows);
    }
    let entries = (0..rows).map(|row| Some((0..args.len() / 2).map(|at| at * rows + row).collect()));
    assembled(&all(0)?, &all(1)?, entries)
}

/// Maps without entries.
fn empty(returns: &DataType, rows: usize) -> Result<ArrayRef> {
    let (key, value) = pair(returns).unwrap_or((DataType::Null, DataType::Null));
    let offsets = OffsetBuffer::new(vec![0_i32; rows + 1].into());
    Ok(map_array(offsets, arrow::array::new_empty_array(&key), arrow::array::new_empty_array(&value), None)?)
}

/// Maps of chosen entries, row by row. Of equal keys the last one counts, in the place of the first.
fn assembled(keys: &ArrayRef, values: &ArrayRef, rows: impl Iterator<Item = Option<Vec<usize>>>) -> Result<ArrayRef> {
    let [comparable_keys] = comparable([keys])?;
    let mut chosen = Chosen::with_capacity(rows.size_hint().0);
    for row in rows {
        let Some(entries) = row else {
            chosen.row(None::<[usize; 0]>)?;
            continue;
        };
        let mut kept: Vec<usize> = Vec::with_capacity(entries.len());
        let mut known: HashMap<&[u8], usize> = HashMap::with_capacity(entries.len());
        for at in entries {
            match known.get(comparable_keys.row(at).data()) {
                Some(place) => kept[*place] = at,
                None => {
                    known.insert(comparable_keys.row(at).data(), kept.len());
                    kept.push(at);
                }
            }
        }
        chosen.row(Some(kept))?;
    }
    let (places, offsets, nulls) = chosen.parts();
    Ok(map_array(offsets, take(keys, &places, None)?, take(values, &places, None)?, Some(nulls))?)
}

/// Keys or values as lists.
fn part(maps: &ArrayRef, which: usize) -> Result<ArrayRef> {
    let maps = maps.as_map();
    let values = if which == 0 { map_keys(maps.keys()) } else { Arc::clone(maps.values()) };
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, maps.offsets().clone(), values, maps.nulls().cloned())?))
}

fn concatenate(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let maps: Vec<_> = args.iter().map(|arg| arg.as_map()).collect();
    let keys: Vec<ArrayRef> = maps.iter().map(|map| map_keys(map.keys())).collect();
    let keys = concat(&keys.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
    let values = concat(&maps.iter().map(|map| map.values().as_ref()).collect::<Vec<_>>())?;
    let entries = (0..rows).map(|row| {
        let mut all = Vec::new();
        let mut begin = 0;
        for map in &maps {
            if map.is_null(row) {
                return None;
            }
            let offsets = map.value_offsets();
            all.extend((offsets[row] as usize..offsets[row + 1] as usize).map(|at| at + begin));
            begin += map.keys().len();
        }
        Some(all)
    });
    assembled(&keys, &values, entries)
}

fn two_lists(types: &[DataType]) -> Option<Vec<DataType>> {
    let [keys, values] = types else { return None };
    Some(vec![list(element_or_null(keys)?), list(element_or_null(values)?)])
}

fn map_of_lists(types: &[DataType]) -> DataType {
    let at = |at: usize| types.get(at).and_then(element_or_null).unwrap_or(DataType::Null);
    map_type(at(0), at(1))
}

fn from_lists(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (keys, values) = (lists(&args[0])?, lists(&args[1])?);
    // The value of each key stands in the same place of its list: so keys are gathered first, to stand where values do.
    let (mut chosen_keys, mut chosen_values) = (Chosen::with_capacity(rows), Chosen::with_capacity(rows));
    for row in 0..rows {
        match (places(&keys, row), places(&values, row)) {
            (Some(keys), Some(values)) if keys.len() != values.len() => {
                return exec_err!("Key and value arrays must be the same length in map_from_arrays");
            }
            (Some(keys), Some(values)) => {
                chosen_keys.row(Some(keys))?;
                chosen_values.row(Some(values))?;
            }
            _ => {
                chosen_keys.row(None::<[usize; 0]>)?;
                chosen_values.row(None::<[usize; 0]>)?;
            }
        }
    }
    let (key_places, offsets, nulls) = chosen_keys.parts();
    let (value_places, _, _) = chosen_values.parts();
    let gathered_keys = take(keys.values(), &key_places, None)?;
    let gathered_values = take(values.values(), &value_places, None)?;
    let entries =
        (0..rows).map(|row| nulls.is_valid(row).then(|| (offsets[row] as usize..offsets[row + 1] as usize).collect()));
    assembled(&gathered_keys, &gathered_values, entries)
}

fn up_to_three_texts(types: &[DataType]) -> Option<Vec<DataType>> {
    (1..=3).contains(&types.len()).then(|| vec![DataType::Utf8; types.len()])
}

/// `a:1,b:2`, with other marks where they are given.
fn from_text(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let texts: Vec<_> = args.iter().map(|arg| arg.as_string::<i32>()).collect();
    let (mut keys, mut values, mut entries) = (StringBuilder::new(), StringBuilder::new(), Vec::with_capacity(rows));
    let mut count = 0;
    for row in 0..rows {
        if texts.iter().any(|text| text.is_null(row)) {
            entries.push(None);
            continue;
        }
        let mark = |at: usize, usual| texts.get(at).map_or(usual, |text| text.value(row));
        let (between_pairs, within) = (mark(1, ","), mark(2, ":"));
        let begin = count;
        for pair in texts[0].value(row).split(between_pairs) {
            let (key, value) = pair.split_once(within).map_or((pair, None), |(key, value)| (key, Some(value)));
            keys.append_value(key);
            values.append_option(value);
            count += 1;
        }
        entries.push(Some((begin..count).collect()));
    }
    let (keys, values): (ArrayRef, ArrayRef) = (Arc::new(keys.finish()), Arc::new(values.finish()));
    assembled(&keys, &values, entries.into_iter())
}

fn anything(types: &[DataType]) -> Option<Vec<DataType>> {
    (!types.is_empty()).then(|| types.to_vec())
}

fn row_type(types: &[DataType]) -> DataType {
    let field = |(at, data_type): (usize, &DataType)| Field::new(format!("col{}", at + 1), data_type.clone(), true);
    DataType::Struct(types.iter().enumerate().map(field).collect())
}

/// `row(a, b)`: a STRUCT with the fields col1, col2, …
fn row(args: &[ArrayRef], _: usize, returns: &DataType) -> Result<ArrayRef> {
    let DataType::Struct(fields) = returns else { return exec_err!("a row is no STRUCT") };
    Ok(Arc::new(StructArray::try_new(fields.clone(), args.to_vec(), None)?))
}
