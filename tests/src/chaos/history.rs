//! The oracle: every statement of every client, when it was sent, when it was answered, and what is known of its
//! outcome. Statements of one stream (one client on one table) come one after the other, so the table at any moment is
//! what a prefix of them has made of it; those of unknown outcome are whole or absent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::ensure;
use tokio::time::Instant;

/// What a statement does to its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// CREATE TABLE with partitions `0..n`.
    Create(u32),
    /// One INSERT of several rows; row `i` goes to `partitions[i % len]`.
    Insert {
        /// Of the client, rising.
        sequence: u64,
        /// How many rows.
        rows: u32,
        /// Where they go.
        partitions: Vec<u32>,
    },
    /// One INSERT OVERWRITE of the whole table; its rows as those of an INSERT.
    Overwrite {
        /// Of the client, rising.
        sequence: u64,
        /// How many rows.
        rows: u32,
        /// Where they go.
        partitions: Vec<u32>,
    },
    /// DELETE of the client's own rows up to a sequence.
    Delete {
        /// The last one.
        up_to: u64,
    },
    /// TRUNCATE TABLE.
    Truncate,
    /// ADD PARTITION.
    AddPartition(u32),
    /// DROP PARTITION.
    DropPartition(u32),
    /// DROP TABLE.
    Drop,
}

/// What is known of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sent and not answered yet.
    Running,
    /// It took effect.
    Acknowledged,
    /// The server says that nothing has changed.
    Refused,
    /// The answer was lost, or says that it is not known.
    Unknown,
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What it does.
    pub effect: Effect,
    /// Before it was sent.
    pub began: Instant,
    /// After its answer, or after its loss was noticed.
    pub ended: Option<Instant>,
    /// What is known.
    pub outcome: Outcome,
}

/// All statements of one client on one table.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    operations: Vec<Operation>,
}

/// Between these moments the state was frozen.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// What was answered before this is in.
    pub from: Instant,
    /// What was sent after this is out.
    pub until: Instant,
}

/// A row as it is read back: sequence, number in its batch, text.
pub type ReadRow = (u64, u32, String);

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Batch {
    certain: bool,
    rows: BTreeSet<u32>,
    partitions: Vec<u32>,
}

/// What a prefix of a stream makes of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    exists: bool,
    batches: BTreeMap<u64, Batch>,
}

impl State {
    fn take(&mut self, effect: &Effect, certain: bool) {
        match effect {
            Effect::Create(_) => self.exists = true,
            Effect::Insert { sequence, rows, partitions } => {
                let batch = Batch { certain, rows: (0..*rows).collect(), partitions: partitions.clone() };
                self.batches.insert(*sequence, batch);
            }
            // One whose answer was lost may still have been on its way.
            Effect::Truncate => self.batches.retain(|_, batch| !batch.certain),
            Effect::Overwrite { sequence, rows, partitions } => {
                self.batches.retain(|_, batch| !batch.certain);
                let batch = Batch { certain, rows: (0..*rows).collect(), partitions: partitions.clone() };
                self.batches.insert(*sequence, batch);
            }
            Effect::Delete { up_to } => self.batches.retain(|sequence, batch| !batch.certain || sequence > up_to),
            Effect::AddPartition(_) => {}
            Effect::DropPartition(gone) => {
                for batch in self.batches.values_mut() {
                    let partitions = &batch.partitions;
                    batch.rows.retain(|i| partitions.get(*i as usize % partitions.len().max(1)) != Some(gone));
                }
            }
            Effect::Drop => *self = State::default(),
        }
    }

    /// Why the rows are not this state.
    fn differs(&self, text_of: impl Fn(u64, u32) -> String, rows: Option<&[ReadRow]>) -> Option<String> {
        let Some(rows) = rows else {
            return self.exists.then(|| "the table is not there".to_owned());
        };
        if !self.exists {
            return Some("the table is there".to_owned());
        }
        let mut found: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        for (sequence, i, text) in rows {
            if *text != text_of(*sequence, *i) {
                return Some(format!("row {i} of batch {sequence} reads {text:?}"));
            }
            if !found.entry(*sequence).or_default().insert(*i) {
                return Some(format!("row {i} of batch {sequence} is there twice"));
            }
        }
        for (sequence, batch) in &self.batches {
            match found.remove(sequence) {
                Some(there) if there == batch.rows => {}
                Some(there) => return Some(format!("batch {sequence} has rows {there:?} and not {:?}", batch.rows)),
                None if batch.certain && !batch.rows.is_empty() => {
                    return Some(format!("batch {sequence} of {} rows is lost", batch.rows.len()));
                }
                None => {}
            }
        }
        found.pop_first().map(|(sequence, _)| format!("batch {sequence} should not be there"))
    }
}

impl Stream {
    /// Before a statement is sent; its number.
    pub fn begin(&mut self, effect: Effect) -> usize {
        let operation = Operation { effect, began: Instant::now(), ended: None, outcome: Outcome::Running };
        self.operations.push(operation);
        self.operations.len() - 1
    }

    /// After it was answered or lost.
    pub fn end(&mut self, number: usize, outcome: Outcome) {
        if let Some(operation) = self.operations.get_mut(number) {
            operation.ended = Some(Instant::now());
            operation.outcome = outcome;
        }
    }

    /// All statements.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The states that the table may be in. Without a window: after everything. They double with each statement of unknown
    /// outcome and meet again in the next that is certain: so each is kept once.
    fn states(&self, window: Option<Window>) -> BTreeSet<State> {
        let surely_in = |op: &Operation| window.is_none_or(|w| op.ended.is_some_and(|ended| ended <= w.from));
        let surely_out = |op: &Operation| window.is_some_and(|w| op.began >= w.until);
        let fewest = self.operations.iter().take_while(|op| surely_in(op)).count();
        let most = self.operations.iter().take_while(|op| !surely_out(op)).count();
        let mut states = BTreeSet::new();
        let mut all = BTreeSet::from([State::default()]);
        for (n, operation) in self.operations.iter().enumerate() {
            if n >= fewest {
                states.extend(all.iter().cloned());
            }
            if n >= most {
                return states;
            }
            all = all.into_iter().flat_map(|state| after(state, operation)).collect();
        }
        states.extend(all);
        states
    }

    /// Compares what was read with what may be.
    pub fn check(
        &self,
        window: Option<Window>,
        text_of: impl Fn(u64, u32) -> String,
        rows: Option<&[ReadRow]>,
    ) -> anyhow::Result<()> {
        let states = self.states(window);
        let mut why = String::new();
        for state in &states {
            match state.differs(&text_of, rows) {
                None => return Ok(()),
                Some(difference) => why = difference,
            }
        }
        ensure!(!why.is_empty(), "there is no state that it may be in");
        anyhow::bail!("{why} (the nearest of {} states that it may be in)", states.len())
    }
}

/// The states after one more statement.
fn after(state: State, operation: &Operation) -> Vec<State> {
    let with = |certain| {
        let mut next = state.clone();
        next.take(&operation.effect, certain);
        next
    };
    match (operation.outcome, &operation.effect) {
        (Outcome::Acknowledged, _) => vec![with(true)],
        (Outcome::Refused, _) => vec![state],
        // Whole or absent: the batch itself says so.
        (_, Effect::Insert { .. }) => vec![with(false)],
        _ => vec![with(true), state],
    }
}

/// The streams of all clients, by table and client.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<BTreeMap<(String, u32), Stream>>>);

impl History {
    /// Exclusive access.
    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, u32), Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a statement is sent.
    pub fn begin(&self, table: &str, client: u32, effect: Effect) -> usize {
        self.lock().entry((table.to_owned(), client)).or_default().begin(effect)
    }

    /// After it was answered or lost.
    pub fn end(&self, table: &str, client: u32, number: usize, outcome: Outcome) {
        if let Some(stream) = self.lock().get_mut(&(table.to_owned(), client)) {
            stream.end(number, outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn insert(sequence: u64, rows: u32) -> Effect {
        Effect::Insert { sequence, rows, partitions: vec![0, 1] }
    }

    fn stream(effects: &[(Effect, Outcome)]) -> Stream {
        let mut stream = Stream::default();
        for (effect, outcome) in effects {
            let number = stream.begin(effect.clone());
            stream.end(number, *outcome);
        }
        stream
    }

    fn rows(of: &[(u64, &[u32])]) -> Vec<ReadRow> {
        of.iter().flat_map(|(s, all)| all.iter().map(|i| (*s, *i, text(*s, *i)))).collect()
    }

    fn text(sequence: u64, i: u32) -> String {
        format!("{sequence}.{i}")
    }

    fn why(stream: &Stream, window: Option<Window>, found: Option<&[(u64, &[u32])]>) -> String {
        let found = found.map(rows);
        stream.check(window, text, found.as_deref()).map_or_else(|e| e.to_string(), |()| String::new())
    }

    #[test]
    fn what_was_acknowledged_is_there_and_what_was_refused_is_not() {
        use Outcome::*;
        let s = stream(&[(Effect::Create(2), Acknowledged), (insert(1, 2), Acknowledged), (insert(2, 2), Refused)]);
        assert_eq!(why(&s, None, Some(&[(1, &[0, 1])])), "");
        assert!(why(&s, None, Some(&[])).contains("batch 1 of 2 rows is lost"));
        assert!(why(&s, None, Some(&[(1, &[0])])).contains("has rows {0} and not {0, 1}"));
        assert!(why(&s, None, Some(&[(1, &[0, 1]), (2, &[0, 1])])).contains("batch 2 should not be there"));
        assert!(why(&s, None, Some(&[(1, &[0, 1, 1])])).contains("twice"));
        assert!(why(&s, None, None).contains("not there"));
    }

    #[test]
    fn unknown_statements_are_whole_or_absent() {
        use Outcome::*;
        let s = stream(&[(Effect::Create(2), Acknowledged), (insert(1, 2), Unknown), (Effect::Drop, Unknown)]);
        for found in [Some(&[][..]), Some(&[(1, &[0, 1][..])][..]), None] {
            assert_eq!(why(&s, None, found), "");
        }
        assert!(why(&s, None, Some(&[(1, &[1])])).contains("has rows {1} and not {0, 1}"));
    }

    #[test]
    fn partitions_take_their_rows_with_them() {
        use Outcome::*;
        let made = [(Effect::Create(2), Acknowledged), (insert(1, 3), Acknowledged)];
        let s = stream(&[&made[..], &[(Effect::DropPartition(0), Acknowledged)]].concat());
        assert_eq!(why(&s, None, Some(&[(1, &[1])])), "");
        let s = stream(&[&made[..], &[(Effect::Truncate, Acknowledged)]].concat());
        assert_eq!(why(&s, None, Some(&[])), "");
        assert!(!why(&s, None, Some(&[(1, &[0, 1, 2])])).is_empty());
    }

    #[test]
    fn rows_that_are_deleted_or_overwritten_are_gone_and_no_others() {
        use Outcome::*;
        let made = [(Effect::Create(2), Acknowledged), (insert(1, 1), Acknowledged), (insert(2, 2), Acknowledged)];
        let s = stream(&[&made[..], &[(Effect::Delete { up_to: 1 }, Acknowledged)]].concat());
        assert_eq!(why(&s, None, Some(&[(2, &[0, 1])])), "");
        assert!(why(&s, None, Some(&[(1, &[0]), (2, &[0, 1])])).contains("batch 1 should not be there"));
        assert!(why(&s, None, Some(&[])).contains("batch 2 of 2 rows is lost"));
        let s = stream(&[&made[..], &[(Effect::Delete { up_to: 2 }, Unknown)]].concat());
        for found in [&[][..], &[(1, &[0][..]), (2, &[0, 1][..])][..]] {
            assert_eq!(why(&s, None, Some(found)), "");
        }
        assert!(!why(&s, None, Some(&[(2, &[0, 1])])).is_empty(), "all of it or nothing");
        let over = |outcome| (Effect::Overwrite { sequence: 3, rows: 1, partitions: vec![0] }, outcome);
        let s = stream(&[&made[..], &[over(Acknowledged)]].concat());
        assert_eq!(why(&s, None, Some(&[(3, &[0])])), "");
        assert!(!why(&s, None, Some(&[(2, &[0, 1]), (3, &[0])])).is_empty());
        let s = stream(&[&made[..], &[over(Unknown)]].concat());
        assert_eq!(why(&s, None, Some(&[(3, &[0])])), "");
        assert_eq!(why(&s, None, Some(&[(1, &[0]), (2, &[0, 1])])), "");
        assert!(!why(&s, None, Some(&[(1, &[0]), (2, &[0, 1]), (3, &[0])])).is_empty());
    }

    #[test]
    fn many_statements_of_unknown_outcome_leave_few_states() {
        use Outcome::*;
        let mut all = vec![(Effect::Create(2), Acknowledged)];
        for n in 0..100 {
            all.push((Effect::Delete { up_to: 3 * n }, Unknown));
            all.push((Effect::Overwrite { sequence: 3 * n + 1, rows: 1, partitions: vec![0] }, Unknown));
            all.push((Effect::Overwrite { sequence: 3 * n + 2, rows: 1, partitions: vec![0] }, Acknowledged));
        }
        let s = stream(&all);
        assert_eq!(s.states(None).len(), 1);
        assert_eq!(why(&s, None, Some(&[(299, &[0])])), "");
        assert!(!why(&s, None, Some(&[(298, &[0]), (299, &[0])])).is_empty());
    }

    #[test]
    fn a_window_holds_what_lies_before_it_and_not_what_lies_behind() {
        let second = Duration::from_secs(1);
        let mut s = stream(&[
            (Effect::Create(2), Outcome::Acknowledged),
            (insert(1, 1), Outcome::Acknowledged),
            (insert(2, 1), Outcome::Acknowledged),
        ]);
        let start = Instant::now();
        for (n, operation) in s.operations.iter_mut().enumerate() {
            operation.began = start + second * (10 * n as u32);
            operation.ended = Some(operation.began + second);
        }
        let window =
            |from: u32, until: u32| Some(Window { from: start + second * from, until: start + second * until });
        let (none, one, two) = (&[][..], &[(1, &[0][..])][..], &[(1, &[0][..]), (2, &[0][..])][..]);
        assert_eq!(why(&s, window(12, 19), Some(one)), "");
        assert!(!why(&s, window(12, 19), Some(none)).is_empty());
        assert!(!why(&s, window(12, 19), Some(two)).is_empty());
        for found in [none, one, two] {
            assert_eq!(why(&s, window(5, 25), Some(found)), "");
        }
    }
}
