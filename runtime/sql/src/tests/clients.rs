//! What real clients send when they connect, dump or draw their trees: all of it must be read.

use super::{one, only};
use crate::{Statement, parse};

/// Statements as captured from, or read in the source of, the clients of the specification.
const PROBES: &[&str] = &[
    // mysql, mariadb and their tools
    "select @@version_comment limit 1",
    "SELECT DATABASE()",
    "show databases",
    "show tables",
    "select DATABASE(), USER() limit 1",
    "select @@character_set_client, @@character_set_connection, @@character_set_server, @@character_set_database limit 1",
    "help 'show'",
    "select USER()",
    "SHOW WARNINGS",
    "show /*!32332 FULL */ columns from `t`",
    "/*!40100 SET @@SQL_MODE='' */",
    "/*!40103 SET TIME_ZONE='+00:00' */",
    "set optimizer_switch='semijoin=off'",
    "SELECT LOGFILE_GROUP_NAME, FILE_NAME, TOTAL_EXTENTS, INITIAL_SIZE, ENGINE, EXTRA FROM INFORMATION_SCHEMA.FILES \
     WHERE FILE_TYPE = 'UNDO LOG' AND FILE_NAME IS NOT NULL AND LOGFILE_GROUP_NAME IS NOT NULL AND \
     LOGFILE_GROUP_NAME IN (SELECT DISTINCT LOGFILE_GROUP_NAME FROM INFORMATION_SCHEMA.FILES WHERE FILE_TYPE = \
     'DATAFILE') GROUP BY LOGFILE_GROUP_NAME, FILE_NAME, ENGINE ORDER BY LOGFILE_GROUP_NAME",
    "set optimizer_switch=default",
    "SHOW TABLES LIKE '%'",
    "LOCK TABLES `t` READ /*!32311 LOCAL */",
    "SELECT engine, table_type FROM INFORMATION_SCHEMA.TABLES WHERE table_schema = DATABASE() AND table_name = 't'",
    "SET SQL_QUOTE_SHOW_CREATE=1",
    "SET SESSION character_set_results = 'binary'",
    "show create table `t`",
    "SET SESSION character_set_results = 'utf8mb4'",
    "select column_name, extra, generation_expression, data_type from information_schema.columns where \
     table_schema=database() and table_name='t' order by ordinal_position",
    "SELECT /*!40001 SQL_NO_CACHE */ `a`, `b` FROM `t`",
    "select @@collation_database",
    "SELECT TRIGGER_NAME FROM INFORMATION_SCHEMA.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()",
    "UNLOCK TABLES",
    // PyMySQL, mysql-connector-python, SQLAlchemy, dbt
    "SET NAMES utf8mb4",
    "SET AUTOCOMMIT = 0",
    "COMMIT",
    "ROLLBACK",
    "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_0900_ai_ci'",
    "SET @@session.autocommit = OFF",
    "SELECT @@session.sql_mode",
    "SET @@session.sql_mode = 'ONLY_FULL_GROUP_BY'",
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET TRANSACTION READ ONLY",
    "SELECT VERSION()",
    "SELECT @@transaction_isolation",
    "SELECT @@lower_case_table_names",
    "SHOW schemas",
    "SHOW FULL TABLES FROM `db`",
    "DESCRIBE `db`.`t`",
    "SHOW COLLATION",
    "SHOW VARIABLES LIKE 'sql_mode'",
    "SELECT CURRENT_VERSION()",
    "SELECT @@tx_isolation",
    "ADMIN SHOW FRONTEND CONFIG LIKE 'run_mode'",
    "SELECT * FROM information_schema.tables_config WHERE table_schema = 'db' AND table_name = 't'",
    "SHOW FULL COLUMNS FROM db.t",
    "SHOW ALTER TABLE OPTIMIZE FROM db WHERE TableName='t'",
    "select distinct schema_name from information_schema.schemata",
    "select tbl.table_name as name, tbl.table_schema as `schema`, case when mv.table_name is not null then \
     'materialized_view' when tbl.table_type = 'VIEW' then 'view' else 'table' end as `type` from \
     information_schema.tables tbl left join default_catalog.information_schema.materialized_views mv on \
     tbl.table_schema = mv.table_schema and tbl.table_name = mv.table_name where tbl.table_schema = 'd'",
    "create schema if not exists d",
    "select * from information_schema.task_runs where task_name = 'x'",
    // Java, JavaScript, ODBC
    "set autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')",
    "SELECT @@max_allowed_packet,@@system_time_zone,@@time_zone,@@auto_increment_increment",
    "SELECT SCHEMA_NAME TABLE_CAT FROM INFORMATION_SCHEMA.SCHEMATA ORDER BY 1",
    "SELECT TABLE_SCHEMA TABLE_CAT, NULL TABLE_SCHEM, TABLE_NAME, IF(TABLE_TYPE='BASE TABLE', 'TABLE', TABLE_TYPE) as \
     TABLE_TYPE, TABLE_COMMENT REMARKS, NULL TYPE_CAT, NULL TYPE_SCHEM, NULL TYPE_NAME FROM INFORMATION_SCHEMA.TABLES \
     WHERE TABLE_SCHEMA = 'd' AND (TABLE_NAME LIKE '%') ORDER BY TABLE_TYPE, TABLE_SCHEMA, TABLE_NAME",
    "SELECT 'ABS' UNION SELECT 'x' FROM DUAL",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SELECT @@GLOBAL.time_zone AS global_tz, @@system_time_zone AS system_tz, time_format(timediff(now(), \
     convert_tz(now(), @@GLOBAL.time_zone, '+00:00')), '%H:%i') AS offset;",
    "SET @@session.time_zone = 'UTC'",
    "/* mysql-connector-j-8.3.0 (Revision: 1) */SELECT  @@session.auto_increment_increment AS \
     auto_increment_increment, @@character_set_client AS character_set_client, @@init_connect AS init_connect, \
     @@interactive_timeout AS interactive_timeout, @@license AS license, @@performance_schema AS performance_schema, \
     @@sql_mode AS sql_mode, @@time_zone AS time_zone, @@wait_timeout AS wait_timeout",
    "SET character_set_results = NULL",
    "SELECT @@session.transaction_read_only",
    "set session transaction read write",
    "SHOW FULL TABLES FROM `db` LIKE '%'",
    "SHOW FULL COLUMNS FROM `t` FROM `db` LIKE '%'",
    "SHOW KEYS FROM `t` FROM `db`",
    "SHOW ENGINES",
    "SHOW CHARSET",
    "SHOW PLUGINS",
    "SHOW PRIVILEGES",
    "SHOW GLOBAL STATUS",
    "SELECT * FROM mysql.user ORDER BY user",
    "SHOW CATALOGS",
    "SELECT CATALOG()",
    "SET CATALOG `c`",
    "SET SESSION SQL_AUTO_IS_NULL=0",
    "SET session_track_schema= ON",
    "SET session_track_system_variables='autocommit,transaction_isolation'",
    "set @@sql_select_limit=DEFAULT",
    "SELECT TABLE_NAME, @dt:= DATA_TYPE, COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = BINARY 't'",
    "SET time_zone = '+00:00'",
    "SELECT 1",
    "select connection_id()",
    "KILL CONNECTION 7",
    "show frontends;",
    "ALTER SYSTEM ADD FOLLOWER \"host:9010\";",
    "SHOW PROCEDURE STATUS WHERE Db = 'd'",
    "SHOW TRIGGERS FROM `d`",
    "SHOW EVENTS FROM `d`",
    "SHOW COUNT(*) WARNINGS",
];

#[test]
fn every_probe_is_read() {
    for sql in PROBES {
        let statement = one(sql);
        assert!(!matches!(statement, Statement::Unsupported { .. }), "{sql}");
    }
}

#[test]
fn every_probe_reads_back_from_its_text() {
    for sql in PROBES {
        let parsed = only(sql);
        assert_eq!(one(&parsed.text), parsed.statement, "{sql}");
    }
}

#[test]
fn every_probe_is_read_in_any_case() {
    for sql in PROBES {
        // Upper case changes strings too; what kind of statement it is must not depend on it.
        assert_eq!(one(&sql.to_ascii_uppercase()).statement_kind(), one(sql).statement_kind(), "{sql}");
        assert_eq!(one(&sql.to_ascii_lowercase()).statement_kind(), one(sql).statement_kind(), "{sql}");
    }
}

#[test]
fn what_is_for_other_servers_is_nothing() {
    for sql in
        ["/*M!100100 SET @@MAX_STATEMENT_TIME=0.000000 */ ;", "/*!999999 x */", "", " ;; ", "-- x", "# x\n", "/**/"]
    {
        assert_eq!(parse(sql).unwrap(), [], "{sql}");
    }
}

/// The mysql client takes a result for a sign that the server knows dollar quotes.
#[test]
fn dollar_quotes_are_an_error() {
    let error = parse("select $$").unwrap_err();
    assert_eq!((error.line, error.column), (1, 7));
}
