//! Plans as people write them, right and wrong.

use super::*;

/// The documented template of StarRocks, with an HDFS volume at its end.
const TEMPLATE: &str = "# Information of the cluster snapshot to be downloaded for restoration.
cluster_snapshot:
    # The URI of the snapshot: its own directory, or the meta directory above it.
    cluster_snapshot_path: s3://defaultbucket/test/f7265e80-631c-44d3-a8ac-cf7cdc7adec811019/meta/image/automated_cluster_snapshot_1704038400000
    # Must be defined under storage_volumes, with the name that it had in the original cluster.
    storage_volume_name: my_s3_volume

# Optional: nodes of the new cluster. Absent: only the leader FE; CNs as in the original. The leader itself is not listed.
frontends:
  - host: xxx.xx.xx.x1
    edit_log_port: 9010
    type: follower        # follower (default) | observer
  - host: xxx.xx.xx.x2
    edit_log_port: 9010
    type: observer

compute_nodes:
  - host: xxx.xx.xx.x3
    heartbeat_service_port: 9050
  - host: xxx.xx.xx.x4
    heartbeat_service_port: 9050

storage_volumes:
  - name: my_s3_volume
    type: S3
    location: s3://defaultbucket/test/
    comment: my s3 volume
    properties:
      - key: aws.s3.region
        value: us-west-2
      - key: aws.s3.endpoint
        value: https://s3.us-west-2.amazonaws.com
      - key: aws.s3.access_key
        value: xxxxxxxxxx
      - key: aws.s3.secret_key
        value: yyyyyyyyyy
";

const HDFS: &str = "  - name: my_hdfs_volume
    type: HDFS
    location: hdfs://127.0.0.1:9000/sr/test/
    comment: my hdfs volume
    properties:
      - key: hadoop.security.authentication
        value: simple
      - key: username
        value: starrocks
";

const SNAPSHOT: &str = "cluster_snapshot:
  cluster_snapshot_path: s3://b/p/id/meta
  storage_volume_name: builtin_storage_volume
";

fn plan(text: &str) -> RestorePlan {
    parse(text, "plan", &Variables::new()).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    let error = parse(text, "plan", &Variables::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    storage_volume::error_chain(&error)
}

/// The refusal of the smallest plan with something after it.
fn with(rest: &str) -> String {
    refusal(&format!("{SNAPSHOT}{rest}"))
}

#[test]
fn the_template_is_read() {
    let plan = plan(TEMPLATE);
    assert!(plan.snapshot_path.ends_with("automated_cluster_snapshot_1704038400000"));
    assert_eq!(plan.storage_volume_name, "my_s3_volume");
    let frontends = plan.frontends.unwrap();
    assert_eq!(frontends.iter().map(|f| f.role).collect::<Vec<_>>(), [FrontendRole::Follower, FrontendRole::Observer]);
    assert_eq!((frontends[1].host.as_str(), frontends[1].edit_log_port), ("xxx.xx.xx.x2", 9010));
    let nodes = plan.compute_nodes.unwrap();
    assert_eq!((nodes.len(), nodes[1].host.as_str(), nodes[1].heartbeat_service_port), (2, "xxx.xx.xx.x4", 9050));
    let volumes = plan.storage_volumes.unwrap();
    let volume = &volumes[0];
    assert_eq!((volume.id, volume.volume_type, volume.enabled), (VolumeId(0), VolumeType::S3, true));
    assert_eq!((volume.location.as_str(), volume.comment.as_str()), ("s3://defaultbucket/test/", "my s3 volume"));
    assert_eq!((volume.properties.len(), volume.properties["aws.s3.secret_key"].as_str()), (4, "yyyyyyyyyy"));
}

#[test]
fn a_volume_of_every_type_is_read() {
    let volumes = plan(&format!("{TEMPLATE}{HDFS}")).storage_volumes.unwrap();
    assert_eq!(
        (volumes[1].volume_type, volumes[1].location.as_str()),
        (VolumeType::Hdfs, "hdfs://127.0.0.1:9000/sr/test/")
    );
    let scheme = TEMPLATE.replacen("cluster_snapshot_path: s3:", "cluster_snapshot_path: ftp:", 1);
    assert!(refusal(&scheme).contains("is at no storage volume"), "{}", refusal(&scheme));
}

#[test]
fn an_empty_list_is_not_an_absent_one() {
    let absent = plan(SNAPSHOT);
    assert_eq!((absent.frontends, absent.compute_nodes, absent.storage_volumes), (None, None, None));
    let empty = plan(&format!("{SNAPSHOT}frontends: []\ncompute_nodes: []\nstorage_volumes: []\n"));
    assert_eq!(
        (empty.frontends, empty.compute_nodes, empty.storage_volumes),
        (Some(vec![]), Some(vec![]), Some(vec![]))
    );
    let blank = plan(&format!("{SNAPSHOT}frontends:\ncompute_nodes: ~\n"));
    assert_eq!((blank.frontends, blank.compute_nodes), (None, None));
}

#[test]
fn everything_wrong_is_said_at_once() {
    let text = "cluster_snapshot:
  cluster_snapshot_path: /var/snapshots
  volume: x
frontends:
  - {host: a, edit_log_port: 70000, type: leader}
  - edit_log_port: 9010
compute_nodes: none
storage_volumes:
  - {name: v, type: S3, location: 'ftp://b'}
colour: red
";
    let error = refusal(text);
    for expected in [
        "cluster_snapshot.volume: is unknown (known: cluster_snapshot_path, storage_volume_name)",
        "cluster_snapshot.storage_volume_name: is missing",
        "cluster_snapshot.cluster_snapshot_path: /var/snapshots is at no storage volume: it must be s3://bucket/..., file:///directory/...",
        "frontends[0].edit_log_port: 70000 is no port number from 1 to 65535",
        "frontends[0].type: leader is neither follower nor observer",
        "frontends[1].host: is missing",
        "compute_nodes: must be a list ([] for none)",
        "storage_volumes[0]: Invalid location 'ftp://b'",
        "colour: is unknown",
    ] {
        assert!(error.contains(expected), "{expected} is not in {error}");
    }
    assert_eq!(error.matches("; ").count(), 8, "{error}");
    assert!(!error.contains('\n'));
}

#[test]
fn shapes_that_are_no_plan() {
    assert_eq!(refusal(""), "plan: cluster_snapshot: is missing");
    assert_eq!(refusal("# all commented\n"), "plan: cluster_snapshot: is missing");
    assert!(refusal("- a\n").contains("must be a mapping with cluster_snapshot, frontends"));
    assert!(refusal("cluster_snapshot: here\n").contains("cluster_snapshot: must be a mapping"));
    assert!(with("1: x\n").contains("a key that is no text"));
    assert!(with("frontends: [a]\n").contains("frontends[0]: must be a mapping with host"));
    assert!(with("frontends:\n  - {host: [a], edit_log_port: 1}\n").contains("frontends[0].host: must be one value"));
    let syntax = refusal("cluster_snapshot:\n  a: [\n");
    assert!(syntax.starts_with("plan is no YAML") && syntax.contains("line"), "{syntax}");
    assert!(with(SNAPSHOT).contains("duplicate"), "{}", with(SNAPSHOT));
    let missing = load(Path::new("/no/such/plan.yaml"), Path::new("/h")).unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
}

#[test]
fn twins_are_refused() {
    let node = "  - {host: a, heartbeat_service_port: 9050}\n";
    assert!(with(&format!("compute_nodes:\n{node}{node}")).contains("compute_nodes: a:9050 is there twice"));
    let node = "  - {host: a, edit_log_port: 9010}\n";
    assert!(with(&format!("frontends:\n{node}{node}")).contains("frontends: a:9010 is there twice"));
    let volume = "  - {name: v, type: LOCAL, location: 'file:///d'}\n";
    assert!(with(&format!("storage_volumes:\n{volume}{volume}")).contains("storage_volumes: v is there twice"));
    let property = "{key: aws.s3.region, value: x}";
    let volume = format!(
        "storage_volumes:\n  - {{name: v, type: S3, location: 's3://b', properties: [{property}, {property}]}}\n"
    );
    assert!(with(&volume).contains("storage_volumes[0].properties: aws.s3.region is there twice"));
}

#[test]
fn the_snapshot_is_in_its_volume() {
    let text = |path: &str, name: &str, location: &str| {
        format!(
            "cluster_snapshot: {{cluster_snapshot_path: '{path}', storage_volume_name: {name}}}\n\
             storage_volumes: [{{name: v, type: s3, location: '{location}'}}]\n"
        )
    };
    assert_eq!(plan(&text("s3://b/p/id/meta", "v", "s3://b/p/")).storage_volume_name, "v");
    let elsewhere = refusal(&text("s3://old/p/id/meta", "v", "s3://new/p"));
    assert!(elsewhere.contains("s3://old/p/id/meta is not in volume v, which is at s3://new/p"), "{elsewhere}");
    let nobody = refusal(&text("s3://b/p/id/meta", "w", "s3://b/p"));
    assert!(nobody.contains("storage_volume_name: w is neither defined under storage_volumes nor builtin"), "{nobody}");
    // The volume of fe.conf: its location is not known here.
    plan(&text("s3://b/p/id/meta", "builtin_storage_volume", "s3://c"));
}

#[test]
fn secrets_come_from_the_environment_and_are_not_repeated() {
    let text = format!(
        "{SNAPSHOT}storage_volumes:\n  - name: v\n    type: S3\n    location: s3://${{BUCKET}}/p\n    properties:\n      \
         - {{key: aws.s3.access_key, value: a}}\n      - {{key: aws.s3.secret_key, value: '${{SECRET}}'}}\n      \
         - {{key: aws.s3.enable_path_style_access, value: true}}\n"
    );
    let variables = [("BUCKET", "b"), ("SECRET", "hush")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let plan = parse(&text, "plan", &variables).unwrap();
    let volume = &plan.storage_volumes.as_ref().unwrap()[0];
    assert_eq!(volume.location, "s3://b/p");
    assert_eq!(volume.properties["aws.s3.secret_key"], "hush");
    assert_eq!(volume.properties["aws.s3.enable_path_style_access"], "true");
    assert!(!format!("{plan:?}").contains("hush"));
    let error = refusal(&text);
    assert!(
        error.contains("storage_volumes[0].properties[1].value: there is no environment variable SECRET"),
        "{error}"
    );
    assert!(error.contains("storage_volumes[0].location: there is no environment variable BUCKET"), "{error}");
    let lonely = with(
        "storage_volumes:\n  - {name: v, type: S3, location: 's3://b', properties: [{key: aws.s3.secret_key, value: hush}]}\n",
    );
    assert!(lonely.contains("storage_volumes[0]:") && !lonely.contains("hush"), "{lonely}");
}

#[test]
fn our_own_file_is_all_comments_and_its_examples_are_plans() {
    let text = include_str!("../../../../conf/cluster_snapshot.yaml");
    assert_eq!(refusal(text), "plan: cluster_snapshot: is missing");
    let variables: Variables = ["STARKEEP_HOME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .map(|name| (name.to_owned(), "/x".to_owned()))
        .into();
    // The two `cluster_snapshot` stanzas are alternatives: each makes a plan with everything below.
    let stanzas: Vec<&str> = text.split("\n\n").filter(|part| part.contains("# cluster_snapshot:\n")).collect();
    let halves: Vec<&str> = stanzas[0].split("# cluster_snapshot:\n").skip(1).collect();
    assert_eq!(halves.len(), 2);
    let (rest, borrowing) = text.split_once("# Frontends that").unwrap().1.split_once("# To live beside").unwrap();
    for half in halves {
        let half = half.split("\n#\n").next().unwrap();
        let commented = format!("# cluster_snapshot:\n{half}\n\n# Frontends that{rest}");
        let plain: String = commented
            .lines()
            .filter(|line| line.starts_with("#   ") || line.trim_end().ends_with(':') && !line.contains(". "))
            .map(|line| format!("{}\n", &line[2..]))
            .collect();
        let plan = parse(&plain, "plan", &variables).unwrap_or_else(|error| panic!("{error}\n{plain}"));
        assert!(plan.snapshot_path.ends_with("/meta"));
        assert_eq!(plan.storage_volumes.unwrap()[0].properties["aws.s3.secret_key"], "/x");
        assert_eq!((plan.frontends.unwrap().len(), plan.compute_nodes.unwrap().len()), (1, 1));
    }
    let example: String =
        borrowing.lines().filter(|line| line.starts_with("#   ")).map(|line| format!("{}\n", &line[2..])).collect();
    let snapshot = "cluster_snapshot:\n  cluster_snapshot_path: s3://bucket/prefix/id/meta\n  storage_volume_name: ";
    let read = plan(&format!("{snapshot}builtin_storage_volume\nstorage_volumes:\n{example}"));
    let builtin = || "builtin_storage_volume".to_owned();
    assert_eq!(read.borrowed, BTreeMap::from([(builtin(), builtin())]));
}

#[test]
fn a_volume_is_borrowed_by_another() {
    let volumes = "storage_volumes:\n  - name: v\n    type: S3\n    location: s3://b/p\n    borrowed_by: mine\n  - name: mine\n    \
                   type: S3\n    location: s3://c\n";
    let snapshot = "cluster_snapshot:\n  cluster_snapshot_path: s3://b/p/id/meta\n  storage_volume_name: ";
    let read = plan(&format!("{snapshot}v\n{volumes}"));
    assert_eq!(read.borrowed, BTreeMap::from([("v".to_owned(), "mine".to_owned())]));
    let elsewhere = snapshot.replacen("s3://b/p", "s3://c", 1);
    let refused = refusal(&format!("{elsewhere}mine\n{volumes}"));
    assert!(refused.contains("mine holds the snapshot and has no borrowed_by, as v"), "{refused}");
}
