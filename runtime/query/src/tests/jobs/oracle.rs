//! A table in memory, and steps from a seed that go to it and to a real one.

use std::collections::BTreeMap;

use storage_catalog::Rejection;
use storage_model::{Column, DataType, KeyModel};

use super::super::house::{House, column};
use super::{alter, modify, spread};

/// A value as a query prints it; None is NULL.
type Shown = Option<String>;

struct Oracle {
    house: House,
    model: KeyModel,
    random: u64,
    data_type: DataType,
    /// `v` of each row, by `k`, which no two rows share.
    rows: BTreeMap<u64, Shown>,
    next: u64,
    history: Vec<String>,
}

/// Runs a history of so many steps.
pub(super) async fn run(model: KeyModel, seed: u64, steps: usize) {
    let mut house = House::new();
    let key = Column { key: true, ..column("k", DataType::Int, false, None) };
    house.create_of("t", model, vec![key, column("v", DataType::Int, true, None)], None, 0, 3);
    let (rows, history) = (BTreeMap::new(), vec![format!("{model:?} {seed}")]);
    let mut oracle = Oracle { house, model, random: seed, data_type: DataType::Int, rows, next: 0, history };
    oracle.insert().await;
    for _ in 0..steps {
        oracle.step().await;
        oracle.compare().await;
    }
}

impl Oracle {
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % end
    }

    async fn step(&mut self) {
        match self.below(8) {
            0..=2 => self.insert().await,
            3 => self.delete().await,
            4 => {
                self.history.push("compact".to_owned());
                self.house.compact("t").await;
            }
            5 => {
                let buckets = 1 + self.below(5) as u32;
                self.job(spread(buckets), None).await;
            }
            _ => self.convert().await,
        }
    }

    /// Three rows. Where keys are unique they may take the place of others.
    async fn insert(&mut self) {
        let mut values = Vec::new();
        for _ in 0..3 {
            let key = match self.model {
                KeyModel::Duplicate => self.next,
                _ => self.below(20),
            };
            self.next += 1;
            let value = (self.below(6) > 0).then(|| self.below(100).to_string());
            let text = match (&value, self.data_type.is_text()) {
                (None, _) => "NULL".to_owned(),
                (Some(value), true) => format!("'{value}'"),
                (Some(value), false) => value.clone(),
            };
            values.retain(|(known, _)| *known != key);
            values.push((key, format!("({key}, {text})")));
            self.rows.insert(key, value);
        }
        let values: Vec<_> = values.into_iter().map(|(_, text)| text).collect();
        let sql = format!("INSERT INTO t VALUES {}", values.join(", "));
        self.history.push(sql.clone());
        self.house.insert(&sql).await.unwrap_or_else(|e| panic!("{e}: {:#?}", self.history));
    }

    async fn delete(&mut self) {
        let least = self.below(self.next.min(30) + 1);
        let sql = format!("DELETE FROM t WHERE k >= {least} AND k < {}", least + 3);
        self.rows.retain(|key, _| !(least..least + 3).contains(key));
        self.history.push(sql.clone());
        self.house.delete_rows(&sql).await.unwrap_or_else(|e| panic!("{e}: {:#?}", self.history));
    }

    /// To another type, or back.
    async fn convert(&mut self) {
        let others = match self.data_type {
            DataType::Int => [DataType::Varchar(20), DataType::SmallInt],
            DataType::SmallInt => [DataType::Varchar(20), DataType::Int],
            DataType::BigInt => [DataType::Varchar(20), DataType::Int],
            _ => [DataType::BigInt, DataType::SmallInt],
        };
        let to = others[self.below(2) as usize].clone();
        self.job(alter(vec![modify("v", to.clone())]), Some(to)).await;
    }

    /// A job, beside which rows may come or go: then it is refused, and writes again.
    async fn job(&mut self, command: storage_catalog::Command, to: Option<DataType>) {
        self.history.push(format!("{command:?}"));
        let Some(job) = self.house.begin_job(command) else {
            self.data_type = to.unwrap();
            return;
        };
        for _ in 0..self.below(3) {
            let before = self.versions();
            let written = self.house.written_job("t", job).await.unwrap_or_else(|e| panic!("{e}: {:#?}", self.history));
            match self.below(3) {
                0 => self.delete().await,
                _ => self.insert().await,
            }
            self.compare().await;
            if self.versions() == before {
                continue;
            }
            let refused = self.house.finish_job(job, written).unwrap_err();
            assert!(matches!(refused, Rejection::Overtaken(_)), "{refused}");
        }
        let written = self.house.written_job("t", job).await.unwrap_or_else(|e| panic!("{e}: {:#?}", self.history));
        self.house.finish_job(job, written).unwrap_or_else(|e| panic!("{e}: {:#?}", self.history));
        self.data_type = to.unwrap_or(self.data_type.clone());
        self.history.push("the job is done".to_owned());
    }

    fn versions(&self) -> Vec<u64> {
        self.house.versions("t")
    }

    async fn compare(&mut self) {
        let mut expected = vec!["k|v".to_owned()];
        let shown = |(key, value): (&u64, &Shown)| format!("{key}|{}", value.as_deref().unwrap_or("NULL"));
        expected.extend(self.rows.iter().map(shown));
        let found = self.house.ask("SELECT * FROM t ORDER BY k").await;
        assert_eq!(found, expected, "{:#?}", self.history);
        let value = self.below(100).to_string();
        let count = self.rows.values().filter(|v| v.as_deref() == Some(value.as_str())).count();
        let constant = if self.data_type.is_text() { format!("'{value}'") } else { value };
        let found = self.house.one(&format!("SELECT count(*) FROM t WHERE v = {constant}")).await;
        assert_eq!(found, count.to_string(), "{constant} {:#?}", self.history);
    }
}
