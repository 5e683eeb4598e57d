//! Bloom filters: which columns of a table have one in each row group of its files, so that a query for a few values skips
//! the row groups that hold none of them. Properties of the table say it, by the names of the columns.

use std::collections::BTreeMap;

use crate::schema::{Column, DataType};
use crate::table::{KeyModel, Table};

/// The property that names the columns, with commas between them.
pub const COLUMNS: &str = "bloom_filter_columns";
/// The property that says how often a filter may be wrong: of so many row groups without a value, this part is read in vain.
pub const FPP: &str = "bloom_filter_fpp";
/// When the property is not there.
pub const DEFAULT_FPP: f64 = 0.05;
/// What the property may be.
pub const FPP_RANGE: std::ops::RangeInclusive<f64> = 0.0001..=0.05;

/// The columns that a property names.
pub fn named(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|name| !name.is_empty())
}

impl DataType {
    /// Whether a column of the type may have a bloom filter.
    pub fn can_have_bloom_filter(&self) -> bool {
        match self {
            DataType::SmallInt | DataType::Int | DataType::BigInt | DataType::LargeInt => true,
            DataType::Date | DataType::DateTime | DataType::Char(_) | DataType::Varchar(_) => true,
            DataType::Boolean | DataType::TinyInt | DataType::Float | DataType::Double => false,
            DataType::Decimal { .. } | DataType::Json | DataType::Varbinary(_) => false,
            DataType::Array(_) | DataType::Map(..) | DataType::Struct(_) | DataType::Bitmap | DataType::Hll => false,
        }
    }
}

impl KeyModel {
    /// Whether a column may have a bloom filter: a value that others may take the place of is not looked for in files.
    pub fn filters_by(self, column: &Column) -> bool {
        column.key || !self.merges_when_read()
    }
}

impl Table {
    /// The positions of the columns that have bloom filters, rising: those that a property names, and those with an index.
    pub fn bloom_filter_positions(&self) -> Vec<usize> {
        let said = self.properties.get(COLUMNS).map_or("", String::as_str);
        let mut positions: Vec<usize> = named(said).filter_map(|name| self.schema.position(name)).collect();
        let indexed = self.schema.indexes.iter().flat_map(|index| &index.columns);
        positions.extend(indexed.filter_map(|column| self.schema.position_of(*column)));
        positions.retain(|at| self.schema.columns[*at].data_type.can_have_bloom_filter());
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// How often a bloom filter may be wrong.
    pub fn bloom_filter_fpp(&self) -> f64 {
        fpp(&self.properties).unwrap_or(DEFAULT_FPP)
    }
}

/// What the property says, when it is one of the numbers that it may be.
pub fn fpp(properties: &BTreeMap<String, String>) -> Option<f64> {
    properties.get(FPP).and_then(|text| text.trim().parse().ok()).filter(|fpp| FPP_RANGE.contains(fpp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_rates_are_read() {
        assert_eq!(named(" a, B ,,c").collect::<Vec<_>>(), ["a", "B", "c"]);
        assert_eq!(named("").count(), 0);
        let said = |text: &str| fpp(&BTreeMap::from([(FPP.to_owned(), text.to_owned())]));
        assert_eq!((said("0.01"), said("0.05"), said("0.0001")), (Some(0.01), Some(0.05), Some(0.0001)));
        assert_eq!((said("0.06"), said("0"), said("NaN"), said("x")), (None, None, None, None));
        assert!(DataType::Varchar(5).can_have_bloom_filter() && !DataType::Double.can_have_bloom_filter());
    }
}
