//! Random types and values of them, through INSERT by text and by query, real files, merging by key and compaction.

use std::collections::BTreeMap;

use storage_model::{DataType, KeyModel};

use super::of;
use crate::tests::house::{House, column};

/// A small generator, so that a seed says everything.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn data_type(&mut self, depth: usize) -> String {
        if depth == 0 || self.below(4) == 0 {
            let plain = ["int", "varchar(20)", "date", "boolean", "decimal(9, 2)", "json", "bigint"];
            return plain[self.below(plain.len())].to_owned();
        }
        match self.below(3) {
            0 => format!("array<{}>", self.data_type(depth - 1)),
            1 => format!("map<varchar(9), {}>", self.data_type(depth - 1)),
            _ => {
                let fields = (0..=self.below(3)).map(|n| format!("f{n} {}", self.data_type(depth - 1)));
                format!("struct<{}>", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// A value as JSON says it, and as a query within another value shows it.
    fn value(&mut self, data_type: &DataType) -> (String, String) {
        if self.below(6) == 0 {
            // JSON has a null of its own.
            let shown = if data_type == &DataType::Json { "'null'" } else { "null" };
            return ("null".to_owned(), shown.to_owned());
        }
        let same = |text: String| (text.clone(), text);
        match data_type {
            DataType::Array(element) => {
                let members: Vec<_> = (0..self.below(4)).map(|_| self.value(element)).collect();
                let join = |all: Vec<&str>, by| format!("[{}]", all.join(by));
                (
                    join(members.iter().map(|m| m.0.as_str()).collect(), ", "),
                    join(members.iter().map(|m| m.1.as_str()).collect(), ","),
                )
            }
            DataType::Map(_, value) => {
                let entries: BTreeMap<String, _> =
                    (0..self.below(4)).map(|_| (format!("k{}", self.below(9)), self.value(value))).collect();
                let said: Vec<_> = entries.iter().map(|(k, v)| format!("\"{k}\": {}", v.0)).collect();
                let shown: Vec<_> = entries.iter().map(|(k, v)| format!("\"{k}\":{}", v.1)).collect();
                (format!("{{{}}}", said.join(", ")), format!("{{{}}}", shown.join(",")))
            }
            DataType::Struct(fields) => {
                let parts: Vec<_> = fields.iter().map(|f| (f.name.clone(), self.value(&f.data_type))).collect();
                let said: Vec<_> = parts.iter().map(|(k, v)| format!("\"{k}\": {}", v.0)).collect();
                let shown: Vec<_> = parts.iter().map(|(k, v)| format!("\"{k}\":{}", v.1)).collect();
                (format!("{{{}}}", said.join(", ")), format!("{{{}}}", shown.join(",")))
            }
            DataType::Json => {
                let text = ["[1, 2]", "{\"a\": 1}", "true", "1.5", "\"x\""][self.below(5)];
                (text.to_owned(), format!("'{text}'"))
            }
            DataType::Boolean => {
                let value = self.below(2) == 1;
                (value.to_string(), u8::from(value).to_string())
            }
            DataType::Date => same(format!("\"20{:02}-01-{:02}\"", self.below(90) + 10, self.below(28) + 1)),
            DataType::Decimal { .. } => same(format!("{}.{}5", self.below(1000), self.below(10))),
            DataType::Varchar(_) => same(format!("\"ä{}\"", self.below(1000))),
            _ => same((self.below(100_000) as i64 - 50_000).to_string()),
        }
    }
}

/// What a query shows of a value that is within no other.
fn outermost(data_type: &DataType, shown: &str) -> String {
    match (data_type, shown) {
        (_, "null") => "NULL".to_owned(),
        (nested, _) if nested.is_nested() => shown.to_owned(),
        _ => shown.trim_matches(['"', '\'']).to_owned(),
    }
}

async fn round_trip(seed: u64, model: KeyModel) {
    let mut draw = Draw(seed);
    let mut house = House::new();
    let types: Vec<DataType> = (0..3).map(|_| of(&format!("array<{}>", draw.data_type(3)))).collect();
    let history = format!("seed {seed}: {types:?}");
    let mut columns = vec![column("k", DataType::Int, false, None)];
    columns.extend(types.iter().enumerate().map(|(n, t)| column(&format!("c{n}"), t.clone(), true, None)));
    columns[0].key = true;
    house.create_of("t", model, columns, None, 0, 2);
    let mut rows: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for load in 0..3 {
        let mut values = Vec::new();
        for _ in 0..8 {
            let key = match model {
                KeyModel::Duplicate => rows.len(),
                _ => draw.below(12),
            };
            let drawn: Vec<_> = types.iter().map(|t| (t, draw.value(t))).collect();
            let said: Vec<_> = drawn
                .iter()
                .map(
                    |(_, (said, _))| {
                        if said == "null" { "NULL".to_owned() } else { format!("'{}'", said.replace('\\', "\\\\")) }
                    },
                )
                .collect();
            values.push(format!("({key}, {})", said.join(", ")));
            rows.insert(key, drawn.iter().map(|(t, (_, shown))| outermost(t, shown)).collect());
        }
        house
            .insert(&format!("INSERT INTO t VALUES {}", values.join(", ")))
            .await
            .unwrap_or_else(|e| panic!("{history}: {e}"));
        if load == 1 && model == KeyModel::Duplicate {
            house.compact("t").await;
        }
    }
    let expected: Vec<String> = rows.iter().map(|(key, row)| format!("{key}|{}", row.join("|"))).collect();
    let ask = "SELECT * FROM t ORDER BY k";
    assert_eq!(house.ask(ask).await[1..], expected, "{history}");
    house.compact("t").await;
    assert_eq!(house.ask(ask).await[1..], expected, "compacted, {history}");
    house.insert("INSERT OVERWRITE t SELECT * FROM t").await.unwrap();
    assert_eq!(house.ask(ask).await[1..], expected, "by a query, {history}");
}

#[tokio::test]
async fn values_of_any_type_come_back() {
    for seed in 0..12 {
        round_trip(seed, KeyModel::Duplicate).await;
        round_trip(seed + 100, KeyModel::Unique).await;
        round_trip(seed + 200, KeyModel::Primary).await;
    }
}
