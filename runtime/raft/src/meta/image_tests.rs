//! Images and frozen cuts, end to end on real files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use storage_catalog::VolumeDraft;
use storage_model::snapshot::JobEvent;
use storage_model::{JobId, SnapshotKind, VolumeId, VolumeType};
use tempfile::TempDir;

use super::tests::{count, created, open, options, put};
use super::*;
use crate::testing::{clock, me, set};

fn image(dir: &TempDir, revision: u64) -> PathBuf {
    dir.path().join(format!("image/image.{revision}"))
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn images_take_the_place_of_the_log() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    put(&meta, 0..10).await;
    assert_eq!(meta.create_image().await.unwrap(), Revision(10));
    assert_eq!(meta.create_image().await.unwrap(), Revision(10), "nothing new, nothing to do");
    put(&meta, 10..20).await;
    let at_first = meta.status().last_log.unwrap() - 10;
    assert_eq!(meta.create_image().await.unwrap(), Revision(20));
    put(&meta, 20..25).await;
    let status = meta.status();
    assert_eq!((status.image_revision, status.commands_since_image), (Some(Revision(20)), 5));
    meta.shutdown().await.unwrap();
    assert!(!image(&dir, 0).exists() && image(&dir, 10).exists() && image(&dir, 20).exists());

    let log = crate::log_store::open_log(&dir.path().join("log")).unwrap();
    assert_eq!(log.log_state().purged().unwrap().0.index, at_first, "purged up to the older image");
    drop(log);
    let meta = open(dir.path()).await.unwrap();
    assert_eq!(count(&meta), 25);
    put(&meta, 25..30).await;
    assert_eq!(meta.create_image().await.unwrap(), Revision(30));
    meta.shutdown().await.unwrap();
    assert!(!image(&dir, 10).exists());
    assert_eq!(count(&open(dir.path()).await.unwrap()), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_built_by_themselves() {
    let dir = created(0);
    let options = Options { image_every: 10, ..options() };
    let meta = Meta::open(&MetaDir::new(dir.path()), &me(), clock(), options, crate::testing::peers()).await.unwrap();
    put(&meta, 0..35).await;
    let built = async {
        while meta.status().image_revision < Some(Revision(25)) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), built).await.unwrap();
    meta.shutdown().await.unwrap();
    assert_eq!(count(&open(dir.path()).await.unwrap()), 35);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_image_costs_a_longer_replay_and_nothing_else() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    put(&meta, 0..10).await;
    meta.create_image().await.unwrap();
    put(&meta, 10..20).await;
    meta.create_image().await.unwrap();
    put(&meta, 20..30).await;
    meta.shutdown().await.unwrap();

    damage(&image(&dir, 20));
    let meta = open(dir.path()).await.unwrap();
    assert_eq!(count(&meta), 30);
    assert_eq!(meta.status().image_revision, Some(Revision(10)));
    assert_eq!(meta.create_image().await.unwrap(), Revision(30));
    meta.shutdown().await.unwrap();

    damage(&image(&dir, 30));
    damage(&image(&dir, 10));
    let refused = open(dir.path()).await.unwrap_err();
    assert!(matches!(refused, RaftError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("image.30"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_written_does_not_stop_the_log() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    put(&meta, 0..3).await;
    // A directory in the way of the file.
    fs::create_dir_all(image(&dir, 3).join("in-the-way")).unwrap();
    let refused = meta.create_image().await.unwrap_err();
    assert!(matches!(refused, RaftError::Image(_)), "{refused}");
    assert!(meta.status().image_failure.is_some());
    put(&meta, 3..5).await;
    assert_eq!(meta.create_image().await.unwrap(), Revision(5));
    assert_eq!(meta.status().image_failure, None);
    meta.shutdown().await.unwrap();
}

async fn begin_job(meta: &Meta) -> JobId {
    let draft = VolumeDraft {
        name: "v".to_owned(),
        volume_type: VolumeType::Local,
        location: "file:///somewhere".to_owned(),
        comment: String::new(),
        enabled: true,
        properties: BTreeMap::new(),
    };
    let volume: VolumeId = match meta.propose(Command::CreateVolume { draft, if_not_exists: false }).await.unwrap() {
        Outcome::Volume(id) => id,
        other => panic!("{other:?}"),
    };
    let begin = Command::BeginSnapshot {
        kind: SnapshotKind::Manual,
        name: "s".to_owned(),
        volume,
        comment: String::new(),
        max_history: 10,
    };
    match meta.propose(begin).await.unwrap() {
        Outcome::Job(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn event(meta: &Meta, job: JobId, event: JobEvent) -> Revision {
    meta.propose(Command::SnapshotEvent { job, event, detail: String::new() }).await.unwrap();
    meta.view().revision()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stays_frozen_until_its_job_is_over() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    let job = begin_job(&meta).await;
    put(&meta, 0..3).await;
    let cut = event(&meta, job, JobEvent::Cut).await;
    put(&meta, 3..8).await;
    let refused = meta.propose(Command::SnapshotEvent { job, event: JobEvent::Cut, detail: String::new() }).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(meta.frozen(meta.view().revision()).is_none(), "a rejected cut freezes nothing");

    let frozen = meta.frozen(cut).unwrap();
    assert_eq!(frozen.revision(), cut);
    assert_eq!(frozen.config().count(), 3, "as it was right after the cut");
    assert_eq!(frozen.job(job).unwrap().cuts, vec![cut]);
    meta.shutdown().await.unwrap();

    // The replay passes the cut again.
    let meta = open(dir.path()).await.unwrap();
    assert_eq!(meta.frozen(cut).unwrap().config().count(), 3);
    // An image behind the cut takes the view away at the next start: the job cuts again.
    meta.create_image().await.unwrap();
    meta.shutdown().await.unwrap();
    let meta = open(dir.path()).await.unwrap();
    assert!(meta.frozen(cut).is_none());
    let again = event(&meta, job, JobEvent::Recut).await;
    assert_eq!(meta.frozen(again).unwrap().config().count(), 8);
    // An image of the cut itself keeps it.
    assert_eq!(meta.create_image().await.unwrap(), again);
    meta.shutdown().await.unwrap();
    let meta = open(dir.path()).await.unwrap();
    assert_eq!(meta.frozen(again).unwrap().revision(), again);

    event(&meta, job, JobEvent::Uploaded { cut: again, sha256: "00".to_owned(), bytes: 1 }).await;
    assert!(meta.frozen(again).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_gives_its_room_back() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    let files = || {
        let names = fs::read_dir(dir.path().join("log")).unwrap();
        names.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "wal")).count()
    };
    let large = "x".repeat(3 << 20);
    for _ in 0..8 {
        meta.propose(set("large", &large)).await.unwrap();
    }
    assert!(files() > 1, "a full file is closed");
    for n in 0..2 {
        put(&meta, n..n + 1).await;
        meta.create_image().await.unwrap();
    }
    let removed = async {
        while files() > 1 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), removed).await.unwrap();
    meta.shutdown().await.unwrap();
    let meta = open(dir.path()).await.unwrap();
    assert_eq!((count(&meta), meta.view().revision()), (2, Revision(10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_nothing_enters_the_log_and_with_room_all_goes_on() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    put(&meta, 0..3).await;
    meta.0.room.take_away();
    let before = meta.status();
    let refused = meta.propose(set("n3", 3)).await.unwrap_err();
    assert!(matches!(refused, ProposeError::ReadOnly(_)), "{refused}");
    assert_eq!(refused.to_string(), "the metadata is read-only: only 0 MiB are left");
    let refused = meta.create_image().await.unwrap_err();
    assert!(matches!(&refused, RaftError::Image(cause) if cause.contains("only 0 MiB")), "{refused}");
    assert!(!image(&dir, 3).exists());
    let after = meta.status();
    assert_eq!((after.last_log, after.revision, after.failure), (before.last_log, before.revision, None));
    assert_eq!((count(&meta), after.role), (3, Role::Leader));

    meta.0.room.measure_again();
    put(&meta, 3..5).await;
    assert_eq!(meta.create_image().await.unwrap(), Revision(5));
    meta.shutdown().await.unwrap();
    assert_eq!(count(&open(dir.path()).await.unwrap()), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_gives_up_the_image_that_is_being_written() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    put(&meta, 0..3).await;
    meta.shutdown().await.unwrap();
    let refused = meta.0.images.write(&meta.view(), &crate::testing::meta_at(9)).unwrap_err();
    assert!(matches!(refused, RaftError::Stopped), "{refused}");
    assert_eq!(meta.status().image_failure, None, "it is no failure");
    let names: Vec<_> = fs::read_dir(dir.path().join("image")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "one image, its checksum, ROLE and VERSION: {names:?}");
    assert_eq!(count(&open(dir.path()).await.unwrap()), 3);
}
