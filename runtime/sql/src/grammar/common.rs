//! Pieces that many statements share.

use crate::cursor::{Cursor, Parse, error_at};
use crate::delegate;
use crate::statement::{Properties, ShowFilter};

/// `("key" = "value", ...)`. A key that is given twice has its last value.
pub(super) fn property_list(cursor: &mut Cursor<'_>) -> Parse<Properties> {
    let pairs = cursor.parenthesised(|c| {
        let key = c.string()?;
        c.expect_symbol("=")?;
        Ok((key, c.string()?))
    })?;
    Ok(Properties(pairs.into_iter().collect()))
}

/// `PROPERTIES (...)` if it is there.
pub(super) fn properties(cursor: &mut Cursor<'_>) -> Parse<Properties> {
    if cursor.take("PROPERTIES") { property_list(cursor) } else { Ok(Properties::default()) }
}

/// `COMMENT 'text'` if it is there.
pub(super) fn comment(cursor: &mut Cursor<'_>) -> Parse<Option<String>> {
    if cursor.take("COMMENT") { cursor.string().map(Some) } else { Ok(None) }
}

/// `STORAGE VOLUME name` if it is there.
pub(super) fn storage_volume(cursor: &mut Cursor<'_>) -> Parse<Option<String>> {
    if !cursor.take("STORAGE") {
        return Ok(None);
    }
    cursor.expect("VOLUME")?;
    cursor.identifier_or_text().map(Some)
}

/// Time units of fixed length, in seconds.
const UNITS: [(&str, u64); 5] = [("SECOND", 1), ("MINUTE", 60), ("HOUR", 3_600), ("DAY", 86_400), ("WEEK", 604_800)];

/// `INTERVAL n unit` in seconds, if it is there.
pub(super) fn interval_seconds(cursor: &mut Cursor<'_>) -> Parse<Option<u64>> {
    if !cursor.take("INTERVAL") {
        return Ok(None);
    }
    let start = cursor.current();
    let count = cursor.integer()?;
    let names = UNITS.map(|(name, _)| name);
    let unit = cursor.expect_any(&names)?;
    let length = UNITS.iter().find(|(name, _)| *name == unit).map_or(1, |(_, length)| *length);
    match count.checked_mul(length) {
        Some(0) => Err(error_at(start, "an interval must be longer than nothing".to_owned())),
        Some(seconds) => Ok(Some(seconds)),
        None => Err(error_at(start, "the interval is too long".to_owned())),
    }
}

/// `[LIKE 'pattern'] [WHERE expr] [ORDER BY ...] [LIMIT n [OFFSET n] | LIMIT offset, n]`.
pub(super) fn show_filter(cursor: &mut Cursor<'_>) -> Parse<ShowFilter> {
    let mut filter = ShowFilter::default();
    if cursor.take("LIKE") {
        filter.like = Some(cursor.string()?);
    }
    if cursor.take("WHERE") {
        filter.predicate = Some(delegate::expression(cursor, &|t| t.is_word("ORDER") || t.is_word("LIMIT"))?);
    }
    if cursor.take("ORDER") {
        cursor.expect("BY")?;
        filter.order_by = delegate::order_by(cursor, &|t| t.is_word("LIMIT"))?;
    }
    if cursor.take("LIMIT") {
        let first = cursor.integer()?;
        (filter.limit, filter.offset) = if cursor.take_symbol(",") {
            (Some(cursor.integer()?), Some(first))
        } else if cursor.take("OFFSET") {
            (Some(first), Some(cursor.integer()?))
        } else {
            (Some(first), None)
        };
    }
    Ok(filter)
}

/// `[DEFAULT] CHARSET = utf8` and `COLLATE = x`: all text is UTF-8, so this says nothing.
pub(super) fn skip_charset(cursor: &mut Cursor<'_>) -> Parse<()> {
    const CHARSET: &[&[&str]] = &[&["CHARSET"], &["CHAR", "SET"], &["CHARACTER", "SET"], &["COLLATE"]];
    loop {
        let named = CHARSET.iter().any(|words| {
            let with_default: Vec<&str> = std::iter::once("DEFAULT").chain(words.iter().copied()).collect();
            cursor.take_all(words) || cursor.take_all(&with_default)
        });
        if !named {
            return Ok(());
        }
        cursor.take_symbol("=");
        cursor.identifier_or_text()?;
    }
}

/// Everything from here to the end of the statement, as written.
pub(super) fn rest_as_text(cursor: &mut Cursor<'_>) -> Parse<String> {
    let start = cursor.current().start;
    let nothing = cursor.at_end();
    cursor.skip_statement()?;
    Ok(if nothing { String::new() } else { cursor.text()[start..cursor.consumed()].to_owned() })
}
