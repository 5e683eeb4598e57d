//! One value of a result set, and its two encodings: text (COM_QUERY) and binary (COM_STMT_EXECUTE). Encoding a row allocates nothing.

use std::borrow::Cow;
use std::io::Write;

use mysql_common::constants::ColumnType;
use mysql_common::io::BufMutExt;

mod parse;

/// NULL in a text row.
const TEXT_NULL: u8 = 0xfb;

/// One value. The column's type decides how a client sees it; the cell is what the server has.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// Any signed integer; booleans are 0 and 1.
    Int(i64),
    /// Any unsigned integer.
    UInt(u64),
    /// LARGEINT: a text for clients, which have no such type.
    LargeInt(i128),
    /// FLOAT, printed with as few digits as tell it from its neighbours.
    Float(f32),
    /// DOUBLE, printed with as few digits as tell it from its neighbours.
    Double(f64),
    /// `unscaled` / 10^`scale`.
    Decimal {
        /// All digits, with the sign.
        unscaled: i128,
        /// How many of them stand after the point.
        scale: u8,
    },
    /// Text (UTF-8) or bytes, as they are. Also the way out for decimals and dates that the other variants cannot hold.
    Bytes(Cow<'a, [u8]>),
    /// A day.
    Date {
        /// 0 to 9999.
        year: u16,
        /// 1 to 12.
        month: u8,
        /// 1 to 31.
        day: u8,
    },
    /// A day and a time of day; the fraction is printed when it is not zero.
    DateTime {
        /// 0 to 9999.
        year: u16,
        /// 1 to 12.
        month: u8,
        /// 1 to 31.
        day: u8,
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
        /// 0 to 59.
        second: u8,
        /// Microseconds, 0 to 999,999.
        micros: u32,
    },
    /// A span of time, as `TIMEDIFF` gives it; the fraction is printed when it is not zero.
    Time {
        /// Less than nothing.
        negative: bool,
        /// All hours, also beyond 24.
        hours: u32,
        /// 0 to 59.
        minutes: u8,
        /// 0 to 59.
        seconds: u8,
        /// Microseconds, 0 to 999,999.
        micros: u32,
    },
}

/// The cell's value has no place in a column of this type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a value does not fit its result column of type {0:?}")]
pub struct Unfit(pub ColumnType);

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Cell::Bytes(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Cell::Bytes(Cow::Owned(text.into_bytes()))
    }
}

impl<'a> From<&'a [u8]> for Cell<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Cell::Bytes(Cow::Borrowed(bytes))
    }
}

impl From<i64> for Cell<'_> {
    fn from(value: i64) -> Self {
        Cell::Int(value)
    }
}

impl From<u64> for Cell<'_> {
    fn from(value: u64) -> Self {
        Cell::UInt(value)
    }
}

impl From<bool> for Cell<'_> {
    fn from(value: bool) -> Self {
        Cell::Int(i64::from(value))
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

impl Cell<'_> {
    /// Pushes the cell as a length-encoded text.
    pub(crate) fn encode_text(&self, out: &mut Vec<u8>) {
        match self {
            Cell::Null => out.push(TEXT_NULL),
            Cell::Bytes(bytes) => out.put_lenenc_str(bytes),
            other => {
                // None of these is longer than 250 bytes, so the length is one byte, known afterwards.
                let start = out.len();
                out.push(0);
                other.print(out);
                out[start] = (out.len() - start - 1) as u8;
            }
        }
    }

    /// Pushes the cell's text without a length.
    fn print(&self, out: &mut Vec<u8>) {
        match *self {
            Cell::Null => {}
            Cell::Bytes(ref bytes) => out.extend_from_slice(bytes),
            Cell::Int(value) => {
                if value < 0 {
                    out.push(b'-');
                }
                print_digits(out, value.unsigned_abs());
            }
            Cell::UInt(value) => print_digits(out, value),
            Cell::LargeInt(value) => print_formatted(out, format_args!("{value}")),
            Cell::Float(value) => {
                let decade = value.abs();
                print_float(out, &value, decade == 0.0 || (1e-5..1e15).contains(&decade), f64::from(value));
            }
            Cell::Double(value) => {
                let decade = value.abs();
                print_float(out, &value, decade == 0.0 || (1e-5..1e15).contains(&decade), value);
            }
            Cell::Decimal { unscaled, scale } => print_decimal(out, unscaled, scale),
            Cell::Date { year, month, day } => print_date(out, year, month, day),
            Cell::DateTime { year, month, day, hour, minute, second, micros } => {
                print_date(out, year, month, day);
                out.push(b' ');
                print_two(out, hour);
                print_clock(out, minute, second, micros);
            }
            Cell::Time { negative, hours, minutes, seconds, micros } => {
                if negative {
                    out.push(b'-');
                }
                match u8::try_from(hours) {
                    Ok(hours @ 0..=99) => print_two(out, hours),
                    _ => print_digits(out, u64::from(hours)),
                }
                print_clock(out, minutes, seconds, micros);
            }
        }
    }

    /// Pushes the cell as the binary protocol wants a value of `column_type`. NULL is not pushed: it is a bit elsewhere.
    pub(crate) fn encode_binary(&self, column_type: ColumnType, out: &mut Vec<u8>) -> Result<(), Unfit> {
        use ColumnType::*;
        let unfit = || Unfit(column_type);
        match column_type {
            MYSQL_TYPE_TINY => out.push(self.integer(8).ok_or_else(unfit)? as u8),
            MYSQL_TYPE_SHORT | MYSQL_TYPE_YEAR => {
                out.extend_from_slice(&(self.integer(16).ok_or_else(unfit)? as u16).to_le_bytes());
            }
            MYSQL_TYPE_LONG | MYSQL_TYPE_INT24 => {
                out.extend_from_slice(&(self.integer(32).ok_or_else(unfit)? as u32).to_le_bytes());
            }
            MYSQL_TYPE_LONGLONG => {
                out.extend_from_slice(&(self.integer(64).ok_or_else(unfit)? as u64).to_le_bytes());
            }
            MYSQL_TYPE_FLOAT => out.extend_from_slice(&(self.real().ok_or_else(unfit)? as f32).to_le_bytes()),
            MYSQL_TYPE_DOUBLE => out.extend_from_slice(&self.real().ok_or_else(unfit)?.to_le_bytes()),
            MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE | MYSQL_TYPE_DATETIME | MYSQL_TYPE_TIMESTAMP => {
                self.moment().ok_or_else(unfit)?.encode_moment(out);
            }
            MYSQL_TYPE_TIME => self.span().ok_or_else(unfit)?.encode_span(out),
            MYSQL_TYPE_NULL => return Err(unfit()),
            _ => self.encode_text(out),
        }
        Ok(())
    }

    /// The value as an integer that fits `bits`, signed or unsigned: the column's flag tells the client which of the two it is.
    fn integer(&self, bits: u32) -> Option<i128> {
        let value = match self {
            Cell::Int(value) => i128::from(*value),
            Cell::UInt(value) => i128::from(*value),
            Cell::LargeInt(value) => *value,
            Cell::Decimal { unscaled, scale: 0 } => *unscaled,
            Cell::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.trim().parse().ok()?,
            _ => return None,
        };
        let fits = value >= -(1i128 << (bits - 1)) && value < (1i128 << bits);
        fits.then_some(value)
    }

    fn real(&self) -> Option<f64> {
        Some(match self {
            Cell::Float(value) => f64::from(*value),
            Cell::Double(value) => *value,
            Cell::Int(value) => *value as f64,
            Cell::UInt(value) => *value as f64,
            Cell::LargeInt(value) => *value as f64,
            Cell::Decimal { unscaled, scale } => *unscaled as f64 / 10f64.powi(i32::from(*scale)),
            Cell::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.trim().parse().ok()?,
            _ => return None,
        })
    }

    /// A cell that is a Date or a DateTime.
    fn moment(&self) -> Option<Cell<'static>> {
        match *self {
            Cell::Date { year, month, day } => Some(Cell::Date { year, month, day }),
            Cell::DateTime { year, month, day, hour, minute, second, micros } => {
                Some(Cell::DateTime { year, month, day, hour, minute, second, micros })
            }
            Cell::Bytes(ref bytes) => parse::moment(bytes),
            _ => None,
        }
    }

    /// A cell that is a Time.
    fn span(&self) -> Option<Cell<'static>> {
        match *self {
            Cell::Time { negative, hours, minutes, seconds, micros } => {
                Some(Cell::Time { negative, hours, minutes, seconds, micros })
            }
            Cell::Bytes(ref bytes) => parse::span(bytes),
            _ => None,
        }
    }

    fn encode_moment(&self, out: &mut Vec<u8>) {
        let (year, month, day, clock, micros) = match *self {
            Cell::Date { year, month, day } => (year, month, day, [0; 3], 0),
            Cell::DateTime { year, month, day, hour, minute, second, micros } => {
                (year, month, day, [hour, minute, second], micros)
            }
            _ => return out.push(0),
        };
        let length = match (clock, micros) {
            ([0, 0, 0], 0) if (year, month, day) == (0, 0, 0) => 0,
            ([0, 0, 0], 0) => 4,
            (_, 0) => 7,
            _ => 11,
        };
        out.push(length);
        if length >= 4 {
            out.extend_from_slice(&year.to_le_bytes());
            out.extend_from_slice(&[month, day]);
        }
        if length >= 7 {
            out.extend_from_slice(&clock);
        }
        if length >= 11 {
            out.extend_from_slice(&micros.to_le_bytes());
        }
    }

    fn encode_span(&self, out: &mut Vec<u8>) {
        let Cell::Time { negative, hours, minutes, seconds, micros } = *self else {
            return out.push(0);
        };
        if (hours, minutes, seconds, micros) == (0, 0, 0, 0) {
            return out.push(0);
        }
        out.push(if micros == 0 { 8 } else { 12 });
        out.push(u8::from(negative));
        out.extend_from_slice(&(hours / 24).to_le_bytes());
        out.extend_from_slice(&[(hours % 24) as u8, minutes, seconds]);
        if micros != 0 {
            out.extend_from_slice(&micros.to_le_bytes());
        }
    }
}

fn print_digits(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn print_formatted(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec cannot fail.
    let _ = out.write_fmt(text);
}

/// Plain digits where they are short, an exponent (`1.5e20`) elsewhere, as MySQL does.
fn print_float<T: std::fmt::Display + std::fmt::LowerExp>(out: &mut Vec<u8>, value: &T, plain: bool, wide: f64) {
    if wide.is_nan() {
        out.extend_from_slice(b"nan");
    } else if wide.is_infinite() {
        out.extend_from_slice(if wide > 0.0 { b"inf" } else { b"-inf" });
    } else if plain {
        print_formatted(out, format_args!("{value}"));
    } else {
        print_formatted(out, format_args!("{value:e}"));
    }
}

fn print_decimal(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let start = out.len();
    // At least one digit stands before the point. No type has more than 76 digits after it.
    let digits = usize::from(scale.min(200));
    print_formatted(out, format_args!("{:0>width$}", unscaled.unsigned_abs(), width = digits + 1));
    if digits > 0 {
        let point = out.len() - digits;
        debug_assert!(point > start);
        out.insert(point, b'.');
    }
}

fn print_two(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(&[b'0' + value / 10 % 10, b'0' + value % 10]);
}

fn print_date(out: &mut Vec<u8>, year: u16, month: u8, day: u8) {
    print_two(out, (year / 100) as u8);
    print_two(out, (year % 100) as u8);
    out.push(b'-');
    print_two(out, month);
    out.push(b'-');
    print_two(out, day);
}

fn print_clock(out: &mut Vec<u8>, minute: u8, second: u8, micros: u32) {
    out.push(b':');
    print_two(out, minute);
    out.push(b':');
    print_two(out, second);
    if micros != 0 {
        out.push(b'.');
        for part in [micros / 10_000, micros / 100, micros] {
            print_two(out, (part % 100) as u8);
        }
    }
}

#[cfg(test)]
mod tests;
