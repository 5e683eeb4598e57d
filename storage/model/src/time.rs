//! Times as plain numbers. Times are arguments, never read here.
//!
//! Two clocks: the wall's, which people read and which may jump either way; and the cluster's uptime, which only counts
//! the time that a frontend has really lived through. What expires, expires by uptime.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This time plus `millis` milliseconds.
    pub fn plus(self, millis: u64) -> UnixMillis {
        UnixMillis(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`, 0 when `earlier` is later.
    pub fn since(self, earlier: UnixMillis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `yyyy-MM-dd HH:mm:ss` in UTC, as SHOW statements print times.
    pub fn to_datetime_text(self) -> String {
        let seconds = self.0 / 1000;
        let (year, month, day) = civil_from_days((seconds / 86_400) as i64);
        let of_day = seconds % 86_400;
        format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
    }
}

/// Milliseconds that frontends of the cluster have lived through, one after the other, since its first start. Never jumps,
/// whatever the wall clock does; time in which no frontend ran does not count. Kept through restores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uptime(pub u64);

impl Uptime {
    /// This uptime plus `millis` milliseconds.
    pub fn plus(self, millis: u64) -> Uptime {
        Uptime(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`, 0 when `earlier` is later.
    pub fn since(self, earlier: Uptime) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What both clocks show at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// For people and records.
    pub wall: UnixMillis,
    /// For whatever expires.
    pub uptime: Uptime,
}

impl Now {
    /// Both clocks at the same number: for simulations in which neither jumps.
    pub fn at(millis: u64) -> Now {
        Now { wall: UnixMillis(millis), uptime: Uptime(millis) }
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime_text())
    }
}

/// Days since 1970-01-01 to (year, month, day) of the proleptic Gregorian calendar.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// (year, month, day) to days since 1970-01-01. The date is taken as it is: check it with [`is_valid_date`].
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Whether the date exists, within StarRocks' range 0000-01-01 ..= 9999-12-31.
pub fn is_valid_date(year: i64, month: u32, day: u32) -> bool {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days_of_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (0..=9999).contains(&year) && day >= 1 && day <= days_of_month
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        for days in -719_528..2_932_896 {
            let (y, m, d) = civil_from_days(days);
            assert!(is_valid_date(y, m, d), "{days}: {y}-{m}-{d}");
            assert_eq!(days_from_civil(y, m, d), days);
        }
    }

    #[test]
    fn times_print_as_starrocks_prints_them() {
        assert_eq!(UnixMillis(1_739_857_978_127).to_datetime_text(), "2025-02-18 05:52:58");
        assert_eq!(UnixMillis(0).to_datetime_text(), "1970-01-01 00:00:00");
    }
}
