//! Which automated snapshots are kept. Each rule keeps some; what none keeps is retired, but never the newest.
//!
//! | property | keeps |
//! |---|---|
//! | `retention` | the newest n; 1 unless said otherwise |
//! | `retention_hourly`, `_daily`, `_weekly` | the last one of each of the last n hours (days, weeks) that have any |
//! | `ttl` | every one that is younger |
//!
//! Hours and ages are those of the cluster's uptime: it only rises, so a clock that jumps retires nothing, nor does the time
//! in which the cluster stood still.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::Uptime;

const NEWEST: &str = "retention";
const HOURLY: &str = "retention_hourly";
const DAILY: &str = "retention_daily";
const WEEKLY: &str = "retention_weekly";
const TTL: &str = "ttl";
/// The properties of retention.
pub const KEYS: [&str; 5] = [NEWEST, HOURLY, DAILY, WEEKLY, TTL];

/// No rule counts further.
const MOST: u32 = 1000;
/// Ten years.
const LONGEST_TTL_SECONDS: u64 = 3650 * 86_400;
const HOUR_MILLIS: u64 = 3_600_000;
/// What a ttl is written in, the largest that its number is a multiple of first.
const UNITS: [(&str, u64); 4] = [("DAY", 86_400), ("HOUR", 3600), ("MINUTE", 60), ("SECOND", 1)];
const WEEK: (&str, u64) = ("WEEK", 604_800);

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The newest so many.
    pub newest: u32,
    /// The last one of each of so many hours.
    pub hourly: u32,
    /// Of so many days.
    pub daily: u32,
    /// Of so many weeks.
    pub weekly: u32,
    /// Younger than this; 0: no such rule.
    pub ttl_seconds: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { newest: 1, hourly: 0, daily: 0, weekly: 0, ttl_seconds: 0 }
    }
}

/// What a statement says of the rules; what it does not name stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionChange {
    /// See [`Retention`].
    pub newest: Option<u32>,
    /// See [`Retention`].
    pub hourly: Option<u32>,
    /// See [`Retention`].
    pub daily: Option<u32>,
    /// See [`Retention`].
    pub weekly: Option<u32>,
    /// See [`Retention`].
    pub ttl_seconds: Option<u64>,
}

/// A property whose value cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RetentionError {
    /// Not a number, or one that is out of bounds.
    #[error("Invalid {key} value: '{value}'. It must be a number from {least} to {MOST}")]
    Number {
        /// The property.
        key: &'static str,
        /// As given.
        value: String,
        /// What it is at least.
        least: u32,
    },
    /// Not a time.
    #[error(
        "Invalid {TTL} value: '{0}'. It must be a number with SECOND, MINUTE, HOUR, DAY or WEEK, as in '7 DAY', of ten years at most; '0 DAY' is none"
    )]
    Ttl(String),
    /// None of [`KEYS`].
    #[error("Unknown properties: {{{key}={value}}}")]
    Unknown {
        /// The property.
        key: String,
        /// As given.
        value: String,
    },
}

impl RetentionChange {
    /// Reads PROPERTIES.
    pub fn parse(properties: &BTreeMap<String, String>) -> Result<RetentionChange, RetentionError> {
        let mut change = RetentionChange::default();
        for (key, value) in properties {
            match key.as_str() {
                NEWEST => change.newest = Some(number(NEWEST, value, 1)?),
                HOURLY => change.hourly = Some(number(HOURLY, value, 0)?),
                DAILY => change.daily = Some(number(DAILY, value, 0)?),
                WEEKLY => change.weekly = Some(number(WEEKLY, value, 0)?),
                TTL => change.ttl_seconds = Some(ttl(value).ok_or_else(|| RetentionError::Ttl(value.clone()))?),
                _ => return Err(RetentionError::Unknown { key: key.clone(), value: value.clone() }),
            }
        }
        Ok(change)
    }
}

fn number(key: &'static str, value: &str, least: u32) -> Result<u32, RetentionError> {
    let found = value.trim().parse().ok().filter(|n| (least..=MOST).contains(n));
    found.ok_or_else(|| RetentionError::Number { key, value: value.to_owned(), least })
}

/// `7 DAY`, in seconds.
fn ttl(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let (number, unit) = (words.next()?.parse::<u64>().ok()?, words.next()?);
    let named = |(name, _): &(&str, u64)| name.eq_ignore_ascii_case(unit);
    let (_, seconds) = UNITS.into_iter().chain([WEEK]).find(named)?;
    let total = number.checked_mul(seconds)?;
    (words.next().is_none() && total <= LONGEST_TTL_SECONDS).then_some(total)
}

impl Retention {
    /// These rules after a statement.
    pub fn with(self, change: RetentionChange) -> Retention {
        Retention {
            newest: change.newest.unwrap_or(self.newest),
            hourly: change.hourly.unwrap_or(self.hourly),
            daily: change.daily.unwrap_or(self.daily),
            weekly: change.weekly.unwrap_or(self.weekly),
            ttl_seconds: change.ttl_seconds.unwrap_or(self.ttl_seconds),
        }
    }

    /// As PROPERTIES, those that do something.
    pub fn properties(&self) -> BTreeMap<&'static str, String> {
        let numbers = [(NEWEST, self.newest), (HOURLY, self.hourly), (DAILY, self.daily), (WEEKLY, self.weekly)];
        let mut all: BTreeMap<_, _> =
            numbers.into_iter().filter(|(_, n)| *n > 0).map(|(key, n)| (key, n.to_string())).collect();
        let unit = UNITS.into_iter().find(|(_, seconds)| self.ttl_seconds.is_multiple_of(*seconds));
        if let Some((unit, seconds)) = unit.filter(|_| self.ttl_seconds > 0) {
            all.insert(TTL, format!("{} {unit}", self.ttl_seconds / seconds));
        }
        all
    }

    /// The snapshots that no rule keeps. `taken`: those that are restorable, the oldest first, and when each began.
    pub fn beyond<K: Copy>(&self, taken: &[(K, Uptime)], now: Uptime) -> Vec<K> {
        let mut kept = vec![false; taken.len()];
        kept.iter_mut().rev().take(self.newest.max(1) as usize).for_each(|flag| *flag = true);
        for (periods, hours) in [(self.hourly, 1), (self.daily, 24), (self.weekly, 168)] {
            keep_last_of_each(&mut kept, taken, periods, hours * HOUR_MILLIS);
        }
        let ttl_millis = self.ttl_seconds.saturating_mul(1000);
        let is_young = |at: Uptime| now.since(at) < ttl_millis;
        let gone = kept.into_iter().zip(taken).filter(|(flag, (_, at))| !flag && !is_young(*at));
        gone.map(|(_, (key, _))| *key).collect()
    }
}

/// Keeps the last one of each of the last periods that have any.
fn keep_last_of_each<K>(kept: &mut [bool], taken: &[(K, Uptime)], periods: u32, millis: u64) {
    let (mut left, mut last) = (periods, None);
    for (flag, (_, at)) in kept.iter_mut().zip(taken).rev() {
        let period = at.0 / millis;
        if last == Some(period) {
            continue;
        }
        if left == 0 {
            return;
        }
        (left, last, *flag) = (left - 1, Some(period), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = HOUR_MILLIS;
    const DAY: u64 = 24 * HOUR;

    fn parse(pairs: &[(&str, &str)]) -> Result<RetentionChange, String> {
        let properties = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        RetentionChange::parse(&properties).map_err(|e| e.to_string())
    }

    fn rules(pairs: &[(&str, &str)]) -> Retention {
        Retention::default().with(parse(pairs).unwrap())
    }

    #[test]
    fn what_is_kept() {
        let minutes = |list: &[u64]| list.iter().map(|m| m * 60_000).collect::<Vec<_>>();
        // Every ten minutes for three hours.
        let steps: Vec<u64> = (0..18).map(|n| n * 10).collect();
        let days: Vec<u64> = (0..20).map(|n| n * 24 * 60).collect();
        // The rules, when snapshots began, now, and which are kept, in minutes.
        type Case<'a> = (&'a [(&'a str, &'a str)], Vec<u64>, u64, Vec<u64>);
        let table: Vec<Case<'_>> = vec![
            (&[], vec![], 0, vec![]),
            (&[], vec![5], 500_000, vec![5]),
            (&[], vec![1, 2, 3], 4, vec![3]),
            (&[("retention", "2")], vec![1, 2, 3], 4, vec![2, 3]),
            (&[("retention", "9")], vec![1, 2, 3], 4, vec![1, 2, 3]),
            (&[("retention_hourly", "1")], steps.clone(), 180, vec![170]),
            (&[("retention_hourly", "2")], steps.clone(), 180, vec![110, 170]),
            (&[("retention_hourly", "9")], steps.clone(), 180, vec![50, 110, 170]),
            // Hours in which nothing was taken do not count.
            (&[("retention_hourly", "2")], vec![10, 20, 6000, 6010], 9000, vec![20, 6010]),
            (&[("retention_daily", "3")], days.clone(), 40_000, vec![17 * 1440, 18 * 1440, 19 * 1440]),
            (&[("retention_weekly", "2")], days, 40_000, vec![13 * 1440, 19 * 1440]),
            (&[("ttl", "1 HOUR")], steps.clone(), 180, vec![130, 140, 150, 160, 170]),
            (&[("ttl", "61 MINUTE")], steps.clone(), 180, vec![120, 130, 140, 150, 160, 170]),
            // However old, the newest stays.
            (&[("ttl", "1 HOUR")], vec![1, 2], 100_000, vec![2]),
            // Any rule keeps.
            (&[("retention", "2"), ("retention_hourly", "2"), ("ttl", "15 MINUTE")], steps, 180, vec![110, 160, 170]),
        ];
        for (pairs, taken, now, expected) in table {
            let taken: Vec<_> = minutes(&taken).into_iter().map(|at| (at, Uptime(at))).collect();
            let beyond = rules(pairs).beyond(&taken, Uptime(now * 60_000));
            let kept: Vec<u64> = taken.iter().map(|(at, _)| *at).filter(|at| !beyond.contains(at)).collect();
            assert_eq!(kept, minutes(&expected), "{pairs:?} of {taken:?}");
        }
    }

    /// One after the other, as they are taken: nothing that a rule will want later is retired before.
    #[test]
    fn retiring_at_each_snapshot_ends_in_what_the_rules_say() {
        let rules = rules(&[("retention_hourly", "4"), ("retention_daily", "3"), ("retention_weekly", "2")]);
        let (mut kept, mut all) = (Vec::new(), Vec::new());
        for at in (0..30 * DAY).step_by(20 * 60_000) {
            kept.push((at, Uptime(at)));
            all.push((at, Uptime(at)));
            let beyond = rules.beyond(&kept, Uptime(at));
            kept.retain(|(at, _)| !beyond.contains(at));
        }
        let beyond = rules.beyond(&all, Uptime(30 * DAY));
        all.retain(|(at, _)| !beyond.contains(at));
        assert_eq!(kept, all);
        assert_eq!(kept.len(), 6, "{kept:?}: the newest is of every kind, and the last of a day ends a week");
    }

    #[test]
    fn properties_are_read_and_shown() {
        assert_eq!(parse(&[]).unwrap(), RetentionChange::default());
        let all = rules(&[
            ("retention", "3"),
            ("retention_hourly", "24"),
            ("retention_daily", "7"),
            ("retention_weekly", "4"),
            ("ttl", "2 week"),
        ]);
        assert_eq!(all, Retention { newest: 3, hourly: 24, daily: 7, weekly: 4, ttl_seconds: 14 * 86_400 });
        let shown = all.properties().into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
        let expected = ["retention=3", "retention_daily=7", "retention_hourly=24", "retention_weekly=4", "ttl=14 DAY"];
        assert_eq!(shown, expected);
        assert_eq!(all.with(parse(&[("ttl", "0 DAY"), ("retention", "1")]).unwrap()).ttl_seconds, 0);
        assert_eq!(all.with(RetentionChange::default()), all);
        assert_eq!(Retention::default().properties().into_iter().collect::<Vec<_>>(), [(NEWEST, "1".to_owned())]);
        assert_eq!(rules(&[("ttl", "90 minute")]).properties()[TTL], "90 MINUTE");
        for (key, value) in [
            ("retention", "0"),
            ("retention", "-1"),
            ("retention", "many"),
            ("retention", "1001"),
            ("retention_hourly", ""),
            ("retention_weekly", "1.5"),
            ("ttl", "7"),
            ("ttl", "7 DAYS AGO"),
            ("ttl", "7 FORTNIGHT"),
            ("ttl", "3651 DAY"),
            ("ttl", "18446744073709551615 DAY"),
        ] {
            let text = parse(&[(key, value)]).unwrap_err();
            assert!(text.contains(key) && text.contains(&format!("'{value}'")), "{text}");
        }
        assert_eq!(parse(&[("colour", "red")]).unwrap_err(), "Unknown properties: {colour=red}");
    }
}
