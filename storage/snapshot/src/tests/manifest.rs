//! What the manifest says, and that every change to it is noticed.

use std::collections::BTreeMap;

use serde_json::Value;
use storage_catalog::{PresentManifest, Rebase, rebase};
use storage_model::{
    Epoch, Frontend, FrontendRole, Incarnation, JobState, Kind, NodeId, Revision, SnapshotJob, SnapshotKind, UnixMillis,
};

use super::Kit;
use crate::manifest::{FORMAT_VERSION, MAGIC, dead_cuts};
use crate::{CutName, Manifest};

#[tokio::test]
async fn a_person_can_read_it() {
    let mut kit = Kit::new().await;
    let (_, done) = kit.snapshot("s1").await;
    let path = kit.manifest_path("s1", done.cut);
    let bytes = kit.volume.get(&path).await.unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.lines().count() > 60 && text.ends_with("}\n"), "{text}");
    let json: Value = serde_json::from_str(text).unwrap();
    assert_eq!(json["magic"], MAGIC);
    assert_eq!(json["format_version"], FORMAT_VERSION);
    assert_eq!(json["product_version"], "0.1.0");
    assert_eq!(json["cluster_id"], 77);
    assert_eq!(json["service_id"], "3f2b6c9e-svc");
    assert_eq!(
        (&json["name"], &json["type"], &json["comment"]),
        (&"s1".into(), &"MANUAL".into(), &"before the move".into())
    );
    assert_eq!(json["revision"], done.cut.0);
    assert_eq!(json["raft_term"], 3);
    assert!(json["created"]["text"].as_str().unwrap().starts_with("2025-02-18 05:5"));
    assert_eq!(json["predecessor"], Value::Null);
    let counts = &json["counts"];
    assert_eq!(counts["databases"], 1);
    assert_eq!((&counts["tables"], &counts["partitions"], &counts["files"]), (&1.into(), &1.into(), &2.into()));
    assert_eq!((&counts["rows"], &counts["bytes"]), (&15.into(), &43.into()));
    let root = json["data_roots"].as_array().unwrap().iter().find(|r| r["volume"] == "main").unwrap();
    assert_eq!((&root["type"], &root["files"], &root["bytes"]), (&"LOCAL".into(), &2.into(), &43.into()));
    assert_eq!(root["location"], kit.definition.location);
    for section in json["sections"].as_array().unwrap() {
        let path = section["path"].as_str().unwrap();
        assert_eq!(path, format!("meta/image/s1/sections/{}", section["sha256"].as_str().unwrap()));
        let object = kit.volume.head(&kit.layout.in_root(path)).await.unwrap().unwrap();
        assert_eq!(object.size, section["size"].as_u64().unwrap());
    }
    let sections = kit.manifest("s1").await.section_bytes();
    assert_eq!(done.bytes, sections + bytes.len() as u64);
}

fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(k, v)| leaves(v, &format!("{path}/{k}"), found));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(k, v)| leaves(v, &format!("{path}/{k}"), found));
        }
        _ => found.push(path.to_owned()),
    }
}

#[tokio::test]
async fn every_changed_value_is_noticed() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let manifest = kit.manifest("s1").await;
    let json: Value = serde_json::from_slice(&manifest.to_bytes().unwrap()).unwrap();
    assert_eq!(Manifest::parse(json.to_string().as_bytes(), "m").unwrap(), manifest);
    let mut all = Vec::new();
    leaves(&json, "", &mut all);
    assert!(all.len() > 40);
    for path in all {
        let mut changed = json.clone();
        let at = changed.pointer_mut(&path).unwrap();
        *at = match &*at {
            Value::Number(n) => (n.as_u64().unwrap() ^ 1).into(),
            Value::String(text) => format!("{text}x").into(),
            _ => 1.into(),
        };
        assert!(Manifest::parse(changed.to_string().as_bytes(), "m").is_err(), "{path}");
    }
    let mut added = json.clone();
    added["sections"].as_array_mut().unwrap().pop();
    assert_eq!(Manifest::parse(added.to_string().as_bytes(), "m").unwrap_err().kind(), Kind::Corrupt);
    let mut added = json;
    added["extra"] = 1.into();
    assert!(Manifest::parse(added.to_string().as_bytes(), "m").unwrap_err().chain().contains("sha256"));
}

#[tokio::test]
async fn newer_formats_and_strange_paths_are_refused() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let sound = kit.manifest("s1").await;
    let reread = |mut manifest: Manifest| {
        manifest.sha256 = manifest.hash();
        Manifest::parse(&manifest.to_bytes().unwrap(), "the/object")
    };
    assert_eq!(reread(sound.clone()).unwrap(), sound);

    let error = reread(Manifest { format_version: FORMAT_VERSION + 1, ..sound.clone() }).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.chain().contains("use a newer starkeep") && error.chain().contains("the/object"));
    for path in ["../x", "/x", "a/../b", "", "a//b"] {
        let mut manifest = sound.clone();
        manifest.sections[0].path = path.to_owned();
        assert!(reread(manifest).unwrap_err().chain().contains("leaves the service root"), "{path}");
    }
    for bytes in [&b""[..], b"{}", b"[1]", b"{\"magic\": 1}", b"\xff\xfe"] {
        assert_eq!(Manifest::parse(bytes, "m").unwrap_err().kind(), Kind::Corrupt);
    }
    assert_ne!(reread(Manifest { revision: Revision(1), ..sound.clone() }).unwrap().sha256, sound.sha256);
}

/// Its cut is a revision of its own timeline, and what it pins are revisions of this one: no manifest tells either of them
/// as its predecessor or as dead.
#[tokio::test]
async fn a_snapshot_of_another_timeline_is_no_predecessor_and_its_pins_are_no_dead_cuts() {
    let mut kit = Kit::new().await;
    let (job, first) = kit.snapshot("s1").await;
    let known = kit.catalog.job(job).unwrap().as_ref().clone();
    let mut foreign = SnapshotJob {
        kind: SnapshotKind::Foreign,
        name: "s2".to_owned(),
        cuts: vec![Revision(2), Revision(4)],
        cut: Some(Revision(900)),
        ..known
    };
    assert!(dead_cuts(&foreign).is_empty());
    foreign.enter(JobState::Expired, foreign.created_at, first.cut);
    assert!(dead_cuts(&foreign).is_empty());
    let abandoned = SnapshotJob { abandoned: true, ..foreign.clone() };
    assert_eq!(dead_cuts(&abandoned), [CutName { name: "s2".to_owned(), cut: Revision(900) }], "its files may be gone");
    foreign.enter(JobState::Deleted, foreign.created_at, first.cut);
    assert_eq!(dead_cuts(&foreign), [CutName { name: "s2".to_owned(), cut: Revision(900) }]);

    let own = kit.begin("own");
    let done = kit.upload(own).await.unwrap();
    let mut other = kit.manifest("s1").await;
    (other.name, other.revision, other.sha256) = ("s2".to_owned(), Revision(900), "ee".repeat(32));
    let found = PresentManifest {
        name: other.name,
        cut: other.revision,
        incarnation: other.incarnation,
        starmgr_id: other.starmgr_id,
        sha256: other.sha256,
        bytes: 1,
        created_at: UnixMillis(1),
        finished_at: UnixMillis(2),
        comment: String::new(),
        revived_at: None,
    };
    let plan = Rebase {
        incarnation: Incarnation("f".repeat(32)),
        epoch: Epoch(2),
        now: UnixMillis(1_739_857_999_000),
        frontend: Frontend {
            id: NodeId(1),
            name: "fe1".to_owned(),
            role: FrontendRole::Follower,
            host: "fe1".to_owned(),
            edit_log_port: 9010,
            http_port: 8030,
            query_port: 9030,
            rpc_port: 9020,
        },
        expected: Vec::new(),
        cut: done.cut,
        snapshot_name: "own".to_owned(),
        manifest: (done.manifest_sha256, done.bytes),
        present: BTreeMap::from([(kit.catalog.job(own).unwrap().volume, vec![found])]),
        compute_nodes: None,
        volumes: BTreeMap::new(),
        successors: BTreeMap::new(),
    };
    kit.catalog = rebase(&kit.catalog, &plan).unwrap();
    assert!(kit.catalog.jobs().any(|job| job.is_foreign() && job.state == JobState::Finished));
    let next = kit.begin("next");
    let facts = kit.facts(next);
    assert_eq!(facts.predecessor, Some(CutName { name: "own".to_owned(), cut: done.cut }));
    let dead: Vec<&str> = facts.voided_cuts.iter().map(|void| void.name.as_str()).collect();
    assert_eq!(dead, ["s1"], "its manifest was not among those that are there");
}
