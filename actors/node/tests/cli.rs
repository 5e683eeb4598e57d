//! The executable from outside: help on everything, and one clear line for what cannot start.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Instant;

use runtime_raft::{Meta, MetaDir, Node, Options};
use storage_catalog::{Catalog, ClusterIdentity, VolumeDraft};
use storage_model::{ClusterId, Epoch, Incarnation, NodeId, ServiceId, UnixMillis, VolumeType};

fn starkeep(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_starkeep"));
    command.args(arguments).env_remove("RUST_LOG").output().expect("the executable runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn conf(directory: &Path, name: &str, lines: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, lines).expect("a file in a temporary directory");
    path.display().to_string()
}

/// The one line of a start that failed.
fn failure(output: &Output) -> String {
    assert!(!output.status.success(), "it started: {}", text(&output.stdout));
    let stderr = text(&output.stderr);
    let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with("starkeep: ")).collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    lines[0].to_owned()
}

#[test]
fn there_is_help_on_everything() {
    let roles: [&[&str]; 12] = [
        &[],
        &["fe"],
        &["cn"],
        &["demo"],
        &["playground"],
        &["snapshot", "list"],
        &["snapshot", "show"],
        &["snapshot", "verify"],
        &["snapshot", "diff"],
        &["snapshot", "copy"],
        &["meta", "dump"],
        &["meta", "check"],
    ];
    for role in roles {
        let output = starkeep(&[role, &["--help"]].concat());
        assert!(output.status.success(), "{role:?}");
        assert!(text(&output.stdout).contains("Usage: starkeep"), "{role:?}");
    }
    assert!(text(&starkeep(&["--version"]).stdout).starts_with("starkeep "));
    assert!(!starkeep(&["no-such-role"]).status.success());
}

#[test]
fn a_bad_value_stops_the_start_and_names_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = conf(dir.path(), "fe.conf", "# a comment\nquery_port = abc\n");
    let line = failure(&starkeep(&["fe", "--conf", &file, "--logconsole"]));
    assert!(line.contains("fe.conf:2") && line.contains("query_port"), "{line}");
    let file = conf(dir.path(), "cn.conf", "heartbeat_service_port = 70000\n");
    let line = failure(&starkeep(&["cn", "--conf", &file, "--logconsole"]));
    assert!(line.contains("cn.conf:1") && line.contains("heartbeat_service_port"), "{line}");
    let line = failure(&starkeep(&["fe", "--conf", "no/such/fe.conf"]));
    assert!(line.contains("no/such/fe.conf"), "{line}");
}

#[test]
fn a_port_in_use_stops_the_start_and_names_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let lines = format!(
        "priority_networks = 127.0.0.1/32\nhttp_port = {port}\nmeta_dir = {0}/meta\nsys_log_dir = {0}\n",
        dir.path().display()
    );
    let file = conf(dir.path(), "fe.conf", &lines);
    let line = failure(&starkeep(&["fe", "--conf", &file, "--logconsole"]));
    assert!(line.contains(&format!("http_port = {port}")), "{line}");
    assert!(!dir.path().join("meta").exists(), "nothing was founded");
}

#[test]
fn a_restore_without_a_plan_or_a_snapshot_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let volume = dir.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    let ports: Vec<u16> =
        (0..4).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()).collect();
    let lines = format!(
        "priority_networks = 127.0.0.1/32\nhttp_port = {}\nquery_port = {}\nrpc_port = {}\nedit_log_port = {}\n\
         meta_dir = {4}/meta\nenable_load_volume_from_conf = true\ncloud_native_storage_type = LOCAL\n\
         cloud_native_local_path = {4}/volume\n",
        ports[0],
        ports[1],
        ports[2],
        ports[3],
        dir.path().display()
    );
    let file = conf(dir.path(), "fe.conf", &lines);
    let line = failure(&starkeep(&["fe", "--conf", &file, "--cluster_snapshot", "--logconsole"]));
    assert!(line.contains("cluster_snapshot.yaml"), "{line}");
    conf(
        dir.path(),
        "cluster_snapshot.yaml",
        &format!(
            "cluster_snapshot:\n  cluster_snapshot_path: file://{}/11111111-2222-4333-8444-555555555555/meta\n  \
             storage_volume_name: builtin_storage_volume\n",
            volume.display()
        ),
    );
    let line = failure(&starkeep(&["fe", "--conf", &file, "--cluster_snapshot", "--logconsole"]));
    assert!(line.contains("nothing has changed"), "{line}");
    assert!(!dir.path().join("meta").exists());
}

#[test]
fn a_location_without_snapshots_is_said_to_be_one() {
    let dir = tempfile::tempdir().unwrap();
    let location = format!("file://{}", dir.path().display());
    for what in ["list", "show", "verify"] {
        let line = failure(&starkeep(&["snapshot", what, &location]));
        assert!(line.contains("there is none"), "{line}");
        let line = failure(&starkeep(&["snapshot", what, &format!("{location}/no/such/directory")]));
        assert!(line.contains("no such directory"), "{line}");
    }
    let other = format!("{location}/other");
    for command in [["diff", location.as_str(), location.as_str()], ["copy", location.as_str(), other.as_str()]] {
        let line = failure(&starkeep(&[&["snapshot"], &command[..]].concat()));
        assert!(line.contains("there is none"), "{line}");
    }
    let line = failure(&starkeep(&["snapshot", "copy", &location, &location, "--volume", "cold"]));
    assert!(line.contains("volume cold: expected NAME=LOCATION"), "{line}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "looking makes nothing");
}

/// The metadata of a frontend that has an image and, behind it, a storage volume with a secret; and what is open of it.
async fn metadata(dir: &MetaDir) -> Meta {
    let identity = ClusterIdentity {
        cluster_id: ClusterId(42),
        token: "hush-the-token".to_owned(),
        service_id: ServiceId("service".to_owned()),
        incarnation: Incarnation("11112222333344445555666677778888".to_owned()),
        epoch: Epoch(1),
    };
    let me = Node { id: NodeId(1), address: "127.0.0.1:9010".to_owned() };
    dir.create(&Catalog::genesis(identity, UnixMillis(1)), &me, "127.0.0.1_9010_1").unwrap();
    let clock = Arc::new(|| (UnixMillis(1_700_000_000_000), Instant::now()));
    let meta = Meta::open(dir, &me, clock, Options::default(), nobody()).await.unwrap();
    for name in ["first", "second"] {
        let draft = VolumeDraft {
            name: name.to_owned(),
            volume_type: VolumeType::S3,
            location: "s3://bucket/path".to_owned(),
            comment: String::new(),
            enabled: true,
            properties: [("aws.s3.secret_key".to_owned(), "hush-the-key".to_owned())].into(),
        };
        let create = storage_catalog::Command::CreateVolume { draft, if_not_exists: false };
        meta.propose(create).await.unwrap();
        if name == "first" {
            meta.create_image().await.unwrap();
        }
    }
    meta
}

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meta_directory_is_checked_and_dumped_and_never_changed() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("meta");
    let path = directory.to_str().unwrap();
    for what in ["dump", "check"] {
        let line = failure(&starkeep(&["meta", what, path]));
        assert!(line.contains("is no directory") && line.contains(path), "{line}");
        let line = failure(&starkeep(&["meta", what, temporary.path().to_str().unwrap()]));
        assert!(line.contains("no cluster lives in"), "{line}");
    }
    let meta = metadata(&MetaDir::new(&directory)).await;
    let line = failure(&starkeep(&["meta", "check", path]));
    assert!(line.contains("in use by another process") && line.contains(&std::process::id().to_string()), "{line}");
    meta.shutdown().await.unwrap();
    drop(meta);

    let before = contents(&directory);
    let checked = starkeep(&["meta", "check", path]);
    let lines = text(&checked.stdout);
    assert!(checked.status.success(), "{lines}{}", text(&checked.stderr));
    assert!(lines.contains("image.1: revision 1") && lines.contains("is good"), "{lines}");

    let dumped = text(&starkeep(&["meta", "dump", path]).stdout);
    let facts: Vec<serde_json::Value> = dumped.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!dumped.contains("hush"), "{dumped}");
    assert_eq!(facts[0]["image"]["revision"], 1);
    assert_eq!(facts.iter().filter(|fact| fact.get("volume").is_some()).count(), 1, "{dumped}");
    let last = facts.last().unwrap();
    let commands = &last["entry"]["commands"];
    assert_eq!(commands[0]["command"]["CreateVolume"]["draft"]["name"], "second", "{last}");
    let shown = text(&starkeep(&["meta", "dump", path, "--secrets"]).stdout);
    assert_eq!((shown.matches("hush-the-token").count(), shown.contains("hush-the-key")), (1, true), "{shown}");

    let image = directory.join("image/image.1");
    let mut bytes = std::fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(contents(&directory) == before, "looking changes nothing");
    std::fs::write(&image, bytes).unwrap();
    let checked = starkeep(&["meta", "check", path]);
    let lines = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1), "{lines}");
    assert!(lines.contains("PROBLEM") && lines.contains("image.1 is damaged"), "{lines}");
    // The image before it still tells.
    assert!(text(&starkeep(&["meta", "dump", path]).stdout).contains("\"revision\":0"));
}

/// For a group of one.
fn nobody() -> runtime_rpc::Peers {
    runtime_rpc::Peers::new(std::sync::Arc::new(runtime_rpc::Identity::default), runtime_rpc::RpcOptions::default())
}
