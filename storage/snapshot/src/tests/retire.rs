//! Taking snapshots away: order, what is spared, what is left.

use storage_model::snapshot::JobEvent;
use storage_model::{Kind, UnixMillis};
use storage_volume::testing::{Faults, Operation, Rule};

use super::{Kit, open};
use crate::retire::{Void, delete, sweep_voids};
use crate::{load, newest};

const NOW: UnixMillis = UnixMillis(1_739_860_000_000);

#[tokio::test]
async fn nothing_but_the_void_is_left() {
    let mut kit = Kit::new().await;
    let (_, kept) = kit.snapshot("kept").await;
    let (_, gone) = kit.snapshot("gone").await;
    let stray = format!("{}/sections/upload.tmp", kit.layout.snapshot_dir("gone"));
    kit.volume.put(&stray, vec![1; 10].into()).await.unwrap();
    let everything = async || kit.paths("").await.into_iter().filter(|p| !p.contains("/gone/")).collect::<Vec<_>>();
    let before = everything().await;
    assert_eq!(before.iter().filter(|p| p.ends_with(".parquet")).count(), 2);
    let removed = delete(&kit.volume, &kit.layout, "gone", &[gone.cut], "expired", NOW).await.unwrap();
    assert_eq!((removed.bytes, removed.kept.len()), (gone.bytes + 10, 0));
    let void = kit.layout.void("gone", gone.cut);
    assert_eq!(kit.paths(&kit.layout.snapshot_dir("gone")).await, std::slice::from_ref(&void));
    let marker: Void = serde_json::from_slice(&kit.volume.get(&void).await.unwrap()).unwrap();
    assert_eq!((marker.cut, marker.why.as_str(), marker.at.millis), (gone.cut, "expired", NOW));
    // The neighbour and the data are as they were.
    assert_eq!(everything().await, before);
    let found = newest(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!(found.manifest.revision, kept.cut);
    load(&kit.volume, &kit.layout, &found.manifest).await.unwrap();
    // Again: nothing to do.
    assert_eq!(delete(&kit.volume, &kit.layout, "gone", &[gone.cut], "expired", NOW).await.unwrap().objects, 0);
}

#[tokio::test]
async fn the_marker_comes_first_and_a_failure_on_the_way_is_repaired_by_repeating() {
    let mut kit = Kit::new().await;
    kit.snapshot("kept").await;
    let (_, gone) = kit.snapshot("gone").await;
    let faults = Faults::at(&kit.definition.location);
    let faulty = open(&kit.definition).unwrap();
    let attempt = async || delete(&faulty, &kit.layout, "gone", &[gone.cut], "expired", NOW).await;
    faults.add(Rule::fail(Operation::Put, ".void"));
    assert_eq!(attempt().await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(newest(&kit.volume, &kit.layout, None).await.unwrap().manifest.name, "gone");
    faults.clear();
    faults.add(Rule::fail(Operation::Delete, "/sections/").after(1));
    let error = attempt().await.unwrap_err();
    assert!(error.chain().contains("delete section"), "{}", error.chain());
    assert_eq!(newest(&kit.volume, &kit.layout, None).await.unwrap().manifest.name, "kept");
    faults.clear();
    attempt().await.unwrap();
    assert_eq!(kit.paths(&kit.layout.snapshot_dir("gone")).await.len(), 1);
}

#[tokio::test]
async fn sections_that_a_living_manifest_of_the_directory_names_stay() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let first = kit.upload(job).await.unwrap();
    kit.event(job, JobEvent::Recut);
    let second = kit.upload(job).await.unwrap();
    let before = kit.paths(&kit.layout.sections_dir("s1")).await.len();
    let removed = delete(&kit.volume, &kit.layout, "s1", &[first.cut], "recut", NOW).await.unwrap();
    let manifest = kit.manifest("s1").await;
    assert_eq!(manifest.revision, second.cut);
    assert_eq!(kit.paths(&kit.layout.sections_dir("s1")).await.len(), manifest.sections.len());
    // The header changed between the cuts, most other sections did not: they are shared by content.
    assert!(before > manifest.sections.len() && before < 2 * manifest.sections.len(), "{before}");
    assert_eq!((removed.kept.len(), removed.undecided), (manifest.sections.len(), None));
    load(&kit.volume, &kit.layout, &manifest).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_known_is_not_deleted() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let first = kit.upload(job).await.unwrap();
    kit.event(job, JobEvent::Recut);
    let second = kit.upload(job).await.unwrap();
    kit.rewrite(&kit.manifest_path("s1", second.cut), |bytes| bytes[40] ^= 1).await;
    let sections = kit.paths(&kit.layout.sections_dir("s1")).await;
    let removed = delete(&kit.volume, &kit.layout, "s1", &[first.cut], "recut", NOW).await.unwrap();
    assert_eq!(removed.objects, 1);
    assert_eq!(removed.kept.len(), sections.len());
    assert!(removed.undecided.is_some_and(|why| why.contains("cannot read manifest")));
    assert_eq!(kit.paths(&kit.layout.sections_dir("s1")).await, sections);
}

#[tokio::test]
async fn markers_go_once_a_later_manifest_lists_the_cut() {
    let mut kit = Kit::new().await;
    let failed = kit.begin("failed");
    let dead = kit.upload(failed).await.unwrap();
    let late = kit.volume.get(&kit.manifest_path("failed", dead.cut)).await.unwrap();
    delete(&kit.volume, &kit.layout, "failed", &[dead.cut], "failed", NOW).await.unwrap();
    kit.event(failed, JobEvent::Failed { cause: "no".into() });

    let job = kit.begin("next");
    let manifest = crate::Manifest::describe(&kit.catalog, &kit.facts(job), Vec::new());
    let error = sweep_voids(&kit.volume, &kit.layout, &manifest).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(kit.paths(&kit.layout.snapshot_dir("failed")).await.len(), 1);

    kit.upload(job).await.unwrap();
    let manifest = kit.manifest("next").await;
    assert_eq!(manifest.voided_cuts.len(), 1);
    // The old leader wakes up and writes its manifest once more.
    kit.volume.put(&kit.manifest_path("failed", dead.cut), late.clone()).await.unwrap();
    let removed = sweep_voids(&kit.volume, &kit.layout, &manifest).await.unwrap();
    assert_eq!(removed.objects, 2);
    assert!(kit.paths(&kit.layout.snapshot_dir("failed")).await.is_empty());
    assert_eq!(sweep_voids(&kit.volume, &kit.layout, &manifest).await.unwrap().objects, 0);

    // And again after the marker is gone: the later manifest says that it is dead, and the next sweep takes it.
    kit.volume.put(&kit.manifest_path("failed", dead.cut), late).await.unwrap();
    let found = newest(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!((found.manifest.name.as_str(), kit.present().await.len()), ("next", 1));
    sweep_voids(&kit.volume, &kit.layout, &manifest).await.unwrap();
    assert!(kit.paths(&kit.layout.snapshot_dir("failed")).await.is_empty());
}
