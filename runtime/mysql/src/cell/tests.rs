//! Tests of both encodings, read back with a client's decoder.

use super::*;
use mysql_common::constants::ColumnFlags;
use mysql_common::io::ParseBuf;
use mysql_common::value::{BinValue, TextValue, Value, ValueDeserializer};
use proptest::prelude::*;

fn text(cell: Cell<'_>) -> String {
    let mut out = Vec::new();
    cell.encode_text(&mut out);
    let mut buffer = ParseBuf(&out);
    let value: ValueDeserializer<TextValue> = buffer.parse(()).unwrap();
    assert!(buffer.is_empty());
    match value.0 {
        Value::NULL => "<NULL>".to_owned(),
        Value::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn binary(cell: Cell<'_>, column_type: ColumnType, flags: ColumnFlags) -> Result<Value, Unfit> {
    let mut out = Vec::new();
    cell.encode_binary(column_type, &mut out)?;
    let mut buffer = ParseBuf(&out);
    let value: ValueDeserializer<BinValue> = buffer.parse((column_type, flags)).unwrap();
    assert!(buffer.is_empty(), "{cell:?} as {column_type:?} left bytes");
    Ok(value.0)
}

const NOON: Cell<'static> =
    Cell::DateTime { year: 2024, month: 2, day: 29, hour: 12, minute: 5, second: 9, micros: 1_020 };

#[test]
fn texts() {
    for (cell, expected) in [
        (Cell::Null, "<NULL>"),
        (Cell::Int(0), "0"),
        (Cell::Int(i64::MIN), "-9223372036854775808"),
        (Cell::UInt(u64::MAX), "18446744073709551615"),
        (Cell::LargeInt(i128::MIN), "-170141183460469231731687303715884105728"),
        (Cell::Float(0.1), "0.1"),
        (Cell::Float(-1.5e30), "-1.5e30"),
        (Cell::Double(0.0), "0"),
        (Cell::Double(-0.1), "-0.1"),
        (Cell::Double(3.0), "3"),
        (Cell::Double(1e15), "1e15"),
        (Cell::Double(123_456_789_012_345.6), "123456789012345.6"),
        (Cell::Double(1.5e-7), "1.5e-7"),
        (Cell::Double(f64::NAN), "nan"),
        (Cell::Double(f64::NEG_INFINITY), "-inf"),
        (Cell::Decimal { unscaled: 12_345, scale: 2 }, "123.45"),
        (Cell::Decimal { unscaled: -5, scale: 3 }, "-0.005"),
        (Cell::Decimal { unscaled: 0, scale: 0 }, "0"),
        (Cell::Decimal { unscaled: i128::MAX, scale: 38 }, "1.70141183460469231731687303715884105727"),
        (Cell::from("größe"), "größe"),
        (Cell::from(""), ""),
        (Cell::from(true), "1"),
        (Cell::from(None::<i64>), "<NULL>"),
        (Cell::Date { year: 7, month: 1, day: 2 }, "0007-01-02"),
        (NOON, "2024-02-29 12:05:09.001020"),
        (Cell::Time { negative: true, hours: 838, minutes: 59, seconds: 1, micros: 0 }, "-838:59:01"),
        (Cell::Time { negative: false, hours: 300, minutes: 0, seconds: 1, micros: 5 }, "300:00:01.000005"),
        (Cell::Time { negative: false, hours: 3, minutes: 0, seconds: 1, micros: 0 }, "03:00:01"),
    ] {
        assert_eq!(text(cell), expected);
    }
}

#[test]
fn long_texts_have_long_lengths() {
    for length in [250, 251, 65_535, 65_536, 20_000_000] {
        let long = "x".repeat(length);
        assert!(text(Cell::from(long.as_str())) == long);
    }
}

#[test]
fn binaries() {
    use ColumnType::*;
    let (signed, unsigned) = (ColumnFlags::empty(), ColumnFlags::UNSIGNED_FLAG);
    for (cell, column_type, flags, expected) in [
        (Cell::Int(-7), MYSQL_TYPE_TINY, signed, Value::Int(-7)),
        (Cell::Int(200), MYSQL_TYPE_TINY, unsigned, Value::Int(200)),
        (Cell::from("-300"), MYSQL_TYPE_SHORT, signed, Value::Int(-300)),
        (Cell::Int(i64::from(i32::MIN)), MYSQL_TYPE_LONG, signed, Value::Int(i64::from(i32::MIN))),
        (Cell::UInt(u64::MAX), MYSQL_TYPE_LONGLONG, unsigned, Value::UInt(u64::MAX)),
        (Cell::Float(1.5), MYSQL_TYPE_FLOAT, signed, Value::Float(1.5)),
        (Cell::Int(3), MYSQL_TYPE_DOUBLE, signed, Value::Double(3.0)),
        (Cell::Decimal { unscaled: 150, scale: 2 }, MYSQL_TYPE_DOUBLE, signed, Value::Double(1.5)),
        (Cell::Decimal { unscaled: 150, scale: 2 }, MYSQL_TYPE_NEWDECIMAL, signed, Value::Bytes(b"1.50".to_vec())),
        (Cell::LargeInt(-1), MYSQL_TYPE_STRING, signed, Value::Bytes(b"-1".to_vec())),
        (Cell::Int(5), MYSQL_TYPE_VAR_STRING, signed, Value::Bytes(b"5".to_vec())),
        (NOON, MYSQL_TYPE_DATETIME, signed, Value::Date(2024, 2, 29, 12, 5, 9, 1_020)),
        (Cell::from("2024-02-29 12:05:09"), MYSQL_TYPE_DATETIME, signed, Value::Date(2024, 2, 29, 12, 5, 9, 0)),
        (Cell::from("2024-02-29 12:05:09.5"), MYSQL_TYPE_DATETIME, signed, Value::Date(2024, 2, 29, 12, 5, 9, 500_000)),
        (Cell::from("2024-02-29"), MYSQL_TYPE_DATE, signed, Value::Date(2024, 2, 29, 0, 0, 0, 0)),
        (Cell::Date { year: 0, month: 0, day: 0 }, MYSQL_TYPE_DATE, signed, Value::Date(0, 0, 0, 0, 0, 0, 0)),
        (Cell::from("-25:01:02.25"), MYSQL_TYPE_TIME, signed, Value::Time(true, 1, 1, 1, 2, 250_000)),
        (
            Cell::Time { negative: false, hours: 0, minutes: 0, seconds: 0, micros: 0 },
            MYSQL_TYPE_TIME,
            signed,
            Value::Time(false, 0, 0, 0, 0, 0),
        ),
    ] {
        assert_eq!(binary(cell.clone(), column_type, flags), Ok(expected), "{cell:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    use ColumnType::*;
    for (cell, column_type) in [
        (Cell::Int(256), MYSQL_TYPE_TINY),
        (Cell::Int(-129), MYSQL_TYPE_TINY),
        (Cell::LargeInt(1 << 64), MYSQL_TYPE_LONGLONG),
        (Cell::from("seven"), MYSQL_TYPE_LONG),
        (Cell::Double(1.5), MYSQL_TYPE_LONG),
        (Cell::from("1.5.2"), MYSQL_TYPE_DOUBLE),
        (Cell::from("2024-13-01"), MYSQL_TYPE_DATE),
        (Cell::from("2024-12-01 24:00:00"), MYSQL_TYPE_DATETIME),
        (Cell::from("2024-12"), MYSQL_TYPE_DATE),
        (Cell::from("::"), MYSQL_TYPE_TIME),
        (Cell::Int(3), MYSQL_TYPE_DATE),
    ] {
        assert_eq!(binary(cell, column_type, ColumnFlags::empty()), Err(Unfit(column_type)));
    }
}

proptest! {
    #[test]
    fn integers_print_as_rust_prints_them(value: i64, unsigned: u64, large: i128) {
        prop_assert_eq!(text(Cell::Int(value)), value.to_string());
        prop_assert_eq!(text(Cell::UInt(unsigned)), unsigned.to_string());
        prop_assert_eq!(text(Cell::LargeInt(large)), large.to_string());
    }

    #[test]
    fn floats_read_back_as_themselves(bits: u64, short: u32) {
        let (double, float) = (f64::from_bits(bits), f32::from_bits(short));
        let printed: f64 = text(Cell::Double(double)).parse().unwrap();
        prop_assert!(printed == double || (printed.is_nan() && double.is_nan()));
        let printed: f32 = text(Cell::Float(float)).parse().unwrap();
        prop_assert!(printed == float || (printed.is_nan() && float.is_nan()));
    }

    #[test]
    fn moments_survive_text(year in 0u16..10_000, month in 1u8..13, day in 1u8..32, hour in 0u8..24, minute in 0u8..60, micros in 0u32..1_000_000) {
        let cell = Cell::DateTime { year, month, day, hour, minute, second: minute, micros };
        let printed = text(cell.clone());
        prop_assert_eq!(parse::moment(printed.as_bytes()), Some(cell));
    }

    #[test]
    fn any_text_in_any_column_encodes_or_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..40), code: u8) {
        if let Ok(column_type) = ColumnType::try_from(code) {
            let mut out = Vec::new();
            let _ = Cell::from(&bytes[..]).encode_binary(column_type, &mut out);
        }
    }
}
