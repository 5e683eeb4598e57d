//! Time zones: what a session's `time_zone` means for moments that are known in UTC. What stands in DATETIME columns is
//! wall time as it was typed and is never moved.

use std::sync::LazyLock;

use arrow::array::timezone::Tz;
use chrono::{DateTime, LocalResult, Offset, TimeZone};

const SECOND: i64 = 1_000_000;
/// The farthest that clocks are ahead of or behind UTC, in minutes.
const AHEAD: i32 = 14 * 60;
const BEHIND: i32 = 12 * 60 + 59;

/// A time zone that exists.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    /// None: UTC.
    rules: Option<Tz>,
}

static SYSTEM: LazyLock<Zone> = LazyLock::new(|| system_name().and_then(|name| Zone::named(&name)).unwrap_or_default());

impl Default for Zone {
    fn default() -> Zone {
        Zone { name: "UTC".to_owned(), rules: None }
    }
}

impl Zone {
    /// The zone of this host, as the environment (`TZ`) or `/etc` names it; UTC when neither does.
    pub fn system() -> &'static Zone {
        &SYSTEM
    }

    /// `SYSTEM`, an offset such as `+08:00`, or a name such as `Asia/Shanghai`; None when there is no such zone.
    pub fn parse(text: &str) -> Option<Zone> {
        match text.trim() {
            system if system.eq_ignore_ascii_case("SYSTEM") => Some(SYSTEM.clone()),
            other => Zone::named(other),
        }
    }

    fn named(text: &str) -> Option<Zone> {
        if text.eq_ignore_ascii_case("UTC") || text == "Z" {
            return Some(Zone::default());
        }
        if text.starts_with(['+', '-']) {
            let name = offset(text)?;
            let rules = name.parse().ok()?;
            return Some(Zone { name, rules: Some(rules) });
        }
        // As in StarRocks: clocks of China, not of Chicago.
        let rules = if text == "CST" { "Asia/Shanghai" } else { text }.parse().ok()?;
        Some(Zone { name: text.to_owned(), rules: Some(rules) })
    }

    /// As `@@time_zone` tells it: `UTC`, `+08:00`, `Asia/Shanghai`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The wall time of a moment, both in microseconds.
    pub fn to_local(&self, utc: i64) -> i64 {
        utc + i64::from(self.offset_seconds(utc)) * SECOND
    }

    /// The moment of a wall time: the earlier one when clocks show it twice.
    pub fn to_utc(&self, local: i64) -> i64 {
        let (Some(rules), Some(time)) = (&self.rules, DateTime::from_timestamp_micros(local)) else { return local };
        let offset = match rules.offset_from_local_datetime(&time.naive_utc()) {
            LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset.fix().local_minus_utc(),
            // Clocks were set forward over it: as if they had not been yet.
            LocalResult::None => self.offset_seconds(local - 86_400 * SECOND),
        };
        local - i64::from(offset) * SECOND
    }

    /// How far clocks are ahead of UTC at a moment in microseconds.
    pub fn offset_seconds(&self, utc: i64) -> i32 {
        let (Some(rules), Some(time)) = (&self.rules, DateTime::from_timestamp_micros(utc)) else { return 0 };
        rules.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc()
    }
}

/// `+8:00` as `+08:00`.
fn offset(text: &str) -> Option<String> {
    let (sign, rest) = text.split_at(1);
    let (hours, minutes) = rest.split_once(':')?;
    let short = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !short(hours) || !short(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let far = hours * 60 + minutes;
    let sane = minutes < 60 && far <= if sign == "+" { AHEAD } else { BEHIND };
    sane.then(|| format!("{sign}{hours:02}:{minutes:02}"))
}

fn system_name() -> Option<String> {
    let given = std::env::var("TZ").ok().map(|tz| tz.trim_start_matches(':').to_owned()).filter(|tz| !tz.is_empty());
    let written = || std::fs::read_to_string("/etc/timezone").ok().map(|text| text.trim().to_owned());
    let linked = || {
        let target = std::fs::read_link("/etc/localtime").ok()?;
        target.to_str()?.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
    };
    let exists = |name: &String| Zone::named(name).is_some();
    given.filter(exists).or_else(|| linked().filter(exists)).or_else(|| written().filter(exists))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-09-12 10:20:30.
    const NOON: i64 = 1_442_053_230 * SECOND;

    #[test]
    fn names_and_offsets() {
        for (text, name, ahead) in [
            ("+8:00", "+08:00", 8 * 3600),
            ("-03:30", "-03:30", -(3 * 3600 + 1800)),
            ("Asia/Shanghai", "Asia/Shanghai", 8 * 3600),
            ("CST", "CST", 8 * 3600),
            ("utc", "UTC", 0),
            ("Z", "UTC", 0),
            ("Europe/Berlin", "Europe/Berlin", 2 * 3600),
        ] {
            let zone = Zone::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((zone.name(), zone.offset_seconds(NOON)), (name, ahead), "{text}");
            assert_eq!(zone.to_utc(zone.to_local(NOON)), NOON, "{text}");
        }
        for text in ["", "Mars/Olympus", "+15:00", "-13:00", "+08", "+08:60", "+:", "+a:00", "+008:00"] {
            assert!(Zone::parse(text).is_none(), "{text}");
        }
        assert_eq!(Zone::parse("system").unwrap().name(), Zone::system().name());
    }

    #[test]
    fn clocks_that_are_set_forward_and_back() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let at = |text: &str| storage_model::value::parse_datetime(text).unwrap();
        assert_eq!(berlin.to_utc(at("2015-01-01 00:00:00")), at("2014-12-31 23:00:00"));
        assert_eq!(berlin.to_utc(at("2015-07-01 00:00:00")), at("2015-06-30 22:00:00"));
        assert_eq!(berlin.to_utc(at("2015-10-25 02:30:00")), at("2015-10-25 00:30:00"));
        assert_eq!(berlin.to_utc(at("2015-03-29 02:30:00")), at("2015-03-29 01:30:00"));
    }
}
