//! Jobs that write all rows of a table anew: how they begin, go on and end. What they end with is one moment at which a table has
//! other columns or buckets, and the rows for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use storage_model::{
    AlterEvent, AlterJob, AlterKind, AlterState, AlterTarget, ColumnId, Distribution, JobId, KeyModel, Partition,
    PartitionId, RewrittenPartition, Rowset, SchemaChange, Table, TxnId,
};

use super::columns::{next_version, remember};
use super::supersede::overtaken;
use crate::catalog::{Catalog, Trash};
use crate::command::{Command, Outcome, Rejection, Reply};

/// How long a job that is over is remembered (`history_job_keep_max_second`, three days),
const KEPT_MILLIS: u64 = 259_200_000;
/// and how many of them.
const MOST_KEPT: usize = 500;
/// What StarRocks says of a job whose user gave it up.
const BY_USER: &str = "user cancelled";

impl Catalog {
    /// A job makes the table what it is to be.
    pub(super) fn begin_alter(&mut self, table: &Table, kind: AlterKind, target: AlterTarget) -> Reply {
        self.trim_alters();
        let id = JobId(self.draw_id());
        let job = AlterJob {
            id,
            kind,
            state: AlterState::Pending,
            database: table.database,
            table: table.id,
            name: table.name.clone(),
            version: next_version(table),
            txn: None,
            created_at: self.header.clock,
            finished_at: None,
            ended: None,
            progress: 0,
            message: String::new(),
            target: Some(target),
        };
        self.alters.insert(id, Arc::new(job));
        self.header.starmgr_id += 1;
        Ok(Outcome::Job(id))
    }

    pub(super) fn alter_distribution(
        &mut self,
        (database, name): (&str, &str),
        partitions: &[String],
        distribution: &Distribution,
        (buckets_given, buckets): (Option<u32>, u32),
    ) -> Reply {
        let table = self.find_table(database, name)?;
        let rule = |text: String| Err(Rejection::ColumnRule(text));
        if *distribution == Distribution::Random && table.model != KeyModel::Duplicate {
            let model = table.model.clause();
            return rule(format!("{model} must use hash distribution"));
        }
        if let Distribution::Hash { columns } = distribution {
            let of_key = |id: &ColumnId| table.schema.columns.iter().any(|column| column.id == *id && column.key);
            let is_free = table.model == KeyModel::Duplicate;
            if let Some(odd) = columns.iter().find(|id| !is_free && !of_key(id)) {
                let name = table.schema.position_of(*odd).map_or("", |at| table.schema.columns[at].name.as_str());
                return rule(format!("Distribution column[{name}] is not key column"));
            }
        }
        if table.properties.get("colocate_with").is_some_and(|group| !group.is_empty()) {
            return rule(format!("table {name} is colocated: its buckets are those of its group"));
        }
        let mut only = Vec::with_capacity(partitions.len());
        for partition in partitions {
            only.push(self.find_partition(&table, partition)?.id);
        }
        if !only.is_empty() && *distribution != table.distribution {
            return rule("not support change distribution type when specify partitions".to_owned());
        }
        let buckets_given = if only.is_empty() { buckets_given } else { table.buckets_given };
        let (distribution, buckets) = (distribution.clone(), Some(buckets));
        let target = AlterTarget { distribution, buckets_given, buckets, only, ..AlterTarget::of(&table) };
        self.begin_alter(&table, AlterKind::Distribution, target)
    }

    pub(super) fn alter_event(&mut self, id: JobId, event: &AlterEvent) -> Reply {
        let mut job = self.running_alter(id)?.as_ref().clone();
        match (event, job.state) {
            (AlterEvent::Begin, AlterState::Pending) => {
                job.state = AlterState::WaitingTxn;
                job.txn = Some(TxnId(self.header.next_txn));
                self.header.next_txn += 1;
            }
            (AlterEvent::Start, AlterState::WaitingTxn) => job.state = AlterState::Running,
            (AlterEvent::Hold, AlterState::Running) => job.state = AlterState::FinishedRewriting,
            (AlterEvent::Resume, AlterState::FinishedRewriting) => job.state = AlterState::Running,
            (AlterEvent::Progress(percent), AlterState::Running | AlterState::FinishedRewriting) => {
                job.progress = (*percent).min(99);
            }
            (AlterEvent::Fail(why), _) => {
                self.end_alter(job, AlterState::Cancelled, Some(why.as_str()));
                return Ok(Outcome::Done);
            }
            (event, state) => {
                let text = format!("job {id} is {} and cannot {event:?}", state.name());
                return Err(Rejection::Stale(text));
            }
        }
        self.alters.insert(id, Arc::new(job));
        Ok(Outcome::Done)
    }

    pub(super) fn cancel_alter(&mut self, database: &str, name: &str, kind: AlterKind, jobs: &[JobId]) -> Reply {
        let table = self.find_table(database, name)?;
        let is_meant = |job: &&Arc<AlterJob>| job.kind == kind && (jobs.is_empty() || jobs.contains(&job.id));
        let Some(job) = self.alter_job_of(table.id).filter(is_meant).cloned() else {
            let state = match kind {
                AlterKind::Columns => "SCHEMA_CHANGE",
                AlterKind::Distribution => "OPTIMIZE",
            };
            return Err(Rejection::ColumnRule(format!("Table[{name}] is not under {state}.")));
        };
        self.end_alter(job.as_ref().clone(), AlterState::Cancelled, Some(BY_USER));
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }

    pub(super) fn finish_alter(&mut self, id: JobId, rewritten: &[RewrittenPartition]) -> Reply {
        let job = self.running_alter(id)?.as_ref().clone();
        let stale = |why: &str| Rejection::Stale(format!("job {id} {why}"));
        if !matches!(job.state, AlterState::Running | AlterState::FinishedRewriting) {
            return Err(stale("has not begun"));
        }
        let target = job.target.clone().ok_or_else(|| stale("is over"))?;
        let old = self.tables.get(&job.table).cloned().ok_or_else(|| stale("has no table"))?;
        let mut new = target.table(&old);
        let mut by_id: BTreeMap<PartitionId, &RewrittenPartition> =
            rewritten.iter().map(|r| (r.partition, r)).collect();
        let partitions: Vec<Arc<Partition>> = self.partitions_to_alter(&old, &target).cloned().collect();
        let (mut rows, mut renamed) = (0, BTreeMap::new());
        for partition in &partitions {
            let fresh = by_id.remove(&partition.id);
            let next = self.rewritten(partition, &new, target.buckets_of(partition), fresh)?;
            rows += next.rows();
            renamed.insert(partition.id, next.id);
            self.partitions.remove(&partition.id);
            self.drop_references(&partition.rowsets);
            self.partitions.insert(next.id, Arc::new(next));
        }
        // What was written of others had no rows by now.
        let rename = |id: &mut PartitionId| *id = renamed.get(id).copied().unwrap_or(*id);
        new.partitions.iter_mut().for_each(rename);
        new.temporary.iter_mut().for_each(rename);
        let holds = |trash: &Trash| trash.partitions.iter().any(|id| renamed.contains_key(id));
        let holding: Vec<u64> = self.trash.values().filter(|trash| holds(trash)).map(|trash| trash.id).collect();
        for id in holding {
            if let Some(trash) = self.trash.get_mut(&id) {
                Arc::make_mut(trash).partitions.iter_mut().for_each(rename);
            }
        }
        if job.kind == AlterKind::Columns {
            remember(&mut new, SchemaChange { id: id.0, at: self.header.clock, version: job.version });
        }
        self.forget_replaced(&new, &renamed.values().copied().collect());
        self.forget_columns(&new);
        for part in rewritten.iter().flat_map(|partition| &partition.parts) {
            self.learn(&new, &part.files);
        }
        self.tables.insert(new.id, Arc::new(new));
        self.end_alter(job, AlterState::Finished, None);
        self.header.starmgr_id += 1;
        Ok(Outcome::Committed { rows })
    }

    /// A partition with the rows that were written of it.
    fn rewritten(
        &mut self,
        old: &Partition,
        table: &Table,
        buckets: u32,
        fresh: Option<&RewrittenPartition>,
    ) -> Result<Partition, Rejection> {
        let version = old.visible_version + 1;
        let mut rowsets: Vec<Rowset> = Vec::new();
        let is_current = match fresh {
            Some(fresh) => fresh.base == old.visible_version,
            None => old.rowsets.is_empty(),
        };
        if !is_current {
            return Err(overtaken(old.id, "got or lost rows while it was written anew"));
        }
        let stray = |why: String| Rejection::Stale(format!("partition {} of table {} {why}", old.name, table.name));
        for part in fresh.into_iter().flat_map(|fresh| &fresh.parts) {
            self.check_txn(part.txn)?;
            for file in &part.files {
                if file.partition != old.id {
                    return Err(stray(format!("was written anew into the file {} of another", file.object)));
                }
                rowsets.extend(self.name_file(file)?);
            }
        }
        let is_primary = table.model == KeyModel::Primary;
        if let Some(odd) = rowsets.iter().find(|r| r.bucket >= buckets || r.index.is_some() != is_primary) {
            return Err(stray(format!("has no tablet {} as it was written anew", odd.bucket)));
        }
        let (before, after) = (old.rows(), rowsets.iter().map(Rowset::live_rows).sum());
        // Rows with equal keys become one where the model says so; some row is always left.
        let is_all = match table.model.merges_when_read() {
            true if before > 0 => (1..=before).contains(&after),
            _ => before == after,
        };
        if !is_all {
            return Err(stray(format!("has {before} rows, of which {after} were written anew")));
        }
        Ok(Partition {
            id: PartitionId(self.draw_id()),
            buckets,
            visible_version: version,
            visible_at: self.header.clock,
            rowsets: rowsets.into_iter().map(|rowset| Rowset { version, ..rowset }).collect(),
            ..old.clone()
        })
    }

    fn running_alter(&self, id: JobId) -> Result<&Arc<AlterJob>, Rejection> {
        let found = self.alters.get(&id).filter(|job| job.state.is_unfinished());
        found.ok_or_else(|| Rejection::Stale(format!("job {id} is over")))
    }

    fn end_alter(&mut self, job: AlterJob, state: AlterState, why: Option<&str>) {
        let message = why.map_or_else(|| job.message.clone(), str::to_owned);
        let progress = if state == AlterState::Finished { 100 } else { job.progress };
        let (finished_at, ended) = (Some(self.header.clock), Some(self.header.uptime));
        let over = AlterJob { state, message, progress, finished_at, ended, target: None, ..job };
        self.alters.insert(over.id, Arc::new(over));
        self.trim_alters();
    }

    /// Forgets jobs that were over long ago.
    fn trim_alters(&mut self) {
        let now = self.header.uptime;
        let over: Vec<_> = self.alters.values().filter_map(|job| Some((job.id, job.ended?))).collect();
        let surplus = over.len().saturating_sub(MOST_KEPT);
        for (at, (id, ended)) in over.into_iter().enumerate() {
            if at < surplus || now.since(ended) >= KEPT_MILLIS {
                self.alters.remove(&id);
            }
        }
    }

    /// Of a table that is gone nothing is left to be altered.
    pub(super) fn cancel_alters_of_dropped_tables(&mut self) {
        let is_lost = |job: &&Arc<AlterJob>| job.state.is_unfinished() && !self.tables.contains_key(&job.table);
        let lost: Vec<Arc<AlterJob>> = self.alters.values().filter(is_lost).cloned().collect();
        for job in lost {
            self.end_alter(job.as_ref().clone(), AlterState::Cancelled, Some("The table was dropped"));
        }
    }

    /// What a restored cluster does with the jobs that ran at the cut: their tables are as they were, and who wants them otherwise
    /// can say so again.
    pub(crate) fn cancel_all_alters(&mut self) {
        let unfinished: Vec<_> = self.alters.values().filter(|job| job.state.is_unfinished()).cloned().collect();
        for job in unfinished {
            let why = "The cluster was restored from a moment at which the job ran";
            self.end_alter(job.as_ref().clone(), AlterState::Cancelled, Some(why));
        }
    }

    /// While loads of a table wait, none is committed.
    pub(super) fn check_not_held(&self, table: &Table) -> Result<(), Rejection> {
        match self.is_held(table.id) {
            true => Err(Rejection::Held(format!("table {} is about to become another by a job", table.name))),
            false => Ok(()),
        }
    }

    /// Whether a job on a table stands in the way of a command.
    pub(super) fn check_not_altering(&self, command: &Command) -> Result<(), Rejection> {
        if self.alters.is_empty() {
            return Ok(());
        }
        for (database, name) in altered_by(command) {
            let Ok(table) = self.find_table(database, name) else { continue };
            if let Some(job) = self.alter_job_of(table.id) {
                let (what, shown) = match job.kind {
                    AlterKind::Columns => ("A schema change", "COLUMN"),
                    AlterKind::Distribution => ("An optimize", "OPTIMIZE"),
                };
                return Err(Rejection::Altering(format!(
                    "{what} operation is in progress on the table {name}. Please wait until the current operation completes. \
                     To check the status of the operation, see SHOW ALTER TABLE {shown}"
                )));
            }
        }
        Ok(())
    }
}

/// The tables that a command changes otherwise than by rows, by database and name.
fn altered_by(command: &Command) -> BTreeSet<(&str, &str)> {
    let (database, table) = match command {
        Command::SwapTables { database, table, other } => {
            return BTreeSet::from([(database.as_str(), table.as_str()), (database.as_str(), other.as_str())]);
        }
        Command::TruncateTable { database, table, .. }
        | Command::AddPartition { database, table, .. }
        | Command::AddPartitions { database, table, .. }
        | Command::AddTemporaryPartitions { database, table, .. }
        | Command::DropPartition { database, table, .. }
        | Command::DropPartitions { database, table, .. }
        | Command::ReplacePartitions { database, table, .. }
        | Command::RenamePartition { database, table, .. }
        | Command::RecoverPartition { database, table, .. }
        | Command::RenameTable { database, table, .. }
        | Command::AlterColumns { database, table, .. }
        | Command::AlterDistribution { database, table, .. }
        | Command::SetTableProperties { database, table, .. }
        | Command::SetAutoIncrement { database, table, .. } => (database, table),
        _ => return BTreeSet::new(),
    };
    BTreeSet::from([(database.as_str(), table.as_str())])
}
