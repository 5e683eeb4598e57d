//! What is not the same in two snapshots.

use storage_catalog::Command;

use super::Kit;
use crate::check::FileCheck;
use crate::diff::{Change, Diff, Size, diff};
use crate::place::Source;

async fn compare(kit: &Kit, a: &str, b: &str) -> Diff {
    let at = |name: &str| Source::at(&format!("{}/{}", kit.definition.location, kit.layout.snapshot_dir(name)));
    diff(&at(a), &at(b)).await.unwrap()
}

#[tokio::test]
async fn tables_partitions_rows_and_files_are_compared() {
    let mut kit = Kit::new().await;
    kit.create_table("dropped");
    kit.create_table("same");
    kit.load("dropped", b"dropped", 3).await;
    kit.load("same", b"same", 4).await;
    kit.apply(Command::CreateDatabase { name: "old".into(), volume: None, if_not_exists: false });
    kit.snapshot("a").await;
    kit.snapshot("quiet").await;
    let quiet = compare(&kit, "a", "quiet").await;
    assert!(quiet.same && quiet.databases.is_empty(), "{quiet:?}");
    assert_eq!(quiet.files.both, FileCheck { files: 4, bytes: 54 });

    kit.load("orders", b"more orders", 7).await;
    kit.apply(Command::DropTable { database: "shop".into(), table: "dropped".into(), if_exists: false, force: true });
    kit.apply(Command::DropDatabase { name: "old".into(), if_exists: false, force: true });
    kit.create_table("new");
    kit.load("new", b"brand new", 1).await;
    kit.apply(Command::CreateDatabase { name: "young".into(), volume: None, if_not_exists: false });
    kit.snapshot("b").await;
    let found = compare(&kit, "a", "b").await;
    assert!(!found.same);
    assert_eq!((found.a.counts.rows, found.b.counts.rows), (22, 27));
    let databases: Vec<_> = found.databases.iter().map(|d| (d.name.as_str(), d.change, d.tables.len())).collect();
    assert_eq!(databases, [("old", Change::Removed, 0), ("shop", Change::Changed, 3), ("young", Change::Added, 0)]);
    let tables = &found.databases[1].tables;
    let shown: Vec<_> = tables.iter().map(|t| (t.name.as_str(), t.change, t.a.rows, t.b.rows)).collect();
    let expected =
        [("dropped", Change::Removed, 3, 0), ("new", Change::Added, 0, 1), ("orders", Change::Changed, 15, 22)];
    assert_eq!(shown, expected);
    assert!(tables[2].what.is_empty() && tables[2].partitions.len() == 1, "{:?}", tables[2]);
    let partition = &tables[2].partitions[0];
    assert_eq!((partition.name.as_str(), partition.change), ("orders", Change::Changed));
    assert_eq!((partition.a.rows, partition.b), (15, Size { rows: 22, bytes: tables[2].b.bytes }));
    assert_eq!(found.files.only_a, FileCheck { files: 1, bytes: 7 });
    assert_eq!(found.files.only_b, FileCheck { files: 2, bytes: 20 });
    assert_eq!(found.files.both.files, 3);

    let back = compare(&kit, "b", "a").await;
    assert_eq!((back.files.only_a, back.databases[0].change), (found.files.only_b, Change::Added));
}

#[tokio::test]
async fn a_table_that_was_created_anew_is_not_the_same_table() {
    let mut kit = Kit::new().await;
    kit.snapshot("a").await;
    kit.apply(Command::DropTable { database: "shop".into(), table: "orders".into(), if_exists: false, force: true });
    kit.create_table("orders");
    kit.snapshot("b").await;
    let found = compare(&kit, "a", "b").await;
    let table = &found.databases[0].tables[0];
    assert_eq!(table.what, ["it was dropped, and created anew or restored"]);
    assert_eq!((table.a.rows, table.b.rows), (15, 0));
    // The same bytes once more are more rows.
    kit.load("orders", b"once more", 1).await;
    kit.snapshot("once").await;
    kit.load("orders", b"once more", 1).await;
    kit.snapshot("twice").await;
    let found = compare(&kit, "once", "twice").await;
    assert_eq!(found.databases[0].tables[0].partitions[0].b.rows, 2);
    // A copy elsewhere is the same.
    let copy = tempfile::tempdir().unwrap();
    for path in kit.paths("").await {
        let to = copy.path().join(&path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(kit.dir.path().join(&path), to).unwrap();
    }
    let elsewhere = Source::at(&copy.path().display().to_string());
    let found = diff(&Source::at(&kit.definition.location), &elsewhere).await.unwrap();
    assert!(found.same && found.a.path != found.b.path);
}
