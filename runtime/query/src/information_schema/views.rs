//! The rows that views and computed tables, which are system views, have in `tables`, `columns` and `views`.

use arrow::datatypes::Schema;
use storage_model::{Column, DataType, KeyModel, View};

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

pub(super) fn view_row(database: &str, view: &View) -> Vec<Cell> {
    let mut row = vec![text(DEFAULT_CATALOG), text(database), text(&view.name), text("VIEW")];
    // No engine, no sizes.
    row.extend((0..10).map(|_| Cell::Null));
    row.push(Cell::Time(view.created_at.0));
    row.extend((0..5).map(|_| Cell::Null));
    row.push(text(&view.comment));
    row
}

pub(super) fn definition_row(database: &str, view: &View) -> Vec<Cell> {
    vec![
        text(DEFAULT_CATALOG),
        text(database),
        text(&view.name),
        text(&view.query),
        text("NONE"),
        text("NO"),
        text(""),
        text(if view.invoker { "INVOKER" } else { "" }),
        text("utf8"),
        text("utf8_general_ci"),
    ]
}

pub(super) fn view_column_rows(database: &str, view: &View) -> Vec<Vec<Cell>> {
    let rows = view.columns.iter().enumerate().map(|(at, column)| {
        let loose = loose_column(&column.name, column.data_type.clone());
        let column = Column { nullable: column.nullable, comment: column.comment.clone(), ..loose };
        column_row(database, &view.name, at, &column, KeyModel::Duplicate)
    });
    rows.collect()
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
