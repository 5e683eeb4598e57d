//! Numbers of AUTO_INCREMENT columns: this frontend leases ranges of them from the catalog, and its loads take theirs from
//! what it has. What is left when it ends is never used.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use runtime_mysql::MySqlError;
use storage_catalog::{Command, Outcome};
use storage_model::{Table, TableId};

use crate::front::Shared;
use crate::insert::InsertPlan;

/// The most numbers that one load may want: those of all rows that a compute node could write in a year.
const MOST: u64 = 1 << 40;

/// Numbers that were leased and are not used yet, by table.
#[derive(Debug, Default)]
pub(crate) struct Ids(Mutex<HashMap<TableId, Range<u64>>>);

impl Ids {
    /// So many of those that are here; all of them or none.
    fn take(&self, table: TableId, count: u64) -> Option<Range<u64>> {
        let mut leased = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = leased.get_mut(&table).filter(|left| left.end - left.start >= count)?;
        let taken = left.start..left.start + count;
        left.start = taken.end;
        Some(taken)
    }

    /// What was leased and not taken at once. Of two remainders the larger is kept.
    fn put(&self, table: TableId, rest: Range<u64>) {
        let mut leased = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = leased.entry(table).or_insert(0..0);
        if rest.end - rest.start > kept.end - kept.start {
            *kept = rest;
        }
    }

    /// Those of tables that are gone, and of one whose next number was set, are not used any more.
    pub(crate) fn forget(&self, is_gone: impl Fn(TableId) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|table, _| !is_gone(*table));
    }
}

/// Numbers that nobody else has or gets.
pub(crate) async fn draw(shared: &Shared, table: &Table, count: u64) -> Result<Range<u64>, MySqlError> {
    let ids = &shared.ids;
    if count == 0 {
        return Ok(0..0);
    }
    if count > MOST {
        return Err(MySqlError::analyzing("AUTO_INCREMENT counter overflow"));
    }
    if let Some(taken) = ids.take(table.id, count) {
        return Ok(taken);
    }
    let front = &shared.front;
    let batch = front.settings.auto_increment_cache_size();
    let asked = count.max(batch);
    let catalog = front.view.now();
    ids.forget(|known| catalog.table(known).is_none());
    match front.propose(Command::LeaseIds { table: table.id, count: asked }).await? {
        Outcome::Ids { first, count: leased } if leased >= count => {
            ids.put(table.id, first + count..first + leased);
            Ok(first..first + count)
        }
        other => Err(MySqlError::unknown_error(format_args!("a lease of numbers was answered with {other:?}"))),
    }
}

/// As many numbers as the rows of a plan want, as far as that is known before they are made.
pub(crate) async fn for_plan(shared: &Shared, plan: &InsertPlan) -> Result<Range<u64>, MySqlError> {
    match plan.table.schema.auto_increment() {
        Some(at) => draw(shared, &plan.table, plan.planned.rows_without(at)).await,
        None => Ok(0..0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_taken_twice() {
        let ids = Ids::default();
        let (one, other) = (TableId(1), TableId(2));
        assert_eq!(ids.take(one, 1), None);
        ids.put(one, 5..10);
        ids.put(other, 5..6);
        assert_eq!((ids.take(one, 2), ids.take(one, 4), ids.take(one, 3)), (Some(5..7), None, Some(7..10)));
        assert_eq!((ids.take(one, 1), ids.take(other, 1)), (None, Some(5..6)));
    }

    #[test]
    fn the_larger_remainder_is_kept() {
        let ids = Ids::default();
        ids.put(TableId(1), 100..200);
        ids.put(TableId(1), 300..310);
        assert_eq!(ids.take(TableId(1), 100), Some(100..200));
        ids.put(TableId(1), 300..310);
        ids.forget(|table| table == TableId(1));
        assert_eq!(ids.take(TableId(1), 1), None);
    }
}
