//! One line for each statement of the specification that is no table, query or client probe.

use std::fmt::Debug;

use storage_model::FrontendRole;

use super::{one, shown, shown_plainly};
use crate::statement::show::{DatabaseName, ShownObject};
use crate::statement::{AssignedValue, KillTarget, Shown, VariableScope};
use crate::{QualifiedName, Statement};

/// What Debug prints, for long variants of which a test looks at one or two fields.
fn debug(sql: &str) -> String {
    format!("{:?}", one(sql))
}

fn assert_has(sql: &str, parts: &[&dyn Debug]) {
    let printed = debug(sql);
    for part in parts {
        assert!(printed.contains(&format!("{part:?}")), "{sql}: no {part:?} in {printed}");
    }
}

#[test]
fn cluster_snapshots() {
    let on = |interval_seconds, volume: Option<&str>| Statement::AdminSetAutomatedSnapshotOn {
        interval_seconds,
        volume: volume.map(str::to_owned),
        properties: Default::default(),
    };
    assert_eq!(one("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON"), on(None, None));
    assert_eq!(one("admin set automated cluster snapshot on storage volume my_v;"), on(None, Some("my_v")));
    assert_eq!(
        one("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON INTERVAL 10 MINUTE STORAGE VOLUME 'v'"),
        on(Some(600), Some("v"))
    );
    assert_has(
        "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME v PROPERTIES ('snapshot_scope' = 'local')",
        &[&"snapshot_scope", &"local"],
    );
    assert_eq!(one("ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF"), Statement::AdminSetAutomatedSnapshotOff);
    assert_eq!(
        one("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET INTERVAL 1 HOUR"),
        Statement::AdminAlterAutomatedSnapshot {
            interval_seconds: Some(3600),
            volume: None,
            properties: Default::default()
        }
    );
    assert_has("ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET STORAGE VOLUME w", &[&"w"]);
    assert_eq!(one("ADMIN SHOW AUTOMATED CLUSTER SNAPSHOT"), Statement::AdminShowAutomatedSnapshot);
    assert_eq!(
        one("CREATE CLUSTER SNAPSHOT IF NOT EXISTS s COMMENT 'c' STORAGE VOLUME v"),
        Statement::CreateClusterSnapshot {
            if_not_exists: true,
            name: "s".into(),
            comment: Some("c".into()),
            volume: Some("v".into())
        }
    );
    for (sql, if_exists) in [
        ("DROP CLUSTER SNAPSHOT s", false),
        ("DROP CLUSTER SNAPSHOT s IF EXISTS", true),
        ("DROP CLUSTER SNAPSHOT IF EXISTS s", true),
    ] {
        assert_eq!(one(sql), Statement::DropClusterSnapshot { if_exists, name: "s".into() }, "{sql}");
    }
    assert_eq!(one("CANCEL CLUSTER SNAPSHOT"), Statement::CancelClusterSnapshot { name: None });
    assert_eq!(one("CANCEL CLUSTER SNAPSHOT s"), Statement::CancelClusterSnapshot { name: Some("s".into()) });
    assert_eq!(
        one("ADMIN VERIFY CLUSTER SNAPSHOT s WITH DATA"),
        Statement::AdminVerifyClusterSnapshot { name: "s".into(), with_data: true }
    );
    assert_has("RESTORE TABLE db.t FROM SNAPSHOT s TO TABLE t2", &[&"db", &"s", &"t2"]);
    assert_eq!(one("ADMIN FINISH RESTORE"), Statement::AdminFinishRestore);
}

#[test]
fn storage_volumes() {
    let sql = "CREATE STORAGE VOLUME IF NOT EXISTS my_s3 TYPE = S3 LOCATIONS = ('s3://bucket/test/') COMMENT 'c' \
               PROPERTIES (\"enabled\" = \"true\", 'aws.s3.access_key' = 'AKIA', 'aws.s3.secret_key' = 'hush')";
    let Statement::CreateStorageVolume { if_not_exists, name, volume_type, locations, comment, properties } = one(sql)
    else {
        panic!()
    };
    assert!(if_not_exists);
    assert_eq!((name.as_str(), volume_type.as_str(), comment.as_deref()), ("my_s3", "S3", Some("c")));
    assert_eq!(locations, ["s3://bucket/test/"]);
    assert_eq!(properties["aws.s3.secret_key"], "hush");
    assert!(!debug(sql).contains("hush") && !debug(sql).contains("AKIA"), "secrets are printed");

    assert_has("ALTER STORAGE VOLUME IF EXISTS v SET ('enabled' = 'false'), COMMENT = 'x'", &[&"false", &"x"]);
    assert_eq!(
        one("DROP STORAGE VOLUME IF EXISTS v"),
        Statement::DropStorageVolume { if_exists: true, name: "v".into() }
    );
    for sql in ["DESC STORAGE VOLUME v", "describe storage volume 'v'"] {
        assert_eq!(one(sql), Statement::DescribeStorageVolume { name: "v".into() });
    }
    assert_eq!(shown_plainly("SHOW STORAGE VOLUMES"), Shown::StorageVolumes);
    assert_eq!(shown("SHOW STORAGE VOLUMES LIKE '%s3%'").filter.like.as_deref(), Some("%s3%"));
    for sql in
        ["SET v AS DEFAULT STORAGE VOLUME", "set 'v' as default storage volume", "SET `v` AS DEFAULT STORAGE VOLUME"]
    {
        assert_eq!(one(sql), Statement::SetDefaultStorageVolume { name: "v".into() });
    }
}

#[test]
fn databases() {
    assert_eq!(
        one(
            "CREATE DATABASE IF NOT EXISTS c.d DEFAULT CHARACTER SET = utf8 COLLATE utf8_bin PROPERTIES ('storage_volume' = 'v')"
        ),
        Statement::CreateDatabase {
            if_not_exists: true,
            catalog: Some("c".into()),
            name: "d".into(),
            properties: std::collections::BTreeMap::from([("storage_volume".to_owned(), "v".to_owned())]).into(),
        }
    );
    assert_eq!(
        one("DROP SCHEMA IF EXISTS d FORCE"),
        Statement::DropDatabase { if_exists: true, catalog: None, name: "d".into(), force: true }
    );
    let used = |sql: &str| match one(sql) {
        Statement::UseDatabase { catalog, database } => (catalog.unwrap_or_default(), database),
        other => panic!("{other:?}"),
    };
    assert_eq!(used("use `my db`"), (String::new(), "my db".into()));
    assert_eq!(used("USE default_catalog.quickstart"), ("default_catalog".into(), "quickstart".into()));
    assert_eq!(used("USE 'default_catalog.quickstart'"), ("default_catalog".into(), "quickstart".into()));
    assert_eq!(one("SET CATALOG `c`"), Statement::SetCatalog { name: "c".into() });
    assert_eq!(one("USE 'catalog c'"), Statement::SetCatalog { name: "c".into() });
    assert_eq!(shown_plainly("SHOW SCHEMAS FROM c"), Shown::Databases { catalog: Some("c".into()) });
    assert_eq!(shown_plainly("show create database d"), Shown::CreateDatabase { name: "d".into() });
    assert_eq!(shown_plainly("SHOW CATALOGS"), Shown::Catalogs);
}

#[test]
fn what_is_in_a_database() {
    let d = || Some(DatabaseName { catalog: None, database: "d".into() });
    let t = || QualifiedName { catalog: None, database: Some("d".into()), name: "t".into() };
    assert_eq!(shown_plainly("SHOW FULL TABLES FROM `d`"), Shown::Tables { full: true, database: d() });
    let show = shown("show tables in d like 'a%' where Tables_in_d = 'x' order by 1 desc limit 2, 3");
    assert_eq!(show.what, Shown::Tables { full: false, database: d() });
    assert_eq!(show.filter.like.as_deref(), Some("a%"));
    assert_eq!(show.filter.predicate.unwrap().to_string(), "Tables_in_d = 'x'");
    assert_eq!((show.filter.order_by.len(), show.filter.limit, show.filter.offset), (1, Some(3), Some(2)));
    assert_eq!(shown("SHOW TABLE STATUS FROM d LIKE 't'").what, Shown::TableStatus { database: d() });
    assert_eq!(shown_plainly("SHOW CREATE TABLE d.t"), Shown::CreateTable { object: ShownObject::Table, name: t() });
    assert_eq!(
        shown_plainly("SHOW CREATE MATERIALIZED VIEW d.t"),
        Shown::CreateTable { object: ShownObject::MaterializedView, name: t() }
    );
    assert_eq!(shown_plainly("DESC `d`.`t`"), Shown::Describe { table: t(), all: false });
    assert_eq!(shown_plainly("DESCRIBE d.t ALL"), Shown::Describe { table: t(), all: true });
    assert_eq!(shown_plainly("desc verbose"), Shown::Describe { table: QualifiedName::bare("verbose"), all: false });
    assert_eq!(shown_plainly("desc storage"), Shown::Describe { table: QualifiedName::bare("storage"), all: false });
    for sql in ["SHOW FULL COLUMNS FROM `t` FROM `d`", "SHOW FULL FIELDS IN d.t"] {
        assert_eq!(shown_plainly(sql), Shown::Columns { full: true, table: t() });
    }
    let show = shown("SHOW PARTITIONS FROM d.t WHERE PartitionName = 'p06' ORDER BY PartitionId LIMIT 5 OFFSET 1");
    assert_eq!(show.what, Shown::Partitions { temporary: false, table: t() });
    assert_eq!((show.filter.limit, show.filter.offset), (Some(5), Some(1)));
    for sql in ["SHOW INDEX FROM d.t", "SHOW KEYS FROM `t` FROM `d`", "show indexes in t in d"] {
        assert_eq!(shown_plainly(sql), Shown::Index { table: t() });
    }
    assert_eq!(shown_plainly("SHOW COLUMN STATS FROM t IN d"), Shown::ColumnStats { table: t() });
    assert_eq!(shown_plainly("show stats meta"), Shown::StatsMeta);
    assert_eq!(shown_plainly("SHOW DATA"), Shown::Data { name: None });
    assert_eq!(shown_plainly("SHOW DATA FROM d.t"), Shown::Data { name: Some(t()) });
    let show = shown("SHOW ALTER TABLE COLUMN FROM d WHERE TableName='t'");
    assert_eq!(show.what, Shown::AlterTable { kind: "COLUMN", database: d() });
    assert_eq!(shown_plainly("SHOW MATERIALIZED VIEWS FROM d"), Shown::MaterializedViews { database: d() });
}

#[test]
fn nodes_and_administration() {
    assert_eq!(
        one("ALTER SYSTEM ADD COMPUTE NODE \"h1:9050\", 'h2:9050'"),
        Statement::AlterSystemAddComputeNode { nodes: vec!["h1:9050".into(), "h2:9050".into()] }
    );
    assert_has("ALTER SYSTEM DROP COMPUTE NODE 'h:1'", &[&"h:1"]);
    assert_eq!(
        one("ALTER SYSTEM ADD FOLLOWER \"host:9010\";"),
        Statement::AlterSystemAddFrontend { role: FrontendRole::Follower, nodes: vec!["host:9010".into()] }
    );
    assert_eq!(
        one("ALTER SYSTEM DROP OBSERVER 'a:1', 'b:2'"),
        Statement::AlterSystemDropFrontend { role: FrontendRole::Observer, nodes: vec!["a:1".into(), "b:2".into()] }
    );
    assert_eq!(one("alter system create image"), Statement::AlterSystemCreateImage);
    for (sql, what) in [
        ("show frontends;", Shown::Frontends),
        ("SHOW COMPUTE NODES", Shown::ComputeNodes),
        ("SHOW BACKENDS", Shown::Backends),
        ("SHOW BROKER", Shown::Brokers),
        ("SHOW WAREHOUSES", Shown::Warehouses),
        ("SHOW PROC '/frontends'", Shown::Proc { path: "/frontends".into() }),
        ("SHOW FULL PROCESSLIST", Shown::ProcessList { full: true }),
        ("SHOW PROCESSLIST", Shown::ProcessList { full: false }),
        ("SHOW PROFILELIST", Shown::ProfileList),
        ("SHOW GRANTS", Shown::Grants { of: None }),
    ] {
        assert_eq!(shown_plainly(sql), what, "{sql}");
    }
    let show = shown("ADMIN SHOW FRONTEND CONFIG LIKE 'run_mode'");
    assert_eq!((show.what, show.filter.like.as_deref()), (Shown::FrontendConfig, Some("run_mode")));
    assert_eq!(
        one("ADMIN SET FRONTEND CONFIG (\"k\" = \"v\") WITH PERSISTENT"),
        Statement::AdminSetFrontendConfig { key: "k".into(), value: "v".into(), persistent: true }
    );
    for (sql, topic) in [("help 'show'", "show"), ("HELP BACKUP", "BACKUP"), ("help create table", "create table")] {
        assert_eq!(one(sql), Statement::Help { topic: topic.into() });
    }
}

#[test]
fn variables() {
    let set = |sql: &str| {
        let Statement::Set(assignments) = one(sql) else { panic!("{sql}") };
        let print = |a: &crate::statement::Assignment| {
            let scope = match a.scope {
                VariableScope::Session => "s",
                VariableScope::Global => "g",
                VariableScope::User => "u",
            };
            let value = match &a.value {
                AssignedValue::Default => "DEFAULT".to_owned(),
                AssignedValue::Expr(expr) => expr.to_string(),
            };
            format!("{scope}.{}={value}", a.name)
        };
        assignments.iter().map(print).collect::<Vec<_>>().join(" ")
    };
    for (sql, expected) in [
        ("SET autocommit=1", "s.autocommit=1"),
        ("set autocommit = ON", "s.autocommit='ON'"),
        ("SET @@session.autocommit = OFF", "s.autocommit='OFF'"),
        ("SET @@SQL_MODE=''", "s.SQL_MODE=''"),
        ("SET GLOBAL a = 1, SESSION b = 2, @@global.c = 3, LOCAL d = 4", "g.a=1 s.b=2 g.c=3 s.d=4"),
        ("SET @x = 1, @y := @x + 1, @`z z` = 'q'", "u.x=1 u.y=@x + 1 u.z z='q'"),
        ("SET character_set_results = NULL", "s.character_set_results=NULL"),
        ("SET x = DEFAULT", "s.x=DEFAULT"),
        ("SET enable_x = true, y = false", "s.enable_x=true s.y=false"),
        ("SET sql_mode = concat(@@sql_mode, ',STRICT')", "s.sql_mode=concat(@@sql_mode, ',STRICT')"),
        ("SET character_set_results = binary", "s.character_set_results='binary'"),
        (
            "set global = 1, names = 2, catalog = 'c', role = 3, transaction = 4",
            "s.global=1 s.names=2 s.catalog='c' s.role=3 s.transaction=4",
        ),
        (
            "SET NAMES DEFAULT",
            "s.character_set_client=DEFAULT s.character_set_connection=DEFAULT s.character_set_results=DEFAULT",
        ),
        (
            "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_0900_ai_ci', a = 1",
            "s.character_set_client='utf8mb4' s.character_set_connection='utf8mb4' s.character_set_results='utf8mb4' \
             s.collation_connection='utf8mb4_0900_ai_ci' s.a=1",
        ),
        ("SET CHARACTER SET utf8", "s.character_set_client='utf8' s.character_set_results='utf8'"),
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "s.transaction_isolation='READ-COMMITTED'"),
        ("set global transaction isolation level repeatable read", "g.transaction_isolation='REPEATABLE-READ'"),
        ("SET TRANSACTION READ ONLY", "s.transaction_read_only=1"),
        (
            "set session transaction isolation level serializable, read write",
            "s.transaction_isolation='SERIALIZABLE' s.transaction_read_only=0",
        ),
    ] {
        assert_eq!(set(sql), expected, "{sql}");
    }
    let show = shown("SHOW GLOBAL VARIABLES WHERE Variable_name = 'a' OR Variable_name LIKE 'b%'");
    assert_eq!(show.what, Shown::Variables { global: true });
    assert!(show.filter.predicate.is_some());
}

#[test]
fn sessions() {
    for (sql, expected) in [
        ("BEGIN", Statement::Begin { label: None }),
        ("begin work with label l", Statement::Begin { label: Some("l".into()) }),
        ("START TRANSACTION", Statement::Begin { label: None }),
        ("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", Statement::Begin { label: None }),
        ("COMMIT WORK AND NO CHAIN NO RELEASE", Statement::Commit),
        ("rollback", Statement::Rollback),
        ("KILL 5", Statement::Kill { query_only: false, target: KillTarget::Connection(5) }),
        ("KILL QUERY 5", Statement::Kill { query_only: true, target: KillTarget::Connection(5) }),
        ("kill connection 5", Statement::Kill { query_only: false, target: KillTarget::Connection(5) }),
        ("KILL QUERY 'a-b'", Statement::Kill { query_only: true, target: KillTarget::Query("a-b".into()) }),
        ("LOCK TABLES `t` READ LOCAL, d.u AS x LOW_PRIORITY WRITE, v y read", Statement::LockTables),
        ("UNLOCK TABLES", Statement::UnlockTables),
        ("SYNC", Statement::Sync),
        ("ANALYZE PROFILE FROM 'a-b', 1, 2", Statement::AnalyzeProfile { query_id: "a-b".into() }),
        (
            "ANALYZE TABLE d.t (a, b) WITH SYNC MODE",
            Statement::Analyze {
                table: Some(QualifiedName { catalog: None, database: Some("d".into()), name: "t".into() }),
                columns: vec!["a".into(), "b".into()],
            },
        ),
        ("ANALYZE FULL TABLE t", Statement::Analyze { table: Some(QualifiedName::bare("t")), columns: vec![] }),
        ("DROP STATS t", Statement::DropStatistics { table: QualifiedName::bare("t"), histograms: false }),
        (
            "ANALYZE TABLE t DROP HISTOGRAM ON a, b",
            Statement::DropStatistics { table: QualifiedName::bare("t"), histograms: true },
        ),
        ("PREPARE s FROM 'select ?'", Statement::PrepareText { name: "s".into(), text: "select ?".into() }),
        ("prepare s from select 'a' + ?", Statement::PrepareText { name: "s".into(), text: "select 'a' + ?".into() }),
        ("EXECUTE s USING @a, @b", Statement::Execute { name: "s".into(), variables: vec!["a".into(), "b".into()] }),
        ("execute s", Statement::Execute { name: "s".into(), variables: vec![] }),
        ("DEALLOCATE PREPARE s", Statement::Deallocate { name: "s".into() }),
        ("DROP PREPARE s", Statement::Deallocate { name: "s".into() }),
    ] {
        assert_eq!(one(sql), expected, "{sql}");
    }
}

#[test]
fn what_is_not_supported_yet_says_its_name() {
    for (sql, expected) in [
        ("CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT 1", "CREATE MATERIALIZED VIEW"),
        ("ALTER MATERIALIZED VIEW m ACTIVE", "ALTER MATERIALIZED VIEW"),
        ("BACKUP SNAPSHOT d.s TO r ON (t)", "BACKUP"),
        ("RESTORE SNAPSHOT d.s FROM r PROPERTIES ('backup_timestamp'='x')", "RESTORE SNAPSHOT"),
        ("submit /*+set_var(query_timeout=3)*/ task t as create table a as select 1", "SUBMIT"),
        ("LOAD LABEL d.l (DATA INFILE('x') INTO TABLE t) WITH BROKER", "LOAD LABEL"),
        ("DELETE FROM t TEMPORARY PARTITION (p) WHERE a = 1", "DELETE FROM temporary partitions"),
        ("DELETE SQLBLACKLIST 1", "DELETE SQLBLACKLIST"),
        ("CANCEL ALTER MATERIALIZED VIEW FROM m", "CANCEL ALTER MATERIALIZED VIEW"),
        ("ALTER TABLE x RENAME ROLLUP a b", "ALTER TABLE RENAME ROLLUP"),
        ("ALTER DATABASE d SET DATA QUOTA 10G", "ALTER DATABASE SET"),
        ("INSERT INTO FILES ('path' = 's3://x') SELECT 1", "INSERT INTO FILES"),
        ("EXPLAIN CREATE TABLE t (a INT)", "EXPLAIN CREATE"),
        ("ALTER SYSTEM ADD BACKEND 'h:1'", "ALTER SYSTEM ADD BACKEND"),
        ("REFRESH MATERIALIZED VIEW m", "REFRESH"),
    ] {
        assert_eq!(one(sql), Statement::Unsupported { what: expected.into() }, "{sql}");
    }
    for sql in ["SHOW BACKUP", "SHOW RUNNING QUERIES", "SHOW REPOSITORIES"] {
        assert_eq!(one(sql), Statement::Unsupported { what: sql.into() });
    }
}

#[test]
fn rows_of_others_say_which_are_deleted_or_changed() {
    let Statement::Delete(delete) = one("DELETE FROM t USING u, v WHERE t.a = u.a AND v.b = ?") else { panic!() };
    let condition = delete.predicate.unwrap().to_string();
    assert_eq!(condition, "EXISTS (SELECT * FROM u, v WHERE t.a = u.a AND v.b = $1)");
    let Statement::Delete(delete) = one("DELETE FROM t USING u") else { panic!() };
    assert_eq!(delete.predicate, None);
    let with_names = "WITH c AS (SELECT 1 x WHERE 2 = ?) DELETE FROM t WHERE a IN (SELECT x FROM c) AND b = ?";
    let Statement::Delete(delete) = one(with_names) else { panic!() };
    assert!(delete.with.unwrap().to_string().contains("2 = $1"));
    assert!(delete.predicate.unwrap().to_string().ends_with("b = $2"));
    let with_names = "WITH c(x) AS (SELECT 1), d AS (SELECT 2 y) UPDATE t SET v = x FROM c WHERE a = 1";
    let Statement::Update(update) = one(with_names) else { panic!() };
    assert_eq!(update.source.with.unwrap().cte_tables.len(), 2);
}
