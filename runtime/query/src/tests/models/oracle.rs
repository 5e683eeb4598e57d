//! What a table of each key model holds after statements drawn at random.

use std::collections::BTreeMap;

use storage_model::KeyModel;

pub(super) mod dice {
    /// Numbers from a seed.
    pub(crate) struct Dice(u64);

    impl Dice {
        pub(crate) fn new(seed: u64) -> Dice {
            Dice(seed)
        }

        pub(crate) fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed ^ (mixed >> 31)) % end
        }

        /// Some of so many things that stand together; none of none.
        pub(crate) fn stretch(&mut self, all: usize) -> std::ops::Range<usize> {
            let start = self.below(all as u64 + 1) as usize;
            start..start + self.below((all - start) as u64 + 1) as usize
        }

        pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
            choices[self.below(choices.len() as u64) as usize]
        }

        pub(crate) fn cell(&mut self, end: u64, nulls: bool) -> Option<i64> {
            if nulls && self.below(4) == 0 { None } else { Some(self.below(end) as i64) }
        }
    }
}

use dice::Dice;

/// k, d, n, t, m, b, x as numbers, u and h as the bits of those that are in them; None is NULL.
type Row = [Option<i64>; 9];
const NAMES: [&str; 9] = ["k", "d", "n", "t", "m", "b", "x", "u", "h"];
/// What is asked for to see them.
const SHOWN: &str = "k, d, n, t, m, b, x, bitmap_to_string(u), hll_cardinality(h)";

/// A condition on one column.
#[derive(Clone, Copy)]
struct Condition {
    column: usize,
    operator: &'static str,
    value: i64,
}

impl Condition {
    fn draw(dice: &mut Dice, columns: &[usize]) -> Condition {
        let column = dice.of(columns);
        let (operator, end) = (dice.of(&["=", ">", "<=", "<>", "IS NULL"]), if column == 1 { 3 } else { 6 });
        Condition { column, operator, value: dice.below(end) as i64 }
    }

    fn is_true(&self, row: &Row) -> bool {
        let cell = row[self.column];
        match self.operator {
            "=" => cell == Some(self.value),
            ">" => cell.is_some_and(|cell| cell > self.value),
            "<=" => cell.is_some_and(|cell| cell <= self.value),
            "<>" => cell.is_some_and(|cell| cell != self.value),
            _ => cell.is_none(),
        }
    }

    fn sql(&self) -> String {
        let name = NAMES[self.column];
        match self.operator {
            "IS NULL" => format!("{name} IS NULL"),
            operator => format!("{name} {operator} {}", literal(self.column, Some(self.value))),
        }
    }
}

fn literal(column: usize, cell: Option<i64>) -> String {
    match cell {
        None => "NULL".to_owned(),
        Some(number) if column == 3 => format!("'t{number}'"),
        Some(bits) if column == 7 => format!("to_bitmap({})", bits.trailing_zeros()),
        Some(bits) if column == 8 => format!("hll_hash({})", bits.trailing_zeros()),
        Some(number) => number.to_string(),
    }
}

fn shown(column: usize, cell: Option<i64>) -> String {
    match cell {
        None if column == 8 => "0".to_owned(),
        None => "NULL".to_owned(),
        Some(bits) if column == 7 => {
            let numbers = (0..i64::BITS).filter(|bit| bits >> bit & 1 == 1);
            numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(",")
        }
        Some(bits) if column == 8 => bits.count_ones().to_string(),
        Some(number) if column == 3 => format!("t{number}"),
        Some(number) if column == 6 => format!("{number}.00"),
        Some(number) => number.to_string(),
    }
}

pub(super) struct Oracle {
    pub model: KeyModel,
    rows: BTreeMap<(Option<i64>, Option<i64>), Row>,
}

impl Oracle {
    pub fn new(model: KeyModel) -> Oracle {
        Oracle { model, rows: BTreeMap::new() }
    }

    fn put(&mut self, row: Row) {
        let key = (row[0], row[1]);
        let Some(old) = self.rows.get_mut(&key).filter(|_| self.model == KeyModel::Aggregate) else {
            self.rows.insert(key, row);
            return;
        };
        let both = |at: usize, combine: fn(i64, i64) -> i64| match (old[at], row[at]) {
            (Some(a), Some(b)) => Some(combine(a, b)),
            (a, b) => a.or(b),
        };
        *old = [
            row[0],
            row[1],
            both(2, |a, b| a + b),
            both(3, i64::max),
            both(4, i64::min),
            row[5],
            row[6].or(old[6]),
            both(7, |a, b| a | b),
            both(8, |a, b| a | b),
        ];
    }

    fn row(&self, dice: &mut Dice) -> Row {
        let nulls = self.model != KeyModel::Primary;
        [
            dice.cell(5, nulls),
            dice.cell(3, false),
            dice.cell(6, true),
            dice.cell(6, true),
            dice.cell(6, true),
            dice.cell(2, true),
            dice.cell(6, true),
            dice.cell(9, true).map(|number| 1 << number),
            dice.cell(9, true).map(|number| 1 << number),
        ]
    }

    fn values(&self, dice: &mut Dice) -> (Vec<Row>, String) {
        let rows: Vec<Row> = (0..1 + dice.below(9)).map(|_| self.row(dice)).collect();
        let text = |row: &Row| {
            let cells: Vec<String> = row.iter().enumerate().map(|(at, cell)| literal(at, *cell)).collect();
            format!("({})", cells.join(", "))
        };
        let texts: Vec<String> = rows.iter().map(text).collect();
        let texts = texts.join(", ");
        (rows, texts)
    }

    /// The statement, and how many rows it says that it changed.
    pub fn insert(&mut self, dice: &mut Dice) -> (String, u64) {
        let (rows, values) = self.values(dice);
        let count = rows.len() as u64;
        rows.into_iter().for_each(|row| self.put(row));
        (format!("INSERT INTO t VALUES {values}"), count)
    }

    pub fn overwrite(&mut self, dice: &mut Dice) -> (String, u64) {
        self.rows.clear();
        let (text, count) = self.insert(dice);
        (text.replace("INTO", "OVERWRITE"), count)
    }

    pub fn insert_from_itself(&mut self, dice: &mut Dice) -> (String, u64) {
        let condition = Condition::draw(dice, &[0, 1, 2, 4]);
        let found = self.found(&condition);
        let count = found.len() as u64;
        let text = format!("INSERT INTO t SELECT k, d, n, t, 3, b, NULL, u, h FROM t WHERE {}", condition.sql());
        for [k, d, n, t, _, b, _, u, h] in found {
            self.put([k, d, n, t, Some(3), b, None, u, h]);
        }
        (text, count)
    }

    pub fn delete(&mut self, dice: &mut Dice) -> (String, u64) {
        let condition = Condition::draw(dice, &[0, 1, 2, 3, 4, 6]);
        let before = self.rows.len();
        self.rows.retain(|_, row| !condition.is_true(row));
        (format!("DELETE FROM t WHERE {}", condition.sql()), (before - self.rows.len()) as u64)
    }

    pub fn update(&mut self, dice: &mut Dice) -> (String, u64) {
        let condition = Condition::draw(dice, &[0, 1, 2, 3, 4, 6]);
        let (by, mut count) = (dice.below(3) as i64, 0);
        for row in self.rows.values_mut().filter(|row| condition.is_true(row)) {
            // Both from the old row.
            (row[2], row[4]) = (row[2].map(|n| n + by), row[2]);
            count += 1;
        }
        (format!("UPDATE t SET n = n + {by}, m = n WHERE {}", condition.sql()), count)
    }

    fn found(&self, condition: &Condition) -> Vec<Row> {
        self.rows.values().filter(|row| condition.is_true(row)).copied().collect()
    }

    /// These columns of all rows.
    pub fn lines(&self, columns: &[&str]) -> Vec<String> {
        self.rows.values().map(|row| line(row, columns)).collect()
    }

    /// Questions and the lines of their answers.
    pub fn questions(&self, dice: &mut Dice) -> Vec<(String, Vec<String>)> {
        let mut asked = vec![
            (format!("SELECT {SHOWN} FROM t"), self.lines(&NAMES)),
            ("SELECT count(*) FROM t".to_owned(), vec![self.rows.len().to_string()]),
        ];
        let (by_key, by_value) = (Condition::draw(dice, &[0, 1]), Condition::draw(dice, &[2, 3, 4, 6]));
        let lines = |rows: Vec<Row>, columns: &[&str]| rows.iter().map(|row| line(row, columns)).collect::<Vec<_>>();
        asked.push((format!("SELECT t, x FROM t WHERE {}", by_key.sql()), lines(self.found(&by_key), &["t", "x"])));
        asked.push((format!("SELECT b FROM t WHERE {}", by_value.sql()), lines(self.found(&by_value), &["b"])));
        let both = self.found(&by_value).into_iter().filter(|row| by_key.is_true(row)).count();
        let sql = format!("SELECT count(*) FROM t WHERE {} AND {}", by_value.sql(), by_key.sql());
        asked.push((sql, vec![both.to_string()]));
        let either = self.rows.values().filter(|row| by_value.is_true(row) || by_key.is_true(row)).count();
        let sql = format!("SELECT count(*) FROM t WHERE {} OR {}", by_value.sql(), by_key.sql());
        asked.push((sql, vec![either.to_string()]));
        let pairs = self.rows.values().flat_map(|a| self.rows.values().map(move |b| (a, b)));
        let pairs = pairs.filter(|(a, b)| a[0].is_some() && a[0] == b[0] && a[2].is_some_and(|n| b[4] > Some(n)));
        let sql = "SELECT count(*) FROM t a JOIN t b ON a.k = b.k AND b.m > a.n".to_owned();
        asked.push((sql, vec![pairs.count().to_string()]));
        let united = self.rows.values().filter_map(|row| row[7]).reduce(|a, b| a | b);
        asked.push(("SELECT bitmap_to_string(bitmap_union(u)) FROM t".to_owned(), vec![shown(7, united)]));
        let counted = self.rows.values().filter_map(|row| row[8]).reduce(|a, b| a | b);
        asked.push(("SELECT hll_union_agg(h) FROM t".to_owned(), vec![shown(8, counted)]));
        let greatest = self.rows.values().filter_map(|row| row[2]).max();
        asked.push(("SELECT max(n) FROM t".to_owned(), vec![shown(2, greatest)]));
        let mut ordered: Vec<Option<i64>> = self.rows.values().map(|row| row[2]).collect();
        ordered.sort_unstable_by(|a, b| b.cmp(a));
        ordered.truncate(3);
        let sql = "SELECT n FROM t ORDER BY n DESC LIMIT 3".to_owned();
        asked.push((sql, ordered.into_iter().map(|cell| shown(2, cell)).collect()));
        asked
    }
}

fn line(row: &Row, columns: &[&str]) -> String {
    let cell = |name: &&str| NAMES.iter().position(|known| known == name).map(|at| shown(at, row[at]));
    columns.iter().filter_map(cell).collect::<Vec<_>>().join("|")
}
