//! Values of different kinds in one comparison, conditions of any kind, sums of booleans, time zones, `sleep`.

use super::house::{House, column};
use crate::*;
use storage_model::DataType;

/// `t`: every kind, partitioned by `d`; a row of values, a row of others, a row of NULLs.
async fn kinds() -> House {
    let mut house = House::new();
    let columns = vec![
        column("k", DataType::Int, true, None),
        column("b", DataType::Boolean, true, None),
        column("d", DataType::Date, true, None),
        column("dt", DataType::DateTime, true, None),
        column("v", DataType::Varchar(20), true, None),
        column("m", DataType::Decimal { precision: 10, scale: 2 }, true, None),
        column("f", DataType::Double, true, None),
    ];
    // 2020-01-02, 2020-01-03, 2020-02-01.
    house.create("t", columns, Some((2, &[18_263, 18_264, 18_293])), 0, 2);
    house
        .insert(
            "INSERT INTO t VALUES (1, true, '2020-01-01', '2020-01-01 12:30:00', '2020-01-01', 1.5, 1e308), \
             (0, false, '2020-01-02', '2020-01-02 00:00:00', '5', 0, 0), (NULL, NULL, NULL, NULL, NULL, NULL, NULL), \
             (7, true, '2020-01-31', '2020-01-31 23:59:59', 'true', 2.25, -1)",
        )
        .await
        .unwrap();
    house
}

/// The k of the rows that pass, `-` for NULL.
async fn passing(house: &House, condition: &str) -> Result<String, QueryError> {
    let lines =
        house.try_ask(&format!("SELECT ifnull(CAST(k AS CHAR), '-') FROM t WHERE {condition} ORDER BY k")).await?;
    Ok(lines[1..].join(" "))
}

async fn check(house: &House, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (condition, expected) in cases {
        match passing(house, condition).await {
            Ok(found) if found == *expected => {}
            other => wrong.push(format!("{condition}: {other:?}, not {expected:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn booleans_are_one_and_zero() {
    let house = kinds().await;
    check(
        &house,
        &[
            ("b = 1", "1 7"),
            ("b = 0", "0"),
            ("0 = b", "0"),
            ("b = 2", ""),
            ("b <> 0", "1 7"),
            ("b > 0", "1 7"),
            ("b = 'true'", "1 7"),
            ("b = 'FALSE'", "0"),
            ("b = '1'", "1 7"),
            ("b = 'x'", ""),
            ("b = v", "7"),
            ("b IN (0, 1)", "0 1 7"),
            ("b IN ('true')", "1 7"),
            ("b NOT IN (0)", "1 7"),
            ("b BETWEEN 1 AND 2", "1 7"),
            ("b <=> NULL", "-"),
            ("b = k", "0 1"),
            ("b IN (SELECT k FROM t)", "0 1 7"),
            ("CASE b WHEN 1 THEN k = 7 ELSE false END", "7"),
            ("b = true", "1 7"),
        ],
    )
    .await;
    assert_eq!(house.one("SELECT sum(b), avg(b), max(b), min(b), count(b) FROM t").await, "2|0.6666666666666666|1|0|3");
    let planned = house.plan("SELECT sum(b) FROM t").await.unwrap();
    assert_eq!(planned.columns[0].data_type, ResultType::Column(DataType::BigInt));
    assert_eq!(house.one("SELECT b + 1, b * 2, -b FROM t WHERE k = 7").await, "2|2|-1");
    assert_eq!(house.one("SELECT sum(b) OVER (), sum(DISTINCT b) OVER () FROM t LIMIT 1").await, "2|1");
    assert_eq!(house.one("SELECT b, sum(b) s FROM t GROUP BY b HAVING sum(b) > 1").await, "1|2");
    assert_eq!(house.one("SELECT true = 1, 'true' = true, sum('2.5'), avg(true)").await, "1|1|2.5|1");
}

#[tokio::test]
async fn numbers_are_conditions() {
    let house = kinds().await;
    check(
        &house,
        &[
            ("k", "1 7"),
            ("NOT k", "0"),
            ("1", "- 0 1 7"),
            ("0", ""),
            ("NULL", ""),
            ("0.5", "- 0 1 7"),
            ("k AND b", "1 7"),
            ("k OR b = 0", "0 1 7"),
            ("m", "1 7"),
            ("f", "1 7"),
            ("v", "0 7"),
            ("IF(k, b, false)", "1 7"),
            ("CASE WHEN k THEN true WHEN m THEN false ELSE k IS NULL END", "- 1 7"),
            ("NOT (k AND 1)", "0"),
            ("k XOR 1", "0"),
            ("(SELECT count(*) FROM t)", "- 0 1 7"),
        ],
    )
    .await;
    assert_eq!(house.one("SELECT count(*) FROM t HAVING count(*)").await, "4");
    assert!(house.ask("SELECT count(*) c FROM t HAVING c - 4").await.len() == 1);
    assert_eq!(house.one("SELECT count(*) FROM t a JOIN t b ON a.k AND b.k").await, "4");
    assert_eq!(house.one("SELECT count(*) FROM t a LEFT JOIN t b ON 0").await, "4");
    assert_eq!(
        house.one("SELECT IF(2, 'a', 'b'), IF(NULL, 'a', 'b'), NOT 3, NOT 0.0, IF('x', 1, 2)").await,
        "a|b|0|1|2"
    );
}

#[tokio::test]
async fn times_are_compared_with_texts_and_numbers() {
    let house = kinds().await;
    check(
        &house,
        &[
            ("d = 20200101", "1"),
            ("d = '20200101'", "1"),
            ("d = '2020-1-1'", "1"),
            ("d = '2020-01-01 00:00:00'", "1"),
            ("d = 200101", "1"),
            ("d >= '2020-1-2'", "0 7"),
            ("20200102 <= d", "0 7"),
            ("d < '2020-01-01 00:00:01'", "1"),
            ("d = '2020-01-01 12:00:00'", ""),
            ("d IN (20200101, '2020-1-31', 'x')", "1 7"),
            ("d NOT IN (20200101, '2020-1-31')", "0"),
            ("d BETWEEN 20200102 AND '20200131'", "0 7"),
            ("d = 'no date'", ""),
            ("d <> 'no date'", ""),
            ("d = '2020-02-30'", ""),
            ("d = 20201301", ""),
            ("d = 5", ""),
            ("d = NULL", ""),
            ("d = v", "1"),
            ("d = CAST(20200101 AS BIGINT) + 0", "1"),
            ("dt = 20200101123000", "1"),
            ("dt = '20200101123000'", "1"),
            ("dt = '2020-1-1 12:30'", "1"),
            ("dt = 20200102", "0"),
            ("dt > '2020-01-31'", "7"),
            ("dt IN ('2020-01-02', 20200131235959)", "0 7"),
            ("dt BETWEEN '2020-1-1' AND 20200102", "0 1"),
            ("dt = d", "0"),
            ("dt > d AND dt < '2020-01-02'", "1"),
            ("dt >= v", "1"),
            ("CASE d WHEN 20200101 THEN true ELSE false END", "1"),
            ("d LIKE '2020-01-3%'", "7"),
            ("k LIKE '7'", "7"),
            ("k = '7'", "7"),
            ("k = '7.0'", "7"),
            ("k = 'x'", ""),
            ("k = '1e0'", "1"),
            ("k IN ('7', 1, 'x')", "1 7"),
            ("v = 5", "0"),
            ("v IN ('true', 5)", "0 7"),
            ("m = '1.50'", "1"),
            ("k BETWEEN '1' AND '7'", "1 7"),
        ],
    )
    .await;
    assert_eq!(
        house.one("SELECT '2020-01-01' = 20200101, DATE '2020-01-01' = 20200101, now() > 'x'").await,
        "NULL|1|NULL"
    );
}

#[tokio::test]
async fn partitions_are_pruned_by_what_a_constant_means() {
    let house = kinds().await;
    for (condition, partitions) in [
        ("d = 20200101", "1/3"),
        ("d = '20200101'", "1/3"),
        ("d >= '2020-1-3'", "1/3"),
        ("d IN (20200101, '2020-1-31')", "2/3"),
        ("d BETWEEN 20200101 AND '2020-1-1'", "1/3"),
        ("d <= '2020-01-01 12:00:00'", "1/3"),
        ("k AND d = 20200101", "1/3"),
        ("IF(d = 20200101, k, 0)", "3/3"),
    ] {
        let statement = super::house::statement(&format!("SELECT count(*) FROM t WHERE {condition}"));
        let runtime_sql::Statement::Query(query) = statement else { panic!("not a query") };
        let text = explain(&house.context(), &query).await.unwrap().join("\n");
        assert!(text.contains(&format!("partitions={partitions}")), "{condition}\n{text}");
    }
}

#[tokio::test]
async fn ordinary_calls() {
    let house = kinds().await;
    let mut wrong = Vec::new();
    for (sql, expected) in [
        ("CAST(20200101 AS DATE)", "2020-01-01"),
        ("CAST(20200101123000 AS DATETIME)", "2020-01-01 12:30:00"),
        ("CAST('2020-1-2' AS DATE)", "2020-01-02"),
        ("CAST('x' AS DATE)", "NULL"),
        ("year(20200101)", "2020"),
        ("date(20200101)", "2020-01-01"),
        ("last_day('2020-02-03')", "2020-02-29"),
        ("to_days('2020-01-01')", "737790"),
        ("from_days(737790)", "2020-01-01"),
        ("weekday('2020-01-01')", "2"),
        ("hours_diff('2020-01-02', '2020-01-01')", "24"),
        ("months_diff('2020-03-31', '2020-01-01')", "2"),
        ("timediff('2020-01-02 00:00:30', '2020-01-01 22:00:00')", "02:00:30"),
        ("timediff('2020-01-01', '2020-01-02')", "-24:00:00"),
        ("time_format('12:34:56', '%H:%i %p')", "12:34 PM"),
        ("time_format(timediff(now(), convert_tz(now(), 'UTC', '+00:00')), '%H:%i')", "00:00"),
        ("concat('[', space(2), ']')", "[  ]"),
        ("sign(-3)", "-1"),
        ("bitand(6, 3)", "2"),
        ("bitor(6, 3)", "7"),
        ("bitxor(6, 3)", "5"),
        ("bitnot(0)", "-1"),
        ("~5", "-6"),
        ("char(65)", "A"),
        ("sha2('a', 256)", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("split('a,b', ',')", "[\"a\",\"b\"]"),
        ("2 IS TRUE", "1"),
        ("0 IS NOT FALSE", "0"),
        ("CASE WHEN 1 THEN 'x' ELSE true END", "x"),
        ("CASE WHEN 0 THEN 'x' ELSE 2 END", "2"),
        ("CASE WHEN 0 THEN 5 ELSE true END", "1"),
        ("ifnull(true, 0)", "1"),
    ] {
        match house.try_ask(&format!("SELECT {sql}")).await {
            Ok(lines) if lines[1..] == [expected] => {}
            other => wrong.push(format!("{sql}: {other:?}, not {expected}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(house.one("SELECT count(DISTINCT b, v), count(DISTINCT b) FROM t").await, "3|2");
    assert_eq!(house.one("SELECT group_concat(ifnull(b, 0) ORDER BY k) FROM t").await, "0,0,1,1");
    assert_eq!(house.one("SELECT CASE WHEN k THEN 'x' ELSE b END FROM t WHERE k = 0").await, "0");
}

#[tokio::test]
async fn arithmetic_at_its_ends() {
    let house = kinds().await;
    for (sql, expected) in [
        ("1e308 * 10", "inf"),
        ("9223372036854775807 + 1", "-9223372036854775808"),
        ("5 DIV 0", "NULL"),
        ("5 % 0", "NULL"),
        ("mod(5, 0)", "NULL"),
        ("5 / 0", "NULL"),
        ("5.0 / 0", "NULL"),
        ("1e0 / 0", "NULL"),
        ("5.5 DIV 0.0", "NULL"),
        ("-7 DIV 2", "-3"),
        ("-7 % 3", "-1"),
    ] {
        assert_eq!(house.one(&format!("SELECT {sql}")).await, expected, "{sql}");
    }
    assert_eq!(
        house.one("SELECT k DIV 0, k % 0, m / 0, f % 0, b / 0, f * 10 FROM t WHERE k = 1").await,
        "NULL|NULL|NULL|NULL|NULL|inf"
    );
}

#[tokio::test]
async fn table_functions_name_their_columns() {
    let house = House::new();
    assert_eq!(house.ask("SELECT * FROM TABLE(generate_series(1, 2))").await, ["generate_series", "1", "2"]);
    assert_eq!(house.ask("SELECT * FROM TABLE(generate_series(1, 2)) AS t").await, ["generate_series", "1", "2"]);
    assert_eq!(house.ask("SELECT * FROM TABLE(generate_series(1, 2)) AS t(X)").await, ["X", "1", "2"]);
    assert_eq!(
        house.ask("SELECT x + 1 y FROM TABLE(generate_series(1, 5, 2)) t(x) WHERE x > 1").await,
        ["y", "4", "6"]
    );
    assert_eq!(
        house.ask("SELECT t.generate_series FROM TABLE(generate_series(3, 3)) t").await,
        ["generate_series", "3"]
    );
    assert_eq!(house.one("SELECT count(*) FROM TABLE(generate_series(1, 0))").await, "0");
}

#[tokio::test]
async fn clocks_of_the_session() {
    let mut house = House::new();
    for (zone, now, at_new_year) in [
        ("+08:00", "2015-09-12 18:20:30", "1420041600"),
        ("Asia/Shanghai", "2015-09-12 18:20:30", "1420041600"),
        ("UTC", "2015-09-12 10:20:30", "1420070400"),
        // Summer when it is asked, winter in what is asked about.
        ("Europe/Berlin", "2015-09-12 12:20:30", "1420066800"),
    ] {
        house.time_zone = zone.to_owned();
        let asked = "SELECT now(), current_timestamp, unix_timestamp(), unix_timestamp('2015-01-01 00:00:00'), \
                     from_unixtime(1442053230), curdate()";
        let expected = format!("{now}|{now}|1442053230|{at_new_year}|{now}|2015-09-12");
        assert_eq!(house.one(asked).await, expected, "{zone}");
        assert_eq!(house.one(&format!("SELECT from_unixtime({at_new_year})")).await, "2015-01-01 00:00:00", "{zone}");
    }
    house.create("at", vec![column("dt", DataType::DateTime, true, None)], None, 0, 1);
    house.insert("INSERT INTO at VALUES ('2020-01-01 00:00:00')").await.unwrap();
    house.time_zone = "+08:00".to_owned();
    assert_eq!(house.one("SELECT dt FROM at").await, "2020-01-01 00:00:00", "wall time stays as it was typed");
    let created = "SELECT create_time FROM information_schema.tables WHERE table_name = 'at'";
    assert!(house.one(created).await.starts_with("2015-09-12 18:20:30"));
    let converted =
        "SELECT convert_tz('2015-07-01 00:00:00', 'UTC', 'Europe/Berlin'), convert_tz('2015-07-01', 'UTC', 'Mars/x')";
    assert_eq!(house.one(converted).await, "2015-07-01 02:00:00|NULL");
}

#[tokio::test]
async fn sleep_is_true_and_can_be_given_up() {
    let house = kinds().await;
    assert_eq!(house.one("SELECT sleep(0), sleep(-1), sleep(NULL)").await, "1|1|NULL");
    assert_eq!(house.one("SELECT count(*) FROM t WHERE sleep(0)").await, "4");
    assert_eq!(house.one("SELECT sleep(k - 7) FROM t WHERE k = 7").await, "1");
    let long = house.plan("SELECT sleep(100000), sleep(k * 100000) FROM t WHERE k = 7").await.unwrap();
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), house.run(&long)).await;
    assert!(waited.is_err(), "it came back at once: {waited:?}");
}

#[tokio::test]
async fn computed_tables_are_listed_as_system_views() {
    let house = House::new();
    let listed = "SELECT table_name FROM information_schema.tables \
                  WHERE table_schema = 'information_schema' AND table_type = 'SYSTEM VIEW'";
    let names = house.ask(listed).await;
    for table in information_schema_tables() {
        assert!(names.iter().any(|name| name == table), "{table}: {names:?}");
    }
    let columns = "SELECT column_name, data_type FROM information_schema.columns \
                   WHERE table_schema = 'information_schema' AND table_name = 'schemata' ORDER BY ordinal_position";
    assert_eq!(house.ask(columns).await[1], "CATALOG_NAME|varchar");
}
