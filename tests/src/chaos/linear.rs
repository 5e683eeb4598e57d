//! Linearizability: clients create, drop and list a few tables at the same time while the frontend is killed; what they
//! saw must be what one after the other would have seen. Operations whose answer was lost stay open.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use tokio::time::sleep;

use super::arena::Arena;
use super::frontends;
use super::load::{INTERRUPTED, Ports};
use crate::client::{Client, code_of};

/// Tables that are fought for.
const NAMES: u8 = 3;
const CLIENTS: u64 = 4;
/// Operations of one client in one history. The search is exponential in what overlaps.
const OPERATIONS: u32 = 12;
const PATIENCE: Duration = Duration::from_secs(15);
/// How long an order is searched for.
const SEARCH: Duration = Duration::from_secs(60);
/// What a server says that does not know, or that has not tried: such an operation stays open.
const UNSURE: [&str; 5] =
    ["not known", "shutting down", "no frontend leads", "cannot read the metadata now", "takes no messages"];

/// An operation on the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// CREATE TABLE.
    Create(u8),
    /// DROP TABLE.
    Drop(u8),
    /// SHOW TABLES.
    List,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Created or dropped.
    Done,
    /// There is one already, or there is none.
    Refused,
    /// The tables that are there.
    Names(BTreeSet<u8>),
}

/// One database, one thing after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names(BTreeSet<u8>);

impl SequentialSpec for Names {
    type Op = Operation;
    type Ret = Answer;

    fn invoke(&mut self, operation: &Operation) -> Answer {
        let changed = match operation {
            Operation::Create(name) => self.0.insert(*name),
            Operation::Drop(name) => self.0.remove(name),
            Operation::List => return Answer::Names(self.0.clone()),
        };
        if changed { Answer::Done } else { Answer::Refused }
    }
}

type Tester = LinearizabilityTester<u64, Names>;

struct Fighter {
    ports: Ports,
    turn: usize,
    database: String,
    tester: Arc<Mutex<Tester>>,
    random: StdRng,
    /// Each operation of unknown outcome stays open, and its client goes on as somebody else.
    thread: u64,
    connection: Option<Client>,
}

impl Fighter {
    fn tell(&self, what: impl FnOnce(&mut Tester) -> Result<(), String>) -> anyhow::Result<()> {
        what(&mut self.tester.lock().unwrap_or_else(PoisonError::into_inner)).map_err(anyhow::Error::msg)
    }

    async fn run(mut self) -> anyhow::Result<()> {
        for _ in 0..OPERATIONS {
            while self.connection.is_none() {
                self.turn += 1;
                let connected = tokio::time::timeout(Duration::from_secs(3), self.ports.connect(self.turn)).await;
                self.connection = connected.ok().and_then(Result::ok);
                sleep(Duration::from_millis(20)).await;
            }
            let name = self.random.random_range(0..NAMES);
            let operation = match self.random.random_range(0..10) {
                0..4 => Operation::Create(name),
                4..7 => Operation::Drop(name),
                _ => Operation::List,
            };
            self.tell(|tester| tester.on_invoke(self.thread, operation.clone()).map(drop))?;
            match self.ask(&operation).await? {
                Some(answer) => {
                    self.tell(|tester| tester.on_return(self.thread, answer).map(drop))?;
                    if self.ports.are_several() && self.random.random_bool(0.5) {
                        self.connection = None;
                    }
                }
                None => {
                    self.connection = None;
                    self.thread += CLIENTS;
                }
            }
            let pause = self.random.random_range(0..80);
            sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    /// None: not known.
    async fn ask(&mut self, operation: &Operation) -> anyhow::Result<Option<Answer>> {
        let database = &self.database;
        let Some(client) = self.connection.as_mut() else { return Ok(None) };
        let done = match operation {
            Operation::List => {
                let sql = format!("SHOW TABLES FROM {database}");
                let rows = client.rows::<String>(&sql);
                let Ok(rows) = tokio::time::timeout(PATIENCE, rows).await else { return Ok(None) };
                rows.map(|rows| {
                    Answer::Names(rows.iter().filter_map(|name| name.strip_prefix('t')?.parse().ok()).collect())
                })
            }
            Operation::Create(name) => {
                let sql = format!(
                    "CREATE TABLE {database}.t{name} (k BIGINT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1"
                );
                let Ok(done) = tokio::time::timeout(PATIENCE, client.run(&sql)).await else { return Ok(None) };
                done.map(|()| Answer::Done)
            }
            Operation::Drop(name) => {
                let sql = format!("DROP TABLE {database}.t{name} FORCE");
                let Ok(done) = tokio::time::timeout(PATIENCE, client.run(&sql)).await else { return Ok(None) };
                done.map(|()| Answer::Done)
            }
        };
        match done {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => {
                let text = format!("{error:#}");
                match code_of(&error) {
                    // There is one already, or there is none.
                    Some(1050 | 1051 | 5502) => Ok(Some(Answer::Refused)),
                    Some(INTERRUPTED) => Ok(None),
                    // Anything else that the server says for sure would be a false answer.
                    Some(_) if !UNSURE.iter().any(|unsure| text.contains(unsure)) => anyhow::bail!(text),
                    _ => Ok(None),
                }
            }
        }
    }
}

/// One history on a database of its own. `blow` is given the time while it runs.
async fn history(arena: &mut Arena, number: u64) -> anyhow::Result<()> {
    let database = format!("fight{number}");
    let mut client = arena.stage.client().await?;
    client.run(&format!("CREATE DATABASE {database}")).await?;
    let tester = Arc::new(Mutex::new(Tester::new(Names::default())));
    let mut fighters = tokio::task::JoinSet::new();
    for thread in 0..CLIENTS {
        let fighter = Fighter {
            ports: arena.ports.clone(),
            turn: thread as usize,
            database: database.clone(),
            tester: tester.clone(),
            random: StdRng::seed_from_u64(arena.random.random()),
            thread,
            connection: None,
        };
        fighters.spawn(fighter.run());
    }
    arena.wait_ms(50..700).await;
    if arena.spec.several {
        frontends::strike_the_leader(arena).await?;
    } else {
        arena.kill_frontend("").await?;
    }
    while let Some(done) = fighters.join_next().await {
        done??;
    }
    let tester = tester.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let searched = tokio::task::spawn_blocking(move || (tester.is_consistent(), format!("{tester:?}")));
    // The search is exponential in what stayed open, and a busy machine leaves much open.
    match tokio::time::timeout(SEARCH, searched).await {
        Err(_) => arena.report.undecided += 1,
        Ok(found) => {
            let (consistent, text) = found?;
            ensure!(consistent, "the history of {database} is not linearizable: {text}");
            arena.report.histories += 1;
        }
    }
    let mut client = arena.stage.client().await?;
    client.run(&format!("DROP DATABASE {database} FORCE")).await?;
    client.close().await
}

/// Histories until time is over, at least one.
pub async fn linearizable(arena: &mut Arena) -> anyhow::Result<()> {
    for number in 0.. {
        if number > 0 && !arena.has_time() {
            break;
        }
        if let Err(error) = history(arena, number).await {
            arena.violation(format!("{error:#}"));
        }
    }
    // A harness that judges nothing has found nothing.
    if arena.report.undecided > arena.report.histories {
        arena.violation("most histories were too long to judge".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_table_that_comes_back_is_noticed() {
        let mut tester = Tester::new(Names::default());
        tester.on_invret(0, Operation::Create(1), Answer::Done).unwrap();
        tester.on_invret(1, Operation::Drop(1), Answer::Done).unwrap();
        // Open: it may or may not have happened.
        tester.on_invoke(2, Operation::Create(2)).unwrap();
        let with = |names: &[u8]| {
            let mut tester = tester.clone();
            tester.on_invret(3, Operation::List, Answer::Names(names.iter().copied().collect())).unwrap();
            tester.is_consistent()
        };
        assert!(with(&[]) && with(&[2]));
        assert!(!with(&[1]) && !with(&[1, 2]));
    }
}
