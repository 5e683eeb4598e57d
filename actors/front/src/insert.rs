//! INSERT: rows are planned here, written by one compute node under a transaction's name, and become true by one log
//! entry, beside the rows that are there or, with OVERWRITE, in their place. Whatever breaks before that entry has never
//! happened. Small ones that come side by side are written and become true together.

mod altered;
mod commit;
mod group;
mod merged;
mod write;

use std::ops::Range;
use std::sync::Arc;

use actors_messages::ReadPoint;
use actors_messages::compute::LoadDone;
use runtime_mysql::{MySqlError, OkInfo};
use runtime_query::{PlanContext, Planned, QueryError, plan_insert, plan_partial};
use runtime_sql::statement::Insert;
use storage_catalog::ReplacedPartition;
use storage_model::{DefaultValue, Partition, PartitionValues, Table, TxnId};
use storage_tablet::TargetPartition;

pub(crate) use group::Groups;
pub(crate) use write::{draw_txn, write as write_rows, written as write_all};
use write::{make_partitions, no_room};

use crate::session::{Limit, Running, Session};
use crate::{ddl, errors, ids, names, turns};

/// PROPERTIES of an INSERT that we know; their checks are those of strict mode, which is always on.
const PROPERTIES: [&str; 4] = ["strict_mode", "max_filter_ratio", "timeout", "enable_insert_strict"];

/// How often a statement that replaces what it has read begins again when that has changed meanwhile.
pub(crate) const ATTEMPTS: u32 = 5;

/// Rows ready to be written.
#[derive(Clone)]
pub(crate) struct InsertPlan {
    pub(crate) table: Arc<Table>,
    pub(crate) partitions: Vec<TargetPartition>,
    pub(crate) planned: Planned,
    /// Whether partitions are made for rows that fit none.
    pub(crate) makes_partitions: bool,
    /// Numbers for rows that come without one in an AUTO_INCREMENT column.
    pub(crate) ids: Range<u64>,
    /// Whether rows that are there keep what they have in columns that are left out.
    pub(crate) is_partial: bool,
}

/// Rows of an INSERT that are in the store and not yet true.
pub(crate) struct Loaded {
    pub(crate) table: Arc<Table>,
    pub(crate) txn: TxnId,
    pub(crate) done: LoadDone,
    label: Option<String>,
    /// Whether they come in the place of others.
    overwrites: bool,
    /// With OVERWRITE: the partitions whose rows give way.
    replaced: Vec<ReplacedPartition>,
    /// Where rows keep a part of what they have: the partitions that it was read from.
    pub(crate) merged: Option<Vec<ReplacedPartition>>,
}

impl Loaded {
    /// Rows that come beside those that are there.
    fn plain(table: Arc<Table>, txn: TxnId, done: LoadDone) -> Loaded {
        Loaded { table, txn, done, label: None, overwrites: false, replaced: Vec::new(), merged: None }
    }
}

/// Runs an INSERT; the answer is what the OK packet says.
pub(crate) async fn insert(
    session: &Session,
    ast: &Insert,
    text: &str,
    running: &Running,
) -> Result<OkInfo, MySqlError> {
    if ast.overwrite {
        // What gives way is all that is there: of a partition that this frontend has not seen yet the rows would stay.
        session.front().may_read(true).await?;
    }
    let given = ast.properties.get("timeout").and_then(|seconds| seconds.parse().ok());
    let seconds = given.unwrap_or_else(|| session.variables.number("insert_timeout"));
    let limit = Limit::new("Insert", "insert_timeout", seconds);
    let (mut attempt, mut turn) = (1, None);
    let loaded = loop {
        let prepared = running.within_limit(&limit, running.reading(prepare(session, ast, text))).await?;
        // What is observed is written alone: of a group nobody could say whose work it was.
        if group::takes(ast, &prepared.plan) && !running.observed.is_on() {
            let Prepared { plan, .. } = prepared;
            let rows = plan.planned.values.as_ref().map_or(0, |rows| rows.num_rows() as u64);
            let table = Arc::clone(&plan.table);
            match group::insert(&session.shared, ast, plan, &limit, running).await? {
                Ok(txn) => return Ok(visible(&new_label(), txn, rows)),
                // A job has made the table another: the rows are written for that.
                Err(_) if attempt < turns::ATTEMPTS && altered::is_another(session, &table) => {
                    attempt += 1;
                    continue;
                }
                Err(stale) => return Err(errors::rejection(&stale)),
            }
        }
        let writing = written(session, ast, prepared, running);
        let loaded = running.within_limit(&limit, running.reading(writing)).await?;
        match commit::commit(&session.shared, &loaded, turn.is_none(), (&limit, running)).await? {
            Ok(()) => break loaded,
            // A job has made the table another: the rows are written for that.
            Err(_) if attempt < turns::ATTEMPTS && altered::is_another(session, &loaded.table) => attempt += 1,
            // What it read and replaces has changed: it is read again.
            Err(_) if attempt < ATTEMPTS && loaded.replaced.iter().any(|replaced| replaced.base.is_some()) => {
                attempt += 1
            }
            Err(_) if attempt < turns::ATTEMPTS && loaded.merged.is_some() => {
                let wait = turns::wait_for_turn(&session.shared.turns, loaded.table.id, &mut turn, attempt);
                running.within_limit(&limit, wait).await?;
                attempt += 1;
            }
            Err(stale) => return Err(errors::rejection(&stale)),
        }
    };
    Ok(visible(&loaded.label.unwrap_or_else(new_label), loaded.txn, loaded.done.rows))
}

fn new_label() -> String {
    format!("insert_{}", uuid::Uuid::new_v4())
}

/// What StarRocks says of rows that everyone sees now.
pub(crate) fn visible(label: &str, txn: TxnId, rows: u64) -> OkInfo {
    let info = format!("{{'label':'{label}', 'status':'VISIBLE', 'txnId':'{txn}'}}");
    OkInfo { affected_rows: rows, info, ..OkInfo::default() }
}

/// An INSERT that is planned against one revision.
struct Prepared {
    cx: PlanContext,
    plan: InsertPlan,
    /// Held until the files are written: the plan may read tables.
    _point: ReadPoint,
}

async fn prepare(session: &Session, ast: &Insert, text: &str) -> Result<Prepared, MySqlError> {
    check(ast)?;
    let front = session.front();
    let (catalog, point) = front.reads.begin(|| front.view.now());
    let cx = session.plan_context(catalog, text).await;
    let plan = plan(&cx, session, ast).await?;
    session.check_unwritten(&plan.planned.tables)?;
    Ok(Prepared { cx, plan, _point: point })
}

/// Plans an INSERT against one revision and has its rows written.
pub(crate) async fn load(session: &Session, ast: &Insert, text: &str, running: &Running) -> Result<Loaded, MySqlError> {
    let prepared = prepare(session, ast, text).await?;
    written(session, ast, prepared, running).await
}

async fn written(session: &Session, ast: &Insert, prepared: Prepared, running: &Running) -> Result<Loaded, MySqlError> {
    let Prepared { cx, mut plan, _point } = prepared;
    let shared = &session.shared;
    plan.ids = ids::for_plan(shared, &plan).await?;
    let wanted = static_partition(session, &plan.table, ast)?;
    if let Some(missing) = wanted {
        (plan.partitions, plan.makes_partitions) = (only_partition(session, &plan.table, missing).await?, false);
    }
    let (txn, done) = write::written(shared, &cx.catalog, &mut plan, running).await?;
    let mut replaced = if ast.overwrite { replaced(&cx, &plan) } else { Vec::new() };
    if session.variables.is_on("dynamic_overwrite") && plan.makes_partitions {
        // Partitions that get no rows stay as they are.
        replaced.retain(|replaced| done.files.iter().any(|file| file.partition == replaced.partition));
    }
    let merged = plan.is_partial.then(|| merged::partitions(&cx, &plan, &done));
    let (label, overwrites) = (ast.label.clone(), ast.overwrite);
    Ok(Loaded { table: plan.table, txn, done, label, overwrites, replaced, merged })
}

/// What rows have in the partition that `PARTITION (column = value)` means.
fn static_partition(session: &Session, table: &Table, ast: &Insert) -> Result<Option<PartitionValues>, MySqlError> {
    if ast.partition_values.is_empty() {
        return Ok(None);
    }
    if session.catalog().table(table.id).is_none_or(|table| table.partition_positions().is_empty()) {
        return Err(MySqlError::analyzing(format_args!("table {} is not partitioned", table.name)));
    }
    ddl::values_of(table, &ast.partition_values).map(Some)
}

/// The partition that takes rows with these values, made when loads may make it.
async fn only_partition(
    session: &Session,
    table: &Table,
    values: PartitionValues,
) -> Result<Vec<TargetPartition>, MySqlError> {
    let catalog = session.catalog();
    let newest = catalog.table(table.id).ok_or_else(|| MySqlError::unknown_table(&table.name))?;
    let there = catalog.partitions_of(newest).find(|partition| partition.range.contains(&values));
    if let Some(found) = there {
        return Ok(vec![TargetPartition::from(found.as_ref())]);
    }
    let missing = [values];
    if !table.partitioning.is_automatic() {
        return Err(no_room(table, &missing));
    }
    let mut partitions = make_partitions(&session.shared, table, &missing, 1).await?;
    partitions.retain(|partition| partition.range.contains(&missing[0]));
    if partitions.is_empty() { Err(no_room(table, &missing)) } else { Ok(partitions) }
}

/// All partitions that rows could have gone to. What is made from the very table must be made from its newest rows, or those
/// that came between would be lost.
fn replaced(cx: &PlanContext, plan: &InsertPlan) -> Vec<ReplacedPartition> {
    let reads_itself = plan.planned.tables.contains(&plan.table.id);
    let version = |target: &TargetPartition| cx.catalog.partition(target.id).map(|found| found.visible_version);
    // One that was made for these rows was empty when they were read.
    let replaced = |target: &TargetPartition| ReplacedPartition {
        partition: target.id,
        base: if reads_itself { version(target).or(Some(1)) } else { None },
    };
    plan.partitions.iter().map(replaced).collect()
}

fn check(ast: &Insert) -> Result<(), MySqlError> {
    if let Some((key, value)) = ast.properties.iter().find(|(key, _)| !PROPERTIES.contains(&key.as_str())) {
        return Err(MySqlError::analyzing(format_args!("Unknown properties: {{{key}={value}}}")));
    }
    if let Some(ratio) = ast.properties.get("max_filter_ratio").filter(|r| r.parse::<f64>().ok() != Some(0.0)) {
        return Err(errors::unsupported(format_args!("max_filter_ratio = {ratio}")));
    }
    match &ast.label {
        Some(label) if !is_label(label) => Err(MySqlError::wrong_label(label)),
        _ => Ok(()),
    }
}

/// Letters, digits, `_` and `-`, 128 at most.
pub(crate) fn is_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=128).contains(&label.len()) && label.bytes().all(allowed)
}

/// Plans the rows in the columns of the table.
pub(crate) async fn plan(cx: &PlanContext, session: &Session, ast: &Insert) -> Result<InsertPlan, MySqlError> {
    names::writable_database(&ast.table, session.database.as_deref())?;
    let (_, table) = names::stored_table(&cx.catalog, &ast.table, session.database.as_deref())?;
    if table.partitions.is_empty() && !ast.temporary && !table.partitioning.is_automatic() {
        return Err(MySqlError::empty_partition(&table.name));
    }
    let partitions = match (&ast.partitions, ast.temporary) {
        (Some(named), true) => temporary_partitions(cx, &table, named)?,
        (named, _) => partitions(cx, &table, named.as_deref())?,
    };
    let partitions = partitions.iter().map(|partition| TargetPartition::from(partition.as_ref())).collect();
    let to_error = |e: QueryError| crate::dispatch::with_similar_names(errors::query(&e));
    let is_plain = !ast.overwrite && !ast.temporary && ast.partition_values.is_empty();
    let partial = if is_plain { plan_partial(cx, &table, ast).await.map_err(to_error)? } else { None };
    let is_partial = partial.is_some();
    let planned = match (partial, ast.partition_values.is_empty()) {
        (Some(partial), _) => Ok(partial),
        (None, true) => plan_insert(cx, &table, ast).await,
        (None, false) => {
            ddl::values_of(&table, &ast.partition_values)?;
            let (filled, ast) = fill(&table, ast);
            plan_insert(cx, &filled, &ast).await
        }
    };
    let planned = planned.map_err(to_error)?;
    let makes_partitions = table.partitioning.is_automatic() && ast.partitions.is_none();
    Ok(InsertPlan { table, partitions, planned, makes_partitions, ids: 0..0, is_partial })
}

/// What `PARTITION (column = value)` says need not be said by the rows.
fn fill(table: &Table, ast: &Insert) -> (Table, Insert) {
    let (mut table, mut ast) = (table.clone(), ast.clone());
    let value_of = |name: &str| ast.partition_values.iter().find(|(column, _)| column.eq_ignore_ascii_case(name));
    for column in &mut table.schema.columns {
        if let Some((_, value)) = value_of(&column.name) {
            column.default = Some(value.clone().map_or(DefaultValue::Null, DefaultValue::Literal));
        }
    }
    if ast.columns.is_none() && !ast.by_name {
        let others = table.schema.columns.iter().filter(|column| value_of(&column.name).is_none());
        ast.columns = Some(others.map(|column| column.name.clone()).collect());
    }
    (table, ast)
}

fn temporary_partitions(cx: &PlanContext, table: &Table, named: &[String]) -> Result<Vec<Arc<Partition>>, MySqlError> {
    let there: Vec<_> = cx.catalog.temporary_partitions_of(table).collect();
    let find = |name: &String| {
        let found = there.iter().find(|partition| partition.name.eq_ignore_ascii_case(name));
        found.map(|found| Arc::clone(found)).ok_or_else(|| MySqlError::unknown_partition(name, &table.name))
    };
    let mut found: Vec<Arc<Partition>> = named.iter().map(find).collect::<Result<_, _>>()?;
    found.sort_by_key(|partition| partition.id);
    found.dedup_by_key(|partition| partition.id);
    Ok(found)
}

/// All partitions of a table, or those that a statement names.
pub(crate) fn partitions(
    cx: &PlanContext,
    table: &Table,
    named: Option<&[String]>,
) -> Result<Vec<Arc<Partition>>, MySqlError> {
    let mut chosen: Vec<_> = cx.catalog.partitions_of(table).cloned().collect();
    if let Some(named) = named {
        let is_there = |name: &&String| chosen.iter().any(|p| p.name.eq_ignore_ascii_case(name));
        if let Some(missing) = named.iter().find(|name| !is_there(name)) {
            return Err(MySqlError::unknown_partition(missing, &table.name));
        }
        chosen.retain(|p| named.iter().any(|name| name.eq_ignore_ascii_case(&p.name)));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_plain() {
        assert!(is_label("insert_1-a") && is_label(&"a".repeat(128)));
        for bad in ["", "a b", "a'b", "ä", &"a".repeat(129)] {
            assert!(!is_label(bad), "{bad}");
        }
    }
}
