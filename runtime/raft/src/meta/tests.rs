//! The handle, end to end on real files: restart, kill, images, damage.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use storage_catalog::VolumeDraft;
use storage_model::snapshot::JobEvent;
use storage_model::{JobId, SnapshotKind, VolumeId, VolumeType};
use tempfile::TempDir;

use super::*;
use crate::testing::{self, catalog_at, clock, me, set};

fn options() -> Options {
    Options::default()
}

async fn open(path: &Path) -> Result<Meta, RaftError> {
    Meta::open(&MetaDir::new(path), &me(), clock(), options()).await
}

fn created(revision: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    MetaDir::new(dir.path()).create(&catalog_at(revision), &me(), "fe").unwrap();
    dir
}

async fn put(meta: &Meta, range: std::ops::Range<u64>) {
    for n in range {
        assert_eq!(meta.propose(set(format!("n{n}"), n)).await, Ok(Outcome::Done));
    }
}

/// How many of `n0, n1, …` are there, without a gap.
fn count(meta: &Meta) -> u64 {
    let view = meta.view();
    let found: BTreeMap<_, _> = view.config().filter(|(key, _)| key.starts_with('n')).collect();
    let present = |n: &u64| found.get(&format!("n{n}")).is_some_and(|value| **value == n.to_string());
    let counted = (0..).take_while(present).count() as u64;
    assert_eq!(counted, found.len() as u64, "there is a gap: {found:?}");
    counted
}

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
async fn what_is_proposed_is_there_after_a_restart() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    assert_eq!(meta.status().role, Role::Leader);
    assert_eq!(*meta.role_watch().borrow(), Role::Leader);
    let mut watch = meta.watch();
    put(&meta, 0..3).await;
    assert_eq!(meta.view().revision(), Revision(3));
    assert_eq!(*watch.borrow_and_update(), Revision(3));
    let rejected = meta.propose(Command::FinishRestore).await;
    assert!(matches!(rejected, Err(ProposeError::Rejected(_))), "{rejected:?}");
    assert_eq!(meta.view().revision(), Revision(4), "a rejected command is a revision too");

    let mut role = meta.role_watch();
    meta.shutdown().await.unwrap();
    meta.shutdown().await.unwrap();
    assert_eq!(meta.propose(set("late", 1)).await, Err(ProposeError::Stopped));
    assert!(matches!(meta.create_image().await, Err(RaftError::Stopped)));
    role.wait_for(|role| *role == Role::Stopped).await.unwrap();
    assert_eq!(meta.status().role, Role::Stopped);

    for start in [3, 6, 9] {
        let meta = open(dir.path()).await.unwrap();
        assert_eq!(count(&meta), start);
        assert_eq!(meta.view().revision(), Revision(start + 1));
        put(&meta, start..start + 3).await;
        meta.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_catalog_goes_on_where_it_was() {
    let dir = created(1234);
    let meta = open(dir.path()).await.unwrap();
    assert_eq!(meta.view().revision(), Revision(1234));
    put(&meta, 0..1).await;
    assert_eq!(meta.view().revision(), Revision(1235));
    assert!(meta.status().last_log.unwrap() < 20, "Raft's index begins again");
    meta.shutdown().await.unwrap();
    assert_eq!(open(dir.path()).await.unwrap().view().revision(), Revision(1235));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    for round in 0..5 {
        put(&meta, round * 7..(round + 1) * 7).await;
        if round == 2 {
            meta.create_image().await.unwrap();
        }
        let killed = tempfile::tempdir().unwrap();
        testing::copy(dir.path(), killed.path());
        let after = open(killed.path()).await.unwrap();
        assert_eq!(count(&after), (round + 1) * 7);
        put(&after, (round + 1) * 7..(round + 1) * 7 + 2).await;
        after.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_handle_closes_by_itself() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    put(&meta, 0..5).await;
    drop(meta);
    let reopened = async {
        loop {
            match open(dir.path()).await {
                Ok(meta) => return meta,
                Err(RaftError::Locked { .. }) => sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let meta = timeout(Duration::from_secs(10), reopened).await.unwrap();
    assert_eq!(count(&meta), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_opens_are_refused() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    let refused = open(dir.path()).await.unwrap_err();
    assert!(matches!(refused, RaftError::Locked { .. }), "{refused}");
    put(&meta, 0..1).await;
    meta.shutdown().await.unwrap();
    assert_eq!(count(&open(dir.path()).await.unwrap()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_share_the_log_and_keep_their_own_replies() {
    const PROPOSERS: u64 = 64;
    const EACH: u64 = 8;
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    let before = meta.status().last_log.unwrap();
    let proposers = (0..PROPOSERS).map(|p| {
        let meta = meta.clone();
        tokio::spawn(async move {
            for n in 0..EACH {
                let key = p * EACH + n;
                if key % 3 == 0 {
                    let reply = meta.propose(Command::FinishRestore).await;
                    assert!(matches!(reply, Err(ProposeError::Rejected(_))), "{reply:?}");
                }
                assert_eq!(meta.propose(set(format!("n{key}"), key)).await, Ok(Outcome::Done));
                assert!(meta.view().config().any(|(k, _)| *k == format!("n{key}")), "read your writes");
            }
        })
    });
    for proposer in proposers.collect::<Vec<_>>() {
        proposer.await.unwrap();
    }
    assert_eq!(count(&meta), PROPOSERS * EACH);
    let entries = meta.status().last_log.unwrap() - before;
    assert!(entries < PROPOSERS * EACH / 2, "{entries} entries, each an fsync, for {} proposals", PROPOSERS * EACH);
    meta.shutdown().await.unwrap();
    assert_eq!(count(&open(dir.path()).await.unwrap()), PROPOSERS * EACH);
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
    let meta = Meta::open(&MetaDir::new(dir.path()), &me(), clock(), options).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_different_clusters_are_refused() {
    let dir = created(5);
    let other = tempfile::tempdir().unwrap();
    let catalog = testing::catalog_of("99998888777766665555444433332222", 5);
    MetaDir::new(other.path()).create(&catalog, &me(), "fe").unwrap();

    let stranger = Node { id: NodeId(2), address: "h:1".to_owned() };
    let refused = Meta::open(&MetaDir::new(dir.path()), &stranger, clock(), options()).await.unwrap_err();
    assert!(matches!(refused, RaftError::NotMember { .. }), "{refused}");

    let log = dir.path().join("log");
    fs::rename(&log, dir.path().join("log.own")).unwrap();
    let lost = open(dir.path()).await.unwrap_err();
    assert!(matches!(lost, RaftError::Damaged { .. }), "{lost}");
    fs::create_dir(&log).unwrap();
    let emptied = open(dir.path()).await.unwrap_err();
    assert!(matches!(emptied, RaftError::Damaged { .. }), "{emptied}");
    fs::remove_dir_all(&log).unwrap();
    testing::copy(&other.path().join("log"), &log);
    let foreign = open(dir.path()).await.unwrap_err();
    assert!(matches!(foreign, RaftError::Foreign { .. }), "{foreign}");

    fs::remove_dir_all(&log).unwrap();
    fs::rename(dir.path().join("log.own"), &log).unwrap();
    let version = dir.path().join("image/VERSION");
    fs::write(&version, "clusterId=43\ntoken=the-token\n").unwrap();
    let foreign = open(dir.path()).await.unwrap_err();
    assert!(matches!(foreign, RaftError::Foreign { .. }), "{foreign}");
    fs::remove_file(&version).unwrap();
    open(dir.path()).await.unwrap().shutdown().await.unwrap();
    assert_eq!(fs::read_to_string(&version).unwrap(), "clusterId=42\ntoken=the-token\n");
}

#[tokio::test]
async fn nothing_opens_where_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    let missing = open(&dir.path().join("meta")).await.unwrap_err();
    assert!(matches!(missing, RaftError::Missing { .. }), "{missing}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
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
