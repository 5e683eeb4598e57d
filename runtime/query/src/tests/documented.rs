//! Functions by the examples of StarRocks' documents: ciphers and hashes, words and n-grams, patterns of other systems, shapes on
//! the earth.

use super::house::House;

/// Expressions and what they give.
async fn check(house: &House, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        match house.try_ask(&format!("SELECT {sql}")).await {
            Ok(lines) if lines[1..] == [*expected] => {}
            other => wrong.push(format!("{sql}: {other:?}, not {expected}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Expressions and what is said of them.
async fn check_errors(house: &House, cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        let error = house.error(&format!("SELECT {sql}")).await.to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}

#[tokio::test]
async fn ciphers_and_hashes() {
    let house = House::new();
    let key = "'F3229A0B371ED2D9441B830D21A390C3'";
    check(
        &house,
        &[
            (&format!("to_base64(aes_encrypt('starrocks', {key}))"), "uv/Lhzm74syo8JlfWarwKA=="),
            (&format!("aes_decrypt(from_base64('uv/Lhzm74syo8JlfWarwKA==  '), {key})"), "starrocks"),
            (&format!("aes_decrypt(from_base64('uv/Lhzm74syo8JlfWarwKA=='), concat({key}, 'x'))"), "NULL"),
            (&format!("aes_decrypt('starrocks', {key}), aes_decrypt('', {key})"), "NULL|NULL"),
            (&format!("aes_encrypt(NULL, {key}), aes_decrypt(NULL, {key})"), "NULL|NULL"),
            (
                "aes_encrypt('a', NULL), length(aes_encrypt('', '')), length(aes_encrypt(repeat('a', 16), 'k'))",
                "NULL|16|32",
            ),
            ("aes_decrypt(aes_encrypt('\u{e9}', 'k'), 'k'), aes_decrypt(aes_encrypt(x'ff', 'k'), 'k')", "\u{e9}|NULL"),
            ("aes_decrypt(unhex(hex(aes_encrypt('a', 'k'))), 'k')", "a"),
            ("sm3('l')", "1dec1a7a 94236240 49db411e 2c32c62d c0c93856 8208ac3a 09d395eb 2468b445"),
            ("sm3(NULL)", "NULL"),
            ("xx_hash3_128('hello')", "-98478366302105124680504504609445627880"),
            ("xx_hash3_128('hello', 'world')", "-45235302294609689438180196264627189905"),
            ("xx_hash3_128(NULL), xx_hash3_128('a', NULL), typeof(xx_hash3_128('a'))", "NULL|NULL|largeint(40)"),
            ("md5(from_base64('/w==')), hex(unhex('ff00'))", "00594fd4f42ba43fc1ca0427a0576295|FF00"),
        ],
    )
    .await;
    let several = "SELECT aes_decrypt(aes_encrypt(concat('v', x), concat('k', x % 2)), 'k1') FROM TABLE(generate_series(1, 3)) g(x)";
    assert_eq!(house.ask(several).await[1..], ["v1", "NULL", "v3"]);
    check_errors(&house, &[("aes_encrypt('a')", "No matching function"), ("sm3('a', 'b')", "No matching function")])
        .await;
}

#[tokio::test]
async fn words_and_grams() {
    let house = House::new();
    let id = "'31dc496b-760d-6f1a-4521-050073a70000'";
    check(
        &house,
        &[
            ("ngram_search('English', 'England', 4)", "0.25"),
            (&format!("ngram_search({id}, {id}, 4)"), "1"),
            (&format!("round(ngram_search('31dc496b-760d-6f1a-4521-050073a40000', {id}, 4), 7)"), "0.8787879"),
            ("ngram_search('ENGLISH', 'England', 4), ngram_search_case_insensitive('ENGLISH', 'England', 4)", "0|0.25"),
            ("ngram_search('abc', 'England', 4), ngram_search('England', 'abc', 4), ngram_search('', '', 1)", "0|0|0"),
            ("ngram_search('aaaa', 'aaaa', 9223372036854775807), ngram_search(repeat('a', 40000), 'aaaa', 4)", "0|0"),
            (
                "ngram_search('aa', 'aaaa', 2), ngram_search(NULL, 'a', 1), ngram_search('a', 'a', NULL)",
                "0.3333333134651184|NULL|NULL",
            ),
            ("tokenize('english', 'Today is saturday')", "[\"today\",\"is\",\"saturday\"]"),
            ("tokenize('ENGLISH', 'a1-B2 \u{4f60}c')", "[\"a1\",\"b2\",\"c\"]"),
            (
                "tokenize('standard', 'Don''t pay 1,000.5 to A.B. \u{4f60}\u{597d} Stra\u{df}e')",
                "[\"don't\",\"pay\",\"1,000.5\",\"to\",\"a.b\",\"\u{4f60}\",\"\u{597d}\",\"stra\u{df}e\"]",
            ),
            (
                "tokenize('chinese', 'StarRocks\u{6211}\u{7231}\u{4f60}, 3.5 \u{4e2d}')",
                "[\"starrocks\",\"\u{6211}\u{7231}\",\"\u{7231}\u{4f60}\",\"3\",\"5\",\"\u{4e2d}\"]",
            ),
            ("tokenize('english', ''), tokenize('english', NULL), tokenize('english', '--')", "NULL|NULL|[]"),
        ],
    )
    .await;
    let sql = "SELECT ngram_search(concat('Engl', x), 'England', 4) FROM TABLE(generate_series(1, 2)) g(x)";
    assert_eq!(house.ask(sql).await[1..], ["0.25", "0.25"]);
    check_errors(
        &house,
        &[
            ("ngram_search('a', 'a', 0)", "third parameter must be a positive number"),
            ("ngram_search('a', repeat('a', 32769), 4)", "second parameter is larger than 2^15"),
            (
                "ngram_search('a', repeat('a', 32768), 16384)",
                "third parameter 16384 is too large for a text of 32768 bytes",
            ),
            ("ngram_search('a', 'a')", "No matching function"),
            ("tokenize('klingon', 'a')", "Not support UNKNOWN parser_type"),
        ],
    )
    .await;
}

#[tokio::test]
async fn patterns_of_other_systems() {
    let mut house = House::new();
    check(
        &house,
        &[
            ("str_to_jodatime('2014-12-21 12:34:56', 'yyyy-MM-dd HH:mm:ss')", "2014-12-21 12:34:56"),
            ("str_to_jodatime('21/December/23 12:34:56', 'dd/MMMM/yy HH:mm:ss')", "2023-12-21 12:34:56"),
            ("str_to_jodatime('21/December/23 12:34:56.123', 'dd/MMMM/yy HH:mm:ss.SSS')", "2023-12-21 12:34:56.123000"),
            ("str_to_jodatime('2020-06-25T11:58 PM Thu', 'yyyy-MM-dd''T''hh:mm a EEE')", "2020-06-25 23:58:00"),
            (
                "str_to_jodatime('2020-06-25 24', 'yyyy-MM-dd kk'), str_to_jodatime('2020 60', 'yyyy DD')",
                "2020-06-25 00:00:00|2020-02-29 00:00:00",
            ),
            (
                "str_to_jodatime('2014-12-21 12', 'yyyy-MM-dd'), str_to_jodatime('2014-13-21', 'yyyy-MM-dd')",
                "NULL|NULL",
            ),
            (
                "str_to_jodatime('2014', 'yyyy@'), str_to_jodatime('2014', 'yyyyQ'), str_to_jodatime('a', '''a')",
                "NULL|NULL|NULL",
            ),
            ("str_to_jodatime(NULL, 'yyyy'), str_to_jodatime('2014', NULL)", "NULL|NULL"),
            ("to_tera_date('1988/04/08', 'yyyy/mm/dd'), to_tera_date('1988/04/31', 'yyyy/mm/dd')", "1988-04-08|NULL"),
            ("to_tera_timestamp('1988/04/08', 'yyyy/mm/dd')", "1988-04-08 00:00:00"),
            ("to_tera_timestamp('04-08-1988', 'mm-dd-yyyy')", "1988-04-08 00:00:00"),
            ("to_tera_timestamp('04.1988,08', 'mm.yyyy,dd')", "1988-04-08 00:00:00"),
            ("to_tera_timestamp('1988/04/08 2', 'yyyy/mm/dd hh')", "1988-04-08 02:00:00"),
            ("to_tera_timestamp('1988/04/08 14', 'yyyy/mm/dd hh24')", "1988-04-08 14:00:00"),
            ("to_tera_timestamp('1988/04/08 14:15', 'yyyy/mm/dd hh24:mi')", "1988-04-08 14:15:00"),
            ("to_tera_timestamp('1988/04/08 2:3:4', 'yyyy/mm/dd hh24:mi:ss')", "1988-04-08 02:03:04"),
            ("to_tera_timestamp('1988/04/08 02 am:3:4', 'yyyy/mm/dd hh am:mi:ss')", "1988-04-08 02:03:04"),
            ("to_tera_timestamp('1988/04/08 02 pm:3:4', 'YYYY/MM/DD HH PM:MI:SS')", "1988-04-08 14:03:04"),
            (
                "to_tera_timestamp('1988/04/08 14', 'yyyy/mm/dd hh'), to_tera_timestamp('19880408x', 'yyyymmdd')",
                "NULL|NULL",
            ),
            ("str_to_date('2014-12-21 09:05:03 PM', '%Y-%m-%d %r')", "2014-12-21 21:05:03"),
            (
                "sec_to_time(43994), sec_to_time(-1), sec_to_time(9223372036854775807), sec_to_time(NULL)",
                "12:13:14|-00:00:01|839:59:59|NULL",
            ),
            (
                "to_datetime_ntz(1598306400), to_datetime_ntz(1598306400123456, 6)",
                "2020-08-24 22:00:00|2020-08-24 22:00:00.123456",
            ),
            ("to_datetime_ntz(1, 2), to_datetime_ntz(9223372036854775807, 0), to_datetime_ntz(NULL)", "NULL|NULL|NULL"),
        ],
    )
    .await;
    check_errors(&house, &[("to_tera_timestamp('1', 'yyyy q')", "is invalid format")]).await;
    house.time_zone = "Asia/Shanghai".into();
    check(
        &house,
        &[("to_datetime(1598306400), to_datetime(1598306400123, 3)", "2020-08-25 06:00:00|2020-08-25 06:00:00.123000")],
    )
    .await;
}

#[tokio::test]
async fn sizes_and_the_greatest() {
    let house = House::new();
    check(
        &house,
        &[
            ("format_bytes(0), format_bytes(123), format_bytes(1023), format_bytes(1024)", "0 B|123 B|1023 B|1.00 KB"),
            ("format_bytes(4096), format_bytes(123456789), format_bytes(10737418240)", "4.00 KB|117.74 MB|10.00 GB"),
            (
                "format_bytes(-1), format_bytes(NULL), format_bytes(1536), format_bytes(1025)",
                "NULL|NULL|1.50 KB|1.00 KB",
            ),
            ("format_bytes(1125899906842624), format_bytes(9223372036854775807)", "1.00 PB|8.00 EB"),
            ("array_top_n([1, 100, 2, 5, 3], 3), array_top_n([1, 100], 5)", "[100,5,3]|[100,1]"),
            (
                "array_top_n(['a', 'zzz', 'zz', 'b', 'g', 'f'], 3), array_top_n([1, NULL, 3, 2], 4)",
                "[\"zzz\",\"zz\",\"g\"]|[3,2,1,null]",
            ),
            (
                "array_top_n([1, 2], 0), array_top_n([1, 2], -1), array_top_n(NULL, 1), array_top_n([1], NULL)",
                "[]|[]|NULL|NULL",
            ),
            ("approx_l2_distance([1, 2], [3, 4]), approx_cosine_similarity([1, 0], [0, 1])", "8|0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn shapes_on_the_earth() {
    let house = House::new();
    let square = "st_polygon('POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0))')";
    check(
        &house,
        &[
            ("st_astext(st_point(24.7, 56.7)), st_aswkt(st_point(-0.0, 1e-7))", "POINT (24.7 56.7)|POINT (0 1e-07)"),
            ("st_x(st_point(24.7, 56.7)), st_y(st_point(24.7, 56.7))", "24.7|56.7"),
            ("st_point(180.1, 0), st_point(0, -90.1), st_point(NULL, 1), st_x('no'), st_x(st_circle(1, 2, 3))", "NULL|NULL|NULL|NULL|NULL"),
            ("st_astext(st_circle(111, 64, 10000))", "CIRCLE ((111 64), 10000)"),
            ("st_circle(111, 64, -1), st_circle(111, 64, 10000000), st_circle(211, 64, 1)", "NULL|NULL|NULL"),
            ("st_astext(st_linefromtext('LINESTRING (1 1, 2 2)'))", "LINESTRING (1 1, 2 2)"),
            ("st_astext(st_linestringfromtext('linestring(1 1,1 1,2 2 )'))", "LINESTRING (1 1, 2 2)"),
            ("st_linefromtext('LINESTRING (1 1)'), st_linefromtext('LINESTRING (1 1, 1 1)'), st_linefromtext('POINT (1 1)')", "NULL|NULL|NULL"),
            (&format!("st_astext({square})"), "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0))"),
            ("st_astext(st_polyfromtext('POLYGON ((0 0, 0 10, 10 10, 10 0, 0 0))'))", "POLYGON ((10 0, 10 10, 0 10, 0 0, 10 0))"),
            ("st_polygonfromtext('POLYGON ((0 0, 10 0, 10 10, 0 10))')", "NULL"),
            ("st_polygon('POLYGON ((0 0, 10 0, 0 0))'), st_polygon('POLYGON ((0 0, 10 10, 10 0, 0 10, 0 0))')", "NULL|NULL"),
            ("st_polygon('POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0), (20 20, 21 20, 21 21, 20 20))')", "NULL"),
            ("st_astext(st_geometryfromtext('LINESTRING (1 1, 2 2)')), st_geomfromtext('CIRCLE ((1 1), 2)')", "LINESTRING (1 1, 2 2)|NULL"),
            ("st_astext(st_geometryfromtext('POINT (1 1) x')), st_astext(''), st_astext(NULL)", "NULL|NULL|NULL"),
            ("st_distance_sphere(116.35620117, 39.939093, 116.4274406433, 39.9020987219)", "7336.913554999592"),
            ("st_distance_sphere(0, 0, 180, 0), st_distance_sphere(0, 91, 0, 0), st_distance_sphere(0, 0, 0, NULL)", "20015118.21194711|NULL|NULL"),
            (&format!("st_contains({square}, st_point(5, 5)), st_contains({square}, st_point(50, 50))"), "1|0"),
            (&format!("st_contains({square}, NULL), st_contains('x', st_point(5, 5)), st_contains(st_point(5, 5), {square})"), "NULL|NULL|0"),
            ("st_contains(st_circle(111, 64, 1000), st_point(111, 64.008)), st_contains(st_circle(111, 64, 1000), st_point(111, 64.01))", "1|0"),
        ],
    )
    .await;
    let sql = format!(
        "SELECT sum(st_contains({square}, st_point(x % 20 + 0.5, x / 20 + 0.5))) FROM TABLE(generate_series(0, 399)) g(x)"
    );
    assert_eq!(house.one(&sql).await, "100");
    let points = format!("concat('POLYGON ((', repeat('0 0, ', {}), '0 0))')", 16_384);
    check_errors(&house, &[(&format!("st_polygon({points})"), "more than 16384 points")]).await;
}

#[tokio::test]
async fn polygons_have_what_is_in_them() {
    let house = House::new();
    let ring = "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0), (4 4, 6 4, 6 6, 4 6, 4 4))";
    let square = "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0))";
    for (whole, part, expected) in [
        (ring, "POINT (5 5)", "0"),
        (ring, "POINT (3 5)", "1"),
        (ring, "LINESTRING (1 1, 3 5, 1 9)", "1"),
        (ring, "LINESTRING (1 5, 9 5)", "0"),
        (ring, "LINESTRING (1 5, 11 5)", "0"),
        (ring, "POLYGON ((1 1, 3 1, 3 3, 1 3, 1 1))", "1"),
        (ring, "POLYGON ((3 3, 7 3, 7 7, 3 7, 3 3))", "0"),
        (ring, ring, "1"),
        (ring, square, "0"),
        (square, ring, "1"),
        (square, square, "1"),
        (square, "POLYGON ((0 0, 10 0, 10 10, 0 0))", "1"),
        ("POLYGON ((0 0, 10 0, 10 10, 0 0))", square, "0"),
        (square, "POLYGON ((5 5, 15 5, 15 15, 5 15, 5 5))", "0"),
        // Over the line where days begin, and round a pole.
        ("POLYGON ((170 -10, -170 -10, -170 10, 170 10, 170 -10))", "POINT (180 0)", "1"),
        ("POLYGON ((170 -10, -170 -10, -170 10, 170 10, 170 -10))", "POINT (0 0)", "0"),
        ("POLYGON ((0 80, 120 80, -120 80, 0 80))", "POINT (10 90)", "1"),
        ("POLYGON ((0 80, 120 80, -120 80, 0 80))", "POINT (10 -90)", "0"),
        // Which way round does not matter: the smaller part is inside.
        ("POLYGON ((0 80, -120 80, 120 80, 0 80))", "POINT (50 89)", "1"),
    ] {
        let sql = format!("SELECT st_contains(st_geomfromtext('{whole}'), st_geomfromtext('{part}'))");
        assert_eq!(house.one(&sql).await, expected, "{whole} {part}");
    }
    // Four squares around one point: it is in exactly one of them, and so is a point on a side of two.
    let square = |x: i32, y: i32| {
        let (right, top) = (x + 10, y + 10);
        format!("st_contains(st_polygon('POLYGON (({x} {y}, {right} {y}, {right} {top}, {x} {top}, {x} {y}))'), g)")
    };
    let all = [square(0, 0), square(-10, 0), square(-10, -10), square(0, -10)].join(" + ");
    assert_eq!(house.one(&format!("SELECT {all} FROM (SELECT st_point(0, 0) g) t")).await, "1");
    assert_eq!(house.one(&format!("SELECT {all} FROM (SELECT st_point(0, 5) g) t")).await, "1");
}
