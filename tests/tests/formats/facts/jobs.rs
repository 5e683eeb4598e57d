//! Jobs that write tables anew, and tables whose rows come from a query.

use storage_catalog::{ColumnChange, Command};
use storage_model::{
    AlterEvent, AlterKind, ColumnId, DataType, DefaultValue, Distribution, Expression, ExpressionPart, JobId,
    PartitionId, RewrittenPart, RewrittenPartition, TableId, TxnId,
};

use super::{NUMBERS, column, keyed_file, notes, text};

/// The jobs on it that are done and that failed.
const DONE: u64 = 10_070;
const FAILED: u64 = 10_074;
/// A table of a query whose rows did not come.
const UNFILLED: u64 = 10_076;

/// Jobs that write a table anew: one that is done, one that its user gave up, one that could not be, and one that waits.
pub fn jobs() -> Vec<Command> {
    let (database, table) = (text("store"), text("numbers"));
    let event = |job, event| Command::AlterJobEvent { job: JobId(job), event };
    let spread = |buckets| Command::AlterDistribution {
        database: database.clone(),
        table: table.clone(),
        partitions: Vec::new(),
        distribution: Distribution::Hash { columns: vec![ColumnId(1)] },
        buckets_given: Some(buckets),
        buckets,
    };
    let parts = vec![ExpressionPart::Column(ColumnId(2)), ExpressionPart::Text(text(" + 1"))];
    let next = Some(DefaultValue::Generated(Expression { parts }));
    let change = ColumnChange::Add { column: column("next", DataType::BigInt, false, next), place: None };
    let compute = Command::AlterColumns { database: database.clone(), table: table.clone(), changes: vec![change] };
    let rewritten = RewrittenPartition {
        partition: PartitionId(NUMBERS + 1),
        base: 2,
        parts: vec![RewrittenPart { txn: TxnId(11), files: vec![keyed_file(NUMBERS + 1, "o10")] }],
    };
    vec![
        spread(4),
        event(DONE, AlterEvent::Begin),
        event(DONE, AlterEvent::Start),
        event(DONE, AlterEvent::Progress(50)),
        event(DONE, AlterEvent::Hold),
        Command::FinishAlter { job: JobId(DONE), partitions: vec![rewritten] },
        compute.clone(),
        Command::CancelAlter {
            database: database.clone(),
            table: table.clone(),
            kind: AlterKind::Columns,
            jobs: Vec::new(),
        },
        spread(6),
        event(FAILED, AlterEvent::Begin),
        event(FAILED, AlterEvent::Start),
        event(FAILED, AlterEvent::Hold),
        event(FAILED, AlterEvent::Resume),
        event(FAILED, AlterEvent::Fail(text("a row does not fit"))),
        compute,
        event(FAILED + 1, AlterEvent::Begin),
    ]
}

/// Tables of queries: one whose rows did not come, and one whose rows are still to come.
pub fn unfilled() -> Vec<Command> {
    let create = |name, txn| Command::CreateTableAs {
        database: text("store"),
        draft: notes(name),
        if_not_exists: false,
        txn: TxnId(txn),
    };
    vec![create("given_up", 20), Command::DropUnfilled { table: TableId(UNFILLED) }, create("filling", 21)]
}
