//! Dates and times that a cell holds as text, read back for the binary protocol.

use super::Cell;

/// `2024-02-29`, `2024-02-29 12:34:56` or with a fraction.
pub(super) fn moment(text: &[u8]) -> Option<Cell<'static>> {
    let (date, clock) = match text.iter().position(|byte| matches!(byte, b' ' | b'T')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let mut parts = date.splitn(3, |byte| *byte == b'-');
    let year = number(parts.next()?, 9999)? as u16;
    let month = number(parts.next()?, 12)? as u8;
    let day = number(parts.next()?, 31)? as u8;
    let Some(clock) = clock else {
        return Some(Cell::Date { year, month, day });
    };
    let (hour, minute, second, micros) = clock_face(clock, 23)?;
    Some(Cell::DateTime { year, month, day, hour: hour as u8, minute, second, micros })
}

/// `-12:34:56`, with any number of hours, or with a fraction.
pub(super) fn span(text: &[u8]) -> Option<Cell<'static>> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let (hours, minutes, seconds, micros) = clock_face(text, u32::MAX)?;
    Some(Cell::Time { negative, hours, minutes, seconds, micros })
}

fn clock_face(text: &[u8], most_hours: u32) -> Option<(u32, u8, u8, u32)> {
    let mut parts = text.splitn(3, |byte| *byte == b':');
    let hours = number(parts.next()?, most_hours)?;
    let minutes = number(parts.next()?, 59)? as u8;
    let seconds = parts.next()?;
    let (seconds, fraction) = match seconds.iter().position(|byte| *byte == b'.') {
        Some(at) => (&seconds[..at], &seconds[at + 1..]),
        None => (seconds, &[][..]),
    };
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + fraction.get(place).map_or(Some(0), |digit| number(&[*digit], 9))?;
    }
    Some((hours, minutes, number(seconds, 59)? as u8, micros))
}

fn number(digits: &[u8], most: u32) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (value <= most).then_some(value)
}
