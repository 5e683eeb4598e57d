//! What is known of the values of tables, through everything that can happen to these.

use storage_model::ColumnStatistics;

use super::*;
use crate::columns::ColumnChange;

/// Numbers of the second column, `first` the least of them.
fn counted(first: u64, count: u64) -> ColumnStatistics {
    let mut known = ColumnStatistics::new(ColumnId(2), true);
    (known.rows, known.nulls, known.bytes) = (count + 1, 1, 8 * count);
    known.range = Some((first.into(), (first + count - 1).into()));
    (first..first + count).for_each(|n| known.distinct.as_mut().unwrap().add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    known
}

fn kit() -> Kit {
    let mut kit = Kit::new();
    let value = Column { key: false, data_type: DataType::Int, ..column("v") };
    kit.ok(create_table(TableDraft { columns: vec![column("k"), value], ..ranged("wide") }));
    kit
}

fn file(kit: &Kit, object: &str, of: ColumnStatistics) -> WrittenFile {
    WrittenFile { statistics: vec![of], ..kit.written("wide", 0, object) }
}

/// Rows, how many values differ, and between what they lie.
type Counted = (u64, u64, Option<(i128, i128)>);

fn known(kit: &Kit) -> Option<Counted> {
    let known = kit.catalog.statistics(kit.table("wide"))?.of(ColumnId(2))?.clone();
    Some((known.rows, known.distinct_count().unwrap(), known.range))
}

#[test]
fn loads_are_counted_in_and_what_replaces_all_rows_is_counted_anew() {
    let mut kit = kit();
    assert_eq!(known(&kit), None);
    let files = vec![file(&kit, "o1", counted(0, 10)), kit.written("wide", 0, "o2")];
    let command = kit.commit("wide", None, files);
    kit.ok(command);
    let command = kit.commit("wide", None, vec![file(&kit, "o3", counted(5, 10))]);
    kit.ok(command);
    assert_eq!(known(&kit), Some((22, 15, Some((0, 14)))));
    let command = kit.replace("wide", &[(0, None)], vec![file(&kit, "o4", counted(100, 3))]);
    kit.ok(command);
    assert_eq!(known(&kit), Some((4, 3, Some((100, 102)))));
    let truncate = || Command::TruncateTable { database: "shop".into(), table: "wide".into(), partitions: Vec::new() };
    kit.ok(truncate());
    assert_eq!(known(&kit), None);
}

#[test]
fn they_are_analyzed_dropped_and_kept_by_images_and_the_recycle_bin() {
    let mut kit = kit();
    let command = kit.commit("wide", None, vec![file(&kit, "o1", counted(0, 10))]);
    kit.ok(command);
    let table = kit.table("wide");
    kit.ok(Command::SetStatistics { table, columns: vec![counted(0, 4)], all: true });
    assert_eq!(known(&kit), Some((5, 4, Some((0, 3)))));
    assert!(kit.catalog.statistics(table).unwrap().analyzed_at.is_some());
    let bytes = images::to_bytes(&kit.catalog).unwrap();
    let read = images::from_bytes(&bytes).unwrap();
    assert_eq!(read.statistics(table), kit.catalog.statistics(table));
    let drop = |force| Command::DropTable { database: "shop".into(), table: "wide".into(), if_exists: false, force };
    kit.ok(drop(false));
    kit.ok(Command::RecoverTable { database: "shop".into(), table: "wide".into() });
    assert_eq!(known(&kit), Some((5, 4, Some((0, 3)))));
    kit.ok(Command::SetStatistics { table, columns: Vec::new(), all: true });
    assert_eq!(known(&kit), None);
    kit.ok(Command::SetStatistics { table, columns: vec![counted(0, 4)], all: false });
    kit.ok(drop(true));
    assert!(kit.catalog.statistics(table).is_none());
    invariant::check(&kit.catalog).unwrap();
    let gone = kit.refused(Command::SetStatistics { table, columns: vec![counted(0, 4)], all: true });
    assert!(matches!(gone, Rejection::Stale(_)), "{gone:?}");
}

#[test]
fn a_column_that_is_dropped_takes_them_along() {
    let mut kit = kit();
    let more = Column { key: false, ..column("w") };
    let add = ColumnChange::Add { column: Column { nullable: true, ..more }, place: None };
    let alter = |changes| Command::AlterColumns { database: "shop".into(), table: "wide".into(), changes };
    kit.ok(alter(vec![add]));
    let command = kit.commit("wide", None, vec![file(&kit, "o1", counted(0, 10))]);
    kit.ok(command);
    kit.ok(alter(vec![ColumnChange::Drop { name: "v".into() }]));
    assert_eq!(known(&kit), None);
    let command = kit.commit("wide", None, vec![file(&kit, "o2", counted(0, 10))]);
    kit.ok(command);
    assert_eq!(known(&kit), None, "its rows were written before it was dropped");
}

#[test]
fn a_table_whose_rows_do_not_come_leaves_nothing_behind() {
    let mut kit = kit();
    kit.ok(Command::LeaseTxns { count: 10 });
    let columns = kit.catalog.table(kit.table("wide")).unwrap().schema.columns.clone();
    for (name, txn) in [("given_up", 1), ("late", 2)] {
        let draft = TableDraft { columns: columns.clone(), ..ranged(name) };
        let database = "shop".to_owned();
        kit.ok(Command::CreateTableAs { database, draft, if_not_exists: false, txn: TxnId(txn) });
        let table = kit.table(name);
        // Named twice it is known once.
        kit.ok(Command::SetStatistics { table, columns: vec![counted(0, 4), counted(0, 4)], all: true });
        assert_eq!(kit.catalog.statistics(table).unwrap().columns.len(), 1);
        invariant::check(&kit.catalog).unwrap();
    }
    kit.ok(Command::DropUnfilled { table: kit.table("given_up") });
    invariant::check(&kit.catalog).unwrap();
    kit.ok(Command::GiveUpTxns { below: 3 });
    invariant::check(&kit.catalog).unwrap();
    assert!(kit.catalog.tables().all(|table| !["given_up", "late"].contains(&table.name.as_str())));
}
