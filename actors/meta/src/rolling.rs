//! The partition roller: partitions of tables with `dynamic_partition.*`, `partition_live_number` or `partition_ttl` come and go
//! as time goes on. Each look computes from the catalog and the clock what should be there, and proposes what is missing and
//! what is over; the catalog leaves out what has been done meanwhile. What goes, goes through the recycle bin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime_actor::{Actor, Answer, Context, Handle, Message};
use runtime_raft::Meta;
use serde::Serialize;
use storage_catalog::{Catalog, Command, Outcome, PartitionDraft};
use storage_model::dynamic::{self, DynamicPartitions};
use storage_model::{Partition, Revision, Table, TableId};

use crate::look::Look;
use crate::settings::{MetaSettings, SettingsReader};

/// Between two looks at the settings and the tables.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Buckets of a partition of which nobody said how many it has.
const DEFAULT_BUCKETS: u32 = 2;

/// The wall time of a zone, in microseconds, at a moment of Unix milliseconds. An empty name is the zone of this host; None:
/// there is no such zone.
pub type LocalTime = Arc<dyn Fn(&str, u64) -> Option<i64> + Send + Sync>;

/// The role.
pub struct PartitionRoller {
    meta: Meta,
    settings: SettingsReader,
    local_time: LocalTime,
    /// When all tables were looked at last.
    looked: Option<Instant>,
    /// What a table was like when it was looked at last: one that was created or altered meanwhile is looked at at once.
    seen: BTreeMap<TableId, BTreeMap<String, String>>,
    /// The newest revision that was looked at for changed tables.
    revision: Revision,
    working: bool,
    counts: Counts,
    last_error: String,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    looks: u64,
    tables_changed: u64,
    failed: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct PartitionRollerState {
    tables: usize,
    #[serde(flatten)]
    counts: Counts,
    last_error: String,
}

/// All that was to be proposed was proposed.
#[derive(Debug)]
struct Rolled {
    changed: u64,
    error: Option<String>,
}

impl Message for Rolled {
    type Reply = ();
    const NAME: &'static str = "Rolled";
}

impl PartitionRoller {
    /// A roller of this leader's tables.
    pub fn new(meta: Meta, settings: SettingsReader, local_time: LocalTime) -> PartitionRoller {
        PartitionRoller {
            meta,
            settings,
            local_time,
            looked: None,
            seen: BTreeMap::new(),
            revision: Revision(0),
            working: false,
            counts: Counts::default(),
            last_error: String::new(),
        }
    }

    fn look(&mut self, cx: &Context<Self>) {
        let MetaSettings { partitions_every, rolls_partitions, most_rolled, .. } = (self.settings)();
        let catalog = self.meta.view();
        let now = cx.clock().monotonic();
        let is_due = self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= partitions_every);
        // A restored cluster drops nothing by itself while it is careful.
        if self.working || catalog.is_careful() || (!is_due && catalog.revision() == self.revision) {
            return;
        }
        self.revision = catalog.revision();
        let rolling: Vec<&Arc<Table>> = catalog.tables().filter(|table| rolls(table)).collect();
        let is_new = |table: &&&Arc<Table>| self.seen.get(&table.id) != Some(&table.properties);
        let chosen: Vec<&Arc<Table>> = rolling.iter().filter(|table| is_due || is_new(table)).copied().collect();
        let millis = cx.clock().now_unix_ms();
        let local_time = |zone: &str| (self.local_time)(zone, millis);
        let mut commands = Vec::new();
        let mut wrong = None;
        for table in chosen {
            match command(&catalog, table, local_time, most_rolled, rolls_partitions) {
                Ok(found) => commands.extend(found),
                Err(why) => wrong = Some(format!("table {}: {why}", table.name)),
            }
        }
        self.seen = rolling.iter().map(|table| (table.id, table.properties.clone())).collect();
        if is_due {
            self.looked = Some(now);
            self.counts.looks += 1;
        }
        if commands.is_empty() && wrong.is_none() {
            return;
        }
        self.working = true;
        let meta = self.meta.clone();
        cx.effect(async move {
            let (mut changed, mut error) = (0, wrong);
            for command in commands {
                match meta.propose(command).await {
                    Ok(Outcome::Done) => changed += 1,
                    Ok(_) => {}
                    Err(refused) => error = Some(refused.to_string()),
                }
            }
            Rolled { changed, error }
        });
    }
}

fn rolls(table: &Table) -> bool {
    table.properties.keys().any(|key| dynamic::is_dynamic(key))
}

/// What a table's time asks for; None: nothing. `comes`: whether new partitions do.
fn command(
    catalog: &Catalog,
    table: &Table,
    local_time: impl Fn(&str) -> Option<i64>,
    most: usize,
    comes: bool,
) -> Result<Option<Command>, String> {
    let partitions: Vec<&Partition> = catalog.partitions_of(table).map(AsRef::as_ref).collect();
    let turn = dynamic::turn(table, &partitions, local_time, most)?;
    let buckets = DynamicPartitions::parse(&table.properties)?.and_then(|dynamic| dynamic.buckets);
    let newest = partitions.last().map(|partition| partition.buckets);
    let buckets = buckets.or(table.buckets_given).or(newest).unwrap_or(DEFAULT_BUCKETS);
    let is_missing = |range: &storage_model::PartitionRange| !partitions.iter().any(|p| p.range.overlaps(range));
    let wanted = turn.wanted.into_iter().filter(|(_, range)| comes && is_missing(range));
    let drafts: Vec<_> = wanted.map(|(name, range)| PartitionDraft { name, range, buckets }).collect();
    let dropped: Vec<_> = turn.over.iter().map(|at| partitions[*at].id).collect();
    let command = Command::RollPartitions { table: table.id, drafts, dropped };
    Ok(match &command {
        Command::RollPartitions { drafts, dropped, .. } if drafts.is_empty() && dropped.is_empty() => None,
        _ => Some(command),
    })
}

impl Actor for PartitionRoller {
    const ROLE: &'static str = "partition_roller";
    type State = PartitionRollerState;

    fn observe(&self) -> PartitionRollerState {
        PartitionRollerState { tables: self.seen.len(), counts: self.counts, last_error: self.last_error.clone() }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.every(LOOK_EVERY, || Look);
    }
}

impl Handle<Look> for PartitionRoller {
    fn handle(&mut self, _: Look, cx: &mut Context<Self>) -> Answer<()> {
        fail::fail_point!("handler.partition_roller");
        self.look(cx);
        Answer::done()
    }
}

impl Handle<Rolled> for PartitionRoller {
    fn handle(&mut self, message: Rolled, _: &mut Context<Self>) -> Answer<()> {
        self.working = false;
        self.counts.tables_changed += message.changed;
        match message.error {
            None => self.last_error.clear(),
            Some(error) => {
                tracing::warn!(error, "the partitions of a table could not be rolled on");
                self.counts.failed += 1;
                self.last_error = error;
            }
        }
        Answer::done()
    }
}
