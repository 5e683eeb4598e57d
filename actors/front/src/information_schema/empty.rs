//! Tables that clients look for and that have no rows here: MySQL's own for things that StarRocks does not have, and
//! StarRocks' for what Starkeep does not do yet.

use crate::sheet::{Kind, Sheet};

/// Database, table, columns. `@b` BIGINT, `@i` INT, `@f` DOUBLE, `@d` DATETIME, otherwise VARCHAR.
const EMPTY: &[(&str, &str, &str)] = &[
    (
        "information_schema",
        "statistics",
        "TABLE_CATALOG,TABLE_SCHEMA,TABLE_NAME,NON_UNIQUE@b,INDEX_SCHEMA,INDEX_NAME,SEQ_IN_INDEX@b,COLUMN_NAME,COLLATION,CARDINALITY@b,SUB_PART@b,PACKED,NULLABLE,INDEX_TYPE,COMMENT,INDEX_COMMENT,IS_VISIBLE,EXPRESSION",
    ),
    (
        "information_schema",
        "referential_constraints",
        "CONSTRAINT_CATALOG,CONSTRAINT_SCHEMA,CONSTRAINT_NAME,UNIQUE_CONSTRAINT_CATALOG,UNIQUE_CONSTRAINT_SCHEMA,UNIQUE_CONSTRAINT_NAME,MATCH_OPTION,UPDATE_RULE,DELETE_RULE,TABLE_NAME,REFERENCED_TABLE_NAME",
    ),
    (
        "information_schema",
        "table_constraints",
        "CONSTRAINT_CATALOG,CONSTRAINT_SCHEMA,CONSTRAINT_NAME,TABLE_SCHEMA,TABLE_NAME,CONSTRAINT_TYPE",
    ),
    (
        "information_schema",
        "routines",
        "SPECIFIC_NAME,ROUTINE_CATALOG,ROUTINE_SCHEMA,ROUTINE_NAME,ROUTINE_TYPE,DTD_IDENTIFIER,ROUTINE_BODY,ROUTINE_DEFINITION,EXTERNAL_NAME,EXTERNAL_LANGUAGE,PARAMETER_STYLE,IS_DETERMINISTIC,SQL_DATA_ACCESS,SQL_PATH,SECURITY_TYPE,CREATED@d,LAST_ALTERED@d,SQL_MODE,ROUTINE_COMMENT,DEFINER,CHARACTER_SET_CLIENT,COLLATION_CONNECTION,DATABASE_COLLATION",
    ),
    (
        "information_schema",
        "parameters",
        "SPECIFIC_CATALOG,SPECIFIC_SCHEMA,SPECIFIC_NAME,ORDINAL_POSITION@b,PARAMETER_MODE,PARAMETER_NAME,DATA_TYPE,CHARACTER_MAXIMUM_LENGTH@b,NUMERIC_PRECISION@b,NUMERIC_SCALE@b,DTD_IDENTIFIER,ROUTINE_TYPE",
    ),
    (
        "information_schema",
        "triggers",
        "TRIGGER_CATALOG,TRIGGER_SCHEMA,TRIGGER_NAME,EVENT_MANIPULATION,EVENT_OBJECT_CATALOG,EVENT_OBJECT_SCHEMA,EVENT_OBJECT_TABLE,ACTION_ORDER@b,ACTION_CONDITION,ACTION_STATEMENT,ACTION_ORIENTATION,ACTION_TIMING,ACTION_REFERENCE_OLD_TABLE,ACTION_REFERENCE_NEW_TABLE,ACTION_REFERENCE_OLD_ROW,ACTION_REFERENCE_NEW_ROW,CREATED@d,SQL_MODE,DEFINER,CHARACTER_SET_CLIENT,COLLATION_CONNECTION,DATABASE_COLLATION",
    ),
    (
        "information_schema",
        "events",
        "EVENT_CATALOG,EVENT_SCHEMA,EVENT_NAME,DEFINER,TIME_ZONE,EVENT_BODY,EVENT_DEFINITION,EVENT_TYPE,EXECUTE_AT@d,INTERVAL_VALUE,INTERVAL_FIELD,SQL_MODE,STARTS@d,ENDS@d,STATUS,ON_COMPLETION,CREATED@d,LAST_ALTERED@d,LAST_EXECUTED@d,EVENT_COMMENT,ORIGINATOR@b,CHARACTER_SET_CLIENT,COLLATION_CONNECTION,DATABASE_COLLATION",
    ),
    ("information_schema", "schema_privileges", "GRANTEE,TABLE_CATALOG,TABLE_SCHEMA,PRIVILEGE_TYPE,IS_GRANTABLE"),
    (
        "information_schema",
        "table_privileges",
        "GRANTEE,TABLE_CATALOG,TABLE_SCHEMA,TABLE_NAME,PRIVILEGE_TYPE,IS_GRANTABLE",
    ),
    (
        "information_schema",
        "column_privileges",
        "GRANTEE,TABLE_CATALOG,TABLE_SCHEMA,TABLE_NAME,COLUMN_NAME,PRIVILEGE_TYPE,IS_GRANTABLE",
    ),
    (
        "information_schema",
        "partitions",
        "TABLE_CATALOG,TABLE_SCHEMA,TABLE_NAME,PARTITION_NAME,SUBPARTITION_NAME,PARTITION_ORDINAL_POSITION@b,SUBPARTITION_ORDINAL_POSITION@b,PARTITION_METHOD,SUBPARTITION_METHOD,PARTITION_EXPRESSION,SUBPARTITION_EXPRESSION,PARTITION_DESCRIPTION,TABLE_ROWS@b,AVG_ROW_LENGTH@b,DATA_LENGTH@b,MAX_DATA_LENGTH@b,INDEX_LENGTH@b,DATA_FREE@b,CREATE_TIME@d,UPDATE_TIME@d,CHECK_TIME@d,CHECKSUM@b,PARTITION_COMMENT,NODEGROUP,TABLESPACE_NAME",
    ),
    (
        "information_schema",
        "files",
        "FILE_ID@b,FILE_NAME,FILE_TYPE,TABLESPACE_NAME,TABLE_CATALOG,TABLE_SCHEMA,TABLE_NAME,LOGFILE_GROUP_NAME,LOGFILE_GROUP_NUMBER@b,ENGINE,FULLTEXT_KEYS,DELETED_ROWS@b,UPDATE_COUNT@b,FREE_EXTENTS@b,TOTAL_EXTENTS@b,EXTENT_SIZE@b,INITIAL_SIZE@b,MAXIMUM_SIZE@b,AUTOEXTEND_SIZE@b,CREATION_TIME@d,LAST_UPDATE_TIME@d,LAST_ACCESS_TIME@d,RECOVER_TIME@b,TRANSACTION_COUNTER@b,VERSION@b,ROW_FORMAT,TABLE_ROWS@b,AVG_ROW_LENGTH@b,DATA_LENGTH@b,MAX_DATA_LENGTH@b,INDEX_LENGTH@b,DATA_FREE@b,CREATE_TIME@d,UPDATE_TIME@d,CHECK_TIME@d,CHECKSUM@b,STATUS,EXTRA",
    ),
    (
        "information_schema",
        "materialized_views",
        "MATERIALIZED_VIEW_ID@b,TABLE_SCHEMA,TABLE_NAME,REFRESH_TYPE,IS_ACTIVE,INACTIVE_REASON,PARTITION_TYPE,TASK_ID@b,TASK_NAME,LAST_REFRESH_START_TIME@d,LAST_REFRESH_FINISHED_TIME@d,LAST_REFRESH_DURATION@f,LAST_REFRESH_STATE,LAST_REFRESH_FORCE_REFRESH,LAST_REFRESH_START_PARTITION,LAST_REFRESH_END_PARTITION,LAST_REFRESH_BASE_REFRESH_PARTITIONS,LAST_REFRESH_MV_REFRESH_PARTITIONS,LAST_REFRESH_ERROR_CODE,LAST_REFRESH_ERROR_MESSAGE,TABLE_ROWS@b,MATERIALIZED_VIEW_DEFINITION,EXTRA_MESSAGE,QUERY_REWRITE_STATUS,CREATOR,LAST_REFRESH_PROCESS_TIME@d,LAST_REFRESH_JOB_ID",
    ),
    (
        "information_schema",
        "tasks",
        "TASK_NAME,CREATE_TIME@d,SCHEDULE,CATALOG,DATABASE,DEFINITION,EXPIRE_TIME@d,PROPERTIES,CREATOR",
    ),
    (
        "information_schema",
        "task_runs",
        "QUERY_ID,TASK_NAME,CREATE_TIME@d,FINISH_TIME@d,STATE,CATALOG,WAREHOUSE,DATABASE,DEFINITION,EXPIRE_TIME@d,ERROR_CODE@b,ERROR_MESSAGE,PROGRESS,EXTRA_MESSAGE,PROPERTIES,JOB_ID,PROCESS_TIME@d,TASK_SOURCE",
    ),
    (
        "information_schema",
        "loads",
        "ID@b,LABEL,PROFILE_ID,DB_NAME,TABLE_NAME,USER,WAREHOUSE,STATE,PROGRESS,TYPE,PRIORITY,SCAN_ROWS@b,SCAN_BYTES@b,FILTERED_ROWS@b,UNSELECTED_ROWS@b,SINK_ROWS@b,RUNTIME_DETAILS,CREATE_TIME@d,LOAD_START_TIME@d,LOAD_COMMIT_TIME@d,LOAD_FINISH_TIME@d,PROPERTIES,ERROR_MSG,TRACKING_SQL,REJECTED_RECORD_PATH",
    ),
    ("information_schema", "load_tracking_logs", "JOB_ID@b,LABEL,DATABASE_NAME,TRACKING_LOG,TYPE"),
    (
        "information_schema",
        "stream_loads",
        "LABEL,ID@b,LOAD_ID,TXN_ID@b,DB_NAME,TABLE_NAME,STATE,ERROR_MSG,TRACKING_URL,CHANNEL_NUM@b,NUM_ROWS_NORMAL@b,NUM_ROWS_AB_NORMAL@b,NUM_ROWS_UNSELECTED@b,NUM_LOAD_BYTES@b,TIMEOUT_SECOND@b,CREATE_TIME_MS@d,BEFORE_LOAD_TIME_MS@d,START_LOADING_TIME_MS@d,START_PREPARING_TIME_MS@d,FINISH_PREPARING_TIME_MS@d,END_TIME_MS@d,CHANNEL_STATE,TYPE,TRACKING_SQL",
    ),
    (
        "information_schema",
        "routine_load_jobs",
        "ID@b,NAME,CREATE_TIME@d,PAUSE_TIME@d,END_TIME@d,DB_NAME,TABLE_NAME,STATE,DATA_SOURCE_TYPE,CURRENT_TASK_NUM@b,JOB_PROPERTIES,DATA_SOURCE_PROPERTIES,CUSTOM_PROPERTIES,STATISTICS,PROGRESS,REASONS_OF_STATE_CHANGED,ERROR_LOG_URLS,TRACKING_SQL,OTHER_MSG,LATEST_SOURCE_POSITION",
    ),
    (
        "information_schema",
        "pipes",
        "DATABASE_NAME,PIPE_ID@b,PIPE_NAME,PROPERTIES,STATE,TABLE_NAME,LOAD_STATUS,LAST_ERROR,CREATED_TIME@d",
    ),
    (
        "information_schema",
        "pipe_files",
        "DATABASE_NAME,PIPE_ID@b,PIPE_NAME,FILE_NAME,FILE_VERSION,FILE_SIZE@b,LAST_MODIFIED,LOAD_STATE,STAGED_TIME,START_LOAD_TIME,FINISH_LOAD_TIME,ERROR_MSG",
    ),
    ("information_schema", "be_configs", "BE_ID@b,NAME,VALUE,TYPE,DEFAULT,MUTABLE"),
    (
        "information_schema",
        "be_tablets",
        "BE_ID@b,TABLE_ID@b,PARTITION_ID@b,TABLET_ID@b,NUM_VERSION@b,MAX_VERSION@b,MIN_VERSION@b,NUM_ROWSET@b,NUM_ROW@b,DATA_SIZE@b,INDEX_MEM@b,CREATE_TIME@b,STATE,TYPE,DATA_DIR,SHARD_ID@b,SCHEMA_HASH@b,INDEX_DISK@b,MEDIUM_TYPE,NUM_SEGMENT@b",
    ),
    (
        "information_schema",
        "be_txns",
        "BE_ID@b,LOAD_ID,TXN_ID@b,PARTITION_ID@b,TABLET_ID@b,CREATE_TIME@b,COMMIT_TIME@b,PUBLISH_TIME@b,ROWSET_ID,NUM_SEGMENT@b,NUM_DELFILE@b,NUM_ROW@b,DATA_SIZE@b,VERSION@b",
    ),
    (
        "information_schema",
        "be_compactions",
        "BE_ID@b,CANDIDATES_NUM@b,BASE_COMPACTION_CONCURRENCY@b,CUMULATIVE_COMPACTION_CONCURRENCY@b,LATEST_COMPACTION_SCORE@f,CANDIDATE_MAX_SCORE@f,MANUAL_COMPACTION_CONCURRENCY@b,MANUAL_COMPACTION_CANDIDATES_NUM@b",
    ),
    (
        "information_schema",
        "be_cloud_native_compactions",
        "BE_ID@b,TXN_ID@b,TABLET_ID@b,VERSION@b,SKIPPED,RUNS@i,START_TIME@d,FINISH_TIME@d,PROGRESS@i,STATUS,PROFILE",
    ),
    ("information_schema", "be_metrics", "BE_ID@b,NAME,LABELS,VALUE@b"),
    ("information_schema", "be_threads", "BE_ID@b,GROUP,NAME,PTHREAD_ID@b,TID@b,IDLE,FINISHED_TASKS@b,BOUND_CPUS"),
    ("information_schema", "be_logs", "BE_ID@b,LEVEL,TIMESTAMP@b,TID@b,LOG"),
    ("information_schema", "fe_metrics", "FE_ID,NAME,LABELS,VALUE@b"),
    ("information_schema", "fe_threads", "FE_ADDRESS,THREAD_ID@b,THREAD_NAME,GROUP_NAME,STATE"),
    (
        "information_schema",
        "fe_tablet_schedules",
        "TABLET_ID@b,TABLE_ID@b,PARTITION_ID@b,TYPE,STATE,SCHEDULE_REASON,MEDIUM,PRIORITY,ORIG_PRIORITY,LAST_PRIORITY_ADJUST_TIME@d,VISIBLE_VERSION@b,COMMITTED_VERSION@b,SRC_BE_ID@b,SRC_PATH,DEST_BE_ID@b,DEST_PATH,TIMEOUT@b,CREATE_TIME@d,SCHEDULE_TIME@d,FINISH_TIME@d,CLONE_BYTES@b,CLONE_DURATION@f,MSG",
    ),
    (
        "information_schema",
        "analyze_status",
        "Id,Catalog,Database,Table,Columns,Type,Schedule,Status,StartTime,EndTime,Properties,Reason",
    ),
    (
        "information_schema",
        "column_stats_usage",
        "TABLE_CATALOG,TABLE_DATABASE,TABLE_NAME,COLUMN_NAME,USAGE,LAST_USED@d,CREATED@d",
    ),
    (
        "information_schema",
        "temporary_tables",
        "TABLE_CATALOG,TABLE_SCHEMA,TABLE_NAME,SESSION,TABLE_TYPE,ENGINE,VERSION@b,TABLE_ROWS@b,DATA_LENGTH@b,CREATE_TIME@d,TABLE_COMMENT,TABLE_ID@b",
    ),
    ("information_schema", "running_transactions", "TRANSACTION_ID@b,LABEL,DB_NAME,STATE,COORDINATOR,PREPARE_TIME@d"),
    (
        "information_schema",
        "warehouse_metrics",
        "WAREHOUSE_ID,WAREHOUSE_NAME,QUEUE_PENDING_LENGTH,QUEUE_RUNNING_LENGTH,MAX_PENDING_LENGTH,MAX_PENDING_TIME_SECOND,EARLIEST_QUERY_WAIT_TIME,MAX_REQUIRED_SLOTS,SUM_REQUIRED_SLOTS,REMAIN_SLOTS,MAX_SLOTS,EXTRA_MESSAGE",
    ),
    (
        "information_schema",
        "warehouse_queries",
        "WAREHOUSE_ID,WAREHOUSE_NAME,QUERY_ID,STATE,EST_COSTS_SLOTS,ALLOCATE_SLOTS,QUEUED_WAIT_SECONDS,QUERY,QUERY_START_TIME,QUERY_END_TIME,QUERY_DURATION,EXTRA_MESSAGE",
    ),
    ("sys", "fe_locks", "LOCK_TYPE,LOCK_OBJECT,LOCK_MODE,START_TIME@d,HOLD_TIME_MS@b,THREAD_INFO,GRANTED,WAITER_LIST"),
    ("sys", "fe_memory_usage", "MODULE_NAME,CLASS_NAME,CURRENT_CONSUMPTION@b,PEAK_CONSUMPTION@b,COUNTER_INFO"),
    (
        "sys",
        "object_dependencies",
        "OBJECT_ID@b,OBJECT_NAME,OBJECT_DATABASE,OBJECT_CATALOG,OBJECT_TYPE,REF_OBJECT_ID@b,REF_OBJECT_NAME,REF_OBJECT_DATABASE,REF_OBJECT_CATALOG,REF_OBJECT_TYPE",
    ),
];

/// The names of the tables of a database.
pub(super) fn names(database: &str) -> impl Iterator<Item = &'static str> {
    EMPTY.iter().filter(move |(db, _, _)| *db == database).map(|(_, table, _)| *table)
}

/// A table with its columns and no row.
pub(super) fn sheet(database: &str, table: &str) -> Option<Sheet> {
    EMPTY.iter().find(|(db, name, _)| *db == database && *name == table).map(|(_, _, spec)| columns(spec))
}

/// A sheet from the short form of its columns.
pub(super) fn columns(spec: &str) -> Sheet {
    let column = |text: &str| {
        let (name, kind) = text.trim().split_once('@').unwrap_or((text.trim(), ""));
        let kind = match kind {
            "b" => Kind::BigInt,
            "i" => Kind::Int,
            "f" => Kind::Double,
            "d" => Kind::DateTime,
            _ => Kind::Text,
        };
        (name.to_owned(), kind)
    };
    Sheet { columns: spec.split(',').map(column).collect(), rows: Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn columns_are_named_once() {
        for (database, table, spec) in EMPTY {
            let sheet = columns(spec);
            let names: HashSet<_> = sheet.columns.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), sheet.columns.len(), "{database}.{table}");
            assert!(names.iter().all(|name| !name.is_empty() && !name.contains('@')), "{database}.{table}");
        }
    }
}
