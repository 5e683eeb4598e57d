//! Numbers of AUTO_INCREMENT columns. Frontends lease ranges of them; what was leased and not used is never used: no number
//! is given twice, whoever dies between the lease and the rows. What users store themselves is not looked at.

use std::sync::Arc;

use storage_model::{DefaultValue, Table, TableId};

use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply};

impl Catalog {
    pub(super) fn lease_ids(&mut self, table: TableId, count: u64) -> Reply {
        let found = self.tables.get(&table).cloned();
        let found = found.ok_or_else(|| Rejection::Stale(format!("table {table} is gone")))?;
        let first = next_of(&found)?;
        let next = first.checked_add(count).filter(|next| i64::try_from(*next).is_ok());
        let next = next.ok_or_else(|| Rejection::ColumnRule("AUTO_INCREMENT counter overflow".to_owned()))?;
        self.put_next(&found, next);
        Ok(Outcome::Ids { first, count })
    }

    pub(super) fn set_auto_increment(&mut self, database: &str, table: &str, next: u64) -> Reply {
        let found = self.find_table(database, table)?;
        let now = next_of(&found)?;
        if next < now {
            return Err(Rejection::ColumnRule(format!(
                "New auto_increment value must be greater than current value: {now}: smaller ones may have been used"
            )));
        }
        if i64::try_from(next).is_err() {
            return Err(Rejection::ColumnRule("AUTO_INCREMENT counter overflow".to_owned()));
        }
        self.put_next(&found, next);
        Ok(Outcome::Done)
    }

    fn put_next(&mut self, table: &Table, next: u64) {
        let mut table = table.clone();
        for column in table.schema.columns.iter_mut().filter(|column| column.is_auto_increment()) {
            column.default = Some(DefaultValue::AutoIncrement { next });
        }
        self.tables.insert(table.id, Arc::new(table));
    }
}

fn next_of(table: &Table) -> Result<u64, Rejection> {
    let found = table.schema.columns.iter().find_map(|column| match column.default {
        Some(DefaultValue::AutoIncrement { next }) => Some(next),
        _ => None,
    });
    found.ok_or_else(|| Rejection::ColumnRule(format!("Table {} has no AUTO_INCREMENT column", table.name)))
}
