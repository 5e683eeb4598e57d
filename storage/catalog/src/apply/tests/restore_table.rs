//! A table comes back from a snapshot: over its own files, with a life that goes on; and what is refused.

use storage_model::{JobState, StorageVolume};

use super::rebase::plan;
use super::*;
use crate::image::{Secrets, decode, encode};
use crate::rebase::{PresentManifest, Rebase, rebase};
use crate::restore_table::{TableName, command, source};

fn name(table: &str) -> TableName {
    TableName { database: "shop".to_owned(), table: table.to_owned() }
}

/// As a snapshot would hold it now.
fn image_of(catalog: &Catalog) -> Catalog {
    let sections: Vec<_> = encode(catalog, Secrets::Omit).unwrap().into_iter().map(|s| s.bytes).collect();
    decode(&sections).unwrap()
}

/// `orders` with two files and `notes` with one, in a snapshot by hand; the catalog of its cut.
fn taken() -> (Kit, JobId, Catalog) {
    let mut kit = Kit::new();
    kit.load("orders", 0, "o1");
    kit.load("orders", 1, "o2");
    kit.load("notes", 0, "n1");
    let Outcome::Job(job) = kit.ok(kit.begin_command("s", SnapshotKind::Manual)) else { panic!() };
    let cut = kit.cut(job);
    let past = image_of(&kit.catalog);
    kit.ok(Kit::event(job, Kit::uploaded(cut)));
    (kit, job, past)
}

fn restore(kit: &Kit, past: &Catalog, from: &str, to: &str) -> Result<Command, Rejection> {
    let job = source(&kit.catalog, "s")?;
    command(&kit.catalog, job, past, &name(from), &name(to))
}

fn file<'a>(kit: &'a Kit, object: &str) -> &'a storage_model::FileEntry {
    kit.catalog.file_of_object(VolumeId(10_001), object).unwrap()
}

fn why(rejection: &Rejection) -> String {
    assert!(matches!(rejection, Rejection::CannotRestore(_)), "{rejection:?}");
    rejection.to_string()
}

#[test]
fn a_table_comes_back_beside_the_one_that_lives() {
    let (mut kit, _, past) = taken();
    kit.ok(truncate("orders", &["low"]));
    let again = restore(&kit, &past, "orders", "again").unwrap();
    let before = kit.catalog.header.starmgr_id;
    let Outcome::Table(id) = kit.ok(again) else { panic!() };
    assert_eq!((id, kit.catalog.header.starmgr_id), (kit.table("again"), before + 1));
    let (old, new) = (past.table_by_name(past.database_by_name("shop").unwrap().id, "orders").unwrap(), id);
    let new = kit.catalog.table(new).unwrap();
    assert_eq!((&new.schema, &new.properties, new.volume), (&old.schema, &old.properties, old.volume));
    assert_eq!(new.created_at, kit.catalog.header.clock);
    let shape = |catalog: &Catalog, table: &storage_model::Table| -> Vec<_> {
        let of = |p: &std::sync::Arc<storage_model::Partition>| {
            (p.name.clone(), p.range.clone(), p.buckets, p.visible_version, p.rowsets.clone())
        };
        catalog.partitions_of(table).map(of).collect()
    };
    assert_eq!(shape(&kit.catalog, new), shape(&past, old));
    assert!(new.partitions.iter().all(|id| !old.partitions.contains(id)) && new.id != old.id);
    // What it shares is named twice; what nobody named any more lives again.
    assert_eq!((file(&kit, "o1").references, file(&kit, "o1").removed_at()), (2, None));
    assert_eq!(file(&kit, "o2").references, 4);
    assert_eq!(kit.catalog.header.revived_at, Some(kit.catalog.revision()));
    assert_eq!(kit.catalog.gc_backlog(), (0, 0));
    // It is a table like any other.
    kit.load("again", 0, "o3");
    kit.ok(drop_table("orders", true));
    assert_eq!(file(&kit, "o2").references, 2);
}

#[test]
fn a_life_that_goes_on_is_one_interval() {
    let (mut kit, job, past) = taken();
    let created = file(&kit, "n1").created_at;
    kit.ok(drop_table("notes", true));
    let removed = file(&kit, "n1").removed_at().unwrap().0;
    let id = file(&kit, "n1").id;
    // Whoever wanted to condemn it comes too late.
    let oldest_read = Revision(u64::MAX);
    let late = Command::Condemn { files: vec![id], oldest_read, grace_millis: 0 };
    kit.ok(restore(&kit, &past, "notes", "back").unwrap());
    assert_eq!(kit.ok(late.clone()), Outcome::Condemned(Vec::new()));
    assert_eq!(kit.catalog.partition(kit.partitions("back")[0]).unwrap().name, "back", "named like its table");
    // The snapshot goes, and the file stays for the table.
    kit.ok(Kit::event(job, JobEvent::Retire));
    kit.ok(Kit::event(job, JobEvent::Deleted));
    assert_eq!(kit.ok(late.clone()), Outcome::Condemned(Vec::new()));
    kit.ok(drop_table("back", true));
    let (end, _) = file(&kit, "n1").removed_at().unwrap();
    assert!(file(&kit, "n1").created_at == created && end > removed);
    assert_eq!(kit.ok(late), Outcome::Condemned(vec![id]));
}

#[test]
fn what_was_dropped_meanwhile_is_refused_and_nothing_is_half_done() {
    let (mut kit, job, past) = taken();
    kit.ok(drop_table("notes", true));
    let (back, also) =
        (restore(&kit, &past, "notes", "back").unwrap(), restore(&kit, &past, "orders", "back").unwrap());
    kit.ok(Kit::event(job, JobEvent::Retire));
    let expired = "Cluster snapshot 's' is not available for restore: it is EXPIRED";
    assert_eq!(why(&kit.refused(back.clone())), expired);
    assert_eq!(why(&source(&kit.catalog, "s").unwrap_err()), expired);
    kit.ok(Kit::event(job, JobEvent::Deleted));
    assert!(why(&kit.refused(back.clone())).ends_with("it is DELETED"));
    assert_eq!(source(&kit.catalog, "s").unwrap_err(), Rejection::UnknownSnapshot("s".to_owned()));
    let file = file(&kit, "n1").id;
    assert_eq!(kit.condemn(vec![file]), [file]);
    assert!(why(&kit.refused(also)).ends_with("it is DELETED"), "though all of its files are there");
}

#[test]
fn what_was_looked_at_is_looked_at_again() {
    let (mut kit, job, past) = taken();
    kit.ok(drop_table("notes", true));
    let back = restore(&kit, &past, "notes", "back").unwrap();
    let change = |change: &dyn Fn(&mut storage_model::Table, &mut Vec<storage_model::Partition>, &mut Vec<_>)| {
        let Command::RestoreTable { job, cut, database, mut table, mut partitions, mut files } = back.clone() else {
            panic!()
        };
        change(&mut table, &mut partitions, &mut files);
        Command::RestoreTable { job, cut, database, table, partitions, files }
    };
    let late = kit.load("orders", 0, "late");
    for (changed, says) in [
        (change(&|_, _, files: &mut Vec<crate::RestoredFile>| files.clear()), "was not looked at"),
        (change(&|_, _, files| files[0].object = "o1".to_owned()), "is not known any more"),
        (change(&|_, _, files| files[0].id = FileId(4711)), "is not known any more"),
        (change(&|table, _, _| table.volume = VolumeId(4711)), "storage volume of table back was dropped"),
    ] {
        let text = why(&kit.refused(changed));
        assert!(text.contains(says), "{text}");
    }
    // A file that nobody names and that the snapshot does not keep.
    kit.ok(truncate("orders", &["low"]));
    let stolen = change(&|_, partitions, files| {
        files[0].id = late;
        files[0].object = "late".to_owned();
        partitions.iter_mut().flat_map(|p| &mut p.rowsets).for_each(|rowset| rowset.file = late);
    });
    assert!(why(&kit.refused(stolen)).contains("is not kept by cluster snapshot s"));
    let Command::RestoreTable { cut, database, table, partitions, files, .. } = back.clone() else { panic!() };
    let (other, at) = (JobId(4711), Revision(cut.0 - 1));
    let unknown = Command::RestoreTable {
        job: other,
        cut,
        database: database.clone(),
        table: table.clone(),
        partitions: partitions.clone(),
        files: files.clone(),
    };
    assert_eq!(kit.refused(unknown), Rejection::UnknownJob(other));
    let another = Command::RestoreTable { job, cut: at, database, table, partitions, files };
    assert!(why(&kit.refused(another)).contains("is not available"));
    // The names are the last to be free.
    kit.ok(back.clone());
    assert_eq!(kit.refused(back.clone()), Rejection::TableExists("back".to_owned()));
    kit.ok(Command::DropDatabase { name: "shop".to_owned(), if_exists: false, force: true });
    assert_eq!(kit.refused(back), Rejection::UnknownDatabase("shop".to_owned()));
}

#[test]
fn what_a_snapshot_does_not_hold_is_said() {
    let (mut kit, job, past) = taken();
    let says = |kit: &Kit, from: &TableName| {
        let job = kit.catalog.job(job).unwrap();
        why(&command(&kit.catalog, job, &past, from, &name("x")).unwrap_err())
    };
    assert_eq!(says(&kit, &name("no")), "Unknown table 'shop.no' in cluster snapshot s");
    let nowhere = TableName { database: "no".to_owned(), table: "orders".to_owned() };
    assert_eq!(says(&kit, &nowhere), "Unknown database 'no' in cluster snapshot s");
    assert_eq!(source(&kit.catalog, "t").unwrap_err(), Rejection::UnknownSnapshot("t".to_owned()));
    let Outcome::Job(running) = kit.ok(kit.begin_command("t", SnapshotKind::Manual)) else { panic!() };
    assert!(why(&source(&kit.catalog, "t").unwrap_err()).ends_with("it is INITIALIZING"));
    kit.ok(Kit::event(running, JobEvent::Failed { cause: String::new() }));
    // Databases are found by the names that they have now, tables by those that they had then.
    kit.ok(Command::RenameDatabase { name: "shop".to_owned(), new_name: "store".to_owned() });
    let found = kit.catalog.job(job).unwrap();
    let to = TableName { database: "store".to_owned(), table: "again".to_owned() };
    kit.ok(command(&kit.catalog, found, &past, &name("orders"), &to).unwrap());
}

#[test]
fn a_volume_that_is_gone_or_off_is_said() {
    let mut kit = Kit::new();
    kit.ok(Command::CreateVolume { draft: volume_draft("v", "file:///v"), if_not_exists: false });
    kit.ok(create_table(TableDraft { volume: Some("v".to_owned()), ..plain("empty") }));
    let Outcome::Job(job) = kit.ok(kit.begin_command("s", SnapshotKind::Manual)) else { panic!() };
    let cut = kit.cut(job);
    let past = image_of(&kit.catalog);
    kit.ok(Kit::event(job, Kit::uploaded(cut)));
    let back = restore(&kit, &past, "empty", "back").unwrap();
    let off = |enabled| Command::AlterVolume {
        name: "v".to_owned(),
        comment: None,
        enabled: Some(enabled),
        properties: BTreeMap::new(),
    };
    kit.ok(off(false));
    assert_eq!(kit.refused(back.clone()), Rejection::VolumeDisabled("v".to_owned()));
    kit.ok(off(true));
    kit.ok(drop_table("empty", true));
    kit.ok(Command::DropVolume { name: "v".to_owned(), if_exists: false });
    assert!(why(&kit.refused(back)).contains("was dropped"));
    let gone = "the storage volume 'v' of table empty does not exist any more";
    assert_eq!(why(&restore(&kit, &past, "empty", "back").unwrap_err()), gone);
    // Another one of that name is another one.
    kit.ok(Command::CreateVolume { draft: volume_draft("v", "file:///w"), if_not_exists: false });
    assert_eq!(why(&restore(&kit, &past, "empty", "back").unwrap_err()), gone);
}

/// The cluster came back from a moment before the snapshot was made: what both timelines know can come back, and what only the
/// other one knows cannot.
#[test]
fn of_another_timeline_only_what_both_know_comes_back() {
    let mut kit = Kit::new();
    kit.load("notes", 0, "n1");
    kit.snapshots_on();
    let job = kit.begin("c");
    let cut = kit.cut(job);
    let image = image_of(&kit.catalog);
    kit.ok(Kit::event(job, Kit::uploaded(cut)));
    kit.load("orders", 0, "only_there");
    kit.load("orders", 0, "there_too");
    let Outcome::Job(other) = kit.ok(kit.begin_command("s", SnapshotKind::Manual)) else { panic!() };
    let there = kit.cut(other);
    let past = image_of(&kit.catalog);
    let found = |name: &str, cut: Revision| PresentManifest {
        name: name.to_owned(),
        cut,
        incarnation: identity().incarnation,
        starmgr_id: 0,
        sha256: "bb".repeat(32),
        bytes: 1,
        created_at: UnixMillis(1),
        finished_at: UnixMillis(2),
        comment: String::new(),
        revived_at: None,
    };
    let present = BTreeMap::from([(VolumeId(10_001), vec![found("c", cut), found("s", there)])]);
    let catalog = rebase(&image, &Rebase { present, ..plan(cut) }).unwrap();
    let mut kit = Kit { clock: catalog.header.uptime.0, catalog };
    kit.ok(drop_table("notes", true));
    // The same id is another file here.
    let mine = kit.load("orders", 0, "only_here");
    assert_eq!(past.file(mine).unwrap().object, "there_too");
    let (size, state) = (kit.catalog.file_count(), kit.catalog.jobs().last().unwrap().state);
    assert_eq!((size, state), (2, JobState::Finished));
    kit.ok(restore(&kit, &past, "notes", "back").unwrap());
    assert_eq!(file(&kit, "n1").removed_at(), None);
    let text = why(&restore(&kit, &past, "orders", "again").unwrap_err());
    assert!(text.contains("only_there") && text.contains("only to the timeline"), "{text}");
    // A volume that was made there and one that was made here may have the same id.
    let mut moved = past.clone();
    let volume = StorageVolume { name: "w".to_owned(), ..past.volume(VolumeId(10_001)).unwrap().as_ref().clone() };
    moved.volumes.insert(volume.id, std::sync::Arc::new(volume));
    assert!(why(&restore(&kit, &moved, "notes", "more").unwrap_err()).contains("'w' of table notes does not exist"));
}

/// Files and bytes of each pin, and those that only it keeps.
#[test]
fn pins_tell_what_they_keep_and_what_only_they_keep() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    kit.ok(super::retention::keep(&[("retention", "9")]));
    kit.load("notes", 0, "both");
    let (_, first) = kit.snapshot("a");
    kit.load("orders", 0, "second");
    let (_, second) = kit.snapshot("b");
    kit.load("orders", 1, "live");
    let told = |kit: &Kit| -> Vec<_> {
        let of = |p: crate::Pinned| (p.revisions, p.files, p.bytes, p.only_files, p.only_bytes);
        kit.catalog.pinned().into_iter().map(of).collect()
    };
    assert_eq!(told(&kit), [(vec![first], 0, 0, 0, 0), (vec![second], 0, 0, 0, 0)], "all is referenced");
    kit.ok(truncate("notes", &[]));
    kit.ok(truncate("orders", &["low"]));
    assert_eq!(told(&kit), [(vec![first], 1, 100, 0, 0), (vec![second], 2, 200, 1, 100)]);
    kit.load("notes", 0, "unpinned");
    kit.ok(truncate("notes", &[]));
    assert_eq!(told(&kit)[1], (vec![second], 2, 200, 1, 100));
    let job = kit.catalog.jobs().last().unwrap().id;
    kit.ok(Kit::event(job, JobEvent::Retire));
    kit.ok(Kit::event(job, JobEvent::Deleted));
    assert_eq!(told(&kit), [(vec![first], 1, 100, 1, 100)]);
}
