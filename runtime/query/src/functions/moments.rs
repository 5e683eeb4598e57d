//! Between wall times and moments: seconds since 1970, and the clocks of another time zone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Builder, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;

use super::text::texts;
use super::time::{SECOND, in_calendar, micros, text_at};
use super::{DATETIME, EPOCH, FROM_EPOCH, Function, Slot};
use crate::zone::Zone;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new(EPOCH, &[Slot::Any, Slot::Text], DataType::Int64, epoch),
        Function::new(FROM_EPOCH, &[Slot::Integer, Slot::Text], DATETIME, from_epoch),
        Function::new("convert_tz", &[Slot::Any, Slot::Text, Slot::Text], DATETIME, convert_tz),
    ]
}

/// The zone of a row; one that repeats is read once.
struct Zones {
    last: Option<(String, Option<Zone>)>,
}

impl Zones {
    fn at(&mut self, name: Option<&str>) -> Option<&Zone> {
        let name = name?;
        if self.last.as_ref().is_none_or(|(known, _)| known != name) {
            self.last = Some((name.to_owned(), Zone::parse(name)));
        }
        self.last.as_ref().and_then(|(_, zone)| zone.as_ref())
    }
}

fn epoch(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (times, names) = (micros(&args[0], rows)?, texts(&args[1], rows)?);
    let mut zones = Zones { last: None };
    let mut builder = Int64Builder::with_capacity(rows);
    for (row, time) in times.into_iter().enumerate() {
        let utc = time.zip(zones.at(text_at(&names, row))).map(|(time, zone)| zone.to_utc(time));
        builder.append_option(utc.map(|utc| utc.div_euclid(SECOND).max(0)));
    }
    Ok(Arc::new(builder.finish()))
}

fn from_epoch(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (seconds, names) = (args[0].as_primitive::<Int64Type>(), texts(&args[1], rows)?);
    let mut zones = Zones { last: None };
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
    for row in 0..rows {
        let utc = seconds.is_valid(row).then(|| seconds.value(row)).and_then(|s| s.checked_mul(SECOND));
        let utc = utc.filter(in_calendar);
        let time = utc.zip(zones.at(text_at(&names, row))).map(|(utc, zone)| zone.to_local(utc));
        builder.append_option(time.filter(in_calendar));
    }
    Ok(Arc::new(builder.finish()))
}

fn convert_tz(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (times, from, to) = (micros(&args[0], rows)?, texts(&args[1], rows)?, texts(&args[2], rows)?);
    let (mut sources, mut targets) = (Zones { last: None }, Zones { last: None });
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
    for (row, time) in times.into_iter().enumerate() {
        let utc = time.zip(sources.at(text_at(&from, row))).map(|(time, zone)| zone.to_utc(time));
        let there = utc.zip(targets.at(text_at(&to, row))).map(|(utc, zone)| zone.to_local(utc));
        builder.append_option(there.filter(in_calendar));
    }
    Ok(Arc::new(builder.finish()))
}
