//! What users of StarRocks type: the examples of its documents, each expression with what it gives.

use super::house::{House, column};
use super::nested::check;
use storage_model::DataType;

#[tokio::test]
async fn texts() {
    check(
        &House::new(),
        &[
            ("strcmp('test1', 'test1'), strcmp('test1', 'test2'), strcmp('test2', 'test1')", "0|-1|1"),
            ("strcmp('test1', NULL)", "NULL"),
            ("null_or_empty(NULL), null_or_empty(''), null_or_empty('a')", "1|1|0"),
            ("append_trailing_char_if_absent('a', 'c'), append_trailing_char_if_absent('ac', 'c')", "ac|ac"),
            ("append_trailing_char_if_absent('a', 'cd')", "NULL"),
            ("conv(8, 10, 2), conv('ff', 16, 10), conv(-1, 10, -16)", "1000|255|-1"),
            ("conv('x', 10, 2), conv('7', 1, 2)", "0|NULL"),
            ("bin(3), bin(-1)", "11|1111111111111111111111111111111111111111111111111111111111111111"),
            (
                "inet_aton('192.168.1.1'), inet_aton('255.255.255.255'), inet_aton('invalid')",
                "3232235777|4294967295|NULL",
            ),
            ("money_format(17014116), money_format(1123.456), money_format(1123.4)", "17,014,116.00|1,123.46|1,123.40"),
            ("money_format(-0.999), money_format(NULL)", "-1.00|NULL"),
            ("url_encode('https://docs.starrocks.io/docs/')", "https%3A%2F%2Fdocs.starrocks.io%2Fdocs%2F"),
            ("url_decode('https%3A%2F%2Fdocs.starrocks.io%2F'), url_decode('%G1')", "https://docs.starrocks.io/|NULL"),
            ("url_extract_host('httpa://starrocks.com/test/api/v1')", "starrocks.com"),
            ("url_extract_parameter('https://starrocks.io/doc?k1=10&k2=3&k1=100', 'k1')", "10"),
            ("url_extract_parameter('https://starrocks.com/doc?k0=10&k1=%21%23&k2', 'k1')", "!#"),
            ("url_extract_parameter('https://starrocks.com/doc?k0=10', 'k')", "NULL"),
            ("parse_url('http://facebook.com/path/p1.php?query=1', 'HOST')", "facebook.com"),
            ("parse_url('http://u:p@facebook.com:80/path/p1.php?query=1#x', 'AUTHORITY')", "u:p@facebook.com:80"),
            ("parse_url('http://u:p@facebook.com:80/path/p1.php?query=1#x', 'USERINFO')", "u:p"),
            ("parse_url('http://facebook.com/path/p1.php?query=1', 'QUERY')", "query=1"),
            ("parse_url('http://facebook.com/path/p1.php?query=1', 'FILE')", "/path/p1.php?query=1"),
            ("parse_url('http://facebook.com/path/p1.php?query=1', 'REF')", "NULL"),
            ("regexp_extract('AbCdE', '([[:lower:]]+)C([[:lower:]]+)', 1)", "b"),
            ("regexp_extract('AbCdE', '([[:lower:]]+)C([[:lower:]]+)', 2)", "d"),
            ("regexp_extract('AbCdE', '(x)', 1), regexp_extract(NULL, '(x)', 1)", "|NULL"),
            ("regexp_extract_all('AbCdExCeF', '([[:lower:]]+)C([[:lower:]]+)', 2)", "[\"d\",\"e\"]"),
            ("regexp_split('StarRocks', '')", "[\"S\",\"t\",\"a\",\"r\",\"R\",\"o\",\"c\",\"k\",\"s\"]"),
            (
                "regexp_split('StarRocks', '[SR]'), regexp_split('StarRocks', '[SR]', 2)",
                "[\"\",\"tar\",\"ocks\"]|[\"\",\"tarRocks\"]",
            ),
            (
                "regexp_split('StarRocks', '[SR]', 1), regexp_split('StarRocks', '', 2)",
                "[\"StarRocks\"]|[\"S\",\"tarRocks\"]",
            ),
            ("regexp_replace('a b c', ' ', '-')", "a-b-c"),
            ("str_to_map('a:1|b:2|c:3', '|', ':')", "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}"),
            ("str_to_map('a'), str_to_map('a:1,b:2,c:null')", "{\"a\":null}|{\"a\":\"1\",\"b\":\"2\",\"c\":\"null\"}"),
            ("str_to_map('a:1', NULL, ':')", "NULL"),
            ("field('a', 'b', 1), field('01', '1', 1)", "0|1"),
            ("bar(3, 0, 10, 20), equiwidth_bucket(7, 0, 10, 20)", "\u{2593}\u{2593}\u{2593}\u{2593}\u{2593}\u{2593}|7"),
        ],
    )
    .await;
    let house = House::new();
    assert!(house.error("SELECT bar(11, 0, 10, 20)").await.message.contains("between min and max"));
    assert!(house.error("SELECT regexp_extract('a', '(', 1)").await.message.contains("Invalid regex expression"));
}

#[tokio::test]
async fn times() {
    check(
        &House::new(),
        &[
            ("makedate(2023, 0), makedate(2023, 32), makedate(2023, 365)", "NULL|2023-02-01|2023-12-31"),
            ("makedate(2023, 366), makedate(2024, 366), makedate(10000, 1)", "NULL|2024-12-31|NULL"),
            ("next_day('2023-04-06', 'Monday'), next_day('2023-04-06', 'Tue')", "2023-04-10|2023-04-11"),
            ("next_day('2023-04-06 20:13:14', 'Fr'), next_day('2023-04-06', 'Th')", "2023-04-07|2023-04-13"),
            ("previous_day('2023-04-06', 'Monday'), previous_day('2023-04-06', 'Tue')", "2023-04-03|2023-04-04"),
            ("previous_day('2023-04-06 20:13:14', 'Fr'), previous_day(NULL, 'Fr')", "2023-03-31|NULL"),
            ("time_to_sec('12:13:14'), time_to_sec('x')", "43994|NULL"),
            ("to_iso8601(CAST('2020-01-01' AS DATE))", "2020-01-01"),
            ("to_iso8601(CAST('2020-01-01 00:00:00.01' AS DATETIME))", "2020-01-01T00:00:00.010000"),
            ("jodatime_format('2020-06-25 15:58:51', 'yyyy-MM-dd HH:mm:ss')", "2020-06-25 15:58:51"),
            ("jodatime_format('2020-06-25 15:58:51', 'MM dd ee EE')", "06 25 04 Thu"),
            ("jodatime_format('2020-06-25 15:58:51', 'MMM dd ee EEE')", "Jun 25 04 Thu"),
            ("jodatime_format('2020-06-25 15:58:51', 'MMMM dd ee EEEE')", "June 25 04 Thursday"),
            ("jodatime_format('2020-06-25 15:58:51', 'yy''T''K a')", "20T3 PM"),
            ("day_of_week_iso('2023-01-01'), dayofweek_iso('2023-01-02')", "7|1"),
            ("week_iso('2008-02-20'), week_iso('2000-01-01')", "8|52"),
            ("utc_time()", "10:20:30"),
            ("str_to_date('200442 Monday', '%X%V %W')", "2004-10-18"),
            ("str_to_date('2024 60', '%Y %j')", "2024-02-29"),
            ("str_to_date('10:10:10 PM  2020-01-01', '%r %Y-%m-%d')", "2020-01-01 22:10:10"),
            ("str_to_date('10:10:10 2020-01-01', '%r %Y-%m-%d')", "2020-01-01 10:10:10"),
            ("date_trunc('week', 20240508)", "2024-05-06 00:00:00"),
            ("from_unixtime_ms(1442053230999)", "2015-09-12 10:20:30"),
            ("CAST('20200101T010203.123' AS DATETIME)", "2020-01-01 01:02:03.123000"),
            (
                "CAST('2020.01.01' AS DATE), CAST('2020-01-01x' AS DATE), CAST('x' AS DATE)",
                "2020-01-01|2020-01-01|NULL",
            ),
            ("length(date_format('2023-10-11', concat('%Y', repeat('t', 124))))", "128"),
            ("date_format('2023-10-11', concat('%Y', repeat('t', 125)))", "NULL"),
        ],
    )
    .await;
}

#[tokio::test]
async fn numbers() {
    check(
        &House::new(),
        &[
            ("ceil(1.2), floor(-1.2), ceiling(2), dfloor(1.9)", "2|-2|2|1"),
            ("typeof(ceil(1.2))", "bigint(20)"),
            ("pmod(3, 6), pmod(11, 5), pmod(-11, 5), pmod(11, -5), pmod(-11, -5), pmod(1, 0)", "3|1|4|-4|-1|NULL"),
            ("fmod(3.14, 3.14), fmod(11.5, 0)", "0|NULL"),
            ("square(11), negative(3), positive(3), e() > 2.718", "121|-3|3|1"),
            ("subtract(1, 2), multiply(3, 4), divide(3, 2), int_divide(7, 2)", "-1|12|1.5|3"),
            ("isnotnull(1), isnotnull(NULL)", "1|0"),
            ("acos(1), cbrt(8), degrees(0), log2(8), sqrt(9)", "0|2|0|3|3"),
            ("CAST(1.5 AS BOOLEAN), CAST(0.0 AS BOOLEAN)", "1|0"),
            ("ifnull(NULL, 1.50), ifnull(2, 'x'), nvl(NULL, 'y')", "1.50|2|y"),
            ("coalesce(NULL, CAST('2020-01-02' AS DATE), 'x')", "2020-01-02"),
        ],
    )
    .await;
}

#[tokio::test]
async fn values_that_hold_others() {
    check(
        &House::new(),
        &[
            ("CAST(parse_json('[1, 2, 3]') AS STRUCT<a INT, b INT>)", "{\"a\":1,\"b\":2}"),
            ("CAST(parse_json('[1, \"x\"]') AS STRUCT<a INT, b INT, c INT>)", "{\"a\":1,\"b\":null,\"c\":null}"),
            (
                "CAST(parse_json('{\"b\": \"rocks\", \"a\": 1}') AS STRUCT<a INT, b VARCHAR>)",
                "{\"a\":1,\"b\":\"rocks\"}",
            ),
            ("array_contains([named_struct('f', 1, 'g', 'x')], row(1, 'x'))", "1"),
            ("array_position([row(1, 'x'), row(2, 'y')], named_struct('a', 2, 'b', 'y'))", "2"),
            ("array_contains([parse_json('{\"a\": 1}')], '{\"a\":1}')", "1"),
            ("array_contains_all(['{\"a\": 1}'], [parse_json('{\"a\": 1}')])", "1"),
            ("array_contains([CAST(1.23 AS FLOAT)], 1.23)", "0"),
            ("if(1 > 2, [1, 2], ['a'])", "[\"a\"]"),
            ("ifnull(NULL, [1]), coalesce(CAST(NULL AS ARRAY<INT>), ['a'])", "[1]|[\"a\"]"),
            ("nullif([1], ['1']), nullif([1], ['2'])", "NULL|[\"1\"]"),
            ("CASE WHEN 1 THEN map{1: 'a'} ELSE map{'b': 'c'} END", "{\"1\":\"a\"}"),
            ("[1, 3] IN ([1, NULL], []), [1, 3] IN ([2, NULL]), [NULL] NOT IN ([1])", "NULL|0|NULL"),
            ("map{1: 2, 3: 4} IN (map{3: 4, 1: 2}), row(1, [2]) IN (row(1, [NULL]), row(1, [2]))", "1|1"),
            ("parse_json('1') IN (1, 2), parse_json('{}') NOT IN (1, 2)", "1|1"),
            ("row(1, 'a') = named_struct('x', 1, 'y', 'a'), [1] IN (['x'], ['1'])", "1|1"),
            ("map_apply((k, v) -> (k + 1, length(v)), map_from_arrays([1, 3], ['ab', 'cd']))", "{2:2,4:2}"),
            ("map_filter((k, v) -> v IS NOT NULL, map{1: 'ab', 2: NULL})", "{1:\"ab\"}"),
            ("map_filter(map{1: 'ab', 2: 'c'}, [0, 1]), map_filter(map{1: 2}, NULL)", "{2:\"c\"}|{}"),
            ("map{1: 'a', NULL: 'b', NULL: 'c'}, map{NULL: 1}[NULL]", "{1:\"a\",null:\"c\"}|1"),
            ("map_keys(map{1: 'a', NULL: 'b'}), map_concat(map{NULL: 1}, map{2: 3})", "[1,null]|{null:1,2:3}"),
            ("CAST(map{'x': 1, NULL: 2} AS MAP<STRING, INT>), to_json(map{NULL: 1})", "{\"x\":1,null:2}|{\"null\": 1}"),
            ("json_object('a', 1, NULL, 2), json_object('a'), json_object()", "NULL|{\"a\": null}|{}"),
            ("transform_keys((k, v) -> k + 1, map{1: 'ab', 3: 'cd'})", "{2:\"ab\",4:\"cd\"}"),
            ("transform_values(map{1: 'ab', 3: 'cdd'}, (k, v) -> k + length(v))", "{1:3,3:6}"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_key_may_be_null() {
    let mut house = House::new();
    let map = runtime_sql::parse_type("map<int, struct<a int>>").unwrap();
    house.create("t", vec![column("k", DataType::Int, false, None), column("m", map, true, None)], None, 0, 1);
    house.insert("INSERT INTO t VALUES (1, map{NULL: row(1), 2: NULL}), (2, NULL), (3, map{})").await.unwrap();
    house.insert("INSERT INTO t SELECT k + 3, m FROM t").await.unwrap();
    let rows = ["1|{null:{\"a\":1},2:null}", "2|NULL", "3|{}", "4|{null:{\"a\":1},2:null}", "5|NULL", "6|{}"];
    assert_eq!(house.ask("SELECT * FROM t ORDER BY k").await[1..], rows);
    house.compact("t").await;
    assert_eq!(house.ask("SELECT * FROM t ORDER BY k").await[1..], rows);
    assert_eq!(house.one("SELECT m[NULL].a, map_size(m) FROM t WHERE k = 4").await, "1|2");
}

#[tokio::test]
async fn objects_become_rows() {
    let mut house = House::new();
    house.create(
        "tj",
        vec![column("id", DataType::Int, false, None), column("j", DataType::Json, true, None)],
        None,
        0,
        1,
    );
    house
        .insert("INSERT INTO tj VALUES (1, '{\"a\": 1, \"b\": [2]}'), (3, '{\"a\": \"x\"}'), (4, NULL)")
        .await
        .unwrap();
    let rows = ["id|key|value", "1|a|1", "1|b|[2]", "3|a|\"x\""];
    assert_eq!(house.ask("SELECT id, `key`, `value` FROM tj, LATERAL json_each(j) ORDER BY id, `key`").await, rows);
    assert_eq!(house.one("SELECT e.v FROM tj, json_each(j) AS e(k, v) WHERE e.k = 'b'").await, "[2]");
}

/// Persons of the document on PIVOT.
async fn people() -> House {
    let mut house = House::new();
    let text = DataType::Varchar(20);
    let columns = vec![
        column("id", DataType::Int, false, None),
        column("Name", text.clone(), true, None),
        column("age", DataType::Int, true, None),
        column("class", DataType::Int, true, None),
        column("d", DataType::Decimal { precision: 7, scale: 2 }, true, None),
        column("day", DataType::Date, true, None),
    ];
    house.create("person", columns, None, 0, 1);
    house
        .insert(
            "INSERT INTO person VALUES (100, 'John', 30, 1, 1.50, '1000-01-02'), (200, 'Mary', NULL, 1, 2, '2020-01-01'), \
             (300, 'Mike', 80, 3, NULL, NULL), (400, 'Dan', 50, 4, -3.20, '2020-01-05')",
        )
        .await
        .unwrap();
    house
}

#[tokio::test]
async fn pivots() {
    let house = people().await;
    let sql = "SELECT * FROM (SELECT id, name, age FROM person) p \
               PIVOT (SUM(age) AS sum FOR name IN ('John' AS john, 'Mike')) ORDER BY id";
    let expected = ["id|john|Mike", "100|30|NULL", "200|NULL|NULL", "300|NULL|80", "400|NULL|NULL"];
    assert_eq!(house.ask(sql).await, expected);
    let sql = "SELECT * FROM (SELECT name, age, class FROM person) p \
               PIVOT (SUM(age) AS sum, count(*) AS n FOR (name, class) IN (('John', 1) AS john, ('Mike', 3)))";
    assert_eq!(house.ask(sql).await, ["john_sum|john_n|Mike_3_sum|Mike_3_n", "30|1|80|1"]);
    let sql =
        "SELECT john FROM person PIVOT (max(age) FOR Name IN ('John' AS john)) q WHERE q.class = 1 AND q.id = 100";
    assert_eq!(house.one(sql).await, "30");
    let error = house.error("SELECT * FROM person PIVOT (max(age) FOR (name, id) IN ('John'))").await;
    assert!(error.message.contains("PIVOT names 2 columns"), "{error}");
    // Its table may be one of the WITH that it stands in; `person` is another there.
    let sql = "WITH older AS (SELECT id, name, age + 1 AS age FROM person), person AS (SELECT name, age FROM older) \
               SELECT * FROM person PIVOT (max(age) FOR name IN ('John' AS john))";
    assert_eq!(house.ask(sql).await, ["john", "31"]);
    let sql = "WITH p AS (SELECT * FROM (SELECT name, age FROM person) q PIVOT (max(age) FOR name IN ('John' AS john))) \
               SELECT john + 1 FROM p";
    assert_eq!(house.one(sql).await, "31");
}

#[tokio::test]
async fn pivots_in_pivots_come_to_an_end() {
    let house = people().await;
    let nested = |levels: usize| {
        let mut table = "(SELECT id, name, age FROM person)".to_owned();
        for level in 0..levels {
            let pivot = format!("{table} p{level} PIVOT (max(age) FOR name IN ('John' AS j))");
            table = format!("(SELECT id, 'John' AS name, j AS age FROM {pivot})");
        }
        format!("SELECT max(age) FROM {table} t")
    };
    assert_eq!(house.one(&nested(3)).await, "30");
    let error = house.error(&nested(9)).await;
    assert!(error.message.contains("more than 64 PIVOTs"), "{error}");
}

#[tokio::test]
async fn small_questions_have_no_huge_answers() {
    let house = House::new();
    check(
        &house,
        &[
            (
                "repeat('ab', 3), repeat('ab', 0), repeat('ab', -1), repeat(12, 2), repeat('ab', NULL)",
                "ababab|||1212|NULL",
            ),
            ("repeat('x', 2000000), length(repeat('x', 1048576)), repeat('', 9223372036854775807)", "NULL|1048576|"),
            ("repeat(parse_json('1'), 1000000000000000), concat('<', space(2), '>')", "NULL|<  >"),
            (
                "lpad('a', 3, 'b'), rpad('a', 3, 'b'), lpad('a', 2000000, 'b'), rpad('a', 2000000, 'b')",
                "bba|abb|NULL|NULL",
            ),
            ("jodatime_format('2020-01-02', repeat('d', 70000)), time_to_sec('1:-5:00')", "NULL|NULL"),
            ("time_to_sec('9999999999999999:00:00')", "NULL"),
        ],
    )
    .await;
    let nested = |function: &str, first: &str, levels: usize| {
        let open = function.repeat(levels);
        format!("SELECT {open}{first}{}", ")".repeat(levels))
    };
    assert_eq!(house.one(&nested("square(", "1", 40)).await, "1");
    assert_eq!(house.one(&nested("pmod(7, ", "5", 40)).await, "NULL");
    for (function, first) in
        [("map_filter((k, v) -> v > 0, ", "map{1: 1}"), ("greatest(1, ", "2"), ("locate('a', 'b', ", "1")]
    {
        let error = house.error(&nested(function, first, 24)).await;
        assert!(error.message.contains("too large an expression"), "{error}");
    }
}

#[tokio::test]
async fn aggregates() {
    let mut house = people().await;
    for (sql, expected) in [
        ("SELECT count_if(age > 40), count_if(age > 400) FROM person", "2|0"),
        (
            "SELECT percentile_disc(age, 0.5), percentile_disc(age, 0.4), percentile_disc_lc(age, 0.4) FROM person",
            "50|50|30",
        ),
        ("SELECT percentile_disc(age, 0.5) FROM person WHERE id < 0", "NULL"),
        (
            "SELECT percentile_approx(age, CAST(NULL AS DOUBLE)), percentile_approx(age, 0.5) FROM person WHERE id = 100",
            "NULL|30",
        ),
        (
            "SELECT group_concat(DISTINCT 'a', 'b'), group_concat(id, '-' ORDER BY id) FROM person WHERE id < 300",
            "ab|100-,200-",
        ),
        ("SELECT approx_top_k(class, 2) FROM person", "[{\"item\":1,\"count\":2},{\"item\":3,\"count\":1}]"),
        (
            "SELECT max_by(d, age), sum(murmur_hash3_32(ifnull(d, 0))) = sum(murmur_hash3_32(coalesce(CAST(d AS CHAR), '0.00'))) FROM person WHERE age IS NOT NULL",
            "NULL|1",
        ),
        ("SELECT retention([age = 30, class = 4, class = 9]) FROM person", "[1,1,0]"),
        ("SELECT retention([age = 31, class = 4]) FROM person", "[0,0]"),
        ("SELECT count(*) FROM person WHERE date_trunc('day', day) > days_sub(day, 4)", "3"),
        (
            "SELECT sum(array_contains(['John', 'Dan'], name)), sum(array_position([7, 4, 1, 4], class)) FROM person",
            "2|8",
        ),
    ] {
        assert_eq!(house.one(sql).await, expected, "{sql}");
    }
    let columns = vec![
        column("uid", DataType::Int, false, None),
        column("event", DataType::Varchar(10), true, None),
        column("time", DataType::DateTime, true, None),
    ];
    house.create("action", columns, None, 0, 1);
    house
        .insert(
            "INSERT INTO action VALUES (1, 'Browse', '2020-01-02 11:00:00'), (1, 'Click', '2020-01-02 11:10:00'), \
             (1, 'Order', '2020-01-02 11:20:00'), (1, 'Pay', '2020-01-02 11:30:00'), (1, 'Browse', '2020-01-02 11:00:00'), \
             (2, 'Order', '2020-01-02 11:00:00'), (2, 'Pay', '2020-01-02 11:10:00'), (3, 'Browse', '2020-01-02 11:20:00'), \
             (3, 'Click', '2020-01-02 12:00:00'), (5, 'Browse', '2020-01-02 11:50:00'), (5, 'Click', '2020-01-02 12:00:00'), \
             (5, 'Order', '2020-01-02 11:10:00')",
        )
        .await
        .unwrap();
    let chain = "[event = 'Browse', event = 'Click', event = 'Order', event = 'Pay']";
    let sql = format!("SELECT uid, window_funnel(1800, time, 0, {chain}) FROM action GROUP BY uid ORDER BY uid");
    assert_eq!(house.ask(&sql).await[1..], ["1|4", "2|0", "3|1", "5|2"]);
}
