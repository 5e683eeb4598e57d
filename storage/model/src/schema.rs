//! Columns and their types, with StarRocks' names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::expression::Expression;
use crate::ids::ColumnId;
use crate::index::Index;
use crate::nesting;

/// A column type. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DataType {
    /// BOOLEAN.
    Boolean,
    /// TINYINT, 8 bits.
    TinyInt,
    /// SMALLINT, 16 bits.
    SmallInt,
    /// INT, 32 bits.
    Int,
    /// BIGINT, 64 bits.
    BigInt,
    /// LARGEINT, 128 bits.
    LargeInt,
    /// FLOAT, 32 bits.
    Float,
    /// DOUBLE, 64 bits.
    Double,
    /// DECIMAL(precision, scale), precision 1..=38.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// DATE.
    Date,
    /// DATETIME, microseconds, no time zone.
    DateTime,
    /// CHAR(n), n bytes at most (1..=255).
    Char(u32),
    /// VARCHAR(n), n bytes at most (1..=1048576). STRING is VARCHAR(65533) that prints as it was declared: VARCHAR(65533).
    Varchar(u32),
    /// JSON, held as text.
    Json,
    /// VARBINARY(n), n bytes at most.
    Varbinary(u32),
    /// ARRAY<t>.
    Array(#[serde(deserialize_with = "nesting::boxed")] Box<DataType>),
    /// MAP<k, v>.
    Map(
        #[serde(deserialize_with = "nesting::boxed")] Box<DataType>,
        #[serde(deserialize_with = "nesting::boxed")] Box<DataType>,
    ),
    /// STRUCT<f t, …>: one field at least, each name once, without case.
    Struct(Vec<StructField>),
    /// BITMAP: a set of whole numbers of 64 bits without a sign.
    Bitmap,
    /// HLL: an estimate of how many different values there were.
    Hll,
}

/// A field of a STRUCT.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StructField {
    /// As the user wrote it; compared without case.
    pub name: String,
    /// Its type.
    #[serde(deserialize_with = "nesting::inner")]
    pub data_type: DataType,
}

/// The length that `STRING` stands for.
pub const STRING_LENGTH: u32 = 65_533;
/// The longest VARCHAR.
pub const MAX_VARCHAR_LENGTH: u32 = 1_048_576;
/// How often a type can be within another, the outermost counted too.
pub const MAX_NESTING: usize = 15;

impl DataType {
    /// Whether values are text.
    pub fn is_text(&self) -> bool {
        matches!(self, DataType::Char(_) | DataType::Varchar(_))
    }

    /// Whether values are whole numbers (BOOLEAN is not).
    pub fn is_integer(&self) -> bool {
        matches!(self, DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt | DataType::LargeInt)
    }

    /// Whether a column of this type may be a RANGE partition column.
    pub fn can_partition_by_range(&self) -> bool {
        self.is_integer() || matches!(self, DataType::Date | DataType::DateTime)
    }

    /// Whether a column of this type may be a key or distribution column.
    pub fn can_be_key(&self) -> bool {
        !matches!(self, DataType::Float | DataType::Double | DataType::Json | DataType::Varbinary(_))
            && !self.is_nested()
            && !self.is_sketch()
    }

    /// Whether values stand for many others and have no text and no order: BITMAP, HLL.
    pub fn is_sketch(&self) -> bool {
        matches!(self, DataType::Bitmap | DataType::Hll)
    }

    /// Whether values hold others: ARRAY, MAP, STRUCT.
    pub fn is_nested(&self) -> bool {
        matches!(self, DataType::Array(_) | DataType::Map(_, _) | DataType::Struct(_))
    }

    /// The types that values of this one hold.
    pub fn inner_types(&self) -> Vec<&DataType> {
        match self {
            DataType::Array(element) => vec![element],
            DataType::Map(key, value) => vec![key, value],
            DataType::Struct(fields) => fields.iter().map(|field| &field.data_type).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether types are within types more often than a column may have it.
    pub fn is_too_deep(&self) -> bool {
        fn reaches(data_type: &DataType, depth: usize) -> bool {
            depth >= MAX_NESTING || data_type.inner_types().into_iter().any(|inner| reaches(inner, depth + 1))
        }
        reaches(self, 0)
    }

    /// The type as DESC and SHOW CREATE TABLE print it: `varchar(32)`, `decimal(10, 2)`, `datetime`.
    pub fn to_sql(&self) -> String {
        self.to_string()
    }

    /// The type without length or precision, as `information_schema.columns.DATA_TYPE` prints it.
    pub fn name(&self) -> &'static str {
        match self {
            DataType::Boolean => "boolean",
            DataType::TinyInt => "tinyint",
            DataType::SmallInt => "smallint",
            DataType::Int => "int",
            DataType::BigInt => "bigint",
            DataType::LargeInt => "largeint",
            DataType::Float => "float",
            DataType::Double => "double",
            DataType::Decimal { .. } => "decimal",
            DataType::Date => "date",
            DataType::DateTime => "datetime",
            DataType::Char(_) => "char",
            DataType::Varchar(_) => "varchar",
            DataType::Json => "json",
            DataType::Varbinary(_) => "varbinary",
            DataType::Array(_) => "array",
            DataType::Map(_, _) => "map",
            DataType::Struct(_) => "struct",
            DataType::Bitmap => "bitmap",
            DataType::Hll => "hll",
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::TinyInt => f.write_str("tinyint(4)"),
            DataType::SmallInt => f.write_str("smallint(6)"),
            DataType::Int => f.write_str("int(11)"),
            DataType::BigInt => f.write_str("bigint(20)"),
            DataType::LargeInt => f.write_str("largeint(40)"),
            DataType::Decimal { precision, scale } => write!(f, "decimal({precision}, {scale})"),
            DataType::Char(n) => write!(f, "char({n})"),
            DataType::Varchar(n) => write!(f, "varchar({n})"),
            DataType::Varbinary(n) if *n != MAX_VARCHAR_LENGTH => write!(f, "varbinary({n})"),
            DataType::Array(element) => write!(f, "array<{element}>"),
            DataType::Map(key, value) => write!(f, "map<{key},{value}>"),
            DataType::Struct(fields) => {
                f.write_str("struct<")?;
                for (at, StructField { name, data_type }) in fields.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80);
                    match is_word && !name.starts_with(|c: char| c.is_ascii_digit()) {
                        true => write!(f, "{name} {data_type}")?,
                        false => write!(f, "`{}` {data_type}", name.replace('`', "``"))?,
                    }
                }
                f.write_str(">")
            }
            plain => f.write_str(plain.name()),
        }
    }
}

/// What a column holds when an INSERT does not say. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefaultValue {
    /// DEFAULT NULL.
    Null,
    /// DEFAULT 'text': cast to the column's type, checked when the table is created.
    Literal(String),
    /// DEFAULT CURRENT_TIMESTAMP.
    CurrentTimestamp,
    /// AUTO_INCREMENT: a number that no other row got so.
    AutoIncrement {
        /// The first that no frontend has leased. It only rises.
        next: u64,
    },
    /// DEFAULT (uuid()): another one for each row.
    Uuid,
    /// DEFAULT (uuid_numeric()): another one for each row.
    UuidNumeric,
    /// AS expression: what it is for the other columns of the row. An INSERT cannot say anything else.
    Generated(Expression),
}

/// How the values of rows with equal keys become one. Variants are positional in stored bytes: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Aggregation {
    /// SUM: NULL adds nothing.
    Sum,
    /// MAX of those that are not NULL.
    Max,
    /// MIN of those that are not NULL.
    Min,
    /// REPLACE: the last one, NULL too.
    Replace,
    /// REPLACE_IF_NOT_NULL: the last one that is not NULL.
    ReplaceIfNotNull,
    /// BITMAP_UNION: all that are in any; NULL adds nothing.
    BitmapUnion,
    /// HLL_UNION: all that any has counted; NULL adds nothing.
    HllUnion,
}

impl Aggregation {
    /// All of them.
    pub const ALL: [Aggregation; 7] = [
        Aggregation::Sum,
        Aggregation::Max,
        Aggregation::Min,
        Aggregation::Replace,
        Aggregation::ReplaceIfNotNull,
        Aggregation::BitmapUnion,
        Aggregation::HllUnion,
    ];

    /// As CREATE TABLE and DESC say it.
    pub fn name(self) -> &'static str {
        match self {
            Aggregation::Sum => "SUM",
            Aggregation::Max => "MAX",
            Aggregation::Min => "MIN",
            Aggregation::Replace => "REPLACE",
            Aggregation::ReplaceIfNotNull => "REPLACE_IF_NOT_NULL",
            Aggregation::BitmapUnion => "BITMAP_UNION",
            Aggregation::HllUnion => "HLL_UNION",
        }
    }

    /// Whether values of this type can be combined so.
    pub fn takes(self, data_type: &DataType) -> bool {
        let is_number = data_type.is_integer()
            || matches!(data_type, DataType::Float | DataType::Double | DataType::Decimal { .. });
        match self {
            Aggregation::Sum => is_number,
            Aggregation::Max | Aggregation::Min => {
                !matches!(data_type, DataType::Boolean | DataType::Json | DataType::Varbinary(_))
                    && !data_type.is_nested()
                    && !data_type.is_sketch()
            }
            Aggregation::Replace | Aggregation::ReplaceIfNotNull => true,
            Aggregation::BitmapUnion => *data_type == DataType::Bitmap,
            Aggregation::HllUnion => *data_type == DataType::Hll,
        }
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Stable over renames; what Parquet fields are matched by.
    pub id: ColumnId,
    /// As the user wrote it; compared without case.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Whether it is a key column (a leading prefix of the table's columns).
    pub key: bool,
    /// None: no default; an INSERT that leaves the column out stores NULL, or fails when it is NOT NULL.
    pub default: Option<DefaultValue>,
    /// COMMENT 'text', empty when none.
    pub comment: String,
    /// What rows have that were written before there was the column: the DEFAULT of ADD COLUMN, as a query
    /// prints it; None: NULL, or the column has been there from the beginning. Stays as it is when the DEFAULT changes.
    pub initial: Option<String>,
    /// How a value column of an AGGREGATE KEY table combines; None in tables of other models, which say it for all columns.
    pub aggregation: Option<Aggregation>,
}

/// The columns of a table, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// In the order of CREATE TABLE and ALTER TABLE.
    pub columns: Vec<Column>,
    /// The id of the next column that is added. It only rises: the id of a dropped column is in files for ever.
    pub next_id: ColumnId,
    /// In the order in which they were added.
    pub indexes: Vec<Index>,
}

impl Schema {
    /// The schema of a table that is created with these columns.
    pub fn new(columns: Vec<Column>) -> Schema {
        let last = columns.iter().map(|c| c.id.0).max().unwrap_or(0);
        Schema { columns, next_id: ColumnId(last + 1), indexes: Vec::new() }
    }

    /// An id that no column has or had.
    pub fn draw_id(&mut self) -> ColumnId {
        let id = self.next_id;
        self.next_id = ColumnId(id.0 + 1);
        id
    }

    /// The position of a column, by name without case.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name))
    }

    /// A column by name without case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.position(name).map(|at| &self.columns[at])
    }

    /// The position of a column by id.
    pub fn position_of(&self, id: ColumnId) -> Option<usize> {
        self.columns.iter().position(|c| c.id == id)
    }

    /// The positions of the key columns: what rows are sorted by.
    pub fn key_positions(&self) -> Vec<usize> {
        self.columns.iter().enumerate().filter(|(_, c)| c.key).map(|(at, _)| at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_combined_how() {
        let takes = |data_type| Aggregation::ALL.map(|aggregation| aggregation.takes(&data_type));
        let plain = |five: [bool; 5]| [five.as_slice(), &[false; 2]].concat();
        assert_eq!(takes(DataType::Decimal { precision: 5, scale: 1 }).to_vec(), plain([true; 5]));
        assert_eq!(takes(DataType::LargeInt).to_vec(), plain([true; 5]));
        assert_eq!(takes(DataType::Varchar(3)).to_vec(), plain([false, true, true, true, true]));
        assert_eq!(takes(DataType::DateTime).to_vec(), plain([false, true, true, true, true]));
        assert_eq!(takes(DataType::Boolean).to_vec(), plain([false, false, false, true, true]));
        assert_eq!(takes(DataType::Bitmap), [false, false, false, true, true, true, false]);
        assert_eq!(takes(DataType::Hll), [false, false, false, true, true, false, true]);
        for sketch in [DataType::Bitmap, DataType::Hll] {
            assert!(!sketch.can_be_key() && !sketch.can_partition_by_range() && sketch.to_sql() == sketch.name());
        }
    }

    fn field(name: &str, data_type: DataType) -> StructField {
        StructField { name: name.to_owned(), data_type }
    }

    #[test]
    fn nested_types_print_as_starrocks_prints_them() {
        let numbers = DataType::Array(Box::new(DataType::Int));
        let fields = vec![field("a", DataType::Int), field("b", numbers.clone())];
        for (data_type, text) in [
            (numbers.clone(), "array<int(11)>"),
            (DataType::Map(Box::new(DataType::Varchar(10)), Box::new(numbers)), "map<varchar(10),array<int(11)>>"),
            (DataType::Struct(fields), "struct<a int(11), b array<int(11)>>"),
            (DataType::Json, "json"),
            (DataType::Varbinary(MAX_VARCHAR_LENGTH), "varbinary"),
            (DataType::Varbinary(5), "varbinary(5)"),
        ] {
            assert_eq!(data_type.to_sql(), text);
            assert!(!data_type.can_be_key() && !data_type.can_partition_by_range(), "{text}");
            let takes = Aggregation::ALL.map(|a| a.takes(&data_type));
            assert_eq!(takes, [false, false, false, true, true, false, false], "{text}");
        }
    }

    fn nested(levels: usize) -> DataType {
        (0..levels).fold(DataType::Int, |inner, _| DataType::Array(Box::new(inner)))
    }

    #[test]
    fn nesting_has_an_end() {
        assert!(!nested(MAX_NESTING - 1).is_too_deep());
        assert!(nested(MAX_NESTING).is_too_deep());
        let map = DataType::Map(Box::new(DataType::Int), Box::new(nested(MAX_NESTING - 1)));
        assert!(map.is_too_deep());
        assert!(DataType::Struct(vec![field("a", DataType::Int), field("b", map)]).is_too_deep());
    }

    #[test]
    fn deep_types_cannot_be_read_back() {
        let read = |levels| serde_json::from_str::<DataType>(&serde_json::to_string(&nested(levels)).unwrap());
        assert_eq!(read(MAX_NESTING).unwrap(), nested(MAX_NESTING));
        let deep = read(nesting::DEEPEST + 1).unwrap_err().to_string();
        assert!(deep.contains("nested too deeply"), "{deep}");
        assert_eq!(read(3).unwrap(), nested(3), "a failure leaves nothing behind");
        let wide = DataType::Struct((0..100).map(|n| field(&format!("f{n}"), nested(3))).collect());
        assert_eq!(serde_json::from_str::<DataType>(&serde_json::to_string(&wide).unwrap()).unwrap(), wide);
    }
}
