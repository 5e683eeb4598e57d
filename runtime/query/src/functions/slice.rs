//! `time_slice` and `date_slice`: where the slice of time begins, or ends, that a moment is in.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampMicrosecondBuilder};
use arrow::datatypes::Int64Type;
use datafusion::common::{Result, exec_err};
use storage_model::time::days_from_civil;
use storage_model::{Step, StepUnit};

use super::text::texts;
use super::time::{DAY, in_calendar, micros, text_at};
use super::{DATETIME, Function, SLICE, Slot};

pub(super) fn functions() -> Vec<Function> {
    vec![Function::new(SLICE, &[Slot::Any, Slot::Integer, Slot::Text, Slot::Text], DATETIME, slices)]
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
