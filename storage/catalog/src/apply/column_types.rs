//! Which type a column may become, and whether its rows have to be written anew for that.

use storage_model::DataType;

use super::columns::refuse;
use crate::command::Rejection;

/// What a new type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rewriting {
    /// Files that hold the old type read as the new one.
    Nothing,
    /// Every row is written anew.
    Rows,
}

/// As StarRocks allows it.
pub(super) fn check(from: &DataType, to: &DataType) -> Result<Rewriting, Rejection> {
    if is_wider(from, to) {
        return Ok(Rewriting::Nothing);
    }
    if from.is_text() && to.is_text() && length(to) < length(from) {
        return refuse("Can not change from wider type to narrower type".to_owned());
    }
    if is_convertible(from, to) {
        return Ok(Rewriting::Rows);
    }
    let text = |t: &DataType| match t {
        nested if nested.is_nested() => nested.to_sql(),
        DataType::Decimal { .. } | DataType::Char(_) | DataType::Varchar(_) => t.to_sql().to_uppercase(),
        plain => plain.name().to_uppercase(),
    };
    refuse(format!("Can not change {} to {}", text(from), text(to)))
}

/// Whether StarRocks converts values of the one type to the other; a value that does not fit fails the job. Its documents allow
/// narrower whole numbers too.
fn is_convertible(from: &DataType, to: &DataType) -> bool {
    let is_small = |t: &DataType| t.is_integer() && *t != DataType::LargeInt;
    match (from, to) {
        (DataType::Decimal { precision, scale }, DataType::Decimal { precision: wider, scale: longer }) => {
            scale <= longer && precision - scale <= wider - longer
        }
        // With a sign and a point.
        (DataType::Decimal { precision, .. }, DataType::Varchar(length)) => u32::from(*precision) + 2 <= *length,
        (DataType::DateTime, DataType::Date)
        | (DataType::Date, DataType::DateTime)
        | (DataType::Int, DataType::Date)
        | (DataType::Json, DataType::Varchar(_))
        | (DataType::Float | DataType::Double, DataType::Varchar(_)) => true,
        (number, DataType::Varchar(_)) => number.is_integer(),
        (
            DataType::Varchar(_),
            DataType::Float | DataType::Double | DataType::Date | DataType::Json | DataType::Decimal { .. },
        ) => true,
        (DataType::Varchar(_), number) => number.is_integer(),
        (number, DataType::Double) => is_small(number),
        (wide, narrow) => is_small(wide) && is_small(narrow),
    }
}

/// Whether values that differ still differ when they are converted; where rows with equal keys become one, none must be lost.
pub(super) fn keeps_apart(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Date, DataType::DateTime)
        | (DataType::Decimal { .. }, DataType::Decimal { .. } | DataType::Varchar(_)) => true,
        (number, DataType::Varchar(_)) => number.is_integer(),
        (wide, narrow) => wide.is_integer() && narrow.is_integer(),
    }
}

/// Whether every value of the one type is a value of the other, and files that hold the one read as the other.
fn is_wider(from: &DataType, to: &DataType) -> bool {
    let rank = |t: &DataType| {
        let types = [DataType::TinyInt, DataType::SmallInt, DataType::Int, DataType::BigInt, DataType::LargeInt];
        types.iter().position(|known| known == t)
    };
    match (from, to) {
        _ if from == to => true,
        (DataType::Float, DataType::Double) => true,
        (DataType::Decimal { precision, scale }, DataType::Decimal { precision: wider, scale: same }) => {
            scale == same && precision <= wider
        }
        (DataType::Char(_), DataType::Char(_)) | (DataType::Char(_) | DataType::Varchar(_), DataType::Varchar(_)) => {
            length(from) <= length(to)
        }
        (DataType::Varbinary(shorter), DataType::Varbinary(longer)) => shorter <= longer,
        _ => matches!((rank(from), rank(to)), (Some(from), Some(to)) if from <= to),
    }
}

fn length(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Char(length) | DataType::Varchar(length) => *length,
        _ => 0,
    }
}

/// What old rows have, as it would read had it been stored in them: a FLOAT 0.1 is no DOUBLE 0.1.
pub(super) fn widened(text: String, from: &DataType, to: &DataType) -> String {
    match (from, to, text.parse::<f32>()) {
        (DataType::Float, DataType::Double, Ok(value)) => f64::from(value).to_string(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_apart_or_are_refused() {
        let text = DataType::Varchar(40);
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        for (from, to, apart) in [
            (DataType::Date, DataType::DateTime, true),
            (DataType::DateTime, DataType::Date, false),
            (DataType::BigInt, DataType::Int, true),
            (DataType::BigInt, DataType::Double, false),
            (DataType::Int, text.clone(), true),
            (text.clone(), DataType::Int, false),
            (text.clone(), DataType::Date, false),
            (decimal(5, 2), decimal(9, 4), true),
            (DataType::Double, text, false),
        ] {
            assert_eq!(keeps_apart(&from, &to), apart, "{from:?} to {to:?}");
        }
    }
}
