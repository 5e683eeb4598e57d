//! INSERT: rows are planned here, written by one compute node under a transaction's name, and become true by one log
//! entry. Whatever breaks before that entry has never happened.

use std::sync::Arc;

use actors_messages::compute::{LoadDone, LoadFragment, ReadFragment};
use actors_messages::leader::DrawTxn;
use runtime_mysql::{MySqlError, OkInfo};
use runtime_query::{PlanContext, Planned, plan_insert};
use runtime_sql::statement::Insert;
use storage_catalog::{Command, Outcome};
use storage_model::{Table, TxnId};
use storage_tablet::{TargetPartition, WriteSpec};

use crate::session::{Running, Session};
use crate::{errors, names, workers};

/// PROPERTIES of an INSERT that we know; their checks are those of strict mode, which is always on.
const PROPERTIES: [&str; 4] = ["strict_mode", "max_filter_ratio", "timeout", "enable_insert_strict"];

/// An INSERT ready to run.
pub(crate) struct InsertPlan {
    pub(crate) table: Arc<Table>,
    pub(crate) partitions: Vec<TargetPartition>,
    pub(crate) planned: Planned,
}

/// Runs an INSERT; the answer is what the OK packet says.
pub(crate) async fn insert(
    session: &Session,
    ast: &Insert,
    text: &str,
    running: &Running,
) -> Result<OkInfo, MySqlError> {
    let front = session.front();
    check(ast)?;
    let given = ast.properties.get("timeout").and_then(|seconds| seconds.parse().ok());
    let seconds = given.unwrap_or_else(|| session.variables.number("insert_timeout"));
    // Held until the files are written: the plan may read tables.
    let (catalog, _point) = front.reads.begin(|| front.view.now());
    let cx = session.plan_context(catalog, text).await;
    let work = async {
        let plan = plan(&cx, session, ast).await?;
        let txn = draw_txn(session).await?;
        let done = write(session, &cx, &plan, txn, running).await?;
        Ok((plan.table, txn, done))
    };
    let (table, txn, done) = running.within("Insert", "insert_timeout", seconds, running.reading(work)).await?;
    // From here on neither KILL nor the time limit counts: the commit is taken or refused by the log.
    if done.rows > 0 || ast.label.is_some() {
        commit(session, &table, txn, ast.label.clone(), &done).await?;
    }
    let label = ast.label.clone().unwrap_or_else(|| format!("insert_{}", uuid::Uuid::new_v4()));
    let info = format!("{{'label':'{label}', 'status':'VISIBLE', 'txnId':'{txn}'}}");
    Ok(OkInfo { affected_rows: done.rows, info, ..OkInfo::default() })
}

fn check(ast: &Insert) -> Result<(), MySqlError> {
    if ast.overwrite {
        return Err(errors::unsupported("INSERT OVERWRITE"));
    }
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
fn is_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=128).contains(&label.len()) && label.bytes().all(allowed)
}

/// Plans the rows in the columns of the table.
pub(crate) async fn plan(cx: &PlanContext, session: &Session, ast: &Insert) -> Result<InsertPlan, MySqlError> {
    names::writable_database(&ast.table, session.database.as_deref())?;
    let (_, table) = names::stored_table(&cx.catalog, &ast.table, session.database.as_deref())?;
    let partitions = targets(cx, &table, ast)?;
    let planned = plan_insert(cx, &table, ast).await;
    let planned = planned.map_err(|e| crate::dispatch::with_similar_names(errors::query(&e)))?;
    Ok(InsertPlan { table, partitions, planned })
}

/// Where rows may go: all partitions, or those that were named.
fn targets(cx: &PlanContext, table: &Table, ast: &Insert) -> Result<Vec<TargetPartition>, MySqlError> {
    let all: Vec<_> = cx.catalog.partitions_of(table).collect();
    if all.is_empty() {
        return Err(MySqlError::empty_partition(&table.name));
    }
    if let Some(named) = &ast.partitions {
        let is_there = |name: &&String| all.iter().any(|p| p.name.eq_ignore_ascii_case(name));
        if let Some(missing) = named.iter().find(|name| !is_there(name)) {
            return Err(MySqlError::unknown_partition(missing, &table.name));
        }
    }
    let wanted = |name: &str| match &ast.partitions {
        Some(named) => named.iter().any(|n| n.eq_ignore_ascii_case(name)),
        None => true,
    };
    let chosen = all.into_iter().filter(|p| wanted(&p.name)).map(|p| TargetPartition {
        id: p.id,
        name: p.name.clone(),
        range: p.range.clone(),
        buckets: p.buckets,
    });
    Ok(chosen.collect())
}

async fn draw_txn(session: &Session) -> Result<TxnId, MySqlError> {
    match session.front().draw_txn.ask(DrawTxn).await {
        Ok(Ok(txn)) => Ok(txn),
        Ok(Err(failure)) => Err(errors::propose(&failure)),
        Err(lost) => Err(errors::ask(&lost, "metadata leader", false)),
    }
}

/// Has the rows written by a compute node; by another one when the first is lost.
async fn write(
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

async fn commit(
    session: &Session,
    table: &Table,
    txn: TxnId,
    label: Option<String>,
    done: &LoadDone,
) -> Result<(), MySqlError> {
    let command = Command::CommitLoad { txn, table: table.id, label, files: done.files.clone() };
    match session.front().propose(command).await? {
        Outcome::Committed { rows } if rows != done.rows => {
            tracing::error!(%txn, written = done.rows, committed = rows, "a load was committed with another row count");
            Ok(())
        }
        _ => Ok(()),
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
