//! A table in memory, and steps from a seed that go to it and to a real one.

use std::collections::BTreeMap;

use storage_catalog::{ColumnChange, ColumnPlace, Command};
use storage_model::{Column, DataType, DefaultValue};

use super::super::house::{House, column};
use super::{added, alter, drop_, rename};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A value as a query prints it; None is NULL.
type Shown = Option<String>;

/// A column: rows hold their values by `key`, whatever the column is called.
#[derive(Clone, Debug)]
struct Known {
    key: usize,
    name: String,
    data_type: DataType,
    default: Shown,
}

/// Numbers from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

struct Oracle {
    house: House,
    draw: Draw,
    columns: Vec<Known>,
    rows: Vec<BTreeMap<usize, Shown>>,
    next_key: usize,
    next_row: usize,
    history: Vec<String>,
}

/// Runs a history of so many steps.
pub(super) async fn run(seed: u64, steps: usize) {
    let mut house = House::new();
    house.create("t", vec![column("k", DataType::Int, true, None), column("a", DataType::Int, true, None)], None, 0, 2);
    let known = |key, name: &str| Known { key, name: name.to_owned(), data_type: DataType::Int, default: None };
    let columns = vec![known(0, "k"), known(1, "a")];
    let (rows, history) = (Vec::new(), vec![format!("seed {seed}")]);
    let mut oracle = Oracle { house, draw: Draw(seed), columns, rows, next_key: 2, next_row: 0, history };
    oracle.insert().await;
    for _ in 0..steps {
        oracle.step().await;
        oracle.compare().await;
    }
}

impl Oracle {
    async fn step(&mut self) {
        match self.draw.below(10) {
            0..=2 => self.insert().await,
            3 => self.delete().await,
            4 => {
                // Written before the columns change, committed after.
                let (command, row) = self.written_insert().await;
                self.change();
                self.commit(command, row);
            }
            5 => self.overtaken_delete().await,
            6 => self.compact().await,
            _ => self.change(),
        }
    }

    /// Old rows get what newer files have.
    async fn compact(&mut self) {
        let (start, most) = (self.draw.below(4), 1 + self.draw.below(6));
        let some = |files: usize| start.min(files)..files.min(start + most);
        let seen = self.house.compact_some("t", some).await;
        self.history.push(format!("compacted: {seen:?}"));
    }

    fn pick(&mut self) -> usize {
        1 + self.draw.below(self.columns.len() - 1)
    }

    async fn insert(&mut self) {
        for _ in 0..3 {
            let (command, row) = self.written_insert().await;
            self.commit(command, row);
        }
    }

    /// A row in some of the columns; the others have their DEFAULT.
    async fn written_insert(&mut self) -> (Command, BTreeMap<usize, Shown>) {
        let (mut names, mut values, mut row) = (Vec::new(), Vec::new(), BTreeMap::new());
        for column in self.columns.clone() {
            let shown = match column.key {
                0 => Some(self.next_row.to_string()),
                _ if self.draw.below(4) == 0 => {
                    row.insert(column.key, column.default.clone());
                    continue;
                }
                _ if self.draw.below(5) == 0 => None,
                _ => Some(self.value(&column.data_type)),
            };
            names.push(column.name.clone());
            values.push(shown.as_deref().map_or("NULL".to_owned(), |text| literal(text, &column.data_type)));
            row.insert(column.key, shown);
        }
        self.next_row += 1;
        let sql = format!("INSERT INTO t ({}) VALUES ({})", names.join(", "), values.join(", "));
        let (command, _) =
            self.house.written_insert(&sql).await.unwrap_or_else(|e| panic!("{:?} {sql}: {e}", self.history));
        self.history.push(sql);
        (command, row)
    }

    /// Columns that came after it was planned have their first DEFAULT in it: as if it had been there before.
    fn commit(&mut self, command: Command, mut row: BTreeMap<usize, Shown>) {
        self.house.apply(command);
        for column in &self.columns {
            row.entry(column.key).or_insert_with(|| column.default.clone());
        }
        self.rows.push(row);
    }

    async fn delete(&mut self) {
        let (condition, found) = self.condition();
        let command = self.written_delete(&condition).await;
        self.house.apply(command);
        self.rows.retain(|row| !found(row));
    }

    async fn overtaken_delete(&mut self) {
        let (condition, found) = self.condition();
        let command = self.written_delete(&condition).await;
        self.rows.retain(|row| !found(row));
        self.change();
        self.house.apply(command);
    }

    async fn written_delete(&mut self, condition: &str) -> Command {
        let sql = format!("DELETE FROM t WHERE {condition}");
        let written = self.house.written_delete(&sql).await;
        self.history.push(sql);
        written.unwrap_or_else(|e| panic!("{:?}: {e}", self.history))
    }

    /// A condition, and whether a row fulfils it.
    fn condition(&mut self) -> (String, impl Fn(&BTreeMap<usize, Shown>) -> bool + use<>) {
        let at = self.pick();
        let Known { key, name, data_type, .. } = self.columns[at].clone();
        let value = self.value(&data_type);
        let form = self.draw.below(if data_type.is_integer() { 4 } else { 3 });
        let constant = literal(&value, &data_type);
        let sql = match form {
            0 => format!("{name} = {constant}"),
            1 => format!("{name} IS NULL"),
            2 => format!("NOT ({name} = {constant})"),
            _ => format!("{name} > {constant}"),
        };
        let number = |text: &str| text.parse::<i128>().unwrap();
        let holds = move |row: &BTreeMap<usize, Shown>| match (form, &row[&key]) {
            (1, found) => found.is_none(),
            (_, None) => false,
            (0, Some(found)) => *found == value,
            (2, Some(found)) => *found != value,
            (_, Some(found)) => number(found) > number(&value),
        };
        (sql, holds)
    }

    /// One change of the columns, in the house and here.
    fn change(&mut self) {
        let free: Vec<&str> = NAMES.into_iter().filter(|n| self.columns.iter().all(|c| c.name != **n)).collect();
        let change = match self.draw.below(6) {
            0 | 1 if !free.is_empty() => self.add(free[0]),
            2 if self.columns.len() > 2 => {
                let at = self.pick();
                drop_(&self.columns.remove(at).name)
            }
            3 if !free.is_empty() => {
                let at = self.pick();
                let change = rename(&self.columns[at].name, free[0]);
                free[0].clone_into(&mut self.columns[at].name);
                change
            }
            4 => self.widen(),
            _ => self.change_default(),
        };
        self.history.push(format!("{change:?}"));
        alter(&mut self.house, vec![change]);
    }

    fn add(&mut self, name: &str) -> ColumnChange {
        let types = [
            DataType::TinyInt,
            DataType::SmallInt,
            DataType::BigInt,
            DataType::Float,
            DataType::Boolean,
            DataType::Decimal { precision: 5, scale: 2 },
            DataType::Varchar(4),
            DataType::Char(4),
            DataType::Date,
            DataType::DateTime,
        ];
        let data_type = types[self.draw.below(types.len())].clone();
        let default = (self.draw.below(3) > 0).then(|| self.value(&data_type));
        let column = added(&self.house, name, data_type.clone(), default.as_deref());
        let after = self.draw.below(self.columns.len());
        let place = Some(ColumnPlace::After(self.columns[after].name.to_uppercase()));
        let key = self.next_key;
        self.next_key += 1;
        self.columns.insert(after + 1, Known { key, name: name.to_owned(), data_type, default: default.clone() });
        for row in &mut self.rows {
            row.insert(key, default.clone());
        }
        ColumnChange::Add { column, place }
    }

    fn widen(&mut self) -> ColumnChange {
        let at = self.pick();
        let known = &mut self.columns[at];
        known.data_type = match known.data_type.clone() {
            DataType::TinyInt => DataType::SmallInt,
            DataType::SmallInt => DataType::Int,
            DataType::Int => DataType::BigInt,
            DataType::BigInt => DataType::LargeInt,
            DataType::Float => DataType::Double,
            DataType::Decimal { .. } => DataType::Decimal { precision: 20, scale: 2 },
            DataType::Char(_) => DataType::Varchar(9),
            DataType::Varchar(_) => DataType::Varchar(99),
            same => same,
        };
        self.modify(at)
    }

    fn change_default(&mut self) -> ColumnChange {
        let at = self.pick();
        let data_type = self.columns[at].data_type.clone();
        self.columns[at].default = Some(self.value(&data_type));
        self.modify(at)
    }

    fn modify(&self, at: usize) -> ColumnChange {
        let Known { name, data_type, default, .. } = self.columns[at].clone();
        let column = Column { default: default.map(DefaultValue::Literal), ..column(&name, data_type, true, None) };
        ColumnChange::Modify { column, place: None }
    }

    fn value(&mut self, data_type: &DataType) -> String {
        let values: [&str; 3] = match data_type {
            DataType::Boolean => ["0", "1", "1"],
            DataType::LargeInt => ["170141183460469231731687303715884105727", "-128", "1"],
            DataType::BigInt => ["9223372036854775807", "-128", "1"],
            DataType::TinyInt | DataType::SmallInt | DataType::Int => ["127", "-128", "1"],
            DataType::Float | DataType::Double => ["0.5", "-2.25", "8.125"],
            DataType::Decimal { .. } => ["1.50", "-999.99", "0.01"],
            DataType::Date => ["2015-09-12", "0001-01-01", "9999-12-31"],
            DataType::DateTime => ["2015-09-12 06:00:00", "1969-12-31 23:59:59.000001", "9999-12-31 00:00:00"],
            DataType::Char(_) | DataType::Varchar(_) => ["x", "ä'", ""],
            other => panic!("{other} is not drawn here"),
        };
        values[self.draw.below(3)].to_owned()
    }

    async fn compare(&mut self) {
        let names: Vec<_> = self.columns.iter().map(|c| c.name.as_str()).collect();
        let mut expected = vec![names.join("|")];
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| row[&0].as_ref().unwrap().parse::<usize>().unwrap());
        let cell = |row: &BTreeMap<usize, Shown>, c: &Known| row[&c.key].clone().unwrap_or("NULL".to_owned());
        expected.extend(rows.iter().map(|r| self.columns.iter().map(|c| cell(r, c)).collect::<Vec<_>>().join("|")));
        let found = self.house.ask("SELECT * FROM t ORDER BY k").await;
        assert_eq!(found, expected, "{:#?}", self.history);
        let (condition, holds) = self.condition();
        let count = self.rows.iter().filter(|row| holds(row)).count();
        let found = self.house.one(&format!("SELECT count(*) FROM t WHERE {condition}")).await;
        assert_eq!(found, count.to_string(), "{condition} {:#?}", self.history);
    }
}

fn literal(text: &str, data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => (text == "1").to_string(),
        DataType::Date | DataType::DateTime | DataType::Char(_) | DataType::Varchar(_) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        _ => text.to_owned(),
    }
}
