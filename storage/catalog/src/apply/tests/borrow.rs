//! A catalog that is restored beside the cluster that it comes from, and reads that one's files.

use storage_model::volume::BUILTIN_STORAGE_VOLUME;
use storage_model::{Loan, StorageVolume};

use crate::rebase::{Rebase, rebase};

use super::rebase::{frozen, plan};
use super::*;

fn volume(name: &str, location: &str) -> StorageVolume {
    StorageVolume {
        id: VolumeId(0),
        name: name.to_owned(),
        volume_type: VolumeType::Local,
        location: location.to_owned(),
        comment: String::new(),
        enabled: true,
        properties: BTreeMap::new(),
        borrowed: None,
    }
}

/// The volume `name` of the image, borrowed for the snapshot `c`.
fn borrowed(image: &Catalog, name: &str, cut: Revision) -> StorageVolume {
    let loan = Loan { snapshot: "c".to_owned(), cut };
    StorageVolume { borrowed: Some(loan), ..image.volume_by_name(name).unwrap().as_ref().clone() }
}

/// A cluster that borrows the root of the one that [`frozen`] gives, and writes to `mine`.
fn cloned() -> (Kit, VolumeId, VolumeId) {
    let (mut past, _, cut) = frozen();
    past.ok(drop_table("notes", false));
    let image = past.catalog;
    let mine = volume("mine", "file:///mine");
    let volumes = [("main", borrowed(&image, "main", cut)), ("mine", mine.clone())];
    let volumes = volumes.map(|(name, volume)| (name.to_owned(), volume)).into();
    let clone = Rebase { volumes, successors: [("main".to_owned(), mine)].into(), ..plan(cut) };
    let catalog = rebase(&image, &clone).unwrap();
    invariant::check(&catalog).unwrap();
    let mut kit = Kit { clock: catalog.header.uptime.0, catalog };
    kit.ok(Command::FinishRestore);
    let (main, mine) = (kit.volume("main"), kit.volume("mine"));
    (kit, main, mine)
}

#[test]
fn files_stay_and_whatever_writes_moves() {
    let (kit, main, mine) = cloned();
    let catalog = &kit.catalog;
    assert!(catalog.files().all(|file| file.volume == main));
    assert!(catalog.tables().all(|table| table.volume == mine), "the rows to come go elsewhere");
    assert!(catalog.trash().flat_map(|t| &t.tables).all(|table| table.volume == mine), "and those of what comes back");
    assert_eq!(catalog.header.default_volume, Some(mine));
    assert_eq!(catalog.header.snapshot_policy.as_ref().map(|policy| policy.volume), Some(mine));
    assert_eq!(catalog.jobs().count(), 0, "the snapshots there are of the cluster that lends them");
    assert!(!catalog.volume(main).unwrap().enabled);
}

#[test]
fn a_borrowed_volume_takes_nothing_and_nobody_else_may_have_its_place() {
    let (mut kit, ..) = cloned();
    let enable = |name: &str| Command::AlterVolume {
        name: name.to_owned(),
        comment: None,
        enabled: Some(true),
        properties: BTreeMap::new(),
    };
    let rule = |rejection| match rejection {
        Rejection::VolumeRule(text) => text,
        other => panic!("{other:?}"),
    };
    assert!(rule(kit.refused(enable("main"))).contains("is borrowed"));
    let twin = Command::CreateVolume { draft: volume_draft("twin", "file:///main/"), if_not_exists: false };
    assert!(rule(kit.refused(twin)).contains("'main' borrows that place"));
    let builtin = Command::EnsureBuiltinVolume { draft: volume_draft(BUILTIN_STORAGE_VOLUME, "file:///main") };
    assert!(rule(kit.refused(builtin)).contains("'main' borrows that place"));
    let set = Command::SetDefaultVolume { name: "main".to_owned() };
    assert_eq!(kit.refused(set), Rejection::VolumeDisabled("main".to_owned()));
    let remove = Command::DropVolume { name: "main".to_owned(), if_exists: false };
    assert!(rule(kit.refused(remove.clone())).contains("files there are still needed"));
    kit.ok(drop_table("orders", true));
    let garbage: Vec<FileId> = kit.catalog.files().map(|file| file.id).collect();
    assert_eq!(kit.condemn(garbage.clone()), garbage, "no snapshot of the lender keeps them here");
    kit.ok(Command::Forget { files: garbage });
    kit.ok(remove);
}

#[test]
fn the_builtin_volume_is_that_of_this_cluster() {
    let (mut past, _, cut) = frozen();
    past.ok(Command::EnsureBuiltinVolume { draft: volume_draft(BUILTIN_STORAGE_VOLUME, "file:///theirs") });
    let image = past.catalog;
    let own = volume(BUILTIN_STORAGE_VOLUME, "file:///ours");
    let names = ["main", BUILTIN_STORAGE_VOLUME];
    let volumes = names.map(|name| (name.to_owned(), borrowed(&image, name, cut))).into();
    let successors = names.map(|name| (name.to_owned(), own.clone())).into();
    let next = rebase(&image, &Rebase { volumes, successors, ..plan(cut) }).unwrap();
    invariant::check(&next).unwrap();
    let at = |name: &str| next.volume_by_name(name).map(|volume| (volume.location.clone(), volume.borrowed.is_some()));
    assert_eq!(at(BUILTIN_STORAGE_VOLUME), Some(("file:///ours".to_owned(), false)));
    assert_eq!(at("builtin_storage_volume_borrowed"), Some(("file:///theirs".to_owned(), true)));
    assert_eq!(next.header.default_volume, next.volume_by_name(BUILTIN_STORAGE_VOLUME).map(|volume| volume.id));
}
