//! BITMAP and HLL: functions by StarRocks' documents, aggregates, tables of every key model, and what nobody may do with them.

use storage_model::{Aggregation, Column, DataType, KeyModel};

use super::house::{House, column};

#[tokio::test]
async fn functions_on_bitmaps() {
    let house = House::new();
    let mut wrong = Vec::new();
    for (sql, expected) in [
        ("to_bitmap(1)", "NULL"),
        ("bitmap_to_string(to_bitmap(10))", "10"),
        ("bitmap_to_string(to_bitmap('18446744073709551615'))", "18446744073709551615"),
        ("bitmap_to_string(to_bitmap(-5))", "NULL"),
        ("bitmap_to_string(to_bitmap('abc'))", "NULL"),
        ("bitmap_to_string(to_bitmap(NULL))", "NULL"),
        ("bitmap_to_string(bitmap_hash('hello'))", "1321743225"),
        ("bitmap_to_string(bitmap_hash64('hello'))", "10760762337991515389"),
        ("bitmap_to_string(bitmap_empty())", ""),
        ("bitmap_to_string(bitmap_from_string('0, 1, 1'))", "0,1"),
        ("bitmap_to_string(bitmap_from_string('-1, 0'))", "NULL"),
        ("bitmap_to_string(bitmap_from_string('0, 18446744073709551616'))", "NULL"),
        ("bitmap_to_string(bitmap_from_string(''))", ""),
        ("bitmap_to_array(bitmap_from_string('1, 7'))", "[1,7]"),
        ("bitmap_to_array(NULL)", "NULL"),
        ("bitmap_to_array(array_to_bitmap([1,2,3,2]))", "[1,2,3]"),
        ("bitmap_to_array(array_to_bitmap([]))", "[]"),
        ("bitmap_to_base64(bitmap_from_string('0, 1, 2, 3'))", "AjowAAABAAAAAAADABAAAAAAAAEAAgADAA=="),
        ("bitmap_to_base64(to_bitmap(1))", "AQEAAAA="),
        ("bitmap_to_base64(bitmap_empty())", "AA=="),
        ("bitmap_to_string(base64_to_bitmap('AjowAAABAAAAAAACABAAAAABAAIAAwA='))", "1,2,3"),
        ("bitmap_to_string(base64_to_bitmap('text'))", "NULL"),
        ("hex(bitmap_to_binary(to_bitmap(1)))", "0101000000"),
        (
            "bitmap_to_string(bitmap_from_binary(bitmap_to_binary(bitmap_from_string('0,1,99999999999'))))",
            "0,1,99999999999",
        ),
        ("bitmap_count(bitmap_from_string('1,2,4'))", "3"),
        ("bitmap_count(NULL)", "0"),
        ("bitmap_count(bitmap_and(to_bitmap(1), to_bitmap(2)))", "0"),
        ("bitmap_to_string(bitmap_or(to_bitmap(1), to_bitmap(2), to_bitmap(3)))", "1,2,3"),
        ("bitmap_to_string(bitmap_or(to_bitmap(1), NULL))", "NULL"),
        ("bitmap_to_string(bitmap_xor(bitmap_from_string('1, 3'), bitmap_from_string('2,3')))", "1,2"),
        ("bitmap_to_string(bitmap_andnot(bitmap_from_string('1,3,5'), bitmap_from_string('1')))", "3,5"),
        ("bitmap_contains(to_bitmap(1), 2)", "0"),
        ("bitmap_contains(to_bitmap(1), 1)", "1"),
        ("bitmap_has_any(to_bitmap(1), to_bitmap(2))", "0"),
        ("bitmap_has_any(to_bitmap(1), to_bitmap(1))", "1"),
        ("bitmap_max(bitmap_from_string('1, 16501189037412846863'))", "16501189037412846863"),
        ("bitmap_min(bitmap_from_string('0, 1, 2'))", "0"),
        ("bitmap_max(bitmap_empty())", "NULL"),
        ("bitmap_to_string(bitmap_remove(bitmap_from_string('1, 3'), 3))", "1"),
        ("bitmap_to_string(bitmap_subset_in_range(bitmap_from_string('1,3,5'), 1, 4))", "1,3"),
        ("bitmap_to_string(bitmap_subset_in_range(bitmap_from_string('1,3,5'), 4, 3))", "NULL"),
        ("bitmap_to_string(bitmap_subset_limit(bitmap_from_string('1,3,5,7'), 5, -2))", "3,5"),
        ("bitmap_to_string(sub_bitmap(bitmap_from_string('1,3,5,7,9'), -3, 2))", "5,7"),
        ("bitmap_to_string(sub_bitmap(bitmap_from_string('1,3,5,7,9'), 5, 1))", "NULL"),
        ("bitmap_to_string(if(1 > 0, to_bitmap(1), to_bitmap(2)))", "1"),
        ("bitmap_to_string(coalesce(to_bitmap('no'), to_bitmap(3)))", "3"),
        ("typeof(to_bitmap(1))", "bitmap"),
        ("hll_cardinality(hll_hash('a'))", "1"),
        ("hll_cardinality(hll_hash(NULL))", "0"),
        ("hll_cardinality(hll_empty())", "0"),
        ("hll_cardinality(NULL)", "0"),
        ("hll_hash('a')", "NULL"),
        ("typeof(hll_empty())", "hll"),
    ] {
        let found = house.one(&format!("SELECT {sql}")).await;
        if found != expected {
            wrong.push(format!("{sql}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn functions_on_bytes() {
    let house = House::new();
    let mut wrong = Vec::new();
    for (sql, expected) in [
        ("hex(to_binary('ab'))", "AB"),
        ("hex(to_binary('ABAB', 'HEX'))", "ABAB"),
        ("hex(to_binary('XY', 'hex'))", ""),
        ("hex(to_binary('1'))", ""),
        ("hex(to_binary('U1RBUlJPQ0tT', 'encode64'))", "53544152524F434B53"),
        ("to_binary('', 'encode64')", "NULL"),
        ("to_binary('STARROCKS', 'utf8')", "STARROCKS"),
        ("from_binary(to_binary('ab', 'utf8'), 'utf8')", "ab"),
        ("from_binary(to_binary('ab', 'hex'), 'encode64')", "qw=="),
        ("from_binary(to_binary('1', 'encode64'), 'hex')", ""),
        ("hex(3)", "3"),
        ("hex(-1)", "FFFFFFFFFFFFFFFF"),
        ("hex('apple')", "6170706C65"),
        ("hex(x'abab')", "ABAB"),
        ("unhex('6170706C65')", "apple"),
        ("unhex('4142@')", ""),
        ("hex(hex_decode_binary(hex('Hello')))", "48656C6C6F"),
        ("from_base64(to_base64('starrocks'))", "starrocks"),
        ("from_base64('%')", "NULL"),
        ("hex(base64_decode_binary(to_base64('Hi')))", "4869"),
        ("md5(NULL)", "NULL"),
        ("md5('abc')", "900150983cd24fb0d6963f7d28e17f72"),
        ("md5sum('starrocks', 'star')", "7af4bfe35b8df2786ad133c57cb2aed8"),
        ("md5sum(NULL)", "d41d8cd98f00b204e9800998ecf8427e"),
        ("md5sum_numeric('starrocks')", "328761383472799310362963866384446095221"),
        ("sha2('abc', 224)", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
        ("sha2('abc', 0)", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("sha2('abc', 1)", "NULL"),
        ("xx_hash3_64('hello')", "-7685981735718036227"),
        ("xx_hash3_64('hello', 'world')", "7001965798170371843"),
        ("xx_hash3_64(NULL)", "NULL"),
        ("bit_shift_left(2, 1)", "4"),
        ("bit_shift_right(-2, 1)", "-1"),
        ("bit_shift_right('2', 1)", "1"),
        ("bit_shift_right_logical(CAST(-2 AS TINYINT), 1)", "127"),
        ("bit_shift_left(1, -1)", "0"),
        ("bitand(6, 3)", "2"),
        ("bitnot(3)", "-4"),
        ("length(123)", "3"),
        ("length(x'abab')", "2"),
        ("upper(1.5)", "1.5"),
        ("substr(12345, 2, 3)", "234"),
        ("replace(121, '1', 'x')", "x2x"),
        ("left('abc', 2)", "ab"),
    ] {
        let found = house.one(&format!("SELECT {sql}")).await;
        if found != expected {
            wrong.push(format!("{sql}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let error = house.error("SELECT from_binary(x'ff', 'utf8')").await.to_string();
    assert!(error.contains("not valid utf-8"), "{error}");
}

fn combined(name: &str, data_type: DataType, aggregation: Aggregation) -> Column {
    Column { aggregation: Some(aggregation), ..column(name, data_type, true, None) }
}

/// `t (k, b BITMAP_UNION, h HLL_UNION)` of several loads: 40 keys, 50 rows each of which many are equal.
async fn table() -> House {
    let mut house = House::new();
    let key = Column { key: true, ..column("k", DataType::Int, false, None) };
    let columns = vec![
        key,
        combined("b", DataType::Bitmap, Aggregation::BitmapUnion),
        combined("h", DataType::Hll, Aggregation::HllUnion),
    ];
    house.create_of("t", KeyModel::Aggregate, columns, None, 0, 4);
    for step in [3, 5, 7] {
        let numbers = format!("TABLE(generate_series(0, 1999, {step})) g(x)");
        house.insert(&format!("INSERT INTO t SELECT x % 40, to_bitmap(x), hll_hash(x) FROM {numbers}")).await.unwrap();
    }
    house
}

/// How many numbers below 2000 are of 3, 5 or 7.
fn numbers() -> usize {
    (0..2000).filter(|n| n % 3 == 0 || n % 5 == 0 || n % 7 == 0).count()
}

#[tokio::test]
async fn aggregates_gather_in_parts_and_in_windows() {
    let mut house = table().await;
    let all = numbers().to_string();
    for parallelism in [1, 4] {
        house.parallelism = parallelism;
        for sql in [
            "bitmap_union_count(b)",
            "count(DISTINCT b)",
            "bitmap_count(bitmap_union(b))",
            "bitmap_count(bitmap_agg(k)) + bitmap_union_count(b) - bitmap_union_int(k)",
        ] {
            assert_eq!(house.one(&format!("SELECT {sql} FROM t")).await, all, "{sql} at {parallelism}");
        }
        for sql in [
            "hll_union_agg(h)",
            "count(DISTINCT h)",
            "hll_cardinality(hll_union(h))",
            "hll_cardinality(hll_raw_agg(h))",
        ] {
            let found: f64 = house.one(&format!("SELECT {sql} FROM t")).await.parse().unwrap();
            assert!((found / numbers() as f64 - 1.0).abs() < 0.03, "{sql} at {parallelism}: {found}");
        }
        assert_eq!(house.one("SELECT ndv(k), approx_count_distinct(concat(k, 'x')) FROM t").await, "40|40");
        let sql = "SELECT bitmap_to_string(bitmap_intersect(b)) FROM (SELECT to_bitmap(k) b FROM t WHERE k = 7) s";
        assert_eq!(house.one(sql).await, "7");
        let sql = "SELECT intersect_count(v, g, 'a', 'b') FROM (SELECT bitmap_from_string('1,2,3') v, 'a' g UNION ALL \
                   SELECT bitmap_from_string('2,3,4'), 'b' UNION ALL SELECT bitmap_from_string('9'), 'c') s";
        assert_eq!(house.one(sql).await, "2");
        let groups = house.ask("SELECT k % 2, bitmap_union_count(b) FROM t GROUP BY k % 2 ORDER BY 1").await;
        let odd = (0..2000).filter(|n| n % 2 == 1 && (n % 3 == 0 || n % 5 == 0 || n % 7 == 0)).count();
        assert_eq!(groups[1..], [format!("0|{}", numbers() - odd), format!("1|{odd}")]);
    }
    assert_eq!(house.one("SELECT bitmap_union_count(b), hll_union_agg(h), ndv(k) FROM t WHERE k < 0").await, "0|0|0");
    let sql = "SELECT bitmap_union_int(-x), bitmap_to_string(bitmap_agg(x - 3)), bitmap_to_string(bitmap_agg(concat('', x))) \
               FROM TABLE(generate_series(1, 4)) g(x)";
    assert_eq!(house.one(sql).await, "4|0,1|1,2,3,4");
    assert_eq!(house.one("SELECT bitmap_union(b) IS NULL, bitmap_agg(k) IS NULL FROM t WHERE k < 0").await, "1|1");
    let windows = house
        .ask("SELECT x, bitmap_union_count(to_bitmap(x)) OVER (ORDER BY x), ndv(x) OVER () FROM TABLE(generate_series(1, 3)) g(x)")
        .await;
    assert_eq!(windows[1..], ["1|1|3", "2|2|3", "3|3|3"]);
}

#[tokio::test]
async fn rows_of_a_key_become_one_whoever_reads_or_compacts_them() {
    let mut house = table().await;
    let sql = "SELECT k, bitmap_count(b), bitmap_to_string(sub_bitmap(b, 0, 3)), hll_cardinality(h) FROM t ORDER BY k";
    let read = house.ask(sql).await;
    assert_eq!(read.len(), 41);
    assert!(read[1].starts_with("0|") && read[1].contains("|0,40,80|"), "{}", read[1]);
    house.compact("t").await;
    assert_eq!(house.ask(sql).await, read);
    let numbers = "SELECT u FROM t, unnest_bitmap(t.b) x(u) WHERE k = 21 ORDER BY u LIMIT 3";
    assert_eq!(house.ask(numbers).await[1..], ["21", "141", "261"].map(str::to_owned));
    let pieces =
        "SELECT bitmap_to_string(subdivide_bitmap) FROM subdivide_bitmap(bitmap_from_string('1,2,3'), 2) ORDER BY 1";
    assert_eq!(house.ask(pieces).await[1..], ["1,2", "3"].map(str::to_owned));
}

#[tokio::test]
async fn every_model_keeps_them_and_nothing_else_gets_in() {
    for model in [KeyModel::Duplicate, KeyModel::Unique, KeyModel::Primary] {
        let mut house = House::new();
        let key = Column { key: true, ..column("k", DataType::Int, false, None) };
        let columns = vec![key, column("b", DataType::Bitmap, true, None), column("h", DataType::Hll, true, None)];
        house.create_of("t", model, columns, None, 0, 2);
        house.insert("INSERT INTO t VALUES (1, bitmap_empty(), hll_empty()), (2, NULL, NULL)").await.unwrap();
        house.insert("INSERT INTO t VALUES (3, bitmap_from_string('1,2'), hll_hash('x'))").await.unwrap();
        house.insert("INSERT INTO t SELECT k + 10, b, h FROM t").await.unwrap();
        let found =
            house.ask("SELECT k, b, h, bitmap_to_string(b), hll_cardinality(h) FROM t WHERE k > 10 ORDER BY k").await;
        assert_eq!(found[1..], ["11|NULL|NULL||0", "12|NULL|NULL|NULL|0", "13|NULL|NULL|1,2|1"], "{model:?}");
        for values in [
            "(9, '1,2', NULL)",
            "(9, 1, NULL)",
            "(9, hll_empty(), NULL)",
            "(9, NULL, to_bitmap(1))",
            "(9, x'00', NULL)",
        ] {
            let error = house.insert(&format!("INSERT INTO t VALUES {values}")).await.unwrap_err().to_string();
            assert!(error.contains("does not fit column"), "{values}: {error}");
        }
        let error = house.insert("INSERT INTO t SELECT 9, 'text', NULL FROM t").await.unwrap_err().to_string();
        assert!(error.contains("value 'text' does not fit column 'b' of type bitmap"), "{error}");
        if model == KeyModel::Primary {
            house.update("UPDATE t SET b = bitmap_or(b, to_bitmap(k)) WHERE k = 13").await.unwrap();
            assert_eq!(house.one("SELECT bitmap_to_string(b) FROM t WHERE k = 13").await, "1,2,13");
        }
    }
}

#[tokio::test]
async fn they_have_no_order_and_no_text() {
    let house = table().await;
    for (sql, expected) in [
        ("SELECT * FROM t ORDER BY b", "not support order-by"),
        ("SELECT h FROM t GROUP BY h", "not support group-by"),
        ("SELECT DISTINCT b FROM t", "not support group-by"),
        ("SELECT k FROM t WHERE b = b", "couldn't as Predicate"),
        ("SELECT k FROM t WHERE b IN (to_bitmap(1))", "couldn't as Predicate"),
        ("SELECT rank() OVER (PARTITION BY b ORDER BY k) FROM t", "not support partition-by"),
        ("SELECT to_bitmap(1) = to_bitmap(1)", "couldn't as Predicate"),
        ("SELECT max(b) FROM t", "No matching function with signature: max(bitmap)"),
        ("SELECT bitmap_count(h) FROM t", "No matching function with signature: bitmap_count(hll)"),
        ("SELECT bitmap_union(k) FROM t", "No matching function with signature: bitmap_union(int(11))"),
        ("SELECT hll_union_agg(b) FROM t", "No matching function with signature: hll_union_agg(bitmap)"),
        ("SELECT upper(b) FROM t", "Function 'upper' requires String"),
        ("SELECT CAST(b AS VARBINARY) FROM t", "Invalid type cast from bitmap to varbinary"),
        ("SELECT a.k FROM t a JOIN t c ON a.b = c.b", "couldn't as Predicate"),
    ] {
        let error = house.error(sql).await.to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}
