//! START ... END ... EVERY: partitions at even steps, bounded and named as StarRocks does it.

use runtime_mysql::MySqlError;
use runtime_sql::statement::table::{PartitionBatch, PartitionStep};
use storage_catalog::PartitionDraft;
use storage_model::time::{civil_from_days, days_from_civil};
use storage_model::value::parse_datetime;
use storage_model::{Bound, Column, DataType, PartitionRange, Value};

use super::partitions::from_the_least;

/// The most partitions that one statement makes like this (`max_partitions_in_one_batch` of StarRocks).
const MOST_PARTITIONS: usize = 4096;
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// Microseconds at which the year 10000 begins: no date is as late.
const END_OF_TIME: i64 = 2_932_897 * DAY;

/// The partitions of all batches, in the order of the text.
pub(super) fn partitions(
    batches: &[PartitionBatch],
    keys: &[&Column],
    buckets: u32,
) -> Result<Vec<PartitionDraft>, MySqlError> {
    if batches.is_empty() {
        return Ok(Vec::new());
    }
    let [column] = keys else {
        return Err(MySqlError::analyzing("Batch build partition only support single range column"));
    };
    let mut drafts = Vec::new();
    for batch in batches {
        let steps = Steps::of(batch, column)?;
        for (name, lower, upper) in steps {
            if drafts.len() == MOST_PARTITIONS {
                let text = format_args!("The number of batch partitions should not exceed:{MOST_PARTITIONS}");
                return Err(MySqlError::analyzing(text));
            }
            let lower = from_the_least(bound(&name, lower, column)?, keys);
            let range = PartitionRange::between(lower, bound(&name, upper, column)?);
            drafts.push(PartitionDraft { name, range, buckets });
        }
    }
    Ok(drafts)
}

/// What the steps of dates are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// The partitions of one batch, one after the other: name, lower and upper bound.
struct Steps {
    /// A number, or microseconds since the epoch.
    at: i128,
    end: i128,
    count: u64,
    /// None: of whole numbers.
    unit: Option<Unit>,
}

impl Steps {
    fn of(batch: &PartitionBatch, column: &Column) -> Result<Steps, MySqlError> {
        let wrong = |why: &str| Err(MySqlError::analyzing(format_args!("Batch build partition {why}")));
        let is_date = matches!(column.data_type, DataType::Date | DataType::DateTime);
        let (count, unit) = match &batch.every {
            PartitionStep::Number(_) if is_date => return wrong("of a date column needs EVERY (INTERVAL n unit)"),
            PartitionStep::Number(count) => (*count, None),
            PartitionStep::Interval { .. } if !is_date => {
                return wrong("EVERY is date type but START or END does not type match");
            }
            PartitionStep::Interval { count, unit } => match unit.as_str() {
                "HOUR" if column.data_type == DataType::Date => {
                    return wrong("for hour interval only supports partition column as DATETIME type");
                }
                "HOUR" => (*count, Some(Unit::Hour)),
                "DAY" => (*count, Some(Unit::Day)),
                "WEEK" => (*count, Some(Unit::Week)),
                "MONTH" => (*count, Some(Unit::Month)),
                "YEAR" => (*count, Some(Unit::Year)),
                other => return wrong(&format!("does not support time interval type: {other}")),
            },
        };
        if count == 0 {
            return Err(MySqlError::analyzing("The interval of the Multi-Range Partition must be greater than 0"));
        }
        let read = |text: &str| if is_date { parse_datetime(text).map(i128::from) } else { text.trim().parse().ok() };
        match (read(&batch.start), read(&batch.end)) {
            (Some(at), Some(end)) if at < end => Ok(Steps { at, end, count, unit }),
            (Some(_), Some(_)) if is_date => wrong("start date should less than end date"),
            (Some(_), Some(_)) => wrong("start value should less then end value"),
            _ if is_date => wrong("EVERY is date type but START or END does not type match"),
            _ => wrong("EVERY is number type but START or END does not type match"),
        }
    }
}

impl Iterator for Steps {
    type Item = (String, i128, i128);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let lower = self.at;
        let (name, next) = match self.unit {
            None => (format!("p{lower}"), lower.saturating_add(self.count.into())),
            Some(unit) => {
                let (name, next) = dated(i64::try_from(lower).unwrap_or(i64::MAX), self.count, unit);
                (name, next.into())
            }
        };
        // Days and numbers go over the end with a whole step, as in StarRocks.
        self.at = if matches!(self.unit, None | Some(Unit::Day)) { next } else { next.min(self.end) };
        Some((name, lower, self.at))
    }
}

/// The name of the partition that begins at this moment, and where the next one begins: steps lead from the start of one hour,
/// day, week, month or year to that of another.
fn dated(micros: i64, count: u64, unit: Unit) -> (String, i64) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let days = micros.div_euclid(DAY);
    let of_day = micros.rem_euclid(DAY);
    let (year, month, day) = civil_from_days(days);
    let plus = |start: i64, length: i64| start.saturating_add(length.saturating_mul(count));
    match unit {
        Unit::Hour => {
            let hour = of_day / HOUR;
            (format!("p{year:04}{month:02}{day:02}{hour:02}"), plus(micros - micros.rem_euclid(HOUR), HOUR))
        }
        Unit::Day => (format!("p{year:04}{month:02}{day:02}"), plus(days * DAY, DAY)),
        Unit::Week => {
            // The epoch was a Thursday.
            let monday = days - (days + 3).rem_euclid(7);
            let (year, week) = week_of(monday);
            (format!("p{year}_{week:02}"), plus(monday * DAY + of_day, 7 * DAY))
        }
        Unit::Month => (format!("p{year:04}{month:02}"), first_of_month(year, month, count).saturating_add(of_day)),
        Unit::Year => (format!("p{year:04}"), first_of_month(year, 1, count.saturating_mul(12)).saturating_add(of_day)),
    }
}

/// Where the month begins that is so many months later, in microseconds.
fn first_of_month(year: i64, month: u32, later: i64) -> i64 {
    let months = (year * 12 + i64::from(month) - 1).saturating_add(later);
    if months >= 10_000 * 12 {
        return END_OF_TIME;
    }
    days_from_civil(months.div_euclid(12), months.rem_euclid(12) as u32 + 1, 1) * DAY
}

/// The year of a Monday and its week there. Weeks begin on Sundays, the first with the year; the last of a year is its own,
/// though it goes on into the next.
fn week_of(monday: i64) -> (i64, i64) {
    let (year, _, _) = civil_from_days(monday);
    let new_year = days_from_civil(year, 1, 1);
    let sunday_before = (new_year + 4).rem_euclid(7);
    (year, (monday - new_year + sunday_before) / 7 + 1)
}

fn bound(partition: &str, at: i128, column: &Column) -> Result<Bound, MySqlError> {
    let data_type = &column.data_type;
    let value = match data_type {
        DataType::Date | DataType::DateTime => {
            let micros = i64::try_from(at).ok().filter(|micros| *micros < END_OF_TIME);
            micros.map(|micros| match data_type {
                DataType::Date => Value::Date(micros.div_euclid(DAY) as i32),
                _ => Value::DateTime(micros),
            })
        }
        _ => Value::parse(&at.to_string(), data_type),
    };
    let value = value.ok_or_else(|| {
        let name = &column.name;
        MySqlError::analyzing(format_args!("partition {partition} goes beyond the last {data_type} (column '{name}')"))
    })?;
    Ok(Bound::At(vec![value]))
}

#[cfg(test)]
mod tests {
    use storage_model::ColumnId;

    use super::*;

    fn column(data_type: DataType) -> Column {
        let (name, comment) = ("c".to_owned(), String::new());
        Column {
            id: ColumnId(1),
            name,
            data_type,
            nullable: true,
            key: true,
            default: None,
            comment,
            initial: None,
            aggregation: None,
        }
    }

    fn batch(start: &str, end: &str, every: &str) -> PartitionBatch {
        let every = match every.split_once(' ') {
            None => PartitionStep::Number(every.parse().unwrap()),
            Some((count, unit)) => PartitionStep::Interval { count: count.parse().unwrap(), unit: unit.to_owned() },
        };
        PartitionBatch { start: start.to_owned(), end: end.to_owned(), every }
    }

    fn made(data_type: DataType, start: &str, end: &str, every: &str) -> Result<Vec<String>, String> {
        let column = column(data_type);
        let drafts = partitions(&[batch(start, end, every)], &[&column], 1).map_err(|e| e.message)?;
        Ok(drafts.iter().map(|d| format!("{} [{}, {})", d.name, d.range.lower, d.range.upper)).collect())
    }

    fn good(data_type: DataType, start: &str, end: &str, every: &str) -> Vec<String> {
        made(data_type, start, end, every).unwrap_or_else(|e| panic!("{start} {end} {every}: {e}"))
    }

    #[test]
    fn days_go_over_the_end_and_longer_steps_stop_there() {
        assert_eq!(
            good(DataType::Date, "2024-02-28", "2024-03-01", "1 DAY"),
            ["p20240228 [2024-02-28, 2024-02-29)", "p20240229 [2024-02-29, 2024-03-01)"]
        );
        assert_eq!(
            good(DataType::Date, "2024-01-05", "2024-01-10", "3 DAY"),
            ["p20240105 [2024-01-05, 2024-01-08)", "p20240108 [2024-01-08, 2024-01-11)"]
        );
        assert_eq!(
            good(DataType::Date, "2023-11-15", "2024-01-10", "1 MONTH"),
            [
                "p202311 [2023-11-15, 2023-12-01)",
                "p202312 [2023-12-01, 2024-01-01)",
                "p202401 [2024-01-01, 2024-01-10)"
            ]
        );
        assert_eq!(
            good(DataType::Date, "1970-01-01", "2030-01-01", "30 YEAR"),
            ["p1970 [1970-01-01, 2000-01-01)", "p2000 [2000-01-01, 2030-01-01)"]
        );
        assert_eq!(good(DataType::Date, "1993-01-01", "1993-01-31", "1 DAY").len(), 30);
    }

    #[test]
    fn weeks_are_named_by_their_mondays_and_stay_in_their_year() {
        assert_eq!(
            good(DataType::Date, "2019-12-25", "2020-01-10", "1 WEEK"),
            [
                "p2019_52 [2019-12-25, 2019-12-30)",
                "p2019_53 [2019-12-30, 2020-01-06)",
                "p2020_02 [2020-01-06, 2020-01-10)"
            ]
        );
        let many = good(DataType::Date, "2000-01-01", "2060-01-01", "1 WEEK");
        let mut names: Vec<_> = many.iter().filter_map(|p| p.split(' ').next()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), many.len(), "no week has the name of another");
    }

    #[test]
    fn moments_keep_what_is_finer_than_the_step_only_at_the_start() {
        assert_eq!(
            good(DataType::DateTime, "2024-01-01 22:30:00", "2024-01-02 01:00:00", "2 HOUR"),
            [
                "p2024010122 [2024-01-01 22:30:00, 2024-01-02 00:00:00)",
                "p2024010200 [2024-01-02 00:00:00, 2024-01-02 01:00:00)"
            ]
        );
        assert_eq!(
            good(DataType::DateTime, "2024-01-01 10:00:00", "2024-01-02", "1 DAY"),
            ["p20240101 [2024-01-01 10:00:00, 2024-01-02 00:00:00)"]
        );
    }

    #[test]
    fn numbers_go_over_the_end() {
        assert_eq!(good(DataType::Int, "1", "100", "10").len(), 10);
        assert_eq!(good(DataType::Int, "-5", "10", "10"), ["p-5 [-5, 5)", "p5 [5, 15)"]);
        assert_eq!(good(DataType::TinyInt, "-128", "0", "128"), ["p-128 [MIN, 0)"], "NULL belongs to the least");
        let beyond = made(DataType::TinyInt, "1", "127", "100").unwrap_err();
        assert!(beyond.contains("partition p101 goes beyond the last tinyint(4)"), "{beyond}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_at_once() {
        use DataType::{Date, DateTime, Int, LargeInt};
        for (data_type, start, end, every, part) in [
            (Date, "2024-01-01", "2024-01-01", "1 DAY", "start date should less than end date"),
            (Int, "5", "5", "1", "start value should less then end value"),
            (Int, "a", "5", "1", "EVERY is number type but START or END does not type match"),
            (Int, "1", "5", "1 DAY", "EVERY is date type but START or END does not type match"),
            (Date, "1", "5", "1 DAY", "EVERY is date type but START or END does not type match"),
            (Date, "2024-01-01", "2024-02-01", "1", "needs EVERY (INTERVAL n unit)"),
            (Date, "2024-01-01", "2024-02-01", "1 HOUR", "only supports partition column as DATETIME type"),
            (Date, "2024-01-01", "2024-02-01", "1 QUARTER", "does not support time interval type: QUARTER"),
            (Date, "2024-01-01", "2024-02-01", "0 DAY", "must be greater than 0"),
            (Int, "0", "100000", "1", "should not exceed:4096"),
            (Date, "1800-01-01", "2100-01-01", "1 DAY", "should not exceed:4096"),
            (DateTime, "0000-01-01", "9999-12-31", "1 HOUR", "should not exceed:4096"),
            (Date, "9999-12-30", "9999-12-31", "5 DAY", "goes beyond the last date"),
            (Date, "2024-01-01", "2024-02-01", "18446744073709551615 DAY", "goes beyond the last date"),
            (LargeInt, "0", "170141183460469231731687303715884105727", "1", "should not exceed:4096"),
        ] {
            let refused = made(data_type, start, end, every).expect_err(part);
            assert!(refused.contains(part), "{start} {end} {every}: {refused}");
        }
        assert_eq!(good(Date, "2024-01-01", "2024-02-01", "18446744073709551615 YEAR").len(), 1);
        let (a, b) = (column(Int), column(Int));
        let two = partitions(&[batch("1", "2", "1")], &[&a, &b], 1).unwrap_err();
        assert!(two.message.contains("only support single range column"), "{two}");
    }

    #[test]
    fn the_limit_is_that_of_the_statement() {
        let column = column(DataType::Int);
        let batches = [batch("0", "4000", "1"), batch("4000", "4096", "1")];
        let drafts = partitions(&batches, &[&column], 3).unwrap();
        assert_eq!((drafts.len(), drafts[4095].name.as_str(), drafts[0].buckets), (4096, "p4095", 3));
        let more = [&batches[..], &[batch("5000", "5001", "1")]].concat();
        assert!(partitions(&more, &[&column], 3).unwrap_err().message.contains("should not exceed:4096"));
    }
}
