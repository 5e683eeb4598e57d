//! INSERT: rows are planned here, written by one compute node under a transaction's name, and become true by one log
//! entry, beside the rows that are there or, with OVERWRITE, in their place. Whatever breaks before that entry has never
//! happened.

use std::sync::Arc;

use actors_messages::compute::{LoadDone, LoadFragment, ReadFragment};
use actors_messages::leader::DrawTxn;
use runtime_mysql::{MySqlError, OkInfo};
use runtime_query::{PlanContext, Planned, plan_insert};
use runtime_sql::statement::Insert;
use storage_catalog::{Command, Outcome, Rejection, ReplacedPartition};
use storage_model::{Partition, Table, TxnId};
use storage_tablet::{TargetPartition, WriteSpec};

use crate::session::{Limit, Running, Session};
use crate::{errors, names, workers};

/// PROPERTIES of an INSERT that we know; their checks are those of strict mode, which is always on.
const PROPERTIES: [&str; 4] = ["strict_mode", "max_filter_ratio", "timeout", "enable_insert_strict"];

/// How often a statement that replaces what it has read begins again when that has changed meanwhile.
pub(crate) const ATTEMPTS: u32 = 5;

/// Rows ready to be written.
pub(crate) struct InsertPlan {
    pub(crate) table: Arc<Table>,
    pub(crate) partitions: Vec<TargetPartition>,
    pub(crate) planned: Planned,
}

/// Rows of an INSERT that are in the store and not yet true.
pub(crate) struct Loaded {
    pub(crate) table: Arc<Table>,
    pub(crate) txn: TxnId,
    pub(crate) done: LoadDone,
    /// With OVERWRITE: the partitions whose rows give way.
    replaced: Vec<ReplacedPartition>,
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
    let mut attempt = 1;
    let loaded = loop {
        let loaded = running.within_limit(&limit, running.reading(load(session, ast, text, running))).await?;
        // From here on neither KILL nor the time limit counts: the commit is taken or refused by the log.
        match commit(session, ast, &loaded).await? {
            Ok(()) => break loaded,
            // What it read and replaces has changed: it is read again.
            Err(_) if attempt < ATTEMPTS && loaded.replaced.iter().any(|replaced| replaced.base.is_some()) => {
                attempt += 1
            }
            Err(stale) => return Err(errors::rejection(&stale)),
        }
    };
    let label = ast.label.clone().unwrap_or_else(|| format!("insert_{}", uuid::Uuid::new_v4()));
    Ok(visible(&label, loaded.txn, loaded.done.rows))
}

/// What StarRocks says of rows that everyone sees now.
pub(crate) fn visible(label: &str, txn: TxnId, rows: u64) -> OkInfo {
    let info = format!("{{'label':'{label}', 'status':'VISIBLE', 'txnId':'{txn}'}}");
    OkInfo { affected_rows: rows, info, ..OkInfo::default() }
}

/// Plans an INSERT against one revision and has its rows written.
pub(crate) async fn load(session: &Session, ast: &Insert, text: &str, running: &Running) -> Result<Loaded, MySqlError> {
    check(ast)?;
    let front = session.front();
    // Held until the files are written: the plan may read tables.
    let (catalog, _point) = front.reads.begin(|| front.view.now());
    let cx = session.plan_context(catalog, text).await;
    let plan = plan(&cx, session, ast).await?;
    session.check_unwritten(&plan.planned.tables)?;
    let txn = draw_txn(session).await?;
    let done = write(session, &cx, &plan, txn, running).await?;
    let replaced = if ast.overwrite { replaced(&cx, &plan) } else { Vec::new() };
    Ok(Loaded { table: plan.table, txn, done, replaced })
}

/// All partitions that rows could have gone to. What is made from the very table must be made from its newest rows, or those
/// that came between would be lost.
fn replaced(cx: &PlanContext, plan: &InsertPlan) -> Vec<ReplacedPartition> {
    let reads_itself = plan.planned.tables.contains(&plan.table.id);
    let version = |target: &TargetPartition| cx.catalog.partition(target.id).map(|found| found.visible_version);
    let replaced = |target: &TargetPartition| ReplacedPartition {
        partition: target.id,
        base: if reads_itself { version(target) } else { None },
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
    if table.partitions.is_empty() {
        return Err(MySqlError::empty_partition(&table.name));
    }
    let partitions = partitions(cx, &table, ast.partitions.as_deref())?;
    let partitions = partitions.iter().map(|partition| TargetPartition::from(partition.as_ref())).collect();
    let planned = plan_insert(cx, &table, ast).await;
    let planned = planned.map_err(|e| crate::dispatch::with_similar_names(errors::query(&e)))?;
    Ok(InsertPlan { table, partitions, planned })
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

pub(crate) async fn draw_txn(session: &Session) -> Result<TxnId, MySqlError> {
    match session.front().draw_txn.ask(DrawTxn).await {
        Ok(Ok(txn)) => Ok(txn),
        Ok(Err(failure)) => Err(errors::propose(&failure)),
        Err(lost) => Err(errors::ask(&lost, "metadata leader", false)),
    }
}

/// Has the rows written by a compute node; by another one when the first is lost.
pub(crate) async fn write(
    session: &Session,
    cx: &PlanContext,
    plan: &InsertPlan,
    txn: TxnId,
    running: &Running,
) -> Result<LoadDone, MySqlError> {
    let shared = &session.shared;
    let table = &plan.table;
    let missing = || MySqlError::analyzing(format_args!("the storage volume of table '{}' is gone", table.name));
    let target = cx.catalog.volume(table.volume).ok_or_else(missing)?.as_ref().clone();
    let mut fragment = LoadFragment {
        read: ReadFragment {
            query: running.query_id.clone(),
            trace: running.cause.trace.as_u128(),
            parent: running.cause.span.as_u64(),
            plan: runtime_query::encode(&plan.planned).map_err(|e| errors::query(&e))?,
            volumes: workers::volumes_of(&cx.catalog, &plan.planned.tables),
        },
        spec: WriteSpec {
            table: table.as_ref().clone(),
            partitions: plan.partitions.clone(),
            volume: table.volume,
            service_id: cx.service_id.clone(),
            incarnation: cx.catalog.identity().incarnation.clone(),
            txn,
            attempt: 0,
            seed: txn.0,
        },
        target,
    };
    let mut lost = Vec::new();
    loop {
        // Loads spread over the nodes: their files are in nobody's cache yet.
        let node = workers::choose(shared, txn, &lost).await?;
        match workers::load(shared, &node, &fragment).await {
            Ok(done) => return Ok(done),
            Err(status) => workers::judge(shared, &node, &status, &mut lost)?,
        }
        // The lost node may still be writing: nothing of it has the name of what comes now.
        fragment.spec.attempt += 1;
    }
}

/// Makes the rows true. The inner error: the table has changed meanwhile, and nothing of them is.
async fn commit(session: &Session, ast: &Insert, loaded: &Loaded) -> Result<Result<(), Rejection>, MySqlError> {
    let Loaded { table, txn, done, replaced } = loaded;
    let (txn, table, label, files) = (*txn, table.id, ast.label.clone(), done.files.clone());
    let written: u64 = files.iter().map(|file| file.rows()).sum();
    let command = if ast.overwrite {
        Command::ReplaceRows { txn, table, label, partitions: replaced.clone(), files }
    } else if done.rows > 0 || label.is_some() {
        Command::CommitLoad { txn, table, label, files }
    } else {
        return Ok(Ok(()));
    };
    match session.front().propose_unless_stale(command).await? {
        Ok(Outcome::Committed { rows }) if rows != written => {
            tracing::error!(%txn, written, committed = rows, "a load was committed with another row count");
            Ok(Ok(()))
        }
        other => Ok(other.map(drop)),
    }
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
