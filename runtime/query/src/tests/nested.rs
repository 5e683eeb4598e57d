//! JSON, ARRAY, MAP, STRUCT and VARBINARY: expressions, and columns of them through real files.

mod oracle;

use super::house::{House, column};
use storage_catalog::{ColumnChange, Command};
use storage_model::{DataType, KeyModel};

fn of(text: &str) -> DataType {
    runtime_sql::parse_type(text).unwrap_or_else(|| panic!("{text} is no type"))
}

/// Expressions, and what each gives as a client sees it.
pub(super) async fn check(house: &House, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        match house.try_ask(&format!("SELECT {sql}")).await {
            Ok(lines) if lines.len() == 2 && lines[1] == *expected => {}
            other => wrong.push(format!("{sql}: {other:?}, not {expected}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn arrays() {
    check(
        &House::new(),
        &[
            ("[1, 2, NULL]", "[1,2,null]"),
            ("[]", "[]"),
            ("[1, 2.5]", "[1.0,2.5]"),
            ("['a', 1]", "[\"a\",\"1\"]"),
            ("[true, false]", "[1,0]"),
            ("[[1], [2, 3], NULL]", "[[1],[2,3],null]"),
            ("[1, 2][1]", "1"),
            ("[1, 2][3]", "NULL"),
            ("[1, 2][0]", "NULL"),
            ("[[1, 2], [3]][1][2]", "2"),
            ("element_at([5, 6], 2)", "6"),
            ("CAST('[1, 2]' AS ARRAY<INT>)", "[1,2]"),
            ("CAST('[[1, 2], [3]]' AS ARRAY<ARRAY<BIGINT>>)[2]", "[3]"),
            ("CAST(['1', 'x'] AS ARRAY<INT>)", "[1,null]"),
            ("CAST([1, 2] AS ARRAY<STRING>)", "[\"1\",\"2\"]"),
            ("CAST('x' AS ARRAY<INT>)", "NULL"),
            ("CAST(NULL AS ARRAY<INT>)", "NULL"),
            ("array_length([1, NULL])", "2"),
            ("array_length(NULL)", "NULL"),
            ("cardinality([1, 2])", "2"),
            ("array_append([1], 2)", "[1,2]"),
            ("array_append([1], NULL)", "[1,null]"),
            ("array_append([1], 1.5)", "[1.0,1.5]"),
            ("array_concat([1], [2, NULL], [])", "[1,2,null]"),
            ("array_contains([1, 2], 2)", "1"),
            ("array_contains([1, 2], 3)", "0"),
            ("array_contains([1, NULL], NULL)", "1"),
            ("array_contains([1], NULL)", "0"),
            ("array_contains(NULL, 1)", "NULL"),
            ("array_contains([[1], [2]], [2])", "1"),
            ("array_contains(['a'], 'a')", "1"),
            ("array_position([5, 6], 6)", "2"),
            ("array_position([5, 6], 7)", "0"),
            ("array_contains_all([1, 2, 3], [3, 1])", "1"),
            ("array_contains_all([1], [1, 2])", "0"),
            ("array_contains_seq([1, 2, 3], [2, 3])", "1"),
            ("array_contains_seq([1, 2, 3], [1, 3])", "0"),
            ("arrays_overlap([1, 2], [2, 5])", "1"),
            ("arrays_overlap([1, 2], [3])", "0"),
            ("array_distinct([2, 1, 2, NULL, NULL])", "[2,1,null]"),
            ("array_intersect([1, 2, 3], [3, 1], [1, 3, 9])", "[1,3]"),
            ("array_join(['a', NULL, 'b'], '-')", "a-b"),
            ("array_join(['a', NULL], '-', '?')", "a-?"),
            ("array_join([1, 2], ',')", "1,2"),
            ("array_remove([1, 2, 1, NULL], 1)", "[2,null]"),
            ("array_remove([1, NULL], NULL)", "[1]"),
            ("array_slice([1, 2, 3, 4], 2, 2)", "[2,3]"),
            ("array_slice([1, 2, 3, 4], -2, 2)", "[3,4]"),
            ("array_slice([1, 2, 3], 2)", "[2,3]"),
            ("array_slice([1, 2], 5, 1)", "[]"),
            ("array_sort([3, NULL, 1])", "[null,1,3]"),
            ("array_sortby([1, 2, 3], ['c', 'a', 'b'])", "[2,3,1]"),
            ("array_sortby([1, 2, 3], CAST(NULL AS ARRAY<INT>))", "[1,2,3]"),
            ("reverse([1, 2])", "[2,1]"),
            ("reverse('abc')", "cba"),
            ("array_sum([1, 2, NULL])", "3"),
            ("array_sum([1.5, 2])", "3.5"),
            ("array_sum(CAST([] AS ARRAY<INT>))", "NULL"),
            ("array_avg([1, 2])", "1.5"),
            ("array_min([3, 1, NULL])", "1"),
            ("array_max(['a', 'b'])", "b"),
            ("array_cum_sum([1, NULL, 2])", "[1,null,3]"),
            ("array_difference([1, 5, 3])", "[0,4,-2]"),
            ("array_flatten([[1], NULL, [2, 3]])", "[1,2,3]"),
            ("array_repeat('x', 3)", "[\"x\",\"x\",\"x\"]"),
            ("array_generate(3)", "[1,2,3]"),
            ("array_generate(5, 1, -2)", "[5,3,1]"),
            ("array_generate(3, 1)", "[3,2,1]"),
            ("array_filter([1, 2, 3], [0, 1, 1])", "[2,3]"),
            ("array_filter([1, 2], NULL)", "[]"),
            ("any_match([true, NULL])", "1"),
            ("all_match([true, NULL])", "NULL"),
            ("typeof([1])", "array<bigint(20)>"),
        ],
    )
    .await;
}

#[tokio::test]
async fn functions_of_elements() {
    check(
        &House::new(),
        &[
            ("array_map(x -> x + 1, [1, 2, NULL])", "[2,3,null]"),
            ("array_map([1, 2], X -> x * 2)", "[2,4]"),
            ("array_map((x, y) -> x + y, [1, 2], [10, 20])", "[11,22]"),
            ("array_map(x -> concat(x, '!'), ['a'])", "[\"a!\"]"),
            ("array_map(x -> array_map(y -> y + 1, x), [[1], [2, 3]])", "[[2],[3,4]]"),
            ("array_filter(x -> x > 1, [1, 2, 3])", "[2,3]"),
            ("array_filter((x, y) -> y, [1, 2], [true, false])", "[1]"),
            ("any_match(x -> x > 2, [1, 2, 3])", "1"),
            ("all_match(x -> x > 2, [1, 2, 3])", "0"),
            ("array_sortby(x -> -x, [1, 3, 2])", "[3,2,1]"),
            ("array_length(array_map(x -> x, CAST([] AS ARRAY<INT>)))", "0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn maps_and_structs() {
    check(
        &House::new(),
        &[
            ("map{1: 'a', 2: NULL}", "{1:\"a\",2:null}"),
            ("map('k', [1], 'l', [2])", "{\"k\":[1],\"l\":[2]}"),
            ("map{1: 'a'}[1]", "a"),
            ("map{1: 'a'}[2]", "NULL"),
            ("element_at(map{'x': 5}, 'x')", "5"),
            ("map_keys(map{1: 'a', 2: 'b'})", "[1,2]"),
            ("map_values(map{1: 'a', 2: 'b'})", "[\"a\",\"b\"]"),
            ("map_size(map{1: 'a', 2: 'b'})", "2"),
            ("cardinality(map{1: 'a'})", "1"),
            ("map_concat(map{1: 'a'}, map{2: 'b', 1: 'c'})", "{1:\"c\",2:\"b\"}"),
            ("map_from_arrays([1, 2], ['a', 'b'])", "{1:\"a\",2:\"b\"}"),
            ("CAST('{\"1\": 2}' AS MAP<INT, INT>)", "{1:2}"),
            ("CAST(map{1: 2} AS MAP<STRING, STRING>)", "{\"1\":\"2\"}"),
            ("row(1, 'x')", "{\"col1\":1,\"col2\":\"x\"}"),
            ("struct(1, NULL)", "{\"col1\":1,\"col2\":null}"),
            ("named_struct('a', 1, 'b', [2])", "{\"a\":1,\"b\":[2]}"),
            ("named_struct('a', 1).a", "1"),
            ("row(1, row('x', 2)).col2.col1", "x"),
            ("CAST(row(1, 'x') AS STRUCT<a INT, b STRING>).b", "x"),
            ("CAST('{\"b\": \"y\", \"a\": 2}' AS STRUCT<a INT, b STRING>)", "{\"a\":2,\"b\":\"y\"}"),
        ],
    )
    .await;
    let house = House::new();
    assert!(house.error("SELECT map(1)").await.message.contains("No matching function"));
    assert!(house.error("SELECT array_sum('x')").await.message.contains("No matching function with signature"));
    assert!(house.error("SELECT array_repeat(1, 100000000)").await.message.contains("longer than"));
}

#[tokio::test]
async fn json() {
    check(
        &House::new(),
        &[
            ("parse_json('{\"b\":1,\"a\":[1,2]}')", "{\"a\": [1, 2], \"b\": 1}"),
            ("parse_json('{')", "NULL"),
            ("parse_json('{\"a\": {\"b\": 7}}')->'$.a.b'", "7"),
            ("parse_json('{\"a\": {\"b\": 7}}')->'a'->'b' + 1", "8"),
            ("parse_json('{\"a\": \"x\"}')->'a'", "\"x\""),
            ("parse_json('{\"a\": \"x\"}')->'a' = 'x'", "1"),
            ("parse_json('{\"a\": 5}')->'a' > 4", "1"),
            ("CAST(parse_json('{\"a\": \"x\"}')->'a' AS STRING)", "x"),
            ("CAST(parse_json('{\"a\": 5}')->'a' AS INT) + 1", "6"),
            ("CAST(parse_json('\"x\"') AS INT)", "NULL"),
            ("CAST(parse_json('[1, 2]') AS ARRAY<INT>)", "[1,2]"),
            ("CAST('abc' AS JSON)", "\"abc\""),
            ("CAST(5 AS JSON)", "5"),
            ("json_query('{\"a\": [1, {\"b\": 2}]}', '$.a[1].b')", "2"),
            ("json_query('{\"a\": 1}', '$.c')", "NULL"),
            ("json_exists(parse_json('{\"a\": null}'), '$.a')", "1"),
            ("json_exists(parse_json('{\"a\": 1}'), '$.b')", "0"),
            ("json_length(parse_json('[1, 2]'))", "2"),
            ("json_length(parse_json('{\"a\": [1]}'), '$.a')", "1"),
            ("json_length(parse_json('5'))", "1"),
            ("json_keys(parse_json('{\"b\": 1, \"a\": 2}'))", "[\"a\", \"b\"]"),
            (
                "json_object('name', 'starrocks', 'active', true, 'n', NULL)",
                "{\"active\": true, \"n\": null, \"name\": \"starrocks\"}",
            ),
            ("json_array(1, 'x', NULL, 1.5)", "[1, \"x\", null, 1.5]"),
            ("json_string(parse_json('{\"a\":1}'))", "{\"a\": 1}"),
            ("json_contains(parse_json('{\"a\": [1, 2]}'), parse_json('{\"a\": [2]}'))", "1"),
            ("get_json_int('{\"a\": {\"b\": 7}}', '$.a.b')", "7"),
            ("get_json_double('{\"a\": 1.5}', 'a')", "1.5"),
            ("get_json_string('{\"a\": \"x\"}', 'a')", "x"),
            ("get_json_object('{\"a\": {\"b\": 1}}', '$.a')", "{\"b\": 1}"),
            ("to_json(map{1: 'a'})", "{\"1\": \"a\"}"),
            ("to_json(named_struct('a', [1, NULL]))", "{\"a\": [1, null]}"),
            ("is_json_scalar(parse_json('[1]'))", "0"),
            ("typeof(parse_json('1'))", "json"),
            ("concat('x', parse_json('1'))", "x1"),
            ("group_concat(x) FROM TABLE(generate_series(1, 2)) t(x)", "1,2"),
        ],
    )
    .await;
    let house = House::new();
    assert!(house.error("SELECT json_query('{}', '$.')").await.message.contains("Invalid json path"));
}

/// One column of every kind, and a table of UNIQUE keys like it.
async fn things() -> House {
    let mut house = House::new();
    let columns = || {
        vec![
            column("k", DataType::Int, false, None),
            column("A", of("array<int>"), true, None),
            column("m", of("map<varchar(10),array<int>>"), true, None),
            column("s", of("struct<a int, B varchar(5)>"), true, None),
            column("j", DataType::Json, true, None),
            column("b", DataType::Varbinary(5), true, None),
        ]
    };
    house.create("t", columns(), None, 0, 2);
    let mut unique = columns();
    unique[0].key = true;
    house.create_of("u", KeyModel::Unique, unique, None, 0, 2);
    house
        .insert(
            "INSERT INTO t VALUES (1, [1, 2, NULL], map{'x': [1], 'y': NULL}, row(1, 'one'), '{\"b\":2, \"a\":[1]}', 'bytes'), \
             (2, [], map(), named_struct('a', NULL, 'b', 'two'), parse_json('[1, \"x\"]'), x'00ff'), \
             (3, NULL, NULL, NULL, NULL, NULL), \
             (4, '[7]', '{\"z\": [9]}', '{\"a\": 4}', '\"text\"', '')",
        )
        .await
        .unwrap();
    house
}

#[tokio::test]
async fn columns_hold_what_was_put_in_and_compaction_changes_nothing() {
    let mut house = things().await;
    let all = "SELECT k, a, m, s, j, CAST(b AS CHAR) FROM t WHERE k <> 2 ORDER BY k";
    let expected = [
        "k|a|m|s|j|CAST(b AS CHAR)",
        "1|[1,2,null]|{\"x\":[1],\"y\":null}|{\"a\":1,\"b\":\"one\"}|{\"a\": [1], \"b\": 2}|bytes",
        "3|NULL|NULL|NULL|NULL|NULL",
        "4|[7]|{\"z\":[9]}|{\"a\":4,\"b\":null}|\"text\"|",
    ];
    assert_eq!(house.ask(all).await[1..], expected[1..]);
    assert_eq!(house.one("SELECT a, m, s, j FROM t WHERE k = 2").await, "[]|{}|{\"a\":null,\"b\":\"two\"}|[1, \"x\"]");
    house.insert("INSERT INTO t SELECT k + 10, a, m, s, j, b FROM t").await.unwrap();
    house.compact("t").await;
    assert_eq!(house.ask(all.replace("k <> 2", "k <> 2 AND k < 10").as_str()).await[1..], expected[1..]);
    assert_eq!(house.one("SELECT count(*), count(a), count(j) FROM t").await, "8|6|6");
    for (condition, found) in [
        ("a[1] = 7", "4 14"),
        ("m['x'][1] = 1", "1 11"),
        ("s.a = 4", "4 14"),
        ("t.s.b = 'two'", "2 12"),
        ("j->'a'->'$[0]' = 1", "1 11"),
        ("j = '\"text\"'", ""),
        ("j = 'text'", "4 14"),
        ("array_contains(a, 2)", "1 11"),
        ("any_match(x -> x = k + 1, a)", "1"),
        ("a IS NULL", "3 13"),
        ("a = [1, 2, NULL]", "1 11"),
    ] {
        let rows = house.ask(&format!("SELECT k FROM t WHERE {condition} ORDER BY k")).await;
        assert_eq!(rows[1..].join(" "), found, "{condition}");
    }
    assert_eq!(house.one("SELECT array_map(x -> x + k, a) FROM t WHERE k = 1").await, "[2,3,null]");
    assert_eq!(
        house.ask("SELECT a, count(*) FROM t WHERE k IN (1, 4, 11) GROUP BY a ORDER BY 2").await[1..],
        ["[7]|1", "[1,2,null]|2"]
    );
    assert_eq!(
        house
            .one("SELECT array_agg(k ORDER BY k DESC), array_agg(DISTINCT k % 2 ORDER BY k % 2) FROM t WHERE k < 4")
            .await,
        "[3,2,1]|[0,1]"
    );
    assert_eq!(house.one("SELECT map_agg(k, s.b) FROM t WHERE k < 2").await, "{1:\"one\"}");
}

#[tokio::test]
async fn elements_become_rows() {
    let house = things().await;
    let ask = async |sql: &str| house.ask(sql).await[1..].join(" ");
    assert_eq!(ask("SELECT k, x FROM t, unnest(t.a) AS u(x) ORDER BY k, x").await, "1|NULL 1|1 1|2 4|7");
    assert_eq!(ask("SELECT k, u.x FROM t CROSS JOIN LATERAL unnest(a) u(x) WHERE x > 1 ORDER BY k").await, "1|2 4|7");
    assert_eq!(ask("SELECT k, unnest FROM t, unnest(a) WHERE k = 4").await, "4|7");
    assert_eq!(
        ask("SELECT k, x FROM t LEFT JOIN unnest(t.a) AS u(x) ON true WHERE k > 1 ORDER BY k").await,
        "2|NULL 3|NULL 4|7"
    );
    assert_eq!(
        ask("SELECT k, x, y FROM t, unnest(a, [10, 20]) AS u(x, y) WHERE k = 4 ORDER BY y").await,
        "4|7|10 4|NULL|20"
    );
    assert_eq!(
        ask("SELECT x, y FROM t, unnest(map_values(m)) AS u(x), unnest(x) AS v(y) ORDER BY y").await,
        "[1]|1 [9]|9"
    );
    assert_eq!(ask("SELECT x + 1 FROM unnest([1, 2]) AS u(x) ORDER BY 1").await, "2 3");
    assert_eq!(ask("SELECT count(*), sum(x) FROM TABLE(unnest([1, 2])) AS u(x)").await, "2|3");
    assert_eq!(
        ask("SELECT * FROM t, unnest(a) AS u(x) WHERE k = 4").await,
        "4|[7]|{\"z\":[9]}|{\"a\":4,\"b\":null}|\"text\"||7"
    );
    assert!(house.error("SELECT * FROM t, unnest(k)").await.message.contains("No matching function"));
}

#[tokio::test]
async fn rows_of_a_key_become_one_and_new_columns_are_null_in_old_rows() {
    let mut house = things().await;
    house.insert("INSERT INTO u SELECT * FROM t").await.unwrap();
    house.insert("INSERT INTO u (k, a, j) VALUES (1, [9], '{}')").await.unwrap();
    let merged = "1|[9]|NULL|NULL|{}";
    assert_eq!(house.one("SELECT k, a, m, s, j FROM u WHERE k = 1").await, merged);
    let column = column("n", of("array<struct<x json, y date>>"), true, None);
    let change = ColumnChange::Add { column, place: None };
    house.apply(Command::AlterColumns { database: "db".into(), table: "u".into(), changes: vec![change] });
    house.insert("INSERT INTO u (k, n) VALUES (9, '[{\"x\": [1], \"y\": \"2020-01-02\"}]')").await.unwrap();
    let asked = "SELECT k, n FROM u WHERE k IN (1, 9) ORDER BY k";
    let expected = ["1|NULL", "9|[{\"x\":'[1]',\"y\":\"2020-01-02\"}]"];
    assert_eq!(house.ask(asked).await[1..], expected);
    house.compact("u").await;
    assert_eq!(house.ask(asked).await[1..], expected);
    assert_eq!(house.one("SELECT k, a, m, s, j FROM u WHERE k = 1").await, merged);
    assert_eq!(house.one("SELECT count(*) FROM u").await, "5");
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let mut house = things().await;
    for (values, part) in [
        ("5, ['x'], NULL, NULL, NULL, NULL", "value 'x' does not fit column 'A' of type int(11)"),
        ("5, '[1', NULL, NULL, NULL, NULL", "value '[1' does not fit column 'A' of type array<int(11)>"),
        ("5, 7, NULL, NULL, NULL, NULL", "does not fit column 'A'"),
        ("5, NULL, [1], NULL, NULL, NULL", "does not fit column 'm'"),
        ("5, NULL, NULL, row(1), NULL, NULL", "does not fit column 's'"),
        ("5, NULL, NULL, row(1, 'too long'), NULL, NULL", "length(8) exceeds the limit(5)"),
        ("5, NULL, NULL, NULL, '{a}', NULL", "value '{a}' does not fit column 'j' of type json"),
        ("5, NULL, NULL, NULL, NULL, 'sixteen'", "does not fit column 'b' of type varbinary(5)"),
    ] {
        let error = house.insert(&format!("INSERT INTO t VALUES ({values})")).await.unwrap_err();
        assert!(error.message.contains(part), "{values}: {error}");
    }
    let query = house.insert("INSERT INTO t (k, a) SELECT k, ['y'] FROM t").await.unwrap_err();
    assert!(query.message.contains("value 'y' does not fit column 'A'"), "{query}");
    assert_eq!(house.one("SELECT count(*) FROM t").await, "4");
}
