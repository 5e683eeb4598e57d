//! Which snapshot is taken, which are passed over, and why.

use storage_model::snapshot::JobEvent;
use storage_model::{Epoch, Kind, Revision, UnixMillis};
use storage_volume::testing::{Faults, Operation, Rule};

use super::{Kit, open};
use crate::retire::void;
use crate::{CandidateState, Manifest, at_cut, candidates, newest};

impl Kit {
    /// What an upload that was killed leaves.
    async fn partial(&mut self, name: &str) -> Revision {
        let job = self.begin(name);
        let done = self.upload(job).await.unwrap();
        self.delete(&self.manifest_path(name, done.cut)).await;
        self.event(job, JobEvent::Uploaded { cut: done.cut, sha256: String::new(), bytes: 0 });
        done.cut
    }

    async fn void(&self, name: &str, cut: Revision) {
        void(&self.volume, &self.layout, name, cut, "a test", UnixMillis(1)).await.unwrap();
    }

    /// Writes a manifest that says something else.
    async fn reissue(&self, name: &str, change: impl FnOnce(&mut Manifest)) {
        let mut manifest = self.manifest(name).await;
        change(&mut manifest);
        manifest.sha256 = manifest.hash();
        let path = self.manifest_path(name, manifest.revision);
        self.volume.put(&path, manifest.to_bytes().unwrap().into()).await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_partial_one_is_reported_and_the_older_taken() {
    let mut kit = Kit::new().await;
    let (_, old) = kit.snapshot("automated_cluster_snapshot_1000").await;
    kit.partial("automated_cluster_snapshot_900").await;
    kit.partial("automated_cluster_snapshot_1100").await;
    let found = newest(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!((found.manifest.name.as_str(), found.manifest.revision), ("automated_cluster_snapshot_1000", old.cut));
    assert_eq!(found.skipped.len(), 1);
    assert_eq!(found.skipped[0].name, "automated_cluster_snapshot_1100");
    assert!(found.skipped[0].to_string().contains("is PARTIAL: it has no manifest"), "{}", found.skipped[0]);
    assert_eq!(kit.present().await, [("automated_cluster_snapshot_1000".to_owned(), old.cut)]);
}

#[tokio::test]
async fn a_newer_broken_one_is_reported_and_an_older_is_not() {
    let mut kit = Kit::new().await;
    let (_, first) = kit.snapshot("a").await;
    let (_, second) = kit.snapshot("b").await;
    let (_, third) = kit.snapshot("c").await;
    for (name, cut) in [("a", first.cut), ("c", third.cut)] {
        let manifest = kit.manifest(name).await;
        let own = manifest.sections.iter().find(|s| s.path.contains(&format!("/{name}/"))).unwrap();
        kit.delete(&kit.layout.in_root(&own.path)).await;
        assert_eq!(manifest.revision, cut);
    }
    let found = newest(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!(found.manifest.revision, second.cut);
    let skipped: Vec<_> = found.skipped.iter().map(|s| (s.name.as_str(), s.cut)).collect();
    assert_eq!(skipped, [("c", Some(third.cut))]);
    assert!(found.skipped[0].why.contains("is missing"));

    // Not even readable.
    kit.rewrite(&kit.manifest_path("c", third.cut), |bytes| bytes.truncate(50)).await;
    let found = newest(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!(found.manifest.revision, second.cut);
    assert!(found.skipped[0].why.starts_with("BROKEN: cannot read manifest"), "{}", found.skipped[0]);
}

#[tokio::test]
async fn an_exact_path_is_taken_or_refused_with_its_reason() {
    let mut kit = Kit::new().await;
    let (_, old) = kit.snapshot("old").await;
    kit.snapshot("new").await;
    let cut = kit.partial("half").await;
    let named = async |name: &str| newest(&kit.volume, &kit.layout, Some(name)).await;
    assert_eq!(named("old").await.unwrap().manifest.revision, old.cut);
    assert_eq!(kit.present().await.len(), 2);

    let error = named("half").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.chain().contains("meta/image/half") && error.chain().contains("has no manifest"), "{error}");
    kit.void("half", cut).await;
    let error = named("half").await.unwrap_err();
    assert!(error.chain().contains("VOIDED"), "{error}");
    kit.void("old", old.cut).await;
    assert!(named("old").await.unwrap_err().chain().contains("VOIDED"));
    assert_eq!(named("none").await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_void_marker_kills_a_manifest_whatever_else_is_there() {
    let mut kit = Kit::new().await;
    let (_, old) = kit.snapshot("old").await;
    let (_, new) = kit.snapshot("new").await;
    kit.void("new", new.cut).await;
    let found = newest(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!(found.manifest.revision, old.cut);
    assert!(found.skipped.is_empty() && kit.present().await.iter().all(|(name, _)| name != "new"));
    let all = candidates(&kit.volume, &kit.layout, Some("new")).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].cut, &all[0].state), (Some(new.cut), &CandidateState::Voided));
}

#[tokio::test]
async fn of_several_cuts_in_a_directory_the_greatest_that_lives_is_taken() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    let first = kit.upload(job).await.unwrap();
    kit.event(job, JobEvent::Recut);
    let second = kit.upload(job).await.unwrap();
    assert!(second.cut > first.cut);
    let cut = async || newest(&kit.volume, &kit.layout, Some("s1")).await.map(|f| f.manifest.revision);
    // The manifest of the recut lists the first cut as void: no marker is needed.
    assert_eq!(cut().await.unwrap(), second.cut);
    let all = candidates(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!(all.iter().map(|c| c.is_complete()).collect::<Vec<_>>(), [false, true]);
    // The second is dead: the first lives again.
    kit.void("s1", second.cut).await;
    assert_eq!(cut().await.unwrap(), first.cut);
    kit.void("s1", first.cut).await;
    assert_eq!(cut().await.unwrap_err().kind(), Kind::Invalid);
}

/// Timelines may share a name: then the cut says which is meant.
#[tokio::test]
async fn of_two_snapshots_of_a_name_the_cut_tells_which() {
    let mut kit = Kit::new().await;
    let (job, first) = kit.snapshot("s1").await;
    kit.event(job, JobEvent::Retire);
    kit.event(job, JobEvent::Deleted);
    // As if this were another timeline: the first is in the store, and nothing here knows it.
    let (_, second) = kit.snapshot("s1").await;
    let found = async |cut| at_cut(&kit.volume, &kit.layout, "s1", cut).await.map(|f| f.manifest.revision);
    assert_eq!(found(first.cut).await.unwrap(), first.cut);
    assert_eq!(found(second.cut).await.unwrap(), second.cut);
    assert_eq!(found(second.cut.next()).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(kit.manifest("s1").await.revision, second.cut);
    let names = kit.present().await;
    assert_eq!(names, [("s1".to_owned(), first.cut), ("s1".to_owned(), second.cut)]);
}

#[tokio::test]
async fn a_rebase_is_told_what_the_manifest_says() {
    let mut kit = Kit::new().await;
    let (_, done) = kit.snapshot("s1").await;
    let manifest = kit.manifest("s1").await;
    let roots = [(storage_model::VolumeId(7), kit.volume.clone())].into();
    let found = crate::present(&roots, &kit.layout).await.unwrap().remove(&storage_model::VolumeId(7)).unwrap();
    assert_eq!(found.len(), 1);
    let told = &found[0];
    assert_eq!((told.name.as_str(), told.cut, told.bytes), ("s1", done.cut, done.bytes));
    assert_eq!((&told.incarnation, &told.sha256), (&manifest.incarnation, &done.manifest_sha256));
    assert_eq!((told.starmgr_id, told.comment.as_str()), (manifest.starmgr_id, "before the move"));
    assert_eq!((told.created_at, told.finished_at), (manifest.created.millis, manifest.cut_at.millis));
}

#[tokio::test]
async fn a_voided_cut_is_not_uploaded_again() {
    let mut kit = Kit::new().await;
    let job = kit.begin("s1");
    kit.void("s1", kit.catalog.revision()).await;
    let error = kit.upload(job).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.chain().contains("has voided the cut"), "{error}");
    assert_eq!(kit.paths(&kit.layout.snapshot_dir("s1")).await.len(), 1);
}

#[tokio::test]
async fn the_epoch_goes_before_the_revision() {
    let mut kit = Kit::new().await;
    let (_, old) = kit.snapshot("of_the_living").await;
    kit.snapshot("of_the_dead").await;
    kit.reissue("of_the_living", |m| m.epoch = Epoch(2)).await;
    let found = newest(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!((found.manifest.epoch, found.manifest.revision), (Epoch(2), old.cut));
}

#[tokio::test]
async fn a_manifest_in_the_wrong_place_is_broken() {
    let mut kit = Kit::new().await;
    let (_, done) = kit.snapshot("s1").await;
    let bytes = kit.volume.get(&kit.manifest_path("s1", done.cut)).await.unwrap();
    kit.volume.put(&kit.manifest_path("s2", done.cut), bytes.clone()).await.unwrap();
    kit.volume.put(&kit.manifest_path("s1", done.cut.next()), bytes).await.unwrap();
    let all = candidates(&kit.volume, &kit.layout, None).await.unwrap();
    let broken =
        all.iter().filter(|c| matches!(&c.state, CandidateState::Broken { why } if why.contains("that of s1")));
    assert_eq!((all.len(), broken.count()), (3, 2));
    assert_eq!(newest(&kit.volume, &kit.layout, None).await.unwrap().manifest.revision, done.cut);
    kit.reissue("s1", |m| m.service_id.0 = "another".into()).await;
    assert!(newest(&kit.volume, &kit.layout, Some("s1")).await.unwrap_err().chain().contains("of service another"));
}

#[tokio::test]
async fn an_empty_root_and_a_store_that_is_away_are_different_errors() {
    let kit = Kit::new().await;
    assert_eq!(newest(&kit.volume, &kit.layout, None).await.unwrap_err().kind(), Kind::NotFound);
    let faults = Faults::at(&kit.definition.location);
    let faulty = open(&kit.definition).unwrap();
    faults.add(Rule::fail(Operation::List, ""));
    assert_eq!(newest(&faulty, &kit.layout, None).await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_now_is_not_passed_over() {
    let mut kit = Kit::new().await;
    kit.snapshot("old").await;
    kit.snapshot("new").await;
    let faults = Faults::at(&kit.definition.location);
    let faulty = open(&kit.definition).unwrap();
    faults.add(Rule::fail(Operation::Get, "image/new/"));
    assert_eq!(newest(&faulty, &kit.layout, None).await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_manifest_of_a_newer_format_is_kept_as_one_of_another_timeline() {
    let mut kit = Kit::new().await;
    let (_, done) = kit.snapshot("s1").await;
    let path = kit.manifest_path("s1", done.cut);
    let version = format!("\"format_version\": {}", crate::manifest::FORMAT_VERSION);
    kit.rewrite(&path, |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(&version));
        *bytes = text.replacen(&version, "\"format_version\": 99", 1).into_bytes();
    })
    .await;
    let found = crate::candidates(&kit.volume, &kit.layout, None).await.unwrap();
    assert!(found.len() == 1 && found[0].is_newer() && !found[0].is_complete(), "{found:?}");
    let roots = std::collections::BTreeMap::from([(storage_model::VolumeId(1), kit.volume.clone())]);
    let present = crate::present(&roots, &kit.layout).await.unwrap().into_values().flatten().collect::<Vec<_>>();
    assert_eq!((present[0].name.as_str(), present[0].cut, present[0].incarnation.as_str()), ("s1", done.cut, ""));
    assert_eq!(present[0].sha256, done.manifest_sha256);
    let error = crate::newest(&kit.volume, &kit.layout, Some("s1")).await.unwrap_err();
    assert!(error.chain().contains("use a newer starkeep"), "{}", error.chain());
}
