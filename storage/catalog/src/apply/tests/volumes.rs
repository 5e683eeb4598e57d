//! Storage volumes.

use storage_model::volume::BUILTIN_STORAGE_VOLUME;

use super::*;

fn create(name: &str) -> Command {
    Command::CreateVolume { draft: volume_draft(name, &format!("file:///{name}")), if_not_exists: false }
}

fn remove(name: &str) -> Command {
    Command::DropVolume { name: name.to_owned(), if_exists: false }
}

fn alter(name: &str, enabled: Option<bool>, properties: &[(&str, &str)]) -> Command {
    let properties = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Command::AlterVolume { name: name.to_owned(), comment: None, enabled, properties }
}

fn rule(rejection: Rejection) -> String {
    let Rejection::VolumeRule(text) = rejection else { panic!("{rejection:?}") };
    text
}

#[test]
fn a_volume_is_created_and_dropped() {
    let mut kit = Kit::empty();
    assert!(matches!(kit.ok(create("v")), Outcome::Volume(_)));
    assert_eq!(kit.refused(create("v")), Rejection::VolumeExists("v".to_owned()));
    let lenient = Command::CreateVolume { draft: volume_draft("v", "file:///x"), if_not_exists: true };
    assert_eq!(kit.ok(lenient), Outcome::Nothing);
    assert_eq!(kit.catalog.volume_by_name("v").unwrap().location, "file:///v");
    kit.ok(remove("v"));
    assert_eq!(kit.refused(remove("v")), Rejection::NoSuchVolume("v".to_owned()));
    assert_eq!(kit.ok(Command::DropVolume { name: "v".to_owned(), if_exists: true }), Outcome::Nothing);
}

#[test]
fn altering_merges_properties() {
    let mut kit = Kit::new();
    kit.ok(alter("main", None, &[("a", "1"), ("b", "1")]));
    kit.ok(alter("main", Some(true), &[("b", "2")]));
    let volume = kit.catalog.volume_by_name("main").unwrap();
    assert_eq!((volume.properties["a"].as_str(), volume.properties["b"].as_str()), ("1", "2"));
    assert_eq!(kit.refused(alter("no", None, &[])), Rejection::NoSuchVolume("no".to_owned()));
    assert!(rule(kit.refused(alter("main", Some(false), &[]))).contains("Default volume can not be disabled"));
}

#[test]
fn the_default_volume_is_one_that_can_be_used() {
    let mut kit = Kit::new();
    let set = |name: &str| Command::SetDefaultVolume { name: name.to_owned() };
    assert_eq!(kit.refused(set("no")), Rejection::NoSuchVolume("no".to_owned()));
    kit.ok(create("v"));
    kit.ok(alter("v", Some(false), &[]));
    assert_eq!(kit.refused(set("v")), Rejection::VolumeDisabled("v".to_owned()));
    kit.ok(alter("v", Some(true), &[]));
    kit.ok(set("v"));
    assert_eq!(kit.catalog.header.default_volume, Some(kit.volume("v")));
    assert!(rule(kit.refused(remove("v"))).contains("default storage volume can not be removed"));
}

#[test]
fn a_volume_that_something_needs_is_not_dropped() {
    let mut kit = Kit::new();
    kit.ok(create("v"));
    kit.ok(Command::CreateDatabase { name: "d".to_owned(), volume: Some("v".to_owned()), if_not_exists: false });
    let text = rule(kit.refused(remove("v")));
    assert!(text.contains("is referenced by dbs or tables, dbs: [d], tables: []"), "{text}");
    kit.ok(Command::DropDatabase { name: "d".to_owned(), if_exists: false, force: true });
    kit.ok(create_table(TableDraft { volume: Some("v".to_owned()), ..plain("t") }));
    assert!(rule(kit.refused(remove("v"))).contains("tables: [t]"));
    kit.ok(drop_table("t", false));
    assert!(rule(kit.refused(remove("v"))).contains("still holds files"), "the recycle bin needs it");
    kit.clock += MINUTE;
    kit.ok(Command::EraseTrash { older_than_millis: 1000 });
    kit.ok(remove("v"));
}

#[test]
fn a_volume_with_files_of_dropped_tables_is_not_dropped() {
    let mut kit = Kit::new();
    let file = kit.load("notes", 0, "o1");
    kit.ok(drop_table("notes", true));
    kit.ok(drop_table("orders", true));
    kit.ok(create("v"));
    kit.ok(Command::SetDefaultVolume { name: "v".to_owned() });
    assert!(rule(kit.refused(remove("main"))).contains("deleted in the background"));
    assert_eq!(kit.condemn(vec![file]), [file]);
    kit.ok(Command::Forget { files: vec![file] });
    kit.ok(remove("main"));
}

#[test]
fn a_volume_of_snapshots_is_not_dropped() {
    let mut kit = Kit::new();
    kit.ok(create("v"));
    let wording = "Snapshot enabled on storage volume 'v', drop volume failed.";
    kit.ok(Command::EnableSnapshots {
        volume: Some("v".to_owned()),
        interval_seconds: None,
        retention: RetentionChange::default(),
    });
    assert_eq!(rule(kit.refused(remove("v"))), wording);
    let volume = kit.volume("v");
    let (kind, name, comment) = (SnapshotKind::Automated, "s".to_owned(), String::new());
    let Outcome::Job(job) = kit.ok(Command::BeginSnapshot { kind, name, volume, comment, max_history: 9 }) else {
        panic!()
    };
    kit.ok(Command::DisableSnapshots);
    assert_eq!(rule(kit.refused(remove("v"))), wording, "the job's row lives there");
    kit.ok(Kit::event(job, JobEvent::Failed { cause: "cancelled".to_owned() }));
    kit.ok(remove("v"));
}

#[test]
fn the_builtin_volume_follows_fe_conf_but_stays_where_it_is() {
    let mut kit = Kit::empty();
    let ensure = |draft: VolumeDraft| Command::EnsureBuiltinVolume { draft };
    let draft = volume_draft(BUILTIN_STORAGE_VOLUME, "file:///data");
    assert!(matches!(kit.ok(ensure(draft.clone())), Outcome::Volume(_)));
    assert_eq!(kit.catalog.header.default_volume, Some(kit.volume(BUILTIN_STORAGE_VOLUME)));
    assert_eq!(kit.ok(ensure(draft.clone())), Outcome::Nothing);
    let properties: BTreeMap<_, _> = [("aws.s3.secret_key".to_owned(), "new".to_owned())].into();
    assert_eq!(kit.ok(ensure(VolumeDraft { properties: properties.clone(), ..draft.clone() })), Outcome::Done);
    assert_eq!(kit.catalog.volume_by_name(BUILTIN_STORAGE_VOLUME).unwrap().properties, properties);
    let moved = VolumeDraft { location: "file:///other".to_owned(), ..draft };
    let text = rule(kit.refused(ensure(moved)));
    assert!(text.contains("file:///other") && text.contains("file:///data"), "{text}");
    kit.ok(create("v"));
    kit.ok(Command::SetDefaultVolume { name: "v".to_owned() });
    assert!(rule(kit.refused(remove(BUILTIN_STORAGE_VOLUME))).contains("fe.conf"));
}

#[test]
fn the_builtin_volume_does_not_take_the_place_of_a_chosen_default() {
    let mut kit = Kit::new();
    let draft = volume_draft(BUILTIN_STORAGE_VOLUME, "file:///data");
    kit.ok(Command::EnsureBuiltinVolume { draft });
    assert_eq!(kit.catalog.header.default_volume, Some(kit.volume("main")));
}
