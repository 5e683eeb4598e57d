//! Functions, operators and constants, as MySQL clients expect them.

use super::house::{House, column};
use crate::*;
use storage_model::DataType;

#[tokio::test]
async fn constants() {
    let house = House::new();
    let mut wrong = Vec::new();
    for (sql, expected) in [
        ("1", "1"),
        ("-1.50", "-1.50"),
        ("1e20", "1e+20"),
        ("'it''s'", "it's"),
        ("NULL", "NULL"),
        ("TRUE", "1"),
        ("7 / 2", "3.5"),
        ("6 / 2", "3"),
        ("1 / 0", "NULL"),
        ("7 DIV 2", "3"),
        ("7 % 0", "NULL"),
        ("7 MOD 4", "3"),
        ("'5' + 1", "6"),
        ("1 || 0", "1"),
        ("database()", "db"),
        ("user()", "'root'@'127.0.0.1'"),
        ("current_user()", "'root'@'%'"),
        ("connection_id()", "7"),
        ("version()", "8.0.33"),
        ("catalog()", "default_catalog"),
        ("@@autocommit", "1"),
        ("@five", "5"),
        ("@unset", "NULL"),
        ("now()", "2015-09-12 10:20:30"),
        ("current_timestamp", "2015-09-12 10:20:30"),
        ("curdate()", "2015-09-12"),
        ("unix_timestamp()", "1442053230"),
        ("unix_timestamp('2015-09-12 10:20:30')", "1442053230"),
        ("from_unixtime(1442053230)", "2015-09-12 10:20:30"),
        ("if(1 > 2, 'a', 'b')", "b"),
        ("ifnull(NULL, 3)", "3"),
        ("concat('a', 1, 2.5)", "a12.5"),
        ("concat('a', NULL)", "NULL"),
        ("concat_ws('-', 'a', 1, NULL, 'b')", "a-1-b"),
        ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("crc32('123456789')", "3421780262"),
        ("murmur_hash3_32('hello')", "1321743225"),
        ("CAST('12' AS SIGNED)", "12"),
        ("CAST('x' AS INT)", "NULL"),
        ("CAST(1.5 AS CHAR)", "1.5"),
        ("CAST('2015-09-12' AS DATETIME)", "2015-09-12 00:00:00"),
        ("CAST('abcdef' AS CHAR(3))", "abc"),
        ("CAST('170141183460469231731687303715884105727' AS LARGEINT)", "170141183460469231731687303715884105727"),
        (
            "date_format('2015-09-02 15:04:05', '%Y/%m/%e %H:%i:%s %W %M %p')",
            "2015/09/2 15:04:05 Wednesday September PM",
        ),
        ("str_to_date('12/09/2015 3:04 PM', '%d/%m/%Y %h:%i %p')", "2015-09-12 15:04:00"),
        ("date_add('2015-01-31', INTERVAL 1 MONTH)", "2015-02-28 00:00:00"),
        ("'2016-02-29' + INTERVAL 1 YEAR", "2017-02-28 00:00:00"),
        ("date_sub('2015-01-01 00:00:00', INTERVAL 1 SECOND)", "2014-12-31 23:59:59"),
        ("days_add('2015-01-31', 1)", "2015-02-01 00:00:00"),
        ("seconds_add('2015-01-31 00:00:00', 61)", "2015-01-31 00:01:01"),
        ("datediff('2015-03-01', '2015-02-27')", "2"),
        ("timestampdiff(MONTH, '2015-01-31', '2015-03-30')", "1"),
        ("year('2015-09-12')", "2015"),
        ("dayofweek('2015-09-12')", "7"),
        ("week('2024-05-06')", "18"),
        ("time_slice('2023-12-31 03:12:04', INTERVAL 5 MINUTE)", "2023-12-31 03:10:00"),
        ("time_slice('2023-12-31 03:12:04', INTERVAL 1 MONTH, ceil)", "2024-01-01 00:00:00"),
        ("time_slice('2023-12-31 03:12:04.567', INTERVAL 100 MILLISECOND)", "2023-12-31 03:12:04.500000"),
        ("time_slice('2023-12-31 03:12:04', INTERVAL 2147483647 WEEK)", "0001-01-01 00:00:00"),
        ("time_slice('9999-12-31 23:59:59', INTERVAL 5 WEEK, ceil)", "NULL"),
        ("date_slice('2024-05-08', INTERVAL 1 WEEK, floor)", "2024-05-06"),
        ("date_trunc('month', DATE '9999-12-31')", "9999-12-01"),
        ("date_trunc('year', CAST('0001-05-06 07:08:09' AS DATETIME))", "0001-01-01 00:00:00"),
        ("date_trunc('week', '2024-05-08 01:02:03')", "2024-05-06 00:00:00"),
        ("parse_json(NULL) IS NULL", "1"),
        ("array_length(array_generate(-9223372036854775808, 9223372036854775807, 9223372036854775807))", "3"),
        ("add_months('2024-01-31', 1)", "2024-02-29 00:00:00"),
        ("week('2024-05-06', 3)", "19"),
        ("week('2000-01-01')", "0"),
        ("yearweek('2000-01-01')", "199952"),
        ("yearweek('1900-12-31', 5)", "190053"),
        ("yearweek(NULL)", "NULL"),
        ("str_to_date('20141221', '%Y%m%d')", "2014-12-21"),
        ("str2date('2014-12-21 05', '%Y-%m-%d %H')", "2014-12-21"),
        ("field('b', 'a', 'b', 'b')", "2"),
        ("field('01', '1')", "0"),
        ("field('01', '1', 1)", "1"),
        ("field(NULL, NULL, 1)", "0"),
        ("field(3, 1, 2)", "0"),
        ("(SELECT count(*) FROM (SELECT * FROM TABLE(generate_series(1, 10)) LIMIT 2, 5) x)", "5"),
        ("(SELECT max_by(a, b) FROM (VALUES (1, 5), (2, NULL), (3, 7), (4, 6)) AS t(a, b))", "3"),
        ("(SELECT min_by(a, b) FROM (VALUES (1, 5), (2, NULL), (3, 7), (NULL, 4)) AS t(a, b))", "NULL"),
        ("(SELECT max_by(a, b) FROM (VALUES (1, 5)) AS t(a, b) WHERE a > 1)", "NULL"),
        ("(SELECT multi_distinct_count(a) FROM (VALUES (1), (1), (2)) AS t(a))", "2"),
        ("(SELECT multi_distinct_sum(a) FROM (VALUES (1), (1), (2)) AS t(a))", "3"),
        ("(SELECT percentile_approx(a, 0.5) FROM (VALUES (1), (2), (3)) AS t(a))", "2"),
        ("substr('abcdef', 2, 3)", "bcd"),
        ("locate('o', 'foobaro', 4)", "7"),
        ("locate('o', 'foobar', 4)", "0"),
        ("locate('f', 'foobar', 0)", "0"),
        ("locate(NULL, 'foobar', 0)", "NULL"),
        ("locate('', 'abc', 4)", "4"),
        ("locate('', 'abc', 10)", "0"),
        ("greatest(1, NULL, 3)", "NULL"),
        ("least(1, 2, 0.5)", "0.5"),
        ("last_day('2024-02-10', 'quarter')", "2024-03-31"),
        ("last_day('2024-02-10', 'year')", "2024-12-31"),
        ("lower('ABC')", "abc"),
        ("length('é')", "2"),
        ("char_length('é')", "1"),
        ("'a' LIKE 'A'", "0"),
        ("'abc' REGEXP '^a'", "1"),
        ("NULL <=> NULL", "1"),
        ("array_length([1, 2])", "2"),
        ("(SELECT 3)", "3"),
        ("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", "b"),
        ("rand() < 1", "1"),
        ("coalesce(NULL, 'x')", "x"),
        ("isnull(NULL)", "1"),
    ] {
        match house.try_ask(&format!("SELECT {sql}")).await {
            Ok(lines) if lines[1..] == [expected] => {}
            other => wrong.push(format!("{sql}: {other:?}, not {expected}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn constants_need_no_plan() {
    let house = House::new();
    for sql in ["SELECT 1", "select @@version_comment limit 1", "SELECT database(), now() + INTERVAL 1 DAY"] {
        assert!(house.plan(sql).await.unwrap().values.is_some(), "{sql}");
    }
    let planned = house.plan("SELECT count(*)").await.unwrap();
    assert!(planned.values.is_none() && planned.placement == Placement::Local);
    assert_eq!(house.one("SELECT count(*)").await, "1");
    assert_eq!(house.one("SELECT 1 FROM dual WHERE 1").await, "1");
    assert_eq!(house.ask("SELECT 1 LIMIT 0").await.len(), 1);
}

#[tokio::test]
async fn values_print_as_starrocks_prints_them() {
    let mut house = House::new();
    let types = [
        DataType::Boolean,
        DataType::TinyInt,
        DataType::LargeInt,
        DataType::Float,
        DataType::Double,
        DataType::Decimal { precision: 20, scale: 3 },
        DataType::Date,
        DataType::DateTime,
        DataType::Varchar(20),
    ];
    let columns = types.iter().enumerate().map(|(n, t)| column(&format!("c{n}"), t.clone(), true, None)).collect();
    house.create("t", columns, None, 1, 1);
    house
        .insert(
            "INSERT INTO t VALUES (true, -7, -170141183460469231731687303715884105728, 1.1, 3, -0.5, '2015-09-12', \
             '0099-01-02 03:04:05.000007', '\u{1F980}'), (NULL, NULL, NULL, NULL, 1.5e-7, 12345678901234567.899, NULL, NULL, '')",
        )
        .await
        .unwrap();
    let lines = house.ask("SELECT * FROM t ORDER BY c0 DESC").await;
    let first =
        "1|-7|-170141183460469231731687303715884105728|1.1|3|-0.500|2015-09-12|0099-01-02 03:04:05.000007|\u{1F980}";
    assert_eq!(lines[1], first);
    assert_eq!(lines[2], "NULL|NULL|NULL|NULL|1.5e-07|12345678901234567.899|NULL|NULL|");
    assert_eq!(house.one("SELECT c2 + 1 FROM t WHERE c1 = -7").await, "-170141183460469231731687303715884105727");
    assert_eq!(house.one("SELECT avg(c1), sum(c5), max(c6) FROM t").await, "-7|12345678901234567.399|2015-09-12");
    assert_eq!(house.one("SELECT [1, 2], ['a\"b', NULL]").await, "[1,2]|[\"a\\\"b\",null]");
}

#[tokio::test]
async fn information_schema_answers() {
    let mut house = House::new();
    house.create("T1", vec![column("Aa", DataType::Int, false, Some("5"))], None, 0, 2);
    let sql = "SELECT COLUMN_NAME, column_type, IS_NULLABLE, COLUMN_DEFAULT FROM INFORMATION_SCHEMA.COLUMNS \
               WHERE table_schema = database() AND table_name = 'T1'";
    assert_eq!(house.ask(sql).await, ["COLUMN_NAME|column_type|IS_NULLABLE|COLUMN_DEFAULT", "Aa|int(11)|NO|5"]);
    assert_eq!(house.plan(sql).await.unwrap().placement, Placement::Local);
    let sql = "SELECT distinct schema_name FROM default_catalog.information_schema.schemata ORDER BY 1";
    assert_eq!(house.ask(sql).await[1..], ["db", "information_schema"]);
    for table in information_schema_tables() {
        house.ask(&format!("SELECT * FROM information_schema.{table}")).await;
    }
}
