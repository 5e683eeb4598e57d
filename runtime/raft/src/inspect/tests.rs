//! A directory looked at: what is right, what is wrong, and that nothing changes.

use std::collections::BTreeMap;

use storage_model::Revision;
use tempfile::TempDir;

use super::*;
use crate::meta::{Meta, Options};
use crate::testing::{catalog_at, clock, me, set};

/// A closed directory: images at revisions 3 and 6, and two commands behind them.
async fn written() -> (TempDir, MetaDir) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = MetaDir::new(temporary.path());
    dir.create(&catalog_at(0), &me(), "fe").unwrap();
    let meta = Meta::open(&dir, &me(), clock(), Options::default(), crate::testing::peers()).await.unwrap();
    for n in 1..=8 {
        meta.propose(set("key", n)).await.unwrap();
        if n % 3 == 0 {
            assert_eq!(meta.create_image().await.unwrap(), Revision(n));
        }
    }
    meta.shutdown().await.unwrap();
    (temporary, dir)
}

fn everything(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// What is not right. Asking changes nothing.
fn wrong(dir: &MetaDir) -> Vec<Finding> {
    let before = everything(dir.path());
    let mut findings = Inspection::open(dir).unwrap().check();
    assert!(everything(dir.path()) == before, "a check changes nothing");
    findings.retain(|finding| finding.verdict != Verdict::Good);
    findings
}

fn only(findings: &[Finding], verdict: Verdict, says: &[&str]) {
    let [finding] = findings else { panic!("{findings:?}") };
    assert_eq!(finding.verdict, verdict, "{findings:?}");
    assert!(says.iter().all(|text| finding.text.contains(text)), "{findings:?}");
}

fn log_file(dir: &MetaDir) -> PathBuf {
    let mut files = files(&dir.log_dir()).unwrap();
    files.retain(|path| path.extension().is_some_and(|e| e == "wal"));
    files.pop().unwrap()
}

#[tokio::test]
async fn a_good_directory_has_no_problem_and_shows_all_that_is_in_it() {
    let (_temporary, dir) = written().await;
    assert_eq!(wrong(&dir), []);
    let inspection = Inspection::open(&dir).unwrap();
    let images = inspection.images().unwrap();
    let [older, newest] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!(inspection.image(older).unwrap().revision, Revision(3));
    let newest = inspection.image(newest).unwrap();
    assert_eq!((newest.revision, newest.has_checksum), (Revision(6), true));
    assert_eq!(newest.group.voters, [[me().id]]);
    let (mut commands, mut indexes) = (0, Vec::new());
    let read = inspection.entries(|entry| {
        indexes.push(entry.index);
        if let Content::Commands(envelopes) = entry.content {
            commands += envelopes.len();
        }
        Ok(())
    });
    read.unwrap();
    assert_eq!(commands, 5, "what is behind the older image");
    assert!(indexes.is_sorted() && indexes.last() > newest.index.as_ref());
}

#[tokio::test]
async fn a_frontend_and_the_tool_keep_each_other_out() {
    let (_temporary, dir) = written().await;
    let inspection = Inspection::open(&dir).unwrap();
    let refused = Meta::open(&dir, &me(), clock(), Options::default(), crate::testing::peers()).await.unwrap_err();
    assert!(matches!(refused, RaftError::Locked { .. }), "{refused}");
    drop(inspection);
    let meta = Meta::open(&dir, &me(), clock(), Options::default(), crate::testing::peers()).await.unwrap();
    let refused = Inspection::open(&dir).unwrap_err().to_string();
    assert!(refused.contains(&format!("(pid {})", std::process::id())), "{refused}");
    meta.shutdown().await.unwrap();
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(Inspection::open(&MetaDir::new(nothing.path())), Err(RaftError::Missing { .. })));
    assert_eq!(fs::read_dir(nothing.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn every_damage_is_found_and_named() {
    let (_temporary, dir) = written().await;
    let image = dir.image_dir().join("image.6");
    let good = fs::read(&image).unwrap();
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    fs::write(&image, damaged).unwrap();
    only(&wrong(&dir), Verdict::Problem, &["image.6 is damaged"]);
    fs::write(&image, good).unwrap();

    let checksum = dir.image_dir().join("checksum.6");
    let good = fs::read(&checksum).unwrap();
    fs::write(&checksum, b"00  image.6\n").unwrap();
    only(&wrong(&dir), Verdict::Problem, &["image.6 is damaged", "checksum.6 says"]);
    fs::remove_file(&checksum).unwrap();
    only(&wrong(&dir), Verdict::Note, &["image.6", "no checksum"]);
    fs::write(&checksum, good).unwrap();

    let log = log_file(&dir);
    let good = fs::read(&log).unwrap();
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    fs::write(&log, damaged).unwrap();
    only(&wrong(&dir), Verdict::Problem, &[log.to_str().unwrap(), "--helper"]);
    fs::write(&log, &good[..good.len() - 1]).unwrap();
    only(&wrong(&dir), Verdict::Note, &[log.to_str().unwrap(), "unfinished write"]);
    fs::write(&log, good).unwrap();

    let version = dir.image_dir().join("VERSION");
    let good = fs::read(&version).unwrap();
    fs::write(&version, b"clusterId=7\ntoken=other\n").unwrap();
    only(&wrong(&dir), Verdict::Problem, &["VERSION"]);
    fs::write(&version, good).unwrap();
    fs::remove_file(dir.image_dir().join("ROLE")).unwrap();
    only(&wrong(&dir), Verdict::Problem, &["ROLE"]);
}

#[tokio::test]
async fn a_log_that_does_not_continue_the_image_is_found() {
    let (_temporary, dir) = written().await;
    fs::remove_dir_all(dir.log_dir()).unwrap();
    only(&wrong(&dir), Verdict::Problem, &["log is damaged", "missing"]);
    let fresh = tempfile::tempdir().unwrap();
    let young = MetaDir::new(fresh.path());
    young.create(&catalog_at(0), &me(), "fe").unwrap();
    fs::rename(young.log_dir(), dir.log_dir()).unwrap();
    let short = || {
        let findings = wrong(&dir);
        let about = |f: &&Finding| f.text.contains("ends at 0, before") && f.text.contains("image.6");
        findings.iter().find(about).map(|found| found.verdict)
    };
    assert_eq!(short(), Some(Verdict::Problem));
    // Another may have sent one of several an image, just before it was stopped.
    let role = dir.image_dir().join("ROLE");
    let text = fs::read_to_string(&role).unwrap().replace("nodeId=1", "nodeId=2");
    fs::write(&role, text).unwrap();
    assert_eq!(short(), Some(Verdict::Note));
}

#[tokio::test]
async fn the_latest_is_what_a_start_would_have() {
    let (_temporary, dir) = written().await;
    let image = dir.image_dir().join("image.6");
    let latest = || Inspection::open(&dir).unwrap().latest();
    let all = latest().unwrap();
    let value = all.catalog.config().next().map(|(_, value)| value.as_str());
    assert_eq!((all.catalog.revision(), all.image, value), (Revision(8), Revision(6), Some("8")));
    assert_eq!((all.committed + all.alone, all.unknown), (2, 0));
    assert_eq!(all.group.voters, [[me().id]]);

    // The image before it and the log behind that come to the same.
    let mut damaged = fs::read(&image).unwrap();
    damaged[20] ^= 1;
    fs::write(&image, damaged).unwrap();
    let older = latest().unwrap();
    assert_eq!((older.catalog.revision(), older.image, older.skipped.len()), (Revision(8), Revision(3), 1));
    assert!(older.skipped[0].to_string().contains("image.6"));

    // One of several does not know what a majority has behind the last commit that it heard of.
    let role = dir.image_dir().join("ROLE");
    let text = fs::read_to_string(&role).unwrap().replace("nodeId=1", "nodeId=2");
    fs::write(&role, text).unwrap();
    let other = latest().unwrap();
    assert_eq!((other.committed + other.unknown, other.alone), (5, 0));
    assert_eq!(other.catalog.revision().0, 3 + other.committed);

    fs::remove_dir_all(dir.log_dir()).unwrap();
    assert!(matches!(latest(), Err(RaftError::Damaged { .. })));
}

#[tokio::test]
async fn a_frontend_that_has_heard_nothing_yet_has_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = MetaDir::new(temporary.path());
    let who = Identity { node: me(), name: "fe".to_owned(), role: "FOLLOWER".to_owned() };
    dir.join(catalog_at(0).identity(), &who).unwrap();
    let refused = Inspection::open(&dir).unwrap().latest().unwrap_err().to_string();
    assert!(refused.contains("nothing of the cluster"), "{refused}");
}
