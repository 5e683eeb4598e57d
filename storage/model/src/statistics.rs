//! What is known of the values in the columns of a table without reading them: for whoever plans queries, who must not read
//! at all while planning. Nothing of it has to be exact, and no result may depend on it.
//!
//! It is kept once a table, not once a file: with 256 registers for each column of each file, the catalog of a million files
//! would be ten times as large, while a plan asks for whole tables or some partitions, whose distinct values are no sum of
//! those of their files anyway. So a write counts what it writes, its commit counts that in, and nothing is ever taken out
//! again but with all rows at once: after many deletions an estimate is too high until ANALYZE or an overwriting makes it anew.
//! A table of twenty columns needs about six kilobytes, and one that has no rows none.

use serde::{Deserialize, Serialize};

use crate::distinct::Distinct;
use crate::ids::ColumnId;
use crate::time::UnixMillis;

/// What is known of the values of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnStatistics {
    /// The column.
    pub column: ColumnId,
    /// Values that were looked at, NULL too. What a compaction or a DELETE writes again is looked at again.
    pub rows: u64,
    /// How many of them were NULL.
    pub nulls: u64,
    /// Bytes of them in memory.
    pub bytes: u64,
    /// The least and the greatest of numbers without a fraction (DECIMAL without its point), of days and of microseconds;
    /// None: there were none, or the type is another.
    pub range: Option<(i128, i128)>,
    /// How many there are that differ; None: the type is one whose values are not compared.
    pub distinct: Option<Distinct>,
}

impl ColumnStatistics {
    /// Of no values.
    pub fn new(column: ColumnId, is_compared: bool) -> ColumnStatistics {
        let distinct = is_compared.then(Distinct::default);
        ColumnStatistics { column, rows: 0, nulls: 0, bytes: 0, range: None, distinct }
    }

    /// Counts in what another one counted.
    pub fn merge(&mut self, other: &ColumnStatistics) {
        self.rows = self.rows.saturating_add(other.rows);
        self.nulls = self.nulls.saturating_add(other.nulls);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.range = match (self.range, other.range) {
            (Some((least, most)), Some((other_least, other_most))) => {
                Some((least.min(other_least), most.max(other_most)))
            }
            (one, other) => one.or(other),
        };
        match (&mut self.distinct, &other.distinct) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (none, theirs) => none.clone_from(theirs),
        }
    }

    /// Values in them that differ, NULL not among them.
    pub fn distinct_count(&self) -> Option<u64> {
        let most = self.rows.saturating_sub(self.nulls);
        self.distinct.as_ref().map(|distinct| distinct.count().min(most))
    }
}

/// Counts the statistics of some columns in with those that are there.
pub fn merge(known: &mut Vec<ColumnStatistics>, more: &[ColumnStatistics]) {
    for other in more {
        match known.iter_mut().find(|own| own.column == other.column) {
            Some(own) => own.merge(other),
            None => known.push(other.clone()),
        }
    }
}

/// What is known of the values of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStatistics {
    /// Of its columns, as far as something is known.
    pub columns: Vec<ColumnStatistics>,
    /// When something was last counted in.
    pub updated_at: UnixMillis,
    /// The last ANALYZE.
    pub analyzed_at: Option<UnixMillis>,
}

impl TableStatistics {
    /// Of one column.
    pub fn of(&self, column: ColumnId) -> Option<&ColumnStatistics> {
        self.columns.iter().find(|known| known.column == column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_in_is_counted_once_a_column() {
        let of = |column: u64, range, hashes: &[u64]| {
            let mut of = ColumnStatistics::new(ColumnId(column), true);
            (of.rows, of.nulls, of.bytes, of.range) = (10, 1, 80, range);
            hashes.iter().for_each(|hash| of.distinct.as_mut().unwrap().add(*hash));
            of
        };
        let mut known = vec![of(1, None, &[1, 2])];
        merge(&mut known, &[of(2, Some((5, 6)), &[7]), of(1, Some((-3, 4)), &[2, 3]), of(2, Some((1, 2)), &[])]);
        assert_eq!(known.len(), 2);
        assert_eq!((known[0].rows, known[0].nulls, known[0].bytes, known[0].range), (20, 2, 160, Some((-3, 4))));
        assert_eq!((known[0].distinct_count(), known[1].distinct_count()), (Some(3), Some(1)));
        assert_eq!(known[1].range, Some((1, 6)));
    }
}
