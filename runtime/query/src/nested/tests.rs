//! Values that hold others, from text and from each other.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::datatypes::DataType as ArrowType;
use storage_model::DataType;

use super::{Misfit, converted, json};
use crate::cells::write_cell;
use crate::types::{arrow_type, loose_column};

fn type_of(text: &str) -> DataType {
    runtime_sql::parse_type(text).unwrap_or_else(|| panic!("{text} is no type"))
}

fn shown(array: &ArrayRef, row: usize) -> String {
    let mut text = Vec::new();
    match write_cell(array.as_ref(), row, &mut text) {
        true => String::from_utf8(text).unwrap(),
        false => "NULL".to_owned(),
    }
}

fn read(text: &str, data_type: &str, misfit: Misfit) -> Result<String, String> {
    let column = loose_column("c", type_of(data_type));
    let values: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let array = converted(&values, &column, misfit).map_err(|e| e.message)?;
    assert_eq!((array.len(), array.data_type()), (1, &arrow_type(&column.data_type)));
    Ok(shown(&array, 0))
}

#[test]
fn texts_are_read_by_the_type() {
    for (text, data_type, expected) in [
        ("[1, 2, null]", "array<int>", "[1,2,null]"),
        ("[]", "array<string>", "[]"),
        ("[\"a\", \"b\\\"\"]", "array<varchar(3)>", "[\"a\",\"b\\\"\"]"),
        ("[[1.5], null]", "array<array<decimal(5, 2)>>", "[[1.50],null]"),
        ("[\"2020-01-02\"]", "array<date>", "[\"2020-01-02\"]"),
        ("[{\"a\": 1}, 2]", "array<json>", "['{\"a\": 1}','2']"),
        ("{\"1\": \"x\"}", "map<int, string>", "{1:\"x\"}"),
        ("{\"B\": [true], \"a\": 7}", "struct<a int, b array<boolean>>", "{\"a\":7,\"b\":[1]}"),
        ("{\"b\":1,\"a\":[1,2.0,\"x\"]}", "json", "{\"a\": [1, 2, \"x\"], \"b\": 1}"),
        ("null", "array<int>", "NULL"),
        ("[12345678901234567890]", "array<largeint>", "[12345678901234567890]"),
    ] {
        assert_eq!(read(text, data_type, Misfit::Fails).as_deref(), Ok(expected), "{text} {data_type}");
    }
}

#[test]
fn what_does_not_fit_is_an_error_for_columns_and_null_for_casts() {
    for (text, data_type, lenient) in [
        ("[1, \"x\"]", "array<int>", "[1,null]"),
        ("[1000]", "array<tinyint>", "[null]"),
        ("{\"a\": 1}", "array<int>", "NULL"),
        ("[1", "array<int>", "NULL"),
        ("x", "json", "\"x\""),
        ("[1]", "map<int, int>", "NULL"),
        ("1", "struct<a int>", "NULL"),
        ("{\"a\": [1]}", "struct<a int>", "{\"a\":null}"),
    ] {
        let error = read(text, data_type, Misfit::Fails).unwrap_err();
        assert!(error.contains("column 'c'"), "{text} {data_type}: {error}");
        assert_eq!(read(text, data_type, Misfit::IsNull).as_deref(), Ok(lenient), "{text} {data_type}");
    }
    let long = read("[\"four\"]", "array<varchar(3)>", Misfit::Fails).unwrap_err();
    assert!(long.contains("length(4) exceeds the limit(3)"), "{long}");
}

#[test]
fn what_a_slice_leaves_out_is_not_looked_at() {
    let lists = converted(
        &(Arc::new(StringArray::from(vec!["[\"x\"]", "[\"1\", \"2\"]"])) as ArrayRef),
        &loose_column("c", type_of("array<string>")),
        Misfit::Fails,
    )
    .unwrap();
    let numbers = loose_column("c", type_of("array<int>"));
    assert!(converted(&lists, &numbers, Misfit::Fails).is_err());
    let second = converted(&lists.slice(1, 1), &numbers, Misfit::Fails).unwrap();
    assert_eq!(shown(&second, 0), "[1,2]");
}

#[test]
fn json_prints_as_starrocks_prints_it() {
    for (text, expected) in [
        ("{\"b\" : [1 , 2.50,1e3], \"a\":{}}", "{\"a\": {}, \"b\": [1, 2.5, 1000]}"),
        ("\"\\u00e4\\n\"", "\"ä\\n\""),
        ("-0.5", "-0.5"),
        ("18446744073709551615", "18446744073709551615"),
    ] {
        assert_eq!(json::text(&json::parse(text).unwrap()), expected);
    }
    for bad in ["", "{", "{a: 1}", "[1,]", "tru"] {
        assert_eq!(json::parse(bad), None, "{bad}");
    }
    assert_eq!(ArrowType::LargeUtf8, arrow_type(&DataType::Json));
}
