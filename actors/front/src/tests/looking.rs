//! Statements that only look, and what clients send when they connect.

use mysql_async::prelude::Queryable;

use super::kit::{Kit, quickstart};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_send_at_connect_is_answered() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    assert_eq!(client.rows("SELECT 1").await, ["1"]);
    assert_eq!(client.rows("select @@version_comment limit 1").await.len(), 1);
    assert_eq!(client.rows("SELECT CURRENT_VERSION()").await, ["3.5.0 abc1234"]);
    assert_eq!(client.rows("SELECT DATABASE(), @@tx_isolation, @@autocommit").await, ["NULL|REPEATABLE-READ|1"]);
    for sql in [
        "SET NAMES utf8mb4",
        "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_0900_ai_ci'",
        "SET AUTOCOMMIT = 0",
        "ROLLBACK",
        "COMMIT",
        "SET @@session.autocommit = ON",
        "set autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')",
        "SET SESSION SQL_AUTO_IS_NULL=0",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET character_set_results = NULL",
        "/*!40103 SET TIME_ZONE='+00:00' */",
        "LOCK TABLES `t` READ",
        "UNLOCK TABLES",
        "",
    ] {
        client.ok(sql).await;
    }
    assert_eq!(client.rows("SELECT @@sql_mode").await, ["ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES"]);
    assert_eq!(client.rows("SELECT @@transaction_isolation").await, ["READ-COMMITTED"]);
    assert_eq!(client.fails("select $$").await.0, 1064);
    assert_eq!(
        client.rows("ADMIN SHOW FRONTEND CONFIG LIKE 'run_mode'").await,
        ["run_mode|[]|shared_data|String|false|"]
    );
    assert_eq!(client.rows("SHOW VARIABLES LIKE 'lower_case_table_names'").await, ["lower_case_table_names|0"]);
    let (code, text) = client.fails("SELECT @@query_timeot").await;
    assert!(code == 1193 && text.contains("query_timeout"), "{code} {text}");
    let two: Vec<i64> = client.0.exec("SELECT ? + 1", (41,)).await.unwrap();
    assert_eq!(two, [42]);
    client.ok("BEGIN").await;
    assert_eq!(client.fails("BEGIN").await.0, 5301);
    client.ok("ROLLBACK").await;
    assert_eq!(client.fails("SET NAMES klingon").await.0, 1115);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_root_without_a_password_gets_in() {
    let kit = Kit::start().await;
    let denied = |opts| async {
        match mysql_async::Conn::new(opts).await {
            Err(mysql_async::Error::Server(error)) => error.code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(denied(kit.opts().user(Some("admin"))).await, 1045);
    assert_eq!(denied(kit.opts().pass(Some("x"))).await, 1045);
    assert_eq!(denied(kit.opts().db_name(Some("nothing"))).await, 5501);
    assert_eq!(denied(kit.opts().db_name(Some("default_catalog.nothing"))).await, 5080);
    assert!(mysql_async::Conn::new(kit.opts().db_name(Some("default_catalog.information_schema"))).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_are_filtered() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    assert_eq!(client.rows("SHOW DATABASES").await, ["information_schema", "quickstart", "sys"]);
    assert_eq!(client.rows("SHOW DATABASES LIKE 'q%'").await, ["quickstart"]);
    assert_eq!(
        client.table("SHOW FULL TABLES").await,
        ("Tables_in_quickstart|Table_type".into(), vec!["t|BASE TABLE".into()])
    );
    let (names, rows) = client.table("SHOW PARTITIONS FROM t WHERE PartitionName = 'p2'").await;
    assert!(
        names.starts_with(
            "PartitionId|PartitionName|CompactVersion|VisibleVersion|NextVersion|State|PartitionKey|Range|"
        )
    );
    assert_eq!(rows.len(), 1);
    assert!(
        rows[0].contains(
            "|p2|0|1|2|NORMAL|d|[types: [DATE]; keys: [2020-01-01]; ..types: [DATE]; keys: [MAXVALUE]; )|k|4|"
        )
    );
    let ordered = client.rows("SHOW PARTITIONS FROM t ORDER BY PartitionName DESC LIMIT 1").await;
    assert!(ordered[0].contains("|p2|"), "{ordered:?}");
    let described = client.table("DESC t").await;
    assert_eq!(described.0, "Field|Type|Null|Key|Default|Extra");
    assert_eq!(described.1, ["k|int(11)|NO|true|NULL|", "d|date|YES|false|NULL|", "v|varchar(10)|YES|false|x|"]);
    assert_eq!(client.rows("SHOW FULL COLUMNS FROM t LIKE 'v'").await, ["v|varchar(10)||YES|NO|x|||what"]);
    let created = client.rows("SHOW CREATE TABLE t").await;
    assert!(created[0].contains("\"storage_volume\" = \"v\""), "{created:?}");
    assert_eq!(client.fails("SHOW CREATE TABLE nothing").await.0, 5502);
    assert_eq!(client.fails("SHOW PROC '/nothing'").await.0, 5001);
    assert_eq!(client.rows("SHOW PROC '/dbs/quickstart/t'").await.len(), 3);
    let nodes = client.table("SHOW FRONTENDS").await;
    assert!(
        nodes.0.starts_with("Name|IP|EditLogPort|")
            && nodes.1[0].starts_with("fe1_9010_1|fe1|9010|8030|9030|9020|LEADER|77|")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn information_schema_answers_in_any_case() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    let sql = "SELECT TABLE_NAME, table_type FROM INFORMATION_SCHEMA.TABLES WHERE table_schema = 'quickstart'";
    assert_eq!(client.rows(sql).await, ["t|BASE TABLE"]);
    assert!(client.rows("SELECT * FROM INFORMATION_SCHEMA.CLUSTER_SNAPSHOT_JOBS").await.is_empty());
    assert!(client.rows("select * from default_catalog.information_schema.materialized_views").await.is_empty());
    let sql = "select partition_name, row_count from information_schema.partitions_meta order by 1";
    assert_eq!(client.rows(sql).await, ["p1|0", "p2|0"]);
    let (names, _) = client.table("SELECT * FROM information_schema.cluster_snapshots").await;
    assert_eq!(
        names,
        "SNAPSHOT_NAME|SNAPSHOT_TYPE|CREATED_TIME|FE_JOURNAL_ID|STARMGR_JOURNAL_ID|PROPERTIES|STORAGE_VOLUME|STORAGE_PATH"
    );
    let described = client.rows("DESC information_schema.cluster_snapshot_jobs").await;
    assert_eq!(described[2], "CREATED_TIME|datetime|YES|false|NULL|");
    assert_eq!(client.fails("SELECT * FROM information_schema.nothing").await.0, 5502);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_seen_and_killed() {
    let kit = Kit::start().await;
    let (mut one, mut two) = (kit.client().await, kit.client().await);
    let id = two.rows("SELECT CONNECTION_ID()").await.remove(0);
    assert_eq!(one.rows("SHOW PROCESSLIST").await.len(), 2);
    one.ok(&format!("KILL {id}")).await;
    assert!(two.0.query_drop("SELECT 1").await.is_err());
    assert_eq!(one.fails("KILL 999999").await.0, 1094);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_are_those_of_the_sessions_clocks() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    let unknown = client.fails("SET time_zone = 'Mars/Olympus'").await;
    assert_eq!(unknown, (1298, "Unknown or incorrect time zone: 'Mars/Olympus'".to_owned()));
    client.ok("SET time_zone = 'UTC'").await;
    // START + 60 s.
    assert_eq!(client.rows("SELECT now()").await, ["2025-02-18 05:53:58"]);
    let created = "SELECT create_time FROM information_schema.tables WHERE table_name = 't'";
    let (here, started) = (client.rows(created).await, client.rows("SHOW FRONTENDS").await);
    assert!(
        here[0].starts_with("2025-02-18 05:5") && started[0].contains("|2025-02-18 05:52:58|"),
        "{here:?} {started:?}"
    );
    for zone in ["+08:00", "Asia/Shanghai"] {
        client.ok(&format!("SET time_zone = '{zone}'")).await;
        assert_eq!(client.rows("SELECT now(), @@time_zone").await, [format!("2025-02-18 13:53:58|{zone}")]);
        assert_eq!(client.rows(created).await, [here[0].replace(" 05:", " 13:")]);
        assert!(client.rows("SHOW FRONTENDS").await[0].contains("|2025-02-18 13:52:58|"));
        let status = client.rows("SHOW TABLE STATUS LIKE 't'").await;
        assert!(status[0].contains("|2025-02-18 13:5"), "{status:?}");
        let listed = client.rows("SELECT visible_version_time FROM information_schema.partitions_meta LIMIT 1").await;
        assert!(listed[0].starts_with("2025-02-18 13:5"), "{listed:?}");
        assert!(client.rows("SHOW FULL PROCESSLIST").await[0].contains("|2025-02-18 13:53:58|"));
    }
    client.ok("SET time_zone = 'SYSTEM'").await;
    assert_eq!(client.rows("SELECT @@time_zone").await, ["SYSTEM"]);
    let system = runtime_query::Zone::system();
    assert_eq!(client.rows("SELECT @@system_time_zone").await, [system.name()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn computed_tables_list_themselves() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    for (database, table) in [
        ("information_schema", "tables"),
        ("information_schema", "schemata"),
        ("information_schema", "cluster_snapshots"),
        ("sys", "grants_to_users"),
    ] {
        let sql = format!(
            "SELECT table_type FROM information_schema.tables WHERE table_schema = '{database}' AND table_name = '{table}'"
        );
        assert_eq!(client.rows(&sql).await, ["SYSTEM VIEW"], "{table}");
    }
    let columns = "SELECT column_name, data_type, ordinal_position FROM information_schema.columns \
                   WHERE table_schema = 'information_schema' AND table_name = 'cluster_snapshot_jobs' ORDER BY 3 LIMIT 3";
    assert_eq!(client.rows(columns).await, ["SNAPSHOT_NAME|varchar|1", "JOB_ID|bigint|2", "CREATED_TIME|datetime|3"]);
    let schemata = client.rows("SELECT schema_name FROM information_schema.schemata ORDER BY 1").await;
    assert_eq!(schemata, ["information_schema", "sys"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_statements_and_waiting() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    client.ok("PREPARE p FROM 'SELECT ? + 1'").await;
    assert_eq!(client.fails("EXECUTE p").await, (1210, "Incorrect arguments to EXECUTE".to_owned()));
    client.ok("SET @a = 1, @b = 2").await;
    assert_eq!(client.fails("EXECUTE p USING @a, @b").await, (1210, "Incorrect arguments to EXECUTE".to_owned()));
    assert_eq!(client.rows("EXECUTE p USING @a").await, ["2"]);
    assert_eq!(client.rows("SELECT @@max_allowed_packet").await, ["67108864"]);
    assert_eq!(client.rows("SELECT sleep(0)").await, ["1"]);
    client.ok("SET query_timeout = 1").await;
    let (code, text) = client.fails("SELECT sleep(1000)").await;
    assert!(code == 5024 && text.contains("reached its timeout of 1 seconds"), "{code} {text}");
    client.ok("SET query_timeout = 300").await;
    let mut other = kit.client().await;
    let id = client.rows("SELECT CONNECTION_ID()").await.remove(0);
    let waiting = tokio::spawn(async move { client.fails("SELECT sleep(1000)").await });
    loop {
        let sessions = other.rows("SHOW FULL PROCESSLIST").await;
        if sessions.iter().any(|row| row.contains("sleep(1000)")) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    other.ok(&format!("KILL QUERY {id}")).await;
    assert_eq!(waiting.await.unwrap().0, 1317);
}
