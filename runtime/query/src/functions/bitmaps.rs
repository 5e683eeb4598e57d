//! Functions on BITMAP. Where a number cannot be in one (it is negative, or has more than 64 bits) the result is NULL.

mod parts;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal256Array, Int64Array, Int64Builder, ListArray,
    ListBuilder, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, i256};
use datafusion::common::Result;
use roaring::RoaringTreemap;
use storage_tablet::sketch::exchange;
use xxhash_rust::xxh3::xxh3_64;

use super::binary::{from_base64, to_base64};
use super::hash::murmur;
use super::sketches::{BITMAP, Want, failed, numbers, set_at, sets, wanted};
use super::text::texts;
use super::typed::{Typed, element, list, lists, places};

pub(super) fn functions() -> Vec<Typed> {
    let bitmap = |_: &[DataType]| BITMAP;
    let boolean = |_: &[DataType]| DataType::Boolean;
    let text = |_: &[DataType]| DataType::Utf8;
    let large = |_: &[DataType]| DataType::Decimal256(storage_tablet::types::LARGEINT_PRECISION, 0);
    let mut all = vec![
        Typed::new("to_bitmap", plain, bitmap, of_number),
        Typed::new("bitmap_hash", plain, bitmap, of_hash),
        Typed::new("bitmap_hash64", plain, bitmap, of_long_hash),
        Typed::new("bitmap_empty", |t| wanted(t, &[]), bitmap, |_, rows, _| sets(rows, |_| Ok(Some(empty())))),
        Typed::new("bitmap_from_string", |t| wanted(t, &[Want::Text]), bitmap, from_string),
        Typed::new("bitmap_to_string", one, text, to_string),
        Typed::new("bitmap_to_array", one, |_| list(DataType::Int64), to_array),
        Typed::new("array_to_bitmap", whole_array, bitmap, from_array),
        Typed::new("bitmap_to_base64", one, text, to_base64_text),
        Typed::new("base64_to_bitmap", |t| wanted(t, &[Want::Text]), bitmap, from_base64_text),
        Typed::new("bitmap_to_binary", one, |_| DataType::Binary, to_binary),
        Typed::new("bitmap_from_binary", |t| wanted(t, &[Want::Bytes]), bitmap, from_binary),
        Typed::new("bitmap_count", one, |_| DataType::Int64, count),
        Typed::new("bitmap_and", two, bitmap, |args, rows, _| both(args, rows, |a, b| a & b)),
        Typed::new("bitmap_xor", two, bitmap, |args, rows, _| both(args, rows, |a, b| a ^ b)),
        Typed::new("bitmap_andnot", two, bitmap, |args, rows, _| both(args, rows, |a, b| a - b)),
        Typed::new("bitmap_or", several, bitmap, or),
        Typed::new("bitmap_contains", with_number, boolean, contains),
        Typed::new("bitmap_has_any", two, boolean, has_any),
        Typed::new("bitmap_max", one, large, |args, rows, _| bound(args, rows, RoaringTreemap::max)),
        Typed::new("bitmap_min", one, large, |args, rows, _| bound(args, rows, RoaringTreemap::min)),
        Typed::new("bitmap_remove", with_number, bitmap, remove),
    ];
    all.extend(parts::functions());
    all
}

fn empty() -> RoaringTreemap {
    RoaringTreemap::new()
}

fn plain(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [only] if !only.is_nested() && !super::sketches::is_sketch(only) => Some(types.to_vec()),
        _ => None,
    }
}

fn one(types: &[DataType]) -> Option<Vec<DataType>> {
    wanted(types, &[Want::Bitmap])
}

fn two(types: &[DataType]) -> Option<Vec<DataType>> {
    wanted(types, &[Want::Bitmap; 2])
}

fn several(types: &[DataType]) -> Option<Vec<DataType>> {
    if types.len() < 2 { None } else { wanted(types, &vec![Want::Bitmap; types.len()]) }
}

fn with_number(types: &[DataType]) -> Option<Vec<DataType>> {
    wanted(types, &[Want::Bitmap, Want::Whole])
}

fn whole_array(types: &[DataType]) -> Option<Vec<DataType>> {
    let [only] = types else { return None };
    if only.is_null() {
        return Some(vec![list(DataType::Int64)]);
    }
    let element = element(only)?;
    (element.is_integer() || element.is_null() || element == DataType::Boolean).then(|| vec![list(DataType::Int64)])
}

fn of_number(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let numbers = numbers(&args[0])?;
    sets(rows, |row| Ok(numbers[row].map(|number| RoaringTreemap::from_iter([number]))))
}

fn hashed(args: &[ArrayRef], rows: usize, hash: impl Fn(&[u8]) -> u64) -> Result<ArrayRef> {
    let texts = texts(&args[0], rows)?;
    let hash = |row: usize| texts.is_valid(row).then(|| hash(texts.value(row).as_bytes()));
    sets(rows, |row| Ok(hash(row).map(|hash| RoaringTreemap::from_iter([hash]))))
}

fn of_hash(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    hashed(args, rows, |bytes| u64::from(murmur(bytes)))
}

fn of_long_hash(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    hashed(args, rows, xxh3_64)
}

fn from_string(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let texts = args[0].as_string::<i32>();
    sets(rows, |row| Ok(texts.is_valid(row).then(|| texts.value(row)).and_then(parsed)))
}

/// `1, 2, 3`; None: a part is no number.
fn parsed(text: &str) -> Option<RoaringTreemap> {
    if text.trim().is_empty() {
        return Some(empty());
    }
    text.split(',').map(|part| part.trim().parse::<u64>().ok()).collect()
}

fn to_string(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let text = |set: RoaringTreemap| set.iter().map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let texts = (0..rows).map(|row| Ok(set_at(&args[0], row)?.map(text)));
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

fn to_array(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let mut arrays = ListBuilder::new(Int64Builder::new());
    for row in 0..rows {
        match set_at(&args[0], row)? {
            Some(set) => {
                set.iter().for_each(|number| arrays.values().append_value(number.cast_signed()));
                arrays.append(true);
            }
            None => arrays.append(false),
        }
    }
    let arrays: ListArray = arrays.finish();
    Ok(cast(&arrays, &list(DataType::Int64))?)
}

fn from_array(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let numbers = numbers(lists.values())?;
    sets(rows, |row| Ok(places(&lists, row).map(|places| places.filter_map(|at| numbers[at]).collect())))
}

/// The bytes in which a BITMAP is given away.
fn given(bitmaps: &ArrayRef, row: usize) -> Result<Option<Vec<u8>>> {
    let set = set_at(bitmaps, row)?;
    set.map(|set| exchange::encode(&set).map_err(|error| failed(&error))).transpose()
}

fn to_base64_text(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let texts = (0..rows).map(|row| Ok(given(&args[0], row)?.map(|bytes| to_base64(&bytes))));
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

fn to_binary(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let bytes = (0..rows).map(|row| given(&args[0], row)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(BinaryArray::from_iter(bytes)))
}

fn from_base64_text(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let texts = args[0].as_string::<i32>();
    let bytes = |row: usize| texts.is_valid(row).then(|| from_base64(texts.value(row))).flatten();
    sets(rows, |row| Ok(bytes(row).and_then(|bytes| exchange::decode(&bytes))))
}

fn from_binary(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let bytes = cast(&args[0], &DataType::Binary)?;
    let bytes = bytes.as_binary::<i32>();
    sets(rows, |row| Ok(bytes.is_valid(row).then(|| bytes.value(row)).and_then(exchange::decode)))
}

fn count(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let counts = (0..rows).map(|row| Ok(set_at(&args[0], row)?.map_or(0, |set| set.len().cast_signed())));
    Ok(Arc::new(counts.collect::<Result<Vec<i64>>>().map(Int64Array::from)?))
}

/// Two sets in a row, unless one is NULL.
fn pair(args: &[ArrayRef], row: usize) -> Result<Option<(RoaringTreemap, RoaringTreemap)>> {
    Ok(set_at(&args[0], row)?.zip(set_at(&args[1], row)?))
}

fn both(
    args: &[ArrayRef],
    rows: usize,
    combine: fn(RoaringTreemap, RoaringTreemap) -> RoaringTreemap,
) -> Result<ArrayRef> {
    sets(rows, |row| Ok(pair(args, row)?.map(|(one, other)| combine(one, other))))
}

fn or(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    sets(rows, |row| {
        let all = args.iter().map(|bitmaps| set_at(bitmaps, row)).collect::<Result<Option<Vec<_>>>>()?;
        Ok(all.map(|all| all.into_iter().fold(empty(), |union, set| union | set)))
    })
}

/// A set and a number in a row, unless one is NULL.
fn set_and_number(args: &[ArrayRef], row: usize) -> Result<Option<(RoaringTreemap, u64)>> {
    let numbers = args[1].as_primitive::<Int64Type>();
    let number = numbers.is_valid(row).then(|| numbers.value(row).cast_unsigned());
    Ok(set_at(&args[0], row)?.zip(number))
}

fn contains(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let found = |row| Ok(set_and_number(args, row)?.map(|(set, number)| set.contains(number)));
    Ok(Arc::new((0..rows).map(found).collect::<Result<Vec<_>>>().map(BooleanArray::from)?))
}

fn has_any(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let found = |row| Ok(pair(args, row)?.map(|(one, other)| !one.is_disjoint(&other)));
    Ok(Arc::new((0..rows).map(found).collect::<Result<Vec<_>>>().map(BooleanArray::from)?))
}

fn bound(args: &[ArrayRef], rows: usize, bound: fn(&RoaringTreemap) -> Option<u64>) -> Result<ArrayRef> {
    let number = |row| Ok(set_at(&args[0], row)?.and_then(|set| bound(&set)).map(|n| i256::from_i128(n.into())));
    let numbers = (0..rows).map(number).collect::<Result<Decimal256Array>>()?;
    Ok(Arc::new(numbers.with_precision_and_scale(storage_tablet::types::LARGEINT_PRECISION, 0)?))
}

fn remove(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    sets(rows, |row| {
        Ok(set_and_number(args, row)?.map(|(mut set, number)| {
            set.remove(number);
            set
        }))
    })
}
