//! HELP: what the statements of this house look like.

use runtime_sql::like_matches;

use crate::sheet::{Sheet, row};

/// Topic, description, example.
const TOPICS: &[(&str, &str, &str)] = &[
    (
        "ADMIN SET AUTOMATED CLUSTER SNAPSHOT",
        "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON [INTERVAL n unit] [STORAGE VOLUME volume]\n\
         ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF\n\
         Takes snapshots of the whole cluster, data and metadata, at an interval. The newest one is what \
         start_fe.sh --cluster_snapshot restores.",
        "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME builtin_storage_volume;",
    ),
    (
        "ADMIN SHOW AUTOMATED CLUSTER SNAPSHOT",
        "Whether snapshots are on, where they go, when the last one was taken and when the next one is.",
        "ADMIN SHOW AUTOMATED CLUSTER SNAPSHOT;\nSELECT * FROM information_schema.cluster_snapshot_jobs;",
    ),
    (
        "ADMIN FINISH RESTORE",
        "Ends the careful time of a restored cluster: from then on expired snapshots and files are deleted again.",
        "ADMIN FINISH RESTORE;",
    ),
    ("ALTER DATABASE", "ALTER DATABASE name RENAME new_name", "ALTER DATABASE d RENAME e;"),
    (
        "ALTER SYSTEM",
        "ALTER SYSTEM ADD|DROP COMPUTE NODE \"host:heartbeat_port\" [, ...]\nALTER SYSTEM CREATE IMAGE",
        "ALTER SYSTEM ADD COMPUTE NODE \"cn1:9050\";",
    ),
    (
        "ALTER TABLE",
        "ALTER TABLE name RENAME new_name | SWAP WITH other | COMMENT = \"text\"\n\
         | RENAME PARTITION name new_name | DROP PARTITION [IF EXISTS] name [FORCE]\n\
         | ADD PARTITION [IF NOT EXISTS] name VALUES LESS THAN (\"value\")\n\
         | ADD PARTITIONS START (\"value\") END (\"value\") EVERY (INTERVAL n HOUR|DAY|WEEK|MONTH|YEAR | n)",
        "ALTER TABLE t ADD PARTITIONS START (\"2024-01-01\") END (\"2024-02-01\") EVERY (INTERVAL 1 DAY);",
    ),
    (
        "CREATE DATABASE",
        "CREATE DATABASE [IF NOT EXISTS] name [PROPERTIES (\"storage_volume\" = \"volume\")]",
        "CREATE DATABASE quickstart;",
    ),
    (
        "CREATE STORAGE VOLUME",
        "CREATE STORAGE VOLUME [IF NOT EXISTS] name TYPE = S3|LOCAL LOCATIONS = (\"location\") [COMMENT \"text\"] \
         [PROPERTIES (\"key\" = \"value\", ...)]",
        "CREATE STORAGE VOLUME v TYPE = S3 LOCATIONS = (\"s3://bucket/path\") PROPERTIES (\"enabled\" = \"true\", \"aws.s3.region\" = \"us-west-2\");",
    ),
    (
        "CREATE TABLE",
        "CREATE TABLE [IF NOT EXISTS] name (column type [NOT NULL] [DEFAULT value] [COMMENT \"text\"], ...)\n\
         [DUPLICATE KEY (columns)] [COMMENT \"text\"] [PARTITION BY RANGE (columns) (PARTITION name VALUES LESS THAN (\"value\"), START (\"value\") END (\"value\") EVERY (step), ...)]\n\
         [DISTRIBUTED BY HASH (columns) | RANDOM [BUCKETS n]] [PROPERTIES (...)]",
        "CREATE TABLE t (k INT, v STRING) DUPLICATE KEY (k) DISTRIBUTED BY HASH (k);",
    ),
    ("DELETE", "DELETE FROM table [PARTITION (names)] WHERE condition", "DELETE FROM t WHERE k < 10 OR v IS NULL;"),
    (
        "INSERT",
        "INSERT INTO|OVERWRITE table [PARTITION (names)] [WITH LABEL label] [(columns)] VALUES (...), ... | query",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b');",
    ),
    (
        "RECOVER",
        "RECOVER DATABASE name\nRECOVER TABLE name\nRECOVER PARTITION name FROM table\n\
         Brings back what was dropped without FORCE, as long as it is in information_schema.recyclebin_catalogs.",
        "RECOVER TABLE d.t;",
    ),
    (
        "SHOW",
        "SHOW DATABASES | TABLES | PARTITIONS FROM t | CREATE TABLE t | COMPUTE NODES | FRONTENDS | STORAGE VOLUMES | ...",
        "SHOW COMPUTE NODES;",
    ),
];

/// One topic in full, or the names of those that match.
pub(crate) fn help(topic: &str) -> Sheet {
    let (asked, pattern) = (topic.trim(), format!("%{}%", topic.trim()));
    let exact = TOPICS.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(asked));
    let found: Vec<_> = TOPICS.iter().filter(|(name, _, _)| like_matches(&pattern, name)).collect();
    let columns = ["name", "description", "example"];
    match (exact, found.as_slice()) {
        (Some((name, description, example)), _) | (None, [(name, description, example)]) => {
            Sheet::text(&columns).with(row![*name, *description, *example])
        }
        (None, many) => {
            let mut sheet = Sheet::text(&["name", "is_it_category"]);
            many.iter().for_each(|(name, _, _)| sheet.push(row![*name, "N"]));
            sheet
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hit_is_shown_and_several_are_listed() {
        assert_eq!(help("create table").columns.len(), 3);
        assert_eq!(help("finish").rows.len(), 1);
        assert_eq!((help("delete").columns.len(), help("delete").rows.len()), (3, 1));
        let many = help("create");
        assert_eq!((many.columns.len(), many.rows.len()), (2, 3));
        assert!(help("nothing such").rows.is_empty());
    }
}
