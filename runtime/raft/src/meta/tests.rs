//! The handle, end to end on real files: restart, kill, group commit, foreign parts. Images: `image_tests`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::testing::{self, catalog_at, clock, me, set};

pub(super) fn options() -> Options {
    Options::default()
}

pub(super) async fn open(path: &Path) -> Result<Meta, RaftError> {
    Meta::open(&MetaDir::new(path), &me(), clock(), options(), testing::peers()).await
}

pub(super) fn created(revision: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    MetaDir::new(dir.path()).create(&catalog_at(revision), &me(), "fe").unwrap();
    dir
}

pub(super) async fn put(meta: &Meta, range: std::ops::Range<u64>) {
    for n in range {
        assert_eq!(meta.propose(set(format!("n{n}"), n)).await, Ok(Outcome::Done));
    }
}

/// How many of `n0, n1, …` are there, without a gap.
pub(super) fn count(meta: &Meta) -> u64 {
    let view = meta.view();
    let found: BTreeMap<_, _> = view.config().filter(|(key, _)| key.starts_with('n')).collect();
    let present = |n: &u64| found.get(&format!("n{n}")).is_some_and(|value| **value == n.to_string());
    let counted = (0..).take_while(present).count() as u64;
    assert_eq!(counted, found.len() as u64, "there is a gap: {found:?}");
    counted
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proposed_is_there_after_a_restart() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    assert_eq!(meta.status().role, Role::Leader);
    assert!(meta.standing_watch().borrow().leads());
    let mut watch = meta.watch();
    put(&meta, 0..3).await;
    assert_eq!(meta.view().revision(), Revision(3));
    assert_eq!(*watch.borrow_and_update(), Revision(3));
    let rejected = meta.propose(Command::FinishRestore).await;
    assert!(matches!(rejected, Err(ProposeError::Rejected(_))), "{rejected:?}");
    assert_eq!(meta.view().revision(), Revision(4), "a rejected command is a revision too");

    let mut role = meta.standing_watch();
    meta.shutdown().await.unwrap();
    meta.shutdown().await.unwrap();
    assert_eq!(meta.propose(set("late", 1)).await, Err(ProposeError::Stopped));
    assert!(matches!(meta.create_image().await, Err(RaftError::Stopped)));
    role.wait_for(|now| now.role == Role::Stopped).await.unwrap();
    assert_eq!(meta.status().role, Role::Stopped);

    for start in [3, 6, 9] {
        let meta = open(dir.path()).await.unwrap();
        assert_eq!(count(&meta), start);
        assert_eq!(meta.view().revision(), Revision(start + 1));
        put(&meta, start..start + 3).await;
        meta.shutdown().await.unwrap();
    }
}

#[tokio::test]
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
                if key.is_multiple_of(3) {
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
async fn parts_of_different_clusters_are_refused() {
    let dir = created(5);
    let other = tempfile::tempdir().unwrap();
    let catalog = testing::catalog_of("99998888777766665555444433332222", 5);
    MetaDir::new(other.path()).create(&catalog, &me(), "fe").unwrap();

    let stranger = Node { id: NodeId(2), address: "h:1".to_owned() };
    let refused =
        Meta::open(&MetaDir::new(dir.path()), &stranger, clock(), options(), testing::peers()).await.unwrap_err();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_under_load_loses_nothing_acknowledged() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let proposers = (0..8).map(|p| {
        let (meta, acknowledged) = (meta.clone(), acknowledged.clone());
        tokio::spawn(async move {
            for n in 0.. {
                let key = format!("p{p}-{n}");
                match meta.propose(set(&key, n)).await {
                    Ok(_) => acknowledged.lock().unwrap().push(key),
                    Err(ProposeError::Stopped) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let proposers: Vec<_> = proposers.collect();
    for _ in 0..4 {
        sleep(Duration::from_millis(30)).await;
        let before = acknowledged.lock().unwrap().clone();
        let killed = tempfile::tempdir().unwrap();
        testing::copy(dir.path(), killed.path());
        let after = open(killed.path()).await.unwrap();
        let view = after.view();
        let found: std::collections::BTreeSet<_> = view.config().map(|(key, _)| key.clone()).collect();
        assert!(!before.is_empty());
        for key in before {
            assert!(found.contains(&key), "{key} was acknowledged");
        }
        assert_eq!(view.revision().0, found.len() as u64, "every command once");
        after.shutdown().await.unwrap();
    }
    meta.shutdown().await.unwrap();
    for proposer in proposers {
        proposer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_proposals_and_not_reads() {
    let dir = created(0);
    let meta = open(dir.path()).await.unwrap();
    put(&meta, 0..3).await;
    let mut role = meta.standing_watch();
    // The next file of the log cannot be made.
    let (log, away) = (dir.path().join("log"), dir.path().join("log.away"));
    fs::rename(&log, &away).unwrap();
    let large = "x".repeat(7 << 20);
    let mut acknowledged = 0;
    let refused = loop {
        match meta.propose(set("large", &large)).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 4, "a file of the log holds no more");
    };
    assert!(matches!(refused, ProposeError::Unavailable(_)), "{refused}");
    role.wait_for(|now| now.role == Role::Stopped).await.unwrap();
    assert!(meta.status().failure.is_some());
    assert!(matches!(meta.propose(set("more", 1)).await, Err(ProposeError::Unavailable(_))));
    assert!(matches!(meta.create_image().await, Err(RaftError::Failed(_))));
    assert_eq!((count(&meta), meta.view().revision()), (3, Revision(3 + acknowledged)));
    meta.shutdown().await.unwrap();

    fs::rename(&away, &log).unwrap();
    let meta = open(dir.path()).await.unwrap();
    assert_eq!(count(&meta), 3);
    // The command that failed may have reached the disk before the failure: it is there or not, never in part.
    let possible = [Revision(3 + acknowledged), Revision(4 + acknowledged)];
    assert!(possible.contains(&meta.view().revision()), "{}", meta.view().revision());
}
