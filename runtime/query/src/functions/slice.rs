//! `time_slice`, `date_slice` and `date_trunc`: where the slice of time begins, or ends, that a moment is in.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use storage_model::time::days_from_civil;
use storage_model::{Step, StepUnit};

use super::text::texts;
use super::time::{DAY, in_calendar, micros, text_at};
use super::typed::Typed;
use super::{DATETIME, Function, SLICE, Slot};

pub(super) fn functions() -> Vec<Function> {
    vec![Function::new(SLICE, &[Slot::Any, Slot::Integer, Slot::Text, Slot::Text], DATETIME, slices)]
}

/// Of a DATE a DATE, of anything else a DATETIME.
pub(super) fn truncation() -> Typed {
    let accepts = |types: &[DataType]| match types {
        [unit, DataType::Date32] if is_text(unit) => Some(vec![DataType::Utf8, DataType::Date32]),
        [unit, DataType::Timestamp(..)] if is_text(unit) => Some(vec![DataType::Utf8, DATETIME]),
        [unit, moment] if is_text(unit) && is_text(moment) => Some(vec![DataType::Utf8, DataType::Utf8]),
        _ => None,
    };
    let returns = |types: &[DataType]| match types {
        [_, DataType::Date32] => DataType::Date32,
        _ => DATETIME,
    };
    Typed::new("date_trunc", accepts, returns, truncated)
}

fn is_text(data_type: &DataType) -> bool {
    data_type.is_string() || data_type.is_null()
}

fn truncated(args: &[ArrayRef], rows: usize, returns: &DataType) -> Result<ArrayRef> {
    let (units, times) = (texts(&args[0], rows)?, micros(&args[1], rows)?);
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
    for (row, time) in times.into_iter().enumerate() {
        let (Some(unit), Some(time)) = (text_at(&units, row), time) else {
            builder.append_null();
            continue;
        };
        let Some(unit) = StepUnit::parse(&unit.to_lowercase()) else {
            return exec_err!(
                "date_trunc function can't support argument other than year|quarter|month|week|day|hour|minute|second"
            );
        };
        let start = Step { count: 1, unit }.start(time);
        builder.append_option(Some(start).filter(in_calendar));
    }
    Ok(arrow::compute::cast(&builder.finish(), returns)?)
}

fn slices(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (times, counts) = (micros(&args[0], rows)?, args[1].as_primitive::<Int64Type>());
    let (units, ends) = (texts(&args[2], rows)?, texts(&args[3], rows)?);
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
    for (row, (time, count)) in times.into_iter().zip(counts).enumerate() {
        let (Some(time), Some(count), Some(unit)) = (time, count, text_at(&units, row)) else {
            builder.append_null();
            continue;
        };
        let slice = slice(time, count, unit, text_at(&ends, row) == Some("ceil"))?;
        builder.append_option(slice.filter(in_calendar));
    }
    Ok(Arc::new(builder.finish()))
}

fn slice(time: i64, count: i64, unit: &str, end: bool) -> Result<Option<i64>> {
    let first = days_from_civil(1, 1, 1) * DAY;
    if time < first {
        return exec_err!("time used with time_slice can't before 0001-01-01 00:00:00");
    }
    let Some(count) = u32::try_from(count).ok().filter(|count| *count > 0) else {
        return exec_err!("time_slice requires second parameter must be greater than 0");
    };
    let parts = match unit {
        "millisecond" => 1000,
        "microsecond" => 1,
        _ => {
            let Some(unit) = StepUnit::parse(unit) else { return exec_err!("unknown time unit '{unit}'") };
            let step = Step { count, unit };
            let start = step.start(time);
            return Ok(Some(if end { step.end(start) } else { start }));
        }
    };
    let length = parts * i64::from(count);
    let start = first + (time - first) / length * length;
    Ok(if end { start.checked_add(length) } else { Some(start) })
}
