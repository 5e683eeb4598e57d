//! A restored catalog becomes the catalog of a new cluster.

use storage_model::{FrontendRole, JobState, NodeId, StorageVolume};

use crate::image::{Secrets, decode, encode};
use crate::rebase::{Adopt, PresentManifest, Rebase, RebaseError, adopt, rebase};

use super::*;

/// A cluster with a FINISHED, a FAILED and a cut snapshot, frozen at the cut of `c`.
pub(super) fn frozen() -> (Kit, Catalog, Revision) {
    let mut kit = Kit::new();
    kit.load("orders", 0, "o1");
    kit.ok(Command::AddComputeNode { host: "old".to_owned(), heartbeat_port: 9050 });
    kit.snapshots_on();
    kit.snapshot("a");
    let failed = kit.begin("b");
    kit.ok(Kit::event(failed, JobEvent::Failed { cause: "no".to_owned() }));
    let job = kit.begin("c");
    let cut = kit.cut(job);
    let sections: Vec<_> =
        encode(&kit.catalog, Secrets::Omit).unwrap().into_iter().map(|section| section.bytes).collect();
    let image = decode(&sections).unwrap();
    (kit, image, cut)
}

/// A manifest of the incarnation of the kit, as a job of the kit has it.
fn manifest(name: &str, cut: Revision) -> PresentManifest {
    PresentManifest {
        name: name.to_owned(),
        cut,
        incarnation: identity().incarnation,
        starmgr_id: 3,
        sha256: "bb".repeat(32),
        bytes: 99,
        created_at: UnixMillis(START + 30 * MINUTE),
        finished_at: UnixMillis(START + 31 * MINUTE),
        comment: "found".to_owned(),
        revived_at: None,
    }
}

/// That of another incarnation.
fn strange(name: &str, cut: Revision) -> PresentManifest {
    let (incarnation, sha256) = (Incarnation("e".repeat(32)), "ee".repeat(32));
    PresentManifest { incarnation, sha256, ..manifest(name, cut) }
}

/// In the first volume of the kit.
fn present<const N: usize>(manifests: [PresentManifest; N]) -> BTreeMap<VolumeId, Vec<PresentManifest>> {
    BTreeMap::from([(VolumeId(10_001), manifests.to_vec())])
}

pub(super) fn plan(cut: Revision) -> Rebase {
    Rebase {
        incarnation: Incarnation("f".repeat(32)),
        epoch: Epoch(2),
        now: UnixMillis(START + 60 * MINUTE),
        frontend: super::nodes::frontend(9),
        expected: Vec::new(),
        cut,
        snapshot_name: "c".to_owned(),
        manifest: ("bb".repeat(32), 777),
        // "a" was cut five log entries before "c".
        present: present([manifest("a", Revision(cut.0 - 5)), manifest("c", cut)]),
        compute_nodes: None,
        volumes: BTreeMap::new(),
        successors: BTreeMap::new(),
    }
}

#[test]
fn a_new_incarnation_of_the_same_service_one_revision_on() {
    let (_, image, cut) = frozen();
    let next = rebase(&image, &plan(cut)).unwrap();
    invariant::check(&next).unwrap();
    let (old, new) = (image.identity(), next.identity());
    assert_eq!((&new.service_id, &new.token, new.cluster_id), (&old.service_id, &old.token, old.cluster_id));
    assert_eq!((new.epoch, new.incarnation.as_str()), (Epoch(2), "f".repeat(32).as_str()));
    assert_eq!(next.revision(), cut.next());
    assert_eq!(next.header.clock, plan(cut).now);
    let facts = next.header.restored.clone().unwrap();
    assert_eq!((facts.snapshot_name.as_str(), facts.cut, facts.restored_at), ("c", cut, plan(cut).now));
    assert!(next.is_careful());
    assert_eq!(next.frontends().map(|f| f.id.0).collect::<Vec<_>>(), [9], "the old frontends are gone");
    assert_eq!(next.compute_nodes().map(|n| n.address()).collect::<Vec<_>>(), ["old:9050"]);
    assert_eq!(next.files().map(|f| f.object.to_string()).collect::<Vec<_>>(), ["o1"]);
    assert!(next.header.snapshot_policy.is_some(), "automation stays as it was");
}

#[test]
fn jobs_are_settled() {
    let (_, image, cut) = frozen();
    let row = |catalog: &Catalog, name: &str| catalog.jobs().find(|j| j.name == name).unwrap().as_ref().clone();
    let next = rebase(&image, &plan(cut)).unwrap();
    let ours = row(&next, "c");
    assert_eq!((ours.state, ours.cut, ours.bytes), (JobState::Finished, Some(cut), 777));
    assert_eq!(ours.detail, "Finished time was reset after cluster restored");
    assert_eq!(ours.finished_at, Some(plan(cut).now));
    assert_eq!((row(&next, "a").state, row(&next, "b").state), (JobState::Finished, JobState::Error));
    assert!(next.pins().contains(&cut) && !next.jobs().any(|job| job.is_foreign()));
    let alone = Rebase { present: present([manifest("c", cut)]), ..plan(cut) };
    let next = rebase(&image, &alone).unwrap();
    assert_eq!(row(&next, "a").state, JobState::Deleted, "its manifest is gone");
    assert_eq!(next.pins().into_iter().collect::<Vec<_>>(), [cut]);
    let unknown = Rebase { present: BTreeMap::new(), ..plan(cut) };
    assert_eq!(row(&rebase(&image, &unknown).unwrap(), "a").state, JobState::Finished, "nobody has looked");
}

#[test]
fn a_newer_snapshot_of_the_lost_time_is_foreign_and_keeps_what_both_know() {
    let (_, image, cut) = frozen();
    let later = Revision(cut.0 + 40);
    let found = present([manifest("a", Revision(cut.0 - 5)), manifest("c", cut), manifest("d", later)]);
    let catalog = rebase(&image, &Rebase { present: found, ..plan(cut) }).unwrap();
    let mut kit = Kit { clock: catalog.header.uptime.0, catalog };
    let row = kit.catalog.jobs().last().unwrap().as_ref().clone();
    assert_eq!((row.name.as_str(), row.kind.to_string(), row.state), ("d", "FOREIGN".to_owned(), JobState::Finished));
    assert_eq!((row.cut, row.manifest_cuts(), row.pins()), (Some(later), &[later][..], &[cut][..]));
    assert_eq!((row.path.as_str(), row.comment.as_str()), ("file:///main/3f2b6c9e/meta/image/d", "found"));
    assert_eq!((row.starmgr_id, row.bytes, row.created_at), (3, 99, UnixMillis(START + 30 * MINUTE)));
    assert_eq!(row.finished_at, Some(UnixMillis(START + 31 * MINUTE)));

    // Every snapshot of this timeline goes; what the newer one needs stays, and what this timeline makes does not.
    kit.ok(Command::FinishRestore);
    kit.ok(truncate("orders", &[]));
    for name in ["a", "c"] {
        let job = kit.catalog.jobs().find(|j| j.name == name).unwrap().id;
        kit.ok(Kit::event(job, JobEvent::Retire));
        kit.ok(Kit::event(job, JobEvent::Deleted));
    }
    while kit.catalog.revision() < later {
        kit.ok(Command::KeepTime);
    }
    kit.load("orders", 0, "o2");
    kit.ok(truncate("orders", &[]));
    let file = |kit: &Kit, object: &str| kit.catalog.files().find(|f| f.object == object).unwrap().id;
    let (old, new) = (file(&kit, "o1"), file(&kit, "o2"));
    assert_eq!(kit.condemn(vec![old, new]), [new]);
    let (_, own) = kit.snapshot("e");
    assert_eq!(kit.catalog.job(row.id).unwrap().state, JobState::Finished, "nothing of this timeline expires it");
    assert_eq!(kit.catalog.pins().into_iter().collect::<Vec<_>>(), [cut, own]);
    kit.ok(Kit::event(row.id, JobEvent::Retire));
    assert!(kit.condemn(vec![old]).is_empty(), "its objects are still there");
    kit.ok(Kit::event(row.id, JobEvent::Deleted));
    assert_eq!(kit.condemn(vec![old]), [old]);
}

/// Where the lines of two incarnations part is not known: whatever had lived by then is kept.
#[test]
fn a_snapshot_of_another_incarnation_keeps_every_life_that_it_may_have_shared() {
    let mut kit = Kit::new();
    let mut lives = Vec::new();
    for object in ["x1", "x2", "x3"] {
        kit.load("orders", 0, object);
        let created = kit.catalog.revision();
        kit.ok(truncate("orders", &[]));
        lives.push((created, kit.catalog.revision()));
    }
    // Given up by the collector of the past, and perhaps not deleted yet.
    let first = kit.catalog.files().find(|f| f.object == "x1").unwrap().id;
    assert_eq!(kit.condemn(vec![first]), [first]);
    kit.load("orders", 0, "x4");
    kit.snapshots_on();
    let job = kit.begin("c");
    let cut = kit.cut(job);
    let restored = |found: PresentManifest| {
        let found = present([manifest("c", cut), found]);
        let next = rebase(&kit.catalog, &Rebase { present: found, ..plan(cut) }).unwrap();
        invariant::check(&next).unwrap();
        next
    };
    let ends = |n: usize| Revision(lives[n].1.0 - 1);
    let next = restored(strange("d", Revision(cut.0 + 9)));
    let pins = next.jobs().last().unwrap().pins().to_vec();
    assert_eq!(pins, [ends(0), ends(1), ends(2), cut]);
    assert!(next.files().all(|file| file.condemned_at().is_none()));
    // It had ended before the third life began.
    let next = restored(strange("d", lives[1].1));
    assert_eq!(next.jobs().last().unwrap().pins(), [ends(0), ends(1), lives[1].1]);
    // On the same line one moment is enough, and what was condemned then stays so.
    let next = restored(manifest("d", Revision(cut.0 + 9)));
    assert_eq!(next.jobs().last().unwrap().pins(), [cut]);
    assert_eq!(next.files().filter(|file| file.condemned_at().is_some()).count(), 1);
}

/// Behind the moment that is restored, a table came back from a snapshot: the newer manifest names a file whose life has ended
/// in the past, and that only that snapshot still keeps.
#[test]
fn a_file_that_came_back_in_the_lost_time_is_kept() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let file = kit.load("notes", 0, "o1");
    let (kept, pin) = kit.snapshot("a");
    kit.ok(truncate("notes", &[]));
    kit.ok(super::retention::keep(&[("retention", "5")]));
    let job = kit.begin("c");
    let cut = kit.cut(job);
    let restored = |revived_at: Option<u64>, later: u64| {
        let newer = PresentManifest {
            revived_at: revived_at.map(|behind| Revision(cut.0 + behind)),
            ..manifest("d", Revision(cut.0 + later))
        };
        let found = present([manifest("a", pin), manifest("c", cut), newer]);
        let next = rebase(&kit.catalog, &Rebase { present: found, ..plan(cut) }).unwrap();
        invariant::check(&next).unwrap();
        let mut kit = Kit { clock: next.header.uptime.0, catalog: next };
        kit.ok(Command::FinishRestore);
        kit.ok(Kit::event(kept, JobEvent::Retire));
        kit.ok(Kit::event(kept, JobEvent::Deleted));
        let pins = kit.catalog.jobs().last().unwrap().pins().to_vec();
        (pins, kit.condemn(vec![file]))
    };
    assert_eq!(restored(Some(7), 9), (vec![pin, cut], Vec::new()), "it may be that file");
    // What came back before has a life that goes on, and nothing else is kept for nothing.
    assert_eq!(restored(None, 9), (vec![cut], vec![file]));
    assert_eq!(restored(Some(0), 9), (vec![cut], vec![file]));
}

#[test]
fn a_name_stays_one_snapshot() {
    let (_, image, cut) = frozen();
    let rows = |manifests: Vec<PresentManifest>| {
        let found = BTreeMap::from([(VolumeId(10_001), manifests)]);
        let next = rebase(&image, &Rebase { present: found, ..plan(cut) }).unwrap();
        invariant::check(&next).unwrap();
        next.jobs().map(|j| (j.name.clone(), j.state, j.cut, j.is_foreign())).collect::<Vec<_>>()
    };
    let (old, later) = (Revision(cut.0 - 5), Revision(cut.0 + 3));
    let own = ("c".to_owned(), JobState::Finished, Some(cut), false);
    let a = |cut: Revision, foreign: bool| ("a".to_owned(), JobState::Finished, Some(cut), foreign);
    let failed = ("b".to_owned(), JobState::Error, None, false);
    // A later snapshot of the name of one that is gone takes its place.
    let found = rows(vec![manifest("a", later), manifest("c", cut)]);
    assert_eq!(found, [failed.clone(), own.clone(), a(later, true)]);
    // And so does one that has the name and the cut, but is another.
    let found = rows(vec![strange("a", old), manifest("c", cut)]);
    assert_eq!(found, [failed, own.clone(), a(old, true)]);
    // The row of a job that failed would tell the next manifest that this one is dead.
    let found = rows(vec![manifest("a", old), manifest("b", later), manifest("c", cut)]);
    assert_eq!(found, [a(old, false), own, ("b".to_owned(), JobState::Finished, Some(later), true)]);
}

#[test]
fn a_foreign_snapshot_survives_images_and_further_restores() {
    let (_, image, cut) = frozen();
    let later = Revision(cut.0 + 40);
    let found = [manifest("a", Revision(cut.0 - 5)), manifest("c", cut), manifest("d", later)];
    let catalog = rebase(&image, &Rebase { present: present(found.clone()), ..plan(cut) }).unwrap();
    let foreign = catalog.jobs().last().unwrap().clone();
    let mut kit = Kit { clock: catalog.header.uptime.0, catalog };
    let job = kit.begin("e");
    let again = kit.cut(job);
    let sections: Vec<_> = encode(&kit.catalog, Secrets::Omit).unwrap().into_iter().map(|s| s.bytes).collect();
    let image = decode(&sections).unwrap();
    let further = |manifests: Vec<PresentManifest>| Rebase {
        epoch: Epoch(3),
        snapshot_name: "e".to_owned(),
        present: BTreeMap::from([(VolumeId(10_001), manifests)]),
        ..plan(again)
    };
    let mut manifests = found.to_vec();
    manifests.push(PresentManifest { incarnation: image.identity().incarnation.clone(), ..manifest("e", again) });
    let next = rebase(&image, &further(manifests.clone())).unwrap();
    assert_eq!(next.job(foreign.id), Some(&foreign));
    assert_eq!(next.jobs().filter(|job| job.is_foreign()).count(), 1);
    manifests.retain(|manifest| manifest.name != "d");
    let next = rebase(&image, &further(manifests)).unwrap();
    let row = next.job(foreign.id).unwrap();
    assert_eq!((row.state, row.pins()), (JobState::Deleted, &[][..]), "its manifest is gone");
}

#[test]
fn volumes_are_replaced_by_name() {
    let (kit, image, cut) = frozen();
    let moved = StorageVolume {
        id: VolumeId(0),
        name: String::new(),
        volume_type: VolumeType::S3,
        location: "s3://other/p/".to_owned(),
        comment: "moved".to_owned(),
        enabled: true,
        borrowed: None,
        properties: BTreeMap::new(),
    };
    let volumes = ["main", "more"].map(|name| (name.to_owned(), moved.clone())).into();
    let next = rebase(&image, &Rebase { volumes, ..plan(cut) }).unwrap();
    invariant::check(&next).unwrap();
    let main = next.volume_by_name("main").unwrap();
    assert_eq!((main.id, main.location.as_str()), (kit.volume("main"), "s3://other/p/"), "its id stays: files name it");
    assert!(next.volume_by_name("more").unwrap().id.0 >= image.header.next_id, "a new one has a new id");
    assert!(next.header.next_id > image.header.next_id);
    let job = next.jobs().find(|j| j.name == "c").unwrap();
    assert_eq!(job.path, "s3://other/p/3f2b6c9e/meta/image/c");
}

#[test]
fn compute_nodes_are_replaced_when_given() {
    let (_, image, cut) = frozen();
    let nodes = |list: Vec<(String, u16)>| Rebase { compute_nodes: Some(list), ..plan(cut) };
    let next = rebase(&image, &nodes(vec![("new".to_owned(), 1), ("new".to_owned(), 2)])).unwrap();
    assert_eq!(next.compute_nodes().map(|n| n.address()).collect::<Vec<_>>(), ["new:1", "new:2"]);
    assert_eq!(rebase(&image, &nodes(Vec::new())).unwrap().compute_nodes().count(), 0, "an empty list means none");
}

#[test]
fn what_does_not_fit_is_refused() {
    let (kit, image, cut) = frozen();
    let other = Rebase { snapshot_name: "a".to_owned(), ..plan(cut) };
    assert!(matches!(rebase(&image, &other), Err(RebaseError::NoJob(_, name)) if name == "a"));
    let old = Rebase { epoch: Epoch(1), ..plan(cut) };
    assert_eq!(rebase(&image, &old).unwrap_err(), RebaseError::OldEpoch { found: Epoch(1), image: Epoch(1) });
    assert_eq!(image.header, kit.catalog.header, "the image is as it was");
}

/// The catalog of [`frozen`] with the frontends 8 and 9, an answer that somebody may not have heard, and a plan for 9.
fn copied() -> (Catalog, Adopt) {
    let (mut kit, _, cut) = frozen();
    kit.ok(Command::RegisterFrontend { frontend: super::nodes::frontend(8) });
    kit.ok(Command::AddFrontend { host: "h9".to_owned(), edit_log_port: 1, role: FrontendRole::Observer });
    let create = Command::CreateDatabase { name: "once".to_owned(), volume: None, if_not_exists: false };
    kit.ok(Command::Once { proposer: 5, sequence: 1, heard: 0, command: Box::new(create) });
    let frontend = kit.catalog.frontends().last().unwrap().id;
    let volume = kit.catalog.jobs().next().unwrap().volume;
    let plan = Adopt {
        incarnation: Incarnation("f".repeat(32)),
        epoch: Epoch(4),
        now: UnixMillis(START + 60 * MINUTE),
        frontend,
        present: BTreeMap::from([(volume, vec![manifest("a", Revision(cut.0 - 5))])]),
    };
    (kit.catalog, plan)
}

#[test]
fn an_adopted_catalog_is_what_it_was_in_a_new_incarnation() {
    let (catalog, plan) = copied();
    assert!(!catalog.proposers.is_empty());
    let next = adopt(&catalog, &plan).unwrap();
    invariant::check(&next).unwrap();
    let (old, new) = (catalog.identity(), next.identity());
    assert_eq!((&new.service_id, &new.token, new.cluster_id), (&old.service_id, &old.token, old.cluster_id));
    assert_eq!((new.epoch, new.incarnation.as_str()), (Epoch(4), "f".repeat(32).as_str()));
    assert_eq!((next.revision(), next.header.clock), (catalog.revision().next(), plan.now));
    let facts = next.header.restored.clone().unwrap();
    assert_eq!((facts.snapshot_name.as_str(), facts.cut, facts.restored_at), ("", catalog.revision(), plan.now));
    assert!(next.is_careful() && next.proposers.is_empty());
    let frontends: Vec<_> = next.frontends().map(|f| (f.id, f.role, f.host.as_str())).collect();
    assert_eq!(frontends, [(plan.frontend, FrontendRole::Follower, "h9")], "an observer votes once it is alone");
    assert_eq!(next.compute_nodes().count(), catalog.compute_nodes().count());
    assert_eq!(next.files().map(|f| f.object.to_string()).collect::<Vec<_>>(), ["o1"]);
    assert!(next.header.snapshot_policy.is_some() && next.database_by_name("once").is_some());
    assert_eq!((next.header.next_id, next.header.next_txn), (catalog.header.next_id, catalog.header.next_txn));
}

#[test]
fn an_adoption_settles_jobs() {
    let (catalog, plan) = copied();
    let state = |catalog: &Catalog, name: &str| catalog.jobs().find(|j| j.name == name).unwrap().state;
    assert_eq!(state(&catalog, "c"), JobState::Snapshoting);
    let next = adopt(&catalog, &plan).unwrap();
    assert_eq!(state(&next, "a"), JobState::Finished);
    assert_eq!(state(&next, "c"), JobState::Error, "interrupted");
    let gone = Adopt { present: present([]), ..plan.clone() };
    assert_eq!(state(&adopt(&catalog, &gone).unwrap(), "a"), JobState::Deleted, "its manifest is gone");
    let unknown = Adopt { present: BTreeMap::new(), ..plan.clone() };
    assert_eq!(state(&adopt(&catalog, &unknown).unwrap(), "a"), JobState::Finished, "nobody has looked");
    // What the lost time has finished: the job that ran at the time of the copy, and one after it.
    let cut = catalog.unfinished_job().unwrap().cuts[0];
    let later = Revision(catalog.revision().0 + 9);
    let found = present([manifest("a", Revision(cut.0 - 5)), manifest("c", cut), manifest("d", later)]);
    let next = adopt(&catalog, &Adopt { present: found, ..plan }).unwrap();
    invariant::check(&next).unwrap();
    let foreign = next.jobs().filter(|job| job.is_foreign());
    let pins: Vec<_> = foreign.map(|job| (job.name.as_str(), job.cut.unwrap(), job.pins().to_vec())).collect();
    assert_eq!(pins, [("c", cut, vec![cut]), ("d", later, vec![catalog.revision()])]);
    assert!(!next.jobs().any(|job| job.state == JobState::Error && job.name == "c"));
}

#[test]
fn an_adoption_that_cannot_win_or_lead_is_refused() {
    let (catalog, plan) = copied();
    let old = Adopt { epoch: Epoch(1), ..plan.clone() };
    assert_eq!(adopt(&catalog, &old).unwrap_err(), RebaseError::OldEpoch { found: Epoch(1), image: Epoch(1) });
    let stranger = Adopt { frontend: NodeId(77), ..plan };
    let expected = RebaseError::NoFrontend(NodeId(77), catalog.revision());
    assert_eq!(adopt(&catalog, &stranger).unwrap_err(), expected);
}
