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
    let (code, text) = client.fails("CREATE MATERIALIZED VIEW w AS SELECT 1").await;
    assert!(code == 1064 && text.contains("not supported yet"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_comments_change() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    client.ok("CREATE TABLE u (a INT)").await;
    client.ok("ALTER TABLE quickstart.t RENAME s").await;
    assert_eq!(client.rows("SHOW TABLES").await, ["s", "u"]);
    let (code, text) = client.fails("ALTER TABLE s RENAME u").await;
    assert_eq!((code, text.as_str()), (1064, "Table name[u] is already used"));
    assert_eq!(client.fails("ALTER TABLE t RENAME x").await.0, 5502);
    assert_eq!(client.fails("ALTER TABLE s RENAME ` x`").await.0, 5063);
    assert_eq!(client.fails("ALTER TABLE information_schema.tables RENAME x").await.0, 1064);
    client.ok("ALTER TABLE s RENAME PARTITION p1 early").await;
    let partitions = "SELECT PARTITION_NAME FROM information_schema.partitions_meta WHERE TABLE_NAME = 's' ORDER BY 1";
    assert_eq!(client.rows(partitions).await, ["early", "p2"]);
    assert_eq!(client.fails("ALTER TABLE s RENAME PARTITION p1 x").await.0, 5505);
    assert_eq!(client.fails("ALTER TABLE s RENAME PARTITION p2 `p\t2`").await.0, 5063);
    client.ok("ALTER TABLE s COMMENT = \"all of it\"").await;
    assert!(client.rows("SHOW CREATE TABLE s").await[0].contains("COMMENT \"all of it\""));
    client.ok("ALTER TABLE s SWAP WITH u").await;
    assert!(client.rows("SHOW CREATE TABLE u").await[0].contains("COMMENT \"all of it\""));
    assert_eq!(client.rows("DESC s").await.len(), 1);
    let (code, text) = client.fails("ALTER TABLE s SWAP WITH no").await;
    assert_eq!((code, text.as_str()), (1064, "Table no does not exist or is not OLAP/LAKE table"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_stays_in_a_database_that_is_renamed() {
    let kit = Kit::start().await;
    let (mut client, mut other) = (kit.client().await, kit.client().await);
    quickstart(&mut client).await;
    other.ok("USE quickstart").await;
    client.ok("ALTER DATABASE quickstart RENAME shop").await;
    for client in [&mut client, &mut other] {
        assert_eq!(client.rows("SELECT DATABASE()").await, ["shop"]);
        assert_eq!(client.table("SHOW TABLES").await, ("Tables_in_shop".to_owned(), vec!["t".to_owned()]));
    }
    // Who entered a name is where that name is, as in StarRocks.
    client.ok("CREATE DATABASE quickstart").await;
    assert_eq!(other.rows("SELECT DATABASE()").await, ["quickstart"]);
    assert_eq!(other.fails("SELECT * FROM t").await.0, 5502);
    client.ok("DROP DATABASE quickstart").await;
    assert_eq!(other.rows("SHOW TABLES").await, ["t"]);
    client.ok("DROP DATABASE shop").await;
    assert_eq!(other.fails("SHOW TABLES").await.0, 5501);
    let rename = |name: &str, new_name: &str| format!("ALTER DATABASE {name} RENAME {new_name}");
    assert_eq!(client.fails(&rename("no", "x")).await.0, 5501);
    client.ok("CREATE DATABASE a").await;
    for (name, new_name, code, says) in [
        ("a", "a", 1064, "Same database name"),
        ("a", "information_schema", 1064, "Database name[information_schema] is already used"),
        ("a", "` `", 5063, "Incorrect database name ' '"),
    ] {
        assert_eq!(client.fails(&rename(name, new_name)).await, (code, says.to_owned()));
    }
    assert_eq!(client.fails(&rename("information_schema", "x")).await.0, 1064);
    assert_eq!(client.fails(&rename("other_catalog.a", "x")).await.0, 5078);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_dropped_comes_back() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    client.ok("DROP TABLE t").await;
    let bin = "SELECT TYPE, NAME FROM information_schema.recyclebin_catalogs";
    assert_eq!(client.rows(bin).await, ["Table|t"]);
    client.ok("RECOVER TABLE quickstart.t").await;
    assert_eq!(client.fails("RECOVER TABLE t").await, (1050, "Table 't' already exists".to_owned()));
    assert_eq!(client.fails("RECOVER TABLE nothing").await.0, 5502);
    assert_eq!(client.fails("RECOVER TABLE nothing.t").await.0, 5501);
    client.ok("ALTER TABLE t DROP PARTITION p1").await;
    client.ok("RECOVER PARTITION P1 FROM t").await;
    assert!(client.rows(bin).await.is_empty());
    let nothing = "No partition named 'p9' in recycle bin that belongs to table 't'";
    assert_eq!(client.fails("RECOVER PARTITION p9 FROM t").await, (1064, nothing.to_owned()));
    let there = "partition[p1] already exist in table[t]";
    assert_eq!(client.fails("RECOVER PARTITION p1 FROM t").await, (1064, there.to_owned()));
    client.ok("DROP DATABASE quickstart").await;
    client.ok("RECOVER DATABASE quickstart").await;
    assert_eq!(client.rows("SHOW TABLES").await, ["t"]);
    let there = "Database[quickstart] already exist.";
    assert_eq!(client.fails("RECOVER DATABASE quickstart").await, (1064, there.to_owned()));
    assert_eq!(client.fails("RECOVER DATABASE nothing").await.0, 5501);
    assert_eq!(client.fails("RECOVER DATABASE sys").await.0, 1064);
    client.ok("DROP TABLE t FORCE").await;
    assert_eq!(client.fails("RECOVER TABLE t").await.0, 5502);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_come_at_even_steps() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    let steps = "START (\"2024-01-01\") END (\"2024-01-04\") EVERY (INTERVAL 1 DAY)";
    client.ok(&format!("CREATE TABLE d (d DATE) PARTITION BY RANGE(d) ({steps})")).await;
    let names = |rows: Vec<String>| rows.iter().filter_map(|row| row.split('|').nth(1).map(str::to_owned)).collect();
    let partitions: Vec<String> = names(client.rows("SHOW PARTITIONS FROM d").await);
    assert_eq!(partitions, ["p20240101", "p20240102", "p20240103"]);
    let add = "ALTER TABLE d ADD PARTITIONS START ('2024-01-04') END ('2024-03-01') EVERY (INTERVAL 1 MONTH)";
    client.ok(&format!("{add} DISTRIBUTED BY RANDOM BUCKETS 2")).await;
    let partitions: Vec<String> = names(client.rows("SHOW PARTITIONS FROM d").await);
    assert_eq!(partitions[3..], ["p202401", "p202402"]);
    assert_eq!(client.fails(add).await, (1517, "Duplicate partition name p202401".to_owned()));
    // One that is in the way keeps all of them out.
    let (code, text) =
        client.fails(&format!("ALTER TABLE d ADD PARTITIONS {}", steps.replace("2024-01-01", "2023-12-31"))).await;
    assert_eq!((code, text.as_str()), (1517, "Duplicate partition name p20240101"));
    assert_eq!(client.rows("SHOW PARTITIONS FROM d").await.len(), 5);
    let (code, text) = client
        .fails("ALTER TABLE d ADD PARTITIONS START ('1700-01-01') END ('2000-01-01') EVERY (INTERVAL 1 DAY)")
        .await;
    assert!(code == 1064 && text.contains("The number of batch partitions should not exceed:4096"), "{text}");
    let (code, text) = client.fails("ALTER TABLE d ADD PARTITIONS START ('1') END ('5') EVERY (1)").await;
    assert!(code == 1064 && text.contains("EVERY (INTERVAL n unit)"), "{text}");
    client.ok("CREATE TABLE n (a INT) PARTITION BY RANGE(a) (START (\"1\") END (\"100\") EVERY (10))").await;
    assert_eq!(client.rows("SHOW PARTITIONS FROM n").await.len(), 10);
    client.ok("CREATE TABLE plain (a INT)").await;
    let (code, text) = client.fails("ALTER TABLE plain ADD PARTITIONS START ('1') END ('5') EVERY (1)").await;
    assert!(code == 1064 && text.contains("is not partitioned"), "{text}");
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

/// A snapshot by hand from its beginning to FINISHED.
fn finished(kit: &Kit, name: &str) -> storage_model::JobId {
    let volume = kit.catalog.lock().unwrap().volume_by_name("v").unwrap().id;
    let (kind, name, comment) = (SnapshotKind::Manual, name.to_owned(), String::new());
    let begin = Command::BeginSnapshot { kind, name, volume, comment, max_history: 100 };
    let storage_catalog::Outcome::Job(job) = kit.propose(begin) else { panic!("no job") };
    kit.propose(Command::SnapshotEvent { job, event: JobEvent::Cut, detail: String::new() });
    let cut = kit.catalog.lock().unwrap().revision();
    let uploaded = JobEvent::Uploaded { cut, sha256: "00".into(), bytes: 10 };
    kit.propose(Command::SnapshotEvent { job, event: uploaded, detail: String::new() });
    job
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_is_said_when_it_is_turned_on_and_changed_in_place() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    let on = |properties: &str| format!("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON PROPERTIES({properties})");
    let alter = |properties: &str| format!("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET PROPERTIES({properties})");
    let (code, text) = client.fails(&alter("'retention'='2'")).await;
    assert!(code == 1064 && text.contains("Automated snapshot has not been turn on"), "{text}");
    for (properties, why) in [
        ("'retention'='0'", "Invalid retention value: '0'. It must be a number from 1 to 1000"),
        ("'retention_daily'='all'", "Invalid retention_daily value: 'all'. It must be a number from 0 to 1000"),
        ("'ttl'='7'", "Invalid ttl value: '7'. It must be a number with SECOND, MINUTE, HOUR, DAY or WEEK"),
        ("'retention'='2', 'colour'='red'", "Unknown properties: {colour=red}"),
    ] {
        let (code, text) = client.fails(&on(properties)).await;
        assert!(code == 1064 && text.contains(why), "{text}");
    }
    client.ok(&on("'retention'='3', 'ttl'='7 DAY'")).await;
    client.ok(&alter("'retention_hourly'='24', 'ttl'='36 HOUR'")).await;
    let (code, text) = client.fails(&alter("'retention_weekly'='-1'")).await;
    assert!(code == 1064 && text.contains("Invalid retention_weekly value"), "{text}");
    let volume = kit.catalog.lock().unwrap().volume_by_name("v").unwrap().id;
    for n in 1..=4 {
        let (kind, comment) = (SnapshotKind::Automated, String::new());
        let name = format!("automated_cluster_snapshot_{n}");
        let begin = Command::BeginSnapshot { kind, name, volume, comment, max_history: 100 };
        let storage_catalog::Outcome::Job(job) = kit.propose(begin) else { panic!("no job") };
        kit.propose(Command::SnapshotEvent { job, event: JobEvent::Cut, detail: String::new() });
        let cut = kit.catalog.lock().unwrap().revision();
        let uploaded = JobEvent::Uploaded { cut, sha256: "00".into(), bytes: 10 };
        kit.propose(Command::SnapshotEvent { job, event: uploaded, detail: String::new() });
    }
    finished(&kit, "by_hand");
    let listed = client.rows("SELECT SNAPSHOT_TYPE, PROPERTIES FROM information_schema.cluster_snapshots").await;
    let kept = "AUTOMATED|{\"retention\":\"3\",\"retention_hourly\":\"24\",\"ttl\":\"36 HOUR\"}";
    assert_eq!(listed, [kept, kept, kept, kept, "MANUAL|"]);
    client.ok("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF").await;
    let listed = client.rows("SELECT DISTINCT PROPERTIES FROM information_schema.cluster_snapshots").await;
    assert_eq!(listed, [""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_restored_from_a_snapshot() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    let job = finished(&kit, "s");
    let pins = "SELECT SNAPSHOT_NAME, SNAPSHOT_TYPE, STATE, FILES, BYTES, ONLY_FILES, ONLY_BYTES \
                FROM information_schema.cluster_snapshot_pins";
    assert_eq!(client.rows(pins).await, ["s|MANUAL|FINISHED|0|0|0|0"]);
    client.ok("RESTORE TABLE t FROM SNAPSHOT s TO TABLE t2").await;
    client.ok("RESTORE TABLE other.x FROM SNAPSHOT s TO TABLE quickstart.x2").await;
    let asked = std::mem::take(&mut kit.script.lock().unwrap().restored);
    assert_eq!(asked, ["quickstart.t of s to quickstart.t2", "other.x of s to quickstart.x2"]);
    let restore = |snapshot: &str, target: &str| format!("RESTORE TABLE t FROM SNAPSHOT {snapshot} TO TABLE {target}");
    for (sql, code, why) in [
        (restore("nothing", "t2"), 1064, "Unknown cluster snapshot: nothing"),
        (restore("s", "t"), 1050, "Table 't' already exists"),
        (restore("s", "nowhere.t2"), 5501, "nowhere"),
        (restore("s", "` t`"), 5063, "Incorrect table name"),
        (restore("s", "information_schema.t2"), 1064, "is computed and can not be changed"),
        (format!("{} WITH PROPERTIES('a'='b')", restore("s", "t2")), 1064, "Unknown properties: {a=b}"),
    ] {
        let (found, text) = client.fails(&sql).await;
        assert!(found == code && text.contains(why), "{sql}: {found} {text}");
    }
    kit.propose(Command::SnapshotEvent { job, event: JobEvent::Retire, detail: String::new() });
    let (code, text) = client.fails(&restore("s", "t2")).await;
    let expired = "Cluster snapshot 's' is not available for restore: it is EXPIRED";
    assert!(code == 5064 && text.contains(expired), "{code} {text}");
    assert!(kit.script.lock().unwrap().restored.is_empty());
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
