//! Upload, find, load, check: what goes in comes out, and nothing that must not go in does.

use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::sync::Mutex;
use std::time::Duration;

use storage_catalog::image::{Secrets, encode};
use storage_catalog::{Command, Outcome};
use storage_model::snapshot::JobEvent;
use storage_model::{Epoch, Incarnation, Kind, UnixMillis};
use storage_volume::testing::{Effect, Faults, Operation, Rule};

use super::{KEY_ID, Kit, SECRET, identity, local, open};
use crate::check::FileCheck;
use crate::retire::void;
use crate::{check_files, load, newest, published, upload, verify_data};

#[tokio::test]
async fn a_catalog_comes_back_as_it_was_at_the_cut() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let frozen = kit.catalog.clone();
    let done = kit.upload(job).await.unwrap();
    assert_eq!(done.cut, frozen.revision());
    assert_eq!(done.path, format!("{}/3f2b6c9e-svc/meta/image/s1", kit.definition.location));
    kit.create_table("later");

    let found = newest(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!(found.manifest.sha256, done.manifest_sha256);
    assert_eq!((found.bytes, found.skipped.len()), (done.bytes, 0));
    assert_eq!(kit.present().await, [("s1".to_owned(), done.cut)]);
    let loaded = load(&kit.volume, &kit.layout, &found.manifest).await.unwrap();
    assert_eq!(encode(&loaded, Secrets::Omit).unwrap(), encode(&frozen, Secrets::Omit).unwrap());

    let all = FileCheck { files: 2, bytes: 43 };
    assert_eq!(check_files(&loaded, &BTreeMap::new(), open).await.unwrap(), all);
    let seen = Mutex::new(Vec::new());
    let verified = verify_data(&loaded, &BTreeMap::new(), open, |p| seen.lock().unwrap().push(p)).await.unwrap();
    assert_eq!(verified, all);
    let last = *seen.lock().unwrap().last().unwrap();
    assert_eq!((last.sections_done, last.sections, last.bytes_done, last.bytes), (2, 2, 43, 43));
}

#[tokio::test]
async fn dropped_files_are_not_asked_for_and_those_of_the_recycle_bin_are() {
    let mut kit = Kit::new().await;
    kit.create_table("gone");
    let gone = kit.load("gone", b"of a table that is dropped for good", 1).await;
    kit.create_table("binned");
    let binned = kit.load("binned", b"of a table that can come back", 1).await;
    for (table, force) in [("gone", true), ("binned", false)] {
        kit.apply(Command::DropTable { database: "shop".into(), table: table.into(), if_exists: false, force });
    }
    kit.delete(&gone).await;
    assert_eq!(check_files(&kit.catalog, &BTreeMap::new(), open).await.unwrap().files, 3);
    kit.delete(&binned).await;
    let problems = check_files(&kit.catalog, &BTreeMap::new(), open).await.unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].object, binned);
}

#[tokio::test]
async fn no_secret_is_in_any_uploaded_byte() {
    let mut kit = Kit::new().await;
    assert_eq!(kit.catalog.volume_by_name("vault").unwrap().properties["aws.s3.secret_key"], SECRET);
    kit.snapshot("s1").await;
    for path in kit.paths("").await {
        let bytes = kit.volume.get(&path).await.unwrap();
        for secret in [SECRET, KEY_ID] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{path}");
        }
    }
    // Sections are compressed: look into them too.
    let manifest = kit.manifest("s1").await;
    let loaded = load(&kit.volume, &kit.layout, &manifest).await.unwrap();
    let kept = &loaded.volume_by_name("vault").unwrap().properties;
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["aws.s3.region"]);
    assert_eq!(manifest.missing_secrets.len(), 1);
    assert_eq!(manifest.missing_secrets[0].volume, "vault");
    assert_eq!(manifest.missing_secrets[0].properties, ["aws.s3.access_key", "aws.s3.secret_key"]);
}

#[tokio::test]
async fn progress_tells_how_far_it_is() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let seen = Mutex::new(Vec::new());
    let progress = |p| seen.lock().unwrap().push(p);
    upload(&kit.volume, &kit.layout, &kit.catalog, &kit.facts(job), progress, pending()).await.unwrap();
    let seen = seen.into_inner().unwrap();
    let last = seen[seen.len() - 1];
    // First they are counted, then sent.
    let (counted, sent) = seen.split_at(last.sections as usize);
    assert!(counted.iter().all(|p| p.sections_done == 0 && p.bytes_done == 0), "{counted:?}");
    let first = sent[0];
    assert_eq!((counted[counted.len() - 1].sections, counted[counted.len() - 1].bytes), (first.sections, first.bytes));
    assert_eq!((first.sections_done, first.bytes_done), (0, 0));
    assert_eq!((last.sections_done, last.bytes_done), (first.sections, first.bytes));
    assert_eq!(sent.len() as u64, first.sections + 1);
    assert_eq!(last.detail(), format!("uploading {0}/{0} sections, 1 of 1 MiB", first.sections));
}

#[tokio::test]
async fn a_repeated_upload_writes_nothing_and_an_interrupted_one_goes_on() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let faults = Faults::at(&kit.definition.location);
    let faulty = open(&kit.definition).unwrap();
    let facts = kit.facts(job);
    let again = || upload(&faulty, &kit.layout, &kit.catalog, &facts, |_| (), pending());

    // The store goes away after three sections.
    faults.add(Rule::fail(Operation::Put, "sections/").after(3));
    let error = again().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.chain().contains("injected fault") && error.chain().contains("sections/"), "{}", error.chain());
    let half = kit.paths(&kit.layout.snapshot_dir("s1")).await;
    assert!(half.iter().all(|p| p.contains("/sections/")), "{half:?}");
    assert_eq!(published(&kit.volume, &kit.layout, "s1", &[kit.catalog.revision()]).await.unwrap(), None);

    faults.clear();
    let done = again().await.unwrap();
    // Only the manifest is gone: only the manifest is written.
    kit.delete(&kit.manifest_path("s1", done.cut)).await;
    let written = faults.seen(Operation::Put);
    assert_eq!(again().await.unwrap(), done);
    assert_eq!(faults.seen(Operation::Put), written + 1);
    // From here on a write would fail.
    faults.add(Rule::fail(Operation::Put, ""));
    assert_eq!(again().await.unwrap(), done);
    assert_eq!(published(&kit.volume, &kit.layout, "s1", &[done.cut]).await.unwrap(), Some(done.clone()));
    assert_eq!(published(&kit.volume, &kit.layout, "s1", &[done.cut.next()]).await.unwrap(), None);
}

#[tokio::test]
async fn a_lost_answer_to_the_manifest_is_settled_by_asking() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let faults = Faults::at(&kit.definition.location);
    let faulty = open(&kit.definition).unwrap();
    faults.add(Rule::new(Operation::Put, ".manifest.json", Effect::LoseAnswer("the line was cut".into())));
    let facts = kit.facts(job);
    let error = upload(&faulty, &kit.layout, &kit.catalog, &facts, |_| (), pending()).await.unwrap_err();
    assert!(error.chain().contains("the line was cut"), "{}", error.chain());
    let done = published(&kit.volume, &kit.layout, "s1", &[kit.catalog.revision()]).await.unwrap().unwrap();
    assert_eq!(done.manifest_sha256, kit.manifest("s1").await.sha256);
}

#[tokio::test]
async fn a_cancelled_upload_leaves_no_manifest() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let facts = kit.facts(job);
    let error = upload(&kit.volume, &kit.layout, &kit.catalog, &facts, |_| (), ready(())).await.unwrap_err();
    assert_eq!((error.kind(), error.detail.as_str()), (Kind::Conflict, "it was cancelled"));
    assert!(kit.paths(&kit.layout.snapshot_dir("s1")).await.iter().all(|p| !p.ends_with(".manifest.json")));
}

#[tokio::test]
async fn a_cut_that_is_voided_while_it_is_uploaded_gets_no_manifest() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let facts = kit.facts(job);
    let void = kit.dir.path().join(kit.layout.void("s1", kit.catalog.revision()));
    // Another leader gives the job up when the first section is there.
    let progress = |_| {
        std::fs::create_dir_all(void.parent().unwrap()).unwrap();
        std::fs::write(&void, b"{}").unwrap();
    };
    let error = upload(&kit.volume, &kit.layout, &kit.catalog, &facts, progress, pending()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(kit.paths(&kit.layout.snapshot_dir("s1")).await.iter().all(|p| !p.ends_with(".manifest.json")));
}

#[tokio::test]
async fn a_root_that_another_claims_during_an_upload_gets_no_manifest() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let facts = kit.facts(job);
    let claim = kit.dir.path().join(kit.layout.claim(Epoch(9), &Incarnation("ef".repeat(16))));
    let progress = |_| {
        std::fs::create_dir_all(claim.parent().unwrap()).unwrap();
        std::fs::write(&claim, b"{}").unwrap();
    };
    let error = upload(&kit.volume, &kit.layout, &kit.catalog, &facts, progress, pending()).await.unwrap_err();
    assert!(error.kind() == Kind::Conflict && error.detail.contains("of epoch 9 owns"), "{error:?}");
    assert!(kit.paths(&kit.layout.snapshot_dir("s1")).await.iter().all(|p| !p.ends_with(".manifest.json")));
}

#[tokio::test]
async fn a_cut_that_is_voided_while_its_manifest_is_written_is_not_reported_as_uploaded() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let facts = kit.facts(job);
    let faults = Faults::at(&kit.definition.location);
    let faulty = open(&kit.definition).unwrap();
    faults.add(Rule::new(Operation::Put, ".manifest.json", Effect::Delay(Duration::from_millis(300))));
    let uploading = upload(&faulty, &kit.layout, &kit.catalog, &facts, |_| (), pending());
    let voiding = async {
        while faults.struck() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        void(&kit.volume, &kit.layout, "s1", kit.catalog.revision(), "a test", UnixMillis(1)).await.unwrap();
    };
    let (uploaded, ()) = tokio::join!(uploading, voiding);
    assert_eq!(uploaded.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(published(&kit.volume, &kit.layout, "s1", &[kit.catalog.revision()]).await.unwrap(), None);
}

#[tokio::test]
async fn the_manifest_is_the_same_whoever_writes_it() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let one = kit.upload(job).await.unwrap();
    let bytes = kit.volume.get(&kit.manifest_path("s1", one.cut)).await.unwrap();
    // The next leader found a damaged manifest: it writes the very same bytes.
    kit.rewrite(&kit.manifest_path("s1", one.cut), |b| b.truncate(100)).await;
    assert_eq!(kit.upload(job).await.unwrap(), one);
    assert_eq!(kit.volume.get(&kit.manifest_path("s1", one.cut)).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_manifest_of_another_incarnation_is_not_written_over() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let before = kit.catalog.clone();
    kit.upload(job).await.unwrap();
    kit.catalog = before;
    kit.catalog.header.identity.incarnation.0 = "ffff".repeat(8);
    let error = kit.upload(job).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.chain().contains(identity().incarnation.as_str()), "{}", error.chain());
}

#[tokio::test]
async fn data_is_looked_for_where_the_plan_has_moved_it() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let moved = tempfile::tempdir().unwrap();
    let elsewhere = local("main", moved.path());
    let target = open(&elsewhere).unwrap();
    let overrides = BTreeMap::from([("main".to_owned(), elsewhere)]);
    let problems = check_files(&kit.catalog, &overrides, open).await.unwrap_err();
    assert_eq!(problems.len(), 2);
    for path in kit.paths("").await {
        target.put(&path, kit.volume.get(&path).await.unwrap()).await.unwrap();
    }
    assert_eq!(check_files(&kit.catalog, &overrides, open).await.unwrap().files, 2);
}

#[tokio::test]
async fn the_facts_come_from_the_frozen_catalog() {
    let mut kit = Kit::new().await;
    let (_, first) = kit.snapshot("s1").await;
    let failed = kit.begin("s2");
    let dead = kit.catalog.revision();
    kit.event(failed, JobEvent::Failed { cause: "no".into() });
    let job = kit.begin("s3");
    let superseded = kit.catalog.revision();
    kit.event(job, JobEvent::Recut);
    let facts = kit.facts(job);
    let predecessor = facts.predecessor.unwrap();
    assert_eq!((predecessor.name.as_str(), predecessor.cut), ("s1", first.cut));
    let voided: Vec<_> = facts.voided_cuts.iter().map(|v| (v.name.as_str(), v.cut)).collect();
    assert_eq!(voided, [("s2", dead), ("s3", superseded)]);
    assert!(matches!(kit.apply(Command::LeaseTxns { count: 1 }), Outcome::Txns { .. }));
}
