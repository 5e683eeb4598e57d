//! Queries and expressions, as they reach sqlparser and come back.

use super::{message, one, only, printed};
use crate::Statement;
use crate::statement::ExplainLevel;

#[test]
fn literals_and_operators_follow_mysql() {
    for (sql, expected) in [
        ("select \"a\", 'b'", "SELECT 'a', 'b'"),
        (r"select 'it\'s', 'a''b', '\\', '\n'", "SELECT 'it''s', 'a''b', '\\', '\n'"),
        ("select 'a' 'b', \"c\" \"d\"", "SELECT 'a' AS 'b', 'c' AS 'd'"),
        ("select _utf8mb4'x', BINARY 'y'", "SELECT 'x', 'y'"),
        ("select x'1F', 0x1f", "SELECT X'1F', X'1f'"),
        ("select 1e5, .5, 1., 1.5e-3", "SELECT 1e5, .5, 1., 1.5e-3"),
        ("select a || b && !c", "SELECT a OR b AND NOT c"),
        ("select 7 div 2 + 1", "SELECT 7 DIV 2 + 1"),
        ("select a mod b, mod(a, b), mod from t", "SELECT a % b, mod(a, b), mod FROM t"),
        ("select a <=> b, a <> b, a != b", "SELECT a <=> b, a <> b, a <> b"),
        ("select 1--1\n+2", "SELECT 1 + 2"),
        ("select 1 # one\n", "SELECT 1"),
        ("select 1 /* one */ + /**/ 2", "SELECT 1 + 2"),
        ("select 2*/*x*/3", "SELECT 2 * 3"),
        ("select /*!40001 SQL_NO_CACHE */ a from t", "SELECT a FROM t"),
        ("select /*!99999 nonsense */ 1", "SELECT 1"),
        ("select /*M!100100 nonsense */ 1", "SELECT 1"),
        (
            "select date '2020-01-01', date_add(d, interval 1 day)",
            "SELECT DATE '2020-01-01', date_add(d, INTERVAL 1 DAY)",
        ),
        ("select convert(a, char), convert(a using utf8)", "SELECT CAST(a AS CHAR), (a)"),
        ("select a from t minus select b from u", "SELECT a FROM t EXCEPT SELECT b FROM u"),
        ("select 1 from dual", "SELECT 1"),
        ("select @@version_comment limit 1", "SELECT @@version_comment LIMIT 1"),
        ("select @@session.sql_mode, @x, @`y z`", "SELECT @@session.sql_mode, @x, @y z"),
        ("select 2024_t.1c from db.2024_t", "SELECT 2024_t.1c FROM db.2024_t"),
        ("select a from t limit 5, 10", "SELECT a FROM t LIMIT 5, 10"),
        ("select a from t for update", "SELECT a FROM t"),
        ("select 'a' as \"x\", 'b' as `y`", "SELECT 'a' AS 'x', 'b' AS `y`"),
        ("select * from a join [broadcast] b on true", "SELECT * FROM a JOIN b ON true"),
        ("select sum(a) over ([skewed] order by b), [1], a[1]", "SELECT sum(a) OVER (ORDER BY b), [1], a[1]"),
        ("select ~a + b, -a ^ b", "SELECT ~a + b, -a ^ b"),
    ] {
        assert_eq!(printed(sql), expected, "{sql}");
    }
}

/// The tree and not only its print: what binds to what.
#[test]
fn operators_bind_as_in_mysql() {
    use sqlparser::ast::{BinaryOperator, Expr, SelectItem, SetExpr};
    for (sql, top) in [
        ("7 div 2 + 1", BinaryOperator::Plus),
        ("1 + 7 div 2", BinaryOperator::Plus),
        ("8 div 4 div 2", BinaryOperator::MyIntegerDivide),
        ("!a = b", BinaryOperator::Eq),
        ("a or b and c", BinaryOperator::Or),
        ("a || b && c", BinaryOperator::Or),
        ("a & b = c", BinaryOperator::Eq),
        ("a << 1 + 2", BinaryOperator::PGBitwiseShiftLeft),
        ("a * b ^ c", BinaryOperator::Multiply),
        ("a = 1 xor b = 2", BinaryOperator::Xor),
        ("@a := b = c", BinaryOperator::Assignment),
        ("not a = b and c", BinaryOperator::And),
    ] {
        let Statement::Query(query) = one(&format!("select {sql}")) else { panic!("{sql}") };
        let SetExpr::Select(select) = *query.body else { panic!("{sql}") };
        let SelectItem::UnnamedExpr(Expr::BinaryOp { op, .. }) = &select.projection[0] else {
            panic!("{sql}: {:?}", select.projection[0])
        };
        assert_eq!(*op, top, "{sql}");
    }
}

#[test]
fn queries_that_analysts_write_are_read() {
    for sql in [
        "SELECT * FROM source_wiki_edit",
        "select user, date, status, snapshot, type, version, location, cluster, volume, storage, image from t",
        "select t.user, t.date, t.interval, t.order, t.group, t.select from t",
        "select user from user where date > '2020-01-01' and status = 1 group by user, type order by version",
        "select count(*), sum(a) filter (where b > 1) from t group by rollup(a, b)",
        "select a, b, count(*) from t group by grouping sets ((a), (b), ())",
        "select a from t group by cube(a, b) having count(*) > 1",
        "select a, row_number() over (partition by b order by c desc) rn from t qualify rn = 1",
        "select sum(x) over (order by y rows between unbounded preceding and current row) from t",
        "select group_concat(a), group_concat(distinct a order by b separator ';') from t",
        "select group_concat(a order by b desc separator ',') from t",
        "select case a when 1 then 'x' else 'y' end, case when a > 1 then 2 end from t",
        "select if(a, b, c), ifnull(a, b), coalesce(a, b), left(a, 1), right(a, 2), replace(a, 'x', 'y') from t",
        "select cast(a as signed), cast(a as string), cast(a as largeint), cast(a as decimal(10, 2)) from t",
        "select substring(a, 1, 2), substr(a from 2), trim(both ' ' from a), position('x' in a), char(65) from t",
        "select extract(year from d), year(d), date(d), time(d), timestampdiff(day, a, b), now() from t",
        "select current_timestamp, current_timestamp(), current_date, current_user(), current_user from t",
        "select truncate(1.2, 1), floor(a), ceil(a), ceiling(a), floor, ceil from t",
        "select * from a join b on a.x = b.x left join c using (y) cross join d right outer join e on true, f",
        "select * from a left semi join b on a.x = b.x left anti join c on a.x = c.x full outer join d on a.x = d.x",
        "select * from (select 1 a union all select 2) t where a in (select a from u) and exists (select 1 from v)",
        "with x as (select 1), y(a, b) as (select 1, 2) select * from x, y",
        "with recursive x as (select 1 n union all select n + 1 from x where n < 5) select * from x",
        "select a from t union select b from u intersect select c from v except select d from w order by 1 limit 3",
        "(select 1) union all (select 2) order by 1",
        "((select 1))",
        "select * from ((select 1 a) union (select 2)) t",
        "select * from ((select 1 a) x join (select 1 a) y on x.a = y.a)",
        "values (1, 'a'), (2, 'b')",
        "select * from (values (1, 'a')) t(x, y)",
        "select a from t where a like 'x%' and b not like '_' and c rlike 'x' and d regexp 'y' and e not in (1, 2)",
        "select a from t where a between 1 and 2 and b is not null and c is true and not d",
        "select a from t where d >= date_sub(now(), interval 7 day) and d < '2020-01-01' + interval 1 month",
        "select distinct a from t order by a desc nulls last limit 10 offset 5",
        "select * from default_catalog.db.t as x",
        "select `select`, `from` from `table`.`where`",
        "select * exclude (a) from t",
        "select lag(a, 1, 0) over w, first_value(a ignore nulls) over (order by b) from t window w as (order by b)",
        "select [1, 2, 3], array<int>[1, 2], a[1], map{1: 2}, array_map(x -> x + 1, [1, 2]) from t",
        "select a.b.c.d from t",
        "select bitmap_union_count(x), approx_count_distinct(x), percentile_approx(x, 0.5) from t",
        "select * from table(generate_series(1, 10))",
        "select 'ä', \"日本\", 列 from 表",
    ] {
        assert!(matches!(one(sql), Statement::Query(_)), "{sql}");
    }
}

#[test]
fn a_statement_comes_with_its_text_and_its_hints() {
    let parsed = crate::parse(" ; select 1 ;; -- x\n /* y */ show databases;\n").unwrap();
    assert_eq!(parsed.iter().map(|p| p.text.as_str()).collect::<Vec<_>>(), ["select 1", "show databases"]);

    let hinted = only("SELECT /*+ SET_VAR(query_timeout = 1, enable_spill = true) */ a FROM t");
    assert_eq!(hinted.hints.iter().map(|h| h.name.as_str()).collect::<Vec<_>>(), ["query_timeout", "enable_spill"]);
    assert_eq!(hinted.text, "SELECT /*+ SET_VAR(query_timeout = 1, enable_spill = true) */ a FROM t");
    assert_eq!(only("/*+ SET_VAR(a=1) */ select 1").hints.len(), 1);
    let two = crate::parse("select /*+ SET_VAR(a=1) */ 1; select 2").unwrap();
    assert_eq!((two[0].hints.len(), two[1].hints.len()), (1, 0));
    // Read twice on the way, told once.
    assert_eq!(only("insert /*+ SET_VAR(a=1) */ into t values (/*+ SET_VAR(b=1) */ f(1), 2)").hints.len(), 2);
}

#[test]
fn texts_read_back_as_the_same_statement() {
    for sql in [
        "/*!40100 SET @@SQL_MODE='' */",
        "/*!40101 SET NAMES utf8 */; ",
        "show /*!32332 FULL */ columns from `t`",
        "/*!50000 show */ databases",
        "show /*!50000 databases */",
        "select /*!50000 1 /*+ SET_VAR(a=1) */ + a.b */ , '/*!'",
        "  select 'a;b' ; ",
    ] {
        let first = only(sql);
        let second = only(&first.text);
        assert_eq!(first.statement, second.statement, "{sql} became {}", first.text);
        assert_eq!(first.hints, second.hints, "{sql}");
    }
}

#[test]
fn explain_knows_what_it_explains() {
    let level = |sql: &str| match one(sql) {
        Statement::Explain { level, statement } => (level, statement.statement_kind()),
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(level("explain select 1"), (ExplainLevel::Normal, "select"));
    assert_eq!(level("desc select 1"), (ExplainLevel::Normal, "select"));
    assert_eq!(level("EXPLAIN ANALYZE with x as (select 1) select * from x"), (ExplainLevel::Analyze, "select"));
    assert_eq!(level("explain verbose insert into t values (1)"), (ExplainLevel::Verbose, "insert values"));
    assert_eq!(level("explain costs insert into t select 1"), (ExplainLevel::Costs, "insert select"));
    assert_eq!(level("explain insert overwrite t select 1"), (ExplainLevel::Normal, "insert overwrite"));
    assert_eq!(level("desc delete from t where a = 1"), (ExplainLevel::Normal, "delete"));
    assert_eq!(level("explain logical (select 1)"), (ExplainLevel::Logical, "select"));
    assert_eq!(level("explain scheduler select 1"), (ExplainLevel::Scheduler, "select"));
    assert!(message("explain explain select 1").contains("'explain'"));
}

#[test]
fn a_query_only_reads() {
    for sql in [
        "with x as (select 1) insert into t select * from x",
        "select * from (delete from t where a = 1) x",
        "select * into u from t",
    ] {
        assert!(crate::parse(sql).is_err(), "{sql}");
    }
    assert!(matches!(one("with x as (select 1) delete from t"), Statement::Delete(_)));
    assert!(matches!(one("with x (update) as (select 1) update t set a = 1"), Statement::Update(_)));
    assert!(matches!(one("select 1 into outfile 's3://b/x'"), Statement::Unsupported { .. }));
}
