//! Texts as times, as data has them: as generous as StarRocks is. What statements define (bounds, defaults) is read more
//! strictly, by `value::parse_datetime`.
//!
//! Parts may stand behind any punctuation or, where nothing but digits stands before the fraction, behind nothing; what
//! follows the last part is not looked at.

use crate::time::{days_from_civil, is_valid_date};

/// Year, month, day, hour, minute, second, fraction.
const PARTS: usize = 7;
const MICROS_A_DAY: i64 = 86_400_000_000;
/// Two digits of a year below this are of this century.
const CENTURY: i64 = 70;
/// More than any part is.
const MOST: i64 = 999_999;

/// Microseconds since the epoch of a text; None when it is no time.
pub fn read_datetime(text: &str) -> Option<i64> {
    let trimmed = text.trim();
    // With nothing but digits, what is around them does not count.
    let text = if trimmed.bytes().all(|b| b.is_ascii_digit()) { trimmed } else { text };
    let text = text.trim_start().as_bytes();
    let digits = text.iter().take_while(|b| b.is_ascii_digit() || **b == b'T').count();
    let is_compact = digits == text.len() || text[digits] == b'.';
    let short_year = is_compact && !matches!(digits, 4 | 8 | 14..);
    let (parts, lengths, count) = parts(text, is_compact, if short_year { 2 } else { 4 })?;
    if count < 3 {
        return None;
    }
    let [mut year, month, day, hour, minute, second, fraction] = parts;
    if short_year || !is_compact && lengths[0] == 2 {
        year += if year < CENTURY { 2000 } else { 1900 };
    }
    let fraction = fraction * 10_i64.pow(6 - lengths[6].min(6) as u32);
    let (Ok(month), Ok(day)) = (u32::try_from(month), u32::try_from(day)) else { return None };
    let sane = is_valid_date(year, month, day) && hour < 24 && minute < 60 && second < 60;
    let of_day = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction;
    sane.then(|| days_from_civil(year, month, day) * MICROS_A_DAY + of_day)
}

/// The parts, of how many digits each is, and how many there are. In a compact text their length says where they end.
fn parts(text: &[u8], is_compact: bool, year_digits: usize) -> Option<([i64; PARTS], [usize; PARTS], usize)> {
    let (mut parts, mut lengths) = ([0; PARTS], [0; PARTS]);
    let (mut at, mut part, mut most) = (0, 0, year_digits);
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    while part < PARTS && is_digit(at) {
        let begin = at;
        let to_the_end = !is_compact && part != 6;
        while is_digit(at) && (to_the_end || at - begin < most) {
            parts[part] = parts[part] * 10 + i64::from(text[at] - b'0');
            if parts[part] > MOST {
                return None;
            }
            at += 1;
        }
        lengths[part] = at - begin;
        most = 2;
        match text.get(at) {
            Some(b'T') if part == 2 => at += 1,
            Some(b'.') if part == 5 => {
                at += 1;
                most = 6;
            }
            // A second of three digits: what is behind it does not count.
            Some(other) if part == 5 && other.is_ascii_digit() => return Some((parts, lengths, part + 1)),
            _ if part == 5 => {}
            _ => at = behind_separator(text, at, part)?,
        }
        part += 1;
    }
    Some((parts, lengths, part))
}

/// Where the next part begins; None: there is space where none may be.
fn behind_separator(text: &[u8], mut at: usize, part: usize) -> Option<usize> {
    while let Some(byte) = text.get(at).filter(|b| b.is_ascii_punctuation() || b.is_ascii_whitespace() || **b == 0x0b) {
        if !byte.is_ascii_punctuation() && !matches!(part, 2 | 6) {
            // Behind the last part it does no harm.
            let is_over = text[at..].iter().all(|b| b.is_ascii_whitespace() || *b == 0x0b);
            return if is_over && part > 2 { Some(text.len()) } else { None };
        }
        at += 1;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::format_datetime;

    #[test]
    fn texts_are_times_as_starrocks_reads_them() {
        for (text, expected) in [
            ("2015-09-12 06:07:08.5", "2015-09-12 06:07:08.500000"),
            ("2015-9-2T6:7", "2015-09-02 06:07:00"),
            ("  2015-09-12  06:07:08  ", "2015-09-12 06:07:08"),
            ("2015-09-12 06:07 ", "2015-09-12 06:07:00"),
            ("15-09-12", "2015-09-12 00:00:00"),
            ("70/1/2", "1970-01-02 00:00:00"),
            ("20200101", "2020-01-01 00:00:00"),
            ("  20200101 ", "2020-01-01 00:00:00"),
            ("20200101010203", "2020-01-01 01:02:03"),
            ("20200101T0102033", "2020-01-01 01:02:03"),
            ("  20200101T010203.123    \n \t \u{b} \u{c} \r ", "2020-01-01 01:02:03.123000"),
            ("200101", "2020-01-01 00:00:00"),
            ("200101T010203.123", "2020-01-01 01:02:03.123000"),
            ("2020.01.01", "2020-01-01 00:00:00"),
            ("2020.01.01T01.02.033", "2020-01-01 01:02:03"),
            ("2020.01.01T01.0203.123", "2020-01-01 01:02:03.123000"),
            ("210?.02.28", "0210-02-28 00:00:00"),
            ("2100.?2.28", "2100-02-28 00:00:00"),
            ("2100.02.2?", "2100-02-02 00:00:00"),
            ("2015-01-01 00:00:00.1234567", "2015-01-01 00:00:00.123456"),
        ] {
            assert_eq!(read_datetime(text).map(format_datetime).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            " ",
            "x",
            "2015",
            "2015-01",
            "2015-13-01",
            "2015-02-29",
            "2015-01-01 24:00:00",
            "200101T0102033",
            "20200101T0102033  ",
            "2100902.28",
            "2100.02928",
            "2100.0?.28",
            "21?0.02.28",
            "?100.02.28",
            "9999999999999999",
            "99999999999999999999-01-01",
        ] {
            assert_eq!(read_datetime(text), None, "{text}");
        }
    }
}
