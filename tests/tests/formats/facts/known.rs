//! What is known of values without reading them: statistics and indexes.

use storage_catalog::{ColumnChange, Command};
use storage_model::distinct::Distinct;
use storage_model::{ColumnId, ColumnStatistics, Index, IndexKind, TableId};

use super::text;

/// Of twelve values of a column that have these hashes.
pub(super) fn statistics(column: u64, hashes: &[u64]) -> ColumnStatistics {
    let range = (!hashes.is_empty()).then_some((-5, i128::from(u64::MAX)));
    ColumnStatistics {
        column: ColumnId(column),
        rows: 12,
        nulls: 1,
        bytes: 96,
        range,
        distinct: (!hashes.is_empty()).then(|| Distinct::Hashes(hashes.to_vec())),
    }
}

/// What ANALYZE finds.
pub(super) fn analyzed(table: TableId) -> Command {
    let many = Distinct::Registers((0..256).map(|n| (n % 57) as u8).collect());
    let columns = vec![ColumnStatistics { distinct: Some(many), ..statistics(1, &[]) }];
    Command::SetStatistics { table, columns, all: true }
}

/// An index of a new table.
pub(super) fn index() -> Index {
    Index { name: text("by_channel"), kind: IndexKind::Bitmap, columns: vec![ColumnId(2)], comment: text("who") }
}

/// One that comes and goes.
pub(super) fn index_changes() -> [ColumnChange; 2] {
    let (name, columns, comment) = (text("by_tiny"), vec![text("tiny")], String::new());
    [
        ColumnChange::AddIndex { name, kind: IndexKind::Bitmap, columns, comment },
        ColumnChange::DropIndex { name: text("BY_TINY") },
    ]
}
