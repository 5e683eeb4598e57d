//! CREATE TABLE: what is accepted, what it becomes, and that SHOW CREATE TABLE reads back as the same draft.

use std::collections::BTreeMap;

use runtime_sql::Statement;
use storage_catalog::{Catalog, ClusterIdentity, Command, Envelope, TableDraft, VolumeDraft};
use storage_model::{
    Bound, ClusterId, ColumnId, DefaultValue, Distribution, Epoch, Incarnation, Now, PartitionRange, Partitioning,
    ServiceId, UnixMillis, Value, VolumeType,
};

use super::analyze;
use crate::show::create_table_text;

const QUICKSTART: &str = "CREATE TABLE source_wiki_edit(
  event_time DATETIME, channel VARCHAR(32) DEFAULT '', user VARCHAR(128) DEFAULT '', is_anonymous TINYINT DEFAULT '0',
  is_minor TINYINT DEFAULT '0', is_new TINYINT DEFAULT '0', is_robot TINYINT DEFAULT '0',
  is_unpatrolled TINYINT DEFAULT '0', delta INT DEFAULT '0', added INT DEFAULT '0', deleted INT DEFAULT '0')
DUPLICATE KEY(event_time, channel, user, is_anonymous, is_minor, is_new, is_robot, is_unpatrolled)
PARTITION BY RANGE(event_time)(
  PARTITION p06 VALUES LESS THAN ('2015-09-12 06:00:00'),
  PARTITION p12 VALUES LESS THAN ('2015-09-12 12:00:00'),
  PARTITION p18 VALUES LESS THAN ('2015-09-12 18:00:00'),
  PARTITION p24 VALUES LESS THAN ('2015-09-13 00:00:00'))
DISTRIBUTED BY HASH(user);";

fn draft(sql: &str) -> Result<TableDraft, runtime_mysql::MySqlError> {
    let mut parsed = runtime_sql::parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    match parsed.pop().map(|p| p.statement) {
        Some(Statement::CreateTable(create)) => analyze(&create, 2),
        other => panic!("{sql}: {other:?}"),
    }
}

fn good(sql: &str) -> TableDraft {
    draft(sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

fn refusal(sql: &str) -> (u16, String) {
    let error = draft(sql).expect_err(sql);
    (error.code, error.message)
}

fn keys(sql: &str) -> usize {
    good(sql).columns.iter().filter(|c| c.key).count()
}

fn at(text: &str) -> Bound {
    Bound::At(vec![Value::parse(text, &storage_model::DataType::DateTime).unwrap()])
}

#[test]
fn the_quickstart_table() {
    let draft = good(QUICKSTART);
    assert_eq!(draft.columns.iter().filter(|c| c.key).count(), 8);
    assert!(draft.columns.iter().all(|c| c.nullable));
    assert_eq!(draft.columns[3].default, Some(DefaultValue::Literal("0".into())));
    assert_eq!(draft.partitioning, Partitioning::Range { columns: vec![ColumnId(1)] });
    assert_eq!(draft.distribution, Distribution::Hash { columns: vec![ColumnId(3)] });
    assert_eq!((draft.buckets_given, draft.partitions[0].buckets), (None, 4));
    let ranges: Vec<&PartitionRange> = draft.partitions.iter().map(|p| &p.range).collect();
    assert_eq!(ranges[0], &PartitionRange::between(Bound::Min, at("2015-09-12 06:00:00")));
    assert_eq!(ranges[3], &PartitionRange::between(at("2015-09-12 18:00:00"), at("2015-09-13")));
}

#[test]
fn keys_that_nobody_asked_for() {
    assert_eq!(keys("CREATE TABLE t (a INT, b INT, c INT, d INT)"), 3);
    assert_eq!(keys("CREATE TABLE t (a INT, b VARCHAR(10), c INT)"), 2);
    assert_eq!(keys("CREATE TABLE t (a STRING, b INT)"), 1);
    assert_eq!(keys("CREATE TABLE t (a INT, b DOUBLE, c INT)"), 1);
    assert_eq!(keys("CREATE TABLE t (a LARGEINT, b LARGEINT, c BIGINT)"), 2);
    assert_eq!(refusal("CREATE TABLE t (a DOUBLE, b INT)").0, 1064);
}

#[test]
fn what_is_wrong_with_columns_and_keys() {
    assert_eq!(refusal("CREATE TABLE t (a INT, A INT)").0, 1060);
    for (sql, part) in [
        ("CREATE TABLE t (a INT, b INT) DUPLICATE KEY(b)", "first few columns"),
        ("CREATE TABLE t (a INT, b INT) DUPLICATE KEY(b, a)", "first few columns"),
        ("CREATE TABLE t (a INT, b INT) DUPLICATE KEY(c)", "Key column(c) doesn't exist"),
        ("CREATE TABLE t (a DOUBLE) DUPLICATE KEY(a)", "key column 'a'"),
        ("CREATE TABLE t (a TINYINT DEFAULT '300')", "Invalid default value for 'a'"),
        ("CREATE TABLE t (a INT NOT NULL DEFAULT NULL)", "null default value"),
        ("CREATE TABLE t (a INT DEFAULT CURRENT_TIMESTAMP)", "CURRENT_TIMESTAMP"),
        ("CREATE TABLE t (a INT) DISTRIBUTED BY HASH(b)", "Distribution column(b) doesn't exist"),
        ("CREATE TABLE t (a INT) DISTRIBUTED BY HASH(a) BUCKETS 2000", "exceeds the maximum of 1024"),
        ("CREATE TABLE t (a INT) PROPERTIES('nonsense'='1')", "Unknown properties: {nonsense=1}"),
        ("CREATE TABLE t (a INT) PROPERTIES('replication_num'='0')", "Replication num"),
    ] {
        let (_, message) = refusal(sql);
        assert!(message.contains(part), "{sql}: {message}");
    }
    assert_eq!(refusal("CREATE TABLE t (a INT) ENGINE=innodb").0, 1286);
}

#[test]
fn key_models() {
    use storage_model::{Aggregation, KeyModel};
    let by = "DISTRIBUTED BY HASH(a)";
    let draft = good(&format!("CREATE TABLE t (a INT, b INT NOT NULL, v INT) PRIMARY KEY(a, b) {by}"));
    assert_eq!(draft.model, KeyModel::Primary);
    assert_eq!(draft.columns.iter().map(|c| c.nullable).collect::<Vec<_>>(), [false, false, true]);
    let draft = good(&format!("CREATE TABLE t (a INT, b INT SUM, c STRING REPLACE_IF_NOT_NULL NOT NULL) {by}"));
    assert_eq!((draft.model, draft.columns.iter().filter(|c| c.key).count()), (KeyModel::Aggregate, 1));
    let combined: Vec<_> = draft.columns.iter().map(|c| c.aggregation).collect();
    assert_eq!(combined, [None, Some(Aggregation::Sum), Some(Aggregation::ReplaceIfNotNull)]);
    assert!(draft.columns[2].nullable);
    assert_eq!(good(&format!("CREATE TABLE t (a INT, v INT) UNIQUE KEY(a) {by}")).model, KeyModel::Unique);
    for (text, part) in [
        ("(a INT, v INT) UNIQUE KEY(v) DISTRIBUTED BY HASH(a)", "Key columns must be the first few columns"),
        ("(a INT, v INT) PRIMARY KEY() DISTRIBUTED BY HASH(a)", "input"),
        ("(a INT, v INT) PRIMARY KEY(x) DISTRIBUTED BY HASH(a)", "Key column(x) doesn't exist"),
        ("(a INT NULL, v INT) PRIMARY KEY(a) DISTRIBUTED BY HASH(a)", "primary key column[a] cannot be nullable"),
        ("(a DOUBLE, v INT) UNIQUE KEY(a) DISTRIBUTED BY HASH(a)", "Invalid data type of key column 'a'"),
        (
            "(a INT, v INT SUM) UNIQUE KEY(a) DISTRIBUTED BY HASH(a)",
            "UNIQUE_KEYS table should not specify aggregate type",
        ),
        ("(a INT, v INT SUM) PRIMARY KEY(a) DISTRIBUTED BY HASH(a)", "PRIMARY_KEYS table should not specify"),
        ("(a INT, v INT SUM) DUPLICATE KEY(a) DISTRIBUTED BY HASH(a)", "DUP_KEYS table should not specify"),
        (
            "(a INT, v INT) AGGREGATE KEY(a) DISTRIBUTED BY HASH(a)",
            "AGG_KEYS table should specify aggregate type for non-key column[v]",
        ),
        (
            "(a INT SUM, v INT SUM) AGGREGATE KEY(a) DISTRIBUTED BY HASH(a)",
            "Key column[a] should not specify aggregate type.",
        ),
        ("(a INT SUM, v INT) DISTRIBUTED BY HASH(v)", "Key columns must be the first few columns"),
        ("(a INT, v STRING SUM) AGGREGATE KEY(a) DISTRIBUTED BY HASH(a)", "Invalid aggregate function 'SUM' for 'v'"),
        ("(a INT, v BOOLEAN MAX) AGGREGATE KEY(a) DISTRIBUTED BY HASH(a)", "Invalid aggregate function 'MAX' for 'v'"),
        (
            "(a INT, v INT HLL_UNION) AGGREGATE KEY(a) DISTRIBUTED BY HASH(a)",
            "Invalid aggregate function 'HLL_UNION' for 'v'",
        ),
        ("(a INT, v INT PERCENTILE_UNION) AGGREGATE KEY(a) DISTRIBUTED BY HASH(a)", "aggregation PERCENTILE_UNION"),
        ("(a INT, v INT) UNIQUE KEY(a)", "Currently not support default distribution in UNIQUE_KEYS"),
        ("(a INT, v INT) PRIMARY KEY(a) DISTRIBUTED BY RANDOM", "PRIMARY KEY must use hash distribution"),
        ("(a INT, v INT) PRIMARY KEY(a) DISTRIBUTED BY HASH(v)", "Distribution column[v] is not key column"),
        (
            "(a INT, v INT) UNIQUE KEY(a) PARTITION BY RANGE(v) (PARTITION p VALUES LESS THAN ('1')) DISTRIBUTED BY HASH(a)",
            "The partition column could not be aggregated column",
        ),
    ] {
        let sql = format!("CREATE TABLE t {text}");
        let message = match runtime_sql::parse(&sql) {
            Ok(_) => refusal(&sql).1,
            Err(error) => error.to_string(),
        };
        assert!(message.contains(part), "{sql}: {message}");
    }
}

#[test]
fn what_is_wrong_with_partitions() {
    for (clause, part) in [
        ("RANGE(c) (PARTITION p VALUES LESS THAN ('1'))", "Partition column[c] does not exist"),
        ("RANGE(s) (PARTITION p VALUES LESS THAN ('1'))", "cannot be a range partition key"),
        ("RANGE(a) (PARTITION p VALUES LESS THAN ('x'))", "'x' is no int(11)"),
        ("RANGE(a, d) (PARTITION p VALUES LESS THAN ('1', '2026-01-01', '3'))", "3 values for 2"),
        ("RANGE(a, d) (START ('1') END ('9') EVERY (1))", "only support single range column"),
        ("RANGE(a) (START ('1') END ('100001') EVERY (1))", "should not exceed:4096"),
        ("str2date(s, '%Y')", "not supported yet"),
    ] {
        let sql = format!("CREATE TABLE t (a INT, d DATE, s STRING) PARTITION BY {clause}");
        let (_, message) = refusal(&sql);
        assert!(message.contains(part), "{sql}: {message}");
    }
}

#[test]
fn ranges_of_every_form() {
    let draft = good(
        "CREATE TABLE t (a INT, d DATE) PARTITION BY RANGE(d) (
           PARTITION p0 VALUES [('0000-01-01'), ('2020-01-01')),
           PARTITION p1 VALUES LESS THAN ('2021-01-01'),
           PARTITION p2 VALUES LESS THAN MAXVALUE)",
    );
    let day = |text: &str| Bound::At(vec![Value::parse(text, &storage_model::DataType::Date).unwrap()]);
    assert_eq!(draft.partitions[0].range.lower, Bound::Min, "NULL belongs to the lowest");
    assert_eq!(draft.partitions[1].range.lower, day("2020-01-01"));
    assert_eq!(draft.partitions[2].range, PartitionRange::between(day("2021-01-01"), Bound::Max));
}

#[test]
fn partitions_at_even_steps_beside_others() {
    let draft = good(
        "CREATE TABLE t (d DATE) PARTITION BY RANGE(d) (
           PARTITION rest VALUES LESS THAN MAXVALUE, PARTITION old VALUES LESS THAN ('2024-01-01'),
           START ('2024-01-01') END ('2024-03-01') EVERY (INTERVAL 1 MONTH),
           START ('2024-03-01') END ('2024-03-03') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY RANDOM BUCKETS 3",
    );
    let mut found: Vec<_> = draft.partitions.iter().map(|p| (p.range.lower.clone(), p.name.as_str())).collect();
    found.sort();
    let names: Vec<_> = found.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["old", "p202401", "p202402", "p20240301", "p20240302", "rest"]);
    assert!(draft.partitions.iter().all(|p| p.buckets == 3));
}

fn catalog() -> Catalog {
    let identity = ClusterIdentity {
        cluster_id: ClusterId(1),
        token: "t".into(),
        service_id: ServiceId("s".into()),
        incarnation: Incarnation("i".into()),
        epoch: Epoch(1),
    };
    let mut catalog = Catalog::genesis(identity, UnixMillis(1000));
    let draft = VolumeDraft {
        name: "v \"1\"".into(),
        volume_type: VolumeType::Local,
        location: "file:///d".into(),
        comment: String::new(),
        enabled: true,
        properties: BTreeMap::new(),
    };
    apply(&mut catalog, Command::CreateVolume { draft, if_not_exists: false });
    apply(&mut catalog, Command::SetDefaultVolume { name: "v \"1\"".into() });
    apply(&mut catalog, Command::CreateDatabase { name: "db".into(), volume: None, if_not_exists: false });
    catalog
}

fn apply(catalog: &mut Catalog, command: Command) {
    catalog.apply(&Envelope { proposed_at: Now::at(2000), command }).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn show_create_table_reads_back() {
    for sql in [
        QUICKSTART,
        "CREATE TABLE `a``b` (`select` BOOLEAN NOT NULL DEFAULT '1' COMMENT 'say \"x\" \\\\ y', b DECIMAL(10,2) DEFAULT '-1.5',
           c DATETIME DEFAULT CURRENT_TIMESTAMP, d CHAR(3) NULL DEFAULT NULL, e LARGEINT, f FLOAT, g DOUBLE, h STRING, i DATE)
         DUPLICATE KEY(`select`) COMMENT 'it''s' DISTRIBUTED BY RANDOM BUCKETS 7
         PROPERTIES('compression'='ZSTD', 'datacache.enable'='true')",
        "CREATE TABLE t (a INT, b BIGINT, v STRING) PARTITION BY RANGE(a, b) (
           PARTITION p1 VALUES [('1', '1'), ('2', '2')), PARTITION p2 VALUES [('5', '0'), (MAXVALUE, MAXVALUE)))
         DISTRIBUTED BY HASH(b, a) BUCKETS 3",
        "CREATE TABLE t (d DATE) PARTITION BY RANGE(d) ()",
        "CREATE TABLE t (a INT, d DATE, v STRING DEFAULT 'x') UNIQUE KEY(a, d) PARTITION BY RANGE(d) (
           PARTITION p VALUES LESS THAN ('2024-01-01')) DISTRIBUTED BY HASH(a)",
        "CREATE TABLE t (a INT NOT NULL, s BIGINT SUM NOT NULL DEFAULT '0', m DATE MAX, n STRING MIN COMMENT 'c', r BOOLEAN REPLACE,
           o DOUBLE REPLACE_IF_NOT_NULL) AGGREGATE KEY(a) DISTRIBUTED BY HASH(a) BUCKETS 3",
        "CREATE TABLE t (a INT, b STRING, v INT) PRIMARY KEY(a, b) DISTRIBUTED BY HASH(b) BUCKETS 3",
        "CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT, `a b` INT, w VARCHAR(36) DEFAULT (uuid()), n LARGEINT DEFAULT (uuid_numeric()),
           t DATETIME DEFAULT (now()), x BIGINT AS (`a b` * 2) COMMENT 'twice', y VARCHAR(50) AS concat(w, 'it''s')) PRIMARY KEY(id)
         DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES('enable_persistent_index'='true', 'colocate_with'='g')",
        "CREATE TABLE t (d DATE) PARTITION BY RANGE(d) (START ('2024-01-01') END ('2024-02-01') EVERY (INTERVAL 1 WEEK))",
    ] {
        let mut catalog = catalog();
        let mut expected = good(sql);
        let create = Command::CreateTable { database: "db".into(), draft: expected.clone(), if_not_exists: false };
        apply(&mut catalog, create);
        let table = catalog.tables().next().unwrap();
        let text = create_table_text(&catalog, table);
        // What was left open is said in the text.
        expected.volume = Some("v \"1\"".into());
        assert_eq!(good(&text), expected, "{text}");
    }
}

#[test]
fn what_computed_columns_may_be() {
    for (columns, says) in [
        ("k INT, id INT AUTO_INCREMENT", "The AUTO_INCREMENT column must be BIGINT"),
        ("k INT, id BIGINT NULL AUTO_INCREMENT", "AUTO_INCREMENT column id must be NOT NULL"),
        (
            "k BIGINT AUTO_INCREMENT, id BIGINT AUTO_INCREMENT",
            "More than one AUTO_INCREMENT column defined in CREATE TABLE Statement",
        ),
        ("k INT, g INT AS k + 1, v INT", "All generated columns must be defined after ordinary columns"),
        ("k INT, g INT AS k + 1, h INT AS g + 1", "Expression can not refers to other generated columns"),
        ("k INT, id BIGINT AUTO_INCREMENT, g BIGINT AS id + 1", "Expression can not refers to AUTO_INCREMENT columns"),
        ("k INT, g INT AS v + 1", "column:v does not exist"),
        ("k INT, g INT NOT NULL AS k + 1", "Generated Column g must be nullable column"),
        ("k INT, u VARCHAR(35) DEFAULT (uuid())", "Default function uuid() for type varchar(35) is not supported"),
        ("k INT, u BIGINT DEFAULT (uuid_numeric())", "Default function uuid_numeric()"),
    ] {
        let (code, message) = refusal(&format!("CREATE TABLE t ({columns}) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)"));
        assert!(code == 1064 && message.contains(says), "{columns}: {message}");
    }
    let (_, message) =
        refusal("CREATE TABLE t (k INT, v INT SUM, g INT AS k + 1) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k)");
    assert!(message.contains("aggregate type for non-key column[g]"), "{message}");
    let number = good("CREATE TABLE t (k INT, id BIGINT AUTO_INCREMENT) DISTRIBUTED BY HASH(k)").columns[1].clone();
    assert!(!number.nullable && number.is_auto_increment());
}

#[test]
fn a_sort_key_of_its_own() {
    let sorted = |sql: &str| good(sql).sort_key;
    let of = |model: &str, order: &str| {
        format!("CREATE TABLE t (a INT, b INT, v INT, f DOUBLE) {model} KEY(a, b) DISTRIBUTED BY HASH(a) {order}")
    };
    assert_eq!(sorted(&of("DUPLICATE", "")), []);
    assert_eq!(sorted(&of("DUPLICATE", "ORDER BY (v, A)")), [ColumnId(3), ColumnId(1)]);
    assert_eq!(sorted(&of("PRIMARY", "ORDER BY (v)")), [ColumnId(3)]);
    assert_eq!(sorted(&of("UNIQUE", "ORDER BY (b, a)")), [ColumnId(2), ColumnId(1)]);
    for (model, order, text) in [
        ("DUPLICATE", "ORDER BY (a, A)", "Duplicate sort key column A is not allowed."),
        ("DUPLICATE", "ORDER BY (f)", "Type:double of column f can not be a sort key"),
        ("PRIMARY", "ORDER BY (w)", "The sort column[w] does not exist"),
        ("UNIQUE", "ORDER BY (a)", "The sort columns of UNIQUE KEY table must be same with key columns."),
        ("UNIQUE", "ORDER BY (a, v)", "The sort columns of UNIQUE KEY table must be same with key columns."),
    ] {
        let (code, message) = refusal(&of(model, order));
        assert!(code == 1064 && message.ends_with(text), "{model} {order}: {message}");
    }
}

#[test]
fn what_holds_other_values_is_no_key_and_has_no_default() {
    let sql = "CREATE TABLE t (k INT, a ARRAY<INT>, m MAP<INT, JSON>, s STRUCT<a INT, `b c` ARRAY<DATE>> NOT NULL, \
               b VARBINARY, j JSON DEFAULT NULL) DISTRIBUTED BY HASH(k)";
    assert_eq!(keys(sql), 1, "a default key ends before them");
    let types: Vec<String> = good(sql).columns.iter().map(|c| c.data_type.to_sql()).collect();
    let printed =
        ["int(11)", "array<int(11)>", "map<int(11),json>", "struct<a int(11), `b c` array<date>>", "varbinary", "json"];
    assert_eq!(types, printed);
    for (columns, rest, says) in [
        ("a JSON, k INT", "DUPLICATE KEY(a)", "Invalid data type of key column 'a': 'json'"),
        ("a ARRAY<INT>, k INT", "", "Data type of first column cannot be"),
        (
            "k INT, a MAP<INT, INT>",
            "PARTITION BY RANGE(a) ()",
            "Column[a] type[map<int(11),int(11)>] cannot be a range",
        ),
        ("k INT, a ARRAY<INT> DEFAULT '[]'", "", "Invalid default value for 'a'"),
        ("k INT, a JSON DEFAULT '1'", "", "Invalid default value for 'a'"),
        ("k INT, a JSON MAX", "AGGREGATE KEY(k)", "Invalid aggregate function 'MAX' for 'a'"),
        ("k INT, a STRUCT<x DECIMAL(10, 2), y CHAR(5)> SUM", "AGGREGATE KEY(k)", "Invalid aggregate function 'SUM'"),
    ] {
        let (code, message) = refusal(&format!("CREATE TABLE t ({columns}) {rest} DISTRIBUTED BY HASH(k)"));
        assert!(code == 1064 && message.contains(says), "{columns}: {message}");
    }
    good(
        "CREATE TABLE t (k INT, a JSON REPLACE, b ARRAY<INT> REPLACE_IF_NOT_NULL) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k)",
    );
}

#[test]
fn columns_of_bloom_filters_are_checked_and_spelled_as_declared() {
    let table = |model: &str, columns: &str, more: &str| {
        format!(
            "CREATE TABLE t (k INT, Name VARCHAR(9), f DOUBLE {}) {model} KEY(k, Name) DISTRIBUTED BY HASH(k) \
             PROPERTIES ('bloom_filter_columns' = '{columns}'{more})",
            if model == "AGGREGATE" { "SUM" } else { "" }
        )
    };
    let kept = good(&table("DUPLICATE", " NAME,k ", ", 'bloom_filter_fpp' = '0.01'")).properties;
    assert_eq!((kept["bloom_filter_columns"].as_str(), kept["bloom_filter_fpp"].as_str()), ("Name, k", "0.01"));
    for (model, columns, more, words) in [
        ("DUPLICATE", "nothing", "", "Invalid bloom filter column 'nothing': not exists"),
        ("DUPLICATE", "k,,f", "", "Invalid bloom filter column '': not exists"),
        ("DUPLICATE", "f", "", "Invalid bloom filter column 'f': unsupported type DOUBLE"),
        ("DUPLICATE", "k,K", "", "Duplicate bloom filter column 'K'"),
        ("DUPLICATE", "k", ", 'bloom_filter_fpp' = 'x'", "Bloom filter fpp is not Double"),
        ("DUPLICATE", "k", ", 'bloom_filter_fpp' = '0.5'", "Bloom filter fpp should in [0.000100, 0.050000]"),
    ] {
        let (code, text) = refusal(&table(model, columns, more));
        assert_eq!(code, 1064);
        assert!(text.contains(words), "{text}");
    }
    let replaced = "CREATE TABLE t (k INT, v INT) UNIQUE KEY(k) DISTRIBUTED BY HASH(k) \
                    PROPERTIES ('bloom_filter_columns' = 'v')";
    assert!(refusal(replaced).1.contains("Bloom filter index only used in columns of DUP_KEYS/PRIMARY table"));
}

#[test]
fn bitmap_indexes_are_kept_and_others_are_not_yet() {
    let table = |index: &str| {
        format!("CREATE TABLE t (k INT, `index` VARCHAR(5), {index}) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)")
    };
    let draft = good(&table("INDEX i1 (k), INDEX `i 2` (`index`) USING BITMAP COMMENT 'it''s'"));
    let kept: Vec<_> = draft.indexes.iter().map(|i| (i.name.as_str(), i.columns[0].0, i.comment.as_str())).collect();
    assert_eq!(kept, [("i1", 1, ""), ("i 2", 2, "it's")]);
    for kind in ["GIN", "NGRAMBF", "VECTOR"] {
        let (_, text) = refusal(&table(&format!("INDEX i (k) USING {kind} ('a' = 'b')")));
        assert!(text.contains(&format!("index 'i' USING {kind} is not supported yet")), "{text}");
    }
    assert!(refusal(&table("INDEX i (gone)")).1.contains("invalid column: gone"));
}
