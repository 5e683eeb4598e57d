//! Numbers and times as digits.

use arrow::datatypes::i256;
use storage_model::time::civil_from_days;

const MICROS_A_DAY: i64 = 86_400_000_000;

/// Decimal digits of a number.
pub(super) fn write_integer(value: i128, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 40];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    // Most numbers fit a machine word, and dividing those is much cheaper.
    while rest > u128::from(u64::MAX) {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut rest = rest as u64;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

/// A decimal number with its scale.
pub(super) fn write_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    if scale <= 0 {
        write_integer(value, out);
        out.extend(std::iter::repeat_n(b'0', usize::from(scale.unsigned_abs()) * usize::from(value != 0)));
        return;
    }
    let mut digits = Vec::with_capacity(48);
    write_integer(value, &mut digits);
    write_scaled(&digits, scale as usize, out);
}

/// The same, wider.
pub(super) fn write_decimal256(value: i256, scale: i8, out: &mut Vec<u8>) {
    let digits = value.to_string().into_bytes();
    if scale <= 0 {
        out.extend_from_slice(&digits);
        out.extend(std::iter::repeat_n(b'0', usize::from(scale.unsigned_abs())));
    } else {
        write_scaled(&digits, scale as usize, out);
    }
}

fn write_scaled(digits: &[u8], scale: usize, out: &mut Vec<u8>) {
    let (sign, digits) = match digits.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    if sign {
        out.push(b'-');
    }
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', scale - digits.len()));
        out.extend_from_slice(digits);
    }
}

/// The shortest digits that read back as the same number, with an exponent outside `1e-4 ..< 1e16`.
pub(crate) fn write_float(value: f64, scientific: &str, out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    if negative {
        out.push(b'-');
    }
    let digits = || mantissa.bytes().filter(|b| *b != b'.');
    let count = digits().count() as i32;
    if !(-4..16).contains(&exponent) {
        out.extend_from_slice(mantissa.as_bytes());
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            out.push(b'0');
        }
        write_integer(exponent.abs().into(), out);
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend(digits());
    } else {
        for (at, digit) in digits().enumerate() {
            if at as i32 == exponent + 1 {
                out.push(b'.');
            }
            out.push(digit);
        }
        out.extend(std::iter::repeat_n(b'0', (exponent + 1 - count).max(0) as usize));
    }
}

fn two(value: i64, out: &mut Vec<u8>) {
    out.push(b'0' + (value / 10 % 10) as u8);
    out.push(b'0' + (value % 10) as u8);
}

/// `yyyy-MM-dd`.
pub(super) fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    if (0..=9999).contains(&year) {
        two(year / 100, out);
        two(year % 100, out);
    } else {
        write_integer(year.into(), out);
    }
    out.push(b'-');
    two(month.into(), out);
    out.push(b'-');
    two(day.into(), out);
}

/// `yyyy-MM-dd HH:mm:ss[.ffffff]`.
pub(super) fn write_datetime(micros: i64, out: &mut Vec<u8>) {
    write_date(micros.div_euclid(MICROS_A_DAY), out);
    let of_day = micros.rem_euclid(MICROS_A_DAY);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    out.push(b' ');
    two(seconds / 3600, out);
    out.push(b':');
    two(seconds / 60 % 60, out);
    out.push(b':');
    two(seconds % 60, out);
    if fraction != 0 {
        out.push(b'.');
        two(fraction / 10_000, out);
        two(fraction / 100 % 100, out);
        two(fraction % 100, out);
    }
}
