//! Copies: what is copied, in what order, what is refused, and that a copy which was stopped goes on.

use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::path::Path;
use std::sync::Mutex;

use storage_catalog::{Command, TableDraft, VolumeDraft};
use storage_model::{Epoch, Incarnation, Kind, UnixMillis, VolumeType};
use storage_volume::testing::{Effect, Faults, Operation, Rule};
use storage_volume::{Volume, piece_size};
use tempfile::TempDir;

use super::{Kit, local, open};
use crate::copy::{Copied, Copy, CopyProgress, copy};
use crate::owner::{self, OwnerFacts};
use crate::place::Source;
use crate::report::verify;
use crate::retire::void;
use crate::{CandidateState, SnapshotError, candidates, load};

/// A target directory, and what is asked of a copy.
struct Target {
    dir: TempDir,
    source: Source,
    to: Source,
    with_data: bool,
    dry_run: bool,
    force: bool,
    said: Mutex<Vec<String>>,
    shown: Mutex<Vec<CopyProgress>>,
}

impl Target {
    fn of(kit: &Kit) -> Target {
        let dir = tempfile::tempdir().unwrap();
        Target {
            source: Source::at(&kit.definition.location),
            to: Source::at(&location(dir.path())),
            dir,
            with_data: false,
            dry_run: false,
            force: false,
            said: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    async fn copy(&self) -> Result<Copied, SnapshotError> {
        self.copy_until(pending()).await
    }

    async fn copy_until(&self, cancel: impl Future<Output = ()>) -> Result<Copied, SnapshotError> {
        let request = Copy {
            source: &self.source,
            target: &self.to,
            with_data: self.with_data,
            dry_run: self.dry_run,
            force: self.force,
            files_at_once: 2,
            facts: OwnerFacts::new("a test", UnixMillis(1), "0.1.0"),
            say: &|text| self.said.lock().unwrap().push(text.to_owned()),
            progress: &|progress| self.shown.lock().unwrap().push(progress),
        };
        copy(&request, cancel).await
    }

    async fn refusal(&self) -> SnapshotError {
        self.copy().await.expect_err("it was copied")
    }

    fn volume(&self) -> Volume {
        open(&local("target", self.dir.path())).unwrap()
    }

    async fn paths(&self) -> Vec<String> {
        self.volume().list("").await.unwrap().into_iter().map(|o| o.path).collect()
    }

    fn has_said(&self, part: &str) -> bool {
        self.said.lock().unwrap().iter().any(|text| text.contains(part))
    }
}

fn location(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

async fn holds(volume: &Volume, kit: &Kit) -> usize {
    owner::owner_names(volume, &kit.layout).await.unwrap().holds.len()
}

fn has_manifest(paths: &[String]) -> bool {
    paths.iter().any(|path| path.ends_with(".manifest.json"))
}

#[tokio::test]
async fn a_copy_is_the_snapshot_with_its_closure_and_nothing_else() {
    let mut kit = Kit::new().await;
    kit.snapshot("old").await;
    kit.load("orders", b"of the second snapshot only", 2).await;
    kit.snapshot("s1").await;
    kit.load("orders", b"of no snapshot", 2).await;
    let facts = OwnerFacts::new("the owner", UnixMillis(1), "0.1.0");
    let identity = super::identity();
    owner::claim(&kit.volume, &kit.layout, identity.epoch, &identity.incarnation, &facts).await.unwrap();
    let target = Target::of(&kit);
    let copied = target.copy().await.unwrap();
    assert_eq!(
        (copied.name.as_str(), copied.files.files, copied.copied, copied.was_there),
        ("s1", 3, copied.files, false)
    );
    assert_eq!(copied.target, format!("{}/{}", location(target.dir.path()), kit.layout.snapshot_dir("s1")));
    assert_eq!((copied.storage_volume.as_str(), copied.roots.len()), ("main", 1));
    assert_eq!((copied.roots[0].volume.as_str(), copied.roots[0].copied), ("main", copied.files));
    assert_eq!(copied.sections_copied as usize, kit.manifest("s1").await.sections.len());

    let (there, here) = (target.paths().await, kit.paths("").await);
    assert!(there.iter().all(|path| here.contains(path)), "{there:?}");
    assert!(!there.iter().any(|path| path.contains("/owner/") || path.contains("/old/")), "{there:?}");
    assert_eq!(there.iter().filter(|path| path.ends_with(".parquet")).count(), 3);
    for path in &there {
        assert_eq!(target.volume().get(path).await.unwrap(), kit.volume.get(path).await.unwrap(), "{path}");
    }
    let verified = verify(&target.to, true, |_| ()).await.unwrap();
    assert!(verified.problems.is_empty() && verified.files.files == 3, "{:?}", verified.problems);
    assert!(target.has_said("holding") && holds(&kit.volume, &kit).await == 0);
    let last = *target.shown.lock().unwrap().last().unwrap();
    let all = CopyProgress { files_done: 3, files: 3, bytes_done: copied.files.bytes, bytes: copied.files.bytes };
    assert_eq!(last, all);
}

#[tokio::test]
async fn the_next_copy_takes_only_what_is_new() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let target = Target::of(&kit);
    target.copy().await.unwrap();
    let writes = Faults::at(&target.to.location);
    let again = target.copy().await.unwrap();
    assert!(again.was_there && again.sections_copied == 0 && again.copied.files == 0, "{again:?}");
    assert_eq!(writes.seen(Operation::Put), 0, "nothing was written");

    kit.load("orders", b"new", 1).await;
    kit.snapshot("s2").await;
    let next = target.copy().await.unwrap();
    assert_eq!((next.copied.files, next.copied.bytes, next.files.files, next.was_there), (1, 3, 3, false));
    let found = candidates(&target.volume(), &kit.layout, None).await.unwrap();
    assert!(found.len() == 2 && found.iter().all(|c| c.state == CandidateState::Complete), "{found:?}");
}

#[tokio::test]
async fn a_section_in_the_directory_of_another_snapshot_is_copied_where_the_manifest_names_it() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    kit.snapshot("s2").await;
    let mut manifest = kit.manifest("s2").await;
    let shared = manifest.sections[0].path.clone();
    let moved = shared.replace("/s2/", "/s1/");
    let bytes = kit.volume.get(&kit.layout.in_root(&shared)).await.unwrap();
    kit.volume.put(&kit.layout.in_root(&moved), bytes).await.unwrap();
    kit.delete(&kit.layout.in_root(&shared)).await;
    manifest.sections[0].path = moved.clone();
    manifest.sha256 = manifest.hash();
    let bytes = manifest.to_bytes().unwrap();
    kit.volume.put(&kit.manifest_path("s2", manifest.revision), bytes.into()).await.unwrap();
    let target = Target::of(&kit);
    assert_eq!(target.copy().await.unwrap().name, "s2");
    assert!(target.paths().await.contains(&kit.layout.in_root(&moved)));
    load(&target.volume(), &kit.layout, &manifest).await.unwrap();
}

#[tokio::test]
async fn the_manifest_is_copied_byte_for_byte_even_when_it_says_more_than_we_know() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let path = kit.manifest_path("s1", kit.manifest("s1").await.revision);
    kit.rewrite(&path, |bytes| {
        let mut value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        value["something_new"] = "of a later version".into();
        value["sha256"] = crate::manifest::hash_of(&value).into();
        *bytes = serde_json::to_vec(&value).unwrap();
    })
    .await;
    let target = Target::of(&kit);
    target.copy().await.unwrap();
    assert_eq!(target.volume().get(&path).await.unwrap(), kit.volume.get(&path).await.unwrap());
}

#[tokio::test]
async fn damage_in_the_source_is_named_and_there_is_no_manifest() {
    let mut kit = Kit::new().await;
    let flipped = kit.load("orders", b"a bit will flip", 1).await;
    let short = kit.load("orders", b"the end will go", 1).await;
    let gone = kit.load("orders", b"all of it will go", 1).await;
    kit.snapshot("s1").await;
    kit.rewrite(&flipped, |bytes| bytes[3] ^= 1).await;
    kit.rewrite(&short, |bytes| bytes.truncate(5)).await;
    let kept = kit.volume.get(&gone).await.unwrap();
    kit.delete(&gone).await;
    let target = Target::of(&kit);
    let copied = target.copy().await.unwrap();
    let mut named: Vec<_> = copied.problems.iter().map(|p| p.object.as_str()).collect();
    named.sort();
    let mut expected = [flipped.as_str(), short.as_str(), gone.as_str()];
    expected.sort();
    assert_eq!(named, expected);
    assert!(copied.problems.iter().all(|p| p.volume == "main" && !p.unreachable), "{:?}", copied.problems);
    assert_eq!(copied.copied.files, 2, "what is whole is copied");
    let paths = target.paths().await;
    assert!(!has_manifest(&paths) && !expected.iter().any(|path| paths.iter().any(|p| p == path)), "{paths:?}");
    assert_eq!(holds(&kit.volume, &kit).await, 0);

    kit.volume.put(&gone, kept).await.unwrap();
    kit.rewrite(&flipped, |bytes| bytes[3] ^= 1).await;
    kit.rewrite(&short, |bytes| bytes.extend_from_slice(b"nd will go")).await;
    let copied = target.copy().await.unwrap();
    assert_eq!((copied.problems.len(), copied.copied.files), (0, 3));
    assert!(has_manifest(&target.paths().await));
}

#[tokio::test]
async fn with_data_a_damaged_copy_is_mended() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let mut target = Target::of(&kit);
    target.copy().await.unwrap();
    let paths = target.paths().await;
    let victims = ["/sections/", ".parquet"].map(|part| paths.iter().find(|path| path.contains(part)).unwrap());
    for victim in victims {
        let mut bytes = target.volume().get(victim).await.unwrap().to_vec();
        bytes[2] ^= 1;
        target.volume().put(victim, bytes.into()).await.unwrap();
    }
    let copied = target.copy().await.unwrap();
    assert_eq!((copied.copied.files, copied.sections_copied), (0, 1), "sections are always read");
    target.with_data = true;
    let copied = target.copy().await.unwrap();
    assert_eq!((copied.copied.files, copied.sections_copied), (1, 0));
    assert!(target.has_said(victims[1]));
    assert!(verify(&target.to, true, |_| ()).await.unwrap().problems.is_empty());
    // One of another size is seen by its size.
    target.volume().put(victims[1], "short".into()).await.unwrap();
    target.with_data = false;
    assert_eq!(target.copy().await.unwrap().copied.files, 1);
}

#[tokio::test]
async fn a_store_that_fails_ends_the_copy_and_the_next_one_goes_on() {
    let mut kit = Kit::new().await;
    let last = kit.load("orders", b"and one more", 1).await;
    kit.snapshot("s1").await;
    let target = Target::of(&kit);
    let faults = Faults::at(&target.to.location);
    // One failure is asked again, one lost answer too.
    faults.add(Rule::fail(Operation::Put, ".parquet").times(1));
    faults.add(Rule::new(Operation::Put, &last, Effect::LoseAnswer("timed out".into())).times(1));
    faults.add(Rule::fail(Operation::Put, "/sections/"));
    let error = target.refusal().await;
    assert!(error.kind() == Kind::Unavailable && error.chain().contains("/sections/"), "{}", error.chain());
    let paths = target.paths().await;
    assert_eq!((paths.iter().filter(|p| p.ends_with(".parquet")).count(), has_manifest(&paths)), (3, false));
    assert_eq!(holds(&kit.volume, &kit).await, 0, "the hold goes on an error too");
    faults.clear();
    faults.add(Rule::fail(Operation::Put, ".manifest.json"));
    assert_eq!(target.refusal().await.kind(), Kind::Unavailable);
    assert!(!has_manifest(&target.paths().await));
    faults.clear();
    let copied = target.copy().await.unwrap();
    assert_eq!((copied.copied.files, copied.sections_copied, copied.was_there), (0, 0, false));
    assert!(verify(&target.to, true, |_| ()).await.unwrap().problems.is_empty());
}

#[tokio::test]
async fn copies_that_overlap_hold_each_for_itself() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let target = Target::of(&kit);
    // Another copy to the same place is under way: its hold is young. So is one to somewhere else.
    let facts = OwnerFacts::new("h", UnixMillis(1), "0.1.0");
    let others = ["ab".repeat(16), "cd".repeat(16)].map(storage_model::Incarnation);
    for other in &others {
        owner::hold(&kit.volume, &kit.layout, other, &facts).await.unwrap();
    }
    target.copy().await.unwrap();
    target.copy().await.unwrap();
    assert_eq!(holds(&kit.volume, &kit).await, 2, "neither is taken away");
}

#[tokio::test]
async fn a_cancelled_copy_lets_go_of_its_hold() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let target = Target::of(&kit);
    let error = target.copy_until(ready(())).await.unwrap_err();
    assert!(error.kind() == Kind::Conflict && error.chain().contains("cancelled"), "{}", error.chain());
    assert!(!has_manifest(&target.paths().await));
    assert_eq!(holds(&kit.volume, &kit).await, 0);
    target.copy().await.unwrap();
}

#[tokio::test]
async fn a_source_that_cannot_be_held_is_copied_and_that_is_said() {
    let mut kit = Kit::new().await;
    let faults = Faults::at(&kit.definition.location);
    kit.snapshot("s1").await;
    faults.add(Rule::fail(Operation::Put, ""));
    let target = Target::of(&kit);
    target.copy().await.unwrap();
    assert!(target.has_said("cannot be held"));
    assert!(!target.has_said("holding"));
}

#[tokio::test]
async fn a_voided_cut_is_refused_on_either_side() {
    let mut kit = Kit::new().await;
    let (_, done) = kit.snapshot("s1").await;
    let target = Target::of(&kit);
    void(&target.volume(), &kit.layout, "s1", done.cut, "a test", UnixMillis(1)).await.unwrap();
    let error = target.refusal().await;
    assert!(error.kind() == Kind::Conflict && error.chain().contains("is voided there"), "{}", error.chain());
    assert_eq!(target.paths().await, [kit.layout.void("s1", done.cut)], "nothing was copied");

    let mut target = Target::of(&kit);
    void(&kit.volume, &kit.layout, "s1", done.cut, "a test", UnixMillis(1)).await.unwrap();
    target.source.location = done.path;
    let error = target.refusal().await;
    assert!(error.chain().contains("VOIDED"), "{}", error.chain());
    assert_eq!(target.paths().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_snapshot_that_is_retired_meanwhile_gets_no_manifest() {
    let mut kit = Kit::new().await;
    let (_, done) = kit.snapshot("s1").await;
    let target = Target::of(&kit);
    let marker = kit.layout.void("s1", done.cut);
    let path = kit.dir.path().join(&marker);
    let request = Copy {
        source: &target.source,
        target: &target.to,
        with_data: false,
        dry_run: false,
        force: false,
        files_at_once: 1,
        facts: OwnerFacts::new("a test", UnixMillis(1), "0.1.0"),
        say: &|_| (),
        // The source's owner did not see the hold in time.
        progress: &|_| std::fs::write(&path, "{}").unwrap(),
    };
    let error = copy(&request, pending()).await.unwrap_err();
    assert!(error.chain().contains("VOIDED"), "{}", error.chain());
    assert!(!has_manifest(&target.paths().await));
}

#[tokio::test]
async fn another_manifest_of_the_same_cut_is_not_overwritten_and_a_damaged_one_is() {
    let mut kit = Kit::new().await;
    let (_, done) = kit.snapshot("s1").await;
    let target = Target::of(&kit);
    let path = kit.manifest_path("s1", done.cut);
    let mut other = kit.manifest("s1").await;
    other.incarnation = Incarnation("ffff".to_owned());
    other.sha256 = other.hash();
    target.volume().put(&path, other.to_bytes().unwrap().into()).await.unwrap();
    let error = target.refusal().await;
    assert!(error.kind() == Kind::Conflict && error.chain().contains("by incarnation ffff"), "{}", error.chain());
    target.volume().put(&path, "half of".into()).await.unwrap();
    target.copy().await.unwrap();
    assert_eq!(target.volume().get(&path).await.unwrap(), kit.volume.get(&path).await.unwrap());
}

#[tokio::test]
async fn a_root_that_a_cluster_has_claimed_is_copied_into_only_by_force_and_held() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let mut target = Target::of(&kit);
    let (facts, volume) = (OwnerFacts::new("elsewhere", UnixMillis(1), "0.1.0"), target.volume());
    owner::claim(&volume, &kit.layout, Epoch(7), &Incarnation("abc".to_owned()), &facts).await.unwrap();
    let error = target.refusal().await;
    assert!(
        error.kind() == Kind::Conflict && error.chain().contains("incarnation abc of epoch 7"),
        "{}",
        error.chain()
    );
    assert_eq!(target.paths().await.len(), 1, "nothing was copied");
    target.force = true;
    target.copy().await.unwrap();
    assert!(target.has_said(&format!("holding {}", location(target.dir.path()))));
    let owners = owner::owner_names(&volume, &kit.layout).await.unwrap();
    assert_eq!((owners.claims.len(), owners.holds.len()), (1, 0));
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let mut target = Target::of(&kit);
    target.dry_run = true;
    let nowhere = target.dir.path().join("not/there");
    target.to = Source::at(&location(&nowhere));
    let before = kit.paths("").await;
    let copied = target.copy().await.unwrap();
    assert_eq!((copied.copied, copied.dry_run), (copied.files, true));
    assert!(!nowhere.exists() && kit.paths("").await == before && !target.has_said("hold"));
}

/// A second volume with data of its own.
async fn with_cold_data(kit: &mut Kit, directory: &Path) -> String {
    let draft = VolumeDraft {
        name: "cold".to_owned(),
        volume_type: VolumeType::Local,
        location: location(directory),
        comment: String::new(),
        enabled: true,
        properties: BTreeMap::new(),
    };
    kit.apply(Command::CreateVolume { draft, if_not_exists: false });
    let id = kit.catalog.database_by_name("shop").unwrap().id;
    let like = kit.catalog.table_by_name(id, "orders").unwrap().clone();
    let draft = TableDraft {
        name: "archive".to_owned(),
        columns: like.schema.columns.clone(),
        model: like.model,
        partitioning: like.partitioning.clone(),
        distribution: like.distribution.clone(),
        buckets_given: None,
        volume: Some("cold".to_owned()),
        comment: String::new(),
        properties: BTreeMap::new(),
        partitions: vec![storage_catalog::PartitionDraft {
            name: "archive".to_owned(),
            range: storage_model::PartitionRange::everything(),
            buckets: 1,
        }],
        sort_key: Vec::new(),
        indexes: Vec::new(),
    };
    kit.apply(Command::CreateTable { database: "shop".into(), draft, if_not_exists: false });
    // The kit writes to its own volume: the file belongs into the other.
    let path = kit.load("archive", b"cold data", 1).await;
    let bytes = kit.volume.get(&path).await.unwrap();
    open(&local("cold", directory)).unwrap().put(&path, bytes).await.unwrap();
    kit.delete(&path).await;
    path
}

#[tokio::test]
async fn every_volume_with_data_has_a_place_of_its_own() {
    let mut kit = Kit::new().await;
    let (cold, cold_target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = with_cold_data(&mut kit, cold.path()).await;
    kit.snapshot("s1").await;
    let mut target = Target::of(&kit);
    let refused = async |target: &Target, part: &str| {
        let error = target.refusal().await;
        assert!(error.kind() == Kind::Invalid && error.chain().contains(part), "{}", error.chain());
        assert_eq!(target.paths().await, Vec::<String>::new());
    };
    refused(&target, "--volume cold=LOCATION").await;
    let give = |target: &mut Target, name: &str, at: &Path| {
        target.to.volumes = BTreeMap::from([(name.to_owned(), local(name, at))]);
    };
    give(&mut target, "main", cold_target.path());
    refused(&target, "'main' is the one that the snapshot is in").await;
    give(&mut target, "typo", cold_target.path());
    refused(&target, "no storage volume 'typo', but main, vault, cold").await;
    let own = target.dir.path().to_owned();
    give(&mut target, "cold", &own);
    refused(&target, "would be merged").await;
    give(&mut target, "cold", cold.path());
    refused(&target, "is where the data comes from").await;
    give(&mut target, "cold", cold_target.path());
    let copied = target.copy().await.unwrap();
    let roots: Vec<_> = copied.roots.iter().map(|r| (r.volume.as_str(), r.target.clone(), r.copied.files)).collect();
    let expected = [("main", location(&own), 2), ("cold", location(cold_target.path()), 1)];
    assert_eq!(roots, expected);
    let there = open(&local("cold", cold_target.path())).unwrap().list("").await.unwrap();
    assert_eq!(there.iter().map(|o| o.path.as_str()).collect::<Vec<_>>(), [path.as_str()]);
    assert!(!target.paths().await.contains(&path));
    assert_eq!(holds(&open(&local("cold", cold.path())).unwrap(), &kit).await, 0);
    assert!(target.has_said(&format!("holding {}", location(cold.path()))));

    // A copy of the copy: there the data is not where the image says.
    let (last, cold_last) = (Target::of(&kit), tempfile::tempdir().unwrap());
    std::fs::remove_dir_all(cold.path()).unwrap();
    let volumes = |at: &Path| BTreeMap::from([("cold".to_owned(), local("cold", at))]);
    let mut chained = Target { source: Source::at(&location(&own)), ..last };
    chained.to.volumes = volumes(cold_last.path());
    assert_eq!(chained.refusal().await.kind(), Kind::NotFound);
    assert!(!cold.path().exists(), "looking makes nothing");
    chained.source.volumes = volumes(cold_target.path());
    assert_eq!(chained.copy().await.unwrap().copied.files, 3);
}

#[tokio::test]
async fn a_target_may_be_named_down_to_its_snapshots_and_is_never_the_source() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let mut target = Target::of(&kit);
    let root = target.to.location.clone();
    for below in ["/", "", "/meta", "/meta/image", "/meta/image/s1"] {
        target.to.location = format!("{root}/{}{below}", kit.layout.root());
        let copied = target.copy().await.unwrap();
        assert_eq!(copied.target, format!("{root}/{}", kit.layout.snapshot_dir("s1")), "{below}");
    }
    target.to.location = kit.definition.location.clone();
    let error = target.refusal().await;
    assert!(error.chain().contains("is where the data comes from"), "{}", error.chain());
}

#[tokio::test]
async fn a_large_file_goes_in_pieces() {
    let mut kit = Kit::new().await;
    let size = 2 * piece_size(0) as usize + 77;
    let body: &'static [u8] = Box::leak((0..size).map(|at| (at % 253) as u8).collect::<Box<[u8]>>());
    let path = kit.load("orders", body, 5).await;
    kit.snapshot("s1").await;
    // The last piece tells: nothing shows of what came before.
    kit.rewrite(&path, |bytes| *bytes.last_mut().unwrap() ^= 1).await;
    let mut target = Target::of(&kit);
    assert_eq!(target.copy().await.unwrap().problems.len(), 1);
    assert!(!target.paths().await.contains(&path));
    kit.rewrite(&path, |bytes| bytes.truncate(size - 100)).await;
    let problems = target.copy().await.unwrap().problems;
    assert!(problems[0].what.contains(&format!("it ends at byte {}", size - 100)), "{problems:?}");
    kit.rewrite(&path, |bytes| *bytes = body.to_vec()).await;
    target.with_data = true;
    target.copy().await.unwrap();
    assert!(target.volume().get(&path).await.unwrap() == body);
    assert!(target.shown.lock().unwrap().iter().any(|p| p.bytes_done > 0 && p.files_done == 0));
    let left: Vec<_> = std::fs::read_dir(target.dir.path().join(&path).parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 3, "nothing staged is left: {left:?}");
}
