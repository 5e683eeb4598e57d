//! Steps of time: where the hour, the day or the seven days begin that a moment is in. Expression partitions are made of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::partition::{Bound, PartitionRange};
use crate::schema::DataType;
use crate::time::{civil_from_days, days_from_civil};
use crate::value::{Value, format_datetime};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days from the first day of the year 1, a Monday, to the epoch: slices of several days or weeks are counted from there.
const YEAR_ONE: i64 = -719_162;
/// Microseconds at which the year 10000 begins: no date is as late.
pub const END_OF_TIME: i64 = 2_932_897 * DAY;
/// Microseconds at which the year 0 begins: no date is earlier.
pub const BEGINNING_OF_TIME: i64 = -719_528 * DAY;

/// What steps are counted in. Variants are positional in stored bytes: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StepUnit {
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks, which begin on Mondays.
    Week,
    /// Months.
    Month,
    /// Quarters of a year.
    Quarter,
    /// Years.
    Year,
}

impl StepUnit {
    const ALL: [(StepUnit, &'static str); 8] = [
        (StepUnit::Second, "second"),
        (StepUnit::Minute, "minute"),
        (StepUnit::Hour, "hour"),
        (StepUnit::Day, "day"),
        (StepUnit::Week, "week"),
        (StepUnit::Month, "month"),
        (StepUnit::Quarter, "quarter"),
        (StepUnit::Year, "year"),
    ];

    /// Reads `day`, in any case.
    pub fn parse(text: &str) -> Option<StepUnit> {
        StepUnit::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(unit, _)| *unit)
    }

    /// `day`.
    pub fn name(self) -> &'static str {
        StepUnit::ALL.iter().find(|(unit, _)| *unit == self).map_or("", |(_, name)| name)
    }

    /// Whether a DATE has no moments within one.
    pub fn is_within_a_day(self) -> bool {
        matches!(self, StepUnit::Second | StepUnit::Minute | StepUnit::Hour)
    }
}

impl fmt::Display for StepUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `date_trunc('day', …)` and `time_slice(…, INTERVAL 7 day)`: slices of time, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// How many units a slice takes, 1 at least.
    pub count: u32,
    /// Which.
    pub unit: StepUnit,
}

impl Step {
    /// Where the slice begins that a moment is in, in microseconds since the epoch.
    pub fn start(self, micros: i64) -> i64 {
        let count = i64::from(self.count.max(1));
        let floor = |length: i64| {
            let origin = YEAR_ONE * DAY;
            origin + (micros - origin).div_euclid(length) * length
        };
        match self.unit {
            StepUnit::Second => floor(SECOND.saturating_mul(count)),
            StepUnit::Minute => floor((60 * SECOND).saturating_mul(count)),
            StepUnit::Hour => floor((3600 * SECOND).saturating_mul(count)),
            StepUnit::Day => floor(DAY.saturating_mul(count)),
            StepUnit::Week => floor((7 * DAY).saturating_mul(count)),
            StepUnit::Month => month_of(micros, count),
            StepUnit::Quarter => month_of(micros, count.saturating_mul(3)),
            StepUnit::Year => month_of(micros, count.saturating_mul(12)),
        }
    }

    /// Where the slice ends that begins here: where the next one begins.
    pub fn end(self, start: i64) -> i64 {
        self.later(start, self.count.max(1).into())
    }

    /// So many units later (or earlier), from the beginning of a unit to that of another.
    pub fn later(self, start: i64, count: i64) -> i64 {
        let plus = |length: i64| start.saturating_add(length.saturating_mul(count));
        match self.unit {
            StepUnit::Second => plus(SECOND),
            StepUnit::Minute => plus(60 * SECOND),
            StepUnit::Hour => plus(3600 * SECOND),
            StepUnit::Day => plus(DAY),
            StepUnit::Week => plus(7 * DAY),
            StepUnit::Month => months_later(start, count),
            StepUnit::Quarter => months_later(start, count.saturating_mul(3)),
            StepUnit::Year => months_later(start, count.saturating_mul(12)),
        }
    }

    /// A date or a moment as the beginning of its slice; other values as they are.
    pub fn floor(self, value: &Value) -> Value {
        match value {
            Value::Date(days) => {
                let start = self.start(i64::from(*days) * DAY).max(BEGINNING_OF_TIME);
                Value::Date(start.div_euclid(DAY) as i32)
            }
            Value::DateTime(micros) => Value::DateTime(self.start(*micros).max(BEGINNING_OF_TIME)),
            other => other.clone(),
        }
    }

    /// The rows of the slice that begins at this value. The first slice of all takes NULL too.
    pub fn range(self, start: &Value) -> Option<PartitionRange> {
        let (micros, is_date) = match start {
            Value::Date(days) => (i64::from(*days) * DAY, true),
            Value::DateTime(micros) => (*micros, false),
            _ => return None,
        };
        let begins = self.start(micros);
        let at = |micros: i64| {
            Bound::At(vec![if is_date { Value::Date(micros.div_euclid(DAY) as i32) } else { Value::DateTime(micros) }])
        };
        let end = self.end(begins);
        Some(PartitionRange::between(
            if begins <= BEGINNING_OF_TIME { Bound::Min } else { at(begins) },
            if end >= END_OF_TIME { Bound::Max } else { at(end) },
        ))
    }

    /// What a partition is called that begins at this value: `p20260101`, `p202601`, `p2026010112`.
    pub fn partition_name(self, start: &Value) -> String {
        let micros = match start {
            Value::Date(days) => i64::from(*days) * DAY,
            Value::DateTime(micros) => *micros,
            _ => 0,
        };
        let digits: String = format_datetime(micros).chars().take(19).filter(char::is_ascii_digit).collect();
        let length = match self.unit {
            StepUnit::Second => 14,
            StepUnit::Minute => 12,
            StepUnit::Hour => 10,
            StepUnit::Day | StepUnit::Week => 8,
            StepUnit::Month | StepUnit::Quarter => 6,
            StepUnit::Year => 4,
        };
        format!("p{}", digits.get(..length).unwrap_or(&digits))
    }

    /// Whether columns of this type can be cut so.
    pub fn takes(self, data_type: &DataType) -> bool {
        match data_type {
            DataType::DateTime => true,
            DataType::Date => !self.unit.is_within_a_day(),
            _ => false,
        }
    }

    /// The expression over a column, as SHOW CREATE TABLE prints it.
    pub fn expression(self, column: &str) -> String {
        match self.count {
            0 | 1 => format!("date_trunc('{}', {column})", self.unit),
            count => format!("time_slice({column}, INTERVAL {count} {})", self.unit),
        }
    }
}

/// Where the slice of so many months begins; the months of the year 1 are the first.
fn month_of(micros: i64, count: i64) -> i64 {
    let (year, month, _) = civil_from_days(micros.div_euclid(DAY));
    let months = (year - 1) * 12 + i64::from(month) - 1;
    month_begins(months.div_euclid(count) * count)
}

/// Months from the beginning of the year 1.
fn month_begins(months: i64) -> i64 {
    let months = months.clamp(-10_000 * 12, 10_000 * 12);
    days_from_civil(months.div_euclid(12) + 1, months.rem_euclid(12) as u32 + 1, 1) * DAY
}

fn months_later(start: i64, months: i64) -> i64 {
    let (year, month, _) = civil_from_days(start.div_euclid(DAY));
    month_begins(((year - 1) * 12 + i64::from(month) - 1).saturating_add(months))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::parse_datetime;

    fn step(count: u32, unit: StepUnit) -> Step {
        Step { count, unit }
    }

    fn start(step: Step, text: &str) -> String {
        let begins = step.start(parse_datetime(text).unwrap());
        assert!(step.start(begins) == begins, "a slice begins where it begins");
        let end = step.end(begins);
        assert_eq!(step.start(end), end, "and ends where another does");
        assert_eq!(step.start(end - 1), begins);
        format_datetime(begins)
    }

    #[test]
    fn slices_begin_where_starrocks_begins_them() {
        let moment = "2026-11-27 14:35:47.000001";
        for (count, unit, begins) in [
            (1, StepUnit::Second, "2026-11-27 14:35:47"),
            (15, StepUnit::Minute, "2026-11-27 14:30:00"),
            (1, StepUnit::Hour, "2026-11-27 14:00:00"),
            (1, StepUnit::Day, "2026-11-27 00:00:00"),
            (1, StepUnit::Week, "2026-11-23 00:00:00"),
            (1, StepUnit::Month, "2026-11-01 00:00:00"),
            (1, StepUnit::Quarter, "2026-10-01 00:00:00"),
            (1, StepUnit::Year, "2026-01-01 00:00:00"),
            (10, StepUnit::Year, "2021-01-01 00:00:00"),
        ] {
            assert_eq!(start(step(count, unit), moment), begins, "{count} {unit}");
        }
        // As `select time_slice('2015-03-23', interval 7 day)` and `… interval 5 day` say it.
        assert_eq!(start(step(5, StepUnit::Day), "1970-01-01"), "1969-12-30 00:00:00");
        assert_eq!(start(step(7, StepUnit::Day), "2015-03-23"), start(step(1, StepUnit::Week), "2015-03-23"));
    }

    #[test]
    fn the_ends_of_time_are_open() {
        let years = step(10, StepUnit::Year);
        let first = years.range(&Value::Date(-719_528)).unwrap();
        assert_eq!(first.lower, Bound::Min);
        assert!(first.contains(&[None]) && first.contains(&[Some(Value::Date(-719_528))]));
        let day = step(1, StepUnit::Day);
        let last = day.range(&Value::DateTime(END_OF_TIME - 1)).unwrap();
        assert_eq!(last.upper, Bound::Max);
        assert_eq!(day.range(&Value::Integer(1)), None);
        assert_eq!(step(7, StepUnit::Day).floor(&Value::Date(-719_528)), Value::Date(-719_528));
    }

    #[test]
    fn names_are_as_long_as_the_step_is_fine() {
        let at = Value::parse("2026-01-02 03:04:05", &DataType::DateTime).unwrap();
        let name = |unit| step(1, unit).partition_name(&at);
        assert_eq!(
            StepUnit::ALL.map(|(unit, _)| name(unit)),
            [
                "p20260102030405",
                "p202601020304",
                "p2026010203",
                "p20260102",
                "p20260102",
                "p202601",
                "p202601",
                "p2026"
            ]
        );
        assert_eq!(StepUnit::parse("QUARTER"), Some(StepUnit::Quarter));
        assert_eq!(StepUnit::parse("century"), None);
        assert!(step(1, StepUnit::Hour).takes(&DataType::DateTime) && !step(1, StepUnit::Hour).takes(&DataType::Date));
        assert_eq!(step(7, StepUnit::Day).expression("dt"), "time_slice(dt, INTERVAL 7 day)");
    }
}
