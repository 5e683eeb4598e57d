//! StarRocks' types as Arrow's, and a table's columns as the fields of its files.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use storage_model::{Column, DataType, Schema};

use crate::sketch;

/// Digits that hold every LARGEINT.
pub const LARGEINT_PRECISION: u8 = 39;

/// What the values of a type are in memory, and what files read back as.
pub fn arrow_type(data_type: &DataType) -> ArrowType {
    match data_type {
        DataType::Boolean => ArrowType::Boolean,
        DataType::TinyInt => ArrowType::Int8,
        DataType::SmallInt => ArrowType::Int16,
        DataType::Int => ArrowType::Int32,
        DataType::BigInt => ArrowType::Int64,
        DataType::LargeInt => ArrowType::Decimal256(LARGEINT_PRECISION, 0),
        DataType::Float => ArrowType::Float32,
        DataType::Double => ArrowType::Float64,
        DataType::Decimal { precision, scale } => ArrowType::Decimal128(*precision, scale.cast_signed()),
        DataType::Date => ArrowType::Date32,
        DataType::DateTime => ArrowType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Char(_) | DataType::Varchar(_) => ArrowType::Utf8,
        // Nothing else is held so: it tells JSON from text wherever a plan has only the type of a value.
        DataType::Json => ArrowType::LargeUtf8,
        DataType::Varbinary(_) => ArrowType::Binary,
        DataType::Bitmap => sketch::BITMAP,
        DataType::Hll => sketch::HLL,
        DataType::Array(element) => ArrowType::List(Arc::new(Field::new_list_field(arrow_type(element), true))),
        DataType::Map(key, value) => map_type(arrow_type(key), arrow_type(value)),
        DataType::Struct(fields) => ArrowType::Struct(
            fields.iter().map(|f| Field::new(f.name.to_lowercase(), arrow_type(&f.data_type), true)).collect(),
        ),
    }
}

/// Maps as plans and files have them. A key may be NULL, which no key is in Arrow and Parquet: so it stands in a group of one.
pub fn map_type(key: ArrowType, value: ArrowType) -> ArrowType {
    let key = ArrowType::Struct(vec![Field::new("key", key, true)].into());
    let entry = vec![Field::new("key", key, false), Field::new("value", value, true)];
    ArrowType::Map(Arc::new(Field::new("entries", ArrowType::Struct(entry.into()), false)), false)
}

/// The keys and values of a map of [`map_type`]; None: the type is of none.
pub fn map_parts(data_type: &ArrowType) -> Option<(&ArrowType, &ArrowType)> {
    let ArrowType::Map(entry, _) = data_type else { return None };
    let ArrowType::Struct(pair) = entry.data_type() else { return None };
    match pair.as_ref() {
        [key, value] => match key.data_type() {
            ArrowType::Struct(group) if group.len() == 1 => Some((group[0].data_type(), value.data_type())),
            _ => None,
        },
        _ => None,
    }
}

/// A column as a field: its name in lower case, its id as the Parquet field id.
pub fn arrow_field(column: &Column) -> Field {
    let metadata = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), column.id.to_string())]);
    Field::new(column.name.to_lowercase(), arrow_type(&column.data_type), column.nullable).with_metadata(metadata)
}

/// The columns of a table as an Arrow schema.
pub fn arrow_schema(schema: &Schema) -> SchemaRef {
    Arc::new(ArrowSchema::new(schema.columns.iter().map(arrow_field).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use storage_model::ColumnId;

    use super::*;

    #[test]
    fn fields_carry_lower_case_names_and_ids() {
        let column = Column {
            id: ColumnId(7),
            name: "UserName".into(),
            data_type: DataType::Decimal { precision: 10, scale: 2 },
            nullable: false,
            key: true,
            default: None,
            comment: String::new(),
            initial: None,
            aggregation: None,
        };
        let schema = arrow_schema(&Schema::new(vec![column]));
        let field = schema.field(0);
        assert_eq!((field.name().as_str(), field.is_nullable()), ("username", false));
        assert_eq!(field.data_type(), &ArrowType::Decimal128(10, 2));
        assert_eq!(field.metadata().get("PARQUET:field_id").map(String::as_str), Some("7"));
    }
}
