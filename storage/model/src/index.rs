//! Secondary indexes: a name for columns that are looked up. What serves one is a bloom filter of its column in each row group
//! ([`bloom_filter`](crate::bloom_filter)): files are never changed, so an index is of the files that are written after it.

use serde::{Deserialize, Serialize};

use crate::ids::ColumnId;
use crate::schema::{DataType, Schema};
use crate::table::KeyModel;

/// The longest name of an index, in characters.
const LONGEST_NAME: usize = 64;

/// Which kind. Variants are positional in stored bytes: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexKind {
    /// BITMAP.
    Bitmap,
}

impl IndexKind {
    /// As CREATE TABLE says it.
    pub fn name(self) -> &'static str {
        match self {
            IndexKind::Bitmap => "BITMAP",
        }
    }
}

/// An index of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Unique in the table, without case.
    pub name: String,
    /// Which kind.
    pub kind: IndexKind,
    /// Its columns: of a BITMAP one.
    pub columns: Vec<ColumnId>,
    /// COMMENT 'text', empty when none.
    pub comment: String,
}

impl Index {
    /// Whether a table with these columns and other indexes can have it; if not, in StarRocks' words.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self, schema: &Schema, model: KeyModel) -> Result<(), String> {
        let (name, kind) = (&self.name, self.kind.name());
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(format!("index name too long, the index name length at most is {LONGEST_NAME}."));
        }
        if schema.indexes.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return Err(format!("index `{name}` already exist."));
        }
        let [column] = self.columns.as_slice() else {
            return Err(format!("{kind} index can only apply to a single column."));
        };
        let Some(column) = schema.position_of(*column).map(|at| &schema.columns[at]) else {
            return Err(format!("{kind} column does not exist in table. invalid column: {column}"));
        };
        if !column.data_type.can_have_bitmap_index() {
            return Err(format!(
                "{} is not supported in bitmap index. invalid column: {}",
                column.data_type, column.name
            ));
        }
        if !model.filters_by(column) {
            return Err(format!(
                "{kind} index only used in columns of DUP_KEYS/PRIMARY_KEYS table or key columns of UNIQUE_KEYS/AGG_KEYS \
                 table. invalid column: {}",
                column.name
            ));
        }
        if schema.indexes.iter().any(|other| other.columns == self.columns) {
            return Err(format!("Index for columns ({}) already exist.", column.name));
        }
        Ok(())
    }
}

impl DataType {
    /// Whether a column of the type may have a BITMAP index.
    pub fn can_have_bitmap_index(&self) -> bool {
        let is_other = matches!(self, DataType::Boolean | DataType::TinyInt | DataType::Decimal { .. });
        is_other || self.can_have_bloom_filter()
    }
}

impl Schema {
    /// An index by name without case.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.indexes.iter().position(|index| index.name.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Column;

    fn column(id: u64, data_type: DataType, key: bool) -> Column {
        Column {
            id: ColumnId(id),
            name: format!("c{id}"),
            data_type,
            nullable: true,
            key,
            default: None,
            comment: String::new(),
            initial: None,
            aggregation: None,
        }
    }

    #[test]
    fn what_can_be_indexed() {
        let columns =
            vec![column(1, DataType::Int, true), column(2, DataType::Double, false), column(3, DataType::Date, false)];
        let mut schema = Schema::new(columns);
        let index = |name: &str, columns: &[u64]| Index {
            name: name.to_owned(),
            kind: IndexKind::Bitmap,
            columns: columns.iter().map(|id| ColumnId(*id)).collect(),
            comment: String::new(),
        };
        let refused = |schema: &Schema, index: Index, model| index.check(schema, model).unwrap_err();
        assert_eq!(index("i", &[3]).check(&schema, KeyModel::Duplicate), Ok(()));
        assert!(refused(&schema, index("i", &[3]), KeyModel::Unique).contains("invalid column: c3"));
        assert!(refused(&schema, index("i", &[2]), KeyModel::Duplicate).contains("is not supported in bitmap index"));
        assert!(refused(&schema, index("i", &[1, 3]), KeyModel::Duplicate).contains("a single column"));
        assert!(refused(&schema, index("i", &[9]), KeyModel::Duplicate).contains("does not exist"));
        schema.indexes.push(index("i", &[3]));
        assert_eq!(refused(&schema, index("I", &[1]), KeyModel::Duplicate), "index `I` already exist.");
        assert_eq!(refused(&schema, index("j", &[3]), KeyModel::Duplicate), "Index for columns (c3) already exist.");
    }
}
