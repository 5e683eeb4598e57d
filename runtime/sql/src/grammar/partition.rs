//! PARTITION BY and DISTRIBUTED BY.

use crate::cursor::{Cursor, Parse, error_at};
use crate::grammar::common;
use crate::lexer::Kind;
use crate::statement::Properties;
use crate::statement::table::{
    DistributionClause, ListPartition, PartitionBatch, PartitionClause, PartitionExpression, PartitionStep,
    PartitionValue, RangeClause, RangePartition,
};

/// Behind `PARTITION`.
pub(super) fn clause(cursor: &mut Cursor<'_>) -> Parse<PartitionClause> {
    cursor.expect("BY")?;
    let start = cursor.mark();
    if cursor.take("RANGE") {
        let inside = cursor.mark();
        if let Ok(columns) = cursor.parenthesised(Cursor::identifier) {
            let (partitions, batches) = range_partitions(cursor)?;
            return Ok(PartitionClause::Range { columns, partitions, batches });
        }
        cursor.reset(inside);
        if let Some(key) = single_step(cursor) {
            return expression_partitions(cursor, key);
        }
        cursor.reset(start);
        return other(cursor);
    }
    if cursor.at("LIST") && cursor.ahead(1).is_symbol("(") {
        cursor.advance();
        if let Ok(keys) = cursor.parenthesised(expression) {
            let partitions = list_partitions(cursor)?;
            return Ok(PartitionClause::List { keys, partitions, automatic: false });
        }
        cursor.reset(start);
        return other(cursor);
    }
    match expressions(cursor) {
        Some(keys) => by_expressions(cursor, keys),
        None => {
            cursor.reset(start);
            other(cursor)
        }
    }
}

/// `(date_trunc('day', c))`, or the same without parentheses.
fn single_step(cursor: &mut Cursor<'_>) -> Option<PartitionExpression> {
    match expressions(cursor)?.as_slice() {
        [only] if only.step.is_some() => Some(only.clone()),
        _ => None,
    }
}

/// Columns and steps of columns, in parentheses or not. None: something else, or something more.
fn expressions(cursor: &mut Cursor<'_>) -> Option<Vec<PartitionExpression>> {
    let keys = match cursor.at_symbol("(") {
        true => cursor.parenthesised(expression).ok()?,
        false => cursor.list(expression).ok()?,
    };
    Some(keys)
}

/// A column, `date_trunc('unit', column)` or `time_slice(column, INTERVAL n unit)`.
fn expression(cursor: &mut Cursor<'_>) -> Parse<PartitionExpression> {
    let behind = cursor.ahead(2);
    let begins_partitions = behind.is_word("PARTITION") || behind.is_word("START") || behind.is_symbol(")");
    if !cursor.ahead(1).is_symbol("(") || begins_partitions {
        return Ok(PartitionExpression { column: cursor.identifier()?, step: None });
    }
    let (column, step) = match cursor.expect_any(&["DATE_TRUNC", "TIME_SLICE"])? {
        "DATE_TRUNC" => {
            cursor.expect_symbol("(")?;
            let unit = cursor.string()?;
            cursor.expect_symbol(",")?;
            (cursor.identifier()?, (1, unit))
        }
        _ => {
            cursor.expect_symbol("(")?;
            let column = cursor.identifier()?;
            cursor.expect_symbol(",")?;
            cursor.expect("INTERVAL")?;
            let count = cursor.integer()?;
            let unit = cursor.identifier()?;
            if cursor.take_symbol(",") {
                // Slices begin with the earliest moment that is in them.
                cursor.expect("FLOOR")?;
            }
            (column, (count, unit))
        }
    };
    cursor.expect_symbol(")")?;
    Ok(PartitionExpression { column, step: Some(step) })
}

/// Behind the columns and expressions of PARTITION BY.
fn by_expressions(cursor: &mut Cursor<'_>, keys: Vec<PartitionExpression>) -> Parse<PartitionClause> {
    if let [only] = keys.as_slice()
        && only.step.is_some()
    {
        return expression_partitions(cursor, only.clone());
    }
    let partitions = if cursor.at_symbol("(") { list_partitions(cursor)? } else { Vec::new() };
    Ok(PartitionClause::List { keys, partitions, automatic: true })
}

fn expression_partitions(cursor: &mut Cursor<'_>, key: PartitionExpression) -> Parse<PartitionClause> {
    let (partitions, batches) =
        if cursor.at_symbol("(") { range_partitions(cursor)? } else { (Vec::new(), Vec::new()) };
    Ok(PartitionClause::Expression { key, partitions, batches })
}

/// `(PARTITION p VALUES IN (...), ...)`.
fn list_partitions(cursor: &mut Cursor<'_>) -> Parse<Vec<ListPartition>> {
    cursor.expect_symbol("(")?;
    if cursor.take_symbol(")") {
        return Ok(Vec::new());
    }
    let partitions = cursor.list(|c| {
        c.expect("PARTITION")?;
        list_partition(c)
    })?;
    cursor.expect_symbol(")")?;
    Ok(partitions)
}

/// `[IF NOT EXISTS] name VALUES IN (...)`, behind `PARTITION`.
pub(super) fn list_partition(cursor: &mut Cursor<'_>) -> Parse<ListPartition> {
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.identifier()?;
    cursor.expect_all(&["VALUES", "IN"])?;
    let listed = |c: &mut Cursor<'_>| if c.take("NULL") { Ok(None) } else { constant(c).map(Some) };
    let values = match cursor.ahead(1).is_symbol("(") {
        true => cursor.parenthesised(|c| c.parenthesised(listed))?,
        false => cursor.parenthesised(listed)?.into_iter().map(|value| vec![value]).collect(),
    };
    let properties = match cursor.at_symbol("(") {
        true => common::property_list(cursor)?,
        false => Properties::default(),
    };
    Ok(ListPartition { if_not_exists, name, values, properties })
}

/// Anything but ranges over columns, as written.
fn other(cursor: &mut Cursor<'_>) -> Parse<PartitionClause> {
    let start = cursor.current().start;
    let mut open = 0usize;
    while !cursor.at_end() {
        if open == 0 && ["DISTRIBUTED", "ORDER", "ROLLUP", "PROPERTIES", "AS"].iter().any(|k| cursor.at(k)) {
            break;
        }
        match cursor.current().kind {
            Kind::Invalid(_) => break,
            // A range opens with a bracket and closes with a parenthesis.
            _ if cursor.at_symbol("(") || cursor.at_symbol("[") => open += 1,
            _ if !cursor.at_symbol(")") && !cursor.at_symbol("]") => {}
            _ if open == 0 => break,
            _ => open -= 1,
        }
        cursor.advance();
    }
    if open > 0 || cursor.current().start == start || matches!(cursor.current().kind, Kind::Invalid(_)) {
        return Err(cursor.unexpected("'RANGE', 'LIST', a legal identifier"));
    }
    Ok(PartitionClause::Other(cursor.text()[start..cursor.consumed()].to_owned()))
}

fn range_partitions(cursor: &mut Cursor<'_>) -> Parse<(Vec<RangePartition>, Vec<PartitionBatch>)> {
    let (mut partitions, mut batches) = (Vec::new(), Vec::new());
    cursor.expect_symbol("(")?;
    if !cursor.take_symbol(")") {
        cursor.list(|c| {
            match c.at("START") {
                true => batches.push(batch(c)?),
                false => {
                    c.expect("PARTITION")?;
                    partitions.push(range_partition(c)?);
                }
            }
            Ok(())
        })?;
        cursor.expect_symbol(")")?;
    }
    Ok((partitions, batches))
}

/// `[IF NOT EXISTS] name VALUES ...`, behind `PARTITION`.
pub(super) fn range_partition(cursor: &mut Cursor<'_>) -> Parse<RangePartition> {
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.identifier()?;
    cursor.expect("VALUES")?;
    let range = if cursor.take_symbol("[") {
        let lower = bound(cursor)?;
        cursor.expect_symbol(",")?;
        let upper = bound(cursor)?;
        cursor.expect_symbol(")")?;
        RangeClause::Between(lower, upper)
    } else if cursor.take("LESS") {
        cursor.expect("THAN")?;
        match cursor.take("MAXVALUE") {
            true => RangeClause::LessThan(vec![PartitionValue::Max]),
            false => RangeClause::LessThan(bound(cursor)?),
        }
    } else {
        return Err(cursor.unexpected("'LESS', '['"));
    };
    let properties = match cursor.at_symbol("(") {
        true => common::property_list(cursor)?,
        false => Properties::default(),
    };
    Ok(RangePartition { if_not_exists, name, range, properties })
}

/// `('value', MAXVALUE, ...)`.
fn bound(cursor: &mut Cursor<'_>) -> Parse<Vec<PartitionValue>> {
    cursor.parenthesised(|c| {
        if c.take("MAXVALUE") {
            return Ok(PartitionValue::Max);
        }
        constant(c).map(PartitionValue::Text)
    })
}

/// A string or a number with a sign, as text.
pub(super) fn constant(cursor: &mut Cursor<'_>) -> Parse<String> {
    let sign = if cursor.take_symbol("-") { "-" } else { "" };
    match cursor.current().kind {
        Kind::Number => Ok(format!("{sign}{}", cursor.advance().source)),
        Kind::Text if sign.is_empty() => cursor.string(),
        _ => Err(cursor.unexpected("'MAXVALUE', a string")),
    }
}

/// `START ("a") END ("b") EVERY (step)`.
pub(super) fn batch(cursor: &mut Cursor<'_>) -> Parse<PartitionBatch> {
    let in_parentheses = |c: &mut Cursor<'_>| {
        c.expect_symbol("(")?;
        let value = constant(c)?;
        c.expect_symbol(")")?;
        Ok(value)
    };
    cursor.expect("START")?;
    let start = in_parentheses(cursor)?;
    cursor.expect("END")?;
    let end = in_parentheses(cursor)?;
    cursor.expect("EVERY")?;
    cursor.expect_symbol("(")?;
    let every = match cursor.take("INTERVAL") {
        true => {
            let count = cursor.integer()?;
            let unit = cursor.expect_any(&["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"])?;
            PartitionStep::Interval { count, unit: unit.to_owned() }
        }
        false => PartitionStep::Number(cursor.integer()?),
    };
    cursor.expect_symbol(")")?;
    Ok(PartitionBatch { start, end, every })
}

/// `DISTRIBUTED BY ...` if it is there.
pub(super) fn distribution(cursor: &mut Cursor<'_>) -> Parse<Option<DistributionClause>> {
    if !cursor.take("DISTRIBUTED") {
        return Ok(None);
    }
    cursor.expect("BY")?;
    Ok(Some(match cursor.expect_any(&["HASH", "RANDOM"])? {
        "HASH" => {
            let columns = cursor.parenthesised(Cursor::identifier)?;
            DistributionClause::Hash { columns, buckets: buckets(cursor)? }
        }
        _ => DistributionClause::Random { buckets: buckets(cursor)? },
    }))
}

fn buckets(cursor: &mut Cursor<'_>) -> Parse<Option<u32>> {
    if !cursor.take("BUCKETS") {
        return Ok(None);
    }
    let start = cursor.current();
    match u32::try_from(cursor.integer()?) {
        Ok(0) => Err(error_at(start, "the number of buckets must be greater than 0".to_owned())),
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(error_at(start, "the number of buckets is too large".to_owned())),
    }
}
