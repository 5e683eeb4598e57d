//! CREATE and DROP DATABASE.

use super::*;

fn create(name: &str, volume: Option<&str>, if_not_exists: bool) -> Command {
    Command::CreateDatabase { name: name.to_owned(), volume: volume.map(str::to_owned), if_not_exists }
}

fn remove(name: &str, if_exists: bool, force: bool) -> Command {
    Command::DropDatabase { name: name.to_owned(), if_exists, force }
}

#[test]
fn a_database_is_created_once() {
    let mut kit = Kit::new();
    assert!(matches!(kit.ok(create("a", Some("main"), false)), Outcome::Database(_)));
    assert_eq!(kit.catalog.database_by_name("a").unwrap().volume, Some(kit.volume("main")));
    assert_eq!(kit.refused(create("a", None, false)), Rejection::DatabaseExists("a".to_owned()));
    assert_eq!(kit.ok(create("a", None, true)), Outcome::Nothing);
    assert!(matches!(kit.ok(create("A", None, false)), Outcome::Database(_)), "names mind case");
}

#[test]
fn a_database_needs_a_volume_that_can_be_used() {
    let mut kit = Kit::new();
    assert_eq!(kit.refused(create("a", Some("nowhere"), false)), Rejection::UnknownVolume("nowhere".to_owned()));
    let draft = VolumeDraft { enabled: false, ..volume_draft("off", "file:///off") };
    kit.ok(Command::CreateVolume { draft, if_not_exists: false });
    assert_eq!(kit.refused(create("a", Some("off"), false)), Rejection::VolumeDisabled("off".to_owned()));
}

#[test]
fn a_dropped_database_takes_its_tables_into_the_recycle_bin() {
    let mut kit = Kit::new();
    let file = kit.load("orders", 0, "o1");
    let shop = kit.catalog.database_by_name("shop").unwrap().id;
    kit.ok(remove("shop", false, false));
    assert!(kit.catalog.database(shop).is_none() && kit.catalog.tables().next().is_none());
    let trash = kit.catalog.trash().next().unwrap();
    assert_eq!((trash.tables.len(), trash.all_partitions().count()), (2, 3));
    assert_eq!(kit.catalog.file(file).unwrap().references, 2, "the recycle bin keeps files");
    assert_eq!(kit.refused(remove("shop", false, false)), Rejection::NoDatabaseToDrop("shop".to_owned()));
    assert_eq!(kit.ok(remove("shop", true, false)), Outcome::Nothing);
}

#[test]
fn a_database_dropped_by_force_drops_every_reference() {
    let mut kit = Kit::new();
    let file = kit.load("orders", 0, "o1");
    kit.ok(remove("shop", false, true));
    assert!(kit.catalog.trash().next().is_none() && kit.catalog.partitions().next().is_none());
    let file = kit.catalog.file(file).unwrap();
    assert_eq!((file.references, file.removed_at().unwrap().0), (0, kit.catalog.revision()));
    kit.ok(create("shop", None, false));
    assert_eq!(kit.catalog.tables_of(kit.catalog.database_by_name("shop").unwrap().id).count(), 0);
}
