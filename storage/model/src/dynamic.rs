//! Partitions that come and go with the time: the properties `dynamic_partition.*`, `partition_live_number` and `partition_ttl`
//! of a table, read and checked. What is to be done about them at a moment is computed here too; the moment is an argument.

use std::collections::BTreeMap;

use crate::partition::{Bound, Partition, PartitionRange};
use crate::schema::DataType;
use crate::step::{BEGINNING_OF_TIME, END_OF_TIME, Step, StepUnit};
use crate::table::{Partitioning, Table};
use crate::time::{civil_from_days, days_from_civil};
use crate::value::Value;

/// What the keys of all of these properties begin with, but for the last two.
pub const DYNAMIC: &str = "dynamic_partition.";
/// How many partitions of the past stay.
pub const LIVE_NUMBER: &str = "partition_live_number";
/// How long rows of the past stay: `3 DAY`.
pub const TTL: &str = "partition_ttl";
const KEYS: [&str; 12] = [
    "enable",
    "time_unit",
    "start",
    "end",
    "prefix",
    "buckets",
    "time_zone",
    "history_partition_num",
    "start_day_of_week",
    "start_day_of_month",
    "replication_num",
    "create_history_partition",
];
const DAY: i64 = 86_400_000_000;

/// Whether a property is one of these.
pub fn is_dynamic(key: &str) -> bool {
    [LIVE_NUMBER, TTL].contains(&key) || key.strip_prefix(DYNAMIC).is_some_and(|key| KEYS.contains(&key))
}

/// `dynamic_partition.*` of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicPartitions {
    /// Whether anything happens.
    pub enable: bool,
    /// How long a partition is.
    pub unit: StepUnit,
    /// Partitions that are so many units back, or farther, go; None: none does.
    pub start: Option<i64>,
    /// Partitions are there for so many units to come.
    pub end: i64,
    /// What their names begin with.
    pub prefix: String,
    /// Buckets; None: as many as other partitions of the table get.
    pub buckets: Option<u32>,
    /// Whose days they are; empty: those of the frontend.
    pub time_zone: String,
    /// Partitions are there for so many units that have passed.
    pub history: i64,
    /// When weeks begin: 1 is Monday.
    pub start_of_week: i64,
    /// When months begin.
    pub start_of_month: i64,
}

/// What becomes of the partitions of a table at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Names and rows of those that shall be there; some are perhaps.
    pub wanted: Vec<(String, PartitionRange)>,
    /// Positions of those whose time is over, among those that were given.
    pub over: Vec<usize>,
}

impl DynamicPartitions {
    /// Reads the properties; None when they say nothing of it.
    ///
    /// # Errors
    /// What is wrong with them, in StarRocks' words.
    pub fn parse(properties: &BTreeMap<String, String>) -> Result<Option<DynamicPartitions>, String> {
        let get =
            |key: &str| properties.get(&format!("{DYNAMIC}{key}")).map(|text| text.trim()).filter(|t| !t.is_empty());
        if !properties.keys().any(|key| key.starts_with(DYNAMIC)) {
            return Ok(None);
        }
        let must = |key: &str| get(key).ok_or_else(|| format!("Must assign {DYNAMIC}{key} properties"));
        let enable = match get("enable").map(str::to_ascii_lowercase).as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => return Err(format!("Invalid dynamic partition enable: {other}. Expected true or false")),
        };
        let unit = must("time_unit")?;
        let known = [StepUnit::Hour, StepUnit::Day, StepUnit::Week, StepUnit::Month, StepUnit::Year];
        let unit = StepUnit::parse(unit)
            .filter(|unit| known.contains(unit))
            .ok_or_else(|| format!("Unsupported time unit {unit}. Expect HOUR/DAY/WEEK/MONTH/YEAR."))?;
        let number = |key: &str, text: &str| {
            text.parse::<i32>().map(i64::from).map_err(|_| format!("Invalid dynamic partition {key}: {text}"))
        };
        let start = get("start").map(|text| number("start", text)).transpose()?;
        if start.is_some_and(|start| start >= 0) {
            return Err("Dynamic partition start must less than 0".to_owned());
        }
        let end = number("end", must("end")?)?;
        if end <= 0 {
            return Err("Dynamic partition end must greater than 0".to_owned());
        }
        let prefix = get("prefix").unwrap_or("p").to_owned();
        let begins = prefix.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !begins || !prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("Invalid dynamic partition prefix: {prefix}"));
        }
        let buckets = get("buckets").map(|text| number("buckets", text)).transpose()?;
        let buckets = match buckets {
            None | Some(0) => None,
            Some(count @ 1..=1024) => Some(count as u32),
            Some(_) => return Err("Dynamic partition buckets must greater than 0".to_owned()),
        };
        let history = get("history_partition_num").map_or(Ok(0), |text| number("history_partition_num", text))?;
        if history < 0 {
            return Err("Dynamic partition history_partition_num must not be less than 0".to_owned());
        }
        let within = |key: &str, last: i64| match get(key).map(|text| number(key, text)).transpose()? {
            None => Ok(1),
            Some(day) if (1..=last).contains(&day) => Ok(day),
            Some(day) => Err(format!("{DYNAMIC}{key} should between 1 and {last}, but {day}")),
        };
        Ok(Some(DynamicPartitions {
            enable,
            unit,
            start,
            end,
            prefix,
            buckets,
            time_zone: get("time_zone").unwrap_or_default().to_owned(),
            history,
            start_of_week: within("start_day_of_week", 7)?,
            start_of_month: within("start_day_of_month", 28)?,
        }))
    }

    /// Where the partition begins that is `offset` units away from the one of this moment, in microseconds of local time.
    pub fn border(&self, local: i64, offset: i64) -> i64 {
        let step = Step { count: 1, unit: self.unit };
        match self.unit {
            StepUnit::Week => {
                let ahead = (self.start_of_week - 1) * DAY;
                step.later(step.start(local - ahead) + ahead, offset)
            }
            StepUnit::Month => {
                let ahead = (self.start_of_month - 1) * DAY;
                step.later(step.start(local - ahead), offset) + ahead
            }
            _ => step.later(step.start(local), offset),
        }
    }

    /// What the partition is called that begins there.
    pub fn name(&self, begins: i64) -> String {
        match self.unit {
            StepUnit::Week => {
                let (year, week) = week_of(begins.div_euclid(DAY), self.start_of_week);
                format!("{}{year:04}_{week:02}", self.prefix)
            }
            unit => {
                let name = Step { count: 1, unit }.partition_name(&Value::DateTime(begins));
                format!("{}{}", self.prefix, name.trim_start_matches('p'))
            }
        }
    }

    fn turn(&self, local: i64, data_type: &DataType, partitions: &[&Partition], most: usize) -> Turn {
        let mut turn = Turn::default();
        let first = (-self.history).max(self.start.unwrap_or(-self.history));
        for offset in (first..=self.end).take(most) {
            let begins = self.border(local, offset);
            let (Some(lower), Some(upper)) = (at(begins, data_type), at(self.border(local, offset + 1), data_type))
            else {
                continue;
            };
            turn.wanted.push((self.name(begins), PartitionRange::between(lower, upper)));
        }
        if let Some(start) = self.start {
            // Nothing to compare with: dates end there.
            let Some(border) = at(self.border(local, start), data_type) else { return turn };
            turn.over = ended_by(partitions, &border);
        }
        turn
    }
}

/// The year and the number of a week, which is that of its last day: weeks of the year's first days are the first.
fn week_of(begins: i64, start_of_week: i64) -> (i64, i64) {
    let (year, _, _) = civil_from_days(begins + 6);
    let new_year = days_from_civil(year, 1, 1);
    // 1970-01-01 was a Thursday: its distance from the week's first day.
    let into = (new_year + 4 - start_of_week).rem_euclid(7);
    (year, (begins - (new_year - into)) / 7 + 1)
}

fn at(micros: i64, data_type: &DataType) -> Option<Bound> {
    let is_date = (BEGINNING_OF_TIME..END_OF_TIME).contains(&micros);
    is_date.then(|| {
        Bound::At(vec![match data_type {
            DataType::Date => Value::Date(micros.div_euclid(DAY) as i32),
            _ => Value::DateTime(micros),
        }])
    })
}

fn ended_by(partitions: &[&Partition], border: &Bound) -> Vec<usize> {
    let is_over = |(at, partition): (usize, &&Partition)| (partition.range.upper <= *border).then_some(at);
    partitions.iter().enumerate().filter_map(is_over).collect()
}

/// How many partitions of the past stay, if the properties say so.
///
/// # Errors
/// What is wrong with it.
pub fn live_number(properties: &BTreeMap<String, String>) -> Result<Option<usize>, String> {
    match properties.get(LIVE_NUMBER).map(|text| (text, text.trim().parse::<i64>())) {
        None => Ok(None),
        Some((_, Ok(-1))) => Ok(None),
        Some((_, Ok(number))) if number > 0 => Ok(usize::try_from(number).ok()),
        Some((_, Ok(number))) => Err(format!("Partition live number should be greater than 0, but {number}")),
        Some((text, Err(_))) => Err(format!("Partition live number {text} is no number")),
    }
}

/// How long rows of the past stay, as so many units, if the properties say so.
///
/// # Errors
/// What is wrong with it.
pub fn ttl(properties: &BTreeMap<String, String>) -> Result<Option<(i64, StepUnit)>, String> {
    let Some(text) = properties.get(TTL).map(|text| text.trim()).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = || format!("Invalid partition_ttl {text}: expected a number and HOUR, DAY, WEEK, MONTH or YEAR");
    let (count, unit) = text.split_once(char::is_whitespace).ok_or_else(wrong)?;
    let count = count.parse::<u32>().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
    let unit = unit.trim().to_ascii_lowercase();
    let unit = StepUnit::parse(unit.strip_suffix('s').unwrap_or(&unit)).ok_or_else(wrong)?;
    Ok(Some((count.into(), unit)))
}

/// Whether a table's partitions can come and go with the time: those of ranges of one DATE or DATETIME column.
pub fn time_column(table: &Table) -> Option<&DataType> {
    let columns = match &table.partitioning {
        Partitioning::Range { columns } => columns.as_slice(),
        Partitioning::Expression { column, .. } => std::slice::from_ref(column),
        _ => return None,
    };
    let [only] = columns else { return None };
    let column = table.schema.columns.iter().find(|column| column.id == *only)?;
    matches!(column.data_type, DataType::Date | DataType::DateTime).then_some(&column.data_type)
}

/// What becomes of a table's partitions at a moment of local time, in microseconds. `local_time` tells it in the time zone that
/// the properties name; None: there is no such zone. `most`: so many are wanted at once.
pub fn turn(
    table: &Table,
    partitions: &[&Partition],
    local_time: impl Fn(&str) -> Option<i64>,
    most: usize,
) -> Result<Turn, String> {
    let Some(data_type) = time_column(table) else { return Ok(Turn::default()) };
    let now = |zone: &str| local_time(zone).ok_or_else(|| format!("there is no time zone {zone}"));
    let mut turn = match DynamicPartitions::parse(&table.properties)? {
        Some(dynamic) if dynamic.enable => dynamic.turn(now(&dynamic.time_zone)?, data_type, partitions, most),
        _ => Turn::default(),
    };
    if let Some((count, unit)) = ttl(&table.properties)? {
        let ago = ago(now("")?, count, unit);
        turn.over.extend(at(ago, data_type).map(|border| ended_by(partitions, &border)).unwrap_or_default());
    }
    if let Some(number) = live_number(&table.properties)? {
        let now = at(now("")?, data_type);
        let begun = partitions.iter().enumerate().filter(|(_, p)| Some(&p.range.lower) <= now.as_ref());
        let begun: Vec<usize> = begun.map(|(at, _)| at).collect();
        turn.over.extend(&begun[..begun.len().saturating_sub(number)]);
    }
    turn.over.sort_unstable();
    turn.over.dedup();
    Ok(turn)
}

/// So long before a moment: months and years by the calendar.
fn ago(local: i64, count: i64, unit: StepUnit) -> i64 {
    let step = Step { count: 1, unit };
    let begins = step.start(local);
    step.later(begins, -count) + (local - begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{format_datetime, parse_datetime};

    fn properties(text: &[(&str, &str)]) -> BTreeMap<String, String> {
        text.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn dynamic(unit: &str, start: &str, end: &str, more: &[(&str, &str)]) -> DynamicPartitions {
        let own =
            [("dynamic_partition.time_unit", unit), ("dynamic_partition.start", start), ("dynamic_partition.end", end)];
        DynamicPartitions::parse(&properties(&[&own[..], more].concat())).unwrap().unwrap()
    }

    fn wanted(dynamic: &DynamicPartitions, now: &str) -> Vec<String> {
        let turn = dynamic.turn(parse_datetime(now).unwrap(), &DataType::DateTime, &[], 100);
        turn.wanted.iter().map(|(name, range)| format!("{name} {}", range.lower)).collect()
    }

    #[test]
    fn days_come_for_as_long_as_is_said() {
        let days = dynamic("DAY", "-3", "2", &[]);
        assert_eq!(
            wanted(&days, "2026-02-27 23:59:59"),
            ["p20260227 2026-02-27 00:00:00", "p20260228 2026-02-28 00:00:00", "p20260301 2026-03-01 00:00:00"]
        );
        let history = dynamic("DAY", "-2", "1", &[("dynamic_partition.history_partition_num", "5")]);
        assert_eq!(wanted(&history, "2026-01-01").first().unwrap(), "p20251230 2025-12-30 00:00:00");
    }

    #[test]
    fn weeks_and_months_begin_when_they_are_said_to() {
        let sundays = dynamic("week", "-1", "1", &[("dynamic_partition.start_day_of_week", "7")]);
        assert_eq!(
            wanted(&sundays, "2026-11-28 10:00:00"),
            ["p2026_48 2026-11-22 00:00:00", "p2026_49 2026-11-29 00:00:00"]
        );
        let months = dynamic("MONTH", "-1", "1", &[("dynamic_partition.start_day_of_month", "3")]);
        assert_eq!(wanted(&months, "2026-01-02"), ["p202512 2025-12-03 00:00:00", "p202601 2026-01-03 00:00:00"]);
        assert_eq!(
            wanted(&dynamic("HOUR", "-1", "1", &[]), "2026-01-01 05:59:00")[1],
            "p2026010106 2026-01-01 06:00:00"
        );
        assert_eq!(wanted(&dynamic("YEAR", "-1", "1", &[]), "9999-06-01").len(), 0, "what has no end does not come");
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let refused = |key: &str, value: &str| {
            let mut all = properties(&[("dynamic_partition.time_unit", "DAY"), ("dynamic_partition.end", "3")]);
            all.insert(format!("{DYNAMIC}{key}"), value.to_owned());
            DynamicPartitions::parse(&all).unwrap_err()
        };
        assert!(refused("start", "1").contains("less than 0"));
        assert!(refused("start", "x").contains("Invalid dynamic partition start"));
        assert!(refused("end", "0").contains("greater than 0"));
        assert!(refused("time_unit", "QUARTER").contains("Unsupported time unit QUARTER"));
        assert!(refused("enable", "maybe").contains("Expected true or false"));
        assert!(refused("prefix", "1a").contains("prefix"));
        assert!(refused("start_day_of_month", "29").contains("between 1 and 28"));
        let none = properties(&[("dynamic_partition.enable", "true")]);
        assert!(DynamicPartitions::parse(&none).unwrap_err().contains("time_unit"));
        assert_eq!(DynamicPartitions::parse(&properties(&[(TTL, "1 DAY")])), Ok(None));
        assert!(live_number(&properties(&[(LIVE_NUMBER, "0")])).is_err());
        assert_eq!(live_number(&properties(&[(LIVE_NUMBER, "3")])), Ok(Some(3)));
        assert_eq!(ttl(&properties(&[(TTL, "2 Months")])), Ok(Some((2, StepUnit::Month))));
        for wrong in ["2", "x DAY", "0 DAY", "1 CENTURY", "-1 DAY"] {
            assert!(ttl(&properties(&[(TTL, wrong)])).is_err(), "{wrong}");
        }
        assert_eq!(
            format_datetime(ago(parse_datetime("2026-03-15 10:00:00").unwrap(), 1, StepUnit::Month)),
            "2026-02-15 10:00:00"
        );
    }
}
