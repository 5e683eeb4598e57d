//! The columns of a table in a file that may have been written under another schema: found by their ids, whatever they were
//! called then. A column that the file does not have yet is one value, that of the DEFAULT it was added with.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use storage_model::value::parse_datetime;
use storage_model::{Column, ColumnId, Schema};

use crate::error::TabletError;
use crate::types::arrow_field;

/// Where a field of [`read_schema`] says what rows have that are older than the column.
const INITIAL: &str = "starkeep:initial";
const MICROS_OF_DAY: i64 = 86_400_000_000;

/// The columns of a table as those ask who read its files: [`crate::arrow_schema`], and what old rows have.
pub fn read_schema(schema: &Schema) -> SchemaRef {
    let field = |column: &Column| {
        let mut field = arrow_field(column);
        if let Some(initial) = &column.initial {
            field.metadata_mut().insert(INITIAL.to_owned(), initial.clone());
        }
        field
    };
    Arc::new(ArrowSchema::new(schema.columns.iter().map(field).collect::<Vec<_>>()))
}

/// Where the values of a column are.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// In the field at this position of the file; of its type or of a narrower one.
    At(usize),
    /// Nowhere: all rows of the file have the one value of this array.
    Constant(ArrayRef),
}

/// The fields of a file by the ids of their columns.
#[derive(Clone, Debug)]
pub struct FileColumns {
    positions: HashMap<ColumnId, usize>,
}

impl FileColumns {
    /// Of a file with this schema. A file whose fields carry no ids has 1, 2, … in their order, as CREATE TABLE gives them.
    ///
    /// # Errors
    /// When ids are no numbers, or some fields have one and others do not, or two have the same.
    pub fn of(file: &ArrowSchema) -> Result<FileColumns, TabletError> {
        let id = |field: &Arc<Field>| match field.metadata().get(PARQUET_FIELD_ID_META_KEY) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(id) => Ok(Some(ColumnId(id))),
                Err(_) => Err(TabletError::corrupt(format!("column {} has the id {text}", field.name()))),
            },
        };
        let ids = file.fields().iter().map(id).collect::<Result<Vec<Option<ColumnId>>, _>>()?;
        let none = ids.iter().all(Option::is_none);
        let mut positions = HashMap::with_capacity(ids.len());
        for (at, id) in ids.into_iter().enumerate() {
            let id = if none { Some(ColumnId(at as u64 + 1)) } else { id };
            let id = id.ok_or_else(|| TabletError::corrupt("some columns have ids and others have none"))?;
            if positions.insert(id, at).is_some() {
                return Err(TabletError::corrupt(format!("two columns have the id {id}")));
            }
        }
        Ok(FileColumns { positions })
    }

    /// Where the column of a field of [`read_schema`] is in the file.
    ///
    /// # Errors
    /// When the field has no id, or when the file has no such column and nothing says what its rows have instead.
    pub fn find(&self, field: &Field) -> Result<Found, TabletError> {
        let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY).and_then(|text| text.parse().ok());
        let id = id.ok_or_else(|| TabletError::invalid(format!("column {} has no id", field.name())))?;
        match self.positions.get(&ColumnId(id)) {
            Some(at) => Ok(Found::At(*at)),
            None => constant(field).map(Found::Constant),
        }
    }
}

fn constant(field: &Field) -> Result<ArrayRef, TabletError> {
    let Some(text) = field.metadata().get(INITIAL) else {
        return match field.is_nullable() {
            true => Ok(new_null_array(field.data_type(), 1)),
            false => Err(TabletError::corrupt(format!("there is no column {}, which is NOT NULL", field.name()))),
        };
    };
    let wrong = || TabletError::invalid(format!("'{text}' is no value of column {}", field.name()));
    match field.data_type() {
        ArrowType::Date32 => {
            let days = parse_datetime(text).ok_or_else(wrong)?.div_euclid(MICROS_OF_DAY);
            Ok(Arc::new(Date32Array::from(vec![i32::try_from(days).map_err(|_| wrong())?])))
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => {
            Ok(Arc::new(TimestampMicrosecondArray::from(vec![parse_datetime(text).ok_or_else(wrong)?])))
        }
        other => {
            let texts = StringArray::from(vec![text.as_str()]);
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(&texts, other, &strict).map_err(|_| wrong())
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::util::display::array_value_to_string;
    use storage_model::DataType;

    use super::*;

    fn column(id: u64, name: &str, data_type: DataType, initial: Option<&str>) -> Column {
        Column {
            id: ColumnId(id),
            name: name.to_owned(),
            data_type,
            nullable: true,
            key: false,
            default: None,
            comment: String::new(),
            initial: initial.map(str::to_owned),
            aggregation: None,
        }
    }

    fn schema_of(columns: Vec<Column>) -> SchemaRef {
        read_schema(&Schema::new(columns))
    }

    #[test]
    fn columns_are_found_by_their_ids_and_never_by_their_names() {
        let file = schema_of(vec![column(1, "a", DataType::Int, None), column(2, "b", DataType::Int, None)]);
        let found = FileColumns::of(&file).unwrap();
        let table = schema_of(vec![column(2, "a", DataType::Int, None), column(3, "b", DataType::Int, None)]);
        assert_eq!(found.find(table.field(0)).unwrap(), Found::At(1));
        assert_eq!(found.find(table.field(1)).unwrap(), Found::Constant(new_null_array(&ArrowType::Int32, 1)));
    }

    #[test]
    fn what_old_rows_have_is_read_by_the_type() {
        let file = FileColumns::of(&ArrowSchema::empty()).unwrap();
        let decimal = DataType::Decimal { precision: 10, scale: 2 };
        for (data_type, text, shown) in [
            (DataType::Boolean, "1", "true"),
            (DataType::TinyInt, "-7", "-7"),
            (
                DataType::LargeInt,
                "-170141183460469231731687303715884105728",
                "-170141183460469231731687303715884105728",
            ),
            (DataType::Double, "0.1", "0.1"),
            (decimal, "12.50", "12.50"),
            (DataType::Date, "0001-02-03", "0001-02-03"),
            (DataType::DateTime, "2015-09-12 06:00:00.000001", "2015-09-12T06:00:00.000001"),
            (DataType::Varchar(9), "ä", "ä"),
            (DataType::Char(9), "", ""),
        ] {
            let table = schema_of(vec![column(5, "c", data_type.clone(), Some(text))]);
            let Found::Constant(value) = file.find(table.field(0)).unwrap() else { panic!("{data_type}") };
            assert_eq!((value.len(), value.data_type()), (1, &crate::arrow_type(&data_type)));
            assert_eq!(array_value_to_string(&value, 0).unwrap(), shown, "{data_type}");
        }
        let wrong = schema_of(vec![column(5, "c", DataType::Int, Some("x"))]);
        assert!(file.find(wrong.field(0)).is_err());
    }

    #[test]
    fn a_file_without_ids_has_those_of_create_table_and_half_of_them_is_corrupt() {
        let plain = |name: &str| Field::new(name, ArrowType::Int32, true);
        let found = FileColumns::of(&ArrowSchema::new(vec![plain("x"), plain("y")])).unwrap();
        let table = schema_of(vec![column(2, "z", DataType::Int, None)]);
        assert_eq!(found.find(table.field(0)).unwrap(), Found::At(1));
        let numbered = table.field(0).clone();
        for fields in [vec![plain("x"), numbered.clone()], vec![numbered.clone(), numbered]] {
            let error = FileColumns::of(&ArrowSchema::new(fields)).unwrap_err();
            assert_eq!(error.kind(), storage_model::Kind::Corrupt, "{error}");
        }
    }

    #[test]
    fn a_column_that_must_not_be_null_and_is_not_there_is_said_to_be_missing() {
        let missing = Column { nullable: false, ..column(9, "c", DataType::Int, None) };
        let file = FileColumns::of(&ArrowSchema::empty()).unwrap();
        let error = file.find(schema_of(vec![missing]).field(0)).unwrap_err();
        assert!(error.to_string().contains("no column c"), "{error}");
        assert!(file.find(&Field::new("c", ArrowType::Int32, true)).is_err(), "a column of no table");
    }
}
