//! Texts read as times by a pattern: `str_to_date` by MySQL's, others by those of [`other`].

mod other;

use std::sync::Arc;

use arrow::array::{ArrayRef, TimestampMicrosecondBuilder};
use datafusion::common::Result;
use storage_model::time::{days_from_civil, is_valid_date};

use super::text::texts;
use super::time::{DAY, MONTHS, SECOND, WEEKDAYS, mysql_pattern, text_at};
use super::{DATETIME, Function, Slot};

pub(super) fn functions() -> Vec<Function> {
    let mut all = vec![Function::new("str_to_date", &[Slot::Text, Slot::Text], DATETIME, |args, rows| {
        read_rows(args, rows, |value, pattern| Ok(parse_time(value, pattern)))
    })];
    all.extend(other::functions());
    all
}

/// What `read` makes of the text and the pattern of each row.
fn read_rows(args: &[ArrayRef], rows: usize, read: fn(&str, &str) -> Result<Option<i64>>) -> Result<ArrayRef> {
    let (values, patterns) = (texts(&args[0], rows)?, texts(&args[1], rows)?);
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
    for row in 0..rows {
        let pair = text_at(&values, row).zip(text_at(&patterns, row));
        builder.append_option(pair.map(|(value, pattern)| read(value, pattern)).transpose()?.flatten());
    }
    Ok(Arc::new(builder.finish()))
}

/// What has been read of a time so far.
struct Reader<'a> {
    rest: &'a str,
    date: (i64, i64, i64),
    clock: (i64, i64, i64, i64),
    afternoon: Option<bool>,
    /// The year that a week is counted in, where it is not that of the date.
    year_of_week: Option<i64>,
    /// A week of a year, and whether it begins on Sunday.
    week: Option<(i64, bool)>,
    /// Sunday is 0.
    weekday: Option<i64>,
    /// A day of the year, from 1.
    of_year: Option<i64>,
}

impl Reader<'_> {
    fn new(text: &str) -> Reader<'_> {
        Reader {
            rest: text,
            date: (0, 1, 1),
            clock: (0, 0, 0, 0),
            afternoon: None,
            year_of_week: None,
            week: None,
            weekday: None,
            of_year: None,
        }
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let count = self.rest.bytes().take(digits).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(count);
        self.rest = rest;
        number.parse().ok()
    }

    fn name(&mut self, names: &[&str], letters: Option<usize>) -> Option<i64> {
        let position = names.iter().position(|name| {
            let name = letters.map_or(*name, |n| &name[..n]);
            self.rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
        })?;
        let length = letters.unwrap_or(names[position].len());
        self.rest = self.rest.get(length..)?;
        Some(position as i64)
    }

    fn code(&mut self, code: char) -> Option<()> {
        match code {
            'Y' => self.date.0 = self.number(4)?,
            'y' => self.date.0 = self.number(2).map(|y| if y < 70 { 2000 + y } else { 1900 + y })?,
            'm' | 'c' => self.date.1 = self.number(2)?,
            'M' => self.date.1 = self.name(&MONTHS, None)? + 1,
            'b' => self.date.1 = self.name(&MONTHS, Some(3))? + 1,
            'd' | 'e' => self.date.2 = self.number(2)?,
            'H' | 'k' | 'h' | 'I' | 'l' => self.clock.0 = self.number(2)?,
            'i' => self.clock.1 = self.number(2)?,
            's' | 'S' => self.clock.2 = self.number(2)?,
            'f' => {
                let before = self.rest.len();
                let fraction = self.number(6)?;
                self.clock.3 = fraction * 10_i64.pow(6 - (before - self.rest.len()) as u32);
            }
            'p' => self.afternoon = Some(self.name(&["AM", "PM"], None)? == 1),
            'T' => {
                self.code('H')?;
                self.literal(':')?;
                self.code('i')?;
                self.literal(':')?;
                self.code('s')?;
            }
            'r' => {
                self.code('T')?;
                self.rest = self.rest.trim_start();
                self.afternoon = self.name(&["AM", "PM"], None).map(|half| half == 1);
            }
            'W' => self.weekday = Some(self.name(&WEEKDAYS, None)?),
            'a' => self.weekday = Some(self.name(&WEEKDAYS, Some(3))?),
            'w' => self.weekday = Some(self.number(1).filter(|day| *day < 7)?),
            'j' => self.of_year = Some(self.number(3)?),
            'X' | 'x' => self.year_of_week = Some(self.number(4)?),
            'V' | 'U' => self.week = Some((self.number(2)?, true)),
            'v' | 'u' => self.week = Some((self.number(2)?, false)),
            other => self.literal(other)?,
        }
        Some(())
    }

    fn literal(&mut self, letter: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(letter)?;
        Some(())
    }

    /// The day, in days since 1970.
    fn day(&self) -> Option<i64> {
        let (year, month, day) = self.date;
        if let (Some((week, is_sunday_first)), Some(weekday)) = (self.week, self.weekday) {
            let first = days_from_civil(self.year_of_week.unwrap_or(year), 1, 1);
            let (begins, day, most) = match is_sunday_first {
                true => ((first + 4).rem_euclid(7), weekday, 0),
                false => ((first + 3).rem_euclid(7), (weekday + 6) % 7, 3),
            };
            let to_first_week = if begins <= most { -begins } else { 7 - begins };
            return (week <= 53).then_some(first + to_first_week + (week - 1) * 7 + day);
        }
        if let Some(of_year) = self.of_year {
            return (1..=366).contains(&of_year).then(|| days_from_civil(year, 1, 1) + of_year - 1);
        }
        is_valid_date(year, month as u32, day as u32).then(|| days_from_civil(year, month as u32, day as u32))
    }

    /// The time, in microseconds since 1970.
    fn time(&self) -> Option<i64> {
        let (mut hour, minute, second, fraction) = self.clock;
        if let Some(afternoon) = self.afternoon {
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        let sane = hour < 24 && minute < 60 && second < 60;
        let of_day = ((hour * 60 + minute) * 60 + second) * SECOND + fraction;
        self.day().filter(|_| sane).map(|day| day * DAY + of_day)
    }
}

fn parse_time(value: &str, pattern: &str) -> Option<i64> {
    let mut reader = Reader::new(value.trim());
    let mut codes = mysql_pattern(pattern).chars();
    while let Some(letter) = codes.next() {
        match letter {
            '%' => reader.code(codes.next()?)?,
            letter if letter.is_whitespace() => reader.rest = reader.rest.trim_start(),
            letter => reader.literal(letter)?,
        }
    }
    reader.time()
}
