//! Text that is meant to hurt: deep, long, random.

use super::message;
use crate::statement::InsertSource;
use crate::{Statement, parse};

/// As small as the stacks of the threads that will parse.
const STACK_BYTES: usize = 2 << 20;

/// Runs where an overflow would be seen: on the stack of a worker.
fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap();
    worker.join().unwrap();
}

/// What opens a level, what is innermost, what closes a level.
const NESTS: &[(&str, &str, &str)] = &[
    ("(", "1", ")"),
    ("f(", "1", ")"),
    ("[", "1", "]"),
    ("case when ", "1", " then 1 end"),
    ("not ", "1", ""),
    ("- ", "1", ""),
    ("~", "1", ""),
    ("!", "1", ""),
    ("cast(", "1", " as int)"),
    ("interval ", "1", " day"),
    ("exists (select ", "1", ")"),
    ("(select ", "1", ")"),
    ("(select * from ", "t", ")"),
    ("a.", "b", ""),
    ("x -> ", "1", ""),
    ("map{1: ", "1", "}"),
    ("struct(", "1", ")"),
    ("binary ", "'1'", ""),
    ("a in (", "1", ")"),
    ("ceil(", "1", ")"),
    ("(select a from t where b in ", "(1)", ")"),
    ("(select * from (select 1) x join ", "t", " on true)"),
    ("exists (select * from t where ", "1", ")"),
    ("(select 1 union all ", "select 1", ")"),
    ("(with x as (select 1) select ", "1", ")"),
    ("sum(case when a > (select ", "1", ") then b else c end) over (partition by d)"),
];

/// Every tree that is let through can be copied, compared, bound and dropped where it was parsed.
#[test]
fn what_is_nested_and_read_fits_the_stack() {
    on_small_stack(|| {
        for (open, middle, close) in NESTS {
            let mut read = 0;
            for depth in (1..=130).step_by(10) {
                for before in ["select ", "select * from ", "select a from t where ", "insert into t values (1), ("] {
                    let after = if before.ends_with('(') { ")" } else { "" };
                    let sql = format!("{before}{}{middle}{}{after}", open.repeat(depth), close.repeat(depth));
                    let Ok(mut parsed) = parse(&sql) else { continue };
                    read += 1;
                    assert!(parsed == parsed.clone());
                    crate::bind(&mut parsed[0].statement, &[]).unwrap();
                }
            }
            assert!(read > 2, "{open}: only {read} were read");
        }
    });
}

#[test]
fn nesting_ends_in_an_error() {
    on_small_stack(|| {
        for (open, middle, close) in NESTS {
            for depth in [10_000, 100_000] {
                let sql = format!("select {}{middle}{}", open.repeat(depth), close.repeat(depth));
                assert!(parse(&sql).is_err(), "{open} x {depth}");
                assert!(parse(&format!("select {}", open.repeat(depth))).is_err(), "{open} x {depth}, open");
                let values = format!("insert into t values ({}{middle}{})", open.repeat(depth), close.repeat(depth));
                assert!(parse(&values).is_err(), "{open} x {depth} in VALUES");
            }
        }
        for (open, middle, close) in
            [("(", "t", ")"), ("(select * from ", "t", ") x"), ("((select * from ", "t", ") x)")]
        {
            let sql = format!("select * from {}{middle}{}", open.repeat(50_000), close.repeat(50_000));
            assert!(parse(&sql).is_err(), "{open}");
        }
        let array = |depth: usize| format!("select cast(a as {}int{})", "array<".repeat(depth), ">".repeat(depth));
        for depth in [1, 2, 14] {
            assert!(parse(&array(depth)).is_ok_and(|p| p == p.clone()), "{depth}");
        }
        assert!(parse(&array(40)).is_err() && parse(&array(60)).is_err() && parse(&array(100_000)).is_err());
        assert!(parse(&"(".repeat(1_000_000)).is_err());
        assert!(parse(&"explain ".repeat(100_000)).is_err());
        assert!(parse(&"/*!50000 ".repeat(100_000)).is_err());
        assert!(message(&format!("select {}1{}", "(".repeat(5000), ")".repeat(5000))).contains("nested too deeply"));
    });
}

#[test]
fn chains_end_in_an_error_or_fit_the_stack() {
    on_small_stack(|| {
        for link in
            ["+1", " or 1", " and a = 1", " is null", "::int", "[1]", " div 1", " mod 1", " like 'x'", " in (1)"]
        {
            for length in [100, 190, 1000, 5_000, 11_000, 100_000] {
                if let Ok(mut parsed) = parse(&format!("select a{}", link.repeat(length))) {
                    // Whoever holds the tree copies, walks and drops it.
                    let copy = parsed.clone();
                    assert!(parsed == copy);
                    let _ = crate::bind(&mut parsed[0].statement, &[]);
                    assert!(length < 100_000, "{link}");
                }
            }
        }
        for link in [" union select 1", " union all (select 1)", " join t on a", ", t", " minus select 1"] {
            for length in [1000, 50_000] {
                let sql = format!("select 1 from t{}", link.repeat(length));
                if let Ok(parsed) = parse(&sql) {
                    drop(parsed.clone());
                }
            }
        }
    });
}

/// What analysts and programs really write is within the limits.
#[test]
fn limits_are_out_of_the_way() {
    on_small_stack(|| {
        let nested = format!("select {}1{}", "(".repeat(60), ")".repeat(60));
        let calls = format!("select {}a{}", "coalesce(".repeat(60), ", 1)".repeat(60));
        let subqueries = format!("select * from {}t{}", "(select * from ".repeat(20), ") x".repeat(20));
        let list = format!("select * from t where a in ({}1)", "'0123456789',".repeat(100_000));
        let ors = format!("select * from t where a = 0{} and b", " or a = 1".repeat(5000));
        let concat = format!("select a{}", " + b".repeat(150));
        let unions = format!("select 1 a{}", " union all select 1, 'x' from t where a > 5".repeat(1500));
        let columns = format!("select a{}", ", a as b".repeat(20_000));
        for sql in [nested, calls, subqueries, list, ors, concat, unions, columns] {
            match parse(&sql) {
                Ok(parsed) => assert!(parsed == parsed.clone()),
                Err(e) => panic!("{e} in {}...", &sql[..80]),
            }
        }
    });
}

/// sqlparser tries again in places: work must not double with every level.
#[test]
fn errors_deep_inside_are_found_quickly() {
    let started = std::time::Instant::now();
    for open in [
        "not (",
        "cast(",
        "ceil(",
        "floor(",
        "trim(",
        "substring(",
        "extract(day from ",
        "position(",
        "convert(",
        "case (",
        "array(",
        "exists (",
        "interval (",
        "((select * from ",
        "(select * from ((",
        "overlay(",
        "f(x -> ",
        "(a, b) -> (",
        "struct(",
        "map{",
        "match(",
        "array<",
        "date(",
        "try_cast(",
        "(select a from (select b from ",
        "((with x as (select * from ",
        "if((select ",
        "((",
        "(t join ((select * from ",
    ] {
        for (before, after) in [("select ", " x y z"), ("select * from ", " x y z"), ("select a from t where ", "")] {
            for depth in [12, 24, 60] {
                let _ = parse(&format!("{before}{}{after}", open.repeat(depth)));
                let _ = parse(&format!("{before}{}1{}{after}", open.repeat(depth), ")".repeat(depth)));
            }
        }
    }
    // Milliseconds when nothing doubles; years when something does.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn many_rows_are_parsed_in_little_memory() {
    let mut sql = String::from("insert into t values ");
    let row = "(12345, 'some text of a row', \"more\", -1.5, null),";
    sql.push_str(&row.repeat(200_000));
    sql.pop();
    let parsed = parse(&sql).unwrap();
    let Statement::Insert(insert) = &parsed[0].statement else { panic!() };
    let InsertSource::Values(rows) = &insert.source else { panic!() };
    assert_eq!((rows.len(), rows.width()), (200_000, Ok(5)));
    assert!(rows.memory_size() < 2 * sql.len(), "{} for {}", rows.memory_size(), sql.len());
}

/// Each expression of a row is a tree: they have a common limit, over all statements of a text.
#[test]
fn many_expressions_are_refused() {
    let rows = |count: usize| format!("insert into t values {}(1)", "(now()),".repeat(count));
    assert!(parse(&rows(50_000)).is_ok());
    assert!(message(&rows(400_000)).contains("tokens in expressions"));
    let text = format!("select 1{};", ", 1".repeat(300_000)).repeat(2);
    assert!(message(&text).contains("tokens in expressions"));
}

#[test]
fn many_statements_are_refused() {
    assert_eq!(parse(&"begin;".repeat(1000)).unwrap().len(), 1000);
    assert!(message(&"begin;".repeat(100_000)).contains("more than 65536 statements"));
    assert_eq!(parse(&";".repeat(1_000_000)).unwrap(), []);
}

/// A generator of numbers that are as random as a fuzz needs.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

const SEEDS: &[&str] = &[
    "select a, 'b', \"c\", `d` from db.t where x = ? and y in (1, 2) group by z having count(*) > 1 order by 1 limit 2, 3",
    "with x as (select 1) select case when a then b else c end, cast(a as decimal(10,2)), interval 1 day from x join y using(z)",
    "insert into t (a, b) with label l values (1, 'x', null, -5, now(), default), (2, x'00', 1 + 1, ?)",
    "create table if not exists d.t (a int not null default '0' comment 'x', b varchar(10), c decimal(10, 2)) duplicate \
     key(a) partition by range(b) (partition p values less than ('1'), partition q values [('1'), (maxvalue))) \
     distributed by hash(a) buckets 3 properties ('a' = 'b')",
    "create storage volume v type = s3 locations = ('s3://x') properties ('aws.s3.secret_key' = 'k')",
    "admin set automated cluster snapshot on interval 5 minute storage volume v",
    "set @@session.a = concat(@x, 'y'), names utf8 collate z, global transaction isolation level read committed",
    "show full columns from t from d like 'x%' where a = 1 order by b limit 1 offset 2",
    "/*!40100 set names 'x' */; select /*+ SET_VAR(a=1) */ 1 -- x\n; # y\n",
    "alter table t add partition p values less than ('2020-01-01'); drop table t force; explain verbose select * from t",
];

const PIECES: &[&str] = &[
    "(",
    ")",
    "'",
    "\"",
    "`",
    ",",
    ";",
    "/*!",
    "*/",
    "/*+",
    "--",
    "#",
    "\\",
    "@",
    "@@",
    "?",
    ".",
    "=",
    " select ",
    " from ",
    " not ",
    " null ",
    "\u{0}",
    "ä",
    "日",
    "\u{1F600}",
    "0x",
    "1e",
    "::",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "->",
    ":=",
    "$",
    "\n",
    " values ",
    " interval ",
    " case ",
    " array<",
    " union ",
    " partition ",
    "9999999999999999999999",
    "-",
    "!",
];

fn mutate(dice: &mut Dice) -> String {
    let mut text: Vec<char> = SEEDS[dice.roll(SEEDS.len())].chars().collect();
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(text.len() + 1);
        match dice.roll(5) {
            0 => text.truncate(at),
            1 => {
                let piece: Vec<char> = PIECES[dice.roll(PIECES.len())].chars().collect();
                text.splice(at..at, piece);
            }
            2 => {
                let end = (at + dice.roll(8)).min(text.len());
                text.drain(at..end);
            }
            3 => {
                let end = (at + dice.roll(40)).min(text.len());
                let copy: Vec<char> = text[at..end].to_vec();
                let to = dice.roll(text.len() + 1);
                text.splice(to..to, copy);
            }
            _ => {
                let other: Vec<char> = SEEDS[dice.roll(SEEDS.len())].chars().collect();
                let from = dice.roll(other.len());
                text.splice(at..at, other[from..].iter().copied());
            }
        }
    }
    text.into_iter().collect()
}

#[test]
fn mutated_statements_never_panic() {
    on_small_stack(|| {
        let mut dice = Dice(0x5EED_1234_ABCD_0001);
        let mut read = 0;
        for _ in 0..15_000 {
            let sql = mutate(&mut dice);
            let _ = crate::redact(&sql);
            let Ok(parsed) = parse(&sql) else { continue };
            for mut one in parsed {
                read += 1;
                let again = parse(&one.text).unwrap_or_else(|e| panic!("{e}\n{sql}\nbecame\n{}", one.text));
                assert_eq!(again.len(), 1, "{sql}\nbecame\n{}", one.text);
                assert_eq!(again[0].statement, one.statement, "{sql}\nbecame\n{}", one.text);
                let count = crate::count_placeholders(&one.statement);
                crate::bind(&mut one.statement, &vec![crate::ast::Value::Null; count]).unwrap();
            }
        }
        assert!(read > 500, "only {read} mutants were statements");
    });
}

#[test]
fn random_text_never_panics() {
    on_small_stack(|| {
        let mut dice = Dice(0xD1CE_D1CE_D1CE_D1CE);
        for _ in 0..15_000 {
            let mut sql = String::new();
            for _ in 0..dice.roll(30) {
                match dice.roll(3) {
                    0 => sql.push_str(PIECES[dice.roll(PIECES.len())]),
                    1 => {
                        let words: Vec<&str> = SEEDS[dice.roll(SEEDS.len())].split(' ').collect();
                        sql.push_str(words[dice.roll(words.len())]);
                        sql.push(' ');
                    }
                    _ => sql.extend(char::from_u32(u32::try_from(dice.roll(0x3000)).unwrap())),
                }
            }
            let _ = (parse(&sql), crate::redact(&sql), crate::split_qualified_name(&sql));
        }
    });
}
