//! What is made of gathered rows: the most frequent values (`approx_top_k`) and how far a chain of events got
//! (`window_funnel`).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, Int64Builder, ListArray, StructArray};
use arrow::compute::take;
use arrow::datatypes::{DataType, Date32Type, Field, Fields, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err};

use super::arrays::looking::comparable;
use super::typed::{Chosen, Typed, element, element_or_null, like_first, list, lists, places};
use super::{FUNNEL, TOP};

/// Events must not repeat.
const DEDUPLICATED: i64 = 1;
/// No other event may stand between.
const FIXED: i64 = 2;
/// Times must rise.
const INCREASING: i64 = 4;

pub(super) fn functions() -> Vec<Typed> {
    vec![Typed::new(TOP, values_and_count, counted, top), Typed::new(FUNNEL, chain, |_| DataType::Int64, funnel)]
}

fn values_and_count(types: &[DataType]) -> Option<Vec<DataType>> {
    let [values, _] = types else { return None };
    Some(vec![list(element_or_null(values)?), DataType::Int64])
}

fn item_and_count(item: DataType) -> Fields {
    vec![Field::new("item", item, true), Field::new("count", DataType::Int64, true)].into()
}

fn counted(types: &[DataType]) -> DataType {
    let item = element_or_null(&like_first(types)).unwrap_or(DataType::Null);
    list(DataType::Struct(item_and_count(item)))
}

/// The most frequent elements, each with how often it is there.
fn top(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let most = args[1].as_primitive::<Int64Type>();
    let [members] = comparable([lists.values()])?;
    let (mut chosen, mut counts) = (Chosen::with_capacity(rows), Int64Builder::new());
    for row in 0..rows {
        let Some(places) = places(&lists, row).filter(|_| most.is_valid(row)) else {
            chosen.row(None::<[usize; 0]>)?;
            continue;
        };
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        let mut found: Vec<(usize, i64)> = Vec::new();
        for place in places {
            let at = *known.entry(members.row(place).data()).or_insert(found.len());
            match found.get_mut(at) {
                Some((_, count)) => *count += 1,
                None => found.push((place, 1)),
            }
        }
        found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        found.truncate(usize::try_from(most.value(row)).unwrap_or(0));
        found.iter().for_each(|(_, count)| counts.append_value(*count));
        chosen.row(Some(found.iter().map(|(place, _)| *place)))?;
    }
    let (places, offsets, nulls) = chosen.parts();
    let items = take(lists.values(), &places, None)?;
    let fields = item_and_count(items.data_type().clone());
    let pairs = StructArray::try_new(fields.clone(), vec![items, Arc::new(counts.finish())], None)?;
    let field = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(pairs), Some(nulls))?))
}

/// A window, a mode, and rows of a time and conditions.
fn chain(types: &[DataType]) -> Option<Vec<DataType>> {
    let [_, _, events] = types else { return None };
    let DataType::Struct(fields) = element(events)? else { return None };
    let [time, conditions] = fields.iter().collect::<Vec<_>>()[..] else { return None };
    let is_time = matches!(time.data_type(), DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, None));
    let are_conditions = element(conditions.data_type()) == Some(DataType::Boolean);
    (is_time && are_conditions).then(|| vec![DataType::Int64, DataType::Int64, events.clone()])
}

fn funnel(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (windows, modes) = (args[0].as_primitive::<Int64Type>(), args[1].as_primitive::<Int64Type>());
    let events = lists(&args[2])?;
    let Some(parts) = events.values().as_struct_opt() else { return exec_err!("window_funnel: no events") };
    let (times, a_unit) = match parts.column(0).data_type() {
        DataType::Date32 => {
            let days = parts.column(0).as_primitive::<Date32Type>();
            (days.iter().map(|day| day.map(i64::from)).collect::<Int64Array>(), 1)
        }
        _ => {
            let micros = parts.column(0).as_primitive::<TimestampMicrosecondType>();
            (micros.iter().collect::<Int64Array>(), super::time::SECOND)
        }
    };
    let conditions = lists(parts.column(1))?;
    let truths = conditions.values().as_boolean();
    let mut levels: Vec<Option<i64>> = Vec::with_capacity(rows);
    for row in 0..rows {
        let known = windows.is_valid(row) && modes.is_valid(row);
        let Some(places) = places(&events, row).filter(|_| known) else {
            levels.push(Some(0));
            continue;
        };
        let (mut happened, mut count) = (Vec::new(), 0);
        for place in places.filter(|place| times.is_valid(*place)) {
            let Some(conditions) = self::places(&conditions, place) else { continue };
            count = count.max(conditions.len());
            let is_true = |at: &usize| truths.is_valid(conditions.start + at) && truths.value(conditions.start + at);
            happened.extend((0..conditions.len()).filter(is_true).map(|level| (times.value(place), level)));
        }
        happened.sort_unstable();
        let window = windows.value(row).saturating_mul(a_unit);
        levels.push(Some(level(&happened, count, window, modes.value(row)) as i64));
    }
    Ok(Arc::new(Int64Array::from(levels)))
}

/// How many events of a chain came one behind the other, all within the window of the first.
fn level(happened: &[(i64, usize)], count: usize, window: i64, mode: i64) -> usize {
    // When the chain began that got so far, and when it did.
    let mut reached: Vec<Option<(i64, i64)>> = vec![None; count];
    let so_far = |reached: &[Option<(i64, i64)>]| reached.iter().take_while(|step| step.is_some()).count();
    for (at, (time, event)) in happened.iter().enumerate() {
        if *event == 0 {
            reached[0] = Some((*time, *time));
            continue;
        }
        if mode & DEDUPLICATED != 0 && reached[*event].is_some() {
            return happened[at - 1].1 + 1;
        }
        let Some((began, before)) = reached[event - 1] else {
            if mode & FIXED != 0 && reached[0].is_some() {
                return so_far(&reached);
            }
            continue;
        };
        let rises = mode & INCREASING == 0 || before < *time;
        if rises && *time <= began.saturating_add(window) {
            reached[*event] = Some((began, *time));
            if event + 1 == count {
                return count;
            }
        }
    }
    reached.iter().rposition(Option::is_some).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_gets_as_far_as_its_mode_lets_it() {
        // A B C B D, one a second.
        let repeated = [(0, 0), (1, 1), (2, 2), (3, 1), (4, 3)];
        assert_eq!(level(&repeated, 4, 10, 0), 4);
        assert_eq!(level(&repeated, 4, 10, DEDUPLICATED), 3);
        assert_eq!(level(&repeated, 4, 2, 0), 3);
        // A B D C.
        let disturbed = [(0, 0), (1, 1), (2, 3), (3, 2)];
        assert_eq!(level(&disturbed, 4, 10, 0), 3);
        assert_eq!(level(&disturbed, 4, 10, FIXED), 2);
        let at_once = [(0, 0), (0, 1)];
        assert_eq!((level(&at_once, 2, 1, 0), level(&at_once, 2, 1, INCREASING)), (2, 1));
        assert_eq!((level(&[], 3, 1, 0), level(&[(5, 1)], 3, 1, 0)), (0, 0));
    }
}
