//! Typed constants: partition bounds and defaults after their check against a column type.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::schema::DataType;
use crate::time::{civil_from_days, days_from_civil, is_valid_date};

/// A constant of a partitionable type. Ordered within one type. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Any integer type.
    Integer(i128),
    /// DATE: days since 1970-01-01.
    Date(i32),
    /// DATETIME: microseconds since 1970-01-01 00:00:00.
    DateTime(i64),
    /// CHAR and VARCHAR, in lists only.
    Text(String),
    /// MAXVALUE beside other values of a bound: above all values of any type.
    Max,
}

impl Value {
    /// Reads a constant of type `data_type` from its text (`2015-09-12 06:00:00`, `-5`).
    pub fn parse(text: &str, data_type: &DataType) -> Option<Value> {
        match data_type {
            DataType::Date => {
                let micros = parse_datetime(text)?;
                (micros % 86_400_000_000 == 0).then(|| Value::Date(micros.div_euclid(86_400_000_000) as i32))
            }
            DataType::DateTime => parse_datetime(text).map(Value::DateTime),
            DataType::Char(_) | DataType::Varchar(_) => Some(Value::Text(text.to_owned())),
            DataType::Boolean => match text.trim().to_ascii_lowercase().as_str() {
                "1" | "true" => Some(Value::Integer(1)),
                "0" | "false" => Some(Value::Integer(0)),
                _ => None,
            },
            _ if data_type.is_integer() => {
                let number: i128 = text.trim().parse().ok()?;
                let (low, high) = integer_range(data_type);
                (low..=high).contains(&number).then_some(Value::Integer(number))
            }
            _ => None,
        }
    }
}

/// The smallest and largest value of an integer type.
pub fn integer_range(data_type: &DataType) -> (i128, i128) {
    match data_type {
        DataType::TinyInt => (i8::MIN.into(), i8::MAX.into()),
        DataType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int => (i32::MIN.into(), i32::MAX.into()),
        DataType::BigInt => (i64::MIN.into(), i64::MAX.into()),
        _ => (i128::MIN, i128::MAX),
    }
}

/// `yyyy-M-d[ |T]H:m[:s[.ffffff]]` or `yyyyMMdd[HHmmss]` to microseconds since the epoch; None when it is no such time.
pub fn parse_datetime(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() >= 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        return parse_compact(text);
    }
    let (date, clock) = match text.split_once([' ', 'T']) {
        Some((date, clock)) => (date, Some(clock.trim())),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !(2..=4).contains(&year.len()) {
        return None;
    }
    let of_day = clock.map_or(Some(0), parse_clock)?;
    assemble(number(year, 4)?, number(month, 2)?, number(day, 2)?, of_day)
}

fn parse_compact(text: &str) -> Option<i64> {
    let of_day = match text.len() {
        8 => 0,
        14 => parse_clock(&format!("{}:{}:{}", &text[8..10], &text[10..12], &text[12..14]))?,
        _ => return None,
    };
    assemble(number(&text[..4], 4)?, number(&text[4..6], 2)?, number(&text[6..8], 2)?, of_day)
}

fn parse_clock(text: &str) -> Option<i64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut parts = whole.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = parts.next().map_or(Some(0), |p| number(p, 2))?;
    let second = parts.next().map_or(Some(0), |p| number(p, 2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match fraction {
        None => 0,
        Some(digits) if digits.len() <= 6 => number(digits, 6)? * 10_i64.pow(6 - digits.len() as u32),
        Some(_) => return None,
    };
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let sane = !text.is_empty() && text.len() <= digits && text.bytes().all(|b| b.is_ascii_digit());
    sane.then(|| text.parse().ok()).flatten()
}

fn assemble(year: i64, month: i64, day: i64, of_day: i64) -> Option<i64> {
    let (month, day) = (month as u32, day as u32);
    is_valid_date(year, month, day).then(|| days_from_civil(year, month, day) * 86_400_000_000 + of_day)
}

/// Microseconds since the epoch as `yyyy-MM-dd HH:mm:ss[.ffffff]`.
pub fn format_datetime(micros: i64) -> String {
    let (year, month, day) = civil_from_days(micros.div_euclid(86_400_000_000));
    let of_day = micros.rem_euclid(86_400_000_000);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        format!("{year:04}-{month:02}-{day:02} {clock}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {clock}.{fraction:06}")
    }
}

/// Days since the epoch as `yyyy-MM-dd`.
pub fn format_date(days: i32) -> String {
    let (year, month, day) = civil_from_days(days.into());
    format!("{year:04}-{month:02}-{day:02}")
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(n) => n.fmt(f),
            Value::Date(days) => f.write_str(&format_date(*days)),
            Value::DateTime(micros) => f.write_str(&format_datetime(*micros)),
            Value::Text(text) => f.write_str(text),
            Value::Max => f.write_str("MAXVALUE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_parse_and_print() {
        for text in ["2015-09-12 06:00:00", "1969-12-31 23:59:59.000001", "0000-01-01 00:00:00", "9999-12-31 23:59:59"]
        {
            assert_eq!(format_datetime(parse_datetime(text).unwrap()), text);
        }
        assert_eq!(parse_datetime("20150912"), parse_datetime("2015-9-12"));
        assert_eq!(parse_datetime("20150912060000"), parse_datetime("2015-09-12T06:00"));
        for bad in [
            "",
            "2015",
            "2015-13-01",
            "2015-02-29",
            "2015-01-01 24:00:00",
            "2015-01-01 1:2:3:4",
            "x",
            "2015-01-01 00:00:00.1234567",
        ] {
            assert_eq!(parse_datetime(bad), None, "{bad}");
        }
    }

    #[test]
    fn integers_keep_to_their_type() {
        assert_eq!(Value::parse("127", &DataType::TinyInt), Some(Value::Integer(127)));
        assert_eq!(Value::parse("128", &DataType::TinyInt), None);
        assert_eq!(Value::parse("2015-09-12", &DataType::Date), Some(Value::Date(16690)));
        assert_eq!(Value::parse("a", &DataType::Varchar(3)), Some(Value::Text("a".to_owned())));
        assert_eq!(Value::parse("TRUE", &DataType::Boolean), Some(Value::Integer(1)));
        assert_eq!(Value::parse("2", &DataType::Boolean), None);
        assert_eq!(Value::parse("1", &DataType::Double), None);
    }
}
