//! Statements that change the cluster: databases, tables, volumes, snapshots, nodes, configuration.

use storage_catalog::Command;
use storage_model::SnapshotKind;
use storage_model::snapshot::JobEvent;

use super::kit::{Kit, quickstart};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_and_tables_come_and_go() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    client.ok("CREATE DATABASE d").await;
    assert_eq!(client.fails("CREATE TABLE d.t (a INT)").await.0, 5506);
    quickstart(&mut client).await;
    assert_eq!(client.fails("CREATE DATABASE quickstart").await.0, 1007);
    assert_eq!(client.fails("DROP DATABASE nothing").await.0, 1008);
    assert_eq!(client.fails("CREATE TABLE t (a INT)").await.0, 1050);
    assert_eq!(client.fails("USE nothing").await.0, 5501);
    assert_eq!(client.fails("CREATE TABLE nothing.t (a INT)").await.0, 5501);
    client.ok("ALTER TABLE t DROP PARTITION p2").await;
    client.ok("ALTER TABLE t ADD PARTITION p3 VALUES LESS THAN ('2021-01-01')").await;
    assert_eq!(client.fails("ALTER TABLE t ADD PARTITION p3 VALUES LESS THAN ('2022-01-01')").await.0, 1517);
    let (code, text) = client.fails("ALTER TABLE t ADD PARTITION p4 VALUES [('2020-06-01'), ('2020-07-01'))").await;
    assert!(code == 1064 && text.contains("intersected"), "{text}");
    let ranges = client.rows("SHOW PARTITIONS FROM t WHERE PartitionName = 'p3'").await;
    assert!(ranges[0].contains("keys: [2020-01-01]; ..types: [DATE]; keys: [2021-01-01]"), "{ranges:?}");
    kit.told();
    client.ok("TRUNCATE TABLE t").await;
    client.ok("DROP TABLE IF EXISTS nothing").await;
    client.ok("DROP TABLE t FORCE").await;
    assert_eq!(kit.told(), ["Collect", "Collect", "Collect"]);
    assert_eq!(client.fails("DROP TABLE t").await.0, 5502);
    assert_eq!(client.fails("CREATE TABLE information_schema.t (a INT)").await.0, 1064);
    let (code, text) = client.fails("CREATE VIEW w AS SELECT 1").await;
    assert!(code == 1064 && text.contains("not supported yet"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volumes_are_probed_and_keep_their_secrets() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    let create = "CREATE STORAGE VOLUME s TYPE = S3 LOCATIONS = ('s3://b/p') PROPERTIES('enabled'='true', \
                  'aws.s3.access_key'='AKIA1', 'aws.s3.secret_key'='hushhush')";
    kit.script.lock().unwrap().preflight = Some("access denied".to_owned());
    let (code, text) = client.fails(create).await;
    assert!(code == 5064 && text.contains("access denied") && !text.contains("hush"), "{text}");
    kit.script.lock().unwrap().preflight = None;
    client.ok(create).await;
    let (names, rows) = client.table("DESC STORAGE VOLUME s").await;
    assert_eq!(names, "Name|Type|IsDefault|Location|Params|Enabled|Comment");
    assert!(rows[0].starts_with("s|S3|false|s3://b/p|{\"aws.s3.access_key\":\"******\""), "{rows:?}");
    assert!(!rows[0].contains("hush") && !rows[0].contains("AKIA1"));
    assert_eq!(client.rows("SHOW STORAGE VOLUMES").await, ["s"]);
    assert!(client.fails(create).await.1.contains("Storage volume 's' already exists"));
    let (_, text) =
        client.fails("CREATE STORAGE VOLUME x TYPE=S3 LOCATIONS=('s3://b') PROPERTIES('aws.s3.colour'='red')").await;
    assert!(text.contains("Invalid properties aws.s3.colour"), "{text}");
    client.ok("SET s AS DEFAULT STORAGE VOLUME").await;
    assert!(client.fails("DROP STORAGE VOLUME s").await.1.contains("default storage volume can not be removed"));
    client.ok("CREATE STORAGE VOLUME off TYPE=LOCAL LOCATIONS=('file:///x')").await;
    assert!(client.fails("SET off AS DEFAULT STORAGE VOLUME").await.1.contains("Storage volume 'off' is disabled"));
    client.ok("ALTER STORAGE VOLUME off SET ('enabled'='true')").await;
    client.ok("SET off AS DEFAULT STORAGE VOLUME").await;
    assert!(client.fails("DESC STORAGE VOLUME nothing").await.1.contains("Storage volume 'nothing' does not exist"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn automated_snapshots_go_on_and_off() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    let on = "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME v";
    assert_eq!(client.rows("ADMIN SHOW AUTOMATED CLUSTER SNAPSHOT").await, ["false|NULL|NULL|NULL|NULL"]);
    assert!(
        client
            .fails("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF")
            .await
            .1
            .contains("Automated snapshot has not been turn on")
    );
    let (_, text) = client.fails("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME w").await;
    assert!(text.contains("Unknown storage volume: w"), "{text}");
    kit.script.lock().unwrap().preflight = Some("disk full".to_owned());
    assert!(client.fails(on).await.1.contains("disk full"));
    kit.script.lock().unwrap().preflight = None;
    kit.told();
    client.ok(on).await;
    assert_eq!(kit.told(), ["Reconcile"]);
    // State comes before the volume.
    let (_, text) = client.fails("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME w").await;
    assert!(text.contains("Automated snapshot has been turn on"), "{text}");
    let volume = kit.catalog.lock().unwrap().volume_by_name("v").unwrap().id;
    let name = "automated_cluster_snapshot_1739857978127".to_owned();
    let begin = Command::BeginSnapshot {
        kind: SnapshotKind::Automated,
        name,
        volume,
        comment: String::new(),
        max_history: 100,
    };
    let storage_catalog::Outcome::Job(job) = kit.propose(begin) else { panic!("no job") };
    let row = client.rows("SELECT STATE, FINISHED_TIME FROM information_schema.cluster_snapshot_jobs").await;
    assert_eq!(row, ["INITIALIZING|NULL"]);
    kit.propose(Command::SnapshotEvent { job, event: JobEvent::Cut, detail: String::new() });
    let cut = kit.catalog.lock().unwrap().revision();
    let uploaded = JobEvent::Uploaded { cut, sha256: "00".into(), bytes: 10 };
    kit.propose(Command::SnapshotEvent { job, event: uploaded, detail: "done".into() });
    let sql = "SELECT snapshot_name, snapshot_type, fe_journal_id, storage_volume, storage_path FROM information_schema.cluster_snapshots";
    let path = "file:///data/3f2b6c9e/meta/image/automated_cluster_snapshot_1739857978127";
    assert_eq!(client.rows(sql).await, [format!("automated_cluster_snapshot_1739857978127|AUTOMATED|{cut}|v|{path}")]);
    let shown = client.rows("ADMIN SHOW AUTOMATED CLUSTER SNAPSHOT").await;
    assert!(shown[0].starts_with("true|600 SECOND|v|2025-02-18 "), "{shown:?}");
    client.ok("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await;
    assert_eq!(client.fails("ADMIN FINISH RESTORE").await.0, 5064);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_by_hand_are_made_verified_cancelled_and_dropped() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    for (name, why) in [
        ("automated_cluster_snapshot_1", "names of automated snapshots"),
        ("`a/b`", "letters, digits"),
        ("`..`", "letters, digits"),
    ] {
        let (code, text) = client.fails(&format!("CREATE CLUSTER SNAPSHOT {name}")).await;
        assert!(code == 1064 && text.contains(why), "{text}");
    }
    let (_, text) = client.fails("CREATE CLUSTER SNAPSHOT before STORAGE VOLUME w").await;
    assert!(text.contains("Unknown storage volume: w"), "{text}");
    kit.told();
    client.ok("CREATE CLUSTER SNAPSHOT before COMMENT 'the upgrade' STORAGE VOLUME v").await;
    assert_eq!(kit.told(), ["Reconcile"]);
    client.ok("CREATE CLUSTER SNAPSHOT IF NOT EXISTS before").await;
    let (_, text) = client.fails("CREATE CLUSTER SNAPSHOT before").await;
    assert!(text.contains("already exists"), "{text}");
    let (_, text) = client.fails("DROP CLUSTER SNAPSHOT before").await;
    assert!(text.contains("is still INITIALIZING"), "{text}");
    let running = kit.catalog.lock().unwrap().unfinished_job().unwrap().clone();
    assert_eq!((running.kind, running.comment.as_str()), (SnapshotKind::Manual, "the upgrade"));

    assert!(client.fails("CANCEL CLUSTER SNAPSHOT other").await.1.contains("Unknown cluster snapshot: other"));
    client.ok("CANCEL CLUSTER SNAPSHOT").await;
    assert!(kit.catalog.lock().unwrap().job(running.id).unwrap().cancelled);
    let end = |event: JobEvent| Command::SnapshotEvent { job: running.id, event, detail: String::new() };
    kit.propose(end(JobEvent::Failed { cause: "cancelled".into() }));
    assert!(client.fails("CANCEL CLUSTER SNAPSHOT").await.1.contains("no cluster snapshot is running"));
    assert!(client.fails("DROP CLUSTER SNAPSHOT before").await.1.contains("Unknown cluster snapshot: before"));

    client.ok("CREATE CLUSTER SNAPSHOT before").await;
    let job = kit.catalog.lock().unwrap().unfinished_job().unwrap().id;
    kit.propose(Command::SnapshotEvent { job, event: JobEvent::Cut, detail: String::new() });
    let cut = kit.catalog.lock().unwrap().revision();
    let uploaded = JobEvent::Uploaded { cut, sha256: "00".into(), bytes: 10 };
    kit.propose(Command::SnapshotEvent { job, event: uploaded, detail: String::new() });
    let sql = "SELECT snapshot_name, snapshot_type FROM information_schema.cluster_snapshots";
    assert_eq!(client.rows(sql).await, ["before|MANUAL"]);
    let verify = "ADMIN VERIFY CLUSTER SNAPSHOT before WITH DATA";
    assert!(client.rows(verify).await.is_empty());
    let (volume, object) = ("v".to_owned(), "db1/2/3/data/f.parquet".to_owned());
    let problem = actors_messages::supervisor::SnapshotProblem { volume, object, what: "it is missing".to_owned() };
    kit.script.lock().unwrap().problems = vec![problem];
    let (names, rows) = client.table(verify).await;
    assert_eq!(names, "StorageVolume|Object|Problem");
    assert_eq!(rows, ["v|db1/2/3/data/f.parquet|it is missing"]);
    assert!(client.fails("ADMIN VERIFY CLUSTER SNAPSHOT nothing").await.1.contains("Unknown cluster snapshot"));
    client.ok("DROP CLUSTER SNAPSHOT before").await;
    assert!(client.rows(sql).await.is_empty());
    client.ok("DROP CLUSTER SNAPSHOT IF EXISTS nothing").await;
    client.ok("DROP CLUSTER SNAPSHOT nothing IF EXISTS").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_images_and_configuration() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    client.ok("ALTER SYSTEM ADD COMPUTE NODE \"127.0.0.1:9050\"").await;
    assert_eq!(kit.told(), ["BeatNow"]);
    assert!(
        client
            .fails("ALTER SYSTEM ADD COMPUTE NODE '127.0.0.1:9050'")
            .await
            .1
            .contains("Same compute node already exists!")
    );
    assert_eq!(client.fails("ALTER SYSTEM ADD COMPUTE NODE '127.0.0.1'").await.0, 1064);
    let (names, rows) = client.table("SHOW COMPUTE NODES").await;
    assert!(names.starts_with("ComputeNodeId|IP|HeartbeatPort|BePort|") && names.contains("|WarehouseName|"));
    assert!(rows[0].contains("|127.0.0.1|9050|") && rows[0].contains("|false|"), "{rows:?}");
    client.ok("ALTER SYSTEM DROP COMPUTE NODE '127.0.0.1:9050'").await;
    assert_eq!(client.fails("ALTER SYSTEM DROP COMPUTE NODE '127.0.0.1:9050'").await.0, 5064);
    client.ok("ALTER SYSTEM CREATE IMAGE").await;
    let set = "ADMIN SET FRONTEND CONFIG ('automated_cluster_snapshot_interval_seconds' = '30') WITH PERSISTENT";
    client.ok(set).await;
    assert_eq!(kit.catalog.lock().unwrap().config().count(), 1);
    let shown = client.rows("ADMIN SHOW FRONTEND CONFIG LIKE 'automated%'").await;
    assert_eq!(shown, ["automated_cluster_snapshot_interval_seconds|[]|30|String|true|"]);
    assert_eq!(client.fails("ADMIN SET FRONTEND CONFIG ('run_mode' = 'x')").await.0, 5102);
    let wrong = "ADMIN SET FRONTEND CONFIG ('automated_cluster_snapshot_interval_seconds' = 'soon') WITH PERSISTENT";
    assert_eq!(client.fails(wrong).await.0, 5101);
}
