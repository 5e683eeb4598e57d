//! Every kind of statement, by somebody who lacks the one privilege that it needs, and by somebody who has it and no other.

use std::collections::BTreeSet;

use storage_model::Revision;

use super::kit::{Client, Kit, quickstart};

/// What must be granted (nothing: it is everybody's), and the statement.
const CASES: &[(&str, &str)] = &[
    ("SELECT ON TABLE quickstart.t", "SELECT * FROM quickstart.t"),
    ("SELECT ON TABLE quickstart.t", "SELECT (SELECT max(k) FROM quickstart.t)"),
    ("SELECT ON TABLE quickstart.t", "WITH c AS (SELECT k FROM quickstart.t) SELECT 1 FROM c"),
    ("SELECT ON TABLE quickstart.t", "EXPLAIN SELECT * FROM quickstart.t"),
    ("SELECT ON TABLE quickstart.t", "SELECT 1 UNION ALL SELECT k FROM quickstart.t"),
    ("SELECT ON TABLE quickstart.t", "SELECT 1 WHERE EXISTS (SELECT 1 FROM quickstart.t)"),
    ("SELECT ON TABLE quickstart.t", "SET @x = (SELECT max(k) FROM quickstart.t)"),
    ("SELECT ON TABLE quickstart.t", "SELECT /*+ SET_USER_VARIABLE(@x = (SELECT max(k) FROM quickstart.t)) */ @x"),
    ("SELECT ON TABLE quickstart.t", "SHOW VARIABLES WHERE Value IN (SELECT v FROM quickstart.t)"),
    ("SELECT, INSERT ON TABLE quickstart.t", "ANALYZE TABLE quickstart.t"),
    ("SELECT, INSERT ON TABLE quickstart.t", "DROP STATS quickstart.t"),
    ("INSERT ON TABLE quickstart.t", "INSERT INTO quickstart.t VALUES (1, '2019-01-01', 'x')"),
    ("INSERT ON TABLE quickstart.t", "EXPLAIN INSERT INTO quickstart.t VALUES (1, '2019-01-01', 'x')"),
    ("INSERT ON TABLE quickstart.t", "INSERT OVERWRITE quickstart.t SELECT 1, '2019-01-01', 'x'"),
    ("SELECT, INSERT ON TABLE quickstart.t", "INSERT INTO quickstart.t SELECT * FROM quickstart.t"),
    ("DELETE ON TABLE quickstart.t", "DELETE FROM quickstart.t WHERE k = 1"),
    ("SELECT, DELETE ON TABLE quickstart.t", "DELETE FROM quickstart.t WHERE k IN (SELECT k FROM quickstart.t)"),
    ("UPDATE ON TABLE quickstart.p", "UPDATE quickstart.p SET v = 1 WHERE k = 1"),
    ("UPDATE ON TABLE quickstart.p", "EXPLAIN UPDATE quickstart.p SET v = 1 WHERE k = 1"),
    ("DELETE ON TABLE quickstart.t", "TRUNCATE TABLE quickstart.t"),
    ("DROP ON TABLE quickstart.t", "DROP TABLE quickstart.t"),
    ("DROP ON TABLE quickstart.t", "DROP TABLE IF EXISTS quickstart.t FORCE"),
    ("ALTER ON TABLE quickstart.t", "ALTER TABLE quickstart.t RENAME u"),
    ("ALTER ON TABLE quickstart.t", "ALTER TABLE quickstart.t DROP PARTITION p1"),
    ("ALTER ON TABLE quickstart.t", "ALTER TABLE quickstart.t ADD COLUMN w INT"),
    ("ALTER ON TABLE quickstart.t, quickstart.p", "ALTER TABLE quickstart.t SWAP WITH p"),
    ("ALTER ON TABLE quickstart.t", "CANCEL ALTER TABLE COLUMN FROM quickstart.t"),
    ("INSERT, ALTER ON TABLE quickstart.t", "RECOVER PARTITION p0 FROM quickstart.t"),
    ("CREATE TABLE ON DATABASE quickstart", "RECOVER TABLE quickstart.gone"),
    ("CREATE TABLE ON DATABASE quickstart", "CREATE TABLE quickstart.n (a INT)"),
    ("CREATE TABLE ON DATABASE quickstart", "CREATE TABLE quickstart.n AS SELECT 1 AS a"),
    ("CREATE VIEW ON DATABASE quickstart", "CREATE VIEW quickstart.n AS SELECT 1 AS a"),
    ("ALTER ON VIEW quickstart.w", "ALTER VIEW quickstart.w AS SELECT 1 AS a"),
    ("DROP ON VIEW quickstart.w", "DROP VIEW quickstart.w"),
    ("DROP ON VIEW quickstart.w", "DROP VIEW IF EXISTS quickstart.w"),
    ("SELECT ON VIEW quickstart.w", "SELECT * FROM quickstart.w"),
    ("SELECT ON ALL VIEWS IN DATABASE quickstart", "SELECT * FROM quickstart.w"),
    ("ALTER ON VIEW quickstart.w", "SHOW CREATE VIEW quickstart.w"),
    ("ALTER ON VIEW quickstart.w", "DESC quickstart.w"),
    ("CREATE DATABASE ON CATALOG default_catalog", "CREATE DATABASE n"),
    ("CREATE DATABASE ON CATALOG default_catalog", "RECOVER DATABASE gone"),
    ("DROP ON DATABASE quickstart", "DROP DATABASE quickstart"),
    ("ALTER ON DATABASE quickstart", "ALTER DATABASE quickstart RENAME n"),
    ("DROP ON DATABASE quickstart", "USE quickstart"),
    ("INSERT ON TABLE quickstart.t", "USE quickstart"),
    ("SELECT ON ALL TABLES IN DATABASE quickstart", "USE quickstart"),
    ("CREATE STORAGE VOLUME ON SYSTEM", "CREATE STORAGE VOLUME w TYPE = LOCAL LOCATIONS = ('file:///w')"),
    ("ALTER ON STORAGE VOLUME w2", "ALTER STORAGE VOLUME w2 COMMENT = 'x'"),
    ("DROP ON STORAGE VOLUME w2", "DROP STORAGE VOLUME w2"),
    ("USAGE ON STORAGE VOLUME w2", "DESC STORAGE VOLUME w2"),
    ("ALTER ON STORAGE VOLUME w2", "SET w2 AS DEFAULT STORAGE VOLUME"),
    ("OPERATE ON SYSTEM", "SET w2 AS DEFAULT STORAGE VOLUME"),
    ("OPERATE ON SYSTEM", "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON"),
    ("OPERATE ON SYSTEM", "ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF"),
    ("OPERATE ON SYSTEM", "ADMIN ALTER AUTOMATED CLUSTER SNAPSHOT SET PROPERTIES('retention' = '2')"),
    ("OPERATE ON SYSTEM", "ADMIN SHOW AUTOMATED CLUSTER SNAPSHOT"),
    ("OPERATE ON SYSTEM", "CREATE CLUSTER SNAPSHOT s"),
    ("OPERATE ON SYSTEM", "DROP CLUSTER SNAPSHOT IF EXISTS s"),
    ("OPERATE ON SYSTEM", "CANCEL CLUSTER SNAPSHOT"),
    ("OPERATE ON SYSTEM", "ADMIN VERIFY CLUSTER SNAPSHOT s"),
    ("OPERATE ON SYSTEM", "ADMIN FINISH RESTORE"),
    ("OPERATE ON SYSTEM", "ADMIN SET FRONTEND CONFIG ('run_mode' = 'x')"),
    ("OPERATE ON SYSTEM", "ADMIN SHOW FRONTEND CONFIG"),
    ("OPERATE ON SYSTEM", "SET GLOBAL query_timeout = 9"),
    ("OPERATE ON SYSTEM", "SHOW FRONTENDS"),
    ("OPERATE ON SYSTEM", "SHOW COMPUTE NODES"),
    ("OPERATE ON SYSTEM", "SHOW BACKENDS"),
    ("OPERATE ON SYSTEM", "SHOW BROKER"),
    ("OPERATE ON SYSTEM", "SHOW PROC '/frontends'"),
    ("GRANT ON SYSTEM", "CREATE USER n IDENTIFIED BY 'x'"),
    ("GRANT ON SYSTEM", "ALTER USER other IDENTIFIED BY 'x'"),
    ("GRANT ON SYSTEM", "DROP USER other"),
    ("GRANT ON SYSTEM", "SET PASSWORD FOR other = PASSWORD('x')"),
    ("GRANT ON SYSTEM", "SET PROPERTY FOR other 'max_user_connections' = '5'"),
    ("GRANT ON SYSTEM", "SET PROPERTY 'max_user_connections' = '5'"),
    ("GRANT ON SYSTEM", "ALTER USER u SET PROPERTIES ('max_user_connections' = '5')"),
    ("GRANT ON SYSTEM", "CREATE ROLE n"),
    ("GRANT ON SYSTEM", "ALTER ROLE r SET COMMENT = 'x'"),
    ("GRANT ON SYSTEM", "DROP ROLE r"),
    ("GRANT ON SYSTEM", "GRANT r TO other"),
    ("GRANT ON SYSTEM", "GRANT r TO u"),
    ("GRANT ON SYSTEM", "REVOKE r FROM other"),
    ("GRANT ON SYSTEM", "GRANT SELECT ON TABLE quickstart.t TO u"),
    ("GRANT ON SYSTEM", "REVOKE SELECT ON TABLE quickstart.t FROM other"),
    ("GRANT ON SYSTEM", "SET DEFAULT ROLE NONE TO other"),
    ("GRANT ON SYSTEM", "SHOW USERS"),
    ("GRANT ON SYSTEM", "SHOW ROLES"),
    ("GRANT ON SYSTEM", "SHOW GRANTS FOR other"),
    ("GRANT ON SYSTEM", "SHOW GRANTS FOR ROLE r"),
    ("GRANT ON SYSTEM", "SHOW ALL AUTHENTICATION"),
    ("GRANT ON SYSTEM", "SHOW PROPERTY FOR other"),
    ("IMPERSONATE ON USER other", "EXECUTE AS other WITH NO REVERT"),
    ("INSERT ON TABLE quickstart.t", "DESC quickstart.t"),
    ("INSERT ON TABLE quickstart.t", "SHOW CREATE TABLE quickstart.t"),
    ("INSERT ON TABLE quickstart.t", "SHOW COLUMNS FROM quickstart.t"),
    ("INSERT ON TABLE quickstart.t", "SHOW PARTITIONS FROM quickstart.t"),
    ("INSERT ON TABLE quickstart.t", "SHOW INDEX FROM quickstart.t"),
    ("SELECT ON TABLE quickstart.t", "SHOW COLUMN STATS FROM quickstart.t"),
    ("INSERT ON TABLE quickstart.t", "SHOW DATA FROM quickstart.t"),
    ("INSERT ON TABLE quickstart.t", "SHOW TABLES FROM quickstart"),
    ("INSERT ON TABLE quickstart.t", "SHOW CREATE DATABASE quickstart"),
    ("", "SHOW DATABASES"),
    ("", "SHOW TABLE STATUS FROM quickstart"),
    ("", "SHOW STORAGE VOLUMES"),
    ("", "SHOW PROCESSLIST"),
    ("", "SHOW PROFILELIST"),
    ("", "SHOW GRANTS"),
    ("", "SHOW AUTHENTICATION"),
    ("", "SHOW PROPERTY"),
    ("", "SHOW STATS META"),
    ("", "SHOW ANALYZE STATUS"),
    ("", "SHOW HISTOGRAM META"),
    ("", "SHOW VARIABLES"),
    ("", "SELECT 1"),
    ("", "SELECT * FROM information_schema.tables"),
    ("", "SET query_timeout = 9"),
    ("", "SET ROLE NONE"),
    ("", "SET PASSWORD = PASSWORD('new')"),
    ("", "SET CATALOG default_catalog"),
    ("", "HELP 'SELECT'"),
    ("", "BEGIN"),
    ("", "COMMIT"),
    ("", "ROLLBACK"),
    ("", "LOCK TABLES quickstart.t READ"),
    ("", "UNLOCK TABLES"),
    ("", "SYNC"),
    ("", "KILL 4000000"),
    ("", "ANALYZE PROFILE FROM 'nobodys'"),
    ("", "PREPARE p FROM 'SELECT * FROM quickstart.t'"),
    ("", "EXECUTE p"),
    ("", "DEALLOCATE PREPARE p"),
    ("", "SUBMIT TASK x AS SELECT 1"),
    ("", "USE information_schema"),
];

/// Needs two privileges, or one that cannot be granted.
const OTHERS: [&str; 11] = [
    "ALTER SYSTEM ADD COMPUTE NODE '127.0.0.1:9050'",
    "ALTER SYSTEM DROP COMPUTE NODE '127.0.0.1:9050'",
    "ALTER SYSTEM ADD FOLLOWER '127.0.0.1:9011'",
    "ALTER SYSTEM DROP FOLLOWER '127.0.0.1:9011'",
    "ALTER SYSTEM CREATE IMAGE",
    "RESTORE TABLE quickstart.t FROM SNAPSHOT s TO TABLE quickstart.n",
    "CREATE TABLE quickstart.n (a INT) PROPERTIES ('storage_volume' = 'w2')",
    "CREATE DATABASE n PROPERTIES ('storage_volume' = 'w2')",
    "CREATE TABLE quickstart.n2 LIKE quickstart.t",
    "CREATE OR REPLACE VIEW quickstart.w AS SELECT 1 AS a",
    "CREATE VIEW quickstart.w3 AS SELECT k FROM quickstart.t",
];

async fn house() -> (Kit, Client, Client) {
    let kit = Kit::start().await;
    let mut root = kit.client().await;
    quickstart(&mut root).await;
    for sql in [
        "CREATE TABLE p (k INT NOT NULL, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1",
        "CREATE STORAGE VOLUME w2 TYPE = LOCAL LOCATIONS = ('file:///w2') PROPERTIES('enabled'='true')",
        "CREATE VIEW w AS SELECT k FROM t",
        "CREATE TABLE gone (a INT)",
        "DROP TABLE gone",
        "CREATE DATABASE gone",
        "DROP DATABASE gone",
        "CREATE USER u",
        "CREATE USER other",
        "CREATE ROLE r",
    ] {
        root.ok(sql).await;
    }
    let user = kit.client_as("u", "").await.unwrap();
    (kit, root, user)
}

async fn code(client: &mut Client, sql: &str) -> u16 {
    use mysql_async::prelude::Queryable;
    match client.0.query_drop(sql).await {
        Ok(()) => 0,
        Err(mysql_async::Error::Server(error)) => error.code,
        Err(error) => panic!("{sql}: {error}"),
    }
}

fn revision(kit: &Kit) -> Revision {
    kit.catalog.lock().unwrap().revision()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_needs_its_privilege_and_no_other() {
    for (privilege, sql) in CASES {
        let (kit, mut root, mut user) = house().await;
        if privilege.is_empty() {
            assert_ne!(code(&mut user, sql).await, 5203, "{sql}");
            continue;
        }
        let before = revision(&kit);
        let (denied, text) = user.fails(sql).await;
        assert_eq!((denied, revision(&kit)), (5203, before), "{sql}: {text}");
        assert!(text.ends_with("Current role(s): NONE. Inactivated role(s): NONE."), "{text}");
        root.ok(&format!("GRANT {privilege} TO USER u")).await;
        assert_ne!(code(&mut user, sql).await, 5203, "{sql} with {privilege}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_statements_need_more() {
    let (kit, mut root, mut user) = house().await;
    let before = revision(&kit);
    for sql in OTHERS {
        assert_eq!(user.fails(sql).await.0, 5203, "{sql}");
    }
    assert_eq!(revision(&kit), before);
    root.ok("GRANT cluster_admin TO u").await;
    user.ok("SET ROLE ALL").await;
    for sql in &OTHERS[..5] {
        assert_ne!(code(&mut user, sql).await, 5203, "{sql}");
    }
    for sql in &OTHERS[5..] {
        assert_eq!(user.fails(sql).await.0, 5203, "{sql}");
    }
    root.ok("GRANT CREATE TABLE ON ALL DATABASES TO u").await;
    root.ok("GRANT CREATE DATABASE ON ALL CATALOGS TO u").await;
    assert_ne!(code(&mut user, OTHERS[5]).await, 5203);
    assert_eq!(user.fails(OTHERS[6]).await.0, 5203, "the volume is not the user's to use");
    root.ok("GRANT USAGE ON STORAGE VOLUME w2 TO u").await;
    user.ok(OTHERS[6]).await;
    user.ok(OTHERS[7]).await;
    for sql in &OTHERS[8..] {
        assert_eq!(user.fails(sql).await.0, 5203, "{sql}");
    }
    root.ok("GRANT SELECT ON TABLE quickstart.t TO USER u").await;
    root.ok("GRANT CREATE VIEW ON ALL DATABASES TO USER u").await;
    user.ok(OTHERS[8]).await;
    assert_eq!(user.fails(OTHERS[9]).await.0, 5203, "what is there is not the user's to drop");
    user.ok(OTHERS[10]).await;
    root.ok("GRANT DROP ON VIEW quickstart.w TO USER u").await;
    user.ok(OTHERS[9]).await;
}

/// A statement that nobody thought of here would be in no case.
#[test]
fn every_kind_of_statement_is_in_a_case() {
    let all = CASES.iter().map(|(_, sql)| *sql).chain(OTHERS);
    let kinds: BTreeSet<_> =
        all.flat_map(|sql| runtime_sql::parse(sql).unwrap()).map(|parsed| parsed.statement.statement_kind()).collect();
    let known = "add compute node, add frontend, alter automated snapshot, alter role, alter storage volume, alter table, \
        alter user, alter view, analyze, analyze profile, automated snapshot off, automated snapshot on, begin, cancel alter table, \
        cancel cluster snapshot, commit, create cluster snapshot, create database, create image, create role, \
        create storage volume, create table, create table as select, create table like, create user, create view, deallocate, delete, desc storage volume, drop cluster snapshot, \
        drop compute node, drop database, drop frontend, drop role, drop stats, drop storage volume, drop table, drop user, drop view, execute, \
        execute as, explain, finish restore, grant, grant role, help, insert overwrite, insert select, insert values, kill, \
        lock tables, prepare, recover database, recover partition, recover table, rename database, restore table, revoke, \
        revoke role, rollback, select, set, set catalog, set default role, set default storage volume, \
        set frontend config, set password, set property, set role, show, show automated snapshot, sync, truncate table, \
        unlock tables, unsupported, update, use, verify cluster snapshot";
    assert_eq!(kinds, known.split(", ").collect());
}
