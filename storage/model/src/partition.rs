//! Partitions: a range of rows and the rowsets that hold them at each version.

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

/// The rows of a partition: `[lower, upper)`. An unpartitioned table has one partition `[Min, Max)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PartitionRange {
    /// Included.
    pub lower: Bound,
    /// Not included.
    pub upper: Bound,
}

impl PartitionRange {
    /// Every row.
    pub fn everything() -> PartitionRange {
        PartitionRange { lower: Bound::Min, upper: Bound::Max }
    }

    /// Whether the two have a row in common.
    pub fn overlaps(&self, other: &PartitionRange) -> bool {
        self.lower < other.upper && other.lower < self.upper
    }

    /// Whether no row can be in it.
    pub fn is_empty(&self) -> bool {
        self.lower >= self.upper
    }

    /// Whether a row with these partition values (None = NULL, which sorts first) is in it.
    pub fn contains(&self, values: &[Option<Value>]) -> bool {
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
        self.rowsets.iter().map(|r| r.rows).sum()
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
        let low = PartitionRange { lower: Bound::Min, upper: day(5) };
        let high = PartitionRange { lower: day(5), upper: Bound::Max };
        assert!(!low.overlaps(&high) && !high.overlaps(&low));
        assert!(high.contains(&[Some(Value::Date(5))]) && !low.contains(&[Some(Value::Date(5))]));
        assert!(low.contains(&[None]) && !high.contains(&[None]));
        assert!(PartitionRange { lower: day(5), upper: day(5) }.is_empty());
        assert!(PartitionRange::everything().overlaps(&low));
    }
}
