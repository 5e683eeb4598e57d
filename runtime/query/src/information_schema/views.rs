//! The rows that computed tables have in `tables` and `columns`: as system views.

use arrow::datatypes::Schema;
use storage_model::{DataType, KeyModel};

use super::{Cell, DEFAULT_CATALOG, column_row, number, text};
use crate::plan::{ResultType, result_type};
use crate::types::loose_column;

pub(super) fn tables_row(database: &str, table: &str) -> Vec<Cell> {
    let mut row = vec![
        text(DEFAULT_CATALOG),
        text(database),
        text(table),
        text("SYSTEM VIEW"),
        text("MEMORY"),
        Cell::Null,
        Cell::Null,
        number(0),
        number(0),
        number(0),
    ];
    // Other sizes, times and checks: none is known.
    row.extend((0..9).map(|_| Cell::Null));
    row.extend([text(""), text("")]);
    row
}

pub(super) fn column_rows(database: &str, table: &str, schema: &Schema) -> Vec<Vec<Cell>> {
    let row = |(at, field): (usize, &std::sync::Arc<arrow::datatypes::Field>)| {
        let data_type = match result_type(field.data_type()) {
            ResultType::Column(data_type) => data_type,
            ResultType::UnsignedBigInt => DataType::BigInt,
            _ => DataType::Varchar(storage_model::schema::STRING_LENGTH),
        };
        column_row(database, table, at, &loose_column(field.name(), data_type), KeyModel::Duplicate)
    };
    schema.fields().iter().enumerate().map(row).collect()
}
