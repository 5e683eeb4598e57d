//! Tables and rows: CREATE TABLE, ALTER TABLE, INSERT.

use storage_model::DataType;

use super::{message, one};
use crate::statement::table::{
    AlterTableAction, ChosenPartitions, ColumnClause, ColumnDefault, ColumnPosition, CreateTable, DistributionClause,
    IndexDefinition, KeyKind, NewPartitions, PartitionClause, PartitionExpression, PartitionStep, PartitionValue,
    RangeClause,
};
use crate::statement::{AssignedValue, Insert, InsertSource, Properties};
use crate::{RowValue, Statement, parse};

const QUICKSTART: &str = r##"CREATE DATABASE IF NOT EXISTS quickstart;
USE quickstart;
CREATE TABLE source_wiki_edit(
  event_time DATETIME,
  channel VARCHAR(32) DEFAULT '',
  user VARCHAR(128) DEFAULT '',
  is_anonymous TINYINT DEFAULT '0',
  is_minor TINYINT DEFAULT '0',
  is_new TINYINT DEFAULT '0',
  is_robot TINYINT DEFAULT '0',
  is_unpatrolled TINYINT DEFAULT '0',
  delta INT DEFAULT '0',
  added INT DEFAULT '0',
  deleted INT DEFAULT '0'
)
DUPLICATE KEY(event_time, channel, user, is_anonymous, is_minor, is_new, is_robot, is_unpatrolled)
PARTITION BY RANGE(event_time)(
  PARTITION p06 VALUES LESS THAN ('2015-09-12 06:00:00'),
  PARTITION p12 VALUES LESS THAN ('2015-09-12 12:00:00'),
  PARTITION p18 VALUES LESS THAN ('2015-09-12 18:00:00'),
  PARTITION p24 VALUES LESS THAN ('2015-09-13 00:00:00')
)
DISTRIBUTED BY HASH(user);
INSERT INTO source_wiki_edit VALUES
  ("2015-09-12 00:00:00","#en.wikipedia","AustinFF",0,0,0,0,0,21,5,0),
  ("2015-09-12 00:00:00","#ca.wikipedia","helloSR",0,1,0,1,0,3,23,0),
  ("2015-09-12 08:00:00","#ca.wikipedia","helloSR",0,1,0,1,0,3,23,0);
SELECT * FROM source_wiki_edit;
"##;

fn table(sql: &str) -> CreateTable {
    match one(sql) {
        Statement::CreateTable(table) => *table,
        other => panic!("{sql} is {other:?}"),
    }
}

fn insert(sql: &str) -> Insert {
    match one(sql) {
        Statement::Insert(insert) => *insert,
        other => panic!("{sql} is {other:?}"),
    }
}

fn texts(values: &[&str]) -> Vec<PartitionValue> {
    values.iter().map(|v| PartitionValue::Text((*v).to_owned())).collect()
}

#[test]
fn the_quickstart_is_read_whole() {
    let parsed = parse(QUICKSTART).unwrap();
    let kinds: Vec<_> = parsed.iter().map(|p| p.statement.statement_kind()).collect();
    assert_eq!(kinds, ["create database", "use", "create table", "insert values", "select"]);
    let Statement::CreateTable(table) = &parsed[2].statement else { panic!() };
    assert_eq!(table.columns.len(), 11);
    assert_eq!(table.columns[2].name, "user");
    assert_eq!(table.columns[2].data_type, DataType::Varchar(128));
    assert_eq!(table.columns[3].default, ColumnDefault::Literal("0".into()));
    let key = table.key.as_ref().unwrap();
    assert_eq!((key.kind, key.columns.len()), (KeyKind::Duplicate, 8));
    let PartitionClause::Range { columns, partitions, batches } = &table.partition else { panic!() };
    assert_eq!((columns.as_slice(), partitions.len(), batches.len()), (&["event_time".to_owned()][..], 4, 0));
    assert_eq!(partitions[3].name, "p24");
    assert_eq!(partitions[3].range, RangeClause::LessThan(texts(&["2015-09-13 00:00:00"])));
    assert_eq!(table.distribution, Some(DistributionClause::Hash { columns: vec!["user".into()], buckets: None }));
    let Statement::Insert(insert) = &parsed[3].statement else { panic!() };
    let InsertSource::Values(rows) = &insert.source else { panic!() };
    assert_eq!((rows.len(), rows.width()), (3, Ok(11)));
    assert_eq!(rows.row(1).nth(1), Some(RowValue::Text("#ca.wikipedia")));
    assert_eq!(rows.row(2).next_back_number(), Some("0"));
}

trait LastNumber<'a> {
    fn next_back_number(self) -> Option<&'a str>;
}

impl<'a, I: Iterator<Item = RowValue<'a>>> LastNumber<'a> for I {
    fn next_back_number(self) -> Option<&'a str> {
        match self.last() {
            Some(RowValue::Number(number)) => Some(number),
            _ => None,
        }
    }
}

#[test]
fn every_type_is_read_and_printed() {
    for (written, expected) in [
        ("boolean", "boolean"),
        ("tinyint(4)", "tinyint(4)"),
        ("SMALLINT", "smallint(6)"),
        ("integer", "int(11)"),
        ("bigint(20)", "bigint(20)"),
        ("largeint", "largeint(40)"),
        ("float", "float"),
        ("double", "double"),
        ("decimal", "decimal(10, 0)"),
        ("decimal(5)", "decimal(5, 0)"),
        ("NUMERIC(38, 38)", "decimal(38, 38)"),
        ("decimal32", "decimal(9, 0)"),
        ("decimal64(18,2)", "decimal(18, 2)"),
        ("date", "date"),
        ("datetime", "datetime"),
        ("char", "char(1)"),
        ("char(255)", "char(255)"),
        ("varchar", "varchar(1)"),
        ("varchar(1048576)", "varchar(1048576)"),
        ("varchar(*)", "varchar(1048576)"),
        ("string", "varchar(65533)"),
        ("text", "varchar(65533)"),
    ] {
        assert_eq!(table(&format!("create table t (a {written})")).columns[0].data_type.to_sql(), expected);
    }
    for (written, expected) in [
        ("varchar(0)", "VARCHAR size must be > 0: 0"),
        ("varchar(1048577)", "VARCHAR size must be <= 1048576: 1048577"),
        ("char(256)", "CHAR size must be <= 255: 256"),
        ("char(99999999999)", "CHAR size must be <= 255: 99999999999"),
        ("decimal(39)", "DECIMAL's precision should range from 1 to 38"),
        ("decimal(0)", "DECIMAL's precision should range from 1 to 38"),
        ("decimal32(10)", "DECIMAL32's precision should range from 1 to 9"),
        ("decimal(5, 6)", "DECIMAL's scale should range from 0 to its precision, 5"),
        ("percentile", "the type PERCENTILE is not supported yet"),
        ("varbinary(0)", "VARBINARY size must be from 1 to 1048576: 0"),
        ("array<int>>", "'>>' closes more than the type array opens"),
        ("array<percentile>", "the type PERCENTILE is not supported yet"),
        ("map<array<int>, int>", "Invalid MAP type: array<int(11)> is not supported as the type of keys"),
        ("struct<a int, A int>", "Duplicate field name 'A' in a STRUCT"),
        ("blob", "Unexpected input 'blob'"),
    ] {
        let message = message(&format!("create table t (a {written})"));
        assert!(message.contains(expected) && message.contains("line 1, column"), "{written}: {message}");
    }
}

#[test]
fn columns_carry_their_clauses() {
    let table = table(
        "create table d.t (
            date date not null comment 'the \"day\"',
            `key` varchar(10) character set utf8 collate utf8_bin key null default null,
            n int sum default -1,
            now datetime default current_timestamp,
            later datetime default current_timestamp(6) comment 'c',
            id varchar(36) default (uuid()),
            flag boolean default true,
            auto bigint not null auto_increment,
            2024_x int replace_if_not_null default \"5\"
        )",
    );
    let default = |at: usize| table.columns[at].default.clone();
    assert_eq!(table.name.to_string(), "`d`.`t`");
    assert_eq!((table.columns[0].nullable, table.columns[0].comment.as_deref()), (Some(false), Some("the \"day\"")));
    assert_eq!((table.columns[1].key, table.columns[1].nullable, default(1)), (true, Some(true), ColumnDefault::Null));
    assert_eq!((table.columns[2].aggregate.as_deref(), default(2)), (Some("SUM"), ColumnDefault::Literal("-1".into())));
    assert_eq!((default(3), default(4)), (ColumnDefault::CurrentTimestamp, ColumnDefault::CurrentTimestamp));
    assert_eq!(default(5), ColumnDefault::Expression("(uuid())".into()));
    assert_eq!(default(6), ColumnDefault::Literal("1".into()));
    assert!(table.columns[7].auto_increment && table.columns[7].nullable == Some(false));
    assert_eq!((table.columns[8].name.as_str(), default(8)), ("2024_x", ColumnDefault::Literal("5".into())));
    for bad in
        ["a int default now(", "a int default ", "a int not", "a int as (b + 1", "a int default current_timestamp(7)"]
    {
        assert!(parse(&format!("create table t ({bad})")).is_err(), "{bad}");
    }
}

#[test]
fn tables_carry_their_clauses_in_one_order() {
    let full = table(
        "CREATE TABLE IF NOT EXISTS t (a INT, b DATE, c VARCHAR(10)) ENGINE=OLAP DEFAULT CHARSET=utf8 PRIMARY KEY (a, b) \
         COMMENT \"x\" PARTITION BY RANGE (b, a) (\
           PARTITION IF NOT EXISTS p1 VALUES [('2020-01-01', '1'), ('2020-02-01', MAXVALUE)) ('storage_medium'='SSD'),\
           PARTITION p2 VALUES LESS THAN MAXVALUE,\
           PARTITION p3 VALUES LESS THAN (10, -5),\
           START ('2021-01-01') END ('2022-01-01') EVERY (INTERVAL 1 MONTH),\
           START ('1') END ('10') EVERY (2)\
         ) DISTRIBUTED BY HASH(a, b) BUCKETS 12 ORDER BY (c, a DESC) PROPERTIES ('replication_num' = '1', 'k' = 'v')",
    );
    assert!(full.if_not_exists);
    assert_eq!((full.engine.as_deref(), full.comment.as_deref()), (Some("OLAP"), Some("x")));
    assert_eq!(full.key.unwrap().kind, KeyKind::Primary);
    assert_eq!(full.order_by, ["c", "a"]);
    assert_eq!(full.properties["replication_num"], "1");
    assert_eq!(
        full.distribution,
        Some(DistributionClause::Hash { columns: vec!["a".into(), "b".into()], buckets: Some(12) })
    );
    let PartitionClause::Range { columns, partitions, batches } = full.partition else { panic!() };
    assert_eq!(columns, ["b", "a"]);
    let mut upper = texts(&["2020-02-01"]);
    upper.push(PartitionValue::Max);
    assert_eq!(partitions[0].range, RangeClause::Between(texts(&["2020-01-01", "1"]), upper));
    assert!(partitions[0].if_not_exists && partitions[0].properties["storage_medium"] == "SSD");
    assert_eq!(partitions[1].range, RangeClause::LessThan(vec![PartitionValue::Max]));
    assert_eq!(partitions[2].range, RangeClause::LessThan(texts(&["10", "-5"])));
    assert_eq!(batches[0].every, PartitionStep::Interval { count: 1, unit: "MONTH".into() });
    assert_eq!(batches[1].every, PartitionStep::Number(2));

    assert_eq!(table("create table t (a int)").partition, PartitionClause::None);
    assert_eq!(
        table("create table t (a int) distributed by random buckets 3").distribution,
        Some(DistributionClause::Random { buckets: Some(3) })
    );
    for (clause, text) in [
        ("PARTITION BY str2date(a, '%Y') DISTRIBUTED BY RANDOM", "str2date(a, '%Y')"),
        ("PARTITION BY RANGE (f(a)) () PROPERTIES ('a' = 'b')", "RANGE (f(a)) ()"),
        (
            "PARTITION BY RANGE (f(a)) (PARTITION p VALUES [('1'), ('2'))) DISTRIBUTED BY RANDOM",
            "RANGE (f(a)) (PARTITION p VALUES [('1'), ('2')))",
        ),
    ] {
        let table = table(&format!("create table t (a int) {clause}"));
        assert_eq!(table.partition, PartitionClause::Other(text.into()));
    }
    for (wrong, at) in [
        ("DISTRIBUTED BY RANDOM PARTITION BY (a)", "'PARTITION'"),
        ("PROPERTIES ('a'='b') COMMENT 'x'", "'COMMENT'"),
        ("COMMENT 'x' DUPLICATE KEY (a)", "'DUPLICATE'"),
        ("DISTRIBUTED BY HASH (a) BUCKETS 0", "greater than 0"),
        ("DISTRIBUTED BY HASH (a) BUCKETS", "an integer"),
        ("PARTITION BY RANGE (a) (PARTITION p VALUES LESS ('1'))", "'THAN'"),
        ("PARTITION BY RANGE (a) (PARTITION p VALUES [('1'), ('2')])", "')'"),
        ("PROPERTIES ('a' = 1)", "a string"),
    ] {
        let message = message(&format!("create table t (a int) {wrong}"));
        assert!(message.contains(at), "{wrong}: {message}");
    }
}

#[test]
fn tables_change() {
    assert_eq!(
        one("DROP TABLE IF EXISTS d.t FORCE"),
        Statement::DropTable {
            if_exists: true,
            name: crate::QualifiedName { catalog: None, database: Some("d".into()), name: "t".into() },
            force: true
        }
    );
    let Statement::TruncateTable { partitions, .. } = one("TRUNCATE TABLE t PARTITION (p1, p2)") else { panic!() };
    assert_eq!(partitions, ["p1", "p2"]);
    let action = |sql: &str| match one(sql) {
        Statement::AlterTable { action, .. } => *action,
        other => panic!("{other:?}"),
    };
    let AlterTableAction::AddPartitions {
        temporary: false,
        partitions: NewPartitions::Range(partition),
        distribution,
        properties,
    } = action(
        "ALTER TABLE t ADD PARTITION IF NOT EXISTS p VALUES LESS THAN ('2020-01-01') DISTRIBUTED BY HASH(a) BUCKETS 2 \
         PROPERTIES ('a' = 'b')",
    )
    else {
        panic!()
    };
    assert!(partition.if_not_exists && distribution.is_some() && properties.len() == 1);
    assert!(matches!(
        action("ALTER TABLE t ADD PARTITIONS START ('1') END ('5') EVERY (1)"),
        AlterTableAction::AddPartitions { partitions: NewPartitions::Batch(_), .. }
    ));
    assert!(message("ALTER TABLE t FROBNICATE").contains("'FROBNICATE'"));
}

#[test]
fn names_change() {
    let action = |sql: &str| match one(sql) {
        Statement::AlterTable { name, action } => (name.to_string(), *action),
        other => panic!("{other:?}"),
    };
    let renamed = |name: &str| AlterTableAction::Rename { new_name: name.into() };
    assert_eq!(action("ALTER TABLE d.t RENAME u"), ("`d`.`t`".into(), renamed("u")));
    for (sql, new_name) in [
        ("alter table t rename `a b`", "a b"),
        ("alter table t rename column", "column"),
        ("alter table t rename rollup;", "rollup"),
        ("alter table t rename comment", "comment"),
    ] {
        assert_eq!(action(sql).1, renamed(new_name), "{sql}");
    }
    assert_eq!(
        action("ALTER TABLE t RENAME PARTITION p `q`").1,
        AlterTableAction::RenamePartition { name: "p".into(), new_name: "q".into() }
    );
    assert_eq!(action("alter table a swap with `b`").1, AlterTableAction::Swap { other: "b".into() });
    assert_eq!(action("ALTER TABLE t COMMENT = \"x\"").1, AlterTableAction::Comment { comment: "x".into() });
    assert_eq!(
        one("ALTER DATABASE d RENAME e"),
        Statement::RenameDatabase { catalog: None, name: "d".into(), new_name: "e".into() }
    );
    for (wrong, at) in [
        ("ALTER TABLE t RENAME d.u", "'.'"),
        ("ALTER TABLE t RENAME", "<EOF>"),
        ("ALTER TABLE t RENAME TO u", "'TO'"),
        ("ALTER TABLE t RENAME PARTITION p", "<EOF>"),
        ("ALTER TABLE t SWAP b", "'WITH'"),
        ("ALTER TABLE t SWAP WITH d.b", "'.'"),
        ("ALTER TABLE t COMMENT 'x'", "'='"),
        ("ALTER TABLE t RENAME u, COMMENT = 'x'", "several clauses"),
        ("ALTER DATABASE d", "'RENAME'"),
        ("ALTER DATABASE d RENAME e f", "'f'"),
    ] {
        let message = message(wrong);
        assert!(message.contains(at), "{wrong}: {message}");
    }
}

#[test]
fn what_was_dropped_is_recovered() {
    let t = || crate::QualifiedName { catalog: None, database: Some("d".into()), name: "t".into() };
    for sql in ["RECOVER DATABASE d", "recover schema `d`"] {
        assert_eq!(one(sql), Statement::RecoverDatabase { catalog: None, name: "d".into() }, "{sql}");
    }
    assert_eq!(one("RECOVER TABLE d.t"), Statement::RecoverTable { name: t() });
    assert_eq!(one("RECOVER PARTITION p FROM d.t"), Statement::RecoverPartition { partition: "p".into(), table: t() });
    for (wrong, at) in [
        ("RECOVER", "<EOF>"),
        ("RECOVER t", "'t'"),
        ("RECOVER TABLE", "<EOF>"),
        ("RECOVER PARTITION p", "'FROM'"),
        ("RECOVER TABLE t FORCE", "'FORCE'"),
    ] {
        let message = message(wrong);
        assert!(message.contains(at), "{wrong}: {message}");
    }
}

#[test]
fn inserts_carry_their_clauses() {
    let full = insert("INSERT OVERWRITE d.t PARTITION (p1, p2) (a, `b`) WITH LABEL l1 SELECT * FROM u");
    assert!(full.overwrite && matches!(full.source, InsertSource::Query(_)));
    assert_eq!(full.partitions, Some(vec!["p1".to_owned(), "p2".to_owned()]));
    assert_eq!(full.columns, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(full.label.as_deref(), Some("l1"));
    assert_eq!(insert("insert into t with label `l` (a) values (1)").columns.unwrap().len(), 1);
    assert!(insert("insert into t by name select 1 as a").by_name);
    for (sql, says) in [
        ("insert into t (a) by name select 1 as a", "COLUMN LIST and BY NAME"),
        ("insert into t by name values (1)", "does not support values()"),
    ] {
        assert!(message(sql).contains(says), "{sql}");
    }
    for sql in [
        "insert into t (select 1)",
        "insert into t ((select 1) union (select 2))",
        "insert into t with x as (select 1) select * from x",
        "insert into t with label as (select 1) select * from label",
        "insert into t (a) properties ('timeout' = '5') select 1",
    ] {
        assert!(matches!(insert(sql).source, InsertSource::Query(_)), "{sql}");
    }
}

#[test]
fn deletes_carry_their_clauses() {
    let delete = |sql: &str| match one(sql) {
        Statement::Delete(delete) => *delete,
        other => panic!("{sql}: {other:?}"),
    };
    let full =
        delete("DELETE FROM d.t PARTITION (p1, `p2`) WHERE a = 1 AND (b IS NULL OR c IN (SELECT x FROM u LIMIT 1))");
    assert_eq!((full.table.database.as_deref(), full.table.name.as_str()), (Some("d"), "t"));
    assert_eq!(full.partitions, Some(vec!["p1".to_owned(), "p2".to_owned()]));
    let predicate = full.predicate.unwrap().to_string();
    assert_eq!(predicate, "a = 1 AND (b IS NULL OR c IN (SELECT x FROM u LIMIT 1))");
    assert_eq!(delete("delete from t partition p where true").partitions, Some(vec!["p".to_owned()]));
    assert_eq!(delete("delete from t").predicate, None);
    assert_eq!(one("delete from t where a = 1").statement_kind(), "delete");
    for (sql, part) in [
        ("delete", "FROM"),
        ("delete t where a = 1", "FROM"),
        ("delete from t where", "an expression"),
        ("delete from t where a = 1 order by a", "'order'"),
        ("delete from t where a = 1 limit 1", "'limit'"),
        ("delete from t x where a = 1", "'x'"),
    ] {
        assert!(message(sql).contains(part), "{sql}: {}", message(sql));
    }
}

#[test]
fn values_are_packed_and_come_back() {
    let insert = insert(
        r#"insert into t values (1, -2, +3.5e1, 'it''s', "a\n", null, TRUE, false, default, now(), 1 + 1, concat('a', 'b'), x'00', (5)), (-(1))"#,
    );
    let InsertSource::Values(rows) = insert.source else { panic!() };
    assert_eq!(rows.width(), Err((1, 1)));
    let printed: Vec<String> = rows
        .row(0)
        .map(|v| match v {
            RowValue::Default => "DEFAULT".to_owned(),
            RowValue::Text(text) => format!("text {text}"),
            RowValue::Number(number) => format!("number {number}"),
            RowValue::Expression(e) => format!("expression {e}"),
            other => other.to_expr().unwrap().to_string(),
        })
        .collect();
    assert_eq!(
        printed,
        [
            "number 1",
            "number -2",
            "number 3.5e1",
            "text it's",
            "text a\n",
            "NULL",
            "true",
            "false",
            "DEFAULT",
            "expression now()",
            "expression 1 + 1",
            "expression concat('a', 'b')",
            "expression X'00'",
            "expression (5)"
        ]
    );
    assert_eq!(RowValue::Number("-2").to_expr().unwrap().to_string(), "-2");
    assert_eq!(rows.rows().map(|r| r.len()).collect::<Vec<_>>(), [14, 1]);
    assert_eq!(rows.row(2).len(), 0);
    for bad in ["()", "(1,)", "(1", "(,1)", "(1) (2)", "(1),", "1", "(select)", "(-'a' b)"] {
        assert!(parse(&format!("insert into t values {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn columns_change() {
    let clauses = |sql: &str| match one(sql) {
        Statement::AlterTable { action, .. } => match *action {
            AlterTableAction::Columns(clauses) => clauses,
            other => panic!("{sql}: {other:?}"),
        },
        other => panic!("{sql}: {other:?}"),
    };
    let after = |name: &str| Some(ColumnPosition::After(name.into()));
    for (tail, default, wanted) in [
        ("", ColumnDefault::None, None),
        ("FIRST", ColumnDefault::None, Some(ColumnPosition::First)),
        ("DEFAULT '1' AFTER `b c`", ColumnDefault::Literal("1".into()), after("b c")),
        ("DEFAULT CURRENT_TIMESTAMP FIRST", ColumnDefault::CurrentTimestamp, Some(ColumnPosition::First)),
        ("DEFAULT -1", ColumnDefault::Literal("-1".into()), None),
        ("NOT NULL DEFAULT 'x' COMMENT 'c' AFTER k", ColumnDefault::Literal("x".into()), after("k")),
        ("DEFAULT '5' PROPERTIES (\"timeout\" = \"10\")", ColumnDefault::Literal("5".into()), None),
    ] {
        for verb in ["ADD", "MODIFY"] {
            let sql = format!("ALTER TABLE t {verb} COLUMN a DATETIME {tail}");
            let mut found = clauses(&sql);
            let (Some(ColumnClause::Add { definition, position } | ColumnClause::Modify { definition, position }), 0) =
                (found.pop(), found.len())
            else {
                panic!("{sql}")
            };
            assert_eq!(
                (definition.name.as_str(), definition.default, position),
                ("a", default.clone(), wanted.clone())
            );
        }
    }
    let many =
        clauses("alter table t add column (a INT, b VARCHAR(3) DEFAULT 'x'), drop column c, rename column d to e");
    assert!(
        matches!(&many[..], [ColumnClause::Add { .. }, ColumnClause::Add { .. }, ColumnClause::Drop { name }, ColumnClause::Rename { .. }] if name == "c")
    );
    let renamed = ColumnClause::Rename { name: "a".into(), new_name: "b".into() };
    assert_eq!(clauses("ALTER TABLE t RENAME COLUMN a b"), [renamed]);
    let comment = ColumnClause::Comment { name: "a".into(), comment: "x".into() };
    assert_eq!(clauses("ALTER TABLE t MODIFY COLUMN a COMMENT 'x'"), [comment]);
    assert_eq!(
        one("CANCEL ALTER TABLE COLUMN FROM d.t (1, 2)"),
        Statement::CancelAlterTable {
            kind: "COLUMN",
            name: crate::QualifiedName::from_parts(vec!["d".into(), "t".into()]).unwrap(),
            jobs: vec![1, 2],
        }
    );
    for (wrong, at) in [
        ("ALTER TABLE t ADD COLUMN a", "a type"),
        ("ALTER TABLE t ADD COLUMN a INT, DROP PARTITION p", "beside others"),
        ("ALTER TABLE t ADD COLUMN a INT TO r", "rollups"),
        ("ALTER TABLE t DROP COLUMN a FROM r", "rollups"),
        ("ALTER TABLE t DROP COLUMN a PROPERTIES ('x' = 'y')", "Unknown properties"),
        ("ALTER TABLE t ADD COLUMN a INT AFTER", "<EOF>"),
        ("CANCEL ALTER TABLE COLUMN t", "'FROM'"),
    ] {
        let message = message(wrong);
        assert!(message.contains(at), "{wrong}: {message}");
    }
}

#[test]
fn updates_carry_their_clauses() {
    let update = |sql: &str| match one(sql) {
        Statement::Update(update) => *update,
        other => panic!("{other:?}"),
    };
    let said = update(
        "UPDATE d.t SET `a` = a + 1, b = DEFAULT, c = (SELECT max(x) FROM u WHERE u.y = t.a) FROM u, v JOIN w ON v.i = w.i
         WHERE t.a = u.a AND b IN (1, 2)",
    );
    assert_eq!(said.table.to_string(), "`d`.`t`");
    let assigned: Vec<(&str, String)> = said
        .assignments
        .iter()
        .map(|(column, value)| match value {
            AssignedValue::Expr(expr) => (column.as_str(), expr.to_string()),
            AssignedValue::Default => (column.as_str(), "DEFAULT".to_owned()),
        })
        .collect();
    let expected = [("a", "a + 1"), ("b", "DEFAULT"), ("c", "(SELECT max(x) FROM u WHERE u.y = t.a)")];
    assert_eq!(assigned, expected.map(|(column, value)| (column, value.to_owned())));
    assert_eq!(said.source.to_string(), "SELECT * FROM u, v JOIN w ON v.i = w.i WHERE t.a = u.a AND b IN (1, 2)");
    assert_eq!(update("update t set a = 1").source.to_string(), "SELECT *");
    assert_eq!(one("update t set a = 1").statement_kind(), "update");
    assert!(matches!(one("explain update t set a = 1 where b = 2"), Statement::Explain { .. }));
    for (sql, part) in [
        ("update", "a legal identifier"),
        ("update t", "SET"),
        ("update t set", "a legal identifier"),
        ("update t set a", "="),
        ("update t set a = where b = 1", "an expression"),
        ("update t set a = 1, where b = 1", ""),
        ("update t set a = 1 where b = 1 order by a", "'order'"),
        ("update t set a = 1 where b = 1 limit 1", "'limit'"),
        ("update t set a = 1 where b = 1 offset 1", "nothing behind"),
        ("update t set a = 1 from u group by a", "'group'"),
        ("update t set a = 1 where true union select 1", "'union'"),
        ("update t x set a = 1", "'x'"),
    ] {
        let error = crate::parse(sql).expect_err(sql).to_string();
        assert!(error.contains(part), "{sql}: {error}");
    }
}

#[test]
fn types_hold_types() {
    for (text, printed) in [
        ("JSON", "json"),
        ("varbinary", "varbinary"),
        ("BINARY(7)", "varbinary(7)"),
        ("array<int>", "array<int(11)>"),
        ("ARRAY<ARRAY<STRING>>", "array<array<varchar(65533)>>"),
        ("array<array<array<int>>>", "array<array<array<int(11)>>>"),
        ("map<varchar(10), array<decimal(5, 2)>>", "map<varchar(10),array<decimal(5, 2)>>"),
        (
            "struct<key int, `b c` array<map<int, struct<d json>>>>",
            "struct<key int(11), `b c` array<map<int(11),struct<d json>>>>",
        ),
        ("struct<a: int, b: struct<c: date>, d boolean>", "struct<a int(11), b struct<c date>, d boolean>"),
    ] {
        let statement = format!("CREATE TABLE t (k INT, v {text} NOT NULL) DISTRIBUTED BY HASH(k)");
        let Statement::CreateTable(table) = one(&statement) else { panic!("{text}") };
        assert_eq!(table.columns[1].data_type.to_sql(), printed);
        assert_eq!(table.columns[1].nullable, Some(false), "{text}");
        // In an expression too, where it is one word for the planner.
        let Statement::Query(_) = one(&format!("SELECT CAST(x AS {text}) FROM t")) else { panic!("{text}") };
    }
    assert_eq!(
        crate::parse_type("map<int(11),array<json>>").map(|t| t.to_sql()).as_deref(),
        Some("map<int(11),array<json>>")
    );
    assert_eq!(crate::parse_type("map<int(11)"), None);
}

#[test]
fn deep_types_end_before_the_stack_does() {
    let deep = format!("CREATE TABLE t (k INT, v {}INT{})", "ARRAY<".repeat(5000), ">".repeat(5000));
    let error = parse(&deep).unwrap_err();
    assert!(error.message.contains("maximum nesting depth"), "{error:?}");
}

fn key(column: &str, step: Option<(u64, &str)>) -> PartitionExpression {
    PartitionExpression { column: column.into(), step: step.map(|(count, unit)| (count, unit.to_owned())) }
}

#[test]
fn partitions_that_loads_make() {
    let clause = |text: &str| table(&format!("create table t (a int) {text} DISTRIBUTED BY RANDOM")).partition;
    for text in [
        "PARTITION BY date_trunc('day', `a`)",
        "PARTITION BY (date_trunc(\"day\", a))",
        "PARTITION BY RANGE(date_trunc('day', a)) ()",
        "PARTITION BY RANGE date_trunc('day', a) ()",
    ] {
        let PartitionClause::Expression { key: found, partitions, batches } = clause(text) else { panic!("{text}") };
        assert_eq!(found, key("a", Some((1, "day"))), "{text}");
        assert!(partitions.is_empty() && batches.is_empty(), "{text}");
    }
    let before = "PARTITION BY time_slice(a, INTERVAL 7 day, floor) (START ('2026-01-01') END ('2026-02-01') EVERY (INTERVAL 1 DAY))";
    let PartitionClause::Expression { key: found, batches, .. } = clause(before) else { panic!() };
    assert_eq!((found, batches.len()), (key("a", Some((7, "day"))), 1));
    for (text, keys) in [
        ("PARTITION BY a", vec![key("a", None)]),
        ("PARTITION BY (a, b)", vec![key("a", None), key("b", None)]),
        ("PARTITION BY date_trunc('month', a), b", vec![key("a", Some((1, "month"))), key("b", None)]),
    ] {
        assert_eq!(clause(text), PartitionClause::List { keys, partitions: Vec::new(), automatic: true }, "{text}");
    }
    assert!(matches!(clause("PARTITION BY time_slice(a, INTERVAL 7 day, ceil)"), PartitionClause::Other(_)));
}

#[test]
fn partitions_of_listed_values() {
    let lists = |text: &str| match table(&format!("create table t (a int) {text}")).partition {
        PartitionClause::List { keys, partitions, automatic: false } => (keys.len(), partitions),
        other => panic!("{other:?}"),
    };
    let (columns, partitions) =
        lists("PARTITION BY LIST (a) (PARTITION p VALUES IN ('x', NULL, -1), PARTITION q VALUES IN ('y') ('k' = 'v'))");
    let some = |text: &str| vec![Some(text.to_owned())];
    assert_eq!((columns, &partitions[0].values), (1, &vec![some("x"), vec![None], some("-1")]));
    assert_eq!(partitions[1].properties["k"], "v");
    let (columns, partitions) = lists("PARTITION BY LIST (a, b) (PARTITION p VALUES IN (('x', 'y'), (NULL, '1')))");
    assert_eq!((columns, partitions[0].values[1].clone()), (2, vec![None, Some("1".to_owned())]));
    assert_eq!(lists("PARTITION BY LIST (a) ()").1, []);
    assert!(message("create table t (a int) PARTITION BY LIST (a) (PARTITION p VALUES IN ())").contains("')'"));
}

#[test]
fn partitions_change() {
    let action = |sql: &str| match one(&format!("ALTER TABLE t {sql}")) {
        Statement::AlterTable { action, .. } => *action,
        other => panic!("{other:?}"),
    };
    let dropped =
        |temporary, if_exists, which, force| AlterTableAction::DropPartitions { temporary, if_exists, which, force };
    let named = |names: &[&str]| ChosenPartitions::Named(names.iter().map(|n| (*n).to_owned()).collect());
    assert_eq!(action("DROP PARTITION IF EXISTS p FORCE"), dropped(false, true, named(&["p"]), true));
    assert_eq!(action("DROP PARTITIONS (p, 'q')"), dropped(false, false, named(&["p", "q"]), false));
    assert_eq!(action("DROP TEMPORARY PARTITION tp"), dropped(true, false, named(&["tp"]), false));
    assert_eq!(action("DROP ALL TEMPORARY PARTITIONS FORCE"), dropped(true, false, ChosenPartitions::All, true));
    let batch = "DROP PARTITIONS IF EXISTS START ('1') END ('5') EVERY (1) FORCE";
    assert!(matches!(
        action(batch),
        AlterTableAction::DropPartitions { which: ChosenPartitions::Batch(_), force: true, .. }
    ));
    let condition = "DROP PARTITIONS WHERE a >= '1' AND b IS NULL FORCE";
    assert!(matches!(
        action(condition),
        AlterTableAction::DropPartitions { which: ChosenPartitions::Where(_), force: true, .. }
    ));
    let AlterTableAction::AddPartitions { temporary: true, partitions: NewPartitions::List(list), .. } =
        action("ADD TEMPORARY PARTITION IF NOT EXISTS tp VALUES IN ('a')")
    else {
        panic!()
    };
    assert!(list.if_not_exists && list.name == "tp");
    assert_eq!(
        action("REPLACE PARTITION (p, q) WITH TEMPORARY PARTITION (tp) PROPERTIES ('strict_range' = 'false')"),
        AlterTableAction::ReplacePartitions {
            partitions: vec!["p".into(), "q".into()],
            temporary: vec!["tp".into()],
            properties: Properties([("strict_range".to_owned(), "false".to_owned())].into()),
        }
    );
    assert_eq!(action("TRUNCATE PARTITION p"), AlterTableAction::TruncatePartitions { partitions: vec!["p".into()] });
    assert!(matches!(
        action("MODIFY PARTITION (*) SET ('a' = 'b')"),
        AlterTableAction::ModifyPartitions { partitions: None, .. }
    ));
    assert!(matches!(action("SET ('a' = 'b')"), AlterTableAction::SetProperties { .. }));
    let spread = |partitions: &[&str], buckets| AlterTableAction::Distribute {
        partitions: partitions.iter().map(|name| (*name).to_owned()).collect(),
        distribution: DistributionClause::Hash { columns: vec!["a".into()], buckets },
    };
    assert_eq!(action("DISTRIBUTED BY HASH(a) BUCKETS 7"), spread(&[], Some(7)));
    assert_eq!(action("PARTITIONS (p, q) DISTRIBUTED BY HASH(a)"), spread(&["p", "q"], None));
    assert_eq!(action("PARTITION (p) DISTRIBUTED BY HASH(a) BUCKETS 3"), spread(&["p"], Some(3)));
    let compacted = |partitions: &[&str]| AlterTableAction::Compact {
        partitions: partitions.iter().map(|name| (*name).to_owned()).collect(),
    };
    assert_eq!(action("COMPACT"), compacted(&[]));
    assert_eq!(action("BASE COMPACT (p, `q`)"), compacted(&["p", "q"]));
    assert_eq!(action("CUMULATIVE COMPACT p"), compacted(&["p"]));
    for (wrong, at) in [
        ("REPLACE PARTITION p WITH PARTITION q", "'TEMPORARY'"),
        ("DROP PARTITIONS", "<EOF>"),
        ("ADD TEMPORARY PARTITION", "<EOF>"),
        ("MODIFY PARTITION p", "<EOF>"),
        ("PARTITIONS (p)", "<EOF>"),
        ("BASE", "<EOF>"),
        ("DISTRIBUTED BY", "<EOF>"),
        ("SET ('a' = 1)", "a string"),
    ] {
        let message = message(&format!("ALTER TABLE t {wrong}"));
        assert!(message.contains(at), "{wrong}: {message}");
    }
}

#[test]
fn partitions_are_named_where_tables_are() {
    let text = |sql: &str| match one(sql) {
        Statement::Query(query) => query.to_string(),
        other => panic!("{other:?}"),
    };
    let read = text("SELECT a FROM d.t TEMPORARY PARTITION (p, `q 1`) x JOIN u PARTITION (r) ON 1 = 1");
    let names: Vec<_> = read.split('`').filter(|name| crate::partition_names::has_partitions(name)).collect();
    let (table, partitions) = crate::partition_names::split(names[0]);
    let partitions = partitions.unwrap();
    assert_eq!((table, partitions.temporary, partitions.names), ("t", true, vec!["p".to_owned(), "q 1".to_owned()]));
    assert_eq!(crate::partition_names::split(names[1]).0, "u");
    let window = "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t";
    assert!(!crate::partition_names::has_partitions(&text(window)));
    let Statement::Insert(insert) = one("INSERT OVERWRITE t TEMPORARY PARTITION (p) SELECT 1") else { panic!() };
    assert!(insert.temporary && insert.partitions == Some(vec!["p".to_owned()]));
    let Statement::Insert(insert) = one("INSERT INTO t PARTITION (a = 'x', b = NULL) SELECT 1") else { panic!() };
    assert_eq!(insert.partition_values, [("a".to_owned(), Some("x".to_owned())), ("b".to_owned(), None)]);
}

#[test]
fn indexes_are_said_in_three_ways() {
    let index = |kind: &str, comment: Option<&str>| IndexDefinition {
        name: "i".into(),
        columns: vec!["a".into(), "b".into()],
        kind: kind.into(),
        comment: comment.map(str::to_owned),
    };
    let created = one("CREATE TABLE t (a INT, INDEX i (a, b) USING gin ('x' = 'y'), b INT)");
    let Statement::CreateTable(table) = created else { panic!("{created:?}") };
    assert_eq!((table.columns.len(), table.indexes), (2, vec![index("GIN", None)]));
    let added = |index| Statement::AlterTable {
        name: crate::QualifiedName::bare("t"),
        action: Box::new(AlterTableAction::Columns(vec![ColumnClause::AddIndex(index)])),
    };
    assert_eq!(one("ALTER TABLE t ADD INDEX i (a, b) COMMENT 'c'"), added(index("BITMAP", Some("c"))));
    assert_eq!(one("CREATE INDEX i ON t (a, b) USING BITMAP COMMENT 'c'"), added(index("BITMAP", Some("c"))));
    assert_eq!(one("DROP INDEX i ON t"), one("ALTER TABLE t DROP INDEX i"));
}
