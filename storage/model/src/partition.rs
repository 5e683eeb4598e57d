//! Partitions: a range of rows, or those with some values, and the rowsets that hold them at each version.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::file::Rowset;
use crate::ids::{PartitionId, TableId};
use crate::time::UnixMillis;
use crate::value::Value;

/// One end of a range over one or more columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Bound {
    /// Below every value, NULL too.
    Min,
    /// At these values, one a partition column.
    At(Vec<Value>),
    /// MAXVALUE.
    Max,
}

/// What the partition columns of a row hold, one value each; None is NULL.
pub type PartitionValues = Vec<Option<Value>>;

/// The rows of a partition: `[lower, upper)`, or those with one of some values. An unpartitioned table has one partition
/// `[Min, Max)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PartitionRange {
    /// Included.
    pub lower: Bound,
    /// Not included.
    pub upper: Bound,
    /// VALUES IN: what the partition columns may hold, within `[Min, Max)`. Empty: anything between the bounds.
    pub values: Vec<PartitionValues>,
}

impl PartitionRange {
    /// Every row.
    pub fn everything() -> PartitionRange {
        PartitionRange::between(Bound::Min, Bound::Max)
    }

    /// Rows from `lower` on, below `upper`.
    pub fn between(lower: Bound, upper: Bound) -> PartitionRange {
        PartitionRange { lower, upper, values: Vec::new() }
    }

    /// Rows with one of these values, of which there is one at least.
    pub fn among(values: Vec<PartitionValues>) -> PartitionRange {
        PartitionRange { values, ..PartitionRange::everything() }
    }

    /// Whether the two have a row in common.
    pub fn overlaps(&self, other: &PartitionRange) -> bool {
        if !self.values.is_empty() && !other.values.is_empty() {
            return self.values.iter().any(|values| other.values.contains(values));
        }
        self.lower < other.upper && other.lower < self.upper
    }

    /// Whether every row of `other` is in it.
    pub fn covers(&self, other: &PartitionRange) -> bool {
        if !self.values.is_empty() {
            return !other.values.is_empty() && other.values.iter().all(|values| self.values.contains(values));
        }
        self.lower <= other.lower && other.upper <= self.upper
    }

    /// Whether no row can be in it.
    pub fn is_empty(&self) -> bool {
        self.lower >= self.upper
    }

    /// Whether a row with these partition values (None = NULL, which sorts first) is in it.
    pub fn contains(&self, values: &[Option<Value>]) -> bool {
        if !self.values.is_empty() {
            return self.values.iter().any(|own| own == values);
        }
        match values.iter().cloned().collect::<Option<Vec<Value>>>() {
            Some(values) => {
                let point = Bound::At(values);
                self.lower <= point && point < self.upper
            }
            None => self.lower == Bound::Min,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Min => f.write_str("MIN"),
            Bound::Max => f.write_str("MAX"),
            Bound::At(values) => {
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

/// A partition of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its id; TRUNCATE draws a new one.
    pub id: PartitionId,
    /// The table it belongs to.
    pub table: TableId,
    /// Unique in the table, without case.
    pub name: String,
    /// Which rows.
    pub range: PartitionRange,
    /// Hash or random buckets; each is a tablet.
    pub buckets: u32,
    /// The newest version; 1 = empty, +1 a committed load.
    pub visible_version: u64,
    /// When that version was committed.
    pub visible_at: UnixMillis,
    /// What the newest version is made of, in order of commit.
    pub rowsets: Vec<Rowset>,
}

impl Partition {
    /// Rows in the newest version.
    pub fn rows(&self) -> u64 {
        self.rowsets.iter().map(Rowset::live_rows).sum()
    }

    /// The version of the newest rowset of a tablet; 0: it has none.
    pub fn newest_of(&self, bucket: u32) -> u64 {
        let of_tablet = self.rowsets.iter().filter(|rowset| rowset.bucket == bucket);
        of_tablet.map(|rowset| rowset.version).max().unwrap_or(0)
    }

    /// Bytes of the newest version's rowsets in the store.
    pub fn bytes(&self) -> u64 {
        self.rowsets.iter().map(|r| r.end - r.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i32) -> Bound {
        Bound::At(vec![Value::Date(n)])
    }

    #[test]
    fn ranges_are_left_closed_right_open_and_null_is_in_the_lowest() {
        let low = PartitionRange::between(Bound::Min, day(5));
        let high = PartitionRange::between(day(5), Bound::Max);
        assert!(!low.overlaps(&high) && !high.overlaps(&low));
        assert!(high.contains(&[Some(Value::Date(5))]) && !low.contains(&[Some(Value::Date(5))]));
        assert!(low.contains(&[None]) && !high.contains(&[None]));
        assert!(PartitionRange::between(day(5), day(5)).is_empty());
        assert!(PartitionRange::everything().overlaps(&low));
    }

    #[test]
    fn lists_hold_what_they_name_and_nothing_else() {
        let text = |text: &str| vec![Some(Value::Text(text.to_owned()))];
        let cities = PartitionRange::among(vec![text("a"), text("b"), vec![None]]);
        assert!(cities.contains(&text("a")) && cities.contains(&[None]) && !cities.contains(&text("c")));
        assert!(cities.overlaps(&PartitionRange::among(vec![text("c"), text("b")])));
        assert!(!cities.overlaps(&PartitionRange::among(vec![text("c")])));
        assert!(cities.covers(&PartitionRange::among(vec![text("b")])));
        assert!(!cities.covers(&PartitionRange::among(vec![text("b"), text("c")])));
        assert!(!cities.is_empty());
    }

    #[test]
    fn maxvalue_is_above_whatever_a_column_holds() {
        let at = |a: i128, b: Value| Bound::At(vec![Value::Integer(a), b]);
        let upper = at(10, Value::Max);
        assert!(at(10, Value::Integer(i128::MAX)) < upper && upper < at(11, Value::Integer(i128::MIN)));
    }
}
