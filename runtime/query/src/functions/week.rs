//! Weeks, as MySQL numbers them: by eight modes that say on which day a week begins and which week of a year is its first.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Builder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use storage_model::time::{civil_from_days, days_from_civil};

use super::time::{DAY, micros};
use super::{Function, Slot, WEEK};

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new(WEEK, &[Slot::Any, Slot::Integer], DataType::Int32, |args, rows| {
            numbered(args, rows, |days, mode| week(days, mode, false).1 as i32)
        }),
        Function::new("yearweek", &[Slot::Any, Slot::Integer], DataType::Int32, |args, rows| {
            numbered(args, rows, |days, mode| {
                let (year, week) = week(days, mode, true);
                (year * 100 + week) as i32
            })
        }),
    ]
}

fn numbered(args: &[ArrayRef], rows: usize, number: fn(i64, i64) -> i32) -> Result<ArrayRef> {
    let (times, modes) = (micros(&args[0], rows)?, args[1].as_primitive::<Int64Type>());
    let mut builder = Int32Builder::with_capacity(rows);
    for (time, mode) in times.into_iter().zip(modes) {
        let days = time.map(|time| time.div_euclid(DAY));
        builder.append_option(days.zip(mode).map(|(days, mode)| number(days, mode)));
    }
    Ok(Arc::new(builder.finish()))
}

/// The year that the week of a day belongs to, and its number in it; 0 where the week belongs to the year before and that is
/// not to be said (`whole_weeks`: it is).
fn week(days: i64, mode: i64, whole_weeks: bool) -> (i64, i64) {
    let mode = mode.rem_euclid(8);
    let monday_first = mode & 1 != 0;
    // Without it, the first week is the one that has most of its days in the year.
    let from_first_weekday = (mode & 4 != 0) == monday_first;
    let whole_weeks = whole_weeks || mode & 2 != 0;
    let (mut year, month, day) = civil_from_days(days);
    let mut first = days_from_civil(year, 1, 1);
    let mut weekday = weekday(first, monday_first);
    let later = |weekday: i64| if from_first_weekday { weekday != 0 } else { weekday >= 4 };
    let mut belongs = whole_weeks;
    if month == 1 && i64::from(day) <= 7 - weekday && later(weekday) {
        if !whole_weeks {
            return (year, 0);
        }
        year -= 1;
        let length = first - days_from_civil(year, 1, 1);
        first -= length;
        weekday = (weekday + 53 * 7 - length) % 7;
        belongs = true;
    }
    let since = if later(weekday) { days - (first + (7 - weekday)) } else { days - (first - weekday) };
    if belongs && since >= 52 * 7 {
        let length = days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1);
        if !later((weekday + length) % 7) {
            return (year + 1, 1);
        }
    }
    (year, since / 7 + 1)
}

/// How many days after the first day of its week.
fn weekday(days: i64, monday_first: bool) -> i64 {
    // The epoch was a Thursday.
    (days + if monday_first { 3 } else { 4 }).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_around_the_turn_of_a_year() {
        let of = |(year, month, day), mode, whole| week(days_from_civil(year, month, day), mode, whole);
        // By hand from a calendar: 2000-01-01 was a Saturday, 2000-12-31 a Sunday, 1900-01-01 a Monday.
        let expected = [
            ((2000, 1, 1), [199_952, 199_952, 199_952, 199_952, 199_952, 199_952, 199_952, 199_952]),
            ((2000, 12, 31), [200_053, 200_052, 200_053, 200_052, 200_101, 200_052, 200_101, 200_052]),
            ((1900, 1, 1), [189_953, 190_001, 189_953, 190_001, 190_001, 190_001, 190_001, 190_001]),
        ];
        for (date, weeks) in expected {
            for (mode, number) in (0..).zip(weeks) {
                let (year, week) = of(date, mode, true);
                assert_eq!(year * 100 + week, number, "{date:?} in mode {mode}");
            }
        }
        assert_eq!(of((2000, 1, 1), 0, false), (2000, 0));
        assert_eq!(of((2000, 1, 1), 2, false).1, 52);
        assert_eq!(of((2024, 5, 6), 0, false).1, 18);
        assert_eq!(of((2024, 5, 6), 3, false).1, 19);
    }
}
