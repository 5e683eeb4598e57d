//! The load: several clients, each with tables of its own and one table for all, all of it written down in the history.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;

use super::fellows::FRESH;
use super::history::{Effect, History, Outcome};
use crate::client::Client;

/// The database of the load.
pub const DATABASE: &str = "chaos";
/// The table that all clients fill.
pub const SHARED: &str = "everybody";
/// A statement that is not answered within this is of unknown outcome.
const PATIENCE: Duration = Duration::from_secs(20);
/// "Query execution was interrupted".
pub const INTERRUPTED: u16 = 1317;
/// Tables of one client at a time.
const TABLES: usize = 3;

/// The text of a row: what is read back can be checked without remembering it.
pub fn text_of(client: u32, sequence: u64, i: u32) -> String {
    let mixed = (u64::from(client) << 48 ^ sequence << 8 ^ u64::from(i)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{mixed:016x}")
}

/// The statement that makes a table with partitions `0..n`. Half of the tables have a PRIMARY KEY: what is written to them is looked
/// up first.
pub fn create(table: &str, partitions: u32) -> String {
    let parts: Vec<String> = (0..partitions).map(partition).collect();
    let key = match table.bytes().fold(0, u8::wrapping_add) % 2 {
        0 => "PRIMARY KEY(c, s, i, p)",
        _ => "DUPLICATE KEY(c, s)",
    };
    format!(
        "CREATE TABLE {DATABASE}.{table} (c INT NOT NULL, s BIGINT NOT NULL, i INT NOT NULL, p INT NOT NULL, v VARCHAR(64)) \
         {key} PARTITION BY RANGE(p) ({}) DISTRIBUTED BY HASH(c) BUCKETS 2",
        parts.join(", ")
    )
}

fn partition(n: u32) -> String {
    format!("PARTITION p{n} VALUES LESS THAN (\"{}\")", (n + 1) * 10)
}

/// What became of a statement.
pub fn outcome(error: &anyhow::Error) -> Outcome {
    let server = error.chain().find_map(|cause| match cause.downcast_ref::<mysql_async::Error>() {
        Some(mysql_async::Error::Server(server)) => Some((server.code, server.message.clone())),
        _ => None,
    });
    match server {
        // A frontend that ends does not wait for ever: what was at its commit may be done.
        Some((INTERRUPTED, _)) | None => Outcome::Unknown,
        Some((_, text)) if text.contains("not known") => Outcome::Unknown,
        Some(_) => Outcome::Refused,
    }
}

/// Counts of the load.
#[derive(Debug, Default)]
pub struct Counts {
    /// Statements that took effect.
    pub acknowledged: AtomicU64,
    /// Statements that were refused.
    pub refused: AtomicU64,
    /// Statements of unknown outcome.
    pub unknown: AtomicU64,
}

/// Where clients find the frontends. Those that join and leave are added and taken away.
#[derive(Clone, Debug, Default)]
pub struct Ports(Arc<Mutex<Vec<u16>>>);

impl Ports {
    /// From now on it is these.
    pub fn set(&self, ports: Vec<u16>) {
        *self.lock() = ports;
    }

    /// Whether there is another to go to.
    pub fn are_several(&self) -> bool {
        self.lock().len() > 1
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u16>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to one of them. Where there are several, what any of them has acknowledged is seen.
    pub async fn connect(&self, turn: usize) -> anyhow::Result<Client> {
        let (port, several) = {
            let ports = self.lock();
            (*ports.get(turn % ports.len().max(1)).context("there is no frontend")?, ports.len() > 1)
        };
        let mut client = Client::connect(port).await?;
        if several {
            client.run(FRESH).await?;
        }
        Ok(client)
    }
}

/// Clients that run until they are stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<(), String>>>,
}

impl Load {
    /// Starts so many clients; numbers from `first`.
    pub fn start(ports: &Ports, first: u32, clients: u32, seed: u64, history: &History, counts: &Arc<Counts>) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |client: u32| {
            let own = Worker {
                ports: ports.clone(),
                turn: client as usize,
                client,
                random: StdRng::seed_from_u64(seed ^ u64::from(client).wrapping_mul(0xA24B_AED4_963E_E407)),
                history: history.clone(),
                counts: counts.clone(),
                stop: stop.clone(),
                connection: None,
                tables: Vec::new(),
                generation: 0,
                sequence: 0,
            };
            tokio::spawn(own.run())
        };
        Load { tasks: (first..first + clients).map(start).collect(), stop }
    }

    /// Lets every client finish its statement; what the clients have found wrong.
    pub async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut wrong = Vec::new();
        for task in self.tasks {
            match task.await {
                Ok(Ok(())) => {}
                Ok(Err(found)) => wrong.push(found),
                Err(error) => wrong.push(format!("a client of the load died: {error}")),
            }
        }
        wrong
    }
}

struct OwnTable {
    name: String,
    partitions: Vec<u32>,
    next_partition: u32,
}

struct Worker {
    ports: Ports,
    turn: usize,
    client: u32,
    random: StdRng,
    history: History,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    connection: Option<Client>,
    tables: Vec<OwnTable>,
    generation: u32,
    sequence: u64,
}

impl Worker {
    async fn run(mut self) -> Result<(), String> {
        while !self.stop.load(Ordering::Relaxed) {
            if self.connection.is_none() {
                self.turn += 1;
                let connected = tokio::time::timeout(Duration::from_secs(3), self.ports.connect(self.turn)).await;
                let Ok(Ok(client)) = connected else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                self.connection = Some(client);
            }
            self.step().await?;
            if self.ports.are_several() && self.random.random_bool(0.15) {
                self.connection = None;
            }
            let pause = self.random.random_range(5..60);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        if let Some(client) = self.connection {
            // The server may be gone.
            let _ = tokio::time::timeout(Duration::from_secs(2), client.close()).await;
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<(), String> {
        let dice = self.random.random_range(0..100);
        if self.tables.is_empty() || (dice < 6 && self.tables.len() < TABLES) {
            self.create().await;
            return Ok(());
        }
        let which = self.random.random_range(0..self.tables.len());
        match dice {
            0..49 => self.insert(which).await,
            49..62 => self.insert_shared().await,
            62..66 => self.overwrite(which).await,
            66..70 => self.delete(which).await,
            70..73 => self.delete_shared().await,
            73..78 => self.truncate(which).await,
            78..83 => self.add_partition(which).await,
            83..88 => self.drop_partition(which).await,
            88..92 => self.drop_table(which).await,
            _ => return self.look(which).await,
        }
        Ok(())
    }

    /// Sends a statement and writes down what became of it.
    async fn send(&mut self, table: &str, effect: Effect, sql: &str) -> Outcome {
        let number = self.history.begin(table, self.client, effect.clone());
        let outcome = match self.connection.as_mut() {
            None => Outcome::Refused,
            Some(client) => match tokio::time::timeout(PATIENCE, client.run(sql)).await {
                Ok(Ok(())) => Outcome::Acknowledged,
                Ok(Err(error)) => {
                    let is_servers = crate::code_of(&error).is_some();
                    if !is_servers {
                        self.connection = None;
                    }
                    let outcome = outcome(&error);
                    if outcome == Outcome::Refused && std::env::var_os("CHAOS_VERBOSE").is_some() {
                        eprintln!("client {} was refused {effect:?} of {table}: {error:#}", self.client);
                    }
                    outcome
                }
                Err(_) => {
                    self.connection = None;
                    Outcome::Unknown
                }
            },
        };
        self.history.end(table, self.client, number, outcome);
        let count = match outcome {
            Outcome::Acknowledged => &self.counts.acknowledged,
            // "Try another frontend", it may say.
            Outcome::Refused if self.ports.are_several() => {
                self.connection = None;
                &self.counts.refused
            }
            Outcome::Refused => &self.counts.refused,
            Outcome::Unknown | Outcome::Running => &self.counts.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    /// Changes a table; one of which it is not known how it is now is not touched again.
    async fn change(&mut self, which: usize, effect: Effect, sql: &str) -> bool {
        let name = self.tables[which].name.clone();
        let outcome = self.send(&name, effect, sql).await;
        if outcome == Outcome::Unknown {
            self.tables.swap_remove(which);
        }
        outcome == Outcome::Acknowledged
    }

    async fn create(&mut self) {
        let name = format!("c{}_{}", self.client, self.generation);
        self.generation += 1;
        let partitions = self.random.random_range(1..4);
        if self.send(&name, Effect::Create(partitions), &create(&name, partitions)).await == Outcome::Acknowledged {
            self.tables.push(OwnTable { name, partitions: (0..partitions).collect(), next_partition: partitions });
        }
    }

    fn batch(&mut self, partitions: Vec<u32>) -> (Effect, String) {
        self.sequence += 1;
        let (sequence, rows) = (self.sequence, self.random.random_range(1..9));
        let row = |i: u32| {
            let p = partitions[i as usize % partitions.len()] * 10 + i % 10;
            format!("({}, {sequence}, {i}, {p}, '{}')", self.client, text_of(self.client, sequence, i))
        };
        let values = (0..rows).map(row).collect::<Vec<_>>().join(", ");
        (Effect::Insert { sequence, rows, partitions }, values)
    }

    async fn insert(&mut self, which: usize) {
        let (name, partitions) = (self.tables[which].name.clone(), self.tables[which].partitions.clone());
        let (effect, values) = self.batch(partitions);
        self.send(&name, effect, &format!("INSERT INTO {DATABASE}.{name} VALUES {values}")).await;
    }

    async fn insert_shared(&mut self) {
        let (effect, values) = self.batch(vec![0, 1]);
        self.send(SHARED, effect, &format!("INSERT INTO {DATABASE}.{SHARED} VALUES {values}")).await;
    }

    async fn overwrite(&mut self, which: usize) {
        let (name, partitions) = (self.tables[which].name.clone(), self.tables[which].partitions.clone());
        let (effect, values) = self.batch(partitions);
        let Effect::Insert { sequence, rows, partitions } = effect else { return };
        let effect = Effect::Overwrite { sequence, rows, partitions };
        self.change(which, effect, &format!("INSERT OVERWRITE {DATABASE}.{name} VALUES {values}")).await;
    }

    /// Own rows, older than some of the last ones.
    fn deletion(&mut self, table: &str) -> (Effect, String) {
        let up_to = self.sequence.saturating_sub(self.random.random_range(0..20));
        let sql = format!("DELETE FROM {DATABASE}.{table} WHERE c = {} AND s <= {up_to}", self.client);
        (Effect::Delete { up_to }, sql)
    }

    async fn delete(&mut self, which: usize) {
        let name = self.tables[which].name.clone();
        let (effect, sql) = self.deletion(&name);
        self.change(which, effect, &sql).await;
    }

    /// Others load into the same partitions meanwhile.
    async fn delete_shared(&mut self) {
        let (effect, sql) = self.deletion(SHARED);
        self.send(SHARED, effect, &sql).await;
    }

    async fn truncate(&mut self, which: usize) {
        let sql = format!("TRUNCATE TABLE {DATABASE}.{}", self.tables[which].name);
        self.change(which, Effect::Truncate, &sql).await;
    }

    async fn add_partition(&mut self, which: usize) {
        let n = self.tables[which].next_partition;
        let sql = format!("ALTER TABLE {DATABASE}.{} ADD {}", self.tables[which].name, partition(n));
        if self.change(which, Effect::AddPartition(n), &sql).await {
            self.tables[which].partitions.push(n);
            self.tables[which].next_partition = n + 1;
        }
    }

    async fn drop_partition(&mut self, which: usize) {
        if self.tables[which].partitions.len() < 2 {
            return;
        }
        let at = self.random.random_range(0..self.tables[which].partitions.len() - 1);
        let n = self.tables[which].partitions[at];
        let force = if self.random.random_bool(0.7) { " FORCE" } else { "" };
        let sql = format!("ALTER TABLE {DATABASE}.{} DROP PARTITION p{n}{force}", self.tables[which].name);
        if self.change(which, Effect::DropPartition(n), &sql).await {
            self.tables[which].partitions.remove(at);
        }
    }

    async fn drop_table(&mut self, which: usize) {
        let force = if self.random.random_bool(0.7) { " FORCE" } else { "" };
        let sql = format!("DROP TABLE {DATABASE}.{}{force}", self.tables[which].name);
        if self.change(which, Effect::Drop, &sql).await {
            self.tables.swap_remove(which);
        }
    }

    /// Reads a table of its own: nobody else changes it.
    async fn look(&mut self, which: usize) -> Result<(), String> {
        let name = self.tables[which].name.clone();
        let Some(client) = self.connection.as_mut() else { return Ok(()) };
        let sql = format!("SELECT s, i, v FROM {DATABASE}.{name}");
        match tokio::time::timeout(PATIENCE, client.rows::<(u64, u32, String)>(&sql)).await {
            Ok(Ok(rows)) => {
                let stream = self.history.lock().get(&(name.clone(), self.client)).cloned().unwrap_or_default();
                let text = |sequence, i| text_of(self.client, sequence, i);
                stream.check(None, text, Some(&rows)).map_err(|e| format!("client {} reads {name}: {e}", self.client))
            }
            Ok(Err(error)) => {
                if crate::code_of(&error).is_none() {
                    self.connection = None;
                }
                Ok(())
            }
            Err(_) => {
                self.connection = None;
                Ok(())
            }
        }
    }
}
