//! A restored catalog becomes the catalog of a new cluster.

use std::collections::BTreeSet;

use storage_model::{FrontendRole, JobState, NodeId, StorageVolume};

use crate::image::{Secrets, decode, encode};
use crate::rebase::{Adopt, Rebase, RebaseError, adopt, rebase};

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

pub(super) fn plan(cut: Revision) -> Rebase {
    Rebase {
        incarnation: Incarnation("f".repeat(32)),
        epoch: Epoch(2),
        now: UnixMillis(START + 60 * MINUTE),
        frontend: super::nodes::frontend(9),
        expected: Vec::new(),
        cut,
        snapshot_name: "c".to_owned(),
        manifest: ("cc".repeat(32), 777),
        // "a" was cut five log entries before "c".
        present: BTreeSet::from([("a".to_owned(), Revision(cut.0 - 5)), ("c".to_owned(), cut)]),
        compute_nodes: None,
        volumes: BTreeMap::new(),
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
    assert_eq!(next.files().map(|f| f.object.as_str()).collect::<Vec<_>>(), ["o1"]);
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
    assert!(next.pins().contains(&cut));
    let ours = ("c".to_owned(), cut);
    let namesake = ("a".to_owned(), Revision(cut.0 + 3));
    let later = Rebase { present: BTreeSet::from([ours.clone(), namesake]), ..plan(cut) };
    let next = rebase(&image, &later).unwrap();
    assert_eq!(row(&next, "a").state, JobState::Deleted, "what is there is a later snapshot of that name");
    let alone = Rebase { present: BTreeSet::from([ours]), ..plan(cut) };
    let next = rebase(&image, &alone).unwrap();
    assert_eq!(row(&next, "a").state, JobState::Deleted, "its manifest is gone");
    assert_eq!(next.pins().into_iter().collect::<Vec<_>>(), [cut]);
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
        present: BTreeMap::from([(volume, BTreeSet::from([("a".to_owned(), Revision(cut.0 - 5))]))]),
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
    assert_eq!(next.files().map(|f| f.object.as_str()).collect::<Vec<_>>(), ["o1"]);
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
    let gone = Adopt { present: plan.present.keys().map(|id| (*id, BTreeSet::new())).collect(), ..plan.clone() };
    assert_eq!(state(&adopt(&catalog, &gone).unwrap(), "a"), JobState::Deleted, "its manifest is gone");
    let unknown = Adopt { present: BTreeMap::new(), ..plan };
    assert_eq!(state(&adopt(&catalog, &unknown).unwrap(), "a"), JobState::Finished, "nobody has looked");
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
