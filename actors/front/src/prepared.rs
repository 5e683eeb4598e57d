//! Parameters of prepared statements as nodes of a syntax tree, never as text.

use runtime_mysql::Value;
use runtime_query::Constant;
use runtime_sql::ast;
use storage_model::DataType;

/// What a client has bound, as a literal.
pub(crate) fn literal(value: &Value) -> ast::Value {
    match value {
        Value::NULL => ast::Value::Null,
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => ast::Value::SingleQuotedString(text.to_owned()),
            Err(_) => ast::Value::HexStringLiteral(bytes.iter().map(|b| format!("{b:02X}")).collect()),
        },
        Value::Int(number) => number_literal(number.to_string()),
        Value::UInt(number) => number_literal(number.to_string()),
        Value::Float(number) => real(f64::from(*number), number.to_string()),
        Value::Double(number) => real(*number, number.to_string()),
        Value::Date(year, month, day, 0, 0, 0, 0) => text(format!("{year:04}-{month:02}-{day:02}")),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let date = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
            text(if *micros == 0 { date } else { format!("{date}.{micros:06}") })
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let sign = if *negative { "-" } else { "" };
            let hours = u64::from(*days) * 24 + u64::from(*hours);
            let time = format!("{sign}{hours:02}:{minutes:02}:{seconds:02}");
            text(if *micros == 0 { time } else { format!("{time}.{micros:06}") })
        }
    }
}

/// The value of a user variable, as a literal.
pub(crate) fn literal_of(constant: &Constant) -> ast::Value {
    match constant {
        Constant::Null => ast::Value::Null,
        Constant::Integer(number) => number_literal(number.to_string()),
        Constant::Typed { text: digits, data_type: DataType::Decimal { .. } } => number_literal(digits.clone()),
        Constant::Text(value) | Constant::Typed { text: value, .. } | Constant::Nested { json: value, .. } => {
            text(value.clone())
        }
    }
}

fn text(value: String) -> ast::Value {
    ast::Value::SingleQuotedString(value)
}

fn number_literal(digits: String) -> ast::Value {
    ast::Value::Number(digits, false)
}

/// SQL has no literal for what is not a number.
fn real(value: f64, digits: String) -> ast::Value {
    if value.is_finite() { number_literal(digits) } else { text(digits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_literals() {
        let shown = |value: Value| literal(&value).to_string();
        assert_eq!(shown(Value::NULL), "NULL");
        assert_eq!(shown(Value::Int(-7)), "-7");
        assert_eq!(shown(Value::UInt(u64::MAX)), "18446744073709551615");
        assert_eq!(shown(Value::Double(1.5)), "1.5");
        assert_eq!(shown(Value::Bytes(b"a'b".to_vec())), "'a''b'");
        assert_eq!(shown(Value::Bytes(vec![0xff, 0])), "X'FF00'");
        assert_eq!(shown(Value::Date(2015, 9, 12, 0, 0, 0, 0)), "'2015-09-12'");
        assert_eq!(shown(Value::Date(2015, 9, 12, 6, 0, 1, 5)), "'2015-09-12 06:00:01.000005'");
        assert_eq!(shown(Value::Time(true, 1, 2, 3, 4, 0)), "'-26:03:04'");
    }
}
