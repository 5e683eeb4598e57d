//! `mann_whitney_u_test`: whether the values of one group are greater than those of another, by their ranks.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, exec_err};

use super::MANN_WHITNEY;
use super::typed::{Typed, element, list, lists, places};

pub(super) fn functions() -> Vec<Typed> {
    vec![Typed::new(MANN_WHITNEY, samples, |_| DataType::LargeUtf8, test)]
}

/// Rows of a value and its group, what is supposed, and whether half a step is taken off.
fn samples(types: &[DataType]) -> Option<Vec<DataType>> {
    let [rows, alternative, corrected] = types else { return None };
    let DataType::Struct(fields) = element(rows)? else { return None };
    let [value, group] = fields.iter().map(|field| field.data_type()).collect::<Vec<_>>()[..] else { return None };
    let is_flag = |given: &DataType| given == &DataType::Boolean || given.is_integer() || given.is_null();
    let is_number = value.is_numeric() || value.is_null() || value == &DataType::Boolean;
    let fits = is_number && is_flag(group) && alternative.is_string() && is_flag(corrected);
    let pair = vec![Field::new("c0", DataType::Float64, true), Field::new("c1", DataType::Boolean, true)];
    fits.then(|| vec![list(DataType::Struct(pair.into())), DataType::Utf8, DataType::Boolean])
}

/// What is supposed of the first group.
#[derive(Clone, Copy)]
enum Alternative {
    Different,
    Less,
    Greater,
}

fn alternative(name: &str) -> Result<Alternative> {
    match name {
        "two-sided" => Ok(Alternative::Different),
        "less" => Ok(Alternative::Less),
        "greater" => Ok(Alternative::Greater),
        other => exec_err!("mann_whitney_u_test: '{other}' is none of two-sided, less, greater"),
    }
}

/// `[U, p]` as JSON; JSON's null where a group has no values.
fn test(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (lists, names, corrected) = (lists(&args[0])?, args[1].as_string::<i32>(), args[2].as_boolean());
    let pairs = lists.values().as_struct();
    let values = cast(pairs.column(0), &DataType::Float64)?;
    let groups = cast(pairs.column(1), &DataType::Boolean)?;
    let (values, groups) = (values.as_primitive::<Float64Type>(), groups.as_boolean());
    let mut found: Vec<Option<String>> = Vec::with_capacity(rows);
    for row in 0..rows {
        let known = |at: &usize| pairs.is_valid(*at) && values.is_valid(*at) && groups.is_valid(*at);
        let samples = places(&lists, row).into_iter().flatten().filter(known);
        let mut samples: Vec<(f64, bool)> = samples.map(|at| (values.value(at), groups.value(at))).collect();
        if names.is_null(row) || corrected.is_null(row) {
            found.push(None);
            continue;
        }
        let result = tested(&mut samples, alternative(names.value(row))?, corrected.value(row));
        found.push(Some(result.map_or_else(|| "null".to_owned(), |(u, p)| format!("[{u},{p}]"))));
    }
    Ok(Arc::new(LargeStringArray::from(found)))
}

/// How often a value of the first group (false) is greater than one of the second, ties by half, and how likely that is by chance.
fn tested(samples: &mut [(f64, bool)], alternative: Alternative, corrected: bool) -> Option<(f64, f64)> {
    samples.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all = samples.len() as f64;
    let first = samples.iter().filter(|(_, is_second)| !is_second).count() as f64;
    let second = all - first;
    let (mut before, mut ranks, mut ties) = (0.0, 0.0, 0.0);
    for same in samples.chunk_by(|a, b| a.0 == b.0) {
        let count = same.len() as f64;
        ranks += same.iter().filter(|(_, is_second)| !is_second).count() as f64 * (before + (count + 1.0) / 2.0);
        ties += count * count * count - count;
        before += count;
    }
    if first == 0.0 || second == 0.0 {
        return None;
    }
    let u = ranks - first * (first + 1.0) / 2.0;
    let other = first * second - u;
    let (wanted, sides) = match alternative {
        Alternative::Different => (u.max(other), 2.0),
        Alternative::Less => (other, 1.0),
        Alternative::Greater => (u, 1.0),
    };
    let spread = (first * second / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)))).sqrt();
    let distance = wanted - first * second / 2.0 - if corrected { 0.5 } else { 0.0 };
    // All values are equal: nothing speaks for a difference.
    let score = if spread > 0.0 { distance / spread } else { 0.0 };
    Some((u, (sides * 0.5 * libm::erfc(score / std::f64::consts::SQRT_2)).clamp(0.0, 1.0)))
}
