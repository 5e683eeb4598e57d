//! A small table of values: what SHOW statements answer with and what `information_schema` is made of. One type for both,
//! so that a SHOW can be filtered by the query engine.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use runtime_mysql::{Cell, ColumnDef, ColumnType, MySqlError, ResultWriter};
use runtime_query::Zone;
use storage_model::UnixMillis;
use storage_model::value::format_datetime;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    BigInt,
    Double,
    DateTime,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Null,
    Text(String),
    Int(i64),
    Double(f64),
    /// Microseconds since the epoch, in UTC until the sheet is put into a zone.
    DateTime(i64),
}

impl Item {
    /// A moment, to the second.
    pub(crate) fn at(time: UnixMillis) -> Item {
        Item::DateTime(i64::try_from(time.0 / 1000 * 1_000_000).unwrap_or(i64::MAX))
    }

    /// The text as it would be sent; None for NULL.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Item::Null => None,
            Item::Text(text) => Some(text.clone()),
            Item::Int(number) => Some(number.to_string()),
            Item::Double(number) => Some(number.to_string()),
            Item::DateTime(micros) => Some(format_datetime(*micros)),
        }
    }

    fn integer(&self) -> Option<i64> {
        match self {
            Item::Int(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for Item {
    fn from(text: &str) -> Item {
        Item::Text(text.to_owned())
    }
}

impl From<String> for Item {
    fn from(text: String) -> Item {
        Item::Text(text)
    }
}

impl From<&String> for Item {
    fn from(text: &String) -> Item {
        Item::Text(text.clone())
    }
}

/// Booleans print as StarRocks prints them.
impl From<bool> for Item {
    fn from(value: bool) -> Item {
        Item::Text(value.to_string())
    }
}

impl From<i64> for Item {
    fn from(number: i64) -> Item {
        Item::Int(number)
    }
}

impl From<u64> for Item {
    fn from(number: u64) -> Item {
        Item::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Item {
    fn from(number: u32) -> Item {
        Item::Int(number.into())
    }
}

impl<T: Into<Item>> From<Option<T>> for Item {
    fn from(value: Option<T>) -> Item {
        value.map_or(Item::Null, Into::into)
    }
}

/// Columns and rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sheet {
    pub(crate) columns: Vec<(String, Kind)>,
    pub(crate) rows: Vec<Vec<Item>>,
}

/// A row of anything that becomes an [`Item`].
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$($crate::sheet::Item::from($value)),*] };
}
pub(crate) use row;

impl Sheet {
    pub(crate) fn new(columns: &[(&str, Kind)]) -> Sheet {
        let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        Sheet { columns, rows: Vec::new() }
    }

    /// All columns are text, as in nearly every SHOW.
    pub(crate) fn text(columns: &[&str]) -> Sheet {
        Sheet { columns: columns.iter().map(|name| ((*name).to_owned(), Kind::Text)).collect(), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<Item>) {
        debug_assert_eq!(row.len(), self.columns.len(), "{row:?}");
        self.rows.push(row);
    }

    pub(crate) fn with(mut self, row: Vec<Item>) -> Sheet {
        self.push(row);
        self
    }

    /// The same with every moment as the clocks of a time zone show it.
    pub(crate) fn in_zone(mut self, zone: &Zone) -> Sheet {
        for item in self.rows.iter_mut().flatten() {
            if let Item::DateTime(micros) = item {
                *micros = zone.to_local(*micros);
            }
        }
        self
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|(name, kind)| Field::new(name, arrow_type(*kind), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch, ArrowError> {
        let arrays = self.columns.iter().enumerate().map(|(at, (_, kind))| self.array(at, *kind)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        RecordBatch::try_new_with_options(self.schema(), arrays, &options)
    }

    fn array(&self, at: usize, kind: Kind) -> ArrayRef {
        let items = || self.rows.iter().map(move |row| row.get(at).unwrap_or(&Item::Null));
        match kind {
            Kind::Text => Arc::new(items().map(Item::text).collect::<StringArray>()),
            Kind::Int => {
                Arc::new(items().map(|i| i.integer().and_then(|n| i32::try_from(n).ok())).collect::<Int32Array>())
            }
            Kind::BigInt => Arc::new(items().map(Item::integer).collect::<Int64Array>()),
            Kind::Double => Arc::new(
                items()
                    .map(|item| match item {
                        Item::Double(number) => Some(*number),
                        other => other.integer().map(|n| n as f64),
                    })
                    .collect::<Float64Array>(),
            ),
            Kind::DateTime => Arc::new(
                items()
                    .map(|item| match item {
                        Item::DateTime(micros) => Some(*micros),
                        _ => None,
                    })
                    .collect::<TimestampMicrosecondArray>(),
            ),
        }
    }

    /// Sends it as a result set.
    pub(crate) async fn send(&self, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
        let columns: Vec<ColumnDef> = self.columns.iter().map(|(name, kind)| column_def(name, *kind)).collect();
        out.start(&columns).await?;
        for row in &self.rows {
            let cells: Vec<Cell<'_>> = row.iter().map(cell).collect();
            out.row(&cells).await?;
        }
        out.finish().await
    }
}

fn cell(item: &Item) -> Cell<'_> {
    match item {
        Item::Null => Cell::Null,
        Item::Text(text) => Cell::from(text.as_str()),
        Item::Int(number) => Cell::Int(*number),
        Item::Double(number) => Cell::Double(*number),
        Item::DateTime(micros) => Cell::from(format_datetime(*micros)),
    }
}

fn arrow_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Int => DataType::Int32,
        Kind::BigInt => DataType::Int64,
        Kind::Double => DataType::Float64,
        Kind::DateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

fn column_def(name: &str, kind: Kind) -> ColumnDef {
    match kind {
        Kind::Text => ColumnDef::text(name),
        Kind::Int => ColumnDef::new(name, ColumnType::MYSQL_TYPE_LONG),
        Kind::BigInt => ColumnDef::bigint(name),
        Kind::Double => ColumnDef::new(name, ColumnType::MYSQL_TYPE_DOUBLE),
        Kind::DateTime => ColumnDef::new(name, ColumnType::MYSQL_TYPE_DATETIME),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_a_batch_with_nulls_where_they_were() {
        let columns = [("a", Kind::Text), ("b", Kind::BigInt), ("c", Kind::DateTime), ("d", Kind::Double)];
        let mut sheet = Sheet::new(&columns);
        sheet.push(row!["x", 7_u64, Item::at(UnixMillis(1_739_857_978_127)), Item::Double(1.5)]);
        sheet.push(row![None::<&str>, None::<i64>, Item::Null, Item::Null]);
        let batch = sheet.batch().unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (2, 4));
        assert!(batch.columns().iter().all(|c| c.is_null(1) && c.is_valid(0)));
        assert_eq!(sheet.rows[0][2].text().as_deref(), Some("2025-02-18 05:52:58"));
        let there = sheet.in_zone(&Zone::parse("+08:00").unwrap());
        assert_eq!(there.rows[0][2].text().as_deref(), Some("2025-02-18 13:52:58"));
        assert_eq!(Sheet::text(&["a"]).batch().unwrap().num_rows(), 0);
    }
}
