//! Keys that StarRocks knows and that mean nothing here (yet): accepted without a word, so that its files load unchanged.

/// Names, or beginnings of names that end in `*`. Sorted.
const ACCEPTED: &[&str] = &[
    "adaptive_choose_instances_threshold",
    "agent_task_resend_wait_time_ms",
    "alter_table_timeout_second",
    "alter_tablet_worker_count",
    "arrow_flight_port",
    "arrow_flight_sql_port",
    "audit_log_*",
    "auth_token",
    "authentication_*",
    "azure_*",
    "background_refresh_metadata_*",
    "backup_*",
    "base_compaction_*",
    "bdbje_*",
    "be_service_threads",
    "big_query_log_*",
    "block_cache_*",
    "brpc_*",
    "catalog_try_lock_timeout_ms",
    "check_consistency_*",
    "cluster_id",
    "cluster_name",
    "compaction_*",
    "connector_*",
    "consistency_check_*",
    "create_tablet_worker_count",
    "cumulative_compaction_*",
    "custom_config_dir",
    "datacache_*",
    "default_query_options",
    "default_replication_num",
    "default_storage_medium",
    "delete_worker_count_*",
    "desired_max_waiting_jobs",
    "disable_storage_page_cache",
    "drop_backend_after_decommission",
    "drop_tablet_worker_count",
    "dump_log_*",
    "dynamic_partition_*",
    "edit_log_type",
    "enable_auth_check",
    "enable_collect_full_statistic",
    "enable_collect_query_detail_info",
    "enable_datacache_*",
    "enable_event_based_compaction_framework",
    "enable_experimental_*",
    "enable_http_async_handler",
    "enable_metric_calculator",
    "enable_qe_slow_log",
    "enable_sql_blacklist",
    "enable_statistic_*",
    "enable_storage_volume_access_check",
    "enable_strict_storage_medium_check",
    "enable_udf",
    "export_*",
    "expr_children_limit",
    "expr_depth_limit",
    "fe_service_*",
    "file_descriptor_cache_*",
    "flush_thread_num_per_store",
    "fragment_pool_*",
    "frontend_address",
    "gcp_gcs_*",
    "graceful_*",
    "hadoop_load_*",
    "hash_distribution_max_bucket_num",
    "hdfs_*",
    "heartbeat_mgr_*",
    "heartbeat_timeout_second",
    "history_job_keep_max_second",
    "hive_*",
    "http_backlog_num",
    "http_max_chunk_size",
    "http_max_header_size",
    "http_max_initial_line_length",
    "http_slow_request_threshold_ms",
    "http_web_page_display_hardware",
    "http_worker_threads_num",
    "https_port",
    "iceberg_*",
    "ignore_*",
    "index_stream_cache_capacity",
    "insert_load_default_timeout_second",
    "internal_log_*",
    "jaeger_*",
    "java_*",
    "jdbc_*",
    "jvm_*",
    "label_*",
    "lake_*",
    "ldap_*",
    "load_process_max_memory_limit_*",
    "locale",
    "lock_manager_*",
    "log_buffer_level",
    "log_cleaner_*",
    "log_plan_*",
    "log_roll_*",
    "make_snapshot_*",
    "master_sync_policy",
    "materialized_view_*",
    "max_agent_task_threads_num",
    "max_broker_*",
    "max_bytes_per_broker_scanner",
    "max_compaction_*",
    "max_conn_per_user",
    "max_create_table_timeout_second",
    "max_cumulative_*",
    "max_layout_length_per_row",
    "max_load_*",
    "max_mysql_service_task_threads_num",
    "max_query_retry_time",
    "max_routine_load_*",
    "max_running_*",
    "max_stream_load_*",
    "max_tablet_num_per_shard",
    "max_unfinished_load_job",
    "mem_tracker_*",
    "memory_*",
    "meta_delay_toleration_second",
    "meta_publish_timeout_ms",
    "metadata_journal_*",
    "metadata_log_*",
    "metric_*",
    "min_base_compaction_*",
    "min_bytes_per_broker_scanner",
    "min_cumulative_compaction_*",
    "min_file_descriptor_number",
    "min_load_replica_num",
    "mv_*",
    "mysql_*",
    "net_use_ipv6_when_priority_networks_empty",
    "num_threads_per_core",
    "number_tablet_writer_threads",
    "oauth2_*",
    "object_storage_*",
    "olap_table_sink_*",
    "page_cache_*",
    "partial_update_*",
    "period_of_auto_resume_min",
    "pindex_*",
    "pipeline_*",
    "plugin_*",
    "pprof_profile_dir",
    "prepared_transaction_default_timeout_second",
    "primary_key_*",
    "priority_queue_*",
    "proc_profile_*",
    "proxy_*",
    "publish_version_*",
    "push_worker_count_*",
    "qe_*",
    "query_cache_*",
    "query_detail_*",
    "query_scratch_dirs",
    "ranger_*",
    "recover_with_empty_tablet",
    "replica_*",
    "report_queue_size",
    "report_tablet_interval_seconds",
    "report_task_interval_seconds",
    "resource_group_*",
    "routine_load_*",
    "saml_*",
    "scanner_*",
    "schema_change_*",
    "slave_*",
    "slow_lock_*",
    "small_file_dir",
    "snapshot_expire_time_sec",
    "spark_*",
    "spill_*",
    "ssl_*",
    "star_mgr_*",
    "starlet_*",
    "starmgr_*",
    "start_with_incomplete_meta",
    "statistic_*",
    "statistics_*",
    "storage_flood_*",
    "storage_high_watermark_*",
    "storage_medium_migrate_count",
    "storage_min_left_capacity_bytes",
    "storage_page_cache_limit",
    "storage_usage_*",
    "stream_load_*",
    "streaming_load_*",
    "sys_log_*",
    "sys_minidump_*",
    "table_keeper_*",
    "tablet_create_*",
    "tablet_delete_timeout_second",
    "tablet_map_shard_size",
    "tablet_max_*",
    "tablet_meta_*",
    "tablet_rowset_*",
    "tablet_sched_*",
    "tablet_stat_update_interval_second",
    "tablet_writer_open_rpc_timeout_sec",
    "task_check_interval_second",
    "task_min_schedule_interval_s",
    "task_runs_*",
    "task_ttl_second",
    "thrift_*",
    "tmp_dir",
    "transaction_*",
    "trash_file_expire_time_sec",
    "txn_*",
    "unused_rowset_monitor_interval",
    "update_cache_*",
    "update_compaction_*",
    "update_memory_limit_percent",
    "use_page_cache",
    "user_function_dir",
    "vector_*",
    "vertical_compaction_*",
    "warehouse_*",
    "web_log_bytes",
    "webserver_num_workers",
    "write_buffer_size",
];

/// Whether StarRocks has such a key. A family can hold a misspelt key of ours: ask [`resembles`] first.
pub(crate) fn is_accepted(key: &str) -> bool {
    ACCEPTED.iter().any(|name| match name.strip_suffix('*') {
        Some(beginning) => key.starts_with(beginning),
        None => *name == key,
    })
}

/// Whether StarRocks has a key of exactly this name.
pub(crate) fn is_listed(key: &str) -> bool {
    ACCEPTED.contains(&key)
}

/// The name that a misspelt key most likely means: at most two letters away.
pub(crate) fn resembles(key: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    names.map(|name| (distance(key, name), name)).filter(|(distance, _)| *distance <= 2).min().map(|(_, name)| name)
}

/// Letters to add, drop or change on the way from one word to the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (to, wanted) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(letter != wanted);
            diagonal = row[to + 1];
            row[to + 1] = changed.min(diagonal + 1).min(row[to] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!((distance("", "abc"), distance("port", "port"), distance("prot", "port")), (3, 0, 2));
        assert_eq!(distance("query_port", "qery_ports"), 2);
    }

    #[test]
    fn misspelt_keys_are_recognised() {
        let names = ["query_port", "rpc_port"];
        assert_eq!(resembles("query_prt", names.into_iter()), Some("query_port"));
        assert_eq!(resembles("colour", names.into_iter()), None);
    }

    #[test]
    fn names_are_in_order() {
        assert!(ACCEPTED.is_sorted());
    }

    #[test]
    fn keys_of_starrocks_pass() {
        for key in
            ["mysql_service_nio_enabled", "datacache_disk_size", "meta_delay_toleration_second", "qe_slow_log_ms"]
        {
            assert!(is_accepted(key), "{key}");
        }
        for key in ["query_prot", "meta_directory", "colour", "enable_colour"] {
            assert!(!is_accepted(key), "{key}");
        }
    }
}
