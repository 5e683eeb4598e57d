//! SQL types to Arrow types: a CAST gives what a column of that type holds.

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, ExactNumberInfo, ObjectName, ObjectNamePart};
use storage_model::schema::STRING_LENGTH;
use storage_model::{Column, ColumnId, DataType, StructField};

/// Types as StarRocks names them.
#[derive(Debug)]
pub(crate) struct StarRocksTypes;

impl TypePlanner for StarRocksTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let arrow = match cast_target(sql_type) {
            Some(model) => arrow_type(&model),
            None => match sql_type {
                SqlType::Unsigned | SqlType::UnsignedInteger => ArrowType::UInt64,
                SqlType::Binary(_) | SqlType::Varbinary(_) | SqlType::Blob(_) => ArrowType::Binary,
                _ => return Ok(None),
            },
        };
        Ok(Some(Arc::new(Field::new("", arrow, true))))
    }
}

/// How a column type is held in memory and in files.
pub(crate) fn arrow_type(data_type: &DataType) -> ArrowType {
    storage_tablet::arrow_type(data_type)
}

/// The column type that a SQL type of CAST stands for.
pub(crate) fn cast_target(sql_type: &SqlType) -> Option<DataType> {
    Some(match sql_type {
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::TinyInt(_) => DataType::TinyInt,
        SqlType::SmallInt(_) | SqlType::Int2(_) => DataType::SmallInt,
        SqlType::Int(_) | SqlType::Integer(_) | SqlType::Int4(_) | SqlType::MediumInt(_) => DataType::Int,
        SqlType::BigInt(_) | SqlType::Int8(_) | SqlType::Signed | SqlType::SignedInteger => DataType::BigInt,
        SqlType::Float(_) | SqlType::Real | SqlType::Float4 => DataType::Float,
        SqlType::Double(_) | SqlType::DoublePrecision | SqlType::Float8 => DataType::Double,
        SqlType::Decimal(info) | SqlType::Numeric(info) | SqlType::Dec(info) => decimal(info)?,
        SqlType::Date => DataType::Date,
        SqlType::Datetime(_) | SqlType::Timestamp(_, _) => DataType::DateTime,
        SqlType::Char(_)
        | SqlType::Character(_)
        | SqlType::Varchar(_)
        | SqlType::CharVarying(_)
        | SqlType::CharacterVarying(_)
        | SqlType::Nvarchar(_)
        | SqlType::Text
        | SqlType::String(_) => DataType::Varchar(STRING_LENGTH),
        SqlType::JSON => DataType::Json,
        // As the grammar writes a type that holds others.
        SqlType::Custom(ObjectName(parts), _) if nested_name(parts).is_some() => nested_name(parts)?,
        SqlType::Custom(name, _) => match name.to_string().to_ascii_lowercase().as_str() {
            "largeint" => DataType::LargeInt,
            "string" => DataType::Varchar(STRING_LENGTH),
            "decimalv2" | "decimal32" | "decimal64" | "decimal128" | "number" => {
                DataType::Decimal { precision: 38, scale: 9 }
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn nested_name(parts: &[ObjectNamePart]) -> Option<DataType> {
    match parts {
        [ObjectNamePart::Identifier(name)] if name.value.contains('<') => {
            runtime_sql::parse_type(&name.value).map(of_any_length)
        }
        _ => None,
    }
}

fn decimal(info: &ExactNumberInfo) -> Option<DataType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (10, 0),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, u64::try_from(*scale).ok()?),
    };
    let sane = (1..=38).contains(&precision) && scale <= precision;
    sane.then_some(DataType::Decimal { precision: precision as u8, scale: scale as u8 })
}

/// The column type whose values are held as this type; None: there is none.
pub(crate) fn model_type(arrow: &ArrowType) -> Option<DataType> {
    match arrow {
        ArrowType::List(element) | ArrowType::LargeList(element) | ArrowType::FixedSizeList(element, _) => {
            Some(DataType::Array(Box::new(model_type(element.data_type())?)))
        }
        ArrowType::Struct(fields) => {
            let field = |field: &FieldRef| {
                Some(StructField { name: field.name().clone(), data_type: model_type(field.data_type())? })
            };
            Some(DataType::Struct(fields.iter().map(field).collect::<Option<Vec<_>>>()?))
        }
        map @ ArrowType::Map(..) => {
            let (key, value) = storage_tablet::map_parts(map)?;
            Some(DataType::Map(Box::new(model_type(key)?), Box::new(model_type(value)?)))
        }
        other => match crate::plan::result_type(other) {
            crate::plan::ResultType::Column(data_type) => Some(data_type),
            _ => None,
        },
    }
}

/// A VARCHAR or CHAR without a length, which has the length 1 in what the grammar writes, has any in a CAST.
fn of_any_length(data_type: DataType) -> DataType {
    match data_type {
        DataType::Char(1) | DataType::Varchar(1) => DataType::Varchar(STRING_LENGTH),
        DataType::Array(element) => DataType::Array(Box::new(of_any_length(*element))),
        DataType::Map(key, value) => DataType::Map(Box::new(of_any_length(*key)), Box::new(of_any_length(*value))),
        DataType::Struct(fields) => {
            let field = |field: StructField| StructField { data_type: of_any_length(field.data_type), ..field };
            DataType::Struct(fields.into_iter().map(field).collect())
        }
        other => other,
    }
}

/// A nullable column that stands for a value of this type.
pub(crate) fn loose_column(name: &str, data_type: DataType) -> Column {
    Column {
        id: ColumnId(0),
        name: name.to_owned(),
        data_type,
        nullable: true,
        key: false,
        default: None,
        comment: String::new(),
        initial: None,
        aggregation: None,
    }
}

/// The names by which plans know the columns of a table: in lower case.
pub(crate) fn plan_name(column: &str) -> String {
    column.to_lowercase()
}
