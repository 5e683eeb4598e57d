//! IN over a query, ANY and ALL against an oracle that knows three values and nothing else.

mod oracle;

use super::house::{House, column, wiki};
use crate::*;
use oracle::{Condition, Data, Draw, Place};
use storage_model::DataType;

/// What is refused is refused in these words.
pub(super) const REFUSED: &str =
    "not supported: IN, ANY or ALL, at this place, over a query that refers to columns outside";

/// `t` and `u` with these rows.
async fn house(data: &Data) -> House {
    let mut house = House::new();
    let int = |name: &str, nullable| column(name, DataType::Int, nullable, None);
    house.create("t", vec![int("id", false), int("a", true), int("b", true), int("c", false)], None, 0, 2);
    house.create("u", vec![int("k", true), int("n", true), int("m", false)], None, 2, 2);
    for (table, rows) in [("t", &data.t), ("u", &data.u)] {
        let rows: Vec<_> = rows.iter().map(|row| oracle::row(row)).collect();
        if !rows.is_empty() {
            house.insert(&format!("INSERT INTO {table} VALUES {}", rows.join(", "))).await.unwrap();
        }
    }
    house
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// What the house answers; None: it refuses in its own words.
async fn answer(house: &House, place: Place, condition: &Condition) -> Result<Option<Vec<String>>, QueryError> {
    let answered = match place {
        Place::Delete => house.delete(&place.sql(condition)).await.map(|(found, rest)| {
            let found = found.first().map_or("0", |found| found.rsplit(' ').next().unwrap());
            let ids = rest.iter().map(|row| row.split('|').next().unwrap().to_owned());
            let mut lines = vec![format!("{found} found")];
            // Where nothing is found nothing is written.
            lines.extend(ids.filter(|_| found != "0"));
            lines
        }),
        other => house.try_ask(&other.sql(condition)).await.map(|lines| lines[1..].to_vec()),
    };
    match answered {
        Ok(lines) => Ok(Some(sorted(lines))),
        Err(error) if error.message.contains(REFUSED) => Ok(None),
        Err(error) => Err(error),
    }
}

#[tokio::test]
async fn drawn_conditions_are_answered_as_the_oracle_does() {
    let seed = 20_150_912;
    let mut draw = Draw::new(seed);
    let (mut answered, mut refused, mut wrong) = (0, 0, Vec::new());
    for data in Data::samples(&mut draw) {
        let house = house(&data).await;
        for number in 0..72 {
            let condition = draw.condition(2);
            let place = Place::ALL[number % Place::ALL.len()];
            let expected = sorted(oracle::answer(&data, place, &condition));
            let sql = place.sql(&condition);
            match answer(&house, place, &condition).await {
                Ok(Some(given)) if given == expected => answered += 1,
                Ok(None) if condition.names_outside() => refused += 1,
                other => wrong.push(format!("{sql}\n  {other:?}, not {expected:?}\n  {data:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "seed {seed}: {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(answered >= 350 && refused < answered / 3, "{answered} answered, {refused} refused");
}

fn small() -> Data {
    let row = |cells: &[i64]| cells.iter().map(|cell| (*cell >= 0).then_some(*cell)).collect();
    Data {
        t: vec![row(&[0, -1, 1, 0]), row(&[1, 1, 2, 1]), row(&[2, 2, -1, 2]), row(&[3, 3, 3, 3])],
        u: vec![row(&[1, 1, 0]), row(&[-1, -1, 1]), row(&[3, 3, 2])],
    }
}

#[tokio::test]
async fn null_leaves_open_what_is_not_found() {
    let house = house(&small()).await;
    for (condition, ids) in [
        ("a NOT IN (SELECT n FROM u)", ""),
        ("a NOT IN (SELECT n FROM u WHERE n IS NOT NULL)", "2"),
        ("a NOT IN (SELECT n FROM u WHERE m > 100)", "0 1 2 3"),
        ("5 NOT IN (SELECT n FROM u WHERE n IS NULL OR n = 9)", ""),
        ("5 NOT IN (SELECT n FROM u WHERE n = 3)", "0 1 2 3"),
        ("NULL NOT IN (SELECT m FROM u)", ""),
        ("NULL NOT IN (SELECT m FROM u WHERE m > 100)", "0 1 2 3"),
        ("nullif(c, 1) NOT IN (SELECT m FROM u WHERE m > 0)", "0 3"),
        ("id = 1 OR NOT (a IN (SELECT n FROM u))", "1"),
        ("id = 1 OR a NOT IN (SELECT n FROM u WHERE n = 3)", "1 2"),
        ("a <> ALL (SELECT n FROM u WHERE n = 3)", "1 2"),
        ("(a IN (SELECT n FROM u)) IS NULL", "0 2"),
        ("(a IN (SELECT n FROM u WHERE n = 1)) = false", "2 3"),
        ("a NOT IN (SELECT n FROM u WHERE u.k = t.b)", "1 2"),
        ("a NOT IN (SELECT n FROM u WHERE u.m < t.c)", "0"),
        ("(c = 0) NOT IN (SELECT n = 1 FROM u WHERE n = 3)", "0"),
        ("0 IN (SELECT count(*) FROM u WHERE u.k = t.b)", "1 2"),
        ("(a IN (SELECT n FROM u)) IN (SELECT m = 0 FROM u)", "1 3"),
        ("a NOT IN (SELECT n FROM u UNION ALL SELECT 7)", ""),
        ("id IN (SELECT k FROM u WHERE n NOT IN (SELECT b FROM t WHERE b < 3))", "3"),
    ] {
        let lines = house.ask(&format!("SELECT id FROM t WHERE {condition} ORDER BY id")).await;
        assert_eq!(lines[1..].join(" "), ids, "{condition}");
    }
}

#[tokio::test]
async fn every_clause_may_ask() {
    let mut house = house(&small()).await;
    for (sql, expected) in [
        ("SELECT sum(CASE WHEN a NOT IN (SELECT n FROM u WHERE n = 1) THEN 1 ELSE 0 END) FROM t", "2"),
        ("SELECT id FROM t ORDER BY a IN (SELECT n FROM u), id", "0 2 1 3"),
        ("SELECT a IN (SELECT n FROM u) x, count(*) FROM t GROUP BY a IN (SELECT n FROM u) ORDER BY x", "NULL|2 1|2"),
        ("SELECT id, a NOT IN (SELECT n FROM u WHERE u.k = t.b) FROM t ORDER BY id", "0|NULL 1|1 2|1 3|0"),
        ("SELECT max(a) NOT IN (SELECT n FROM u WHERE n = 1) FROM t", "1"),
        ("SELECT 5 NOT IN (SELECT n FROM u), 5 IN (SELECT 5), NULL IN (SELECT NULL)", "NULL|1|NULL"),
        ("SELECT t.id FROM t LEFT JOIN u ON u.m = t.c AND t.a NOT IN (SELECT n FROM u) ORDER BY t.id", "0 1 2 3"),
    ] {
        assert_eq!(house.ask(sql).await[1..].join(" "), expected, "{sql}");
    }
    let copy = "INSERT INTO t SELECT id + 10, a, b, c FROM t WHERE";
    assert_eq!(house.insert(&format!("{copy} 5 NOT IN (SELECT n FROM u)")).await.unwrap(), 0);
    assert_eq!(house.insert(&format!("{copy} id = 1 OR a NOT IN (SELECT n FROM u)")).await.unwrap(), 1);
    let wiki = wiki().await;
    let texts = wiki
        .ask("SELECT user, user IN (SELECT user FROM wiki WHERE delta > 3) FROM wiki WHERE delta < 4 ORDER BY delta")
        .await;
    assert_eq!(texts[1..].join(" "), "eve|0 ann|1 bob|1 cid|0");
    let times =
        wiki.one("SELECT count(*) FROM wiki WHERE NOT (event_time IN (SELECT event_time FROM wiki) OR delta = 1)");
    assert_eq!(times.await, "0");
}

#[tokio::test]
async fn what_cannot_be_joined_rightly_is_refused() {
    let house = house(&small()).await;
    for condition in [
        "a NOT IN (SELECT n FROM u WHERE u.k = t.b ORDER BY n LIMIT 1)",
        "a IN (SELECT n FROM u WHERE u.k = t.b LIMIT 1)",
        "a IN (SELECT row_number() OVER (ORDER BY n) FROM u WHERE u.k = t.b)",
        "a IN (SELECT count(*) FROM u WHERE u.k = t.b HAVING count(*) = 0)",
        "a = ANY (SELECT n FROM u WHERE u.k = t.b LIMIT 1)",
    ] {
        let error = house.error(&format!("SELECT id FROM t WHERE {condition}")).await;
        assert!(error.code == 1064 && error.message.contains(REFUSED), "{condition}: {error}");
    }
}

#[tokio::test]
async fn what_the_engine_knows_stays_a_join() {
    let house = house(&small()).await;
    for (condition, join) in [
        ("a IN (SELECT n FROM u)", "Semi"),
        ("a IN (SELECT n FROM u WHERE u.k = t.b)", "Semi"),
        ("a IN (SELECT n FROM u) AND b > 0", "Semi"),
        ("c NOT IN (SELECT m FROM u)", "Anti"),
        ("a NOT IN (SELECT n FROM u)", "null_aware"),
        ("a NOT IN (SELECT n FROM u WHERE u.k = t.b)", "Anti"),
        ("id = 1 OR a IN (SELECT n FROM u)", "Mark"),
        ("id = 1 OR c NOT IN (SELECT m FROM u)", "Mark"),
    ] {
        let planned = house.plan(&format!("SELECT id FROM t WHERE {condition}")).await.unwrap();
        let plan = explain_planned(&planned).join("\n");
        assert!(plan.contains(join) && plan.contains("HashJoinExec") && !plan.contains("__any"), "{condition}\n{plan}");
    }
}
